//! Sessions, their cookies, and the forms and JSON that begin and end them.

use bytes::Bytes;
use http::Method;
use serde_json::json;
use testkit::browser::Browser;
use testkit::client::open;
use testkit::world::{PASSWORD, request};

use crate::run::{Run, Stage};

/// The end stands for the issuer: `ISSUER` in `run`.
const SESSION: &str = "__Host-portcullis-k-IPvZ2U";

async fn is_logged_in(browser: &mut Browser) -> bool {
    browser.open("/login").await.page().heading() == "You are logged in"
}

/// PX-4: `__Host-`, `Secure`, `HttpOnly`, `SameSite=Lax`, the whole site, no domain; without TLS on this machine as far as
/// that goes.
async fn px04_the_cookies_are_bound_to_the_host_and_hidden_from_scripts(run: Run) {
    let secure = run.world().await;
    let plain = run.at("http://127.0.0.1:8414").await;
    for (world, session, form, wanted) in [
        (&secure, SESSION, "__Host-portcullis-form-k-IPvZ2U", true),
        (&plain, "portcullis-qIDoU387", "portcullis-form-qIDoU387", false),
    ] {
        let mut browser = world.person("ada@example.com").await;
        world.browser().open("/login").await.page();
        let mut fresh = world.browser();
        fresh.open("/login").await.page();
        browser.set.append(&mut fresh.set);
        assert_eq!(browser.set.len(), 2);
        for cookie in &browser.set {
            let mut parts = cookie.split("; ");
            let (name, value) = parts.next().unwrap().split_once('=').unwrap();
            assert!(name == session || name == form, "{cookie}");
            assert!(value.len() >= 43, "{cookie}");
            let attributes: Vec<_> = parts.collect();
            for expected in ["HttpOnly", "SameSite=Lax", "Path=/"] {
                assert!(attributes.contains(&expected), "{cookie}");
            }
            assert_eq!(attributes.contains(&"Secure"), wanted, "{cookie}");
            assert!(!attributes.iter().any(|one| one.starts_with("Domain")), "{cookie}");
        }
    }
}

/// A log-in gets a text of its own, and the one before opens nothing.
async fn a_log_in_rotates_the_session(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let before = ada.cookie(SESSION).unwrap().to_owned();
    let page = open(&world, &mut ada, &client.asking().and("prompt", "login")).await.page();
    let form = page.form("Log in").fill("Email", "ada@example.com").fill("Password", PASSWORD);
    ada.press(&form, "Log in").await.page();
    assert_ne!(ada.cookie(SESSION), Some(before.as_str()));
    let mut old = world.browser();
    old.plant(SESSION, &before);
    assert!(!is_logged_in(&mut old).await);
    assert!(is_logged_in(&mut ada).await);
}

/// A session that somebody planted is never taken over.
async fn a_planted_session_is_not_adopted(run: Run) {
    let world = run.world().await;
    world.person("ada@example.com").await;
    let mut browser = world.browser();
    browser.plant(SESSION, "ses_planted");
    let page = browser.open("/login").await.page();
    let form = page.form("Log in").fill("Email", "ada@example.com").fill("Password", PASSWORD);
    browser.press(&form, "Log in").await.page();
    assert_ne!(browser.cookie(SESSION), Some("ses_planted"));
}

/// Log-out ends the session on the server, and needs the page's token.
async fn log_out_ends_the_session_on_the_server(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    let before = ada.cookie(SESSION).unwrap().to_owned();
    let page = ada.open("/login").await.page();
    let form = page.form("Log out");
    let forged = form.sent_by("Log out").with("csrf", "x");
    assert_eq!(ada.post_form("/logout", &forged, &[]).await.status(), 403);
    assert!(is_logged_in(&mut ada).await);
    ada.press(&form, "Log out").await.page();
    assert_eq!(ada.cookie(SESSION), None);
    ada.plant(SESSION, &before);
    assert!(!is_logged_in(&mut ada).await);
    assert_eq!(world.get("/logout").await.status(), 405);
}

/// Thirty days, and a text that was tampered with is nobody's.
async fn a_session_ends_after_thirty_days_or_fourteen_without_use(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    let text = ada.cookie(SESSION).unwrap().to_owned();
    for forged in [
        format!("{}A", &text[..text.len() - 1]),
        text.replace("ses_", "mat_"),
        String::new(),
        "ses_".to_owned(),
    ] {
        let mut browser = world.browser();
        browser.plant(SESSION, &forged);
        assert!(!is_logged_in(&mut browser).await, "{forged}");
    }
    let mut bo = world.person("bo@example.com").await;
    world.clock.advance(14 * 86_400 - 1);
    assert!(is_logged_in(&mut ada).await);
    world.clock.advance(1);
    assert!(is_logged_in(&mut ada).await && !is_logged_in(&mut bo).await);
    world.clock.advance(12 * 86_400);
    assert!(is_logged_in(&mut ada).await);
    world.clock.advance(4 * 86_400 - 1);
    assert!(is_logged_in(&mut ada).await);
    world.clock.advance(1);
    assert!(!is_logged_in(&mut ada).await);
}

/// WA-22: log-in and sign-up take only forms of their own page, in the browser that has it.
async fn log_in_and_sign_up_take_only_forms_of_their_own_page(run: Run) {
    let world = run.world().await;
    world.person("ada@example.com").await;
    let mut other = world.browser();
    let of_other = other.open("/login").await.page().form("Log in").sent_by("Log in");
    for (path, label) in [("/login", "Log in"), ("/signup", "Sign up")] {
        let mut browser = world.browser();
        let form = browser.open(path).await.page().form(label);
        let form = form.fill("Email", "ada@example.com").fill("Password", PASSWORD);
        let right = form.sent_by(label).with("name", "Ada");
        for wrong in [
            right.clone().without("csrf"),
            right.clone().with("csrf", ""),
            right.clone().with("csrf", of_other.one("csrf").unwrap()),
        ] {
            assert_eq!(browser.post_form(path, &wrong, &[]).await.status(), 403, "{path} {wrong:?}");
        }
        for header in
            [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")]
        {
            assert_eq!(browser.post_form(path, &right, &[header]).await.status(), 403, "{path} {header:?}");
        }
        assert_eq!(browser.cookie(SESSION), None, "{path}");
        // The right one gets further: to a session, or to learning that the address is taken.
        let expected = if path == "/login" { 200 } else { 409 };
        assert_eq!(browser.post_form(path, &right, &[]).await.status(), expected, "{path}");
    }
}

/// The same in JSON.
async fn json_log_in_answers_as_documented(run: Run) {
    let world = run.world().await;
    let mut browser = world.browser();
    let account = json!({ "email": " Ada@Example.COM ", "password": PASSWORD, "name": "Ada" });
    let made = browser.post_json("/auth/signup", &account).await;
    assert_eq!((made.status(), made.member("email")), (201, "ada@example.com".to_owned()));
    assert!(made.member("user_id").starts_with("usr_"));
    assert!(is_logged_in(&mut browser).await);
    let again = browser.post_json("/auth/signup", &account).await;
    assert_eq!(again.refusal(), (409, "email_exists".to_owned()));
    let left = browser.post_json("/auth/logout", &json!({})).await;
    assert_eq!((left.status(), is_logged_in(&mut browser).await), (204, false));
    for (email, password) in
        [("ada@example.com", "wrong password"), ("nobody@example.com", PASSWORD), ("", "")]
    {
        let refused =
            browser.post_json("/auth/login", &json!({ "email": email, "password": password })).await;
        assert_eq!(refused.refusal(), (401, "invalid_credentials".to_owned()));
    }
    let entered =
        browser.post_json("/auth/login", &json!({ "email": "ada@example.com", "password": PASSWORD })).await;
    assert_eq!((entered.status(), entered.member("name")), (200, "Ada".to_owned()));
    assert_eq!(entered.member("user_id"), made.member("user_id"));
    assert!(is_logged_in(&mut browser).await);
}

/// What is wrong with a new account is said; nothing is made of it.
async fn a_new_account_must_be_complete(run: Run) {
    let world = run.world().await;
    let mut browser = world.browser();
    for (email, password, error) in [
        ("not an address", PASSWORD, "invalid_email"),
        ("a@b@example.com", PASSWORD, "invalid_email"),
        ("", PASSWORD, "invalid_email"),
        ("ada@example.com", "short", "invalid_password"),
        ("ada@example.com", "", "invalid_password"),
        ("ada@example.com", &"x".repeat(1025), "invalid_password"),
    ] {
        let body = json!({ "email": email, "password": password, "name": "Ada" });
        let refused = browser.post_json("/auth/signup", &body).await;
        assert_eq!(refused.refusal(), (400, error.to_owned()), "{email}");
    }
    assert_eq!(browser.cookie(SESSION), None);
}

/// A script of another origin cannot use it: no form, no CORS, no foreign origin.
async fn json_log_in_takes_json_of_its_own_origin_only(run: Run) {
    let world = run.world().await;
    world.person("ada@example.com").await;
    let body = json!({ "email": "ada@example.com", "password": PASSWORD }).to_string();
    for path in ["/auth/login", "/auth/signup", "/auth/logout"] {
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
            let request = request(Method::POST, path, &[("content-type", kind)], body.clone().into());
            assert_eq!(world.send(request).await.status(), 415, "{path} {kind}");
        }
        for header in
            [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")]
        {
            let headers = [("content-type", "application/json"), header];
            let answer = world.send(request(Method::POST, path, &headers, Bytes::from(body.clone()))).await;
            assert_eq!(answer.status(), 403, "{path} {header:?}");
            assert!(answer.headers("set-cookie").is_empty(), "{path}");
        }
    }
}

/// An operator may close the door to strangers.
async fn sign_up_can_be_closed(run: Run) {
    let world = run.with(|config| config.accounts.sign_up = identity::SignUp::Closed).await;
    let mut browser = world.browser();
    let page = browser.open("/login").await.page();
    assert_eq!(page.html.link("Sign up"), None);
    assert_eq!(browser.open("/signup").await.page().answer.status(), 403);
    let body = json!({ "email": "ada@example.com", "password": PASSWORD, "name": "Ada" });
    assert_eq!(browser.post_json("/auth/signup", &body).await.refusal(), (403, "sign_up_closed".to_owned()));
}

stamp! {
    px04_the_cookies_are_bound_to_the_host_and_hidden_from_scripts,
    a_log_in_rotates_the_session,
    a_planted_session_is_not_adopted,
    log_out_ends_the_session_on_the_server,
    a_session_ends_after_thirty_days_or_fourteen_without_use,
    log_in_and_sign_up_take_only_forms_of_their_own_page,
    json_log_in_answers_as_documented,
    a_new_account_must_be_complete,
    json_log_in_takes_json_of_its_own_origin_only,
    sign_up_can_be_closed,
}
