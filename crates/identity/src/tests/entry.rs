//! Signing up, logging in, logging out.

use authz_core::{Demands, Interaction, ReturnTo, Who};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_io::{Peer, Serve as _};

use super::*;

/// Who the server thinks is at `browser`.
pub(super) async fn who(world: &World, browser: &Browser, demands: &Demands) -> Who {
    let cookies: Vec<_> = browser.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request =
        Request::builder().uri("/").header(header::COOKIE, cookies.join("; ")).body(Bytes::new()).unwrap();
    world.pages.who(&request, demands).await.unwrap()
}

fn demands() -> Demands {
    to("/tenant1/oauth/authorize?a=b&c=d")
}

pub(super) fn to(path: &str) -> Demands {
    Demands::new(ReturnTo::parse(path, &Issuer::parse("https://as.example/tenant1").unwrap()).unwrap())
}

/// The names of the fields with this attribute.
pub(super) fn marked<'p>(page: &'p str, attribute: &str) -> Vec<&'p str> {
    let fields = page.split("<input id=\"").skip(1).map(|rest| rest.split('>').next().unwrap());
    fields.filter(|field| field.contains(attribute)).map(|field| field.split('"').next().unwrap()).collect()
}

#[tokio::test]
async fn whoever_signs_up_is_logged_in_and_known() {
    let world = world().await;
    let mut browser = world.browser();
    let response = browser.sign_up(" Ada@Example.com ").await;
    assert_eq!(moves_to(&response), "/tenant1/login");
    let session = browser.jar.get(SESSION).cloned().unwrap_or_default();
    assert!(session.starts_with("ses_"), "{session}");

    let Who::Person(person) = who(&world, &browser, &demands()).await else { panic!("nobody") };
    assert!(person.person.as_str().starts_with("usr_"));
    assert_eq!(person.auth_time, Time(1_000_000));
    let landing = html(&browser.open("/login").await);
    assert!(landing.contains("You are logged in") && landing.contains("ada@example.com"), "{landing}");
}

#[tokio::test]
async fn whoever_is_not_logged_in_gets_the_log_in_page_and_comes_back() {
    let world = world().await;
    let mut browser = world.browser();
    let hinted = Demands { login_hint: Some("ada+x@example.com".to_owned()), ..demands() };
    let Who::Page(page) = who(&world, &browser, &hinted).await else { panic!("no page") };
    let to = location(&page);
    let back = "return_to=%2Ftenant1%2Foauth%2Fauthorize%3Fa%3Db%26c%3Dd";
    assert_eq!(to, format!("/tenant1/login?{back}&login_hint=ada%2Bx%40example.com"));

    let page = browser.visit(&to).await;
    assert!(html(&page).contains("value=\"ada+x@example.com\""), "{}", html(&page));
    assert!(html(&page).contains(&format!("href=\"/tenant1/signup?{back}\"")), "{}", html(&page));
    let sign_up = browser.visit(&format!("/tenant1/signup?{back}")).await;
    assert!(html(&sign_up).contains(&format!("href=\"/tenant1/login?{back}\"")), "{}", html(&sign_up));
    let (csrf, return_to) = (field(&sign_up, "csrf"), field(&sign_up, "return_to"));
    let fields = [("name", "Ada"), ("email", "ada@example.com"), ("password", PASSWORD), ("csrf", &*csrf)];
    let response = browser.post("/signup", &[&fields[..], &[("return_to", &*return_to)]].concat()).await;
    assert_eq!(moves_to(&response), "/tenant1/oauth/authorize?a=b&c=d");
}

#[tokio::test]
async fn demands_are_met_or_nobody_is_there() {
    let world = world().await;
    let mut browser = world.browser();
    let silent = Demands { silent: true, ..demands() };
    assert!(matches!(who(&world, &browser, &silent).await, Who::Nobody));
    browser.sign_up("ada@example.com").await;
    assert!(matches!(who(&world, &browser, &silent).await, Who::Person(_)));
    let login = Demands { login: true, ..demands() };
    assert!(matches!(who(&world, &browser, &login).await, Who::Page(_)));
    assert!(matches!(who(&world, &browser, &Demands { silent: true, ..login }).await, Who::Nobody));

    let recent = Demands { max_age: Some(60), ..demands() };
    world.clock.advance(60);
    assert!(matches!(who(&world, &browser, &recent).await, Who::Person(_)));
    world.clock.advance(1);
    assert!(matches!(who(&world, &browser, &recent).await, Who::Page(_)));
    assert!(matches!(who(&world, &browser, &demands()).await, Who::Person(_)));
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_look_the_same() {
    let world = world().await;
    world.browser().sign_up("ada@example.com").await;
    let mut pages = Vec::new();
    for (email, password) in [("ada@example.com", "another password"), ("eve@example.com", PASSWORD)] {
        let mut browser = world.browser();
        let response = browser.log_in(email, password).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(!browser.jar.contains_key(SESSION));
        let page = html(&response);
        assert!(page.contains(&format!("value=\"{email}\"")), "the typed address is kept: {page}");
        assert!(!page.contains(password), "the typed password is not: {page}");
        assert!(page.contains("role=\"alert\""), "{page}");
        for mark in [" aria-invalid=\"true\"", " aria-describedby=\"alert\""] {
            assert_eq!(marked(&page, mark), ["email", "password"], "neither is told from the other: {page}");
        }
        assert_eq!(marked(&page, " autofocus"), ["password"], "{page}");
        pages.push(undrawn(&response).replace(email, ""));
    }
    assert_eq!(pages[0], pages[1]);
}

#[tokio::test]
async fn a_log_in_gets_a_text_of_its_own_and_the_one_before_opens_nothing() {
    let world = world().await;
    let mut browser = world.browser();
    browser.sign_up("ada@example.com").await;
    let before = browser.jar.clone();
    let to = "/login?return_to=%2Ftenant1%2Foauth%2Fauthorize";
    let csrf = field(&browser.open(to).await, "csrf");
    let response = browser
        .post("/login", &[("csrf", &csrf), ("email", "ada@example.com"), ("password", PASSWORD)])
        .await;
    assert_eq!(moves_to(&response), "/tenant1/login");
    assert_ne!(browser.jar[SESSION], before[SESSION]);
    assert!(matches!(who(&world, &browser, &demands()).await, Who::Person(_)));
    browser.jar = before;
    assert!(matches!(who(&world, &browser, &demands()).await, Who::Page(_)));
}

#[tokio::test]
async fn logging_out_needs_the_token_and_ends_the_session() {
    let world = world().await;
    let mut browser = world.browser();
    browser.sign_up("ada@example.com").await;
    let csrf = field(&browser.open("/login").await, "csrf");
    let kept = browser.jar.clone();
    let refused = browser.post("/logout", &[("csrf", "x")]).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(matches!(who(&world, &browser, &demands()).await, Who::Person(_)));

    let out = browser.post("/logout", &[("csrf", &csrf)]).await;
    assert!(html(&out).contains("You are logged out"), "{}", html(&out));
    assert!(!browser.jar.contains_key(SESSION));
    browser.jar = kept;
    assert!(matches!(who(&world, &browser, &demands()).await, Who::Page(_)));
    // Logged out already: the same answer.
    assert_eq!(browser.post("/logout", &[]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_cannot_be_an_account_is_said_and_kept() {
    let world = world().await;
    let mut browser = world.browser();
    let long = "x".repeat(1025);
    for (name, email, password, wrong) in [
        ("", "ada@example.com", PASSWORD, "name"),
        ("Ada", "ada", PASSWORD, "email"),
        ("Ada", "ada@example.com", "short", "password"),
        ("Ada", "ada@example.com", "", "password"),
        ("Ada", "ada@example.com", &long, "password"),
    ] {
        let csrf = field(&browser.open("/signup").await, "csrf");
        let fields = [("csrf", &*csrf), ("name", name), ("email", email), ("password", password)];
        let response = browser.post("/signup", &fields).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{name} {email} {password}");
        let page = html(&response);
        // WCAG 2.2, success criteria 3.3.1 and 4.1.2: the field that is wrong says so, and is where typing goes on.
        assert_eq!(marked(&page, " aria-invalid=\"true\""), [wrong], "{page}");
        assert_eq!(marked(&page, " aria-describedby=\"alert"), [wrong], "{page}");
        assert_eq!(marked(&page, " autofocus"), [wrong], "{page}");
        assert!(page.contains("role=\"alert\"") && page.contains(&format!("value=\"{email}\"")), "{page}");
    }
    browser.sign_up("ada@example.com").await;
    let taken = world.browser().sign_up("ADA@example.com").await;
    assert_eq!(taken.status(), StatusCode::CONFLICT);
    assert!(html(&taken).contains("Log in instead"));
    assert_eq!(marked(&html(&taken), " aria-invalid=\"true\""), ["email"]);
}

#[tokio::test]
async fn a_closed_sign_up_is_closed_everywhere() {
    let world = Plan { policy: closed(), ..Plan::default() }.build().await;
    let mut browser = world.browser();
    assert!(!html(&browser.open("/login").await).contains("/signup"));
    assert_eq!(browser.open("/signup").await.status(), StatusCode::FORBIDDEN);
    let csrf = field(&browser.open("/login").await, "csrf");
    let fields = [("csrf", &*csrf), ("name", "Ada"), ("email", "ada@example.com"), ("password", PASSWORD)];
    let refused = browser.post("/signup", &fields).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(html(&refused).contains("No sign-up here") && !html(&refused).contains("<form"));
    let json = browser
        .json("/auth/signup", r#"{"email":"ada@example.com","password":"correct horse battery"}"#)
        .await;
    assert_eq!(json.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn guessing_is_limited_by_address_and_by_account() {
    let world = world().await;
    world.browser().sign_up("ada@example.com").await;
    let mut guesser = world.browser();
    guesser.peer = Peer(Some([198, 51, 100, 1].into()));
    for _ in 0..10 {
        let response = guesser.log_in("ada@example.com", "another password").await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
    // Even with the right password: a guesser is not told that it is right.
    let refused = guesser.log_in(" ADA@example.com", PASSWORD).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    // From elsewhere Ada herself still comes in.
    assert_eq!(world.browser().log_in("ada@example.com", PASSWORD).await.status(), StatusCode::OK);
    // Many addresses together are stopped, too.
    for number in 2..=90 {
        guesser.peer = Peer(Some([198, 51, 100, number].into()));
        let _: Response<Bytes> = guesser.log_in("ada@example.com", "another password").await;
    }
    guesser.peer = Peer(Some([198, 51, 100, 91].into()));
    let refused = guesser.log_in("ada@example.com", PASSWORD).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(header_of(refused.headers(), "retry-after"), "200");
    assert!(html(&refused).contains("Try again in 4 minutes"), "{}", html(&refused));

    // They do not lock Ada out of where she has logged in before.
    let home = world.browser().log_in("ada@example.com", PASSWORD).await;
    assert_eq!(home.status(), StatusCode::OK, "{}", html(&home));

    let mut scanner = world.browser();
    for number in 0..28 {
        let response = scanner.log_in(&format!("{number}@example.com"), PASSWORD).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(scanner.log_in("x@example.com", PASSWORD).await.status(), StatusCode::TOO_MANY_REQUESTS);
    world.clock.advance(300);
    assert_eq!(moves_to(&scanner.log_in("ada@example.com", PASSWORD).await), "/tenant1/login");
}

#[tokio::test]
async fn without_a_store_it_is_503_and_it_recovers() {
    let world = world().await;
    let mut browser = world.browser();
    browser.sign_up("ada@example.com").await;
    let csrf = field(&browser.open("/login?return_to=%2Ftenant1%2F").await, "csrf");
    let fields = [("csrf", &*csrf), ("name", "Ada"), ("email", "ada@example.com"), ("password", PASSWORD)];
    world.unplug(true);
    let page = html(&browser.open("/login").await);
    assert!(page.contains("This does not work at the moment"), "the words of every other endpoint: {page}");
    for response in [
        browser.open("/login").await,
        browser.open("/consent/AAAAAAAAAAAAAAAAAAAAAA").await,
        browser.post("/login", &fields).await,
        browser.post("/signup", &fields).await,
        browser.post("/logout", &fields).await,
        browser.post("/consent/AAAAAAAAAAAAAAAAAAAAAA", &fields).await,
        browser
            .json("/auth/login", r#"{"email":"ada@example.com","password":"correct horse battery"}"#)
            .await,
        browser.json("/auth/logout", "{}").await,
    ] {
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(header_of(response.headers(), "retry-after"), "5");
    }
    world.unplug(false);
    assert_eq!(moves_to(&browser.post("/login", &fields).await), "/tenant1/login");
}

#[tokio::test]
async fn malformed_requests_are_4xx() {
    let world = world().await;
    let mut browser = world.browser();
    let csrf = field(&browser.open("/login").await, "csrf");
    let twice = [("csrf", &*csrf), ("email", "a@b"), ("email", "c@d"), ("password", "x")];
    assert_eq!(browser.post("/login", &twice).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(browser.open("/login?return_to=/&return_to=/").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(browser.open("/login?login_hint=%ff").await.status(), StatusCode::BAD_REQUEST);
    for (kind, body, status) in [
        ("application/x-www-form-urlencoded", &b"a=%zz"[..], StatusCode::BAD_REQUEST),
        ("application/x-www-form-urlencoded", b"email=%00", StatusCode::BAD_REQUEST),
        ("application/json", b"{}", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("text/plain", b"csrf=x", StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        for path in ["login", "signup", "logout", "consent/AAAAAAAAAAAAAAAAAAAAAA"] {
            let request = Request::builder()
                .method(Method::POST)
                .uri(format!("/tenant1/{path}"))
                .header(header::CONTENT_TYPE, kind)
                .body(Bytes::from_static(body));
            let response = world.identity.serve(request.unwrap(), Peer::default()).await;
            assert_eq!(response.status(), status, "{path} {kind}");
        }
    }
}
