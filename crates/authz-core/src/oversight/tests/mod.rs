//! Oversight beside a server that goes on serving. Here: who takes part.

mod deleting;
mod grants;
mod races;
mod registered;

use ambient::{Entropy, ManualClock, SeededEntropy, Time};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_io::{Peer, Serve as _};
use oauth_types::{ClientId, ClientMetadata, Issuer, RedirectUri, Resource, Scope};
use parking_lot::Mutex;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use store::{
    Account, Changes, ClaimKind, Client, ClientAuth, Commit, Front, Grant, GrantId, Kind, Mark, Memory,
    PersonId, Provenance, ScopeEntry, ServerId, SessionId, Standing, Status, Store, StoreError,
    UserInfoDetail,
};

use super::*;
use crate::seam::{Authentication, Demands, Interaction, Pending, Who};
use crate::text::TokenText;
use crate::{
    AuthorizationServer, Context, GrantState, Keys, Lifetime, NewServer, ServerChange, Unlimited, Whose,
};

const CALLBACK: &str = "https://app.example/callback";
const RESOURCE: &str = "https://mcp.example/mcp";
const START: Time = Time(1_700_000_000);
/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A server, and what looks after it. Both reach one store; each may be held up there.
struct World {
    store: Arc<Memory>,
    clock: Arc<ManualClock>,
    events: Arc<Told>,
    server: Arc<AuthorizationServer>,
    oversight: Oversight,
    resource: ServerId,
    key: String,
}

/// The tokens of a client.
#[derive(Clone, Debug)]
struct Tokens {
    access: String,
    refresh: String,
    scope: Scope,
}

impl World {
    async fn new() -> Self {
        Self::held_up(Arc::default(), Arc::default()).await
    }

    /// A world in which others are faster than the server, or than who looks after it.
    async fn held_up(server: Arc<HeldUp>, oversight: Arc<HeldUp>) -> Self {
        let store = Arc::new(Memory::new());
        let clock = Arc::new(ManualClock::at(START));
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(3));
        let events = Arc::new(Told::default());
        let through = |held_up| Arc::new(Through { store: store.clone(), held_up }) as Arc<dyn Backend>;
        let oversight = Oversight::new(through(oversight), clock.clone(), entropy.clone(), events.clone());
        let entry = |name: &str| ScopeEntry {
            name: name.to_owned(),
            description: None,
            default: false,
            optional: false,
            implies: Scope::default(),
        };
        let new = NewServer {
            name: "Files".to_owned(),
            resource: Resource::parse(RESOURCE).unwrap(),
            scopes: vec![entry("read"), entry("write")],
            owner_email: None,
            userinfo: UserInfoDetail::Full,
        };
        let (resource, key) = oversight.register_server(new, &By::operator()).await.unwrap();
        for id in ["cid_app", "cid_other"] {
            let changes = Changes::create(Mark::new(entropy.draw()), &client(id));
            assert_eq!(store.commit(&changes).await.unwrap(), Commit::Done);
        }
        let seal = seal::Seal::new(1, [(1, [9; 32])]).unwrap();
        let keys = Keys::open(store.clone(), seal, clock.clone(), entropy.clone()).await.unwrap();
        let issuer = Issuer::parse("https://as.example").unwrap();
        let server = AuthorizationServer::builder(issuer, through(server), keys, Arc::new(LoggedIn))
            .clock(clock.clone())
            .entropy(entropy)
            .events(events.clone())
            .limiter(Arc::new(Unlimited))
            .build()
            .unwrap();
        events.take();
        let key = key.expose().expose_secret().to_owned();
        Self { store, clock, events, server: Arc::new(server), oversight, resource: resource.id, key }
    }

    /// What the server answers.
    async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.server.serve(request, Peer("192.0.2.1".parse().ok())).await
    }

    /// Where an authorization request of Ada's with `client` leads: to the client with a code, or to a question.
    async fn authorize(&self, client: &str) -> Response<Bytes> {
        self.authorize_and(client, "").await
    }

    async fn authorize_and(&self, client: &str, more: &str) -> Response<Bytes> {
        let uri = format!(
            "/oauth/authorize?response_type=code&client_id={client}&redirect_uri={CALLBACK}&scope=read%20write\
             &code_challenge={CHALLENGE}&code_challenge_method=S256&resource={RESOURCE}{more}"
        );
        self.send(Request::builder().uri(uri).body(Bytes::new()).unwrap()).await
    }

    /// The grant that a request of Ada's waits for her answer as, whatever is remembered.
    async fn requested(&self, client: &str) -> GrantId {
        let asked = self.authorize_and(client, "&prompt=consent").await;
        GrantId::parse(std::str::from_utf8(asked.body()).unwrap()).unwrap()
    }

    /// Ada is asked, and connects a client.
    async fn connect(&self, client: &str) -> (GrantId, Tokens) {
        let grant = self.requested(client).await;
        self.server.approve(grant, &ada(), &scope("read write")).await.unwrap();
        let to = format!("/oauth/continue/{grant}");
        let answer = self.send(Request::builder().uri(to).body(Bytes::new()).unwrap()).await;
        let tokens = self.redeem(client, &code(&answer)).await.unwrap();
        self.events.take();
        (grant, tokens)
    }

    async fn redeem(&self, client: &str, code: &str) -> Option<Tokens> {
        let form = [("grant_type", "authorization_code"), ("code", code), ("code_verifier", VERIFIER)];
        self.token(client, &form).await
    }

    async fn refresh(&self, client: &str, token: &str) -> Option<Tokens> {
        self.token(client, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    async fn token(&self, client: &str, form: &[(&str, &str)]) -> Option<Tokens> {
        let mut body = format!("client_id={client}");
        for (name, value) in form {
            body.push_str(&format!("&{name}={value}"));
        }
        let request = Request::post("/oauth/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("user-agent", "app/1")
            .body(body.into());
        let answer = self.send(request.unwrap()).await;
        let json: Value = serde_json::from_slice(answer.body()).unwrap();
        answer.status().is_success().then(|| Tokens {
            access: json["access_token"].as_str().unwrap().to_owned(),
            refresh: json["refresh_token"].as_str().unwrap().to_owned(),
            scope: scope(json["scope"].as_str().unwrap()),
        })
    }

    /// What introspection by the first key of the resource server says that a token is good for; nothing if it is not active.
    async fn scope_of(&self, token: &str) -> Option<Scope> {
        self.introspect(&self.key, token).await.unwrap()
    }

    /// The same by another key; an error if the key is refused.
    async fn introspect(&self, key: &str, token: &str) -> Result<Option<Scope>, u16> {
        let request = Request::post("/oauth/introspect")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", format!("Bearer {key}"))
            .body(format!("token={token}").into());
        let answer = self.send(request.unwrap()).await;
        if !answer.status().is_success() {
            return Err(answer.status().as_u16());
        }
        let json: Value = serde_json::from_slice(answer.body()).unwrap();
        Ok(json["active"].as_bool().unwrap().then(|| scope(json["scope"].as_str().unwrap_or_default())))
    }

    /// Whether Ada would be asked before `client` gets a code again.
    async fn asks(&self, client: &str) -> bool {
        !self.authorize(client).await.status().is_redirection()
    }

    async fn stored(&self, grant: GrantId) -> Grant {
        (&*self.store as &dyn Store).find::<Grant>(grant).await.unwrap().unwrap().record
    }
}

fn code(answer: &Response<Bytes>) -> String {
    let location = answer.headers()["location"].to_str().unwrap();
    let (_, query) = location.split_once('?').unwrap();
    let code = query.split('&').find_map(|pair| pair.strip_prefix("code="));
    code.unwrap().to_owned()
}

fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

fn id(client: &str) -> ClientId {
    ClientId::parse(client).unwrap()
}

fn client(text: &str) -> Client {
    Client {
        id: id(text),
        auth: ClientAuth::Public,
        redirect_uris: vec![RedirectUri::parse(CALLBACK).unwrap()],
        refresh: true,
        provenance: Provenance::Dynamic,
        first_party: false,
        server: None,
        registered: START,
        kept_until: None,
        standing: Standing::default(),
        metadata: ClientMetadata::default(),
    }
}

fn person(text: &str) -> PersonId {
    PersonId::parse(text).unwrap()
}

fn ada() -> Authentication {
    Authentication::new(person("usr_ada"), SessionId::new([1; 16]), START)
}

fn by_ada() -> By {
    By::person(person("usr_ada"), Context::default())
}

fn by_bo() -> By {
    By::person(person("usr_bo"), Context::default())
}

/// Everybody is Ada.
struct LoggedIn;

#[async_trait]
impl Interaction for LoggedIn {
    /// Her session was looked at before anything was held against her, if the request says so.
    async fn who(&self, request: &Request<Bytes>, _: &Demands) -> Result<Who, StoreError> {
        let before = request.uri().query().is_some_and(|query| query.contains("looked_at=before"));
        Ok(Who::Person(Authentication { standing: before.then(Standing::default), ..ada() }))
    }

    async fn ask(&self, _: &Request<Bytes>, pending: &Pending) -> Response<Bytes> {
        Response::new(pending.grant.to_string().into())
    }

    fn show(&self, _: &Request<Bytes>, page: &crate::Page) -> Response<Bytes> {
        let mut response = Response::new(page.advice.clone().into());
        *response.status_mut() = page.status;
        response
    }
}

#[derive(Default)]
struct Told(Mutex<Vec<Event>>);

impl Told {
    fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock())
    }

    /// The names of those since the last time, as the audit trail has them.
    fn names(&self) -> Vec<String> {
        self.take().iter().map(|event| event.entry(START, &Context::default()).name).collect()
    }
}

impl Events for Told {
    fn tell(&self, event: &Event) {
        self.0.lock().push(event.clone());
    }
}

type Rival = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// What somebody else does between what was read and what is about to be written, once.
#[derive(Default)]
struct HeldUp(Mutex<Option<(Kind, Rival)>>);

impl HeldUp {
    /// Before the next commit of a record of `kind`, `rival` happens.
    fn by(&self, kind: Kind, rival: impl Future<Output = ()> + Send + 'static) {
        *self.0.lock() = Some((kind, Box::pin(rival)));
    }

    fn met(&self) -> bool {
        self.0.lock().is_none()
    }
}

struct Through {
    store: Arc<Memory>,
    held_up: Arc<HeldUp>,
}

#[async_trait]
impl Front for Through {
    fn behind(&self) -> &dyn Backend {
        &*self.store
    }

    async fn commit(&self, changes: &Changes) -> Result<Commit, StoreError> {
        let rival = self.held_up.0.lock().take_if(|(kind, _)| changes.key().kind == *kind);
        if let Some((_, rival)) = rival {
            rival.await;
        }
        self.store.commit(changes).await
    }
}
