//! The pages of second factors.

use askama::Template;
use authz_core::ReturnTo;
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use secrecy::SecretString;
use store::Account;

use super::asking::Ask;
use super::has_app;
use super::qr::Picture;
use crate::csrf::CsrfToken;
use crate::pages::site::Site;
use crate::texts::Factors;

/// The second step of a log-in.
#[derive(Template)]
#[template(path = "second.html")]
pub(super) struct SecondPage<'a> {
    pub(super) site: &'a Site,
    pub(super) t: &'static Factors,
    pub(super) script: String,
    pub(super) csrf: CsrfToken,
    pub(super) account: &'a str,
    pub(super) ask: Option<Ask>,
    /// Whether a code will do.
    pub(super) codes: bool,
    pub(super) return_to: Option<&'a ReturnTo>,
    pub(super) restart: String,
    pub(super) alert: Option<String>,
}

/// What an account is opened by.
#[derive(Template)]
#[template(path = "security.html")]
pub(super) struct SecurityPage<'a> {
    pub(super) site: &'a Site,
    pub(super) t: &'static Factors,
    pub(super) script: String,
    pub(super) csrf: CsrfToken,
    pub(super) account: &'a str,
    pub(super) alert: Option<&'a str>,
    pub(super) news: Option<&'a str>,
    /// New recovery codes.
    pub(super) codes: Option<Vec<String>>,
    /// An app that is being set up.
    pub(super) app: Option<NewApp>,
    pub(super) has_app: bool,
    pub(super) has_factor: bool,
    pub(super) prove: Prove,
    pub(super) passkeys: Vec<Listed>,
    pub(super) ask: Option<Ask>,
    pub(super) left: String,
}

/// By what somebody proves once more who they are, to add something.
#[derive(Clone, Copy)]
pub(super) enum Prove {
    Password,
    PasswordOrCode,
    /// They have just logged in by a passkey, and there is nothing else to ask for.
    Nothing,
}

impl Prove {
    pub(super) fn of(account: &Account) -> Self {
        match (has_app(&account.factors), account.password.is_some()) {
            (true, _) => Self::PasswordOrCode,
            (false, true) => Self::Password,
            (false, false) => Self::Nothing,
        }
    }

    /// The label of the field, if there is one.
    pub(super) const fn label(self, t: &Factors) -> Option<&'static str> {
        match self {
            Self::Password => Some(t.prove_password),
            Self::PasswordOrCode => Some(t.prove_either),
            Self::Nothing => None,
        }
    }
}

/// What an app is to know.
pub(super) struct NewApp {
    pub(super) picture: Option<Picture>,
    pub(super) text: String,
    /// The same, sealed, for the form that confirms it.
    pub(super) offer: String,
}

/// A passkey.
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) words: String,
}

impl NewApp {
    /// `otpauth` (the format that apps read): whose account where, and the secret.
    pub(super) fn new(site: &str, email: &str, secret: &SecretString, offer: String) -> Self {
        use secrecy::ExposeSecret as _;
        let plain = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let (site, email, text) = (plain(site), plain(email), secret.expose_secret());
        let address = format!(
            "otpauth://totp/{site}:{email}?secret={text}&issuer={site}&algorithm=SHA1&digits=6&period=30"
        );
        let groups: Vec<_> =
            text.as_bytes().chunks(4).filter_map(|group| str::from_utf8(group).ok()).collect();
        Self { picture: Picture::of(&address), text: groups.join(" "), offer }
    }
}

/// Lets the page run the one script that there is: it asks for passkeys, and sends nothing anywhere.
pub(crate) fn with_script(mut response: Response<Bytes>) -> Response<Bytes> {
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ));
    response
}
