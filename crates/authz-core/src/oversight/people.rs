//! People: what is held against them, and their accounts.

use store::{
    Account, Commit, Epoch, Filter, Found, Grant, Kind, PersonId, PersonStanding, Rewritten, Session,
    Standing, Status, StoreError, Ticket, until_done,
};

use super::{Listed, Oversight, OversightError, PersonView, Sought, Whose};
use crate::decide::oversee::{
    Deed, anonymise, end_everything, end_session, end_ticket, set_status, shut_out,
};
use crate::{By, OversightEvent};

impl Oversight {
    /// At most `at_most` (1 to 100) people with an account who are sought, behind the id `after`. There may be fewer, and still a
    /// next page.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn people(
        &self,
        sought: Sought<'_>,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Listed<PersonView>, StoreError> {
        // What is held against them is looked at below: it is no part of the account.
        let named = Sought { status: None, ..sought };
        let wanted = |account: &Account| {
            let texts = [account.person.to_string(), account.name.clone(), account.email.clone()];
            named.is(Status::Active, texts.into_iter())
        };
        let Listed { items, next } =
            self.listed::<Account>(Filter::All, after, at_most, |_| true, wanted).await?;
        let mut views = Vec::with_capacity(items.len());
        for Found { record, .. } in items {
            let view = self.shown(record).await?;
            views.extend(view.filter(|view| sought.status.is_none_or(|status| status == view.status)));
        }
        Ok(Listed { items: views, next })
    }

    /// A person with an account.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn person(&self, person: &PersonId) -> Result<Option<PersonView>, StoreError> {
        match self.store().find::<Account>(person).await? {
            Some(found) => self.shown(found.record).await,
            None => Ok(None),
        }
    }

    /// The person whose account has this normalised address.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn person_at(&self, email: &str) -> Result<Option<PersonView>, StoreError> {
        match self.store().account_by_email(email).await? {
            Some(found) => self.shown(found.record).await,
            None => Ok(None),
        }
    }

    /// Whether a person may act; of a stranger: yes.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn status_of(&self, person: &PersonId) -> Result<Status, StoreError> {
        let found = self.store().find::<PersonStanding>(person).await?;
        Ok(found.map(|found| found.record.standing.status).unwrap_or_default())
    }

    /// Blocks a person, lets them act again, or deletes them. It bites on their next request, and on the next of each client of theirs.
    ///
    /// Blocking ends their sessions for good; their grants stand still until they may act again. Deleting ends their sessions and grants,
    /// frees their address and makes their account anonymous; what failed halfway is done by another call. A person may delete themselves,
    /// and nothing else.
    ///
    /// # Errors
    ///
    /// [`OversightError::Deleted`] for somebody who is, [`OversightError::Unknown`] for somebody whom the asker does not reach; or the
    /// store.
    pub async fn set_person(&self, person: &PersonId, status: Status, by: &By) -> Result<(), OversightError> {
        by.may(Deed::Set(person, status))?;
        if self.stand(person, |standing| Ok(set_status(standing, status)?)).await? {
            let event = OversightEvent::PersonSet { person: person.clone(), status, by: by.actor.clone() };
            self.tell(event, by);
        }
        match status {
            Status::Active => Ok(()),
            // What a session of theirs has in flight is not written while they are blocked, nor does it come back with them.
            Status::Blocked => self.shut_out(person).await,
            // Nothing of theirs works any more. What follows leaves no trace of them, and a crash leaves some for the next call.
            Status::Deleted => self.erase(person, by).await,
        }
    }

    /// Ends all sessions and grants that a person has, at one stroke, and forgets what they have consented to.
    ///
    /// # Errors
    ///
    /// [`OversightError::Unknown`] for somebody whom the asker does not reach; or the store.
    pub async fn end_everything(&self, person: &PersonId, by: &By) -> Result<(), OversightError> {
        by.may(Deed::Touch(Some(person)))?;
        // Consent first: between the two a client that comes back must ask.
        for id in self.ids(Kind::Consent, Filter::OfPerson(person.as_str()), |_| true).await? {
            self.withdraw_consent(&id, by).await?;
        }
        for id in self.ids(Kind::Grant, Filter::OfPerson(person.as_str()), |row| !row.ended).await? {
            if let Some(found) = self.store().find::<Grant>(&id).await? {
                self.withdraw_for(&found.record, by).await?;
            }
        }
        self.shut_out(person).await?;
        let epoch = Epoch::new(self.entropy.draw());
        self.stand(person, |standing| Ok(Some(end_everything(standing, epoch)))).await?;
        let event = OversightEvent::EverythingEnded { person: person.clone(), by: by.actor.clone() };
        self.tell(event, by);
        Ok(())
    }

    /// Closes the account of a person, if it is kept here, to whoever came in so far: what a session has in flight about it must not be
    /// written after the session has ended.
    async fn shut_out(&self, person: &PersonId) -> Result<(), OversightError> {
        let epoch = Epoch::new(self.entropy.draw());
        let shut = |account: &Account| Ok::<_, OversightError>(Some(shut_out(account, epoch)));
        self.rewrite(person, shut).await.map(drop)
    }

    async fn shown(&self, account: Account) -> Result<Option<PersonView>, StoreError> {
        let status = self.status_of(&account.person).await?;
        Ok(match status {
            Status::Active | Status::Blocked => Some(PersonView::of(account, status)),
            Status::Deleted => None,
        })
    }

    /// Writes what is held against a person, of whom there may be no record yet. Answers whether there was something to write.
    async fn stand(
        &self,
        person: &PersonId,
        decide: impl Fn(Standing) -> Result<Option<Standing>, OversightError> + Send,
    ) -> Result<bool, OversightError> {
        let decide = move |found: Option<&PersonStanding>| {
            let before = found.map(|found| found.standing).unwrap_or_default();
            let standing = decide(before)?;
            let record = |standing| PersonStanding { person: person.clone(), standing };
            Ok::<_, OversightError>(standing.map(record))
        };
        match self.store().rewrite(person, || self.mark(), decide).await? {
            Rewritten::Kept(_) => Ok(false),
            Rewritten::Done { .. } => Ok(true),
        }
    }

    /// What is left of somebody who is deleted. Each part may be done again.
    async fn erase(&self, person: &PersonId, by: &By) -> Result<(), OversightError> {
        let their = Filter::OfPerson(person.as_str());
        self.revoke_all(Whose::person(person), by).await?;
        for id in self.ids(Kind::Session, their, |_| true).await? {
            self.rewrite(id, |session: &Session| Ok::<_, StoreError>(Some(end_session(session)))).await?;
        }
        // The links that were mailed to them say where.
        for id in self.ids(Kind::Ticket, their, |_| true).await? {
            self.rewrite(id, |ticket: &Ticket| Ok::<_, StoreError>(Some(end_ticket(ticket)))).await?;
        }
        until_done(|| async {
            let Some(found) = self.store().find::<Account>(person).await? else { return Ok(Some(())) };
            let Some(nobody) = anonymise(&found.record) else { return Ok(Some(())) };
            let nobody = shut_out(&nobody, Epoch::new(self.entropy.draw()));
            let erased = self.store().erase_account(self.mark(), &found, &nobody).await?;
            Ok((erased == Commit::Done).then_some(()))
        })
        .await
    }
}
