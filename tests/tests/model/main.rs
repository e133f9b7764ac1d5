//! The server and the reference model live through the same stories, and must tell the same.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests, which fail by a panic; answers are counted by name"
)]

use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use store::{Backend, Memory, Sqlite};
use testkit::bare::BEGINNING;
use testkit::faults::{Heard, Twice};
use testkit::model::story::{Beginning, Operation, stories};
use testkit::model::{Answer, Expected, Model};

fn cases(cases: u32) -> ProptestConfig {
    // A story that fails is printed; it becomes a test of its own below, and no file.
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn the_server_answers_as_the_model_does((beginning, story) in stories(60)) {
        live_through(Arc::new(Memory::new()), |store| store, beginning, &story);
    }

    #[test]
    fn it_does_so_when_every_write_is_sent_twice((beginning, story) in stories(60), lost: bool) {
        let heard = if lost { Heard::Second } else { Heard::First };
        let twice = |store| Arc::new(Twice::new(store, heard)) as Arc<dyn Backend>;
        live_through(Arc::new(Memory::new()), twice, beginning, &story);
    }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn it_does_so_on_sqlite((beginning, story) in stories(60)) {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("store.db")).unwrap();
        live_through(Arc::new(store), |store| store, beginning, &story);
    }
}

fn live_through(
    store: Arc<dyn Backend>,
    wrap: impl FnOnce(Arc<dyn Backend>) -> Arc<dyn Backend>,
    beginning: Beginning,
    story: &[Operation],
) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(testkit::model::live_through(store, wrap, beginning, story));
}

/// A story that never gets anywhere proves nothing: among those that are drawn, every answer and every refusal occurs.
#[test]
fn the_stories_reach_every_answer() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..1000 {
        let (beginning, story) = stories(60).new_tree(&mut runner).unwrap().current();
        let Beginning { leeway, refreshable, remembered } = beginning;
        let mut model = Model::new(BEGINNING.0, leeway, refreshable, remembered);
        for operation in &story {
            let Expected { answer, told, .. } = model.apply(operation);
            let answer = match answer {
                Answer::Refused(refusal) => format!("{refusal:?}"),
                other => format!("{other:?}").chars().take_while(|one| one.is_alphabetic()).collect(),
            };
            for name in told.into_iter().map(str::to_owned).chain([answer]) {
                *seen.entry(name).or_default() += 1;
            }
        }
    }
    for name in [
        "Asked",
        "Connected",
        "Taken",
        "Code",
        "Tokens",
        "Revoked",
        "Active",
        "Inactive",
        "ClientUnknown",
        "ClientBlocked",
        "PersonBlocked",
        "RequestGone",
        "RequestOfAnother",
        "RequestOutdated",
        "ConsentExceedsRequest",
        "CodeUnknown",
        "CodeExpired",
        "CodeOfAnotherClient",
        "RedirectUriMismatch",
        "TargetMismatch",
        "VerifierMissing",
        "VerifierMismatch",
        "CodeReplayed",
        "CodeOver",
        "ConsentWithdrawn",
        "RefreshForged",
        "GrantOver",
        "GrantExpired",
        "RefreshOfAnotherClient",
        "RefreshReplayed",
        "RepeatDiffers",
        "ScopeExceedsGrant",
        "TokenInvalid",
        "TargetGone",
        "ServerKeyWrong",
        "Consented",
        "Denied",
        "CodeRedeemed",
        "VerifierMismatched",
        "Refreshed",
        "RefreshRepeated",
        "StoreWentBack",
        "AccessTokenRevoked",
        "GrantRevoked",
    ] {
        assert!(seen.contains_key(name), "{name} in {seen:#?}");
    }
}
