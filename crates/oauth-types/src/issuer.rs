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
        // A URL library would rewrite `HTTPS:` and `/a/../b` on the way from this text to a request.
        let plain = text.starts_with(if web.https { "https://" } else { "http://" });
        let rewritten = Url::parse(text).map_or(true, |url| url.path() != web.path && !web.path.is_empty());
        if !plain || rewritten || web.path.contains("//") {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_kept_with_or_without_a_final_slash() {
        for text in [
            "https://auth.example.com",
            "https://auth.example.com/",
            "https://Auth.Example.com:443/tenant1/",
            "http://127.0.0.1:8414",
            "http://localhost:8414/a",
            "http://[::1]:8414",
        ] {
            assert_eq!(Issuer::parse(text).map(|issuer| issuer.to_string()), Ok(text.to_owned()));
        }
        assert_ne!(Issuer::parse("https://a.example"), Issuer::parse("https://a.example/"));
    }

    /// RFC 8414 section 2, AS-2, AS-7.
    #[test]
    fn what_is_no_issuer_is_refused_by_its_rule() {
        for (text, error) in [
            ("http://auth.example.com", IssuerError::NotHttps),
            ("http://127.0.0.2", IssuerError::NotHttps),
            ("http://localhost.example.com", IssuerError::NotHttps),
            ("ftp://auth.example.com", IssuerError::NotHttps),
            ("https://auth.example.com?x=1", IssuerError::Query),
            ("https://auth.example.com/?", IssuerError::Query),
            ("https://auth.example.com#x", IssuerError::Fragment),
            ("https://me@auth.example.com", IssuerError::UserInfo),
            ("https://", IssuerError::Host),
            ("https:///path", IssuerError::Host),
            ("https:auth.example.com", IssuerError::Host),
            ("https://auth.example.com:", IssuerError::Host),
            ("https://auth.example.com:65536", IssuerError::Host),
            ("https://0x7f.1", IssuerError::Host),
            ("https://%61uth.example.com", IssuerError::Host),
            ("auth.example.com", IssuerError::NotAUri),
            (" https://auth.example.com", IssuerError::NotAUri),
            ("https://auth.example.com/a\n", IssuerError::NotAUri),
            ("https://auth.example.com/a b", IssuerError::NotAUri),
            ("https://auth.example.com\\@evil.example", IssuerError::NotAUri),
            ("https://auth.example.com/a/../b", IssuerError::NotAUri),
            ("https://auth.example.com/a//b", IssuerError::NotAUri),
            ("HTTPS://auth.example.com", IssuerError::NotAUri),
            ("httpS://auth.example.com", IssuerError::NotAUri),
            ("", IssuerError::NotAUri),
        ] {
            assert_eq!(Issuer::parse(text), Err(error), "{text}");
        }
        let long = format!("https://a.example/{}", "a".repeat(2048));
        assert_eq!(Issuer::parse(&long), Err(IssuerError::TooLong));
    }

    #[test]
    fn the_parts_are_slices_of_the_text() -> Result<(), IssuerError> {
        for (text, origin, path, token) in [
            ("https://a.example", "https://a.example", "", "https://a.example/t"),
            ("https://a.example/", "https://a.example", "", "https://a.example/t"),
            ("http://[::1]:1/x/", "http://[::1]:1", "/x", "http://[::1]:1/x/t"),
            ("https://a.example/x/y", "https://a.example", "/x/y", "https://a.example/x/y/t"),
            ("https://a/x/y/z/of/many", "https://a", "/x/y/z/of/many", "https://a/x/y/z/of/many/t"),
        ] {
            let issuer = Issuer::parse(text)?;
            assert_eq!((issuer.origin(), issuer.path()), (origin, path));
            assert_eq!(issuer.endpoint("/t"), token);
            assert_eq!(issuer.is_https(), text.starts_with("https"));
        }
        Ok(())
    }

    #[test]
    fn a_path_is_stripped_only_at_the_border_of_a_segment() -> Result<(), IssuerError> {
        for text in ["https://a.example/tenant1", "https://a.example/tenant1/"] {
            let issuer = Issuer::parse(text)?;
            assert_eq!(issuer.strip("/tenant1/oauth/token"), Some("/oauth/token"));
            assert_eq!(issuer.strip("/tenant1/"), Some("/"));
            assert_eq!(issuer.strip("/tenant1"), Some("/"));
            assert_eq!(issuer.strip("/tenant10/oauth/token"), None);
            assert_eq!(issuer.strip("/oauth/token"), None);
        }
        let root = Issuer::parse("https://a.example/")?;
        assert_eq!(root.strip("/oauth/token"), Some("/oauth/token"));
        assert_eq!(root.strip("*"), None);
        Ok(())
    }
}
