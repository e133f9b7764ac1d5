//! What a request demands of the person (OpenID Connect Core section 3.1.2.1).

use testkit::browser::{Arrived, Browser, Page};
use testkit::client::{Client, open};
use testkit::world::{PASSWORD, Params, World};

use crate::run::{Run, Stage};

async fn log_in(browser: &mut Browser, page: &Page) -> Arrived {
    let form = page.form("Log in").fill("Email", "ada@example.com").fill("Password", PASSWORD);
    browser.press(&form, "Log in").await
}

async fn answered(world: &World, browser: &mut Browser, asking: &Params) -> (Option<String>, Option<String>) {
    let (_, callback) = open(world, browser, asking).await.callback();
    let text = |name: &str| callback.one(name).map(ToOwned::to_owned);
    (text("code"), text("error"))
}

/// `prompt=none`: nobody is asked anything; the answer is a code or an error.
async fn prompt_none_never_shows_a_page_to_whoever_is_logged_in(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let silent = client.asking().and("prompt", "none");
    assert_eq!(answered(&world, &mut ada, &silent).await, (None, Some("consent_required".to_owned())));
    client.connect(&world, &mut ada).await;
    let (code, error) = answered(&world, &mut ada, &silent).await;
    assert!(code.is_some() && error.is_none());
    assert_eq!(client.redeem(&world, &code.unwrap()).await.status(), 200);
}

/// AS-20: before log-in nothing is redirected to a self-registered URI, not even `login_required`.
async fn prompt_none_without_a_session_is_login_required(run: Run) {
    let Stage { world, client, .. } = run.stage().await;
    let silent = client.asking().and("prompt", "none");
    let page = open(&world, &mut world.browser(), &silent).await.page();
    assert_eq!(page.answer.status(), 400);
    assert!(page.html.texts("code").contains(&"login_required".to_owned()));
    world.vouch_for(&client).await;
    let answer = answered(&world, &mut world.browser(), &silent).await;
    assert_eq!(answer, (None, Some("login_required".to_owned())));
}

/// `prompt=consent` asks again, whatever is remembered.
async fn prompt_consent_asks_again(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    client.connect(&world, &mut ada).await;
    let page = open(&world, &mut ada, &client.asking().and("prompt", "consent")).await.page();
    let (_, callback) = ada.press(&page.form("Allow"), "Allow").await.callback();
    assert!(callback.one("code").is_some());
}

/// `prompt=login`, `select_account` and `max_age=0` want a new proof, once.
async fn prompt_login_wants_the_password_again_and_then_goes_on(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    client.connect(&world, &mut ada).await;
    for (name, value) in [("prompt", "login"), ("prompt", "select_account"), ("max_age", "0")] {
        let page = open(&world, &mut ada, &client.asking().and(name, value)).await.page();
        assert_eq!(page.heading(), "Log in", "{value}");
        let (_, callback) = log_in(&mut ada, &page).await.callback();
        assert!(callback.one("code").is_some(), "{value}");
    }
    let page = open(&world, &mut ada, &client.asking().and("prompt", "login consent")).await.page();
    let consent = log_in(&mut ada, &page).await.page();
    assert_eq!(consent.form("Allow").buttons.len(), 2);
}

/// `max_age`: a session that is older has to prove itself again.
async fn max_age_wants_a_log_in_that_is_young_enough(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    client.connect(&world, &mut ada).await;
    let asking = client.asking().and("max_age", "300");
    world.clock.advance(300);
    assert!(answered(&world, &mut ada, &asking).await.0.is_some());
    world.clock.advance(1);
    let page = open(&world, &mut ada, &asking).await.page();
    assert_eq!(page.heading(), "Log in");
    let (_, callback) = log_in(&mut ada, &page).await.callback();
    assert!(callback.one("code").is_some());
    world.clock.advance(301);
    let both = asking.and("prompt", "none");
    let page = open(&world, &mut ada, &both).await.page();
    assert!(page.html.texts("code").contains(&"login_required".to_owned()));
}

/// `login_hint` fills in the address, and is nothing else.
async fn login_hint_fills_in_the_address(run: Run) {
    let Stage { world, client, .. } = run.stage().await;
    let hint = "\"><b>ada@example.com";
    let page = open(&world, &mut world.browser(), &client.asking().and("login_hint", hint)).await.page();
    let form = page.form("Log in");
    let email = form.fields.iter().find(|field| field.label == "Email").unwrap();
    assert_eq!(email.value, hint);
    assert!(!page.html.elements().contains(&"b"));
}

/// The request goes through log-in and sign-up unchanged.
async fn a_request_goes_through_log_in_and_sign_up_unchanged(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let strange = client.asking().with("state", "a+b &c=d%20é").and("scope", "files:write openid");
    for sign_up in [true, false] {
        let mut browser = world.browser();
        let page = open(&world, &mut browser, &strange).await.page();
        let consent = if sign_up {
            let page = browser.open(&page.html.link("Sign up").unwrap()).await.page();
            let form = page
                .form("Sign up")
                .fill("Name", "Bo")
                .fill("Email", "bo@example.com")
                .fill("Password", PASSWORD);
            browser.press(&form, "Sign up").await.page()
        } else {
            log_in(&mut browser, &page).await.page()
        };
        let (_, callback) = browser.press(&consent.form("Allow"), "Allow").await.callback();
        assert_eq!(callback.one("state"), Some("a+b &c=d%20é"));
        let tokens = testkit::client::Tokens::of(&client.redeem(&world, callback.one("code").unwrap()).await);
        assert_eq!(tokens.scope, ["files:write", "openid"]);
    }
    let confidential = Client::confidential(&world, "client_secret_basic").await;
    confidential.connect(&world, &mut ada).await;
}

stamp! {
    prompt_none_never_shows_a_page_to_whoever_is_logged_in,
    prompt_none_without_a_session_is_login_required,
    prompt_consent_asks_again,
    prompt_login_wants_the_password_again_and_then_goes_on,
    max_age_wants_a_log_in_that_is_young_enough,
    login_hint_fills_in_the_address,
    a_request_goes_through_log_in_and_sign_up_unchanged,
}
