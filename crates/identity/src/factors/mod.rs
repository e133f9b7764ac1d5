//! What people prove who they are by, besides a password: codes of an app (RFC 6238), recovery codes, and passkeys (W3C Web
//! Authentication).
//!
//! | what | where |
//! |---|---|
//! | the second step of a log-in, a log-in by passkey alone | `entering`, `forms` |
//! | `/account/security` | `security`, `deeds` |
//! | codes | `totp`, `recovery`, `base32`, `qr` |
//! | passkeys | `webauthn`, `asking` |
//! | how strong a log-in was | `level` |
//! | what browsers bring back | `sealed` |

mod asking;
mod base32;
mod deeds;
mod entering;
mod forms;
pub(crate) mod level;
mod pages;
mod qr;
mod recovery;
pub(crate) mod sealed;
mod security;
mod totp;
mod webauthn;

pub(crate) use self::asking::Ask;
pub(crate) use self::entering::Given;
pub(crate) use self::pages::with_script;
#[cfg(test)]
pub(crate) use self::totp::shown;
use store::SecondFactors;

/// Whether a password alone does not open an account: its owner has an app or a passkey, besides.
pub(crate) fn ask_for_more(factors: &SecondFactors) -> bool {
    has_app(factors) || !factors.passkeys.is_empty()
}

pub(crate) fn has_app(factors: &SecondFactors) -> bool {
    factors.totp.as_ref().is_some_and(|totp| totp.confirmed.is_some())
}
