//! Resource servers: what is known of them, and their keys.

use ambient::Time;
use store::{Digest, ScopeEntry, Server, Standing, Status, UserInfoDetail};

use super::person::set_status;
use super::{Deleted, retired};
use crate::policy::LONGEST_GRANT;

/// What is changed of a server; `None` stays as it is. Its resource identifier stays for good: tokens are bound to it.
#[derive(Clone, Debug, Default)]
pub struct ServerChange {
    /// Its name.
    pub name: Option<String>,
    /// What may be asked for there. Grants keep the scopes that they have.
    pub scopes: Option<Vec<ScopeEntry>>,
    /// Whom to write to, or nobody.
    pub owner_email: Option<Option<String>>,
    /// What userinfo tells.
    pub userinfo: Option<UserInfoDetail>,
}

/// A server of which something else is known.
///
/// # Errors
///
/// [`Deleted`].
pub fn change_server(server: &Server, change: &ServerChange) -> Result<Option<Server>, Deleted> {
    let before = alive(server)?.clone();
    let changed = Server {
        name: change.name.clone().unwrap_or(before.name),
        scopes: change.scopes.clone().unwrap_or(before.scopes),
        owner_email: change.owner_email.clone().unwrap_or(before.owner_email),
        userinfo: change.userinfo.unwrap_or(before.userinfo),
        ..before
    };
    Ok((changed != *server).then_some(changed))
}

/// A server with another status. Deleted it has no keys, and is kept longer than any grant that names it.
///
/// # Errors
///
/// [`Deleted`].
pub fn set_server(server: &Server, status: Status, now: Time) -> Result<Option<Server>, Deleted> {
    let standing = set_status(Standing { status: server.status, epoch: None }, status)?;
    Ok(standing.map(|Standing { status, .. }| match status {
        Status::Active | Status::Blocked => Server { status, ..server.clone() },
        Status::Deleted => Server {
            status,
            keys: Vec::new(),
            retiring: Vec::new(),
            kept_until: Some(now.plus(LONGEST_GRANT)),
            ..server.clone()
        },
    }))
}

/// A server with a new key. All that it had are taken until `until` at the most, and those that were replaced before no longer than they
/// were: whoever gives no time because a key was stolen is sure that none of them is taken any more.
///
/// # Errors
///
/// [`Deleted`].
pub fn rotate(server: &Server, key: Digest, until: Time, now: Time) -> Result<Server, Deleted> {
    let retiring = retired(&alive(server)?.retiring, &server.keys, until, now);
    Ok(Server { keys: vec![key], retiring, ..server.clone() })
}

fn alive(server: &Server) -> Result<&Server, Deleted> {
    match server.status {
        Status::Active | Status::Blocked => Ok(server),
        Status::Deleted => Err(Deleted),
    }
}
