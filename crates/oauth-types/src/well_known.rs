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

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8414 section 3.1 and OpenID Connect Discovery 4.1.
    #[test]
    fn the_documents_of_an_issuer() {
        for (issuer, oauth, inserted, appended) in [
            (
                "https://auth.example.com/tenant1",
                "https://auth.example.com/.well-known/oauth-authorization-server/tenant1",
                "https://auth.example.com/.well-known/openid-configuration/tenant1",
                "https://auth.example.com/tenant1/.well-known/openid-configuration",
            ),
            (
                "https://auth.example.com/t1/",
                "https://auth.example.com/.well-known/oauth-authorization-server/t1",
                "https://auth.example.com/.well-known/openid-configuration/t1",
                "https://auth.example.com/t1/.well-known/openid-configuration",
            ),
            (
                "https://auth.example.com",
                "https://auth.example.com/.well-known/oauth-authorization-server",
                "https://auth.example.com/.well-known/openid-configuration",
                "https://auth.example.com/.well-known/openid-configuration",
            ),
            (
                "http://127.0.0.1:8414/",
                "http://127.0.0.1:8414/.well-known/oauth-authorization-server",
                "http://127.0.0.1:8414/.well-known/openid-configuration",
                "http://127.0.0.1:8414/.well-known/openid-configuration",
            ),
        ] {
            let issuer = Issuer::parse(issuer).unwrap();
            assert_eq!(authorization_server(&issuer), oauth);
            assert_eq!(openid_configuration_inserted(&issuer), inserted);
            assert_eq!(openid_configuration_appended(&issuer), appended);
        }
    }

    /// RFC 9728 section 3.1: only a slash right after the host is dropped, and a query is kept.
    #[test]
    fn the_documents_of_a_resource() {
        let root = "https://mcp.example.com/.well-known/oauth-protected-resource";
        for (resource, added) in [
            ("https://mcp.example.com/public/mcp", "/public/mcp"),
            ("https://mcp.example.com", ""),
            ("https://mcp.example.com/", ""),
            ("https://mcp.example.com/mcp/", "/mcp/"),
            ("https://mcp.example.com/mcp?tenant=a", "/mcp?tenant=a"),
            ("https://mcp.example.com?tenant=a", "?tenant=a"),
            ("https://mcp.example.com/?tenant=a", "?tenant=a"),
            ("https://mcp.example.com/mcp?next=/a?b", "/mcp?next=/a?b"),
        ] {
            let resource = Resource::parse(resource).unwrap();
            assert_eq!(protected_resource(&resource), format!("{root}{added}"));
            assert_eq!(protected_resource_root(&resource), root);
        }
        for origin in ["http://[::1]", "https://a", "http://a"] {
            let short = Resource::parse(&format!("{origin}/b/c/d/e/f")).unwrap();
            let document = format!("{origin}/.well-known/oauth-protected-resource/b/c/d/e/f");
            assert_eq!(protected_resource(&short), document);
        }
    }
}
