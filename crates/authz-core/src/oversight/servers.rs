//! Resource servers.

use store::{Rewritten, Server, ServerId, Status, StoreError};

use super::{Listed, Oversight, OversightError, ServerView, Sought};
use crate::decide::oversee::{Deed, ServerChange, change_server, set_server};
use crate::text::TokenText;
use crate::{By, NewServer, OversightEvent, RegisterError};

impl Oversight {
    /// At most `at_most` (1 to 100) registered servers that are sought, behind the id `after`.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn servers(
        &self,
        sought: Sought<'_>,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Listed<ServerView>, StoreError> {
        let wanted = |server: &Server| {
            let texts = [server.id.to_string(), server.name.clone(), server.resource.to_string()];
            sought.is(server.status, texts.into_iter().chain(server.owner_email.clone()))
        };
        let listed = self.listed::<Server>(store::Filter::All, after, at_most, |_| true, wanted).await?;
        Ok(listed.map(|found| ServerView::of(&found.record)))
    }

    /// A registered server.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn server(&self, id: &ServerId) -> Result<Option<ServerView>, StoreError> {
        Ok(self.registry.server(id).await?.as_ref().map(ServerView::of))
    }

    /// Registers a server. The text is its key, which is nowhere else.
    ///
    /// # Errors
    ///
    /// See [`RegisterError`].
    pub async fn register_server(
        &self,
        new: NewServer,
        by: &By,
    ) -> Result<(ServerView, TokenText), RegisterError> {
        by.may(Deed::Administer)?;
        let (server, key) = self.registry.register(new).await?;
        self.tell(OversightEvent::ServerRegistered { server: server.id, by: by.actor.clone() }, by);
        Ok((ServerView::of(&server), key))
    }

    /// Changes what is known of a server. Answers what it is now.
    ///
    /// # Errors
    ///
    /// [`OversightError::Unknown`], [`OversightError::Deleted`], or the store.
    pub async fn change_server(
        &self,
        id: &ServerId,
        change: &ServerChange,
        by: &By,
    ) -> Result<ServerView, OversightError> {
        let event = OversightEvent::ServerChanged { server: *id, by: by.actor.clone() };
        self.rewrite_server(id, by, event, |server| Ok(change_server(server, change)?)).await
    }

    /// Blocks a server, lets it act again, or deletes it: its tokens stop working at once, and no others are made.
    ///
    /// # Errors
    ///
    /// As [`change_server`](Self::change_server).
    pub async fn set_server(&self, id: &ServerId, status: Status, by: &By) -> Result<(), OversightError> {
        let now = self.clock.now();
        let event = OversightEvent::ServerSet { server: *id, status, by: by.actor.clone() };
        self.rewrite_server(id, by, event, |server| Ok(set_server(server, status, now)?)).await?;
        match status {
            Status::Active | Status::Blocked => Ok(()),
            // What is left: its entry in the index of its origin. The record names nobody any more, so it may wait for another call.
            Status::Deleted => Ok(self.registry.remove(id).await.map(|_| ())?),
        }
    }

    pub(super) async fn rewrite_server(
        &self,
        id: &ServerId,
        by: &By,
        event: OversightEvent,
        decide: impl Fn(&Server) -> Result<Option<Server>, OversightError> + Send,
    ) -> Result<ServerView, OversightError> {
        by.may(Deed::Administer)?;
        match self.rewrite(id, decide).await? {
            Rewritten::Kept(None) => Err(OversightError::Unknown),
            Rewritten::Kept(Some(server)) => Ok(ServerView::of(&server)),
            Rewritten::Done { now: server, .. } => {
                self.registry.forget_scopes();
                self.tell(event, by);
                Ok(ServerView::of(&server))
            }
        }
    }
}
