//! Clients that are slow, gone, many, large, or say what two readers could read as two things, against the program itself; and honest
//! ones meanwhile.
//!
//! See `README.md` beside this file. What a process takes is read from `/proc`.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which fail by a panic")]

mod crowd;
mod gone;
mod guesses;
mod honest;
mod large;
mod pipelined;
mod server;
mod slow;
mod smuggled;
mod tls;
mod wire;
