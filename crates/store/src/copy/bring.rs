//! One record or claim, into the target.

use crate::{Changes, Claim, ClaimKind, Claimed, Commit, Guard, HeldClaim, Movable, Row, StoreError};

/// How often a write is tried that others get in the way of.
pub(super) const TRIES: u32 = 8;

/// What became of a record in the target.
pub(super) enum Became {
    Same,
    Written,
    KeptEnded,
}

pub(super) async fn bring(to: &dyn Movable, row: &Row) -> Result<Became, StoreError> {
    for _ in 0..TRIES {
        let guard = match to.read(&row.key).await? {
            None => Guard::Absent,
            // The same commit, or one that came after it.
            Some(there) if there.marks.contains(row.marks.newest()) => return Ok(Became::Same),
            // I4: what has ended is not brought back, by an older backup of the source either.
            Some(there) if there.ended && !row.ended => return Ok(Became::KeptEnded),
            Some(there) => Guard::This(there.marks.newest()),
        };
        match to.commit(&Changes::copying(row, guard)).await? {
            Commit::Done => return Ok(Became::Written),
            Commit::Stale => {}
        }
    }
    Err(contended())
}

pub(super) async fn claim(to: &dyn Movable, kind: ClaimKind, held: &HeldClaim) -> Result<Became, StoreError> {
    let mut instead_of: Option<String> = None;
    if let Some((owner, _)) = to.holder(kind, &held.key).await? {
        if owner == held.owner {
            return Ok(Became::Same);
        }
        instead_of = Some(owner);
    }
    for _ in 0..TRIES {
        let claim = Claim {
            kind,
            key: &held.key,
            owner: &held.owner,
            since: held.since,
            until: held.until,
            instead_of: instead_of.as_deref(),
        };
        match to.claim(&claim).await? {
            Claimed::Mine => return Ok(Became::Written),
            Claimed::Held { owner, .. } => instead_of = Some(owner),
        }
    }
    Err(contended())
}

pub(super) fn contended() -> StoreError {
    StoreError::unavailable("somebody else writes to it at the same time")
}
