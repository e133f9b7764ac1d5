//! The cases are in `tests/tests`; what is compiled here is the code that the documents show.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../docs/moving.md")]
pub struct Moving;

#[cfg(doctest)]
#[doc = include_str!("../../docs/protect.md")]
pub struct Protect;
