//! What a server stands on: its store, whose keys it can open, and its issuer.

use std::sync::Arc;

use ambient::{Clock, Entropy};
use authz_core::{Keys, KeysError};
use oauth_types::Issuer;
use store::copy;
use store::{Backend, Counters, Filter, Kind, Mark, Memory, Redis, Sqlite, StoreError};

use super::error::OpenError;
use crate::admin::keys;
use crate::config::{Config, MasterKey, StoreKind};
use crate::data::DataFolder;
use crate::ops::metrics::Metrics;
use crate::ops::timed::Timed;

/// What it takes to open it.
pub(super) struct Ground<'a> {
    pub(super) config: &'a Config,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) entropy: &'a Arc<dyn Entropy>,
    pub(super) metrics: &'a Arc<Metrics>,
}

/// It is open.
pub(super) struct Opened {
    pub(super) records: Arc<dyn Backend>,
    pub(super) master_key: MasterKey,
    pub(super) keys: Keys,
    pub(super) issuer: Issuer,
    /// Whether no server has used the store before.
    pub(super) first_run: bool,
    /// Where limits are counted together, if the store does that.
    pub(super) counters: Option<Arc<dyn Counters>>,
    pub(super) data: Option<DataFolder>,
}

/// A store, the operations of which are counted and timed.
pub(super) fn timed<S: Backend + 'static>(store: Arc<S>, metrics: &Arc<Metrics>) -> Arc<dyn Backend> {
    Arc::new(Timed::new(store, metrics.clone()))
}

/// A store that nothing was read of yet.
struct Reached {
    records: Arc<dyn Backend>,
    master_key: MasterKey,
    counters: Option<Arc<dyn Counters>>,
    data: Option<DataFolder>,
}

impl Ground<'_> {
    /// For a server, which may be the first of the store.
    pub(super) async fn served(&self, own: Option<Arc<dyn Backend>>) -> Result<Opened, OpenError> {
        let issuer = self.config.issuer_at(self.config.listen).ok_or(OpenError::NoIssuer)?;
        let reached = self.reached(own).await?;
        let records = &reached.records;
        copy::may_be_served(&**records).await?;
        self.look_at_admin_key(&**records).await?;
        let first_run = is_unused(&**records).await?;
        if first_run {
            // Before anything is made: of a server and a copy that find the store empty, one gives way.
            self.note_served(&**records, &issuer).await?;
        }
        let keys = self.keys(&reached).await?;
        // Whoever cannot open the keys does not serve: a copy may still be brought up to date then.
        if !first_run {
            self.note_served(&**records, &issuer).await?;
            keys::bring_together(&**records, &**self.entropy).await?;
        }
        Ok(reached.opened(keys, issuer, first_run))
    }

    /// For a program that is no server: in a store that none has used nothing is made, and no note says that one has.
    pub(super) async fn existing(&self, own: Option<Arc<dyn Backend>>) -> Result<Opened, OpenError> {
        let reached = self.reached(own).await?;
        let records = &reached.records;
        let tenure = copy::served_by(&**records).await?;
        let tenure = match is_unused(&**records).await? {
            false => tenure.ok_or(OpenError::NoServerYet)?,
            true => return Err(OpenError::NoServerYet),
        };
        let of_server = || Issuer::parse(tenure.issuer.as_deref()?).ok();
        let issuer = self.config.issuer.clone().or_else(of_server).ok_or(OpenError::IssuerUnknown)?;
        let keys = self.keys(&reached).await?;
        keys::bring_together(&**records, &**self.entropy).await?;
        Ok(reached.opened(keys, issuer, false))
    }

    async fn reached(&self, own: Option<Arc<dyn Backend>>) -> Result<Reached, OpenError> {
        let Self { config, clock, entropy, metrics } = self;
        let drawn = || config.master_key.clone().unwrap_or_else(|| MasterKey::new(entropy.draw()));
        let alone = |records, master_key| Reached { records, master_key, counters: None, data: None };
        Ok(match (own, &config.store) {
            (Some(records), _) => alone(records, drawn()),
            (None, StoreKind::Memory) => alone(timed(Arc::new(Memory::new()), metrics), drawn()),
            (None, StoreKind::Sqlite) => {
                let data = DataFolder::open(&config.data)?;
                // The key before the database: a database without a key is refused at the next start.
                let key = match &config.master_key {
                    Some(key) => key.clone(),
                    None => data.master_key(&***entropy)?,
                };
                let records = timed(Arc::new(Sqlite::open(&data.database())?), metrics);
                Reached { data: Some(data), ..alone(records, key) }
            }
            (None, StoreKind::Redis(url)) => {
                let key = config.master_key.clone().ok_or(OpenError::NoMasterKey)?;
                let redis = Redis::open(url, config.redis.clone(), Arc::clone(clock)).await?;
                let redis = Arc::new(redis);
                let counters: Arc<dyn Counters> = redis.clone();
                Reached { counters: Some(counters), ..alone(timed(redis, metrics), key) }
            }
        })
    }

    /// The configured admin key must not be one that was made for somebody: it would do more than it was made for, under another name.
    async fn look_at_admin_key(&self, records: &dyn Backend) -> Result<(), OpenError> {
        let Some(key) = self.config.admin_key else { return Ok(()) };
        match keys::name_of(records, key.digest()).await?.filter(|name| name != keys::FIRST) {
            Some(name) => Err(OpenError::KeyOfAnother(name)),
            None => Ok(()),
        }
    }

    async fn note_served(&self, records: &dyn Backend, issuer: &Issuer) -> Result<(), OpenError> {
        let mark = &mut || Mark::new(self.entropy.draw());
        Ok(copy::note_served(records, issuer.as_str(), self.clock.now(), mark).await?)
    }

    async fn keys(&self, reached: &Reached) -> Result<Keys, OpenError> {
        let (records, seal) = (reached.records.clone(), reached.master_key.seal()?);
        let keys = Keys::open(records, seal, Arc::clone(self.clock), Arc::clone(self.entropy)).await;
        keys.map_err(|error| match error {
            KeysError::MasterKeyWrong => OpenError::MasterKeyWrong,
            KeysError::Store(error) => OpenError::Store(error),
            other @ (KeysError::NoActiveKey | _) => OpenError::Keys(other),
        })
    }
}

impl Reached {
    fn opened(self, keys: Keys, issuer: Issuer, first_run: bool) -> Opened {
        let Self { records, master_key, counters, data } = self;
        Opened { records, master_key, keys, issuer, first_run, counters, data }
    }
}

/// Every server that opens a store makes its token keys first.
async fn is_unused(records: &dyn Backend) -> Result<bool, StoreError> {
    Ok(records.list(Kind::Keys, Filter::All, None, 1).await?.rows.is_empty())
}
