//! The resource servers that are registered in the store.

use std::sync::Arc;

use ambient::{Clock, Entropy, Time};
use async_trait::async_trait;
use oauth_types::{Resource, Scope};
use parking_lot::Mutex;
use store::{
    Backend, Changes, Commit, Filter, Found, Kind, Mark, OriginEntry, OriginIndex, Record, Rewritten,
    ScopeEntry, Server, ServerId, Status, Store, StoreError, UserInfoDetail, until_done,
};
use thiserror::Error;

use crate::decide::oversee::{OutOfReach, set_server};
use crate::decide::target::among;
use crate::flow::Unavailable;
use crate::seam::{Resources, Wanted};
use crate::text::{TokenKind, TokenText};

/// How many servers are read at once.
const READ_TOGETHER: u32 = 100;
/// How long the list of all scopes is good for, in seconds: whoever makes up scopes must not make the server read all
/// servers for each.
const SCOPES_KEPT: i64 = 10;

/// How long an index entry without a record is left to whoever made it, in seconds.
const UNFINISHED: i64 = 600;

/// Registers resource servers and finds them again.
#[derive(Clone)]
pub struct Registry {
    store: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    scopes: Arc<Mutex<Option<Scopes>>>,
}

/// All scopes that there are, as of a moment. Only whether a scope is dropped or refused depends on it.
#[derive(Clone, Debug)]
struct Scopes {
    all: Scope,
    read: Time,
}

/// A resource server to be registered.
#[derive(Clone, Debug)]
pub struct NewServer {
    /// Its name, for people.
    pub name: String,
    /// Its resource identifier.
    pub resource: Resource,
    /// What may be asked for there.
    pub scopes: Vec<ScopeEntry>,
    /// Whom to write to.
    pub owner_email: Option<String>,
    /// What userinfo tells.
    pub userinfo: UserInfoDetail,
}

/// Why a server was not registered.
#[derive(Debug, Error)]
pub enum RegisterError {
    /// The resource belongs to a registered server.
    #[error("the resource is registered already, as {0}")]
    ResourceTaken(ServerId),
    /// It is an administrator's to do.
    #[error(transparent)]
    OutOfReach(#[from] OutOfReach),
    /// The store, or others who keep changing the servers of this origin.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<StoreError> for RegisterError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.into())
    }
}

/// What the store has of the server that an index entry names.
enum Backing {
    /// A server of this resource.
    Server(Server),
    /// Nothing yet: whoever made the entry may be about to write the record.
    Unfinished,
    /// Nothing any more: a registration or a removal got halfway.
    LeftOver,
}

impl Registry {
    /// Over this store.
    #[must_use]
    pub fn new(store: Arc<dyn Backend>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, clock, entropy, scopes: Arc::default() }
    }

    /// Registers a server. The text is its key, which is nowhere else and cannot be read again.
    ///
    /// # Errors
    ///
    /// See [`RegisterError`].
    pub async fn register(&self, new: NewServer) -> Result<(Server, TokenText), RegisterError> {
        let id = ServerId::new(self.entropy.draw());
        let key = TokenText::random(TokenKind::ServerKey, *id.as_bytes(), self.entropy.draw());
        let server = Server {
            retiring: Vec::new(),
            id,
            name: new.name,
            resource: new.resource,
            scopes: new.scopes,
            owner_email: new.owner_email,
            keys: vec![key.digest()],
            userinfo: new.userinfo,
            status: Status::Active,
            registered: self.clock.now(),
            kept_until: None,
        };
        // Index entry before record: the index may name what is not there, and never misses what is.
        self.enter(&server).await?;
        match self.store().commit(&Changes::create(self.mark(), &server)).await? {
            Commit::Done => {
                self.forget_scopes();
                Ok((server, key))
            }
            Commit::Stale => Err(Unavailable::Busy.into()),
        }
    }

    /// A registered server.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn server(&self, id: &ServerId) -> Result<Option<Server>, StoreError> {
        Ok(self.found(id).await?.map(|found| found.record))
    }

    /// At most `at_most` servers behind the id `after`, and whether there are more.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn servers(
        &self,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<(Vec<Server>, bool), StoreError> {
        let mut servers = Vec::new();
        let mut after = after.map(ToOwned::to_owned);
        loop {
            let page = self.store.list(Kind::Server, Filter::All, after.as_deref(), READ_TOGETHER).await?;
            after = page.rows.last().map(|row| row.key.id.clone());
            for row in &page.rows {
                let server = Found::<Server>::decode(row)?.record;
                if server.status == Status::Deleted {
                    continue;
                }
                if servers.len() >= at_most as usize {
                    return Ok((servers, true));
                }
                servers.push(server);
            }
            if !page.more {
                return Ok((servers, false));
            }
        }
    }

    /// Removes a server; its tokens end with it. Answers whether there was one. If it fails, another call does what is left.
    ///
    /// # Errors
    ///
    /// If the store cannot be read or written, or others keep writing.
    pub async fn remove(&self, id: &ServerId) -> Result<bool, Unavailable> {
        let now = self.clock.now();
        // What was deleted before is left as it is.
        let tombstone = |found: Option<&Server>| {
            let gone = |server| set_server(server, Status::Deleted, now).ok().flatten();
            Ok::<_, Unavailable>(found.and_then(gone))
        };
        match self.store().rewrite(id, || self.mark(), tombstone).await? {
            Rewritten::Kept(None) => Ok(false),
            Rewritten::Kept(Some(server)) => self.leave(&server).await.map(|()| false),
            Rewritten::Done { now: server, .. } => {
                self.forget_scopes();
                self.leave(&server).await.map(|()| true)
            }
        }
    }

    async fn found(&self, id: &ServerId) -> Result<Option<Found<Server>>, StoreError> {
        let found = self.store().find::<Server>(id).await?;
        Ok(found.filter(|found| found.record.status != Status::Deleted))
    }

    async fn backing(&self, entry: &OriginEntry) -> Result<Backing, StoreError> {
        let found = self.store().find::<Server>(&entry.server).await?;
        Ok(match found.map(|found| found.record) {
            Some(server) if server.status == Status::Deleted => Backing::LeftOver,
            Some(server) if server.resource == entry.resource => Backing::Server(server),
            Some(_) | None if self.clock.now().since(entry.since) < UNFINISHED => Backing::Unfinished,
            Some(_) | None => Backing::LeftOver,
        })
    }

    /// The server that a resource identifier names. An entry whose record is gone, or says otherwise, names nothing.
    async fn named(&self, resource: &Resource) -> Result<Option<Server>, StoreError> {
        let Some(index) = self.store().find::<OriginIndex>(resource.origin()).await? else {
            return Ok(None);
        };
        let entries = &index.record.entries;
        let (same, others): (Vec<_>, Vec<_>) =
            entries.iter().partition(|entry| entry.resource.names_same(resource));
        // Only the bare origin stands for servers of another spelling.
        let others = if resource.is_origin() { others } else { Vec::new() };
        let (mut living, mut left_over) = (Vec::new(), Vec::new());
        for group in [same, others] {
            for entry in group {
                match self.backing(entry).await? {
                    Backing::Server(server) => living.push((entry.clone(), server)),
                    Backing::Unfinished => {}
                    Backing::LeftOver => left_over.push(entry),
                }
                // Two are as unclear as a hundred, and a stranger must not have all of them read.
                if living.len() == 2 {
                    break;
                }
            }
            if !living.is_empty() {
                break;
            }
        }
        if !left_over.is_empty() {
            self.heal(&index, &left_over).await;
        }
        let (entries, servers): (Vec<_>, Vec<_>) = living.into_iter().unzip();
        let named = among(resource, &entries);
        Ok(servers.into_iter().find(|server| Some(server.id) == named))
    }

    /// Takes out of an index what stands for nothing. If it does not succeed, the next one who reads it tries again.
    async fn heal(&self, index: &Found<OriginIndex>, left_over: &[&OriginEntry]) {
        let kept = index.record.entries.iter().filter(|one| !left_over.contains(one));
        let healed = self.write_index(Some(index), index.record.origin.clone(), kept.cloned().collect());
        if let Err(error) = healed.await {
            tracing::warn!(%error, "an index of servers cannot be tidied now");
        }
    }

    /// Enters a server into the index of its origin.
    async fn enter(&self, server: &Server) -> Result<(), RegisterError> {
        let now = self.clock.now();
        let entry = OriginEntry { server: server.id, resource: server.resource.clone(), since: now };
        until_done(|| async {
            let index = self.store().find::<OriginIndex>(server.resource.origin()).await?;
            let entries = index.as_ref().map(|index| index.record.entries.as_slice()).unwrap_or_default();
            let (same, mut kept): (Vec<_>, Vec<_>) =
                entries.iter().cloned().partition(|one| one.resource.names_same(&server.resource));
            for one in same {
                match self.backing(&one).await? {
                    Backing::Server(_) | Backing::Unfinished => {
                        return Err(RegisterError::ResourceTaken(one.server));
                    }
                    Backing::LeftOver => {}
                }
            }
            kept.push(entry.clone());
            let written = self.write_index(index.as_ref(), server.resource.origin(), kept).await?;
            Ok((written == Commit::Done).then_some(()))
        })
        .await
    }

    async fn leave(&self, server: &Server) -> Result<(), Unavailable> {
        let without = |found: Option<&OriginIndex>| {
            let left = found.filter(|index| index.entries.iter().any(|one| one.server == server.id)).cloned();
            Ok::<_, Unavailable>(left.map(|mut index| {
                index.entries.retain(|one| one.server != server.id);
                index
            }))
        };
        self.store().rewrite(server.resource.origin(), || self.mark(), without).await.map(drop)
    }

    async fn write_index(
        &self,
        before: Option<&Found<OriginIndex>>,
        origin: String,
        entries: Vec<OriginEntry>,
    ) -> Result<Commit, StoreError> {
        let index = OriginIndex { origin, entries };
        let changes = match before {
            Some(before) => Changes::replace(self.mark(), before, &index),
            None => Changes::create(self.mark(), &index),
        };
        self.store().commit(&changes).await
    }

    /// What this process knows of scopes is out of date.
    pub(crate) fn forget_scopes(&self) {
        *self.scopes.lock() = None;
    }

    fn store(&self) -> &dyn Store {
        &*self.store
    }

    fn mark(&self) -> Mark {
        Mark::new(self.entropy.draw())
    }
}

#[async_trait]
impl Resources for Registry {
    async fn find(&self, wanted: &Wanted) -> Result<Option<Server>, StoreError> {
        let server = match wanted {
            Wanted::Named(resource) => self.named(resource).await?,
            Wanted::Registered(id) => self.server(id).await?,
            Wanted::TheOnly => {
                let (mut servers, more) = self.servers(None, 2).await?;
                if servers.len() == 1 && !more { servers.pop() } else { None }
            }
        };
        Ok(server.filter(|server| server.status == Status::Active))
    }

    async fn known(&self, scope: &Scope) -> Result<Scope, StoreError> {
        let now = self.clock.now();
        let kept = self.scopes.lock().clone().filter(|kept| (0..SCOPES_KEPT).contains(&now.since(kept.read)));
        if let Some(kept) = kept {
            return Ok(scope.intersection(&kept.all));
        }
        let mut all = Scope::default();
        let mut after: Option<String> = None;
        loop {
            let (servers, more) = self.servers(after.as_deref(), READ_TOGETHER).await?;
            let names = servers.iter().flat_map(Server::scope_names);
            all = all.union(&Scope::from_tokens(names).unwrap_or_default());
            after = servers.last().map(Record::id);
            if !more {
                break;
            }
        }
        let known = scope.intersection(&all);
        *self.scopes.lock() = Some(Scopes { all, read: now });
        Ok(known)
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
