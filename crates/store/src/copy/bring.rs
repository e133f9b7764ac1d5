//! One record or claim, into the target.

use ambient::Time;

use super::{CopyError, hold::Hold};
use crate::{
    Changes, Claim, ClaimKind, Claimed, Commit, Guard, HeldClaim, Mark, Marks, Movable, Row, StoreError,
};

/// How often a write is tried that others get in the way of.
pub(super) const TRIES: u32 = 8;

/// What became of a record in the target.
pub(super) enum Became {
    Same,
    Written,
    KeptEnded,
}

/// Brings a row of the source. One that is over is brought only in place of an older one, which may not be over.
pub(super) async fn bring(hold: Hold<'_>, row: &Row, lasts: bool) -> Result<Became, CopyError> {
    for _ in 0..TRIES {
        let guard = match hold.to.read(&row.key).await.map_err(CopyError::To)? {
            None if !lasts => return Ok(Became::Same),
            None => Guard::Absent,
            // The same commit, or one that came after it.
            Some(there) if there.marks.contains(row.marks.newest()) => return Ok(Became::Same),
            // I4: what has ended is not brought back, by an older backup of the source either.
            Some(there) if there.ended && !row.ended => return Ok(Became::KeptEnded),
            Some(there) => Guard::This(there.marks.newest()),
        };
        hold.check().await?;
        match hold.to.commit(&Changes::copying(row, guard)).await.map_err(CopyError::To)? {
            Commit::Done => return Ok(Became::Written),
            Commit::Stale => {}
        }
    }
    Err(CopyError::To(StoreError::Contended))
}

/// Lets a row of the target be over, if the source has none of its name.
pub(super) async fn expire(
    from: &dyn Movable,
    hold: Hold<'_>,
    row: &Row,
    mark: Mark,
) -> Result<Became, CopyError> {
    if from.read(&row.key).await.map_err(CopyError::From)?.is_some() {
        return Ok(Became::Same);
    }
    hold.check().await?;
    let over = Row { marks: Marks::first(mark), sweep: Some(Time(0)), ..row.clone() };
    let guard = Guard::This(row.marks.newest());
    match hold.to.commit(&Changes::copying(&over, guard)).await.map_err(CopyError::To)? {
        // If somebody was quicker, the next look finds it.
        Commit::Done | Commit::Stale => Ok(Became::Written),
    }
}

pub(super) async fn claim(hold: Hold<'_>, kind: ClaimKind, held: &HeldClaim) -> Result<Became, CopyError> {
    let mut instead_of: Option<String> = None;
    if let Some((owner, _)) = hold.to.holder(kind, &held.key).await.map_err(CopyError::To)? {
        if owner == held.owner {
            return Ok(Became::Same);
        }
        instead_of = Some(owner);
    }
    for _ in 0..TRIES {
        hold.check().await?;
        let claim = Claim {
            kind,
            key: &held.key,
            owner: &held.owner,
            since: held.since,
            until: held.until,
            instead_of: instead_of.as_deref(),
        };
        match hold.to.claim(&claim).await.map_err(CopyError::To)? {
            Claimed::Mine => return Ok(Became::Written),
            Claimed::Held { owner, .. } => instead_of = Some(owner),
        }
    }
    Err(CopyError::To(StoreError::Contended))
}
