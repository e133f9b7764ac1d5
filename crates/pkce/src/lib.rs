//! Proof Key for Code Exchange (RFC 7636), S256 only.
//!
//! It computes and compares; it draws no bytes and knows no request. The method `plain` has no constructor here:
//! a challenge made by it is a verifier that has already been shown to everybody.
//!
//! | RFC 7636 | here |
//! |---|---|
//! | 4.1 the verifier | [`Verifier`] |
//! | 4.2 the challenge | [`Verifier::challenge`], [`Challenge`] |
//! | 4.6 the check | [`Challenge::is_answered_by`] |

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The only `code_challenge_method` there is.
pub const METHOD: &str = "S256";

/// A text that is not what RFC 7636 allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not 43 to 128 unreserved characters (RFC 7636 section 4.1).
    #[error("a code verifier has 43 to 128 characters, each a letter, a digit or one of -._~")]
    Verifier,
    /// Not 43 characters that are the base64url of 32 bytes (RFC 7636 section 4.2).
    #[error("an S256 code challenge is 43 characters of base64url")]
    Challenge,
}

/// The secret that a client keeps until it redeems its code (RFC 7636 section 4.1).
///
/// `Debug` does not show it and there is no `PartialEq`: the only comparison is [`Challenge::is_answered_by`].
#[derive(Clone, Debug)]
pub struct Verifier(SecretString);

impl Verifier {
    /// Reads 43 to 128 characters of `ALPHA / DIGIT / "-" / "." / "_" / "~"`.
    ///
    /// # Errors
    /// [`Malformed::Verifier`] for everything else.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let right = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if (43..=128).contains(&text.len()) && text.bytes().all(right) {
            Ok(Self(SecretString::from(text)))
        } else {
            Err(Malformed::Verifier)
        }
    }

    /// The verifier made of 32 random bytes: 43 characters, as RFC 7636 section 4.1 recommends.
    #[must_use]
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(SecretString::from(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The text that goes into `code_verifier`.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// `BASE64URL(SHA256(ASCII(code_verifier)))`, RFC 7636 section 4.2.
    #[must_use]
    pub fn challenge(&self) -> Challenge {
        Challenge(URL_SAFE_NO_PAD.encode(Sha256::digest(self.expose())))
    }
}

/// What a client shows of its verifier when it asks for a code (RFC 7636 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge(String);

impl Challenge {
    /// Reads 43 characters of base64url that decode canonically to 32 bytes: S256 gives nothing else.
    ///
    /// # Errors
    /// [`Malformed::Challenge`] for everything else.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut digest = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut digest) {
            Ok(32) => Ok(Self(text.to_owned())),
            Ok(_) | Err(_) => Err(Malformed::Challenge),
        }
    }

    /// The text that goes into `code_challenge`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `verifier` is the secret behind this challenge (RFC 7636 section 4.6). Takes the same time either way.
    #[must_use]
    pub fn is_answered_by(&self, verifier: &Verifier) -> bool {
        self.0.as_bytes().ct_eq(verifier.challenge().0.as_bytes()).into()
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Challenge {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::parse(text)
    }
}

impl Serialize for Challenge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Challenge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn rfc_7636_appendix_b() {
        let octets = [
            116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212, 37, 77, 105,
            214, 191, 240, 91, 88, 5, 88, 83, 132, 141, 121,
        ];
        let verifier = Verifier::from_random(octets);
        assert_eq!(verifier.expose(), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(verifier.challenge().as_str(), CHALLENGE);
        assert!(Challenge::parse(CHALLENGE).unwrap().is_answered_by(&verifier));
    }

    /// AS-16.
    #[test]
    fn a_verifier_has_43_to_128_unreserved_characters() {
        for good in ["a".repeat(43), "-._~09AZaz".repeat(12), "~".repeat(128)] {
            assert_eq!(Verifier::parse(&good).unwrap().expose(), good);
        }
        for bad in [
            "a".repeat(42),
            "a".repeat(129),
            "+".repeat(43),
            format!("{} ", "a".repeat(43)),
            "\u{e9}".repeat(43),
        ] {
            assert_eq!(Verifier::parse(&bad).unwrap_err(), Malformed::Verifier, "{bad}");
        }
    }

    /// AS-16: neither a verifier shown as it is (`plain`) nor a second spelling of the same digest gets through.
    #[test]
    fn a_challenge_is_the_canonical_base64url_of_32_bytes() {
        assert_eq!(Challenge::parse(CHALLENGE).unwrap().to_string(), CHALLENGE);
        let padded = format!("{CHALLENGE}=");
        let other_last_bits = CHALLENGE.replace("cM", "cN");
        let standard_alphabet = CHALLENGE.replace('-', "+");
        let longer = format!("{CHALLENGE}AA");
        for bad in
            ["", &CHALLENGE[1..], &padded, &other_last_bits, &standard_alphabet, &longer, &"~".repeat(43)]
        {
            assert_eq!(Challenge::parse(bad), Err(Malformed::Challenge), "{bad}");
        }
    }

    #[test]
    fn debug_hides_the_verifier() {
        let verifier = Verifier::parse(&"hush".repeat(11)).unwrap();
        assert!(!format!("{verifier:?}").contains("hush"));
    }

    proptest! {
        #[test]
        fn only_the_verifier_answers_its_challenge(one in "[A-Za-z0-9._~-]{43,128}", other in "[A-Za-z0-9._~-]{43,128}") {
            let (one, other) = (Verifier::parse(&one).unwrap(), Verifier::parse(&other).unwrap());
            prop_assert!(one.challenge().is_answered_by(&one));
            prop_assert_eq!(one.challenge().is_answered_by(&other), one.expose() == other.expose());
        }

        #[test]
        fn random_bytes_make_a_verifier_that_parses(bytes: [u8; 32]) {
            let verifier = Verifier::from_random(bytes);
            let parsed = Verifier::parse(verifier.expose()).unwrap();
            prop_assert!(parsed.challenge().is_answered_by(&verifier));
        }

        #[test]
        fn a_challenge_survives_text(bytes: [u8; 32]) {
            let challenge = Verifier::from_random(bytes).challenge();
            prop_assert_eq!(&Challenge::parse(challenge.as_str()).unwrap(), &challenge);
            let json = serde_json::to_string(&challenge).unwrap();
            prop_assert_eq!(serde_json::from_str::<Challenge>(&json).unwrap(), challenge);
            prop_assert!(serde_json::from_str::<Challenge>(&json.replacen('"', "\"x", 1)).is_err());
        }

        #[test]
        fn no_text_makes_parsing_panic(text in ".*") {
            if let Ok(challenge) = Challenge::parse(&text) {
                prop_assert_eq!(challenge.as_str(), &text);
            }
            if let Ok(verifier) = Verifier::parse(&text) {
                prop_assert_eq!(verifier.expose(), &text);
            }
        }
    }
}
