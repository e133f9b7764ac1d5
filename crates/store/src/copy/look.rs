//! What there is in a store.

use ambient::Time;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{AT_ONCE, PAGE, PAGE_OF_KEYS};
use crate::{ClaimKind, Filter, Found, Key, KeyList, Kind, Movable, Row, StoreError, Tenure, Unlisted};

/// What is copied, in order: the keys first, because they say of which instance the rest is.
pub(super) fn order() -> impl Iterator<Item = Kind> {
    let others = Kind::ALL.into_iter().filter(|kind| !matches!(kind, Kind::Keys | Kind::Tenure));
    std::iter::once(Kind::Keys).chain(others)
}

pub(super) fn lasts(until: Option<Time>, now: Time) -> bool {
    until.is_none_or(|until| until >= now)
}

pub(super) async fn tenure(store: &dyn Movable) -> Result<Option<Found<Tenure>>, StoreError> {
    store.read(&Key::new(Kind::Tenure, Tenure::ID)).await?.as_ref().map(Found::decode).transpose()
}

pub(super) async fn key_lists(store: &dyn Movable) -> Result<Vec<KeyList>, StoreError> {
    let mut rows = store.list(Kind::Keys, Filter::All, None, PAGE).await?.rows;
    if rows.is_empty() {
        rows = read_all(store, &of_kind(&store.unlisted().await?, Kind::Keys)).await?;
    }
    rows.iter().map(|row| Ok(Found::<KeyList>::decode(row)?.record)).collect()
}

/// Sealed keys carry a random nonce: two instances never share one, and one instance that exchanged some keeps others.
pub(super) fn share_a_key(one: &[KeyList], other: &[KeyList]) -> bool {
    let sealed = |lists: &[KeyList]| -> Vec<Vec<u8>> {
        lists.iter().flat_map(|list| list.keys.iter().map(|key| key.sealed.clone())).collect()
    };
    let other = sealed(other);
    sealed(one).iter().any(|key| other.contains(key))
}

pub(super) async fn is_empty(store: &dyn Movable) -> Result<bool, StoreError> {
    for kind in Kind::ALL {
        if !store.list(kind, Filter::All, None, 1).await?.rows.is_empty() {
            return Ok(false);
        }
    }
    for kind in ClaimKind::ALL {
        if !store.claims(kind, None, 1).await?.claims.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Those of these records that are there.
pub(super) async fn read_all(store: &dyn Movable, keys: &[Key]) -> Result<Vec<Row>, StoreError> {
    let reads =
        stream::iter(keys.to_vec()).map(|key| async move { store.read(&key).await }).buffered(AT_ONCE);
    Ok(reads.try_collect::<Vec<_>>().await?.into_iter().flatten().collect())
}

/// How many there are that are not over, kind by kind and then the claims.
pub(super) async fn count(store: &dyn Movable, now: Time) -> Result<Vec<(&'static str, u64)>, StoreError> {
    let unlisted = store.unlisted().await?;
    let mut counts = Vec::new();
    for kind in order() {
        let (mut seen, mut after) = (0, None::<String>);
        loop {
            let page = store.list(kind, Filter::All, after.as_deref(), PAGE).await?;
            seen += number(page.rows.iter().filter(|row| lasts(row.sweep, now)));
            after = page.rows.last().map(|row| row.key.id.clone());
            if !page.more {
                break;
            }
        }
        for keys in of_kind(&unlisted, kind).chunks(PAGE_OF_KEYS) {
            seen += number(read_all(store, keys).await?.iter().filter(|row| lasts(row.sweep, now)));
        }
        counts.push((kind.as_str(), seen));
    }
    let mut seen = number(unlisted.claims.iter().filter(|(_, held)| lasts(held.until, now)));
    for kind in ClaimKind::ALL {
        let mut after = None::<String>;
        loop {
            let page = store.claims(kind, after.as_deref(), PAGE).await?;
            seen += number(page.claims.iter().filter(|held| lasts(held.until, now)));
            after = page.claims.last().map(|held| held.key.clone());
            if !page.more {
                break;
            }
        }
    }
    counts.push(("claims", seen));
    Ok(counts)
}

pub(super) fn of_kind(unlisted: &Unlisted, kind: Kind) -> Vec<Key> {
    unlisted.records.iter().filter(|key| key.kind == kind).cloned().collect()
}

pub(super) fn number(of: impl Iterator) -> u64 {
    of.fold(0, |seen, _| seen + 1)
}
