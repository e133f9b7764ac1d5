//! A person's account with a password, for those who use ours.

use std::fmt;

use ambient::Time;
use serde::{Deserialize, Serialize};

use crate::{
    Changes, Claim, ClaimKind, Claimed, Commit, Digest, Epoch, Found, Kind, Mark, PersonId, Record, Store,
    StoreError,
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
    /// The password, hashed, in PHC form; `None` for who logs in without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// What else they prove who they are by.
    #[serde(default, skip_serializing_if = "SecondFactors::is_empty")]
    pub factors: SecondFactors,
    /// Drawn anew to shut out whoever came in so far: a session lives, and may change what opens the account, only while the epoch that
    /// it copied is the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// How many times a password was set by a link that was mailed. A link is worth nothing after another one was used.
    #[serde(default)]
    pub resets: u32,
    /// When they signed up.
    pub registered: Time,
}

/// What a person proves who they are by, besides a password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondFactors {
    /// An app that shows codes (RFC 6238).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totp: Option<Totp>,
    /// The digests of the recovery codes that are left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recovery: Vec<Digest>,
    /// Passkeys (Web Authentication).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passkeys: Vec<Passkey>,
}

impl SecondFactors {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.totp.is_none() && self.recovery.is_empty() && self.passkeys.is_empty()
    }
}

/// The secret that a person's app shares with this server (RFC 6238).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totp {
    /// The secret, sealed.
    #[serde(with = "super::base64_text")]
    pub sealed: Vec<u8>,
    /// When a code first showed that the app has it; until then it protects nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Time>,
    /// The time step of the last code that was taken: a code is taken once (RFC 6238 section 5.2).
    pub last_step: i64,
}

impl fmt::Debug for Totp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Totp").field("confirmed", &self.confirmed).finish_non_exhaustive()
    }
}

/// A passkey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passkey {
    /// The credential id, base64url.
    pub id: String,
    /// The public key and what belongs to it, as the library that checks it writes them.
    pub credential: serde_json::Value,
    /// What the person calls it.
    pub name: String,
    /// When it was added.
    pub made: Time,
    /// When it was used last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Time>,
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

/// What became of a change of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Replaced {
    /// It is as it should be. If it has another address, the one before is free.
    Done,
    /// Somebody has the new address.
    EmailTaken,
    /// Somebody else wrote the account first.
    Stale,
}

/// How long a claim of an address without an account is left to whoever made it, in seconds.
const UNFINISHED: i64 = 600;

impl Account {
    /// What nobody else may have: its address, and its passkeys.
    fn claims(&self) -> impl Iterator<Item = (ClaimKind, &str)> {
        let passkeys = self.factors.passkeys.iter().map(|passkey| (ClaimKind::Passkey, passkey.id.as_str()));
        std::iter::once((ClaimKind::Email, self.email.as_str())).chain(passkeys)
    }
}

/// Accounts are records whose addresses are claimed.
impl dyn Store + '_ {
    /// The account with this normalised address.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn account_by_email(&self, email: &str) -> Result<Option<Found<Account>>, StoreError> {
        let Some((owner, _)) = self.holder(ClaimKind::Email, email).await? else {
            return Ok(None);
        };
        let found = self.find::<Account>(owner).await?;
        // The claim of a change of address that a crash cut short: the account has another one.
        Ok(found.filter(|found| found.record.email == email))
    }

    /// Adds an account, unless its address is taken. Of concurrent sign-ups with one address, one is [`Created::Done`].
    ///
    /// # Errors
    ///
    /// If the store cannot be read or written.
    pub async fn create_account(&self, mark: Mark, account: &Account) -> Result<Created, StoreError> {
        // Claim before record: a crash between them leaves a claim without an account, which may be taken over later.
        if !claimed(self, account, account.registered).await? {
            return Ok(Created::EmailTaken);
        }
        match self.commit(&Changes::create(mark, account)).await? {
            Commit::Done => Ok(Created::Done),
            Commit::Stale => Ok(Created::EmailTaken),
        }
    }

    /// Writes an account in place of the one that was read; with another address only if nobody has that.
    ///
    /// # Errors
    ///
    /// If the store cannot be read or written.
    pub async fn replace_account(
        &self,
        mark: Mark,
        found: &Found<Account>,
        account: &Account,
        now: Time,
    ) -> Result<Replaced, StoreError> {
        let (before, moves) = (&found.record.email, found.record.email != account.email);
        if moves && !claimed(self, account, now).await? {
            return Ok(Replaced::EmailTaken);
        }
        match self.commit(&Changes::replace(mark, found, account)).await? {
            Commit::Stale => Ok(Replaced::Stale),
            Commit::Done => {
                if moves {
                    self.release(ClaimKind::Email, before, account.person.as_str()).await?;
                }
                Ok(Replaced::Done)
            }
        }
    }

    /// Writes what is left of an account in place of the one that was read, once all that it claimed is free.
    ///
    /// # Errors
    ///
    /// If the store cannot be read or written. Some of the claims may be free then.
    pub async fn erase_account(
        &self,
        mark: Mark,
        found: &Found<Account>,
        left: &Account,
    ) -> Result<Commit, StoreError> {
        // The claims first: what they are is in the account alone. Another has other claims, so it is written under its mark.
        for (kind, key) in found.record.claims() {
            self.release(kind, key, found.record.person.as_str()).await?;
        }
        self.commit(&Changes::replace(mark, found, left)).await
    }
}

/// Claims the address of `account` for its person. A claim whose owner has no account with it is left alone for ten minutes.
async fn claimed(store: &dyn Store, account: &Account, now: Time) -> Result<bool, StoreError> {
    let owner = account.person.to_string();
    let mut claim = Claim {
        kind: ClaimKind::Email,
        key: &account.email,
        owner: &owner,
        since: now,
        until: None,
        instead_of: None,
    };
    let Claimed::Held { owner: holder, since } = store.claim(&claim).await? else { return Ok(true) };
    let theirs = store.find::<Account>(&holder).await?;
    if theirs.is_some_and(|found| found.record.email == account.email) || now.since(since) < UNFINISHED {
        return Ok(false);
    }
    claim.instead_of = Some(&holder);
    Ok(store.claim(&claim).await? == Claimed::Mine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memory;

    fn account(person: &str, email: &str, registered: i64) -> Account {
        Account {
            person: PersonId::parse(person).unwrap(),
            name: "Ada".to_owned(),
            email: email.to_owned(),
            email_verified: false,
            password: None,
            factors: SecondFactors::default(),
            epoch: None,
            resets: 0,
            registered: Time(registered),
        }
    }

    async fn claim(store: &Memory, email: &str, owner: &str) {
        let claim = Claim {
            kind: ClaimKind::Email,
            key: email,
            owner,
            since: Time(0),
            until: None,
            instead_of: None,
        };
        assert_eq!(store.claim(&claim).await.unwrap(), Claimed::Mine);
    }

    #[tokio::test]
    async fn a_change_of_address_that_broke_off_keeps_nobody_out() {
        let memory = Memory::new();
        let store: &dyn Store = &memory;
        let ada = account("usr_ada", "ada@example.com", 0);
        assert_eq!(store.create_account(Mark::new([1; 16]), &ada).await.unwrap(), Created::Done);
        claim(&memory, "new@example.com", "usr_ada").await;
        assert!(store.account_by_email("new@example.com").await.unwrap().is_none(), "it is not hers yet");
        let early = account("usr_bo", "new@example.com", 599);
        assert_eq!(store.create_account(Mark::new([2; 16]), &early).await.unwrap(), Created::EmailTaken);
        let late = account("usr_bo", "new@example.com", 600);
        assert_eq!(store.create_account(Mark::new([3; 16]), &late).await.unwrap(), Created::Done);

        let found = store.account_by_email("ada@example.com").await.unwrap().unwrap();
        let wished = account("usr_ada", "new@example.com", 0);
        let became = store.replace_account(Mark::new([4; 16]), &found, &wished, Time(9999)).await;
        assert_eq!(became.unwrap(), Replaced::EmailTaken);
    }

    #[tokio::test]
    async fn an_address_that_was_given_up_is_free_at_once() {
        let store: &dyn Store = &Memory::new();
        let ada = account("usr_ada", "ada@example.com", 0);
        assert_eq!(store.create_account(Mark::new([1; 16]), &ada).await.unwrap(), Created::Done);
        let found = store.account_by_email("ada@example.com").await.unwrap().unwrap();
        let moved = account("usr_ada", "new@example.com", 0);
        let became = store.replace_account(Mark::new([2; 16]), &found, &moved, Time(1)).await.unwrap();
        assert_eq!(became, Replaced::Done);
        let again = store.replace_account(Mark::new([3; 16]), &found, &moved, Time(1)).await.unwrap();
        assert_eq!(again, Replaced::Stale);
        let bo = account("usr_bo", "ada@example.com", 1);
        assert_eq!(store.create_account(Mark::new([4; 16]), &bo).await.unwrap(), Created::Done);
        assert!(store.account_by_email("new@example.com").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn what_an_account_claimed_is_free_when_it_is_erased() {
        let memory = Memory::new();
        let store: &dyn Store = &memory;
        let mut ada = account("usr_ada", "ada@example.com", 0);
        ada.factors.passkeys.push(Passkey {
            id: "key".to_owned(),
            credential: serde_json::Value::Null,
            name: String::new(),
            made: Time(0),
            used: None,
        });
        assert_eq!(store.create_account(Mark::new([1; 16]), &ada).await.unwrap(), Created::Done);
        let passkey = Claim {
            kind: ClaimKind::Passkey,
            key: "key",
            owner: "usr_ada",
            since: Time(0),
            until: None,
            instead_of: None,
        };
        assert_eq!(store.claim(&passkey).await.unwrap(), Claimed::Mine);
        let found = store.account_by_email("ada@example.com").await.unwrap().unwrap();
        let left = account("usr_ada", "", 0);
        assert_eq!(store.erase_account(Mark::new([2; 16]), &found, &left).await.unwrap(), Commit::Done);
        for (kind, key) in [(ClaimKind::Email, "ada@example.com"), (ClaimKind::Passkey, "key")] {
            assert_eq!(store.holder(kind, key).await.unwrap(), None, "{kind:?}");
        }
        let again = store.erase_account(Mark::new([3; 16]), &found, &left).await.unwrap();
        assert_eq!(again, Commit::Stale, "only as it was read");
    }
}
