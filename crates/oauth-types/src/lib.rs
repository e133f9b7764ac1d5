//! The wire of OAuth 2.1 for MCP: documents, requests, responses, errors and identifiers, parsed strictly.
//!
//! It opens no socket, reads no clock, draws no bytes and takes no decision: what it hands out is well-formed, and
//! whether it is allowed is for the crates above. Identifiers keep the exact text received, because OAuth compares
//! them as texts; secrets are [`secrecy::SecretString`] and leave only through a `to_json` or a header printer.
//!
//! | source | here |
//! |---|---|
//! | RFC 6749 3.1, 4.1 the authorization endpoint | [`AuthorizationRequest`], [`AuthorizationResponse`] |
//! | RFC 6749 3.2, 4.1.3, 5, 6 the token endpoint | [`TokenRequest`], [`TokenResponse`], [`ClientCredentials`] |
//! | RFC 6749 3.3 scopes | [`Scope`] |
//! | RFC 6749 5.2 and the error registry | [`ErrorCode`], [`OAuthError`] |
//! | RFC 6749 appendix B forms | [`Form`] |
//! | RFC 6750, 7617, 9110 11 headers | [`Authorization`], [`Challenge`] |
//! | RFC 7009 revocation, 7662 introspection | [`RevocationRequest`], [`IntrospectionRequest`], [`IntrospectionResponse`] |
//! | RFC 7591 registration | [`ClientMetadata`], [`ClientInformation`]; names of strangers: [`visible`], [`is_deceptive`] |
//! | RFC 8252 7 redirect URIs | [`RedirectUri`] |
//! | RFC 8414, 9207 the server's metadata | [`AuthorizationServerMetadata`], [`Issuer`], [`well_known`] |
//! | RFC 8707 resource indicators | [`Resource`] |
//! | RFC 9470 step up | [`Acr`], [`Challenge`] |
//! | RFC 9728 the resource's metadata | [`ProtectedResourceMetadata`], [`well_known`] |
//! | OpenID Connect Core 5.3 | [`UserInfo`] |

mod acr;
mod authorization;
mod authorize;
mod challenge;
mod client_id;
mod error;
mod form;
mod introspection;
mod issuer;
mod metadata;
mod redirect_uri;
mod registration;
mod resource;
mod scope;
mod text;
mod token;
mod uri;
mod visible;
pub mod well_known;

pub use acr::{Acr, AcrError};
pub use authorization::{Authorization, MalformedAuthorization, basic_header, bearer_header};
pub use authorize::{AuthorizationRequest, AuthorizationResponse, ResponseError};
pub use challenge::{Challenge, MalformedChallenge};
pub use client_id::{ClientId, ClientIdError};
pub use error::{ErrorCode, OAuthError, UnknownErrorCode};
pub use form::{Form, FormError, Repeated};
pub use introspection::{Audience, IntrospectionRequest, IntrospectionResponse, RevocationRequest, UserInfo};
pub use issuer::{Issuer, IssuerError};
pub use metadata::{AuthorizationServerMetadata, ProtectedResourceMetadata};
pub use redirect_uri::{RedirectKind, RedirectUri, RedirectUriError};
pub use registration::{ClientInformation, ClientMetadata, MalformedClientInformation};
pub use resource::{Resource, ResourceError};
pub use scope::{Scope, ScopeError};
pub use token::{
    ClientCredentials, CodeRequest, MalformedTokenResponse, RefreshRequest, TokenRequest, TokenResponse,
    TokenType,
};
pub use visible::{is_deceptive, visible};
