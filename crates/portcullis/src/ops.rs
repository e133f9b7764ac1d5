//! For operators and the curious: is it alive, is it ready, what is it.

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

use crate::answer;
use crate::telemetry::sentence;

/// `/health`, `/ready` and the landing page at `/`.
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
        let asked = self.store.ready().await;
        let ready = asked.as_ref().map_err(told).copied();
        let before = answered.as_ref().map(|known| &known.ready);
        match &asked {
            Err(error) if before != Some(&ready) => {
                tracing::error!(reason = sentence(error), "the store is not ready");
            }
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
    Ready,
    Landing,
}

impl Place {
    pub(crate) fn of(path: &str, issuer: &Issuer) -> Option<Self> {
        match issuer.strip(path).unwrap_or(path) {
            "/health" => Some(Self::Health),
            "/ready" => Some(Self::Ready),
            "/" => Some(Self::Landing),
            _ => None,
        }
    }
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
<li><code>{path}/health</code>, <code>{path}/ready</code></li>
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
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use ambient::ManualClock;
    use http::header::RETRY_AFTER;
    use store::{
        Changes, Claim, ClaimKind, Claimed, Commit, Filter, Inspect, Key, Kind, Look, Memory, Page, Row,
        Seen, Store,
    };

    use super::*;
    use crate::telemetry::tests::logged;

    #[test]
    fn whoever_watches_learns_which_setting_of_the_store_loses_records() {
        let unfit = StoreError::Unfit("maxmemory-policy is allkeys-lru; set it to noeviction".into());
        assert!(told(&unfit).contains("set it to noeviction"), "{}", told(&unfit));
        assert!(!told(&StoreError::unavailable("secret")).contains("secret"));
    }

    /// A store that is away, or only says whether it is ready; counts how often it is asked that.
    #[derive(Default)]
    struct Away {
        ready: AtomicBool,
        unfit: AtomicBool,
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

    async fn ask(
        store: Arc<dyn Backend>,
        issuer: &str,
        method: Method,
        path: &str,
    ) -> (Response<Bytes>, String) {
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

    #[tokio::test]
    async fn ready_asks_the_store() {
        let (response, _) = ask(Arc::new(Memory::new()), ISSUER, Method::GET, "/ready").await;
        assert_eq!(response.status(), StatusCode::OK);
        let (response, body) = ask(Arc::new(Away::default()), ISSUER, Method::GET, "/ready").await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(RETRY_AFTER));
        assert!(!body.contains("secret detail"), "{body}");
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
    async fn the_landing_page_names_the_issuer_and_runs_nothing() {
        let (response, body) = ask(Arc::new(Memory::new()), ISSUER, Method::GET, "/t1/").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(body.contains("https://auth.example.com/t1/oauth/introspect"), "{body}");
        assert!(
            body.contains("https://auth.example.com/.well-known/oauth-authorization-server/t1"),
            "{body}"
        );
        assert!(body.contains("<code>/t1/oauth/token</code>"), "{body}");
        assert!(!body.contains("<script") && !body.contains("{base}") && !body.contains("{path}"));
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    }

    #[tokio::test]
    async fn another_method_is_405_with_allow() {
        let (response, _) = ask(Arc::new(Memory::new()), ISSUER, Method::POST, "/health").await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()[http::header::ALLOW], "GET, HEAD");
    }

    #[test]
    fn nothing_of_a_text_becomes_markup() {
        assert_eq!(escaped("\"><script>'&"), "&quot;&gt;&lt;script&gt;&#39;&amp;");
    }
}
