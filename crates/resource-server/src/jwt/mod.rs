//! Signed tokens (RFC 9068) of an issuer, checked by its published keys.

mod keys;
mod trusted;

use jose::{AccessTokenRules, Algorithms, TypeRule};
use oauth_types::{Issuer, Resource};

pub(crate) use trusted::Trusted;

use crate::config_error::{ConfigError, value_of};

/// How signed tokens of one issuer are checked (RFC 9068 section 4).
///
/// By default: `typ` is `at+jwt`, the algorithm is ES256, EdDSA or RS256, `aud` has the resource of this server, and clocks differ
/// by up to 5 seconds. The keys are found by discovery (RFC 8414, OpenID Connect Discovery).
#[derive(Clone, Debug)]
pub struct Jwt {
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) algorithms: Algorithms,
    pub(crate) leeway: i64,
    pub(crate) untyped: bool,
    pub(crate) jwks_uri: Option<String>,
}

impl Jwt {
    /// Tokens of this issuer: `https://tenant.eu.auth0.com`. A final slash may be there or not; what the issuer says of itself
    /// decides, and is what `iss` of its tokens is compared with.
    #[must_use]
    pub fn issued_by(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            audiences: Vec::new(),
            algorithms: Algorithms::default(),
            leeway: 5,
            untyped: false,
            jwks_uri: None,
        }
    }

    /// Tokens whose `aud` has this text, instead of the resource of this server. Several may be given, one of which must be there.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.audiences.push(audience.to_owned());
        self
    }

    /// Another allow-list of algorithms.
    #[must_use]
    pub fn algorithms(self, algorithms: Algorithms) -> Self {
        Self { algorithms, ..self }
    }

    /// Another leeway for clocks that differ: 0 to 300 seconds.
    #[must_use]
    pub fn leeway(self, seconds: i64) -> Self {
        Self { leeway: seconds, ..self }
    }

    /// Also tokens with the `typ` `JWT`, or with none, as some providers send.
    ///
    /// The danger: ID tokens are no longer told from access tokens by their type, but by their claims alone
    /// ([`jose::TypeRule::DangerouslyUntyped`]).
    #[must_use]
    pub fn dangerously_untyped(self) -> Self {
        Self { untyped: true, ..self }
    }

    /// The keys are at this URL, and nothing is discovered. Then `iss` of the tokens is exactly the text of the issuer.
    #[must_use]
    pub fn jwks_uri(self, url: &str) -> Self {
        Self { jwks_uri: Some(url.to_owned()), ..self }
    }
}

/// The rules of a [`Jwt`], but for the issuer, whose exact text it says itself.
#[derive(Clone, Debug)]
pub(crate) struct Rules(AccessTokenRules);

impl Jwt {
    /// The rules for tokens that are for `resource`, unless other audiences were given.
    pub(crate) fn rules(&self, issuer: Issuer, resource: &Resource) -> Result<Rules, ConfigError> {
        for audience in &self.audiences {
            value_of("the audience", audience, "https://mcp.example.com/mcp")?;
        }
        let audiences = if self.audiences.is_empty() { spellings(resource) } else { self.audiences.clone() };
        let type_rule = if self.untyped { TypeRule::DangerouslyUntyped } else { TypeRule::AtJwtOnly };
        let rules = AccessTokenRules::new(issuer, audiences).map_err(|_| ConfigError::NoAudience)?;
        let rules = rules.with_leeway(self.leeway).map_err(|_| ConfigError::Leeway)?;
        Ok(Rules(rules.with_algorithms(self.algorithms).with_type_rule(type_rule)))
    }
}

impl Rules {
    fn of(&self, issuer: Issuer) -> AccessTokenRules {
        self.0.clone().with_issuer(issuer)
    }
}

/// The texts that name a resource: its own, and for a whole origin also the one with the slash that URL libraries of clients add or
/// take away (RFC 3986 section 6.2.3).
pub(crate) fn spellings(resource: &Resource) -> Vec<String> {
    let text = resource.as_str();
    let mut spellings = vec![text.to_owned()];
    if resource.is_origin() {
        spellings.push(text.strip_suffix('/').map_or_else(|| format!("{text}/"), str::to_owned));
    }
    spellings
}
