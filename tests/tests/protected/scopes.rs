//! What a token must reach: everywhere, and on a route.

use crate::challenge::{challenge, reason, refused};
use crate::run::Run;
use crate::signed::{Signed, token_for};

stamp!(
    rs08_a_missing_scope_is_403_with_all_that_is_needed,
    rs08_a_route_may_need_more,
    rs08_a_broad_scope_stands_for_what_it_implies,
    rs08_an_expired_or_forged_token_is_never_told_of_scopes,
    bc11_the_challenge_may_repeat_what_the_token_has,
    rs06_without_a_required_scope_any_good_token_is_enough,
);

/// step-up-403-response, step-up-scope-in-header, step-up-resource-metadata.
async fn rs08_a_missing_scope_is_403_with_all_that_is_needed(run: Run) {
    let world = Signed::new();
    let server = run.protected(world.demanding(|b| b.require("files:read").require("profile")));
    for scope in ["", "files:read", "profile", "files:readx profile", "FILES:READ profile"] {
        let answer = server.with(&token_for(scope)).await;
        let challenge = refused(&answer, 403, "insufficient_scope");
        assert_eq!(challenge.get("scope").map(String::as_str), Some("files:read profile"), "{scope}");
        assert_eq!(reason(&answer), "scope_missing");
    }
    assert_eq!(server.reached(), 0);
    assert_eq!(server.with(&token_for("profile other files:read")).await.status(), 200);
}

/// All of the route's scopes in one challenge, and the same ones for whoever has no token yet.
async fn rs08_a_route_may_need_more(run: Run) {
    let server = run.protected(Signed::new().protection());
    let read = format!("Bearer {}", token_for("files:read"));
    let both = format!("Bearer {}", token_for("files:read files:write"));
    let answer = server.get("/mcp/write", &[("authorization", &read)]).await;
    let challenge = refused(&answer, 403, "insufficient_scope");
    assert_eq!(challenge.get("scope").map(String::as_str), Some("files:read files:write"));
    assert_eq!(server.get("/mcp", &[("authorization", &read)]).await.status(), 200);
    let answer = server.get("/mcp/write", &[("authorization", &both)]).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.json()["authorization"], serde_json::Value::Null);
    assert_eq!(server.reached(), 2);
}

async fn rs08_a_broad_scope_stands_for_what_it_implies(run: Run) {
    let world = Signed::new();
    let demanding = |b: resource_server::ProtectionBuilder| {
        b.require("files:read").implies("admin", "files:write").implies("files:write", "files:read")
    };
    let server = run.protected(world.demanding(demanding));
    for (scope, status) in [("files:read", 200), ("files:write", 200), ("admin", 200), ("files", 403)] {
        assert_eq!(server.with(&token_for(scope)).await.status(), status, "{scope}");
    }
    let admin = format!("Bearer {}", token_for("admin"));
    assert_eq!(server.get("/mcp/write", &[("authorization", &admin)]).await.status(), 200);
}

/// A client that is sent to ask for more with a dead token would ask in vain.
async fn rs08_an_expired_or_forged_token_is_never_told_of_scopes(run: Run) {
    let world = Signed::new();
    let server = run.protected(world.demanding(|b| b.require("files:write")));
    let token = token_for("files:read");
    refused(&server.with(&token).await, 403, "insufficient_scope");
    world.later(3600);
    refused(&server.with(&token).await, 401, "invalid_token");
}

async fn bc11_the_challenge_may_repeat_what_the_token_has(run: Run) {
    let world = Signed::new();
    let server = run.protected(world.demanding(|b| b.require("files:write").challenge_granted_too()));
    let challenge = refused(&server.with(&token_for("profile files:read")).await, 403, "insufficient_scope");
    assert_eq!(challenge.get("scope").map(String::as_str), Some("files:read files:write profile"));
}

async fn rs06_without_a_required_scope_any_good_token_is_enough(run: Run) {
    let server = run.protected(Signed::new().demanding(|b| b));
    assert_eq!(server.with(&token_for("")).await.status(), 200);
    let answer = server.get("/mcp", &[]).await;
    assert_eq!(answer.status(), 401);
    assert!(!challenge(&answer).contains_key("scope"));
}
