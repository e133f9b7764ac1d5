//! The cases are in `tests/tests`; what is compiled here is what they share, and the code that the documents show.

pub mod places;

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../docs/moving.md")]
pub struct Moving;

#[cfg(doctest)]
#[doc = include_str!("../../docs/protect.md")]
pub struct Protect;
