//! The first page, and deleting one's account.

use super::factors::{set_up_app, signed_up};
use super::*;

const EMAIL: &str = "ada@example.com";

/// Deletes their account by the page.
async fn leave(browser: &mut Browser, typed: &[(&str, &str)]) -> Response<Bytes> {
    let csrf = field(&browser.open("/account/delete").await, "csrf");
    browser.post("/account/delete", &[&[("csrf", &*csrf)], typed].concat()).await
}

/// Deletes their account as a front end of one's own does.
async fn leave_in_json(browser: &mut Browser, typed: &[(&str, &str)]) -> Response<Bytes> {
    let typed: BTreeMap<_, _> = typed.iter().copied().collect();
    browser.json("/auth/delete", &serde_json::json!(typed).to_string()).await
}

async fn has_account(world: &World) -> bool {
    world.accounts.by_email(&Email::parse(EMAIL).unwrap()).await.unwrap().is_some()
}

#[tokio::test]
async fn an_account_is_deleted_by_its_owner_with_their_password_and_a_letter_tells_of_it() {
    for in_json in [false, true] {
        let world = mailing().await;
        let (mut here, mut there) = (world.browser(), world.browser());
        here.sign_up_by_letter(&world, EMAIL).await;
        there.log_in(EMAIL, PASSWORD).await;
        assert!(html(&here.open("/account").await).contains("href=\"/tenant1/account/delete\""));
        let (wrong, right) = ([("password", "another password")], [("password", PASSWORD)]);
        let (refused, words) = match in_json {
            false => (leave(&mut here, &wrong).await, "The password is wrong."),
            true => (leave_in_json(&mut here, &wrong).await, "\"invalid_credentials\""),
        };
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        assert!(html(&refused).contains(words), "{}", html(&refused));
        assert!(has_account(&world).await);
        if in_json {
            let done = leave_in_json(&mut here, &right).await;
            assert_eq!((done.status(), done.body().len()), (StatusCode::NO_CONTENT, 0));
        } else {
            let done = leave(&mut here, &right).await;
            assert!(html(&done).contains("Your account is deleted"), "{}", html(&done));
        }
        assert!(!here.jar.contains_key(SESSION) && !has_account(&world).await);
        assert!(location(&there.open("/account").await).starts_with("/tenant1/login?"));
        assert_eq!(leave_in_json(&mut there, &right).await.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(world.browser().log_in(EMAIL, PASSWORD).await.status(), StatusCode::UNAUTHORIZED);
        let letter = world.letter().await;
        assert!(letter.starts_with("ada@example.com\nYour account at as.example is deleted"), "{letter}");
        assert!(world.no_other_letter().await);
    }
}

/// The attack: a session that was taken, and a browser that was left open.
#[tokio::test]
async fn who_deletes_an_account_has_logged_in_just_before_and_shows_every_factor() {
    let (world, mut ada) = signed_up().await;
    set_up_app(&world, &mut ada).await;
    for typed in [&[("password", PASSWORD)][..], &[("password", PASSWORD), ("code", "000000")]] {
        for refused in [leave(&mut ada, typed).await, leave_in_json(&mut ada, typed).await] {
            assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{}", html(&refused));
        }
    }
    let forged = ada.post("/account/delete", &[("csrf", "x"), ("password", PASSWORD)]).await;
    assert_eq!(forged.status(), StatusCode::FORBIDDEN);
    // A page of another site sends forms, and no JSON.
    let forged = ada.post("/auth/delete", &[("password", PASSWORD)]).await;
    assert_eq!(forged.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let csrf = field(&ada.open("/account/delete").await, "csrf");
    world.clock.advance(15 * 60 + 1);
    let old = ada.post("/account/delete", &[("csrf", &csrf), ("password", PASSWORD)]).await;
    assert_eq!(old.status(), StatusCode::FORBIDDEN, "{}", html(&old));
    let old = leave_in_json(&mut ada, &[("password", PASSWORD)]).await;
    assert_eq!(old.status(), StatusCode::UNAUTHORIZED);
    assert!(html(&old).contains("log_in_again") && html(&old).contains("15 minutes"), "{}", html(&old));
    let way = location(&ada.open("/account/delete").await);
    assert!(way.contains("login_hint=ada%40example.com") && way.contains("return_to="), "{way}");
    let page = html(&ada.visit(&way).await);
    assert!(page.contains("at most 15 minutes old") && page.contains("value=\"ada@example.com\""), "{page}");
    assert!(has_account(&world).await);
}

#[tokio::test]
async fn the_first_page_is_in_the_looks_and_language_of_the_server_and_leads_in() {
    let brand = Brand { name: Some(BrandName::parse("Ada Ltd").unwrap()), ..Brand::default() };
    let world = Plan { brand, ..Plan::default() }.build().await;
    let mut ada = world.browser();
    let page = html(&ada.open("/").await);
    for wanted in [
        "<h1>Ada Ltd</h1>",
        "/tenant1/login",
        "/tenant1/signup",
        "/tenant1/account",
        "oauth-authorization-server",
    ] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    ada.sign_up(EMAIL).await;
    let page = html(&ada.open("/").await);
    assert!(page.contains(EMAIL) && !page.contains("/tenant1/signup"), "{page}");
    let request =
        Request::builder().uri("/tenant1/").header(header::ACCEPT_LANGUAGE, "de").body(Bytes::new());
    assert!(html(&ada.send(request.unwrap()).await).contains("Für Programme:"));
    assert_eq!(ada.post("/", &[]).await.status(), StatusCode::METHOD_NOT_ALLOWED);
}
