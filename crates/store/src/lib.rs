//! Records, the storage contract, its backends and the suite that proves one.
//!
//! It holds no rules of OAuth, speaks no HTTP and reads no clock: what may be written is decided in `authz-core`, which
//! hands over a [`Changes`] and learns whether it was [`Commit::Done`] or [`Commit::Stale`].
//!
//! | what | where |
//! |---|---|
//! | the contract: [`Store`], [`Inspect`], [`Counters`] | `contract`, `counters` |
//! | what is stored: [`Grant`], [`Client`], [`Server`], [`Consent`], [`Session`], [`Account`] … | `records` |
//! | what a backend sees of it: [`Row`], [`Key`], [`verdict`] | `row`, `changes` |
//! | what a token request needs, in one read: [`Facts`] | `facts` |
//! | deciding anew until nobody else writes: [`Rewritten`], [`until_done`] | `rewrite` |
//! | the backends: [`Memory`], and `Sqlite` and `Redis` behind the features `sqlite` and `redis` | `memory`, `sqlite`, `redis` |
//! | a store in front of another one: [`Front`] | `front` |
//! | from one store to another, behind the feature `copy` | `copy` |
//! | `store_suite!`, behind the feature `suite` | `suite` |
//!
//! `docs/records.md` describes each record and its schema.

mod ages;
mod changes;
mod contract;
#[cfg(feature = "copy")]
pub mod copy;
mod counters;
mod decoded;
mod facts;
mod front;
mod id;
mod memory;
mod records;
#[cfg(feature = "redis")]
mod redis;
mod rewrite;
mod row;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "suite")]
pub mod suite;

#[cfg(feature = "redis")]
pub use self::redis::{Redis, RedisOptions, RedisUrl, RedisUrlError};
pub use changes::{Changes, Commit, Guard, Verdict, verdict};
pub use contract::{
    Backend, Claim, ClaimKind, ClaimPage, Claimed, Claims, Filter, HeldClaim, Inspect, Look, Movable,
    OwnedClaim, Page, Seen, Store, StoreError, Unlisted,
};
pub use counters::{Counters, MemoryCounters};
pub use decoded::Decoded;
pub use facts::{Facts, Use};
pub use front::Front;
pub use id::{Digest, Epoch, GrantId, Malformed, Mark, Nonce, ServerId, SessionId, TicketId};
pub use memory::Memory;
pub use records::account::{Account, Created, Passkey, Replaced, SecondFactors, Totp};
pub use records::admin::{AdminAccess, AdminKey, AdminKeys};
pub use records::client::{Client, ClientAuth, Provenance, SecretMethod};
pub use records::consent::{Agreed, Consent};
pub use records::device::Device;
pub use records::grant::{
    Access, Coded, Ended, Grant, Lasting, Live, MOST_ACCESS_TOKENS, Party, Request, Requested, SpentCode,
    Stage, Subject, Target, Why,
};
pub use records::keys::{KeyList, KeyState, SealedKey};
pub use records::server::{OriginEntry, OriginIndex, RetiringKey, ScopeEntry, Server, UserInfoDetail};
pub use records::session::Session;
pub use records::standing::{PersonId, PersonStanding, Standing, Status};
pub use records::tenure::{Tenure, TenureState};
pub use records::ticket::{NewAccount, Purpose, Ticket};
pub use records::trail::{Entry, Outcome, Trail, TrailPlace};
pub use records::{Found, Record};
pub use rewrite::{Rewritten, until_done};
pub use row::{Key, Kind, Links, Marks, Row};
#[cfg(feature = "sqlite")]
pub use sqlite::{Sqlite, SqliteLook};
