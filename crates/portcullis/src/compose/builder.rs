//! From a [`Config`] to a [`Portcullis`], with parts of one's own where wanted.

use std::sync::Arc;

use ambient::{Clock, Entropy, SystemClock, SystemEntropy};
use authz_core::{
    AuthorizationServer, Counted, Events, Keys, KeysError, Limiter, OutOfBounds, Oversight, Registry,
    TokenKind, TokenText, Unlimited,
};
use identity::{
    AccountPolicy, Accounts, Cost, Identity, Mail, Outbox, Pages, PolicyError, Sessions, Smtp, SmtpUrlError,
};
use seal::SealError;
use secrecy::{ExposeSecret as _, SecretString};
use store::copy::{self, ServeError};
use store::{
    AccountStore, Backend, Counters, Digest, Filter, Kind, Mark, Memory, Redis, Sqlite, Store, StoreError,
};
use thiserror::Error;

use super::{Ears, Portcullis};
use crate::admin::Admin;
use crate::admin::keys;
use crate::audit::Audit;
use crate::config::{Config, MailKind, MasterKey, StoreKind};
use crate::data::{DataError, DataFolder};
use crate::ops::Ops;
use crate::ops::census::Census;
use crate::ops::metrics::Metrics;
use crate::ops::timed::Timed;

/// Builds a [`Portcullis`]. What is not given is what [`Config`] says, or the system's.
pub struct Builder {
    config: Config,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    mail: Option<Arc<dyn Mail>>,
    metrics: Arc<Metrics>,
    own: Option<Stores>,
    counters: Option<Arc<dyn Counters>>,
}

/// One store under the names of its parts.
#[derive(Clone)]
struct Stores {
    records: Arc<dyn Backend>,
    accounts: Arc<dyn AccountStore>,
}

impl Stores {
    fn of<S: Backend + 'static>(store: Arc<S>, metrics: &Arc<Metrics>) -> Self {
        let store = Arc::new(Timed::new(store, metrics.clone()));
        Self { records: store.clone(), accounts: store }
    }
}

/// Why it cannot be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The data folder.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The store.
    #[error("the store cannot be opened: {0}")]
    Store(#[from] StoreError),
    /// Records are in Redis, and there is no master key.
    #[error(
        "with records in Redis all processes share one master key, and none is set: set PORTCULLIS_MASTER_KEY, or \
         PORTCULLIS_MASTER_KEY_FILE to the name of a file that holds it. To make one: openssl rand -base64 32 | tr '+/' '-_'"
    )]
    NoMasterKey,
    /// The store is a copy that is not whole.
    #[error(transparent)]
    Copy(#[from] ServeError),
    /// The master key is another one than the store was sealed with.
    #[error(
        "the master key is not the one that this store was made with; PORTCULLIS_MASTER_KEY or master.key must hold that one"
    )]
    MasterKeyWrong,
    /// The token keys cannot be used for another reason.
    #[error("the token keys cannot be read: {0}")]
    Keys(#[source] KeysError),
    /// The master key cannot seal.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A lifetime that [`Config::load`] would not have let through.
    #[error(transparent)]
    Policy(#[from] OutOfBounds),
    /// A policy for accounts that [`Config::load`] would not have let through.
    #[error(transparent)]
    Accounts(#[from] PolicyError),
    /// The mail server.
    #[error("no letters can be sent: {0}")]
    Mail(#[from] SmtpUrlError),
    /// The address to listen on makes no issuer.
    #[error("no issuer is set, and the address to listen on makes none")]
    NoIssuer,
}

impl OpenError {
    /// What the store says, if waiting may help.
    #[must_use]
    pub fn that_may_pass(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) | Self::Copy(ServeError::Store(error)) => {
                Some(error).filter(|error| error.may_pass())
            }
            Self::Copy(_)
            | Self::Data(_)
            | Self::NoMasterKey
            | Self::MasterKeyWrong
            | Self::Keys(_)
            | Self::Seal(_)
            | Self::Policy(_)
            | Self::Accounts(_)
            | Self::Mail(_)
            | Self::NoIssuer => None,
        }
    }
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
        self.own = Some(Stores::of(store, &self.metrics));
        self
    }

    /// Counts what is limited with `counters`; processes that share them share the limits. Without it they are Redis's, where
    /// records are kept in Redis, else of this process.
    #[must_use]
    pub fn counters(mut self, counters: Arc<dyn Counters>) -> Self {
        self.counters = Some(counters);
        self
    }

    /// Opens it.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what keeps it from starting.
    pub async fn open(self) -> Result<Portcullis, OpenError> {
        let Self { config, clock, entropy, mail, metrics, own, mut counters } = self;
        let issuer = config.issuer_at(config.listen).ok_or(OpenError::NoIssuer)?;
        config.policy.check()?;
        let mail = match mail {
            Some(mail) => Some(mail),
            None => by_config(&config, &clock, &entropy)?,
        };
        config.accounts.check(mail.is_some())?;

        let drawn = || MasterKey::new(entropy.draw());
        let (stores, master_key, data) = match (own, &config.store) {
            (Some(stores), _) => (stores, config.master_key.clone().unwrap_or_else(drawn), None),
            (None, StoreKind::Memory) => (
                Stores::of(Arc::new(Memory::new()), &metrics),
                config.master_key.clone().unwrap_or_else(drawn),
                None,
            ),
            (None, StoreKind::Sqlite) => {
                let data = DataFolder::open(&config.data)?;
                // The key before the database: a database without a key is refused at the next start.
                let key = match &config.master_key {
                    Some(key) => key.clone(),
                    None => data.master_key(&*entropy)?,
                };
                (Stores::of(Arc::new(Sqlite::open(&data.database())?), &metrics), key, Some(data))
            }
            (None, StoreKind::Redis(url)) => {
                let key = config.master_key.clone().ok_or(OpenError::NoMasterKey)?;
                let redis = Arc::new(Redis::open(url, config.redis.clone(), clock.clone()).await?);
                counters.get_or_insert_with(|| redis.clone());
                (Stores::of(redis, &metrics), key, None)
            }
        };
        let records = &stores.records;
        copy::may_be_served(&**records).await?;
        // Every server that opens a store makes its token keys first.
        let first_run = records.list(Kind::Keys, Filter::All, None, 1).await?.rows.is_empty();
        if first_run {
            // Before anything is made: of a server and a copy that find the store empty, one gives way.
            copy::note_served(&**records, clock.now(), &mut || Mark::new(entropy.draw())).await?;
        }
        let seal = master_key.seal()?;
        let keys =
            Keys::open(records.clone(), seal, clock.clone(), entropy.clone()).await.map_err(|error| {
                match error {
                    KeysError::MasterKeyWrong => OpenError::MasterKeyWrong,
                    KeysError::Store(error) => OpenError::Store(error),
                    other @ (KeysError::NoActiveKey | _) => OpenError::Keys(other),
                }
            })?;
        // Whoever cannot open the keys does not serve: a copy may still be brought up to date then.
        if !first_run {
            copy::note_served(&**records, clock.now(), &mut || Mark::new(entropy.draw())).await?;
            keys::bring_together(&**records, &*entropy).await?;
        }
        let own_key = config.admin_key.is_some();
        let (admin_key, new_admin_key) = match config.admin_key {
            Some(key) => (Some(key.digest()), None),
            None => (None, first_admin_key(&**records, &*entropy).await?),
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
        let accounts = Arc::new(Accounts::new(stores.accounts.clone(), cost, clock.clone(), entropy.clone()));
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
