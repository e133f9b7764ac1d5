//! The forms by which somebody changes what they log in with.

use askama::Template;

use super::site::Site;
use crate::csrf::CsrfToken;

/// A field of these forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// The password that the account has.
    Current,
    /// What it is to have.
    New,
}

/// Why a form is shown again.
#[derive(Clone, Debug)]
pub(crate) struct Wrong {
    pub(crate) words: String,
    /// The field that it is about.
    pub(crate) field: Option<Field>,
}

/// Asks for another password.
#[derive(Template)]
#[template(path = "change_password.html")]
pub(crate) struct ChangePasswordPage<'a> {
    pub(crate) site: &'a Site,
    pub(crate) csrf: CsrfToken,
    pub(crate) account: &'a str,
    /// The fewest characters of a password.
    pub(crate) least: u16,
    pub(crate) wrong: Option<Wrong>,
}

impl ChangePasswordPage<'_> {
    fn is_wrong(&self, field: Field) -> bool {
        is_wrong(self.wrong.as_ref(), field)
    }
}

/// Asks for another e-mail address.
#[derive(Template)]
#[template(path = "change_email.html")]
pub(crate) struct ChangeEmailPage<'a> {
    pub(crate) site: &'a Site,
    pub(crate) csrf: CsrfToken,
    pub(crate) account: &'a str,
    pub(crate) email: &'a str,
    pub(crate) wrong: Option<Wrong>,
}

impl ChangeEmailPage<'_> {
    fn is_wrong(&self, field: Field) -> bool {
        is_wrong(self.wrong.as_ref(), field)
    }
}

fn is_wrong(wrong: Option<&Wrong>, field: Field) -> bool {
    wrong.is_some_and(|wrong| wrong.field == Some(field))
}
