//! What is told of a server that breaks a rule: the shortest story that shows it, in the words of the protocol.

use async_trait::async_trait;
use authz_core::Lifetime;
use proptest::test_runner::{RngAlgorithm, TestRng};
use store::{Changes, Commit, StoreError};
use testkit::faults::Passage;

use super::*;

/// From the same stories each time.
fn told(ground: impl Fn() -> Ground<'static>) -> String {
    let config = ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() };
    let dice = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, dice);
    shortest(&mut runner, |beginning, story| live(ground(), beginning, story)).unwrap()
}

/// The rule of the leeway is broken: ten seconds too many.
fn too_lenient(mut policy: Policy) -> Policy {
    let seconds = u32::try_from(policy.leeway.as_seconds()).unwrap();
    if seconds > 0 {
        policy.leeway = Lifetime::seconds(seconds + 10);
    }
    policy
}

#[test]
fn a_leeway_that_is_too_long_is_told_as_a_story() {
    let told = told(|| Ground { policy: &too_lenient, ..Ground::over(Arc::new(Memory::new())) });
    let lines = [
        "Ada has consented before. The refresh token before the newest is answered again for 30 s. Codes last 1 min, access tokens 1 h, \
         refresh tokens 30 d, a grant 180 d.",
        "         0 s  code 1 is redeemed → tokens 1 (read write, 1 h)",
        "         0 s  refresh token 1 is used (the store writes, and its answer is lost) → 503",
        "        31 s  refresh token 1 is used again → expected refused: RefreshReplayed, got tokens that nobody was ever given",
    ];
    assert_eq!(told, lines.join("\n"));
}

/// A store that takes the end of a grant for written.
#[derive(Clone, Copy)]
struct EndsNothing;

#[async_trait]
impl Passage for EndsNothing {
    async fn commit(&self, store: &dyn Backend, changes: &Changes) -> Result<Commit, StoreError> {
        if changes.guard() == store::Guard::Any { Ok(Commit::Done) } else { store.commit(changes).await }
    }
}

fn ending_nothing(store: Arc<dyn Backend>) -> Arc<dyn Backend> {
    Arc::new(Through::new(store, EndsNothing))
}

#[test]
fn a_grant_that_does_not_end_is_told_as_a_story() {
    let told = told(|| Ground { way: &ending_nothing, ..Ground::over(Arc::new(Memory::new())) });
    let lines = [
        "Ada has consented before. The refresh token before the newest is answered again for 30 s. Codes last 1 min, access tokens 1 h, \
         refresh tokens 30 d, a grant 180 d.",
        "         0 s  code 1 is redeemed → tokens 1 (read write, 1 h)",
        "         0 s  code 1 is redeemed again → refused: CodeReplayed",
        "         0 s  whether the grant is written: expected yes, got no",
    ];
    assert_eq!(told, lines.join("\n"));
}
