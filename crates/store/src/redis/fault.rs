//! What can go wrong below the contract, and what the caller is told.

use std::error::Error;
use std::sync::Arc;

use redis::{ErrorKind, RedisError, ServerErrorKind};
use thiserror::Error;

use crate::{Kind, StoreError};

#[derive(Clone, Debug, Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Driver(#[from] RedisError),
    #[error("Redis did not accept a connection in time")]
    Connecting,
    #[error("Redis does not answer")]
    Silent,
    #[error("no Sentinel knows a primary of the name {0}")]
    NoPrimary(String),
    #[error("no more than half of the Sentinels in the URL name the same primary for {0}")]
    NoMajority(String),
    #[error("the Sentinels name {0} as the primary, and it is none")]
    NotPrimary(String),
    #[error("the connection has ended with its runtime")]
    Ended,
    #[error("the server is one of a Cluster: begin the URL with redis-cluster")]
    Clustered,
    #[error("the server belongs to no Cluster: begin the URL with redis")]
    NoCluster,
    #[error("the prefix of the keys must be 1 to 64 letters, digits, dots, dashes, underscores or colons")]
    Prefix,
    #[error("the certificate authority holds no certificate in PEM")]
    Authority,
    #[error("a certificate authority is set, and the URL asks for no TLS: begin it with rediss")]
    Plain,
    #[error(
        "maxmemory-policy is {0}: Redis throws records away when its memory is full, and whoever is logged in with them; \
         set it to noeviction"
    )]
    Evicts(String),
    #[error("Redis does not say what its maxmemory-policy is: let this user run INFO (ACL rule +info)")]
    Unsaid(#[source] Arc<RedisError>),
    #[error(
        "the clock of Redis is {ahead} seconds ahead of ours (behind, if negative), and it expires records by its own: \
         synchronise the clocks of both machines"
    )]
    Clock { ahead: i64 },
    #[error("the Cluster serves only a part of its slots (cluster_state, cluster_slots_ok)")]
    InPart,
    #[error("{reached} replicas have what was written, and {wanted} are wanted (wait_replicas)")]
    Replicas { reached: i64, wanted: u32 },
    #[error("replicas were waited for too long (wait_replicas)")]
    Late,
    #[error("wait_replicas is not for a Cluster")]
    NoWaiting,
    #[error("a record is being written by others all the time")]
    Contended,
    #[error("Redis answered with something else than was asked for")]
    Unexpected,
    #[error("the keys are of a newer version")]
    Newer { found: u32, known: u32 },
    #[error("what is stored under the key is no record")]
    Damaged(Kind),
}

impl Fault {
    /// Whether the connection that met it must be replaced: it is broken, or leads to a server that is not, or not yet, or no
    /// longer the one to write to.
    pub(super) fn breaks(&self) -> bool {
        match self {
            Self::Driver(error) => breaks(error),
            Self::Connecting
            | Self::Silent
            | Self::NoPrimary(_)
            | Self::NoMajority(_)
            | Self::NotPrimary(_)
            | Self::Plain
            | Self::Clock { .. }
            | Self::Late
            | Self::Ended
            | Self::Clustered
            | Self::NoCluster
            | Self::Prefix
            | Self::Authority
            | Self::Evicts(_)
            | Self::Unsaid(_)
            | Self::InPart
            | Self::Replicas { .. }
            | Self::NoWaiting
            | Self::Contended
            | Self::Unexpected
            | Self::Newer { .. }
            | Self::Damaged(_) => false,
        }
    }

    /// Whether a server was set up as none may be, which only its operator can mend.
    pub(super) const fn is_of_the_setup(&self) -> bool {
        matches!(self, Self::Clock { .. } | Self::Evicts(_) | Self::Unsaid(_))
    }

    /// Whether a server refuses who we are or what we ask for.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the driver's errors are its own to add to")]
    pub(super) fn refuses_us(&self) -> bool {
        let Self::Driver(error) = self else { return false };
        match error.kind() {
            ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => true,
            _ => error.code() == Some("NOAUTH"),
        }
    }
}

/// The same of what the driver met.
#[expect(clippy::wildcard_enum_match_arm, reason = "the driver's errors are its own to add to")]
pub(super) fn breaks(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Io | ErrorKind::Parse => true,
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::ReadOnly | ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown
        ),
        _ => error.is_unrecoverable_error(),
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Newer { found, known } => Self::Newer { kind: "database", found, known },
            Fault::Damaged(kind) => Self::Damaged { kind: kind.as_str(), source: Box::new(fault) },
            Fault::Evicts(_) | Fault::Unsaid(_) | Fault::Clock { .. } => Self::Unfit(Box::new(fault)),
            Fault::Driver(_) if fault.refuses_us() => Self::Misconfigured(Box::new(fault)),
            Fault::Plain
            | Fault::Clustered
            | Fault::NoCluster
            | Fault::Prefix
            | Fault::Authority
            | Fault::NoWaiting => Self::Misconfigured(Box::new(fault)),
            Fault::Driver(_)
            | Fault::Connecting
            | Fault::Silent
            | Fault::NoPrimary(_)
            | Fault::NoMajority(_)
            | Fault::NotPrimary(_)
            | Fault::Late
            | Fault::Ended
            | Fault::InPart
            | Fault::Replicas { .. }
            | Fault::Contended
            | Fault::Unexpected => Self::Unavailable(Box::<dyn Error + Send + Sync>::from(fault)),
        }
    }
}
