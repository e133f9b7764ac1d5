//! An authorization server that is asked about its tokens.

use std::sync::Arc;

use ambient::Clock;
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Response};
use http_io::{Fetch, FetchError, Unreached};
use jose::{Claims, TokenError};
use oauth_types::{Issuer, Resource};
use secrecy::SecretString;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::Demands;
use super::breaker::Breaker;
use super::{Digest, introspection, userinfo};
use crate::origin::Origin;
use crate::verifier::asking::Asking;
use crate::verifier::discovery::{Discovered, discover, same_but_for_a_slash, unasked};
use crate::verifier::notices::Notices;
use crate::verifier::renewed::{Fetched, Held, Renew, Renewed};
use crate::{Fault, Invalid, Rejection, Unavailable, Verified};

/// For how many seconds it is believed where an endpoint is.
const FRESH: i64 = 60 * 60;

/// An authorization server that is asked about its tokens.
pub(crate) struct Source {
    prefix: String,
    portcullis: bool,
    kind: Kind,
    asking: Asking,
    endpoint: Endpoint,
    audiences: Vec<String>,
    resource: Resource,
    breaker: Breaker,
    strangers: Arc<Semaphore>,
    familiar: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
    notices: Arc<Notices>,
}

/// How it is asked.
enum Kind {
    /// With this server's own credentials.
    Introspection(HeaderValue),
    /// With the token.
    UserInfo,
}

/// Where it is asked.
enum Endpoint {
    Configured(Discovered),
    Discovered(Arc<Renewed<Discovered>>),
}

/// What a source is made of.
pub(crate) struct Parts {
    pub(crate) asked: Asked,
    pub(crate) resource: Resource,
    pub(crate) fetch: Arc<dyn Fetch>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) notices: Arc<Notices>,
}

/// Who is asked, and how.
pub(crate) struct Asked {
    pub(crate) issuer: Issuer,
    /// For introspection.
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) endpoint: Option<String>,
    pub(crate) prefix: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) portcullis: bool,
}

impl Source {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { asked, resource, fetch, clock, notices } = parts;
        let Asked { issuer, authorization, endpoint, prefix, audiences, portcullis } = asked;
        let kind = authorization.map_or(Kind::UserInfo, Kind::Introspection);
        let asking = Asking::new(fetch, issuer.clone());
        let endpoint = match endpoint {
            Some(url) => Endpoint::Configured(Discovered { issuer, url }),
            None => {
                let origin = Found { asking: asking.clone(), member: kind.member(), at_home: portcullis };
                Endpoint::Discovered(Renewed::new(origin, Arc::clone(&clock)))
            }
        };
        Self {
            prefix,
            portcullis,
            kind,
            asking,
            endpoint,
            audiences,
            resource,
            breaker: Breaker::default(),
            strangers: Arc::new(Semaphore::new(STRANGERS)),
            familiar: Arc::new(Semaphore::new(FAMILIAR)),
            clock,
            notices,
        }
    }

    /// What its tokens start with; empty if with anything.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether a token that says it is from `iss` may be shown to it.
    pub(crate) fn is_named(&self, iss: &str) -> bool {
        same_but_for_a_slash(self.asking.issuer().as_str(), iss)
    }

    /// Whether the text has the form of its tokens, as far as that is known.
    pub(crate) fn may_have_issued(&self, text: &str) -> bool {
        !self.portcullis || introspection::is_of_portcullis(text)
    }

    /// The issuer in its own words, if they are known, else as configured.
    pub(crate) fn issuer(&self) -> Issuer {
        match &self.endpoint {
            Endpoint::Configured(found) => found.issuer.clone(),
            Endpoint::Discovered(found) => found
                .at_hand()
                .map_or_else(|_| self.asking.issuer().clone(), |held| held.value.issuer.clone()),
        }
    }

    /// Whether it can be asked, as far as is known.
    pub(crate) fn ready(&self) -> Result<(), Unavailable> {
        if let Endpoint::Discovered(found) = &self.endpoint {
            found.at_hand()?;
        }
        self.breaker.ready(self.clock.now())
    }

    /// A place among the questions that are asked at once. Tokens that were good before have places of their own, which strangers
    /// cannot take.
    pub(crate) fn place(&self, was_good: bool) -> Result<OwnedSemaphorePermit, Unavailable> {
        let places = if was_good { &self.familiar } else { &self.strangers };
        Arc::clone(places).try_acquire_owned().map_err(|_| {
            let busy = self.without_answer(self.asking.issuer().as_str(), Fault::Busy);
            self.notices.unavailable(&busy, self.clock.now());
            busy
        })
    }

    /// What there is to say of a question whose task was ended.
    pub(crate) fn interrupted(&self) -> Unavailable {
        let fault = FetchError::Unreachable(Unreached::Interrupted);
        self.without_answer(self.asking.issuer().as_str(), fault.into())
    }

    /// Whose token it is. `digest` is the token's.
    pub(crate) async fn ask(&self, token: &SecretString, digest: Digest) -> Result<Verified, Rejection> {
        let asked = self.claims(token, digest).await;
        let now = self.clock.now();
        let (claims, found) = asked.inspect_err(|rejection| match rejection {
            Rejection::Unavailable(fault) => self.notices.unavailable(fault, now),
            Rejection::Invalid(_) => {}
        })?;
        let demands = Demands {
            issuer: &found.issuer,
            exactly: matches!(self.endpoint, Endpoint::Discovered(_)),
            audiences: &self.audiences,
            resource: &self.resource,
        };
        Ok(demands.verified(claims, now, &self.notices)?)
    }

    /// Finds the endpoint anew, and asks it about a text that is no token, so that a key that is refused shows before a person does.
    pub(crate) async fn look(&self) -> Result<i64, Unavailable> {
        if let Endpoint::Discovered(found) = &self.endpoint {
            found.renew().await?;
        }
        if let Kind::Introspection(_) = self.kind {
            let url = self.found().await?.url;
            let answer = self.try_out(&url).await?;
            match self.read(&url, &answer) {
                Ok(_) | Err(Rejection::Invalid(_)) => self.breaker.understood(),
                Err(Rejection::Unavailable(why)) => {
                    self.breaker.failed(&why, self.clock.now());
                    return Err(why);
                }
            }
        }
        Ok(AGAIN)
    }

    async fn claims(&self, token: &SecretString, digest: Digest) -> Result<(Claims, Discovered), Rejection> {
        let found = self.found().await?;
        let url = &found.url;
        if let Some(trial) = self.breaker.pass(self.clock.now())? {
            // Not by this token: it may be the very one that the server does not answer.
            self.try_out(url).await?;
            drop(trial);
        }
        let answer = self.exchange(url, token).await.map_err(|fault| {
            let (why, now) = (self.without_answer(url, fault.into()), self.clock.now());
            match fault {
                FetchError::TimedOut | FetchError::Unreachable(Unreached::Interrupted) => {
                    self.breaker.silent(&why, digest, now);
                }
                // No token was sent yet.
                FetchError::Unreachable(Unreached::Name | Unreached::Connection | Unreached::Tls) => {
                    self.breaker.out_of_reach(&why, now);
                }
                FetchError::Refused(_) => self.breaker.failed(&why, now),
                FetchError::TooLarge | FetchError::Malformed => self.breaker.answered(),
            }
            why
        })?;
        self.breaker.answered();
        let read = self.read(url, &answer);
        if matches!(read, Ok(_) | Err(Rejection::Invalid(_))) {
            self.breaker.understood();
        }
        Ok((read?, found))
    }

    /// Asks about a text that nobody has issued, and whose answer is nobody's fault but the server's.
    async fn try_out(&self, url: &str) -> Result<Response<Bytes>, Unavailable> {
        let text = SecretString::from(format!("{}{NO_TOKEN}", self.prefix));
        let answer = self.exchange(url, &text).await.map_err(|fault| {
            let (why, now) = (self.without_answer(url, fault.into()), self.clock.now());
            match fault {
                FetchError::Unreachable(_) | FetchError::TimedOut => self.breaker.out_of_reach(&why, now),
                FetchError::Refused(_) => self.breaker.failed(&why, now),
                FetchError::TooLarge | FetchError::Malformed => {
                    self.breaker.answered();
                    self.breaker.failed(&why, now);
                }
            }
            why
        })?;
        self.breaker.answered();
        Ok(answer)
    }

    async fn exchange(&self, url: &str, token: &SecretString) -> Result<Response<Bytes>, FetchError> {
        match &self.kind {
            Kind::Introspection(authorization) => {
                introspection::ask(&self.asking, url, authorization, token).await
            }
            Kind::UserInfo => userinfo::ask(&self.asking, url, token).await,
        }
    }

    fn read(&self, url: &str, answer: &Response<Bytes>) -> Result<Claims, Rejection> {
        match &self.kind {
            Kind::Introspection(_) => introspection::read(url, answer),
            Kind::UserInfo => userinfo::read(url, answer),
        }
    }

    fn without_answer(&self, url: &str, fault: Fault) -> Unavailable {
        Unavailable::Asking { url: url.to_owned(), fault }
    }

    async fn found(&self) -> Result<Discovered, Unavailable> {
        match &self.endpoint {
            Endpoint::Configured(found) => Ok(found.clone()),
            Endpoint::Discovered(found) => Ok(found.current().await?.value.clone()),
        }
    }
}

impl Kind {
    const fn member(&self) -> &'static str {
        match self {
            Self::Introspection(_) => "introspection_endpoint",
            Self::UserInfo => "userinfo_endpoint",
        }
    }
}

/// An endpoint that is found by discovery.
struct Found {
    asking: Asking,
    member: &'static str,
    /// Whether it must be at the issuer's own origin. A document that somebody tampered with must not carry a key away.
    at_home: bool,
}

#[async_trait]
impl Renew<Discovered> for Found {
    async fn fetch(
        &self,
        _before: Option<Arc<Held<Discovered>>>,
        _failed: bool,
    ) -> Result<Fetched<Discovered>, Unavailable> {
        let value = discover(&self.asking, self.member).await?;
        let home = || Origin::of(self.asking.issuer().as_str());
        if self.at_home && Origin::of(&value.url).is_none_or(|origin| Some(origin) != home()) {
            return Err(Unavailable::Asking { url: value.url, fault: Fault::Elsewhere });
        }
        Ok(Fetched { value, fresh_for: FRESH })
    }

    fn unasked(&self) -> Unavailable {
        unasked(self.asking.issuer())
    }
}

/// What no server has issued.
const NO_TOKEN: &str = "is-this-server-known";
/// After how many seconds to look again.
const AGAIN: i64 = 600;
/// How many questions are asked at once: anybody can send tokens.
const STRANGERS: usize = 64;
/// How many more about tokens that were good before.
const FAMILIAR: usize = 256;

impl From<TokenError> for Rejection {
    fn from(error: TokenError) -> Self {
        Self::Invalid(Invalid::Token(error))
    }
}
