//! rmcp's own OAuth client against the example servers and a Portcullis, over connections as in real life: what it does by itself,
//! and what it tells its application.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which fail by a panic")]

mod cases;
mod client;
mod servers;
