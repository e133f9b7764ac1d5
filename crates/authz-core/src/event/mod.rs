//! What happened: typed, and without a place for a secret.

mod account;
mod actor;
mod context;
mod entry;
mod named;
mod oversight;

use std::net::IpAddr;

use oauth_types::{ClientId, Scope};

pub use self::account::{AccountEvent, Factor, LogInRefusal, SignUpRefusal};

pub use self::actor::{Actor, By, KeyName};
pub use self::context::Context;
pub(crate) use self::context::UNKNOWN;
pub use self::named::{NamedClient, NamedGrant};
pub use self::oversight::OversightEvent;
use crate::{Refusal, Stoppage};

/// Something that an operator or an auditor wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A client registered itself.
    ClientRegistered {
        /// Which.
        client: ClientId,
        /// From where.
        from: Option<IpAddr>,
    },
    /// A person gave consent, or a remembered one stood in for asking.
    Consented {
        /// The grant.
        grant: NamedGrant,
        /// To what.
        scope: Scope,
        /// Whether a remembered consent stood in.
        remembered: bool,
    },
    /// Nobody was asked: the operator answers for the client.
    ConsentWaived {
        /// The grant.
        grant: NamedGrant,
        /// To what.
        scope: Scope,
    },
    /// A person refused consent.
    Denied(NamedGrant),
    /// A code was redeemed.
    CodeRedeemed(NamedGrant),
    /// A used code came again with its right verifier; the grant has ended.
    CodeReplayed(NamedGrant),
    /// A wrong verifier came for an unused code; the grant has ended.
    VerifierMismatched(NamedGrant),
    /// A grant was refreshed.
    Refreshed {
        /// The grant.
        grant: NamedGrant,
        /// The generation that was made.
        number: u32,
    },
    /// A refresh was repeated within the leeway and got the same answer.
    RefreshRepeated {
        /// The grant.
        grant: NamedGrant,
        /// The generation that was given again.
        number: u32,
    },
    /// An older refresh token came again; the grant has ended.
    RefreshReplayed {
        /// The grant.
        grant: NamedGrant,
        /// The generation that came.
        number: u32,
        /// The current generation.
        current: u32,
    },
    /// A genuine refresh token is newer than the record: the store has lost a commit.
    StoreWentBack {
        /// The grant.
        grant: NamedGrant,
        /// The generation that came.
        number: u32,
        /// The generation on record.
        recorded: u32,
    },
    /// A grant has more access tokens than it may; the one that ended first was dropped.
    AccessTokenDropped(NamedGrant),
    /// A grant was revoked by its client.
    GrantRevoked(NamedGrant),
    /// An access token was revoked by its client.
    AccessTokenRevoked(NamedGrant),
    /// A request was refused.
    Refused {
        /// At which endpoint.
        endpoint: &'static str,
        /// Why.
        refusal: Refusal,
        /// The client that it named.
        client: Option<NamedClient>,
        /// From where.
        from: Option<IpAddr>,
    },
    /// A person's request ended on a page, because it could not go on and must not be redirected.
    Stopped {
        /// At which endpoint.
        endpoint: &'static str,
        /// Why.
        why: Stoppage,
        /// From where.
        from: Option<IpAddr>,
    },
    /// Somebody came to the administration with a wrong key.
    AdministrationRefused {
        /// From where.
        from: Option<IpAddr>,
    },
    /// A limit was hit.
    Limited {
        /// Which.
        limit: &'static str,
        /// From where.
        from: Option<IpAddr>,
    },
    /// Somebody looked after accounts, connections, clients or servers.
    Oversight(OversightEvent),
    /// Something happened around an account.
    Account(AccountEvent),
}

impl From<OversightEvent> for Event {
    fn from(event: OversightEvent) -> Self {
        Self::Oversight(event)
    }
}

impl From<AccountEvent> for Event {
    fn from(event: AccountEvent) -> Self {
        Self::Account(event)
    }
}

/// Listens to events. Called after the commit that made one true; must return at once.
pub trait Events: Send + Sync {
    /// This happened.
    fn tell(&self, event: &Event);

    /// This happened on a request that tells `context`. Without an implementation it is told without; whoever passes events on to others
    /// implements both.
    fn tell_with(&self, event: &Event, context: &Context) {
        let _ = context;
        self.tell(event);
    }
}

/// Writes events to the log, those that speak of theft or loss as warnings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traced;

impl Events for Traced {
    fn tell(&self, event: &Event) {
        self.tell_with(event, &UNKNOWN);
    }

    fn tell_with(&self, event: &Event, context: &Context) {
        let (from, agent) = (context.from(), context.agent());
        if event.is_alarming() {
            tracing::warn!(target: "portcullis::event", ?event, ?from, agent);
        } else {
            tracing::info!(target: "portcullis::event", ?event, ?from, agent);
        }
    }
}
