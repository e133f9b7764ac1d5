//! What somebody who is logged in does about how their account is opened, and by whom it was.

use authz_core::{AccountEvent, By};
use store::{Account, PersonId, SessionId, StoreError};

use crate::email::Email;
use crate::identity::Identity;
use crate::password::Password;
use crate::people::{Changed, Openings};
use crate::refused::Refused;
use crate::session::LoggedIn;
use crate::visit::Visit;

impl Identity {
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
        let changed = self.accounts.change_password(&account.person, session.openings, &hashed).await?;
        let Changed { before, now, .. } = changed?;
        self.tell(visit, AccountEvent::PasswordChanged { person: account.person.clone() });
        // Links to a new password stay good: whoever changes it again and again must not make those void that its owner asks for.
        self.go_on(session, &now, &[]).await?;
        self.after_shutting_out(&visit.by(&now.person), &before, &now).await?;
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

    /// Ends a session of somebody who is logged in; of somebody else's nothing ends. What it has in flight is refused.
    pub(crate) async fn end_session(
        &self,
        visit: &Visit<'_>,
        own: &LoggedIn,
        session: SessionId,
    ) -> Result<(), Refused> {
        let person = &own.authentication.person;
        let sessions = self.pages.sessions.of(person).await?;
        if !sessions.iter().any(|one| one.id == session) {
            return Ok(());
        }
        let Changed { now, .. } = self.accounts.shut_out(person, own.openings).await??;
        for kept in sessions.iter().filter(|one| one.id != session) {
            self.pages.sessions.carry_over(&kept.id, (own.openings, Openings::of(&now)), &[]).await?;
        }
        self.pages.sessions.end(&session).await?;
        self.tell_of_end(&visit.by(person), person, session);
        Ok(())
    }

    /// Ends the sessions of somebody who is logged in, but for this one. What they have in flight is refused.
    pub(crate) async fn end_other_sessions(&self, visit: &Visit<'_>, own: &LoggedIn) -> Result<(), Refused> {
        let person = &own.authentication.person;
        let Changed { before, now, .. } = self.accounts.shut_out(person, own.openings).await??;
        self.go_on(own, &now, &[]).await?;
        Ok(self.after_shutting_out(&visit.by(person), &before, &now).await?)
    }

    /// Lets the session go on that shut out the others, by `shown` besides what it has shown so far.
    pub(crate) async fn go_on(&self, own: &LoggedIn, now: &Account, shown: &[&str]) -> Result<(), Refused> {
        let (session, openings) = (&own.authentication.session, (own.openings, Openings::of(now)));
        Ok(self.pages.sessions.carry_over(session, openings, shown).await?)
    }

    /// What is left of whoever was shut out by a change, and of passkeys that open the account no more. Their sessions are over already.
    pub(crate) async fn after_shutting_out(
        &self,
        by: &By,
        before: &Account,
        now: &Account,
    ) -> Result<(), StoreError> {
        if Openings::of(before) != Openings::of(now) {
            let person = &now.person;
            for session in self.pages.sessions.end_shut_out(person, Openings::of(before)).await? {
                self.tell_of_end(by, person, session);
            }
        }
        if let Some(vault) = &self.vault {
            let left = &now.factors.passkeys;
            let gone = before.factors.passkeys.iter().filter(|one| left.iter().all(|kept| kept.id != one.id));
            for passkey in gone {
                vault.release_passkey(&passkey.id, &now.person).await?;
            }
        }
        Ok(())
    }

    fn tell_of_end(&self, by: &By, person: &PersonId, session: SessionId) {
        let event = AccountEvent::SessionEnded { person: person.clone(), session, by: by.actor.clone() };
        self.events.tell_with(&event.into(), &by.context);
    }

    /// The account of somebody who is logged in and types their password once more: whoever finds a browser open cannot take the
    /// account over.
    pub(crate) async fn with_password(
        &self,
        visit: &Visit<'_>,
        session: &LoggedIn,
        password: &str,
    ) -> Result<Account, Refused> {
        self.count_in(visit, session).await?;
        let account = self.own_account(session).await?;
        let (Ok(email), Ok(password)) = (Email::parse(&account.email), Password::typed(password)) else {
            return Err(Refused::Wrong);
        };
        self.count_password(visit, &email).await?;
        if !self.accounts.is_password_of(&account, &password).await? {
            return Err(Refused::Wrong);
        }
        self.forget_tries_in(session).await;
        self.forget_password_tries(visit, &account.email).await;
        Ok(account)
    }

    /// The same, with a code of their app.
    pub(crate) async fn with_code(
        &self,
        visit: &Visit<'_>,
        session: &LoggedIn,
        code: &str,
    ) -> Result<Account, Refused> {
        self.count_in(visit, session).await?;
        let person = &session.authentication.person;
        self.count_code(visit, person).await?;
        let taken = self.take_code(person, session.openings, code).await?;
        let account = taken.ok_or(Refused::WrongCode)?;
        self.forget_tries_in(session).await;
        self.forget_code_tries(visit, person).await;
        Ok(account)
    }

    pub(crate) async fn own_account(&self, session: &LoggedIn) -> Result<Account, Refused> {
        self.accounts.account(&session.authentication.person).await?.ok_or(Refused::LoggedOut)
    }
}
