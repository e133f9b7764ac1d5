//! The configuration of a verifier, in which every fault is found before the first request.

use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, SystemClock};
use futures_util::future::BoxFuture;
use http_io::{Client, Fetch, Guard};
use oauth_types::{Issuer, IssuerError, Resource};
use secrecy::SecretString;

use super::asking::fit;
use super::notices::Notices;
use super::{Check, Inner, Own, Verifier};
use crate::config_error::{ConfigError, ValueFault, value_of};
use crate::jwt::{Trusted, spellings};
use crate::opaque::{Asked, Parts, Remembered, Source};
use crate::origin::Origin;
use crate::{Holder, Introspection, Jwt, Rejection};

/// A verifier in the making. The order of the credentials is that of [`Verifier`], whatever the order of these calls.
pub struct VerifierBuilder {
    resource: String,
    jwts: Vec<Jwt>,
    introspections: Vec<Introspection>,
    userinfos: Vec<String>,
    own: Vec<(String, Check)>,
    own_issuer: Option<String>,
    remember: Duration,
    fetch: Option<Arc<dyn Fetch>>,
    clock: Option<Arc<dyn Clock>>,
    plain_http: bool,
}

impl VerifierBuilder {
    pub(crate) fn new(resource: &str) -> Self {
        Self {
            resource: resource.to_owned(),
            jwts: Vec::new(),
            introspections: Vec::new(),
            userinfos: Vec::new(),
            own: Vec::new(),
            own_issuer: None,
            remember: Duration::from_secs(10),
            fetch: None,
            clock: None,
            plain_http: false,
        }
    }

    /// Signed tokens of an issuer. Several can be given: a token is checked by the rules of the issuer that it names.
    #[must_use]
    pub fn jwt(mut self, jwt: Jwt) -> Self {
        self.jwts.push(jwt);
        self
    }

    /// Access tokens of Portcullis, which start with `mat_`: it is asked about them with the `sak_` key of this server, at its own
    /// origin alone. A text that it could not have issued is refused without asking.
    #[must_use]
    pub fn portcullis(self, issuer: &str, key: SecretString) -> Self {
        self.introspection(Introspection::of_portcullis(issuer, key))
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
    ///
    /// `check` says whose it is: a [`Holder`], or a whole [`Verified`](crate::Verified), where somebody else vouches for it. For what it
    /// says of `resource` this server is put.
    #[must_use]
    pub fn credential<F, Fut, H>(mut self, prefix: &str, check: F) -> Self
    where
        F: Fn(SecretString) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<H, Rejection>> + Send + 'static,
        H: Into<Holder>,
    {
        let check = Box::new(move |token| -> BoxFuture<'static, _> {
            let checking = check(token);
            Box::pin(async move { checking.await.map(Into::into) })
        });
        self.own.push((prefix.to_owned(), check));
        self
    }

    /// Who vouches for the credentials of one's own: `iss` of the pair that names their holders. By default it is the resource of this
    /// server. It is no issuer of tokens, or its people could not be told from one's own.
    #[must_use]
    pub fn own_issuer(self, issuer: &str) -> Self {
        Self { own_issuer: Some(issuer.to_owned()), ..self }
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

    /// Lets the resource be an http URL that is not of this machine.
    ///
    /// The danger: clients send their tokens in the clear. Whoever is on the way reads them, and is their user until they expire. A proxy
    /// that ends TLS is no reason for it: the resource is the URL that clients use, whatever stands behind.
    #[must_use]
    pub fn dangerously_plain_http(self) -> Self {
        Self { plain_http: true, ..self }
    }

    /// The verifier.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] says what to configure.
    pub fn build(self) -> Result<Verifier, ConfigError> {
        let what = ("the resource", "https://mcp.example.com/mcp, the exact URL of the MCP endpoint");
        let resource = parsed(what, &self.resource, Resource::parse)?;
        let origin = Origin::from(&resource);
        if origin.is_http() && !origin.is_this_machine() && !self.plain_http {
            return Err(ConfigError::PlainHttpResource { resource: resource.to_string() });
        }
        self.check_prefixes()?;
        if self.jwts.is_empty() && self.introspections.is_empty() && self.userinfos.is_empty() {
            return Err(ConfigError::NoIssuer);
        }
        let positive = i64::try_from(self.remember.as_secs()).unwrap_or(i64::MAX);
        if positive > 300 {
            return Err(ConfigError::Remember);
        }
        let clock = self.clock.clone().unwrap_or_else(|| Arc::new(SystemClock));
        let fetch = match &self.fetch {
            Some(fetch) => Arc::clone(fetch),
            None => Arc::new(Client::new(self.guard())?),
        };
        let notices = Arc::default();
        let shared = Shared { resource, fetch, clock, notices };
        let trusted = shared.trusted(self.jwts)?;
        let asked = self.introspections.into_iter().map(|at| shared.introspection(at));
        let used = self.userinfos.into_iter().map(|issuer| shared.userinfo(&issuer));
        let sources = asked.chain(used).collect::<Result<Vec<_>, _>>()?;
        let own = own(self.own, self.own_issuer.as_deref(), &shared.resource)?;
        if let Some(Own { issuer, .. }) = own.first()
            && (trusted.iter().any(|one| one.is_named(issuer.as_str()))
                || sources.iter().any(|one| one.is_named(issuer.as_str())))
        {
            return Err(ConfigError::OwnIssuerTrusted { issuer: issuer.to_string() });
        }
        let Shared { resource, clock, notices, .. } = shared;
        let remembered = Remembered::new(positive, Arc::clone(&clock));
        Ok(Verifier(Arc::new(Inner { resource, own, trusted, sources, remembered, clock, notices })))
    }

    fn check_prefixes(&self) -> Result<(), ConfigError> {
        if self.own.iter().any(|(prefix, _)| prefix.is_empty()) {
            return Err(ConfigError::EmptyPrefix);
        }
        let prefixes: Vec<&str> = self
            .introspections
            .iter()
            .map(|at| at.prefix.as_str())
            .chain(self.userinfos.iter().map(|_| ""))
            .collect();
        for (at, one) in prefixes.iter().enumerate() {
            // A source without a prefix takes what the others leave.
            let meets = |other: &&&str| match (one.is_empty(), other.is_empty()) {
                (false, false) => one.starts_with(**other) || other.starts_with(one),
                (one, other) => one && other,
            };
            if let Some(other) = prefixes[at + 1..].iter().find(meets) {
                return Err(ConfigError::PrefixesMeet { one: (*one).to_owned(), other: (*other).to_owned() });
            }
        }
        Ok(())
    }

    /// The issuers are the operator's own choice, and trusted as much as this server itself: they may be in a private network, and on
    /// this machine if one of them says so.
    fn guard(&self) -> Guard {
        let private = Guard::public_only().dangerous_private_networks();
        let urls = self.jwts.iter().flat_map(|jwt| [Some(&jwt.issuer), jwt.jwks_uri.as_ref()]);
        let urls =
            urls.chain(self.introspections.iter().flat_map(|at| [Some(&at.issuer), at.endpoint.as_ref()]));
        let mut origins = urls.flatten().chain(&self.userinfos).filter_map(|url| Origin::of(url));
        if origins.any(|origin| origin.is_this_machine()) { private.dangerous_loopback() } else { private }
    }
}

/// What all that is checked has in common.
struct Shared {
    resource: Resource,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    notices: Arc<Notices>,
}

impl Shared {
    fn trusted(&self, jwts: Vec<Jwt>) -> Result<Vec<Trusted>, ConfigError> {
        let mut trusted: Vec<Trusted> = Vec::new();
        for jwt in jwts {
            let issuer = issuer(&jwt.issuer)?;
            if trusted.iter().any(|one| one.is_named(issuer.as_str())) {
                return Err(ConfigError::SameIssuer { issuer: jwt.issuer });
            }
            endpoint(("the jwks_uri", "https://auth.example.com/jwks"), jwt.jwks_uri.as_deref(), &issuer)?;
            let (fetch, clock) = (Arc::clone(&self.fetch), Arc::clone(&self.clock));
            let notices = Arc::clone(&self.notices);
            trusted.push(Trusted::new(jwt, issuer, self.resource.clone(), fetch, clock, notices)?);
        }
        Ok(trusted)
    }

    fn introspection(&self, at: Introspection) -> Result<Arc<Source>, ConfigError> {
        let issuer = issuer(&at.issuer)?;
        let example = "https://auth.example.com/introspect";
        endpoint(("the introspection endpoint", example), at.endpoint.as_deref(), &issuer)?;
        for audience in &at.audiences {
            value_of("the audience", audience, "https://mcp.example.com/mcp")?;
        }
        let Some(credentials) = &at.credentials else {
            return Err(ConfigError::NoCredentials { issuer: at.issuer });
        };
        let authorization = Some(credentials.header()?);
        let audiences = if at.audiences.is_empty() { spellings(&self.resource) } else { at.audiences };
        let (endpoint, prefix) = (at.endpoint, at.prefix);
        Ok(self.source(Asked {
            issuer,
            authorization,
            endpoint,
            prefix,
            audiences,
            portcullis: at.portcullis,
        }))
    }

    fn userinfo(&self, text: &str) -> Result<Arc<Source>, ConfigError> {
        Ok(self.source(Asked {
            issuer: issuer(text)?,
            authorization: None,
            endpoint: None,
            prefix: String::new(),
            audiences: spellings(&self.resource),
            portcullis: false,
        }))
    }

    fn source(&self, asked: Asked) -> Arc<Source> {
        let (resource, fetch) = (self.resource.clone(), Arc::clone(&self.fetch));
        let (clock, notices) = (Arc::clone(&self.clock), Arc::clone(&self.notices));
        Arc::new(Source::new(Parts { asked, resource, fetch, clock, notices }))
    }
}

/// One's own credentials, for which `issuer` vouches, or else the server itself.
fn own(
    credentials: Vec<(String, Check)>,
    issuer: Option<&str>,
    resource: &Resource,
) -> Result<Vec<Own>, ConfigError> {
    if credentials.is_empty() && issuer.is_none() {
        return Ok(Vec::new());
    }
    let what = ("the issuer of one's own credentials", "https://mcp.example.com, for `own_issuer`");
    let issuer = parsed(what, issuer.unwrap_or_else(|| resource.as_str()), Issuer::parse)?;
    let own = credentials.into_iter().map(|(prefix, check)| Own { prefix, check, issuer: issuer.clone() });
    Ok(own.collect())
}

fn issuer(text: &str) -> Result<Issuer, ConfigError> {
    match parsed(("the issuer", "https://auth.example.com"), text, Issuer::parse) {
        Err(ConfigError::Value { fault: ValueFault::Issuer(IssuerError::NotHttps), value, .. })
            if value.starts_with("http:") =>
        {
            Err(ConfigError::PlainHttp { issuer: value })
        }
        parsed => parsed,
    }
}

fn endpoint(
    what: (&'static str, &'static str),
    url: Option<&str>,
    issuer: &Issuer,
) -> Result<(), ConfigError> {
    let fits = |url: &str| fit(url, issuer).map_err(|_| ValueFault::NotHttps);
    url.map_or(Ok(()), |url| parsed(what, url, fits).map(drop))
}

/// The value, if it is what it should be; `what` also says what a good one looks like.
fn parsed<T, E: Into<ValueFault>>(
    (what, example): (&'static str, &'static str),
    value: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, ConfigError> {
    let value = value_of(what, value, example)?;
    let fault = |fault: E| ConfigError::Value { what, value: value.to_owned(), fault: fault.into(), example };
    parse(value).map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This machine has services that trust whoever reaches them.
    #[test]
    fn the_client_reaches_this_machine_only_if_an_issuer_is_there() {
        let open = Guard::public_only().dangerous_private_networks();
        let builder = || VerifierBuilder::new("https://mcp.example.com/mcp");
        for issuer in ["https://auth.example.com", "https://10.0.0.7", "https://localhost.example.com"] {
            assert_eq!(builder().userinfo(issuer).guard(), open, "{issuer}");
        }
        for issuer in ["http://localhost:8080", "http://127.0.0.1", "http://[::1]:1/a", "https://localhost"] {
            assert_eq!(builder().jwt(Jwt::issued_by(issuer)).guard(), open.dangerous_loopback(), "{issuer}");
        }
        assert_eq!(Verifier::builder("http://localhost/mcp").guard(), open, "the resource is not fetched");
    }
}
