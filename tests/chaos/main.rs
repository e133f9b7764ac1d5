//! Clients that go on asking while processes, Redis and disks fail, and a checker that holds every answer against the store.
//!
//! See `README.md` beside this file.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which fail by a panic")]

mod caught;
mod check;
mod clients;
mod flawed;
mod log;
mod over_redis;
mod over_sqlite;
mod process;
mod round;
mod site;

/// How often something is killed in each of the long tests.
fn kills() -> usize {
    std::env::var("PORTCULLIS_CHAOS_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(6)
}
