//! What people are called.

use thiserror::Error;

use crate::email::Email;

/// What a person is called: trimmed, 1 to 200 code points (so at most 800 bytes), without control characters. Any script,
/// any order of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

/// A text that is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a name is 1 to 200 characters long and has no control characters")]
pub struct NotAName;

impl Name {
    /// The longest, in code points.
    pub const LONGEST: usize = 200;

    /// Reads what a person typed.
    ///
    /// # Errors
    ///
    /// [`NotAName`].
    pub fn parse(typed: &str) -> Result<Self, NotAName> {
        let name = typed.trim();
        let fits = (1..=Self::LONGEST).contains(&name.chars().count()) && !name.chars().any(char::is_control);
        if fits { Ok(Self(name.to_owned())) } else { Err(NotAName) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What to call somebody who gave no name: what stands before the `@`, cut to 200 characters.
    #[must_use]
    pub fn of_address(email: &Email) -> Self {
        // An address has no spaces and no control characters, and something before the `@`.
        Self(email.local_part().chars().take(Self::LONGEST).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_something_to_be_called_by() {
        assert_eq!(Name::parse("  Ada Lovelace ").map(|name| name.0), Ok("Ada Lovelace".to_owned()));
        assert!(Name::parse(&"李".repeat(200)).is_ok());
        assert_eq!(Name::parse(&"李".repeat(201)), Err(NotAName));
        for typed in ["", "   ", "a\nb", "a\0", "a\u{85}b", &"x".repeat(201)] {
            assert_eq!(Name::parse(typed), Err(NotAName), "{typed:?}");
        }
    }

    #[test]
    fn without_a_name_an_address_gives_one_that_fits() {
        for (local, name) in [
            ("ada", "ada".to_owned()),
            (&"x".repeat(240), "x".repeat(200)),
            (&"é".repeat(120), "é".repeat(120)),
        ] {
            let named = Name::of_address(&Email::parse(&format!("{local}@a.example")).unwrap());
            assert_eq!(named.0, name);
            assert_eq!(Name::parse(&named.0), Ok(named));
        }
    }
}
