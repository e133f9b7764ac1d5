//! Asking an authorization server what a token is worth (RFC 7662).

use secrecy::SecretString;

/// How an authorization server is asked what a token is worth (RFC 7662 section 2).
#[derive(Clone, Debug)]
pub struct Introspection {
    pub(crate) issuer: String,
    pub(crate) endpoint: Option<String>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) prefix: String,
    pub(crate) audiences: Vec<String>,
}

/// How this server authenticates to an introspection endpoint (RFC 7662 section 2.1).
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// A key as Bearer token.
    Bearer(SecretString),
    /// `client_secret_basic` (RFC 6749 section 2.3.1).
    Basic { id: String, secret: SecretString },
}

impl Introspection {
    /// Tokens of this issuer, whose introspection endpoint is found by discovery.
    #[must_use]
    pub fn at_issuer(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            endpoint: None,
            credentials: None,
            prefix: String::new(),
            audiences: Vec::new(),
        }
    }

    /// The endpoint is at this URL, and nothing is discovered.
    #[must_use]
    pub fn endpoint(self, url: &str) -> Self {
        Self { endpoint: Some(url.to_owned()), ..self }
    }

    /// This server authenticates by a key, sent as a Bearer token.
    #[must_use]
    pub fn bearer(self, key: SecretString) -> Self {
        Self { credentials: Some(Credentials::Bearer(key)), ..self }
    }

    /// This server authenticates as a client, by `client_secret_basic`.
    #[must_use]
    pub fn basic(self, id: &str, secret: SecretString) -> Self {
        Self { credentials: Some(Credentials::Basic { id: id.to_owned(), secret }), ..self }
    }

    /// Only tokens that start with this are asked about: `mat_`. At most one source is without a prefix.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), ..self }
    }

    /// Tokens whose `aud` has this text, instead of the resource of this server. Several may be given, one of which must be there.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.audiences.push(audience.to_owned());
        self
    }
}
