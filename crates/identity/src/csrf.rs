//! Whether a form that was sent is one that this server gave to the same browser (OWASP, cross-site request forgery).

use std::fmt;

use ambient::Entropy;
use http::{HeaderMap, header};
use oauth_types::{Issuer, Resource};
use store::Digest;

/// What a form of ours carries and a page of somebody else cannot know.
///
/// With a session it follows from the session's text, so nothing more is stored. Before log-in it is drawn and kept in a
/// cookie of its own, which the form repeats: that stops a stranger from logging a browser in as themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct CsrfToken(Digest);

impl CsrfToken {
    /// The token of the session with this text. It does not give the text away.
    pub(crate) fn of_session(text: &str) -> Self {
        Self(Digest::of(format!("portcullis csrf{text}").as_bytes()))
    }

    /// A new one, for a browser without a session.
    pub(crate) fn drawn(entropy: &dyn Entropy) -> Self {
        Self(Digest::new(entropy.draw()))
    }

    /// Reads one; `None` for anything that is not the text of one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Digest::parse(text).ok().map(Self)
    }

    /// Whether a form repeats this token; in constant time.
    pub(crate) fn is(&self, given: Option<&str>) -> bool {
        given.and_then(Self::parse).is_some_and(|given| given.0.is(&self.0))
    }
}

impl fmt::Display for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfToken(..)")
    }
}

/// The origin of this server as a browser writes it, to compare requests with.
#[derive(Clone, Debug)]
pub(crate) struct Origin(String);

impl Origin {
    /// The origin of `issuer`: lower case, without a port that is the scheme's default.
    pub(crate) fn of(issuer: &Issuer) -> Self {
        let parsed = Resource::parse(issuer.as_str());
        Self(parsed.map_or_else(|_| issuer.origin().to_ascii_lowercase(), |text| text.origin()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a request that changes something comes from a page of this server, as far as its headers tell.
    ///
    /// `Sec-Fetch-Site` (W3C Fetch Metadata) comes with every request of a current browser, `Origin` (RFC 6454 section 7)
    /// with every POST; neither can be written by a page. Whoever sends neither is no browser, or an old one that the form's
    /// token must stop. `null` is a sandboxed frame or a page that hides its origin: ours do not.
    pub(crate) fn is_source_of(&self, headers: &HeaderMap) -> bool {
        let mut sites = headers.get_all("sec-fetch-site").iter();
        let mut origins = headers.get_all(header::ORIGIN).iter();
        sites.all(|site| site == "same-origin" || site == "none")
            && origins.all(|origin| origin == self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use ambient::SeededEntropy;

    use super::*;

    #[test]
    fn a_token_belongs_to_one_session() {
        let mine = CsrfToken::of_session("ses_mine");
        assert!(mine.is(Some(&mine.to_string())));
        for given in [None, Some(""), Some("x"), Some(&*CsrfToken::of_session("ses_other").to_string())] {
            assert!(!mine.is(given), "{given:?}");
        }
        assert!(!mine.to_string().contains("ses_mine"));
    }

    #[test]
    fn a_drawn_token_reads_back() {
        let entropy = SeededEntropy::new(3);
        let (one, other) = (CsrfToken::drawn(&entropy), CsrfToken::drawn(&entropy));
        assert_eq!(CsrfToken::parse(&one.to_string()), Some(one));
        assert!(!one.is(Some(&other.to_string())));
    }

    fn judged(issuer: &str, pairs: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        Origin::of(&Issuer::parse(issuer).unwrap()).is_source_of(&headers)
    }

    #[test]
    fn our_own_pages_and_those_without_headers_pass() {
        let issuer = "https://as.example/tenant1";
        assert!(judged(issuer, &[]));
        assert!(judged(issuer, &[("origin", "https://as.example")]));
        assert!(judged(issuer, &[("origin", "https://as.example"), ("sec-fetch-site", "same-origin")]));
        assert!(judged(issuer, &[("sec-fetch-site", "none")]));
        assert!(judged("https://as.example:443", &[("origin", "https://as.example")]));
        assert!(judged("http://127.0.0.1:8414", &[("origin", "http://127.0.0.1:8414")]));
    }

    #[test]
    fn other_sites_sandboxes_and_siblings_fail() {
        let issuer = "https://as.example";
        for pairs in [
            &[("origin", "null")][..],
            &[("origin", "https://evil.example")],
            &[("origin", "http://as.example")],
            &[("origin", "https://as.example:8443")],
            &[("origin", "https://as.example"), ("origin", "https://evil.example")],
            &[("origin", "https://as.example"), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "")],
        ] {
            assert!(!judged(issuer, pairs), "{pairs:?}");
        }
    }
}
