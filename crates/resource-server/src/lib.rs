//! What an MCP server needs of OAuth: its metadata, the challenge, and the check of the tokens that it is sent.
//!
//! It refuses to issue anything, and knows no authorization server's insides: with Portcullis it speaks as with any other, over HTTP.
//!
//! | source | here |
//! |---|---|
//! | RFC 9728 2, 3 protected resource metadata | [`Metadata`] |
//! | RFC 6750 2.1, 3; RFC 9728 5.1 the token in the request, the challenge in the answer | [`Protection`] |
//! | RFC 9470 step up | [`StepUp`] |
//! | RFC 8414, OpenID Connect Discovery; RFC 7517, RFC 9068 tokens that are signed | the verifier |
//! | RFC 7662 tokens that are asked about | the verifier |
//! | MCP authorization 2026-07-28, protected resources | all of it |

mod answer;
mod config_error;
mod cors;
mod environment;
mod holder;
mod jwt;
mod metadata;
mod opaque;
mod origin;
mod protection;
mod rejection;
mod scopes;
mod step_up;
mod tools;
mod verified;
mod verifier;
mod verify;

pub use ambient::{Clock, Time};
pub use http_io::Fetch;
pub use jose::{Algorithm, Algorithms, TokenError};
pub use oauth_types::{ClientId, Issuer, ProtectedResourceMetadata, Resource, Scope};
pub use secrecy::{ExposeSecret, SecretString};

pub use answer::ErrorBody;
pub use config_error::{ConfigError, ValueFault};
pub use cors::{Told, names_origin};
pub use environment::{Environment, EnvironmentError, Variable};
pub use holder::Holder;
pub use jwt::Jwt;
pub use metadata::{LegacyMetadata, Metadata};
pub use opaque::Introspection;
pub use protection::{Passed, Protection, ProtectionBuilder, READ_HEADERS};
pub use rejection::{Fault, Invalid, Rejection, Unavailable};
pub use step_up::StepUp;
pub use verified::Verified;
pub use verifier::{Verifier, VerifierBuilder};
pub use verify::Verify;
