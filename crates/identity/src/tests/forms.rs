//! Forms that were forged, are old, or lead elsewhere.

use authz_core::Who;
use http::StatusCode;

use super::entry::{marked, to, who};
use super::*;

#[tokio::test]
async fn a_form_without_the_token_of_its_browser_does_nothing() {
    let world = world().await;
    world.browser().sign_up("ada@example.com").await;
    let stranger = field(&world.browser().open("/login").await, "csrf");
    for (path, csrf) in [("/login", ""), ("/login", "x"), ("/login", &*stranger), ("/signup", &*stranger)] {
        let mut browser = world.browser();
        browser.open("/login").await;
        let fields = [("name", "Eve"), ("csrf", csrf), ("email", "ada@example.com"), ("password", PASSWORD)];
        let response = browser.post(path, &fields).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path} {csrf}");
        assert!(!browser.jar.contains_key(SESSION));
        // The page that comes back can be sent at once, and nothing that was typed is wrong.
        assert!(html(&response).contains("value=\"ada@example.com\""));
        assert!(marked(&html(&response), "aria-invalid").is_empty());
        assert_eq!(marked(&html(&response), " autofocus"), ["password"]);
        let csrf = field(&response, "csrf");
        let again = browser.post("/login", &[("csrf", &*csrf), fields[2], fields[3]]).await;
        assert_eq!(moves_to(&again), "/tenant1/login");
    }
}

#[tokio::test]
async fn two_open_tabs_both_work() {
    let world = world().await;
    world.browser().sign_up("ada@example.com").await;
    let mut browser = world.browser();
    let first = field(&browser.open("/login").await, "csrf");
    let second = field(&browser.open("/signup").await, "csrf");
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_form_from_elsewhere_is_refused_whatever_it_carries() {
    let world = world().await;
    let mut browser = world.browser();
    let csrf = field(&browser.open("/signup").await, "csrf");
    let fields = [("csrf", &*csrf), ("name", "Ada"), ("email", "ada@example.com"), ("password", PASSWORD)];
    for headers in [
        &[("origin", "https://evil.example")][..],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("origin", "https://as.example")],
    ] {
        for path in ["/signup", "/login", "/logout", "/consent/AAAAAAAAAAAAAAAAAAAAAA"] {
            let response = browser.post_with(path, &fields, headers).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path} {headers:?}");
        }
    }
    assert_eq!(moves_to(&browser.post_with("/signup", &fields, &[]).await), "/tenant1/login");
}

#[tokio::test]
async fn a_return_address_elsewhere_is_ignored() {
    let world = world().await;
    let mut browser = world.browser();
    for to in
        ["https://evil.example/", "//evil.example", "/tenant10/x", "/tenant1/%2e%2e/x", "javascript:alert(1)"]
    {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("return_to", to).finish();
        let page = browser.open(&format!("/login?{query}")).await;
        assert_eq!(page.status(), StatusCode::OK);
        assert!(!html(&page).contains("return_to"), "{to}: {}", html(&page));
    }
    browser.sign_up("ada@example.com").await;
    let csrf = field(&browser.open("/signup").await, "csrf");
    let fields = [("csrf", &*csrf), ("email", "ada@example.com"), ("password", PASSWORD)];
    let response = browser.post("/login", &[&fields[..], &[("return_to", "//evil.example")]].concat()).await;
    assert_eq!(moves_to(&response), "/tenant1/login");
}

#[tokio::test]
async fn a_request_too_long_for_the_log_in_page_is_said_to_be() {
    let callback = format!("http://127.0.0.1/{}", "~".repeat(2000)).leak();
    let world = Plan { redirect: callback, ..Plan::default() }.build().await;
    let mut browser = world.browser();
    let path = |length: usize| format!("/tenant1/{}", "a".repeat(length - "/tenant1/".len()));
    // Stopped before the log-in; told to the client if somebody is there.
    let long = world.request(callback, &"files.read ".repeat(370), &"\"".repeat(2048));
    let early = browser.visit(&long).await;
    assert_eq!(early.status(), StatusCode::BAD_REQUEST);
    assert!(html(&early).contains("The request is too long"), "{}", html(&early));
    let mut ada = world.browser();
    ada.sign_up("ada@example.com").await;
    let told = location(&ada.visit(&long).await);
    assert!(told.starts_with(&*callback) && told.contains("error=invalid_request"), "{told}");

    let (most, more) = (path(16_384), path(16_385));
    let Who::Page(page) = who(&world, &browser, &to(&most)).await else { panic!("no page") };
    assert_eq!(field(&browser.visit(&location(&page)).await, "return_to"), most);

    let csrf = field(&browser.open("/login").await, "csrf");
    let fields =
        [("csrf", &*csrf), ("return_to", &*more), ("email", "ada@example.com"), ("password", PASSWORD)];
    let mut pages = Vec::new();
    for path in ["/login", "/signup"] {
        pages.push(browser.open(&format!("{path}?return_to={more}")).await);
        pages.push(browser.post(path, &fields).await);
    }
    pages.push(browser.post("/logout", &fields).await);
    for page in pages {
        assert_eq!(page.status(), StatusCode::BAD_REQUEST);
        assert!(
            html(&page).contains("<h1>The request of the application is too long</h1>"),
            "{}",
            html(&page)
        );
    }
}
