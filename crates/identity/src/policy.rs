//! What the operator may choose about accounts, with its unit and bounds.

use std::fmt;

use authz_core::{Lifetime, OutOfBounds};
use thiserror::Error;

use crate::email::Email;
use crate::password::{Cost, SHORTEST};

/// The policy for accounts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AccountPolicy {
    /// Who may make an account: anybody, by default.
    pub sign_up: SignUp,
    /// Whether nobody may connect an app before they have shown that their address is theirs. Off by default; needs mail.
    pub require_verified_email: bool,
    /// The fewest code points of a password that somebody chooses: 10 by default, 10 to 128.
    pub password_length: u16,
    /// What a hash costs.
    pub cost: Cost,
    /// How long a session lasts that is not used: 14 days by default, 5 minutes to 365 days.
    pub session_idle: Lifetime,
    /// How long a session lasts at most, from log-in to the next: 30 days by default, no shorter than the idle time, at most
    /// 365 days.
    pub session_total: Lifetime,
}

/// Who may make an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignUp {
    /// Anybody.
    #[default]
    Open,
    /// Nobody, with an invitation or without: accounts are made by administrators.
    Closed,
    /// Whoever holds an invitation, which all but `Closed` take.
    Invited,
    /// Whoever has an address at one of these domains, and shows that it is theirs. Needs mail.
    Domains(Vec<Domain>),
}

/// The part of an address behind the `@`, in lower case. It means itself, not what ends with it.
#[derive(Clone, PartialEq, Eq)]
pub struct Domain(String);

/// A text that is no domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a domain is what stands behind the @ of an address, such as example.com")]
pub struct NotADomain;

impl Domain {
    /// Reads a domain.
    ///
    /// # Errors
    ///
    /// [`NotADomain`].
    pub fn parse(text: &str) -> Result<Self, NotADomain> {
        let domain = text.strip_prefix('@').unwrap_or(text).to_lowercase();
        let labels_fit = domain.split('.').all(|label| !label.is_empty() && !label.starts_with('-'));
        let plain = domain.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-'));
        let named = domain.contains('.') && Email::parse(&format!("a@{domain}")).is_ok();
        if labels_fit && plain && named { Ok(Self(domain)) } else { Err(NotADomain) }
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SignUp {
    /// Whether somebody with this address may make an account without being invited.
    #[must_use]
    pub fn takes(&self, email: &Email) -> bool {
        match self {
            Self::Open => true,
            Self::Closed | Self::Invited => false,
            Self::Domains(domains) => domains.iter().any(|domain| domain.0 == email.domain()),
        }
    }

    /// Whether an invitation makes an account. One that was handed out before the door was closed does not.
    #[must_use]
    pub const fn takes_invitations(&self) -> bool {
        match self {
            Self::Open | Self::Invited | Self::Domains(_) => true,
            Self::Closed => false,
        }
    }

    /// Whether somebody who has an account may go by this address from now on.
    #[must_use]
    pub fn may_move_to(&self, email: &Email) -> bool {
        match self {
            Self::Open | Self::Closed | Self::Invited => true,
            Self::Domains(_) => self.takes(email),
        }
    }

    /// Whether there is a form for whoever comes without an invitation.
    #[must_use]
    pub const fn has_a_form(&self) -> bool {
        match self {
            Self::Open | Self::Domains(_) => true,
            Self::Closed | Self::Invited => false,
        }
    }
}

/// Why a policy cannot be kept: the integrator's fault, told when the server is built.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A lifetime.
    #[error(transparent)]
    Lifetime(#[from] OutOfBounds),
    /// A length of passwords.
    #[error("a password of at least {given} characters is asked for; it must be {least} to {most}")]
    PasswordLength {
        /// What it is.
        given: u16,
        /// The least that it may be.
        least: u16,
        /// The most that it may be.
        most: u16,
    },
    /// Something that nobody can do without a letter.
    #[error("`{setting}` needs mail, and there is none: nobody could show that an address is theirs")]
    NeedsMail {
        /// Which setting.
        setting: &'static str,
    },
}

impl Default for AccountPolicy {
    fn default() -> Self {
        Self {
            sign_up: SignUp::default(),
            require_verified_email: false,
            password_length: SHORTEST,
            cost: Cost::default(),
            session_idle: Lifetime::days(14),
            session_total: Lifetime::days(30),
        }
    }
}

impl AccountPolicy {
    /// Whether it can be kept, given whether there is mail.
    ///
    /// # Errors
    ///
    /// [`PolicyError`], the first that is found.
    pub fn check(&self, mail: bool) -> Result<(), PolicyError> {
        const SHORTEST_SESSION: Lifetime = Lifetime::minutes(5);
        const LONGEST_SESSION: Lifetime = Lifetime::days(365);
        const LONGEST_LEAST: u16 = 128;
        within("session_idle", self.session_idle, SHORTEST_SESSION, LONGEST_SESSION)?;
        within("session_total", self.session_total, self.session_idle, LONGEST_SESSION)?;
        if !(SHORTEST..=LONGEST_LEAST).contains(&self.password_length) {
            let given = self.password_length;
            return Err(PolicyError::PasswordLength { given, least: SHORTEST, most: LONGEST_LEAST });
        }
        let setting = match self.sign_up {
            SignUp::Domains(_) => Some("sign_up"),
            SignUp::Open | SignUp::Closed | SignUp::Invited => {
                self.require_verified_email.then_some("require_verified_email")
            }
        };
        match setting {
            Some(setting) if !mail => Err(PolicyError::NeedsMail { setting }),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether nobody may connect an app before they have shown that their address is theirs. Where a domain opens the door, it
    /// must be.
    #[must_use]
    pub const fn withholds_consent(&self) -> bool {
        match self.sign_up {
            SignUp::Domains(_) => true,
            SignUp::Open | SignUp::Closed | SignUp::Invited => self.require_verified_email,
        }
    }
}

fn within(
    setting: &'static str,
    given: Lifetime,
    least: Lifetime,
    most: Lifetime,
) -> Result<(), OutOfBounds> {
    if (least..=most).contains(&given) {
        return Ok(());
    }
    let [given, least, most] = [given, least, most].map(Lifetime::as_seconds);
    Err(OutOfBounds { setting, given, least, most })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_itself_and_nothing_that_ends_with_it() {
        let ours = SignUp::Domains(vec![
            Domain::parse("Example.COM").unwrap(),
            Domain::parse("@b.example").unwrap(),
        ]);
        let takes = |address: &str| ours.takes(&Email::parse(address).unwrap());
        assert!(takes("ada@example.com") && takes("ada@EXAMPLE.com") && takes("bo@b.example"));
        for address in
            ["ada@sub.example.com", "ada@notexample.com", "ada@example.com.evil.example", "ada@example"]
        {
            assert!(!takes(address), "{address}");
        }
        for text in
            ["", "example", "a@b.example", "exa mple.com", ".com", "a..b", "-a.example", "a/b.example"]
        {
            assert_eq!(Domain::parse(text), Err(NotADomain), "{text:?}");
        }
    }

    #[test]
    fn what_needs_mail_is_refused_without() {
        let verified = AccountPolicy { require_verified_email: true, ..AccountPolicy::default() };
        assert_eq!(verified.check(false), Err(PolicyError::NeedsMail { setting: "require_verified_email" }));
        assert_eq!(verified.check(true), Ok(()));
        let sign_up = SignUp::Domains(vec![Domain::parse("example.com").unwrap()]);
        let domains = AccountPolicy { sign_up, ..AccountPolicy::default() };
        assert_eq!(domains.check(false), Err(PolicyError::NeedsMail { setting: "sign_up" }));
        assert!(domains.check(true).is_ok() && domains.withholds_consent());
        assert!(AccountPolicy::default().check(false).is_ok());
    }

    #[test]
    fn bounds_are_held() {
        for (policy, fits) in [
            (AccountPolicy { password_length: 9, ..AccountPolicy::default() }, false),
            (AccountPolicy { password_length: 15, ..AccountPolicy::default() }, true),
            (AccountPolicy { password_length: 129, ..AccountPolicy::default() }, false),
            (AccountPolicy { session_idle: Lifetime::minutes(4), ..AccountPolicy::default() }, false),
            (AccountPolicy { session_total: Lifetime::days(13), ..AccountPolicy::default() }, false),
            (AccountPolicy { session_total: Lifetime::days(366), ..AccountPolicy::default() }, false),
        ] {
            assert_eq!(policy.check(true).is_ok(), fits, "{policy:?}");
        }
    }
}
