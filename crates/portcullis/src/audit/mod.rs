//! The audit trail: what happened, in the store for as long as it is kept, and in the log.
//!
//! | what | where |
//! |---|---|
//! | who is told of events, at once | [`Audit`] |
//! | what waits to be written | `queue` |
//! | how much is kept of what anybody can cause | `purse` |
//! | many equal uses of an admin key as one | `folded` |
//!
//! Events come after the commit that made them true, and are written in pieces beside it: a crash loses the last second of the
//! trail and nothing else. What cannot be kept is counted, and told in the trail itself.

mod folded;
mod purse;
mod queue;

use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, Complaints, Entropy, Time};
use authz_core::{Context, Event, Events, Lifetime};
use parking_lot::Mutex;
use store::{Backend, Changes, Commit, Entry, Key, Kind, Mark, Outcome, StoreError, Trail};
use tokio::sync::{Mutex as Turn, Notify};
use tokio::time::{sleep, timeout};

use self::queue::{Queue, Whose};

/// How long an entry waits for others to be written with.
const GATHERED_FOR: Duration = Duration::from_secs(1);
/// How many entries a piece has at the most.
const TOGETHER: usize = 100;
/// How long the trail may take to be written when a process ends.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// For how long a piece that may have been written keeps its id, in seconds. Whoever follows the trail looks so far back.
const WRITTEN_WITHIN: i64 = 10;

/// Listens to events: writes each to the log at once, and keeps it for the trail.
///
/// The trail is written by [`keep_writing`](Self::keep_writing), so that nobody who is told waits for the store.
pub struct Audit {
    store: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    kept_for: Lifetime,
    strangers_kept_for: Lifetime,
    queue: Mutex<Queue>,
    came: Notify,
    // Held while a piece is written: pieces follow each other.
    writing: Turn<Writing>,
}

/// What is being written, and how often it was said that it cannot be.
#[derive(Default)]
struct Writing {
    piece: Option<Piece>,
    complaints: Complaints,
}

/// A piece that is being written, and may have been.
struct Piece {
    whose: Whose,
    trail: Trail,
    numbered: Time,
    changes: Changes,
}

impl Audit {
    /// Keeps the trail in `store`, each entry for 90 days, what strangers do for 7.
    #[must_use]
    pub fn new(store: Arc<dyn Backend>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            store,
            clock,
            entropy,
            kept_for: Lifetime::days(90),
            strangers_kept_for: Lifetime::days(7),
            queue: Mutex::default(),
            came: Notify::new(),
            writing: Turn::default(),
        }
    }

    /// Keeps each entry for so long. Nothing is kept with 0: events are in the log alone then.
    #[must_use]
    pub fn kept_for(self, kept_for: Lifetime) -> Self {
        Self { kept_for, ..self }
    }

    /// Keeps what somebody did who is not known by it for so long, if that is shorter: anybody can cause such entries.
    #[must_use]
    pub fn strangers_kept_for(self, strangers_kept_for: Lifetime) -> Self {
        Self { strangers_kept_for, ..self }
    }

    /// How many entries wait to be written.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.lock().len()
    }

    /// How many entries were not kept since the process began: they came faster than they could be written, or were of strangers
    /// beyond what is kept of those. They are in the log.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.queue.lock().lost()
    }

    /// Writes what comes, within about a second, for as long as it is polled. While the store is away it waits.
    pub async fn keep_writing(&self) {
        loop {
            if self.queue.lock().is_empty() {
                self.came.notified().await;
            }
            sleep(GATHERED_FOR).await;
            // What is left is written in a second.
            let _ = self.write_what_waits(false).await;
        }
    }

    /// Writes what waits, before a process ends. It gives up after five seconds and says so in the log.
    pub async fn finish(&self) {
        match timeout(LAST_WORDS, self.write()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => {
                tracing::error!(entries = self.waiting(), "the end of the audit trail could not be written");
            }
        }
    }

    /// Writes all that waits now.
    ///
    /// # Errors
    ///
    /// If the store cannot be written. What is left is left for the next time.
    pub async fn write(&self) -> Result<(), StoreError> {
        self.write_what_waits(true).await
    }

    async fn write_what_waits(&self, all: bool) -> Result<(), StoreError> {
        let mut writing = self.writing.lock().await;
        loop {
            match self.write_one(&mut writing, all).await {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    if writing.complaints.are_due(self.clock.now()) {
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(error, "the audit trail cannot be written now; it waits");
                    }
                    return Err(error);
                }
            }
        }
    }

    /// One piece; whether there was any.
    async fn write_one(&self, writing: &mut Writing, all: bool) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let fresh = |piece: &Piece| (0..WRITTEN_WITHIN).contains(&now.since(piece.numbered));
        if let Some(piece) = writing.piece.as_ref().filter(|piece| !fresh(piece)) {
            // Readers are past its id by now: what was not written gets the id of when it is.
            let key = Key::new(Kind::Trail, &piece.trail.id);
            if self.store.read(&key).await?.is_some() {
                self.queue.lock().written(piece.whose, piece.trail.entries.len(), now);
            }
            writing.piece = None;
        }
        if writing.piece.is_none() {
            writing.piece = self.next_piece(now, all);
        }
        let Some(piece) = &writing.piece else { return Ok(false) };
        match self.store.commit(&piece.changes).await? {
            Commit::Done => self.queue.lock().written(piece.whose, piece.trail.entries.len(), now),
            // Another piece has this id: the same entries get another.
            Commit::Stale => {}
        }
        writing.piece = None;
        Ok(true)
    }

    fn next_piece(&self, now: Time, all: bool) -> Option<Piece> {
        let mut queue = self.queue.lock();
        queue.settle(now);
        let (whose, entries) = queue.first(TOGETHER, now, all)?;
        drop(queue);
        let kept_for = match whose {
            Whose::Known => self.kept_for,
            Whose::Strangers => self.kept_for.min(self.strangers_kept_for),
        };
        let id = Trail::id_at(now, self.entropy.draw());
        let trail = Trail { id, entries, kept_until: now.plus(kept_for.as_seconds()) };
        let changes = Changes::create(Mark::new(self.entropy.draw()), &trail);
        Some(Piece { whose, trail, numbered: now, changes })
    }
}

impl Events for Audit {
    fn tell(&self, event: &Event) {
        self.tell_with(event, &Context::default());
    }

    fn tell_with(&self, event: &Event, context: &Context) {
        let entry = event.entry(self.clock.now(), context);
        log(&entry, event.is_alarming());
        if self.kept_for.as_seconds() > 0 {
            self.queue.lock().push(entry);
            self.came.notify_one();
        }
    }
}

/// One line, with a field for each member.
fn log(entry: &Entry, alarming: bool) {
    let Entry { at: _, name, outcome, actor, from, grant, client, person, server, why, detail } = entry;
    let outcome = of_outcome(*outcome);
    let actor = actor.as_deref();
    let from = from.map(tracing::field::display);
    let grant = grant.map(tracing::field::display);
    let client = client.as_ref().map(tracing::field::display);
    let person = person.as_ref().map(tracing::field::display);
    let server = server.map(tracing::field::display);
    let why = why.as_deref();
    let detail = (!detail.is_empty()).then(|| tracing::field::debug(detail));
    if alarming {
        tracing::warn!(target: "portcullis::event", name, outcome, actor, from, grant, client, person, server, why, detail);
    } else {
        tracing::info!(target: "portcullis::event", name, outcome, actor, from, grant, client, person, server, why, detail);
    }
}

/// As the trail has it.
pub(crate) const fn of_outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Refused => "refused",
        Outcome::Failed => "failed",
    }
}

/// An entry of the trail about the trail.
fn about_itself(at: Time, name: &str, number: u64) -> Entry {
    let detail = [("number".to_owned(), number.to_string())].into();
    Entry { detail, ..Entry::new(at, name, Outcome::Failed) }
}

#[cfg(test)]
mod tests;
