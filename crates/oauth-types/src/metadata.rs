//! What servers say about themselves: RFC 8414 (with RFC 9207 and client ID metadata documents) and RFC 9728.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::text::json;
use crate::{Issuer, Resource};

/// The metadata of an authorization server (RFC 8414 section 2).
///
/// An empty list and a false flag are not written. Build it with `..AuthorizationServerMetadata::new(issuer)`:
/// members will be added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuthorizationServerMetadata {
    /// The issuer, in exactly the text that the URL of this document was made of.
    pub issuer: Issuer,
    /// RFC 8414.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_endpoint: Option<String>,
    /// RFC 8414.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<String>,
    /// RFC 8414.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<String>,
    /// RFC 8414.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
    /// RFC 8414.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_endpoint: Option<String>,
    /// OpenID Connect Discovery 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_endpoint: Option<String>,
    /// RFC 8628 section 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_authorization_endpoint: Option<String>,
    /// RFC 9126 section 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed_authorization_request_endpoint: Option<String>,
    /// RFC 8414.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// RFC 8414.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// RFC 8414.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub response_types_supported: Vec<String>,
    /// RFC 8414.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub response_modes_supported: Vec<String>,
    /// RFC 8414. Absent means `authorization_code` and `implicit`: always fill it in.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub grant_types_supported: Vec<String>,
    /// RFC 8414. Absent means `client_secret_basic`: always fill it in.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// RFC 8414.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// RFC 8414.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_methods_supported: Vec<String>,
    /// RFC 8414.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_methods_supported: Vec<String>,
    /// RFC 8414. MCP clients refuse a server without it.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub code_challenge_methods_supported: Vec<String>,
    /// OpenID Connect Discovery 3.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub subject_types_supported: Vec<String>,
    /// OpenID Connect Discovery 3.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// OpenID Connect Discovery 3.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub claims_supported: Vec<String>,
    /// OpenID Connect Discovery 3.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub acr_values_supported: Vec<String>,
    /// OpenID Connect Prompt Create section 4.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub prompt_values_supported: Vec<String>,
    /// RFC 8414.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub ui_locales_supported: Vec<String>,
    /// RFC 8414.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_documentation: Option<String>,
    /// RFC 8414.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op_policy_uri: Option<String>,
    /// RFC 8414.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op_tos_uri: Option<String>,
    /// RFC 9207 section 3: every authorization response names the issuer.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub authorization_response_iss_parameter_supported: bool,
    /// Client ID Metadata Document section 5: a client id may be a URL.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub client_id_metadata_document_supported: bool,
    /// RFC 9449 section 5.1.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub dpop_signing_alg_values_supported: Vec<String>,
    /// Identity Assertion Authorization Grant.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub authorization_grant_profiles_supported: Vec<String>,
    /// RFC 9728 section 4.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub protected_resources: Vec<String>,
    /// Members that are not listed above, kept as they are.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl AuthorizationServerMetadata {
    /// Nothing is known but the issuer.
    #[must_use]
    pub fn new(issuer: Issuer) -> Self {
        Self {
            issuer,
            authorization_endpoint: None,
            token_endpoint: None,
            registration_endpoint: None,
            revocation_endpoint: None,
            introspection_endpoint: None,
            userinfo_endpoint: None,
            device_authorization_endpoint: None,
            pushed_authorization_request_endpoint: None,
            jwks_uri: None,
            scopes_supported: Vec::new(),
            response_types_supported: Vec::new(),
            response_modes_supported: Vec::new(),
            grant_types_supported: Vec::new(),
            token_endpoint_auth_methods_supported: Vec::new(),
            token_endpoint_auth_signing_alg_values_supported: Vec::new(),
            revocation_endpoint_auth_methods_supported: Vec::new(),
            introspection_endpoint_auth_methods_supported: Vec::new(),
            code_challenge_methods_supported: Vec::new(),
            subject_types_supported: Vec::new(),
            id_token_signing_alg_values_supported: Vec::new(),
            claims_supported: Vec::new(),
            acr_values_supported: Vec::new(),
            prompt_values_supported: Vec::new(),
            ui_locales_supported: Vec::new(),
            service_documentation: None,
            op_policy_uri: None,
            op_tos_uri: None,
            authorization_response_iss_parameter_supported: false,
            client_id_metadata_document_supported: false,
            dpop_signing_alg_values_supported: Vec::new(),
            authorization_grant_profiles_supported: Vec::new(),
            protected_resources: Vec::new(),
            other: Map::new(),
        }
    }

    /// The JSON body.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        json(self)
    }
}

/// The metadata of a protected resource (RFC 9728 section 2).
///
/// An empty list and a false flag are not written (RFC 9728 section 3.2). Build it with
/// `..ProtectedResourceMetadata::new(resource)`: members will be added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProtectedResourceMetadata {
    /// The resource, in exactly the text that the URL of this document was made of.
    pub resource: Resource,
    /// Issuers of the authorization servers that may be used. MCP wants one at least.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub authorization_servers: Vec<String>,
    /// The keys of the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// What a client may ask for.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// `header`; nothing else is safe.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub bearer_methods_supported: Vec<String>,
    /// How the resource signs its answers.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub resource_signing_alg_values_supported: Vec<String>,
    /// A name for people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// A page for developers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_documentation: Option<String>,
    /// A page on how the data may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_policy_uri: Option<String>,
    /// The terms of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_tos_uri: Option<String>,
    /// RFC 8705.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub tls_client_certificate_bound_access_tokens: bool,
    /// RFC 9396.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub authorization_details_types_supported: Vec<String>,
    /// RFC 9449.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub dpop_signing_alg_values_supported: Vec<String>,
    /// RFC 9449.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub dpop_bound_access_tokens_required: bool,
    /// Members that are not listed above, kept as they are.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl ProtectedResourceMetadata {
    /// Nothing is known but the resource.
    #[must_use]
    pub fn new(resource: Resource) -> Self {
        Self {
            resource,
            authorization_servers: Vec::new(),
            jwks_uri: None,
            scopes_supported: Vec::new(),
            bearer_methods_supported: Vec::new(),
            resource_signing_alg_values_supported: Vec::new(),
            resource_name: None,
            resource_documentation: None,
            resource_policy_uri: None,
            resource_tos_uri: None,
            tls_client_certificate_bound_access_tokens: false,
            authorization_details_types_supported: Vec::new(),
            dpop_signing_alg_values_supported: Vec::new(),
            dpop_bound_access_tokens_required: false,
            other: Map::new(),
        }
    }

    /// The JSON body.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        json(self)
    }
}

/// `null` is as good as absent.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// AS-8: the document of every feature, member by member.
    #[test]
    fn a_full_document_keeps_every_member() {
        let document = json!({
            "issuer": "https://auth.example.com/tenant1",
            "authorization_endpoint": "https://auth.example.com/tenant1/authorize",
            "token_endpoint": "https://auth.example.com/tenant1/token",
            "registration_endpoint": "https://auth.example.com/tenant1/register",
            "revocation_endpoint": "https://auth.example.com/tenant1/revoke",
            "introspection_endpoint": "https://auth.example.com/tenant1/introspect",
            "userinfo_endpoint": "https://auth.example.com/tenant1/userinfo",
            "jwks_uri": "https://auth.example.com/tenant1/jwks.json",
            "scopes_supported": ["files:read", "files:write", "offline_access"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_post"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
            "subject_types_supported": ["public"],
            "authorization_response_iss_parameter_supported": true,
            "client_id_metadata_document_supported": true,
            "dpop_signing_alg_values_supported": ["ES256", "RS256"],
            "authorization_grant_profiles_supported": ["urn:ietf:params:oauth:grant-profile:id-jag"],
            "protected_resources": ["https://mcp.example.com/mcp"],
            "example_extension": {"a": [1, null]},
        });
        let metadata: AuthorizationServerMetadata = serde_json::from_value(document.clone()).unwrap();
        assert_eq!(metadata.other.keys().collect::<Vec<_>>(), ["example_extension"]);
        assert_eq!(serde_json::from_slice::<Value>(&metadata.to_json()).unwrap(), document);
    }

    /// AS-7, RS-3: zero-valued members are omitted.
    #[test]
    fn what_is_empty_is_not_written() {
        let issuer = Issuer::parse("https://auth.example.com/").unwrap();
        let metadata = AuthorizationServerMetadata::new(issuer);
        assert_eq!(metadata.to_json(), br#"{"issuer":"https://auth.example.com/"}"#);
        let resource = Resource::parse("https://mcp.example.com/mcp").unwrap();
        let metadata = ProtectedResourceMetadata::new(resource);
        assert_eq!(metadata.to_json(), br#"{"resource":"https://mcp.example.com/mcp"}"#);
    }

    #[test]
    fn a_document_with_a_wrong_shape_is_refused() {
        for document in [
            json!({}),
            json!({"issuer": "http://auth.example.com"}),
            json!({"issuer": "https://auth.example.com", "scopes_supported": "a b"}),
            json!({"issuer": "https://auth.example.com", "token_endpoint": ["a"]}),
        ] {
            assert!(
                serde_json::from_value::<AuthorizationServerMetadata>(document.clone()).is_err(),
                "{document}"
            );
        }
        for document in [json!({}), json!({"resource": "https://mcp.example.com#x"})] {
            assert!(
                serde_json::from_value::<ProtectedResourceMetadata>(document.clone()).is_err(),
                "{document}"
            );
        }
        let twice = r#"{"issuer":"https://a.example","issuer":"https://b.example"}"#;
        assert!(serde_json::from_str::<AuthorizationServerMetadata>(twice).is_err());
    }

    /// RS-2, RS-3.
    #[test]
    fn a_resource_document_keeps_every_member() {
        let document = json!({
            "resource": "https://mcp.example.com/mcp",
            "authorization_servers": ["https://auth.example.com/tenant1"],
            "scopes_supported": ["files:read"],
            "bearer_methods_supported": ["header"],
            "resource_name": "Files",
            "resource_name#de": "Dateien",
            "dpop_bound_access_tokens_required": true,
        });
        let metadata: ProtectedResourceMetadata = serde_json::from_value(document.clone()).unwrap();
        assert_eq!(metadata.other["resource_name#de"], "Dateien");
        assert_eq!(serde_json::from_slice::<Value>(&metadata.to_json()).unwrap(), document);
    }

    #[test]
    fn null_is_absent() {
        let document =
            json!({"resource": "https://a.example", "scopes_supported": null, "resource_name": null});
        let metadata: ProtectedResourceMetadata = serde_json::from_value(document).unwrap();
        assert_eq!(metadata, ProtectedResourceMetadata::new(Resource::parse("https://a.example").unwrap()));
    }
}
