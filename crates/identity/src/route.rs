//! Which path leads where, and by which methods.

use crate::account::AccountRoute;
use crate::api::JsonRoute;

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route<'p> {
    Home,
    LogIn,
    Second,
    Passkey,
    Security,
    Password,
    Email,
    Leave,
    SignUp,
    Consent(&'p str),
    LogOut,
    Invitation,
    Forgot,
    Reset,
    TakeBack,
    Verify,
    Asset(&'p str),
    Account(AccountRoute<'p>),
    Json(JsonRoute),
}

impl<'p> Route<'p> {
    pub(crate) fn of(path: &'p str) -> Option<Self> {
        Some(match path {
            "/" => Self::Home,
            "/login" => Self::LogIn,
            "/login/second" => Self::Second,
            "/login/passkey" => Self::Passkey,
            "/account/security" => Self::Security,
            "/account/password" => Self::Password,
            "/account/email" => Self::Email,
            "/account/delete" => Self::Leave,
            "/signup" => Self::SignUp,
            "/logout" => Self::LogOut,
            "/assets/passkey.js" | "/assets/portcullis.css" | "/assets/portcullis.svg" | "/assets/logo" => {
                Self::Asset(path)
            }
            "/invitation" => Self::Invitation,
            "/forgot" => Self::Forgot,
            "/reset" => Self::Reset,
            "/take-back" => Self::TakeBack,
            "/verify" => Self::Verify,
            _ if path.starts_with("/account") => Self::Account(AccountRoute::of(path)?),
            _ if path.starts_with("/auth/") => Self::Json(JsonRoute::of(path)?),
            _ => Self::Consent(path.strip_prefix("/consent/").filter(|id| !id.contains('/'))?),
        })
    }

    pub(crate) const fn allowed(self) -> &'static str {
        match self {
            Self::LogIn
            | Self::Second
            | Self::Security
            | Self::Password
            | Self::Email
            | Self::Leave
            | Self::SignUp
            | Self::Consent(_)
            | Self::Invitation
            | Self::Forgot
            | Self::Reset
            | Self::TakeBack
            | Self::Verify => "GET, HEAD, POST",
            Self::Home | Self::Asset(_) => "GET, HEAD",
            Self::LogOut | Self::Passkey => "POST",
            Self::Account(route) => route.allowed(),
            Self::Json(route) => route.allowed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_routes() {
        assert_eq!(Route::of("/login"), Some(Route::LogIn));
        assert_eq!(Route::of("/consent/abc"), Some(Route::Consent("abc")));
        for path in ["/login/", "/consent", "/consent/a/b", "/auth", "/assets/", "/oauth/authorize", ""] {
            assert_eq!(Route::of(path), None, "{path}");
        }
    }
}
