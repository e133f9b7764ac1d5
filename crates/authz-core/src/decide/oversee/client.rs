//! Clients: who vouches for them, who answers for them, and their secrets.

use ambient::Time;
use store::{Client, ClientAuth, Digest, Provenance, Status};
use thiserror::Error;

use super::person::set_status;
use super::{Deleted, retired};
use crate::Policy;
use crate::decide::register::kept_until;
use crate::policy::LONGEST_GRANT;

/// A client with another status. Deleted it is kept longer than any grant that names it, or they would find nothing held against it.
///
/// # Errors
///
/// [`Deleted`].
pub fn set_client(client: &Client, status: Status, now: Time) -> Result<Option<Client>, Deleted> {
    Ok(set_status(client.standing, status)?.map(|standing| {
        let kept_until = match status {
            Status::Deleted => Some(now.plus(LONGEST_GRANT)),
            Status::Active | Status::Blocked => client.kept_until,
        };
        Client { standing, kept_until, ..client.clone() }
    }))
}

/// A client that somebody else vouches for. An administrator's is kept for good; for a stranger's the operator does not answer.
///
/// # Errors
///
/// [`Deleted`].
pub fn vouch(
    client: &Client,
    provenance: Provenance,
    policy: &Policy,
    now: Time,
) -> Result<Option<Client>, Deleted> {
    if client.standing.status == Status::Deleted {
        return Err(Deleted);
    }
    let (kept_until, first_party) = match provenance {
        Provenance::Administrator => (None, client.first_party),
        Provenance::Dynamic => (Some(kept_until(policy, now)), false),
    };
    let vouched = || Client { provenance, kept_until, first_party, ..client.clone() };
    Ok((client.provenance != provenance).then(vouched))
}

/// Why the operator does not answer for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unanswered {
    /// It registered itself, and no administrator has looked at where its answers go.
    #[error("nobody vouches for the client")]
    Unvouched,
    /// It was deleted.
    #[error(transparent)]
    Deleted(#[from] Deleted),
}

/// A client that the operator answers for as for this server itself, or no longer does.
///
/// # Errors
///
/// See [`Unanswered`].
pub fn answer_for(client: &Client, first_party: bool) -> Result<Option<Client>, Unanswered> {
    match (client.standing.status, client.provenance) {
        (Status::Deleted, _) => Err(Deleted.into()),
        (Status::Active | Status::Blocked, Provenance::Dynamic) if first_party => Err(Unanswered::Unvouched),
        (Status::Active | Status::Blocked, Provenance::Dynamic | Provenance::Administrator) => {
            Ok((client.first_party != first_party).then(|| Client { first_party, ..client.clone() }))
        }
    }
}

/// Why a client has no other secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotRenewed {
    /// It cannot keep one.
    #[error("the client is a public one")]
    Public,
    /// It was deleted.
    #[error(transparent)]
    Deleted(#[from] Deleted),
}

/// A client with a new secret, as [`rotate`](super::rotate).
///
/// # Errors
///
/// See [`NotRenewed`].
pub fn renew(client: &Client, secret: Digest, until: Time, now: Time) -> Result<Client, NotRenewed> {
    match (client.standing.status, &client.auth) {
        (Status::Deleted, _) => Err(Deleted.into()),
        (Status::Active | Status::Blocked, ClientAuth::Public) => Err(NotRenewed::Public),
        (Status::Active | Status::Blocked, ClientAuth::Secret { method, digest, retiring }) => {
            let retiring = retired(retiring, &[*digest], until, now);
            let auth = ClientAuth::Secret { method: *method, digest: secret, retiring };
            Ok(Client { auth, ..client.clone() })
        }
    }
}
