//! `/auth/*`.

use http::StatusCode;
use serde_json::{Value, json};

use super::*;

const ADA: &str = r#"{"email":"Ada@example.com","password":"correct horse battery","name":"Ada"}"#;

fn body(response: &Response<Bytes>) -> Value {
    assert_eq!(header_of(response.headers(), "content-type"), "application/json");
    assert_eq!(header_of(response.headers(), "cache-control"), "no-store");
    assert!(!response.headers().contains_key("access-control-allow-origin"));
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test]
async fn an_account_is_made_and_logged_in_with() {
    let world = world().await;
    let mut browser = world.browser();
    let made = browser.json("/auth/signup", ADA).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    let made = body(&made);
    assert_eq!(made["email"], "ada@example.com");
    assert!(browser.jar.contains_key(SESSION));
    assert_eq!(made.as_object().unwrap().len(), 2);

    let mut browser = world.browser();
    let known = browser.json("/auth/login", ADA).await;
    assert_eq!(known.status(), StatusCode::OK);
    assert_eq!(
        body(&known),
        json!({ "user_id": made["user_id"], "email": "ada@example.com", "name": "Ada" })
    );
    assert!(html(&browser.open("/login").await).contains("You are logged in"));

    let out = browser.json("/auth/logout", "").await;
    assert_eq!((out.status(), out.body().len()), (StatusCode::NO_CONTENT, 0));
    assert!(!browser.jar.contains_key(SESSION));
}

#[tokio::test]
async fn a_long_address_without_a_name_makes_an_account() {
    let world = world().await;
    let mut browser = world.browser();
    let local = "x".repeat(240);
    let sent =
        json!({ "email": format!("{local}@a.example"), "password": "correct horse battery" }).to_string();
    assert_eq!(browser.json("/auth/signup", &sent).await.status(), StatusCode::CREATED);
    let known = browser.json("/auth/login", &sent).await;
    assert_eq!(body(&known)["name"], local[..200]);
}

#[tokio::test]
async fn each_refusal_has_its_code() {
    let world = world().await;
    let mut browser = world.browser();
    browser.json("/auth/signup", ADA).await;
    for (path, sent, status, code) in [
        ("/auth/signup", ADA, StatusCode::CONFLICT, "email_exists"),
        (
            "/auth/signup",
            r#"{"email":"x","password":"correct horse"}"#,
            StatusCode::BAD_REQUEST,
            "invalid_email",
        ),
        (
            "/auth/signup",
            r#"{"email":"a@b","password":"short"}"#,
            StatusCode::BAD_REQUEST,
            "invalid_password",
        ),
        (
            "/auth/signup",
            r#"{"email":"a@b","password":"correct horse","name":" "}"#,
            StatusCode::BAD_REQUEST,
            "invalid_name",
        ),
        (
            "/auth/login",
            r#"{"email":"ada@example.com","password":"x"}"#,
            StatusCode::UNAUTHORIZED,
            "invalid_credentials",
        ),
        (
            "/auth/login",
            r#"{"email":"eve@example.com","password":"x"}"#,
            StatusCode::UNAUTHORIZED,
            "invalid_credentials",
        ),
        ("/auth/login", r#"{"email":"","password":null}"#, StatusCode::BAD_REQUEST, "invalid_request"),
        ("/auth/login", r#"["#, StatusCode::BAD_REQUEST, "invalid_request"),
        ("/auth/login", "", StatusCode::BAD_REQUEST, "invalid_request"),
        ("/auth/login", r#"{"email":"a@b"}"#, StatusCode::BAD_REQUEST, "invalid_request"),
    ] {
        let response = browser.json(path, sent).await;
        assert_eq!(response.status(), status, "{path} {sent}");
        assert_eq!(body(&response)["error"], code, "{path} {sent}");
        assert!(!response.headers().contains_key("set-cookie"));
    }
}

#[tokio::test]
async fn a_form_or_another_origin_cannot_send_it() {
    let world = world().await;
    for path in ["/auth/login", "/auth/signup", "/auth/logout"] {
        let mut browser = world.browser();
        let form = browser.post(path, &[("email", "ada@example.com")]).await;
        assert_eq!(form.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path}");
        let elsewhere = Request::builder()
            .method(Method::POST)
            .uri(format!("/tenant1{path}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ORIGIN, "https://evil.example")
            .body(Bytes::from(ADA));
        let response = browser.send(elsewhere.unwrap()).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
        assert_eq!(body(&response)["error"], "wrong_origin");
        let preflight = Request::builder()
            .method(Method::OPTIONS)
            .uri(format!("/tenant1{path}"))
            .body(Bytes::new())
            .unwrap();
        assert_eq!(browser.send(preflight).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[tokio::test]
async fn limits_are_told_with_when_to_come_back() {
    let world = world().await;
    let mut browser = world.browser();
    for _ in 0..20 {
        browser.json("/auth/signup", ADA).await;
    }
    let response = browser.json("/auth/signup", ADA).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(header_of(response.headers(), "retry-after"), "200");
    assert_eq!(body(&response)["error"], "too_many_requests");
}
