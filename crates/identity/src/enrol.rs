//! Accounts that administrators make.

use std::fmt;

use authz_core::{AccountEvent, By};
use secrecy::{ExposeSecret as _, SecretString};
use store::{Account, PersonId, StoreError};
use thiserror::Error;

use crate::email::Email;
use crate::identity::Identity;
use crate::invite::Delivery;
use crate::language::Language;
use crate::mail::desk::{link, to_set_password};
use crate::mail::letter::About;
use crate::password::{HashError, Password, PasswordError};
use crate::people::{AccountError, Name};
use crate::tickets::TO_JOIN;

/// An account that is to be made, whatever the policy for sign-ups says.
pub struct New {
    /// What they are called.
    pub name: Name,
    /// Their address.
    pub email: Email,
    /// Their password; without one they set it by a link.
    pub password: Option<SecretString>,
    /// Whether the address is known to be theirs.
    pub email_verified: bool,
    /// The language of the letter with that link.
    pub language: Language,
}

/// An account that an administrator has just made.
#[derive(Debug)]
pub struct Enrolled {
    /// Whose it is.
    pub person: PersonId,
    /// The link to hand over, with which they set their first password, within seven days; `None` if it is mailed, or if they have one.
    pub link: Option<SecretString>,
    /// What has become of the letter.
    pub letter: Delivery,
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
    /// Makes an account. Without a password its owner is mailed the link to set one; whoever cannot be written to is handed it.
    ///
    /// # Errors
    ///
    /// [`EnrolError`].
    pub async fn enrol(&self, new: New, by: &By) -> Result<Enrolled, EnrolError> {
        let New { name, email, password, email_verified, language } = new;
        let password = match password {
            None => None,
            Some(typed) => {
                let typed = typed.expose_secret();
                let chosen = Password::chosen_of(typed, self.policy.password_length, Some(&email))?;
                Some(self.accounts.hash(&chosen).await?)
            }
        };
        let added = self.accounts.add(&name, &email, password.as_ref(), email_verified).await?;
        let account = added.ok_or(EnrolError::EmailTaken)?;
        let person = account.person.clone();
        let event = AccountEvent::Enrolled { person: person.clone(), by: by.actor.clone() };
        self.events.tell_with(&event.into(), &by.context);
        if account.password.is_some() {
            return Ok(Enrolled { person, link: None, letter: Delivery::None });
        }
        if let Some(desk) = self.desk_for(language, by.context.clone()) {
            let link = self.first_password(&account, false).await?;
            let letter = desk.hand_over(&email, &About::FirstPassword { link }, self.sends_at_once()).await;
            if letter != Delivery::None {
                return Ok(Enrolled { person, link: None, letter });
            }
        }
        // Another one than was mailed in vain: that one shows that its holder reads what arrives at the address.
        let link = self.first_password(&account, true).await?;
        Ok(Enrolled { person, link: Some(link), letter: Delivery::None })
    }

    async fn first_password(&self, account: &Account, shown: bool) -> Result<SecretString, StoreError> {
        let issued = self.tickets.issue(to_set_password(account, shown), TO_JOIN).await?;
        Ok(link(&self.pages.issuer, "/reset", &issued.text))
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
