//! From one store to another: every record and claim, as it is.
//!
//! A copy is made while servers use the source, and once more when they have stopped: the second brings what changed since.
//! The target takes it under the marks of the source, so a copy that is made twice is made once, and one that was
//! interrupted goes on. Nothing in the target goes back: a record that was written later, or has ended, stays. Of two copies
//! into one target the later goes on, and the earlier stops before it writes again.

mod bring;
mod hold;
mod look;
mod serve;

use ambient::Time;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use thiserror::Error;

use self::bring::{Became, TRIES, bring, claim, contended, expire};
use self::hold::Hold;
use self::look::{arrival, count, is_empty, key_lists, lasts, number, of_kind, order, read_all, share_a_key};
pub use self::serve::{ServeError, is_served, may_be_served, take_back};
use crate::{
    Arrival, ArrivalState, Changes, ClaimKind, Commit, Filter, KeyList, Kind, Mark, Movable, Row, StoreError,
    Unlisted,
};

/// How many records are read together.
const PAGE: u32 = 256;
const PAGE_OF_KEYS: usize = 256;
/// How many are written at once, so that a round trip or an `fsync` serves many.
const AT_ONCE: usize = 64;

/// What a copy needs to know, and whom it tells.
pub struct Copying<'a> {
    /// Where records and claims come from.
    pub from: &'a dyn Movable,
    /// Where they go.
    pub to: &'a dyn Movable,
    /// What is over by then is not copied.
    pub now: Time,
    /// Whether it is known that servers still write to the source. Then the copy is not complete, whatever it finds.
    pub source_in_use: bool,
    /// Whether no server shall start with the source any more once the copy is complete ([`ArrivalState::Left`]).
    pub leave: bool,
    /// Draws a mark.
    pub draw: &'a mut (dyn FnMut() -> Mark + Send),
    /// Told after each page how many records and claims were looked at, and of how many.
    pub told: &'a mut (dyn FnMut(Progress) + Send),
}

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Records and claims that were looked at.
    pub done: u64,
    /// Of how many, as counted at the beginning.
    pub of: u64,
}

/// What a copy did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// How many records and claims were written.
    pub written: u64,
    /// How many records were left as they are because they have ended in the target.
    pub kept_ended: u64,
    /// How many the source changed while it was copied; they were brought too.
    pub changed_meanwhile: u64,
    /// How many no list of the source named ([`Claims::unlisted`](crate::Claims::unlisted)); they were brought too.
    pub unlisted: u64,
    /// What there is of each kind, in the source and in the target.
    pub counts: Vec<Count>,
    /// Whether a server may use the target now.
    pub complete: bool,
}

/// How many there are of a kind that are not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The kind, in the word that backends store; `claims` for all claims.
    pub kind: &'static str,
    /// In the source.
    pub from: u64,
    /// In the target.
    pub to: u64,
}

/// Why nothing, or not everything, was copied.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The source could not be read. What was copied stays; the next copy goes on.
    #[error("the source cannot be read")]
    From(#[source] StoreError),
    /// The target could not be read or written. What was copied stays; the next copy goes on.
    #[error("the target cannot be read or written")]
    To(#[source] StoreError),
    /// No server has ever used the source.
    #[error("the source is empty: no server has used it yet, so there is nothing to copy")]
    Nothing,
    /// The source is a target itself, and not complete.
    #[error("the source is itself an unfinished copy of another store")]
    Unfinished,
    /// The target holds records that are not of the source.
    #[error("the target holds the records of another instance; use an empty one")]
    OfAnother,
    /// A server has used the target.
    #[error(
        "a server has used the target: what happened there would be undone. To copy anew, use an empty one"
    )]
    Served,
    /// Another copy into the target has begun since.
    #[error(
        "another `portcullis migrate` into this target has begun since; it goes on, this one has stopped"
    )]
    Overtaken,
}

impl<'a> Copying<'a> {
    /// Copies what is not there yet, or has changed.
    ///
    /// Between the two stores the source is right: its records replace those of the target, but for one that carries the
    /// source's mark among its last ones (it is as new or newer), and one that has ended. A claim that the source does not
    /// know goes.
    ///
    /// # Errors
    ///
    /// [`CopyError`]; only [`CopyError::From`] and [`CopyError::To`] come after something was written.
    pub async fn run(mut self) -> Result<Copied, CopyError> {
        let keys = self.keys().await?;
        let hold = self.begin(&keys).await?;
        let before = count(self.from, self.now).await.map_err(CopyError::From)?;
        let of = before.iter().map(|(_, count)| count).sum();
        let first = self.pass(hold, Some(of)).await?;
        // What a second look still finds was written meanwhile.
        let second = self.pass(hold, None).await?;
        let from = count(self.from, self.now).await.map_err(CopyError::From)?;
        let to = count(self.to, self.now).await.map_err(CopyError::To)?;
        let counts: Vec<Count> =
            from.iter().zip(&to).map(|(&(kind, from), &(_, to))| Count { kind, from, to }).collect();
        let complete =
            !self.source_in_use && second.written == 0 && counts.iter().all(|count| count.from == count.to);
        if complete {
            // Before the target may be served: at no time are there two stores to serve.
            if self.leave {
                hold.check().await?;
                self.leave().await?;
            }
            hold.complete((self.draw)(), self.now).await?;
        }
        Ok(Copied {
            written: first.written,
            kept_ended: second.kept_ended,
            changed_meanwhile: second.written,
            unlisted: first.unlisted,
            counts,
            complete,
        })
    }

    /// The token keys of the source: what tells one instance from another.
    async fn keys(&mut self) -> Result<Vec<KeyList>, CopyError> {
        if arrival(self.from)
            .await
            .map_err(CopyError::From)?
            .is_some_and(|found| found.record.state == ArrivalState::Copying)
        {
            return Err(CopyError::Unfinished);
        }
        let keys = key_lists(self.from).await.map_err(CopyError::From)?;
        if keys.is_empty() { Err(CopyError::Nothing) } else { Ok(keys) }
    }

    /// Makes sure of the target, and notes in it that it is being written.
    async fn begin(&mut self, keys: &[KeyList]) -> Result<Hold<'a>, CopyError> {
        for _ in 0..TRIES {
            let found = arrival(self.to).await.map_err(CopyError::To)?;
            match found.as_ref().map(|found| found.record.state) {
                None if !is_empty(self.to).await.map_err(CopyError::To)? => return Err(CopyError::OfAnother),
                None => {}
                Some(ArrivalState::Served) => return Err(CopyError::Served),
                Some(ArrivalState::Copying | ArrivalState::Complete | ArrivalState::Left) => {
                    let there = key_lists(self.to).await.map_err(CopyError::To)?;
                    // Keys are copied first: without any, nothing else is there.
                    if !there.is_empty() && !share_a_key(keys, &there) {
                        return Err(CopyError::OfAnother);
                    }
                }
            }
            let (mark, record) = ((self.draw)(), Arrival { state: ArrivalState::Copying, since: self.now });
            let changes = match &found {
                Some(found) => Changes::replace(mark, found, &record),
                None => Changes::create(mark, &record),
            };
            match self.to.commit(&changes).await.map_err(CopyError::To)? {
                Commit::Done => return Ok(Hold::new(self.to, mark)),
                Commit::Stale => {}
            }
        }
        Err(CopyError::To(contended()))
    }

    /// Notes in the source that it is no longer to be served.
    async fn leave(&mut self) -> Result<(), CopyError> {
        let record = Arrival { state: ArrivalState::Left, since: self.now };
        for _ in 0..TRIES {
            let changes = match arrival(self.from).await.map_err(CopyError::From)? {
                Some(found) if found.record.state == ArrivalState::Left => return Ok(()),
                Some(found) => Changes::replace((self.draw)(), &found, &record),
                None => Changes::create((self.draw)(), &record),
            };
            match self.from.commit(&changes).await.map_err(CopyError::From)? {
                Commit::Done => return Ok(()),
                Commit::Stale => {}
            }
        }
        Err(CopyError::From(contended()))
    }

    /// Looks at everything in the source once, and writes what the target has not.
    async fn pass(&mut self, hold: Hold<'a>, of: Option<u64>) -> Result<Pass, CopyError> {
        let mut pass = Pass::default();
        let unlisted = self.from.unlisted().await.map_err(CopyError::From)?;
        pass.unlisted = number(unlisted.records.iter()) + number(unlisted.claims.iter());
        for kind in order() {
            let mut after: Option<String> = None;
            loop {
                let page = self
                    .from
                    .list(kind, Filter::All, after.as_deref(), PAGE)
                    .await
                    .map_err(CopyError::From)?;
                after = page.rows.last().map(|row| row.key.id.clone());
                self.bring(hold, page.rows, &mut pass, of).await?;
                if !page.more {
                    break;
                }
            }
            for keys in of_kind(&unlisted, kind).chunks(PAGE_OF_KEYS) {
                let rows = read_all(self.from, keys).await.map_err(CopyError::From)?;
                self.bring(hold, rows, &mut pass, of).await?;
            }
            self.expire(hold, kind, &mut pass).await?;
        }
        self.claims(hold, &mut pass, of, &unlisted).await?;
        hold.check().await?;
        // What is over goes now: a server may find it until then.
        while self.to.sweep(self.now, PAGE).await.map_err(CopyError::To)? >= PAGE {}
        Ok(pass)
    }

    async fn bring(
        &mut self,
        hold: Hold<'a>,
        rows: Vec<Row>,
        pass: &mut Pass,
        of: Option<u64>,
    ) -> Result<(), CopyError> {
        let now = self.now;
        let looked_at = rows.iter().filter(|row| lasts(row.sweep, now)).count();
        let became: Vec<Became> = stream::iter(rows)
            .map(|row| async move { bring(hold, &row, lasts(row.sweep, now)).await })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        became.into_iter().for_each(|became| pass.add(became));
        self.tell(pass, looked_at, of);
        Ok(())
    }

    /// A record that has gone from the source was over there: somebody logged out, or ended it, since it was copied.
    async fn expire(&mut self, hold: Hold<'a>, kind: Kind, pass: &mut Pass) -> Result<(), CopyError> {
        let mut after: Option<String> = None;
        loop {
            let page =
                self.to.list(kind, Filter::All, after.as_deref(), PAGE).await.map_err(CopyError::To)?;
            after = page.rows.last().map(|row| row.key.id.clone());
            let now = self.now;
            let rows: Vec<(Row, Mark)> = page
                .rows
                .into_iter()
                .filter(|row| lasts(row.sweep, now))
                .map(|row| (row, (self.draw)()))
                .collect();
            let from = self.from;
            let became: Vec<Became> = stream::iter(rows)
                .map(|(row, mark)| async move { expire(from, hold, &row, mark).await })
                .buffer_unordered(AT_ONCE)
                .try_collect()
                .await?;
            became.into_iter().for_each(|became| pass.add(became));
            if !page.more {
                return Ok(());
            }
        }
    }

    async fn claims(
        &mut self,
        hold: Hold<'a>,
        pass: &mut Pass,
        of: Option<u64>,
        unlisted: &Unlisted,
    ) -> Result<(), CopyError> {
        let now = self.now;
        for (kind, held) in unlisted.claims.iter().filter(|(_, held)| lasts(held.until, now)) {
            pass.add(claim(hold, *kind, held).await?);
            self.tell(pass, 1, of);
        }
        for kind in ClaimKind::ALL {
            let mut after: Option<String> = None;
            loop {
                let page = self.from.claims(kind, after.as_deref(), PAGE).await.map_err(CopyError::From)?;
                after = page.claims.last().map(|held| held.key.clone());
                let held: Vec<_> =
                    page.claims.into_iter().filter(|held| lasts(held.until, self.now)).collect();
                let looked_at = held.len();
                for held in held {
                    pass.add(claim(hold, kind, &held).await?);
                }
                self.tell(pass, looked_at, of);
                if !page.more {
                    break;
                }
            }
            self.release(hold, kind, pass).await?;
        }
        Ok(())
    }

    /// A claim that was given up in the source would keep its key from everybody for ever.
    async fn release(&mut self, hold: Hold<'a>, kind: ClaimKind, pass: &mut Pass) -> Result<(), CopyError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.to.claims(kind, after.as_deref(), PAGE).await.map_err(CopyError::To)?;
            for held in &page.claims {
                let holder = self.from.holder(kind, &held.key).await.map_err(CopyError::From)?;
                if holder.is_none() {
                    hold.check().await?;
                    self.to.release(kind, &held.key, &held.owner).await.map_err(CopyError::To)?;
                    pass.add(Became::Written);
                }
            }
            after = page.claims.last().map(|held| held.key.clone());
            if !page.more {
                return Ok(());
            }
        }
    }

    fn tell(&mut self, pass: &mut Pass, looked_at: usize, of: Option<u64>) {
        pass.looked_at += u64::try_from(looked_at).unwrap_or(u64::MAX);
        if let Some(of) = of {
            (self.told)(Progress { done: pass.looked_at, of });
        }
    }
}

impl std::fmt::Debug for Copying<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Copying").field("now", &self.now).finish_non_exhaustive()
    }
}

/// What one look at the source came to.
#[derive(Default)]
struct Pass {
    looked_at: u64,
    written: u64,
    kept_ended: u64,
    unlisted: u64,
}

impl Pass {
    fn add(&mut self, became: Became) {
        match became {
            Became::Same => {}
            Became::Written => self.written += 1,
            Became::KeptEnded => self.kept_ended += 1,
        }
    }
}
