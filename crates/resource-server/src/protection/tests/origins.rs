use super::*;

const GOOD: (&str, &str) = ("authorization", "Bearer good.");

async fn status(protection: &Protection, headers: &[(&str, &str)]) -> StatusCode {
    match sent(protection, headers, "").await {
        Ok(_) => StatusCode::OK,
        Err(answer) => answer.status(),
    }
}

/// RS-15: before anything else, and without a challenge, for no token would help.
#[tokio::test]
async fn an_origin_that_is_not_allowed_is_403_without_challenge() {
    let protection = builder().require("a").allowed_origins(["https://app.example.com"]).build().unwrap();
    for headers in [
        &[("origin", "https://evil.example")][..],
        &[("origin", "https://evil.example"), GOOD],
        &[("origin", "https://evil.example"), ("authorization", "Bearer")],
        &[("origin", "https://app.example.com.evil.example")],
        &[("origin", "http://app.example.com")],
        &[("origin", "https://app.example.com:8443")],
        &[("origin", "null")],
        &[("origin", "")],
        &[("origin", "https://app.example.com"), ("origin", "https://evil.example")],
        &[("origin", "https://app.example.com"), ("origin", "https://app.example.com")],
    ] {
        let answer = refused(&protection, headers, "").await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{headers:?}");
        assert!(!answer.headers().contains_key(header::WWW_AUTHENTICATE));
        assert_eq!(json(&answer)["error"]["data"]["reason"], "origin_not_allowed");
    }
    let preflight = [("origin", "https://evil.example"), ("access-control-request-method", "POST")];
    let Admission::Answer(answer) = protection.admit(&head("OPTIONS", &preflight)).await else { panic!() };
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(!answer.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
}

#[tokio::test]
async fn an_allowed_origin_is_echoed_and_caches_are_told() {
    let origins = ["https://APP.example.com:443", "vscode-webview://abc"];
    let protection = builder().allowed_origins(origins).build().unwrap();
    for origin in ["https://app.example.com", "vscode-webview://abc"] {
        let answer = refused(&protection, &[("origin", origin)], "").await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{origin}");
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], origin);
        assert_eq!(answer.headers()[header::VARY], "Origin");
        assert_eq!(status(&protection, &[GOOD, ("origin", origin)]).await, StatusCode::OK);
    }
    // A program that is no browser sends none.
    assert_eq!(status(&protection, &[GOOD]).await, StatusCode::OK);
}

/// DNS rebinding: a page whose name was made to resolve to this machine says so in `Origin` or in `Host`.
#[tokio::test]
async fn a_server_on_loopback_takes_requests_of_this_machine_only() {
    for resource in ["http://localhost:3000/mcp", "http://127.0.0.1:3000/mcp", "http://[::1]/mcp"] {
        let protection = Protection::new(Fake::at(resource));
        for (headers, allowed) in [
            (&[][..], true),
            (&[("origin", "http://localhost:6274")], true),
            (&[("origin", "https://127.0.0.1"), ("host", "localhost:3000")], true),
            (&[("origin", "http://[::1]:80"), ("host", "[::1]:3000")], true),
            (&[("origin", "http://app.localhost"), ("host", "127.0.0.1")], true),
            (&[("origin", "http://evil.example:3000")], false),
            (&[("origin", "http://localhost.evil.example")], false),
            (&[("origin", "http://127.0.0.1.evil.example")], false),
            (&[("origin", "http://evillocalhost")], false),
            (&[("origin", "localhost")], false),
            (&[("origin", "null")], false),
            (&[("host", "evil.example:3000")], false),
            (&[("host", "localhost:3000"), ("host", "evil.example")], false),
        ] {
            let all = [headers, &[GOOD]].concat();
            let expected = if allowed { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!(status(&protection, &all).await, expected, "{resource} {headers:?}");
        }
    }
    let absolute =
        Request::post("http://evil.example/mcp").header(GOOD.0, GOOD.1).body(()).unwrap().into_parts().0;
    let local = Protection::new(Fake::at("http://localhost/mcp"));
    assert!(matches!(local.admit(&absolute).await, Admission::Answer(_)));
}

/// Anything else is reached by anybody anyway, under any name that its proxies give it (WE-5).
#[tokio::test]
async fn a_public_server_takes_requests_from_any_page_and_under_any_name() {
    let protection = Protection::new(Fake::at(RESOURCE));
    for headers in [("origin", "https://any.example"), ("origin", "null"), ("host", "10.0.0.1:8080")] {
        assert_eq!(status(&protection, &[GOOD, headers]).await, StatusCode::OK, "{headers:?}");
    }
}

/// RS-19: a preflight never asks for a token.
#[tokio::test]
async fn a_preflight_is_answered_without_a_token() {
    let headers = [
        ("origin", "https://any.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization, mcp-param-region, x-other, Mcp-Param-\u{e9}"),
    ];
    let protection = builder().require("a").require_for_tool("x", "y").build().unwrap();
    let Admission::Answer(answer) = protection.admit(&head("OPTIONS", &headers[..2])).await else { panic!() };
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert!(answer.body().is_empty());
    let text = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(text("access-control-allow-origin"), "*");
    assert_eq!(text("access-control-max-age"), "86400");
    for method in ["GET", "POST", "DELETE"] {
        assert!(text("access-control-allow-methods").contains(method));
    }
    for name in [
        "Authorization",
        "Content-Type",
        "Accept",
        "MCP-Protocol-Version",
        "Mcp-Session-Id",
        "Last-Event-ID",
        "Mcp-Method",
        "Mcp-Name",
    ] {
        assert!(text("access-control-allow-headers").split(", ").any(|allowed| allowed == name), "{name}");
    }
    let Admission::Answer(answer) = protection.admit(&head("OPTIONS", &headers[..2])).await else { panic!() };
    assert!(!answer.headers()["access-control-allow-headers"].to_str().unwrap().contains("mcp-param"));
    let params = [
        headers[0],
        headers[1],
        ("access-control-request-headers", "authorization,mcp-param-region, x-other, Mcp-Param-a b"),
    ];
    let Admission::Answer(answer) = protection.admit(&head("OPTIONS", &params)).await else { panic!() };
    let allowed = answer.headers()["access-control-allow-headers"].to_str().unwrap();
    assert!(allowed.ends_with(", mcp-param-region") && !allowed.contains("x-other"), "{allowed}");
    // Without an origin, or by another method, it is no preflight.
    for no_preflight in [head("OPTIONS", &headers[1..]), head("POST", &headers[..2])] {
        let Admission::Answer(answer) = protection.admit(&no_preflight).await else { panic!() };
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
}

#[test]
fn what_is_told_to_browsers_is_told_once() {
    let protection = builder().allowed_origins(["https://app.example.com"]).build().unwrap();
    let origin = HeaderValue::from_static("https://app.example.com");
    let mut headers = HeaderMap::from_iter([(header::VARY, HeaderValue::from_static("Accept"))]);
    protection.finish(Some(&origin), &mut headers);
    protection.finish(Some(&origin), &mut headers);
    let vary: Vec<_> = headers.get_all(header::VARY).iter().collect();
    assert_eq!(vary, ["Accept", "Origin"]);
    assert_eq!(headers.get_all(header::ACCESS_CONTROL_ALLOW_ORIGIN).iter().count(), 1);
    // What the server behind may have allowed is not.
    let mut headers =
        HeaderMap::from_iter([(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"))]);
    protection.finish(Some(&HeaderValue::from_static("https://evil.example")), &mut headers);
    assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
}

#[test]
fn origins_are_configured_as_browsers_write_them() {
    for bad in [
        "https://a.example/",
        "a.example",
        "*",
        "null",
        "https://",
        "https://*.example",
        "https://a.example?x",
        "https://u@a.example",
        "",
        "a b://c",
    ] {
        assert!(builder().allowed_origins([bad]).build().is_err(), "{bad}");
    }
    assert!(builder().allowed_origins(["http://localhost:6274", "chrome-extension://abc"]).build().is_ok());
    assert!(builder().allowed_origins(Vec::<String>::new()).build().is_ok());
}
