//! Why no server can be made of a configuration.

use authz_core::{KeysError, OutOfBounds};
use identity::{PolicyError, SmtpUrlError};
use seal::SealError;
use store::StoreError;
use store::copy::ServeError;
use thiserror::Error;

use crate::data::DataError;

/// Why it cannot be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The data folder.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The store.
    #[error("the store cannot be opened: {0}")]
    Store(#[from] StoreError),
    /// Records are in Redis, and there is no master key.
    #[error(
        "with records in Redis all processes share one master key, and none is set: set PORTCULLIS_MASTER_KEY, or \
         PORTCULLIS_MASTER_KEY_FILE to the name of a file that holds it. To make one: openssl rand -base64 32 | tr '+/' '-_'"
    )]
    NoMasterKey,
    /// The store is a copy that is not whole.
    #[error(transparent)]
    Copy(#[from] ServeError),
    /// The master key is another one than the store was sealed with.
    #[error(
        "the master key is not the one that this store was made with; PORTCULLIS_MASTER_KEY or master.key must hold that one"
    )]
    MasterKeyWrong,
    /// The token keys cannot be used for another reason.
    #[error("the token keys cannot be read: {0}")]
    Keys(#[source] KeysError),
    /// The master key cannot seal.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A lifetime that [`Config::load`](crate::config::Config::load) would not have let through.
    #[error(transparent)]
    Policy(#[from] OutOfBounds),
    /// A policy for accounts that [`Config::load`](crate::config::Config::load) would not have let through.
    #[error(transparent)]
    Accounts(#[from] PolicyError),
    /// The mail server.
    #[error("no letters can be sent: {0}")]
    Mail(#[from] SmtpUrlError),
    /// A program that is no server was given a store without one.
    #[error(
        "no server has used this store yet, so there is nothing in it; start one first, by portcullis serve"
    )]
    NoServerYet,
    /// A program that is no server does not know which one uses the store.
    #[error(
        "it is not known which server uses this store, and links lead there: set PORTCULLIS_ISSUER to its public URL"
    )]
    IssuerUnknown,
    /// The configured admin key is in the store, made for somebody else.
    #[error(
        "PORTCULLIS_ADMIN_KEY is the admin key {0:?} of this store, which may do less than the operator's own. Draw another one for \
         the server: openssl rand -base64 24; commands take theirs from PORTCULLIS_KEY"
    )]
    KeyOfAnother(String),
    /// The address to listen on makes no issuer.
    #[error("no issuer is set, and the address to listen on makes none")]
    NoIssuer,
}

impl OpenError {
    /// What the store says, if waiting may help.
    #[must_use]
    pub fn that_may_pass(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) | Self::Copy(ServeError::Store(error)) => {
                Some(error).filter(|error| error.may_pass())
            }
            Self::Copy(_)
            | Self::Data(_)
            | Self::NoMasterKey
            | Self::MasterKeyWrong
            | Self::Keys(_)
            | Self::Seal(_)
            | Self::Policy(_)
            | Self::Accounts(_)
            | Self::Mail(_)
            | Self::NoServerYet
            | Self::IssuerUnknown
            | Self::KeyOfAnother(_)
            | Self::NoIssuer => None,
        }
    }
}
