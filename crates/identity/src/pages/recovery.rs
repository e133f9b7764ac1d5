//! The pages around letters: a forgotten password, and the ones behind links.

use askama::Template;
use authz_core::ReturnTo;

use super::entry::Alert;
use super::site::Site;
use crate::csrf::CsrfToken;

/// Asks for the address of an account.
#[derive(Template)]
#[template(path = "forgot.html")]
pub(crate) struct ForgotPage<'a> {
    pub(crate) site: &'a Site,
    pub(crate) csrf: CsrfToken,
    pub(crate) email: &'a str,
    pub(crate) alert: Option<Alert>,
}

/// Asks for a new password, behind a link.
#[derive(Template)]
#[template(path = "reset.html")]
pub(crate) struct ResetPage<'a> {
    pub(crate) site: &'a Site,
    pub(crate) csrf: CsrfToken,
    pub(crate) ticket: &'a str,
    pub(crate) email: &'a str,
    /// The fewest characters of a password.
    pub(crate) least: u16,
    /// Whether the connections are to end, too.
    pub(crate) everything: bool,
    pub(crate) alert: Option<Alert>,
}

/// Confirms an address, behind a link.
#[derive(Template)]
#[template(path = "verify.html")]
pub(crate) struct VerifyPage<'a> {
    pub(crate) site: &'a Site,
    pub(crate) csrf: CsrfToken,
    pub(crate) ticket: &'a str,
    pub(crate) email: &'a str,
    /// Whether whoever is there is not logged in as the owner of the account.
    pub(crate) asks_password: bool,
    pub(crate) alert: Option<Alert>,
}

/// For somebody who is logged in and must confirm their address first.
#[derive(Template)]
#[template(path = "unverified.html")]
pub(crate) struct UnverifiedPage<'a> {
    pub(crate) site: &'a Site,
    pub(crate) csrf: CsrfToken,
    pub(crate) email: &'a str,
    pub(crate) return_to: Option<&'a ReturnTo>,
    pub(crate) news: Option<&'a str>,
}

/// Says something, and perhaps leads on.
#[derive(Template)]
#[template(path = "note.html")]
pub(crate) struct NotePage<'a> {
    pub(crate) site: &'a Site,
    pub(crate) title: &'a str,
    pub(crate) words: &'a str,
    pub(crate) way: Option<Link>,
}

/// A link with its words.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) to: String,
    pub(crate) label: &'static str,
}
