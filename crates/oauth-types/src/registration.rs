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
