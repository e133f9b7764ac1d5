//! A client, a browser and a person, from registration to refresh, over HTTP.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::MockConnectInfo;
use form_urlencoded::Serializer;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use oauth_types::Issuer;
use own_login::{Users, application};
use pkce::Verifier;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tower::ServiceExt as _;

const LOCAL: &str = "http://127.0.0.1:8414";
const CALLBACK: &str = "https://client.example/callback";

#[tokio::test]
async fn a_client_gets_tokens_for_whoever_logs_in_and_allows() {
    let site = site(LOCAL).await;
    let client = Client::register(&site, "Reader").await;
    let mut browser = Browser::new(&site);

    let page = browser.get(&client.asking()).await;
    assert_eq!(page.status, StatusCode::OK);
    let page = browser.submit(&page, &[("login", "ada"), ("password", "difference engine")]).await;
    let consent = browser.get(&page.link()).await;
    for shown in
        ["Reader", "nobody has checked it", "Notes", "Read your notes", "ada@example.org", "client.example"]
    {
        assert!(consent.body.contains(shown), "{shown}: {}", consent.body);
    }
    let page = browser.submit(&consent, &[("decision", "allow")]).await;
    let back = browser.get(&page.link()).await.callback();
    assert_eq!((&*back["state"], &*back["iss"]), ("xyz", LOCAL));

    let tokens = client.redeem(&back["code"]).await;
    let told = site.get_json("/oauth/userinfo", tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(
        (&told["sub"], &told["name"], &told["email"]),
        (&json!("user-1"), &json!("Ada Lovelace"), &json!("ada@example.org"))
    );
    let told = site.introspect(tokens["access_token"].as_str().unwrap()).await;
    assert_eq!((&told["active"], &told["aud"]), (&json!(true), &json!(own_login::RESOURCE)));
    let fresh = client.refresh(tokens["refresh_token"].as_str().unwrap()).await;
    assert_ne!(fresh["access_token"], tokens["access_token"]);
    let told = site.get_json("/oauth/userinfo", fresh["access_token"].as_str().unwrap()).await;
    assert_eq!(told["sub"], "user-1");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_are_told_the_same() {
    let site = site(LOCAL).await;
    let mut browser = Browser::new(&site);
    let page = browser.get(&Client::register(&site, "Reader").await.asking()).await;
    let cookie = browser.cookie.clone();
    let wrong = browser.submit(&page, &[("login", "ada"), ("password", "analytical engine")]).await;
    let unknown = browser.submit(&page, &[("login", "bob"), ("password", "analytical engine")]).await;
    assert_eq!((wrong.status, unknown.status), (StatusCode::FORBIDDEN, StatusCode::FORBIDDEN));
    assert!(wrong.body.contains("do not belong together"));
    assert_eq!(wrong.body, unknown.body);
    assert_eq!(browser.cookie, cookie, "nobody is logged in");
}

#[tokio::test]
async fn whoever_refuses_goes_back_to_the_client_with_that() {
    let site = site(LOCAL).await;
    let client = Client::register(&site, "Reader").await;
    let (mut browser, consent) = logged_in(&site, &client).await;
    let page = browser.submit(&consent, &[("decision", "deny")]).await;
    assert!(page.link().starts_with(CALLBACK), "{}", page.link());
    assert_eq!(query(&page.link())["error"], "access_denied");
}

#[tokio::test]
async fn a_second_click_on_allow_leads_on_like_the_first() {
    let site = site(LOCAL).await;
    let client = Client::register(&site, "Reader").await;
    let (mut browser, consent) = logged_in(&site, &client).await;
    let first = browser.submit(&consent, &[("decision", "allow")]).await.link();
    assert_eq!(browser.submit(&consent, &[("decision", "allow")]).await.link(), first);
    let code = browser.get(&first).await.callback()["code"].clone();
    client.redeem(&code).await;
    // And after the client has its tokens, to a page that says so.
    let late = browser.submit(&consent, &[("decision", "allow")]).await.link();
    let page = browser.get(&late).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Already connected"), "{}", page.body);
}

#[tokio::test]
async fn a_form_of_somebody_else_does_nothing() {
    let site = site(LOCAL).await;
    let client = Client::register(&site, "Reader").await;
    let (mut browser, consent) = logged_in(&site, &client).await;
    let (mut other, others) = logged_in(&site, &client).await;
    for page in [consent.with("token", ""), consent.with("token", &others.field("token"))] {
        let answer = browser.submit(&page, &[("decision", "allow")]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    // Another browser, with a token of its own, cannot answer for this one.
    let stolen = consent.with("token", &others.field("token"));
    assert_ne!(other.submit(&stolen, &[("decision", "allow")]).await.status, StatusCode::OK);

    let mut stranger = Browser::new(&site);
    let login = stranger.get(&client.asking()).await;
    let me = [("login", "ada"), ("password", "difference engine")];
    for page in [login.with("token", ""), login.with("token", &others.field("token"))] {
        assert_eq!(stranger.submit(&page, &me).await.status, StatusCode::FORBIDDEN);
    }
    for elsewhere in [
        "https://evil.example",
        "//evil.example",
        "/oauth/\\evil.example",
        "/oauth/../x",
        "javascript:alert(1)",
        "",
    ] {
        let answer = stranger.submit(&login.with("return_to", elsewhere), &me).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{elsewhere}");
    }
    assert_eq!(stranger.submit(&login, &me).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_text_of_the_cookie_is_a_new_one_after_log_in() {
    let site = site(LOCAL).await;
    let client = Client::register(&site, "Reader").await;
    let mut planted = Browser::new(&site);
    let page = planted.get(&client.asking()).await;
    let mut victim = Browser { cookie: planted.cookie.clone(), site: &site };
    victim.submit(&page, &[("login", "ada"), ("password", "difference engine")]).await;
    assert_ne!(victim.cookie, planted.cookie);
    assert!(planted.get(&client.asking()).await.body.contains("Password"), "it opens nothing");
}

#[tokio::test]
async fn cookies_are_bound_to_the_host_and_pages_to_themselves() {
    for (issuer, starts, secure) in
        [(LOCAL, "own-login=", false), ("https://as.example", "__Host-own-login=", true)]
    {
        let site = site(issuer).await;
        let page = Browser::new(&site).get(&Client::register(&site, "Reader").await.asking()).await;
        let cookie = page.headers[header::SET_COOKIE].to_str().unwrap();
        assert!(cookie.starts_with(starts), "{cookie}");
        for flag in ["HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(flag), "{cookie}");
        }
        assert_eq!(cookie.contains("Secure"), secure, "{cookie}");
        let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'self'"));
    }
}

#[tokio::test]
async fn what_a_client_says_of_itself_is_shown_as_text() {
    let site = site(LOCAL).await;
    let client = Client::register(&site, "<script>alert(1)</script>").await;
    let (_, consent) = logged_in(&site, &client).await;
    assert!(!consent.body.contains("<script"), "{}", consent.body);
    assert!(consent.body.contains("script"), "{}", consent.body);
}

#[tokio::test]
async fn after_too_many_guesses_the_right_password_does_not_help() {
    let site = site(LOCAL).await;
    let mut browser = Browser::new(&site);
    let page = browser.get(&Client::register(&site, "Reader").await.asking()).await;
    for _ in 0..20 {
        browser.submit(&page, &[("login", "ada"), ("password", "guess")]).await;
    }
    let right = browser.submit(&page, &[("login", "ada"), ("password", "difference engine")]).await;
    assert!(right.body.contains("Too many tries"), "{}", right.body);
}

/// Somebody who has logged in and sees the consent page.
async fn logged_in<'a>(site: &'a Site, client: &Client<'_>) -> (Browser<'a>, Page) {
    let mut browser = Browser::new(site);
    let page = browser.get(&client.asking()).await;
    let page = browser.submit(&page, &[("login", "ada"), ("password", "difference engine")]).await;
    let consent = browser.get(&page.link()).await;
    (browser, consent)
}

struct Site {
    routes: Router,
    server_key: SecretString,
}

async fn site(issuer: &str) -> Site {
    let mut users = Users::new().unwrap();
    users.add("ada", "Ada Lovelace", "ada@example.org", "difference engine").unwrap();
    let (application, server_key) = application(Issuer::parse(issuer).unwrap(), users).await.unwrap();
    let routes = application.layer(MockConnectInfo(SocketAddr::from(([192, 0, 2, 1], 50_000))));
    Site { routes, server_key }
}

impl Site {
    async fn send(&self, request: Request<Body>) -> Page {
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Page { status: head.status, headers: head.headers, body }
    }

    /// What the MCP server is told of a token.
    async fn introspect(&self, token: &str) -> Value {
        let request = Request::post("/oauth/introspect")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.server_key.expose_secret()))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let page = self.send(request.body(Body::from(format!("token={token}"))).unwrap()).await;
        serde_json::from_str(&page.body).unwrap()
    }

    async fn get_json(&self, path: &str, token: &str) -> Value {
        let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        let page = self.send(request.body(Body::empty()).unwrap()).await;
        serde_json::from_str(&page.body).unwrap()
    }
}

struct Client<'a> {
    site: &'a Site,
    id: String,
    verifier: Verifier,
}

impl<'a> Client<'a> {
    async fn register(site: &'a Site, name: &str) -> Self {
        let metadata = json!({
            "client_name": name, "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
        });
        let request = Request::post("/oauth/register").header(header::CONTENT_TYPE, "application/json");
        let page = site.send(request.body(Body::from(metadata.to_string())).unwrap()).await;
        assert_eq!(page.status, StatusCode::CREATED, "{}", page.body);
        let told: Value = serde_json::from_str(&page.body).unwrap();
        let id = told["client_id"].as_str().unwrap().to_owned();
        Self { site, id, verifier: Verifier::from_random([7; 32]) }
    }

    fn asking(&self) -> String {
        let challenge = self.verifier.challenge();
        let query = form(&[
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", CALLBACK),
            ("state", "xyz"),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ]);
        format!("/oauth/authorize?{query}")
    }

    async fn redeem(&self, code: &str) -> Value {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", self.verifier.expose()),
            ("client_id", &self.id),
        ])
        .await
    }

    async fn refresh(&self, token: &str) -> Value {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", &self.id)])
            .await
    }

    async fn token(&self, fields: &[(&str, &str)]) -> Value {
        let page = self.site.send(posting("/oauth/token", fields, None)).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        serde_json::from_str(&page.body).unwrap()
    }
}

struct Browser<'a> {
    site: &'a Site,
    cookie: Option<String>,
}

impl<'a> Browser<'a> {
    const fn new(site: &'a Site) -> Self {
        Self { site, cookie: None }
    }

    async fn get(&mut self, path: &str) -> Page {
        let mut request = Request::get(path);
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Sends the form of a page with its hidden fields, and what a person fills in.
    async fn submit(&mut self, page: &Page, filled: &[(&str, &str)]) -> Page {
        let hidden: Vec<(String, String)> =
            page.hidden().map(|name| (name.to_owned(), page.field(name))).collect();
        let hidden = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let fields: Vec<(&str, &str)> = hidden.chain(filled.iter().copied()).collect();
        let action = between(&page.body, "action=\"", "\"").expect("a form");
        self.send(posting(&action, &fields, self.cookie.as_deref())).await
    }

    async fn send(&mut self, request: Request<Body>) -> Page {
        let page = self.site.send(request).await;
        if let Some(cookie) = page.headers.get(header::SET_COOKIE) {
            self.cookie = Some(cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
        }
        page
    }
}

struct Page {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Page {
    fn hidden(&self) -> impl Iterator<Item = &str> {
        self.body.split("type=\"hidden\" name=\"").skip(1).filter_map(|rest| rest.split('"').next())
    }

    fn field(&self, name: &str) -> String {
        between(&self.body, &format!("name=\"{name}\" value=\""), "\"").expect("a field")
    }

    /// The same page with another value in a hidden field.
    fn with(&self, name: &str, value: &str) -> Self {
        let old = between_raw(&self.body, &format!("name=\"{name}\" value=\""), "\"").expect("a field");
        let (old, new) =
            (format!("name=\"{name}\" value=\"{old}\""), format!("name=\"{name}\" value=\"{value}\""));
        Self { status: self.status, headers: self.headers.clone(), body: self.body.replace(&old, &new) }
    }

    /// Where a page that moves on leads.
    fn link(&self) -> String {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        between(&self.body, "<a href=\"", "\"").unwrap_or_else(|| panic!("no link: {}", self.body))
    }

    /// What came back to the client.
    fn callback(&self) -> std::collections::BTreeMap<String, String> {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        let location = self.headers[header::LOCATION].to_str().unwrap();
        assert!(location.starts_with(CALLBACK), "{location}");
        query(location)
    }
}

fn query(uri: &str) -> std::collections::BTreeMap<String, String> {
    let query = uri.split_once('?').map(|(_, query)| query).unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn posting(path: &str, fields: &[(&str, &str)], cookie: Option<&str>) -> Request<Body> {
    let mut request = Request::builder().method(Method::POST).uri(path);
    request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(cookie) = cookie {
        request = request.header(header::COOKIE, cookie);
    }
    request.body(Body::from(form(fields))).unwrap()
}

fn form(fields: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// As a browser reads an attribute.
fn between(text: &str, start: &str, end: &str) -> Option<String> {
    let unescape = |text: &str| text.replace("&#38;", "&").replace("&amp;", "&").replace("&#61;", "=");
    between_raw(text, start, end).map(unescape)
}

fn between_raw<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(inner, _)| inner)
}
