//! What credentials a request shows.

use http::header::{self, HeaderMap, HeaderValue};
use oauth_types::{Authorization, MalformedAuthorization};
use secrecy::SecretString;

/// What a request shows of its sender. A token in the query or in the body is nothing (RS-10).
pub(super) enum Presented {
    Nothing,
    /// Credentials of another scheme than Bearer.
    Other,
    Malformed,
    Token(SecretString),
}

pub(super) fn presented(headers: &HeaderMap) -> Presented {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Presented::Nothing };
    // Whoever sends two could have one checked and the other used.
    if values.next().is_some() {
        return Presented::Malformed;
    }
    match visible(value).map(Authorization::parse) {
        Some(Ok(Authorization::Bearer(token))) => Presented::Token(token),
        Some(Ok(Authorization::Basic { .. } | Authorization::Other) | Err(MalformedAuthorization::Basic)) => {
            Presented::Other
        }
        Some(Err(_)) | None => Presented::Malformed,
    }
}

/// [`HeaderValue::to_str`], which for a token of hundreds of bytes takes longer, for it ends early.
fn visible(value: &HeaderValue) -> Option<&str> {
    let bytes = value.as_bytes();
    let all =
        bytes.iter().fold(true, |all, byte| all & ((*byte == b'\t') | ((*byte >= b' ') & (*byte <= b'~'))));
    str::from_utf8(bytes).ok().filter(|_| all)
}
