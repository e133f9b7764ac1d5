//! The token keys of an instance: sealed in the store, shared by all its processes.

use std::sync::Arc;

use ambient::{Clock, Entropy, Time};
use parking_lot::{Mutex, RwLock};
use seal::Seal;
use store::{Changes, Commit, Found, KeyList, KeyState, Mark, SealedKey, Store, StoreError};
use thiserror::Error;

use crate::{Keyring, Unavailable};

const PURPOSE: &str = "token";
/// How long a process does without the list after it has read it, in seconds: a stranger who makes up key numbers must not
/// make it read the list for each.
const PATIENCE: i64 = 1;

/// The token keys, read from the store and opened with the master key.
pub struct Keys {
    store: Arc<dyn Store>,
    seal: Seal,
    clock: Arc<dyn Clock>,
    ring: RwLock<Arc<Keyring>>,
    last_read: Mutex<Time>,
}

/// Why the keys cannot be used: do not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The keys in the store were sealed with another master key.
    #[error("the master key does not open the keys in the store: it belongs to another store")]
    MasterKeyWrong,
    /// The list has no active key.
    #[error("the list of token keys has no active key")]
    NoActiveKey,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Keys {
    /// Reads the keys, and makes the first one in a new store.
    ///
    /// # Errors
    ///
    /// See [`KeysError`]. A process that cannot open the keys must not start: it would make tokens that the others refuse.
    pub async fn open(
        store: Arc<dyn Store>,
        seal: Seal,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, KeysError> {
        let now = clock.now();
        let list = match store.find::<KeyList>(PURPOSE).await? {
            Some(Found { record, .. }) => record,
            None => first(&*store, &seal, &*entropy, now).await?,
        };
        let ring = RwLock::new(Arc::new(unseal(&list, &seal)?));
        Ok(Self { store, seal, clock, ring, last_read: Mutex::new(now) })
    }

    /// The keys that this process knows.
    pub(crate) fn current(&self) -> Arc<Keyring> {
        self.ring.read().clone()
    }

    /// The keys, read again if `number` is not among those that this process knows.
    pub(crate) async fn knowing(&self, number: u16) -> Result<Arc<Keyring>, Unavailable> {
        let ring = self.current();
        if ring.knows(number) { Ok(ring) } else { self.read_again().await }
    }

    /// The keys, read again unless that was done just now.
    ///
    /// # Errors
    ///
    /// A list that cannot be read says nothing about a token: the caller answers 503, not `invalid_grant`.
    pub(crate) async fn read_again(&self) -> Result<Arc<Keyring>, Unavailable> {
        let now = self.clock.now();
        if (0..PATIENCE).contains(&now.since(*self.last_read.lock())) {
            return Ok(self.current());
        }
        let found = self.store.find::<KeyList>(PURPOSE).await?.ok_or(Unavailable::KeyUnknown)?;
        let ring = unseal(&found.record, &self.seal).map_err(|error| {
            tracing::error!(%error, "the list of token keys cannot be opened");
            Unavailable::KeyUnknown
        })?;
        *self.ring.write() = Arc::new(ring);
        *self.last_read.lock() = now;
        Ok(self.current())
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("ring", &self.current()).finish_non_exhaustive()
    }
}

/// Makes the first key. Of processes that start together on a new store one writes it, and the others read that one.
async fn first(
    store: &dyn Store,
    seal: &Seal,
    entropy: &dyn Entropy,
    now: Time,
) -> Result<KeyList, KeysError> {
    let key = zeroize::Zeroizing::new(entropy.draw::<32>());
    let sealed =
        seal.seal(key.as_slice(), &associated(1), entropy.draw()).map_err(|_| KeysError::MasterKeyWrong)?;
    let made = SealedKey { number: 1, state: KeyState::Active, made: now, sealed };
    let list = KeyList { purpose: PURPOSE.to_owned(), keys: vec![made] };
    match store.commit(&Changes::create(Mark::new(entropy.draw()), &list)).await? {
        Commit::Done => Ok(list),
        Commit::Stale => {
            let found = store.find::<KeyList>(PURPOSE).await?;
            found.map(|found| found.record).ok_or(KeysError::NoActiveKey)
        }
    }
}

fn unseal(list: &KeyList, seal: &Seal) -> Result<Keyring, KeysError> {
    let mut keys = Vec::with_capacity(list.keys.len());
    for key in &list.keys {
        let opened =
            seal.open(&key.sealed, &associated(key.number)).map_err(|_| KeysError::MasterKeyWrong)?;
        let bytes: [u8; 32] = opened.as_slice().try_into().map_err(|_| KeysError::MasterKeyWrong)?;
        keys.push((key.number, bytes));
    }
    let active = list.keys.iter().find(|key| key.state == KeyState::Active).ok_or(KeysError::NoActiveKey)?;
    Keyring::new(active.number, keys).ok_or(KeysError::NoActiveKey)
}

/// What the seal binds a key to: moved to another number it does not open.
fn associated(number: u16) -> Vec<u8> {
    format!("portcullis/keys/{PURPOSE}/{number}").into_bytes()
}

#[cfg(test)]
mod tests {
    use ambient::{ManualClock, SeededEntropy};
    use store::Memory;

    use super::*;

    async fn open(store: &Arc<Memory>, master: u8) -> Result<Keys, KeysError> {
        let seal = Seal::new(1, [(1, [master; 32])]).unwrap();
        let clock = Arc::new(ManualClock::at(Time(0)));
        Keys::open(store.clone(), seal, clock, Arc::new(SeededEntropy::new(u64::from(master)))).await
    }

    #[tokio::test]
    async fn processes_with_one_master_key_share_the_token_keys() {
        let store = Arc::new(Memory::new());
        let (one, two) = (open(&store, 1).await.unwrap(), open(&store, 1).await.unwrap());
        let (id, seed) = (store::GrantId::new([1; 16]), zeroize::Zeroizing::new([2; 16]));
        let token = one.current().refresh(1, id, 1, &seed).unwrap();
        assert!(two.current().genuine(&token).unwrap().is_some());
    }

    #[tokio::test]
    async fn another_master_key_refuses_to_start() {
        let store = Arc::new(Memory::new());
        open(&store, 1).await.unwrap();
        assert!(matches!(open(&store, 2).await, Err(KeysError::MasterKeyWrong)));
    }
}
