use super::*;

/// The name of the server, without which nobody is nobody.
pub(super) const HERE: (&str, &str) = ("host", "mcp.example.com");

/// WD-8 and the third item of the issue.
#[tokio::test]
async fn only_somebody_without_any_credentials_is_anonymous() {
    let protection = builder().require("a").optional().build().unwrap();
    assert!(sent(&protection, &[HERE], "").await.unwrap().is_none());
    assert!(sent(&protection, &[("authorization", "Bearer good.a")], "").await.unwrap().is_some());
    for (value, status, error) in [
        ("Bearer expired", 401, Some("invalid_token")),
        ("Bearer good.", 403, Some("insufficient_scope")),
        ("Basic YTpi", 401, None),
        ("DPoP x", 401, None),
        ("Bearer", 400, Some("invalid_request")),
        ("", 400, Some("invalid_request")),
    ] {
        let answer = refused(&protection, &[("authorization", value)], "").await;
        assert_eq!(answer.status(), status, "{value}");
        assert_eq!(param(&answer, "error").as_deref(), error, "{value}");
    }
}

#[tokio::test]
async fn a_route_that_needs_a_scope_asks_somebody_anonymous_to_log_in() {
    let open = builder().require("a").optional().build().unwrap();
    let closed = open.requiring("b").unwrap();
    let answer = refused(&closed, &[HERE], "").await;
    assert_eq!((answer.status(), param(&answer, "error")), (StatusCode::UNAUTHORIZED, None));
    assert_eq!(param(&answer, "scope").as_deref(), Some("a b"));
    assert!(sent(&open, &[HERE], "").await.is_ok());
}

/// A scoped tool asks somebody anonymous to log in; an unscoped one does not.
#[tokio::test]
async fn a_tool_that_needs_a_scope_asks_somebody_anonymous_to_log_in() {
    // The second tool needs what everybody who logs in needs anyway, and is no less closed for it.
    let tools =
        builder().require("a").optional().require_for_tool("delete", "b").require_for_tool("read", "a");
    let protection = tools.build().unwrap();
    let call = |tool: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}"}}}}"#)
    };
    assert!(sent(&protection, &[HERE], &call("public")).await.unwrap().is_none());
    assert!(sent(&protection, &[HERE], r#"{"method":"tools/list"}"#).await.unwrap().is_none());
    for (tool, scope) in [("delete", "a b"), ("read", "a")] {
        let answer = refused(&protection, &[HERE], &call(tool)).await;
        assert_eq!((answer.status(), param(&answer, "error")), (StatusCode::UNAUTHORIZED, None), "{tool}");
        assert_eq!(param(&answer, "scope").as_deref(), Some(scope));
    }
    assert!(sent(&protection, &[("authorization", "Bearer good.a+b")], &call("delete")).await.is_ok());
}

/// Any page that somebody opens inside of a company's network could read the server there: browsers let it, for `*` is allowed.
#[tokio::test]
async fn a_page_of_another_origin_is_not_anonymous() {
    let tools = || builder().optional().require_for_tool("delete", "b");
    let allowing = tools().allowed_origins(["https://app.example"]).build().unwrap();
    let local = Protection::builder(Fake::at("http://localhost:3000/mcp")).optional().build().unwrap();
    for (protection, origin, allowed) in [
        (&tools().build().unwrap(), "https://evil.example", false),
        (&tools().build().unwrap(), "null", false),
        (&tools().build().unwrap(), "http://mcp.example.com", false),
        (&tools().build().unwrap(), "https://mcp.example.com", true),
        (&allowing, "https://app.example", true),
        (&local, "http://localhost:6274", true),
    ] {
        let host = ("host", if origin == "http://localhost:6274" { "localhost:3000" } else { HERE.1 });
        let sent = sent(protection, &[("origin", origin), host], r#"{"method":"ping"}"#).await;
        assert_eq!(sent.is_ok(), allowed, "{origin}");
        if let Err(answer) = sent {
            assert_eq!((answer.status(), param(&answer, "error")), (StatusCode::UNAUTHORIZED, None));
        }
        let known = [("origin", origin), host, ("authorization", "Bearer good.")];
        assert!(super::sent(protection, &known, r#"{"method":"ping"}"#).await.is_ok(), "{origin}");
    }
}

/// A page can make its name resolve to any server inside of a company's network, and a browser sends no `Origin` with its `GET` then
/// (DNS rebinding).
#[tokio::test]
async fn nobody_comes_in_by_another_name_than_the_servers() {
    let protection = builder().optional().also_known_as(["10.0.0.7", "MCP.internal"]).build().unwrap();
    let come_in = async |headers: &[(&str, &str)]| sent(&protection, headers, "").await.is_ok();
    for host in ["mcp.example.com", "mcp.EXAMPLE.com:8443", "10.0.0.7:3000", "mcp.internal"] {
        assert!(come_in(&[("host", host)]).await, "{host}");
    }
    for host in ["evil.example", "10.0.0.8", "mcp.example.com.evil.example", "a@mcp.example.com", ""] {
        let answer = refused(&protection, &[("host", host)], "").await;
        assert_eq!((answer.status(), param(&answer, "error")), (StatusCode::UNAUTHORIZED, None), "{host}");
        assert!(!come_in(&[("host", host), HERE]).await, "{host}");
        assert!(!come_in(&[("host", host), ("origin", "https://mcp.example.com")]).await, "{host}");
        assert!(come_in(&[("host", host), ("authorization", "Bearer good.")]).await, "{host}");
    }
    assert!(!come_in(&[]).await, "no name is not the server's");
    let allowing = builder().optional().allowed_origins(["https://app.example"]).build().unwrap();
    assert!(sent(&allowing, &[("host", "evil.example")], "").await.is_err());
    for host in ["mcp.example.com:443", "https://mcp.example.com", "", "mcp.example.com/mcp"] {
        let fault = builder().also_known_as([host]).build().unwrap_err();
        assert!(fault.to_string().contains("mcp.internal"), "{fault}");
    }
}
