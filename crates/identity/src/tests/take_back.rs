//! "It was not me".

use authz_core::{Actor, Factor};
use testkit::passkey::Authenticator;

use super::factors::{act, is_in, set_up_app, signed_up};
use super::passkeys::{add_passkey, answered, key, send};
use super::*;
use crate::Language;
use crate::people::Unchanged;

const EMAIL: &str = "ada@example.com";
const NEW: &str = "an otter in my kettle";

/// Somebody with an account, a thief who knows the password and has added a key, and the link of the letter about that.
async fn robbed() -> (World, Authenticator, String) {
    let world = mailing().await;
    world.browser().sign_up_by_letter(&world, EMAIL).await;
    world.clock.advance(60);
    let (mut thief, mut key) = (world.browser(), key());
    thief.log_in(EMAIL, PASSWORD).await;
    let added = add_passkey(&mut thief, &mut key).await;
    assert_eq!(added.status(), StatusCode::OK, "{}", html(&added));
    let letter = world.letter().await;
    assert!(letter.starts_with("ada@example.com\nHow you log in at"), "{letter}");
    (world, key, link_in(&letter))
}

async fn reset(world: &World, browser: &mut Browser) {
    let csrf = field(&browser.open("/forgot").await, "csrf");
    browser.post("/forgot", &[("csrf", &csrf), ("email", EMAIL)]).await;
    let page = browser.visit(&link_in(&world.letter().await)).await;
    let (csrf, ticket) = (field(&page, "csrf"), field(&page, "ticket"));
    let fields = [("csrf", &*csrf), ("ticket", &*ticket), ("password", NEW), ("everything", "on")];
    let done = browser.post("/reset", &fields).await;
    assert!(html(&done).contains("Your password is set"), "{}", html(&done));
    world.letter().await;
}

async fn take_back(browser: &mut Browser, link: &str) -> Response<Bytes> {
    let page = browser.visit(link).await;
    assert_eq!(page.status(), StatusCode::OK, "{}", html(&page));
    assert!(html(&page).contains("Was it not you?"), "{}", html(&page));
    let (csrf, ticket) = (field(&page, "csrf"), field(&page, "ticket"));
    browser.post("/take-back", &[("csrf", &csrf), ("ticket", &ticket)]).await
}

/// The attack: a key of a stranger, which outlives a new password.
#[tokio::test]
async fn what_a_thief_added_is_taken_back_by_the_link_that_told_of_it() {
    let (world, key, link) = robbed().await;
    let mut ada = world.browser();
    reset(&world, &mut ada).await;
    ada.log_in(EMAIL, NEW).await;
    assert!(!is_in(&world, &ada), "the key of the thief is asked for");
    let done = take_back(&mut ada, &link).await;
    assert!(html(&done).contains("Taken back"), "{}", html(&done));
    assert!(html(&done).contains("/tenant1/forgot?login_hint=ada%40example.com"), "{}", html(&done));
    assert_eq!(ada.log_in(EMAIL, NEW).await.status(), StatusCode::UNAUTHORIZED, "it may be known");

    let mut thief = world.browser();
    let page = thief.open("/login").await;
    let refused = send(&mut thief, "/login/passkey", &answered(&page, &key)).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(world.store.holder(ClaimKind::Passkey, &key.credential_id()).await.unwrap(), None);
    let person = world.accounts.by_email(&Email::parse(EMAIL).unwrap()).await.unwrap().unwrap().person;
    let by = Actor::Person(person.clone());
    let removed = AccountEvent::SecondFactorRemoved { person, factor: Factor::Passkey, by };
    assert!(world.events.all().contains(&removed));

    assert_eq!(ada.visit(&link).await.status(), StatusCode::GONE);
    reset(&world, &mut ada).await;
    ada.log_in(EMAIL, NEW).await;
    assert!(is_in(&world, &ada));
}

/// Logs in by a key alone; what is answered.
async fn enter_by(browser: &mut Browser, key: &Authenticator) -> StatusCode {
    let page = browser.open("/login").await;
    send(browser, "/login/passkey", &answered(&page, key)).await.status()
}

/// Somebody whose thief came in by the key that they had added, and added another; each key with the link of the letter about it.
async fn robbed_twice() -> (World, [(Authenticator, String); 2]) {
    let (world, first, earlier) = robbed().await;
    let (mut thief, mut second) = (world.browser(), key());
    second.id = "another".to_owned();
    world.clock.advance(60);
    assert_eq!(enter_by(&mut thief, &first).await, StatusCode::OK);
    assert_eq!(add_passkey(&mut thief, &mut second).await.status(), StatusCode::OK);
    let later = link_in(&world.letter().await);
    (world, [(first, earlier), (second, later)])
}

/// The attack: two changes, so that to take back the one that is told of last leaves the other.
#[tokio::test]
async fn each_change_is_taken_back_by_its_own_link_also_after_a_later_one() {
    let (world, [(first, earlier), (second, later)]) = robbed_twice().await;
    let (mut thief, mut ada) = (world.browser(), world.browser());
    assert!(html(&take_back(&mut ada, &later).await).contains("Taken back"));
    assert_eq!(enter_by(&mut thief, &second).await, StatusCode::UNAUTHORIZED);
    assert!(html(&take_back(&mut ada, &earlier).await).contains("Taken back"));
    assert_eq!(enter_by(&mut thief, &first).await, StatusCode::UNAUTHORIZED);
    for link in [earlier, later] {
        assert_eq!(ada.visit(&link).await.status(), StatusCode::GONE);
    }
}

#[tokio::test]
async fn a_link_that_takes_back_more_makes_those_void_that_take_back_less() {
    let (world, [(first, earlier), (second, later)]) = robbed_twice().await;
    let (mut thief, mut ada) = (world.browser(), world.browser());
    take_back(&mut ada, &earlier).await;
    for key in [first, second] {
        assert_eq!(enter_by(&mut thief, &key).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(ada.visit(&later).await.status(), StatusCode::GONE);
}

async fn owner(world: &World, email: &str) -> Option<store::PersonId> {
    world.accounts.by_email(&Email::parse(email).unwrap()).await.unwrap().map(|account| account.person)
}

/// The attack: another address, so that each letter that would help goes to the thief.
#[tokio::test]
async fn an_address_that_a_thief_gave_the_account_is_taken_back_with_what_they_added_before() {
    let (world, key, earlier) = robbed().await;
    let person = owner(&world, EMAIL).await.unwrap();
    world.clock.advance(60);
    let mut thief = world.browser();
    enter_by(&mut thief, &key).await;
    let csrf = field(&thief.open("/account/email").await, "csrf");
    thief
        .post("/account/email", &[("csrf", &csrf), ("email", "eve@evil.example"), ("password", PASSWORD)])
        .await;
    thief.confirm(&link_in(&world.letter().await), "").await;
    assert_eq!(owner(&world, "eve@evil.example").await.as_ref(), Some(&person));
    let letter = world.letter().await;
    assert!(letter.starts_with("ada@example.com\nYour account at as.example has another"), "{letter}");

    let mut ada = world.browser();
    assert!(html(&ada.visit(&link_in(&letter)).await).contains("Your account gets this address back."));
    assert!(html(&take_back(&mut ada, &link_in(&letter)).await).contains("Taken back"));
    assert_eq!(owner(&world, EMAIL).await.as_ref(), Some(&person));
    assert_eq!(owner(&world, "eve@evil.example").await, None);
    let by = Actor::Person(person.clone());
    assert!(world.events.all().contains(&AccountEvent::EmailChanged { person: person.clone(), by }));
    assert_eq!(thief.open("/account/security").await.status(), StatusCode::SEE_OTHER, "is logged out");
    assert!(html(&take_back(&mut ada, &earlier).await).contains("Taken back"));
    assert_eq!(enter_by(&mut thief, &key).await, StatusCode::UNAUTHORIZED);
    reset(&world, &mut ada).await;
    ada.log_in(EMAIL, NEW).await;
    assert!(is_in(&world, &ada));
}

/// The attack: a link that brings an address back, after the account was deleted.
#[tokio::test]
async fn nothing_is_taken_back_for_somebody_who_is_deleted() {
    let (world, _, _) = robbed().await;
    let person = owner(&world, EMAIL).await.unwrap();
    let oversight = world.pages.sessions.oversight(world.events.clone());
    oversight.set_person(&person, store::Status::Deleted, &By::operator()).await.unwrap();
    let taken = world.accounts.take_back(&person, (EMAIL, true), Time(0)).await.unwrap();
    assert!(matches!(taken, Err(Unchanged::ShutOut)), "{taken:?}");
    assert_eq!(owner(&world, EMAIL).await, None);
}

#[tokio::test]
async fn what_a_thief_connected_ends_with_what_they_added() {
    let world = Plan { redirect: "https://app.example/cb", mail: true, ..Plan::default() }.build().await;
    world.browser().sign_up_by_letter(&world, EMAIL).await;
    let (mut thief, mut key) = (world.browser(), key());
    thief.log_in(EMAIL, PASSWORD).await;
    add_passkey(&mut thief, &mut key).await;
    account::connect(&world, &mut thief, "files.read").await;
    let person = owner(&world, EMAIL).await.unwrap();
    let oversight = world.pages.sessions.oversight(world.events.clone());
    let connected = async || {
        oversight.connections(authz_core::Whose::person(&person), None, 10).await.unwrap().items.len()
    };
    assert_eq!(connected().await, 1);
    take_back(&mut world.browser(), &link_in(&world.letter().await)).await;
    assert_eq!(connected().await, 0);
}

#[tokio::test]
async fn what_there_was_before_stays_and_the_link_lasts_a_week() {
    let world = mailing().await;
    let mut ada = world.browser();
    ada.sign_up_by_letter(&world, EMAIL).await;
    set_up_app(&world, &mut ada).await;
    let first = link_in(&world.letter().await);
    add_passkey(&mut ada, &mut key()).await;
    let second = link_in(&world.letter().await);
    take_back(&mut world.browser(), &second).await;
    let email = Email::parse(EMAIL).unwrap();
    let account = world.accounts.by_email(&email).await.unwrap().unwrap();
    assert!(account.factors.passkeys.is_empty() && account.factors.recovery.is_empty());
    assert!(account.factors.totp.is_some(), "the app was there before");
    assert_eq!(ada.open("/auth/sessions").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(ada.visit(&first).await.status(), StatusCode::OK, "it takes back what it told of");

    let (world, _, link) = robbed().await;
    world.clock.advance(7 * 86_400);
    assert_eq!(world.browser().visit(&link).await.status(), StatusCode::GONE);
}

#[tokio::test]
async fn a_link_that_takes_back_needs_its_form_and_is_good_for_nothing_else() {
    let (world, _, link) = robbed().await;
    let ticket = link.split('=').next_back().unwrap();
    let mut browser = world.browser();
    let forged = browser.post("/take-back", &[("csrf", "x"), ("ticket", ticket)]).await;
    assert_eq!(forged.status(), StatusCode::FORBIDDEN);
    for at in ["reset", "verify", "invitation"] {
        let page = browser.open(&format!("/{at}?ticket={ticket}")).await;
        assert_eq!(page.status(), StatusCode::NOT_FOUND, "{at}");
    }
    let body = serde_json::json!({ "ticket": ticket }).to_string();
    assert_eq!(browser.json("/auth/take-back", &body).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(browser.json("/auth/take-back", &body).await.status(), StatusCode::GONE);
}

/// The attack: whoever reads the address before, which its owner gave up.
#[tokio::test]
async fn an_address_that_the_account_has_no_more_takes_nothing_back() {
    let (world, _, link) = robbed().await;
    let store: &dyn Store = &*world.store;
    let email = Email::parse(EMAIL).unwrap();
    let person = world.accounts.by_email(&email).await.unwrap().unwrap().person;
    let found = store.find::<store::Account>(&person).await.unwrap().unwrap();
    let moved = store::Account { email: "ada@new.example".to_owned(), ..found.record.clone() };
    let changes = Changes::replace(Mark::new([9; 16]), &found, &moved);
    assert_eq!(world.store.commit(&changes).await.unwrap(), Commit::Done);
    let refused = take_back(&mut world.browser(), &link).await;
    assert_eq!(refused.status(), StatusCode::GONE, "{}", html(&refused));
    assert_eq!(world.accounts.account(&person).await.unwrap(), Some(moved));
}

#[tokio::test]
async fn an_administrator_takes_all_factors_from_somebody_who_has_lost_theirs() {
    let (world, mut ada) = signed_up().await;
    set_up_app(&world, &mut ada).await;
    let mut key = key();
    add_passkey(&mut ada, &mut key).await;
    act(&mut ada, &[("do", "new_codes"), ("password", PASSWORD)]).await;
    let person = world.accounts.by_email(&Email::parse(EMAIL).unwrap()).await.unwrap().unwrap().person;
    assert!(world.identity.reset_factors(&person, Language::English, &By::operator()).await.unwrap());
    assert_eq!(ada.open("/auth/sessions").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(world.store.holder(ClaimKind::Passkey, &key.credential_id()).await.unwrap(), None);
    let told = world.events.all();
    for lost in [Factor::Totp, Factor::Passkey, Factor::Recovery] {
        let by = Actor::Operator;
        let event = AccountEvent::SecondFactorRemoved { person: person.clone(), factor: lost, by };
        assert!(told.contains(&event), "{lost:?}");
    }
    ada.log_in(EMAIL, PASSWORD).await;
    assert!(is_in(&world, &ada), "the password alone does");
    let nobody = store::PersonId::parse("usr_nobody").unwrap();
    assert!(!world.identity.reset_factors(&nobody, Language::English, &By::operator()).await.unwrap());
}

#[tokio::test]
async fn an_owner_is_told_that_an_administrator_took_what_they_had() {
    let (world, _, _) = robbed().await;
    let person = owner(&world, EMAIL).await.unwrap();
    for _ in 0..2 {
        assert!(world.identity.reset_factors(&person, Language::German, &By::operator()).await.unwrap());
    }
    let letter = world.letter().await;
    assert!(
        letter.starts_with("ada@example.com\nIhr Konto bei as.example öffnet jetzt Ihr Passwort"),
        "{letter}"
    );
    assert!(world.no_other_letter().await, "nothing was taken the second time");
}
