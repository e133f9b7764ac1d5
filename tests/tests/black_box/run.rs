//! The ways to run the server, and the worlds that cases begin with.

use std::any::Any;
use std::net::SocketAddr;
use std::ops::Deref;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use actix_web::App;
use actix_web::body::to_bytes;
use actix_web::dev::ServiceResponse;
use actix_web::rt::System;
use actix_web::test::{TestRequest, call_service, init_service};
use ambient::{ManualClock, SeededEntropy, Time};
use async_trait::async_trait;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use http_io::{BODY_LIMIT, Peer, Serve, body_too_large};
use identity::Cost;
use oauth_types::{ClientId, Issuer};
use portcullis::config::AdminSecret;
use portcullis::{Config, Portcullis};
use serde_json::Value;
use store::{Backend, Changes, Commit, Found, Mark, Memory, Provenance, Sqlite, Store};
use testkit::browser::Browser;
use testkit::client::{Client, ResourceServer};
use testkit::world::{Switched, World};
use tests::places::Place;
use tokio::sync::{mpsc, oneshot};
use tower::ServiceExt as _;

/// Makes a test of each case, over each way to run the server.
macro_rules! stamp {
    ($($case:ident),+ $(,)?) => {
        stamp!(@ bare_memory(bare, memory) $($case)+);
        stamp!(@ bare_sqlite(bare, sqlite) $($case)+);
        stamp!(@ bare_redis(bare, redis) $($case)+);
        stamp!(@ bare_cluster(bare, cluster) $($case)+);
        stamp!(@ axum_memory(axum, memory) $($case)+);
        stamp!(@ axum_sqlite(axum, sqlite) $($case)+);
        stamp!(@ axum_redis(axum, redis) $($case)+);
        stamp!(@ axum_cluster(axum, cluster) $($case)+);
        stamp!(@ actix_memory(actix, memory) $($case)+);
        stamp!(@ actix_sqlite(actix, sqlite) $($case)+);
        stamp!(@ actix_redis(actix, redis) $($case)+);
        stamp!(@ actix_cluster(actix, cluster) $($case)+);
    };
    (@ $name:ident($mount:ident, $store:ident) $($case:ident)+) => {
        mod $name {
            use crate::run::{$mount, $store, test};
            $(
                #[test]
                fn $case() {
                    test($mount, $store, |run| Box::pin(super::$case(run)));
                }
            )+
        }
    };
}

/// One way to run the server. Cases do not look inside.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    mount: Mount,
    open: Open,
}

type Mount = fn(Arc<dyn Serve>) -> Arc<dyn Serve>;
type Open = fn() -> Opening;
type Opening = Pin<Box<dyn Future<Output = (Arc<dyn Backend>, Kept)>>>;
type Case = fn(Run) -> Pin<Box<dyn Future<Output = ()>>>;

/// What a store needs for as long as it is used: nothing, a folder, a server.
type Kept = Box<dyn Any + Send + Sync>;

/// Runs a case.
pub(crate) fn test(mount: Mount, open: Open, case: Case) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(case(Run { mount, open }));
}

/// No framework. Whoever calls a [`Serve`] keeps to the limit of bodies.
pub(crate) fn bare(serve: Arc<dyn Serve>) -> Arc<dyn Serve> {
    Arc::new(Limited(serve))
}

/// Mounted in axum, as from a connection.
pub(crate) fn axum(serve: Arc<dyn Serve>) -> Arc<dyn Serve> {
    Arc::new(InAxum(adapters_axum::mount(serve)))
}

/// Mounted in actix-web, as from a connection.
pub(crate) fn actix(serve: Arc<dyn Serve>) -> Arc<dyn Serve> {
    Arc::new(InActix::start(serve))
}

/// Nothing is kept.
pub(crate) fn memory() -> Opening {
    Box::pin(async { (Arc::new(Memory::new()) as Arc<dyn Backend>, Box::new(()) as Kept) })
}

/// Kept in a file.
pub(crate) fn sqlite() -> Opening {
    Box::pin(async {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("portcullis.db")).unwrap();
        (Arc::new(store) as Arc<dyn Backend>, Box::new(folder) as Kept)
    })
}

/// Kept in Redis.
pub(crate) fn redis() -> Opening {
    within(Place::redis)
}

/// The same with a Cluster.
pub(crate) fn cluster() -> Opening {
    within(Place::cluster)
}

fn within(place: fn() -> Place) -> Opening {
    Box::pin(async move {
        let place = place();
        (place.store().await, Box::new(Mutex::new(place)) as Kept)
    })
}

struct Limited(Arc<dyn Serve>);

#[async_trait]
impl Serve for Limited {
    async fn serve(&self, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
        if request.body().len() > BODY_LIMIT { body_too_large() } else { self.0.serve(request, peer).await }
    }
}

struct InAxum(axum::Router);

#[async_trait]
impl Serve for InAxum {
    async fn serve(&self, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let mut request = request.map(Body::from);
        if let Some(address) = peer.0 {
            request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address, 49152)));
        }
        let (head, body) = self.0.clone().oneshot(request).await.unwrap().into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }
}

/// An application of actix-web stays on its thread: this is a worker of its own, and the way to it.
struct InActix {
    worker: Option<JoinHandle<()>>,
    requests: Option<mpsc::UnboundedSender<Asked>>,
}

struct Asked {
    request: Request<Bytes>,
    peer: Peer,
    answer: oneshot::Sender<Response<Bytes>>,
}

impl InActix {
    fn start(serve: Arc<dyn Serve>) -> Self {
        let (requests, mut asked) = mpsc::unbounded_channel::<Asked>();
        let work = async move || {
            let application = Rc::new(init_service(App::new().configure(adapters_actix::mount(serve))).await);
            while let Some(Asked { request, peer, mut answer }) = asked.recv().await {
                let application = Rc::clone(&application);
                actix_web::rt::spawn(async move {
                    let answered = tokio::select! {
                        answered = call_service(&*application, for_actix(&request, peer).to_request()) => answered,
                        // As actix-web does when the client hangs up: what it asked is no longer polled.
                        () = answer.closed() => return,
                    };
                    // Whoever asked may be gone just now.
                    let _ = answer.send(from_actix(answered).await);
                });
            }
        };
        let worker = std::thread::spawn(move || System::new().block_on(work()));
        Self { worker: Some(worker), requests: Some(requests) }
    }
}

impl Drop for InActix {
    /// The worker lets go of the server, and so of its store, before the folder of the store goes.
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

#[async_trait]
impl Serve for InActix {
    async fn serve(&self, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let (answer, answered) = oneshot::channel();
        let sent = self.requests.as_ref().unwrap().send(Asked { request, peer, answer });
        assert!(sent.is_ok(), "the worker is gone");
        answered.await.unwrap()
    }
}

fn for_actix(request: &Request<Bytes>, peer: Peer) -> TestRequest {
    let method = request.method().as_str().parse().unwrap();
    let head = TestRequest::with_uri(&request.uri().to_string()).method(method);
    let head = peer.0.into_iter().fold(head, |head, address| head.peer_addr(SocketAddr::new(address, 49152)));
    let headers = request.headers().iter();
    headers
        .fold(head, |head, (name, value)| head.append_header((name.as_str(), value.as_bytes())))
        .set_payload(request.body().clone())
}

async fn from_actix(answered: ServiceResponse) -> Response<Bytes> {
    let (head, body) = answered.into_parts().1.into_parts();
    let response = Response::builder().status(head.status().as_u16());
    let headers = head.headers().iter();
    headers
        .fold(response, |response, (name, value)| response.header(name.as_str(), value.as_bytes()))
        .body(to_bytes(body).await.unwrap())
        .unwrap()
}

/// The issuer where a case does not care.
pub(crate) const ISSUER: &str = "https://as.example";

/// The moment at which every world begins: later than the clock of any Redis, which expires what is over by its own.
pub(crate) const BEGINNING: Time = Time(8_000_000_000);

const ADMIN_KEY: &str = "the admin key of a test";

impl Run {
    /// A server as it comes, at [`ISSUER`].
    pub(crate) async fn world(self) -> Sut {
        self.with(|_| ()).await
    }

    /// A server as it comes, at another issuer.
    pub(crate) async fn at(self, issuer: &str) -> Sut {
        self.with(|config| config.issuer = Some(Issuer::parse(issuer).unwrap())).await
    }

    /// A server that is configured in another way.
    pub(crate) async fn with(self, change: impl FnOnce(&mut Config)) -> Sut {
        let mut config = Config {
            issuer: Some(Issuer::parse(ISSUER).unwrap()),
            admin_key: Some(AdminSecret::parse(ADMIN_KEY).unwrap()),
            ..Config::default()
        };
        change(&mut config);
        let issuer = config.issuer.clone().unwrap();
        let (backend, kept) = (self.open)().await;
        let store = Arc::new(Switched::over(backend));
        let clock = Arc::new(ManualClock::at(BEGINNING));
        let portcullis = Portcullis::builder(config)
            .clock(clock.clone())
            .entropy(Arc::new(SeededEntropy::new(1)))
            .password_cost(Cost::least())
            .store(store.clone())
            .open()
            .await
            .unwrap();
        let portcullis = Arc::new(portcullis);
        let serve = (self.mount)(portcullis.clone());
        let world = World { serve, issuer, clock, admin_key: ADMIN_KEY.to_owned(), store };
        Sut { world, portcullis, _kept: kept }
    }

    /// A server with one registered resource, a public client, and somebody who is logged in.
    pub(crate) async fn stage(self) -> Stage {
        Stage::of(self.world().await).await
    }
}

/// The server under test.
pub(crate) struct Sut {
    world: World,
    portcullis: Arc<Portcullis>,
    // Behind the world: the file is closed before its folder goes.
    _kept: Kept,
}

impl Deref for Sut {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Sut {
    /// What the trail answers to a query. What happened until now is written before: a process does so within a second.
    pub(crate) async fn events(&self, query: &str) -> Vec<Value> {
        self.portcullis.audit().write().await.unwrap();
        let answer = self.administer(Method::GET, &format!("/api/events?{query}"), None).await;
        assert_eq!(answer.status(), 200, "{query}: {}", answer.text());
        answer.json()["events"].as_array().unwrap().clone()
    }

    /// What an administrator is shown at a path.
    pub(crate) async fn shown(&self, path: &str) -> Value {
        let answer = self.administer(Method::GET, path, None).await;
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// The id of whoever has this address.
    pub(crate) async fn user(&self, email: &str) -> String {
        let found = self.shown(&format!("/api/users?email={}", email.replace('@', "%40"))).await;
        found["users"][0]["user_id"].as_str().unwrap().to_owned()
    }

    /// An administrator vouches for a client. There is no way over HTTP yet.
    pub(crate) async fn vouch_for(&self, client: &Client) {
        let store: &dyn Store = &*self.store;
        let found: Found<store::Client> =
            store.find(ClientId::parse(&client.id).unwrap()).await.unwrap().unwrap();
        let vouched = store::Client { provenance: Provenance::Administrator, ..found.record.clone() };
        let changes = Changes::replace(Mark::new([7; 16]), &found, &vouched);
        assert_eq!(store.commit(&changes).await.unwrap(), Commit::Done);
    }
}

/// What most cases begin with.
pub(crate) struct Stage {
    /// The server under test.
    pub(crate) world: Sut,
    /// `https://mcp.example.com/mcp`, with the scopes `files:read` (its default) and `files:write`.
    pub(crate) server: ResourceServer,
    /// A public client that is called back over https.
    pub(crate) client: Client,
    /// Somebody who is logged in.
    pub(crate) ada: Browser,
}

impl Stage {
    /// At a world that is already there.
    pub(crate) async fn of(world: Sut) -> Self {
        let server = ResourceServer::usual(&world).await;
        let client = Client::public(&world).await;
        let ada = world.person("ada@example.com").await;
        Self { world, server, client, ada }
    }
}
