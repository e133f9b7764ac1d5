//! Where the requests of a race meet, and in which order.

use std::sync::Arc;

use authz_core::{Lifetime, Policy};
use store::{Backend, Memory, Sqlite};
use tempfile::TempDir;
use testkit::bare::Bare;
use testkit::faults::{Heard, Through, Twice};
use testkit::schedule::{Order, Task, Turns};

/// How the requests of a race meet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Meeting {
    /// One store call at a time, in the order of this seed.
    Ordered(u64),
    /// The same, and each commit is sent twice.
    OrderedTwice(u64, Heard),
    /// On four threads, as they come.
    Threads,
}

/// Each backend, and each way to meet: many orders in memory, a few on a disk.
pub(crate) fn everywhere(race: impl Fn(&Race)) {
    for seed in 0..150 {
        race(&Race::new(Where::Memory, Meeting::Ordered(seed)));
    }
    for seed in 0..8 {
        race(&Race::new(Where::Sqlite, Meeting::Ordered(seed)));
    }
    for heard in [Heard::First, Heard::Second] {
        for seed in 0..40 {
            race(&Race::new(Where::Memory, Meeting::OrderedTwice(seed, heard)));
        }
        for seed in 0..3 {
            race(&Race::new(Where::Sqlite, Meeting::OrderedTwice(seed, heard)));
        }
    }
    for _ in 0..20 {
        race(&Race::new(Where::Memory, Meeting::Threads));
    }
    for _ in 0..5 {
        race(&Race::new(Where::Sqlite, Meeting::Threads));
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Where {
    Memory,
    Sqlite,
}

pub(crate) struct Race {
    place: Where,
    meeting: Meeting,
    runtime: tokio::runtime::Runtime,
}

/// A race that is set up.
pub(crate) struct Start {
    pub(crate) bare: Arc<Bare>,
    turns: Turns,
    _folder: Option<TempDir>,
}

impl Start {
    /// The store, reached as whoever takes part in the race reaches it.
    pub(crate) fn store(&self) -> Arc<dyn Backend> {
        self.turns.store(self.bare.store.clone())
    }
}

impl Race {
    pub(crate) fn new(place: Where, meeting: Meeting) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
        Self { place, meeting, runtime }
    }

    pub(crate) fn start(&self, leeway: u32) -> Start {
        let (store, folder): (Arc<dyn Backend>, _) = match self.place {
            Where::Memory => (Arc::new(Memory::new()), None),
            Where::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                (Arc::new(Sqlite::open(&folder.path().join("store.db")).unwrap()), Some(folder))
            }
        };
        let turns = Turns::default();
        let wrap = |store| match self.meeting {
            Meeting::Ordered(_) => turns.store(store),
            Meeting::OrderedTwice(_, heard) => Arc::new(Through::new(turns.store(store), Twice(heard))),
            Meeting::Threads => store,
        };
        let mut policy = Policy::default();
        policy.leeway = Lifetime::seconds(leeway);
        let bare = self.runtime.block_on(Bare::new(store, wrap, policy, true));
        Start { bare: Arc::new(bare), turns, _folder: folder }
    }

    pub(crate) fn now<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Lets requests meet.
    pub(crate) fn meet<T, F>(&self, start: &Start, requests: Vec<F>) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        match self.meeting {
            Meeting::Ordered(seed) | Meeting::OrderedTwice(seed, _) => {
                let tasks = requests.into_iter().map(|request| Box::pin(request) as Task<'_, T>).collect();
                start.turns.run(tasks, Order::seeded(seed))
            }
            Meeting::Threads => self.runtime.block_on(async {
                let tasks: Vec<_> = requests.into_iter().map(tokio::spawn).collect();
                let mut answers = Vec::new();
                for task in tasks {
                    answers.push(task.await.unwrap());
                }
                answers
            }),
        }
    }

    pub(crate) fn case(&self) -> String {
        format!("{:?}, {:?}", self.place, self.meeting)
    }
}
