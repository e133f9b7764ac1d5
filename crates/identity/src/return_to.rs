//! Where a person wanted to go before they had to log in.

use oauth_types::Issuer;

/// A path of this server with its query: it begins with the issuer's path, and nothing in it makes a browser go elsewhere.
///
/// An open redirect on a log-in page is a phishing tool (OWASP, unvalidated redirects): whatever else is asked for is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReturnTo(String);

impl ReturnTo {
    /// Reads what a request asks for; `None` for anything that is not a plain path of `issuer`.
    pub(crate) fn parse(text: &str, issuer: &Issuer) -> Option<Self> {
        let path = text.split(['?', '#']).next().unwrap_or_default();
        // A browser reads `//host` and `/\host` as another server, drops tabs and line breaks, and resolves dots.
        let local = text.starts_with('/') && !path.contains("//") && !text.contains('\\');
        let plain = text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic());
        let ours = issuer.strip(path).is_some() && !path.split('/').any(is_dots);
        (local && plain && ours).then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The WHATWG URL standard takes an encoded dot for a dot.
fn is_dots(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

const LONGEST: usize = 16 * 1024;

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
            assert_eq!(ReturnTo::parse(text, &root()).map(|to| to.0), Some(text.to_owned()));
        }
        assert!(ReturnTo::parse("/tenant1/oauth/authorize?x=y", &tenant()).is_some());
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
            assert_eq!(ReturnTo::parse(text, &root()), None, "{text:?}");
        }
        for text in [
            "/",
            "/tenant10/oauth/authorize",
            "/tenant1/../admin",
            "/tenant1/%2e%2e/admin",
            "/oauth/authorize",
        ] {
            assert_eq!(ReturnTo::parse(text, &tenant()), None, "{text:?}");
        }
        assert_eq!(ReturnTo::parse(&format!("/{}", "a".repeat(LONGEST)), &root()), None);
    }
}
