//! A whole server in memory, and a browser at it.

mod account;
mod change;
mod consent;
mod contrast;
mod enrol;
mod entry;
mod factors;
mod implied;
mod invitation;
mod json;
mod leave;
mod openings;
mod pages;
mod recovery;
mod stopped;
mod take_back;
mod verification;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ambient::{Clock, Entropy, ManualClock, SeededEntropy, Time};
use async_trait::async_trait;
use authz_core::{AccountEvent, AuthorizationServer, By, Counted, Event, Events, Keys, NewServer, Registry};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_io::{Peer, Serve};
use oauth_types::{ClientId, ClientMetadata, Issuer, RedirectUri, Resource};
use seal::Seal;
use store::{
    Changes, Claim, ClaimKind, Claimed, Client, ClientAuth, Commit, Filter, Inspect, Key, Kind, Look, Mark,
    Memory, MemoryCounters, Page, Provenance, Row, ScopeEntry, Seen, Standing, Store, StoreError,
    UserInfoDetail,
};

use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::tickets::Tickets;
use crate::{AccountPolicy, Accounts, Cost, Identity, Letter, Mail, MailError, Pages, Sessions, SignUp};
use crate::{Brand, BrandName, Colour, Email, Logo, Name, New};

pub(super) const HTTPS: &str = "https://as.example/tenant1";
/// The name of its session cookie.
pub(super) const SESSION: &str = "__Host-portcullis-SZRr-bAQ";
pub(super) const PASSWORD: &str = "correct horse battery";
pub(super) const EVIL: &str = "\"><script>alert(1)</script>";
/// RFC 7636 appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(super) struct World {
    pub(super) store: Arc<Switched>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) pages: Arc<Pages>,
    pub(super) server: Arc<AuthorizationServer>,
    pub(super) identity: Arc<Identity>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) events: Arc<Told>,
    letters: Mutex<UnboundedReceiver<Letter>>,
}

/// What a world is made of.
pub(super) struct Plan {
    pub(super) issuer: &'static str,
    pub(super) client_name: &'static str,
    pub(super) redirect: &'static str,
    pub(super) provenance: Provenance,
    pub(super) server_name: &'static str,
    /// The first scope's; the second has none.
    pub(super) description: &'static str,
    pub(super) scopes: [&'static str; 2],
    /// Whether the second scope may be left out.
    pub(super) optional: bool,
    pub(super) userinfo: UserInfoDetail,
    pub(super) policy: AccountPolicy,
    pub(super) mail: bool,
    pub(super) brand: Brand,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            issuer: HTTPS,
            client_name: "Notebook",
            redirect: "http://127.0.0.1/callback",
            provenance: Provenance::Dynamic,
            server_name: "Files of the team",
            description: "Read your files",
            scopes: ["files.read", "files.write"],
            optional: false,
            userinfo: UserInfoDetail::Scoped,
            policy: AccountPolicy::default(),
            mail: false,
            brand: Brand::default(),
        }
    }
}

impl Plan {
    pub(super) async fn build(self) -> World {
        let store = Arc::new(Switched::default());
        let clock = Arc::new(ManualClock::at(Time(1_000_000)));
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(11));
        let issuer = Issuer::parse(self.issuer).unwrap();
        let seal = Seal::new(1, [(1, [7; 32])]).unwrap();
        let keys = Keys::open(store.clone(), seal, clock.clone(), entropy.clone()).await.unwrap();
        let ticking: Arc<dyn Clock> = clock.clone();
        let sessions = Arc::new(Sessions::new(store.clone(), ticking.clone(), entropy.clone()));
        let accounts =
            Arc::new(Accounts::new(store.clone(), Cost::least(), ticking.clone(), entropy.clone()));
        let pages = Pages::new(issuer.clone(), sessions).brand(self.brand.clone());
        let pages = Arc::new(match self.policy.withholds_consent() {
            true => pages.requiring_verified_email(accounts.clone()),
            false => pages,
        });
        let server = AuthorizationServer::builder(issuer, store.clone(), keys, pages.clone())
            .clock(ticking.clone())
            .entropy(entropy.clone())
            .people(accounts.clone())
            .build()
            .unwrap();
        let server = Arc::new(server);
        let limiter = Counted::new(Arc::new(MemoryCounters::default()), ticking.clone());
        let (sent, letters) = unbounded_channel();
        let events = Arc::new(Told::default());
        let identity = Identity::new(pages.clone(), accounts.clone(), server.clone())
            .limiter(Arc::new(limiter))
            .events(events.clone())
            .second_factors(Seal::new(1, [(1, [8; 32])]).unwrap())
            .policy(self.policy.clone());
        let identity = if self.mail { identity.mail(Arc::new(Letters(sent))) } else { identity };
        let (identity, letters) = (Arc::new(identity), Mutex::new(letters));
        let world = World { store, clock, pages, server, identity, accounts, events, letters };
        self.register(&world, entropy).await;
        world
    }

    async fn register(&self, world: &World, entropy: Arc<dyn Entropy>) {
        let scope = |name: &str, description: Option<&str>, optional| ScopeEntry {
            optional,
            name: name.to_owned(),
            description: description.map(ToOwned::to_owned),
            default: true,
            implies: oauth_types::Scope::default(),
        };
        let new = NewServer {
            name: self.server_name.to_owned(),
            resource: Resource::parse("https://mcp.example/files").unwrap(),
            scopes: vec![
                scope(self.scopes[0], Some(self.description), false),
                scope(self.scopes[1], None, self.optional),
            ],
            owner_email: None,
            userinfo: self.userinfo,
        };
        Registry::new(world.store.clone(), world.clock.clone(), entropy).register(new).await.unwrap();
        let client = Client {
            first_party: false,
            id: ClientId::parse("client-1").unwrap(),
            auth: ClientAuth::Public,
            redirect_uris: vec![RedirectUri::parse(self.redirect).unwrap()],
            refresh: true,
            provenance: self.provenance,
            server: None,
            registered: Time(0),
            kept_until: None,
            standing: Standing::default(),
            metadata: ClientMetadata {
                client_name: Some(self.client_name.to_owned()),
                ..ClientMetadata::default()
            },
        };
        let changes = Changes::create(Mark::new([1; 16]), &client);
        assert_eq!(world.store.commit(&changes).await.unwrap(), Commit::Done);
    }
}

pub(super) async fn world() -> World {
    Plan::default().build().await
}

/// Nobody may sign up.
pub(super) fn closed() -> AccountPolicy {
    AccountPolicy { sign_up: SignUp::Closed, ..AccountPolicy::default() }
}

/// A world with mail, where addresses must be confirmed.
pub(super) async fn mailing() -> World {
    let policy = AccountPolicy { require_verified_email: true, ..AccountPolicy::default() };
    Plan { policy, mail: true, ..Plan::default() }.build().await
}

/// Letters that arrive at once.
struct Letters(UnboundedSender<Letter>);

#[async_trait]
impl Mail for Letters {
    async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        self.0.send(letter.clone()).map_err(|closed| MailError::Refused(Box::new(closed)))
    }
}

/// What happened around accounts.
#[derive(Default)]
pub(super) struct Told(std::sync::Mutex<Vec<AccountEvent>>);

impl Told {
    pub(super) fn all(&self) -> Vec<AccountEvent> {
        self.0.lock().unwrap().clone()
    }
}

impl Events for Told {
    fn tell(&self, event: &Event) {
        if let Event::Account(event) = event {
            self.0.lock().unwrap().push(event.clone());
        }
    }
}

impl World {
    /// The next letter, its receiver and its subject in front.
    pub(super) async fn letter(&self) -> String {
        let letter = self.letters.lock().await.recv().await.unwrap();
        format!("{}\n{}\n\n{}", letter.to.as_str(), letter.subject, letter.text)
    }

    /// Whether all letters were read. Everything that was still under way is waited for: whoever asks has a letter sent last.
    pub(super) async fn no_other_letter(&self) -> bool {
        self.identity.letters_done().await;
        self.letters.lock().await.try_recv().is_err()
    }

    pub(super) fn tickets(&self) -> &Tickets {
        &self.identity.tickets
    }

    /// Makes an account whose owner has shown nothing, as an administrator can.
    pub(super) async fn enrol(&self, email: &str) {
        let new = New {
            name: Name::parse("Ada").unwrap(),
            email: Email::parse(email).unwrap(),
            password: Some(PASSWORD.into()),
            email_verified: false,
            language: crate::Language::English,
        };
        self.identity.enrol(new, &By::operator()).await.unwrap();
    }

    pub(super) fn browser(&self) -> Browser {
        Browser {
            identity: self.identity.clone(),
            server: self.server.clone(),
            jar: BTreeMap::new(),
            base: self.pages.issuer.path().to_owned(),
            origin: self.pages.issuer.origin().to_owned(),
            peer: Peer(Some(IpAddr::from([192, 0, 2, 1]))),
        }
    }

    /// Where a client sends its person.
    pub(super) fn request(&self, redirect: &str, scope: &str, state: &str) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", "client-1")
            .append_pair("redirect_uri", redirect)
            .append_pair("code_challenge", CHALLENGE)
            .append_pair("code_challenge_method", "S256")
            .append_pair("resource", "https://mcp.example/files")
            .append_pair("scope", scope)
            .append_pair("state", state)
            .finish();
        format!("{}/oauth/authorize?{query}", self.pages.issuer.path())
    }
}

/// Keeps cookies, fills in forms, and follows what a browser follows.
pub(super) struct Browser {
    identity: Arc<Identity>,
    server: Arc<AuthorizationServer>,
    pub(super) jar: BTreeMap<String, String>,
    base: String,
    origin: String,
    pub(super) peer: Peer,
}

impl Browser {
    pub(super) async fn send(&mut self, mut request: Request<Bytes>) -> Response<Bytes> {
        let cookies: Vec<_> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request.headers_mut().insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        }
        let response = if self.identity.owns(request.uri().path()) {
            self.identity.serve(request, self.peer).await
        } else {
            self.server.serve(request, self.peer).await
        };
        for set in response.headers().get_all(header::SET_COOKIE) {
            let cookie = cookie::Cookie::parse(set.to_str().unwrap()).unwrap();
            if cookie.max_age() == Some(cookie::time::Duration::ZERO) {
                self.jar.remove(cookie.name());
            } else {
                self.jar.insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
        response
    }

    /// Gets a path, the issuer's path included.
    pub(super) async fn visit(&mut self, path: &str) -> Response<Bytes> {
        let request =
            Request::builder().uri(path).header("sec-fetch-site", "none").body(Bytes::new()).unwrap();
        self.send(request).await
    }

    /// Gets a path below the issuer's.
    pub(super) async fn open(&mut self, path: &str) -> Response<Bytes> {
        self.visit(&format!("{}{path}", self.base)).await
    }

    /// Posts a form to a path below the issuer's, as a page of the server would.
    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Response<Bytes> {
        let origin = self.origin.clone();
        self.post_with(path, fields, &[("origin", &origin), ("sec-fetch-site", "same-origin")]).await
    }

    pub(super) async fn post_with(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Response<Bytes> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Bytes::from(body)).unwrap()).await
    }

    pub(super) async fn json(&mut self, path: &str, body: &str) -> Response<Bytes> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .body(Bytes::from(body.to_owned()));
        self.send(request.unwrap()).await
    }

    pub(super) async fn sign_up(&mut self, email: &str) -> Response<Bytes> {
        let csrf = field(&self.open("/signup").await, "csrf");
        let fields = [("csrf", &*csrf), ("name", "Ada"), ("email", email), ("password", PASSWORD)];
        self.post("/signup", &fields).await
    }

    /// Fills in the page behind the link of a letter that confirms an address.
    pub(super) async fn confirm(&mut self, link: &str, password: &str) -> Response<Bytes> {
        let page = self.visit(link).await;
        assert_eq!(page.status(), StatusCode::OK, "{}", html(&page));
        let (csrf, ticket) = (field(&page, "csrf"), field(&page, "ticket"));
        self.post("/verify", &[("csrf", &csrf), ("ticket", &ticket), ("password", password)]).await
    }

    /// Signs up where there is mail, and follows the letter.
    pub(super) async fn sign_up_by_letter(&mut self, world: &World, email: &str) -> Response<Bytes> {
        let page = self.sign_up(email).await;
        assert!(html(&page).contains("Look into your mail"), "{}", html(&page));
        let confirmed = self.confirm(&link_in(&world.letter().await), PASSWORD).await;
        assert!(html(&confirmed).contains("is confirmed"), "{}", html(&confirmed));
        confirmed
    }

    pub(super) async fn log_in(&mut self, email: &str, password: &str) -> Response<Bytes> {
        let csrf = field(&self.open("/login").await, "csrf");
        self.post("/login", &[("csrf", &csrf), ("email", email), ("password", password)]).await
    }

    /// Signs up and goes to the consent page of `request`; its address below the issuer's, and the page.
    pub(super) async fn reach_consent(&mut self, request: &str) -> (String, Response<Bytes>) {
        assert_eq!(self.sign_up("ada@example.com").await.status(), StatusCode::OK);
        let to = location(&self.visit(request).await);
        let page = self.visit(&to).await;
        assert_eq!(page.status(), StatusCode::OK, "{}", html(&page));
        (to.strip_prefix(&self.base).unwrap().to_owned(), page)
    }
}

pub(super) fn html(response: &Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).unwrap()
}

/// The value of a hidden field.
pub(super) fn field(response: &Response<Bytes>, name: &str) -> String {
    let html = html(response);
    let start = html
        .split(&format!("name=\"{name}\" value=\""))
        .nth(1)
        .unwrap_or_else(|| panic!("no {name}: {html}"));
    unescaped(start.split('"').next().unwrap())
}

/// A page without what is drawn anew for each: the token of its forms, and the question for passkeys.
pub(super) fn undrawn(response: &Response<Bytes>) -> String {
    let page = html(response).replace(&field(response, "csrf"), "");
    let (before, rest) = page.split_once("data-passkey=\"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    format!("{before}{after}").replace(&field(response, "challenge"), "")
}

/// Where the moving-on page goes.
pub(super) fn moves_to(response: &Response<Bytes>) -> String {
    let html = html(response);
    let start = html.split("content=\"0;url=").nth(1).unwrap_or_else(|| panic!("no moving-on page: {html}"));
    let to = start.split('"').next().unwrap();
    assert!(html.contains(&format!("<a class=\"button primary\" href=\"{to}\">")), "{html}");
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!response.headers().contains_key(header::LOCATION));
    unescaped(to)
}

pub(super) fn location(response: &Response<Bytes>) -> String {
    assert_eq!(response.status(), StatusCode::SEE_OTHER, "{}", html(response));
    header_of(response.headers(), "location").to_owned()
}

pub(super) fn header_of<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

fn unescaped(text: &str) -> String {
    text.replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#38;", "&")
}

/// The path and query of the only link in a letter that carries a ticket.
pub(super) fn link_in(letter: &str) -> String {
    let mut links = letter.lines().filter(|line| line.contains("?ticket=tkt_"));
    let link = links.next().unwrap_or_else(|| panic!("no link: {letter}"));
    assert_eq!(links.next(), None, "{letter}");
    let path = link.strip_prefix("https://as.example").unwrap_or_else(|| panic!("a link elsewhere: {link}"));
    path.to_owned()
}

/// A store that can be unplugged.
#[derive(Default)]
pub(super) struct Switched {
    memory: Memory,
    down: AtomicBool,
}

impl Switched {
    pub(super) fn unplug(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    fn memory(&self) -> Result<&Memory, StoreError> {
        if self.down.load(Ordering::SeqCst) {
            Err(StoreError::unavailable("unplugged"))
        } else {
            Ok(&self.memory)
        }
    }
}

#[async_trait]
impl Store for Switched {
    async fn read(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        self.memory()?.read(key).await
    }

    async fn look(&self, look: &Look) -> Result<Seen, StoreError> {
        self.memory()?.look(look).await
    }

    async fn commit(&self, changes: &Changes) -> Result<Commit, StoreError> {
        self.memory()?.commit(changes).await
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        self.memory()?.claim(claim).await
    }

    async fn holder(&self, kind: ClaimKind, key: &str) -> Result<Option<(String, Time)>, StoreError> {
        self.memory()?.holder(kind, key).await
    }

    async fn release(&self, kind: ClaimKind, key: &str, owner: &str) -> Result<(), StoreError> {
        self.memory()?.release(kind, key, owner).await
    }

    async fn sweep(&self, now: Time, at_most: u32) -> Result<u32, StoreError> {
        self.memory()?.sweep(now, at_most).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.memory()?.ready().await
    }
}

#[async_trait]
impl Inspect for Switched {
    async fn list(
        &self,
        kind: Kind,
        filter: Filter<'_>,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Page, StoreError> {
        self.memory()?.list(kind, filter, after, at_most).await
    }
}
