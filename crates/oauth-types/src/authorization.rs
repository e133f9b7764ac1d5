//! The `Authorization` header (RFC 9110 section 11.6.2): Bearer (RFC 6750 section 2.1) and Basic (RFC 7617, RFC 6749 section 2.3.1).

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::{ExposeSecret as _, SecretString};

use crate::form::decode;

/// What an `Authorization` header says.
#[derive(Clone, Debug)]
pub enum Authorization {
    /// An access token.
    Bearer(SecretString),
    /// The id and the secret of a client.
    Basic {
        /// The id, decoded.
        id: String,
        /// The secret, decoded.
        secret: SecretString,
    },
    /// A scheme that Portcullis does not speak.
    Other,
}

/// A header that starts like credentials and does not end like any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedAuthorization {
    /// No scheme, or nothing after it.
    #[error("the Authorization header has no credentials")]
    Empty,
    /// A Bearer token that is not a token68.
    #[error("the Bearer token has characters that are not allowed")]
    Bearer,
    /// Basic credentials that are not the base64 of `id:secret` in UTF-8.
    #[error("the Basic credentials are not base64 of an id and a secret")]
    Basic,
}

impl Authorization {
    /// Reads the value of the header. The scheme may be in any case and is followed by one space or more.
    ///
    /// # Errors
    /// [`MalformedAuthorization`] says which part is wrong, never what it was.
    pub fn parse(value: &str) -> Result<Self, MalformedAuthorization> {
        let (scheme, credentials) =
            value.trim_matches([' ', '\t']).split_once(' ').ok_or(MalformedAuthorization::Empty)?;
        let credentials = credentials.trim_start_matches(' ');
        if scheme.eq_ignore_ascii_case("Bearer") {
            if !is_token68(credentials) {
                return Err(MalformedAuthorization::Bearer);
            }
            Ok(Self::Bearer(SecretString::from(credentials)))
        } else if scheme.eq_ignore_ascii_case("Basic") {
            basic(credentials)
        } else {
            Ok(Self::Other)
        }
    }
}

/// The header value that presents an access token (RFC 6750 section 2.1).
#[must_use]
pub fn bearer_header(token: &SecretString) -> String {
    format!("Bearer {}", token.expose_secret())
}

/// The header value that authenticates a client: both halves form-encoded, then base64 (RFC 6749 section 2.3.1).
#[must_use]
pub fn basic_header(id: &str, secret: &SecretString) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let halves = format!("{}:{}", encoded(id), encoded(secret.expose_secret()));
    format!("Basic {}", STANDARD.encode(halves))
}

/// RFC 9110 section 11.2: `token68 = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
pub(crate) fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(is_token68_byte)
}

pub(crate) fn is_token68_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
}

fn basic(credentials: &str) -> Result<Authorization, MalformedAuthorization> {
    let bytes = PADDED_OR_NOT.decode(credentials).map_err(|_| MalformedAuthorization::Basic)?;
    let text = String::from_utf8(bytes).map_err(|_| MalformedAuthorization::Basic)?;
    let (id, secret) = text.split_once(':').ok_or(MalformedAuthorization::Basic)?;
    Ok(Authorization::Basic { id: half(id), secret: SecretString::from(half(secret)) })
}

/// Many clients skip the form encoding; what cannot be encoded was not (BC-10).
fn half(text: &str) -> String {
    decode(text.as_bytes()).unwrap_or_else(|_| text.to_owned())
}

const PADDED_OR_NOT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
