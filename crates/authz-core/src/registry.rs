//! The resource servers that are registered in the store.

use std::sync::Arc;

use ambient::{Clock, Entropy, Time};
use async_trait::async_trait;
use oauth_types::{ClientId, Resource, Scope};
use parking_lot::Mutex;
use store::{
    Backend, Changes, Client, Commit, Filter, Found, Kind, Mark, OriginEntry, OriginIndex, Record,
    ScopeEntry, Server, ServerId, Status, Store, StoreError, UserInfoDetail,
};
use thiserror::Error;

use crate::decide::target::among;
use crate::policy::LONGEST_GRANT;
use crate::seam::{Resources, Wanted};
use crate::text::{TokenKind, TokenText};

/// How often a write is tried again that lost a race with an administrator.
const ATTEMPTS: u32 = 8;

/// How many servers are read at once.
const READ_TOGETHER: u32 = 100;
/// How long the list of all scopes is good for, in seconds: whoever makes up scopes must not make the server read all servers for each.
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
#[non_exhaustive]
pub enum RegisterError {
    /// The resource belongs to a registered server.
    #[error("the resource is registered already, as {0}")]
    ResourceTaken(ServerId),
    /// Others keep changing the servers of this origin.
    #[error("other changes came in between")]
    Busy,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
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
            Commit::Stale => Err(RegisterError::Busy),
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

    /// Removes a server; its tokens end with it. Answers whether there was one.
    ///
    /// # Errors
    ///
    /// If the store cannot be read or written.
    pub async fn remove(&self, id: &ServerId) -> Result<bool, RegisterError> {
        for _ in 0..ATTEMPTS {
            let Some(found) = self.found(id).await? else {
                return Ok(false);
            };
            let kept_until = Some(self.clock.now().plus(LONGEST_GRANT));
            let tombstone =
                Server { status: Status::Deleted, keys: Vec::new(), kept_until, ..found.record.clone() };
            if self.store().commit(&Changes::replace(self.mark(), &found, &tombstone)).await? == Commit::Done
            {
                self.forget_scopes();
                self.leave(&found.record).await?;
                return Ok(true);
            }
        }
        Err(RegisterError::Busy)
    }

    /// Deletes a client: it can do nothing from the next request on. Answers whether there was one.
    ///
    /// # Errors
    ///
    /// If the store cannot be read or written.
    pub async fn remove_client(&self, id: &ClientId) -> Result<bool, RegisterError> {
        for _ in 0..ATTEMPTS {
            let found = self.store().find::<Client>(id).await?;
            let Some(found) = found.filter(|found| found.record.standing.status != Status::Deleted) else {
                return Ok(false);
            };
            let mut tombstone = found.record.clone();
            tombstone.standing.status = Status::Deleted;
            // Longer than any grant that names it, or its grants would find nothing held against it.
            tombstone.kept_until = Some(self.clock.now().plus(LONGEST_GRANT));
            if self.store().commit(&Changes::replace(self.mark(), &found, &tombstone)).await? == Commit::Done
            {
                return Ok(true);
            }
        }
        Err(RegisterError::Busy)
    }

    async fn found(&self, id: &ServerId) -> Result<Option<Found<Server>>, StoreError> {
        let found = self.store().find::<Server>(id).await?;
        Ok(found.filter(|found| found.record.status != Status::Deleted))
    }

    /// Enters a server into the index of its origin.
    async fn enter(&self, server: &Server) -> Result<(), RegisterError> {
        let now = self.clock.now();
        let entry = OriginEntry { server: server.id, resource: server.resource.clone(), since: now };
        for _ in 0..ATTEMPTS {
            let index = self.store().find::<OriginIndex>(server.resource.origin()).await?;
            let entries = index.as_ref().map(|index| index.record.entries.as_slice()).unwrap_or_default();
            let same = entries.iter().filter(|one| one.resource.names_same(&server.resource));
            let mut kept: Vec<_> =
                entries.iter().filter(|one| !one.resource.names_same(&server.resource)).cloned().collect();
            for one in same {
                // An entry without a record belongs to somebody who is just registering, or was left by a crash.
                if now.since(one.since) < UNFINISHED || self.found(&one.server).await?.is_some() {
                    return Err(RegisterError::ResourceTaken(one.server));
                }
            }
            kept.push(entry.clone());
            if self.write_index(index.as_ref(), server.resource.origin(), kept).await? == Commit::Done {
                return Ok(());
            }
        }
        Err(RegisterError::Busy)
    }

    async fn leave(&self, server: &Server) -> Result<(), RegisterError> {
        for _ in 0..ATTEMPTS {
            let Some(index) = self.store().find::<OriginIndex>(server.resource.origin()).await? else {
                return Ok(());
            };
            let left = index.record.entries.iter().filter(|one| one.server != server.id).cloned().collect();
            if self.write_index(Some(&index), server.resource.origin(), left).await? == Commit::Done {
                return Ok(());
            }
        }
        Err(RegisterError::Busy)
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
    fn forget_scopes(&self) {
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
            Wanted::Named(resource) => {
                let index = self.store().find::<OriginIndex>(resource.origin()).await?;
                match index.and_then(|index| among(resource, &index.record.entries)) {
                    Some(id) => self.server(&id).await?,
                    None => None,
                }
            }
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
mod tests {
    use ambient::{ManualClock, SeededEntropy, Time};
    use store::Memory;

    use super::*;

    fn registry(store: &Arc<Memory>, clock: &Arc<ManualClock>, seed: u64) -> Registry {
        Registry::new(store.clone(), clock.clone(), Arc::new(SeededEntropy::new(seed)))
    }

    fn new(resource: &str) -> NewServer {
        NewServer {
            name: "Files".to_owned(),
            resource: Resource::parse(resource).unwrap(),
            scopes: Vec::new(),
            owner_email: None,
            userinfo: UserInfoDetail::Full,
        }
    }

    #[tokio::test]
    async fn a_resource_is_registered_once_however_it_is_spelt() {
        let (store, clock) = (Arc::new(Memory::new()), Arc::new(ManualClock::at(Time(1_000))));
        let registry = registry(&store, &clock, 1);
        let (server, _) = registry.register(new("https://mcp.example/mcp")).await.unwrap();
        for alias in ["https://mcp.example/mcp", "https://MCP.example:443/mcp/"] {
            let refused = registry.register(new(alias)).await;
            assert!(
                matches!(refused, Err(RegisterError::ResourceTaken(id)) if id == server.id),
                "{refused:?}"
            );
        }
        assert!(registry.remove(&server.id).await.unwrap());
        assert!(registry.register(new("https://mcp.example/mcp")).await.is_ok());
    }

    /// An entry whose record is still to come belongs to somebody; ten minutes later it is what a crash left behind.
    #[tokio::test]
    async fn an_entry_without_a_record_is_taken_over_when_it_is_old() {
        let (store, clock) = (Arc::new(Memory::new()), Arc::new(ManualClock::at(Time(1_000))));
        let registry = registry(&store, &clock, 2);
        let id = ServerId::new([7; 16]);
        let resource = Resource::parse("https://mcp.example/mcp").unwrap();
        let entries = vec![OriginEntry { server: id, resource: resource.clone(), since: Time(1_000) }];
        let index = OriginIndex { origin: resource.origin(), entries };
        let done = store.commit(&Changes::create(Mark::new([1; 16]), &index)).await.unwrap();
        assert_eq!(done, Commit::Done);
        clock.advance(599);
        let refused = registry.register(new("https://mcp.example/mcp")).await;
        assert!(matches!(refused, Err(RegisterError::ResourceTaken(taken)) if taken == id), "{refused:?}");
        clock.advance(1);
        assert!(registry.register(new("https://mcp.example/mcp")).await.is_ok());
    }
}
