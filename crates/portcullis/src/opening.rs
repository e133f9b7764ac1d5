//! From the start of a process to the moment when its store is open.
//!
//! ```text
//!               ┌─ a fault that may pass ─┐
//!               ▼          pause          │
//! bound ─────▶ closed ──── attempt ───────┤
//!                                         ├─ opened ─▶ open: the server answers
//!                                         └─ any other fault ─▶ the process ends
//! ```
//!
//! A store in a network may be away, loading, full or read-only when a process starts, as it may be later. Then the process
//! waits: whoever restarts one that ends sees nothing but a process that does not live.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ambient::{Clock, Complaints, Entropy, SystemClock, SystemEntropy};
use async_trait::async_trait;
use authz_core::before_opening;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_io::{Peer, Serve};
use oauth_types::Issuer;
use parking_lot::Mutex;
use serde_json::json;
use store::StoreError;
use tokio::time::sleep;

use crate::answer;
use crate::compose::{Kept, OpenError, Portcullis};
use crate::config::{Config, StoreKind};
use crate::ops::{self, Place};
use crate::telemetry::sentence;

/// Between two attempts: the first pause, and the longest. Each is shortened by up to a half, so that processes that were
/// started together do not come together.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// What answers from the moment that a process listens: for itself while there is no server, then for the server.
///
/// Closed, it says that it lives (`/health`) and why it is not ready (`/ready`, `/started`), and asks everybody else to come back
/// later: 503 with `Retry-After`. A proxy that asks `/started` leads nobody here until it is open, and everybody from then on.
pub struct Entrance {
    issuer: Issuer,
    why_closed: Mutex<Arc<str>>,
    open: OnceLock<Arc<Portcullis>>,
}

impl Entrance {
    /// The closed entrance of a server with this issuer.
    #[must_use]
    pub fn new(issuer: Issuer) -> Self {
        Self { issuer, why_closed: Mutex::new("The server is starting.".into()), open: OnceLock::new() }
    }

    /// Opens what `config` names. Records in Redis are waited for, as long as what keeps it from opening may pass; a file is
    /// there or it is not. The entrance stays closed until [`let_in`](Self::let_in).
    ///
    /// # Errors
    ///
    /// [`OpenError`], if waiting does not help.
    pub async fn opened(&self, config: &Config) -> Result<Portcullis, OpenError> {
        match config.store {
            StoreKind::Redis(_) => {
                let attempt = async || Portcullis::open(config.clone()).await;
                self.patiently(&SystemClock, attempt, OpenError::that_may_pass).await
            }
            StoreKind::Sqlite | StoreKind::Memory => Portcullis::open(config.clone()).await,
        }
    }

    /// [`Portcullis::keep_new_admin_key`], for as many attempts as it takes.
    ///
    /// # Errors
    ///
    /// If the store refuses, and waiting does not help.
    pub async fn kept_admin_key(&self, portcullis: &Portcullis) -> Result<Kept, StoreError> {
        let attempt = async || portcullis.keep_new_admin_key().await;
        self.patiently(&SystemClock, attempt, |error| Some(error).filter(|error| error.may_pass())).await
    }

    /// Opens the entrance, for good: from now on `portcullis` answers.
    pub fn let_in(&self, portcullis: Arc<Portcullis>) {
        // A second one has no issuer of its own, so the first stays.
        let _ = self.open.set(portcullis);
    }

    /// Makes attempts until one succeeds, or fails with something else than what `that_may_pass` finds in it.
    async fn patiently<T, E: Error + 'static>(
        &self,
        clock: &dyn Clock,
        mut attempt: impl AsyncFnMut() -> Result<T, E>,
        that_may_pass: impl Fn(&E) -> Option<&StoreError>,
    ) -> Result<T, E> {
        let entropy: &dyn Entropy = &SystemEntropy;
        let complaints = Complaints::new();
        let mut pause = PAUSES.0;
        loop {
            let error = match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let Some(passing) = that_may_pass(&error) else { return Err(error) };
            *self.why_closed.lock() = ops::public_reason(passing);
            let reason = sentence(&error);
            if complaints.are_due(clock.now()) {
                tracing::warn!(reason, "waiting for the store; whoever asks meanwhile is told to come back");
            } else {
                tracing::debug!(reason, "waiting for the store");
            }
            sleep(shortened(pause, entropy.draw())).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    fn closed(&self, request: &Request<Bytes>) -> Response<Bytes> {
        match Place::of(request.uri().path(), &self.issuer) {
            Some(Place::Health) => ops::reading(request.method()).unwrap_or_else(ops::health),
            Some(Place::Started | Place::Ready) => {
                ops::reading(request.method()).unwrap_or_else(|| ops::not_ready(&self.why_closed.lock()))
            }
            None => before_opening(&self.issuer, request).unwrap_or_else(|| {
                let body = json!({
                    "error": "temporarily_unavailable",
                    "error_description": "The server waits for its store. Try again in a few seconds."
                });
                answer::later(answer::json(StatusCode::SERVICE_UNAVAILABLE, &body))
            }),
        }
    }
}

#[async_trait]
impl Serve for Entrance {
    async fn serve(&self, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
        if let Some(portcullis) = self.open.get() {
            return portcullis.serve(request, peer).await;
        }
        let mut response = self.closed(&request);
        if *request.method() == Method::HEAD {
            *response.body_mut() = Bytes::new();
        }
        response
    }
}

/// Somewhere between a half of `pause` and all of it.
fn shortened(pause: Duration, [drawn]: [u8; 1]) -> Duration {
    pause / 2 + pause / 2 * u32::from(drawn) / u32::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use ambient::Time;
    use secrecy::ExposeSecret as _;
    use tokio::time::Instant;

    use super::*;
    use crate::telemetry::tests::logged;

    const ISSUER: &str = "https://auth.example.com/t1";

    fn entrance() -> Entrance {
        Entrance::new(Issuer::parse(ISSUER).unwrap())
    }

    async fn ask(entrance: &Entrance, method: Method, path: &str) -> (StatusCode, bool, serde_json::Value) {
        let request = Request::builder().method(method).uri(path).body(Bytes::new()).unwrap();
        let response = entrance.serve(request, Peer(None)).await;
        let body = serde_json::from_slice(response.body()).unwrap_or_default();
        (response.status(), response.headers().contains_key("retry-after"), body)
    }

    /// The clock of a runtime that is paused.
    struct Paused(Instant);

    impl Clock for Paused {
        fn now(&self) -> Time {
            Time(i64::try_from(self.0.elapsed().as_secs()).unwrap())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_waited_for_ever_more_slowly_and_told_once_a_minute() {
        let (entrance, began) = (entrance(), Instant::now());
        let mut attempts = Vec::new();
        let attempt = async || {
            attempts.push(Instant::now());
            match began.elapsed() < Duration::from_secs(600) {
                true => Err(StoreError::unavailable("Connection refused")),
                false => Ok(attempts.len()),
            }
        };
        let (done, log) = logged(entrance.patiently(&Paused(began), attempt, |error| Some(error))).await;
        assert!(done.unwrap() > 100);
        let pauses: Vec<Duration> = attempts.windows(2).map(|two| two[1] - two[0]).collect();
        // The clock of the runtime ticks in milliseconds.
        let tick = Duration::from_millis(2);
        assert!(pauses[0] >= PAUSES.0 / 2 && pauses[0] <= PAUSES.0 + tick, "{pauses:?}");
        assert!(
            pauses[6..].iter().all(|pause| (PAUSES.1 / 2..=PAUSES.1 + tick).contains(pause)),
            "{pauses:?}"
        );
        let told = log.matches("waiting for the store; ").count();
        assert!((9..=10).contains(&told), "{told} times in {log}");
        assert!(log.contains("WARN") && log.contains("Connection refused"), "{log}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_pass_ends_it_at_once() {
        let began = Instant::now();
        let attempt =
            async || Err::<(), _>(StoreError::Misconfigured("Password authentication failed".into()));
        let (entrance, paused) = (entrance(), Paused(began));
        let ended =
            entrance.patiently(&paused, attempt, |error| Some(error).filter(|error| error.may_pass())).await;
        assert!(matches!(ended, Err(StoreError::Misconfigured(_))) && began.elapsed().is_zero());
    }

    #[tokio::test]
    async fn closed_it_lives_and_says_why_it_is_not_ready_and_sends_everybody_away_until_later() {
        let entrance = entrance();
        *entrance.why_closed.lock() =
            ops::public_reason(&StoreError::Unfit("the clock of Redis is wrong".into()));
        for path in ["/health", "/t1/health"] {
            let (status, _, body) = ask(&entrance, Method::GET, path).await;
            assert_eq!((status, &body["service"]), (StatusCode::OK, &"portcullis".into()), "{path}");
        }
        for path in ["/ready", "/started", "/t1/started"] {
            let (status, later, body) = ask(&entrance, Method::GET, path).await;
            assert_eq!((status, later), (StatusCode::SERVICE_UNAVAILABLE, true), "{path}");
            assert!(body["message"].as_str().unwrap().contains("the clock of Redis is wrong"), "{body}");
        }
        for (method, path) in [
            (Method::POST, "/t1/oauth/token"),
            (Method::GET, "/t1/oauth/authorize"),
            (Method::POST, "/t1/oauth/introspect"),
            (Method::GET, "/.well-known/oauth-authorization-server/t1"),
            (Method::GET, "/t1/api/servers"),
            (Method::GET, "/t1/"),
            (Method::GET, "/nothing"),
        ] {
            let (status, later, body) = ask(&entrance, method, path).await;
            assert_eq!((status, later), (StatusCode::SERVICE_UNAVAILABLE, true), "{path}");
            assert_eq!(body["error"], "temporarily_unavailable", "{path}");
        }
        assert_eq!(ask(&entrance, Method::POST, "/health").await.0, StatusCode::METHOD_NOT_ALLOWED);
        let (status, _, body) = ask(&entrance, Method::HEAD, "/ready").await;
        assert_eq!((status, body), (StatusCode::SERVICE_UNAVAILABLE, serde_json::Value::Null));
    }

    /// A script that may not read the answer sees a network error, and comes back at once.
    #[tokio::test]
    async fn closed_it_has_the_cors_of_the_server() {
        let config =
            Config { store: StoreKind::Memory, issuer: Issuer::parse(ISSUER).ok(), ..Config::default() };
        let (closed, open) = (entrance(), Portcullis::open(config).await.unwrap());
        for path in [
            "/t1/oauth/token",
            "/t1/oauth/register",
            "/t1/oauth/revoke",
            "/.well-known/oauth-authorization-server/t1",
            "/t1/oauth/authorize",
            "/t1/login",
            "/t1/api/servers",
            "/ready",
            "/started",
            "/nothing",
        ] {
            for method in [Method::OPTIONS, Method::GET, Method::POST] {
                let request = || Request::builder().method(&method).uri(path).body(Bytes::new()).unwrap();
                let [waiting, serving] =
                    [closed.serve(request(), Peer(None)).await, open.serve(request(), Peer(None)).await];
                for name in ["access-control-allow-origin", "access-control-expose-headers"] {
                    assert_eq!(waiting.headers().get(name), serving.headers().get(name), "{method} {path}");
                }
                let preflight = serving.status() == StatusCode::NO_CONTENT;
                assert_eq!(waiting.status() == StatusCode::NO_CONTENT, preflight, "{method} {path}");
                assert!(
                    preflight
                        || ["/ready", "/started"].contains(&path)
                        || waiting.headers().contains_key("retry-after"),
                    "{method} {path}"
                );
            }
        }
    }

    #[tokio::test]
    async fn open_it_is_the_server() {
        let config =
            Config { store: StoreKind::Memory, issuer: Issuer::parse(ISSUER).ok(), ..Config::default() };
        let entrance = entrance();
        let portcullis = Arc::new(entrance.opened(&config).await.unwrap());
        assert!(portcullis.new_admin_key().unwrap().expose_secret().starts_with("adm_"));
        assert_eq!(entrance.kept_admin_key(&portcullis).await.unwrap(), Kept::This);
        assert_eq!(ask(&entrance, Method::GET, "/ready").await.0, StatusCode::SERVICE_UNAVAILABLE);
        entrance.let_in(portcullis);
        for path in ["/ready", "/started", "/t1/started"] {
            assert_eq!(ask(&entrance, Method::GET, path).await.0, StatusCode::OK, "{path}");
        }
        assert_eq!(ask(&entrance, Method::GET, "/nothing").await.0, StatusCode::NOT_FOUND);
    }

    #[test]
    fn a_pause_is_shortened_by_a_half_at_the_most() {
        for (drawn, expected) in [(0, 2500), (u8::MAX, 5000)] {
            assert_eq!(shortened(PAUSES.1, [drawn]), Duration::from_millis(expected));
        }
    }
}
