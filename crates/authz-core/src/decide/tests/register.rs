//! RFC 7591.

use oauth_types::ErrorCode;
use serde_json::{Value, json};
use store::SecretMethod;

use super::*;
use crate::decide::register::{NewClient, Registered, register};

fn registering(metadata: Value) -> Result<Registered, ErrorCode> {
    registering_under(metadata, &Policy::default())
}

fn registering_under(metadata: Value, policy: &Policy) -> Result<Registered, ErrorCode> {
    let metadata = serde_json::from_value(metadata).map_err(|_| ErrorCode::InvalidRequest)?;
    let new = NewClient { id: [1; 16], secret: [2; 32], server: None };
    register(metadata, new, Provenance::Dynamic, policy, NOW).map_err(|error| error.error)
}

/// What Cursor sends: a scheme of its own, a page on the web, and a loopback port.
const CURSOR: [&str; 3] = [
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "https://www.cursor.com/agents/mcp/oauth/callback",
    "http://localhost:8787/callback",
];

#[test]
fn the_three_redirect_uris_of_cursor_register_together() {
    for method in [json!("none"), Value::Null] {
        let metadata = json!({"redirect_uris": CURSOR, "token_endpoint_auth_method": method});
        let registered = registering(metadata).unwrap();
        assert_eq!(registered.information.metadata.redirect_uris, CURSOR);
    }
}

#[test]
fn a_scheme_of_its_own_is_for_native_public_clients_and_can_be_switched_off() {
    let with = |method: &str| json!({"redirect_uris": [CURSOR[0]], "token_endpoint_auth_method": method});
    for method in ["client_secret_basic", "client_secret_post"] {
        assert_eq!(registering(with(method)).err(), Some(ErrorCode::InvalidRedirectUri), "{method}");
    }
    let off = Policy { private_use_schemes: false, ..Policy::default() };
    assert_eq!(registering_under(with("none"), &off).err(), Some(ErrorCode::InvalidRedirectUri));
}

#[test]
fn a_redirect_uri_that_hands_the_code_to_somebody_else_is_refused() {
    let many: Vec<_> = (0..17).map(|n| format!("https://app.example/{n}")).collect();
    let long = format!("https://app.example/{}", "a".repeat(2048));
    for uris in [
        vec!["javascript:alert(1)".to_owned()],
        vec!["JavaScript:alert(1)".to_owned()],
        vec!["data:text/html,x".to_owned()],
        vec!["file:///etc/passwd".to_owned()],
        vec!["vbscript:x".to_owned()],
        vec!["blob:https://app.example/x".to_owned()],
        vec!["about:blank".to_owned()],
        vec!["https://app.example/callback#fragment".to_owned()],
        vec!["http://app.example/callback".to_owned()],
        vec!["http://localhost.evil.example/callback".to_owned()],
        vec!["http://127.0.0.1.evil.example/".to_owned()],
        vec!["https://me@app.example/callback".to_owned()],
        vec!["/callback".to_owned()],
        vec!["https://app.example/call back".to_owned()],
        vec![CALLBACK.to_owned(), "javascript:alert(1)".to_owned()],
        vec![],
        vec![long],
        many,
    ] {
        let metadata = json!({"redirect_uris": uris, "token_endpoint_auth_method": "none"});
        assert_eq!(registering(metadata).err(), Some(ErrorCode::InvalidRedirectUri), "{uris:?}");
    }
}

#[test]
fn each_authentication_method_is_registered_as_the_answer_says() {
    for (sent, kept, told) in [
        (json!("none"), None, "none"),
        (json!("client_secret_basic"), Some(SecretMethod::Basic), "client_secret_basic"),
        (json!("client_secret_post"), Some(SecretMethod::Post), "client_secret_post"),
        (Value::Null, Some(SecretMethod::Either), "client_secret_basic"),
    ] {
        let metadata = json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": sent});
        let Registered { client, information } = registering(metadata).unwrap();
        assert_eq!(information.metadata.token_endpoint_auth_method.as_deref(), Some(told));
        match (client.auth, &information.client_secret) {
            (ClientAuth::Public, None) => assert_eq!(kept, None),
            (ClientAuth::Secret { method, digest, .. }, Some(secret)) => {
                use secrecy::ExposeSecret as _;
                assert_eq!(Some(method), kept);
                assert!(digest.is_of(secret.expose_secret().as_bytes()));
            }
            other => panic!("{sent}: {other:?}"),
        }
    }
    for method in ["private_key_jwt", "client_secret_jwt", "tls_client_auth", "None"] {
        let metadata = json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": method});
        assert_eq!(registering(metadata).err(), Some(ErrorCode::InvalidClientMetadata), "{method}");
    }
}

/// RFC 7591 section 2: the server may replace any member, and says what it registered.
#[test]
fn grant_and_response_types_are_narrowed_to_what_is_served() {
    let both = ["authorization_code", "refresh_token"];
    for (sent, kept) in [
        (json!([]), Some(&both[..])),
        (json!(["authorization_code"]), Some(&both[..1])),
        (json!(["refresh_token", "authorization_code"]), Some(&both)),
        (json!(["authorization_code", "refresh_token", "implicit", "client_credentials"]), Some(&both)),
        (json!(["refresh_token"]), None),
        (json!(["client_credentials"]), None),
    ] {
        let metadata = json!({"redirect_uris": [CALLBACK], "grant_types": sent});
        match (registering(metadata), kept) {
            (Ok(registered), Some(kept)) => {
                assert_eq!(registered.information.metadata.grant_types, kept, "{sent}");
                assert_eq!(registered.client.refresh, kept.contains(&"refresh_token"), "{sent}");
                assert_eq!(registered.information.metadata.response_types, ["code"], "{sent}");
            }
            (Err(ErrorCode::InvalidClientMetadata), None) => {}
            (answer, _) => panic!("{sent}: {:?}", answer.map(|registered| registered.client)),
        }
    }
    let token = json!({"redirect_uris": [CALLBACK], "response_types": ["token"]});
    assert_eq!(registering(token).err(), Some(ErrorCode::InvalidClientMetadata));
}

/// A name is read by people who decide by it.
#[test]
fn a_name_that_could_rewrite_the_page_is_refused() {
    for name in [
        "\u{3164}",
        "\u{200b}\u{2060}",
        "\u{200d}",
        "\u{fe0f}",
        "   ",
        "a\u{2028}b",
        "a\u{61c}b",
        "a\u{e0041}b",
        "a\u{1d173}b",
    ] {
        let metadata = json!({"redirect_uris": [CALLBACK], "client_name": name});
        assert_eq!(registering(metadata).err(), Some(ErrorCode::InvalidClientMetadata), "{name:?}");
    }
    for name in ["a\u{202e}b", "a\u{2066}b", "a\nb", "a\u{0}b", "\u{200f}", &"x".repeat(201)] {
        let metadata = json!({"redirect_uris": [CALLBACK], "client_name": name});
        assert_eq!(registering(metadata).err(), Some(ErrorCode::InvalidClientMetadata), "{name:?}");
    }
    for name in ["Caf\u{e9} \u{2615}", "\u{5e9}\u{5dc}\u{5d5}\u{5dd}", &"\u{e9}".repeat(200)] {
        let metadata = json!({"redirect_uris": [CALLBACK], "client_name": name});
        assert!(registering(metadata).is_ok(), "{name}");
    }
}

/// A callback that reads the first of two would read the redirect URI's own `code` or `iss` (RFC 9207).
#[test]
fn a_redirect_uri_brings_no_parameter_of_the_answer() {
    for parameter in ["code", "state", "iss", "error", "error_description", "i%73s"] {
        let metadata = json!({"redirect_uris": [format!("https://app.example/cb?x=1&{parameter}=y")]});
        assert_eq!(registering(metadata).err(), Some(ErrorCode::InvalidRedirectUri), "{parameter}");
    }
    assert!(registering(json!({"redirect_uris": ["https://app.example/cb?tenant=code"]})).is_ok());
}

#[test]
fn unknown_members_are_kept_and_too_many_of_them_are_not() {
    let metadata = json!({"redirect_uris": [CALLBACK], "x_team": {"a": 1}});
    let registered = registering(metadata).unwrap();
    assert_eq!(registered.information.metadata.other["x_team"], json!({"a": 1}));
    let metadata = |filling: usize| json!({"redirect_uris": [CALLBACK], "x_team": "a".repeat(filling)});
    let empty: ClientMetadata = serde_json::from_value(metadata(0)).unwrap();
    let room = 8192 - serde_json::to_vec(&empty).unwrap().len();
    assert!(registering(metadata(room)).is_ok());
    assert_eq!(registering(metadata(room + 1)).err(), Some(ErrorCode::InvalidClientMetadata));
}

#[test]
fn as_many_redirect_uris_as_the_limit_are_registered() {
    let uris: Vec<_> = (0..16).map(|n| format!("https://app.example/{n}")).collect();
    let registered = registering(json!({"redirect_uris": uris})).unwrap();
    assert_eq!(registered.information.metadata.redirect_uris, uris);
}

#[test]
fn a_client_that_nobody_vouches_for_is_kept_two_days_unless_somebody_consents() {
    for (provenance, kept_until) in
        [(Provenance::Dynamic, Some(NOW.plus(2 * 86_400))), (Provenance::Administrator, None)]
    {
        let metadata = serde_json::from_value(json!({"redirect_uris": [CALLBACK]})).unwrap();
        let new = NewClient { id: [1; 16], secret: [2; 32], server: None };
        let registered = register(metadata, new, provenance, &Policy::default(), NOW).unwrap();
        assert_eq!(registered.client.kept_until, kept_until, "{provenance:?}");
    }
}

/// The members that are the server's; a client that sends them has no say in them.
#[test]
fn a_client_cannot_name_its_own_id_or_secret() {
    let metadata = json!({"redirect_uris": [CALLBACK, CALLBACK], "client_id": "cid_app", "client_secret": "x",
        "client_id_issued_at": 1, "token_endpoint_auth_method": "none"});
    let registered = registering(metadata).unwrap();
    let answer: Value = serde_json::from_slice(&registered.information.to_json()).unwrap();
    assert_eq!(answer["client_id"], registered.client.id.as_str());
    assert_ne!(answer["client_id"], "cid_app");
    assert_eq!(answer.get("client_secret"), None);
    assert_eq!(answer["client_id_issued_at"], NOW.0);
    assert_eq!(answer["redirect_uris"], json!([CALLBACK]), "one URI once");
}
