//! Whose turn it is: the order in which concurrent requests reach the store, as an input of a test.
//!
//! Between two calls of the store a request shares nothing with another, so the order of these calls is all that a race can
//! depend on. [`Turns`] lets one request at a time go as far as its next call.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use ambient::{Entropy, SeededEntropy};
use async_trait::async_trait;
use store::{Backend, StoreError};

use crate::faults::{Passage, Through};

/// A request that runs beside others.
pub type Task<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Lets requests to one store run in an order that the test chooses.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    stopped: Arc<AtomicBool>,
}

impl Turns {
    /// `store`, each call of which waits for its turn. Outside of [`run`](Self::run) nobody waits.
    #[must_use]
    pub fn store(&self, store: Arc<dyn Backend>) -> Arc<dyn Backend> {
        Arc::new(Through::new(store, self.clone()))
    }

    /// Runs all tasks to their ends, one store call at a time, and answers what they answered, in the order of the tasks.
    pub fn run<T>(&self, tasks: Vec<Task<'_, T>>, mut order: Order) -> Vec<T> {
        let mut answers: Vec<Option<T>> = tasks.iter().map(|_| None).collect();
        let mut running: Vec<_> = tasks.into_iter().enumerate().collect();
        while !running.is_empty() {
            let turn = order.next(running.len());
            let (number, task) = &mut running[turn];
            if let Some(answer) = self.go_on(task) {
                answers[*number] = Some(answer);
                // The others keep their order, so that one choice fewer is a smaller story and not another one.
                drop(running.remove(turn));
            }
        }
        answers.into_iter().flatten().collect()
    }

    /// Runs a task as far as its next store call, or to its end.
    fn go_on<T>(&self, task: &mut Task<'_, T>) -> Option<T> {
        self.stopped.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match task.as_mut().poll(&mut context) {
                Poll::Ready(answer) => return Some(answer),
                Poll::Pending if self.stopped.load(Ordering::SeqCst) => return None,
                // It waits for the store itself, which works on a thread of its own.
                Poll::Pending => thread::park(),
            }
        }
    }
}

#[async_trait]
impl Passage for Turns {
    async fn there(&self) -> Result<(), StoreError> {
        let mut waited = false;
        std::future::poll_fn(|context| {
            if waited {
                return Poll::Ready(());
            }
            waited = true;
            self.stopped.store(true, Ordering::SeqCst);
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        Ok(())
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Who is next, again and again.
#[derive(Debug)]
pub enum Order {
    /// As these bytes have it, and the first in line when they are used up: what a generator draws and shrinks.
    Given(std::vec::IntoIter<u8>),
    /// As it follows from a seed.
    Seeded(SeededEntropy),
}

impl Order {
    /// The order that these bytes name.
    #[must_use]
    pub fn given(bytes: Vec<u8>) -> Self {
        Self::Given(bytes.into_iter())
    }

    /// The order that belongs to a seed.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self::Seeded(SeededEntropy::new(seed))
    }

    fn next(&mut self, among: usize) -> usize {
        let byte = match self {
            Self::Given(bytes) => bytes.next().unwrap_or(0),
            Self::Seeded(entropy) => (entropy as &dyn Entropy).draw::<1>()[0],
        };
        usize::from(byte) % among
    }
}

#[cfg(test)]
mod tests {
    use store::{Key, Kind, Memory};

    use super::*;

    /// The calls of two tasks, in the order in which they came through.
    fn calls(order: Order) -> Vec<u8> {
        let turns = Turns::default();
        let store = turns.store(Arc::new(Memory::new()));
        let seen = parking_lot::Mutex::new(Vec::new());
        let task = |name: u8| -> Task<'_, ()> {
            let (store, seen) = (&store, &seen);
            Box::pin(async move {
                for _ in 0..2 {
                    store.read(&Key::new(Kind::Grant, "x")).await.unwrap();
                    seen.lock().push(name);
                }
            })
        };
        turns.run(vec![task(1), task(2)], order);
        seen.into_inner()
    }

    #[test]
    fn the_order_of_calls_is_the_one_that_was_chosen() {
        assert_eq!(calls(Order::given(vec![])), [1, 1, 2, 2]);
        // Each task's first turn takes it to its first call.
        assert_eq!(calls(Order::given(vec![0, 1, 1, 0, 1, 0])), [2, 1, 2, 1]);
        assert_eq!(calls(Order::given(vec![1, 1, 1])), [2, 2, 1, 1]);
    }

    #[test]
    fn a_seed_names_one_order_and_seeds_differ() {
        assert_eq!(calls(Order::seeded(5)), calls(Order::seeded(5)));
        let orders: std::collections::BTreeSet<_> = (0..64).map(|seed| calls(Order::seeded(seed))).collect();
        assert_eq!(orders.len(), 6, "{orders:?}");
    }
}
