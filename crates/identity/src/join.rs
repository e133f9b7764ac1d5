//! The account of somebody who signed up where there is mail: made by the link of the letter, and by nothing before.
//!
//! Until then the sign-up is the ticket and nothing else. So nobody can sign up with an address to see whether a log-in follows, and
//! nobody has an address before its owner: each sign-up has a link, and a password, of its own.

use authz_core::{AccountEvent, LogInRefusal};
use store::{Found, NewAccount, Ticket, TicketId};

use crate::email::Email;
use crate::entry::Entered;
use crate::identity::Identity;
use crate::password::Password;
use crate::people::{Hashed, Name};
use crate::refused::Refused;
use crate::tickets::Lost;
use crate::visit::Visit;

/// Somebody who wants an account.
#[derive(Clone, Debug)]
pub(crate) struct Newcomer {
    pub(crate) name: Name,
    pub(crate) email: Email,
    pub(crate) password: Hashed,
    pub(crate) invitation: Option<TicketId>,
}

impl Newcomer {
    /// As a ticket keeps them.
    pub(crate) fn kept(&self) -> NewAccount {
        NewAccount {
            email: self.email.as_str().to_owned(),
            name: self.name.as_str().to_owned(),
            password: Some(self.password.as_str().to_owned()),
            invitation: self.invitation,
        }
    }

    /// `None` if a ticket keeps nobody (any more).
    pub(crate) fn read(kept: &NewAccount) -> Option<Self> {
        Some(Self {
            name: Name::parse(&kept.name).ok()?,
            email: Email::parse(&kept.email).ok()?,
            password: Hashed::kept(kept.password.as_deref()?),
            invitation: kept.invitation,
        })
    }
}

impl Identity {
    /// Makes the account, by the link and the password that was chosen with it, and logs in.
    ///
    /// The link alone would not do: whoever signs up with the address of somebody else would have their account made by a stranger
    /// who follows links, and know its password. Of several links to one address, the first that is used with its own password
    /// makes the account.
    pub(crate) async fn join(
        &self,
        visit: &Visit<'_>,
        found: &Found<Ticket>,
        newcomer: &Newcomer,
        password: &str,
    ) -> Result<Entered, Refused> {
        let done = self.join_quietly(visit, found, newcomer, password).await;
        if let Err(refused) = &done
            && let Some(why) = refused.of_sign_up()
        {
            self.tell(visit, AccountEvent::SignUpRefused { why });
        }
        done
    }

    async fn join_quietly(
        &self,
        visit: &Visit<'_>,
        found: &Found<Ticket>,
        newcomer: &Newcomer,
        password: &str,
    ) -> Result<Entered, Refused> {
        let Newcomer { name, email, password: chosen, invitation } = newcomer;
        self.count_password(visit, email).await?;
        let typed = Password::typed(password).map_err(|_| Refused::Wrong)?;
        if !self.accounts.is_password(chosen, &typed).await? {
            self.tell(visit, AccountEvent::LogInRefused { person: None, why: LogInRefusal::Password });
            return Err(Refused::Wrong);
        }
        let door = &self.policy.sign_up;
        if !(door.takes(email) || invitation.is_some() && door.takes_invitations()) {
            return Err(Refused::SignUpClosed);
        }
        if self.accounts.by_email(email).await?.is_some() {
            return Err(Refused::EmailTaken);
        }
        if !self.tickets.spend(found).await? || !self.takes_invitation(*invitation).await? {
            return Err(Refused::Link(Lost::Used));
        }
        let account = self.accounts.add(name, email, Some(chosen), true).await?.ok_or(Refused::EmailTaken)?;
        let person = &account.person;
        self.tell(visit, AccountEvent::SignedUp { person: person.clone(), invitation: *invitation });
        self.tell(visit, AccountEvent::EmailVerified { person: person.clone() });
        self.forget_password_tries(visit, email.as_str()).await;
        let begun = self.begin_by_password(visit, &account).await?.ok_or(Refused::Unavailable)?;
        Ok(self.entered(visit, account, begun))
    }

    /// Uses the invitation of somebody who came with one. It was good when they did; of two who came with one the first has it.
    async fn takes_invitation(&self, invitation: Option<TicketId>) -> Result<bool, Refused> {
        let Some(id) = invitation else { return Ok(true) };
        match self.tickets.unused(id).await? {
            Some(found) => Ok(self.tickets.spend(&found).await?),
            None => Ok(false),
        }
    }
}
