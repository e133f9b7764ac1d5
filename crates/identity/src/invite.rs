//! Invitations: for administrators, and for a front end of one's own.

use ambient::Time;
use authz_core::{AccountEvent, Actor, By, Context, Listed};
use secrecy::SecretString;
use store::{Purpose, StoreError, Ticket, TicketId};
use thiserror::Error;

use crate::email::Email;
use crate::identity::Identity;
use crate::language::Language;
use crate::mail::desk::link;
use crate::mail::letter::About;
use crate::tickets::TO_JOIN;

/// An invitation that was just made: good for seven days, once.
#[derive(Debug)]
pub struct Invited {
    /// Which.
    pub invitation: TicketId,
    /// The link to hand over. `None` if it is mailed: whoever opens it shows that the address is theirs, and nobody else may have
    /// it.
    pub link: Option<SecretString>,
    /// What has become of the letter.
    pub letter: Delivery,
}

/// An invitation that may be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenInvitation {
    /// Which.
    pub invitation: TicketId,
    /// For this address alone; `None` for whoever holds the link.
    pub email: Option<String>,
    /// Who invited.
    pub by: String,
    /// When.
    pub made: Time,
    /// Until when it may be taken.
    pub until: Time,
}

impl OpenInvitation {
    fn of(ticket: &Ticket) -> Option<Self> {
        match &ticket.purpose {
            Purpose::Invitation { email, by, .. } => Some(Self {
                invitation: ticket.id,
                email: email.clone(),
                by: by.clone(),
                made: ticket.made,
                until: ticket.until,
            }),
            Purpose::VerifyEmail { .. }
            | Purpose::SignUp(_)
            | Purpose::ResetPassword { .. }
            | Purpose::TakeBack { .. } => None,
        }
    }
}

/// What has become of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// There is none: no address, no mail, or the mail server does not take it.
    None,
    /// It waits to be sent; [`AccountEvent::MailFailed`] tells if it cannot be.
    Queued,
    /// The mail server has it.
    Sent,
}

/// Why nobody was invited.
#[derive(Debug, Error)]
pub enum InviteError {
    /// No invitation makes an account here.
    #[error("nobody makes an account here by an invitation")]
    Closed,
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Identity {
    /// Invites whoever has the address `email`, by a letter where there is mail; or, without an address, whoever is given the link.
    /// [`sending_at_once`](Self::sending_at_once), whoever cannot be written to now is given a link, too.
    ///
    /// # Errors
    ///
    /// [`InviteError`].
    pub async fn invite(
        &self,
        email: Option<&Email>,
        language: Language,
        by: &By,
    ) -> Result<Invited, InviteError> {
        if !self.policy.sign_up.takes_invitations() {
            return Err(InviteError::Closed);
        }
        if let (Some(email), Some(desk)) = (email, self.desk_for(language, by.context.clone())) {
            let (invitation, link) = self.invitation_for(Some(email), by, true).await?;
            let letter = desk.hand_over(email, &About::Invitation { link }, self.sends_at_once()).await;
            if letter != Delivery::None {
                return Ok(Invited { invitation, link: None, letter });
            }
        }
        // Another one than was mailed in vain: that one shows that its holder reads what arrives at the address.
        let (invitation, link) = self.invitation_for(email, by, false).await?;
        Ok(Invited { invitation, link: Some(link), letter: Delivery::None })
    }

    /// The invitations that may still be taken, in the order of their ids: `at_most` so many, from behind the id `after`.
    ///
    /// # Errors
    ///
    /// If the store cannot answer.
    pub async fn invitations(
        &self,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Listed<OpenInvitation>, StoreError> {
        self.tickets.open(after, at_most, OpenInvitation::of).await
    }

    /// Takes an invitation back: nobody makes an account by it any more. Answers whether it could be taken until now.
    ///
    /// # Errors
    ///
    /// If the store cannot answer.
    pub async fn withdraw_invitation(&self, invitation: TicketId, by: &By) -> Result<bool, StoreError> {
        let found = self.tickets.unused(invitation).await?;
        let Some(found) = found.filter(|found| OpenInvitation::of(&found.record).is_some()) else {
            return Ok(false);
        };
        let withdrawn = self.tickets.spend(&found).await?;
        if withdrawn {
            let event = AccountEvent::InvitationWithdrawn { invitation, by: by.actor.clone() };
            self.events.tell_with(&event.into(), &by.context);
        }
        Ok(withdrawn)
    }

    async fn invitation_for(
        &self,
        email: Option<&Email>,
        by: &By,
        mailed: bool,
    ) -> Result<(TicketId, SecretString), StoreError> {
        let email = email.map(|email| email.as_str().to_owned());
        let purpose = Purpose::Invitation { email, by: by.actor.to_string(), mailed };
        let issued = self.tickets.issue(purpose, TO_JOIN).await?;
        self.tell_of_invitation(issued.id, &by.actor, &by.context);
        Ok((issued.id, link(&self.pages.issuer, "/invitation", &issued.text)))
    }

    fn tell_of_invitation(&self, invitation: TicketId, by: &Actor, context: &Context) {
        let event = AccountEvent::Invited { invitation, by: by.clone() };
        self.events.tell_with(&event.into(), context);
    }
}
