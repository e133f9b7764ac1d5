//! Showing that an address is one's own.

use http::StatusCode;
use secrecy::ExposeSecret as _;
use store::Purpose;

use super::*;
use crate::Domain;
use crate::refused::Refused;
use crate::visit::Visit;

async fn account_of(world: &World, email: &str) -> Option<store::Account> {
    world.accounts.by_email(&Email::parse(email).unwrap()).await.unwrap()
}

#[tokio::test]
async fn whoever_signs_up_confirms_the_address_by_letter_and_password() {
    let world = mailing().await;
    let mut browser = world.browser();
    let page = browser.sign_up(" Ada@Example.com ").await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(html(&page).contains("We sent a letter to Ada@Example.com"), "{}", html(&page));
    assert!(!browser.jar.contains_key(SESSION), "nobody is logged in by a sign-up that nobody confirmed");
    let letter = world.letter().await;
    assert!(letter.starts_with("ada@example.com\nConfirm your email address for as.example\n\n"), "{letter}");
    assert!(!letter.contains("Ada "), "what somebody calls themselves goes to no stranger: {letter}");

    // Programs that look at mail follow its links.
    let link = link_in(&letter);
    for _ in 0..3 {
        let shown = world.browser().visit(&link).await;
        assert_eq!(shown.status(), StatusCode::OK);
        assert_eq!(header_of(shown.headers(), "referrer-policy"), "strict-origin");
    }
    assert!(account_of(&world, "ada@example.com").await.is_none(), "the letter comes first");

    let mut elsewhere = world.browser();
    let page = elsewhere.visit(&link).await;
    let (csrf, ticket) = (field(&page, "csrf"), field(&page, "ticket"));
    let wrong = [("csrf", &*csrf), ("ticket", &*ticket), ("password", "another password")];
    let refused = elsewhere.post("/verify", &wrong).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(html(&refused).contains("The password is wrong."), "{}", html(&refused));
    let csrf = field(&refused, "csrf");
    let right = [("csrf", &*csrf), ("ticket", &*ticket), ("password", PASSWORD)];
    let confirmed = elsewhere.post("/verify", &right).await;
    assert!(html(&confirmed).contains("Your email address is confirmed"), "{}", html(&confirmed));
    assert!(elsewhere.jar.contains_key(SESSION));
    assert!(account_of(&world, "ada@example.com").await.unwrap().email_verified);

    let again = elsewhere.post("/verify", &right).await;
    assert_eq!(again.status(), StatusCode::GONE);
    assert!(html(&again).contains("This link was used already."), "{}", html(&again));
    assert!(world.no_other_letter().await);
    let told = world.events.all();
    let names = [
        told.iter().any(|event| matches!(event, AccountEvent::SignedUp { .. })),
        told.iter().any(|event| matches!(event, AccountEvent::EmailVerified { .. })),
        told.iter().any(|event| matches!(event, AccountEvent::LoggedIn { .. })),
    ];
    assert_eq!(names, [true; 3], "{told:?}");
}

#[tokio::test]
async fn a_sign_up_does_not_tell_whether_there_is_an_account() {
    let world = mailing().await;
    world.browser().sign_up_by_letter(&world, "ada@example.com").await;
    let mut pages = Vec::new();
    for email in ["ada@example.com", "eve@example.com"] {
        let mut browser = world.browser();
        let page = browser.sign_up(email).await;
        assert!(!browser.jar.contains_key(SESSION));
        pages.push((page.status(), html(&page).replace(email, "")));
        let letter = world.letter().await;
        assert!(letter.starts_with(email), "{letter}");
        assert_eq!(letter.contains("You have an account"), email.starts_with("ada"), "{letter}");
    }
    assert_eq!(pages[0], pages[1]);
    // That there is an account is told once a day.
    world.clock.advance(86_400);
    let mut answers = Vec::new();
    for email in ["ada@example.com", "bo@example.com"] {
        let sent = format!(r#"{{"email":"{email}","password":"{PASSWORD}"}}"#);
        let answer = world.browser().json("/auth/signup", &sent).await;
        answers.push((answer.status(), answer.body().clone()));
        world.letter().await;
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].0, StatusCode::ACCEPTED);
    // The password of the one who was there first still is the password.
    assert_eq!(moves_to(&world.browser().log_in("ada@example.com", PASSWORD).await), "/tenant1/login");
}

/// The attack: to sign up with an address and a password of one's own, and see whether a log-in follows.
#[tokio::test]
async fn a_log_in_after_a_sign_up_does_not_tell_whether_there_is_an_account() {
    let world = mailing().await;
    world.browser().sign_up_by_letter(&world, "ada@example.com").await;
    let guess = "the password of a stranger";
    let mut seen = Vec::new();
    for email in ["ada@example.com", "bo@example.com"] {
        let sent = format!(r#"{{"email":"{email}","password":"{guess}"}}"#);
        assert_eq!(world.browser().json("/auth/signup", &sent).await.status(), StatusCode::ACCEPTED);
        world.letter().await;
        let answer = world.browser().json("/auth/login", &sent).await;
        let page = world.browser().log_in(email, guess).await;
        seen.push((answer.status(), answer.body().clone(), page.status(), undrawn(&page).replace(email, "")));
    }
    assert_eq!(seen[0].0, StatusCode::UNAUTHORIZED);
    assert_eq!(seen[0], seen[1]);
}

/// The attack: to sign up with somebody's address before they do.
#[tokio::test]
async fn nobody_has_an_address_before_its_owner_and_each_link_has_a_password_of_its_own() {
    let world = mailing().await;
    let sign_up = async |password: &str| {
        let sent = format!(r#"{{"email":"ada@example.com","password":"{password}"}}"#);
        assert_eq!(world.browser().json("/auth/signup", &sent).await.status(), StatusCode::ACCEPTED);
        link_in(&world.letter().await)
    };
    let squatted = sign_up("the password of a squatter").await;
    let first = sign_up("the first that Ada chose").await;
    let second = sign_up("the second that Ada chose").await;
    let mut ada = world.browser();
    assert_eq!(ada.confirm(&squatted, "the second that Ada chose").await.status(), StatusCode::UNAUTHORIZED);
    assert!(html(&ada.confirm(&second, "the second that Ada chose").await).contains("is confirmed"));
    let late = world.browser().confirm(&first, "the first that Ada chose").await;
    assert_eq!(late.status(), StatusCode::CONFLICT, "{}", html(&late));
    let late = world.browser().confirm(&squatted, "the password of a squatter").await;
    assert_eq!(late.status(), StatusCode::CONFLICT);
    for (password, status) in [
        ("the password of a squatter", StatusCode::UNAUTHORIZED),
        ("the first that Ada chose", StatusCode::UNAUTHORIZED),
        ("the second that Ada chose", StatusCode::OK),
    ] {
        assert_eq!(world.browser().log_in("ada@example.com", password).await.status(), status, "{password}");
    }
}

#[tokio::test]
async fn of_many_who_use_the_link_of_a_sign_up_at_once_one_makes_the_account() {
    let world = mailing().await;
    world.browser().sign_up("ada@example.com").await;
    let ticket = link_in(&world.letter().await).split('=').next_back().unwrap().to_owned();
    let mut racing = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (mut browser, ticket) = (world.browser(), ticket.clone());
        racing.spawn(async move {
            let sent = format!(r#"{{"ticket":"{ticket}","password":"{PASSWORD}"}}"#);
            browser.json("/auth/verify", &sent).await.status()
        });
    }
    let answers = racing.join_all().await;
    assert_eq!(answers.iter().filter(|status| **status == StatusCode::OK).count(), 1, "{answers:?}");
    let made = world.events.all().into_iter().filter(|event| matches!(event, AccountEvent::SignedUp { .. }));
    assert_eq!(made.count(), 1);
}

#[tokio::test]
async fn nobody_can_be_made_to_confirm_an_account_that_they_did_not_make() {
    let world = mailing().await;
    let mut eve = world.browser();
    eve.sign_up("ada@example.com").await;
    let link = link_in(&world.letter().await);
    // Ada follows the link, logged in as herself at another account even.
    let mut ada = world.browser();
    ada.sign_up_by_letter(&world, "lovelace@example.com").await;
    let page = ada.visit(&link).await;
    assert!(html(&page).contains("Password of your account"), "{}", html(&page));
    let (csrf, ticket) = (field(&page, "csrf"), field(&page, "ticket"));
    for password in ["", "ada's own password"] {
        let fields = [("csrf", &*csrf), ("ticket", &*ticket), ("password", password)];
        assert_eq!(ada.post("/verify", &fields).await.status(), StatusCode::UNAUTHORIZED);
    }
    assert!(account_of(&world, "ada@example.com").await.is_none());
}

#[tokio::test]
async fn consent_waits_for_the_address_and_the_way_leads_on() {
    let world = mailing().await;
    world.enrol("ada@example.com").await;
    let mut browser = world.browser();
    assert_eq!(moves_to(&browser.log_in("ada@example.com", PASSWORD).await), "/tenant1/login");
    browser.json("/auth/verify/send", "{}").await;
    let letter = world.letter().await;
    let request = world.request("http://127.0.0.1/callback", "files.read", "s");
    let to = location(&browser.visit(&request).await);
    assert!(to.starts_with("/tenant1/verify?return_to=%2Ftenant1%2Foauth%2Fauthorize"), "{to}");
    let waiting = browser.visit(&to).await;
    assert!(html(&waiting).contains("Look into your mail") && html(&waiting).contains("ada@example.com"));
    let way_on = field(&waiting, "return_to");
    assert!(html(&waiting).contains("I have confirmed: continue"), "{}", html(&waiting));

    // Silently, there is nobody.
    let silent = browser.visit(&format!("{request}&prompt=none")).await;
    assert_eq!(silent.status(), StatusCode::BAD_REQUEST, "{}", html(&silent));

    // Another letter, for a form with the token of the session only.
    let csrf = field(&waiting, "csrf");
    let stale = browser.post("/verify", &[("csrf", "x"), ("again", "on")]).await;
    assert!(html(&stale).contains("open for too long"), "{}", html(&stale));
    let sent = browser.post("/verify", &[("csrf", &csrf), ("again", "on"), ("return_to", &way_on)]).await;
    assert!(html(&sent).contains("Another letter is on its way."), "{}", html(&sent));
    let second = world.letter().await;
    assert_ne!(link_in(&second), link_in(&letter));

    // Logged in as the owner, the link and a click are enough.
    let page = browser.visit(&link_in(&second)).await;
    assert!(!html(&page).contains("type=\"password\""), "{}", html(&page));
    let (csrf, ticket) = (field(&page, "csrf"), field(&page, "ticket"));
    let confirmed = browser.post("/verify", &[("csrf", &csrf), ("ticket", &ticket)]).await;
    assert!(html(&confirmed).contains("is confirmed"), "{}", html(&confirmed));
    assert!(location(&browser.visit(&request).await).starts_with("/tenant1/consent/"));
    let passed = browser.visit(&to).await;
    assert_eq!(moves_to(&passed), way_on, "the page that waits knows");
}

#[tokio::test]
async fn where_a_domain_opens_the_door_the_address_must_be_shown() {
    let sign_up = SignUp::Domains(vec![Domain::parse("example.com").unwrap()]);
    let policy = AccountPolicy { sign_up, ..AccountPolicy::default() };
    let world = Plan { policy, mail: true, ..Plan::default() }.build().await;
    let mut browser = world.browser();
    for email in ["ada@example.org", "ada@sub.example.com"] {
        let refused = browser.sign_up(email).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        assert!(html(&refused).contains("certain organisations"), "{}", html(&refused));
    }
    browser.sign_up_by_letter(&world, "ada@example.com").await;
    let request = world.request("http://127.0.0.1/callback", "files.read", "s");
    assert!(location(&browser.visit(&request).await).starts_with("/tenant1/consent/"));
    world.enrol("bo@example.org").await;
    let mut bo = world.browser();
    bo.log_in("bo@example.org", PASSWORD).await;
    assert!(location(&bo.visit(&request).await).starts_with("/tenant1/verify?"));
}

#[tokio::test]
async fn an_address_is_changed_by_a_letter_to_the_new_one() {
    let world = mailing().await;
    let (mut browser, mut bo) = (world.browser(), world.browser());
    browser.sign_up_by_letter(&world, "ada@example.com").await;
    bo.sign_up_by_letter(&world, "bo@example.com").await;
    for (sent, status) in [
        (r#"{"email":"ada@new.example","password":"another password"}"#, StatusCode::UNAUTHORIZED),
        (r#"{"email":"new","password":"correct horse battery"}"#, StatusCode::BAD_REQUEST),
        (r#"{"email":"bo@example.com","password":"correct horse battery"}"#, StatusCode::ACCEPTED),
    ] {
        assert_eq!(browser.json("/auth/email", sent).await.status(), status, "{sent}");
    }
    assert!(
        world.no_other_letter().await,
        "whoever has the address gets no letter, and the answer is the same"
    );
    let nobody = world.browser().json("/auth/email", r#"{"email":"x@y","password":"x"}"#).await;
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);

    let sent = r#"{"email":"Ada@new.example","password":"correct horse battery"}"#;
    assert_eq!(browser.json("/auth/email", sent).await.status(), StatusCode::ACCEPTED);
    let letter = world.letter().await;
    assert!(letter.starts_with("ada@new.example\nConfirm your new email address"), "{letter}");
    // A link to the old address must not outlive it.
    browser.json("/auth/forgot", r#"{"email":"ada@example.com"}"#).await;
    let reset = link_in(&world.letter().await);
    let ticket = link_in(&letter).split('=').next_back().unwrap().to_owned();
    let confirmed = browser.json("/auth/verify", &format!(r#"{{"ticket":"{ticket}"}}"#)).await;
    assert_eq!(confirmed.status(), StatusCode::OK);
    let notice = world.letter().await;
    assert!(notice.starts_with("ada@example.com\n") && notice.contains("ada@new.example"), "{notice}");
    assert!(account_of(&world, "ada@example.com").await.is_none());
    assert!(account_of(&world, "ada@new.example").await.unwrap().email_verified);
    assert_eq!(browser.visit(&reset).await.status(), StatusCode::GONE);
    let account = account_of(&world, "ada@new.example").await.unwrap();
    for email in [Some("ada@example.com".to_owned()), None] {
        let before = Purpose::ResetPassword {
            person: account.person.clone(),
            email,
            resets: account.resets,
            shown: false,
        };
        let late = world.tickets().issue(before, crate::tickets::TO_RESET).await.unwrap().text;
        let sent = serde_json::json!({ "ticket": late.expose_secret(), "password": "an otter in my kettle" });
        let refused = world.browser().json("/auth/reset", &sent.to_string()).await;
        assert!(refused.status().is_client_error(), "written beside the change: {}", refused.status());
    }
    assert_eq!(moves_to(&world.browser().log_in("ada@new.example", PASSWORD).await), "/tenant1/login");
}

#[tokio::test]
async fn a_log_in_from_somewhere_new_is_told_to_the_owner() {
    let world = mailing().await;
    world.browser().sign_up_by_letter(&world, "ada@example.com").await;
    world.clock.advance(2 * 3600);
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let sent = r#"{"email":"ada@example.com","password":"correct horse battery"}"#;
    let log_in = async |address: [u8; 4], agent: &str, language: &str| {
        let mut browser = world.browser();
        browser.peer = Peer(Some(address.into()));
        let request = Request::builder()
            .method(Method::POST)
            .uri("/tenant1/auth/login")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, agent)
            .header(header::ACCEPT_LANGUAGE, language)
            .body(Bytes::from(sent));
        assert_eq!(browser.send(request.unwrap()).await.status(), StatusCode::OK);
        browser
    };
    log_in([192, 0, 2, 7], firefox, "en").await;
    let letter = world.letter().await;
    assert!(
        letter.contains("from somewhere new") && letter.contains("Firefox on Linux, 192.0.2.7"),
        "{letter}"
    );
    let mut known = log_in([192, 0, 2, 7], &firefox.replace("140", "141"), "en").await;
    assert!(world.no_other_letter().await, "a new version is no new browser");
    log_in([192, 0, 2, 8], "Call evil.example now!", "de-AT").await;
    let letter = world.letter().await;
    assert!(
        letter.contains("Neue Anmeldung") && letter.contains("ein unbekanntes Programm, 192.0.2.8"),
        "{letter}"
    );
    assert!(!letter.contains("evil.example"), "{letter}");
    // Whoever logs in again with the same browser is known by it.
    known.peer = Peer(Some([192, 0, 2, 9].into()));
    known.json("/auth/login", sent).await;
    assert!(world.no_other_letter().await);
    world.clock.advance(91 * 86_400);
    log_in([192, 0, 2, 7], firefox, "en").await;
    world.letter().await;
    let new = world.events.all().into_iter().filter(|event| matches!(event, AccountEvent::NewDevice { .. }));
    assert_eq!(new.count(), 3);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_as_json() {
    let world = world().await;
    let (mut laptop, mut phone, mut bo) = (world.browser(), world.browser(), world.browser());
    laptop.sign_up("ada@example.com").await;
    phone.log_in("ada@example.com", PASSWORD).await;
    bo.sign_up("bo@example.com").await;
    let list = async |browser: &mut Browser| -> Vec<serde_json::Value> {
        let answer = browser.open("/auth/sessions").await;
        assert_eq!(header_of(answer.headers(), "cache-control"), "no-store");
        let mut body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        serde_json::from_value(body["sessions"].take()).unwrap()
    };
    let sessions = list(&mut laptop).await;
    assert_eq!(sessions.len(), 2);
    let other = sessions.iter().find(|session| session["current"] == false).unwrap()["session"].clone();
    let end = serde_json::json!({ "session": other }).to_string();
    // Of somebody else's nothing ends.
    assert_eq!(bo.json("/auth/sessions/end", &end).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(list(&mut laptop).await.len(), 2);
    assert_eq!(laptop.json("/auth/sessions/end", &end).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(list(&mut laptop).await.len(), 1);
    assert_eq!(phone.open("/auth/sessions").await.status(), StatusCode::UNAUTHORIZED);
    phone.log_in("ada@example.com", PASSWORD).await;
    for sent in [r#"{"others":false}"#, "{}", r#"{"session":1}"#] {
        assert_eq!(laptop.json("/auth/sessions/end", sent).await.status(), StatusCode::BAD_REQUEST, "{sent}");
    }
    assert_eq!(
        laptop.json("/auth/sessions/end", r#"{"others":true}"#).await.status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(list(&mut laptop).await.len(), 1);
    assert_eq!(phone.open("/auth/sessions").await.status(), StatusCode::UNAUTHORIZED);
}

/// The attack: a link from before the operator chose who may have which address.
#[tokio::test]
async fn whether_an_account_may_have_an_address_is_asked_when_the_link_is_used() {
    let world = mailing().await;
    let mut ada = world.browser();
    ada.sign_up_by_letter(&world, "ada@example.com").await;
    let body = serde_json::json!({ "password": PASSWORD, "email": "ada@elsewhere.example" }).to_string();
    ada.json("/auth/email", &body).await;
    let link = link_in(&world.letter().await);
    let ticket = link.split_once("?ticket=").unwrap().1;
    let sign_up = SignUp::Domains(vec![Domain::parse("example.com").unwrap()]);
    let policy = AccountPolicy { sign_up, ..AccountPolicy::default() };
    let stricter = Identity::clone(&world.identity).policy(policy);
    let request = Request::builder().body(Bytes::new()).unwrap();
    let visit = Visit::of(&request, ada.peer);
    let refused = stricter.confirm(&visit, ticket, PASSWORD).await;
    assert!(matches!(refused, Err(Refused::WrongDomain)), "{refused:?}");
    assert!(account_of(&world, "ada@example.com").await.is_some());
    world.identity.confirm(&visit, ticket, PASSWORD).await.unwrap();
    assert!(account_of(&world, "ada@elsewhere.example").await.is_some());
}
