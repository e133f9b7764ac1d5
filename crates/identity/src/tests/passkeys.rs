//! Passkeys, by a browser and what stands in for an authenticator.

use authz_core::{AccountEvent, Factor};
use http::StatusCode;
use serde_json::Value;
use testkit::passkey::Authenticator;

use super::factors::{EMAIL, SECURITY, between, codes_on, is_in, signed_up};
use super::*;

/// Adds the key of an authenticator to the account of whoever is logged in.
pub(super) async fn add_passkey(browser: &mut Browser, key: &mut Authenticator) -> Response<Bytes> {
    let page = browser.open(SECURITY).await;
    let options: Value = serde_json::from_str(&between(&page, "data-passkey=\"", "\"")).unwrap();
    assert_eq!(options["rp"]["id"], "as.example");
    key.user = String::from_utf8(
        base64::Engine::decode(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD,
            options["user"]["id"].as_str().unwrap(),
        )
        .unwrap(),
    )
    .unwrap();
    let answer = key.create(options["challenge"].as_str().unwrap()).to_string();
    let (csrf, challenge) = (field(&page, "csrf"), field(&page, "challenge"));
    let fields = [
        ("csrf", &*csrf),
        ("challenge", &challenge),
        ("credential", &answer),
        ("do", "add_passkey"),
        ("name", "Blue key"),
        ("password", PASSWORD),
    ];
    browser.post(SECURITY, &fields).await
}

pub(super) fn key() -> Authenticator {
    Authenticator::new("as.example", "https://as.example")
}

/// What a script would post from `page` to `to`.
pub(super) fn answered(page: &Response<Bytes>, key: &Authenticator) -> Vec<(&'static str, String)> {
    let options: Value = serde_json::from_str(&between(page, "data-passkey=\"", "\"")).unwrap();
    vec![
        ("csrf", field(page, "csrf")),
        ("challenge", field(page, "challenge")),
        ("credential", key.get(options["challenge"].as_str().unwrap()).to_string()),
    ]
}

pub(super) async fn send(
    browser: &mut Browser,
    path: &str,
    fields: &[(&'static str, String)],
) -> Response<Bytes> {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
    browser.post(path, &fields).await
}

#[tokio::test]
async fn a_passkey_alone_opens_the_account_of_its_owner() {
    let (world, mut browser) = signed_up().await;
    let mut key = key();
    let page = add_passkey(&mut browser, &mut key).await;
    assert_eq!(page.status(), StatusCode::OK, "{}", html(&page));
    assert!(html(&page).contains("Blue key") && codes_on(&page).len() == 10, "{}", html(&page));

    let mut other = world.browser();
    let page = other.open("/login").await;
    let policy = header_of(page.headers(), "content-security-policy");
    assert!(policy.contains("default-src 'none'; script-src 'self';"), "{policy}");
    let fields = answered(&page, &key);
    let done = send(&mut other, "/login/passkey", &fields).await;
    assert_eq!(done.status(), StatusCode::OK, "{}", html(&done));
    assert!(is_in(&world, &other));
    // Whoever saw the answer on its way has nothing.
    let mut thief = world.browser();
    let csrf = field(&thief.open("/login").await, "csrf");
    let again: Vec<_> =
        fields.iter().filter(|(name, _)| *name != "csrf").cloned().chain([("csrf", csrf)]).collect();
    let replayed = send(&mut thief, "/login/passkey", &again).await;
    assert_eq!(replayed.status(), StatusCode::UNAUTHORIZED);
    assert!(!is_in(&world, &thief));
}

#[tokio::test]
async fn a_passkey_that_did_not_look_who_is_there_is_a_second_factor_only() {
    let (world, mut browser) = signed_up().await;
    let mut key = key();
    add_passkey(&mut browser, &mut key).await;
    key.flags = 1;
    let mut other = world.browser();
    let page = other.open("/login").await;
    let refused = send(&mut other, "/login/passkey", &answered(&page, &key)).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    other.log_in(EMAIL, PASSWORD).await;
    assert!(!is_in(&world, &other), "the password alone opened it");
    let page = other.open("/login/second").await;
    let done = send(&mut other, "/login/second", &answered(&page, &key)).await;
    assert_eq!(done.status(), StatusCode::OK, "{}", html(&done));
    assert!(is_in(&world, &other));
}

/// Web Authentication section 6.1.1.
#[tokio::test]
async fn a_copied_passkey_is_refused_and_told_of() {
    let (world, mut browser) = signed_up().await;
    let mut key = key();
    key.count = 1;
    add_passkey(&mut browser, &mut key).await;
    for (count, taken) in [(5, true), (5, false), (3, false), (6, true)] {
        key.count = count;
        let mut other = world.browser();
        let page = other.open("/login").await;
        send(&mut other, "/login/passkey", &answered(&page, &key)).await;
        assert_eq!(is_in(&world, &other), taken, "{count}");
    }
    let refused = |event: &AccountEvent| {
        matches!(event, AccountEvent::SecondFactorRefused { factor: Factor::Passkey, .. })
    };
    assert_eq!(world.events.all().iter().filter(|event| refused(event)).count(), 2);
}

#[tokio::test]
async fn a_question_of_one_page_is_not_answered_on_another() {
    let (world, mut browser) = signed_up().await;
    let mut key = key();
    add_passkey(&mut browser, &mut key).await;
    let mut other = world.browser();
    let alone = answered(&other.open("/login").await, &key);
    other.log_in(EMAIL, PASSWORD).await;
    assert_eq!(send(&mut other, "/login/second", &alone).await.status(), StatusCode::UNAUTHORIZED);
    let second = answered(&other.open("/login/second").await, &key);
    assert_eq!(send(&mut other, "/login/passkey", &second).await.status(), StatusCode::UNAUTHORIZED);
    assert!(!is_in(&world, &other));

    // Nor for somebody else.
    let mut bo = world.browser();
    bo.sign_up("bo@example.com").await;
    let taken = add_passkey(&mut bo, &mut key).await;
    assert_eq!(taken.status(), StatusCode::BAD_REQUEST, "no two people have one key");
}

#[tokio::test]
async fn where_passkeys_cannot_be_bound_to_a_name_there_are_none() {
    let world = Plan { issuer: "http://127.0.0.1:8414", ..Plan::default() }.build().await;
    let mut browser = world.browser();
    let page = browser.open("/login").await;
    assert!(!html(&page).contains("<script") && !html(&page).contains("data-passkey"));
    let policy = header_of(page.headers(), "content-security-policy");
    assert!(!policy.contains("script-src"), "{policy}");
    browser.sign_up(EMAIL).await;
    let page = browser.open(SECURITY).await;
    assert!(
        !html(&page).contains("data-passkey") && html(&page).contains("Set up an app"),
        "{}",
        html(&page)
    );
}
