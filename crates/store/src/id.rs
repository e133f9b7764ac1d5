//! Identifiers and other fixed-size bytes, written as base64url.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

/// A text that is not the canonical form of an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not an identifier of this kind in its canonical form")]
pub struct Malformed;

/// A text of JSON that is read where it stands, without a copy.
struct Parsed<T>(fn(&str) -> Result<T, Malformed>);

impl<T> de::Visitor<'_> for Parsed<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an identifier")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}

macro_rules! bytes_as_text {
    ($(#[$doc:meta])* $name:ident, $length:literal, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $length]);

        impl $name {
            /// Made of these bytes.
            #[must_use]
            pub const fn new(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }

            /// Read from its text.
            ///
            /// # Errors
            ///
            /// Anything but the one canonical text.
            pub fn parse(text: &str) -> Result<Self, Malformed> {
                let text = text.strip_prefix($prefix).ok_or(Malformed)?;
                // With what a last group that is not full may need beyond them.
                let mut bytes = [0; $length + 2];
                match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
                    Ok($length) => bytes.first_chunk().map(|bytes| Self(*bytes)).ok_or(Malformed),
                    Ok(_) | Err(_) => Err(Malformed),
                }
            }

            /// Its text in place: grants have dozens of them.
            fn text<'a>(&self, place: &'a mut [u8; 2 * $length + 8]) -> Option<&'a str> {
                let (prefix, rest) = place.split_at_mut_checked($prefix.len())?;
                prefix.copy_from_slice($prefix.as_bytes());
                let written = URL_SAFE_NO_PAD.encode_slice(self.0, rest).ok()?;
                std::str::from_utf8(place.get(..$prefix.len() + written)?).ok()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.text(&mut [0; 2 * $length + 8]).ok_or(fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut place = [0; 2 * $length + 8];
                serializer.serialize_str(self.text(&mut place).ok_or(Malformed).map_err(ser::Error::custom)?)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Parsed(Self::parse))
            }
        }
    };
}

bytes_as_text! {
    /// Names one authorization for its whole life; part of the text of each of its tokens. Not a secret.
    GrantId, 16, ""
}
bytes_as_text! {
    /// Names a browser's log-in. Not a secret: what proves it is the session text, of which only a digest is stored.
    SessionId, 16, ""
}
bytes_as_text! {
    /// Names a registered resource server: `srv_` and 22 characters.
    ServerId, 16, "srv_"
}
bytes_as_text! {
    /// Names a link that was mailed, or an invitation. Not a secret: what proves it is the ticket's text.
    TicketId, 16, ""
}
bytes_as_text! {
    /// The version of a record: random, drawn for each commit.
    ///
    /// A counter could not tell a commit of mine that the driver sent twice from a rival's; a random mark can. Commits that say different
    /// things never share one, so whoever knows a record under its mark knows what it says: a mark that is drawn once for two attempts
    /// would hide the second one.
    Mark, 16, ""
}
bytes_as_text! {
    /// Drawn anew to end everything that a person or a client has: a grant that copied the one before is over.
    Epoch, 16, ""
}
bytes_as_text! {
    /// What makes the code of a grant unguessable, together with a token key.
    Nonce, 16, ""
}
bytes_as_text! {
    /// SHA-256 of a secret text, its prefix included, so that one kind of secret never passes for another.
    Digest, 32, ""
}

impl Digest {
    /// The digest of `text`.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Whether this is the digest of `text`; in constant time.
    #[must_use]
    pub fn is_of(&self, text: &[u8]) -> bool {
        self.is(&Self::of(text))
    }

    /// Whether both are the same; in constant time.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_has_one_text() {
        let id = ServerId::new([7; 16]);
        let text = id.to_string();
        assert_eq!(text.len(), 4 + 22);
        assert_eq!(ServerId::parse(&text), Ok(id));
        assert_eq!(ServerId::parse(&text[4..]), Err(Malformed));
        assert_eq!(ServerId::parse(&format!("{text}=")), Err(Malformed));
        // The last character carries four bits that must be zero.
        assert_eq!(ServerId::parse(&format!("{}x", &text[..text.len() - 1])), Err(Malformed));
    }

    #[test]
    fn a_digest_knows_its_text() {
        let digest = Digest::of(b"mat_secret");
        assert!(digest.is_of(b"mat_secret"));
        assert!(!digest.is_of(b"mrt_secret"));
    }
}
