//! The authorization server: what a consumer builds, mounts and calls.

use std::sync::Arc;

use ambient::{Clock, Entropy, SystemClock, SystemEntropy};
use async_trait::async_trait;
use oauth_types::{Issuer, Scope};
use store::{Backend, GrantId, MemoryCounters, PersonId, StoreError};

use crate::flow::{self, Engine, Stopped};
use crate::limit::Counted;
use crate::policy::OutOfBounds;
use crate::registry::Registry;
use crate::seam::{Authentication, ClientSource, Interaction, Limiter, Pending, People, Profile, Resources};
use crate::{ClientRedirect, ContinuePath, Events, Keys, Policy, Traced};

/// An authorization server: a [`Serve`](http_io::Serve) for the protocol, and the answers of people to its questions.
pub struct AuthorizationServer {
    pub(crate) engine: Engine,
}

/// Builds an [`AuthorizationServer`]. Whatever is not set has a default that is safe.
pub struct Builder {
    issuer: Issuer,
    store: Arc<dyn Backend>,
    keys: Keys,
    interaction: Arc<dyn Interaction>,
    policy: Policy,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    events: Arc<dyn Events>,
    people: Arc<dyn People>,
    resources: Option<Arc<dyn Resources>>,
    clients: Option<Arc<dyn ClientSource>>,
    limiter: Option<Arc<dyn Limiter>>,
}

impl AuthorizationServer {
    /// Begins with what every authorization server needs: its name, its store, its keys, and somebody who asks people.
    #[must_use]
    pub fn builder(
        issuer: Issuer,
        store: Arc<dyn Backend>,
        keys: Keys,
        interaction: Arc<dyn Interaction>,
    ) -> Builder {
        Builder {
            issuer,
            store,
            keys,
            interaction,
            policy: Policy::default(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            events: Arc::new(Traced),
            people: Arc::new(Strangers),
            resources: None,
            clients: None,
            limiter: None,
        }
    }

    /// Its issuer identifier.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.engine.issuer
    }

    /// What a person is being asked: for the page that asks.
    ///
    /// # Errors
    ///
    /// A page if there is nothing to ask, or not this person in this session; or the store.
    pub async fn pending(&self, grant: GrantId, who: &Authentication) -> Result<Pending, Stopped> {
        flow::consent::pending(&self.engine, grant, who).await
    }

    /// The person allows `scope`, which is at most what was asked for. Send their browser to the path that is answered: it
    /// gives the code.
    ///
    /// The caller has made sure that the person meant it (CSRF). Who they are is compared with the record here, and client,
    /// redirect URI and resource are looked at again.
    ///
    /// # Errors
    ///
    /// A page if the request is gone or is somebody else's; or the store.
    pub async fn approve(
        &self,
        grant: GrantId,
        who: &Authentication,
        scope: &Scope,
    ) -> Result<ContinuePath, Stopped> {
        flow::consent::approved(&self.engine, grant, who, scope).await
    }

    /// The person refuses. Send their browser to the client with this answer, which tells it so.
    ///
    /// # Errors
    ///
    /// As [`approve`](Self::approve).
    pub async fn deny(&self, grant: GrantId, who: &Authentication) -> Result<ClientRedirect, Stopped> {
        flow::consent::denied(&self.engine, grant, who).await
    }
}

impl std::fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthorizationServer").field("issuer", &self.engine.issuer).finish_non_exhaustive()
    }
}

impl Builder {
    /// Lifetimes and other choices of the operator.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// What tells the time.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// What draws random bytes.
    #[must_use]
    pub fn entropy(self, entropy: Arc<dyn Entropy>) -> Self {
        Self { entropy, ..self }
    }

    /// Who listens to events. By default the log.
    #[must_use]
    pub fn events(self, events: Arc<dyn Events>) -> Self {
        Self { events, ..self }
    }

    /// Who knows names and e-mail addresses. By default nobody.
    #[must_use]
    pub fn people(self, people: Arc<dyn People>) -> Self {
        Self { people, ..self }
    }

    /// Who knows the protected resources. By default those that are registered in the store.
    #[must_use]
    pub fn resources(self, resources: Arc<dyn Resources>) -> Self {
        Self { resources: Some(resources), ..self }
    }

    /// Who knows clients that are not registered in the store. By default nobody.
    #[must_use]
    pub fn clients(self, clients: Arc<dyn ClientSource>) -> Self {
        Self { clients: Some(clients), ..self }
    }

    /// What limits registrations and the like. By default counters of this process.
    #[must_use]
    pub fn limiter(self, limiter: Arc<dyn Limiter>) -> Self {
        Self { limiter: Some(limiter), ..self }
    }

    /// The server.
    ///
    /// # Errors
    ///
    /// If a setting of the policy is out of its bounds.
    pub fn build(self) -> Result<AuthorizationServer, OutOfBounds> {
        self.policy.check()?;
        let Self {
            issuer, store, keys, interaction, policy, clock, entropy, events, people, clients, ..
        } = self;
        let registry =
            || Arc::new(Registry::new(store.clone(), clock.clone(), entropy.clone())) as Arc<dyn Resources>;
        let resources = self.resources.unwrap_or_else(registry);
        let counted =
            || Arc::new(Counted::new(Arc::new(MemoryCounters::default()), clock.clone())) as Arc<dyn Limiter>;
        let limiter = self.limiter.unwrap_or_else(counted);
        let engine = Engine {
            issuer,
            policy,
            store,
            keys,
            clock,
            entropy,
            events,
            interaction,
            people,
            resources,
            clients,
            limiter,
        };
        Ok(AuthorizationServer { engine })
    }
}

/// Nobody is known.
struct Strangers;

#[async_trait]
impl People for Strangers {
    async fn profile(&self, _: &PersonId) -> Result<Option<Profile>, StoreError> {
        Ok(None)
    }
}
