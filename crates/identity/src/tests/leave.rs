//! The first page, and deleting one's account.

use super::factors::{set_up_app, signed_up};
use super::*;

const EMAIL: &str = "ada@example.com";

async fn leave(browser: &mut Browser, typed: &[(&str, &str)]) -> Response<Bytes> {
    let csrf = field(&browser.open("/account/delete").await, "csrf");
    browser.post("/account/delete", &[&[("csrf", &*csrf)], typed].concat()).await
}

async fn has_account(world: &World) -> bool {
    world.accounts.by_email(&Email::parse(EMAIL).unwrap()).await.unwrap().is_some()
}

#[tokio::test]
async fn an_account_is_deleted_by_its_owner_with_their_password_and_a_letter_tells_of_it() {
    let world = mailing().await;
    let (mut here, mut there) = (world.browser(), world.browser());
    here.sign_up_by_letter(&world, EMAIL).await;
    there.log_in(EMAIL, PASSWORD).await;
    assert!(html(&here.open("/account").await).contains("href=\"/tenant1/account/delete\""));
    let wrong = leave(&mut here, &[("password", "another password")]).await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    assert!(html(&wrong).contains("The password is wrong."), "{}", html(&wrong));
    assert!(has_account(&world).await);
    let done = leave(&mut here, &[("password", PASSWORD)]).await;
    assert!(html(&done).contains("Your account is deleted"), "{}", html(&done));
    assert!(!here.jar.contains_key(SESSION) && !has_account(&world).await);
    assert!(location(&there.open("/account").await).starts_with("/tenant1/login?"));
    assert_eq!(world.browser().log_in(EMAIL, PASSWORD).await.status(), StatusCode::UNAUTHORIZED);
    let letter = world.letter().await;
    assert!(letter.starts_with("ada@example.com\nYour account at as.example is deleted"), "{letter}");
}

/// The attack: a session that was taken, and a browser that was left open.
#[tokio::test]
async fn who_deletes_an_account_has_logged_in_just_before_and_shows_every_factor() {
    let (world, mut ada) = signed_up().await;
    set_up_app(&world, &mut ada).await;
    for typed in [&[("password", PASSWORD)][..], &[("password", PASSWORD), ("code", "000000")]] {
        let refused = leave(&mut ada, typed).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{}", html(&refused));
    }
    let forged = ada.post("/account/delete", &[("csrf", "x"), ("password", PASSWORD)]).await;
    assert_eq!(forged.status(), StatusCode::FORBIDDEN);
    let csrf = field(&ada.open("/account/delete").await, "csrf");
    world.clock.advance(15 * 60 + 1);
    let old = ada.post("/account/delete", &[("csrf", &csrf), ("password", PASSWORD)]).await;
    assert_eq!(old.status(), StatusCode::FORBIDDEN, "{}", html(&old));
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
