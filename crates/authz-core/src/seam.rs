//! What a consumer may replace.

use std::net::IpAddr;

use ambient::Time;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use oauth_types::{Acr, ClientId, Resource, Scope};
use store::{Client, Consent, GrantId, PersonId, Server, ServerId, SessionId, Standing, StoreError};

use crate::page::Page;
use crate::{ContinuePath, ReturnTo};

/// Asks people. Implemented by `identity`'s pages, or by one's own log-in.
#[async_trait]
pub trait Interaction: Send + Sync {
    /// Who is at the browser that sent `request`, given what the authorization request demands of them.
    ///
    /// # Errors
    ///
    /// If whatever knows cannot be asked now.
    async fn who(&self, request: &Request<Bytes>, demands: &Demands) -> Result<Who, StoreError>;

    /// The page, or the redirect to it, that asks for consent. It ends in
    /// [`approve_all`](crate::AuthorizationServer::approve_all), [`approve`](crate::AuthorizationServer::approve) or
    /// [`deny`](crate::AuthorizationServer::deny).
    async fn ask(&self, request: &Request<Bytes>, pending: &Pending) -> Response<Bytes>;

    /// What [`Authentication::acr`] may be, which is what `acr_values` may ask for: `acr_values_supported` of the metadata.
    fn acr_values(&self) -> Vec<Acr> {
        Vec::new()
    }

    /// A page for a person whose `request` cannot go on and must not be redirected, in a language that they understand if there is one:
    /// `Accept-Language` says which, and [`Page::why`] what is to be said.
    fn show(&self, request: &Request<Bytes>, page: &Page) -> Response<Bytes>;
}

/// What an authorization request demands of the person (OpenID Connect Core section 3.1.2.1).
#[derive(Clone, Debug)]
pub struct Demands {
    /// `prompt=none`: nobody may be asked anything. Answer [`Who::Nobody`] instead of a page.
    pub silent: bool,
    /// `prompt=login`, `prompt=select_account` or `max_age=0`: they must prove who they are, session or not.
    pub login: bool,
    /// `max_age`: at most so many seconds since they last did.
    pub max_age: Option<i64>,
    /// `acr_values`, in order of preference.
    pub acr_values: Vec<Acr>,
    /// `login_hint`: the e-mail address, perhaps.
    pub login_hint: Option<String>,
    /// Where to go on after the log-in: the request, in which `prompt=login` has become a `max_age` of some minutes, which is met then.
    /// A log-in form that carries it has to [`parse`](ReturnTo::parse) it again.
    pub return_to: ReturnTo,
}

impl Demands {
    /// That somebody is there, and nothing more.
    #[must_use]
    pub const fn new(return_to: ReturnTo) -> Self {
        Self {
            silent: false,
            login: false,
            max_age: None,
            acr_values: Vec::new(),
            login_hint: None,
            return_to,
        }
    }
}

/// Who is at the browser.
#[derive(Debug)]
pub enum Who {
    /// Somebody who has proved it.
    Person(Authentication),
    /// Not known yet: this page asks them.
    Page(Response<Bytes>),
    /// Nobody, and nobody may be asked.
    Nobody,
}

/// That a person has proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// Who.
    pub person: PersonId,
    /// In which session.
    pub session: SessionId,
    /// When.
    pub auth_time: Time,
    /// How, as one of [`Interaction::acr_values`]; `None` if that is not known. Resource servers learn it (RFC 9470).
    pub acr: Option<Acr>,
    /// What was held against them when their session was looked at; `None` if whoever keeps the sessions does not look at that, and it is
    /// read later.
    ///
    /// A grant copies the epoch in it. Read later, somebody whose sessions all end in between would get a grant that goes on.
    pub standing: Option<Standing>,
}

impl Authentication {
    /// That `person` has proved who they are at `auth_time`, in nothing known how.
    #[must_use]
    pub const fn new(person: PersonId, session: SessionId, auth_time: Time) -> Self {
        Self { person, session, auth_time, acr: None, standing: None }
    }
}

/// An authorization request that waits for consent, or for its client to come for the code.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Its grant.
    pub grant: GrantId,
    /// Who asks.
    pub client: Client,
    /// For what resource.
    pub server: Server,
    /// What is asked for.
    pub request: store::Request,
    /// Who is asked.
    pub person: PersonId,
    /// What this person has let this client do here before.
    pub known: Option<Consent>,
    /// Where to go on, if this session has said yes already: nothing is left to ask, and `request.scope` is what was allowed.
    /// `None` for a new request.
    pub approved: Option<ContinuePath>,
}

/// Knows people.
#[async_trait]
pub trait People: Send + Sync {
    /// Name and e-mail of a person; `None` if there is no such person any more. Their tokens go on without a name: what ends
    /// them is a [`PersonStanding`](store::PersonStanding).
    ///
    /// # Errors
    ///
    /// If whatever knows cannot be asked now.
    async fn profile(&self, person: &PersonId) -> Result<Option<Profile>, StoreError>;
}

/// What is told about a person (OpenID Connect Core section 5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// `name`.
    pub name: Option<String>,
    /// `email`.
    pub email: Option<String>,
    /// `email_verified`.
    pub email_verified: bool,
}

/// Which resource a request means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The one that it names.
    Named(Resource),
    /// The one that its client was registered for.
    Registered(ServerId),
    /// It names none: the only one there is.
    TheOnly,
}

/// Knows the resources that this server protects.
#[async_trait]
pub trait Resources: Send + Sync {
    /// The resource that is meant; `None` if there is none, or it is not clear which.
    ///
    /// # Errors
    ///
    /// If whatever knows cannot be asked now.
    async fn find(&self, wanted: &Wanted) -> Result<Option<Server>, StoreError>;

    /// Of these scopes, those that some resource has.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    async fn known(&self, scope: &Scope) -> Result<Scope, StoreError>;
}

/// Knows clients that are not registered in the store.
#[async_trait]
pub trait ClientSource: Send + Sync {
    /// The client of this id.
    ///
    /// # Errors
    ///
    /// If whatever knows cannot be asked now.
    async fn find(&self, id: &ClientId) -> Result<Option<Client>, StoreError>;
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// Anonymous registrations, by address.
    Registration,
    /// Whatever looks at a password, a passkey or a ticket, or asks for one by letter, by address: log-ins above all.
    LogIn,
    /// Log-ins, by account and address, whether they succeed or not.
    LogInAccount,
    /// Log-ins, by account, from wherever: against guessing from many addresses. Far above what one person does, because it
    /// locks out the person, too.
    LogInAnywhere,
    /// Sign-ups, by address.
    SignUp,
    /// Letters of one kind, by the address that they go to or the person whose account they are about.
    Letter,
    /// Letters of one kind to an address that need not be that of whoever asks, by that address and the network that asks.
    LetterAsked,
    /// Letters that tell somebody who signs up that they have an account, by the address: anybody can cause them.
    Already,
    /// Requests that wait for consent, by session.
    Requests,
    /// Wrong admin keys, by address.
    Administration,
    /// Wrong admin keys, from wherever.
    AdministrationAnywhere,
    /// Requests with a right admin key, by its name: one that may only read writes to the audit trail all the same.
    AdministrationUse,
    /// Requests for tokens, and such that revoke them, by client and grant: what one installation does. Never by address: hosted clients send the requests of
    /// many people from a few.
    Token,
}

impl Limit {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Registration,
        Self::LogIn,
        Self::LogInAccount,
        Self::LogInAnywhere,
        Self::SignUp,
        Self::Letter,
        Self::LetterAsked,
        Self::Already,
        Self::Requests,
        Self::Administration,
        Self::AdministrationAnywhere,
        Self::AdministrationUse,
        Self::Token,
    ];

    /// Its name in logs and settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::LogIn => "log_in",
            Self::LogInAccount => "log_in_account",
            Self::LogInAnywhere => "log_in_anywhere",
            Self::SignUp => "sign_up",
            Self::Letter => "letter",
            Self::LetterAsked => "letter_asked",
            Self::Already => "already",
            Self::Requests => "requests",
            Self::Administration => "administration",
            Self::AdministrationAnywhere => "administration_anywhere",
            Self::AdministrationUse => "administration_use",
            Self::Token => "token",
        }
    }
}

/// Too much of something. Try again after so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// Seconds.
    pub retry_after: i64,
}

/// Decides whether somebody may do something once more.
#[async_trait]
pub trait Limiter: Send + Sync {
    /// Counts one more of `limit` for `key`.
    ///
    /// # Errors
    ///
    /// [`TooMany`]. A limiter whose counters cannot be reached lets everything through: limits are politeness, not safety.
    async fn may(&self, limit: Limit, key: &str) -> Result<(), TooMany>;

    /// Forgets what was counted of `limit` for `key`: whoever proved who they are did not guess. Without an implementation nothing
    /// is forgotten.
    async fn forget(&self, limit: Limit, key: &str) {
        let _ = (limit, key);
    }
}

/// The key to limit an address by: IPv6 by its /64, because a subscriber has a whole one.
#[must_use]
pub fn address_key(address: Option<IpAddr>) -> String {
    match address.map(|address| address.to_canonical()) {
        None => UNKNOWN.to_owned(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// The key of the network that an address is in: of IPv6 the /48, which is the most that one site is given (RFC 6177), of IPv4 the
/// /24, which is the least that is announced.
#[must_use]
pub fn network_key(address: Option<IpAddr>) -> String {
    match address.map(|address| address.to_canonical()) {
        None => UNKNOWN.to_owned(),
        Some(IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        Some(IpAddr::V6(address)) => {
            let [a, b, c, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}

const UNKNOWN: &str = "unknown";
