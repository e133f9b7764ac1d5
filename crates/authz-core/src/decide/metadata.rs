//! The documents that clients discover (RFC 8414, RFC 9728). They name what is served and nothing else.

use oauth_types::{Acr, AuthorizationServerMetadata, Issuer, ProtectedResourceMetadata};
use store::Server;

use crate::Policy;

/// The metadata of the authorization server, which can tell people apart by `acr_values`.
#[must_use]
pub fn authorization_server(
    issuer: &Issuer,
    policy: &Policy,
    acr_values: &[Acr],
) -> AuthorizationServerMetadata {
    let list = |items: &[&str]| items.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut metadata = AuthorizationServerMetadata::new(issuer.clone());
    metadata.authorization_endpoint = Some(issuer.endpoint("/oauth/authorize"));
    metadata.token_endpoint = Some(issuer.endpoint("/oauth/token"));
    metadata.registration_endpoint = Some(issuer.endpoint("/oauth/register"));
    metadata.revocation_endpoint = Some(issuer.endpoint("/oauth/revoke"));
    metadata.introspection_endpoint = Some(issuer.endpoint("/oauth/introspect"));
    metadata.userinfo_endpoint = Some(issuer.endpoint("/oauth/userinfo"));
    metadata.scopes_supported = policy.server_scopes().iter().map(ToOwned::to_owned).collect();
    metadata.response_types_supported = list(&["code"]);
    metadata.response_modes_supported = list(&["query"]);
    metadata.grant_types_supported = list(&["authorization_code", "refresh_token"]);
    metadata.token_endpoint_auth_methods_supported =
        list(&["none", "client_secret_post", "client_secret_basic"]);
    metadata.revocation_endpoint_auth_methods_supported =
        list(&["none", "client_secret_post", "client_secret_basic"]);
    metadata.introspection_endpoint_auth_methods_supported = list(&["client_secret_basic", "Bearer"]);
    metadata.code_challenge_methods_supported = list(&["S256"]);
    metadata.prompt_values_supported = list(&["none", "login", "consent", "select_account"]);
    metadata.acr_values_supported = acr_values.iter().map(ToString::to_string).collect();
    metadata.subject_types_supported = list(&["public"]);
    metadata.authorization_response_iss_parameter_supported = true;
    metadata
}

/// The metadata of a protected resource. `offline_access` and the other scopes of the server are not the resource's and do
/// not stand here.
#[must_use]
pub fn protected_resource(server: &Server, issuer: &Issuer) -> ProtectedResourceMetadata {
    let mut metadata = ProtectedResourceMetadata::new(server.resource.clone());
    metadata.authorization_servers = vec![issuer.to_string()];
    metadata.scopes_supported = server.scope_names().map(ToOwned::to_owned).collect();
    metadata.bearer_methods_supported = vec!["header".to_owned()];
    metadata.resource_name = Some(server.name.clone());
    metadata
}
