//! What a server asks of a store that may be a copy.

use ambient::Time;
use thiserror::Error;

use super::bring::{TRIES, contended};
use crate::{Arrival, ArrivalState, Changes, Commit, Mark, Store, StoreError};

/// Why no server may use a store.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Records are still to come.
    #[error("this store is an unfinished copy of another one; finish it with `portcullis migrate`")]
    Unfinished,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether a server may use a store: it must ask before it reads or makes anything there.
///
/// # Errors
///
/// [`ServeError::Unfinished`] if a copy into it has not come to its end.
pub async fn may_be_served(store: &dyn Store) -> Result<(), ServeError> {
    match store.find::<Arrival>(Arrival::ID).await?.map(|found| found.record.state) {
        Some(ArrivalState::Copying) => Err(ServeError::Unfinished),
        None | Some(ArrivalState::Complete | ArrivalState::Served) => Ok(()),
    }
}

/// Notes that a server uses the store from now on: no copy writes to it any more.
///
/// # Errors
///
/// As [`may_be_served`].
pub async fn is_served(
    store: &dyn Store,
    now: Time,
    draw: &mut (dyn FnMut() -> Mark + Send),
) -> Result<(), ServeError> {
    for _ in 0..TRIES {
        let Some(found) = store.find::<Arrival>(Arrival::ID).await? else { return Ok(()) };
        match found.record.state {
            ArrivalState::Served => return Ok(()),
            ArrivalState::Copying => return Err(ServeError::Unfinished),
            ArrivalState::Complete => {}
        }
        let served = Arrival { state: ArrivalState::Served, since: now };
        match store.commit(&Changes::replace(draw(), &found, &served)).await? {
            Commit::Done => return Ok(()),
            Commit::Stale => {}
        }
    }
    Err(contended().into())
}
