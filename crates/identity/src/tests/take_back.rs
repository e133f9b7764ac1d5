//! "It was not me".

use authz_core::{Actor, Factor};
use testkit::passkey::Authenticator;

use super::factors::{act, is_in, set_up_app, signed_up};
use super::passkeys::{add_passkey, answered, key, send};
use super::*;

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
    assert_eq!(ada.visit(&first).await.status(), StatusCode::GONE, "one letter takes back all that is meant");

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
    assert!(world.identity.reset_factors(&person, &By::operator()).await.unwrap());
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
    assert!(!world.identity.reset_factors(&nobody, &By::operator()).await.unwrap());
}
