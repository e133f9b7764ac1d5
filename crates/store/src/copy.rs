//! From one store to another: every record and claim, as it is.
//!
//! A copy is made while servers use the source, and once more when they have stopped: the second brings what changed since.
//! The target takes it under the marks of the source, so a copy that is made twice is made once, and one that was
//! interrupted goes on. Nothing in the target goes back: a record that was written later, or has ended, stays. Of two copies
//! into one target the later goes on, and the earlier stops before it writes again.

mod bring;
mod hold;
mod look;
mod pass;
mod serve;

use ambient::Time;
use thiserror::Error;

use self::bring::TRIES;
use self::hold::Hold;
use self::look::{count, is_empty, key_lists, share_a_key, tenure};
pub use self::serve::{ServeError, may_be_served, note_served, served_by, take_back};
use crate::{Changes, Commit, KeyList, Mark, Movable, Store, StoreError, Tenure, TenureState};

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
    /// Whether no server shall start with the source any more once the copy is complete ([`TenureState::Left`]).
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
        if tenure(self.from)
            .await
            .map_err(CopyError::From)?
            .is_some_and(|found| found.record.state == TenureState::Copying)
        {
            return Err(CopyError::Unfinished);
        }
        let keys = key_lists(self.from).await.map_err(CopyError::From)?;
        if keys.is_empty() { Err(CopyError::Nothing) } else { Ok(keys) }
    }

    /// Makes sure of the target, and notes in it that it is being written.
    async fn begin(&mut self, keys: &[KeyList]) -> Result<Hold<'a>, CopyError> {
        for _ in 0..TRIES {
            let found = tenure(self.to).await.map_err(CopyError::To)?;
            match found.as_ref().map(|found| found.record.state) {
                None if !is_empty(self.to).await.map_err(CopyError::To)? => return Err(CopyError::OfAnother),
                None => {}
                Some(TenureState::Served) => return Err(CopyError::Served),
                Some(TenureState::Copying | TenureState::Complete | TenureState::Left) => {
                    let there = key_lists(self.to).await.map_err(CopyError::To)?;
                    // Keys are copied first: without any, nothing else is there.
                    if !there.is_empty() && !share_a_key(keys, &there) {
                        return Err(CopyError::OfAnother);
                    }
                }
            }
            let (mark, record) =
                ((self.draw)(), Tenure { state: TenureState::Copying, since: self.now, issuer: None });
            let changes = match &found {
                Some(found) => Changes::replace(mark, found, &record),
                None => Changes::create(mark, &record),
            };
            match self.to.commit(&changes).await.map_err(CopyError::To)? {
                Commit::Done => return Ok(Hold::new(self.to, mark)),
                Commit::Stale => {}
            }
        }
        Err(CopyError::To(StoreError::Contended))
    }

    /// Notes in the source that it is no longer to be served.
    async fn leave(&mut self) -> Result<(), CopyError> {
        let leave = |found: Option<&Tenure>| {
            let issuer = found.and_then(|tenure| tenure.issuer.clone());
            let left = Tenure { state: TenureState::Left, since: self.now, issuer };
            let is_left = found.is_some_and(|tenure| tenure.state == TenureState::Left);
            Ok((!is_left).then_some(left))
        };
        let from: &dyn Store = self.from;
        from.rewrite(Tenure::ID, &mut *self.draw, leave).await.map(drop).map_err(CopyError::From)
    }
}

impl std::fmt::Debug for Copying<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Copying").field("now", &self.now).finish_non_exhaustive()
    }
}
