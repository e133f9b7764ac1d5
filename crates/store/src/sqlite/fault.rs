//! What can go wrong below the contract, and what the caller is told.

use std::io;
use std::sync::Arc;

use rusqlite::ErrorCode;
use thiserror::Error;

use crate::{Kind, StoreError};

#[derive(Debug, Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("the database file cannot be used")]
    Io(#[source] io::Error),
    #[error("the database file was replaced by another")]
    Moved,
    #[error("another database is at this path; restart to use it, or put the one before it back")]
    Another,
    #[error("the file belongs to another program")]
    Foreign,
    #[error("the file has a {kind} that this program did not make: {name}")]
    Strange { kind: String, name: String },
    #[error("the file system allows no write-ahead log")]
    NoLog,
    #[error("the database is looked at, and not changed")]
    Untouched,
    #[error("the writer has stopped")]
    Stopped,
    #[error("the tables are of a newer version")]
    Newer { found: u32, known: u32 },
    #[error("the database file is damaged: {0}")]
    Broken(String),
    #[error("the marks are no marks")]
    Damaged(Kind),
}

impl Fault {
    /// What to tell each of those who share it.
    pub(super) fn told(self: &Arc<Self>) -> StoreError {
        match **self {
            Self::Newer { found, known } => StoreError::Newer { kind: "database", found, known },
            Self::Damaged(kind) => StoreError::damaged(kind, Arc::clone(self)),
            Self::Sqlite(_)
            | Self::Io(_)
            | Self::Moved
            | Self::Another
            | Self::Foreign
            | Self::Strange { .. }
            | Self::NoLog
            | Self::Broken(_)
            | Self::Untouched
            | Self::Stopped => StoreError::unavailable(Arc::clone(self)),
        }
    }

    /// Whether the connection that met it is as good as before.
    pub(super) fn spares_the_connection(&self) -> bool {
        match self {
            Self::Sqlite(error) => {
                let busy =
                    [ErrorCode::DatabaseBusy, ErrorCode::DatabaseLocked, ErrorCode::ConstraintViolation];
                error.sqlite_error_code().is_some_and(|code| busy.contains(&code))
            }
            Self::Damaged(_) => true,
            Self::Io(_)
            | Self::Moved
            | Self::Another
            | Self::Foreign
            | Self::Strange { .. }
            | Self::NoLog
            | Self::Broken(_)
            | Self::Untouched
            | Self::Stopped
            | Self::Newer { .. } => false,
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        Arc::new(fault).told()
    }
}
