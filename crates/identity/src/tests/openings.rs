//! What opens an account, and who may change it.

use http::{HeaderMap, HeaderValue, Request, header};
use store::PersonId;

use super::factors::{SECURITY, act, codes_on, confirm_app, give, is_in, secret_on, set_up_app, signed_up};
use super::passkeys::{add_passkey, answered, key, send};
use super::*;
use crate::factors::shown;
use crate::refused::Refused;
use crate::session::LoggedIn;
use crate::visit::Visit;

const EMAIL: &str = "ada@example.com";
const NEW: &str = "an otter in my kettle";

async fn person(world: &World) -> PersonId {
    world.accounts.by_email(&Email::parse(EMAIL).unwrap()).await.unwrap().unwrap().person
}

fn cookies(browser: &Browser) -> HeaderMap {
    let cookies: Vec<_> = browser.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
    [(header::COOKIE, HeaderValue::from_str(&cookies.join("; ")).unwrap())].into_iter().collect()
}

/// A request that was let in, and goes on later.
async fn let_in(world: &World, browser: &Browser) -> LoggedIn {
    world.pages.logged_in(&cookies(browser)).await.unwrap().unwrap()
}

async fn change_password(browser: &mut Browser, from: &str, to: &str) -> StatusCode {
    let body = serde_json::json!({ "password": from, "new_password": to }).to_string();
    browser.json("/auth/password", &body).await.status()
}

fn somewhere() -> Request<Bytes> {
    Request::builder().header(header::USER_AGENT, "curl/8").body(Bytes::new()).unwrap()
}

async fn sessions_status(browser: &mut Browser) -> StatusCode {
    browser.open("/auth/sessions").await.status()
}

/// The attack: whoever knows the password is in, and takes the factor away again that its owner adds.
#[tokio::test]
async fn the_first_factor_ends_every_session_that_came_in_without() {
    let (world, mut ada) = signed_up().await;
    let mut thief = world.browser();
    thief.log_in(EMAIL, PASSWORD).await;
    let csrf = field(&thief.open(SECURITY).await, "csrf");
    set_up_app(&world, &mut ada).await;
    let removed = thief.post(SECURITY, &[("csrf", &csrf), ("do", "remove_app")]).await;
    assert_eq!(removed.status(), StatusCode::FORBIDDEN, "{}", html(&removed));
    assert_eq!(sessions_status(&mut thief).await, StatusCode::UNAUTHORIZED);
    assert_eq!(sessions_status(&mut ada).await, StatusCode::OK, "she has just shown the factor");
    let ended = |event: &AccountEvent| matches!(event, AccountEvent::SessionEnded { .. });
    assert_eq!(world.events.all().iter().filter(|event| ended(event)).count(), 1);
    // A second one ends nothing.
    let mut other = world.browser();
    other.log_in(EMAIL, PASSWORD).await;
    let renewed = act(&mut ada, &[("do", "new_codes"), ("password", PASSWORD)]).await;
    give(&mut other, &codes_on(&renewed)[0]).await;
    add_passkey(&mut ada, &mut key()).await;
    assert_eq!(sessions_status(&mut other).await, StatusCode::OK);
}

/// The attack: a request that was let in before the account was claimed, and writes after it.
#[tokio::test]
async fn what_is_in_flight_when_somebody_is_shut_out_changes_nothing() {
    for way in ["password", "others", "one", "everything", "factor"] {
        let (world, mut ada) = signed_up().await;
        let mut eve = world.browser();
        eve.log_in(EMAIL, PASSWORD).await;
        let late = let_in(&world, &eve).await;
        match way {
            "password" => {
                assert_eq!(change_password(&mut ada, PASSWORD, NEW).await, StatusCode::NO_CONTENT);
            }
            "others" => {
                ada.json("/auth/sessions/end", r#"{"others":true}"#).await;
            }
            "one" => {
                let one = serde_json::json!({ "session": late.authentication.session }).to_string();
                ada.json("/auth/sessions/end", &one).await;
            }
            "everything" => {
                let csrf = field(&ada.open("/account").await, "csrf");
                ada.post("/account/end", &[("csrf", &csrf)]).await;
            }
            _ => {
                set_up_app(&world, &mut ada).await;
            }
        }
        let before = world.accounts.account(&person(&world).await).await.unwrap();
        let request = somewhere();
        let visit = Visit::of(&request, eve.peer);
        let known = if way == "password" { NEW } else { PASSWORD };
        let changed = world.identity.change_password(&visit, &late, known, "eves own password").await;
        assert!(matches!(changed, Err(Refused::LoggedOut)), "{way}: {changed:?}");
        let ended = world.identity.end_other_sessions(&visit, &late).await;
        assert!(matches!(ended, Err(Refused::LoggedOut)), "{way}: {ended:?}");
        assert_eq!(world.accounts.account(&person(&world).await).await.unwrap(), before, "{way}");
        assert_eq!(sessions_status(&mut eve).await, StatusCode::UNAUTHORIZED, "{way}");
        let kept = if way == "everything" { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        assert_eq!(sessions_status(&mut ada).await, kept, "{way}");
    }
}

#[tokio::test]
async fn of_one_session_that_is_ended_the_others_go_on() {
    let (world, mut ada) = signed_up().await;
    let (mut one, mut other) = (world.browser(), world.browser());
    one.log_in(EMAIL, PASSWORD).await;
    other.log_in(EMAIL, PASSWORD).await;
    let session = let_in(&world, &one).await.authentication.session;
    ada.json("/auth/sessions/end", &serde_json::json!({ "session": session }).to_string()).await;
    assert_eq!(sessions_status(&mut one).await, StatusCode::UNAUTHORIZED);
    assert_eq!(sessions_status(&mut other).await, StatusCode::OK);
    assert_eq!(change_password(&mut other, PASSWORD, NEW).await, StatusCode::NO_CONTENT);
}

/// The attack: a session of the last minutes, without the password.
#[tokio::test]
async fn to_add_something_takes_the_password_or_a_code_of_the_app() {
    let (world, mut ada) = signed_up().await;
    let page = act(&mut ada, &[("do", "add_app")]).await;
    let secret = secret_on(&page);
    let code = || shown(&secret, world.clock.now());
    for password in ["", "another password"] {
        let refused = confirm_app(&mut ada, &page, &code(), password).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
        assert!(html(&refused).contains("Your password is wrong."), "{}", html(&refused));
    }
    confirm_app(&mut ada, &page, &code(), PASSWORD).await;
    assert_eq!(act(&mut ada, &[("do", "new_codes")]).await.status(), StatusCode::BAD_REQUEST);
    world.clock.advance(30);
    let by_code = act(&mut ada, &[("do", "new_codes"), ("password", &code())]).await;
    assert_eq!(by_code.status(), StatusCode::OK, "{}", html(&by_code));
    let again = act(&mut ada, &[("do", "new_codes"), ("password", &code())]).await;
    assert_eq!(again.status(), StatusCode::BAD_REQUEST, "a code is taken once");
    let added = world.events.all();
    let added = added.iter().filter(|event| matches!(event, AccountEvent::SecondFactorAdded { .. }));
    assert_eq!(added.count(), 2);
}

/// The attack: whoever is in begins to set up an app, so that its owner finds one on the page and takes that.
#[tokio::test]
async fn an_app_that_somebody_began_to_set_up_is_shown_to_nobody_else() {
    let (world, mut ada) = signed_up().await;
    let mut thief = world.browser();
    thief.log_in(EMAIL, PASSWORD).await;
    let planted = act(&mut thief, &[("do", "add_app")]).await;
    let secret = secret_on(&planted);
    let own = act(&mut ada, &[("do", "add_app")]).await;
    assert_ne!(secret_on(&own), secret);
    for browser in [&mut ada, &mut thief] {
        assert!(!html(&browser.open(SECURITY).await).contains("class=\"secret\""));
    }
    let code = shown(&secret, world.clock.now());
    let elsewhere = confirm_app(&mut ada, &planted, &code, PASSWORD).await;
    assert!(html(&elsewhere).contains("begun too long ago, or in another browser"), "{}", html(&elsewhere));
    world.clock.advance(3600);
    let csrf = field(&ada.open("/login?return_to=%2Ftenant1%2Faccount").await, "csrf");
    ada.post("/login", &[("csrf", &csrf), ("email", EMAIL), ("password", PASSWORD)]).await;
    let code = shown(&secret_on(&own), world.clock.now());
    assert_eq!(confirm_app(&mut ada, &own, &code, PASSWORD).await.status(), StatusCode::BAD_REQUEST);
}

/// The attack: to fill the store with the ids of passkeys that are refused.
#[tokio::test]
async fn a_passkey_that_is_refused_leaves_no_claim_behind() {
    let (world, mut ada) = signed_up().await;
    let (mut first, mut stranger) = (key(), key());
    stranger.id = "another".to_owned();
    assert_eq!(add_passkey(&mut ada, &mut first).await.status(), StatusCode::OK);
    let store: &dyn Store = &*world.store;
    let found = store.find::<store::Account>(&person(&world).await).await.unwrap().unwrap();
    let mut full = found.record.clone();
    for n in 1..20 {
        let copy = store::Passkey { id: format!("{n}"), ..full.factors.passkeys[0].clone() };
        full.factors.passkeys.push(copy);
    }
    let changes = Changes::replace(Mark::new([9; 16]), &found, &full);
    assert_eq!(world.store.commit(&changes).await.unwrap(), Commit::Done);
    let refused = add_passkey(&mut ada, &mut stranger).await;
    assert!(html(&refused).contains("as many passkeys as there may be"), "{}", html(&refused));
    let holder = async |id: &str| world.store.holder(ClaimKind::Passkey, id).await.unwrap();
    assert_eq!(holder(&stranger.credential_id()).await, None);
    assert!(holder(&first.credential_id()).await.is_some());
}

#[tokio::test]
async fn changes_are_limited_by_account_from_wherever() {
    let (world, mut ada) = signed_up().await;
    let csrf = field(&ada.open(SECURITY).await, "csrf");
    let mut last = StatusCode::OK;
    for n in 0..31_u8 {
        ada.peer = Peer(Some(IpAddr::from([198, 51, 100, n])));
        last = ada.post(SECURITY, &[("csrf", &csrf), ("do", "add_app")]).await.status();
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    world.clock.advance(60);
    assert_eq!(ada.post(SECURITY, &[("csrf", &csrf), ("do", "add_app")]).await.status(), StatusCode::OK);
}

/// The attack: a session that was taken, and guesses from many addresses.
#[tokio::test]
async fn whoever_guesses_inside_a_session_loses_it_after_ten() {
    let (world, mut ada) = signed_up().await;
    let mut thief = world.browser();
    thief.jar = ada.jar.clone();
    let mut guesses = 0;
    for n in 1..=15_u8 {
        thief.peer = Peer(Some(IpAddr::from([198, 51, 100, n])));
        guesses +=
            u8::from(change_password(&mut thief, "another password", NEW).await == StatusCode::UNAUTHORIZED);
    }
    assert_eq!(guesses, 15);
    assert_eq!(sessions_status(&mut thief).await, StatusCode::UNAUTHORIZED);
    assert_eq!(sessions_status(&mut ada).await, StatusCode::UNAUTHORIZED, "it was hers");
    ada.log_in(EMAIL, PASSWORD).await;
    for _ in 0..3 {
        for _ in 0..5 {
            change_password(&mut ada, "mistyped", NEW).await;
        }
        let right = change_password(&mut ada, PASSWORD, PASSWORD).await;
        assert_eq!(right, StatusCode::NO_CONTENT, "who knows it does not guess");
    }
}

/// The attack: whoever knows the password keeps the second step full.
#[tokio::test]
async fn codes_are_counted_apart_where_their_owner_has_logged_in_and_passkeys_not_at_all() {
    let (world, mut ada) = signed_up().await;
    let (secret, _) = set_up_app(&world, &mut ada).await;
    let mut key = key();
    add_passkey(&mut ada, &mut key).await;
    world.clock.advance(30);
    let mut thief = world.browser();
    for n in 0..12_u8 {
        thief.peer = Peer(Some(IpAddr::from([198, 51, 100, n])));
        thief.log_in(EMAIL, PASSWORD).await;
        give(&mut thief, "000000").await;
    }
    let code = shown(&secret, world.clock.now());
    let mut elsewhere = world.browser();
    elsewhere.peer = Peer(Some(IpAddr::from([203, 0, 113, 1])));
    elsewhere.log_in(EMAIL, PASSWORD).await;
    assert_eq!(give(&mut elsewhere, &code).await.status(), StatusCode::TOO_MANY_REQUESTS);
    let page = elsewhere.open("/login/second").await;
    send(&mut elsewhere, "/login/second", &answered(&page, &key)).await;
    assert!(is_in(&world, &elsewhere), "nobody guesses a passkey");

    thief.log_in(EMAIL, PASSWORD).await;
    give(&mut thief, "000000").await;
    let mut home = world.browser();
    home.log_in(EMAIL, PASSWORD).await;
    let given = give(&mut home, &code).await;
    assert!(is_in(&world, &home), "{}", html(&given));
}

/// The attack: whoever is in changes the password again and again, so that no link to a new one works.
#[tokio::test]
async fn a_password_that_is_changed_leaves_a_link_to_a_new_one_good() {
    let world = mailing().await;
    let mut thief = world.browser();
    thief.sign_up_by_letter(&world, EMAIL).await;
    let mut ada = world.browser();
    let csrf = field(&ada.open("/forgot").await, "csrf");
    ada.post("/forgot", &[("csrf", &csrf), ("email", EMAIL)]).await;
    let link = link_in(&world.letter().await);
    assert_eq!(change_password(&mut thief, PASSWORD, "eves own password").await, StatusCode::NO_CONTENT);
    let page = ada.visit(&link).await;
    let (csrf, ticket) = (field(&page, "csrf"), field(&page, "ticket"));
    let done = ada.post("/reset", &[("csrf", &csrf), ("ticket", &ticket), ("password", NEW)]).await;
    assert!(html(&done).contains("Your password is set"), "{}", html(&done));
    assert_eq!(sessions_status(&mut thief).await, StatusCode::UNAUTHORIZED);
    assert_eq!(thief.log_in(EMAIL, "eves own password").await.status(), StatusCode::UNAUTHORIZED);
}
