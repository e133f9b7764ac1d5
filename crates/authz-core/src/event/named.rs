//! What an event names: the client of a request, and a grant with all whose it is.

use oauth_types::ClientId;
use store::{Digest, Grant, GrantId, PersonId, ServerId, Subject};

use crate::Refusal;

/// How much of a digest tells one text from another, in characters.
const OF_A_DIGEST: usize = 16;

/// The client that a request names.
///
/// What was sent is told only if it is the id of a client. Anything else is a stranger's to choose, up to 2,048 bytes of it, and
/// may be a secret that came in the wrong field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedClient {
    /// One that there is.
    Known(ClientId),
    /// None that there is: the SHA-256 of what was sent.
    Unknown(Digest),
}

/// A grant, and whose it is. Taken when the rule decides: once a grant has ended, its record does not say whose it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedGrant {
    /// Which.
    pub id: GrantId,
    /// Who acts.
    pub client: ClientId,
    /// For whom; `None` for a client that acts for itself, and of a grant that had ended before.
    pub person: Option<PersonId>,
    /// Where; `None` of a grant that had ended before.
    pub server: Option<ServerId>,
}

impl NamedGrant {
    /// As it is at its stage.
    #[must_use]
    pub fn of(grant: &Grant) -> Self {
        let person = grant.party().and_then(|party| match &party.subject {
            Subject::Person(person) => Some(person.clone()),
            Subject::Machine => None,
        });
        let server = grant.target().map(|target| target.server);
        Self { id: grant.id, client: grant.client.clone(), person, server }
    }
}

impl NamedClient {
    /// Of a request that was refused so. Whether a client is known is decided first: every other rule is broken by a known one.
    #[must_use]
    pub(crate) fn of(id: ClientId, refusal: Refusal) -> Self {
        if refusal == Refusal::ClientUnknown {
            Self::Unknown(Digest::of(id.as_str().as_bytes()))
        } else {
            Self::Known(id)
        }
    }
}

/// Its first 16 characters, in base64url: enough to find what somebody knows.
pub(super) fn short(digest: &Digest) -> String {
    digest.to_string().chars().take(OF_A_DIGEST).collect()
}
