//! The log-in and the sign-up page.

use askama::Template;
use authz_core::ReturnTo;

use super::site::Site;
use crate::csrf::CsrfToken;
use crate::factors::Ask;

/// A field of these pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Name,
    Email,
    Password,
}

/// Why a form is shown again.
#[derive(Clone, Debug)]
pub(crate) struct Alert {
    pub(crate) words: String,
    /// The fields that it is about, from top to bottom.
    pub(crate) wrong: &'static [Input],
}

/// The log-in page.
#[derive(Template)]
#[template(path = "log_in.html")]
pub(crate) struct LogInPage<'a> {
    pub(crate) site: &'a Site,
    /// The address of the script, and what it asks, where there are passkeys.
    pub(crate) script: String,
    pub(crate) ask: Option<Ask>,
    pub(crate) action: String,
    /// The way to the sign-up page, where there is one.
    pub(crate) other: Option<String>,
    /// The way to a new password, where there is mail.
    pub(crate) forgot: Option<String>,
    pub(crate) csrf: CsrfToken,
    pub(crate) return_to: Option<&'a ReturnTo>,
    pub(crate) email: &'a str,
    /// Why somebody who is logged in is asked.
    pub(crate) again: Option<&'a str>,
    pub(crate) alert: Option<Alert>,
}

impl LogInPage<'_> {
    fn is_wrong(&self, input: Input) -> bool {
        is_wrong(self.alert.as_ref(), input)
    }

    /// Which half of a log-in was wrong is not told; the password is the one that is to be typed again.
    fn has_focus(&self, input: Input) -> bool {
        input == if self.email.is_empty() { Input::Email } else { Input::Password }
    }
}

/// The sign-up page.
#[derive(Template)]
#[template(path = "sign_up.html")]
pub(crate) struct SignUpPage<'a> {
    pub(crate) site: &'a Site,
    pub(crate) action: String,
    pub(crate) other: String,
    pub(crate) csrf: CsrfToken,
    pub(crate) return_to: Option<&'a ReturnTo>,
    pub(crate) name: &'a str,
    pub(crate) email: &'a str,
    /// The fewest characters of a password.
    pub(crate) least: u16,
    pub(crate) invitation: Option<Invited<'a>>,
    pub(crate) alert: Option<Alert>,
}

/// What an invitation says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Invited<'a> {
    pub(crate) ticket: &'a str,
    /// For this address alone.
    pub(crate) email: Option<&'a str>,
}

impl SignUpPage<'_> {
    /// The address that was invited, which cannot be changed.
    fn invited(&self) -> Option<&str> {
        self.invitation.and_then(|invitation| invitation.email)
    }

    fn is_wrong(&self, input: Input) -> bool {
        is_wrong(self.alert.as_ref(), input)
    }

    /// The first field that is wrong, else the first that is empty.
    fn has_focus(&self, input: Input) -> bool {
        let wrong = self.alert.as_ref().and_then(|alert| alert.wrong.first().copied());
        let empty = || match (self.name, self.email) {
            ("", _) => Input::Name,
            (_, "") => Input::Email,
            (_, _) => Input::Password,
        };
        input == wrong.unwrap_or_else(empty)
    }
}

fn is_wrong(alert: Option<&Alert>, input: Input) -> bool {
    alert.is_some_and(|alert| alert.wrong.contains(&input))
}
