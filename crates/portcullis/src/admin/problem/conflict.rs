//! What is not there, and why something cannot be done as things are.

use std::fmt;

use thiserror::Error;

/// A kind of what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::admin) enum Thing {
    Server,
    Client,
    User,
    Invitation,
    Grant,
    Consent,
    Key,
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::User => "user",
            Self::Invitation => "invitation",
            Self::Grant => "grant",
            Self::Consent => "consent",
            Self::Key => "key",
        })
    }
}

/// Why something cannot be done as things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(in crate::admin) enum Conflict {
    #[error("The grant does not have these scopes")]
    NotGranted,
    #[error("This client keeps no secret")]
    NoSecret,
    #[error("Nobody vouches for this client; set vouched to true first")]
    Unvouched,
    #[error("No accounts are kept here")]
    NoAccounts,
    #[error("Another user has this address")]
    EmailTaken,
    #[error("Nobody signs up here, by an invitation either")]
    SignUpClosed,
    #[error("This is the name of the key of the configuration")]
    NameOfConfiguration,
    #[error("This is the name of the key that this server has just made")]
    NameOfFirst,
    #[error("A key has had this name before")]
    NameUsed,
    #[error("This key ends when it is taken out of the configuration")]
    KeyOfConfiguration,
    #[error("This is the last key that may change anything; make another one first")]
    LastKey,
    #[error("There are 500 keys; withdraw one first")]
    TooManyKeys,
}
