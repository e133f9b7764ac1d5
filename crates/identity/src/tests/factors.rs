//! Second factors, by a browser.

use authz_core::{AccountEvent, Demands, Factor, Interaction, ReturnTo, Who};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use oauth_types::{Acr, Issuer};
use serde_json::json;

use super::passkeys::{add_passkey, answered, key, send};
use super::*;
use crate::factors::shown;

pub(super) const SECURITY: &str = "/account/security";
pub(super) const EMAIL: &str = "ada@example.com";

/// A world whose issuer passkeys can be bound to, and somebody with an account.
pub(super) async fn signed_up() -> (World, Browser) {
    let world = world().await;
    let mut browser = world.browser();
    assert_eq!(browser.sign_up(EMAIL).await.status(), StatusCode::OK);
    (world, browser)
}

/// What stands between two texts of a page.
pub(super) fn between(page: &Response<Bytes>, before: &str, after: &str) -> String {
    let html = html(page);
    let rest = html.split_once(before).unwrap_or_else(|| panic!("no {before}: {html}")).1;
    unescaped(rest.split(after).next().unwrap())
}

pub(super) async fn act(browser: &mut Browser, fields: &[(&str, &str)]) -> Response<Bytes> {
    let csrf = field(&browser.open(SECURITY).await, "csrf");
    let fields: Vec<_> = [("csrf", &*csrf)].into_iter().chain(fields.iter().copied()).collect();
    browser.post(SECURITY, &fields).await
}

pub(super) fn codes_on(page: &Response<Bytes>) -> Vec<String> {
    let list = between(page, "<ul class=\"codes\"", "</ul>");
    list.split("<code>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
}

/// The secret of an app, as it can be typed.
pub(super) fn secret_on(page: &Response<Bytes>) -> String {
    between(page, "<code class=\"secret\" dir=\"ltr\">", "<").replace(' ', "")
}

/// Fills in the page on which an app is set up.
pub(super) async fn confirm_app(
    browser: &mut Browser,
    page: &Response<Bytes>,
    code: &str,
    password: &str,
) -> Response<Bytes> {
    let offer = field(page, "app");
    let fields = [("do", "confirm_app"), ("app", &*offer), ("code", code), ("password", password)];
    act(browser, &fields).await
}

/// Sets up an app: its secret, and the recovery codes.
pub(super) async fn set_up_app(world: &World, browser: &mut Browser) -> (String, Vec<String>) {
    let page = act(browser, &[("do", "add_app")]).await;
    assert!(html(&page).contains("<svg class=\"qr\""), "{}", html(&page));
    let secret = secret_on(&page);
    let code = shown(&secret, world.clock.now());
    let page = confirm_app(browser, &page, &code, PASSWORD).await;
    assert_eq!(page.status(), StatusCode::OK, "{}", html(&page));
    let codes = codes_on(&page);
    assert_eq!(codes.len(), 10);
    // The next code of the app is another one.
    world.clock.advance(30);
    (secret, codes)
}

pub(super) async fn give(browser: &mut Browser, code: &str) -> Response<Bytes> {
    let csrf = field(&browser.open("/login/second").await, "csrf");
    browser.post("/login/second", &[("csrf", &csrf), ("code", code)]).await
}

pub(super) fn is_in(world: &World, browser: &Browser) -> bool {
    browser.jar.contains_key(SESSION) && !world.pages.issuer.path().is_empty()
}

#[tokio::test]
async fn after_the_password_a_code_of_the_app_is_asked_for_and_taken_once() {
    let (world, mut browser) = signed_up().await;
    let (secret, _) = set_up_app(&world, &mut browser).await;

    let mut other = world.browser();
    let asked = other.log_in(EMAIL, PASSWORD).await;
    assert!(!is_in(&world, &other), "the password alone opened it");
    assert_eq!(moves_to(&asked), "/tenant1/login/second?");
    let code = shown(&secret, world.clock.now());
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let page = give(&mut other, wrong).await;
    assert_eq!(page.status(), StatusCode::UNAUTHORIZED);
    assert!(html(&page).contains("This code is wrong"), "{}", html(&page));
    assert!(!is_in(&world, &other));
    let page = give(&mut other, &code).await;
    assert_eq!(page.status(), StatusCode::OK, "{}", html(&page));
    assert!(is_in(&world, &other));

    let mut thief = world.browser();
    thief.log_in(EMAIL, PASSWORD).await;
    assert_eq!(give(&mut thief, &code).await.status(), StatusCode::UNAUTHORIZED, "it was used");
    let told = world.events.all();
    let used =
        |event: &AccountEvent| matches!(event, AccountEvent::SecondFactorUsed { factor: Factor::Totp, .. });
    let refused = |event: &AccountEvent| {
        matches!(event, AccountEvent::SecondFactorRefused { factor: Factor::Totp, .. })
    };
    assert_eq!(told.iter().filter(|event| used(event)).count(), 1);
    assert_eq!(told.iter().filter(|event| refused(event)).count(), 2);
}

#[tokio::test]
async fn of_two_who_show_the_same_code_at_once_one_comes_in() {
    let (world, mut browser) = signed_up().await;
    let (secret, codes) = set_up_app(&world, &mut browser).await;
    for code in [shown(&secret, world.clock.now()), codes[0].clone()] {
        let (mut one, mut other) = (world.browser(), world.browser());
        one.log_in(EMAIL, PASSWORD).await;
        other.log_in(EMAIL, PASSWORD).await;
        let (first, second) = tokio::join!(give(&mut one, &code), give(&mut other, &code));
        assert_eq!(is_in(&world, &one) as u8 + is_in(&world, &other) as u8, 1, "{first:?} {second:?}");
    }
}

#[tokio::test]
async fn each_recovery_code_opens_the_account_once() {
    let (world, mut browser) = signed_up().await;
    let (_, codes) = set_up_app(&world, &mut browser).await;
    for (attempt, taken) in [(0, true), (0, false), (1, true)] {
        let mut other = world.browser();
        other.log_in(EMAIL, PASSWORD).await;
        give(&mut other, &codes[attempt].to_uppercase()).await;
        assert_eq!(is_in(&world, &other), taken, "{attempt}");
    }
    assert!(html(&browser.open(SECURITY).await).contains("Unused codes: 8"));
    let page = act(&mut browser, &[("do", "new_codes"), ("password", PASSWORD)]).await;
    let new = codes_on(&page);
    assert!(!html(&browser.open(SECURITY).await).contains(&new[0]), "they are shown once");
    for (code, taken) in [(&codes[2], false), (&new[0], true)] {
        let mut other = world.browser();
        other.log_in(EMAIL, PASSWORD).await;
        give(&mut other, code).await;
        assert_eq!(is_in(&world, &other), taken);
    }
}

#[tokio::test]
async fn guesses_at_codes_are_limited_by_account_from_wherever() {
    let (world, mut browser) = signed_up().await;
    set_up_app(&world, &mut browser).await;
    let mut last = StatusCode::OK;
    for n in 0..30_u8 {
        let mut guesser = world.browser();
        guesser.peer = Peer(Some(IpAddr::from([198, 51, 100, n])));
        guesser.log_in(EMAIL, PASSWORD).await;
        last = give(&mut guesser, "000000").await.status();
        if last == StatusCode::TOO_MANY_REQUESTS {
            assert!(n >= 5, "somebody may mistype: {n}");
            break;
        }
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn an_app_that_has_shown_no_code_protects_nothing() {
    let (world, mut browser) = signed_up().await;
    let page = act(&mut browser, &[("do", "add_app")]).await;
    let secret = secret_on(&page);
    let page = confirm_app(&mut browser, &page, "12345", PASSWORD).await;
    assert_eq!(page.status(), StatusCode::BAD_REQUEST);
    assert!(html(&page).contains(&secret[..4]), "it is still there to try again");
    let mut other = world.browser();
    other.log_in(EMAIL, PASSWORD).await;
    assert!(is_in(&world, &other));
}

#[tokio::test]
async fn a_password_that_was_changed_between_the_steps_is_worth_nothing() {
    let (world, mut browser) = signed_up().await;
    let (secret, _) = set_up_app(&world, &mut browser).await;
    let mut thief = world.browser();
    thief.log_in(EMAIL, PASSWORD).await;
    let csrf = field(&thief.open("/login/second").await, "csrf");
    let body = json!({ "password": PASSWORD, "new_password": "another horse battery" }).to_string();
    assert_eq!(browser.json("/auth/password", &body).await.status(), StatusCode::NO_CONTENT);
    let code = shown(&secret, world.clock.now());
    let page = thief.post("/login/second", &[("csrf", &csrf), ("code", &code)]).await;
    assert_eq!(page.status(), StatusCode::UNAUTHORIZED, "{}", html(&page));
    assert!(!is_in(&world, &thief));
}

#[tokio::test]
async fn a_first_step_lasts_ten_minutes_and_cannot_be_made_up() {
    let (world, mut browser) = signed_up().await;
    set_up_app(&world, &mut browser).await;
    let mut slow = world.browser();
    slow.log_in(EMAIL, PASSWORD).await;
    world.clock.advance(600);
    assert_eq!(slow.open("/login/second").await.status(), StatusCode::UNAUTHORIZED);

    let mut forger = world.browser();
    forger.log_in(EMAIL, PASSWORD).await;
    let name = forger.jar.keys().find(|name| name.contains("step")).unwrap().clone();
    let text = forger.jar[&name].clone();
    let other = if text.contains('x') { text.replacen('x', "y", 1) } else { text.replacen('y', "x", 1) };
    assert_ne!(text, other);
    forger.jar.insert(name, other);
    assert_eq!(forger.open("/login/second").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn changes_need_a_log_in_of_the_last_fifteen_minutes_and_a_token() {
    let (world, mut browser) = signed_up().await;
    let csrf = field(&browser.open(SECURITY).await, "csrf");
    let forged = browser.post(SECURITY, &[("csrf", "x"), ("do", "add_app")]).await;
    assert_eq!(forged.status(), StatusCode::FORBIDDEN);
    world.clock.advance(901);
    let to = location(&browser.open(SECURITY).await);
    let way =
        "/tenant1/login?return_to=%2Ftenant1%2Faccount%2Fsecurity&login_hint=ada%40example.com&again=on";
    assert_eq!(to, way);
    let page = html(&browser.visit(&to).await);
    assert!(page.contains("at most 15 minutes old") && page.contains("value=\"ada@example.com\""), "{page}");
    let late = browser.post(SECURITY, &[("csrf", &csrf), ("do", "add_app")]).await;
    assert_eq!(late.status(), StatusCode::FORBIDDEN);
    assert!(html(&late).contains("Please log in again"), "{}", html(&late));
    let mut nobody = world.browser();
    assert!(location(&nobody.open(SECURITY).await).starts_with("/tenant1/login?"));
    assert!(world.events.all().iter().all(|event| !matches!(event, AccountEvent::SecondFactorAdded { .. })));
}

#[tokio::test]
async fn a_factor_that_is_removed_is_asked_for_no_more() {
    let (world, mut browser) = signed_up().await;
    let mut key = key();
    set_up_app(&world, &mut browser).await;
    let added = add_passkey(&mut browser, &mut key).await;
    assert!(!html(&added).contains("class=\"codes\""), "there are codes already");
    let id = field(&browser.open(SECURITY).await, "id");
    let renamed = act(&mut browser, &[("do", "name_passkey"), ("id", &id), ("name", EVIL)]).await;
    assert!(html(&renamed).contains("&#60;script"), "{}", html(&renamed));
    act(&mut browser, &[("do", "remove_app")]).await;
    let mut other = world.browser();
    other.log_in(EMAIL, PASSWORD).await;
    assert!(!is_in(&world, &other), "the passkey is left");
    let last = act(&mut browser, &[("do", "remove_passkey"), ("id", &id)]).await;
    assert!(!html(&last).contains("Unused codes"), "codes recover from nothing now");
    other.log_in(EMAIL, PASSWORD).await;
    assert!(is_in(&world, &other));
    let told = world.events.all();
    let removed = told.iter().filter(|event| matches!(event, AccountEvent::SecondFactorRemoved { .. }));
    assert_eq!(removed.count(), 2);
    // The key is free for another account.
    let mut bo = world.browser();
    bo.sign_up("bo@example.com").await;
    assert_eq!(add_passkey(&mut bo, &mut key).await.status(), StatusCode::OK);
}

/// OpenID Connect Core section 3.1.2.1, RFC 9470.
#[tokio::test]
async fn an_app_that_asks_for_more_gets_a_second_factor() {
    let (world, mut browser) = signed_up().await;
    let to = ReturnTo::parse("/tenant1/x", &Issuer::parse(HTTPS).unwrap()).unwrap();
    let asking = |acr: &str| Demands { acr_values: Acr::parse_all(acr).unwrap(), ..Demands::new(to.clone()) };
    let who = async |browser: &Browser, demands: &Demands| {
        let cookies: Vec<_> = browser.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request =
            Request::builder().header(header::COOKIE, cookies.join("; ")).body(Bytes::new()).unwrap();
        world.pages.who(&request, demands).await.unwrap()
    };
    let page = |who: Who| match who {
        Who::Page(page) => location(&page),
        other @ (Who::Person(_) | Who::Nobody) => panic!("{other:?}"),
    };
    for acr in ["1fa", "urn:unknown"] {
        assert!(matches!(who(&browser, &asking(acr)).await, Who::Person(_)), "{acr}");
    }
    let silent = Demands { silent: true, ..asking("mfa") };
    assert!(matches!(who(&browser, &silent).await, Who::Nobody));
    let second = page(who(&browser, &asking("mfa")).await);
    assert_eq!(second, "/tenant1/login/second?return_to=%2Ftenant1%2Fx&acr=mfa");
    let told = browser.visit(&second).await;
    assert_eq!(told.status(), StatusCode::FORBIDDEN);
    assert!(
        html(&told).contains("The app asks for more") && html(&told).contains("/tenant1/account/security")
    );

    set_up_app(&world, &mut browser).await;
    assert!(matches!(who(&browser, &asking("mfa")).await, Who::Person(_)), "it has shown a code");
    let stronger = page(who(&browser, &asking("phr")).await);
    assert!(html(&browser.visit(&stronger).await).contains("The app asks for more"), "a code does not do");

    let mut key = key();
    add_passkey(&mut browser, &mut key).await;
    let asked = browser.visit(&stronger).await;
    assert!(!html(&asked).contains("name=\"code\""), "{}", html(&asked));
    assert!(matches!(who(&browser, &asking("phr")).await, Who::Page(_)), "to have one is not to show it");
    let mut fields = answered(&asked, &key);
    fields.push(("return_to", "/tenant1/x".to_owned()));
    assert_eq!(moves_to(&send(&mut browser, "/login/second", &fields).await), "/tenant1/x");
    assert!(matches!(who(&browser, &asking("phr")).await, Who::Person(_)));
}

#[tokio::test]
async fn programs_take_the_second_step_in_json() {
    let (world, mut browser) = signed_up().await;
    let (secret, _) = set_up_app(&world, &mut browser).await;
    let mut program = world.browser();
    let body = json!({ "email": EMAIL, "password": PASSWORD }).to_string();
    let first = program.json("/auth/login", &body).await;
    assert_eq!(first.status(), StatusCode::ACCEPTED);
    assert_eq!(html(&first), r#"{"next":"second_factor"}"#);
    assert!(!is_in(&world, &program));
    let wrong = program.json("/auth/second", r#"{"code":"x"}"#).await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    assert!(html(&wrong).contains("invalid_code"), "{}", html(&wrong));
    let body = json!({ "code": shown(&secret, world.clock.now()) }).to_string();
    let done = program.json("/auth/second", &body).await;
    assert_eq!(done.status(), StatusCode::OK, "{}", html(&done));
    assert!(html(&done).contains(EMAIL) && is_in(&world, &program));
    let mut nobody = world.browser();
    let lost = nobody.json("/auth/second", &body).await;
    assert!(html(&lost).contains("log_in_again"), "{}", html(&lost));
}

#[tokio::test]
async fn the_owner_gets_a_letter_of_each_change_and_a_link_logs_nobody_in() {
    let world = mailing().await;
    let mut browser = world.browser();
    browser.sign_up_by_letter(&world, EMAIL).await;
    let (_, codes) = set_up_app(&world, &mut browser).await;
    let letter = world.letter().await;
    assert!(letter.starts_with("ada@example.com\nHow you log in at"), "{letter}");
    let mut other = world.browser();
    other.log_in(EMAIL, PASSWORD).await;
    give(&mut other, &codes[0]).await;
    assert!(world.letter().await.contains("a recovery code was used"));

    // The password and a link are one factor.
    let body = json!({ "password": PASSWORD, "email": "new@example.com" }).to_string();
    assert_eq!(browser.json("/auth/email", &body).await.status(), StatusCode::ACCEPTED);
    let mut thief = world.browser();
    let page = thief.visit(&link_in(&world.letter().await)).await;
    let (csrf, ticket) = (field(&page, "csrf"), field(&page, "ticket"));
    thief.post("/verify", &[("csrf", &*csrf), ("ticket", &*ticket), ("password", PASSWORD)]).await;
    assert!(!is_in(&world, &thief));
}

/// Never left out: a server that is built without the key refuses whoever has a second factor.
#[tokio::test]
async fn a_server_that_cannot_read_second_factors_lets_nobody_in_who_has_one() {
    let (mut world, mut browser) = signed_up().await;
    set_up_app(&world, &mut browser).await;
    let without = Identity::new(world.pages.clone(), world.accounts.clone(), world.server.clone());
    world.identity = Arc::new(without);
    let mut other = world.browser();
    assert_eq!(other.log_in(EMAIL, PASSWORD).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!is_in(&world, &other));
    assert_eq!(other.open(SECURITY).await.status(), StatusCode::NOT_FOUND);
}
