//! How long and how many what is asked may be, and of which letters: for whoever reads it, and for the schemas.

use identity::{Email, Name};

/// The longest name of somebody or something, in characters.
pub(super) const NAME: usize = Name::LONGEST;
/// The longest e-mail address, in bytes.
pub(super) const EMAIL: usize = Email::LONGEST;
/// The most scopes of one server.
pub(super) const SCOPES: usize = 100;
/// The longest scope token, in bytes.
pub(super) const SCOPE: usize = 200;
/// The longest description of a scope, in characters.
pub(super) const DESCRIPTION: usize = 500;
/// The longest name of a key, in bytes.
pub(super) const KEY_NAME: usize = 64;
/// The longest that what is replaced may still be taken, in seconds: 30 days.
pub(super) const GRACE: u32 = 30 * 86_400;
/// The most items of one page of a list, and how many there are if nobody says.
pub(super) const PAGE: u32 = 100;
/// The longest value of a parameter, in bytes: a client may be named by a URL.
pub(super) const PARAMETER: usize = 2_048;
/// The longest `Idempotency-Key`, in characters.
pub(super) const IDEMPOTENCY_KEY: usize = 255;

/// A text in one line, with something to see in it.
pub(super) const LINE: &str = r"^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\xa0][^\x00-\x1f\x7f-\x9f]*$";
/// A scope token (RFC 6749 section 3.3).
pub(super) const SCOPE_TOKEN: &str = r"^[\x21\x23-\x5b\x5d-\x7e]+$";
