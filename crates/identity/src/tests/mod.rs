//! A whole server in memory, and a browser at it.

mod account;
mod browser;
mod change;
mod consent;
mod contrast;
mod enrol;
mod entry;
mod factors;
mod forms;
mod implied;
mod invitation;
mod json;
mod leave;
mod letters;
mod openings;
mod pages;
mod passkeys;
mod recovery;
mod site;
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
    Changes, ClaimKind, Client, ClientAuth, Commit, Mark, Memory, MemoryCounters, Provenance, ScopeEntry,
    Standing, Store, StoreError, UserInfoDetail,
};
use testkit::faults::{Passage, Through};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use self::browser::{Browser, field, header_of, html, link_in, location, moves_to, undrawn, unescaped};
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
    pub(super) store: Arc<Through<Gate>>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) pages: Arc<Pages>,
    pub(super) server: Arc<AuthorizationServer>,
    pub(super) identity: Arc<Identity>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) events: Arc<Heard>,
    gate: Gate,
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
        let gate = Gate::default();
        let store = Arc::new(Through::new(Arc::new(Memory::default()), gate.clone()));
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
        let events = Arc::new(Heard::default());
        let identity = Identity::new(pages.clone(), accounts.clone(), server.clone())
            .limiter(Arc::new(limiter))
            .events(events.clone())
            .second_factors(Seal::new(1, [(1, [8; 32])]).unwrap())
            .policy(self.policy.clone());
        let identity = if self.mail { identity.mail(Arc::new(Letters(sent))) } else { identity };
        let (identity, letters) = (Arc::new(identity), Mutex::new(letters));
        let world = World { store, clock, pages, server, identity, accounts, events, gate, letters };
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
pub(super) struct Heard(std::sync::Mutex<Vec<AccountEvent>>);

impl Heard {
    pub(super) fn all(&self) -> Vec<AccountEvent> {
        self.0.lock().unwrap().clone()
    }
}

impl Events for Heard {
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

    /// Takes the store away, or gives it back.
    pub(super) fn unplug(&self, down: bool) {
        self.gate.0.store(down, Ordering::SeqCst);
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
        Browser::at(self)
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

/// A way to a store that can be closed.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<AtomicBool>);

#[async_trait]
impl Passage for Gate {
    async fn there(&self) -> Result<(), StoreError> {
        match self.0.load(Ordering::SeqCst) {
            true => Err(StoreError::unavailable("unplugged")),
            false => Ok(()),
        }
    }
}
