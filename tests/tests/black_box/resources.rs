//! Resource indicators (RFC 8707, AS-25 to AS-27, BC-3).

use serde_json::json;
use testkit::browser::Browser;
use testkit::client::{CALLBACK, Client, RESOURCE, ResourceServer, Tokens, metadata, open};
use testkit::world::{Params, World};

use crate::run::{Run, Stage};

async fn second(world: &World) -> ResourceServer {
    let body = json!({ "name": "Mail", "resource_url": "https://mail.example/mcp", "scopes": ["mail:send"] });
    ResourceServer::register(world, &body).await
}

async fn tokens(world: &World, client: &Client, ada: &mut Browser, asking: &Params) -> Tokens {
    let callback = client.authorize(world, ada, asking).await;
    let code = callback.one("code").unwrap_or_else(|| panic!("{callback:?}"));
    Tokens::of(&client.redeem(world, code).await)
}

async fn error(world: &World, ada: &mut Browser, asking: &Params) -> String {
    open(world, ada, asking).await.callback().1.one("error").unwrap().to_owned()
}

/// BC-3: without `resource` the only one there is; of two, neither.
async fn bc03_a_request_without_resource_means_the_only_one(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let asking = client.asking().without("resource");
    let first = tokens(&world, &client, &mut ada, &asking).await;
    assert_eq!(server.introspect(&world, &first.access).await["aud"], RESOURCE);
    second(&world).await;
    assert_eq!(error(&world, &mut ada, &asking).await, "invalid_target");
    assert!(server.accepts(&world, &first.access).await);
}

/// BC-3: a client may be registered for one of them.
async fn bc03_a_client_that_is_registered_for_a_server_means_that_one(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    let mail = second(&world).await;
    let mut said = metadata("none", CALLBACK);
    said["server_id"] = json!(mail.id);
    let client = Client::register(&world, said.clone()).await;
    let asking = client.asking().without("resource");
    let got = tokens(&world, &client, &mut ada, &asking).await;
    assert!(mail.accepts(&world, &got.access).await);
    said["server_id"] = json!("srv_AAAAAAAAAAAAAAAAAAAAAA");
    let answer = world.post_json("/oauth/register", &said).await;
    assert_eq!(answer.refusal(), (400, "invalid_client_metadata".to_owned()));
}

/// AS-25, AS-26: the token is for the resource that was asked for, and the token request may name it again.
async fn as26_a_token_is_for_the_resource_that_was_asked_for(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let mail = second(&world).await;
    let asking = client.asking().with("resource", &mail.resource);
    let got = tokens(&world, &client, &mut ada, &asking).await;
    assert!(mail.accepts(&world, &got.access).await && !server.accepts(&world, &got.access).await);
    assert_eq!(got.scope, ["mail:send"]);
    let callback = client.authorize(&world, &mut ada, &asking).await;
    let code = callback.one("code").unwrap();
    let redeeming = client.redeeming(code).and("resource", &server.resource);
    assert_eq!(
        client.send(&world, "/oauth/token", &redeeming).await.refusal(),
        (400, "invalid_target".to_owned())
    );
    let redeeming = client.redeeming(code).and("resource", &mail.resource);
    assert_eq!(client.send(&world, "/oauth/token", &redeeming).await.status(), 200);
}

/// AS-25: one grant, one resource. The same one twice is one; two are an error.
async fn as25_a_resource_named_twice_is_one_and_two_are_an_error(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let mail = second(&world).await;
    let got = tokens(&world, &client, &mut ada, &client.asking().and("resource", RESOURCE)).await;
    assert_eq!(got.scope, ["files:read"]);
    let two = client.asking().and("resource", &mail.resource);
    assert_eq!(error(&world, &mut ada, &two).await, "invalid_target");
}

/// AS-27: the letter case of scheme and host, a default port, a final slash, the origin alone: the registered text is
/// printed.
async fn as27_aliases_of_a_resource_are_accepted_and_the_registered_text_printed(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    for alias in [
        "https://mcp.example.com/mcp/",
        "HTTPS://MCP.Example.COM/mcp",
        "https://mcp.example.com:443/mcp",
        "https://mcp.example.com",
        "https://mcp.example.com/",
    ] {
        let asking = client.asking().with("resource", alias);
        let callback = client.authorize(&world, &mut ada, &asking).await;
        let code = callback.one("code").unwrap_or_else(|| panic!("{alias} {callback:?}"));
        let redeeming = client.redeeming(code).and("resource", alias);
        let got = Tokens::of(&client.send(&world, "/oauth/token", &redeeming).await);
        assert_eq!(server.introspect(&world, &got.access).await["aud"], RESOURCE, "{alias}");
        let refreshing = client.refreshing(&got.refresh).and("resource", alias);
        assert_eq!(client.send(&world, "/oauth/token", &refreshing).await.status(), 200, "{alias}");
    }
    for other in [
        "https://mcp.example.com/MCP",
        "https://mcp.example.com/mcp/x",
        "https://mcp.example.com:8443/mcp",
        "http://mcp.example.com/mcp",
        "https://mcp.example.com/mcp?x",
        "mcp.example.com/mcp",
        "https://mcp.example.com/mcp#",
        "https://user@mcp.example.com/mcp",
    ] {
        assert_eq!(
            error(&world, &mut ada, &client.asking().with("resource", other)).await,
            "invalid_target",
            "{other}"
        );
    }
}

/// AS-27: an alias that could mean two is neither; the exact text still works.
async fn as27_an_ambiguous_origin_is_invalid_target(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let other = json!({ "name": "Other", "resource_url": "https://mcp.example.com/other" });
    ResourceServer::register(&world, &other).await;
    let origin = client.asking().with("resource", "https://mcp.example.com");
    assert_eq!(error(&world, &mut ada, &origin).await, "invalid_target");
    let got = tokens(&world, &client, &mut ada, &client.asking()).await;
    assert_eq!(got.scope, ["files:read"]);
}

/// Section 9: a scope of another resource is dropped and the answer says so; one that nobody has is an error.
async fn a_scope_of_another_resource_is_dropped_and_reported(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    second(&world).await;
    let asking = client.asking().and("scope", "files:read mail:send openid");
    assert_eq!(tokens(&world, &client, &mut ada, &asking).await.scope, ["files:read", "openid"]);
    let only_other = client.asking().and("scope", "mail:send");
    assert_eq!(tokens(&world, &client, &mut ada, &only_other).await.scope, ["files:read"]);
    let nobodys = client.asking().and("scope", "files:read no:such");
    assert_eq!(error(&world, &mut ada, &nobodys).await, "invalid_scope");
}

/// The operator's own scopes are accepted everywhere and listed.
async fn the_operators_own_scopes_are_listed_and_accepted_everywhere(run: Run) {
    let audit = |config: &mut portcullis::Config| {
        config.policy.own_scopes = oauth_types::Scope::parse("audit").unwrap();
    };
    let Stage { world, client, mut ada, .. } = Stage::of(run.with(audit).await).await;
    let listed = world.get("/.well-known/oauth-authorization-server").await.json();
    assert!(listed["scopes_supported"].as_array().unwrap().contains(&json!("audit")));
    let asking = client.asking().and("scope", "audit");
    assert_eq!(tokens(&world, &client, &mut ada, &asking).await.scope, ["audit", "files:read"]);
}

stamp! {
    bc03_a_request_without_resource_means_the_only_one,
    bc03_a_client_that_is_registered_for_a_server_means_that_one,
    as26_a_token_is_for_the_resource_that_was_asked_for,
    as25_a_resource_named_twice_is_one_and_two_are_an_error,
    as27_aliases_of_a_resource_are_accepted_and_the_registered_text_printed,
    as27_an_ambiguous_origin_is_invalid_target,
    a_scope_of_another_resource_is_dropped_and_reported,
    the_operators_own_scopes_are_listed_and_accepted_everywhere,
}
