//! How somebody proved who they are, as a class that two sides agree on (`acr`, OpenID Connect Core section 2, RFC 9470).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, de};

use crate::text::text_type;

/// An authentication context class reference: 1 to 255 characters of `%x21 / %x23-5B / %x5D-7E`, so that several fit between spaces into a
/// quoted parameter. What it means is for those to agree who use it; one is not more than another by itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Acr(Arc<str>);

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an authentication context class is 1 to 255 visible ASCII characters, without quotes and backslashes"
)]
pub struct AcrError;

impl Acr {
    /// Reads one.
    ///
    /// # Errors
    /// [`AcrError`] for a wrong length or character.
    pub fn parse(text: &str) -> Result<Self, AcrError> {
        let fits = (1..=LONGEST).contains(&text.len());
        let plain = text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E));
        if fits && plain { Ok(Self(text.into())) } else { Err(AcrError) }
    }

    /// Reads `acr_values`: any number of them, separated by spaces, in order of preference.
    ///
    /// # Errors
    /// [`AcrError`] if one of them is none.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, AcrError> {
        text.split(' ').filter(|one| !one.is_empty()).map(Self::parse).collect()
    }

    /// As `acr_values` has them.
    #[must_use]
    pub fn join(all: &[Self]) -> String {
        all.iter().map(Self::as_str).collect::<Vec<_>>().join(" ")
    }

    /// The exact text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

text_type!(Acr, AcrError);

const LONGEST: usize = 255;

impl<'de> Deserialize<'de> for Acr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl de::Visitor<'_> for Text {
            type Value = Acr;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an authentication context class")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Acr, E> {
                Acr::parse(text).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_fits_between_spaces_into_a_quoted_parameter() {
        for good in
            ["1fa", "urn:mace:incommon:iap:silver", "https://refeds.org/profile/mfa", &"a".repeat(255)]
        {
            assert_eq!(Acr::parse(good).map(|acr| acr.as_str().to_owned()), Ok(good.to_owned()));
        }
        for bad in ["", "a b", "a\"", "a\\", "a\n", "\u{e9}", &"a".repeat(256)] {
            assert_eq!(Acr::parse(bad), Err(AcrError), "{bad:?}");
        }
    }

    #[test]
    fn several_are_read_and_written_in_their_order() {
        let all = Acr::parse_all(" phr  mfa ").unwrap();
        assert_eq!(Acr::join(&all), "phr mfa");
        assert_eq!(Acr::parse_all(""), Ok(Vec::new()));
        assert_eq!(Acr::parse_all("mfa a\"b"), Err(AcrError));
        assert_eq!(serde_json::from_str::<Acr>(&serde_json::to_string(&all[0]).unwrap()).unwrap(), all[0]);
        let number = serde_json::from_str::<Acr>("1").unwrap_err().to_string();
        assert!(number.contains("expected an authentication context class"), "{number}");
    }
}
