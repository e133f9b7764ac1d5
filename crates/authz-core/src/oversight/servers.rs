//! Resource servers.

use store::{ScopeEntry, Server, ServerId, Status, StoreError, UserInfoDetail};

use super::{Listed, Oversight, OversightError, Rewritten, ServerView, Sought};
use crate::decide::oversee::{Deleted, set_server};
use crate::text::TokenText;
use crate::{By, NewServer, OversightEvent, RegisterError};

/// What is changed of a server; `None` stays as it is. Its resource identifier stays for good: tokens are bound to it.
#[derive(Clone, Debug, Default)]
pub struct ServerChange {
    /// Its name.
    pub name: Option<String>,
    /// What may be asked for there. Grants keep the scopes that they have.
    pub scopes: Option<Vec<ScopeEntry>>,
    /// Whom to write to, or nobody.
    pub owner_email: Option<Option<String>>,
    /// What userinfo tells.
    pub userinfo: Option<UserInfoDetail>,
}

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

    /// Registers a server. The text is its key, which is nowhere else. Whether `by` may is for the caller to look at.
    ///
    /// # Errors
    ///
    /// See [`RegisterError`].
    pub async fn register_server(
        &self,
        new: NewServer,
        by: &By,
    ) -> Result<(ServerView, TokenText), RegisterError> {
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
        let decide = |server: &Server| {
            let changed = alive(server)?.clone();
            let changed = Server {
                name: change.name.clone().unwrap_or(changed.name),
                scopes: change.scopes.clone().unwrap_or(changed.scopes),
                owner_email: change.owner_email.clone().unwrap_or(changed.owner_email),
                userinfo: change.userinfo.unwrap_or(changed.userinfo),
                ..changed
            };
            Ok((changed != *server).then_some(changed))
        };
        self.rewrite_server(id, by, event, decide).await
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
        if !by.reaches(None) {
            return Err(OversightError::Unknown);
        }
        match self.rewrite(id, decide).await? {
            Rewritten::Absent => Err(OversightError::Unknown),
            Rewritten::Kept(server) => Ok(ServerView::of(&server)),
            Rewritten::Done(server) => {
                self.registry.forget_scopes();
                self.tell(event, by);
                Ok(ServerView::of(&server))
            }
        }
    }
}

pub(super) fn alive(server: &Server) -> Result<&Server, Deleted> {
    match server.status {
        Status::Active | Status::Blocked => Ok(server),
        Status::Deleted => Err(Deleted),
    }
}
