//! Invitations: for administrators, and for a front end of one's own.

use authz_core::{AccountEvent, Actor, By, Context};
use secrecy::SecretString;
use store::{Purpose, StoreError, TicketId};

use crate::email::Email;
use crate::identity::Identity;
use crate::language::Language;
use crate::mail::desk::Desk;
use crate::tickets::TO_JOIN;

/// An invitation that was just made: good for seven days, once.
#[derive(Debug)]
pub struct Invited {
    /// Which.
    pub invitation: TicketId,
    /// The link to hand over. `None` if it was mailed: whoever opens it shows that the address is theirs, and nobody else may have
    /// it.
    pub link: Option<SecretString>,
}

impl Identity {
    /// Invites whoever has the address `email`, by a letter where there is mail; or, without an address, whoever is given the link.
    ///
    /// # Errors
    ///
    /// If the store cannot answer.
    pub async fn invite(
        &self,
        email: Option<&Email>,
        language: Language,
        by: &By,
    ) -> Result<Invited, StoreError> {
        let desk = self.desk_for(language, by.context.clone());
        let purpose = Purpose::Invitation {
            email: email.map(|email| email.as_str().to_owned()),
            by: by.actor.to_string(),
            mailed: email.is_some() && desk.is_some(),
        };
        let issued = self.tickets.issue(purpose, TO_JOIN).await?;
        self.tell_of_invitation(issued.id, &by.actor, &by.context);
        let link = Desk::invitation_link(&self.pages.issuer, &issued.text);
        let link = match (email, desk) {
            (Some(email), Some(desk)) => {
                desk.invite(email.clone(), link);
                None
            }
            (Some(_) | None, _) => Some(link),
        };
        Ok(Invited { invitation: issued.id, link })
    }

    fn tell_of_invitation(&self, invitation: TicketId, by: &Actor, context: &Context) {
        let event = AccountEvent::Invited { invitation, by: by.clone() };
        self.events.tell_with(&event.into(), context);
    }
}
