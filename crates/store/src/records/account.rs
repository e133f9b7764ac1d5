//! A person's account with a password, for those who use ours.

use std::fmt;

use ambient::Time;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Changes, Claim, ClaimKind, Claimed, Commit, Found, Kind, Mark, PersonId, Record, Store, StoreError,
};

/// An account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Who.
    pub person: PersonId,
    /// Their name.
    pub name: String,
    /// Their e-mail address, normalised; unique.
    pub email: String,
    /// Whether they have shown that the address is theirs.
    pub email_verified: bool,
    /// The password, hashed, in PHC form.
    pub password: String,
    /// When they signed up.
    pub registered: Time,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("person", &self.person).finish_non_exhaustive()
    }
}

impl Record for Account {
    const KIND: Kind = Kind::Account;
    const SCHEMA: u32 = 1;

    fn id(&self) -> String {
        self.person.to_string()
    }
}

/// What became of a sign-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Created {
    /// The account exists.
    Done,
    /// Somebody has the address.
    EmailTaken,
}

/// Where accounts are kept. Every [`Store`] is one; whoever has users of their own never needs it.
#[async_trait]
pub trait AccountStore: Send + Sync {
    /// The account of a person.
    async fn account(&self, person: &PersonId) -> Result<Option<Found<Account>>, StoreError>;

    /// The account with this normalised address.
    async fn account_by_email(&self, email: &str) -> Result<Option<Found<Account>>, StoreError>;

    /// Adds an account, unless its address is taken. Of concurrent sign-ups with one address, one is [`Created::Done`].
    async fn create_account(&self, mark: Mark, account: &Account) -> Result<Created, StoreError>;

    /// Writes an account in place of the one that was read. The address stays.
    async fn replace_account(
        &self,
        mark: Mark,
        found: &Found<Account>,
        account: &Account,
    ) -> Result<Commit, StoreError>;
}

/// How long a claim of an address without an account is left to whoever made it, in seconds.
const UNFINISHED: i64 = 600;

#[async_trait]
impl<S: Store> AccountStore for S {
    async fn account(&self, person: &PersonId) -> Result<Option<Found<Account>>, StoreError> {
        (self as &dyn Store).find(person).await
    }

    async fn account_by_email(&self, email: &str) -> Result<Option<Found<Account>>, StoreError> {
        let Some((owner, _)) = self.holder(ClaimKind::Email, email).await? else {
            return Ok(None);
        };
        (self as &dyn Store).find(owner).await
    }

    async fn create_account(&self, mark: Mark, account: &Account) -> Result<Created, StoreError> {
        let owner = account.person.to_string();
        let mut claim = Claim {
            kind: ClaimKind::Email,
            key: &account.email,
            owner: &owner,
            since: account.registered,
            until: None,
            instead_of: None,
        };
        // Claim before record: a crash between them leaves a claim without an account, which may be taken over later.
        if let Claimed::Held { owner: holder, since } = self.claim(&claim).await? {
            let finished = (self as &dyn Store).find::<Account>(&holder).await?.is_some();
            if finished || account.registered.since(since) < UNFINISHED {
                return Ok(Created::EmailTaken);
            }
            claim.instead_of = Some(&holder);
            if self.claim(&claim).await? != Claimed::Mine {
                return Ok(Created::EmailTaken);
            }
        }
        match self.commit(&Changes::create(mark, account)).await? {
            Commit::Done => Ok(Created::Done),
            Commit::Stale => Ok(Created::EmailTaken),
        }
    }

    async fn replace_account(
        &self,
        mark: Mark,
        found: &Found<Account>,
        account: &Account,
    ) -> Result<Commit, StoreError> {
        self.commit(&Changes::replace(mark, found, account)).await
    }
}
