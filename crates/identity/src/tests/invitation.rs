//! Accounts by invitation.

use authz_core::By;
use http::StatusCode;
use secrecy::ExposeSecret as _;
use store::Purpose;

use super::*;
use crate::{Email, InviteError, Language};

fn invited_only() -> AccountPolicy {
    AccountPolicy { sign_up: SignUp::Invited, ..AccountPolicy::default() }
}

async fn link_for(world: &World, email: Option<&str>) -> String {
    let email = email.map(|email| Email::parse(email).unwrap());
    let invited = world.identity.invite(email.as_ref(), Language::English, &By::operator()).await.unwrap();
    match invited.link {
        Some(link) => link_in(link.expose_secret()),
        None => link_in(&world.letter().await),
    }
}

async fn take(browser: &mut Browser, link: &str, email: &str) -> Response<Bytes> {
    let page = browser.visit(link).await;
    assert_eq!(page.status(), StatusCode::OK, "{}", html(&page));
    let (csrf, ticket) = (field(&page, "csrf"), field(&page, "ticket"));
    let fields =
        [("csrf", &*csrf), ("ticket", &*ticket), ("name", "Ada"), ("email", email), ("password", PASSWORD)];
    browser.post("/invitation", &fields).await
}

#[tokio::test]
async fn an_invitation_opens_a_closed_door_once() {
    let world = Plan { policy: invited_only(), ..Plan::default() }.build().await;
    let mut browser = world.browser();
    assert_eq!(browser.open("/signup").await.status(), StatusCode::FORBIDDEN);
    let link = link_for(&world, None).await;
    assert_eq!(moves_to(&take(&mut browser, &link, "ada@example.com").await), "/tenant1/login");
    assert!(browser.jar.contains_key(SESSION));
    let again = world.browser().visit(&link).await;
    assert_eq!(again.status(), StatusCode::GONE);
    let sent = r#"{"email":"bo@example.com","password":"correct horse battery"}"#;
    assert_eq!(world.browser().json("/auth/signup", sent).await.status(), StatusCode::FORBIDDEN);
    assert!(matches!(world.events.all()[0], AccountEvent::Invited { .. }));
}

/// A link that was handed out last week opens nothing that was closed today.
#[tokio::test]
async fn behind_a_closed_door_no_invitation_makes_an_account() {
    let open = Plan { policy: invited_only(), mail: true, ..Plan::default() }.build().await;
    let world = Plan { policy: closed(), mail: true, ..Plan::default() }.build().await;
    assert!(matches!(
        world.identity.invite(None, Language::English, &By::operator()).await,
        Err(InviteError::Closed)
    ));
    for email in [None, Some("ada@example.com")] {
        let link = link_for(&open, email).await;
        let ticket = link.split('=').next_back().unwrap();
        let digest = open.tickets().find(ticket).await;
        let changes = Changes::create(Mark::new([7; 16]), &digest);
        assert_eq!(world.store.commit(&changes).await.unwrap(), Commit::Done);
        let page = world.browser().visit(&link).await;
        assert_eq!(page.status(), StatusCode::FORBIDDEN, "{}", html(&page));
        let mut browser = world.browser();
        let csrf = field(&browser.open("/login").await, "csrf");
        let fields =
            [("csrf", &*csrf), ("ticket", ticket), ("email", "ada@example.com"), ("password", PASSWORD)];
        assert_eq!(browser.post("/invitation", &fields).await.status(), StatusCode::FORBIDDEN);
        let sent = serde_json::json!({ "email": "ada@example.com", "password": PASSWORD, "ticket": ticket });
        let refused = browser.json("/auth/signup", &sent.to_string()).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        assert!(html(&refused).contains("sign_up_closed"), "{}", html(&refused));
    }
    assert!(world.accounts.by_email(&Email::parse("ada@example.com").unwrap()).await.unwrap().is_none());
    assert!(world.no_other_letter().await);
}

/// Somebody who took an invitation before the door was closed, and opens the letter after it.
#[tokio::test]
async fn an_invitation_that_waits_for_its_letter_makes_no_account_once_the_door_is_closed() {
    let open = Plan { policy: invited_only(), mail: true, ..Plan::default() }.build().await;
    let world = Plan { policy: closed(), mail: true, ..Plan::default() }.build().await;
    let link = link_for(&open, None).await;
    take(&mut open.browser(), &link, "ada@example.com").await;
    let confirming = link_in(&open.letter().await);
    for link in [&link, &confirming] {
        let ticket = open.tickets().find(link.split('=').next_back().unwrap()).await;
        let changes = Changes::create(Mark::new([7; 16]), &ticket);
        assert_eq!(world.store.commit(&changes).await.unwrap(), Commit::Done);
    }
    let refused = world.browser().confirm(&confirming, PASSWORD).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{}", html(&refused));
    assert!(world.accounts.by_email(&Email::parse("ada@example.com").unwrap()).await.unwrap().is_none());
}

#[tokio::test]
async fn invitations_that_may_be_taken_are_listed_and_taken_back() {
    let world = Plan { policy: invited_only(), ..Plan::default() }.build().await;
    let mut links = Vec::new();
    for _ in 0..5 {
        links.push(link_for(&world, None).await);
    }
    link_for(&world, Some("bo@example.com")).await;
    take(&mut world.browser(), &links[0], "ada@example.com").await;
    let mut open = Vec::new();
    let mut after = None;
    loop {
        let page = world.identity.invitations(after.as_deref(), 2).await.unwrap();
        assert!(page.items.len() == 2 || page.next.is_none());
        open.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(open.len(), 5, "{open:?}");
    assert_eq!(open.iter().filter(|one| one.email.as_deref() == Some("bo@example.com")).count(), 1);
    assert!(open.iter().all(|one| one.by == "operator" && one.until.since(one.made) == 7 * 86_400));
    let found = world.tickets().find(links[1].split('=').next_back().unwrap()).await;
    assert!(world.identity.withdraw_invitation(found.id, &By::operator()).await.unwrap());
    assert!(!world.identity.withdraw_invitation(found.id, &By::operator()).await.unwrap(), "once");
    assert_eq!(world.browser().visit(&links[1]).await.status(), StatusCode::GONE);
    assert_eq!(world.identity.invitations(None, 100).await.unwrap().items.len(), 4);
    let by = authz_core::Actor::Operator;
    let withdrawn = AccountEvent::InvitationWithdrawn { invitation: found.id, by };
    assert!(world.events.all().contains(&withdrawn));
    // The id of a link that is something else withdraws nothing.
    let reset = Purpose::ResetPassword {
        person: store::PersonId::parse("usr_ada").unwrap(),
        email: None,
        resets: 0,
        shown: false,
    };
    let other = world.tickets().issue(reset, crate::tickets::TO_RESET).await.unwrap();
    assert!(!world.identity.withdraw_invitation(other.id, &By::operator()).await.unwrap());
    world.clock.advance(7 * 86_400);
    assert!(world.identity.invitations(None, 100).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn an_invitation_by_letter_shows_that_the_address_is_theirs() {
    let world = Plan { policy: invited_only(), mail: true, ..Plan::default() }.build().await;
    let link = link_for(&world, Some("ada@example.com")).await;
    let mut browser = world.browser();
    let page = html(&browser.visit(&link).await);
    assert!(page.contains("readonly value=\"ada@example.com\""), "{page}");
    let other = take(&mut browser, &link, "eve@example.com").await;
    assert_eq!(other.status(), StatusCode::FORBIDDEN);
    assert!(html(&other).contains("for another email address"), "{}", html(&other));
    assert_eq!(moves_to(&take(&mut browser, &link, "Ada@example.com").await), "/tenant1/login");
    let account = world.accounts.by_email(&Email::parse("ada@example.com").unwrap()).await.unwrap().unwrap();
    assert!(account.email_verified);
}

#[tokio::test]
async fn an_invitation_that_was_handed_over_proves_no_address() {
    let world = Plan { policy: invited_only(), mail: true, ..Plan::default() }.build().await;
    let link = link_for(&world, None).await;
    let mut browser = world.browser();
    let page = take(&mut browser, &link, "ada@example.com").await;
    assert!(html(&page).contains("Look into your mail"), "{}", html(&page));
    let letter = world.letter().await;
    assert!(letter.starts_with("ada@example.com\nConfirm"), "{letter}");
    // A slip in the address costs nothing; the invitation is used by the account.
    assert_eq!(browser.visit(&link).await.status(), StatusCode::OK);
    take(&mut browser, &link, "bo@example.com").await;
    let other = link_in(&world.letter().await);
    assert!(html(&browser.confirm(&link_in(&letter), PASSWORD).await).contains("is confirmed"));
    assert_eq!(browser.visit(&link).await.status(), StatusCode::GONE);
    let second = world.browser().confirm(&other, PASSWORD).await;
    assert_eq!(second.status(), StatusCode::GONE, "one invitation, one account: {}", html(&second));

    // Without mail nothing proves it either.
    let world = Plan { policy: invited_only(), ..Plan::default() }.build().await;
    let link = link_for(&world, Some("ada@example.com")).await;
    take(&mut world.browser(), &link, "ada@example.com").await;
    let account = world.accounts.by_email(&Email::parse("ada@example.com").unwrap()).await.unwrap().unwrap();
    assert!(!account.email_verified);
}

/// The attack: a link that was shown to an administrator, who is not its addressee, and used when letters are sent again.
#[tokio::test]
async fn an_invitation_proves_an_address_only_if_it_was_mailed_to_it() {
    let world = Plan { policy: invited_only(), mail: true, ..Plan::default() }.build().await;
    let email = Some("ada@example.com".to_owned());
    let shown = Purpose::Invitation { email, by: "operator".to_owned(), mailed: false };
    let text = world.tickets().issue(shown, crate::tickets::TO_JOIN).await.unwrap().text;
    let link = format!("/tenant1/invitation?ticket={}", text.expose_secret());
    let page = take(&mut world.browser(), &link, "ada@example.com").await;
    assert!(html(&page).contains("Look into your mail"), "{}", html(&page));
    assert!(world.letter().await.starts_with("ada@example.com\nConfirm"));
}

#[tokio::test]
async fn of_many_who_take_one_invitation_at_once_one_gets_in() {
    let world = Plan { policy: invited_only(), ..Plan::default() }.build().await;
    let ticket = link_for(&world, None).await.split('=').next_back().unwrap().to_owned();
    let mut racing = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (mut browser, ticket) = (world.browser(), ticket.clone());
        racing.spawn(async move {
            let sent = serde_json::json!({
                "email": format!("{number}@example.com"), "password": PASSWORD, "ticket": ticket,
            });
            browser.json("/auth/signup", &sent.to_string()).await.status()
        });
    }
    let answers = racing.join_all().await;
    assert_eq!(answers.iter().filter(|status| **status == StatusCode::CREATED).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == StatusCode::GONE).count(), 7, "{answers:?}");
}

#[tokio::test]
async fn an_invitation_lasts_a_week_and_a_slip_does_not_cost_it() {
    let world = Plan { policy: invited_only(), ..Plan::default() }.build().await;
    let link = link_for(&world, None).await;
    let mut browser = world.browser();
    let slip = take(&mut browser, &link, "no address").await;
    assert_eq!(slip.status(), StatusCode::BAD_REQUEST);
    assert!(html(&slip).contains("action=\"/tenant1/invitation\""), "{}", html(&slip));
    world.clock.advance(7 * 86_400 - 1);
    assert_eq!(browser.visit(&link).await.status(), StatusCode::OK);
    world.clock.advance(1);
    assert_eq!(browser.visit(&link).await.status(), StatusCode::GONE);
}
