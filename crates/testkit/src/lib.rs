//! What the tests share: scenarios, the reference model of a grant, faulty stores, fuzz bodies.
//!
//! For `tests/`, `fuzz/` and `crates/*/tests/`, never for unit tests: their crate would be compiled twice. Nothing of it is
//! shipped.

pub mod bare;
pub mod browser;
pub mod client;
pub mod faults;
pub mod fuzz;
pub mod mail;
pub mod model;
pub mod passkey;
pub mod process;
pub mod provider;
pub mod redis_proxy;
pub mod redis_server;
pub mod schedule;
pub mod scripted;
pub mod world;
