//! Client registration (RFC 7591).

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ClientId;
use crate::metadata::or_default;
use crate::text::json;

/// What a client says about itself (RFC 7591 section 2), as it came: the texts are not checked here.
///
/// Lists are real arrays, a text in the place of one is an error, and `null` is absent. An empty list is not written.
/// Build it with `..ClientMetadata::default()`: members will be added.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientMetadata {
    /// Where answers go.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<String>,
    /// `none`, `client_secret_basic`, `client_secret_post` or `private_key_jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_method: Option<String>,
    /// What it will send as `grant_type`.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub grant_types: Vec<String>,
    /// What it will send as `response_type`.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub response_types: Vec<String>,
    /// `native` or `web` (OpenID Connect Registration 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_type: Option<String>,
    /// A name for people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// A page about the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// A picture of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// What it will ask for, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// How to reach the people behind it.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
    /// The terms of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    /// A page on how it uses data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    /// Where its keys are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// Its keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// The same for all installations of a program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    /// Which version of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// A signed statement about the program (RFC 7591 section 2.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_statement: Option<String>,
    /// Members that are not listed above, kept as they are.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl ClientMetadata {
    /// The JSON body.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        json(self)
    }
}

/// The answer to a registration (RFC 7591 section 3.2.1).
///
/// It has no `Serialize`: the secret leaves through [`to_json`](Self::to_json) only.
#[derive(Clone, Debug)]
pub struct ClientInformation {
    /// The id issued.
    pub client_id: ClientId,
    /// The secret issued, if the client is to have one.
    pub client_secret: Option<SecretString>,
    /// When, in seconds since 1970.
    pub client_id_issued_at: Option<i64>,
    /// When the secret expires, in seconds since 1970; 0 is never. Written as 0 if there is a secret and nothing here.
    pub client_secret_expires_at: Option<i64>,
    /// What was registered in the end, which may be less than what was asked.
    pub metadata: ClientMetadata,
}

/// A body that is not the answer to a registration. It says nothing of the body: it may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the answer to a client registration")]
pub struct MalformedClientInformation;

/// The members that are the server's; a client that sends them has no say in them.
#[derive(Serialize, Deserialize)]
struct Wire {
    client_id: ClientId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_id_issued_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<i64>,
    #[serde(flatten)]
    metadata: ClientMetadata,
}

impl ClientInformation {
    /// The JSON body, secret included.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut metadata = self.metadata.clone();
        for own in ["client_id", "client_secret", "client_id_issued_at", "client_secret_expires_at"] {
            metadata.other.remove(own);
        }
        let wire = Wire {
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.as_ref().map(|secret| secret.expose_secret().to_owned()),
            client_id_issued_at: self.client_id_issued_at,
            client_secret_expires_at: self
                .client_secret_expires_at
                .or_else(|| self.client_secret.as_ref().map(|_| 0)),
            metadata,
        };
        json(&wire)
    }

    /// Reads a JSON body, for clients.
    ///
    /// # Errors
    /// [`MalformedClientInformation`] if it is not one.
    pub fn from_json(body: &[u8]) -> Result<Self, MalformedClientInformation> {
        let wire: Wire = serde_json::from_slice(body).map_err(|_| MalformedClientInformation)?;
        Ok(Self {
            client_id: wire.client_id,
            client_secret: wire.client_secret.map(SecretString::from),
            client_id_issued_at: wire.client_id_issued_at,
            client_secret_expires_at: wire.client_secret_expires_at,
            metadata: wire.metadata,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// AS-50, AS-51: what an MCP client sends.
    #[test]
    fn a_request_keeps_every_member() {
        let document = json!({
            "client_name": "Example MCP Client",
            "client_name#ja": "\u{4f8b}",
            "redirect_uris": ["http://127.0.0.1:3000/callback", "cursor://anysphere.cursor-mcp/oauth/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "application_type": "native",
            "server_id": "srv_1",
        });
        let metadata: ClientMetadata = serde_json::from_value(document.clone()).unwrap();
        assert_eq!(metadata.application_type.as_deref(), Some("native"));
        assert_eq!(metadata.other.keys().collect::<Vec<_>>(), ["client_name#ja", "server_id"]);
        assert_eq!(serde_json::from_slice::<Value>(&metadata.to_json()).unwrap(), document);
    }

    #[test]
    fn a_list_is_a_real_array_and_null_is_absent() {
        for document in [
            json!({"redirect_uris": "https://a.example/cb"}),
            json!({"redirect_uris": ["https://a.example/cb", 1]}),
            json!({"redirect_uris": {"0": "https://a.example/cb"}}),
            json!({"grant_types": "authorization_code"}),
            json!({"client_name": ["a"]}),
            json!(["redirect_uris"]),
        ] {
            assert!(serde_json::from_value::<ClientMetadata>(document.clone()).is_err(), "{document}");
        }
        let nulls = json!({"redirect_uris": null, "grant_types": null, "client_name": null, "jwks": null});
        assert_eq!(serde_json::from_value::<ClientMetadata>(nulls).unwrap(), ClientMetadata::default());
    }

    /// RFC 7591 section 3.2.1: `client_secret_expires_at` is required with a secret.
    #[test]
    fn the_answer_is_flat_and_says_when_the_secret_expires() {
        let information = ClientInformation {
            client_id: ClientId::parse("cli_1").unwrap(),
            client_secret: Some(SecretString::from("hush")),
            client_id_issued_at: Some(1_700_000_000),
            client_secret_expires_at: None,
            metadata: ClientMetadata { client_name: Some("A".to_owned()), ..ClientMetadata::default() },
        };
        assert!(!format!("{information:?}").contains("hush"));
        let written: Value = serde_json::from_slice(&information.to_json()).unwrap();
        let expected = json!({"client_id": "cli_1", "client_secret": "hush", "client_id_issued_at": 1_700_000_000,
            "client_secret_expires_at": 0, "client_name": "A"});
        assert_eq!(written, expected);
        let again = ClientInformation::from_json(&information.to_json()).unwrap();
        assert_eq!(again.to_json(), information.to_json());
        assert_eq!(again.metadata, information.metadata);
    }

    #[test]
    fn a_public_client_gets_no_member_about_secrets() {
        let information = ClientInformation {
            client_id: ClientId::parse("cli_1").unwrap(),
            client_secret: None,
            client_id_issued_at: None,
            client_secret_expires_at: None,
            metadata: ClientMetadata::default(),
        };
        assert_eq!(information.to_json(), br#"{"client_id":"cli_1"}"#);
    }

    /// AS-52: a client does not choose its own id or secret.
    #[test]
    fn what_a_client_says_about_its_own_id_is_not_echoed() {
        let asked = json!({"client_id": "mine", "client_secret": "mine", "client_secret_expires_at": 1});
        let information = ClientInformation {
            client_id: ClientId::parse("cli_1").unwrap(),
            client_secret: None,
            client_id_issued_at: None,
            client_secret_expires_at: None,
            metadata: serde_json::from_value(asked).unwrap(),
        };
        assert_eq!(information.to_json(), br#"{"client_id":"cli_1"}"#);
    }

    #[test]
    fn an_answer_without_an_id_is_malformed() {
        for body in ["", "{}", r#"{"client_id":""}"#, r#"{"client_id":"a","client_secret_expires_at":"0"}"#] {
            assert!(ClientInformation::from_json(body.as_bytes()).is_err(), "{body}");
        }
    }
}
