//! The page that every form is answered with: it moves on by itself, and has a link for browsers that do not.

use askama::Template;
use authz_core::{ClientRedirect, ContinuePath, ReturnTo};

use super::site::Site;

/// Where a browser may be sent: nothing else gets into a refresh or a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// A path of this server.
    Here(String),
    /// A client.
    Client(ClientRedirect),
}

impl Destination {
    /// The page behind a log-in.
    pub(crate) fn after_log_in(site: &Site, return_to: Option<&ReturnTo>) -> Self {
        Self::Here(return_to.map_or_else(|| site.path("/login"), |to| to.as_str().to_owned()))
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Here(path) => path,
            Self::Client(answer) => answer.as_str(),
        }
    }
}

impl From<ContinuePath> for Destination {
    fn from(path: ContinuePath) -> Self {
        Self::Here(path.to_string())
    }
}

impl From<ClientRedirect> for Destination {
    fn from(answer: ClientRedirect) -> Self {
        Self::Client(answer)
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
        Self { site, to: destination.as_str(), client }
    }
}
