//! RFC 8414 and RFC 9728: nothing is named that is not served.

use serde_json::{Value, json};

use super::*;
use crate::decide::metadata::{authorization_server, protected_resource};

fn document(issuer: &str, policy: &Policy) -> Value {
    let issuer = Issuer::parse(issuer).unwrap();
    serde_json::from_slice(
        &authorization_server(&issuer, policy, &Acr::parse_all("1fa mfa").unwrap()).to_json(),
    )
    .unwrap()
}

#[test]
fn the_whole_document_and_nothing_else() {
    let expected = json!({
        "issuer": "https://as.example/t",
        "authorization_endpoint": "https://as.example/t/oauth/authorize",
        "token_endpoint": "https://as.example/t/oauth/token",
        "registration_endpoint": "https://as.example/t/oauth/register",
        "revocation_endpoint": "https://as.example/t/oauth/revoke",
        "introspection_endpoint": "https://as.example/t/oauth/introspect",
        "userinfo_endpoint": "https://as.example/t/oauth/userinfo",
        "scopes_supported": ["email", "offline_access", "openid", "profile"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_post", "client_secret_basic"],
        "revocation_endpoint_auth_methods_supported": ["none", "client_secret_post", "client_secret_basic"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "Bearer"],
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "acr_values_supported": ["1fa", "mfa"],
        "subject_types_supported": ["public"],
        "authorization_response_iss_parameter_supported": true,
    });
    assert_eq!(document("https://as.example/t", &Policy::default()), expected);
}

/// Each value of each list is taken by the rule that it is about.
#[test]
fn what_is_advertised_is_accepted() {
    let document = document("https://as.example", &Policy::default());
    let values = |member: &str| -> Vec<String> { serde_json::from_value(document[member].clone()).unwrap() };
    for method in values("token_endpoint_auth_methods_supported") {
        let metadata = json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": method,
            "grant_types": values("grant_types_supported"), "response_types": values("response_types_supported")});
        let new = crate::decide::register::NewClient { id: [1; 16], secret: [2; 32], server: None };
        let metadata = serde_json::from_value(metadata).unwrap();
        let registered =
            crate::decide::register::register(metadata, new, Provenance::Dynamic, &Policy::default(), NOW)
                .unwrap();
        let told = registered.information.metadata;
        assert_eq!(told.token_endpoint_auth_method.as_deref(), Some(method.as_str()));
        assert_eq!(told.grant_types, values("grant_types_supported"));
    }
    let lists = [
        ("response_types_supported", "response_type"),
        ("response_modes_supported", "response_mode"),
        ("code_challenge_methods_supported", "code_challenge_method"),
        ("prompt_values_supported", "prompt"),
    ];
    for (member, parameter) in lists {
        for value in values(member) {
            let query = asked().to_query();
            let without = query.split('&').filter(|pair| !pair.starts_with(&format!("{parameter}=")));
            let query =
                without.chain([format!("{parameter}={value}").as_str()]).collect::<Vec<_>>().join("&");
            let form = Form::parse(query.as_bytes()).unwrap();
            let request = AuthorizationRequest::from_form(&form);
            assert!(check(&request, &form).is_ok(), "{parameter}={value}");
        }
    }
    let own: Vec<_> = values("scopes_supported");
    let sorted = crate::decide::scope::sort(
        &Scope::from_tokens(own.iter().map(String::as_str)).unwrap(),
        &Policy::default().server_scopes(),
        &server(),
    );
    assert!(sorted.elsewhere.is_empty());
}

#[test]
fn the_operators_scopes_are_listed() {
    let policy = Policy { own_scopes: scope("audit"), ..Policy::default() };
    let scopes = &document("https://as.example", &policy)["scopes_supported"];
    assert_eq!(*scopes, json!(["audit", "email", "offline_access", "openid", "profile"]));
}

/// RS-2; `offline_access` is no business of a resource.
#[test]
fn the_document_of_a_resource() {
    let document = protected_resource(&server(), &issuer()).to_json();
    let expected = json!({
        "resource": RESOURCE,
        "authorization_servers": ["https://as.example"],
        "scopes_supported": ["read", "write"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Files",
    });
    assert_eq!(serde_json::from_slice::<Value>(&document).unwrap(), expected);
}
