//! What clients read before they have a token.

use http::Method;
use resource_server::{LegacyMetadata, ProtectionBuilder};
use serde_json::json;
use testkit::client::RESOURCE;

use crate::challenge::challenge;
use crate::run::Run;
use crate::signed::{Signed, token_for};

stamp!(
    rs03_the_document_says_what_the_server_is_and_where_tokens_come_from,
    rs18_nobody_keeps_a_document_before_the_issuer_is_known,
    bc08_the_document_is_at_the_path_and_at_the_root,
    rs05_the_challenge_leads_to_the_document,
    rs06_offline_access_is_never_advertised,
    g14_no_header_changes_a_url,
    the_document_answers_get_head_and_preflights_only,
    bc01_the_metadata_of_the_authorization_server_is_off_by_default,
    bc01_a_copy_is_the_document_as_it_is,
    bc01_a_redirect_leads_to_the_document,
);

const PATHS: [&str; 4] = [
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-protected-resource/mcp/",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/",
];

const OF_OLD: &str = "/.well-known/oauth-authorization-server";

fn demanding(builder: ProtectionBuilder) -> ProtectionBuilder {
    builder.require("files:read").require_for_tool("delete", "files:delete").resource_name("Files")
}

/// auth-prm-discovery, auth-prm-resource, auth-prm-authorization-servers; RS-2, RS-5. The scopes are those that every token needs: clients ask for all of them at once.
async fn rs03_the_document_says_what_the_server_is_and_where_tokens_come_from(run: Run) {
    let server = run.protected(Signed::new().demanding(demanding));
    server.with(&token_for("files:read")).await;
    let answer = server.get(PATHS[0], &[]).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=3600"));
    let document = answer.json();
    assert_eq!(document["resource"], RESOURCE);
    assert_eq!(document["resource_name"], "Files");
    assert_eq!(document["bearer_methods_supported"], json!(["header"]));
    assert_eq!(document["scopes_supported"], json!(["files:read"]));
    let servers = document["authorization_servers"].as_array().unwrap();
    assert_eq!(servers.len(), 1);
    assert!(servers[0].as_str().unwrap().starts_with("https://auth.example.com"));
    // RFC 9728 section 2: what is empty is left out.
    assert!(!document.as_object().unwrap().values().any(|value| value.is_null() || *value == json!([])));
}

/// Clients compare issuers letter by letter. A server that starts while its provider is down knows only what is configured, and that may
/// lack a slash.
async fn rs18_nobody_keeps_a_document_before_the_issuer_is_known(run: Run) {
    let world = Signed::new();
    let server = run.protected(world.demanding(demanding));
    world.provider.set_down(true);
    assert_eq!(server.with(&token_for("files:read")).await.status(), 503);
    let kept = async || server.get(PATHS[0], &[]).await.header("cache-control").map(str::to_owned);
    assert_eq!(kept().await.as_deref(), Some("no-store"));
    world.provider.set_down(false);
    world.later(60);
    assert_eq!(server.with(&token_for("files:read")).await.status(), 200);
    assert_eq!(kept().await.as_deref(), Some("public, max-age=3600"));
}

/// RS-4, G15.
async fn bc08_the_document_is_at_the_path_and_at_the_root(run: Run) {
    let server = run.protected(Signed::new().demanding(demanding));
    let first = server.get(PATHS[0], &[]).await.json();
    for path in PATHS {
        let answer = server.get(path, &[]).await;
        assert_eq!((answer.status(), answer.json()), (200, first.clone()), "{path}");
    }
    for path in
        ["/.well-known/oauth-protected-resource/mcp/write", "/.well-known/oauth-protected-resource/other"]
    {
        assert_eq!(server.get(path, &[]).await.status(), 404, "{path}");
    }
}

async fn rs05_the_challenge_leads_to_the_document(run: Run) {
    let server = run.protected(Signed::new().protection());
    let challenge = challenge(&server.get("/mcp", &[]).await);
    let url = &challenge["resource_metadata"];
    let document = server.get(url.strip_prefix("https://mcp.example.com").unwrap(), &[]).await.json();
    assert_eq!(document["resource"], RESOURCE);
}

/// SEP-2207, G15: whether a client gets a refresh token is between it and the authorization server.
async fn rs06_offline_access_is_never_advertised(run: Run) {
    let world = Signed::new();
    let supported = |b: ProtectionBuilder| b.scopes_supported("files:read offline_access");
    for protection in [world.demanding(demanding), world.demanding(supported)] {
        let server = run.protected(protection);
        assert!(!server.get(PATHS[0], &[]).await.text().contains("offline_access"));
        let told = server.get("/mcp", &[]).await;
        assert!(!told.header("www-authenticate").unwrap().contains("offline_access"));
    }
}

/// WD-17: neither the host nor what a proxy may have written.
async fn g14_no_header_changes_a_url(run: Run) {
    let server = run.protected(Signed::new().protection());
    let plain = (server.get(PATHS[0], &[]).await.json(), challenge(&server.get("/mcp", &[]).await));
    let headers = [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-prefix", "/evil"),
        ("x-original-url", "https://evil.example/"),
        ("forwarded", "host=evil.example;proto=http"),
    ];
    let told = (server.get(PATHS[0], &headers).await.json(), challenge(&server.get("/mcp", &headers).await));
    assert_eq!(plain, told);
}

async fn the_document_answers_get_head_and_preflights_only(run: Run) {
    let server = run.protected(Signed::new().protection());
    let head = server.send(Method::HEAD, PATHS[0], &[], "").await;
    assert_eq!((head.status(), head.text().as_str()), (200, ""));
    let asks = [("origin", "https://app.example"), ("access-control-request-method", "GET")];
    let preflight = server.send(Method::OPTIONS, PATHS[0], &asks, "").await;
    assert_eq!((preflight.status(), preflight.header("access-control-allow-origin")), (204, Some("*")));
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let answer = server.send(method.clone(), PATHS[0], &[], "").await;
        assert_eq!(answer.status(), 405, "{method}");
        assert!(answer.header("allow").unwrap().contains("GET"));
    }
}

async fn bc01_the_metadata_of_the_authorization_server_is_off_by_default(run: Run) {
    let server = run.protected(Signed::new().protection());
    assert_eq!(server.get(OF_OLD, &[]).await.status(), 404);
}

/// WE-11: not a member less, and while the issuer is down it is the same or none.
async fn bc01_a_copy_is_the_document_as_it_is(run: Run) {
    let world = Signed::new();
    let copy = |b: ProtectionBuilder| {
        b.legacy_metadata(LegacyMetadata::Copy).fetch(world.provider.clone()).clock(world.clock.clone())
    };
    let server = run.protected(world.demanding(copy));
    world.provider.set_down(true);
    assert_eq!(server.get(OF_OLD, &[]).await.status(), 503);
    world.provider.set_down(false);
    world.later(60);
    let answer = server.get(OF_OLD, &[]).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let document = answer.json();
    assert_eq!(document["issuer"], crate::mint::ISSUER);
    assert_eq!(document["subject_types_supported"], json!(["public"]));
    let asked = world.provider.asked();
    world.provider.set_down(true);
    for _ in 0..5 {
        assert_eq!(server.get(OF_OLD, &[]).await.json(), document);
    }
    assert_eq!(world.provider.asked(), asked);
}

async fn bc01_a_redirect_leads_to_the_document(run: Run) {
    let redirect = |b: ProtectionBuilder| b.legacy_metadata(LegacyMetadata::Redirect);
    let server = run.protected(Signed::new().demanding(redirect));
    let answer = server.get(OF_OLD, &[]).await;
    assert_eq!(answer.status(), 308);
    assert!(answer.header("location").unwrap().starts_with("https://auth.example.com/.well-known/"));
}
