//! Opaque tokens, about which the authorization server is asked.

mod introspection;

pub use introspection::Introspection;
