//! What happens in which order: load, decide, settle. The protocol is in [`decide`](crate::decide).

pub(crate) mod authorize;
pub(crate) mod consent;
pub(crate) mod register;
pub(crate) mod run;
pub(crate) mod token;
pub(crate) mod usage;

use std::sync::Arc;

use ambient::{Clock, Entropy};
use oauth_types::{ClientId, Issuer};
use store::{Backend, Client, Decoded, Facts, GrantId, Mark, Nonce, Store, StoreError, Use};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::decide::{Drawn, Setting};
use crate::seam::{ClientSource, Interaction, Limiter, People, Resources};
use crate::uses::Uses;
use crate::{Context, Events, Keyring, Keys, Page, Policy, Refusal};

/// What the flows work with.
pub(crate) struct Engine {
    pub(crate) issuer: Issuer,
    pub(crate) policy: Policy,
    pub(crate) store: Arc<dyn Backend>,
    pub(crate) decoded: Decoded,
    pub(crate) keys: Keys,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) events: Arc<dyn Events>,
    pub(crate) interaction: Arc<dyn Interaction>,
    pub(crate) people: Arc<dyn People>,
    pub(crate) resources: Arc<dyn Resources>,
    pub(crate) clients: Option<Arc<dyn ClientSource>>,
    pub(crate) limiter: Arc<dyn Limiter>,
    pub(crate) uses: Uses,
}

/// The world's fault: answered by 503 with `Retry-After`, never by 401.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// The store.
    #[error(transparent)]
    Store(StoreError),
    /// The record kept changing under each attempt.
    #[error("the record is written too often")]
    Busy,
    /// A token key that this process does not know yet.
    #[error("a token key is not known yet")]
    KeyUnknown,
}

impl From<StoreError> for Unavailable {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Contended => Self::Busy,
            other @ (StoreError::Unavailable(_) | _) => Self::Store(other),
        }
    }
}

/// Why a person's request stopped.
#[derive(Debug, Error)]
pub enum Stopped {
    /// Show them this.
    #[error("a person is told: {}", .0.title)]
    Page(Page),
    /// Show them [`Page::unavailable`], and log this.
    #[error(transparent)]
    Unavailable(Unavailable),
}

impl Stopped {
    /// What to show them, whatever it was.
    #[must_use]
    pub fn page(&self) -> Page {
        match self {
            Self::Page(page) => page.clone(),
            Self::Unavailable(_) => Page::unavailable(),
        }
    }
}

impl From<Unavailable> for Stopped {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Self {
        Self::Page(Page::from(refusal))
    }
}

impl From<Page> for Stopped {
    fn from(page: Page) -> Self {
        Self::Page(page)
    }
}

impl Engine {
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// What a request about a token needs to know.
    pub(crate) async fn facts(&self, about: Use<'_>) -> Result<Facts, StoreError> {
        self.store().facts(about, &self.decoded).await
    }

    pub(crate) fn setting<'a>(&'a self, keys: &'a Keyring, caller: &'a Context) -> Setting<'a> {
        Setting { keys, policy: &self.policy, now: self.clock.now(), caller }
    }

    /// What a rule may need of randomness.
    pub(crate) fn draw(&self) -> Drawn {
        let entropy = &*self.entropy;
        Drawn {
            mark: Mark::new(entropy.draw()),
            grant: GrantId::new(entropy.draw()),
            nonce: Nonce::new(entropy.draw()),
            seed: Zeroizing::new(entropy.draw()),
        }
    }

    /// The client of this id: registered here, or known to the source of clients.
    pub(crate) async fn client(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        if let Some(found) = self.store().find::<Client>(id).await? {
            return Ok(Some(found.record));
        }
        match &self.clients {
            Some(source) => source.find(id).await,
            None => Ok(None),
        }
    }

    /// The client of this id, if it is one that the store does not know.
    pub(crate) async fn foreign_client(&self, id: Option<&ClientId>) -> Result<Option<Client>, StoreError> {
        match (&self.clients, id) {
            (Some(source), Some(id)) => source.find(id).await,
            (Some(_), None) | (None, _) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_stopped_a_request_can_be_shown() {
        assert_eq!(Stopped::from(Refusal::RequestGone).page(), Page::from(Refusal::RequestGone));
        let gone = StoreError::unavailable("the disk is gone");
        let stopped = Stopped::from(gone);
        assert_eq!(stopped.page(), Page::unavailable());
        assert!(!stopped.page().advice.contains("disk"), "people are not told of disks");
    }
}
