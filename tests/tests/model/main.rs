//! The server and the reference model live through the same stories, and must tell the same: over every backend, with time
//! that passes, and with a store that makes trouble.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests, which fail by a panic; answers are counted by name"
)]

mod counterexample;
mod reach;

use std::sync::Arc;

use authz_core::Policy;
use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};
use store::{Backend, Memory, Sqlite};
use testkit::faults::{Heard, Through, Twice};
use testkit::model::story::{Beginning, Operation, Step, simpler, stories};
use testkit::model::{Counterexample, Ground, live_through};
use tests::places::Place;
use tokio::runtime::Runtime;

/// Steps of a story, at most.
const LONGEST: usize = 60;

/// Lives through so many stories. The shortest one that goes wrong is told, and becomes a test of its own or a seed of the fuzz
/// target `grant_model`; none is written to a file.
fn all_hold(stories_at_least: u32, live: impl Fn(Beginning, &[Step]) -> Result<(), Counterexample>) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = ProptestConfig {
        cases: cases.unwrap_or(stories_at_least),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new(config);
    if let Some(told) = shortest(&mut runner, live) {
        panic!("{told}");
    }
}

/// The shortest story that goes wrong, in words.
fn shortest(
    runner: &mut TestRunner,
    live: impl Fn(Beginning, &[Step]) -> Result<(), Counterexample>,
) -> Option<String> {
    let held = runner.run(&stories(LONGEST), |(beginning, story)| {
        live(beginning, &story).map_err(|counterexample| TestCaseError::fail(counterexample.to_string()))
    });
    match held {
        Ok(()) => None,
        Err(TestError::Fail(_, (beginning, story))) => Some(simplest(beginning, story, &live)),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// Each step is shrunk once where stories are drawn; what was needed then may be needed no more.
fn simplest(
    mut beginning: Beginning,
    mut story: Vec<Step>,
    live: &impl Fn(Beginning, &[Step]) -> Result<(), Counterexample>,
) -> String {
    while let Some(simpler) =
        simpler(beginning, &story).into_iter().find(|(beginning, story)| live(*beginning, story).is_err())
    {
        (beginning, story) = simpler;
    }
    live(beginning, &story).unwrap_err().to_string()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn live(ground: Ground<'_>, beginning: Beginning, story: &[Step]) -> Result<(), Counterexample> {
    runtime().block_on(live_through(ground, beginning, story))
}

#[test]
fn the_server_answers_as_the_model_does() {
    all_hold(400, |beginning, story| live(Ground::over(Arc::new(Memory::new())), beginning, story));
}

#[test]
fn it_does_so_when_every_write_is_sent_twice() {
    for heard in [Heard::First, Heard::Second] {
        let way = |store| Arc::new(Through::new(store, Twice(heard))) as Arc<dyn Backend>;
        all_hold(100, |beginning, story| {
            live(Ground { way: &way, ..Ground::over(Arc::new(Memory::new())) }, beginning, story)
        });
    }
}

#[test]
fn it_does_so_on_sqlite() {
    all_hold(40, |beginning, story| {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("store.db")).unwrap();
        live(Ground::over(Arc::new(store)), beginning, story)
    });
}

#[test]
fn it_does_so_on_redis() {
    in_place(&Place::redis(), 40);
}

#[test]
fn it_does_so_on_a_redis_cluster() {
    in_place(&Place::cluster(), 24);
}

fn in_place(place: &Place, stories_at_least: u32) {
    let runtime = runtime();
    all_hold(stories_at_least, |beginning, story| {
        // Redis removes what has expired by itself, by its own clock.
        let story: Vec<_> = story.iter().filter(|step| step.operation != Operation::Sweep).copied().collect();
        runtime.block_on(async { live_through(Ground::over(place.store().await), beginning, &story).await })
    });
}
