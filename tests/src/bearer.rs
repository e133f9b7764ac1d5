//! Somebody who holds tokens and refreshes them again and again.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bearer that panics fails the test by a panic")]

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Within which whoever's tokens have ended is refused. A machine may do much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// The bearer of a grant, who refreshes at one server after the other and never stops until it gets no tokens.
///
/// One alone: two who do not wait for each other present what is too old, and end the grant themselves.
pub struct Bearer<T, A> {
    written: watch::Receiver<usize>,
    writing: JoinHandle<(Vec<T>, A)>,
}

impl<T, A> Bearer<T, A>
where
    T: Clone + Send + 'static,
    A: Send + 'static,
{
    /// One who holds `first`. `refresh` is given how often it refreshed before and the newest tokens, and answers the next ones, or
    /// else what came instead.
    pub fn of<F>(first: T, refresh: impl Fn(usize, T) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<T, A>> + Send + 'static,
    {
        let (writes, written) = watch::channel(1);
        let writing = tokio::spawn(async move {
            let (mut held, mut newest) = (vec![first.clone()], first);
            loop {
                let next = refresh(held.len() - 1, newest);
                match next.await {
                    Ok(next) => newest = next,
                    Err(instead) => return (held, instead),
                }
                held.push(newest.clone());
                writes.send_replace(held.len());
                // In one process with whoever ends it, nothing else would have it wait for them.
                tokio::task::yield_now().await;
            }
        });
        Self { written, writing }
    }

    /// How many it has got so far, with the first.
    #[must_use]
    pub fn held(&self) -> usize {
        *self.written.borrow()
    }

    /// Waits until it holds as many.
    ///
    /// # Panics
    ///
    /// If it got something else before.
    pub async fn holds(&mut self, many: usize) {
        self.written.wait_for(|held| *held >= many).await.unwrap();
    }

    /// All that it ever got, and what it got instead of more.
    ///
    /// # Panics
    ///
    /// If its refreshing panicked, and if it goes on getting tokens.
    pub async fn refused(mut self) -> (Vec<T>, A) {
        let Ok(ended) = timeout(PATIENCE, &mut self.writing).await else {
            panic!("it has {} tokens, and gets more after {PATIENCE:?}", self.held())
        };
        ended.unwrap()
    }
}
