//! One write: what it changes, under which guard, and what becomes of it.

use ambient::Time;

use crate::{Ended, Found, Grant, Key, Links, Mark, Marks, Record, Row, Stage, Why};

/// What must hold of the stored record for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// No such record.
    Absent,
    /// The record as it was read: nobody wrote since.
    This(Mark),
    /// Whatever is there. Only the lasting reasons to end a grant write under it, so ending cannot lose a race.
    Any,
}

/// What became of a write. Both answers are durable: a crash after them changes neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a commit that is Stale did not happen"]
pub enum Commit {
    /// It happened, or (under [`Guard::Any`]) there was nothing to do.
    Done,
    /// It did not: somebody else wrote first. Read again and decide again.
    Stale,
}

/// One write to one record, all or nothing.
#[derive(Clone, Debug)]
pub struct Changes {
    key: Key,
    guard: Guard,
    mark: Mark,
    ended: bool,
    body: String,
    sweep: Option<Time>,
    links: Links,
}

impl Changes {
    /// Writes a record that is not there yet.
    #[must_use]
    pub fn create<R: Record>(mark: Mark, record: &R) -> Self {
        Self::of(mark, Guard::Absent, record)
    }

    /// Writes a record in place of the one that was read.
    #[must_use]
    pub fn replace<R: Record>(mark: Mark, found: &Found<R>, record: &R) -> Self {
        Self::of(mark, Guard::This(found.mark), record)
    }

    /// Ends a grant: for a [lasting](Why::Lasting) reason whatever the record is by now, else only as it was read.
    #[must_use]
    pub fn end(mark: Mark, found: &Found<Grant>, why: Why, now: Time) -> Self {
        let guard = match why {
            Why::Lasting(_) => Guard::Any,
            Why::Denied | Why::VerifierMismatch => Guard::This(found.mark),
        };
        let last = found.record.last_expiry();
        let ended = Stage::Ended(Ended { why, when: now, last });
        Self::of(mark, guard, &found.record.at(ended))
    }

    fn of<R: Record>(mark: Mark, guard: Guard, record: &R) -> Self {
        Self {
            key: Key::new(R::KIND, record.id()),
            guard,
            mark,
            ended: record.is_final(),
            body: record.encode(),
            sweep: record.sweep(),
            links: record.links(),
        }
    }

    /// Writes a row of another store as it is, under the mark that it has there: a copy that is made twice is made once.
    #[cfg(feature = "copy")]
    pub(crate) fn copying(row: &Row, guard: Guard) -> Self {
        Self {
            key: row.key.clone(),
            guard,
            mark: row.marks.newest(),
            ended: row.ended,
            body: row.body.clone(),
            sweep: row.sweep,
            links: row.links.clone(),
        }
    }

    #[cfg(feature = "suite")]
    pub(crate) fn plain(row: Row, guard: Guard) -> Self {
        let Row { key, marks, ended, body, sweep, links } = row;
        Self { key, guard, mark: marks.newest(), ended, body, sweep, links }
    }

    /// The record that is written.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// Under which guard.
    #[must_use]
    pub const fn guard(&self) -> Guard {
        self.guard
    }

    /// The version that it writes.
    #[must_use]
    pub const fn mark(&self) -> Mark {
        self.mark
    }

    #[cfg(feature = "redis")]
    pub(crate) const fn ended(&self) -> bool {
        self.ended
    }

    #[cfg(feature = "redis")]
    pub(crate) fn body(&self) -> &str {
        &self.body
    }

    /// But for what [`row`](Self::row) says of one that is stored.
    #[cfg(feature = "redis")]
    pub(crate) const fn sweep(&self) -> Option<Time> {
        self.sweep
    }

    #[cfg(feature = "redis")]
    pub(crate) const fn links(&self) -> &Links {
        &self.links
    }

    /// The row to write, once the [`verdict`] is [`Verdict::Write`], over `stored`.
    ///
    /// Under [`Guard::Any`] a rival may have issued tokens since this was decided: the later of both sweep times holds.
    #[must_use]
    pub fn row(&self, stored: Option<(&Marks, Option<Time>)>) -> Row {
        let sweep = match (self.guard, stored) {
            (Guard::Any, Some((_, stored))) => stored.zip(self.sweep).map(|(one, other)| one.max(other)),
            (Guard::Any | Guard::Absent | Guard::This(_), _) => self.sweep,
        };
        Row {
            key: self.key.clone(),
            marks: stored.map_or_else(|| Marks::first(self.mark), |(marks, _)| marks.then(self.mark)),
            ended: self.ended,
            body: self.body.clone(),
            sweep,
            links: self.links.clone(),
        }
    }
}

/// What a backend must do with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Write [`Changes::row`], then answer [`Commit::Done`].
    Write,
    /// Write nothing, answer [`Commit::Done`].
    Done,
    /// Write nothing, answer [`Commit::Stale`].
    Stale,
}

/// The verdict on a write, given the marks of the stored record and whether it has ended. The same for all backends.
///
/// A record that carries the mark of this very write was written by it before the reply got lost: done. More than four
/// rivals later a done write may be called stale, and every rule fails closed then; a false *done* never happens.
#[must_use]
pub fn verdict(stored: Option<(&Marks, bool)>, mark: Mark, guard: Guard) -> Verdict {
    match (stored, guard) {
        (Some((marks, _)), _) if marks.contains(mark) => Verdict::Done,
        (None, Guard::Absent) => Verdict::Write,
        (Some((marks, _)), Guard::This(read)) if marks.newest() == read => Verdict::Write,
        (Some((_, false)), Guard::Any) => Verdict::Write,
        (None | Some((_, true)), Guard::Any) => Verdict::Done,
        (Some(_), Guard::Absent | Guard::This(_)) | (None, Guard::This(_)) => Verdict::Stale,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_table() {
        use Guard::{Absent, Any, This};
        let (mine, theirs, old) = (Mark::new([1; 16]), Mark::new([2; 16]), Mark::new([3; 16]));
        let theirs_now = Marks::first(old).then(theirs);
        let mine_long_ago = Marks::first(mine).then(old).then(theirs);
        for (stored, guard, expected) in [
            (None, Absent, Verdict::Write),
            (None, This(theirs), Verdict::Stale),
            (None, Any, Verdict::Done),
            (Some((&theirs_now, false)), Absent, Verdict::Stale),
            (Some((&theirs_now, false)), This(theirs), Verdict::Write),
            (Some((&theirs_now, false)), This(old), Verdict::Stale),
            (Some((&theirs_now, false)), Any, Verdict::Write),
            (Some((&theirs_now, true)), Any, Verdict::Done),
            (Some((&mine_long_ago, false)), Absent, Verdict::Done),
            (Some((&mine_long_ago, false)), This(old), Verdict::Done),
            (Some((&mine_long_ago, true)), Any, Verdict::Done),
        ] {
            assert_eq!(verdict(stored, mine, guard), expected, "{stored:?} {guard:?}");
        }
    }
}
