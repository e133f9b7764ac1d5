use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use ambient::ManualClock;
use http::header::RETRY_AFTER;
use store::{
    Changes, Claim, ClaimKind, Claimed, Commit, Filter, Inspect, Key, Kind, Look, Memory, Page, Row, Seen,
    Store,
};

use super::*;
use crate::telemetry::tests::logged;

#[test]
fn whoever_watches_learns_which_setting_of_the_store_loses_records() {
    let unfit = StoreError::Unfit("maxmemory-policy is allkeys-lru; set it to noeviction".into());
    assert!(public_reason(&unfit).contains("set it to noeviction"), "{}", public_reason(&unfit));
    assert!(!public_reason(&StoreError::unavailable("secret")).contains("secret"));
}

/// A store that is away, or only says whether it is ready; counts how often it is asked that.
#[derive(Default)]
struct Away {
    ready: AtomicBool,
    unfit: AtomicBool,
    silent: AtomicBool,
    asked: AtomicU32,
}

fn away<T>() -> Result<T, StoreError> {
    Err(StoreError::unavailable("secret detail of the disk"))
}

#[async_trait]
impl Store for Away {
    async fn read(&self, _: &Key) -> Result<Option<Row>, StoreError> {
        away()
    }
    async fn look(&self, _: &Look) -> Result<Seen, StoreError> {
        away()
    }
    async fn commit(&self, _: &Changes) -> Result<Commit, StoreError> {
        away()
    }
    async fn claim(&self, _: &Claim<'_>) -> Result<Claimed, StoreError> {
        away()
    }
    async fn holder(&self, _: ClaimKind, _: &str) -> Result<Option<(String, Time)>, StoreError> {
        away()
    }
    async fn release(&self, _: ClaimKind, _: &str, _: &str) -> Result<(), StoreError> {
        away()
    }
    async fn sweep(&self, _: Time, _: u32) -> Result<u32, StoreError> {
        away()
    }
    async fn ready(&self) -> Result<(), StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        if self.silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.unfit.load(Ordering::SeqCst) {
            return Err(StoreError::Unfit("maxmemory-policy is allkeys-lru".into()));
        }
        if self.ready.load(Ordering::SeqCst) { Ok(()) } else { away() }
    }
}

#[async_trait]
impl Inspect for Away {
    async fn list(&self, _: Kind, _: Filter<'_>, _: Option<&str>, _: u32) -> Result<Page, StoreError> {
        away()
    }
}

async fn ask(store: Arc<dyn Backend>, issuer: &str, method: Method, path: &str) -> (Response<Bytes>, String) {
    let ops = Ops::new(Issuer::parse(issuer).unwrap(), store);
    assert!(ops.owns(path), "{path}");
    let request = Request::builder().method(method).uri(path).body(Bytes::new()).unwrap();
    let response = ops.serve(request, Peer(None)).await;
    let body = String::from_utf8(response.body().to_vec()).unwrap();
    (response, body)
}

const ISSUER: &str = "https://auth.example.com/t1";

#[tokio::test]
async fn health_says_who_it_is_and_asks_nobody() {
    for path in ["/health", "/t1/health"] {
        let (response, body) = ask(Arc::new(Away::default()), ISSUER, Method::GET, path).await;
        assert_eq!(response.status(), StatusCode::OK);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["status"], &body["service"]), (&"ok".into(), &"portcullis".into()));
        assert!(body["version"].is_string());
    }
}

/// Else a proxy that follows it has nobody left when the store is away.
#[tokio::test]
async fn started_it_stays_whatever_the_store_does() {
    for path in ["/started", "/t1/started"] {
        let (response, body) = ask(Arc::new(Away::default()), ISSUER, Method::GET, path).await;
        assert_eq!((response.status(), body.as_str()), (StatusCode::OK, r#"{"status":"started"}"#));
    }
}

#[tokio::test]
async fn ready_asks_the_store() {
    let (response, _) = ask(Arc::new(Memory::new()), ISSUER, Method::GET, "/ready").await;
    assert_eq!(response.status(), StatusCode::OK);
    let (response, body) = ask(Arc::new(Away::default()), ISSUER, Method::GET, "/ready").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key(RETRY_AFTER));
    assert!(!body.contains("secret detail"), "{body}");
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_hears_in_time_that_the_store_is_silent() {
    let (store, began) = (Arc::new(Away::default()), tokio::time::Instant::now());
    store.silent.store(true, Ordering::SeqCst);
    let ((response, body), log) = logged(ask(store, ISSUER, Method::GET, "/ready")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key(RETRY_AFTER));
    assert!(body.contains("The store does not answer"), "{body}");
    assert!(log.contains("did not answer within 3 seconds"), "{log}");
    assert!(began.elapsed() < crate::health::PATIENCE, "{:?}", began.elapsed());
}

#[tokio::test]
async fn strangers_make_the_store_write_once_a_second_at_the_most() {
    const READY: StatusCode = StatusCode::OK;
    const NOT_READY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
    let (store, clock) = (Arc::new(Away::default()), Arc::new(ManualClock::at(Time(1_000))));
    let ops = Ops::new(Issuer::parse(ISSUER).unwrap(), store.clone()).clock(clock.clone());
    let ask = async || {
        let request = Request::get("/ready").body(Bytes::new()).unwrap();
        ops.serve(request, Peer(None)).await.status()
    };
    let asked = || store.asked.load(Ordering::SeqCst);
    let at_once = futures_util::future::join_all((0..20).map(|_| ask())).await;
    assert_eq!((at_once, asked()), (vec![NOT_READY; 20], 1), "they share one answer");
    store.ready.store(true, Ordering::SeqCst);
    assert_eq!((ask().await, asked()), (NOT_READY, 1), "it holds for this second");
    clock.advance(1);
    assert_eq!((ask().await, ask().await, asked()), (READY, READY, 2));
    clock.advance(-100);
    assert_eq!((ask().await, asked()), (READY, 3), "a clock that was set back keeps nothing longer");
}

#[tokio::test]
async fn what_is_wrong_with_the_store_is_logged_when_it_begins_and_when_it_ends() {
    let (store, clock) = (Arc::new(Away::default()), Arc::new(ManualClock::at(Time(1_000))));
    let ops = Ops::new(Issuer::parse(ISSUER).unwrap(), store.clone()).clock(clock.clone());
    let watch = async |unfit: bool, ready: bool| {
        store.unfit.store(unfit, Ordering::SeqCst);
        store.ready.store(ready, Ordering::SeqCst);
        let watching = async {
            for _ in 0..5 {
                ops.watch().await;
                clock.advance(30);
            }
        };
        let ((), log) = logged(watching).await;
        log.lines().map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")).collect()
    };
    let begins: Vec<String> = watch(true, true).await;
    assert!(matches!(begins.as_slice(), [line] if line.starts_with("ERROR")), "{begins:?}");
    assert!(begins[0].contains("maxmemory-policy is allkeys-lru"), "{begins:?}");
    let changes: Vec<String> = watch(false, false).await;
    assert!(matches!(changes.as_slice(), [line] if line.contains("secret detail")), "{changes:?}");
    let ends: Vec<String> = watch(false, true).await;
    assert!(matches!(ends.as_slice(), [line] if line.ends_with("ready again")), "{ends:?}");
    assert_eq!(watch(false, true).await, Vec::<String>::new());
    assert_eq!(store.asked.load(Ordering::SeqCst), 20);
}

#[tokio::test]
async fn another_method_is_405_with_allow() {
    let (response, _) = ask(Arc::new(Memory::new()), ISSUER, Method::POST, "/health").await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()[http::header::ALLOW], "GET, HEAD");
}
