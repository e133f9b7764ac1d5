//! Showing that an address is one's own: at sign-up, and for another one later.

use authz_core::{AccountEvent, Actor, Limit};
use store::{Account, Found, Purpose, Ticket};

use crate::email::Email;
use crate::entry::{Entered, LogIn};
use crate::identity::Identity;
use crate::join::Newcomer;
use crate::password::Password;
use crate::people::{Changed, Openings, Unchanged};
use crate::refused::Refused;
use crate::session::LoggedIn;
use crate::tickets::{Held, Lost};
use crate::visit::Visit;

/// A link that confirms an address, and may be used.
#[derive(Debug)]
pub(crate) struct Confirmation {
    found: Found<Ticket>,
    pub(crate) whose: Whose,
    /// The address that it confirms.
    pub(crate) email: String,
}

/// Whose address a link confirms.
#[derive(Debug)]
pub(crate) enum Whose {
    /// That of somebody who has an account.
    Owner(Box<Account>),
    /// That of somebody who has signed up: the link makes the account.
    Newcomer(Box<Newcomer>),
}

impl Identity {
    /// What this link confirms.
    pub(crate) async fn confirmation(&self, text: &str) -> Result<Confirmation, Refused> {
        let found = match self.tickets.held(text).await? {
            Held::Lost(lost) => return Err(Refused::Link(lost)),
            Held::Good(found) => found,
        };
        let (whose, email) = match &found.record.purpose {
            Purpose::VerifyEmail { person, email } => {
                let account = self.accounts.account(person).await?;
                (account.map(Box::new).map(Whose::Owner), email.clone())
            }
            Purpose::SignUp(new) => {
                (Newcomer::read(new).map(Box::new).map(Whose::Newcomer), new.email.clone())
            }
            Purpose::ResetPassword { .. } | Purpose::TakeBack { .. } | Purpose::Invitation { .. } => {
                return Err(Refused::Link(Lost::Unknown));
            }
        };
        Ok(Confirmation { found, whose: whose.ok_or(Refused::Link(Lost::Unknown))?, email })
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
        let Confirmation { found, whose, email } = self.confirmation(text).await?;
        let account = match whose {
            Whose::Owner(account) => account,
            Whose::Newcomer(newcomer) => {
                return self.join(visit, &found, &newcomer, password).await.map(Some);
            }
        };
        let person = &account.person;
        // Asked once more: the policy may be another by now.
        let allowed = Email::parse(&email).is_ok_and(|email| self.policy.sign_up.may_move_to(&email));
        if email != account.email && !allowed {
            return Err(Refused::WrongDomain);
        }
        // What is written stands against the account as it was before anything was proved: a password that was reset meanwhile, or
        // a session that was shut out, confirms nothing.
        let seen = Openings::of(&account);
        let entered = match self.pages.logged_in(visit.headers).await? {
            Some(session) if session.authentication.person == *person => None,
            Some(_) | None => {
                let own = Email::parse(&account.email);
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
        if !self.tickets.spend(&found).await? {
            return Err(Refused::Link(Lost::Used));
        }
        let since = self.pages.sessions.now();
        let Changed { before, now, .. } =
            self.accounts.verify_email(person, seen, &email).await?.map_err(|unchanged| match unchanged {
                Unchanged::ShutOut => Refused::Link(Lost::Unknown),
                unchanged @ (Unchanged::EmailTaken | Unchanged::Refused(_)) => unchanged.into(),
            })?;
        self.tell(visit, AccountEvent::EmailVerified { person: person.clone() });
        if before.email != now.email {
            let by = Actor::Person(person.clone());
            self.tell(visit, AccountEvent::EmailChanged { person: person.clone(), by });
            // What was mailed to the address before must not open the account any more.
            self.tickets.void(person).await?;
            if let Some(desk) = self.desk(visit).filter(|_| before.email_verified) {
                desk.email_changed(&before, &now, since);
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
}
