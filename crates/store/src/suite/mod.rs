//! The suite that proves a backend.
//!
//! It tests what [`Store`](crate::Store) and [`Inspect`](crate::Inspect) promise, and nothing else. Each case gets a store of its
//! own, and fails by a panic. A backend proves itself with three lines in a test of its crate:
//!
//! ```
//! use std::sync::Arc;
//! use store::{Backend, Memory};
//!
//! // A store that nobody else uses, and whatever must live as long as it does (a folder, a server; here nothing).
//! async fn fresh_store() -> (Arc<dyn Backend>, ()) {
//!     (Arc::new(Memory::new()), ())
//! }
//!
//! store::store_suite!(fresh_store, sweeping);
//! ```
//!
//! `sweeping` says that nothing goes but by [`sweep`](crate::Store::sweep), and demands that it does. A backend whose database
//! forgets by a clock of its own leaves it out.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a case fails by a panic")]

pub mod claims;
pub mod commits;
pub mod compared;
pub mod listing;
pub mod looks;
pub mod races;
pub mod removing;
pub mod resending;
pub mod sweeping;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ambient::Time;
use tokio::task::JoinSet;

use crate::{Backend, Changes, Guard, Key, Kind, Links, Look, Mark, Marks, Row};

/// A test for each case of the suite, run on a store from `$fresh`: the name of an `async fn()` that answers an
/// `Arc<dyn Backend>` and whatever must live as long. With `sweeping`, also those that demand that sweeps remove what is due.
#[macro_export]
macro_rules! store_suite {
    ($fresh:ident, sweeping) => {
        $crate::store_suite!($fresh);
        $crate::store_suite! { @of $fresh;
            removing: what_is_due_goes_and_is_counted, a_look_sees_what_goes_and_comes_back, a_sweep_falls_short_of_its_bound_only_at_the_end,
                a_claim_that_is_due_goes, a_record_is_due_when_its_last_write_says,
                a_thousand_random_steps_and_sweeps_answer_as_memory_does;
        }
    };
    ($fresh:ident) => {
        $crate::store_suite! { @of $fresh;
            commits: a_record_is_created_once, a_record_is_replaced_only_as_it_was_read, the_verdict_table,
                every_column_reads_back, an_end_keeps_the_later_sweep_time, a_final_record_stays_as_it_is,
                kinds_do_not_collide, a_body_of_256_kib_reads_back, odd_ids_are_only_texts,
                what_was_answered_is_read_by_everybody, a_fresh_store_is_ready_and_empty;
            resending: a_write_sent_twice_happens_once, a_write_is_recognised_after_three_rivals,
                a_write_is_never_repeated_after_five_rivals, a_stale_write_stays_stale,
                a_write_sent_eight_times_at_once_happens_once;
            races: of_16_replacements_one_is_done, of_64_replacements_one_is_done, of_32_creations_one_is_done,
                no_update_is_lost, an_end_never_loses_to_replacements;
            claims: of_32_owners_one_has_it, the_same_owner_may_claim_again, a_claim_is_taken_over_from_its_owner_only,
                of_16_takeovers_one_succeeds, a_claim_of_another_cannot_be_released, odd_keys_are_only_texts,
                kinds_of_claims_do_not_collide;
            looks: a_look_sees_what_the_record_names, a_look_without_a_record_sees_the_one_beside,
                links_are_those_of_the_record_as_seen, a_look_sees_every_change_of_what_the_record_names,
                the_record_is_read_no_later_than_the_others;
            listing: pages_show_everything_in_order, filters_show_what_names_somebody, a_listing_follows_changed_links,
                a_listing_never_misses_what_was_there_throughout;
            sweeping: nothing_goes_before_its_time, what_sweep_counts_is_gone_and_no_more, a_sweep_keeps_to_its_bound,
                a_claim_for_good_is_never_swept;
            compared: a_thousand_random_steps_answer_as_memory_does;
        }
    };
    (@of $fresh:ident; $($module:ident: $($case:ident),+;)+) => {
        $(mod $module {
            $(#[test]
            fn $case() {
                $crate::suite::run(super::$fresh, $crate::suite::$module::$case);
            })+
        })+
    };
}

/// What a case runs on.
pub type Subject = Arc<dyn Backend>;

/// Runs a case on a fresh store.
///
/// # Panics
///
/// If the case fails, or there can be no runtime.
pub fn run<Making, Kept, Testing>(fresh: impl FnOnce() -> Making, case: impl FnOnce(Subject) -> Testing)
where
    Making: Future<Output = (Subject, Kept)>,
    Testing: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        let (store, kept) = fresh().await;
        case(store).await;
        drop(kept);
    });
}

/// A record that means nothing.
#[derive(Clone, Debug)]
struct Sample {
    row: Row,
}

impl Sample {
    fn new(kind: Kind, id: impl std::fmt::Display) -> Self {
        let row = Row {
            key: Key::new(kind, id),
            marks: Marks::first(mark()),
            ended: false,
            body: r#"{"schema":1,"record":{}}"#.to_owned(),
            sweep: None,
            links: Links::default(),
        };
        Self { row }
    }

    fn body(mut self, body: impl Into<String>) -> Self {
        self.row.body = body.into();
        self
    }

    fn ended(mut self) -> Self {
        self.row.ended = true;
        self
    }

    fn sweep(mut self, sweep: i64) -> Self {
        self.row.sweep = Some(Time(sweep));
        self
    }

    fn client(mut self, id: &str) -> Self {
        self.row.links.client = Some(id.to_owned());
        self
    }

    fn person(mut self, id: &str) -> Self {
        self.row.links.person = Some(id.to_owned());
        self
    }

    fn consent(mut self, id: &str) -> Self {
        self.row.links.consent = Some(id.to_owned());
        self
    }

    fn server(mut self, id: &str) -> Self {
        self.row.links.server = Some(id.to_owned());
        self
    }

    /// One write of it, under a mark of its own.
    fn under(&self, guard: Guard) -> Changes {
        self.under_as(guard, mark())
    }

    fn under_as(&self, guard: Guard, mark: Mark) -> Changes {
        Changes::plain(Row { marks: Marks::first(mark), ..self.row.clone() }, guard)
    }
}

/// A moment that no clock will reach while the suite runs: a backend that forgets by a clock of its own keeps what is due then.
const FUTURE: i64 = 9_000_000_000;

/// A mark that no other commit of the suite carries.
fn mark() -> Mark {
    static DRAWN: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0xa5; 16];
    bytes[..8].copy_from_slice(&DRAWN.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    Mark::new(bytes)
}

/// Writes it and expects that it happens.
async fn written(store: &Subject, sample: &Sample, guard: Guard) -> Mark {
    let changes = sample.under(guard);
    assert_eq!(store.commit(&changes).await.unwrap(), crate::Commit::Done, "{:?}", changes.key());
    changes.mark()
}

async fn created(store: &Subject, sample: &Sample) -> Mark {
    written(store, sample, Guard::Absent).await
}

async fn row(store: &Subject, sample: &Sample) -> Option<Row> {
    store.read(&sample.row.key).await.unwrap()
}

async fn body(store: &Subject, sample: &Sample) -> String {
    row(store, sample).await.unwrap_or_else(|| panic!("{:?} is not there", sample.row.key)).body
}

fn look_at(sample: &Sample, beside: Option<&Sample>) -> Look {
    Look { record: sample.row.key.clone(), beside: beside.map(|beside| beside.row.key.clone()) }
}

/// Runs `count` tasks that start together; answers what they answered.
async fn at_once<T: Send + 'static, F>(count: usize, task: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let start = Arc::new(tokio::sync::Barrier::new(count));
    let mut tasks = JoinSet::new();
    for n in 0..count {
        let (start, task) = (Arc::clone(&start), task(n));
        tasks.spawn(async move {
            start.wait().await;
            task.await
        });
    }
    tasks.join_all().await
}
