//! One loop for every rule that writes: load, decide, settle, and again if somebody else wrote first.

use store::{Facts, Use};

use super::{Engine, Unavailable};
use crate::decide::{Drawn, Setting};
use crate::step::Settled;
use crate::{Context, Refusal, Step};

/// How often a decision is made anew before the request is told to come back.
///
/// A rival's write either decides the matter (a code is used, a generation spent), so the second look ends it, or is one
/// more of many on a busy grant.
const ATTEMPTS: u32 = 16;

/// A rule as a value: what it needs to know, and what follows from it.
pub(crate) trait Rule: Send + Sync {
    /// What the request gets.
    type Out: Send;

    /// What to load.
    fn load(&self) -> Use<'_>;

    /// What follows.
    fn decide(&self, facts: &Facts, setting: Setting<'_>, drawn: &Drawn) -> Step<Self::Out>;
}

/// Runs a rule until it is settled.
pub(crate) async fn run<R: Rule>(
    engine: &Engine,
    rule: &R,
    caller: &Context,
) -> Result<Result<R::Out, Refusal>, Unavailable> {
    let mut keys = engine.keys.current();
    let mut read_keys = false;
    for _ in 0..ATTEMPTS {
        let facts = engine.facts(rule.load()).await?;
        let step = rule.decide(&facts, engine.setting(&keys, caller), &engine.draw());
        match step.settle(engine.store(), &*engine.events, caller).await? {
            Settled::Done(Err(Refusal::KeyUnknown)) if read_keys => return Err(Unavailable::KeyUnknown),
            Settled::Done(Err(Refusal::KeyUnknown)) => {
                keys = engine.keys.read_again().await?;
                read_keys = true;
            }
            Settled::Done(outcome) => return Ok(outcome),
            Settled::Stale => {}
        }
    }
    Err(Unavailable::Busy)
}
