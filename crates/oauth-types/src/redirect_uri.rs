//! Redirect URIs (RFC 6749 section 3.1.2, RFC 8252 section 7).

use std::sync::Arc;

use crate::text::{parsed_text, text_type};
use crate::uri::{Authority, Fault, Uri, Web, is_loopback, is_this_machine};

/// Where a client wants its answers, in exactly the text it was given.
///
/// Absolute, without fragment, at most 2048 bytes of RFC 3986 characters. https has a host; http is for loopback only;
/// neither has userinfo. A private-use scheme is fine unless a browser, or the system behind it, gives it a meaning
/// of its own. Whether private-use schemes are wanted at all is the server's policy.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RedirectUri(Arc<str>);

/// The three ways back to a client (RFC 8252 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RedirectKind {
    /// An https URL of another machine.
    Https,
    /// http on `127.0.0.1`, `[::1]` or `localhost`, or https on any name of this machine: whatever listens there may be any
    /// program of it.
    Loopback,
    /// A scheme of the client's own, such as `com.example.app:/callback`.
    PrivateUse,
}

/// Why a text is no redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectUriError {
    /// Longer than 2048 bytes.
    #[error("a redirect URI is at most 2048 bytes long")]
    TooLong,
    /// Not an absolute URI of RFC 3986 characters.
    #[error("not an absolute URI")]
    NotAUri,
    /// A fragment component (RFC 6749 section 3.1.2).
    #[error("a redirect URI has no fragment")]
    Fragment,
    /// A user name or password.
    #[error("a redirect URI has no user name or password")]
    UserInfo,
    /// The host or the port is missing or wrong.
    #[error("the host or port of the redirect URI is not valid")]
    Host,
    /// http to another machine.
    #[error("http is allowed on 127.0.0.1, [::1] and localhost only")]
    NotLoopback,
    /// A scheme that would run code, read files or leave the browser in another way.
    #[error("this scheme is not allowed in a redirect URI")]
    Scheme,
}

impl RedirectUri {
    /// Reads a redirect URI and keeps its text.
    ///
    /// # Errors
    /// [`RedirectUriError`] names what is wrong.
    pub fn parse(text: &str) -> Result<Self, RedirectUriError> {
        let uri = Uri::parse(text)?;
        if uri.fragment {
            return Err(RedirectUriError::Fragment);
        }
        match kind_of(uri.scheme) {
            RedirectKind::Https => {
                Web::parse(text)?;
            }
            RedirectKind::Loopback if is_loopback(Web::parse(text)?.host) => {}
            RedirectKind::Loopback => return Err(RedirectUriError::NotLoopback),
            RedirectKind::PrivateUse => {
                let scheme = uri.scheme.to_ascii_lowercase();
                // `ms-…` are handlers of Windows, and there are many.
                if FORBIDDEN.contains(&&*scheme) || scheme.starts_with("ms-") {
                    return Err(RedirectUriError::Scheme);
                }
                if uri.authority.unwrap_or_default().is_empty() && uri.path.is_empty() {
                    return Err(RedirectUriError::NotAUri);
                }
            }
        }
        Ok(Self(text.into()))
    }

    /// The exact text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which of the three ways this is.
    #[must_use]
    pub fn kind(&self) -> RedirectKind {
        let kind = kind_of(self.0.split(':').next().unwrap_or_default());
        let local = kind == RedirectKind::Https && self.host().is_some_and(is_this_machine);
        if local { RedirectKind::Loopback } else { kind }
    }

    /// The host as it stands in the text, an IPv6 address with its brackets; a private-use URI may have none.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        let authority = Uri::parse(&self.0).ok()?.authority?;
        Authority::parse(authority).ok().map(|authority| authority.host).filter(|host| !host.is_empty())
    }

    /// Whether this URI, which a request names, is the one registered.
    ///
    /// Byte for byte; or, by http on loopback, with another port only: native clients take whichever is free (RFC 8252
    /// section 7.3). `localhost` and `127.0.0.1` are not exchanged.
    #[must_use]
    pub fn matches(&self, registered: &Self) -> bool {
        if self == registered {
            return true;
        }
        match (Uri::parse(&self.0), Uri::parse(&registered.0)) {
            (Ok(mine), Ok(theirs)) => {
                mine.scheme == theirs.scheme
                    && kind_of(mine.scheme) == RedirectKind::Loopback
                    && self.host() == registered.host()
                    && mine.path == theirs.path
                    && mine.query == theirs.query
            }
            (Ok(_) | Err(_), Ok(_) | Err(_)) => false,
        }
    }

    /// Whether its query has a parameter of one of these names.
    #[must_use]
    pub fn has_query_of(&self, names: &[&str]) -> bool {
        let query = self.0.split_once('?').map(|(_, query)| query).unwrap_or_default();
        form_urlencoded::parse(query.as_bytes()).any(|(name, _)| names.contains(&&*name))
    }

    /// The URI with `pairs` added to its query, form-encoded; what was there is retained (RFC 6749 section 3.1.2).
    #[must_use]
    pub fn with_query(&self, pairs: &[(&str, &str)]) -> String {
        let mut text = self.0.to_string();
        if pairs.is_empty() {
            return text;
        }
        match text.split_once('?') {
            None => text.push('?'),
            Some((_, query)) if query.is_empty() || query.ends_with('&') => {}
            Some(_) => text.push('&'),
        }
        text.push_str(&form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish());
        text
    }
}

/// http means loopback: no other http gets through [`RedirectUri::parse`].
fn kind_of(scheme: &str) -> RedirectKind {
    if scheme.eq_ignore_ascii_case("https") {
        RedirectKind::Https
    } else if scheme.eq_ignore_ascii_case("http") {
        RedirectKind::Loopback
    } else {
        RedirectKind::PrivateUse
    }
}

text_type!(RedirectUri, RedirectUriError);
parsed_text!(RedirectUri);

impl From<Fault> for RedirectUriError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooLong => Self::TooLong,
            Fault::Syntax => Self::NotAUri,
            Fault::NotWeb => Self::Scheme,
            Fault::Fragment => Self::Fragment,
            Fault::UserInfo => Self::UserInfo,
            Fault::Host => Self::Host,
        }
    }
}

/// A redirect to one of these would run as script, show a local file, or hand the code to whatever the system has
/// for it, instead of to the client that registered it.
const FORBIDDEN: &[&str] = &[
    "about",
    "android-app",
    "blob",
    "chrome",
    "chrome-extension",
    "data",
    "feed",
    "file",
    "filesystem",
    "ftp",
    "ftps",
    "gopher",
    "intent",
    "itms",
    "itms-apps",
    "itms-services",
    "jar",
    "javascript",
    "ldap",
    "ldaps",
    "livescript",
    "mailto",
    "market",
    "mhtml",
    "mocha",
    "moz-extension",
    "resource",
    "safari-web-extension",
    "search",
    "search-ms",
    "sftp",
    "sms",
    "smb",
    "ssh",
    "tel",
    "telnet",
    "urn",
    "vbscript",
    "view-source",
    "ws",
    "wss",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_redirect_uris_of_real_clients_are_taken_as_they_are() {
        use RedirectKind::{Https, Loopback, PrivateUse};
        for (text, kind, host) in [
            ("https://claude.ai/api/mcp/auth_callback", Https, Some("claude.ai")),
            ("https://App.Example.com:8443/cb?x=1", Https, Some("App.Example.com")),
            ("http://localhost:3000/callback", Loopback, Some("localhost")),
            ("http://127.0.0.1/callback", Loopback, Some("127.0.0.1")),
            ("http://[::1]:49152/callback", Loopback, Some("[::1]")),
            ("cursor://anysphere.cursor-mcp/oauth/callback", PrivateUse, Some("anysphere.cursor-mcp")),
            ("com.example.app:/cb", PrivateUse, None),
            ("com.example.app:cb", PrivateUse, None),
            ("https://app.example.com/%7Eme%2f", Https, Some("app.example.com")),
            // An authority that is none has no host; what receives it is the scheme.
            ("com.example.app://[::1]x/cb", PrivateUse, None),
            ("com.example.app://h:+80/cb", PrivateUse, None),
            ("com.example.app://h:8x/cb", PrivateUse, None),
            ("com.example.app://h:80/cb", PrivateUse, Some("h")),
        ] {
            let uri = RedirectUri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((uri.as_str(), uri.kind(), uri.host()), (text, kind, host));
        }
    }

    /// AS-12, AS-13.
    #[test]
    fn what_is_no_redirect_uri_is_refused_by_its_rule() {
        for (text, error) in [
            ("https://app.example.com/cb#x", RedirectUriError::Fragment),
            ("com.example.app:/cb#", RedirectUriError::Fragment),
            ("/cb", RedirectUriError::NotAUri),
            ("app.example.com/cb", RedirectUriError::NotAUri),
            ("com.example.app:", RedirectUriError::NotAUri),
            ("com.example.app://", RedirectUriError::NotAUri),
            ("1app:/cb", RedirectUriError::NotAUri),
            ("+app:/cb", RedirectUriError::NotAUri),
            ("my_app:/cb", RedirectUriError::NotAUri),
            (":/cb", RedirectUriError::NotAUri),
            ("https://app.example.com/%4z", RedirectUriError::NotAUri),
            ("https://app.example.com/%z4", RedirectUriError::NotAUri),
            ("https://app.example.com/%4", RedirectUriError::NotAUri),
            ("https://app.example.com/c b", RedirectUriError::NotAUri),
            ("https://app.example.com/cb\r\nX: y", RedirectUriError::NotAUri),
            ("https://app.example.com/\u{e9}", RedirectUriError::NotAUri),
            ("https://app.example.com\\@evil.example/", RedirectUriError::NotAUri),
            ("https://app.example.com@evil.example/cb", RedirectUriError::UserInfo),
            ("http://localhost@evil.example/cb", RedirectUriError::UserInfo),
            ("https:/cb", RedirectUriError::Host),
            ("https:///cb", RedirectUriError::Host),
            ("http://app.example.com/cb", RedirectUriError::NotLoopback),
            ("http://127.0.0.1.evil.example/cb", RedirectUriError::NotLoopback),
            ("http://0x7f.1/cb", RedirectUriError::Host),
        ] {
            assert_eq!(RedirectUri::parse(text), Err(error), "{text}");
        }
        let long = format!("https://a.example/{}", "a".repeat(2048));
        assert_eq!(RedirectUri::parse(&long), Err(RedirectUriError::TooLong));
    }

    /// AS-13.
    #[test]
    fn a_scheme_that_runs_code_or_reads_files_is_refused_in_any_case() {
        for text in [
            "javascript:alert(1)",
            "JavaScript://x/%0aalert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "vbscript:x",
            "blob:https://app.example.com/1",
            "about:blank",
            "view-source:https://app.example.com",
            "ws://localhost/",
            "WSS://app.example.com/",
            "ftp://app.example.com/",
            "urn:ietf:wg:oauth:2.0:oob",
        ] {
            assert_eq!(RedirectUri::parse(text), Err(RedirectUriError::Scheme), "{text}");
        }
    }

    /// AS-12, I6.
    #[test]
    fn a_request_matches_byte_for_byte_or_on_loopback_by_any_port() -> Result<(), RedirectUriError> {
        for (requested, registered, matches) in [
            ("https://a.example/cb", "https://a.example/cb", true),
            ("https://a.example/cb", "https://a.example/cb/", false),
            ("https://a.example/cb", "https://A.example/cb", false),
            ("https://a.example:443/cb", "https://a.example/cb", false),
            ("https://localhost:1/cb", "https://localhost:2/cb", false),
            ("http://127.0.0.1:49152/cb", "http://127.0.0.1/cb", true),
            ("http://127.0.0.1/cb", "http://127.0.0.1:3000/cb", true),
            ("http://localhost:1/cb", "http://localhost:2/cb", true),
            ("http://[::1]:1/cb", "http://[::1]:2/cb", true),
            ("http://localhost:1/cb", "http://127.0.0.1:1/cb", false),
            ("http://localhost:1/cb", "http://LOCALHOST:2/cb", false),
            ("http://127.0.0.1:1/cb?x=1", "http://127.0.0.1:2/cb?x=1", true),
            ("http://127.0.0.1:1/cb?x=1", "http://127.0.0.1:2/cb", false),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/other", false),
            ("http://127.0.0.1:1", "http://127.0.0.1:2/", false),
            ("com.example.app:/cb", "com.example.app:/cb", true),
            ("com.example.app://h:1/cb", "com.example.app://h:2/cb", false),
        ] {
            let (requested, registered) = (RedirectUri::parse(requested)?, RedirectUri::parse(registered)?);
            assert_eq!(requested.matches(&registered), matches, "{requested} {registered}");
        }
        Ok(())
    }

    /// RFC 6749 section 3.1.2.
    #[test]
    fn an_existing_query_is_retained() -> Result<(), RedirectUriError> {
        let pairs = [("code", "a+b&c"), ("iss", "https://a.example")];
        let added = "code=a%2Bb%26c&iss=https%3A%2F%2Fa.example";
        for (text, separator) in [
            ("https://a.example/cb", "?"),
            ("https://a.example/cb?", ""),
            ("https://a.example/cb?x=%20y", "&"),
            ("https://a.example/cb?x&", ""),
            ("com.example.app:/cb", "?"),
        ] {
            assert_eq!(RedirectUri::parse(text)?.with_query(&pairs), format!("{text}{separator}{added}"));
        }
        assert_eq!(RedirectUri::parse("https://a.example/cb")?.with_query(&[]), "https://a.example/cb");
        Ok(())
    }

    #[test]
    fn a_parameter_of_the_query_is_found_by_its_decoded_name() -> Result<(), RedirectUriError> {
        for (text, found) in [
            ("https://a.example/cb", false),
            ("https://a.example/code?x=code", false),
            ("https://a.example/cb?x=1&code=2", true),
            ("https://a.example/cb?%63ode", true),
            ("https://a.example/cb?codes=1", false),
        ] {
            assert_eq!(RedirectUri::parse(text)?.has_query_of(&["iss", "code"]), found, "{text}");
        }
        Ok(())
    }

    /// Whatever listens on loopback may be any program of the machine, with a certificate or without. The port may vary by
    /// http alone: RFC 8252 section 7.3 speaks of nothing else.
    #[test]
    fn https_on_loopback_is_loopback_and_keeps_its_port() {
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            let uri = |port: u16| RedirectUri::parse(&format!("https://{host}:{port}/cb")).unwrap();
            assert_eq!(uri(8443).kind(), RedirectKind::Loopback);
            assert!(uri(8443).matches(&uri(8443)));
            assert!(!uri(8443).matches(&uri(9443)));
        }
    }

    #[test]
    fn https_on_any_name_of_this_machine_is_loopback() {
        for host in [
            "127.0.0.2",
            "127.1.2.3",
            "0.0.0.0",
            "[::]",
            "[::ffff:7f00:1]",
            "[::ffff:0:0]",
            "localhost.",
            "app.localhost",
        ] {
            let uri = RedirectUri::parse(&format!("https://{host}/cb")).unwrap();
            assert_eq!(uri.kind(), RedirectKind::Loopback, "{host}");
        }
        for host in ["127.0.0.1.example.com", "localhost.example", "mylocalhost", "128.0.0.1"] {
            assert_eq!(
                RedirectUri::parse(&format!("https://{host}/cb")).unwrap().kind(),
                RedirectKind::Https,
                "{host}"
            );
        }
    }

    #[test]
    fn a_scheme_that_belongs_to_the_system_is_refused() {
        for text in [
            "ms-msdt:/id",
            "MS-settings:/",
            "search-ms:query=x",
            "ldap://a.example/",
            "itms-services://x",
            "market://x",
        ] {
            assert_eq!(RedirectUri::parse(text), Err(RedirectUriError::Scheme), "{text}");
        }
    }
}
