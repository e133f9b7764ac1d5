//! What a server asks of a store that may be a copy.

use ambient::Time;
use thiserror::Error;

use crate::{Mark, Rewritten, Store, StoreError, Tenure, TenureState};

/// Why no server may use a store.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Records are still to come.
    #[error("this store is an unfinished copy of another one; finish it with `portcullis migrate`")]
    Unfinished,
    /// Another store is served in its stead.
    #[error(
        "this store was left for another one with `portcullis migrate --switch`: a server here would undo what happened there. \
         Start the servers with the new one, copy that one back here with `portcullis migrate`, or give up what happened there and take \
         this one back as it was, with `portcullis migrate --take-back`"
    )]
    Left,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether a server may use a store: it must ask before it reads or makes anything there.
///
/// # Errors
///
/// [`ServeError::Unfinished`] if a copy into it has not come to its end, [`ServeError::Left`] if one from it has.
pub async fn may_be_served(store: &dyn Store) -> Result<(), ServeError> {
    match store.find::<Tenure>(Tenure::ID).await?.map(|found| found.record.state) {
        Some(TenureState::Copying) => Err(ServeError::Unfinished),
        Some(TenureState::Left) => Err(ServeError::Left),
        None | Some(TenureState::Complete | TenureState::Served) => Ok(()),
    }
}

/// Notes that the server `issuer` uses the store from now on: no copy writes to it any more. It does so before it makes anything
/// there, so that of a server and a copy that begin at once one gives way.
///
/// # Errors
///
/// As [`may_be_served`].
pub async fn note_served(
    store: &dyn Store,
    issuer: &str,
    now: Time,
    draw: &mut (dyn FnMut() -> Mark + Send),
) -> Result<(), ServeError> {
    let serve = |found: Option<&Tenure>| {
        let served =
            |since| Some(Tenure { state: TenureState::Served, since, issuer: Some(issuer.to_owned()) });
        match found {
            None => Ok(served(now)),
            Some(tenure) => match tenure.state {
                TenureState::Copying => Err(ServeError::Unfinished),
                TenureState::Left => Err(ServeError::Left),
                TenureState::Served if tenure.issuer.as_deref() == Some(issuer) => Ok(None),
                TenureState::Served => Ok(served(tenure.since)),
                TenureState::Complete => Ok(served(now)),
            },
        }
    };
    store.rewrite(Tenure::ID, draw, serve).await.map(drop)
}

/// That a server uses a store, or has, and which began to last. `None` if none has yet: then a copy may still write there, and nobody
/// but a server may end that.
///
/// # Errors
///
/// As [`may_be_served`].
pub async fn served_by(store: &dyn Store) -> Result<Option<Tenure>, ServeError> {
    may_be_served(store).await?;
    let found = store.find::<Tenure>(Tenure::ID).await?.map(|found| found.record);
    Ok(found.filter(|tenure| tenure.state == TenureState::Served))
}

/// Makes a store that was left the one to serve again, as it was then. What happened in the other one since is not in it.
/// Answers whether it had been left.
///
/// # Errors
///
/// If the store cannot be read or written.
pub async fn take_back(
    store: &dyn Store,
    now: Time,
    draw: &mut (dyn FnMut() -> Mark + Send),
) -> Result<bool, StoreError> {
    let serve = |found: Option<&Tenure>| {
        let left = found.filter(|tenure| tenure.state == TenureState::Left);
        Ok::<_, StoreError>(left.map(|tenure| Tenure {
            state: TenureState::Served,
            since: now,
            ..tenure.clone()
        }))
    };
    Ok(matches!(store.rewrite(Tenure::ID, draw, serve).await?, Rewritten::Done { .. }))
}
