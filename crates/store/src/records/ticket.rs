//! A link that was mailed, and an invitation.

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
    /// To set a new password.
    ResetPassword {
        /// Whose.
        person: PersonId,
    },
    /// To make an account where not everybody may.
    Invitation {
        /// For this address alone, normalised; `None` for whoever holds the link.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email: Option<String>,
        /// Who invited: the name of an administrator's key.
        by: String,
    },
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
            Purpose::VerifyEmail { person, .. } | Purpose::ResetPassword { person } => {
                Some(person.to_string())
            }
            Purpose::Invitation { .. } => None,
        };
        Links { person, ..Links::default() }
    }
}
