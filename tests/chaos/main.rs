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
mod log;
mod meetings;
mod over_redis;
mod over_sqlite;
mod round;
mod site;

/// How often something is killed in each of the long tests.
fn kills() -> usize {
    number("PORTCULLIS_CHAOS_KILLS", 6)
}

/// How many codes, and refresh tokens, a crowd comes for.
fn times() -> usize {
    number("PORTCULLIS_CHAOS_TIMES", 40)
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |number| number.parse().unwrap())
}
