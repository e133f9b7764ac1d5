//! Coming in: by password, or with a new account. The same for forms and for JSON.

use authz_core::{Event, Limit, TooMany, address_key};
use http::{HeaderMap, StatusCode};
use http_io::Peer;
use store::{Account, Digest, StoreError};

use crate::email::Email;
use crate::identity::Identity;
use crate::pages::entry::{Alert, Input};
use crate::password::{Password, PasswordError};
use crate::people::{AccountError, Name};
use crate::session::Begun;

/// Somebody who has come in.
#[derive(Debug)]
pub(crate) struct Entered {
    pub(crate) account: Account,
    pub(crate) begun: Begun,
}

/// Why somebody may not come in.
#[derive(Debug)]
pub(crate) enum Refused {
    /// No such account, or another password: the two look the same.
    Wrong,
    NotAnEmail,
    NotAName,
    Password(PasswordError),
    EmailTaken,
    /// The account is blocked or deleted.
    Closed,
    /// This server makes accounts in another way.
    SignUpClosed,
    TooMany(TooMany),
    /// The store or the threads cannot answer; it is in the log.
    Unavailable,
}

impl Identity {
    /// Logs in with what was typed.
    pub(crate) async fn log_in(
        &self,
        headers: &HeaderMap,
        peer: Peer,
        email: &str,
        password: &str,
    ) -> Result<Entered, Refused> {
        self.may(Limit::LogIn, peer, &address_key(peer.0)).await?;
        let (Ok(email), Ok(password)) = (Email::parse(email), Password::typed(password)) else {
            return Err(Refused::Wrong);
        };
        // Counted before the password is looked at, right or wrong: if only failures were refused, a guesser could go on
        // beyond the limit until one succeeds. Known addresses and others count alike.
        let account = Digest::of(email.as_str().as_bytes()).to_string();
        self.may(Limit::LogInAccount, peer, &format!("{account} {}", address_key(peer.0))).await?;
        self.may(Limit::LogInAnywhere, peer, &account).await?;
        let account = self.accounts.recognise(&email, &password).await?.ok_or(Refused::Wrong)?;
        self.enter(headers, account).await
    }

    /// Makes an account and logs in with it. Without a name, a person is called by the first half of their address.
    pub(crate) async fn sign_up(
        &self,
        headers: &HeaderMap,
        peer: Peer,
        name: Option<&str>,
        email: &str,
        password: &str,
    ) -> Result<Entered, Refused> {
        if !self.sign_up {
            return Err(Refused::SignUpClosed);
        }
        self.may(Limit::SignUp, peer, &address_key(peer.0)).await?;
        let email = Email::parse(email).map_err(|_| Refused::NotAnEmail)?;
        let name = match name {
            Some(typed) => Name::parse(typed).map_err(|_| Refused::NotAName)?,
            None => Name::of_address(&email),
        };
        let password = Password::chosen(password).map_err(Refused::Password)?;
        let account = self.accounts.create(&name, &email, &password).await?.ok_or(Refused::EmailTaken)?;
        self.enter(headers, account).await
    }

    async fn enter(&self, headers: &HeaderMap, account: Account) -> Result<Entered, Refused> {
        let before = self.pages.cookies.session(headers);
        let begun = self.pages.sessions.begin_after(before.as_ref(), &account.person).await?;
        let begun = begun.ok_or(Refused::Closed)?;
        Ok(Entered { account, begun })
    }

    async fn may(&self, limit: Limit, peer: Peer, key: &str) -> Result<(), Refused> {
        self.limiter.may(limit, key).await.map_err(|too_many| {
            self.events.tell(&Event::Limited { limit: limit.as_str(), from: peer.0 });
            Refused::TooMany(too_many)
        })
    }
}

impl Refused {
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::Wrong => StatusCode::UNAUTHORIZED,
            Self::NotAnEmail | Self::NotAName | Self::Password(_) => StatusCode::BAD_REQUEST,
            Self::EmailTaken => StatusCode::CONFLICT,
            Self::Closed | Self::SignUpClosed => StatusCode::FORBIDDEN,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// For programs.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Wrong => "invalid_credentials",
            Self::NotAnEmail => "invalid_email",
            Self::NotAName => "invalid_name",
            Self::Password(_) => "invalid_password",
            Self::EmailTaken => "email_exists",
            Self::Closed => "account_closed",
            Self::SignUpClosed => "sign_up_closed",
            Self::TooMany(_) => "too_many_requests",
            Self::Unavailable => "temporarily_unavailable",
        }
    }

    /// For people.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Wrong => "Email or password is wrong.".to_owned(),
            Self::NotAnEmail => "This is not an email address.".to_owned(),
            Self::NotAName => "Please give a name of at most 200 characters.".to_owned(),
            Self::Password(error) => error.to_string(),
            Self::EmailTaken => "There is an account with this email already. Log in instead.".to_owned(),
            Self::Closed => "This account is closed. Ask whoever runs this server.".to_owned(),
            Self::SignUpClosed => {
                "This server takes no sign-ups. Ask whoever runs it for an account.".to_owned()
            }
            Self::TooMany(TooMany { retry_after }) => {
                format!("Too many attempts. Try again in {}.", span(*retry_after))
            }
            Self::Unavailable => "The server cannot do this right now. Try again in a moment.".to_owned(),
        }
    }

    /// For the page that shows the form again.
    pub(crate) fn alert(&self) -> Alert {
        let wrong: &[Input] = match self {
            Self::Wrong => &[Input::Email, Input::Password],
            Self::NotAName => &[Input::Name],
            Self::NotAnEmail | Self::EmailTaken => &[Input::Email],
            Self::Password(_) => &[Input::Password],
            Self::Closed | Self::SignUpClosed | Self::TooMany(_) | Self::Unavailable => &[],
        };
        Alert { words: self.words(), wrong }
    }

    /// In seconds.
    pub(crate) const fn retry_after(&self) -> Option<i64> {
        match self {
            Self::TooMany(TooMany { retry_after }) => Some(*retry_after),
            Self::Unavailable => Some(RETRY_SECONDS),
            Self::Wrong
            | Self::NotAnEmail
            | Self::NotAName
            | Self::Password(_)
            | Self::EmailTaken
            | Self::Closed
            | Self::SignUpClosed => None,
        }
    }
}

impl From<AccountError> for Refused {
    fn from(error: AccountError) -> Self {
        tracing::error!(%error, "nobody can come in");
        Self::Unavailable
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::from(AccountError::Store(error))
    }
}

/// After how many seconds to try again when the store cannot answer.
const RETRY_SECONDS: i64 = 5;

fn span(seconds: i64) -> String {
    match (seconds, seconds / 60 + i64::from(seconds % 60 > 0)) {
        (..=1, _) => "a second".to_owned(),
        (2..=90, _) => format!("{seconds} seconds"),
        (_, minutes) => format!("{minutes} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_said_in_words() {
        for (seconds, words) in [(1, "a second"), (40, "40 seconds"), (91, "2 minutes"), (300, "5 minutes")] {
            assert_eq!(span(seconds), words);
        }
    }
}
