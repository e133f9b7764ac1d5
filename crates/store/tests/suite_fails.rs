//! The suite fails a backend that breaks the contract, and ends where it might go on forever.

use std::sync::Arc;

use ambient::Time;
use async_trait::async_trait;
use store::suite::{Subject, listing, removing, run, sweeping};
use store::{Backend, Filter, Front, Inspect as _, Kind, Memory, Page, Store as _, StoreError};

/// What a backend author got wrong.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    Nothing,
    /// Each page of a listing is the first.
    IgnoresAfter,
    /// Pages begin with the last record of the page before.
    BeginsAtAfter,
    /// What is due now goes now.
    SweepsEarly,
    /// Nothing goes, as if the database forgot by itself.
    SweepsNothing,
    /// Less goes than is due and there is room for.
    SweepsByHalves,
    /// What goes is counted before it is looked for.
    CountsTooMuch,
}

struct Broken(Memory, Wrong);

#[async_trait]
impl Front for Broken {
    fn behind(&self) -> &dyn Backend {
        &self.0
    }

    async fn sweep(&self, now: Time, at_most: u32) -> Result<u32, StoreError> {
        match self.1 {
            Wrong::SweepsEarly => self.0.sweep(now.plus(1), at_most).await,
            Wrong::SweepsNothing => Ok(0),
            Wrong::SweepsByHalves => self.0.sweep(now, at_most / 2).await,
            Wrong::CountsTooMuch => Ok(self.0.sweep(now, at_most).await?.saturating_add(1).min(at_most)),
            Wrong::Nothing | Wrong::IgnoresAfter | Wrong::BeginsAtAfter => self.0.sweep(now, at_most).await,
        }
    }

    async fn list(
        &self,
        kind: Kind,
        filter: Filter<'_>,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Page, StoreError> {
        match self.1 {
            Wrong::IgnoresAfter => self.0.list(kind, filter, None, at_most).await,
            Wrong::BeginsAtAfter => {
                let before =
                    after.and_then(|after| after.len().checked_sub(1).and_then(|end| after.get(..end)));
                self.0.list(kind, filter, before, at_most).await
            }
            Wrong::Nothing
            | Wrong::SweepsEarly
            | Wrong::SweepsNothing
            | Wrong::SweepsByHalves
            | Wrong::CountsTooMuch => self.0.list(kind, filter, after, at_most).await,
        }
    }
}

/// Whether a case passes on a backend with this fault.
fn passes<F: Future<Output = ()>>(wrong: Wrong, case: impl FnOnce(Subject) -> F + Send + 'static) -> bool {
    let tested = std::thread::spawn(move || {
        run(async || (Arc::new(Broken(Memory::new(), wrong)) as Arc<dyn Backend>, ()), case);
    });
    tested.join().is_ok()
}

#[test]
fn pages_that_do_not_lead_on_fail_and_are_not_turned_forever() {
    assert!(passes(Wrong::Nothing, listing::pages_show_everything_in_order));
    for wrong in [Wrong::IgnoresAfter, Wrong::BeginsAtAfter] {
        assert!(!passes(wrong, listing::pages_show_everything_in_order), "{wrong:?}");
        assert!(!passes(wrong, listing::a_listing_never_misses_what_was_there_throughout), "{wrong:?}");
    }
}

#[test]
fn a_sweep_at_the_very_second_fails() {
    assert!(passes(Wrong::Nothing, sweeping::nothing_goes_before_its_time));
    assert!(!passes(Wrong::SweepsEarly, sweeping::nothing_goes_before_its_time));
    assert!(!passes(Wrong::SweepsEarly, sweeping::a_claim_for_good_is_never_swept));
    assert!(!passes(Wrong::SweepsEarly, removing::a_claim_that_is_due_goes));
}

#[test]
fn a_count_that_is_not_true_fails() {
    assert!(passes(Wrong::Nothing, sweeping::what_sweep_counts_is_gone_and_no_more));
    assert!(!passes(Wrong::CountsTooMuch, sweeping::what_sweep_counts_is_gone_and_no_more));
}

/// Only where the backend said that it sweeps: a database may forget by itself.
#[test]
fn a_sweep_that_removes_nothing_or_too_little_fails_a_backend_that_has_to() {
    assert!(passes(Wrong::SweepsNothing, sweeping::nothing_goes_before_its_time));
    assert!(passes(Wrong::SweepsNothing, sweeping::what_sweep_counts_is_gone_and_no_more));
    assert!(passes(Wrong::SweepsNothing, sweeping::a_sweep_keeps_to_its_bound));
    for wrong in [Wrong::SweepsNothing, Wrong::SweepsByHalves] {
        assert!(!passes(wrong, removing::a_sweep_falls_short_of_its_bound_only_at_the_end), "{wrong:?}");
    }
    assert!(!passes(Wrong::SweepsNothing, removing::what_is_due_goes_and_is_counted));
    assert!(!passes(Wrong::SweepsNothing, removing::a_claim_that_is_due_goes));
    assert!(!passes(
        Wrong::SweepsNothing,
        removing::a_thousand_random_steps_and_sweeps_answer_as_memory_does
    ));
}
