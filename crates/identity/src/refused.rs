//! Why somebody may not come in, and how that is said: to people, to programs, and in the audit trail.

use authz_core::{SignUpRefusal, TooMany};
use http::StatusCode;
use store::StoreError;

use crate::pages::entry::{Alert, Input};
use crate::password::{HashError, PasswordError};
use crate::people::AccountError;
use crate::tickets::Lost;

/// Why somebody may not come in, or may not have what they ask for.
#[derive(Debug)]
pub(crate) enum Refused {
    /// No such account, another password, or an account that is blocked or deleted: they look the same.
    Wrong,
    NotAnEmail,
    NotAName,
    Password(PasswordError),
    EmailTaken,
    /// This server makes accounts in another way.
    SignUpClosed,
    /// Not for addresses of this domain.
    WrongDomain,
    /// The invitation is for another address.
    NotInvited,
    /// A link that is worth nothing (any more).
    Link(Lost),
    /// This server sends no letters.
    NoMail,
    /// Nobody is logged in.
    LoggedOut,
    TooMany(TooMany),
    /// Too many passwords are being hashed.
    Busy,
    /// The store or the threads cannot answer; it is in the log.
    Unavailable,
}

impl Refused {
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::Wrong | Self::LoggedOut => StatusCode::UNAUTHORIZED,
            Self::NotAnEmail | Self::NotAName | Self::Password(_) => StatusCode::BAD_REQUEST,
            Self::EmailTaken => StatusCode::CONFLICT,
            Self::SignUpClosed | Self::WrongDomain | Self::NotInvited => StatusCode::FORBIDDEN,
            Self::Link(Lost::Unknown) | Self::NoMail => StatusCode::NOT_FOUND,
            Self::Link(Lost::Used | Lost::Late) => StatusCode::GONE,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
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
            Self::SignUpClosed => "sign_up_closed",
            Self::WrongDomain => "email_not_allowed",
            Self::NotInvited => "not_invited",
            Self::Link(_) => "invalid_ticket",
            Self::NoMail => "no_mail",
            Self::LoggedOut => "not_logged_in",
            Self::TooMany(_) => "too_many_requests",
            Self::Busy | Self::Unavailable => "temporarily_unavailable",
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
            Self::SignUpClosed => {
                "This server takes no sign-ups. Ask whoever runs it for an account.".to_owned()
            }
            Self::WrongDomain => {
                "This server takes addresses of certain organisations only. Use the one of yours.".to_owned()
            }
            Self::NotInvited => "The invitation is for another email address.".to_owned(),
            Self::Link(Lost::Unknown) => "There is no such link. Perhaps a part of it got lost.".to_owned(),
            Self::Link(Lost::Used) => "This link was used already.".to_owned(),
            Self::Link(Lost::Late) => "This link is too old.".to_owned(),
            Self::NoMail => "This server sends no email. Ask whoever runs it.".to_owned(),
            Self::LoggedOut => "You are not logged in.".to_owned(),
            Self::TooMany(TooMany { retry_after }) => {
                format!("Too many attempts. Try again in {}.", span(*retry_after))
            }
            Self::Busy | Self::Unavailable => {
                "The server cannot do this right now. Try again in a moment.".to_owned()
            }
        }
    }

    /// For the page that shows the form again.
    pub(crate) fn alert(&self) -> Alert {
        let wrong: &[Input] = match self {
            Self::Wrong => &[Input::Email, Input::Password],
            Self::NotAName => &[Input::Name],
            Self::NotAnEmail | Self::EmailTaken | Self::WrongDomain | Self::NotInvited => &[Input::Email],
            Self::Password(_) => &[Input::Password],
            Self::SignUpClosed
            | Self::Link(_)
            | Self::NoMail
            | Self::LoggedOut
            | Self::TooMany(_)
            | Self::Busy
            | Self::Unavailable => &[],
        };
        Alert { words: self.words(), wrong }
    }

    /// In seconds.
    pub(crate) const fn retry_after(&self) -> Option<i64> {
        match self {
            Self::TooMany(TooMany { retry_after }) => Some(*retry_after),
            Self::Busy | Self::Unavailable => Some(RETRY_SECONDS),
            Self::Wrong
            | Self::NotAnEmail
            | Self::NotAName
            | Self::Password(_)
            | Self::EmailTaken
            | Self::SignUpClosed
            | Self::WrongDomain
            | Self::NotInvited
            | Self::Link(_)
            | Self::NoMail
            | Self::LoggedOut => None,
        }
    }

    /// For the audit trail; `None` for what is no refusal but a slip or a fault.
    pub(crate) const fn of_sign_up(&self) -> Option<SignUpRefusal> {
        match self {
            Self::SignUpClosed | Self::WrongDomain => Some(SignUpRefusal::Closed),
            Self::NotInvited | Self::Link(_) => Some(SignUpRefusal::Invitation),
            Self::EmailTaken => Some(SignUpRefusal::EmailTaken),
            Self::Password(_) => Some(SignUpRefusal::Password),
            Self::TooMany(_) => Some(SignUpRefusal::Limited),
            Self::Wrong
            | Self::NotAnEmail
            | Self::NotAName
            | Self::NoMail
            | Self::LoggedOut
            | Self::Busy
            | Self::Unavailable => None,
        }
    }
}

impl From<AccountError> for Refused {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Hash(HashError::Busy) => {
                tracing::warn!("too many passwords are waiting to be hashed");
                Self::Busy
            }
            AccountError::Hash(HashError::Stopping | HashError::Damaged) | AccountError::Store(_) => {
                tracing::error!(%error, "nobody can come in");
                Self::Unavailable
            }
        }
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
