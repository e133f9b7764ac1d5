//! The client that a request names.

use oauth_types::ClientId;
use store::Digest;

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
