//! Opaque tokens, about which the authorization server is asked.

mod answer;
mod breaker;
mod introspection;
mod remembered;
mod source;
mod userinfo;

pub use introspection::Introspection;

pub(crate) use remembered::{Digest, Remembered};
pub(crate) use source::{Asked, Parts, Source};
