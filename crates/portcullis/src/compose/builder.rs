//! From a [`Config`] to a [`Portcullis`], with parts of one's own where wanted.

use std::sync::Arc;

use ambient::{Clock, Entropy, SystemClock, SystemEntropy};
use authz_core::{
    AuthorizationServer, Counted, Events, Limiter, Oversight, Registry, TokenKind, TokenText, Unlimited,
};
use identity::{AccountPolicy, Accounts, Cost, Identity, Mail, Outbox, Pages, Sessions, Smtp, SmtpUrlError};
use secrecy::{ExposeSecret as _, SecretString};
use store::{Backend, Counters, Digest, Store, StoreError};

use super::error::OpenError;
use super::ground::{Ground, Opened, timed};
use super::{Ears, Portcullis};
use crate::admin::Admin;
use crate::admin::keys;
use crate::audit::Audit;
use crate::config::{Config, MailKind};
use crate::ops::Ops;
use crate::ops::census::Census;
use crate::ops::metrics::Metrics;

/// Builds a [`Portcullis`]. What is not given is what [`Config`] says, or the system's.
pub struct Builder {
    config: Config,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    mail: Option<Arc<dyn Mail>>,
    metrics: Arc<Metrics>,
    own: Option<Arc<dyn Backend>>,
    counters: Option<Arc<dyn Counters>>,
    existing: bool,
}

impl Builder {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            mail: None,
            metrics: Arc::default(),
            own: None,
            counters: None,
            existing: false,
        }
    }

    /// Tells the time by `clock`.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Draws random bytes from `entropy`.
    #[must_use]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// What it costs to check a password.
    #[must_use]
    pub fn password_cost(mut self, cost: Cost) -> Self {
        self.config.accounts.cost = cost;
        self
    }

    /// Sends letters by `mail`, whatever [`Config::mail`] says.
    #[must_use]
    pub fn mail(mut self, mail: Arc<dyn Mail>) -> Self {
        self.mail = Some(mail);
        self
    }

    /// Keeps records in `store`. Then no data folder is opened; without [`Config::master_key`] one is drawn, which fits a
    /// store that is not kept longer than this process.
    #[must_use]
    pub fn store<S: Backend + 'static>(mut self, store: Arc<S>) -> Self {
        self.own = Some(timed(store, &self.metrics));
        self
    }

    /// Counts what is limited with `counters`; processes that share them share the limits. Without it they are Redis's, where
    /// records are kept in Redis, else of this process.
    #[must_use]
    pub fn counters(mut self, counters: Arc<dyn Counters>) -> Self {
        self.counters = Some(counters);
        self
    }

    /// Takes no store that no server has used yet, and is no server of its own: for programs that stand in for one. Without
    /// [`Config::issuer`] the issuer is that of the server.
    #[must_use]
    pub const fn existing(mut self) -> Self {
        self.existing = true;
        self
    }

    /// Opens it.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what keeps it from starting.
    pub async fn open(self) -> Result<Portcullis, OpenError> {
        let Self { config, clock, entropy, mail, metrics, own, counters, existing } = self;
        config.policy.check()?;
        let mail = match mail {
            Some(mail) => Some(mail),
            None => by_config(&config, &clock, &entropy)?,
        };
        config.accounts.check(mail.is_some())?;

        let ground = Ground { config: &config, clock: &clock, entropy: &entropy, metrics: &metrics };
        let Opened { records, master_key, data, keys, issuer, first_run, counters: shared } = match existing {
            true => ground.existing(own).await?,
            false => ground.served(own).await?,
        };
        let counters = counters.or(shared);
        let own_key = config.admin_key.is_some();
        let (admin_key, new_admin_key) = match config.admin_key {
            Some(key) => (Some(key.digest()), None),
            None => (None, first_admin_key(&*records, &*entropy).await?),
        };
        // With a key that is there already somebody was faster.
        let first_run = first_run && (own_key || new_admin_key.is_some());

        let counted = Arc::new(match counters {
            Some(counters) => Counted::new(counters, clock.clone()),
            None => Counted::alone(clock.clone()),
        });
        counted.change(config.rates.clone());
        let limiter: Arc<dyn Limiter> = if config.limits { counted.clone() } else { Arc::new(Unlimited) };
        let audit = Audit::new(records.clone(), clock.clone(), entropy.clone())
            .kept_for(config.audit_retention)
            .strangers_kept_for(config.audit_retention_strangers);
        let audit = Arc::new(audit);
        let events: Arc<dyn Events> = Arc::new(Ears { audit: audit.clone(), metrics: metrics.clone() });
        let policy = config.policy;
        let registry = Registry::new(records.clone(), clock.clone(), entropy.clone());
        let AccountPolicy { cost, session_idle, session_total, .. } = config.accounts.clone();
        let sessions = Sessions::new(records.clone(), clock.clone(), entropy.clone());
        let sessions = Arc::new(sessions.lasting(session_total).idle(session_idle));
        let accounts = Arc::new(Accounts::new(records.clone(), cost, clock.clone(), entropy.clone()));
        let pages = Pages::new(issuer.clone(), sessions).brand(config.brand);
        let pages = Arc::new(match config.accounts.withholds_consent() {
            true => pages.requiring_verified_email(accounts.clone()),
            false => pages,
        });
        let server = AuthorizationServer::builder(issuer.clone(), records.clone(), keys, pages.clone())
            .policy(policy.clone())
            .clock(clock.clone())
            .entropy(entropy.clone())
            .limiter(limiter.clone())
            .events(events.clone())
            .people(accounts.clone())
            .resources(Arc::new(registry.clone()))
            .build()?;
        let server = Arc::new(server);
        let identity = Identity::new(pages, accounts.clone(), server.clone())
            .limiter(limiter.clone())
            .events(events.clone())
            .second_factors(master_key.seal()?)
            .policy(config.accounts);
        let identity = match mail {
            Some(mail) if existing => identity.mail(mail).sending_at_once(),
            Some(mail) => identity.mail(mail),
            None => identity,
        };
        let identity = Arc::new(identity);
        let oversight = Oversight::new(records.clone(), clock.clone(), entropy.clone(), events.clone())
            .policy(policy)
            .registry(registry);
        let admin = Admin::new(issuer.clone(), records.clone(), oversight, clock.clone(), entropy.clone())
            // In any case: it counts wrong keys alone.
            .limiter(counted.clone())
            .limits_uses(limiter)
            .events(events)
            .identity(identity.clone());
        let admin = match (admin_key, &new_admin_key) {
            (Some(digest), _) => admin.configured_key(digest),
            (None, Some(key)) => admin.unsettled_key(Digest::of(key.expose_secret().as_bytes())),
            (None, None) => admin,
        };
        Ok(Portcullis {
            server,
            identity,
            admin,
            ops: Ops::new(issuer, records.clone()).clock(clock.clone()),
            audit,
            accounts,
            census: Census::new(records.clone()),
            counted,
            metrics,
            metrics_from: config.metrics_from,
            store: records.clone(),
            clock,
            entropy,
            trusted_proxies: config.trusted_proxies,
            new_admin_key,
            first_run,
            data,
        })
    }
}

/// Letters go out as the configuration has it.
fn by_config(
    config: &Config,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> Result<Option<Arc<dyn Mail>>, SmtpUrlError> {
    Ok(match &config.mail {
        MailKind::Off => None,
        MailKind::Terminal => Some(Arc::new(Outbox::terminal())),
        MailKind::Folder => {
            let folder = config.data.join("outbox");
            Some(Arc::new(Outbox::folder(folder, clock.clone(), entropy.clone())))
        }
        MailKind::Smtp { url, from } => Some(Arc::new(Smtp::new(url, from.clone(), entropy.clone())?)),
    })
}

/// The text of a first admin key, if there is none in the store. It is not stored yet:
/// [`Portcullis::keep_new_admin_key`] does, when somebody has seen it.
async fn first_admin_key(
    store: &dyn Store,
    entropy: &dyn Entropy,
) -> Result<Option<SecretString>, StoreError> {
    if keys::has_first(store).await? {
        return Ok(None);
    }
    let text = TokenText::random(TokenKind::AdminKey, entropy.draw(), entropy.draw());
    Ok(Some(text.expose()))
}
