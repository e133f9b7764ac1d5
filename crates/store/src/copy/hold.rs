//! Which of several copies may write into the target.

use ambient::Time;

use super::{CopyError, look::tenure};
use crate::{Changes, Commit, Mark, Movable, Tenure, TenureState};

/// The right of one copy to write into the target: the mark under which it noted that it began.
///
/// Another copy that begins, and a server that starts, replace that mark. A write reads the row, then
/// [`check`](Self::check)s, then commits under the guard of what it read: so a row that anybody wrote since stays.
#[derive(Clone, Copy)]
pub(super) struct Hold<'a> {
    /// The target.
    pub(super) to: &'a dyn Movable,
    mark: Mark,
}

impl<'a> Hold<'a> {
    pub(super) fn new(to: &'a dyn Movable, mark: Mark) -> Self {
        Self { to, mark }
    }

    /// Fails unless this is still the copy that goes on.
    pub(super) async fn check(&self) -> Result<(), CopyError> {
        match tenure(self.to).await.map_err(CopyError::To)? {
            Some(found) if found.mark == self.mark => Ok(()),
            Some(found) if found.record.state == TenureState::Served => Err(CopyError::Served),
            _ => Err(CopyError::Overtaken),
        }
    }

    /// Notes that a server may use the target, and gives up the right.
    pub(super) async fn complete(self, mark: Mark, now: Time) -> Result<(), CopyError> {
        let found = tenure(self.to).await.map_err(CopyError::To)?;
        let Some(found) = found.filter(|found| found.mark == self.mark) else {
            return Err(CopyError::Overtaken);
        };
        let complete = Tenure { state: TenureState::Complete, since: now, issuer: None };
        match self.to.commit(&Changes::replace(mark, &found, &complete)).await.map_err(CopyError::To)? {
            Commit::Done => Ok(()),
            Commit::Stale => Err(CopyError::Overtaken),
        }
    }
}
