//! The cases are in `tests/tests`; this library is empty.
