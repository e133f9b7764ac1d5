//! What the design says about the shape of the code and of the documents, held by looking at them.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which fail by a panic")]

mod accounts;
mod code;
mod documents;
mod files;
mod layers;
mod mutants;
mod named;
mod threats;
