//! The page that every form is answered with: it moves on by itself, and has a link for browsers that do not.

use askama::Template;
use oauth_types::RedirectUri;

use super::site::Site;
use crate::return_to::ReturnTo;

/// Where a browser may be sent: nothing else gets into a refresh or a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// A path of this server.
    Here(String),
    /// A client.
    Client(String),
}

impl Destination {
    /// The page behind a log-in.
    pub(crate) fn after_log_in(site: &Site, return_to: Option<&ReturnTo>) -> Self {
        Self::Here(return_to.map_or_else(|| site.path("/login"), |to| to.as_str().to_owned()))
    }

    /// A path that this server gave out.
    pub(crate) fn path(text: String) -> Option<Self> {
        (text.starts_with('/') && !text.starts_with("//")).then_some(Self::Here(text))
    }

    /// The answer of a request whose redirect URI is `redirect`: that URI with a longer query, or nothing (I6).
    pub(crate) fn answer(text: String, redirect: &RedirectUri) -> Option<Self> {
        let more = text.strip_prefix(redirect.as_str())?;
        let only_query = more.is_empty() || more.starts_with(['?', '&']) || redirect.as_str().contains('?');
        only_query.then_some(Self::Client(text))
    }
}

/// Answered 200, because Chromium holds a redirect that follows a form against the page's `form-action`.
#[derive(Template)]
#[template(path = "moving_on.html")]
pub(crate) struct MovingOn<'a> {
    site: &'a Site,
    to: &'a str,
    /// Who waits there, and may open beside the browser, which stays here.
    client: Option<String>,
}

impl<'a> MovingOn<'a> {
    /// On to `destination`; in the end to `client`, if a client waits there.
    pub(crate) fn new(site: &'a Site, destination: &'a Destination, client: Option<String>) -> Self {
        let (Destination::Here(to) | Destination::Client(to)) = destination;
        Self { site, to, client }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(text: &str) -> RedirectUri {
        RedirectUri::parse(text).unwrap()
    }

    #[test]
    fn an_answer_goes_to_the_grants_own_redirect_and_nowhere_else() {
        let cursor = redirect("cursor://anysphere.cursor-mcp/oauth/callback");
        let own = "cursor://anysphere.cursor-mcp/oauth/callback?error=access_denied&state=x".to_owned();
        assert_eq!(Destination::answer(own.clone(), &cursor), Some(Destination::Client(own)));
        let with_query = redirect("https://app.example/cb?a=b");
        assert!(Destination::answer("https://app.example/cb?a=b&error=x".to_owned(), &with_query).is_some());
        for text in [
            "javascript:alert(1)",
            "https://evil.example/",
            "/login",
            "cursor://anysphere.cursor-mcp/oauth/callback.evil.example",
            "cursor://anysphere.cursor-mcp/oauth/callback#x",
        ] {
            assert_eq!(Destination::answer(text.to_owned(), &cursor), None, "{text}");
        }
    }

    #[test]
    fn a_path_is_a_path() {
        assert!(Destination::path("/oauth/continue/x".to_owned()).is_some());
        for text in ["//evil.example", "https://evil.example", "javascript:alert(1)", ""] {
            assert_eq!(Destination::path(text.to_owned()), None, "{text}");
        }
    }
}
