//! All parts together: one [`Serve`] made of a [`Config`].

mod builder;
mod error;
mod ground;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, Entropy};
use async_trait::async_trait;
use authz_core::{AuthorizationServer, Context, Counted, Event, Events, Limits};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_io::{AddressRange, Peer, Serve, sender};
use identity::{Accounts, Brand, Identity};
use oauth_types::Issuer;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use store::{AdminKey, Backend, Digest, StoreError};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::Instrument as _;

pub use self::builder::Builder;
pub use self::error::OpenError;
use crate::admin::Admin;
use crate::admin::keys::{self, FIRST};
use crate::answer;
use crate::audit::Audit;
use crate::config::Config;
use crate::data::{DataError, DataFolder};
use crate::ops::census::Census;
use crate::ops::metrics::{Gauges, Metrics};
use crate::ops::{self, Ops};
use crate::telemetry::{self, export};

/// An authorization server with its pages and its administration.
///
/// It opens no socket: mount it with an adapter, run it with [`serve`](crate::serve::serve), or call it.
pub struct Portcullis {
    server: Arc<AuthorizationServer>,
    identity: Arc<Identity>,
    admin: Admin,
    ops: Ops,
    audit: Arc<Audit>,
    accounts: Arc<Accounts>,
    census: Census,
    counted: Arc<Counted>,
    metrics: Arc<Metrics>,
    metrics_from: Vec<AddressRange>,
    store: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    trusted_proxies: Vec<AddressRange>,
    new_admin_key: Option<SecretString>,
    first_run: bool,
    // Dropped last: while it is here no other process opens the store.
    data: Option<DataFolder>,
}

/// Which admin key holds, of servers that start over a new store together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Kept {
    /// The one of this server.
    This,
    /// One that another server has made in the same moment, and shown; that of this one opens nothing any more.
    Another,
}

/// How long letters may take that wait when a process ends; it has told its supervisor that it takes 40 seconds to stop at the most,
/// of which requests have 30.
const LAST_POST: Duration = Duration::from_secs(8);
/// How often the store is asked whether it can be trusted.
const WATCHED_EVERY: Duration = Duration::from_secs(30);
/// How often expired records are removed.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How many of them at once, so that nobody waits long behind it.
const SWEPT_AT_ONCE: u32 = 256;
/// How much of a path is logged, in characters. Whoever sends a request chooses it, and the log is kept.
const LOGGED_PATH: usize = 200;
/// The name that a request has in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl Portcullis {
    /// Opens what `config` names: the data folder, its keys, the store.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what keeps it from starting.
    pub async fn open(config: Config) -> Result<Self, OpenError> {
        Self::builder(config).open().await
    }

    /// The same with parts of your own: a clock, a source of randomness, a store.
    #[must_use]
    pub fn builder(config: Config) -> Builder {
        Builder::new(config)
    }

    /// Its issuer identifier.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        self.server.issuer()
    }

    /// The admin key, if it was made now: only this value has it. It opens the administration of this process, and until
    /// [`keep_new_admin_key`](Self::keep_new_admin_key) the next start makes another.
    #[must_use]
    pub const fn new_admin_key(&self) -> Option<&SecretString> {
        self.new_admin_key.as_ref()
    }

    /// Stores the digest of [`new_admin_key`](Self::new_admin_key), if there is one. Show the key first: one that nobody saw
    /// must not be kept.
    ///
    /// # Errors
    ///
    /// If the store cannot be reached. Whether the key was kept is not known then: the next start tells.
    pub async fn keep_new_admin_key(&self) -> Result<Kept, StoreError> {
        let Some(key) = &self.new_admin_key else { return Ok(Kept::This) };
        let digest = Digest::of(key.expose_secret().as_bytes());
        let record = AdminKey::new(FIRST, digest, self.clock.now());
        let first = keys::keep_first(&*self.store, &record, &*self.entropy).await?;
        self.admin.settled();
        Ok(if first == digest { Kept::This } else { Kept::Another })
    }

    /// The administration, for the operator who opened the store: no key is asked for. The path begins with the issuer's.
    ///
    /// It is for programs that stand in for a server that does not run; what comes over a network goes to
    /// [`serve`](Serve::serve).
    pub async fn operate(&self, request: &Request<Bytes>) -> Response<Bytes> {
        self.admin.serve_operator(request).await
    }

    /// Notes in the data folder, if there is one, that this server is asked at `url`, which includes the path of its issuer.
    ///
    /// # Errors
    ///
    /// If the lock file cannot be written.
    pub fn tell(&self, url: &str) -> Result<(), DataError> {
        match &self.data {
            Some(data) => data.tell(url),
            None => Ok(()),
        }
    }

    /// Whether its store is a data folder, which it has to itself.
    #[must_use]
    pub const fn has_data_folder(&self) -> bool {
        self.data.is_some()
    }

    /// Whether no server has used its store before.
    #[must_use]
    pub const fn is_first_run(&self) -> bool {
        self.first_run
    }

    /// Asks the store now and every half a minute whether it can be trusted with records, for as long as it is polled, and
    /// logs when it cannot: a setting that loses records is told where nobody asks `/ready`, too.
    pub async fn keep_watching(self: Arc<Self>) {
        let mut half_minutes = interval(WATCHED_EVERY);
        half_minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            half_minutes.tick().await;
            self.metrics.tidy();
            self.ops.watch().await;
        }
    }

    /// Writes the audit trail as things happen, for as long as it is polled. Without it events are in the log alone.
    pub async fn keep_writing(self: Arc<Self>) {
        self.audit.keep_writing().await;
    }

    /// Ends it: what happened is in the audit trail then, and letters that wait have gone out, or had their time to, of which there is
    /// little. A letter that the mail server does not take now is lost, and logged.
    pub async fn finish(&self) {
        if timeout(LAST_POST, self.identity.letters_done()).await.is_err() {
            tracing::error!("letters still wait for the mail server, and are lost");
        }
        self.audit.finish().await;
    }

    /// The audit trail: how much of it waits to be written, and how much could not be kept.
    #[must_use]
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Removes expired records every minute, and counts the grants that live, for as long as it is polled.
    pub async fn keep_sweeping(self: Arc<Self>) {
        let mut minutes = interval(SWEEP_EVERY);
        minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            minutes.tick().await;
            match self.sweep().await {
                Ok(0) => {}
                Ok(swept) => tracing::debug!(swept, "expired records were removed"),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "expired records cannot be removed now; trying again in a minute");
                    continue;
                }
            }
            if let Err(error) = self.census.go_on(self.clock.now()).await {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "grants cannot be counted now; trying again in a minute");
            }
        }
    }

    /// Removes the records that have expired by now, in small batches between which others get their turn. Answers how many.
    ///
    /// # Errors
    ///
    /// If the store cannot be reached. What is left is left for the next time.
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        let mut swept = 0;
        loop {
            let batch = self.store.sweep(self.clock.now(), SWEPT_AT_ONCE).await?;
            swept += u64::from(batch);
            if batch < SWEPT_AT_ONCE {
                return Ok(swept);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Counts by other limits from now on. Switched off, they stay so.
    pub fn change_limits(&self, limits: Limits) {
        self.counted.change(limits);
    }

    /// Pages and letters look like that from the next one on.
    pub fn change_brand(&self, brand: Brand) {
        self.identity.change_brand(brand);
    }

    /// What is counted and timed, as `/metrics` tells it.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.metrics.text(Gauges {
            letters: self.identity.letters(),
            hashes: self.accounts.hashes_under_way(),
            audit_waiting: self.audit.waiting(),
            audit_lost: self.audit.lost(),
            grants: self.census.last(),
        })
    }

    /// For addresses that the configuration names, and for whoever holds an admin key: how busy a server is, and who guesses at
    /// what, is not for everybody.
    async fn tell_metrics(&self, request: &Request<Bytes>, peer: Peer) -> Response<Bytes> {
        if let Some(refused) = ops::reading(request.method()) {
            return refused;
        }
        let is_named = |address| self.metrics_from.iter().any(|range| range.contains(address));
        if !peer.0.is_some_and(is_named)
            && let Some(refused) = self.admin.refused(request, peer).await
        {
            return refused;
        }
        ops::exposition(self.metrics())
    }

    /// What a request is counted under: one of a few words, whatever its path is.
    fn endpoint(&self, path: &str) -> &'static str {
        if let Some(endpoint) = self.server.endpoint(path) {
            endpoint
        } else if self.identity.owns(path) {
            "pages"
        } else if self.admin.owns(path) {
            "administration"
        } else if self.ops.owns(path) || ops::is_metrics(path, self.issuer()) {
            "operations"
        } else {
            "none"
        }
    }

    async fn route(&self, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let path = request.uri().path();
        if self.server.owns(path) {
            self.server.serve(request, peer).await
        } else if self.identity.owns(path) {
            self.identity.serve(request, peer).await
        } else if self.admin.owns(path) {
            self.admin.serve(request, peer).await
        } else if self.ops.owns(path) {
            self.ops.serve(request, peer).await
        } else if ops::is_metrics(path, self.issuer()) {
            self.tell_metrics(&request, peer).await
        } else {
            let body = json!({ "error": "not_found", "message": "There is nothing at this path." });
            answer::json(StatusCode::NOT_FOUND, &body)
        }
    }

    /// A bug in one request ends that request and nothing else.
    async fn guarded(&self, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
        AssertUnwindSafe(self.route(request, peer)).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!("a request failed by a bug");
            let body = json!({ "error": "server_error", "message": "This is a bug of the server; its log says more." });
            answer::json(StatusCode::INTERNAL_SERVER_ERROR, &body)
        })
    }
}

#[async_trait]
impl Serve for Portcullis {
    async fn serve(&self, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let id = URL_SAFE_NO_PAD.encode(self.entropy.draw::<9>());
        let peer = sender(peer, request.headers(), &self.trusted_proxies);
        // The query holds codes and hints; only the path is for the log.
        let (method, path) =
            (shortened(request.method().as_str(), 20), shortened(request.uri().path(), LOGGED_PATH));
        // Whoever traces requests across servers finds this one by theirs.
        let endpoint = self.endpoint(request.uri().path());
        let exported = export::request(&id, request.method(), endpoint, request.headers());
        let own_trace = export::trace(&exported);
        let trace = own_trace.as_deref().or_else(|| telemetry::trace_of(request.headers()));
        let span = tracing::info_span!("request", id, %method, path, trace);
        let answered = exported.clone();
        async move {
            let (began, head) = (Instant::now(), *request.method() == Method::HEAD);
            let mut response = self.guarded(request, peer).await;
            self.metrics.answered(endpoint, response.status(), began.elapsed());
            export::answered(&answered, response.status());
            let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(status = response.status().as_u16(), milliseconds, "answered");
            if head {
                *response.body_mut() = Bytes::new();
            }
            if let Ok(id) = HeaderValue::from_str(&id) {
                response.headers_mut().insert(REQUEST_ID, id);
            }
            response
        }
        .instrument(span)
        .instrument(exported)
        .await
    }
}

/// Everybody who is told of events.
struct Ears {
    audit: Arc<Audit>,
    metrics: Arc<Metrics>,
}

impl Events for Ears {
    fn tell(&self, event: &Event) {
        self.tell_with(event, &Context::default());
    }

    fn tell_with(&self, event: &Event, context: &Context) {
        self.metrics.tell(event);
        self.audit.tell_with(event, context);
    }
}

/// The first `most` characters of a text of strangers, in one line.
fn shortened(text: &str, most: usize) -> String {
    let mut short = String::new();
    for character in text.chars().take(most) {
        match character.is_control() {
            true => short.extend(character.escape_default()),
            false => short.push(character),
        }
    }
    if text.chars().nth(most).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
