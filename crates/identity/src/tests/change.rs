//! The forms for another password and another e-mail address.

use http::StatusCode;

use super::*;

const NEW: &str = "an otter in my kettle";

async fn change(browser: &mut Browser, path: &str, typed: &[(&str, &str)]) -> Response<Bytes> {
    let csrf = field(&browser.open(path).await, "csrf");
    browser.post(path, &[&[("csrf", &*csrf)], typed].concat()).await
}

/// The attribute list of the field with this id.
fn input(page: &Response<Bytes>, id: &str) -> String {
    let html = html(page);
    let rest = html.split(&format!("<input id=\"{id}\"")).nth(1).unwrap_or_else(|| panic!("no {id}: {html}"));
    rest.split('>').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_password_is_changed_by_a_form_that_asks_for_the_present_one() {
    let world = world().await;
    let (mut here, mut there) = (world.browser(), world.browser());
    here.sign_up("ada@example.com").await;
    there.log_in("ada@example.com", PASSWORD).await;
    assert!(html(&here.open("/account").await).contains("href=\"/tenant1/account/password\""));
    for (current, new, status, wrong, words) in [
        ("another password", NEW, StatusCode::UNAUTHORIZED, "password", "The password is wrong."),
        (PASSWORD, "short", StatusCode::BAD_REQUEST, "new-password", "too short"),
        (PASSWORD, "ada@example.com", StatusCode::BAD_REQUEST, "new-password", "part of the email"),
    ] {
        let typed = [("password", current), ("new_password", new)];
        let again = change(&mut here, "/account/password", &typed).await;
        assert_eq!(again.status(), status);
        assert!(html(&again).contains(words) && !html(&again).contains(current), "{}", html(&again));
        for id in ["password", "new-password"] {
            let attributes = input(&again, id);
            assert_eq!(attributes.contains("aria-invalid"), id == wrong, "{id}: {attributes}");
            assert_eq!(attributes.contains("autofocus"), id == wrong, "{id}: {attributes}");
        }
    }
    let typed = [("password", PASSWORD), ("new_password", NEW)];
    let done = change(&mut here, "/account/password", &typed).await;
    assert!(html(&done).contains("Your password is set"), "{}", html(&done));
    assert_eq!(here.open("/account").await.status(), StatusCode::OK);
    assert!(location(&there.open("/account").await).starts_with("/tenant1/login?"));
    assert_eq!(world.browser().log_in("ada@example.com", PASSWORD).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(moves_to(&world.browser().log_in("ada@example.com", NEW).await), "/tenant1/login");
}

#[tokio::test]
async fn an_address_is_changed_by_a_form_that_asks_for_the_password_and_by_a_letter() {
    let world = mailing().await;
    let mut ada = world.browser();
    ada.sign_up_by_letter(&world, "ada@example.com").await;
    world.browser().sign_up_by_letter(&world, "bo@example.com").await;
    assert!(html(&ada.open("/account").await).contains("href=\"/tenant1/account/email\""));
    for (email, password, status, wrong, words) in [
        (
            "ada@new.example",
            "another password",
            StatusCode::UNAUTHORIZED,
            "password",
            "The password is wrong.",
        ),
        ("new", PASSWORD, StatusCode::BAD_REQUEST, "email", "email address"),
    ] {
        let typed = [("email", email), ("password", password)];
        let again = change(&mut ada, "/account/email", &typed).await;
        assert_eq!(again.status(), status);
        assert!(html(&again).contains(words), "{}", html(&again));
        assert!(input(&again, "email").contains(&format!("value=\"{email}\"")), "what was typed is kept");
        for id in ["password", "email"] {
            assert_eq!(input(&again, id).contains("aria-invalid"), id == wrong, "{id}");
        }
    }
    let mut said = Vec::new();
    for email in ["bo@example.com", "ada@new.example"] {
        let sent = change(&mut ada, "/account/email", &[("email", email), ("password", PASSWORD)]).await;
        assert_eq!(sent.status(), StatusCode::OK);
        said.push(html(&sent).replace(email, ""));
    }
    assert_eq!(said[0], said[1], "nobody is told whether somebody has it");
    let letter = world.letter().await;
    assert!(letter.starts_with("ada@new.example\nConfirm your new email address"), "{letter}");
    let page = ada.visit(&link_in(&letter)).await;
    let (csrf, ticket) = (field(&page, "csrf"), field(&page, "ticket"));
    let confirmed = ada.post("/verify", &[("csrf", &csrf), ("ticket", &ticket)]).await;
    assert!(html(&confirmed).contains("is confirmed"), "{}", html(&confirmed));
    assert!(world.letter().await.starts_with("ada@example.com\n"), "the address before is told");
    assert!(html(&ada.open("/account").await).contains("ada@new.example"));
}

#[tokio::test]
async fn forms_for_what_one_logs_in_with_take_their_own_token_and_a_session() {
    let world = mailing().await;
    let mut ada = world.browser();
    ada.sign_up_by_letter(&world, "ada@example.com").await;
    let stranger = field(&world.browser().open("/login").await, "csrf");
    for (path, typed) in [
        ("/account/password", [("password", PASSWORD), ("new_password", NEW)]),
        ("/account/email", [("password", PASSWORD), ("email", "eve@example.com")]),
    ] {
        for csrf in ["", "x", &*stranger] {
            let refused = ada.post(path, &[&[("csrf", csrf)], &typed[..]].concat()).await;
            assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{path} {csrf}");
        }
        let csrf = field(&ada.open(path).await, "csrf");
        let fields = [&[("csrf", &*csrf)], &typed[..]].concat();
        let elsewhere = ada.post_with(path, &fields, &[("origin", "https://evil.example")]).await;
        assert_eq!(elsewhere.status(), StatusCode::FORBIDDEN);
        let mut nobody = world.browser();
        let back = path.replace('/', "%2F");
        let way = format!("/tenant1/login?return_to=%2Ftenant1{back}");
        assert_eq!(location(&nobody.open(path).await), way);
        assert_eq!(moves_to(&nobody.post(path, &fields).await), way);
    }
    assert!(world.no_other_letter().await);
    assert_eq!(moves_to(&world.browser().log_in("ada@example.com", PASSWORD).await), "/tenant1/login");
}

#[tokio::test]
async fn without_mail_no_address_is_changed_and_whoever_has_no_password_sets_one_by_letter() {
    let plain = world().await;
    let mut ada = plain.browser();
    ada.sign_up("ada@example.com").await;
    assert!(!html(&ada.open("/account").await).contains("/account/email"));
    assert_eq!(ada.open("/account/email").await.status(), StatusCode::NOT_FOUND);

    let world = mailing().await;
    let mut ada = world.browser();
    ada.sign_up_by_letter(&world, "ada@example.com").await;
    let account = world.accounts.by_email(&Email::parse("ada@example.com").unwrap()).await.unwrap().unwrap();
    let store: &dyn Store = &*world.store;
    let found = store.find::<store::Account>(&account.person).await.unwrap().unwrap();
    let without = store::Account { password: None, ..account };
    let changes = Changes::replace(Mark::new([9; 16]), &found, &without);
    assert_eq!(world.store.commit(&changes).await.unwrap(), Commit::Done);
    assert_eq!(location(&ada.open("/account/password").await), "/tenant1/forgot");
}
