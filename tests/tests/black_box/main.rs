//! Black-box cases: each is written once, knows only HTTP, and runs over every way to run the server.
//!
//! A case is a function from a [`run::Run`] and is named after the rule that it holds; `stamp!` makes a test of it for each
//! combination. `docs/conformance.md` lists the rules with their cases.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a case fails by a panic")]

#[macro_use]
mod run;

mod account;
mod admin;
mod admin_acts;
mod admin_making;
mod authorize;
mod consent;
mod cors;
mod discovery;
mod events;
mod faults;
mod introspect;
mod letters;
mod limits;
mod mail;
mod malformed;
mod pages;
mod passkeys;
mod pkce;
mod prompt;
mod redirects;
mod refresh;
mod register;
mod remembered;
mod replay;
mod resources;
mod revoke;
mod scopes;
mod second_factor;
mod secrets;
mod sessions;
mod sign_up;
mod threats;
mod token;
