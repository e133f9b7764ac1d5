//! From a [`Config`] to a [`Portcullis`], with parts of one's own where wanted.

use std::sync::Arc;

use ambient::{Clock, Entropy, SystemClock, SystemEntropy};
use authz_core::{
    AuthorizationServer, Counted, Events, Keys, KeysError, Limiter, OutOfBounds, Oversight, Registry,
    TokenKind, TokenText, Traced, Unlimited,
};
use identity::{
    AccountPolicy, Accounts, Cost, Identity, Mail, Outbox, Pages, PolicyError, Sessions, Smtp, SmtpUrlError,
};
use seal::{Seal, SealError};
use secrecy::SecretString;
use store::{
    AccountStore, AdminKey, Backend, Changes, Commit, Filter, Kind, Mark, Memory, MemoryCounters, Sqlite,
    Store, StoreError,
};
use thiserror::Error;

use super::Portcullis;
use crate::admin::Admin;
use crate::admin::keys::FIRST;
use crate::config::{Config, MailKind, MasterKey, StoreKind};
use crate::data::{DataError, DataFolder};
use crate::ops::Ops;

/// Builds a [`Portcullis`]. What is not given is what [`Config`] says, or the system's.
pub struct Builder {
    config: Config,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    mail: Option<Arc<dyn Mail>>,
    own: Option<Stores>,
}

/// One store under the names of its parts.
#[derive(Clone)]
struct Stores {
    records: Arc<dyn Backend>,
    accounts: Arc<dyn AccountStore>,
}

impl Stores {
    fn of<S: Backend + 'static>(store: Arc<S>) -> Self {
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

/// The number of the only master key.
const MASTER_KEY: u16 = 1;

impl Builder {
    pub(super) fn new(config: Config) -> Self {
        Self { config, clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy), mail: None, own: None }
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
        self.own = Some(Stores::of(store));
        self
    }

    /// Opens it.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what keeps it from starting.
    pub async fn open(self) -> Result<Portcullis, OpenError> {
        let Self { config, clock, entropy, mail, own } = self;
        let issuer = config.issuer_at(config.listen).ok_or(OpenError::NoIssuer)?;
        config.policy.check()?;
        let mail = match mail {
            Some(mail) => Some(mail),
            None => by_config(&config, &clock, &entropy)?,
        };
        config.accounts.check(mail.is_some())?;

        let drawn = || MasterKey::new(entropy.draw());
        let (stores, master_key, data) = match (own, config.store) {
            (Some(stores), _) => (stores, config.master_key.clone().unwrap_or_else(drawn), None),
            (None, StoreKind::Memory) => {
                (Stores::of(Arc::new(Memory::new())), config.master_key.clone().unwrap_or_else(drawn), None)
            }
            (None, StoreKind::Sqlite) => {
                let data = DataFolder::open(&config.data)?;
                // The key before the database: a database without a key is refused at the next start.
                let key = match &config.master_key {
                    Some(key) => key.clone(),
                    None => data.master_key(&*entropy)?,
                };
                (Stores::of(Arc::new(Sqlite::open(&data.database())?)), key, Some(data))
            }
        };
        let records = &stores.records;
        // Every server that opens a store makes its token keys first.
        let first_run = records.list(Kind::Keys, Filter::All, None, 1).await?.rows.is_empty();
        let seal = Seal::new(MASTER_KEY, [(MASTER_KEY, *master_key.bytes())])?;
        let keys =
            Keys::open(records.clone(), seal, clock.clone(), entropy.clone()).await.map_err(|error| {
                match error {
                    KeysError::MasterKeyWrong => OpenError::MasterKeyWrong,
                    KeysError::Store(error) => OpenError::Store(error),
                    other @ (KeysError::NoActiveKey | _) => OpenError::Keys(other),
                }
            })?;
        let (admin_key, new_admin_key) = match config.admin_key {
            Some(key) => (Some(key.digest()), None),
            None => (None, first_admin_key(&**records, &*clock, &*entropy).await?),
        };

        let limiter: Arc<dyn Limiter> = match config.limits {
            true => Arc::new(Counted::new(Arc::new(MemoryCounters::default()), clock.clone())),
            false => Arc::new(Unlimited),
        };
        let policy = config.policy;
        let registry = Registry::new(records.clone(), clock.clone(), entropy.clone());
        let AccountPolicy { cost, session_idle, session_total, .. } = config.accounts.clone();
        let sessions = Sessions::new(records.clone(), clock.clone(), entropy.clone());
        let sessions = Arc::new(sessions.lasting(session_total).idle(session_idle));
        let accounts = Arc::new(Accounts::new(stores.accounts.clone(), cost, clock.clone(), entropy.clone()));
        let pages = Pages::new(issuer.clone(), sessions);
        let pages = Arc::new(match config.accounts.withholds_consent() {
            true => pages.requiring_verified_email(accounts.clone()),
            false => pages,
        });
        let server = AuthorizationServer::builder(issuer.clone(), records.clone(), keys, pages.clone())
            .policy(policy.clone())
            .clock(clock.clone())
            .entropy(entropy.clone())
            .limiter(limiter.clone())
            .people(accounts.clone())
            .resources(Arc::new(registry.clone()))
            .build()?;
        let server = Arc::new(server);
        let identity =
            Identity::new(pages, accounts, server.clone()).limiter(limiter.clone()).policy(config.accounts);
        let identity = match mail {
            Some(mail) => identity.mail(mail),
            None => identity,
        };
        let identity = Arc::new(identity);
        let events: Arc<dyn Events> = Arc::new(Traced);
        let oversight = Oversight::new(records.clone(), clock.clone(), entropy.clone(), events.clone())
            .policy(policy)
            .registry(registry);
        let admin = Admin::new(issuer.clone(), records.clone(), oversight, clock.clone(), entropy.clone())
            .limiter(limiter)
            .events(events)
            .identity(identity.clone());
        let admin = match admin_key {
            Some(digest) => admin.configured_key(digest),
            None => admin,
        };
        Ok(Portcullis {
            server,
            identity,
            admin,
            ops: Ops::new(issuer, records.clone()),
            store: records.clone(),
            clock,
            entropy,
            trusted_proxies: config.trusted_proxies,
            new_admin_key,
            first_run,
            _data: data,
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

/// The text of the first admin key; made if there is none in the store. Of processes that start together one makes it.
async fn first_admin_key(
    store: &dyn Store,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<Option<SecretString>, StoreError> {
    if store.find::<AdminKey>(FIRST).await?.is_some() {
        return Ok(None);
    }
    let text = TokenText::random(TokenKind::AdminKey, entropy.draw(), entropy.draw());
    let record = AdminKey::new(FIRST, text.digest(), clock.now());
    match store.commit(&Changes::create(Mark::new(entropy.draw()), &record)).await? {
        Commit::Done => Ok(Some(text.expose())),
        Commit::Stale => Ok(None),
    }
}
