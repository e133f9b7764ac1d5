//! A server that lets anonymous people do some things.

use http::Method;
use resource_server::ProtectionBuilder;

use crate::challenge::{challenge, refused};
use crate::mint::NOW;
use crate::run::{Run, call_of};
use crate::signed::{Signed, token, token_for};

stamp!(
    wd08_only_somebody_without_any_credentials_is_anonymous,
    rs15_a_page_of_another_origin_is_not_anonymous,
    rs15_a_page_whose_name_resolves_to_the_server_is_not_anonymous,
    what_nobody_may_send_is_little,
    a_tool_with_a_scope_asks_somebody_anonymous_to_log_in,
    a_route_with_a_scope_asks_somebody_anonymous_to_log_in,
    a_handler_that_needs_a_caller_asks_somebody_anonymous_to_log_in,
    somebody_known_needs_the_scopes_all_the_same,
);

fn optional(builder: ProtectionBuilder) -> ProtectionBuilder {
    builder.optional().require("files:read").require_for_tool("delete", "files:write")
}

/// WD-8: a bad token that counts as none makes clients lose their rights in silence, and they never refresh it.
async fn wd08_only_somebody_without_any_credentials_is_anonymous(run: Run) {
    let world = Signed::new();
    let server = run.protected(world.demanding(optional));
    let answer = server.get("/mcp", &[]).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json()["subject"], serde_json::Value::Null);
    let expired = token(serde_json::json!({ "exp": NOW.0 - 60 }));
    for bad in [expired.as_str(), "garbage", "mat_unknown"] {
        refused(&server.with(bad).await, 401, "invalid_token");
    }
    for value in ["Basic YTpi", "DPoP abc", "Negotiate YII="] {
        let answer = server.get("/mcp", &[("authorization", value)]).await;
        assert_eq!(answer.status(), 401, "{value}");
        assert!(!challenge(&answer).contains_key("error"));
    }
    refused(&server.get("/mcp", &[("authorization", "Bearer a b")]).await, 400, "invalid_request");
    assert_eq!(server.reached(), 1);
    world.provider.set_down(true);
    world.later(7 * 86_400);
    assert_eq!(server.with(&token_for("files:read")).await.status(), 503);
    assert_eq!(server.get("/mcp", &[]).await.status(), 200);
}

/// Any page that somebody opens inside of a company's network could read the server there.
async fn rs15_a_page_of_another_origin_is_not_anonymous(run: Run) {
    let server = run.protected(Signed::new().demanding(optional));
    for origin in ["https://evil.example", "null", "http://mcp.example.com"] {
        let answer = server.get("/mcp", &[("origin", origin)]).await;
        assert_eq!(answer.status(), 401, "{origin}");
        assert!(!challenge(&answer).contains_key("error"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    assert_eq!(server.reached(), 0);
    assert_eq!(server.get("/mcp", &[("origin", "https://mcp.example.com")]).await.status(), 200);
    let allowing = |b: ProtectionBuilder| optional(b).allowed_origins(["https://app.example"]);
    let server = run.protected(Signed::new().demanding(allowing));
    assert_eq!(server.get("/mcp", &[("origin", "https://app.example")]).await.status(), 200);
}

/// DNS rebinding: to a browser the server is the page's own, so its `GET` has no `Origin`.
async fn rs15_a_page_whose_name_resolves_to_the_server_is_not_anonymous(run: Run) {
    let known_as = |b: ProtectionBuilder| optional(b).also_known_as(["mcp.internal"]);
    let server = run.protected(Signed::new().demanding(known_as));
    for host in ["evil.example", "10.0.0.7:3000", "mcp.example.com.evil.example"] {
        let answer = server.get("/mcp", &[("host", host)]).await;
        assert_eq!(answer.status(), 401, "{host}");
        assert!(!challenge(&answer).contains_key("error"));
    }
    assert_eq!(server.reached(), 0);
    for host in ["mcp.example.com", "mcp.internal:3000"] {
        assert_eq!(server.get("/mcp", &[("host", host)]).await.status(), 200, "{host}");
    }
    let authorization = format!("Bearer {}", token_for("files:read"));
    let known = [("host", "evil.example"), ("authorization", authorization.as_str())];
    assert_eq!(server.get("/mcp", &known).await.status(), 200, "a page has no token");
}

/// Whoever is nobody and sends more is asked to log in, before all of it is read.
async fn what_nobody_may_send_is_little(run: Run) {
    let server = run.protected(Signed::new().demanding(optional));
    let call = |length: usize| {
        let call = call_of("list");
        " ".repeat(length - call.len()) + &call
    };
    let send = async |body: &str| server.send(Method::POST, "/mcp", &[], body).await;
    assert_eq!(send(&call(64 * 1024)).await.status(), 200);
    let answer = send(&call(64 * 1024 + 1)).await;
    assert_eq!(answer.status(), 401);
    assert!(!challenge(&answer).contains_key("error"));
    assert_eq!(server.post(&token_for("files:read"), &call(64 * 1024 + 1)).await.status(), 200);
}

async fn a_tool_with_a_scope_asks_somebody_anonymous_to_log_in(run: Run) {
    let server = run.protected(Signed::new().demanding(optional));
    let call = async |tool: &str| server.send(Method::POST, "/mcp", &[], &call_of(tool)).await;
    assert_eq!(call("list").await.status(), 200);
    let answer = call("delete").await;
    assert_eq!(answer.status(), 401);
    let challenge = challenge(&answer);
    assert_eq!(challenge.get("scope").map(String::as_str), Some("files:read files:write"));
    assert!(!challenge.contains_key("error"));
    assert_eq!(server.reached(), 1);
}

async fn a_route_with_a_scope_asks_somebody_anonymous_to_log_in(run: Run) {
    let server = run.protected(Signed::new().demanding(optional));
    for path in ["/write", "/mcp/write"] {
        let answer = server.get(path, &[]).await;
        assert_eq!(answer.status(), 401, "{path}");
        assert_eq!(
            challenge(&answer).get("scope").map(String::as_str),
            Some("files:read files:write"),
            "{path}"
        );
    }
    assert_eq!(server.reached(), 0);
}

async fn a_handler_that_needs_a_caller_asks_somebody_anonymous_to_log_in(run: Run) {
    let server = run.protected(Signed::new().demanding(optional));
    let answer = server.get("/mcp/caller", &[("origin", "https://app.example")]).await;
    assert_eq!(answer.status(), 401);
    assert!(!challenge(&answer).contains_key("error"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let authorization = format!("Bearer {}", token_for("files:read"));
    let answer = server.get("/mcp/caller", &[("authorization", &authorization)]).await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "alice"));
}

async fn somebody_known_needs_the_scopes_all_the_same(run: Run) {
    let server = run.protected(Signed::new().demanding(optional));
    refused(&server.with(&token_for("")).await, 403, "insufficient_scope");
    assert_eq!(server.with(&token_for("files:read")).await.status(), 200);
}
