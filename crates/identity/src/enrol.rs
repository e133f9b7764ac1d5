//! Accounts that administrators make.

use std::fmt;

use authz_core::{AccountEvent, By};
use secrecy::{ExposeSecret as _, SecretString};
use store::{PersonId, StoreError};
use thiserror::Error;

use crate::email::Email;
use crate::identity::Identity;
use crate::password::{HashError, Password, PasswordError};
use crate::people::{AccountError, Name};

/// An account that is to be made, whatever the policy for sign-ups says.
pub struct New {
    /// What they are called.
    pub name: Name,
    /// Their address.
    pub email: Email,
    /// Their password; without one they set it by a letter.
    pub password: Option<SecretString>,
    /// Whether the address is known to be theirs.
    pub email_verified: bool,
}

/// Why an account was not made.
#[derive(Debug, Error)]
pub enum EnrolError {
    /// Somebody has the address.
    #[error("somebody has the address")]
    EmailTaken,
    /// The password cannot be one.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// It cannot be hashed now.
    #[error("the password cannot be hashed now")]
    Busy,
    /// The store cannot answer. The account may exist then.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Identity {
    /// Makes an account.
    ///
    /// # Errors
    ///
    /// [`EnrolError`].
    pub async fn enrol(&self, new: New, by: &By) -> Result<PersonId, EnrolError> {
        let New { name, email, password, email_verified } = new;
        let password = match password {
            None => None,
            Some(typed) => {
                let typed = typed.expose_secret();
                let chosen = Password::chosen_of(typed, self.policy.password_length, Some(&email))?;
                Some(self.accounts.hash(&chosen).await?)
            }
        };
        let added = self.accounts.add(&name, &email, password.as_ref(), email_verified).await?;
        let person = added.ok_or(EnrolError::EmailTaken)?.person;
        let event = AccountEvent::Enrolled { person: person.clone(), by: by.actor.clone() };
        self.events.tell_with(&event.into(), &by.context);
        Ok(person)
    }
}

impl From<AccountError> for EnrolError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Store(error) => Self::Store(error),
            AccountError::Hash(HashError::Busy | HashError::Stopping | HashError::Damaged) => Self::Busy,
        }
    }
}

impl fmt::Debug for New {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("New").field("email_verified", &self.email_verified).finish_non_exhaustive()
    }
}
