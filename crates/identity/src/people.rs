//! The people who have an account here.

use std::fmt;
use std::sync::Arc;

use ambient::{Clock, Entropy};
use async_trait::async_trait;
use authz_core::{People, Profile};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use store::{
    Account, AccountStore, Commit, Created, Found, Mark, PersonId, Readdressed, SecondFactors, StoreError,
};
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

/// What became of a change to an account.
#[derive(Debug)]
pub(crate) enum Changed {
    /// The account as it was before, and as it is now.
    Done { before: Box<Account>, now: Box<Account> },
    /// Somebody else has the address.
    EmailTaken,
    /// There is no such account any more.
    Gone,
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
/// An account is written when its owner changes something: rivals are few.
const TRIES: u8 = 4;

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
            name: name.0.clone(),
            email: email.as_str().to_owned(),
            email_verified: verified,
            password: password.map(|hashed| hashed.0.clone()),
            factors: SecondFactors::default(),
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
        match self.store.replace_account(self.mark(), &found, &renewed).await {
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
            let _nobody = self.store.account(&self.new_person()).await?;
        }
        Ok(found)
    }

    /// Whether a person has the password that was looked at: not if it was changed meanwhile.
    pub(crate) async fn has_the_password_of(&self, account: &Account) -> Result<bool, StoreError> {
        let now = self.store.account(&account.person).await?;
        Ok(now.is_some_and(|now| now.record.password == account.password))
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

    /// Changes an account, whatever others write meanwhile: `change` is asked again for each version.
    pub(crate) async fn change(
        &self,
        person: &PersonId,
        change: impl Fn(&mut Account) + Send + Sync,
    ) -> Result<Changed, StoreError> {
        for _ in 0..TRIES {
            let Some(found) = self.store.account(person).await? else { return Ok(Changed::Gone) };
            let mut account = found.record.clone();
            change(&mut account);
            let became = match account.email == found.record.email {
                true => match self.store.replace_account(self.mark(), &found, &account).await? {
                    Commit::Done => Readdressed::Done,
                    Commit::Stale => Readdressed::Stale,
                },
                false => {
                    let now = self.clock.now();
                    self.store.readdress_account(self.mark(), &found, &account, now).await?
                }
            };
            match became {
                Readdressed::Done => {
                    return Ok(Changed::Done { before: Box::new(found.record), now: Box::new(account) });
                }
                Readdressed::EmailTaken => return Ok(Changed::EmailTaken),
                Readdressed::Stale => {}
            }
        }
        Err(StoreError::unavailable("an account is being written by others all the time"))
    }

    /// Changes an account as long as `change` finds nothing against it, whatever others write meanwhile: it is asked again for each
    /// version, so of two changes that exclude each other one is made. `None` if there is no such account any more. The address stays.
    pub(crate) async fn try_change<T, E>(
        &self,
        person: &PersonId,
        change: impl Fn(&mut Account) -> Result<T, E> + Send + Sync,
    ) -> Result<Option<Result<(Account, T), E>>, StoreError>
    where
        T: Send,
        E: Send,
    {
        for _ in 0..TRIES {
            let Some(found) = self.store.account(person).await? else { return Ok(None) };
            let mut account = found.record.clone();
            let outcome = match change(&mut account) {
                Ok(outcome) => outcome,
                Err(error) => return Ok(Some(Err(error))),
            };
            if account == found.record {
                return Ok(Some(Ok((account, outcome))));
            }
            match self.store.replace_account(self.mark(), &found, &account).await? {
                Commit::Done => return Ok(Some(Ok((account, outcome)))),
                Commit::Stale => {}
            }
        }
        Err(StoreError::unavailable("an account is being written by others all the time"))
    }

    /// Gives a person another password. `verified`: whether that was done by a link to the address that they have.
    ///
    /// An account whose owner had never shown that the address is theirs may have been made by anybody: then whatever else it is
    /// opened by goes, too.
    pub(crate) async fn set_password(
        &self,
        person: &PersonId,
        password: &Hashed,
        verified: bool,
    ) -> Result<Changed, StoreError> {
        self.change(person, |account| {
            account.password = Some(password.0.clone());
            if verified && !account.email_verified {
                account.factors = SecondFactors::default();
                account.email_verified = true;
            }
        })
        .await
    }

    /// Gives a person this address, which they have shown to be theirs.
    pub(crate) async fn verify_email(&self, person: &PersonId, email: &str) -> Result<Changed, StoreError> {
        self.change(person, |account| {
            account.email = email.to_owned();
            account.email_verified = true;
        })
        .await
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
    async fn an_address_can_be_given_up_for_another_and_is_free_then() {
        let accounts = accounts(&Arc::new(Memory::new()), Cost::least(), 1);
        let (name, email, password) = ada();
        let (new, bos) = (Email::parse("ada@new.example").unwrap(), Email::parse("bo@example.com").unwrap());
        let person = accounts.create(&name, &email, &password).await.unwrap().unwrap().person;
        accounts.create(&name, &bos, &password).await.unwrap().unwrap();
        let taken = accounts.verify_email(&person, bos.as_str()).await.unwrap();
        assert!(matches!(taken, Changed::EmailTaken), "{taken:?}");
        let changed = accounts.verify_email(&person, new.as_str()).await.unwrap();
        let Changed::Done { before, now } = changed else { panic!("{changed:?}") };
        assert_eq!((&*before.email, &*now.email, now.email_verified), (email.as_str(), new.as_str(), true));
        assert_eq!(accounts.by_email(&email).await.unwrap(), None);
        assert_eq!(accounts.by_email(&new).await.unwrap().map(|account| account.person), Some(person));
        assert!(accounts.create(&name, &email, &password).await.unwrap().is_some());
        assert_eq!(accounts.create(&name, &new, &password).await.unwrap(), None);
        let nobody = PersonId::parse("usr_nobody").unwrap();
        assert!(matches!(accounts.verify_email(&nobody, "x@y").await.unwrap(), Changed::Gone));
    }

    #[tokio::test]
    async fn of_two_who_want_an_address_at_once_one_gets_it() {
        let accounts = accounts(&Arc::new(Memory::new()), Cost::least(), 1);
        let (name, _, password) = ada();
        let mut people = Vec::new();
        for number in 0..8 {
            let email = Email::parse(&format!("{number}@example.com")).unwrap();
            people.push(accounts.create(&name, &email, &password).await.unwrap().unwrap().person);
        }
        let wishes = people.iter().map(|person| accounts.verify_email(person, "one@example.com"));
        let mut done = 0;
        for wish in wishes {
            done += usize::from(matches!(wish.await.unwrap(), Changed::Done { .. }));
        }
        assert_eq!(done, 1);
    }

    #[tokio::test]
    async fn whoever_shows_that_an_address_is_theirs_owns_an_account_that_nobody_had_shown_to_be() {
        let accounts = accounts(&Arc::new(Memory::new()), Cost::least(), 1);
        let (name, email, password) = ada();
        let person = accounts.create(&name, &email, &password).await.unwrap().unwrap().person;
        let planted = |account: &mut Account| account.factors.recovery = vec![store::Digest::of(b"planted")];
        let _: Changed = accounts.change(&person, planted).await.unwrap();
        let hashed = accounts.hash(&Password::chosen("an otter in it").unwrap()).await.unwrap();
        let changed = accounts.set_password(&person, &hashed, true).await.unwrap();
        let Changed::Done { now, .. } = changed else { panic!("{changed:?}") };
        assert!(now.factors.is_empty() && now.email_verified);
        let _: Changed = accounts.change(&person, planted).await.unwrap();
        let changed = accounts.set_password(&person, &hashed, true).await.unwrap();
        let Changed::Done { now, .. } = changed else { panic!("{changed:?}") };
        assert!(!now.factors.is_empty(), "a proven owner keeps what they have");
    }

    #[tokio::test]
    async fn a_hash_is_renewed_when_its_owner_logs_in() {
        let store = Arc::new(Memory::new());
        let (name, email, password) = ada();
        let old = accounts(&store, Cost::least(), 1).create(&name, &email, &password).await.unwrap().unwrap();
        let now = accounts(&store, Cost::new(16, 2, 1).unwrap(), 2);
        assert!(now.recognise(&email, &password).await.unwrap().is_some());
        let renewed = now.account(&old.person).await.unwrap().unwrap();
        assert!(renewed.password.is_some_and(|hash| hash.contains("m=16,t=2,p=1")));
        assert!(now.recognise(&email, &password).await.unwrap().is_some());
    }
}
