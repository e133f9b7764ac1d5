//! A forgotten password: a link by letter, and a new one.

use authz_core::{AccountEvent, Limit, OversightError};
use store::{Account, Found, PersonId, Purpose, Ticket};

use crate::email::Email;
use crate::identity::Identity;
use crate::people::{Changed, Reachable};
use crate::refused::Refused;
use crate::tickets::{Held, Lost};
use crate::visit::Visit;

/// A link to set a new password, which may be used.
#[derive(Debug)]
pub(crate) struct Reset {
    found: Found<Ticket>,
    reachable: Reachable,
    /// Whether it was mailed to that address: then whoever holds it reads what arrives there.
    mailed: bool,
    pub(crate) account: Account,
}

impl Identity {
    /// Mails a link to whoever has this address. Nobody is told whether somebody has.
    pub(crate) async fn forgot(&self, visit: &Visit<'_>, email: &str) -> Result<(), Refused> {
        let desk = self.desk(visit).ok_or(Refused::NoMail)?;
        self.may(Limit::LogIn, visit, &visit.address_key()).await?;
        desk.reset(Email::parse(email).map_err(|_| Refused::NotAnEmail)?);
        Ok(())
    }

    /// The account that this link sets a new password for.
    pub(crate) async fn reset_of(&self, text: &str) -> Result<Reset, Refused> {
        let found = match self.tickets.held(text).await? {
            Held::Lost(lost) => return Err(Refused::Link(lost)),
            Held::Good(found) => found,
        };
        let (person, reachable, mailed) = match &found.record.purpose {
            Purpose::ResetPassword { person, email: Some(email), resets, shown } => {
                (person, Reachable { email: email.clone(), resets: *resets }, !shown)
            }
            Purpose::ResetPassword { email: None, .. }
            | Purpose::VerifyEmail { .. }
            | Purpose::SignUp(_)
            | Purpose::TakeBack { .. }
            | Purpose::Invitation { .. } => return Err(Refused::Link(Lost::Unknown)),
        };
        let account = self.accounts.account(person).await?.ok_or(Refused::Link(Lost::Unknown))?;
        if !reachable.is_of(&account) {
            return Err(Refused::Link(Lost::Late));
        }
        Ok(Reset { found, reachable, mailed, account })
    }

    /// Sets a new password by a link. All sessions end; with `everything`, all connections, too.
    ///
    /// A link that was mailed to the address of the account shows that it is its owner's. Of an account of which that was not known,
    /// everything ends in any case: whoever connected it need not be the owner.
    pub(crate) async fn reset(
        &self,
        visit: &Visit<'_>,
        text: &str,
        password: &str,
        everything: bool,
    ) -> Result<Account, Refused> {
        self.may(Limit::LogIn, visit, &visit.address_key()).await?;
        let Reset { found, reachable, mailed, account } = self.reset_of(text).await?;
        let owner = Email::parse(&account.email).map_err(|_| Refused::Link(Lost::Unknown))?;
        let hashed = self.accounts.hash(&self.chosen(password, &owner)?).await?;
        if !self.tickets.spend(&found).await? {
            return Err(Refused::Link(Lost::Used));
        }
        let set = self.accounts.reset_password(&account.person, &hashed, &reachable, mailed).await?;
        let Ok(Changed { before, now, .. }) = set else { return Err(Refused::Link(Lost::Late)) };
        let person = now.person.clone();
        self.tell(visit, AccountEvent::PasswordReset { person: person.clone() });
        let confirmed = !before.email_verified && now.email_verified;
        if confirmed {
            self.tell(visit, AccountEvent::EmailVerified { person: person.clone() });
        }
        self.after_shutting_out(&visit.by(&person), &before, &now).await?;
        if everything || confirmed {
            self.end_everything(visit, &person).await?;
        }
        self.tickets.void(&person).await?;
        if let Some(desk) = self.desk(visit) {
            desk.password_changed(&now);
        }
        Ok(now)
    }

    /// Ends all sessions and all connections of a person.
    pub(crate) async fn end_everything(&self, visit: &Visit<'_>, person: &PersonId) -> Result<(), Refused> {
        let by = visit.by(person);
        let oversight = self.pages.sessions.oversight(self.events.clone());
        oversight.end_everything(person, &by).await.map_err(|error: OversightError| {
            tracing::error!(%error, "the connections of a person could not be ended");
            Refused::Unavailable
        })
    }
}
