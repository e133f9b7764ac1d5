//! For operators: is it alive, has it started, is it ready.

pub(crate) mod census;
pub(crate) mod metrics;
pub(crate) mod timed;

use std::sync::Arc;

use ambient::{Clock, SystemClock, Time};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_io::{Peer, Serve};
use oauth_types::Issuer;
use serde_json::json;
use store::{Backend, StoreError};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::answer;
use crate::health::READY_WITHIN;
use crate::telemetry::sentence;

/// `/health`, `/started` and `/ready`.
///
/// Below the issuer's path, and at the root as well: what watches a server asks it directly.
pub struct Ops {
    issuer: Issuer,
    store: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    // Held while the store is asked: who comes meanwhile waits for that answer.
    answered: Mutex<Option<Answered>>,
}

/// What the store said to whether it is ready, and when.
struct Answered {
    at: Time,
    ready: Result<(), Arc<str>>,
}

impl Ops {
    /// For the server of this issuer over this store.
    #[must_use]
    pub fn new(issuer: Issuer, store: Arc<dyn Backend>) -> Self {
        Self { issuer, store, clock: Arc::new(SystemClock), answered: Mutex::default() }
    }

    /// Tells the time by `clock`: the store is asked once a second at the most, because the question is a write and anybody
    /// may ask.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Whether a request path, the issuer's path included, is one of these.
    #[must_use]
    pub fn owns(&self, path: &str) -> bool {
        Place::of(path, &self.issuer).is_some()
    }

    /// Asks the store whether it is ready, as `/ready` does. What is wrong with it is logged when it begins, when it becomes
    /// something else, and when it ends.
    pub async fn watch(&self) {
        let _ = self.store_is_ready().await;
    }

    async fn ready(&self) -> Response<Bytes> {
        match self.store_is_ready().await {
            Ok(()) => answer::json(StatusCode::OK, &json!({ "status": "ready" })),
            Err(message) => not_ready(&message),
        }
    }

    async fn store_is_ready(&self) -> Result<(), Arc<str>> {
        let came = self.clock.now();
        let mut answered = self.answered.lock().await;
        // Not from before this question, to the second; and not from the future, where a clock that was set back leaves one.
        if let Some(known) = &*answered
            && (came..=self.clock.now()).contains(&known.at)
        {
            return known.ready.clone();
        }
        let (ready, reason) = match timeout(READY_WITHIN, self.store.ready()).await {
            Ok(Ok(())) => (Ok(()), String::new()),
            Ok(Err(error)) => (Err(public_reason(&error)), sentence(&error)),
            Err(_) => (Err(SILENT.into()), "it did not answer within 3 seconds".to_owned()),
        };
        let before = answered.as_ref().map(|known| &known.ready);
        match &ready {
            Err(_) if before != Some(&ready) => tracing::error!(reason, "the store is not ready"),
            Ok(()) if before.is_some_and(Result::is_err) => tracing::info!("the store is ready again"),
            Ok(()) | Err(_) => {}
        }
        *answered = Some(Answered { at: self.clock.now(), ready: ready.clone() });
        ready
    }
}

const SILENT: &str = "The store does not answer, so nobody can log in or refresh a token now.";

/// What a stranger may learn: how a store is set up is no secret, and whoever watches can mend it.
pub(crate) fn public_reason(error: &StoreError) -> Arc<str> {
    if let StoreError::Unfit(fault) = error {
        format!("The store is not safe to use: {fault}.").into()
    } else {
        "The store cannot be reached, so nobody can log in or refresh a token now. See the log.".into()
    }
}

/// What there is for operators.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Health,
    Started,
    Ready,
}

impl Place {
    pub(crate) fn of(path: &str, issuer: &Issuer) -> Option<Self> {
        match issuer.strip(path).unwrap_or(path) {
            "/health" => Some(Self::Health),
            "/started" => Some(Self::Started),
            "/ready" => Some(Self::Ready),
            _ => None,
        }
    }
}

/// Whether `/metrics` is asked for, at the root or below the issuer's path.
pub(crate) fn is_metrics(path: &str, issuer: &Issuer) -> bool {
    issuer.strip(path).unwrap_or(path) == "/metrics"
}

/// What [`Metrics::text`](metrics::Metrics::text) says.
pub(crate) fn exposition(text: String) -> Response<Bytes> {
    answer::of_type(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text)
}

/// The answer to a method that does something else than reading.
pub(crate) fn reading(method: &Method) -> Option<Response<Bytes>> {
    (!matches!(*method, Method::GET | Method::HEAD)).then(|| {
        let body = json!({ "error": "invalid_request", "message": "This path takes GET." });
        answer::allowing(answer::json(StatusCode::METHOD_NOT_ALLOWED, &body), "GET, HEAD")
    })
}

/// That this process lives.
pub(crate) fn health() -> Response<Bytes> {
    let body = json!({ "status": "ok", "service": "portcullis", "version": env!("CARGO_PKG_VERSION") });
    answer::json(StatusCode::OK, &body)
}

/// That this process has opened its store: from now on it answers for itself.
fn started() -> Response<Bytes> {
    answer::json(StatusCode::OK, &json!({ "status": "started" }))
}

/// That it cannot do its work now, and why.
pub(crate) fn not_ready(message: &str) -> Response<Bytes> {
    let body = json!({ "status": "unavailable", "message": message });
    answer::later(answer::json(StatusCode::SERVICE_UNAVAILABLE, &body))
}

#[async_trait]
impl Serve for Ops {
    async fn serve(&self, request: Request<Bytes>, _: Peer) -> Response<Bytes> {
        if let Some(refused) = reading(request.method()) {
            return refused;
        }
        match Place::of(request.uri().path(), &self.issuer) {
            Some(Place::Health) => health(),
            Some(Place::Started) => started(),
            Some(Place::Ready) => self.ready().await,
            None => answer::json(StatusCode::NOT_FOUND, &json!({ "error": "not_found" })),
        }
    }
}

#[cfg(test)]
mod tests;
