//! Coming in: by password, or with a new account. The same for forms and for JSON.

use authz_core::{AccountEvent, Event, Limit, LogInRefusal};
use store::{Account, Found, Purpose, StoreError, Ticket};

use crate::device::place;
use crate::email::Email;
use crate::factors::ask_for_more;
use crate::identity::Identity;
use crate::join::Newcomer;
use crate::password::Password;
use crate::people::{Name, Recognition};
use crate::refused::Refused;
use crate::session::{Begun, Proof};
use crate::tickets::{Held, Lost};
use crate::visit::Visit;

/// Somebody who has come in.
#[derive(Debug)]
pub(crate) struct Entered {
    pub(crate) account: Account,
    pub(crate) begun: Begun,
}

/// What a password comes to.
#[derive(Debug)]
pub(crate) enum LogIn {
    /// They have come in.
    Entered(Box<Entered>),
    /// They have a second factor, which is asked for next: the first step, for their browser.
    Second(String),
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
    /// Whether it was mailed to that address and shown to nobody: its holder reads what arrives there.
    mailed: bool,
}

impl Identity {
    /// Logs in with what was typed.
    pub(crate) async fn log_in(
        &self,
        visit: &Visit<'_>,
        email: &str,
        password: &str,
    ) -> Result<LogIn, Refused> {
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
    ) -> Result<LogIn, Refused> {
        self.count_password(visit, email).await?;
        let (person, why) = match self.accounts.look_at(email, password).await? {
            Recognition::Known(account) => {
                let entered = self.enter(visit, *account).await?;
                // Where a second factor follows, the guessing is not over.
                if let LogIn::Entered(_) = &entered {
                    self.forget_password_tries(visit, email.as_str()).await;
                }
                return Ok(entered);
            }
            Recognition::Wrong(person) => (Some(person), LogInRefusal::Password),
            Recognition::Unknown => (None, LogInRefusal::Unknown),
        };
        self.tell(visit, AccountEvent::LogInRefused { person, why });
        Err(Refused::Wrong)
    }

    async fn enter(&self, visit: &Visit<'_>, account: Account) -> Result<LogIn, Refused> {
        if ask_for_more(&account.factors) {
            return Ok(LogIn::Second(self.first_step(visit, &account).await?));
        }
        let person = &account.person;
        let Some(begun) = self.begin_by_password(visit, &account).await? else {
            let blocked =
                AccountEvent::LogInRefused { person: Some(person.clone()), why: LogInRefusal::Blocked };
            self.tell(visit, blocked);
            return Err(Refused::Wrong);
        };
        Ok(LogIn::Entered(Box::new(self.entered(visit, account, begun))))
    }

    pub(crate) async fn begin_by_password(
        &self,
        visit: &Visit<'_>,
        account: &Account,
    ) -> Result<Option<Begun>, StoreError> {
        self.begin(visit, &Proof::by_password(account, visit.device())).await
    }

    pub(crate) async fn begin(&self, visit: &Visit<'_>, proof: &Proof) -> Result<Option<Begun>, StoreError> {
        let before = self.pages.cookies.session(visit.headers);
        let begun = self.pages.sessions.begin_after(before.as_ref(), proof).await?;
        // Where there is mail, it is known from the letter about it on.
        if begun.as_ref().is_some_and(|begun| !begun.again) && !self.has_mail() {
            let _known: bool = self.pages.sessions.knows_device(&proof.person, &place(&proof.device)).await?;
        }
        Ok(begun)
    }

    pub(crate) fn entered(&self, visit: &Visit<'_>, account: Account, begun: Begun) -> Entered {
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

    /// Makes an account and logs in with it; where there is mail, the letter comes first, and there is no account before. Without a name, a person is called by
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
        let (door, invited) = (&self.policy.sign_up, typed.ticket.is_some());
        if !(door.has_a_form() || invited && door.takes_invitations()) {
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
        let desk = self.desk(visit);
        let proven = invitation.as_ref().is_some_and(|invitation| invitation.mailed);
        if taken && (proven || desk.is_none()) {
            return Err(Refused::EmailTaken);
        }
        let id = invitation.as_ref().map(|invitation| invitation.found.record.id);
        if let Some(desk) = desk.filter(|_| !proven) {
            desk.introduce(Newcomer { name, email, password: hashed, invitation: id });
            return Ok(SignedUp::LookIntoMail);
        }
        // Spent before the account is there: a crash between the two costs an invitation, not a second account.
        if let Some(invitation) = &invitation
            && !self.tickets.spend(&invitation.found).await?
        {
            return Err(Refused::Link(Lost::Used));
        }
        let account = self.accounts.add(&name, &email, Some(&hashed), proven).await?;
        let account = account.ok_or(Refused::EmailTaken)?;
        self.tell(visit, AccountEvent::SignedUp { person: account.person.clone(), invitation: id });
        let begun = self.begin_by_password(visit, &account).await?.ok_or(Refused::Unavailable)?;
        Ok(SignedUp::Entered(Box::new(self.entered(visit, account, begun))))
    }

    /// The invitation with this text.
    pub(crate) async fn invitation(&self, text: &str) -> Result<Invitation, Refused> {
        if !self.policy.sign_up.takes_invitations() {
            return Err(Refused::SignUpClosed);
        }
        match self.tickets.held(text).await? {
            Held::Lost(lost) => Err(Refused::Link(lost)),
            Held::Good(found) => match &found.record.purpose {
                Purpose::Invitation { email, mailed, .. } => {
                    Ok(Invitation { email: email.clone(), mailed: *mailed, found })
                }
                Purpose::VerifyEmail { .. }
                | Purpose::SignUp(_)
                | Purpose::ResetPassword { .. }
                | Purpose::TakeBack { .. } => Err(Refused::Link(Lost::Unknown)),
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
