//! A link that was mailed, and an invitation.

use std::fmt;

use ambient::Time;
use serde::{Deserialize, Serialize};

use crate::{Digest, Kind, Links, PersonId, Record, TicketId};

/// How long a ticket is kept after it has lost its worth, in seconds, so that a late visitor is told why.
const KEPT: i64 = 7 * 86_400;

/// Whoever holds its text may do one thing, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its identifier; part of its text.
    pub id: TicketId,
    /// The digest of its text.
    pub digest: Digest,
    /// What it is good for.
    pub purpose: Purpose,
    /// When it was made.
    pub made: Time,
    /// Until when it is good.
    pub until: Time,
    /// When it was used: written under the ticket's mark, so that of two who use it at once one succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Time>,
}

/// What a ticket is good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To show that an address is a person's.
    VerifyEmail {
        /// Whose it is said to be.
        person: PersonId,
        /// The address, normalised: the link was sent to it.
        email: String,
    },
    /// To make the account of somebody who has signed up, once they show that the address is theirs: before, there is none.
    SignUp(NewAccount),
    /// To set a new password.
    ResetPassword {
        /// Whose.
        person: PersonId,
        /// The address, normalised, that the link was sent to, and that the account must still have. A ticket without one is worth
        /// nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email: Option<String>,
        /// [`Account::resets`](crate::Account::resets) when it was made.
        #[serde(default)]
        resets: u32,
        /// Whether it was shown to an administrator and mailed to nobody: then its holder need not read what arrives at the address.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        shown: bool,
    },
    /// To take back what opens an account since a change that its owner did not make.
    TakeBack {
        /// Whose.
        person: PersonId,
        /// The address, normalised, that the letter went to.
        email: String,
        /// When the change was made.
        since: Time,
        /// Whether the change was that the account has another address: then it gets back this one.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        moved: bool,
    },
    /// To make an account where not everybody may.
    Invitation {
        /// For this address alone, normalised; `None` for whoever holds the link.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email: Option<String>,
        /// Who invited: the name of an administrator's key.
        by: String,
        /// Whether it was mailed to that address, and shown to nobody: then its holder reads what arrives there.
        #[serde(default)]
        mailed: bool,
    },
}

/// What somebody typed who signed up.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAccount {
    /// The address, normalised: the link was sent to it.
    pub email: String,
    /// What they are called.
    pub name: String,
    /// The password, hashed, in PHC form: who opens the link must know it. `None` once the link was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// The invitation that it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<TicketId>,
}

impl Ticket {
    /// The same, used: it keeps no password.
    #[must_use]
    pub fn used_at(&self, now: Time) -> Self {
        let mut used = Self { used: Some(now), ..self.clone() };
        if let Purpose::SignUp(new) = &mut used.purpose {
            new.password = None;
        }
        used
    }
}

impl fmt::Debug for NewAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewAccount").field("invitation", &self.invitation).finish_non_exhaustive()
    }
}

impl Record for Ticket {
    const KIND: Kind = Kind::Ticket;
    const SCHEMA: u32 = 1;

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn sweep(&self) -> Option<Time> {
        Some(self.until.plus(KEPT))
    }

    fn links(&self) -> Links {
        let person = match &self.purpose {
            Purpose::VerifyEmail { person, .. }
            | Purpose::ResetPassword { person, .. }
            | Purpose::TakeBack { person, .. } => Some(person.to_string()),
            Purpose::SignUp(_) | Purpose::Invitation { .. } => None,
        };
        Links { person, ..Links::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_of_an_earlier_version_is_read() {
        for (purpose, read) in [
            (
                r#"{"reset_password":{"person":"usr_ada"}}"#,
                Purpose::ResetPassword {
                    person: PersonId::parse("usr_ada").unwrap(),
                    email: None,
                    resets: 0,
                    shown: false,
                },
            ),
            (
                r#"{"invitation":{"email":"ada@example.com","by":"operator"}}"#,
                Purpose::Invitation {
                    email: Some("ada@example.com".to_owned()),
                    by: "operator".to_owned(),
                    mailed: false,
                },
            ),
            (
                r#"{"take_back":{"person":"usr_ada","email":"ada@example.com","since":5}}"#,
                Purpose::TakeBack {
                    person: PersonId::parse("usr_ada").unwrap(),
                    email: "ada@example.com".to_owned(),
                    since: Time(5),
                    moved: false,
                },
            ),
        ] {
            assert_eq!(serde_json::from_str::<Purpose>(purpose).unwrap(), read);
        }
    }

    #[test]
    fn a_sign_up_that_was_used_keeps_no_password_and_the_log_sees_nothing_of_it() {
        let new = NewAccount {
            email: "ada@example.com".to_owned(),
            name: "Ada".to_owned(),
            password: Some("$argon2id$".to_owned()),
            invitation: None,
        };
        let ticket = Ticket {
            id: TicketId::new([1; 16]),
            digest: Digest::of(b"x"),
            purpose: Purpose::SignUp(new),
            made: Time(0),
            until: Time(86_400),
            used: None,
        };
        assert!(!format!("{ticket:?}").contains("argon2") && !format!("{ticket:?}").contains("example"));
        let used = ticket.used_at(Time(5));
        assert_eq!(used.used, Some(Time(5)));
        assert!(!used.encode().contains("argon2"));
    }
}
