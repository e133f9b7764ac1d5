//! What a backend promises.

use std::error::Error;

use ambient::Time;
use async_trait::async_trait;
use thiserror::Error;

use crate::{Changes, Commit, Decoded, Facts, Found, Key, Kind, Record, Row, Use};

/// The store could not answer: the world's fault, so the caller says 503 and the client tries again.
///
/// Nothing is known of a write that ended in one: it may have happened. A caller that sends the same [`Changes`] again
/// learns which.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Others keep writing the record that was to be written.
    #[error("the record is written too often")]
    Contended,
    /// The database is locked, full, gone, or the connection broke.
    #[error("the store cannot be reached")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The database answers, and is set up so that it may lose what it was told. The source says which setting it is and
    /// what it should be, and holds no secret.
    #[error("the store is set up so that it may lose records")]
    Unfit(#[source] Box<dyn Error + Send + Sync>),
    /// The database refuses this process as it is configured: a password, a right that is missing, a URL for another kind of
    /// server. The source holds no secret.
    #[error("the store cannot be used with these settings")]
    Misconfigured(#[source] Box<dyn Error + Send + Sync>),
    /// A record was written by a newer version of this program.
    #[error("a {kind} was written by a newer version (schema {found}, this one reads up to {known})")]
    Newer {
        /// What it is.
        kind: &'static str,
        /// Its schema number.
        found: u32,
        /// The newest that this version reads.
        known: u32,
    },
    /// A record does not read back.
    #[error("a stored {kind} is damaged")]
    Damaged {
        /// What it is.
        kind: &'static str,
        /// What the parser says; it never quotes the record.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl StoreError {
    /// The store cannot be reached, because of `source`.
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }

    /// Whether waiting may help: the database may come back, have room again, or be set right. It does not where this process
    /// must be another, or be configured otherwise.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Contended | Self::Unavailable(_) | Self::Unfit(_) => true,
            Self::Misconfigured(_) | Self::Newer { .. } | Self::Damaged { .. } => false,
        }
    }

    /// A row of this kind does not read back, because of `source`, which quotes nothing of it: an error, never an absent record,
    /// over which somebody would write.
    pub fn damaged(kind: Kind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Damaged { kind: kind.as_str(), source: source.into() }
    }
}

/// What is read together, as of one moment.
#[derive(Clone, Debug)]
pub struct Look {
    /// A record; those that its [`Links`](crate::Links) name are read with it.
    pub record: Key,
    /// One more record.
    pub beside: Option<Key>,
}

/// What a [`Look`] saw.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The record.
    pub record: Option<Row>,
    /// The client that it names.
    pub client: Option<Row>,
    /// The person that it names.
    pub person: Option<Row>,
    /// The consent that it names.
    pub consent: Option<Row>,
    /// The resource server that it names.
    pub server: Option<Row>,
    /// The one more.
    pub beside: Option<Row>,
}

/// What a claim is about. Keys of different kinds never collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ClaimKind {
    /// A normalised e-mail address, owned by a person.
    Email,
    /// The id of a passkey, owned by a person.
    Passkey,
    /// An `Idempotency-Key` of the administration, owned by what it made.
    Idempotency,
    /// The digest of a person, a kind of browser and an address: they have logged in so. Owned by the person.
    Device,
    /// The digest of a key or secret that was given to somebody: it was used at the time of the claim. Owned by that time.
    KeyUse,
}

impl ClaimKind {
    /// All kinds, for those who count or copy everything.
    pub const ALL: [Self; 5] = [Self::Email, Self::Passkey, Self::Idempotency, Self::Device, Self::KeyUse];

    /// The name that a backend stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Passkey => "passkey",
            Self::Idempotency => "idempotency",
            Self::Device => "device",
            Self::KeyUse => "key_use",
        }
    }
}

/// Something that must be unique, or used once, across records.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// What it is about.
    pub kind: ClaimKind,
    /// What is claimed.
    pub key: &'a str,
    /// By whom. The same owner may claim again.
    pub owner: &'a str,
    /// When.
    pub since: Time,
    /// Until when nobody else may have it; `None` is for good. The store does not look at it but to sweep.
    pub until: Option<Time>,
    /// The owner whose claim this takes over: one who died between claim and record.
    pub instead_of: Option<&'a str>,
}

/// A [`Claim`] that owns its texts: for a backend that hands it to another thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedClaim {
    /// What it is about.
    pub kind: ClaimKind,
    /// What is claimed.
    pub key: String,
    /// By whom.
    pub owner: String,
    /// When.
    pub since: Time,
    /// Until when; `None` is for good.
    pub until: Option<Time>,
    /// The owner whose claim this takes over.
    pub instead_of: Option<String>,
}

impl From<&Claim<'_>> for OwnedClaim {
    fn from(claim: &Claim<'_>) -> Self {
        Self {
            kind: claim.kind,
            key: claim.key.to_owned(),
            owner: claim.owner.to_owned(),
            since: claim.since,
            until: claim.until,
            instead_of: claim.instead_of.map(str::to_owned),
        }
    }
}

/// Who has what was claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The claimant: now, or since an earlier claim of the same owner.
    Mine,
    /// Somebody else.
    Held {
        /// Who.
        owner: String,
        /// Since when.
        since: Time,
    },
}

/// Where records are kept.
///
/// The contract, for whoever writes a backend; `store_suite!` tests all of it:
///
/// - **Atomic.** [`commit`](Self::commit) writes its record whole or not at all, and of writes that race under one guard one
///   is [`Commit::Done`] and the others are [`Commit::Stale`]. [`verdict`](crate::verdict) says which, given the stored row.
/// - **Durable.** Both answers leave only when what decided them would survive a crash: the caller hands out tokens on `Done`
///   and revokes on what a `Stale` makes it read.
/// - **One moment.** [`look`](Self::look) sees its rows as of one moment, or reads the record no later than the others.
/// - **Fresh.** A read sees every commit that was answered before it began, in any process. No replica that lags. A backend that
///   remembers records asks each time whether their marks are still the same.
/// - **Opaque.** A backend never looks inside a body, and has no clock: an expired record may or may not be found.
///
/// The price of a lie: a false `Done` hands out a code or a refresh token twice; a false `Stale` costs the caller another
/// read, and after a few a 503. If in doubt, answer `Stale` or fail.
#[async_trait]
pub trait Store: Send + Sync {
    /// The record under `key`.
    async fn read(&self, key: &Key) -> Result<Option<Row>, StoreError>;

    /// A record, those that it names, and one more: one round trip where the backend can.
    async fn look(&self, look: &Look) -> Result<Seen, StoreError>;

    /// Writes one record if its guard holds.
    ///
    /// The same `changes` may be given twice (a driver that resends, a caller that got an error): the second finds its own mark
    /// and answers as the first did.
    async fn commit(&self, changes: &Changes) -> Result<Commit, StoreError>;

    /// Claims what must be unique. Exactly one of concurrent owners is told [`Claimed::Mine`]; it stays so until released or
    /// taken over by a claim [`instead_of`](Claim::instead_of) its owner.
    async fn claim(&self, claim: &Claim<'_>) -> Result<Claimed, StoreError>;

    /// Who holds a claim, if anybody.
    async fn holder(&self, kind: ClaimKind, key: &str) -> Result<Option<(String, Time)>, StoreError>;

    /// Gives up a claim. Of another owner's claim it changes nothing.
    async fn release(&self, kind: ClaimKind, key: &str, owner: &str) -> Result<(), StoreError>;

    /// Removes records whose [`sweep`](Row::sweep) and claims whose [`until`](Claim::until) is before `now`, at most `at_most`;
    /// answers how many. What is due at `now` itself stays. Housekeeping: no rule depends on it, and a database that forgets by
    /// a clock of its own may remove nothing here.
    async fn sweep(&self, now: Time, at_most: u32) -> Result<u32, StoreError>;

    /// Whether the store can be read and written now.
    async fn ready(&self) -> Result<(), StoreError>;
}

impl dyn Store + '_ {
    /// The record of this type that `id` names, with the mark to replace it under.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or the record is damaged or newer than this program.
    pub async fn find<R: Record>(
        &self,
        id: impl std::fmt::Display + Send,
    ) -> Result<Option<Found<R>>, StoreError> {
        let key = Key::new(R::KIND, id);
        self.read(&key).await?.as_ref().map(Found::decode).transpose()
    }

    /// What a request about a token needs to know, in one read.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or a record is damaged or newer than this program.
    pub async fn facts(&self, about: Use<'_>, decoded: &Decoded) -> Result<Facts, StoreError> {
        let beside = about.beside();
        match (about.grant, beside) {
            (Some(grant), beside) => {
                let look = Look { record: Key::new(Kind::Grant, grant), beside };
                Facts::of(about, &self.look(&look).await?, decoded)
            }
            (None, Some(beside)) => {
                let beside = self.read(&beside).await?;
                Facts::of(about, &Seen { beside, ..Seen::default() }, decoded)
            }
            (None, None) => Ok(Facts::default()),
        }
    }
}

/// Which records a listing shows.
#[derive(Clone, Copy, Debug)]
pub enum Filter<'a> {
    /// All of the kind.
    All,
    /// Those that name this client.
    OfClient(&'a str),
    /// Those that name this person.
    OfPerson(&'a str),
}

/// One page of a listing.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// In the order of their ids.
    pub rows: Vec<Row>,
    /// Whether there are more behind the last.
    pub more: bool,
}

/// Listing, for administration and for a person's own overview. Never on the path of a token.
///
/// A listing may show what has just gone, and never misses what was there throughout.
#[async_trait]
pub trait Inspect: Send + Sync {
    /// At most `at_most` records of a kind behind the id `after`, in the order of their ids.
    async fn list(
        &self,
        kind: Kind,
        filter: Filter<'_>,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Page, StoreError>;
}

/// A store that can also be listed: what every backend here is.
pub trait Backend: Store + Inspect {}

impl<B: Store + Inspect> Backend for B {}

/// A claim as it is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldClaim {
    /// What is claimed.
    pub key: String,
    /// By whom.
    pub owner: String,
    /// Since when.
    pub since: Time,
    /// Until when nobody else may have it; `None` is for good.
    pub until: Option<Time>,
}

/// One page of the claims.
#[derive(Clone, Debug, Default)]
pub struct ClaimPage {
    /// In the order of their keys.
    pub claims: Vec<HeldClaim>,
    /// Whether there are more behind the last.
    pub more: bool,
}

/// What is there though a listing of all misses it.
#[derive(Clone, Debug, Default)]
pub struct Unlisted {
    /// Where the records are.
    pub records: Vec<Key>,
    /// The claims.
    pub claims: Vec<(ClaimKind, HeldClaim)>,
}

/// Listing claims and what lists have lost, which copying a store needs and nothing else: a backend without it works, but cannot
/// be moved.
///
/// As with [`Inspect`], a page may show what has just gone, and never misses what was there throughout. Where there is no
/// order of keys by themselves (Redis), the backend keeps one: entered before the claim, healed when it is read.
#[async_trait]
pub trait Claims: Send + Sync {
    /// At most `at_most` claims of a kind behind the key `after`, in the order of their keys (as bytes).
    async fn claims(
        &self,
        kind: ClaimKind,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<ClaimPage, StoreError>;

    /// What the listings of all miss. Only where lists are kept apart from records can they lose an entry; everywhere else it is
    /// nothing, which is the default. It looks at every key there is.
    async fn unlisted(&self) -> Result<Unlisted, StoreError> {
        Ok(Unlisted::default())
    }
}

/// A store that can be moved to another one, or from it: what every backend here is.
pub trait Movable: Backend + Claims {}

impl<B: Backend + Claims> Movable for B {}
