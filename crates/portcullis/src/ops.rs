//! For operators and the curious: is it alive, is it ready, what is it.

pub(crate) mod census;
pub(crate) mod metrics;
pub(crate) mod timed;

use std::sync::Arc;

use ambient::{Clock, SystemClock, Time};
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_FRAME_OPTIONS};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_io::{Peer, Serve};
use oauth_types::{Issuer, well_known};
use serde_json::json;
use store::{Backend, StoreError};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::answer;
use crate::health::READY_WITHIN;
use crate::telemetry::sentence;

/// `/health`, `/started`, `/ready` and the landing page at `/`.
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
            Ok(Err(error)) => (Err(told(&error)), sentence(&error)),
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

    fn landing(&self) -> Response<Bytes> {
        let mut page = LANDING.to_owned();
        for (mark, text) in [
            ("{version}", env!("CARGO_PKG_VERSION").to_owned()),
            ("{metadata}", well_known::authorization_server(&self.issuer)),
            ("{assets}", format!("{}/assets", self.issuer.path())),
            ("{path}", self.issuer.path().to_owned()),
            ("{base}", self.issuer.endpoint("")),
            ("{issuer}", self.issuer.to_string()),
        ] {
            page = page.replace(mark, &escaped(&text));
        }
        let mut response = answer::of_type(StatusCode::OK, "text/html; charset=utf-8", page);
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        response
    }
}

const SILENT: &str = "The store does not answer, so nobody can log in or refresh a token now.";

/// What a stranger may learn: how a store is set up is no secret, and whoever watches can mend it.
pub(crate) fn told(error: &StoreError) -> Arc<str> {
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
    Landing,
}

impl Place {
    pub(crate) fn of(path: &str, issuer: &Issuer) -> Option<Self> {
        match issuer.strip(path).unwrap_or(path) {
            "/health" => Some(Self::Health),
            "/started" => Some(Self::Started),
            "/ready" => Some(Self::Ready),
            "/" => Some(Self::Landing),
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
            Some(Place::Landing) => self.landing(),
            None => answer::json(StatusCode::NOT_FOUND, &json!({ "error": "not_found" })),
        }
    }
}

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/// The stylesheet and the icon are `identity`'s; without them the page is plain and complete.
const LANDING: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Portcullis</title>
<link rel="icon" href="{assets}/portcullis.svg" type="image/svg+xml">
<link rel="stylesheet" href="{assets}/portcullis.css">
</head>
<body>
<header><img src="{assets}/portcullis.svg" width="28" height="28" alt=""><span>{issuer}</span></header>
<main>
<h1>Portcullis</h1>
<p>This is an OAuth 2.1 authorization server for Model Context Protocol servers. People log in here to let an MCP client
use an MCP server on their behalf.</p>
<h2>Connect an MCP server</h2>
<ol>
<li>The operator registers it: <code>POST {base}/api/servers</code> with the admin key.</li>
<li>The MCP server names this issuer in its protected resource metadata (RFC 9728):
<code>"authorization_servers": ["{issuer}"]</code></li>
<li>It answers requests without a token with 401 and
<code>WWW-Authenticate: Bearer resource_metadata="…"</code></li>
<li>It checks tokens at <code>{base}/oauth/introspect</code> with the key that its registration gave.</li>
</ol>
<h2>Endpoints</h2>
<ul>
<li><a href="{metadata}">Metadata</a> names all of them, for clients</li>
<li><code>{path}/oauth/authorize</code>, <code>{path}/oauth/token</code>, <code>{path}/oauth/register</code></li>
<li><code>{path}/oauth/revoke</code>, <code>{path}/oauth/introspect</code>, <code>{path}/oauth/userinfo</code></li>
<li><code>{path}/prm/{server_id}</code>: metadata of a registered MCP server</li>
<li><code>{path}/health</code>, <code>{path}/started</code>, <code>{path}/ready</code></li>
</ul>
<p><small>Version {version}</small></p>
</main>
</body>
</html>
"#;

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests;
