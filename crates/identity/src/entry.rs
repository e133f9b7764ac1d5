//! Coming in: by password, or with a new account. The same for forms and for JSON.

use authz_core::{AccountEvent, Event, Limit, LogInRefusal, SignUpRefusal, TooMany};
use http::StatusCode;
use store::{Account, Digest, Found, Purpose, StoreError, Ticket};

use crate::email::Email;
use crate::identity::Identity;
use crate::mail::desk::Newcomer;
use crate::pages::entry::{Alert, Input};
use crate::password::{HashError, Password, PasswordError};
use crate::people::{AccountError, Name, Recognition};
use crate::session::{Begun, Proof};
use crate::tickets::{Held, Lost};
use crate::visit::Visit;

/// Somebody who has come in.
#[derive(Debug)]
pub(crate) struct Entered {
    pub(crate) account: Account,
    pub(crate) begun: Begun,
}

/// What a sign-up comes to.
#[derive(Debug)]
pub(crate) enum SignedUp {
    /// They have come in.
    Entered(Box<Entered>),
    /// The rest is in a letter: whether there is an account with the address is between this server and whoever reads it.
    LookIntoMail,
}

/// What was typed into a sign-up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SigningUp<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) email: &'a str,
    pub(crate) password: &'a str,
    /// The text of an invitation.
    pub(crate) ticket: Option<&'a str>,
}

/// An invitation that may be taken.
#[derive(Debug)]
pub(crate) struct Invitation {
    found: Found<Ticket>,
    /// For whom; `None` for whoever holds it.
    pub(crate) email: Option<String>,
}

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

impl Identity {
    /// Logs in with what was typed.
    pub(crate) async fn log_in(
        &self,
        visit: &Visit<'_>,
        email: &str,
        password: &str,
    ) -> Result<Entered, Refused> {
        self.may(Limit::LogIn, visit, &visit.address_key()).await?;
        let (Ok(email), Ok(password)) = (Email::parse(email), Password::typed(password)) else {
            return Err(Refused::Wrong);
        };
        self.enter_with(visit, &email, &password).await
    }

    /// Logs in with a password, once an attempt from this address is counted.
    pub(crate) async fn enter_with(
        &self,
        visit: &Visit<'_>,
        email: &Email,
        password: &Password,
    ) -> Result<Entered, Refused> {
        // Counted before the password is looked at, right or wrong: if only failures were refused, a guesser could go on
        // beyond the limit until one succeeds. Known addresses and others count alike.
        let account = Digest::of(email.as_str().as_bytes()).to_string();
        self.may(Limit::LogInAccount, visit, &format!("{account} {}", visit.address_key())).await?;
        self.may(Limit::LogInAnywhere, visit, &account).await?;
        let (person, why) = match self.accounts.look_at(email, password).await? {
            Recognition::Known(account) => return self.enter(visit, *account, email, password).await,
            Recognition::Wrong(person) => (Some(person), LogInRefusal::Password),
            Recognition::Unknown => (None, LogInRefusal::Unknown),
        };
        self.tell(visit, AccountEvent::LogInRefused { person, why });
        Err(Refused::Wrong)
    }

    async fn enter(
        &self,
        visit: &Visit<'_>,
        account: Account,
        email: &Email,
        password: &Password,
    ) -> Result<Entered, Refused> {
        let person = &account.person;
        let Some(begun) = self.begin(visit, &account).await? else {
            let blocked =
                AccountEvent::LogInRefused { person: Some(person.clone()), why: LogInRefusal::Blocked };
            self.tell(visit, blocked);
            return Err(Refused::Wrong);
        };
        // A password that was changed while it was looked at has ended the sessions before this one began.
        if !self.accounts.has_the_password_of(&account).await?
            && self.accounts.recognise(email, password).await?.is_none()
        {
            self.pages.sessions.end(&begun.authentication.session).await?;
            return Err(Refused::Wrong);
        }
        Ok(self.entered(visit, account, begun))
    }

    async fn begin(&self, visit: &Visit<'_>, account: &Account) -> Result<Option<Begun>, StoreError> {
        let before = self.pages.cookies.session(visit.headers);
        let proof = Proof::by_password(account.person.clone(), visit.device());
        self.pages.sessions.begin_after(before.as_ref(), &proof).await
    }

    fn entered(&self, visit: &Visit<'_>, account: Account, begun: Begun) -> Entered {
        let session = begun.authentication.session;
        self.tell(visit, AccountEvent::LoggedIn { person: account.person.clone(), session });
        if !begun.again
            && let Some(desk) = self.desk(visit)
        {
            let is_new = self.pages.sessions.since(account.registered) < NEWCOMER;
            desk.logged_in(account.clone(), session, is_new);
        }
        Entered { account, begun }
    }

    /// Makes an account and logs in with it; where there is mail, the letter comes first. Without a name, a person is called by
    /// the first half of their address.
    pub(crate) async fn sign_up(&self, visit: &Visit<'_>, typed: SigningUp<'_>) -> Result<SignedUp, Refused> {
        let done = self.sign_up_quietly(visit, typed).await;
        if let Err(refused) = &done
            && let Some(why) = refused.of_sign_up()
        {
            self.tell(visit, AccountEvent::SignUpRefused { why });
        }
        done
    }

    async fn sign_up_quietly(&self, visit: &Visit<'_>, typed: SigningUp<'_>) -> Result<SignedUp, Refused> {
        if typed.ticket.is_none() && !self.policy.sign_up.has_a_form() {
            return Err(Refused::SignUpClosed);
        }
        self.may(Limit::SignUp, visit, &visit.address_key()).await?;
        let invitation = match typed.ticket {
            Some(text) => Some(self.invitation(text).await?),
            None => None,
        };
        let email = Email::parse(typed.email).map_err(|_| Refused::NotAnEmail)?;
        let invited = invitation.as_ref().and_then(|invitation| invitation.email.as_deref());
        match &invitation {
            None if !self.policy.sign_up.takes(&email) => return Err(Refused::WrongDomain),
            Some(_) if invited.is_some_and(|invited| invited != email.as_str()) => {
                return Err(Refused::NotInvited);
            }
            None | Some(_) => {}
        }
        let name = match typed.name {
            Some(typed) => Name::parse(typed).map_err(|_| Refused::NotAName)?,
            None => Name::of_address(&email),
        };
        let password = self.chosen(typed.password, &email)?;
        let hashed = self.accounts.hash(&password).await?;
        // Before anything is answered, so that a store that is gone is told to everybody alike.
        let taken = self.accounts.by_email(&email).await?.is_some();
        // An invitation to an address was mailed to it, where there is mail: its holder reads what arrives there.
        let desk = self.desk(visit);
        let proven = invited.is_some() && desk.is_some();
        if taken && (proven || desk.is_none()) {
            return Err(Refused::EmailTaken);
        }
        // Spent before the account is there: a crash between the two costs an invitation, not a second account.
        if let Some(invitation) = &invitation
            && !self.tickets.spend(&invitation.found).await?
        {
            return Err(Refused::Link(Lost::Used));
        }
        let invitation = invitation.map(|invitation| invitation.found.record.id);
        if let Some(desk) = desk.filter(|_| !proven) {
            desk.introduce(Newcomer { name, email, password: hashed, invitation });
            return Ok(SignedUp::LookIntoMail);
        }
        let account = self.accounts.add(&name, &email, Some(&hashed), proven).await?;
        let account = account.ok_or(Refused::EmailTaken)?;
        self.tell(visit, AccountEvent::SignedUp { person: account.person.clone(), invitation });
        let begun = self.begin(visit, &account).await?.ok_or(Refused::Unavailable)?;
        Ok(SignedUp::Entered(Box::new(self.entered(visit, account, begun))))
    }

    /// The invitation with this text.
    pub(crate) async fn invitation(&self, text: &str) -> Result<Invitation, Refused> {
        match self.tickets.held(text).await? {
            Held::Lost(lost) => Err(Refused::Link(lost)),
            Held::Good(found) => match &found.record.purpose {
                Purpose::Invitation { email, .. } => Ok(Invitation { email: email.clone(), found }),
                Purpose::VerifyEmail { .. } | Purpose::ResetPassword { .. } => {
                    Err(Refused::Link(Lost::Unknown))
                }
            },
        }
    }

    /// A new password of the owner of an address, as the policy has it.
    pub(crate) fn chosen(&self, typed: &str, owner: &Email) -> Result<Password, Refused> {
        Password::chosen_of(typed, self.policy.password_length, Some(owner)).map_err(Refused::Password)
    }

    pub(crate) async fn may(&self, limit: Limit, visit: &Visit<'_>, key: &str) -> Result<(), Refused> {
        self.limiter.may(limit, key).await.map_err(|too_many| {
            let limited = Event::Limited { limit: limit.as_str(), from: visit.peer.0 };
            self.events.tell_with(&limited, &visit.context);
            Refused::TooMany(too_many)
        })
    }

    pub(crate) fn tell(&self, visit: &Visit<'_>, event: AccountEvent) {
        self.events.tell_with(&event.into(), &visit.context);
    }
}

/// Who has signed up so many seconds ago knows the browser that they log in with.
const NEWCOMER: i64 = 3600;

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
    const fn of_sign_up(&self) -> Option<SignUpRefusal> {
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
pub(crate) const RETRY_SECONDS: i64 = 5;

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
