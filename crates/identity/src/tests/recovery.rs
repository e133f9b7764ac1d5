//! A forgotten password.

use authz_core::SignUpRefusal;
use http::StatusCode;
use store::{Epoch, PersonStanding, Status};

use super::*;
use crate::Email;

const NEW: &str = "an otter in my kettle";

async fn forget(browser: &mut Browser, email: &str) -> Response<Bytes> {
    let csrf = field(&browser.open("/forgot").await, "csrf");
    browser.post("/forgot", &[("csrf", &csrf), ("email", email)]).await
}

async fn reset(browser: &mut Browser, link: &str, password: &str, everything: bool) -> Response<Bytes> {
    let page = browser.visit(link).await;
    assert_eq!(page.status(), StatusCode::OK, "{}", html(&page));
    assert_eq!(header_of(page.headers(), "referrer-policy"), "strict-origin");
    let (csrf, ticket) = (field(&page, "csrf"), field(&page, "ticket"));
    let mut fields = vec![("csrf", &*csrf), ("ticket", &*ticket), ("password", password)];
    if everything {
        fields.push(("everything", "on"));
    }
    browser.post("/reset", &fields).await
}

async fn standing(world: &World, email: &str) -> (Status, Option<Epoch>) {
    let person = world.accounts.by_email(&Email::parse(email).unwrap()).await.unwrap().unwrap().person;
    let store: &dyn Store = &*world.store;
    let found = store.find::<PersonStanding>(person).await.unwrap();
    let standing = found.map(|found| found.record.standing).unwrap_or_default();
    (standing.status, standing.epoch)
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_by_letter_and_ends_all_sessions() {
    let world = mailing().await;
    let mut before = world.browser();
    before.sign_up_by_letter(&world, "ada@example.com").await;
    let mut browser = world.browser();
    assert!(html(&browser.open("/login").await).contains("href=\"/tenant1/forgot\""));
    let asked = forget(&mut browser, "ADA@example.com").await;
    assert!(html(&asked).contains("If there is an account with ADA@example.com"), "{}", html(&asked));
    let letter = world.letter().await;
    assert!(letter.starts_with("ada@example.com\nSet a new password for as.example\n"), "{letter}");
    let link = link_in(&letter);
    for (password, words) in [
        ("short", "too short"),
        ("Password12345!", "Too many people"),
        ("ada@example.com", "part of the email"),
    ] {
        let again = reset(&mut browser, &link, password, true).await;
        assert_eq!(again.status(), StatusCode::BAD_REQUEST);
        assert!(html(&again).contains(words) && html(&again).contains(" checked"), "{}", html(&again));
    }
    let done = reset(&mut browser, &link, NEW, false).await;
    assert!(html(&done).contains("Your password is set"), "{}", html(&done));
    assert!(
        !browser.jar.contains_key(SESSION),
        "whoever holds the link proves the password like anybody else"
    );
    assert_eq!(before.open("/auth/sessions").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(standing(&world, "ada@example.com").await, (Status::Active, None), "apps stay connected");
    let notice = world.letter().await;
    assert!(notice.contains("was changed"), "{notice}");
    assert_eq!(browser.log_in("ada@example.com", PASSWORD).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(moves_to(&browser.log_in("ada@example.com", NEW).await), "/tenant1/login");

    let again = browser.visit(&link).await;
    assert_eq!(again.status(), StatusCode::GONE);
    assert!(html(&again).contains("This link was used already."));
}

#[tokio::test]
async fn if_asked_everything_that_was_connected_ends_too() {
    let world = mailing().await;
    world.browser().sign_up_by_letter(&world, "ada@example.com").await;
    let mut browser = world.browser();
    forget(&mut browser, "ada@example.com").await;
    reset(&mut browser, &link_in(&world.letter().await), NEW, true).await;
    assert!(standing(&world, "ada@example.com").await.1.is_some());
}

#[tokio::test]
async fn of_two_links_the_second_dies_with_the_first_and_both_after_half_an_hour() {
    let world = mailing().await;
    world.browser().sign_up_by_letter(&world, "ada@example.com").await;
    let mut browser = world.browser();
    let mut links = Vec::new();
    for _ in 0..2 {
        forget(&mut browser, "ada@example.com").await;
        links.push(link_in(&world.letter().await));
    }
    world.clock.advance(1799);
    reset(&mut browser, &links[0], NEW, false).await;
    world.letter().await;
    assert_eq!(browser.visit(&links[1]).await.status(), StatusCode::GONE);
    forget(&mut browser, "ada@example.com").await;
    let late = link_in(&world.letter().await);
    world.clock.advance(1800);
    let page = browser.visit(&late).await;
    assert_eq!(page.status(), StatusCode::GONE);
    assert!(html(&page).contains("This link is too old."), "{}", html(&page));
}

#[tokio::test]
async fn of_many_who_use_one_link_at_once_one_sets_the_password() {
    let world = mailing().await;
    world.browser().sign_up_by_letter(&world, "ada@example.com").await;
    forget(&mut world.browser(), "ada@example.com").await;
    let ticket = link_in(&world.letter().await).split('=').next_back().unwrap().to_owned();
    let mut racing = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (mut browser, ticket) = (world.browser(), ticket.clone());
        racing.spawn(async move {
            let sent = format!(r#"{{"ticket":"{ticket}","password":"{number} otters in my kettle"}}"#);
            browser.json("/auth/reset", &sent).await.status()
        });
    }
    let answers = racing.join_all().await;
    let won = answers.iter().filter(|status| **status == StatusCode::NO_CONTENT).count();
    let lost = answers.iter().filter(|status| **status == StatusCode::GONE).count();
    assert_eq!((won, lost), (1, 7), "{answers:?}");
}

#[tokio::test]
async fn nobody_is_told_who_has_an_account() {
    let world = mailing().await;
    world.browser().sign_up_by_letter(&world, "ada@example.com").await;
    let mut browser = world.browser();
    let mut pages = Vec::new();
    for email in ["ada@example.com", "eve@example.com"] {
        let page = forget(&mut browser, email).await;
        pages.push((page.status(), html(&page).replace(email, "")));
    }
    assert_eq!(pages[0], pages[1]);
    assert!(world.letter().await.starts_with("ada@example.com\n"));
    assert!(world.no_other_letter().await);
    assert_eq!(forget(&mut browser, "no address").await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_address_gets_so_many_letters_and_the_answer_stays_the_same() {
    let world = mailing().await;
    world.browser().sign_up_by_letter(&world, "ada@example.com").await;
    let mut browser = world.browser();
    for _ in 0..5 {
        forget(&mut browser, "ada@example.com").await;
        world.letter().await;
    }
    let page = forget(&mut browser, "ada@example.com").await;
    assert!(page.status() == StatusCode::OK && html(&page).contains("If there is an account"));
    assert!(world.no_other_letter().await);
}

/// The attack: to sign up with the address of an account, so that its owner gets no link to a new password.
#[tokio::test]
async fn what_a_stranger_has_mailed_keeps_nobody_from_a_new_password() {
    let world = mailing().await;
    world.browser().sign_up_by_letter(&world, "ada@example.com").await;
    for attempt in 0..6 {
        world.browser().sign_up("ada@example.com").await;
        if attempt == 0 {
            assert!(world.letter().await.contains("You have an account"));
        }
        assert!(world.no_other_letter().await, "it is told once a day");
    }
    forget(&mut world.browser(), "ada@example.com").await;
    assert!(world.letter().await.contains("Set a new password"));
    world.clock.advance(86_400);
    world.browser().sign_up("ada@example.com").await;
    assert!(world.letter().await.contains("You have an account"));
}

/// The attack: an account with the address of somebody else, and much that its owner is told of.
#[tokio::test]
async fn nobody_is_told_about_an_account_that_is_not_known_to_be_theirs() {
    let world = mailing().await;
    world.enrol("ada@example.com").await;
    let mut eve = world.browser();
    eve.log_in("ada@example.com", PASSWORD).await;
    let sent = serde_json::json!({ "password": PASSWORD, "new_password": NEW }).to_string();
    assert_eq!(eve.json("/auth/password", &sent).await.status(), StatusCode::NO_CONTENT);
    world.clock.advance(2 * 3600);
    eve.peer = Peer(Some([198, 51, 100, 7].into()));
    world.browser().log_in("ada@example.com", NEW).await;
    assert!(world.no_other_letter().await);
}

#[tokio::test]
async fn an_owner_is_told_of_so_much_within_a_time() {
    let world = mailing().await;
    let mut ada = world.browser();
    ada.sign_up_by_letter(&world, "ada@example.com").await;
    for (round, new) in [NEW, PASSWORD].into_iter().cycle().take(7).enumerate() {
        let current = if new == NEW { PASSWORD } else { NEW };
        let sent = serde_json::json!({ "password": current, "new_password": new }).to_string();
        assert_eq!(ada.json("/auth/password", &sent).await.status(), StatusCode::NO_CONTENT);
        if round < 5 {
            assert!(world.letter().await.contains("was changed"));
        }
    }
    assert!(world.no_other_letter().await);
    let addresses: Vec<_> = (0..7).map(|number| format!("{number}@new.example")).collect();
    for email in &addresses {
        let sent = serde_json::json!({ "password": NEW, "email": email }).to_string();
        assert_eq!(ada.json("/auth/email", &sent).await.status(), StatusCode::ACCEPTED);
    }
    for _ in 0..5 {
        assert!(world.letter().await.contains("Confirm your new email address"));
    }
    assert!(world.no_other_letter().await, "however many addresses somebody names");
}

#[tokio::test]
async fn an_account_that_nobody_had_confirmed_goes_to_the_owner_of_the_address_alone() {
    let world = mailing().await;
    let mut eve = world.browser();
    world.enrol("ada@example.com").await;
    eve.log_in("ada@example.com", PASSWORD).await;
    assert_eq!(eve.open("/auth/sessions").await.status(), StatusCode::OK);
    let mut ada = world.browser();
    forget(&mut ada, "ada@example.com").await;
    reset(&mut ada, &link_in(&world.letter().await), NEW, false).await;
    assert_eq!(eve.open("/auth/sessions").await.status(), StatusCode::UNAUTHORIZED);
    assert!(standing(&world, "ada@example.com").await.1.is_some(), "whatever Eve connected is over");
    assert!(
        world
            .accounts
            .by_email(&Email::parse("ada@example.com").unwrap())
            .await
            .unwrap()
            .unwrap()
            .email_verified
    );
}

#[tokio::test]
async fn a_blocked_account_looks_like_a_wrong_password_and_gets_no_letter() {
    let world = mailing().await;
    world.browser().sign_up_by_letter(&world, "ada@example.com").await;
    let person =
        world.accounts.by_email(&Email::parse("ada@example.com").unwrap()).await.unwrap().unwrap().person;
    let blocked = PersonStanding { person, standing: Standing { status: Status::Blocked, epoch: None } };
    let changes = Changes::create(Mark::new([3; 16]), &blocked);
    assert_eq!(world.store.commit(&changes).await.unwrap(), Commit::Done);
    let mut pages = Vec::new();
    for (email, password) in [
        ("ada@example.com", PASSWORD),
        ("ada@example.com", "another password"),
        ("eve@example.com", PASSWORD),
    ] {
        let mut browser = world.browser();
        let page = browser.log_in(email, password).await;
        assert!(!browser.jar.contains_key(SESSION));
        pages.push((page.status(), undrawn(&page).replace(email, "")));
    }
    assert!(pages[0] == pages[1] && pages[1] == pages[2], "{pages:?}");
    forget(&mut world.browser(), "ada@example.com").await;
    assert!(world.no_other_letter().await);
}

#[tokio::test]
async fn a_password_is_changed_by_whoever_knows_it_and_other_browsers_are_logged_out() {
    let world = mailing().await;
    let (mut here, mut there) = (world.browser(), world.browser());
    here.sign_up_by_letter(&world, "ada@example.com").await;
    there.log_in("ada@example.com", PASSWORD).await;
    for (current, new, status) in [
        ("another password", NEW, StatusCode::UNAUTHORIZED),
        (PASSWORD, "password12", StatusCode::BAD_REQUEST),
        (PASSWORD, NEW, StatusCode::NO_CONTENT),
    ] {
        let sent = serde_json::json!({ "password": current, "new_password": new }).to_string();
        assert_eq!(here.json("/auth/password", &sent).await.status(), status);
    }
    assert!(world.letter().await.contains("was changed"));
    assert_eq!(here.open("/auth/sessions").await.status(), StatusCode::OK);
    assert_eq!(there.open("/auth/sessions").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_ticket_of_another_kind_opens_nothing() {
    let world = mailing().await;
    let mut browser = world.browser();
    browser.sign_up("bo@example.com").await;
    let join = link_in(&world.letter().await);
    world.enrol("ada@example.com").await;
    browser.log_in("ada@example.com", PASSWORD).await;
    browser.json("/auth/verify/send", "{}").await;
    let verify = link_in(&world.letter().await);
    forget(&mut browser, "ada@example.com").await;
    let reset = link_in(&world.letter().await);
    for (link, at) in [
        (&join, "reset"),
        (&join, "invitation"),
        (&verify, "reset"),
        (&verify, "invitation"),
        (&reset, "verify"),
        (&reset, "invitation"),
    ] {
        let ticket = link.split('=').next_back().unwrap();
        let page = browser.open(&format!("/{at}?ticket={ticket}")).await;
        assert_eq!(page.status(), StatusCode::NOT_FOUND, "{link} at {at}");
    }
    for at in ["reset", "invitation", "verify"] {
        let page = browser.open(&format!("/{at}?ticket=tkt_x")).await;
        assert!(html(&page).contains("There is no such link"), "{}", html(&page));
    }
}

#[tokio::test]
async fn without_mail_there_is_no_way_back_and_it_is_said() {
    let world = world().await;
    let mut browser = world.browser();
    assert!(!html(&browser.open("/login").await).contains("/forgot"));
    assert_eq!(browser.open("/forgot").await.status(), StatusCode::NOT_FOUND);
    let answer = browser.json("/auth/forgot", r#"{"email":"ada@example.com"}"#).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    browser.sign_up("ada@example.com").await;
    assert_eq!(world.browser().sign_up("ada@example.com").await.status(), StatusCode::CONFLICT);
    let refused = AccountEvent::SignUpRefused { why: SignUpRefusal::EmailTaken };
    assert!(world.events.all().contains(&refused));
}

#[tokio::test]
async fn a_form_without_its_token_does_nothing() {
    let world = mailing().await;
    world.browser().sign_up_by_letter(&world, "ada@example.com").await;
    let mut browser = world.browser();
    let page = browser.post("/forgot", &[("email", "ada@example.com")]).await;
    assert_eq!(page.status(), StatusCode::FORBIDDEN);
    assert!(world.no_other_letter().await);
    forget(&mut browser, "ada@example.com").await;
    let link = link_in(&world.letter().await);
    let ticket = link.split('=').next_back().unwrap();
    for path in ["/reset", "/verify"] {
        let fields = [("csrf", "x"), ("ticket", ticket), ("password", NEW)];
        let page = browser.post(path, &fields).await;
        let expected = if path == "/reset" { StatusCode::FORBIDDEN } else { StatusCode::NOT_FOUND };
        assert_eq!(page.status(), expected, "{path}");
        for headers in [&[("origin", "https://evil.example")][..], &[("origin", "null")]] {
            assert_eq!(browser.post_with(path, &fields, headers).await.status(), StatusCode::FORBIDDEN);
        }
    }
    assert_eq!(moves_to(&browser.log_in("ada@example.com", PASSWORD).await), "/tenant1/login");
}
