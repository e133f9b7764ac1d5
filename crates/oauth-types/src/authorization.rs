//! The `Authorization` header (RFC 9110 section 11.6.2): Bearer (RFC 6750 section 2.1) and Basic (RFC 7617, RFC 6749 section
//! 2.3.1).

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
    // Without an early end, so that many bytes are looked at at once.
    !body.is_empty() && body.bytes().fold(true, |fits, byte| fits & is_token68_byte(byte))
}

pub(crate) fn is_token68_byte(byte: u8) -> bool {
    (byte | 0x20).is_ascii_lowercase()
        | byte.is_ascii_digit()
        | (byte == b'-')
        | (byte == b'.')
        | (byte == b'_')
        | (byte == b'~')
        | (byte == b'+')
        | (byte == b'/')
}

fn basic(credentials: &str) -> Result<Authorization, MalformedAuthorization> {
    let bytes = PADDED_OR_NOT.decode(credentials).map_err(|_| MalformedAuthorization::Basic)?;
    let text = String::from_utf8(bytes).map_err(|_| MalformedAuthorization::Basic)?;
    let (id, secret) = text.split_once(':').ok_or(MalformedAuthorization::Basic)?;
    let (id, secret) = (half(id), half(secret));
    // RFC 7617 section 2: neither contains control characters.
    if id.chars().chain(secret.chars()).any(char::is_control) {
        return Err(MalformedAuthorization::Basic);
    }
    Ok(Authorization::Basic { id, secret: SecretString::from(secret) })
}

/// Many clients skip the form encoding; what cannot be encoded was not (BC-10).
fn half(text: &str) -> String {
    decode(text.as_bytes()).unwrap_or_else(|_| text.to_owned())
}

const PADDED_OR_NOT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    fn basic_of(value: &str) -> (String, String) {
        match Authorization::parse(value) {
            Ok(Authorization::Basic { id, secret }) => (id, secret.expose_secret().to_owned()),
            other => panic!("{value}: {other:?}"),
        }
    }

    /// RS-9, RS-10.
    #[test]
    fn a_bearer_token_is_read_in_any_case_and_after_any_number_of_spaces() {
        for value in ["Bearer mF_9.B5f-4.1JqM", "bearer   mF_9.B5f-4.1JqM", " BEARER mF_9.B5f-4.1JqM "] {
            let Ok(Authorization::Bearer(token)) = Authorization::parse(value) else { panic!("{value}") };
            assert_eq!(token.expose_secret(), "mF_9.B5f-4.1JqM");
            assert_eq!(bearer_header(&token), "Bearer mF_9.B5f-4.1JqM");
        }
    }

    /// RFC 9110 section 11.2.
    #[test]
    fn each_kind_of_character_of_a_token68_is_taken() {
        let Ok(Authorization::Bearer(token)) = Authorization::parse("Bearer azAZ09-._~+/==") else {
            panic!()
        };
        assert_eq!(token.expose_secret(), "azAZ09-._~+/==");
    }

    #[test]
    fn a_malformed_header_says_which_part_is_wrong() {
        use MalformedAuthorization::{Basic, Bearer, Empty};
        for (value, error) in [
            ("", Empty),
            ("Bearer", Empty),
            ("Bearer   ", Empty),
            ("Bearer a b", Bearer),
            ("Bearer a,b", Bearer),
            ("Bearer =a", Bearer),
            ("Bearer \u{e9}", Bearer),
            ("Basic !", Basic),
            ("Basic bm9jb2xvbg==", Basic),
            ("Basic /zph", Basic),
            // `a:` and a NUL.
            ("Basic YToA", Basic),
        ] {
            assert_eq!(Authorization::parse(value).unwrap_err(), error, "{value}");
        }
    }

    #[test]
    fn another_scheme_is_other() {
        assert!(matches!(Authorization::parse("DPoP a.b.c"), Ok(Authorization::Other)));
        assert!(matches!(Authorization::parse("Bearerish a"), Ok(Authorization::Other)));
    }

    /// RFC 6749 section 2.3.1, the example.
    #[test]
    fn basic_credentials_are_read_from_the_rfc_example() {
        let expected = ("s6BhdRkqt3".to_owned(), "7Fjfp0ZBr1KtDRbnfVdmIw".to_owned());
        assert_eq!(basic_of("Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3"), expected);
    }

    /// BC-10.
    #[test]
    fn halves_are_form_decoded_or_taken_as_they_are() {
        let header = basic_header("https://a.example/c:1", &SecretString::from("p:%+ \u{e9}"));
        assert_eq!(basic_of(&header), ("https://a.example/c:1".to_owned(), "p:%+ \u{e9}".to_owned()));
        let raw = format!("Basic {}", STANDARD.encode("id:100%:sure"));
        assert_eq!(basic_of(&raw), ("id".to_owned(), "100%:sure".to_owned()));
        assert_eq!(basic_of("basic YTpi").1, "b");
        assert_eq!(basic_of("Basic YTo="), basic_of("Basic YTo"));
    }

    #[test]
    fn debug_hides_what_is_secret() {
        let shown =
            format!("{:?}", (Authorization::parse("Bearer hush"), Authorization::parse("Basic YTpodXNo")));
        assert!(!shown.contains("hush"), "{shown}");
    }
}
