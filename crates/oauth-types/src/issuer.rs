//! The issuer identifier (RFC 8414 section 2).

use std::sync::Arc;

use url::Url;

use crate::text::{parsed_text, text_type};
use crate::uri::{Fault, Web, is_loopback};

/// The identifier of an authorization server, in exactly the text it was given.
///
/// It is https, or http on `127.0.0.1`, `[::1]` or `localhost`; it has no query, fragment or userinfo, and is at most
/// 2048 bytes long. A final slash is part of the identifier: clients compare issuers as texts (RFC 9207 section 2.4).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Issuer(Arc<str>);

/// Why a text is not an issuer identifier (RFC 8414 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// Longer than 2048 bytes.
    #[error("an issuer is at most 2048 bytes long")]
    TooLong,
    /// Not a URI of RFC 3986 characters, or one that a URL library would rewrite (`..`, `//`).
    #[error("not an absolute URI in its plain form")]
    NotAUri,
    /// Neither https nor http on this machine.
    #[error("an issuer is https, or http on 127.0.0.1, [::1] or localhost")]
    NotHttps,
    /// The host or the port is missing or wrong.
    #[error("the host or port of the issuer is not valid")]
    Host,
    /// A query component.
    #[error("an issuer has no query")]
    Query,
    /// A fragment component.
    #[error("an issuer has no fragment")]
    Fragment,
    /// A user name or password.
    #[error("an issuer has no user name or password")]
    UserInfo,
}

impl Issuer {
    /// Reads an issuer identifier and keeps its text.
    ///
    /// # Errors
    /// [`IssuerError`] names the rule of RFC 8414 section 2 that the text breaks.
    pub fn parse(text: &str) -> Result<Self, IssuerError> {
        let web = Web::parse(text)?;
        if web.query.is_some() {
            return Err(IssuerError::Query);
        }
        if !web.https && !is_loopback(web.host) {
            return Err(IssuerError::NotHttps);
        }
        // Both would be rewritten on the way from this text to a request.
        let rewritten = Url::parse(text).map_or(true, |url| url.path() != web.path && !web.path.is_empty());
        if rewritten || web.path.contains("//") || !text.starts_with("http") {
            return Err(IssuerError::NotAUri);
        }
        Ok(Self(text.into()))
    }

    /// The exact text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `scheme://host[:port]`, as it stands in the text.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.0[..self.path_start()]
    }

    /// The path without a final slash: `""` or `"/tenant1"`.
    #[must_use]
    pub fn path(&self) -> &str {
        let path = &self.0[self.path_start()..];
        path.strip_suffix('/').unwrap_or(path)
    }

    /// The URL of an endpoint: the issuer without a final slash, followed by `path`, which starts with a slash.
    #[must_use]
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{}{path}", self.origin(), self.path())
    }

    /// What is left of the path of a request when the issuer's own path is taken off its front; it starts with a slash.
    ///
    /// `None` if the request is for something outside the issuer. `/tenant1` is no prefix of `/tenant10`.
    #[must_use]
    pub fn strip<'p>(&self, request_path: &'p str) -> Option<&'p str> {
        match request_path.strip_prefix(self.path())? {
            "" => Some("/"),
            rest => rest.starts_with('/').then_some(rest),
        }
    }

    /// Whether the scheme is https.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }

    fn path_start(&self) -> usize {
        let after_scheme = self.0.find("://").map_or(0, |at| at + 3);
        self.0[after_scheme..].find('/').map_or(self.0.len(), |at| after_scheme + at)
    }
}

text_type!(Issuer, IssuerError);
parsed_text!(Issuer);

impl From<Fault> for IssuerError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooLong => Self::TooLong,
            Fault::Syntax => Self::NotAUri,
            Fault::NotWeb => Self::NotHttps,
            Fault::Fragment => Self::Fragment,
            Fault::UserInfo => Self::UserInfo,
            Fault::Host => Self::Host,
        }
    }
}
