//! Scopes (RFC 6749 section 3.3).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, de};

use crate::text::text_type;

/// A set of scope tokens, kept as one sorted text without repetitions: a clone copies a pointer.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Arc<str>);

/// Why a text is no scope; on the wire both are `invalid_scope`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// Longer than 4096 bytes.
    #[error("a scope is at most 4096 bytes long")]
    TooLong,
    /// A token that is empty or has a character outside `%x21 / %x23-5B / %x5D-7E`.
    #[error("a scope token has a character that is not allowed")]
    Character,
}

impl Scope {
    /// Reads tokens separated by spaces, at most 4096 bytes of them. The empty text is the empty scope.
    ///
    /// # Errors
    /// [`ScopeError`] says which rule of RFC 6749 section 3.3 is broken.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        if text.len() > LONGEST {
            return Err(ScopeError::TooLong);
        }
        Self::from_tokens(text.split(' ').filter(|token| !token.is_empty()))
    }

    /// The scope without tokens.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// The set of `tokens`, in any order and with repetitions.
    ///
    /// # Errors
    /// [`ScopeError::Character`] if one of them is not a scope token.
    pub fn from_tokens<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Result<Self, ScopeError> {
        let tokens: BTreeSet<&str> = tokens.into_iter().collect();
        if tokens.iter().all(|token| is_token(token)) {
            Ok(Self::of(tokens))
        } else {
            Err(ScopeError::Character)
        }
    }

    /// The tokens, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|token| !token.is_empty())
    }

    /// Whether `token` is one of the tokens.
    #[must_use]
    pub fn contains(&self, token: &str) -> bool {
        self.iter().any(|mine| mine == token)
    }

    /// Whether there are no tokens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `other` has every token of this scope.
    #[must_use]
    pub fn is_subset_of(&self, other: &Self) -> bool {
        let mut theirs = other.iter();
        self == other || self.iter().all(|mine| theirs.by_ref().any(|token| token == mine))
    }

    /// The tokens of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::of(self.iter().chain(other.iter()).collect())
    }

    /// The tokens of both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self::of(self.iter().filter(|token| other.contains(token)).collect())
    }

    /// The tokens of this scope that `other` does not have.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self::of(self.iter().filter(|token| !other.contains(token)).collect())
    }

    /// The tokens, sorted, one space between two.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(tokens: BTreeSet<&str>) -> Self {
        Self(tokens.into_iter().collect::<Vec<_>>().join(" ").into())
    }
}

/// RFC 6749 section 3.3: `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

text_type!(Scope, ScopeError);

/// The length is not checked here: a union may be longer than what one request may ask, and must survive being stored.
impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Stored)
    }
}

/// A scope as it was written: its text is mostly what it would be sorted to, and is then taken as it is.
struct Stored;

impl de::Visitor<'_> for Stored {
    type Value = Scope;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scope")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Scope, E> {
        if text.split(' ').is_sorted_by(|one, next| one < next) && text.split(' ').all(is_token) {
            return Ok(Scope(text.into()));
        }
        Scope::from_tokens(text.split(' ').filter(|token| !token.is_empty())).map_err(E::custom)
    }
}

const LONGEST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    #[test]
    fn what_was_stored_is_the_same_set_however_it_was_written() {
        for (stored, text) in [
            ("read write", "read write"),
            ("write read", "read write"),
            ("a a", "a"),
            (" a  b ", "a b"),
            ("", ""),
        ] {
            let read: Scope = serde_json::from_value(stored.into()).unwrap();
            assert_eq!(read, scope(text), "{stored:?}");
            assert_eq!(read.as_str(), text);
        }
        assert!(serde_json::from_value::<Scope>("a \u{e9}".into()).is_err());
        let number = serde_json::from_str::<Scope>("1").unwrap_err().to_string();
        assert!(number.contains("expected a scope"), "{number}");
    }

    #[test]
    fn order_repetition_and_spaces_do_not_matter() {
        assert_eq!(scope("write read"), scope("  read  write read "));
        assert_eq!(scope("write read").to_string(), "read write");
        assert_eq!(scope(""), Scope::empty());
        assert_eq!(scope("   ").iter().count(), 0);
    }

    /// RFC 6749 section 3.3.
    #[test]
    fn a_token_with_another_character_is_refused() {
        for text in ["a\tb", "a\"b", "a\\b", "a\nb", "\u{e9}", "\u{7f}"] {
            assert_eq!(Scope::parse(text), Err(ScopeError::Character), "{text:?}");
        }
        assert_eq!(Scope::from_tokens(["a b"]), Err(ScopeError::Character));
        assert_eq!(Scope::from_tokens([""]), Err(ScopeError::Character));
        assert!(Scope::parse("!#[]~ files:read https://a.example/scope").is_ok());
    }

    #[test]
    fn a_scope_is_at_most_4096_bytes_when_asked_for_and_longer_when_stored() {
        assert!(Scope::parse(&"a".repeat(4096)).is_ok());
        assert_eq!(Scope::parse(&"a".repeat(4097)), Err(ScopeError::TooLong));
        let union = scope(&"a".repeat(4096)).union(&scope(&"b".repeat(4096)));
        let json = serde_json::to_string(&union).unwrap();
        assert_eq!(serde_json::from_str::<Scope>(&json).unwrap(), union);
    }

    #[test]
    fn the_algebra_of_sets_holds() {
        let (ab, bc) = (scope("a b"), scope("b c"));
        assert_eq!(ab.union(&bc), scope("a b c"));
        assert_eq!(ab.intersection(&bc), scope("b"));
        assert_eq!(ab.difference(&bc), scope("a"));
        assert!(scope("b").is_subset_of(&ab) && Scope::empty().is_subset_of(&ab) && ab.is_subset_of(&ab));
        assert!(!bc.is_subset_of(&ab) && !ab.is_subset_of(&Scope::empty()));
        assert!(ab.contains("a") && !ab.contains("c") && !ab.contains("") && !ab.contains("a b"));
    }
}
