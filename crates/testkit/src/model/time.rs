//! What happens to a grant that nobody asks about: time, administrators, and a store that goes back.

use super::story::{End, Operation};
use super::{Model, Stage};

/// How long a record outlives what it is needed for, in seconds.
const KEPT: i64 = 600;

impl Model {
    /// The moment.
    #[must_use]
    pub const fn now(&self) -> i64 {
        self.now
    }

    /// The first moment at which this has ended, if it is there to end.
    #[must_use]
    pub fn end_of(&self, end: End) -> Option<i64> {
        match (end, &self.stage) {
            (End::Request, Stage::Requested { until } | Stage::Coded { until, .. }) => Some(*until),
            (End::Code, Stage::Coded { expires, .. }) => Some(*expires),
            (End::AccessToken, Stage::Live(live)) => {
                live.access.iter().map(|access| access.expires).filter(|expires| *expires > self.now).min()
            }
            (End::Leeway, Stage::Live(live)) => Some(live.rotated + self.leeway + 1),
            (End::Idle, Stage::Live(live)) => Some(live.idle_end),
            (End::Total, Stage::Live(live)) => Some(live.final_end),
            (
                End::Request | End::Code | End::AccessToken | End::Leeway | End::Idle | End::Total,
                Stage::Requested { .. }
                | Stage::Coded { .. }
                | Stage::Live(_)
                | Stage::Ended { .. }
                | Stage::Gone,
            ) => None,
        }
    }

    /// How long it is until so many seconds after an end; none if that is past, or there is no such end.
    #[must_use]
    pub fn seconds_until(&self, end: End, by: i64) -> i64 {
        self.end_of(end).map_or(0, |end| (end + by - self.now).max(0))
    }

    /// What changes without a request.
    pub(super) fn happen(&mut self, operation: &Operation) {
        match *operation {
            Operation::Wait { seconds } => self.now += seconds,
            Operation::WaitUntil { end, by } => self.now += self.seconds_until(end, by),
            Operation::BlockClient(blocked) if !self.client.deleted => self.client.blocked = blocked,
            Operation::DeleteClient => self.client.deleted = true,
            Operation::BlockPerson(blocked) => self.person.blocked = blocked,
            Operation::BlockServer(blocked) => self.server_blocked = blocked,
            Operation::EndAllOfClient => self.client.epoch += 1,
            Operation::EndAllOfPerson => self.person.epoch += 1,
            Operation::Withdraw => self.consented = false,
            Operation::ConsentAgain => self.consented = true,
            Operation::Keep => self.kept.push(self.stage.clone()),
            Operation::GoBack { to } => {
                if let Some(stage) = to.of(&self.kept) {
                    self.stage = stage.clone();
                }
            }
            Operation::Sweep => {
                if self.last_expiry().is_some_and(|last| last + KEPT < self.now) {
                    self.stage = Stage::Gone;
                }
            }
            Operation::BlockClient(_)
            | Operation::Restart
            | Operation::Approve { .. }
            | Operation::Deny { .. }
            | Operation::Continue { .. }
            | Operation::Redeem { .. }
            | Operation::Refresh { .. }
            | Operation::RevokeAccess { .. }
            | Operation::RevokeRefresh { .. }
            | Operation::Introspect { .. }
            | Operation::UserInfo { .. } => {}
        }
    }

    pub(super) fn last_expiry(&self) -> Option<i64> {
        match &self.stage {
            Stage::Requested { until } => Some(*until),
            Stage::Coded { expires, until, .. } => Some(*until.max(expires)),
            Stage::Live(live) => {
                let access = live.access.iter().map(|access| access.expires).max().unwrap_or(live.rotated);
                let refresh = if self.refreshable { live.idle_end.min(live.final_end) } else { access };
                Some(access.max(refresh))
            }
            Stage::Ended { last } => Some(*last),
            Stage::Gone => None,
        }
    }
}
