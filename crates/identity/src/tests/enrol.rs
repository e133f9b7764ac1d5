//! Accounts that an administrator makes.

use secrecy::ExposeSecret as _;

use super::*;
use crate::{Delivery, Enrolled, Language};

const ADA: &str = "ada@example.com";

async fn without_password(world: &World) -> Enrolled {
    let new = New {
        name: Name::parse("Ada").unwrap(),
        email: Email::parse(ADA).unwrap(),
        password: None,
        email_verified: false,
        language: Language::German,
    };
    world.identity.enrol(new, &By::operator()).await.unwrap()
}

async fn set_password(browser: &mut Browser, link: &str) -> Response<Bytes> {
    let page = browser.visit(link).await;
    assert_eq!(page.status(), StatusCode::OK, "{}", html(&page));
    let (csrf, ticket) = (field(&page, "csrf"), field(&page, "ticket"));
    browser.post("/reset", &[("csrf", &csrf), ("ticket", &ticket), ("password", PASSWORD)]).await
}

async fn verified(world: &World) -> bool {
    world.accounts.by_email(&Email::parse(ADA).unwrap()).await.unwrap().unwrap().email_verified
}

#[tokio::test]
async fn whoever_is_given_an_account_without_a_password_is_mailed_the_link_to_set_one() {
    let world = mailing().await;
    let made = without_password(&world).await;
    assert!(made.link.is_none() && made.letter == Delivery::Queued);
    let letter = world.letter().await;
    assert!(letter.starts_with("ada@example.com\nSie haben ein Konto bei as.example"), "{letter}");
    let link = link_in(&letter);
    world.clock.advance(7 * 86_400 - 1);
    let mut ada = world.browser();
    assert!(html(&set_password(&mut ada, &link).await).contains("Your password is set"));
    assert!(verified(&world).await, "whoever opens it reads what arrives there");
    assert_eq!(moves_to(&ada.log_in(ADA, PASSWORD).await), "/tenant1/login");
    assert_eq!(world.browser().visit(&link).await.status(), StatusCode::GONE);
}

/// The attack: the address of somebody else, said to be confirmed by a link that was shown to an administrator.
#[tokio::test]
async fn a_link_that_was_handed_over_sets_a_password_and_proves_no_address() {
    let world = world().await;
    let made = without_password(&world).await;
    assert_eq!(made.letter, Delivery::None);
    let link = link_in(made.link.unwrap().expose_secret());
    let mut ada = world.browser();
    assert!(html(&set_password(&mut ada, &link).await).contains("Your password is set"));
    assert!(!verified(&world).await);
    assert_eq!(moves_to(&ada.log_in(ADA, PASSWORD).await), "/tenant1/login");
    let confirmed = AccountEvent::EmailVerified { person: made.person };
    assert!(!world.events.all().contains(&confirmed));
}

#[tokio::test]
async fn a_link_to_a_first_password_is_dead_once_there_is_one() {
    let world = mailing().await;
    without_password(&world).await;
    let first = link_in(&world.letter().await);
    let mut ada = world.browser();
    assert_eq!(
        ada.json("/auth/forgot", r#"{"email":"ada@example.com"}"#).await.status(),
        StatusCode::ACCEPTED
    );
    let second = link_in(&world.letter().await);
    set_password(&mut ada, &second).await;
    assert_eq!(ada.visit(&first).await.status(), StatusCode::GONE);
}
