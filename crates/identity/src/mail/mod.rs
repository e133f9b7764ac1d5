//! Letters to people: what they say, and the ways that they go.
//!
//! | what | where |
//! |---|---|
//! | the texts, one file a letter and language | `letter`, `letters/` |
//! | which letters are written when | `desk` |
//! | sending beside the request, with patience | `post` |
//! | a mail server (RFC 5321) | [`Smtp`](crate::Smtp), behind the feature `smtp` |
//! | a folder, the terminal: for development | [`Outbox`] |

pub(crate) mod desk;
pub(crate) mod letter;
mod outbox;
pub(crate) mod post;
#[cfg(feature = "smtp")]
pub(crate) mod smtp;

use std::fmt;

use async_trait::async_trait;
use thiserror::Error;

use crate::email::Email;

pub use self::outbox::Outbox;

/// A letter to one person: plain text, in lines that end with a line feed.
///
/// It may hold a link that opens an account, so a log never shows more of it than that there is one.
#[derive(Clone)]
#[non_exhaustive]
pub struct Letter {
    /// To whom. Always the address that an account has, or that an administrator named: never the spelling of a stranger.
    pub to: Email,
    /// What it is about, in one line.
    pub subject: String,
    /// What it says.
    pub text: String,
}

impl Letter {
    /// A letter.
    #[must_use]
    pub fn new(to: Email, subject: &str, text: &str) -> Self {
        Self { to, subject: subject.to_owned(), text: text.to_owned() }
    }
}

/// Sends letters. Called beside the requests, never within one; may take half a minute.
#[async_trait]
pub trait Mail: Send + Sync {
    /// Hands `letter` over to whoever delivers it.
    ///
    /// # Errors
    ///
    /// [`MailError`]. After [`MailError::Unreachable`] the letter is tried again.
    async fn send(&self, letter: &Letter) -> Result<(), MailError>;

    /// Looks whether whoever delivers can be reached and lets this process in, without a letter.
    ///
    /// # Errors
    ///
    /// [`MailError`].
    async fn look(&self) -> Result<(), MailError> {
        Ok(())
    }
}

/// Why a letter did not go out. The texts are for the operator; what a mail server says may quote an address, so it is kept to the
/// source.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MailError {
    /// No mail server would take a letter to this address, or this letter.
    #[error("the letter was refused: {0}")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The mail server, or the folder, cannot be reached now.
    #[error("the letter cannot be handed over now: {0}")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter").finish_non_exhaustive()
    }
}
