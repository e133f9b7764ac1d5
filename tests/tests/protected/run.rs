//! The ways to protect a server, and what stands behind the protection.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use actix_web::rt::System;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpRequest, HttpResponse, web};
use async_trait::async_trait;
use axum::body::Body;
use axum::extract::State;
use axum::routing::any;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt as _;
use http_io::{Peer, Serve};
use resource_server::{Protection, Verified};
use serde_json::{Value, json};
use testkit::world::Answer;
use tokio::sync::{mpsc, oneshot};
use tower::ServiceExt as _;

/// Makes a test of each case, over each framework.
macro_rules! stamp {
    ($($case:ident),+ $(,)?) => {
        stamp!(@ axum $($case)+);
        stamp!(@ actix $($case)+);
    };
    (@ $framework:ident $($case:ident)+) => {
        mod $framework {
            use crate::run::{$framework, test};
            $(
                #[test]
                fn $case() {
                    test($framework, |run| Box::pin(super::$case(run)));
                }
            )+
        }
    };
}

/// One framework. Cases do not look inside.
#[derive(Clone, Copy)]
pub(crate) struct Run(Mount);

type Mount = fn(Protection, Arc<AtomicUsize>) -> Arc<dyn Serve>;
type Case = fn(Run) -> Pin<Box<dyn Future<Output = ()>>>;

/// Runs a case.
pub(crate) fn test(mount: Mount, case: Case) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(case(Run(mount)));
}

impl Run {
    /// A server behind this protection.
    pub(crate) fn protected(self, protection: Protection) -> McpServer {
        let reached = Arc::default();
        let host = protection.resource().origin().split_once("://").unwrap().1.to_owned();
        McpServer { serve: (self.0)(protection, Arc::clone(&reached)), host, reached }
    }
}

/// A server whose `/mcp` says what reached it, behind a protection. `/write` needs `files:write` as well, and so does `/mcp/write`, by
/// a protection within the other; `/mcp/caller` needs somebody who is known, and `/mcp/fails` fails. Before `/open` and `/open/maybe` there
/// is no protection; they ask who calls, if anybody.
pub(crate) struct McpServer {
    serve: Arc<dyn Serve>,
    host: String,
    reached: Arc<AtomicUsize>,
}

impl McpServer {
    /// Sends a request, to the name of the server unless a header says another one.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = testkit::world::request(method, path, headers, Bytes::from(body.to_owned()));
        request.headers_mut().entry("host").or_insert(self.host.parse().unwrap());
        Answer(self.serve.serve(request, Peer::default()).await)
    }

    /// `GET`, with headers.
    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, path, headers, "").await
    }

    /// `GET /mcp` with a token.
    pub(crate) async fn with(&self, token: &str) -> Answer {
        self.get("/mcp", &[("authorization", &format!("Bearer {token}"))]).await
    }

    /// Posts a body to `/mcp` with a token.
    pub(crate) async fn post(&self, token: &str, body: &str) -> Answer {
        let headers = [("authorization", &*format!("Bearer {token}")), ("content-type", "application/json")];
        self.send(Method::POST, "/mcp", &headers, body).await
    }

    /// Calls a tool with a token.
    pub(crate) async fn call(&self, token: &str, tool: &str) -> Answer {
        self.post(token, &call_of(tool)).await
    }

    /// How many requests got through to what is protected.
    pub(crate) fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }
}

/// The JSON-RPC body that calls a tool.
pub(crate) fn call_of(tool: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool, "arguments": {} } })
        .to_string()
}

fn said(caller: Option<&Verified>, authorization: Option<&[u8]>, body: &[u8]) -> Value {
    json!({
        "issuer": caller.map(|caller| caller.issuer.as_str()),
        "subject": caller.map(|caller| &caller.subject),
        "client": caller.map(|caller| &caller.client_id),
        "scope": caller.map(|caller| caller.scopes.to_string()),
        "authorization": authorization.map(String::from_utf8_lossy),
        "body": String::from_utf8_lossy(body),
    })
}

/// Behind [`adapters_axum::protect`].
pub(crate) fn axum(protection: Protection, reached: Arc<AtomicUsize>) -> Arc<dyn Serve> {
    use adapters_axum::protect::{Caller, metadata, protect};

    async fn says(
        State(reached): State<Arc<AtomicUsize>>,
        caller: Option<Caller>,
        headers: HeaderMap,
        body: Bytes,
    ) -> String {
        reached.fetch_add(1, Ordering::SeqCst);
        let authorization = headers.get("authorization").map(http::HeaderValue::as_bytes);
        said(caller.as_ref().map(|Caller(caller)| &**caller), authorization, &body).to_string()
    }
    async fn names(Caller(caller): Caller) -> String {
        caller.subject.clone().unwrap_or_default()
    }
    async fn may_name(caller: Option<Caller>) -> String {
        caller.and_then(|Caller(caller)| caller.subject.clone()).unwrap_or_default()
    }
    async fn fails() -> (http::StatusCode, &'static str) {
        (http::StatusCode::IM_A_TEAPOT, "no coffee")
    }

    let writing = protect(protection.requiring("files:write").unwrap());
    let router = axum::Router::new()
        .route("/mcp", any(says))
        .route("/mcp/write", any(says).layer(writing.clone()))
        .route("/mcp/caller", any(names))
        .route("/mcp/fails", any(fails))
        .layer(protect(protection.clone()))
        .route("/write", any(says).layer(writing))
        .route("/open", any(names))
        .route("/open/maybe", any(may_name))
        .with_state(reached);
    Arc::new(InAxum(router.merge(metadata(&protection))))
}

struct InAxum(axum::Router);

#[async_trait]
impl Serve for InAxum {
    async fn serve(&self, request: Request<Bytes>, _: Peer) -> Response<Bytes> {
        let answer = self.0.clone().oneshot(request.map(Body::from)).await.unwrap();
        let (head, body) = answer.into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }
}

/// Behind [`adapters_actix::protect`]. An application of actix-web stays on its thread: this starts a worker of its own.
pub(crate) fn actix(protection: Protection, reached: Arc<AtomicUsize>) -> Arc<dyn Serve> {
    let (requests, asked) = mpsc::unbounded_channel();
    let worker = std::thread::spawn(move || System::new().block_on(work(protection, reached, asked)));
    Arc::new(InActix { worker: Some(worker), requests: Some(requests) })
}

type Asked = (Request<Bytes>, oneshot::Sender<Response<Bytes>>);

async fn work(protection: Protection, reached: Arc<AtomicUsize>, mut asked: mpsc::UnboundedReceiver<Asked>) {
    use adapters_actix::protect::{Caller, MaybeCaller, metadata, protect};

    async fn says(
        reached: web::Data<AtomicUsize>,
        MaybeCaller(caller): MaybeCaller,
        request: HttpRequest,
        body: Bytes,
    ) -> String {
        reached.fetch_add(1, Ordering::SeqCst);
        let authorization = request.headers().get("authorization").map(|value| value.as_bytes());
        said(caller.as_deref(), authorization, &body).to_string()
    }
    async fn names(Caller(caller): Caller) -> String {
        caller.subject.clone().unwrap_or_default()
    }
    async fn may_name(MaybeCaller(caller): MaybeCaller) -> String {
        caller.and_then(|caller| caller.subject.clone()).unwrap_or_default()
    }
    async fn fails() -> HttpResponse {
        HttpResponse::ImATeapot().body("no coffee")
    }

    let writing = protect(protection.requiring("files:write").unwrap());
    let mcp = web::scope("/mcp")
        .service(web::resource("").to(says))
        .service(web::resource("/write").to(says).wrap(writing.clone()))
        .service(web::resource("/caller").to(names))
        .service(web::resource("/fails").to(fails))
        .wrap(protect(protection.clone()));
    let application = App::new()
        .app_data(web::Data::from(reached))
        .configure(metadata(&protection))
        .service(mcp)
        .service(web::resource("/write").to(says).wrap(writing))
        .route("/open", web::to(names))
        .route("/open/maybe", web::to(may_name));
    let application = Rc::new(init_service(application).await);
    while let Some((request, answer)) = asked.recv().await {
        let application = Rc::clone(&application);
        actix_web::rt::spawn(async move {
            let method = request.method().as_str().parse().unwrap();
            let head = TestRequest::with_uri(&request.uri().to_string()).method(method);
            let headers = request.headers().iter();
            let head = headers
                .fold(head, |head, (name, value)| head.append_header((name.as_str(), value.as_bytes())));
            let answered =
                call_service(&*application, head.set_payload(request.into_body()).to_request()).await;
            let (head, body) = answered.into_parts().1.into_parts();
            let response = Response::builder().status(head.status().as_u16());
            let headers = head.headers().iter();
            let response = headers
                .fold(response, |response, (name, value)| response.header(name.as_str(), value.as_bytes()));
            let body = actix_web::body::to_bytes(body).await;
            // Whoever asked may be gone just now.
            let _ = answer.send(response.body(body.unwrap_or_default()).unwrap());
        });
    }
}

struct InActix {
    worker: Option<JoinHandle<()>>,
    requests: Option<mpsc::UnboundedSender<Asked>>,
}

impl Drop for InActix {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

#[async_trait]
impl Serve for InActix {
    async fn serve(&self, request: Request<Bytes>, _: Peer) -> Response<Bytes> {
        let (answer, answered) = oneshot::channel();
        assert!(self.requests.as_ref().unwrap().send((request, answer)).is_ok(), "the worker is gone");
        answered.await.unwrap()
    }
}
