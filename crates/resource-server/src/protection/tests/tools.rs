use ambient::ManualClock;

use super::*;

const CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete","arguments":{}}}"#;
/// JSON-RPC 2.0 section 5.1: invalid params.
const NAMELESS: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#;
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
    for (body, code) in [("nonsense", -32700), (twice.as_str(), -32602), ("[1]", -32600), (NAMELESS, -32602)]
    {
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

/// A misspelt name protects nothing; what the others need does.
#[tokio::test]
async fn a_tool_that_nobody_named_needs_what_the_others_need() {
    let protection = builder().require("a").require_for_tool("delete-note", "b").require_for_other_tools("c");
    let protection = protection.build().unwrap();
    let answer = refused(&protection, &[("authorization", "Bearer good.a+b")], CALL).await;
    assert_eq!(param(&answer, "scope").as_deref(), Some("a c"));
    assert!(sent(&protection, &[("authorization", "Bearer good.a+c")], CALL).await.is_ok());
    assert!(sent(&protection, &[("authorization", "Bearer good.a")], LIST).await.is_ok());
    assert_eq!(protection.metadata().document().scopes_supported, ["a"]);
    assert!(builder().require_for_other_tools("").build().is_err());
    let alone = builder().require_for_other_tools("c").build().unwrap();
    assert!(sent(&alone, &[("authorization", "Bearer good.a")], CALL).await.is_err());
}

/// Whoever stole a token could open requests while it is good, and send their last byte when it is not.
#[tokio::test]
async fn a_token_that_died_while_the_body_came_is_401() {
    let fake = Fake::at(RESOURCE);
    let revoked = Arc::clone(&fake.revoked);
    let clock = Arc::new(ManualClock::at(Time(1_000)));
    let protection = Protection::builder(fake).require_for_tool("delete", "b").clock(Arc::clone(&clock) as _);
    let protection = protection.build().unwrap();
    let opened = async || match protection.admit(&head("POST", &[("authorization", "Bearer good.b")])).await {
        Admission::Unread(unread) => unread,
        Admission::Admitted(_) | Admission::Answer(_) => panic!("it was not asked for its body"),
    };
    let (quick, good, dead) = (opened().await, opened().await, opened().await);
    assert!(quick.admit(CALL.as_bytes()).await.unwrap().is_some());
    clock.advance(10);
    assert!(good.admit(CALL.as_bytes()).await.unwrap().is_some());
    revoked.store(true, Ordering::Relaxed);
    let answer = dead.admit(CALL.as_bytes()).await.unwrap_err();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(param(&answer, "error").as_deref(), Some("invalid_token"));
}

#[tokio::test]
async fn a_body_has_a_deadline_and_what_is_later_is_408() {
    for (builder, seconds) in [(builder(), 30), (builder().body_deadline(Duration::from_secs(7)), 7)] {
        let protection = builder.require_for_tool("delete", "b").build().unwrap();
        let headers = [("authorization", "Bearer good.b"), ("origin", "https://page.example")];
        let Admission::Unread(unread) = protection.admit(&head("POST", &headers)).await else { panic!() };
        assert_eq!(unread.body_deadline(), Duration::from_secs(seconds));
        let answer = unread.too_slow();
        assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(json(&answer)["error"]["data"]["reason"], "body_too_slow");
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    }
}

/// On a socket calls of tools would be seen by nobody.
#[tokio::test]
async fn an_upgrade_is_refused_where_tools_need_scopes() {
    let good = ("authorization", "Bearer good.a+b+c");
    for (method, headers) in [
        ("GET", &[good, ("upgrade", "websocket"), ("connection", "Upgrade")][..]),
        ("POST", &[good, ("upgrade", "h2c")]),
        ("CONNECT", &[good]),
    ] {
        let Admission::Answer(answer) = protection().admit(&head(method, headers)).await else { panic!() };
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{method}");
        assert_eq!(json(&answer)["error"]["data"]["reason"], "upgrade_refused");
        let toolless = builder().build().unwrap().admit(&head(method, headers)).await;
        assert!(matches!(toolless, Admission::Admitted(_)), "{method}");
    }
}

/// What an author adds later is closed until somebody opens it.
#[tokio::test]
async fn tools_that_nobody_named_are_closed_and_those_that_are_open_need_nothing_more() {
    let protection = builder().require("a").require_for_other_tools("b").open_tool("free").build().unwrap();
    for (tool, scope) in [("free", None), ("Free", Some("a b")), ("delete", Some("a b"))] {
        let call = CALL.replace("delete", tool);
        let sent = sent(&protection, &[("authorization", "Bearer good.a")], &call).await;
        assert_eq!(sent.err().and_then(|answer| param(&answer, "scope")).as_deref(), scope, "{tool}");
    }
    let batch = format!("[{},{CALL}]", CALL.replace("delete", "free"));
    let answer = refused(&protection, &[("authorization", "Bearer good.a")], &batch).await;
    assert_eq!(param(&answer, "scope").as_deref(), Some("a b"));
}

#[test]
fn a_tool_that_is_open_and_needs_a_scope_is_an_error() {
    for built in [
        builder().open_tool("delete").require_for_tool("delete", "b").build(),
        builder().require_for_tool("delete", "b").open_tool("delete").build(),
    ] {
        assert_eq!(built.unwrap_err(), ConfigError::OpenTool { tool: "delete".to_owned() });
    }
    assert!(matches!(builder().open_tool("").build(), Err(ConfigError::Value { .. })));
}
