//! What is agreed to, and by whom: nobody is asked, everything is, or what is new alone.

use http::Method;
use serde_json::json;
use testkit::client::{CALLBACK, Client, RESOURCE, ResourceServer, Tokens, metadata, open};

use crate::run::{Run, Stage, Sut};

/// A server whose `files:purge` may be left out.
async fn with_an_optional_scope(world: &Sut) -> ResourceServer {
    let scopes = json!([
        { "name": "files:read", "description": "Read your files", "default": true },
        { "name": "files:purge", "description": "Empty the bin", "default": true, "optional": true },
    ]);
    ResourceServer::register(world, &json!({ "name": "Files", "resource_url": RESOURCE, "scopes": scopes }))
        .await
}

/// Nobody is asked about a client that the operator answers for, until the operator does so no longer.
async fn a_first_party_client_is_not_asked_about_until_it_is_none(run: Run) {
    let world = run.world().await;
    let server = ResourceServer::usual(&world).await;
    let asked =
        json!({ "metadata": metadata("none", CALLBACK), "server_id": server.id, "first_party": true });
    let made = world.administer(Method::POST, "/api/clients", Some(&asked)).await;
    assert_eq!(made.status(), 201, "{}", made.text());
    let client = Client { id: made.member("client_id"), ..Client::public(&world).await };
    let mut ada = world.person("ada@example.com").await;
    let (_, callback) = open(&world, &mut ada, &client.asking()).await.callback();
    let tokens = Tokens::of(&client.redeem(&world, callback.one("code").unwrap()).await);
    assert!(server.accepts(&world, &tokens.access).await);

    let path = format!("/api/clients/{}", client.id);
    let withdrawn = world.administer(Method::PATCH, &path, Some(&json!({ "first_party": false }))).await;
    assert_eq!(withdrawn.status(), 200, "{}", withdrawn.text());
    let page = open(&world, &mut ada, &client.asking()).await.page();
    assert_eq!(page.heading(), "Allow Example Client to use Files?");
    let user = world.user("ada@example.com").await;
    let consents = world.shown(&format!("/api/consents?user={user}")).await;
    assert_eq!(consents["consents"], json!([]), "nobody agreed to anything");
}

/// What is unticked is in no token, in no answer about one, in no refresh, and is asked for when it is wanted again.
async fn what_is_unticked_is_not_granted_and_stays_away(run: Run) {
    let world = run.world().await;
    let server = with_an_optional_scope(&world).await;
    let client = Client::public(&world).await;
    let mut ada = world.person("ada@example.com").await;
    let asking = client.asking().and("scope", "files:read files:purge");
    let page = open(&world, &mut ada, &asking).await.page();
    let form = page.form("Allow").untick("files:purge");
    let (_, callback) = ada.press(&form, "Allow").await.callback();
    let tokens = Tokens::of(&client.redeem(&world, callback.one("code").unwrap()).await);
    assert_eq!(tokens.scope, ["files:read"]);
    assert_eq!(server.introspect(&world, &tokens.access).await["scope"], "files:read");
    let widened = client.refreshing(&tokens.refresh).and("scope", "files:read files:purge");
    let refused = client.send(&world, "/oauth/token", &widened).await;
    assert_eq!(refused.refusal(), (400, "invalid_scope".to_owned()));
    let refreshed = Tokens::of(&client.refresh(&world, &tokens.refresh).await);
    assert_eq!(refreshed.scope, ["files:read"]);
    assert_eq!(server.introspect(&world, &refreshed.access).await["scope"], "files:read");

    let again = open(&world, &mut ada, &asking).await.page();
    assert_eq!(again.heading(), "Allow Example Client more at Files?");
    let (_, callback) = ada.press(&again.form("Allow"), "Allow").await.callback();
    let tokens = Tokens::of(&client.redeem(&world, callback.one("code").unwrap()).await);
    assert_eq!(tokens.scope, ["files:purge", "files:read"]);
}

/// Where something was agreed to before, what is new is asked for and the rest is told; both are granted.
async fn what_is_new_alone_is_asked_for(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    client.connect(&world, &mut ada).await;
    let both = client.asking().and("scope", "files:read files:write");
    let page = open(&world, &mut ada, &both).await.page();
    assert_eq!(page.heading(), "Allow Example Client more at Files?");
    let [new, already] = page.html.texts("ul").try_into().unwrap();
    assert!(new.contains("Change your files") && !new.contains("Read your files"), "{new}");
    assert!(already.contains("Read your files") && !already.contains("Change your files"), "{already}");
    let (_, callback) = ada.press(&page.form("Allow"), "Allow").await.callback();
    let tokens = Tokens::of(&client.redeem(&world, callback.one("code").unwrap()).await);
    assert_eq!(tokens.scope, ["files:read", "files:write"]);
    let (_, callback) = open(&world, &mut ada, &both).await.callback();
    assert!(callback.one("code").is_some(), "{callback:?}");
}

stamp! {
    a_first_party_client_is_not_asked_about_until_it_is_none,
    what_is_unticked_is_not_granted_and_stays_away,
    what_is_new_alone_is_asked_for,
}
