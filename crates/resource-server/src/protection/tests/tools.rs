use super::*;

const CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete","arguments":{}}}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

fn protection() -> Protection {
    builder().require("a").require_for_tool("delete", "b c").build().unwrap()
}

/// RS-8: what the route and the tool need, once, and whether or not the token has some of it.
#[tokio::test]
async fn a_tool_needs_its_scopes_and_those_of_everything() {
    let protection = protection();
    for (token, body, scope) in [
        ("good.a", CALL, Some("a b c")),
        ("good.b+c", CALL, Some("a b c")),
        ("good.a+b", CALL, Some("a b c")),
        ("good.", LIST, Some("a")),
        ("good.a", LIST, None),
        ("good.a+b+c+d", CALL, None),
    ] {
        let sent = sent(&protection, &[("authorization", &format!("Bearer {token}"))], body).await;
        match scope {
            Some(scope) => {
                let answer = sent.unwrap_err();
                assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{token} {body}");
                assert_eq!(param(&answer, "error").as_deref(), Some("insufficient_scope"));
                assert_eq!(param(&answer, "scope").as_deref(), Some(scope), "{token} {body}");
            }
            None => assert!(sent.is_ok(), "{token} {body}"),
        }
    }
}

#[tokio::test]
async fn a_batch_needs_the_scopes_of_all_its_calls() {
    let answer =
        refused(&protection(), &[("authorization", "Bearer good.a")], &format!("[{LIST},{CALL}]")).await;
    assert_eq!(param(&answer, "scope").as_deref(), Some("a b c"));
}

/// `Mcp-Method` and `Mcp-Name` of 2026-07-28 are what the sender says about the body.
#[tokio::test]
async fn a_header_that_names_another_tool_changes_nothing() {
    let headers = [("authorization", "Bearer good.a"), ("mcp-method", "tools/list"), ("mcp-name", "free")];
    assert_eq!(refused(&protection(), &headers, CALL).await.status(), StatusCode::FORBIDDEN);
    let headers = [("authorization", "Bearer good.a"), ("mcp-method", "tools/call"), ("mcp-name", "delete")];
    assert!(sent(&protection(), &headers, LIST).await.is_ok());
}

#[tokio::test]
async fn a_body_that_cannot_be_read_in_one_way_is_400() {
    let twice = CALL.replace(r#""name":"#, r#""name":"free","name":"#);
    for (body, code) in [("nonsense", -32700), (twice.as_str(), -32600), ("[1]", -32600)] {
        let answer = refused(&protection(), &[("authorization", "Bearer good.a+b+c")], body).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body}");
        assert!(!answer.headers().contains_key(header::WWW_AUTHENTICATE));
        assert_eq!(json(&answer)["error"]["code"], code);
        assert_eq!(json(&answer)["error"]["data"]["reason"], "body_unreadable");
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    }
}

/// RS-13: nobody's body is read before it is known who sends it.
#[tokio::test]
async fn a_body_is_read_only_of_those_who_are_known_and_where_tools_need_it() {
    let protection = protection();
    let good = [("authorization", "Bearer good.a")];
    for (method, headers, reads) in [
        ("POST", &good[..], true),
        ("PUT", &good, true),
        ("GET", &good, false),
        ("DELETE", &good, false),
        ("POST", &[], false),
        ("POST", &[("authorization", "Bearer expired")], false),
    ] {
        let admission = protection.admit(&head(method, headers)).await;
        assert_eq!(matches!(admission, Admission::Unread(_)), reads, "{method} {headers:?}");
    }
    let toolless = builder().require("a").build().unwrap();
    assert!(matches!(toolless.admit(&head("POST", &good)).await, Admission::Admitted(Some(_))));
}

#[tokio::test]
async fn a_compressed_body_is_415_and_a_long_one_413() {
    let protection = builder().require_for_tool("delete", "b").body_limit(100).build().unwrap();
    let headers = [("authorization", "Bearer good.b"), ("content-encoding", "gzip")];
    let answer = refused(&protection, &headers, CALL).await;
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(json(&answer)["error"]["data"]["reason"], "body_encoded");

    let origin = [("authorization", "Bearer good.b"), ("origin", "https://page.example")];
    let Admission::Unread(unread) = protection.admit(&head("POST", &origin)).await else { panic!() };
    assert_eq!(unread.body_limit(), 100);
    let answer = unread.too_large();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(json(&answer)["error"]["message"], "Bad request: the body is longer than 100 bytes");
    assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
}

/// What is needed can be held by a broader scope, for tools, too.
#[tokio::test]
async fn a_hierarchy_counts_for_tools() {
    let protection = builder().require_for_tool("delete", "b").implies("admin", "b").build().unwrap();
    assert!(sent(&protection, &[("authorization", "Bearer good.admin")], CALL).await.is_ok());
    assert!(sent(&protection, &[("authorization", "Bearer good.x")], CALL).await.is_err());
}
