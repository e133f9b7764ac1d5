mod first_run;
mod standing_in;

use std::sync::atomic::{AtomicBool, Ordering};

use ambient::{ManualClock, SeededEntropy, Time};
use identity::Cost;
use secrecy::ExposeSecret as _;
use store::{Changes, Commit, Device, Mark, Memory, Session, SessionId, Store};
use tempfile::TempDir;

use super::*;
use crate::config::{AdminSecret, MasterKey, StoreKind};
use crate::telemetry::tests::logged;

fn config(home: &TempDir) -> Config {
    Config { data: home.path().join("data"), ..Config::default() }
}

async fn open(config: Config, seed: u64) -> Result<Portcullis, OpenError> {
    let clock = Arc::new(ManualClock::at(Time(1_800_000_000)));
    let entropy = Arc::new(SeededEntropy::new(seed));
    Portcullis::builder(config).clock(clock).entropy(entropy).password_cost(Cost::least()).open().await
}

async fn in_memory() -> Portcullis {
    open(Config { store: StoreKind::Memory, ..Config::default() }, 1).await.unwrap()
}

async fn ask(portcullis: &Portcullis, method: Method, path: &str, key: Option<&str>) -> (StatusCode, String) {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let response = portcullis.serve(request.body(Bytes::new()).unwrap(), Peer(None)).await;
    assert!(response.headers().contains_key(REQUEST_ID));
    (response.status(), String::from_utf8(response.body().to_vec()).unwrap())
}

#[tokio::test]
async fn what_happens_is_found_by_whoever_administers() {
    let portcullis = in_memory().await;
    let key = portcullis.new_admin_key().unwrap().expose_secret().to_owned();
    let post = async |path: &str, media: &str, body: &'static str| {
        let request = Request::post(path).header("content-type", media).body(body.into()).unwrap();
        portcullis.serve(request, Peer("192.0.2.1".parse().ok())).await.status().as_u16()
    };
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    let person = r#"{"email":"ada@example.com","password":"a long enough password"}"#;
    assert_eq!(post("/auth/signup", json, person).await, 201);
    let wrong = r#"{"email":"ada@example.com","password":"not the password"}"#;
    assert_eq!(post("/auth/login", json, wrong).await, 401);
    assert_eq!(post("/oauth/register", json, r#"{"redirect_uris":["https://app.example/cb"]}"#).await, 201);
    let forged = "grant_type=refresh_token&refresh_token=mrt_x&client_id=cid_x";
    assert_eq!(post("/oauth/token", form, forged).await, 401);
    assert_eq!(portcullis.audit().waiting(), 5);
    portcullis.audit().write().await.unwrap();
    let (status, told) = ask(&portcullis, Method::GET, "/api/events", Some(&key)).await;
    assert_eq!(status, StatusCode::OK);
    for name in ["signed_up", "logged_in", "log_in_refused", "client_registered", "refused"] {
        assert!(told.contains(&format!("\"{name}\"")), "{name} is not in {told}");
    }
    assert!(told.contains("192.0.2.1"), "{told}");
    for secret in ["ada@example.com", "password\":", "not the password", "mrt_x"] {
        assert!(!told.contains(secret), "{secret} is in {told}");
    }
}

#[tokio::test]
async fn metrics_are_for_named_addresses_and_for_holders_of_a_key() {
    let metrics_from = vec!["192.0.2.0/24".parse().unwrap()];
    let config = Config { store: StoreKind::Memory, metrics_from, ..Config::default() };
    let portcullis = open(config, 1).await.unwrap();
    let key = portcullis.new_admin_key().unwrap().expose_secret().to_owned();
    let unknown = "/a-path-that-nobody-has";
    assert_eq!(ask(&portcullis, Method::GET, unknown, None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(&portcullis, Method::GET, "/metrics", None).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&portcullis, Method::GET, "/metrics", Some("wrong")).await.0, StatusCode::UNAUTHORIZED);
    let (status, text) = ask(&portcullis, Method::GET, "/metrics", Some(&key)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains(r#"portcullis_requests_total{endpoint="none",status="4xx"} 1"#), "{text}");
    assert!(text.contains(r#"portcullis_store_seconds_count{operation="read"}"#), "{text}");
    assert!(
        text.contains(r#"portcullis_events_total{name="administration_refused",outcome="refused"} 1"#),
        "{text}"
    );
    assert!(!text.contains("nobody-has"), "{text}");
    for (address, status) in [("192.0.2.7", StatusCode::OK), ("198.51.100.1", StatusCode::UNAUTHORIZED)] {
        let request = Request::builder().uri("/metrics").body(Bytes::new()).unwrap();
        let response = portcullis.serve(request, Peer(address.parse().ok())).await;
        assert_eq!(response.status(), status, "{address}");
    }
}

#[tokio::test]
async fn one_data_folder_is_for_one_process() {
    let home = TempDir::new().unwrap();
    let first = open(config(&home), 1).await.unwrap();
    assert!(matches!(open(config(&home), 2).await.err(), Some(OpenError::Data(_))));
    drop(first);
    open(config(&home), 3).await.unwrap();
}

#[tokio::test]
async fn a_store_that_another_master_key_sealed_is_not_opened() {
    let home = TempDir::new().unwrap();
    drop(open(config(&home), 1).await.unwrap());
    let other = Config { master_key: Some(MasterKey::new([7; 32])), ..config(&home) };
    let error = open(other, 2).await.err().unwrap();
    assert!(matches!(error, OpenError::MasterKeyWrong), "{error}");
    assert!(error.to_string().contains("PORTCULLIS_MASTER_KEY"), "{error}");
    open(config(&home), 3).await.unwrap();
}

#[tokio::test]
async fn every_part_has_its_paths_and_the_rest_is_404() {
    let portcullis = in_memory().await;
    for (method, path, status) in [
        (Method::GET, "/health", StatusCode::OK),
        (Method::GET, "/started", StatusCode::OK),
        (Method::GET, "/ready", StatusCode::OK),
        (Method::GET, "/", StatusCode::OK),
        (Method::GET, "/login", StatusCode::OK),
        (Method::GET, "/.well-known/oauth-authorization-server", StatusCode::OK),
        (Method::GET, "/api/servers", StatusCode::UNAUTHORIZED),
        (Method::GET, "/nothing", StatusCode::NOT_FOUND),
        (Method::GET, "//", StatusCode::NOT_FOUND),
        (Method::OPTIONS, "/nothing", StatusCode::NOT_FOUND),
    ] {
        let (answered, body) = ask(&portcullis, method.clone(), path, None).await;
        assert_eq!(answered, status, "{method} {path}: {body}");
    }
    for path in ["/", "/health", "/login", "/nothing"] {
        let (_, body) = ask(&portcullis, Method::HEAD, path, None).await;
        assert_eq!(body, "", "{path}");
    }
    let (_, body) = ask(&portcullis, Method::GET, "/nothing", None).await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["error"], "not_found");
}

#[tokio::test]
async fn expired_records_are_swept_batch_after_batch() {
    let store = Arc::new(Memory::new());
    let clock = Arc::new(ManualClock::at(Time(1_800_000_000)));
    let portcullis = Portcullis::builder(Config::default())
        .store(store.clone())
        .clock(clock.clone())
        .entropy(Arc::new(SeededEntropy::new(1)))
        .password_cost(Cost::least())
        .open()
        .await
        .unwrap();
    assert_eq!(portcullis.sweep().await.unwrap(), 0);
    for n in 0..600_u32 {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&n.to_be_bytes());
        let session = session(SessionId::new(id), clock.now());
        let made = (&*store as &dyn Store).commit(&Changes::create(Mark::new([1; 16]), &session)).await;
        assert_eq!(made.unwrap(), Commit::Done);
    }
    clock.advance(400 * 86_400);
    assert_eq!(portcullis.sweep().await.unwrap(), 600);
}

fn session(id: SessionId, now: Time) -> Session {
    Session {
        final_end: None,
        seen: None,
        acr: None,
        begun: None,
        device: Device::default(),
        id,
        digest: Digest::of(b"ses_"),
        person: store::PersonId::parse("usr_1").unwrap(),
        epoch: None,
        account_epoch: None,
        auth_time: now,
        amr: vec!["pwd".to_owned()],
        expires: now.plus(60),
    }
}

/// A clock that panics when it is told to.
#[derive(Default)]
struct Faulty(AtomicBool);

impl Clock for Faulty {
    fn now(&self) -> Time {
        assert!(!self.0.load(Ordering::SeqCst), "the secret of a bug");
        Time(1_800_000_000)
    }
}

#[tokio::test]
async fn a_bug_in_one_request_is_500_without_details_and_the_next_one_is_served() {
    let clock = Arc::new(Faulty::default());
    let own = AdminSecret::parse("an admin key that is long").unwrap();
    let config = Config { store: StoreKind::Memory, admin_key: Some(own), ..Config::default() };
    let portcullis =
        Portcullis::builder(config).clock(clock.clone()).password_cost(Cost::least()).open().await.unwrap();
    let register = || {
        let body = Bytes::from_static(br#"{"name":"a","resource_url":"https://a.example"}"#);
        Request::post("/api/servers")
            .header("authorization", "Bearer an admin key that is long")
            .header("content-type", "application/json")
            .body(body)
            .unwrap()
    };
    clock.0.store(true, Ordering::SeqCst);
    let response = portcullis.serve(register(), Peer(None)).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = String::from_utf8(response.body().to_vec()).unwrap();
    assert!(body.contains("server_error") && !body.contains("secret"), "{body}");
    clock.0.store(false, Ordering::SeqCst);
    assert_eq!(portcullis.serve(register(), Peer(None)).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_database_that_is_gone_is_503_and_back_again_when_it_is_back() {
    let home = TempDir::new().unwrap();
    let clock = Arc::new(ManualClock::at(Time(1_800_000_000)));
    let builder = Portcullis::builder(config(&home)).clock(clock.clone()).password_cost(Cost::least());
    let portcullis = builder.open().await.unwrap();
    let key = portcullis.new_admin_key().unwrap().expose_secret().to_owned();
    let folder = home.path().join("data");
    let away = home.path().join("away");
    let register = || {
        Request::post("/api/servers")
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .body(Bytes::from_static(br#"{"name":"a","resource_url":"https://a.example"}"#))
            .unwrap()
    };
    std::fs::rename(&folder, &away).unwrap();
    for request in [register(), Request::get("/ready").body(Bytes::new()).unwrap()] {
        let response = portcullis.serve(request, Peer(None)).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key("retry-after"));
        let body = String::from_utf8(response.body().to_vec()).unwrap();
        assert!(!body.contains("sqlite") && !body.contains("data"), "{body}");
    }
    assert_eq!(ask(&portcullis, Method::GET, "/health", None).await.0, StatusCode::OK);
    std::fs::rename(&away, &folder).unwrap();
    clock.advance(1);
    assert_eq!(ask(&portcullis, Method::GET, "/ready", None).await.0, StatusCode::OK);
    assert_eq!(portcullis.serve(register(), Peer(None)).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn no_request_writes_much_of_a_log() {
    let portcullis = in_memory().await;
    let method = "M".repeat(60_000);
    let requests = async {
        for path in [format!("/{}", "a".repeat(60_000)), format!("/oauth/{}", "é".repeat(30_000))] {
            let request = Request::builder().method(method.as_str()).uri(path).body(Bytes::new()).unwrap();
            portcullis.serve(request, Peer(None)).await;
        }
    };
    let ((), text) = logged(requests).await;
    assert!(text.contains(&format!("/{}…", "a".repeat(199))), "{text}");
    assert!(text.len() < 4000, "{} bytes", text.len());
}

#[test]
fn what_is_logged_of_a_path_is_one_line() {
    assert_eq!(shortened("/a\n\u{1b}[2Jb\u{85}", 200), "/a\\n\\u{1b}[2Jb\\u{85}");
    assert_eq!(shortened("/é/b", 2), "/é…");
    assert_eq!(shortened("/é", 2), "/é");
}

#[tokio::test]
async fn the_admin_key_cannot_be_guessed_without_end_limits_or_not() {
    for limits in [true, false] {
        let portcullis =
            open(Config { limits, store: StoreKind::Memory, ..Config::default() }, 1).await.unwrap();
        let guess = async || ask(&portcullis, Method::GET, "/api/servers", Some("a guess")).await.0;
        for _ in 0..10 {
            assert_eq!(guess().await, StatusCode::UNAUTHORIZED);
        }
        assert_eq!(guess().await, StatusCode::TOO_MANY_REQUESTS, "limits: {limits}");
    }
}

#[tokio::test]
async fn records_in_redis_need_a_master_key_that_all_share() {
    let store = StoreKind::Redis(Box::new("redis://127.0.0.1:1".parse().unwrap()));
    let error = open(Config { store, ..Config::default() }, 1).await.err().unwrap();
    assert!(matches!(error, OpenError::NoMasterKey), "{error}");
    assert!(error.to_string().contains("openssl rand"), "{error}");
}
