//! One's own table of users, as a database would have it: who they are, who vouches for them, and their API keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use ambient::Entropy;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use resource_server::{ExposeSecret as _, Issuer, Scope, SecretString, Verified};
use sha2::{Digest as _, Sha256};

/// What every API key starts with: it tells a key from a token, and a scanner for secrets what it has found.
pub const PREFIX: &str = "demo_";

/// A user, as the rest of the application knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Their number here: the name that everything else refers to them by.
    pub id: u64,
    /// What they are called, if somebody said so. It is for people to read, and joins nothing.
    pub name: Option<String>,
}

/// What an API key is good for.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Whose it is.
    pub user: u64,
    /// What it reaches.
    pub scopes: Scope,
}

/// The scope that says who is who here.
pub const LINKING: &str = "account:link";

/// What a key must reach that links its user to somebody who logs in.
pub const EVERYTHING: &str = "notes:read notes:write account:link";

/// Why a caller is not joined to the user of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotLinked {
    /// The token is nobody's.
    Nobody,
    /// It is no key, or one that does not reach everything.
    Key,
    /// The caller is another user already. Which of the two goes is for people to say.
    SomebodyElse,
}

/// All users. A clone is the same table.
#[derive(Clone, Default)]
pub struct Users(Arc<Mutex<Tables>>);

#[derive(Default)]
struct Tables {
    users: Vec<User>,
    /// Who is who, by (`iss`, `sub`). An e-mail address is no key: it can be given to somebody else, and a provider may let people
    /// write any.
    people: BTreeMap<(String, String), Known>,
    /// The digests: who reads this table has no key. SHA-256 is enough for 256 drawn bits; a password needs a slow hash.
    keys: BTreeMap<[u8; 32], ApiKey>,
}

/// Who a person is here, and how that is known.
struct Known {
    user: u64,
    /// The digest of the key that they were linked by: the link lives as long as that.
    by: Option<[u8; 32]>,
}

impl Users {
    /// The user that a caller is, made on the first visit. `ours` is the issuer of our own API keys, whose subjects are our users.
    ///
    /// `None` for a token that is nobody's, and for a key of a user who is gone.
    #[must_use]
    pub fn of(&self, caller: &Verified, ours: &Issuer) -> Option<User> {
        let (issuer, subject) = caller.person()?;
        let tables = &mut *self.0.lock();
        if issuer == ours.as_str() {
            let id: u64 = subject.parse().ok()?;
            return tables.users.iter().find(|user| user.id == id).cloned();
        }
        let key = (issuer.to_owned(), subject.to_owned());
        if let Some(known) = tables.people.get(&key) {
            return tables.users.iter().find(|user| user.id == known.user).cloned();
        }
        let name = caller.claims.get("name").and_then(|name| name.as_str()).map(ToOwned::to_owned);
        let user = tables.add(name);
        tables.people.insert(key, Known { user: user.id, by: None });
        Some(user)
    }

    /// Joins a caller, whom an authorization server vouches for, to the user of an API key that they show beside their token: both are
    /// proved in one request, which is all that tells that they are the same person.
    ///
    /// The attack: whoever found a key that only reads would come back with a token that does more, and for ever. So the key must
    /// reach [`EVERYTHING`].
    ///
    /// # Errors
    ///
    /// [`NotLinked`]
    pub fn link(&self, caller: &Verified, key: &SecretString) -> Result<User, NotLinked> {
        let (issuer, subject) = caller.person().ok_or(NotLinked::Nobody)?;
        let tables = &mut *self.0.lock();
        let digest = digest(key);
        let found = tables.keys.get(&digest).ok_or(NotLinked::Key)?;
        if !EVERYTHING.split(' ').all(|scope| found.scopes.contains(scope)) {
            return Err(NotLinked::Key);
        }
        let user = tables.users.iter().find(|user| user.id == found.user).cloned().ok_or(NotLinked::Key)?;
        let person = tables.people.entry((issuer.to_owned(), subject.to_owned()));
        let known = person.or_insert(Known { user: user.id, by: Some(digest) });
        if known.user == user.id { Ok(user) } else { Err(NotLinked::SomebodyElse) }
    }

    /// Undoes [`link`](Self::link). Says whether there was a link.
    #[must_use]
    pub fn unlink(&self, caller: &Verified) -> bool {
        let Some((issuer, subject)) = caller.person() else { return false };
        let people = &mut self.0.lock().people;
        let key = (issuer.to_owned(), subject.to_owned());
        let linked = people.get(&key).is_some_and(|known| known.by.is_some());
        if linked {
            people.remove(&key);
        }
        linked
    }

    /// Ends a key, and with it the links that were made by it: whoever had found it came in by those as well.
    pub fn revoke(&self, key: &SecretString) {
        let tables = &mut *self.0.lock();
        let digest = digest(key);
        tables.keys.remove(&digest);
        tables.people.retain(|_, known| known.by != Some(digest));
    }

    /// Makes a user whom no authorization server vouches for.
    #[must_use]
    pub fn add(&self, name: &str) -> User {
        self.0.lock().add(Some(name.to_owned()))
    }

    /// Makes a key for a user. It is not kept: only this value has it.
    #[must_use]
    pub fn new_key(&self, user: &User, scopes: Scope, entropy: &dyn Entropy) -> SecretString {
        let drawn: [u8; 32] = entropy.draw();
        let key = SecretString::from(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(drawn)));
        self.0.lock().keys.insert(digest(&key), ApiKey { user: user.id, scopes });
        key
    }

    /// What a key is good for, if it is one. A look-up by digest tells nobody, by its time, how near a wrong key is.
    #[must_use]
    pub fn key(&self, key: &SecretString) -> Option<ApiKey> {
        self.0.lock().keys.get(&digest(key)).cloned()
    }
}

impl Tables {
    fn add(&mut self, name: Option<String>) -> User {
        let user = User { id: self.users.len() as u64 + 1, name };
        self.users.push(user.clone());
        user
    }
}

fn digest(key: &SecretString) -> [u8; 32] {
    Sha256::digest(key.expose_secret()).into()
}
