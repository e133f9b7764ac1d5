//! When a key or secret that somebody was given was used last: whoever replaces one waits until nobody uses the one before.

use std::collections::BTreeMap;

use ambient::Time;
use parking_lot::RwLock;
use store::{Claim, ClaimKind, Claimed, Digest, Store, StoreError};

/// How old what is written may be before it is written anew, in seconds. Uses cost nothing else.
const WITHIN: i64 = 3_600;
/// How long it is kept, in seconds: a year.
const KEPT: i64 = 366 * 86_400;
/// How many keys one process remembers. Only keys that were right get here, and a process that forgets asks the store.
const MOST: usize = 10_000;

/// The uses that this process knows to be written.
#[derive(Debug, Default)]
pub(crate) struct Uses(RwLock<BTreeMap<Digest, Time>>);

impl Uses {
    /// Notes a use of a key that was right. It is told to the log if it cannot be, and refuses nobody.
    pub(crate) async fn note(&self, store: &dyn Store, key: Digest, now: Time) {
        let fresh = |written: &Time| now.since(*written) < WITHIN;
        if self.0.read().get(&key).is_some_and(fresh) {
            return;
        }
        {
            let mut written = self.0.write();
            // Of those who come at once, one writes.
            if written.get(&key).is_some_and(fresh) {
                return;
            }
            if written.len() >= MOST {
                written.clear();
            }
            written.insert(key, now);
        }
        if let Err(error) = write(store, &key, now).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "when a key was used last cannot be written now");
        }
    }
}

async fn write(store: &dyn Store, key: &Digest, now: Time) -> Result<(), StoreError> {
    let (key, owner) = (key.to_string(), now.0.to_string());
    let until = Some(now.plus(KEPT));
    let claim =
        Claim { kind: ClaimKind::KeyUse, key: &key, owner: &owner, since: now, until, instead_of: None };
    if let Claimed::Held { owner: before, since } = store.claim(&claim).await?
        && now.since(since) >= WITHIN
    {
        // Who is faster has written the same hour.
        store.claim(&Claim { instead_of: Some(&before), ..claim }).await?;
    }
    Ok(())
}

/// When the key of a digest was used last, to the hour; nothing if it was not within a year.
pub(crate) async fn last_use(store: &dyn Store, key: &Digest) -> Result<Option<Time>, StoreError> {
    Ok(store.holder(ClaimKind::KeyUse, &key.to_string()).await?.map(|(_, since)| since))
}

#[cfg(test)]
mod tests {
    use store::Memory;

    use super::*;

    #[tokio::test]
    async fn a_use_is_written_once_an_hour_whichever_process_sees_it() {
        let (store, key) = (Memory::new(), Digest::of(b"key"));
        let (one, two) = (Uses::default(), Uses::default());
        assert_eq!(last_use(&store, &key).await.unwrap(), None);
        for (process, at, expected) in [
            (&one, 100, 100),
            (&two, 200, 100),
            (&one, 3_699, 100),
            (&one, 3_700, 3_700),
            (&two, 9_000, 9_000),
        ] {
            process.note(&store, key, Time(at)).await;
            assert_eq!(last_use(&store, &key).await.unwrap(), Some(Time(expected)), "{at}");
        }
        assert_eq!(last_use(&store, &Digest::of(b"another")).await.unwrap(), None);
    }
}
