//! Showing that an address is one's own: at sign-up, and for another one later.

use authz_core::{AccountEvent, Actor, Limit};
use store::{Account, Found, PersonId, Purpose, SessionId, Ticket};

use crate::email::Email;
use crate::entry::{Entered, LogIn};
use crate::identity::Identity;
use crate::password::Password;
use crate::people::Changed;
use crate::refused::Refused;
use crate::session::LoggedIn;
use crate::tickets::{Held, Lost};
use crate::visit::Visit;

/// A link that confirms an address, and may be used.
#[derive(Debug)]
pub(crate) struct Confirmation {
    found: Found<Ticket>,
    pub(crate) account: Account,
    /// The address that it confirms.
    pub(crate) email: String,
}

impl Identity {
    /// What this link confirms.
    pub(crate) async fn confirmation(&self, text: &str) -> Result<Confirmation, Refused> {
        let found = match self.tickets.held(text).await? {
            Held::Lost(lost) => return Err(Refused::Link(lost)),
            Held::Good(found) => found,
        };
        let (person, email) = match &found.record.purpose {
            Purpose::VerifyEmail { person, email } => (person, email.clone()),
            Purpose::ResetPassword { .. } | Purpose::Invitation { .. } => {
                return Err(Refused::Link(Lost::Unknown));
            }
        };
        let account = self.accounts.account(person).await?.ok_or(Refused::Link(Lost::Unknown))?;
        Ok(Confirmation { found, account, email })
    }

    /// Confirms an address: by the link, and by being logged in or by the password. Somebody who is not logged in is then,
    /// unless they have a second factor.
    ///
    /// The link alone would not do: whoever signs up with the address of somebody else would have their account confirmed by a
    /// stranger who follows links, and keep its password.
    pub(crate) async fn confirm(
        &self,
        visit: &Visit<'_>,
        text: &str,
        password: &str,
    ) -> Result<Option<Entered>, Refused> {
        self.may(Limit::LogIn, visit, &visit.address_key()).await?;
        let confirmation = self.confirmation(text).await?;
        let person = &confirmation.account.person;
        let entered = match self.pages.logged_in(visit.headers).await? {
            Some(session) if session.authentication.person == *person => None,
            Some(_) | None => {
                let own = Email::parse(&confirmation.account.email);
                let (Ok(own), Ok(password)) = (own, Password::typed(password)) else {
                    return Err(Refused::Wrong);
                };
                match self.enter_with(visit, &own, &password).await? {
                    LogIn::Entered(entered) => Some(*entered),
                    // The password is right, which is all that is asked here; nobody is logged in by it alone.
                    LogIn::Second(_) => None,
                }
            }
        };
        if !self.tickets.spend(&confirmation.found).await? {
            return Err(Refused::Link(Lost::Used));
        }
        match self.accounts.verify_email(person, &confirmation.email).await? {
            Changed::Gone => return Err(Refused::Link(Lost::Unknown)),
            Changed::EmailTaken => return Err(Refused::EmailTaken),
            Changed::Done { before, now } => {
                self.tell(visit, AccountEvent::EmailVerified { person: person.clone() });
                if before.email != now.email {
                    let by = Actor::Person(person.clone());
                    self.tell(visit, AccountEvent::EmailChanged { person: person.clone(), by });
                    // What was mailed to the address before must not open the account any more.
                    self.tickets.void(person).await?;
                    if let Some(desk) = self.desk(visit).filter(|_| before.email_verified) {
                        desk.email_changed(&before, &now);
                    }
                }
            }
        }
        Ok(entered)
    }

    /// Mails the link that confirms the address of somebody who is logged in once more.
    pub(crate) async fn verify_again(&self, visit: &Visit<'_>, session: &LoggedIn) -> Result<(), Refused> {
        let desk = self.desk(visit).ok_or(Refused::NoMail)?;
        self.may(Limit::LogIn, visit, &visit.address_key()).await?;
        let account = self.own_account(session).await?;
        if !account.email_verified
            && let Ok(email) = Email::parse(&account.email)
        {
            desk.verify(account.person, email);
        }
        Ok(())
    }

    /// Gives somebody who is logged in another password; their other sessions end.
    pub(crate) async fn change_password(
        &self,
        visit: &Visit<'_>,
        session: &LoggedIn,
        current: &str,
        new: &str,
    ) -> Result<(), Refused> {
        let account = self.with_password(visit, session, current).await?;
        let owner = Email::parse(&account.email).map_err(|_| Refused::Wrong)?;
        let hashed = self.accounts.hash(&self.chosen(new, &owner)?).await?;
        let now = match self.accounts.set_password(&account.person, &hashed, false).await? {
            Changed::Done { now, .. } => now,
            Changed::EmailTaken | Changed::Gone => return Err(Refused::Wrong),
        };
        self.tell(visit, AccountEvent::PasswordChanged { person: account.person.clone() });
        self.end_other_sessions(visit, session).await?;
        self.tickets.void(&account.person).await?;
        if let Some(desk) = self.desk(visit).filter(|_| now.email_verified) {
            desk.password_changed(&now);
        }
        Ok(())
    }

    /// Mails the link that gives somebody who is logged in another address, to that address. Nobody is told whether somebody has it.
    pub(crate) async fn change_email(
        &self,
        visit: &Visit<'_>,
        session: &LoggedIn,
        password: &str,
        email: &str,
    ) -> Result<(), Refused> {
        let desk = self.desk(visit).ok_or(Refused::NoMail)?;
        let email = Email::parse(email).map_err(|_| Refused::NotAnEmail)?;
        if !self.policy.sign_up.may_move_to(&email) {
            return Err(Refused::WrongDomain);
        }
        let account = self.with_password(visit, session, password).await?;
        desk.change_email(account.person, email);
        Ok(())
    }

    /// Ends a session of somebody who is logged in; of somebody else's nothing ends.
    pub(crate) async fn end_session(
        &self,
        visit: &Visit<'_>,
        own: &LoggedIn,
        session: SessionId,
    ) -> Result<(), Refused> {
        let person = &own.authentication.person;
        let sessions = self.pages.sessions.of(person).await?;
        if sessions.iter().any(|one| one.id == session) {
            self.pages.sessions.end(&session).await?;
            self.tell_of_end(visit, person, session);
        }
        Ok(())
    }

    /// Ends the sessions of somebody who is logged in, but for this one.
    pub(crate) async fn end_other_sessions(&self, visit: &Visit<'_>, own: &LoggedIn) -> Result<(), Refused> {
        let (person, kept) = (&own.authentication.person, &own.authentication.session);
        for session in self.pages.sessions.end_all(person, Some(kept)).await? {
            self.tell_of_end(visit, person, session);
        }
        Ok(())
    }

    fn tell_of_end(&self, visit: &Visit<'_>, person: &PersonId, session: SessionId) {
        let by = Actor::Person(person.clone());
        self.tell(visit, AccountEvent::SessionEnded { person: person.clone(), session, by });
    }

    /// The account of somebody who is logged in and types their password once more: whoever finds a browser open cannot take the
    /// account over.
    async fn with_password(
        &self,
        visit: &Visit<'_>,
        session: &LoggedIn,
        password: &str,
    ) -> Result<Account, Refused> {
        self.may(Limit::LogIn, visit, &visit.address_key()).await?;
        let person: &PersonId = &session.authentication.person;
        self.may(Limit::LogInAccount, visit, &format!("{person} {}", visit.address_key())).await?;
        let account = self.own_account(session).await?;
        let password = Password::typed(password).map_err(|_| Refused::Wrong)?;
        match self.accounts.is_password_of(&account, &password).await? {
            true => Ok(account),
            false => Err(Refused::Wrong),
        }
    }

    pub(crate) async fn own_account(&self, session: &LoggedIn) -> Result<Account, Refused> {
        self.accounts.account(&session.authentication.person).await?.ok_or(Refused::LoggedOut)
    }
}
