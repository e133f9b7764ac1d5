//! Where metadata is found (RFC 8414 section 3.1, OpenID Connect Discovery 4, RFC 9728 section 3.1).
//!
//! Each function gives a whole URL. The way back does not exist: a final slash of the identifier is lost in the URL,
//! so an identifier is never made from it.

use crate::{Issuer, Resource};

/// The path of authorization server metadata (RFC 8414).
pub const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
/// The path of OpenID provider metadata.
pub const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
/// The path of protected resource metadata (RFC 9728).
pub const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";

/// RFC 8414: inserted between the host and the path of the issuer, whose final slash is dropped.
#[must_use]
pub fn authorization_server(issuer: &Issuer) -> String {
    format!("{}{AUTHORIZATION_SERVER}{}", issuer.origin(), issuer.path())
}

/// RFC 8414 section 5: the OpenID document where an RFC 8414 client looks for it.
#[must_use]
pub fn openid_configuration_inserted(issuer: &Issuer) -> String {
    format!("{}{OPENID_CONFIGURATION}{}", issuer.origin(), issuer.path())
}

/// OpenID Connect Discovery 4.1: appended to the issuer, whose final slash is dropped.
#[must_use]
pub fn openid_configuration_appended(issuer: &Issuer) -> String {
    issuer.endpoint(OPENID_CONFIGURATION)
}

/// RFC 9728: inserted between the host and the path and query of the resource. Only a slash right after the host is dropped.
#[must_use]
pub fn protected_resource(resource: &Resource) -> String {
    resource.inserted(PROTECTED_RESOURCE)
}

/// Where MCP clients look next: the document of the resource's whole origin.
#[must_use]
pub fn protected_resource_root(resource: &Resource) -> String {
    resource.at_root(PROTECTED_RESOURCE)
}
