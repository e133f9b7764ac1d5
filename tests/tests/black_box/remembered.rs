//! A consent is remembered, and where that counts (AS-23, PX-1, PX-2).

use serde_json::json;
use testkit::browser::Arrived;
use testkit::client::{CALLBACK, Client, ResourceServer, metadata, open};

use crate::run::{Run, Stage};

/// Section 9: the second time, over https, nobody is asked.
async fn the_second_request_over_https_is_not_asked(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let first = client.connect(&world, &mut ada).await;
    let (_, callback) = open(&world, &mut ada, &client.asking()).await.callback();
    let answer = client.redeem(&world, callback.one("code").unwrap()).await;
    assert_eq!(testkit::client::Tokens::of(&answer).scope, first.scope);
}

/// AS-23: a loopback or private-use redirect is always asked: any program on the machine could be behind it.
async fn as23_a_native_client_is_always_asked(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    for uri in [
        "http://127.0.0.1:3000/cb",
        "http://localhost:3000/cb",
        "http://[::1]:3000/cb",
        "cursor://anysphere/cb",
    ] {
        let client = Client::register(&world, metadata("none", uri)).await;
        for _ in 0..2 {
            let page = open(&world, &mut ada, &client.asking()).await.page();
            ada.press(&page.form("Allow"), "Allow").await.away();
        }
        world.vouch_for(&client).await;
        let page = open(&world, &mut ada, &client.asking()).await.page();
        assert_eq!(page.form("Allow").buttons.len(), 2, "{uri}");
    }
}

/// PX-1, PX-2: it counts for this person, this client, this resource and these scopes, and for nothing beyond.
async fn px01_a_consent_counts_for_this_person_client_resource_and_scope_only(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let other = json!({ "name": "Other", "resource_url": "https://other.example/mcp" });
    let other = ResourceServer::register(&world, &other).await;
    client.connect(&world, &mut ada).await;
    let twin = Client::register(&world, metadata("none", CALLBACK)).await;
    let mut bo = world.person("bo@example.com").await;
    let asked = |arrived: Arrived| matches!(arrived, Arrived::Page(page) if !page.html.forms().is_empty());
    assert!(asked(open(&world, &mut ada, &twin.asking()).await));
    assert!(asked(open(&world, &mut bo, &client.asking()).await));
    assert!(asked(open(&world, &mut ada, &client.asking().with("resource", &other.resource)).await));
    assert!(asked(open(&world, &mut ada, &client.asking().and("scope", "files:read files:write")).await));
    assert!(!asked(open(&world, &mut ada, &client.asking().and("scope", "files:read")).await));
}

/// AS-47, AS-53: a yes to the address that the person was shown is no yes to another one that the same client registered.
async fn as53_a_consent_counts_for_the_address_that_was_shown_only(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    let mut registration = metadata("none", CALLBACK);
    registration["redirect_uris"] = json!([CALLBACK, "https://elsewhere.example/cb"]);
    let client = Client::register(&world, registration).await;
    client.connect(&world, &mut ada).await;
    open(&world, &mut ada, &client.asking()).await.away();
    let elsewhere = client.asking().with("redirect_uri", "https://elsewhere.example/cb");
    let page = open(&world, &mut ada, &elsewhere).await.page();
    assert_eq!(page.form("Allow").buttons.len(), 2);
}

/// What was agreed to adds up.
async fn consents_add_up(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    for scope in ["files:read", "files:write openid"] {
        let page = open(&world, &mut ada, &client.asking().and("scope", scope)).await.page();
        ada.press(&page.form("Allow"), "Allow").await.away();
    }
    let both = client.asking().and("scope", "files:read files:write");
    open(&world, &mut ada, &both).await.away();
}

/// A no is not remembered, and neither is it a yes.
async fn a_denial_is_asked_again(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    for label in ["Deny", "Deny", "Allow"] {
        let page = open(&world, &mut ada, &client.asking()).await.page();
        ada.press(&page.form(label), label).await.away();
    }
    open(&world, &mut ada, &client.asking()).await.away();
}

/// It is the person's, not the browser's.
async fn a_consent_is_remembered_in_another_browser(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    client.connect(&world, &mut ada).await;
    let mut elsewhere = world.browser();
    let page = open(&world, &mut elsewhere, &client.asking()).await.page();
    let form =
        page.form("Log in").fill("Email", "ada@example.com").fill("Password", testkit::world::PASSWORD);
    let (_, callback) = elsewhere.press(&form, "Log in").await.callback();
    assert!(callback.one("code").is_some());
}

stamp! {
    the_second_request_over_https_is_not_asked,
    as23_a_native_client_is_always_asked,
    px01_a_consent_counts_for_this_person_client_resource_and_scope_only,
    as53_a_consent_counts_for_the_address_that_was_shown_only,
    consents_add_up,
    a_denial_is_asked_again,
    a_consent_is_remembered_in_another_browser,
}
