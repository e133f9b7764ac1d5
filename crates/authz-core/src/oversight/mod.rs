//! What administrators and account pages do: list, narrow, revoke, block, delete.
//!
//! Whoever calls has made sure who asks, and says so by a [`By`]; a person reaches what is their own and nothing else, and learns of
//! nothing else that it exists. What is held against somebody bites on the next request, in every process.
//!
//! | about | where |
//! |---|---|
//! | grants and remembered consents | `grants` |
//! | people | `people` |
//! | clients | `clients` |
//! | resource servers | `servers` |
//! | the keys of servers and the secrets of clients, and when they were used | `keys` |
//! | what is shown of each, never a secret or its digest | `views` |

mod clients;
mod grants;
mod keys;
mod people;
mod servers;
mod views;

use std::fmt::Display;
use std::sync::Arc;

use ambient::{Clock, Entropy};
use store::{Backend, Filter, Found, Kind, Mark, Record, Rewritten, Row, Status, Store, StoreError};
use thiserror::Error;

pub use self::clients::PreregisterError;
pub use self::grants::Whose;
pub use self::views::{ClientView, GrantView, KeyView, LastUse, PersonView, ServerView};
use crate::decide::oversee::{Deleted, NoDevice, NotNarrowed, NotRenewed, OutOfReach, Unanswered};
use crate::{By, Event, Events, OversightEvent, Policy, Registry, Unavailable};

/// How many records are read at once.
const READ_TOGETHER: u32 = 100;
/// How many times a list is read for one page, whatever is shown of it: 2,000 records are looked at.
const READS: u32 = 20;

/// Looks after accounts, connections, clients and servers.
#[derive(Clone)]
pub struct Oversight {
    store: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    events: Arc<dyn Events>,
    policy: Policy,
    registry: Registry,
}

/// Some of a list, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// They.
    pub items: Vec<T>,
    /// What to ask for next; none at the end. A short part, or an empty one, may still have one.
    pub next: Option<String>,
}

/// Which of a list are sought: those of which all that is here is so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sought<'a> {
    /// This is in a name or another text by which people know them, in letters of either case.
    pub text: Option<&'a str>,
    /// They are in this state. Those that were deleted are never listed.
    pub status: Option<Status>,
}

impl Sought<'_> {
    fn is(&self, status: Status, mut texts: impl Iterator<Item = String>) -> bool {
        let text = self.text.map(str::to_lowercase);
        status != Status::Deleted
            && self.status.is_none_or(|sought| sought == status)
            && text.is_none_or(|text| texts.any(|own| own.to_lowercase().contains(&text)))
    }
}

/// Why something was not done.
#[derive(Debug, Error)]
pub enum OversightError {
    /// There is no such thing, or none that the asker reaches.
    #[error("there is no such record")]
    Unknown,
    /// It was deleted.
    #[error(transparent)]
    Deleted(#[from] Deleted),
    /// The scopes are not what the grant could have.
    #[error(transparent)]
    NotNarrowed(#[from] NotNarrowed),
    /// Only for a client that an administrator vouches for can the operator answer.
    #[error("nobody vouches for the client")]
    Unvouched,
    /// A public client has no secret.
    #[error("the client keeps no secret")]
    NoSecret,
    /// The store, or others who keep writing.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<OutOfReach> for OversightError {
    fn from(OutOfReach: OutOfReach) -> Self {
        Self::Unknown
    }
}

impl From<NoDevice> for OversightError {
    fn from(NoDevice: NoDevice) -> Self {
        Self::Unknown
    }
}

impl From<Unanswered> for OversightError {
    fn from(error: Unanswered) -> Self {
        match error {
            Unanswered::Unvouched => Self::Unvouched,
            Unanswered::Deleted(deleted) => Self::Deleted(deleted),
        }
    }
}

impl From<NotRenewed> for OversightError {
    fn from(error: NotRenewed) -> Self {
        match error {
            NotRenewed::Public => Self::NoSecret,
            NotRenewed::Deleted(deleted) => Self::Deleted(deleted),
        }
    }
}

impl From<StoreError> for OversightError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.into())
    }
}

impl Oversight {
    /// Over this store.
    #[must_use]
    pub fn new(
        store: Arc<dyn Backend>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        events: Arc<dyn Events>,
    ) -> Self {
        let registry = Registry::new(store.clone(), clock.clone(), entropy.clone());
        Self { store, clock, entropy, events, policy: Policy::default(), registry }
    }

    /// With the policy of the authorization server: what clients may be registered, and how long they are kept.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// With the registry that the authorization server finds its resources in, so that it knows of changes at once.
    #[must_use]
    pub fn registry(self, registry: Registry) -> Self {
        Self { registry, ..self }
    }

    /// The same, on another way to the same store.
    #[must_use]
    pub fn through(&self, store: Arc<dyn Backend>) -> Self {
        Self { store, ..self.clone() }
    }

    /// Decides about a record as it is and writes what was decided, again and again until nobody else has written in between. Of one that
    /// is not there nothing is decided.
    async fn rewrite<R: Record, E: From<StoreError>>(
        &self,
        id: impl Display + Send,
        decide: impl Fn(&R) -> Result<Option<R>, E> + Send,
    ) -> Result<Rewritten<R>, E> {
        let decide = move |found: Option<&R>| found.map_or(Ok(None), &decide);
        self.store().rewrite(id, || self.mark(), decide).await
    }

    /// The records of a kind that `kept` says are meant by their row, and `wanted` by what is in it.
    async fn listed<R: Record>(
        &self,
        filter: Filter<'_>,
        after: Option<&str>,
        at_most: u32,
        kept: impl Fn(&Row) -> bool + Send,
        wanted: impl Fn(&R) -> bool + Send,
    ) -> Result<Listed<Found<R>>, StoreError> {
        self.listed_within(&mut { READS }, filter, after, at_most, kept, wanted).await
    }

    /// The same with the `reads` that are left of those that a page has.
    async fn listed_within<R: Record>(
        &self,
        reads: &mut u32,
        filter: Filter<'_>,
        after: Option<&str>,
        at_most: u32,
        kept: impl Fn(&Row) -> bool + Send,
        wanted: impl Fn(&R) -> bool + Send,
    ) -> Result<Listed<Found<R>>, StoreError> {
        let most = usize::try_from(at_most.clamp(1, READ_TOGETHER)).unwrap_or(1);
        let mut items = Vec::new();
        let mut next = after.map(ToOwned::to_owned);
        while let Some(left) = reads.checked_sub(1) {
            *reads = left;
            let page = self.store.list(R::KIND, filter, next.as_deref(), READ_TOGETHER).await?;
            let last = page.rows.len();
            for (n, row) in page.rows.iter().enumerate() {
                if kept(row) {
                    let found = Found::<R>::decode(row)?;
                    if wanted(&found.record) {
                        items.push(found);
                    }
                }
                next = Some(row.key.id.clone());
                if items.len() == most {
                    let more = page.more || n + 1 < last;
                    return Ok(Listed { items, next: next.filter(|_| more) });
                }
            }
            if !page.more {
                return Ok(Listed { items, next: None });
            }
        }
        Ok(Listed { items, next })
    }

    /// The ids of all records of a kind that `kept` says are meant. They are read before any of them is written.
    async fn ids(
        &self,
        kind: Kind,
        filter: Filter<'_>,
        kept: impl Fn(&Row) -> bool + Send,
    ) -> Result<Vec<String>, StoreError> {
        let (mut ids, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = self.store.list(kind, filter, after.as_deref(), READ_TOGETHER).await?;
            ids.extend(page.rows.iter().filter(|row| kept(row)).map(|row| row.key.id.clone()));
            after = page.rows.last().map(|row| row.key.id.clone());
            if !page.more {
                return Ok(ids);
            }
        }
    }

    fn tell(&self, event: OversightEvent, by: &By) {
        self.events.tell_with(&Event::from(event), &by.context);
    }

    fn store(&self) -> &dyn Store {
        &*self.store
    }

    fn mark(&self) -> Mark {
        Mark::new(self.entropy.draw())
    }
}

impl<T> Listed<T> {
    fn map<U>(self, shown: impl FnMut(T) -> U) -> Listed<U> {
        Listed { items: self.items.into_iter().map(shown).collect(), next: self.next }
    }
}

impl std::fmt::Debug for Oversight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oversight").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
