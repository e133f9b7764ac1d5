//! Why somebody may not come in, and how that is said: to people, to programs, and in the audit trail.

use authz_core::{SignUpRefusal, TooMany};
use http::StatusCode;
use store::StoreError;

use crate::pages::entry::{Alert, Input};
use crate::password::{HashError, PasswordError};
use crate::people::AccountError;
use crate::texts::{Texts, Time};
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
    /// A code that is none, or was used already.
    WrongCode,
    /// A passkey that is not of this account, or did not answer what was asked.
    WrongPasskey,
    /// The first of two steps was too long ago, or never.
    StartAgain,
    /// This needs a log-in of just before.
    TooOld,
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
            Self::Wrong
            | Self::WrongCode
            | Self::WrongPasskey
            | Self::StartAgain
            | Self::TooOld
            | Self::LoggedOut => StatusCode::UNAUTHORIZED,
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
            Self::WrongCode => "invalid_code",
            Self::WrongPasskey => "invalid_passkey",
            Self::StartAgain | Self::TooOld => "log_in_again",
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
    pub(crate) fn words(&self, texts: &Texts) -> String {
        let t = &texts.refused;
        let words = match self {
            Self::Wrong => t.wrong,
            Self::WrongCode => texts.factors.wrong_code,
            Self::WrongPasskey => texts.factors.wrong_passkey,
            Self::StartAgain => texts.factors.too_late,
            Self::TooOld => texts.account.prove_again,
            Self::NotAnEmail => t.not_an_email,
            Self::NotAName => t.not_a_name,
            Self::Password(PasswordError::TooShort { least }) => {
                return t.password_short.say(&[&least.to_string()]);
            }
            Self::Password(PasswordError::TooLong) => t.password_long,
            Self::Password(PasswordError::Common) => t.password_common,
            Self::Password(PasswordError::Email) => t.password_email,
            Self::EmailTaken => t.email_taken,
            Self::SignUpClosed => t.sign_up_closed,
            Self::WrongDomain => t.wrong_domain,
            Self::NotInvited => t.not_invited,
            Self::Link(Lost::Unknown) => t.link_unknown,
            Self::Link(Lost::Used) => t.link_used,
            Self::Link(Lost::Late) => t.link_late,
            Self::NoMail => t.no_mail,
            Self::LoggedOut => t.logged_out,
            Self::TooMany(TooMany { retry_after }) => {
                return t.too_many.say(&[&span(*retry_after, &texts.time)]);
            }
            Self::Busy | Self::Unavailable => t.unavailable,
        };
        words.to_owned()
    }

    /// For the page that shows the form again.
    pub(crate) fn alert(&self, texts: &Texts) -> Alert {
        let wrong: &[Input] = match self {
            Self::Wrong => &[Input::Email, Input::Password],
            Self::NotAName => &[Input::Name],
            Self::NotAnEmail | Self::EmailTaken | Self::WrongDomain | Self::NotInvited => &[Input::Email],
            Self::Password(_) => &[Input::Password],
            Self::WrongCode
            | Self::WrongPasskey
            | Self::StartAgain
            | Self::TooOld
            | Self::SignUpClosed
            | Self::Link(_)
            | Self::NoMail
            | Self::LoggedOut
            | Self::TooMany(_)
            | Self::Busy
            | Self::Unavailable => &[],
        };
        Alert { words: self.words(texts), wrong }
    }

    /// In seconds.
    pub(crate) const fn retry_after(&self) -> Option<i64> {
        match self {
            Self::TooMany(TooMany { retry_after }) => Some(*retry_after),
            Self::Busy | Self::Unavailable => Some(RETRY_SECONDS),
            Self::Wrong
            | Self::WrongCode
            | Self::WrongPasskey
            | Self::StartAgain
            | Self::TooOld
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
            | Self::WrongCode
            | Self::WrongPasskey
            | Self::StartAgain
            | Self::TooOld
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

fn span(seconds: i64, words: &Time) -> String {
    match (seconds, seconds / 60 + i64::from(seconds % 60 > 0)) {
        (..=1, _) => words.a_second.to_owned(),
        (2..=90, _) => words.seconds.say(&[&seconds.to_string()]),
        (_, minutes) => words.minutes.say(&[&minutes.to_string()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    #[test]
    fn a_span_is_said_in_words() {
        for (seconds, words) in [(1, "a second"), (40, "40 seconds"), (91, "2 minutes"), (300, "5 minutes")] {
            assert_eq!(span(seconds, &Language::English.texts().time), words);
        }
    }
}
