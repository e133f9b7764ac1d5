//! Cases of a protected MCP server: each is written once, knows only HTTP, and runs behind the protection of each framework.
//!
//! A case is a function from a [`run::Run`] and is named after the rule that it holds; `stamp!` makes a test of it for each
//! framework. `docs/conformance.md` lists the rules with their cases.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a case fails by a panic")]

#[macro_use]
mod run;
mod challenge;
#[expect(dead_code, reason = "the keys of the tests of `jose`, of which some are enough here")]
#[path = "../../../crates/jose/tests/access_token/mint.rs"]
mod mint;
mod signed;

mod browsers;
mod credentials;
mod documents;
mod optional;
mod passing;
mod portcullis;
mod scopes;
mod tokens;
mod tools;
