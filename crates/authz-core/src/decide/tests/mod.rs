//! The rules, held to their tables. Here: who takes part, and what a decision came to.

mod authorize;
mod bearer;
mod client;
mod consent;
mod device;
mod metadata;
mod oversee;
mod proceed;
mod reach;
mod redeem;
mod refresh;
mod register;
mod registered;
mod revoke;
mod scope;
mod target;
mod wire;

use std::sync::Arc;

use ambient::Time;
use oauth_types::{
    Acr, AuthorizationRequest, ClientId, ClientMetadata, CodeRequest, Form, Issuer, RedirectUri,
    RefreshRequest, Resource, Scope,
};
use secrecy::SecretString;
use store::{
    Agreed, Changes, Client, ClientAuth, Commit, Facts, Found, Grant, GrantId, Guard, Live, Mark, Memory,
    Nonce, PersonId, Provenance, ScopeEntry, Server, ServerId, SessionId, Stage, Standing, Status,
    Store as _, UserInfoDetail,
};
use zeroize::Zeroizing;

use super::authorize::{Entered, Present, Prompt, check, enter, receive, request};
use super::client::{Authenticated, Credentials, Proof, authenticate};
use super::consent::{Review, approve};
use super::issue::Issued;
use super::redeem::redeem;
use super::refresh::refresh;
use super::{Drawn, Setting};
use crate::keyring::Seed;
use crate::seam::Authentication;
use crate::text::{TokenKind, TokenText};
use crate::{Context, Event, Events, Genuine, Keyring, Policy, Refusal, Settled, Step};

const NOW: Time = Time(1_000_000);
/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "https://app.example/callback";
const RESOURCE: &str = "https://mcp.example/mcp";

fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

fn issuer() -> Issuer {
    Issuer::parse("https://as.example").unwrap()
}

fn resource(text: &str) -> Resource {
    Resource::parse(text).unwrap()
}

fn person() -> PersonId {
    PersonId::parse("usr_ada").unwrap()
}

/// Ada, in the session in which she is asked.
fn ada() -> Authentication {
    let acr = Acr::parse("mfa").ok();
    Authentication { acr, ..Authentication::new(person(), SessionId::new([5; 16]), NOW) }
}

/// A public client with one redirect URI on the web, which registered itself.
fn client() -> Client {
    Client {
        first_party: false,
        id: ClientId::parse("cid_app").unwrap(),
        auth: ClientAuth::Public,
        redirect_uris: vec![RedirectUri::parse(CALLBACK).unwrap()],
        refresh: true,
        provenance: Provenance::Dynamic,
        server: None,
        registered: NOW,
        kept_until: None,
        standing: Standing::default(),
        metadata: ClientMetadata::default(),
    }
}

fn another_client() -> Client {
    Client { id: ClientId::parse("cid_other").unwrap(), ..client() }
}

fn entry(name: &str) -> ScopeEntry {
    ScopeEntry {
        optional: false,
        name: name.to_owned(),
        description: None,
        default: false,
        implies: Scope::default(),
    }
}

fn server_key() -> TokenText {
    TokenText::random(TokenKind::ServerKey, [7; 16], [8; 32])
}

/// A resource server with the scopes `read` and `write`.
fn server() -> Server {
    Server {
        retiring: Vec::new(),
        id: ServerId::new([7; 16]),
        name: "Files".to_owned(),
        resource: resource(RESOURCE),
        scopes: vec![entry("read"), entry("write")],
        owner_email: None,
        keys: vec![server_key().digest()],
        userinfo: UserInfoDetail::Full,
        status: Status::Active,
        registered: NOW,
        kept_until: None,
    }
}

/// A redirect URI, as text.
fn uri(text: &str) -> RedirectUri {
    RedirectUri::parse(text).unwrap()
}

/// The random values of an attempt; another `n`, other values.
fn drawn(n: u8) -> Drawn {
    Drawn {
        mark: Mark::new([n; 16]),
        grant: GrantId::new([0x60; 16]),
        nonce: Nonce::new([n ^ 0x55; 16]),
        seed: Zeroizing::new([n ^ 0xaa; 16]),
    }
}

/// What the rules are asked with: the keys, the policy, the time, the facts.
struct Room {
    keys: Keyring,
    policy: Policy,
    now: Time,
    caller: Context,
    facts: Facts,
}

impl Room {
    fn new() -> Self {
        let keys = Keyring::new(2, [(1, [1; 32]), (2, [2; 32])]).unwrap();
        Self {
            keys,
            policy: Policy::default(),
            now: NOW,
            caller: Context::default(),
            facts: Facts::default(),
        }
    }

    /// A grant that waits for Ada's answer.
    fn requested() -> Self {
        let mut room = Self::new();
        let asked = asked();
        let form = Form::parse(asked.to_query().as_bytes()).unwrap();
        let checked = check(&asked, &form).unwrap();
        let redirectable = receive(&asked, Some(&client()), &issuer()).unwrap();
        let request = request(&asked, &redirectable, &checked, scope("read write"), &server());
        let who = ada();
        let present = Present { who: &who, standing: Standing::default(), known: None };
        let step = enter(request, &client(), present, Prompt::default(), room.setting(), &drawn(1));
        assert!(matches!(room.then(step).outcome, Ok(Entered::Ask(_))));
        room
    }

    /// A grant that Ada has consented to, with the scopes `read write`.
    fn coded() -> Self {
        let mut room = Self::requested();
        let (client, server) = (client(), server());
        let review = Review { client: Some(&client), server: Some(&server) };
        let step =
            approve(&room.facts, &ada(), Some(&scope("read write")), review, room.setting(), &drawn(2));
        assert!(room.then(step).outcome.is_ok());
        room
    }

    /// A grant whose code was redeemed: generation 1.
    fn live() -> (Self, Issued) {
        let mut room = Self::coded();
        let step = redeem(&room.code_request(), proven(&client()), &room.facts, room.setting(), &drawn(3));
        let issued = room.then(step).outcome.unwrap();
        (room, issued)
    }

    /// A grant that was refreshed until it is at `generation`; each [`REFRESHED`] seconds after the one before.
    fn at_generation(generation: u32) -> Self {
        let (mut room, _) = Self::live();
        for number in 1..generation {
            room.now = room.now.plus(REFRESHED);
            assert_eq!(room.live_record().number, number);
            let genuine = room.genuine(number);
            let n = u8::try_from(number).unwrap() + 3;
            let step =
                refresh(&refreshing(), &genuine, proven(&client()), &room.facts, room.setting(), &drawn(n));
            assert!(room.then(step).outcome.is_ok());
        }
        room
    }

    fn setting(&self) -> Setting<'_> {
        Setting { keys: &self.keys, policy: &self.policy, now: self.now, caller: &self.caller }
    }

    fn grant(&self) -> &Grant {
        &self.facts.grant.as_ref().unwrap().record
    }

    /// The stage that the grant is at, to be changed behind the rules' back.
    fn stage(&mut self) -> &mut Stage {
        &mut Arc::make_mut(self.facts.grant.as_mut().unwrap()).record.stage
    }

    fn live_record(&self) -> &Live {
        match &self.grant().stage {
            Stage::Live(live) => live,
            other @ (Stage::Requested(_) | Stage::Coded(_) | Stage::Ended(_)) => panic!("{other:?}"),
        }
    }

    /// The current code.
    fn code(&self) -> TokenText {
        match &self.grant().stage {
            Stage::Coded(coded) => {
                self.keys.code(coded.key, self.grant().id, coded.number, &coded.nonce).unwrap()
            }
            other @ (Stage::Requested(_) | Stage::Live(_) | Stage::Ended(_)) => panic!("{other:?}"),
        }
    }

    /// The request that redeems the current code, with everything that may be sent.
    fn code_request(&self) -> CodeRequest {
        CodeRequest {
            code: self.code().expose(),
            redirect_uri: Some(CALLBACK.to_owned()),
            verifier: Some(SecretString::from(VERIFIER)),
            resource: vec![RESOURCE.to_owned()],
        }
    }

    /// The refresh token of a generation of the grant.
    fn refresh_token(&self, number: u32) -> TokenText {
        self.keys.refresh(self.keys.active(), self.grant().id, number, &seed()).unwrap()
    }

    fn genuine(&self, number: u32) -> Genuine {
        self.keys.genuine(&self.refresh_token(number)).unwrap().unwrap()
    }

    fn access_token(&self, number: u32) -> TokenText {
        self.keys.access(self.keys.active(), self.grant().id, number, &seed()).unwrap()
    }

    /// What became of a step; the facts are then as it left them.
    fn then<T>(&mut self, step: Step<T>) -> Decided<T> {
        let decided = Decided::of(step, self.facts.grant.as_deref());
        if let Some(after) = &decided.after {
            self.facts.grant = Some(Arc::new(after.clone()));
        }
        decided
    }

    /// What a step would do, which is not done.
    fn weigh<T>(&self, step: Step<T>) -> Decided<T> {
        Decided::of(step, self.facts.grant.as_deref())
    }
}

/// Seconds between two refreshes of [`Room::at_generation`].
const REFRESHED: i64 = 100;

/// The seed of the grant: [`drawn`] when the code was redeemed.
fn seed() -> Seed {
    drawn(3).seed
}

/// An authorization request without a fault.
fn asked() -> AuthorizationRequest {
    AuthorizationRequest {
        response_type: Some("code".to_owned()),
        client_id: Some("cid_app".to_owned()),
        redirect_uri: Some(CALLBACK.to_owned()),
        scope: Some("read write".to_owned()),
        state: Some("xyz".to_owned()),
        code_challenge: Some(CHALLENGE.to_owned()),
        code_challenge_method: Some("S256".to_owned()),
        resource: vec![RESOURCE.to_owned()],
        ..AuthorizationRequest::default()
    }
}

fn refreshing() -> RefreshRequest {
    RefreshRequest {
        refresh_token: SecretString::from("not read by the rule"),
        scope: None,
        resource: Vec::new(),
    }
}

/// A public client that has named itself.
fn proven(client: &Client) -> Authenticated<'_> {
    let credentials = Credentials { id: Some(client.id.clone()), proof: Proof::None };
    authenticate(&credentials, Some(client), NOW).unwrap()
}

/// What a decision came to.
#[derive(Debug)]
struct Decided<T> {
    outcome: Result<T, Refusal>,
    /// The grant as it is written, if it is.
    after: Option<Found<Grant>>,
    guard: Option<Guard>,
    events: Vec<Event>,
}

impl<T> Decided<T> {
    /// Settles a step in a store that holds nothing but `before`.
    fn of(step: Step<T>, before: Option<&Found<Grant>>) -> Self {
        let guard = step.guard();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let told = Told::default();
        let (outcome, after) = runtime.block_on(async {
            let store = Memory::new();
            if let Some(before) = before {
                let first = Changes::create(before.mark, &before.record);
                assert_eq!(store.commit(&first).await.unwrap(), Commit::Done);
            }
            let outcome = match step.settle(&store, &told, &Context::default()).await.unwrap() {
                Settled::Done(outcome) => outcome,
                Settled::Stale => panic!("nobody else writes here"),
            };
            let page =
                store::Inspect::list(&store, store::Kind::Grant, store::Filter::All, None, 2).await.unwrap();
            let after = page.rows.first().map(|row| Found::<Grant>::decode(row).unwrap());
            (outcome, after)
        });
        let after = after.filter(|after| before.is_none_or(|before| before.mark != after.mark));
        Self { outcome, after, guard, events: told.0.into_inner() }
    }

    fn refusal(&self) -> Option<Refusal> {
        self.outcome.as_ref().err().copied()
    }

    /// In a word, what was written.
    fn written(&self) -> Written {
        match self.after.as_ref().map(|after| &after.record.stage) {
            None => Written::Nothing,
            Some(Stage::Requested(_)) => Written::Requested,
            Some(Stage::Coded(_)) => Written::Coded,
            Some(Stage::Live(_)) => Written::Live,
            Some(Stage::Ended(ended)) => Written::Ended(ended.why),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Nothing,
    Requested,
    Coded,
    Live,
    Ended(store::Why),
}

#[derive(Default)]
struct Told(parking_lot::Mutex<Vec<Event>>);

impl Events for Told {
    fn tell(&self, event: &Event) {
        self.0.lock().push(event.clone());
    }
}
