//! Passkeys, with an authenticator of our own. Those of browsers are in `tests/interop`.

use testkit::browser::Browser;
use testkit::client::{Client, ResourceServer, open};
use testkit::passkey::{Authenticator, PRESENT};
use testkit::world::PASSWORD;

use crate::run::{ISSUER, Run, Sut};

const EMAIL: &str = "ada@example.com";

fn key() -> Authenticator {
    Authenticator::new("as.example", ISSUER)
}

/// Adds a key to the account of whoever is logged in, and answers with the status.
async fn add(browser: &mut Browser, key: &mut Authenticator) -> u16 {
    let page = browser.open("/account/security").await.page();
    let (form, sent) = key.added(&page, "Blue key", PASSWORD);
    browser.post_form(&form.action, &sent, &[]).await.status()
}

/// A browser that has shown a key on the log-in page.
async fn with_key(world: &Sut, key: &Authenticator) -> Browser {
    let mut browser = world.browser();
    let page = browser.open("/login").await.page();
    let (form, sent) = key.shown(&page);
    browser.post_form(&form.action, &sent, &[]).await;
    browser
}

async fn is_in(browser: &mut Browser) -> bool {
    browser.open("/account").await.page().heading() == "Your account"
}

/// Web Authentication sections 7.1 and 7.2: a key opens the account of its owner by itself, an answer is taken once, and a key
/// that was taken away opens nothing.
async fn a_passkey_alone_opens_the_account_of_its_owner(run: Run) {
    let world = run.world().await;
    ResourceServer::usual(&world).await;
    let client = Client::public(&world).await;
    let mut ada = world.person(EMAIL).await;
    let mut key = key();
    assert_eq!(add(&mut ada, &mut key).await, 200);

    let mut other = world.browser();
    let page = open(&world, &mut other, &client.asking()).await.page();
    let (form, sent) = key.shown(&page);
    let answer = other.post_form(&form.action, &sent, &[]).await;
    let way = testkit::browser::Html::read(&answer.text()).refresh().unwrap();
    let consent = other.open(&way).await.page();
    assert_eq!(consent.heading(), "Allow Example Client to use Files?", "it goes on where it was asked");

    // Whoever saw the answer on its way has nothing.
    let mut thief = world.browser();
    let csrf = thief.open("/login").await.page().form("Log in").sent_by("Log in");
    let again = sent.with("csrf", csrf.one("csrf").unwrap());
    assert_eq!(thief.post_form(&form.action, &again, &[]).await.status(), 401);
    assert!(!is_in(&mut thief).await);

    let page = ada.open("/account/security").await.page();
    ada.press(&page.form("Remove"), "Remove").await.page();
    assert!(!is_in(&mut with_key(&world, &key).await).await);
}

/// Where there is one, a password alone opens nothing, and a key that did not look who is there is the second step alone.
async fn a_passkey_is_a_second_step_where_it_does_not_look_who_is_there(run: Run) {
    let world = run.world().await;
    let mut ada = world.person(EMAIL).await;
    let mut key = key();
    add(&mut ada, &mut key).await;
    key.flags = PRESENT;
    let mut other = with_key(&world, &key).await;
    assert!(!is_in(&mut other).await);
    let form = other.open("/login").await.page().form("Log in");
    let form = form.fill("Email", EMAIL).fill("Password", PASSWORD);
    let second = other.press(&form, "Log in").await.page();
    assert_eq!(second.heading(), "One more step");
    assert!(!is_in(&mut other).await);
    let (form, sent) = key.shown(&second);
    assert_eq!(other.post_form(&form.action, &sent, &[]).await.status(), 200);
    assert!(is_in(&mut other).await);
}

/// Section 6.1.1: a counter that does not grow is a copy. Of two who show the same count at once, one comes in.
async fn a_copied_passkey_opens_nothing(run: Run) {
    let world = run.world().await;
    let mut ada = world.person(EMAIL).await;
    let mut key = key();
    key.count = 1;
    add(&mut ada, &mut key).await;
    for (count, taken) in [(5, true), (5, false), (3, false), (6, true)] {
        key.count = count;
        assert_eq!(is_in(&mut with_key(&world, &key).await).await, taken, "{count}");
    }
    key.count = 7;
    let (mut one, mut other) = tokio::join!(with_key(&world, &key), with_key(&world, &key));
    assert_ne!(is_in(&mut one).await, is_in(&mut other).await);
}

/// Section 7.1, step 22: a key is one account's. Of two who add it at once, one has it.
async fn a_passkey_is_one_accounts(run: Run) {
    let world = run.world().await;
    let (mut ada, mut bo) = (world.person(EMAIL).await, world.person("bo@example.com").await);
    let (mut of_ada, mut of_bo) = (key(), key());
    let (one, other) = tokio::join!(add(&mut ada, &mut of_ada), add(&mut bo, &mut of_bo));
    assert_eq!([one.min(other), one.max(other)], [200, 400]);
    let mut opened = 0;
    for key in [&of_ada, &of_bo] {
        opened += u8::from(is_in(&mut with_key(&world, key).await).await);
    }
    assert_eq!(opened, 1);
}

stamp! {
    a_passkey_alone_opens_the_account_of_its_owner,
    a_passkey_is_a_second_step_where_it_does_not_look_who_is_there,
    a_copied_passkey_opens_nothing,
    a_passkey_is_one_accounts,
}
