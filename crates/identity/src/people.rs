//! The people who have an account here.

mod name;
mod openings;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use ambient::{Clock, Entropy};
use async_trait::async_trait;
use authz_core::{People, Profile};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use store::{Account, Changes, Commit, Created, Found, Mark, PersonId, SecondFactors, Store, StoreError};
use thiserror::Error;

pub use self::name::{Name, NotAName};
pub(crate) use self::openings::{Changed, NotTaken, Openings, Unchanged};
use crate::email::Email;
use crate::password::{Cost, HashError, Password, Passwords, Verified};

/// Accounts with an e-mail address and a password. An implementation of [`People`].
pub struct Accounts {
    store: Arc<dyn Store>,
    passwords: Passwords,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// Why an account could not be looked at or made: the world's fault or ours, never the person's.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The password cannot be hashed or checked.
    #[error(transparent)]
    Hash(#[from] HashError),
}

/// Who somebody is who shows an address and a password.
#[derive(Debug)]
pub(crate) enum Recognition {
    /// The owner of the account.
    Known(Box<Account>),
    /// Somebody without the password of this person.
    Wrong(PersonId),
    /// Nobody has the address.
    Unknown,
}

/// A password as an account keeps it, made before anybody knows whether there will be one.
#[derive(Clone)]
pub(crate) struct Hashed(String);

impl Hashed {
    /// A hash that was kept, in PHC form.
    pub(crate) fn kept(hash: &str) -> Self {
        Self(hash.to_owned())
    }

    /// In PHC form.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// An account as a link to a new password found it: by its address, and by the links that were used before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reachable {
    pub(crate) email: String,
    pub(crate) resets: u32,
}

impl Reachable {
    pub(crate) fn of(account: &Account) -> Self {
        Self { email: account.email.clone(), resets: account.resets }
    }

    /// Whether the account still is as it was: another address is another mailbox, and of the links to one the first that is used is
    /// the last.
    pub(crate) fn is_of(&self, account: &Account) -> bool {
        *self == Self::of(account)
    }
}

impl Accounts {
    /// Accounts in `store`; a password costs what [`Cost`] says.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, cost: Cost, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, passwords: Passwords::new(cost, entropy.clone()), clock, entropy }
    }

    /// Makes an account; `None` if the address is taken.
    ///
    /// # Errors
    ///
    /// [`AccountError`]. The account may exist then: signing up again tells.
    pub async fn create(
        &self,
        name: &Name,
        email: &Email,
        password: &Password,
    ) -> Result<Option<Account>, AccountError> {
        let password = self.hash(password).await?;
        Ok(self.add(name, email, Some(&password), false).await?)
    }

    /// Hashes a password, for an account that is there or not.
    pub(crate) async fn hash(&self, password: &Password) -> Result<Hashed, AccountError> {
        Ok(Hashed(self.passwords.hash(password).await?))
    }

    /// Makes an account; `None` if the address is taken. `verified`: whether its owner has shown that the address is theirs.
    pub(crate) async fn add(
        &self,
        name: &Name,
        email: &Email,
        password: Option<&Hashed>,
        verified: bool,
    ) -> Result<Option<Account>, StoreError> {
        let account = Account {
            person: self.new_person(),
            name: name.as_str().to_owned(),
            email: email.as_str().to_owned(),
            email_verified: verified,
            password: password.map(|hashed| hashed.0.clone()),
            factors: SecondFactors::default(),
            epoch: None,
            resets: 0,
            registered: self.clock.now(),
        };
        match self.store.create_account(self.mark(), &account).await? {
            Created::Done => Ok(Some(account)),
            Created::EmailTaken => Ok(None),
        }
    }

    /// The account with this address and password; `None`, after the same time, if there is no such account or it has
    /// another password. A hash that costs something else than hashes do now is replaced on the way.
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub async fn recognise(
        &self,
        email: &Email,
        password: &Password,
    ) -> Result<Option<Account>, AccountError> {
        Ok(match self.look_at(email, password).await? {
            Recognition::Known(account) => Some(*account),
            Recognition::Wrong(_) | Recognition::Unknown => None,
        })
    }

    /// The same, with what only the audit trail may know.
    pub(crate) async fn look_at(
        &self,
        email: &Email,
        password: &Password,
    ) -> Result<Recognition, AccountError> {
        let found = self.find_by_email(email).await?;
        let hash = found.as_ref().and_then(|found| found.record.password.as_deref());
        let verified = self.passwords.verify(password, hash).await?;
        let Some(found) = found else { return Ok(Recognition::Unknown) };
        Ok(match verified {
            Verified::Wrong => Recognition::Wrong(found.record.person),
            Verified::Right => Recognition::Known(Box::new(found.record)),
            Verified::RightUnderAnotherCost => {
                Recognition::Known(Box::new(self.with_hash_renewed(found, password).await))
            }
        })
    }

    /// What cannot be renewed now is renewed at the next log-in.
    async fn with_hash_renewed(&self, found: Found<Account>, password: &Password) -> Account {
        let hash = match self.passwords.hash(password).await {
            Ok(hash) => hash,
            Err(error) => {
                tracing::warn!(%error, "a password hash could not be renewed");
                return found.record;
            }
        };
        let renewed = Account { password: Some(hash), ..found.record.clone() };
        match self.store.commit(&Changes::replace(self.mark(), &found, &renewed)).await {
            Ok(Commit::Done) => renewed,
            Ok(Commit::Stale) => found.record,
            Err(error) => {
                tracing::warn!(%error, "a password hash could not be renewed");
                found.record
            }
        }
    }

    /// The account with this address; it takes as many reads to find none.
    pub(crate) async fn by_email(&self, email: &Email) -> Result<Option<Account>, StoreError> {
        Ok(self.find_by_email(email).await?.map(|found| found.record))
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<Found<Account>>, StoreError> {
        let found = self.store.account_by_email(email.as_str()).await?;
        if found.is_none() {
            let _nobody = self.store.find::<Account>(&self.new_person()).await?;
        }
        Ok(found)
    }

    /// Whether this is the password that was hashed.
    pub(crate) async fn is_password(
        &self,
        hashed: &Hashed,
        password: &Password,
    ) -> Result<bool, AccountError> {
        Ok(match self.passwords.verify(password, Some(&hashed.0)).await? {
            Verified::Wrong => false,
            Verified::Right | Verified::RightUnderAnotherCost => true,
        })
    }

    /// Whether this is the password of `account`.
    pub(crate) async fn is_password_of(
        &self,
        account: &Account,
        password: &Password,
    ) -> Result<bool, AccountError> {
        let verified = self.passwords.verify(password, account.password.as_deref()).await?;
        Ok(match verified {
            Verified::Wrong => false,
            Verified::Right | Verified::RightUnderAnotherCost => true,
        })
    }

    /// How many passwords are being hashed, or wait for it.
    #[must_use]
    pub fn hashes_under_way(&self) -> usize {
        self.passwords.under_way()
    }

    /// The account of a person; `None` if they have none here.
    ///
    /// # Errors
    ///
    /// If the store cannot answer.
    pub async fn account(&self, person: &PersonId) -> Result<Option<Account>, StoreError> {
        Ok(self.store.find::<Account>(person).await?.map(|found| found.record))
    }

    /// `usr_` and 22 characters: never reused, and it says nothing of the person.
    #[expect(clippy::expect_used, reason = "base64url is printable ASCII, which is all that an id must be")]
    fn new_person(&self) -> PersonId {
        let text = format!("usr_{}", URL_SAFE_NO_PAD.encode(self.entropy.draw::<16>()));
        PersonId::parse(&text).expect("base64url is printable ASCII")
    }

    fn mark(&self) -> Mark {
        Mark::new(self.entropy.draw())
    }
}

#[async_trait]
impl People for Accounts {
    async fn profile(&self, person: &PersonId) -> Result<Option<Profile>, StoreError> {
        Ok(self.account(person).await?.map(|account| Profile {
            name: Some(account.name),
            email: Some(account.email),
            email_verified: account.email_verified,
        }))
    }
}

impl fmt::Debug for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hashed(..)")
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("passwords", &self.passwords).finish_non_exhaustive()
    }
}
