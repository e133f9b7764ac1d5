//! The client identifier (RFC 6749 section 2.2).

use std::sync::Arc;

use crate::text::{parsed_text, text_type};

/// A client identifier: 1 to 2048 characters of `%x21-7E`, in exactly the text it was given.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(Arc<str>);

/// Why a text is no client identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client id is 1 to 2048 visible ASCII characters")]
pub struct ClientIdError;

impl ClientId {
    /// Reads a client identifier. A space, though RFC 6749 appendix A.1 allows it, is refused: nobody issues such ids,
    /// and they do not survive logs and headers.
    ///
    /// # Errors
    /// [`ClientIdError`] for a wrong length or character.
    pub fn parse(text: &str) -> Result<Self, ClientIdError> {
        let fits = (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text.into())) } else { Err(ClientIdError) }
    }

    /// The exact text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the URL of a client ID metadata document: it starts with `https://`.
    ///
    /// It does not say that the rest is a URL that may be fetched.
    #[must_use]
    pub fn is_url(&self) -> bool {
        self.0.starts_with("https://")
    }
}

text_type!(ClientId, ClientIdError);
parsed_text!(ClientId);

const LONGEST: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_is_1_to_2048_visible_characters() {
        for good in ["a", "~!\"\\", "https://app.example.com/client.json", &"a".repeat(2048)] {
            assert_eq!(ClientId::parse(good).map(|id| id.as_str().to_owned()), Ok(good.to_owned()));
        }
        for bad in ["", "a b", "a\n", "\u{e9}", "\u{7f}", &"a".repeat(2049)] {
            assert_eq!(ClientId::parse(bad), Err(ClientIdError), "{bad:?}");
        }
    }

    #[test]
    fn only_https_makes_a_client_id_a_url() -> Result<(), ClientIdError> {
        assert!(ClientId::parse("https://app.example.com/client.json")?.is_url());
        assert!(!ClientId::parse("http://app.example.com/client.json")?.is_url());
        assert!(!ClientId::parse("cli_https://")?.is_url());
        Ok(())
    }
}
