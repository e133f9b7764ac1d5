//! How many grants live, counted by walking through them.
//!
//! No process knows it by itself: others issue and end grants of the same store. A walk that is too long for a minute goes on in the
//! next one, so that nobody waits long behind it.

use std::sync::Arc;

use ambient::Time;
use parking_lot::Mutex;
use store::{Backend, Filter, Found, Grant, Kind, Stage, StoreError};
use tokio::task::yield_now;

/// How many grants are read at once, and how many of these reads a minute has: a hundred thousand grants take ten minutes.
const READ_TOGETHER: u32 = 100;
const READS: usize = 100;

/// Counts the grants that live.
pub(crate) struct Census {
    store: Arc<dyn Backend>,
    walk: Mutex<Walk>,
    last: Mutex<Option<Living>>,
}

/// How many grants lived when all had been looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Living {
    /// Grants with tokens that have not expired; those of a client, user or server that is blocked now count, too.
    pub grants: u64,
    /// When the count ended. What changed meanwhile may be in it or not.
    pub counted: Time,
}

/// Where a walk is.
#[derive(Clone, Debug, Default)]
struct Walk {
    after: Option<String>,
    living: u64,
}

impl Census {
    pub(crate) fn new(store: Arc<dyn Backend>) -> Self {
        Self { store, walk: Mutex::default(), last: Mutex::default() }
    }

    /// What the last walk to the end came to.
    pub(crate) fn last(&self) -> Option<Living> {
        *self.last.lock()
    }

    /// Walks on, as far as one minute goes. Not for two at once.
    pub(crate) async fn go_on(&self, now: Time) -> Result<(), StoreError> {
        for _ in 0..READS {
            let mut walk = self.walk.lock().clone();
            let page =
                self.store.list(Kind::Grant, Filter::All, walk.after.as_deref(), READ_TOGETHER).await?;
            for row in &page.rows {
                walk.living += u64::from(lives(&Found::decode(row)?.record, now));
                walk.after = Some(row.key.id.clone());
            }
            if !page.more {
                *self.last.lock() = Some(Living { grants: walk.living, counted: now });
                *self.walk.lock() = Walk::default();
                return Ok(());
            }
            *self.walk.lock() = walk;
            yield_now().await;
        }
        Ok(())
    }
}

fn lives(grant: &Grant, now: Time) -> bool {
    matches!(grant.stage, Stage::Live(_)) && grant.last_expiry() > now
}

#[cfg(test)]
mod tests {
    use ambient::{Clock as _, ManualClock};
    use authz_core::Policy;
    use store::{Inspect as _, Memory};
    use testkit::bare::{Bare, Party};

    use super::*;

    #[tokio::test]
    async fn grants_with_tokens_are_counted_over_as_many_minutes_as_it_takes_and_no_others() {
        let store = Arc::new(Memory::new());
        let bare = Bare::new(store.clone(), |store| store, Policy::default(), true).await;
        let census = Census::new(store);
        let now = || bare.clock.now();
        assert_eq!(census.last(), None);
        census.go_on(now()).await.unwrap();
        assert_eq!(census.last(), Some(Living { grants: 0, counted: now() }));

        bare.live().await;
        for _ in 0..2 {
            let code = bare.authorize().await.code().unwrap();
            bare.redeem(Party::Own, &code).await.tokens().unwrap();
        }
        // This one is never redeemed.
        bare.authorize().await.code().unwrap();
        census.go_on(now()).await.unwrap();
        assert_eq!(census.last().unwrap().grants, 3);
        let clock: &ManualClock = &bare.clock;
        clock.advance(400 * 86_400);
        census.go_on(now()).await.unwrap();
        assert_eq!(census.last(), Some(Living { grants: 0, counted: now() }), "all have expired");
    }

    #[tokio::test]
    async fn a_walk_that_is_too_long_for_a_minute_goes_on_in_the_next_and_says_nothing_before_its_end() {
        let store = Arc::new(Memory::new());
        let bare = Bare::new(store.clone(), |store| store, Policy::default(), true).await;
        bare.live().await;
        let most = READ_TOGETHER * u32::try_from(READS).unwrap();
        let grant = store.list(Kind::Grant, Filter::All, None, 1).await.unwrap().rows.remove(0);
        let grant: Grant = Found::decode(&grant).unwrap().record;
        for n in 0..most {
            let mut id = [0; 16];
            id[12..].copy_from_slice(&n.to_be_bytes());
            let own = Grant { id: store::GrantId::new(id), ..grant.clone() };
            let store: &dyn store::Store = &*store;
            let made = store.commit(&store::Changes::create(store::Mark::new(id), &own)).await.unwrap();
            assert!(matches!(made, store::Commit::Done));
        }
        let census = Census::new(store);
        census.go_on(bare.clock.now()).await.unwrap();
        assert_eq!(census.last(), None);
        census.go_on(bare.clock.now()).await.unwrap();
        assert_eq!(census.last().unwrap().grants, u64::from(most) + 1);
    }
}
