//! Time and randomness as values: the one crate that reads the clock and draws random bytes.
//!
//! It knows no protocol, and keeps no state but when something was said last. Every other crate takes a [`Time`], which knows its [`Date`],
//! or bytes as arguments, or holds a [`Clock`] and an [`Entropy`] that somebody chose for it; a lint forbids the real ones everywhere else.

mod calendar;
mod clock;
mod complaints;
mod entropy;

pub use calendar::Date;
pub use clock::{Clock, ManualClock, SystemClock, Time};
pub use complaints::Complaints;
pub use entropy::{Entropy, SeededEntropy, SystemEntropy};
