//! An authorization server that is asked about its tokens.

use std::sync::Arc;

use ambient::Clock;
use async_trait::async_trait;
use http::HeaderValue;
use http_io::{Fetch, FetchError};
use oauth_types::{Issuer, Resource};
use secrecy::SecretString;

use super::answer::Demands;
use super::breaker::Breaker;
use super::{introspection, userinfo};
use crate::verifier::asking::Asking;
use crate::verifier::discovery::{Discovered, discover, same_but_for_a_slash, unasked};
use crate::verifier::notices::Notices;
use crate::verifier::renewed::{Fetched, Held, Origin, Renewed};
use crate::{Invalid, Rejection, Unavailable, Verified};

/// For how many seconds it is believed where an endpoint is.
const FRESH: i64 = 60 * 60;

/// An authorization server that is asked about its tokens.
pub(crate) struct Source {
    prefix: String,
    kind: Kind,
    asking: Asking,
    endpoint: Endpoint,
    audiences: Vec<String>,
    resource: Resource,
    breaker: Breaker,
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
    pub(crate) issuer: Issuer,
    /// For introspection.
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) endpoint: Option<String>,
    pub(crate) prefix: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) resource: Resource,
    pub(crate) fetch: Arc<dyn Fetch>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) notices: Arc<Notices>,
}

impl Source {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { issuer, authorization, endpoint, prefix, audiences, resource, fetch, clock, notices } =
            parts;
        let kind = authorization.map_or(Kind::UserInfo, Kind::Introspection);
        let asking = Asking::new(fetch, issuer.clone());
        let endpoint = match endpoint {
            Some(url) => Endpoint::Configured(Discovered { issuer, url }),
            None => {
                let origin = Found { asking: asking.clone(), member: kind.member() };
                Endpoint::Discovered(Renewed::new(origin, Arc::clone(&clock)))
            }
        };
        let breaker = Breaker::default();
        Self { prefix, kind, asking, endpoint, audiences, resource, breaker, clock, notices }
    }

    /// What its tokens start with; empty if with anything.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether a token that says it is from `iss` may be shown to it.
    pub(crate) fn is_named(&self, iss: &str) -> bool {
        same_but_for_a_slash(self.asking.issuer().as_str(), iss)
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

    /// Whose token it is.
    pub(crate) async fn ask(&self, token: &SecretString) -> Result<Verified, Rejection> {
        let asked = self.claims(token).await;
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
            let text = SecretString::from(format!("{}{NO_TOKEN}", self.prefix));
            match self.claims(&text).await {
                Ok(_) | Err(Rejection::Invalid(_)) => {}
                Err(Rejection::Unavailable(fault)) => return Err(fault),
            }
        }
        Ok(AGAIN)
    }

    async fn claims(&self, token: &SecretString) -> Result<(jose::Claims, Discovered), Rejection> {
        let found = self.found().await?;
        self.breaker.pass(self.clock.now())?;
        let url = &found.url;
        let answer = match &self.kind {
            Kind::Introspection(key) => introspection::ask(&self.asking, url, key, token).await,
            Kind::UserInfo => userinfo::ask(&self.asking, url, token).await,
        };
        let now = self.clock.now();
        let answer = answer.map_err(|fault| {
            let why = Unavailable::Asking { url: url.clone(), fault: fault.into() };
            match fault {
                FetchError::Unreachable(_) | FetchError::TimedOut => self.breaker.out_of_reach(&why, now),
                FetchError::Refused(_) | FetchError::TooLarge | FetchError::Malformed => {
                    self.breaker.failed(&why, now);
                }
            }
            why
        })?;
        let read = match &self.kind {
            Kind::Introspection(_) => introspection::read(url, &answer),
            Kind::UserInfo => userinfo::read(url, &answer),
        };
        match &read {
            Ok(_) | Err(Rejection::Invalid(_)) => self.breaker.answered(),
            Err(Rejection::Unavailable(why)) => self.breaker.failed(why, now),
        }
        Ok((read?, found))
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
}

#[async_trait]
impl Origin<Discovered> for Found {
    async fn fetch(
        &self,
        _before: Option<Arc<Held<Discovered>>>,
        _failed: bool,
    ) -> Result<Fetched<Discovered>, Unavailable> {
        let value = discover(&self.asking, self.member).await?;
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

impl From<jose::Rejection> for Rejection {
    fn from(rejection: jose::Rejection) -> Self {
        Self::Invalid(Invalid::Claims(rejection))
    }
}
