//! An authorization server alone: no pages, no accounts; whoever opens it in a browser is logged in already.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test by a panic")]

use std::sync::Arc;

use ambient::{Entropy, ManualClock, SeededEntropy, Time};
use async_trait::async_trait;
use authz_core::{
    Authentication, AuthorizationServer, Demands, Interaction, Keys, NewServer, Page, Pending, Policy,
    Registry, Unlimited, Who,
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_io::{Peer, Serve};
use oauth_types::{AuthorizationRequest, ClientId, ClientMetadata, Form, Issuer, RedirectUri, Resource};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use store::{
    Backend, Changes, Client, ClientAuth, Commit, GrantId, Mark, PersonId, Provenance, ScopeEntry, Server,
    SessionId, Standing, Store, UserInfoDetail,
};

use crate::faults::Collected;

/// The redirect URI of every client here.
pub const CALLBACK: &str = "https://app.example/callback";
/// The resource of the first server.
pub const RESOURCE: &str = "https://mcp.example/mcp";
/// RFC 7636 appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// When everything begins: Redis expires records by a clock of its own, and everything here ends in its future.
pub const BEGINNING: Time = Time(8_000_000_000);

/// An authorization server with two public clients, two resource servers, and Ada in front of it.
pub struct Bare {
    /// The server.
    pub server: AuthorizationServer,
    /// Its store, past whatever the server reaches it through.
    pub store: Arc<dyn Backend>,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// What it told.
    pub events: Arc<Collected>,
    /// The resource server that grants are for, and the other one, each with its key.
    pub resources: [(Server, String); 2],
}

/// A client: the grant's own, or another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// The one that asked.
    Own,
    /// Any other.
    Other,
}

impl Bare {
    /// Over `store`, which the server reaches through what `wrap` makes of it.
    pub async fn new(
        store: Arc<dyn Backend>,
        wrap: impl FnOnce(Arc<dyn Backend>) -> Arc<dyn Backend>,
        policy: Policy,
        refresh: bool,
    ) -> Self {
        let clock = Arc::new(ManualClock::at(BEGINNING));
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(7));
        let events = Arc::new(Collected::default());
        let registry = Registry::new(store.clone(), clock.clone(), entropy.clone());
        let resources =
            [registered(&registry, RESOURCE).await, registered(&registry, "https://other.example").await];
        for party in [Party::Own, Party::Other] {
            let changes = Changes::create(Mark::new(entropy.draw()), &client(party, refresh));
            assert_eq!(store.commit(&changes).await.unwrap(), Commit::Done);
        }
        let server = serve(store.clone(), wrap, policy, &clock, &entropy, &events).await;
        Self { server, store, clock, events, resources }
    }

    /// The same store, clock and people, behind a server of their own that reaches the store through what `wrap` makes of
    /// it: another process, with the default policy.
    pub async fn reached_through(&self, wrap: impl FnOnce(Arc<dyn Backend>) -> Arc<dyn Backend>) -> Self {
        self.beside(8, wrap, Policy::default()).await
    }

    /// The same with another policy. Of several, each has a seed of its own: 7 is taken.
    pub async fn beside(
        &self,
        seed: u64,
        wrap: impl FnOnce(Arc<dyn Backend>) -> Arc<dyn Backend>,
        policy: Policy,
    ) -> Self {
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(seed));
        let events = Arc::new(Collected::default());
        let server = serve(store.clone(), wrap, policy, &clock, &entropy, &events).await;
        Self { server, store, clock, events, resources: self.resources.clone() }
    }

    /// An authorization request of Ada's, for `read write`.
    pub async fn authorize(&self) -> Answer {
        self.get(&self.authorization_path(), "").await
    }

    /// The path of that request, with its query.
    #[must_use]
    pub fn authorization_path(&self) -> String {
        let asked = AuthorizationRequest {
            response_type: Some("code".to_owned()),
            client_id: Some(id(Party::Own).to_string()),
            redirect_uri: Some(CALLBACK.to_owned()),
            scope: Some("read write".to_owned()),
            state: Some("xyz".to_owned()),
            code_challenge: Some(CHALLENGE.to_owned()),
            code_challenge_method: Some("S256".to_owned()),
            resource: vec![RESOURCE.to_owned()],
            ..AuthorizationRequest::default()
        };
        format!("/oauth/authorize?{}", asked.to_query())
    }

    /// The grant that a new request of Ada's waits for consent as, whatever she has consented to before.
    pub async fn requested(&self) -> GrantId {
        let asking = format!("{}&prompt=consent", self.authorization_path());
        GrantId::parse(self.get(&asking, "").await.text()).unwrap()
    }

    /// A grant of Ada's, consented to, and its code.
    pub async fn coded(&self) -> (GrantId, String) {
        let grant = self.requested().await;
        self.server.approve(grant, &ada(), &oauth_types::Scope::parse("read write").unwrap()).await.unwrap();
        let answer = self.proceed(grant, "").await;
        (grant, answer.code().unwrap())
    }

    /// A living grant of Ada's, and its first tokens.
    pub async fn live(&self) -> (GrantId, Tokens) {
        let (grant, code) = self.coded().await;
        let tokens = self.redeem(Party::Own, &code).await.tokens().unwrap();
        (grant, tokens)
    }

    /// The way back to the client, in the browser of `session`: Ada's own if empty.
    pub async fn proceed(&self, grant: GrantId, session: &str) -> Answer {
        self.get(&format!("/oauth/continue/{grant}"), session).await
    }

    /// Redeems a code with nothing wrong.
    pub async fn redeem(&self, party: Party, code: &str) -> Answer {
        self.token(
            party,
            &[("grant_type", "authorization_code"), ("code", code), ("code_verifier", VERIFIER)],
        )
        .await
    }

    /// Refreshes, asking for all.
    pub async fn refresh(&self, party: Party, token: &str) -> Answer {
        self.token(party, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// Asks the token endpoint.
    pub async fn token(&self, party: Party, parameters: &[(&str, &str)]) -> Answer {
        self.post("/oauth/token", party, parameters).await
    }

    /// Revokes a token.
    pub async fn revoke(&self, party: Party, token: &str) -> Answer {
        self.post("/oauth/revoke", party, &[("token", token)]).await
    }

    /// What introspection tells the resource server of this number about a token.
    pub async fn introspect(&self, resource: usize, token: &str) -> Answer {
        let request = Request::post("/oauth/introspect")
            .header("content-type", FORM)
            .header("authorization", format!("Bearer {}", self.resources[resource].1))
            .body(form(&[("token", token)]))
            .unwrap();
        self.send(request).await
    }

    /// Whether a token may be used at its resource.
    pub async fn is_active(&self, token: &str) -> bool {
        self.introspect(0, token).await.json()["active"] == true
    }

    /// What userinfo tells about a token.
    pub async fn userinfo(&self, token: &str) -> Answer {
        let request = Request::get("/oauth/userinfo").header("authorization", format!("Bearer {token}"));
        self.send(request.body(Bytes::new()).unwrap()).await
    }

    /// A grant, as it is stored.
    pub async fn stored(&self, grant: GrantId) -> Option<store::Found<store::Grant>> {
        (&*self.store as &dyn Store).find(grant).await.unwrap()
    }

    async fn get(&self, path: &str, session: &str) -> Answer {
        let request = Request::builder().method(Method::GET).uri(path).header("cookie", session);
        self.send(request.body(Bytes::new()).unwrap()).await
    }

    async fn post(&self, path: &str, party: Party, parameters: &[(&str, &str)]) -> Answer {
        let id = id(party);
        let all: Vec<_> =
            [("client_id", id.as_str())].into_iter().chain(parameters.iter().copied()).collect();
        let request = Request::post(path).header("content-type", FORM).body(form(&all)).unwrap();
        self.send(request).await
    }

    async fn send(&self, request: Request<Bytes>) -> Answer {
        let (parts, body) = self.server.serve(request, Peer::default()).await.into_parts();
        let location = parts.headers.get("location").map(|value| value.to_str().unwrap().to_owned());
        Answer { status: parts.status, location, body: String::from_utf8(body.to_vec()).unwrap() }
    }
}

async fn serve(
    store: Arc<dyn Backend>,
    wrap: impl FnOnce(Arc<dyn Backend>) -> Arc<dyn Backend>,
    policy: Policy,
    clock: &Arc<ManualClock>,
    entropy: &Arc<dyn Entropy>,
    events: &Arc<Collected>,
) -> AuthorizationServer {
    let seal = seal::Seal::new(1, [(1, [9; 32])]).unwrap();
    let keys = Keys::open(store.clone(), seal, clock.clone(), entropy.clone()).await.unwrap();
    let issuer = Issuer::parse("https://as.example").unwrap();
    AuthorizationServer::builder(issuer, wrap(store), keys, Arc::new(LoggedIn))
        .policy(policy)
        .clock(clock.clone())
        .entropy(entropy.clone())
        .events(events.clone())
        .limiter(Arc::new(Unlimited))
        .build()
        .unwrap()
}

const FORM: &str = "application/x-www-form-urlencoded";

fn form(parameters: &[(&str, &str)]) -> Bytes {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish().into()
}

/// The id of a client.
#[must_use]
pub fn id(party: Party) -> ClientId {
    let text = match party {
        Party::Own => "cid_own",
        Party::Other => "cid_other",
    };
    ClientId::parse(text).unwrap()
}

/// A public client that an administrator registered.
#[must_use]
pub fn client(party: Party, refresh: bool) -> Client {
    Client {
        first_party: false,
        id: id(party),
        auth: ClientAuth::Public,
        redirect_uris: vec![RedirectUri::parse(CALLBACK).unwrap()],
        refresh,
        provenance: Provenance::Administrator,
        server: None,
        registered: BEGINNING,
        kept_until: None,
        standing: Standing::default(),
        metadata: ClientMetadata::default(),
    }
}

/// Ada, in the browser in which she was asked.
#[must_use]
pub fn ada() -> Authentication {
    Authentication::new(PersonId::parse("usr_ada").unwrap(), SessionId::new([1; 16]), BEGINNING)
}

/// Ada, in another browser.
#[must_use]
pub fn ada_elsewhere() -> Authentication {
    Authentication { session: SessionId::new([2; 16]), ..ada() }
}

async fn registered(registry: &Registry, resource: &str) -> (Server, String) {
    let entry = |name: &str| ScopeEntry {
        optional: false,
        name: name.to_owned(),
        description: None,
        default: false,
        implies: oauth_types::Scope::empty(),
    };
    let new = NewServer {
        name: resource.to_owned(),
        resource: Resource::parse(resource).unwrap(),
        scopes: vec![entry("read"), entry("write")],
        owner_email: None,
        userinfo: UserInfoDetail::Full,
    };
    let (server, key) = registry.register(new).await.unwrap();
    (server, key.expose().expose_secret().to_owned())
}

/// Everybody is Ada: in her own browser, or in another one if the request says `elsewhere` in its cookie.
struct LoggedIn;

#[async_trait]
impl Interaction for LoggedIn {
    async fn who(&self, request: &Request<Bytes>, _: &Demands) -> Result<Who, store::StoreError> {
        let elsewhere = request.headers().get("cookie").is_some_and(|cookie| cookie == "elsewhere");
        Ok(Who::Person(if elsewhere { ada_elsewhere() } else { ada() }))
    }

    async fn ask(&self, _: &Request<Bytes>, pending: &Pending) -> Response<Bytes> {
        shown(StatusCode::OK, pending.grant.to_string())
    }

    fn show(&self, _: &Request<Bytes>, page: &Page) -> Response<Bytes> {
        shown(page.status, format!("{}: {}", page.title, page.advice))
    }
}

fn shown(status: StatusCode, text: String) -> Response<Bytes> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The cookie of the browser in which Ada was not asked.
pub const ELSEWHERE: &str = "elsewhere";

/// What the server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Where it leads.
    pub location: Option<String>,
    body: String,
}

/// Tokens, as texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token, if there is one.
    pub refresh: Option<String>,
    /// What the access token reaches.
    pub scope: String,
    /// For how long, in seconds.
    pub expires_in: i64,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.body
    }

    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The error code that it carries.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        self.json()["error"].as_str().map(str::to_owned)
    }

    /// The tokens that it carries.
    #[must_use]
    pub fn tokens(&self) -> Option<Tokens> {
        let body = self.json();
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        Some(Tokens {
            access: text("access_token")?,
            refresh: text("refresh_token"),
            scope: text("scope")?,
            expires_in: body["expires_in"].as_i64()?,
        })
    }

    /// The code that it takes to the client.
    #[must_use]
    pub fn code(&self) -> Option<String> {
        let query = self.location.as_ref()?.split_once('?')?.1.to_owned();
        let form = Form::parse(query.as_bytes()).unwrap();
        form.one("code").unwrap().map(str::to_owned)
    }
}
