//! What follows from a request: writes, events and an outcome that travel together.

use store::{Changes, Commit, Store, StoreError};

use crate::{Event, Events, Refusal};

/// What a rule decided.
///
/// A refusal may still write (a replay is an error *and* a revocation), so writes and outcome are one value, and the only
/// way to the outcome is [`settle`](Self::settle), which commits first: no token leaves before its commit (I5).
#[must_use = "a step does nothing until it is settled"]
#[derive(Debug)]
pub struct Step<T> {
    changes: Option<Changes>,
    events: Vec<Event>,
    outcome: Result<T, Refusal>,
}

/// What became of a step.
#[derive(Debug)]
pub enum Settled<T> {
    /// It is written, its events are told, and this is its outcome.
    Done(Result<T, Refusal>),
    /// Somebody else wrote first. Load again, decide again.
    Stale,
}

impl<T> Step<T> {
    /// The request is answered.
    pub const fn answer(outcome: T) -> Self {
        Self { changes: None, events: Vec::new(), outcome: Ok(outcome) }
    }

    /// The request is refused.
    pub const fn refuse(refusal: Refusal) -> Self {
        Self { changes: None, events: Vec::new(), outcome: Err(refusal) }
    }

    /// And this is written first.
    pub fn writing(self, changes: Changes) -> Self {
        Self { changes: Some(changes), ..self }
    }

    /// And this is told once it is true.
    pub fn telling(mut self, event: Event) -> Self {
        self.events.push(event);
        self
    }

    /// Under which guard it writes, if it does.
    #[cfg(test)]
    pub(crate) fn guard(&self) -> Option<store::Guard> {
        self.changes.as_ref().map(Changes::guard)
    }

    /// Commits, tells the events, and only then gives the outcome.
    ///
    /// # Errors
    ///
    /// If the store cannot be written. The write may have happened; nothing was handed out.
    pub async fn settle(self, store: &dyn Store, events: &dyn Events) -> Result<Settled<T>, StoreError> {
        if let Some(changes) = &self.changes
            && store.commit(changes).await? == Commit::Stale
        {
            return Ok(Settled::Stale);
        }
        for event in &self.events {
            events.tell(event);
        }
        Ok(Settled::Done(self.outcome))
    }
}

impl<T> From<Refusal> for Step<T> {
    fn from(refusal: Refusal) -> Self {
        Self::refuse(refusal)
    }
}
