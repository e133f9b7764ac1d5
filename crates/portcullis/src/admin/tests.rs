use std::sync::Arc;

use ambient::{ManualClock, SeededEntropy, Time};
use authz_core::{Counted, Event};
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use oauth_types::{ClientId, RedirectUri};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use store::{Changes, Client, ClientAuth, Mark, Memory, MemoryCounters, Provenance, Standing, Store};
use testkit::faults::Collected;

use super::*;

mod keys;
mod only_if;
mod whole;

const KEY: &str = "an operator's own key!";

struct Sut {
    admin: Admin,
    store: Arc<Memory>,
}

fn sut_at(issuer: &str) -> Sut {
    let store = Arc::new(Memory::new());
    let clock = Arc::new(ManualClock::at(Time(1_800_000_000)));
    let entropy = Arc::new(SeededEntropy::new(1));
    let oversight = Oversight::new(store.clone(), clock.clone(), entropy.clone(), Arc::new(Traced));
    let admin = Admin::new(Issuer::parse(issuer).unwrap(), store.clone(), oversight, clock, entropy);
    Sut { admin: admin.configured_key(Digest::of(KEY.as_bytes())), store }
}

fn sut() -> Sut {
    sut_at("https://auth.example.com")
}

impl Sut {
    async fn send(&self, request: Request<Bytes>) -> (Response<Bytes>, Value) {
        assert!(self.admin.owns(request.uri().path()));
        let response = self.admin.serve(request, Peer(None)).await;
        assert!(!response.headers().keys().any(|name| name.as_str().starts_with("access-control-")));
        let body = match response.body().as_ref() {
            b"" => Value::Null,
            body => serde_json::from_slice(body).unwrap(),
        };
        if response.status().is_client_error() || response.status().is_server_error() {
            assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
            assert_eq!(body["status"], response.status().as_u16());
            assert!(
                body["error"].is_string() && body["detail"].is_string() && body["title"].is_string(),
                "{body}"
            );
        }
        (response, body)
    }

    async fn ask(&self, method: Method, path: &str, body: &str) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(AUTHORIZATION, format!("Bearer {KEY}"))
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .body(Bytes::copy_from_slice(body.as_bytes()))
            .unwrap();
        let (response, body) = self.send(request).await;
        (response.status(), body)
    }

    async fn register(&self, resource: &str) -> Value {
        let body = json!({ "name": "Files", "resource_url": resource }).to_string();
        let (status, body) = self.ask(Method::POST, "/api/servers", &body).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        body
    }
}

#[tokio::test]
async fn a_server_is_registered_shown_listed_and_removed() {
    let sut = sut();
    let made = sut.register("https://files.example.com/mcp").await;
    let id = made["server_id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("srv_"));
    assert!(made["api_key"].as_str().unwrap().starts_with("sak_"));
    assert_eq!(made["prm_url"], format!("https://auth.example.com/prm/{id}"));
    assert_eq!(made["resource_url"], "https://files.example.com/mcp");
    assert_eq!(
        made["scopes"],
        json!([{ "name": "mcp:tools", "description": null, "default": true, "optional": false, "implies": [] }])
    );

    let path = format!("/api/servers/{id}");
    let (status, shown) = sut.ask(Method::GET, &path, "").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(shown["name"], "Files");
    assert!(
        shown.get("api_key").is_none() && !shown.to_string().contains("sak_"),
        "the key is shown once: {shown}"
    );

    let (_, list) = sut.ask(Method::GET, "/api/servers", "").await;
    assert_eq!(list, json!({ "servers": [shown], "next": null }));

    assert_eq!(sut.ask(Method::DELETE, &path, "").await.0, StatusCode::NO_CONTENT);
    assert_eq!(sut.ask(Method::DELETE, &path, "").await.0, StatusCode::NOT_FOUND);
    assert_eq!(sut.ask(Method::GET, &path, "").await.0, StatusCode::NOT_FOUND);
    assert_eq!(sut.ask(Method::GET, "/api/servers", "").await.1["servers"], json!([]));
}

#[tokio::test]
async fn the_list_is_read_in_pages() {
    let sut = sut();
    for n in 0..5 {
        sut.register(&format!("https://s{n}.example.com")).await;
    }
    let (mut seen, mut path, mut pages) = (Vec::new(), "/api/servers?limit=2".to_owned(), 0);
    loop {
        let (status, page) = sut.ask(Method::GET, &path, "").await;
        assert_eq!(status, StatusCode::OK);
        seen.extend(page["servers"].as_array().unwrap().iter().map(|server| server["server_id"].to_string()));
        pages += 1;
        match page["next"].as_str() {
            Some(next) => path = format!("/api/servers?limit=2&cursor={next}"),
            None => break,
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!((seen.len(), pages), (5, 3));
    for query in ["limit=0", "limit=101", "limit=x", "after=x", "cursor=x", "page=2"] {
        let (status, _) = sut.ask(Method::GET, &format!("/api/servers?{query}"), "").await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn a_resource_is_registered_once() {
    let sut = sut();
    let made = sut.register("https://files.example.com/mcp").await;
    for again in ["https://files.example.com/mcp", "https://FILES.example.com:443/mcp/"] {
        let body = json!({ "name": "Other", "resource_url": again }).to_string();
        let (status, problem) = sut.ask(Method::POST, "/api/servers", &body).await;
        assert_eq!(status, StatusCode::CONFLICT, "{again}");
        assert_eq!(problem["server_id"], made["server_id"]);
    }
}

/// WA-25: the body was parsed before the key was looked at, and no header was as good as an empty key.
#[tokio::test]
async fn without_the_admin_key_nothing_is_looked_at() {
    let sut = sut();
    for (values, challenge) in [
        (vec![], "Bearer"),
        (vec!["Bearer"], "Bearer"),
        (vec!["Bearer "], "Bearer"),
        (vec!["Basic YTpi"], "Bearer"),
        (vec![KEY], "Bearer"),
        (vec!["Bearer an operator's own key", ""], "Bearer"),
        (vec!["Bearer an operator's own key!", "Bearer an operator's own key!"], "Bearer"),
        (vec!["Bearer an operator's own key"], "Bearer error=\"invalid_token\""),
        (vec!["Bearer an operator's own key!!"], "Bearer error=\"invalid_token\""),
    ] {
        for (method, path) in [
            (Method::POST, "/api/servers"),
            (Method::GET, "/api/servers"),
            (Method::DELETE, "/api/clients/c"),
            (Method::GET, "/api/nothing"),
        ] {
            let mut request = Request::builder().method(method).uri(path);
            for value in &values {
                request = request.header(AUTHORIZATION, *value);
            }
            let (response, body) = sut.send(request.body(Bytes::from_static(b"{not json")).unwrap()).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{values:?} {path}");
            assert_eq!(response.headers()["www-authenticate"], challenge, "{values:?}");
            assert_eq!(body["error"], "unauthorized");
        }
    }
}

/// Guesses are told and limited by address. The attack: by guesses from the address of an administrator, of their office or of a
/// proxy, to keep them out. So the right key helps beyond the limit, too.
#[tokio::test]
async fn wrong_keys_are_told_and_limited_by_address_and_the_right_one_is_let_in() {
    let Sut { mut admin, store: _store } = sut();
    let clock = Arc::new(ManualClock::at(Time(600)));
    admin.gate.clock = clock.clone();
    let told = Arc::new(Collected::default());
    let counted = Arc::new(Counted::new(Arc::new(MemoryCounters::default()), clock.clone()));
    let admin = admin.limiter(counted).events(told.clone());
    let ask = async |from: &str, key: &str| {
        let request =
            Request::get("/api/servers").header(AUTHORIZATION, format!("Bearer {key}")).body(Bytes::new());
        let from = Peer(Some(from.parse().unwrap()));
        let response = admin.serve(request.unwrap(), from).await;
        let retry = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), retry)
    };
    for _ in 0..50 {
        assert_eq!(ask("203.0.113.1", KEY).await, (200, None));
    }
    for number in 1..=10 {
        assert_eq!(ask("203.0.113.1", "a guess").await, (401, None), "{number}");
        assert_eq!(ask("203.0.113.1", KEY).await, (200, None));
    }
    clock.advance(20);
    for _ in 0..2 {
        assert_eq!(ask("203.0.113.1", "a guess").await, (429, Some("40".to_owned())));
        assert_eq!(ask("203.0.113.1", KEY).await, (200, None));
    }
    assert_eq!(ask("203.0.113.2", KEY).await, (200, None));
    clock.advance(40);
    assert_eq!(ask("203.0.113.1", KEY).await, (200, None));

    let from = Some("203.0.113.1".parse().unwrap());
    let mut expected = vec![Event::AdministrationRefused { from }; 11];
    expected.push(Event::Limited { limit: "administration", from });
    let mut told = told.take();
    told.retain(|event| !matches!(event, Event::Oversight(_)));
    assert_eq!(told, expected);
}

/// The attack: to guess from a whole network, each address of which has a limit of its own.
#[tokio::test]
async fn wrong_keys_are_limited_over_all_addresses_and_the_right_one_is_let_in() {
    let sut = sut();
    let clock = Arc::new(ManualClock::at(Time(600)));
    let admin = sut.admin.limiter(Arc::new(Counted::new(Arc::new(MemoryCounters::default()), clock)));
    let ask = async |host: u8, key: &str| {
        let request =
            Request::get("/api/servers").header(AUTHORIZATION, format!("Bearer {key}")).body(Bytes::new());
        let from = Peer(Some([203, 0, 113, host].into()));
        admin.serve(request.unwrap(), from).await.status().as_u16()
    };
    for host in 0..100 {
        assert_eq!(ask(host, "a guess").await, 401, "{host}");
    }
    assert_eq!((ask(200, "a guess").await, ask(201, "a guess").await), (429, 429));
    assert_eq!((ask(200, KEY).await, ask(0, KEY).await), (200, 200));
}

#[tokio::test]
async fn a_key_that_comes_too_often_gets_a_problem_document() {
    let mut sut = sut();
    let clock = Arc::new(ManualClock::at(Time(600)));
    sut.admin = sut.admin.limiter(Arc::new(Counted::new(Arc::new(MemoryCounters::default()), clock)));
    let wrong =
        || Request::get("/api/servers").header(AUTHORIZATION, "Bearer a guess").body(Bytes::new()).unwrap();
    for _ in 0..10 {
        assert_eq!(sut.send(wrong()).await.0.status(), StatusCode::UNAUTHORIZED);
    }
    let (response, body) = sut.send(wrong()).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(body["error"], "too_many_requests");
}

#[tokio::test]
async fn the_body_is_json_by_its_own_words() {
    let sut = sut();
    for media in
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonx")]
    {
        let mut request = Request::post("/api/servers").header(AUTHORIZATION, format!("bearer {KEY}"));
        if let Some(media) = media {
            request = request.header(CONTENT_TYPE, media);
        }
        let body = Bytes::from_static(br#"{"name":"a","resource_url":"https://a.example"}"#);
        let (response, _) = sut.send(request.body(body).unwrap()).await;
        assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{media:?}");
    }
    let (status, problem) =
        sut.ask(Method::POST, "/api/servers", r#"{"name":"a","url":"https://a.example"}"#).await;
    assert_eq!((status, &problem["error"]), (StatusCode::BAD_REQUEST, &"invalid_request".into()));
    assert!(problem["detail"].as_str().unwrap().contains("`url`"), "{problem}");
}

#[tokio::test]
async fn a_client_is_removed_once() {
    let sut = sut();
    let id = ClientId::parse("cli_1").unwrap();
    let client = Client {
        first_party: false,
        id: id.clone(),
        auth: ClientAuth::Public,
        redirect_uris: vec![RedirectUri::parse("http://127.0.0.1/cb").unwrap()],
        refresh: true,
        provenance: Provenance::Dynamic,
        server: None,
        registered: Time(0),
        kept_until: None,
        standing: Standing::default(),
        metadata: serde_json::from_str("{}").unwrap(),
    };
    let store: &dyn Store = &*sut.store;
    assert_eq!(
        store.commit(&Changes::create(Mark::new([1; 16]), &client)).await.unwrap(),
        store::Commit::Done
    );
    assert_eq!(sut.ask(Method::DELETE, "/api/clients/cli_1", "").await.0, StatusCode::NO_CONTENT);
    assert_eq!(sut.ask(Method::DELETE, "/api/clients/cli_1", "").await.0, StatusCode::NOT_FOUND);
    assert_eq!(sut.ask(Method::DELETE, "/api/clients/cli_2", "").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn wrong_methods_and_paths_have_their_status() {
    let sut = sut();
    for (method, path, status) in [
        (Method::PUT, "/api/servers", StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "/api/servers/srv_1", StatusCode::METHOD_NOT_ALLOWED),
        (Method::PUT, "/api/clients/c", StatusCode::METHOD_NOT_ALLOWED),
        (Method::GET, "/api/clients/c", StatusCode::NOT_FOUND),
        (Method::OPTIONS, "/api/servers", StatusCode::METHOD_NOT_ALLOWED),
        (Method::GET, "/api", StatusCode::NOT_FOUND),
        (Method::GET, "/api/servers/", StatusCode::NOT_FOUND),
        (Method::GET, "/api/servers/srv_1/keys", StatusCode::NOT_FOUND),
        (Method::GET, "/api/servers/srv_1", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(sut.ask(method.clone(), path, "").await.0, status, "{method} {path}");
    }
}

#[tokio::test]
async fn below_the_path_of_the_issuer() {
    let sut = sut_at("https://auth.example.com/t1");
    assert!(!sut.admin.owns("/api/servers") && !sut.admin.owns("/t1/apis"));
    let body = r#"{"name":"a","resource_url":"https://a.example"}"#;
    let (status, made) = sut.ask(Method::POST, "/t1/api/servers", body).await;
    assert_eq!(status, StatusCode::CREATED);
    assert!(made["prm_url"].as_str().unwrap().starts_with("https://auth.example.com/t1/prm/srv_"));
}
