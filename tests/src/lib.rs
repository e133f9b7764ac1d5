//! The cases are in `tests/tests`; what is compiled here is the code that the README shows.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
