//! Grants, and the consents that are remembered beside them.

use oauth_types::{ClientId, Scope};
use store::{
    Changes, Commit, Consent, Decoded, Filter, Found, Grant, GrantId, Kind, Lasting, PersonId, Record as _,
    Rewritten, Row, Server, ServerId, StoreError, Use, Why, until_done,
};

use super::views::{GrantView, person};
use super::{Listed, Oversight, OversightError, READS};
use crate::decide::oversee::{
    Deed, GrantState, Narrowed, OutOfReach, forget_scopes, label, narrow, taken_back, withdraw,
};
use crate::{By, NamedGrant, OversightEvent, Unavailable};

/// Which grants are meant: those of all that is named.
#[derive(Clone, Copy, Debug, Default)]
pub struct Whose<'a> {
    /// A person's.
    pub person: Option<&'a PersonId>,
    /// A client's.
    pub client: Option<&'a ClientId>,
    /// Those for a resource server. Without a person or a client all grants are looked through: a server's are most of them, so an index would cost
    /// each write more than it would save here.
    pub server: Option<&'a ServerId>,
}

impl<'a> Whose<'a> {
    /// A person's.
    #[must_use]
    pub const fn person(person: &'a PersonId) -> Self {
        Self { person: Some(person), client: None, server: None }
    }

    /// What a store can look for.
    fn filter(&self) -> Filter<'a> {
        match (self.person, self.client) {
            (Some(person), _) => Filter::OfPerson(person.as_str()),
            (None, Some(client)) => Filter::OfClient(client.as_str()),
            (None, None) => Filter::All,
        }
    }

    /// Whether a record of these links is meant.
    fn is_of(&self, row: &Row) -> bool {
        let server = self.server.map(ToString::to_string);
        self.client.is_none_or(|client| row.links.client.as_deref() == Some(client.as_str()))
            && self.person.is_none_or(|person| row.links.person.as_deref() == Some(person.as_str()))
            && server.is_none_or(|server| row.links.server.as_ref() == Some(&server))
    }
}

impl Oversight {
    /// At most `at_most` (1 to 100) grants behind the id `after`, whatever has become of them. One that has ended says of nobody but its
    /// client whose it was: of a person or a server only those are listed that have not. The audit trail knows of all.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn grants(
        &self,
        whose: Whose<'_>,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Listed<GrantView>, StoreError> {
        self.grants_within(&mut { READS }, whose, after, at_most).await
    }

    async fn grants_within(
        &self,
        reads: &mut u32,
        whose: Whose<'_>,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Listed<GrantView>, StoreError> {
        let kept = |row: &Row| whose.is_of(row);
        let listed =
            self.listed_within::<Grant>(reads, whose.filter(), after, at_most, kept, |_| true).await?;
        let Listed { items, next } = listed;
        let mut views = Vec::with_capacity(items.len());
        for Found { record, .. } in items {
            views.extend(self.seen(&record.id).await?);
        }
        Ok(Listed { items: views, next })
    }

    /// As [`grants`](Self::grants), but those alone whose client has access now. Behind very many that have ended a part may be short.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn connections(
        &self,
        whose: Whose<'_>,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Listed<GrantView>, StoreError> {
        let (mut items, mut next, mut reads) = (Vec::new(), after.map(ToOwned::to_owned), READS);
        while reads > 0 {
            let left = at_most.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
            let page = self.grants_within(&mut reads, whose, next.as_deref(), left).await?;
            items.extend(page.items.into_iter().filter(|grant| grant.state == GrantState::Connected));
            next = page.next;
            if next.is_none() || items.len() >= usize::try_from(at_most).unwrap_or(usize::MAX) {
                break;
            }
        }
        Ok(Listed { items, next })
    }

    /// A grant that the asker reaches, as of now.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn grant(&self, grant: &GrantId, by: &By) -> Result<Option<GrantView>, StoreError> {
        Ok(self.seen(grant).await?.filter(|grant| by.may(Deed::Touch(grant.person.as_ref())).is_ok()))
    }

    async fn seen(&self, grant: &GrantId) -> Result<Option<GrantView>, StoreError> {
        let about = Use { grant: Some(grant), ..Use::default() };
        let facts = self.store().facts(about, &Decoded::default()).await?;
        let found = facts.grant.as_ref();
        Ok(found.map(|found| GrantView::of(&found.record, &facts, self.clock.now())))
    }

    /// Ends a grant, and forgets the consent that would let its client have another without asking. One that the operator answers for
    /// has to ask from now on, too. Answers whether there was something to end that the asker reaches.
    ///
    /// A refresh that races with it loses: ending writes over whatever is there.
    ///
    /// # Errors
    ///
    /// If the store cannot be read or written. The consent may be forgotten then.
    pub async fn revoke(&self, grant: &GrantId, by: &By) -> Result<bool, Unavailable> {
        let Some(found) = self.reached(grant, by).await? else { return Ok(false) };
        self.withdraw_for(&found.record, by).await?;
        self.end(&found, by).await?;
        Ok(true)
    }

    /// Ends all grants of a client for a person, and forgets what they have consented to. Answers how many grants ended.
    ///
    /// # Errors
    ///
    /// If the store cannot be read or written. Called again it does what is left.
    pub async fn revoke_of(&self, person: &PersonId, client: &ClientId, by: &By) -> Result<u32, Unavailable> {
        self.revoke_all(Whose { client: Some(client), ..Whose::person(person) }, by).await
    }

    /// Ends all grants that are meant, and forgets the consents with them. Answers how many grants ended.
    ///
    /// A grant that is being asked for meanwhile may stay: its person has just consented to it. To end what exists at one stroke, the
    /// sessions included, see [`end_everything`](Self::end_everything).
    ///
    /// # Errors
    ///
    /// If the store cannot be read or written. Called again it does what is left.
    pub async fn revoke_all(&self, whose: Whose<'_>, by: &By) -> Result<u32, Unavailable> {
        // Consent first: between the two a client that comes back must ask.
        for id in self.ids(Kind::Consent, whose.filter(), |row| whose.is_of(row)).await? {
            self.withdraw_consent(&id, by).await?;
        }
        let mut ended = 0;
        for id in self.ids(Kind::Grant, whose.filter(), |row| !row.ended && whose.is_of(row)).await? {
            let Ok(grant) = GrantId::parse(&id) else { continue };
            if let Some(found) = self.reached(&grant, by).await? {
                self.withdraw_for(&found.record, by).await?;
                self.end(&found, by).await?;
                ended += 1;
            }
        }
        Ok(ended)
    }

    /// Leaves a grant `scope` alone: it, its living access tokens and the remembered consent lose what is not in it, and what implies
    /// that. Answers what is left.
    ///
    /// # Errors
    ///
    /// [`OversightError::Unknown`], [`OversightError::NotNarrowed`], or the store.
    pub async fn narrow(&self, grant: &GrantId, scope: &Scope, by: &By) -> Result<Scope, OversightError> {
        until_done(|| async {
            let found = self.reached(grant, by).await?.ok_or(OversightError::Unknown)?;
            let server = match found.record.target() {
                Some(target) => self.store().find::<Server>(&target.server).await?.map(|found| found.record),
                None => None,
            };
            let Some(Narrowed { grant: narrowed, scope: left, removed }) =
                narrow(&found.record, scope, server.as_ref())?
            else {
                return Ok(Some(scope.clone()));
            };
            // Consent first: a crash in between leaves a person who is asked once more.
            let now = self.clock.now();
            let shrink = |consent: &Consent| forget_scopes(consent, &removed, server.as_ref(), now);
            self.rewrite_consent(&found.record, shrink).await?;
            let changes = Changes::replace(self.mark(), &found, &narrowed);
            if self.store().commit(&changes).await? == Commit::Stale {
                return Ok(None);
            }
            let (grant, by_whom) = (NamedGrant::of(&found.record), by.actor.clone());
            self.tell(OversightEvent::GrantNarrowed { grant, scope: left.clone(), by: by_whom }, by);
            Ok::<_, OversightError>(Some(left))
        })
        .await
    }

    /// Names the device that a grant is used from: the first 200 characters of `text` that can be seen, or no name if there are none.
    ///
    /// # Errors
    ///
    /// [`OversightError::Unknown`] for anything but a living grant that the asker reaches; or the store.
    pub async fn label(&self, grant: &GrantId, text: &str, by: &By) -> Result<(), OversightError> {
        let decide = |grant: &Grant| {
            by.may(Deed::Touch(person(grant)))?;
            Ok::<_, OversightError>(label(grant, text)?)
        };
        match self.rewrite(grant, decide).await? {
            Rewritten::Kept(None) => Err(OversightError::Unknown),
            Rewritten::Kept(Some(_)) => Ok(()),
            Rewritten::Done { now, .. } => {
                let grant = NamedGrant::of(&now);
                self.tell(OversightEvent::DeviceLabelled { grant, by: by.actor.clone() }, by);
                Ok(())
            }
        }
    }

    /// At most `at_most` (1 to 100) consents of a person that are remembered, behind the id `after`.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn consents(
        &self,
        person: &PersonId,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Listed<Consent>, StoreError> {
        let whose = Whose::person(person);
        let given = |consent: &Consent| consent.withdrawn.is_none();
        let listed = self.listed::<Consent>(whose.filter(), after, at_most, |_| true, given).await?;
        Ok(listed.map(|found| found.record))
    }

    /// Forgets a consent: the client asks again before it gets another grant. The grants that it has go on. Answers whether there was one
    /// that the asker reaches.
    ///
    /// # Errors
    ///
    /// If the store cannot be read or written.
    pub async fn withdraw(
        &self,
        person: &PersonId,
        client: &ClientId,
        server: &ServerId,
        by: &By,
    ) -> Result<bool, Unavailable> {
        self.withdraw_consent(&Consent::id_of(person, client, server), by).await
    }

    pub(super) async fn withdraw_consent(&self, id: &str, by: &By) -> Result<bool, Unavailable> {
        let now = self.clock.now();
        let decide = |consent: &Consent| match by.may(Deed::Touch(Some(&consent.person))) {
            Ok(()) => Ok::<_, Unavailable>(withdraw(consent, now)),
            Err(OutOfReach) => Ok(None),
        };
        match self.rewrite(id, decide).await? {
            Rewritten::Kept(_) => Ok(false),
            Rewritten::Done { now: consent, .. } => {
                self.tell_withdrawn(consent, by);
                Ok(true)
            }
        }
    }

    /// As [`withdraw_consent`](Self::withdraw_consent), of what a grant goes back to.
    pub(super) async fn withdraw_for(&self, grant: &Grant, by: &By) -> Result<(), Unavailable> {
        let now = self.clock.now();
        if let Some(consent) = self.rewrite_consent(grant, |consent| withdraw(consent, now)).await? {
            self.tell_withdrawn(consent, by);
        }
        Ok(())
    }

    fn tell_withdrawn(&self, consent: Consent, by: &By) {
        let Consent { person, client, server, .. } = consent;
        self.tell(OversightEvent::ConsentWithdrawn { person, client, server, by: by.actor.clone() }, by);
    }

    /// Changes the consent that a grant goes back to; where nobody was asked, it is noted that it was taken back. Answers what was written.
    async fn rewrite_consent(
        &self,
        grant: &Grant,
        decide: impl Fn(&Consent) -> Option<Consent> + Send + Sync,
    ) -> Result<Option<Consent>, Unavailable> {
        let (Some(person), Some(target)) = (person(grant), grant.target()) else { return Ok(None) };
        let id = Consent::id_of(person, &grant.client, &target.server);
        let now = self.clock.now();
        let decide = |found: Option<&Consent>| {
            Ok::<_, Unavailable>(found.map_or_else(|| taken_back(grant, now), &decide))
        };
        match self.store().rewrite(&id, || self.mark(), decide).await? {
            Rewritten::Done { now: consent, .. } => Ok(Some(consent)),
            Rewritten::Kept(_) => Ok(None),
        }
    }

    /// A grant that has not ended and that the asker reaches.
    async fn reached(&self, grant: &GrantId, by: &By) -> Result<Option<Found<Grant>>, StoreError> {
        let found = self.store().find::<Grant>(grant).await?;
        Ok(found
            .filter(|found| !found.record.is_final() && by.may(Deed::Touch(person(&found.record))).is_ok()))
    }

    async fn end(&self, found: &Found<Grant>, by: &By) -> Result<(), Unavailable> {
        let why = Why::Lasting(Lasting::Revoked);
        let changes = Changes::end(self.mark(), found, why, self.clock.now());
        // Whatever is there by now: it is done, unless the store cannot be reached.
        let _: Commit = self.store().commit(&changes).await?;
        let grant = NamedGrant::of(&found.record);
        self.tell(OversightEvent::ConnectionRevoked { grant, by: by.actor.clone() }, by);
        Ok(())
    }
}
