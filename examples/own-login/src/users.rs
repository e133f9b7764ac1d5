//! The users: a table that this application had before it became an authorization server.

use std::collections::BTreeMap;
use std::sync::Arc;

use ambient::{Entropy, SystemEntropy};
use argon2::password_hash::{self, phc::PasswordHash};
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use async_trait::async_trait;
use authz_core::{People, Profile};
use store::{PersonId, StoreError};
use tokio::sync::Semaphore;

/// Who may log in, by log-in name. A table of a database in earnest.
pub struct Users {
    by_login: BTreeMap<String, User>,
    /// The hash of a password that nobody knows.
    nobody: String,
    /// A hash takes 19 MiB: no more of them at once than this.
    turns: Arc<Semaphore>,
}

struct User {
    /// What tokens name. It is neither the log-in name nor the e-mail address: those change, and pass to somebody else.
    id: PersonId,
    name: String,
    email: String,
    password_hash: String,
}

impl Users {
    /// Nobody yet.
    ///
    /// # Errors
    ///
    /// If this machine cannot hash.
    pub fn new() -> Result<Self, password_hash::Error> {
        let nobody = hash(&drawn::<32>())?;
        Ok(Self { by_login: BTreeMap::new(), nobody, turns: Arc::new(Semaphore::new(2)) })
    }

    /// One more.
    ///
    /// # Errors
    ///
    /// If the password cannot be hashed.
    pub fn add(
        &mut self,
        login: &str,
        name: &str,
        email: &str,
        password: &str,
    ) -> Result<(), password_hash::Error> {
        let id = format!("user-{}", self.by_login.len() + 1);
        let user = User {
            id: PersonId::parse(&id).map_err(|_| password_hash::Error::Internal)?,
            name: name.to_owned(),
            email: email.to_owned(),
            password_hash: hash(password.as_bytes())?,
        };
        self.by_login.insert(login.to_owned(), user);
        Ok(())
    }

    /// Who has this log-in name and this password.
    ///
    /// A name that nobody has costs as much as a wrong password: how long an answer takes must not tell who has an account.
    pub(crate) async fn log_in(&self, login: &str, password: String) -> Option<PersonId> {
        let user = self.by_login.get(login);
        let hash = user.map_or(&self.nobody, |user| &user.password_hash).clone();
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok()?;
        let right = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let hash = PasswordHash::new(&hash);
            hash.is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        });
        let right = right.await.unwrap_or(false);
        user.filter(|_| right).map(|user| user.id.clone())
    }
}

/// What tokens and userinfo tell of a person. Answer `None` once an account is gone.
#[async_trait]
impl People for Users {
    async fn profile(&self, person: &PersonId) -> Result<Option<Profile>, StoreError> {
        let user = self.by_login.values().find(|user| user.id == *person);
        Ok(user.map(|user| Profile {
            name: Some(user.name.clone()),
            email: Some(user.email.clone()),
            email_verified: true,
        }))
    }
}

fn hash(password: &[u8]) -> Result<String, password_hash::Error> {
    let hash = Argon2::default().hash_password_with_salt(password, &drawn::<16>())?;
    Ok(hash.to_string())
}

fn drawn<const N: usize>() -> [u8; N] {
    let entropy: &dyn Entropy = &SystemEntropy;
    entropy.draw()
}
