//! The authorization server: what a consumer builds, mounts and calls.

use std::sync::Arc;

use ambient::{Clock, Entropy, SystemClock, SystemEntropy};
use async_trait::async_trait;
use oauth_types::{Issuer, Scope};
use store::{Backend, Decoded, GrantId, PersonId, StoreError};

use crate::event::UNKNOWN;
use crate::flow::{self, Engine, Stopped};
use crate::limit::Counted;
use crate::policy::OutOfBounds;
use crate::registry::Registry;
use crate::seam::{Authentication, ClientSource, Interaction, Limiter, Pending, People, Profile, Resources};
use crate::uses::Uses;
use crate::{ClientRedirect, Context, ContinuePath, Events, Keys, Policy, Traced};

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
    people: Option<Arc<dyn People>>,
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
            people: None,
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
    /// Whoever has said yes in this session is told so by [`Pending::approved`], for as long as the client may come for its
    /// code: a page that is opened again moves on to there.
    ///
    /// # Errors
    ///
    /// A page if there is nothing to ask (that it is connected, if the client has its tokens), or not this person in this
    /// session; or the store.
    pub async fn pending(&self, grant: GrantId, who: &Authentication) -> Result<Pending, Stopped> {
        flow::consent::pending(&self.engine, grant, who).await
    }

    /// The person allows all that was asked for, which is what [`pending`](Self::pending) showed: a request does not change.
    /// Send their browser to the path that is answered: it gives the code.
    ///
    /// Answer the form by a page that moves on (status 200, `<meta http-equiv="refresh">` and a link), not by a redirect:
    /// Chromium holds every redirect that follows a form against `form-action` of the page's Content-Security-Policy, and the
    /// last one leads to the client.
    ///
    /// The caller has made sure that the person meant it (CSRF). Who they are is compared with the record here, and client,
    /// redirect URI and resource are looked at again. A second yes of the same session changes nothing and is answered alike.
    ///
    /// # Errors
    ///
    /// A page if the request is gone or is somebody else's; or the store.
    pub async fn approve_all(&self, grant: GrantId, who: &Authentication) -> Result<ContinuePath, Stopped> {
        flow::consent::approved(&self.engine, grant, who, None, &UNKNOWN).await
    }

    /// The person allows `scope`, which is at most what was asked for. For the rest as [`approve_all`](Self::approve_all).
    ///
    /// # Errors
    ///
    /// As [`approve_all`](Self::approve_all), and a page if `scope` exceeds the request.
    pub async fn approve(
        &self,
        grant: GrantId,
        who: &Authentication,
        scope: &Scope,
    ) -> Result<ContinuePath, Stopped> {
        self.approve_from(grant, who, Some(scope), &UNKNOWN).await
    }

    /// As [`approve`](Self::approve), or as [`approve_all`](Self::approve_all) without `scope`, and tells from where.
    ///
    /// # Errors
    ///
    /// As [`approve`](Self::approve).
    pub async fn approve_from(
        &self,
        grant: GrantId,
        who: &Authentication,
        scope: Option<&Scope>,
        caller: &Context,
    ) -> Result<ContinuePath, Stopped> {
        flow::consent::approved(&self.engine, grant, who, scope, caller).await
    }

    /// The person refuses. Send their browser to the client with this answer, which tells it so: by a page that moves on, for the
    /// reason that [`approve_all`](Self::approve_all) gives.
    ///
    /// # Errors
    ///
    /// A page if the request is gone, is somebody else's or was answered before; or the store.
    pub async fn deny(&self, grant: GrantId, who: &Authentication) -> Result<ClientRedirect, Stopped> {
        self.deny_from(grant, who, &UNKNOWN).await
    }

    /// As [`deny`](Self::deny), and tells from where.
    ///
    /// # Errors
    ///
    /// As [`approve`](Self::approve).
    pub async fn deny_from(
        &self,
        grant: GrantId,
        who: &Authentication,
        caller: &Context,
    ) -> Result<ClientRedirect, Stopped> {
        flow::consent::denied(&self.engine, grant, who, caller).await
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

    /// Who knows names and e-mail addresses. By default [`Strangers`], with a warning in the log: userinfo and introspection tell
    /// nothing of anybody, which is rarely meant.
    #[must_use]
    pub fn people(self, people: Arc<dyn People>) -> Self {
        Self { people: Some(people), ..self }
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
        let Self { issuer, store, keys, interaction, policy, clock, entropy, events, clients, .. } = self;
        let registry =
            || Arc::new(Registry::new(store.clone(), clock.clone(), entropy.clone())) as Arc<dyn Resources>;
        let resources = self.resources.unwrap_or_else(registry);
        let counted = || Arc::new(Counted::alone(clock.clone())) as Arc<dyn Limiter>;
        let strangers = || {
            tracing::warn!(
                "nobody knows the people here: userinfo and introspection tell no name and no e-mail"
            );
            Arc::new(Strangers) as Arc<dyn People>
        };
        let people = self.people.unwrap_or_else(strangers);
        let limiter = self.limiter.unwrap_or_else(counted);
        let engine = Engine {
            issuer,
            policy,
            store,
            decoded: Decoded::default(),
            keys,
            clock,
            entropy,
            events,
            interaction,
            people,
            resources,
            clients,
            limiter,
            uses: Uses::default(),
        };
        Ok(AuthorizationServer { engine })
    }
}

/// Knows nobody. For servers that have nothing to tell of people.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strangers;

#[async_trait]
impl People for Strangers {
    async fn profile(&self, _: &PersonId) -> Result<Option<Profile>, StoreError> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ambient::{ManualClock, SeededEntropy, Time};
    use bytes::Bytes;
    use http::{Request, Response};
    use seal::Seal;
    use store::Memory;
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata, Subscriber, subscriber};

    use super::*;
    use crate::{Demands, Page, Who};

    struct Nobody;

    #[async_trait]
    impl Interaction for Nobody {
        async fn who(&self, _: &Request<Bytes>, _: &Demands) -> Result<Who, StoreError> {
            Ok(Who::Nobody)
        }

        async fn ask(&self, _: &Request<Bytes>, _: &Pending) -> Response<Bytes> {
            Response::default()
        }

        fn show(&self, _: &Request<Bytes>, _: &Page) -> Response<Bytes> {
            Response::default()
        }
    }

    /// Counts warnings.
    #[derive(Clone, Default)]
    struct Warnings(Arc<AtomicUsize>);

    impl Subscriber for Warnings {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() == Level::WARN
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[tokio::test]
    async fn a_server_that_knows_nobody_says_so_unless_it_is_meant_to() {
        for (people, warnings) in [(None, 1), (Some(Strangers), 0)] {
            let store = Arc::new(Memory::new());
            let seal = Seal::new(1, [(1, [1; 32])]).unwrap();
            let (clock, entropy) = (Arc::new(ManualClock::at(Time(0))), Arc::new(SeededEntropy::new(1)));
            let keys = Keys::open(store.clone(), seal, clock, entropy).await.unwrap();
            let issuer = Issuer::parse("https://as.example").unwrap();
            let builder = AuthorizationServer::builder(issuer, store, keys, Arc::new(Nobody));
            let builder = match people {
                Some(people) => builder.people(Arc::new(people)),
                None => builder,
            };
            let heard = Warnings::default();
            subscriber::with_default(heard.clone(), || builder.build().unwrap());
            assert_eq!(heard.0.load(Ordering::Relaxed), warnings);
        }
    }
}
