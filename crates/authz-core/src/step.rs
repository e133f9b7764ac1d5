//! What follows from a request: writes, events and an outcome that travel together.

use store::{Changes, Commit, Store, StoreError};

use crate::{Context, Event, Events, Refusal};

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

    /// With another outcome, if it is not a refusal.
    pub(crate) fn map<U>(self, outcome: impl FnOnce(T) -> U) -> Step<U> {
        Step { changes: self.changes, events: self.events, outcome: self.outcome.map(outcome) }
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
    pub async fn settle(
        self,
        store: &dyn Store,
        events: &dyn Events,
        caller: &Context,
    ) -> Result<Settled<T>, StoreError> {
        if let Some(changes) = &self.changes
            && store.commit(changes).await? == Commit::Stale
        {
            return Ok(Settled::Stale);
        }
        for event in &self.events {
            events.tell_with(event, caller);
        }
        Ok(Settled::Done(self.outcome))
    }
}

impl<T> From<Refusal> for Step<T> {
    fn from(refusal: Refusal) -> Self {
        Self::refuse(refusal)
    }
}

#[cfg(test)]
mod tests {
    use ambient::Time;
    use parking_lot::Mutex;
    use store::{AdminKey, Digest, Found, Mark, Memory};

    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<Event>>);

    impl Events for Heard {
        fn tell(&self, event: &Event) {
            self.0.lock().push(event.clone());
        }
    }

    fn record() -> AdminKey {
        AdminKey::new("a", Digest::of(b"x"), Time(0))
    }

    fn step(changes: Changes) -> Step<&'static str> {
        let event = Event::Limited { limit: "a limit", from: None };
        Step::answer("a token").writing(changes).telling(event)
    }

    /// I5.
    #[tokio::test]
    async fn the_outcome_and_the_events_come_after_the_commit_and_only_then() {
        let (store, heard) = (Memory::new(), Heard::default());
        let (one, two) = (Mark::new([1; 16]), Mark::new([2; 16]));
        let done =
            step(Changes::create(one, &record())).settle(&store, &heard, &Context::default()).await.unwrap();
        assert!(matches!(done, Settled::Done(Ok("a token"))), "{done:?}");
        assert_eq!(heard.0.lock().len(), 1);

        let stale = Found { record: record(), mark: two };
        let lost = step(Changes::replace(Mark::new([3; 16]), &stale, &record()))
            .settle(&store, &heard, &Context::default())
            .await;
        assert!(matches!(lost, Ok(Settled::Stale)), "{lost:?}");
        assert_eq!(heard.0.lock().len(), 1, "what did not happen is not told");
    }
}
