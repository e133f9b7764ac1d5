//! Where a person wanted to go before they had to log in.

use std::fmt;

use oauth_types::Issuer;
use thiserror::Error;

use crate::ContinuePath;

/// A path of this server with its query: it begins with the issuer's path, and nothing in it makes a browser go elsewhere.
///
/// A log-in page carries it through its form and sends the browser there at last. What comes back in a form is a stranger's
/// text: an open redirect on a log-in page is a phishing tool (OAuth 2.1 section 7.12), so it is read again by
/// [`parse`](Self::parse).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(String);

/// Why a text is no way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoWayBack {
    /// Longer than [`ReturnTo::LONGEST`]. The person must learn it: an authorization request that got lost looks like a log-in
    /// that leads nowhere.
    #[error("a way back has at most 16384 bytes")]
    TooLong,
    /// No path, or not one of this server.
    #[error("a way back is a plain path of this server")]
    Elsewhere,
}

impl ReturnTo {
    /// In bytes. An authorization request that needs more is refused before anybody is asked to log in.
    pub const LONGEST: usize = 16 * 1024;

    /// Reads what a form or a query asks for.
    ///
    /// # Errors
    ///
    /// [`NoWayBack`]. Whatever leads elsewhere is nothing to show or to follow; go on as if nothing had been asked for.
    pub fn parse(text: &str, issuer: &Issuer) -> Result<Self, NoWayBack> {
        if text.len() > Self::LONGEST {
            return Err(NoWayBack::TooLong);
        }
        let path = text.split(['?', '#']).next().unwrap_or_default();
        // A browser reads `//host` and `/\host` as another server, drops tabs and line breaks, and resolves dots.
        let local = text.starts_with('/') && !path.contains("//") && !text.contains('\\');
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        let ours = issuer.strip(path).is_some() && !path.split('/').any(is_dots);
        if local && plain && ours { Ok(Self(text.to_owned())) } else { Err(NoWayBack::Elsewhere) }
    }

    /// The root of `issuer`, for those who want to go nowhere else.
    #[must_use]
    pub fn root(issuer: &Issuer) -> Self {
        Self(format!("{}/", issuer.path()))
    }

    /// Its text, which begins with one slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<ContinuePath> for ReturnTo {
    fn from(path: ContinuePath) -> Self {
        Self(path.to_string())
    }
}

impl fmt::Display for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The WHATWG URL standard takes an encoded dot for a dot.
fn is_dots(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> Issuer {
        Issuer::parse("https://as.example").unwrap()
    }

    fn tenant() -> Issuer {
        Issuer::parse("https://as.example/tenant1").unwrap()
    }

    #[test]
    fn a_path_of_this_server_is_kept_as_it_is() {
        for text in ["/", "/oauth/authorize?client_id=a&redirect_uri=https%3A%2F%2Fb//c/../d", "/consent/abc"]
        {
            assert_eq!(ReturnTo::parse(text, &root()).map(|to| to.0), Ok(text.to_owned()));
        }
        assert!(ReturnTo::parse("/tenant1/oauth/authorize?x=y", &tenant()).is_ok());
    }

    #[test]
    fn whatever_leads_elsewhere_is_ignored() {
        for text in [
            "",
            "login",
            "//evil.example",
            "/\\evil.example",
            "/\\/evil.example",
            "\\\\evil.example",
            "https://evil.example/",
            "javascript:alert(1)",
            "/a//b",
            "/\t/evil.example",
            "/a\r\nSet-Cookie: x=y",
            "/a b",
            "/ä",
            "/a/../b",
            "/a/%2E%2e/b",
            "/./b",
        ] {
            assert_eq!(ReturnTo::parse(text, &root()), Err(NoWayBack::Elsewhere), "{text:?}");
        }
        for text in [
            "/",
            "/tenant10/oauth/authorize",
            "/tenant1/../admin",
            "/tenant1/%2e%2e/admin",
            "/oauth/authorize",
        ] {
            assert_eq!(ReturnTo::parse(text, &tenant()), Err(NoWayBack::Elsewhere), "{text:?}");
        }
    }

    #[test]
    fn the_ways_that_this_server_makes_read_back() {
        for issuer in [root(), tenant()] {
            let way_on = ContinuePath::of(store::GrantId::new([7; 16]), &issuer);
            for to in [ReturnTo::root(&issuer), ReturnTo::from(way_on)] {
                assert_eq!(ReturnTo::parse(to.as_str(), &issuer), Ok(to));
            }
        }
    }

    #[test]
    fn sixteen_kibibytes_are_enough_and_more_is_said() {
        let longest = format!("/{}", "a".repeat(ReturnTo::LONGEST - 1));
        assert!(ReturnTo::parse(&longest, &root()).is_ok());
        assert_eq!(ReturnTo::parse(&format!("{longest}a"), &root()), Err(NoWayBack::TooLong));
    }
}
