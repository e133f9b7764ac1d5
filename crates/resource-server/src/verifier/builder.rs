//! The configuration of a verifier, in which every fault is found before the first request.

use std::sync::Arc;
use std::time::Duration;

use ambient::Clock;
use http_io::Fetch;
use oauth_types::{Issuer, Resource};
use secrecy::SecretString;

use super::{Inner, Verifier};
use crate::config_error::{ConfigError, ValueFault};
use crate::{Introspection, Jwt, Rejection, Verified};

/// A verifier in the making. The order of the credentials is that of [`Verifier`], whatever the order of these calls.
pub struct VerifierBuilder {
    resource: String,
    jwts: Vec<Jwt>,
    introspections: Vec<Introspection>,
    userinfos: Vec<String>,
    remember: Duration,
    fetch: Option<Arc<dyn Fetch>>,
    clock: Option<Arc<dyn Clock>>,
}

impl VerifierBuilder {
    pub(crate) fn new(resource: &str) -> Self {
        Self {
            resource: resource.to_owned(),
            jwts: Vec::new(),
            introspections: Vec::new(),
            userinfos: Vec::new(),
            remember: Duration::from_secs(10),
            fetch: None,
            clock: None,
        }
    }

    /// Signed tokens of an issuer. Several can be given: a token is checked by the rules of the issuer that it names.
    #[must_use]
    pub fn jwt(mut self, jwt: Jwt) -> Self {
        self.jwts.push(jwt);
        self
    }

    /// Access tokens of Portcullis, which start with `mat_`: it is asked about them with the `sak_` key of this server.
    #[must_use]
    pub fn portcullis(self, issuer: &str, key: SecretString) -> Self {
        self.introspection(Introspection::at_issuer(issuer).bearer(key).prefix("mat_"))
    }

    /// Opaque tokens, about which a server is asked (RFC 7662).
    #[must_use]
    pub fn introspection(mut self, at: Introspection) -> Self {
        self.introspections.push(at);
        self
    }

    /// Opaque tokens that are checked by using them at the userinfo endpoint of this issuer. Its answer must have an `aud` with the
    /// resource of this server: without one a token for anybody else would open this server, too. Portcullis says it, with `scope`.
    #[must_use]
    pub fn userinfo(mut self, issuer: &str) -> Self {
        self.userinfos.push(issuer.to_owned());
        self
    }

    /// Credentials of one's own, API keys for instance: whatever starts with `prefix` is checked by `check` alone, before anything
    /// else is tried. Of several prefixes that fit the first that was given counts.
    #[must_use]
    pub fn credential<F, Fut>(self, _prefix: &str, _check: F) -> Self
    where
        F: Fn(SecretString) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Verified, Rejection>> + Send + 'static,
    {
        self
    }

    /// For how long an opaque token that is good is not asked about again: 0 to 5 minutes, 10 seconds by default, and never beyond
    /// its expiry. It is also how long a revocation takes to be heard of here.
    #[must_use]
    pub fn remember(self, positive: Duration) -> Self {
        Self { remember: positive, ..self }
    }

    /// What sends requests to the issuers, instead of the default: a client with a guard that lets private networks through, and
    /// this machine if a configured issuer is on it.
    #[must_use]
    pub fn fetch(self, fetch: Arc<dyn Fetch>) -> Self {
        Self { fetch: Some(fetch), ..self }
    }

    /// What tells the time, instead of the clock of the machine.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// The verifier.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] says what to configure.
    pub fn build(self) -> Result<Verifier, ConfigError> {
        let resource = Resource::parse(&self.resource).map_err(|fault| ConfigError::Value {
            what: "the resource",
            value: self.resource.clone(),
            fault: fault.into(),
            example: "https://mcp.example.com/mcp",
        })?;
        let named = self.jwts.iter().map(|jwt| &jwt.issuer);
        let named = named.chain(self.introspections.iter().map(|at| &at.issuer)).chain(&self.userinfos);
        let issuers = named.map(|issuer| parsed(issuer)).collect::<Result<Vec<_>, _>>()?;
        if self.remember > Duration::from_secs(300) {
            return Err(ConfigError::Remember);
        }
        Ok(Verifier(Arc::new(Inner { resource, issuers })))
    }
}

fn parsed(issuer: &str) -> Result<Issuer, ConfigError> {
    Issuer::parse(issuer).map_err(|fault| ConfigError::Value {
        what: "the issuer",
        value: issuer.to_owned(),
        fault: ValueFault::Issuer(fault),
        example: "https://auth.example.com",
    })
}
