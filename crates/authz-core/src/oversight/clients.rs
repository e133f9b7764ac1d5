//! Clients.

use oauth_types::{ClientId, ClientMetadata, OAuthError};
use store::{
    Changes, Client, Commit, Filter, Found, Grant, Kind, Provenance, Rewritten, ServerId, Stage, Status,
    StoreError,
};
use thiserror::Error;

use super::{ClientView, LastUse, Listed, Oversight, OversightError, Sought};
use crate::decide::oversee::{Deed, OutOfReach, answer_for, set_client, vouch};
use crate::decide::register::{NewClient, Registered, register};
use crate::{By, OversightEvent, Unavailable};

/// Why a client was not registered.
#[derive(Debug, Error)]
pub enum PreregisterError {
    /// Its metadata is not right.
    #[error("the metadata of the client cannot be taken")]
    Metadata(#[source] OAuthError),
    /// The server that it is to be registered for is not there.
    #[error("there is no such server")]
    ServerUnknown,
    /// It is an administrator's to do.
    #[error(transparent)]
    OutOfReach(#[from] OutOfReach),
    /// The store.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<StoreError> for PreregisterError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.into())
    }
}

impl Oversight {
    /// At most `at_most` (1 to 100) registered clients that are sought, behind the id `after`; with `vouched` those alone that an
    /// administrator vouches for, or that nobody does.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn clients(
        &self,
        sought: Sought<'_>,
        vouched: Option<bool>,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Listed<ClientView>, StoreError> {
        let wanted = |client: &Client| {
            let texts = std::iter::once(client.id.to_string()).chain(client.metadata.client_name.clone());
            let texts = texts.chain(client.redirect_uris.iter().map(ToString::to_string));
            let is_vouched = client.provenance == Provenance::Administrator;
            sought.is(client.standing.status, texts) && vouched.is_none_or(|vouched| vouched == is_vouched)
        };
        let listed = self.listed::<Client>(Filter::All, after, at_most, |_| true, wanted).await?;
        Ok(listed.map(|found| ClientView::of(&found.record)))
    }

    /// A registered client.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn client(&self, id: &ClientId) -> Result<Option<ClientView>, StoreError> {
        let found = self.store().find::<Client>(id).await?;
        let shown = found.map(|found| ClientView::of(&found.record));
        Ok(shown.filter(|client| client.status != Status::Deleted))
    }

    /// When tokens were made for a client last, as far as `among` of its grants tell: a client may have any number of them.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn last_use_of(&self, id: &ClientId, among: u32) -> Result<LastUse, StoreError> {
        let page = self.store.list(Kind::Grant, Filter::OfClient(id.as_str()), None, among).await?;
        let mut last = LastUse { at: None, at_least: page.more };
        for row in page.rows.iter().filter(|row| !row.ended) {
            if let Stage::Live(live) = &Found::<Grant>::decode(row)?.record.stage {
                last.at = last.at.max(Some(live.rotated));
            }
        }
        Ok(last)
    }

    /// Registers a client that an administrator vouches for. The answer has its secret, which is nowhere else.
    ///
    /// # Errors
    ///
    /// See [`PreregisterError`].
    pub async fn preregister(
        &self,
        metadata: ClientMetadata,
        server: Option<ServerId>,
        first_party: bool,
        by: &By,
    ) -> Result<Registered, PreregisterError> {
        by.may(Deed::Administer)?;
        if let Some(server) = &server
            && self.registry.server(server).await?.is_none()
        {
            return Err(PreregisterError::ServerUnknown);
        }
        let new = NewClient { id: self.entropy.draw(), secret: self.entropy.draw(), server };
        let vouched = Provenance::Administrator;
        let registered = register(metadata, new, vouched, &self.policy, self.clock.now());
        let Registered { client, information } = registered.map_err(PreregisterError::Metadata)?;
        let client = Client { first_party, ..client };
        match self.store().commit(&Changes::create(self.mark(), &client)).await? {
            Commit::Done => {
                let (id, by_whom) = (client.id.clone(), by.actor.clone());
                self.tell(OversightEvent::ClientPreregistered { client: id, by: by_whom }, by);
                Ok(Registered { client, information })
            }
            Commit::Stale => Err(Unavailable::Busy.into()),
        }
    }

    /// Blocks a client, lets it act again, or deletes it. It bites on its next request, and on the next use of each of its tokens.
    ///
    /// # Errors
    ///
    /// [`OversightError::Unknown`], [`OversightError::Deleted`], or the store.
    pub async fn set_client(&self, id: &ClientId, status: Status, by: &By) -> Result<(), OversightError> {
        let now = self.clock.now();
        let event = OversightEvent::ClientSet { client: id.clone(), status, by: by.actor.clone() };
        self.change_client(id, by, event, |client| Ok(set_client(client, status, now)?)).await
    }

    /// Changes who vouches for a client: an administrator, who has looked at where its answers go, or nobody.
    ///
    /// # Errors
    ///
    /// As [`set_client`](Self::set_client).
    pub async fn vouch(&self, id: &ClientId, provenance: Provenance, by: &By) -> Result<(), OversightError> {
        let now = self.clock.now();
        let event = OversightEvent::ClientVouched { client: id.clone(), provenance, by: by.actor.clone() };
        self.change_client(id, by, event, |client| Ok(vouch(client, provenance, &self.policy, now)?)).await
    }

    /// Says whether the operator answers for a client as for this server itself: a policy may waive consent for it.
    ///
    /// # Errors
    ///
    /// As [`set_client`](Self::set_client), and [`OversightError::Unvouched`] for a client that registered itself.
    pub async fn set_first_party(
        &self,
        id: &ClientId,
        first_party: bool,
        by: &By,
    ) -> Result<(), OversightError> {
        let event = OversightEvent::FirstPartySet { client: id.clone(), first_party, by: by.actor.clone() };
        self.change_client(id, by, event, |client| Ok(answer_for(client, first_party)?)).await
    }

    pub(super) async fn change_client(
        &self,
        id: &ClientId,
        by: &By,
        event: OversightEvent,
        decide: impl Fn(&Client) -> Result<Option<Client>, OversightError> + Send,
    ) -> Result<(), OversightError> {
        by.may(Deed::Administer)?;
        match self.rewrite(id, decide).await? {
            Rewritten::Kept(None) => Err(OversightError::Unknown),
            Rewritten::Kept(Some(_)) => Ok(()),
            Rewritten::Done { .. } => {
                self.tell(event, by);
                Ok(())
            }
        }
    }
}
