//! The program as it is run: processes, sockets, signals, and a Redis that goes and comes back.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a case fails by a panic")]

mod administration;
mod migration;
mod operations;
mod process;
mod shared;
mod starting;
