//! The people who have an account here.

use std::fmt;
use std::sync::Arc;

use ambient::{Clock, Entropy};
use async_trait::async_trait;
use authz_core::{People, Profile};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use store::{Account, AccountStore, Commit, Created, Mark, PersonId, StoreError};
use thiserror::Error;

use crate::email::Email;
use crate::password::{Cost, HashError, Password, Passwords, Verified};

/// Accounts with an e-mail address and a password. An implementation of [`People`].
pub struct Accounts {
    store: Arc<dyn AccountStore>,
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

/// What a person is called: trimmed, 1 to 200 code points (so at most 800 bytes), without control characters. Any script,
/// any order of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

/// A text that is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a name is 1 to 200 characters long and has no control characters")]
pub struct NotAName;

impl Name {
    /// Reads what a person typed.
    ///
    /// # Errors
    ///
    /// [`NotAName`].
    pub fn parse(typed: &str) -> Result<Self, NotAName> {
        let name = typed.trim();
        let fits = (1..=LONGEST_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control);
        if fits { Ok(Self(name.to_owned())) } else { Err(NotAName) }
    }

    /// What to call somebody who gave no name: what stands before the `@`, cut to 200 characters.
    #[must_use]
    pub fn of_address(email: &Email) -> Self {
        // An address has no spaces and no control characters, and something before the `@`.
        Self(email.local_part().chars().take(LONGEST_NAME).collect())
    }
}

/// In code points.
const LONGEST_NAME: usize = 200;

impl Accounts {
    /// Accounts in `store`; a password costs what [`Cost`] says.
    #[must_use]
    pub fn new(
        store: Arc<dyn AccountStore>,
        cost: Cost,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
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
        let account = Account {
            person: self.new_person(),
            name: name.0.clone(),
            email: email.as_str().to_owned(),
            email_verified: false,
            password: self.passwords.hash(password).await?,
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
        let found = self.store.account_by_email(email.as_str()).await?;
        let hash = found.as_ref().map(|found| found.record.password.as_str());
        let verified = self.passwords.verify(password, hash).await?;
        let Some(found) = found else { return Ok(None) };
        match verified {
            Verified::Wrong => return Ok(None),
            Verified::Right => {}
            Verified::RightUnderAnotherCost => {
                let renewed =
                    Account { password: self.passwords.hash(password).await?, ..found.record.clone() };
                match self.store.replace_account(self.mark(), &found, &renewed).await {
                    // Somebody wrote first: the next log-in tries again.
                    Ok(Commit::Done | Commit::Stale) => {}
                    Err(error) => tracing::warn!(%error, "a password hash could not be renewed"),
                }
            }
        }
        Ok(Some(found.record))
    }

    /// The account of a person; `None` if they have none here.
    ///
    /// # Errors
    ///
    /// If the store cannot answer.
    pub async fn account(&self, person: &PersonId) -> Result<Option<Account>, StoreError> {
        Ok(self.store.account(person).await?.map(|found| found.record))
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

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("passwords", &self.passwords).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use ambient::{ManualClock, SeededEntropy, Time};
    use store::Memory;

    use super::*;

    fn accounts(store: &Arc<Memory>, cost: Cost, seed: u64) -> Accounts {
        let clock = Arc::new(ManualClock::at(Time(1_000_000)));
        Accounts::new(store.clone(), cost, clock, Arc::new(SeededEntropy::new(seed)))
    }

    fn ada() -> (Name, Email, Password) {
        let email = Email::parse("ada@example.com").unwrap();
        (Name::parse(" Ada ").unwrap(), email, Password::chosen("correct horse").unwrap())
    }

    #[test]
    fn a_name_is_something_to_be_called_by() {
        assert_eq!(Name::parse("  Ada Lovelace ").map(|name| name.0), Ok("Ada Lovelace".to_owned()));
        assert!(Name::parse(&"李".repeat(200)).is_ok());
        assert_eq!(Name::parse(&"李".repeat(201)), Err(NotAName));
        for typed in ["", "   ", "a\nb", "a\0", "a\u{85}b", &"x".repeat(201)] {
            assert_eq!(Name::parse(typed), Err(NotAName), "{typed:?}");
        }
    }

    #[test]
    fn without_a_name_an_address_gives_one_that_fits() {
        for (local, name) in [
            ("ada", "ada".to_owned()),
            (&"x".repeat(240), "x".repeat(200)),
            (&"é".repeat(120), "é".repeat(120)),
        ] {
            let named = Name::of_address(&Email::parse(&format!("{local}@a.example")).unwrap());
            assert_eq!(named.0, name);
            assert_eq!(Name::parse(&named.0), Ok(named));
        }
    }

    #[tokio::test]
    async fn an_account_is_recognised_by_its_password_only() {
        let accounts = accounts(&Arc::new(Memory::new()), Cost::least(), 1);
        let (name, email, password) = ada();
        let made = accounts.create(&name, &email, &password).await.unwrap().unwrap();
        assert!(made.person.as_str().starts_with("usr_") && made.person.as_str().len() == 26);
        assert_eq!(accounts.recognise(&email, &password).await.unwrap(), Some(made.clone()));
        let wrong = Password::typed("another").unwrap();
        assert_eq!(accounts.recognise(&email, &wrong).await.unwrap(), None);
        let nobody = Email::parse("nobody@example.com").unwrap();
        assert_eq!(accounts.recognise(&nobody, &password).await.unwrap(), None);

        let profile = accounts.profile(&made.person).await.unwrap().unwrap();
        assert_eq!(
            (profile.name.as_deref(), profile.email.as_deref()),
            (Some("Ada"), Some("ada@example.com"))
        );
        assert!(!profile.email_verified);
        assert_eq!(accounts.profile(&PersonId::parse("usr_x").unwrap()).await.unwrap(), None);
    }

    #[tokio::test]
    async fn an_address_makes_one_account() {
        let accounts = accounts(&Arc::new(Memory::new()), Cost::least(), 1);
        let (name, email, password) = ada();
        assert!(accounts.create(&name, &email, &password).await.unwrap().is_some());
        assert_eq!(accounts.create(&name, &email, &password).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_hash_is_renewed_when_its_owner_logs_in() {
        let store = Arc::new(Memory::new());
        let (name, email, password) = ada();
        let old = accounts(&store, Cost::least(), 1).create(&name, &email, &password).await.unwrap().unwrap();
        let now = accounts(&store, Cost::new(16, 2, 1).unwrap(), 2);
        assert!(now.recognise(&email, &password).await.unwrap().is_some());
        let renewed = now.account(&old.person).await.unwrap().unwrap();
        assert!(renewed.password.contains("m=16,t=2,p=1"), "{}", renewed.password);
        assert!(now.recognise(&email, &password).await.unwrap().is_some());
    }
}
