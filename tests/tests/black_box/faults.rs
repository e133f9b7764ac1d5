//! The store is gone for a while: the world's fault, told as such, and nothing is lost (section 4).

use bytes::Bytes;
use http::Method;
use serde_json::json;
use testkit::client::{CALLBACK, Tokens, metadata, open};
use testkit::world::{PASSWORD, Params, request};

use crate::run::{Run, Stage};

/// Whatever programs call is 503 with `Retry-After`, in JSON; never 401, which would make clients throw their tokens away.
async fn without_a_store_programs_are_told_503_and_when_to_come_back(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let tokens = client.connect(&world, &mut ada).await;
    let code = client.code(&world, &mut ada).await;
    world.store.off();
    let key = format!("Bearer {}", server.key);
    let bearer = format!("Bearer {}", tokens.access);
    let introspect = Params::of(&[("token", &tokens.access)]);
    let answers = [
        ("redeem", client.redeem(&world, &code).await),
        ("refresh", client.refresh(&world, &tokens.refresh).await),
        ("revoke", client.revoke(&world, &tokens.refresh).await),
        ("introspect", world.post("/oauth/introspect", &introspect, &[("authorization", &key)]).await),
        ("userinfo", world.post("/oauth/userinfo", &Params::default(), &[("authorization", &bearer)]).await),
        ("register", world.post_json("/oauth/register", &metadata("none", CALLBACK)).await),
        ("prm", world.get(&format!("/prm/{}", server.id)).await),
        (
            "log in",
            ada.post_json("/auth/login", &json!({ "email": "ada@example.com", "password": PASSWORD })).await,
        ),
        ("servers", world.administer(Method::GET, "/api/servers", None).await),
        ("client", world.administer(Method::DELETE, &format!("/api/clients/{}", client.id), None).await),
    ];
    for (what, answer) in answers {
        assert_eq!(answer.refusal(), (503, "temporarily_unavailable".to_owned()), "{what}");
        let seconds: i64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "{what}: {seconds}");
        assert!(!answer.text().contains("switched off"), "{what}: {}", answer.text());
    }
    let ready = world.get("/ready").await;
    assert_eq!((ready.status(), ready.header("retry-after").is_some()), (503, true));
    assert_eq!(world.get("/health").await.status(), 200);
    assert_eq!(world.get("/.well-known/oauth-authorization-server").await.status(), 200);
}

/// What people open is a page, 503, with `Retry-After`.
async fn without_a_store_people_are_told_so_by_a_page(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let consent = open(&world, &mut ada, &client.asking()).await.page();
    let log_in = world.browser().open("/login").await.page().form("Log in");
    world.store.off();
    let authorize = format!("/oauth/authorize?{}", client.asking().to_query());
    let back = consent.path.replace("/consent/", "/oauth/continue/");
    for path in [&authorize, &back, &consent.path] {
        let page = ada.open(path).await.page();
        assert_eq!(page.answer.status(), 503, "{path}");
        assert!(page.answer.header("retry-after").is_some(), "{path}");
        assert_eq!(page.answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert!(!page.answer.text().contains("switched off"), "{path}");
    }
    let answer = ada.post_form(&consent.path, &consent.form("Allow").sent_by("Allow"), &[]).await;
    assert_eq!((answer.status(), answer.header("retry-after").is_some()), (503, true));
    let sent = log_in.fill("Email", "ada@example.com").fill("Password", PASSWORD).sent_by("Log in");
    let mut other = world.browser();
    other.plant("__Host-portcullis-form-k-IPvZ2U", sent.one("csrf").unwrap());
    let answer = other.post_form("/login", &sent, &[]).await;
    assert_eq!((answer.status(), answer.header("retry-after").is_some()), (503, true));
}

/// When it is back, everything goes on where it was: nobody is logged out, no code and no token is lost.
async fn when_the_store_is_back_everything_goes_on(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let tokens = client.connect(&world, &mut ada).await;
    let code = client.code(&world, &mut ada).await;
    let consent = open(&world, &mut ada, &client.asking().and("prompt", "consent")).await.page();
    world.store.off();
    assert_eq!(client.redeem(&world, &code).await.status(), 503);
    assert_eq!(client.refresh(&world, &tokens.refresh).await.status(), 503);
    assert_eq!(client.revoke(&world, &tokens.refresh).await.status(), 503);
    ada.post_form(&consent.path, &consent.form("Allow").sent_by("Allow"), &[]).await;
    world.store.on();
    assert!(server.accepts(&world, &tokens.access).await);
    let next = Tokens::of(&client.refresh(&world, &tokens.refresh).await);
    assert!(server.accepts(&world, &next.access).await);
    assert_eq!(client.redeem(&world, &code).await.status(), 200);
    let (_, callback) = ada.press(&consent.form("Allow"), "Allow").await.callback();
    assert_eq!(client.redeem(&world, callback.one("code").unwrap()).await.status(), 200);
    assert_eq!(client.revoke(&world, &next.refresh).await.status(), 200);
    assert!(!server.accepts(&world, &next.access).await);
    assert_eq!(world.get("/ready").await.status(), 200);
}

/// The store changes nothing about who may ask: without its key the administration says 401 all the same.
async fn without_a_store_the_administration_still_asks_for_its_key(run: Run) {
    let world = run.world().await;
    world.store.off();
    assert_eq!(world.get("/api/servers").await.status(), 401);
}

/// A body of more than 64 KiB is 413, everywhere, and does nothing.
async fn a_body_beyond_64_kib_is_413_everywhere(run: Run) {
    let world = run.world().await;
    let large = Bytes::from(vec![b'a'; 64 * 1024 + 1]);
    for path in [
        "/oauth/authorize",
        "/oauth/token",
        "/oauth/revoke",
        "/oauth/introspect",
        "/oauth/register",
        "/oauth/userinfo",
        "/token",
        "/register",
        "/login",
        "/signup",
        "/logout",
        "/consent/AAAAAAAAAAAAAAAAAAAAAA",
        "/auth/login",
        "/auth/signup",
        "/api/servers",
        "/nothing",
    ] {
        for kind in ["application/x-www-form-urlencoded", "application/json"] {
            let headers = [("content-type", kind)];
            let answer = world.send(request(Method::POST, path, &headers, large.clone())).await;
            assert_eq!(answer.refusal(), (413, "invalid_request".to_owned()), "{path}");
        }
    }
    let fits = Bytes::from(vec![b'a'; 64 * 1024]);
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(world.send(request(Method::POST, "/oauth/token", &headers, fits)).await.status(), 400);
}

stamp! {
    without_a_store_programs_are_told_503_and_when_to_come_back,
    without_a_store_people_are_told_so_by_a_page,
    when_the_store_is_back_everything_goes_on,
    without_a_store_the_administration_still_asks_for_its_key,
    a_body_beyond_64_kib_is_413_everywhere,
}
