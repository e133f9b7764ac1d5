//! The address that an account goes by.

use std::fmt;

use thiserror::Error;

/// An e-mail address, normalised: trimmed and in lower case, 3 to 254 bytes, one `@` with something on both sides, no space
/// and no control character.
///
/// Whether mail arrives there is not known. Lower case makes `A@example.com` and `a@example.com` one account (RFC 5321
/// section 2.4 lets a host tell them apart; none that people use does).
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

/// A text that is no e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an e-mail address has one @ with something on both sides, no spaces, and at most 254 bytes")]
pub struct NotAnEmail;

impl Email {
    /// The longest, in bytes. RFC 5321 section 4.5.3.1.3: a path of 256 bytes, of which two are angle brackets.
    pub const LONGEST: usize = 254;

    /// Reads what a person typed.
    ///
    /// # Errors
    ///
    /// [`NotAnEmail`].
    pub fn parse(typed: &str) -> Result<Self, NotAnEmail> {
        let address = typed.trim().to_lowercase();
        let (local, domain) = address.split_once('@').ok_or(NotAnEmail)?;
        let complete = !local.is_empty() && !domain.is_empty() && !domain.contains('@');
        let printable = !address.chars().any(|c| c.is_whitespace() || c.is_control());
        if complete && printable && address.len() <= Self::LONGEST {
            Ok(Self(address))
        } else {
            Err(NotAnEmail)
        }
    }

    /// The normalised address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.0.split('@').next().unwrap_or_default()
    }

    /// What stands behind it.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit('@').next().unwrap_or_default()
    }
}

/// An address is personal data: logs do not show it.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_are_one_address() {
        assert_eq!(Email::parse(" Ada@Example.COM\t").map(|email| email.0), Ok("ada@example.com".to_owned()));
        assert_eq!(Email::parse("ada@example.com"), Email::parse("ADA@EXAMPLE.COM"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(243));
        let mixed = [
            "",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "a@b@c",
            "a da@example.com",
            "ada@exa\nmple.com",
            "a\0@b",
        ];
        for typed in mixed.into_iter().chain([long.as_str()]) {
            assert_eq!(Email::parse(typed), Err(NotAnEmail), "{typed:?}");
        }
        assert!(Email::parse(&format!("{}@example.com", "a".repeat(242))).is_ok());
    }

    #[test]
    fn debug_shows_no_address() {
        let shown = format!("{:?}", Email::parse("ada@example.com"));
        assert!(!shown.contains("ada"), "{shown}");
    }
}
