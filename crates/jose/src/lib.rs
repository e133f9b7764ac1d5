//! Checks signed access tokens (RFC 9068) against the published keys of their issuer.
//!
//! It does no I/O: keys and the time are arguments, and [`TokenError::UnknownKey`] tells whoever fetches keys to fetch them
//! again. It takes no symmetric key and no key that a token brings along (`jwk`, `jku`, `x5c`, `x5u`), and no token without a
//! signature.
//!
//! | source | here |
//! |---|---|
//! | RFC 7515 3.1, 4, 5.2 the compact form and its header | [`verify`] |
//! | which issuer a token says that it is from, before anything is checked | [`peek`] |
//! | RFC 7517 4, 5 key sets | [`KeySet`] |
//! | RFC 7518 3.1, RFC 8037 3.1, RFC 9864 2.2 algorithms | [`Algorithm`], [`Algorithms`] |
//! | RFC 7519 4.1, RFC 9068 2.2, 4 claims and their validation | [`verify`], [`AccessTokenRules`], [`AccessToken`] |
//! | RFC 8725 3.1, 3.2, 3.8, 3.9, 3.11 best practices | [`AccessTokenRules`], [`TokenError`] |

mod access_token;
mod algorithm;
mod claims;
mod jws;
mod key_set;
mod peek;
mod rules;
mod token_error;

pub use access_token::{AccessToken, verify};
pub use algorithm::{Algorithm, Algorithms, UnknownAlgorithm};
pub use claims::Claims;
pub use key_set::{Key, KeySet, KeySetError};
pub use peek::{Peeked, peek};
pub use rules::{AccessTokenRules, RulesError, TypeRule};
pub use token_error::TokenError;
