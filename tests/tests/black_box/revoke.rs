//! Revocation (RFC 7009), and what an administrator ends.

use http::Method;
use testkit::client::{Client, Tokens, open};
use testkit::world::Params;

use crate::run::{Run, Stage};

/// G8: a refresh token takes its access tokens along, at once.
async fn g08_revoking_a_refresh_token_ends_its_access_tokens_at_once(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let first = client.connect(&world, &mut ada).await;
    let second = Tokens::of(&client.refresh(&world, &first.refresh).await);
    let answer = client.revoke(&world, &second.refresh).await;
    assert_eq!((answer.status(), answer.text()), (200, String::new()));
    for access in [&first.access, &second.access] {
        assert!(!server.accepts(&world, access).await);
    }
    assert_eq!(client.refresh(&world, &second.refresh).await.refusal(), (400, "invalid_grant".to_owned()));
}

/// RFC 7009: any genuine generation of it does.
async fn revoking_an_old_refresh_token_ends_the_grant_as_well(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let first = client.connect(&world, &mut ada).await;
    let second = Tokens::of(&client.refresh(&world, &first.refresh).await);
    assert_eq!(client.revoke(&world, &first.refresh).await.status(), 200);
    assert!(!server.accepts(&world, &second.access).await);
    assert_eq!(client.refresh(&world, &second.refresh).await.status(), 400);
}

/// RFC 7009 section 2: an access token ends itself.
async fn revoking_an_access_token_ends_that_one_only(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let first = client.connect(&world, &mut ada).await;
    let second = Tokens::of(&client.refresh(&world, &first.refresh).await);
    assert_eq!(client.revoke(&world, &first.access).await.status(), 200);
    assert!(!server.accepts(&world, &first.access).await);
    assert!(server.accepts(&world, &second.access).await);
    assert_eq!(client.refresh(&world, &second.refresh).await.status(), 200);
}

/// RFC 7009 section 2.2: another client's token is left alone, and nobody learns that it exists.
async fn revoking_the_token_of_another_client_changes_nothing(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let tokens = client.connect(&world, &mut ada).await;
    let other = Client::confidential(&world, "client_secret_basic").await;
    for token in [&tokens.access, &tokens.refresh, "nonsense", "mat_", &"mrt_x".repeat(30)] {
        let answer = other.revoke(&world, token).await;
        assert_eq!((answer.status(), answer.text()), (200, String::new()), "{token}");
    }
    assert!(server.accepts(&world, &tokens.access).await);
    assert_eq!(client.refresh(&world, &tokens.refresh).await.status(), 200);
}

/// A hint may be right, wrong or unknown.
async fn a_token_type_hint_changes_nothing(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    for hint in ["access_token", "refresh_token", "unknown"] {
        let tokens = client.connect(&world, &mut ada).await;
        let form = client.identified(Params::of(&[("token", &tokens.refresh), ("token_type_hint", hint)]));
        assert_eq!(world.post("/oauth/revoke", &form, &[]).await.status(), 200);
        assert!(!server.accepts(&world, &tokens.access).await, "{hint}");
    }
}

/// RFC 7009 section 2.1: the client authenticates as at the token endpoint; a code is nothing to revoke.
async fn revocation_needs_the_client_and_a_token(run: Run) {
    let Stage { world, server, mut ada, .. } = run.stage().await;
    let client = Client::confidential(&world, "client_secret_post").await;
    let tokens = client.connect(&world, &mut ada).await;
    let form = client.identified(Params::of(&[("token", &tokens.refresh)]));
    for (form, status, error) in [
        (form.clone().with("client_secret", "wrong"), 401, "invalid_client"),
        (form.clone().without("client_secret"), 401, "invalid_client"),
        (form.clone().without("client_id").without("client_secret"), 401, "invalid_client"),
        (form.clone().without("token"), 400, "invalid_request"),
        (form.clone().and("token", "x"), 400, "invalid_request"),
    ] {
        assert_eq!(
            world.post("/oauth/revoke", &form, &[]).await.refusal(),
            (status, error.to_owned()),
            "{form:?}"
        );
    }
    assert!(server.accepts(&world, &tokens.access).await);
}

/// An administrator deletes a client: all of it ends with the next request.
async fn deleting_a_client_bites_on_the_next_request(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let tokens = client.connect(&world, &mut ada).await;
    let code = client.code(&world, &mut ada).await;
    let path = format!("/api/clients/{}", client.id);
    assert_eq!(world.administer(Method::DELETE, &path, None).await.status(), 204);
    assert!(!server.accepts(&world, &tokens.access).await);
    let bearer = format!("Bearer {}", tokens.access);
    let userinfo = world.post("/oauth/userinfo", &Params::default(), &[("authorization", &bearer)]).await;
    assert_eq!(userinfo.status(), 401);
    assert_eq!(client.refresh(&world, &tokens.refresh).await.refusal(), (401, "invalid_client".to_owned()));
    assert_eq!(client.redeem(&world, &code).await.refusal(), (401, "invalid_client".to_owned()));
    let page = open(&world, &mut ada, &client.asking()).await.page();
    assert_eq!((page.answer.status(), page.answer.header("location")), (400, None));
    assert_eq!(world.administer(Method::DELETE, &path, None).await.status(), 404);
}

/// It bites while a person thinks about it, too.
async fn deleting_a_client_bites_while_its_consent_page_is_open(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let page = open(&world, &mut ada, &client.asking()).await.page();
    world.administer(Method::DELETE, &format!("/api/clients/{}", client.id), None).await;
    let stopped = ada.press(&page.form("Allow"), "Allow").await.page();
    assert_eq!(stopped.answer.status(), 400);
}

/// An administrator removes a server: nobody gets in with its tokens, and it learns nothing any more.
async fn deleting_a_server_makes_its_tokens_inactive(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let tokens = client.connect(&world, &mut ada).await;
    let path = format!("/api/servers/{}", server.id);
    assert_eq!(world.administer(Method::DELETE, &path, None).await.status(), 204);
    let key = format!("Bearer {}", server.key);
    let form = Params::of(&[("token", &tokens.access)]);
    let introspected = world.post("/oauth/introspect", &form, &[("authorization", &key)]).await;
    assert_eq!(introspected.refusal(), (401, "invalid_client".to_owned()));
    let bearer = format!("Bearer {}", tokens.access);
    let userinfo = world.post("/oauth/userinfo", &Params::default(), &[("authorization", &bearer)]).await;
    assert_eq!(userinfo.refusal(), (401, "invalid_token".to_owned()));
    let (_, callback) = open(&world, &mut ada, &client.asking()).await.callback();
    assert_eq!(callback.one("error"), Some("invalid_target"));
    assert_eq!(world.get(&format!("/prm/{}", server.id)).await.status(), 404);
    // Its address is free again, and what was issued before is not the new one's.
    let again = testkit::client::ResourceServer::usual(&world).await;
    assert!(!again.accepts(&world, &tokens.access).await);
}

/// It bites while a person thinks about it, too.
async fn deleting_a_server_bites_while_its_consent_page_is_open(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let page = open(&world, &mut ada, &client.asking()).await.page();
    world.administer(Method::DELETE, &format!("/api/servers/{}", server.id), None).await;
    let stopped = ada.press(&page.form("Allow"), "Allow").await.page();
    assert_eq!(stopped.answer.status(), 400);
}

stamp! {
    g08_revoking_a_refresh_token_ends_its_access_tokens_at_once,
    revoking_an_old_refresh_token_ends_the_grant_as_well,
    revoking_an_access_token_ends_that_one_only,
    revoking_the_token_of_another_client_changes_nothing,
    a_token_type_hint_changes_nothing,
    revocation_needs_the_client_and_a_token,
    deleting_a_client_bites_on_the_next_request,
    deleting_a_client_bites_while_its_consent_page_is_open,
    deleting_a_server_makes_its_tokens_inactive,
    deleting_a_server_bites_while_its_consent_page_is_open,
}
