//! Refreshing (OAuth 2.1 section 4.3, AS-26, AS-28, AS-36).

use testkit::browser::Browser;
use testkit::client::{Client, RESOURCE, Tokens};
use testkit::world::World;

use crate::run::{Run, Stage};

const DAY: i64 = 86_400;

async fn wide(world: &World, client: &Client, ada: &mut Browser) -> Tokens {
    let asking = client.asking().and("scope", "files:read files:write");
    let callback = client.authorize(world, ada, &asking).await;
    Tokens::of(&client.redeem(world, callback.one("code").unwrap()).await)
}

/// AS-28: each refresh gives a new refresh token, public or confidential, and the old access token lives on.
async fn as28_a_refresh_rotates_the_refresh_token(run: Run) {
    let Stage { world, server, mut ada, .. } = run.stage().await;
    for method in ["none", "client_secret_basic", "client_secret_post"] {
        let client = Client::confidential(&world, method).await;
        let first = client.connect(&world, &mut ada).await;
        let second = Tokens::of(&client.refresh(&world, &first.refresh).await);
        assert_ne!((&first.access, &first.refresh), (&second.access, &second.refresh));
        assert_eq!(first.scope, second.scope);
        assert!(server.accepts(&world, &first.access).await && server.accepts(&world, &second.access).await);
    }
}

/// AS-36: less scope for one token; the grant keeps what it has, and more than that is refused without a rotation.
async fn as36_a_refresh_may_narrow_the_scope_and_never_widen_it(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let first = wide(&world, &client, &mut ada).await;
    let narrow = client.refreshing(&first.refresh).and("scope", "files:read");
    let second = Tokens::of(&client.send(&world, "/oauth/token", &narrow).await);
    assert_eq!(second.scope, ["files:read"]);
    for wider in ["files:read openid", "no:such", "files:delete files:read"] {
        let wider = client.refreshing(&second.refresh).and("scope", wider);
        let answer = client.send(&world, "/oauth/token", &wider).await;
        assert_eq!(answer.refusal(), (400, "invalid_scope".to_owned()));
    }
    let third = Tokens::of(&client.refresh(&world, &second.refresh).await);
    assert_eq!(third.scope, ["files:read", "files:write"]);
}

/// AS-26: the resource of the grant, and no other.
async fn as26_a_refresh_is_for_the_resource_of_the_grant_only(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let other = serde_json::json!({ "name": "Other", "resource_url": "https://other.example/mcp" });
    testkit::client::ResourceServer::register(&world, &other).await;
    let first = client.connect(&world, &mut ada).await;
    for resource in ["https://other.example/mcp", "https://unknown.example/", "https://mcp.example.com/mcp#f"]
    {
        let wrong = client.refreshing(&first.refresh).and("resource", resource);
        let answer = client.send(&world, "/oauth/token", &wrong).await;
        assert_eq!(answer.refusal(), (400, "invalid_target".to_owned()), "{resource}");
    }
    let right = client.refreshing(&first.refresh).and("resource", RESOURCE);
    assert_eq!(client.send(&world, "/oauth/token", &right).await.status(), 200);
}

/// AS-36: bound to its client, however that authenticates.
async fn as36_a_refresh_token_works_for_its_own_client_only(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let tokens = client.connect(&world, &mut ada).await;
    for method in ["none", "client_secret_basic", "client_secret_post"] {
        let other = Client::confidential(&world, method).await;
        let answer = other.refresh(&world, &tokens.refresh).await;
        assert_eq!(answer.refusal(), (400, "invalid_grant".to_owned()), "{method}");
    }
    assert_eq!(client.refresh(&world, &tokens.refresh).await.status(), 200);
}

/// AS-30: a confidential client authenticates for a refresh, too.
async fn as30_a_refresh_of_a_confidential_client_needs_its_secret(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    let client = Client::confidential(&world, "client_secret_post").await;
    let tokens = client.connect(&world, &mut ada).await;
    for form in [
        client.refreshing(&tokens.refresh).without("client_secret"),
        client.refreshing(&tokens.refresh).with("client_secret", "wrong"),
    ] {
        assert_eq!(
            world.post("/oauth/token", &form, &[]).await.refusal(),
            (401, "invalid_client".to_owned())
        );
    }
    assert_eq!(client.refresh(&world, &tokens.refresh).await.status(), 200);
}

/// AS-28: an access token lives for an hour.
async fn as28_an_access_token_lives_for_an_hour(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let tokens = client.connect(&world, &mut ada).await;
    world.clock.advance(3599);
    assert!(server.accepts(&world, &tokens.access).await);
    world.clock.advance(1);
    assert!(!server.accepts(&world, &tokens.access).await);
    assert_eq!(client.refresh(&world, &tokens.refresh).await.status(), 200);
}

/// AS-36: thirty days without a use end it; uses prolong it, up to 180 days in all.
async fn as36_a_grant_ends_when_it_is_idle_or_old(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let idle = client.connect(&world, &mut ada).await;
    world.clock.advance(30 * DAY);
    assert_eq!(client.refresh(&world, &idle.refresh).await.refusal(), (400, "invalid_grant".to_owned()));
    let mut ada = world.person("ada2@example.com").await;
    let mut tokens = client.connect(&world, &mut ada).await;
    for _ in 0..8 {
        world.clock.advance(20 * DAY);
        tokens = Tokens::of(&client.refresh(&world, &tokens.refresh).await);
    }
    world.clock.advance(20 * DAY - 1);
    tokens = Tokens::of(&client.refresh(&world, &tokens.refresh).await);
    world.clock.advance(1);
    assert_eq!(client.refresh(&world, &tokens.refresh).await.refusal(), (400, "invalid_grant".to_owned()));
}

/// A text that was tampered with changes nothing (I11).
async fn i11_a_forged_refresh_token_changes_nothing(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let tokens = client.connect(&world, &mut ada).await;
    for at in [4, 20, 30, 34, 40, 60, 75] {
        let mut forged = tokens.refresh.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        assert_eq!(
            client.refresh(&world, &forged).await.refusal(),
            (400, "invalid_grant".to_owned()),
            "{at}"
        );
        assert_eq!(client.revoke(&world, &forged).await.status(), 200);
    }
    let as_access = tokens.refresh.replace("mrt_", "mat_");
    assert_eq!(client.refresh(&world, &as_access).await.refusal().0, 400);
    assert_eq!(client.refresh(&world, &tokens.refresh).await.status(), 200);
}

stamp! {
    as28_a_refresh_rotates_the_refresh_token,
    as36_a_refresh_may_narrow_the_scope_and_never_widen_it,
    as26_a_refresh_is_for_the_resource_of_the_grant_only,
    as36_a_refresh_token_works_for_its_own_client_only,
    as30_a_refresh_of_a_confidential_client_needs_its_secret,
    as28_an_access_token_lives_for_an_hour,
    as36_a_grant_ends_when_it_is_idle_or_old,
    i11_a_forged_refresh_token_changes_nothing,
}
