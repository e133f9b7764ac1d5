//! Clients that go on asking while processes, Redis and disks fail, and a checker that holds every answer against the store.
//!
//! See `README.md` beside this file.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which fail by a panic")]

mod caught;
mod check;
mod clients;
mod clocks;
mod crowds;
mod flawed;
mod heard;
mod log;
mod meetings;
mod over_redis;
mod over_sqlite;
mod round;
mod site;
mod told;
mod torn;

/// Kills from which on each fault that chance decides about must have happened.
const MANY: usize = 50;

/// How often something is killed in each of the long tests.
fn kills() -> usize {
    std::env::var("PORTCULLIS_CHAOS_KILLS").map_or(6, |kills| kills.parse().unwrap())
}
