//! Scopes (RFC 6749 section 3.3).

use std::collections::BTreeSet;
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
        let text = String::deserialize(deserializer)?;
        Self::from_tokens(text.split(' ').filter(|token| !token.is_empty())).map_err(de::Error::custom)
    }
}

const LONGEST: usize = 4096;
