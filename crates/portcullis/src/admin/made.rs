//! What is answered once: what was made or replaced, with its secret.

use identity::Delivery;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::shown::{ShownClient, ShownKey, ShownServer, ShownUser};

/// A server that was just registered.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RegisteredServer")]
pub(super) struct MadeServer {
    #[serde(flatten)]
    pub(super) server: ShownServer,
    /// Its key.
    pub(super) api_key: String,
    /// What to do with it.
    pub(super) message: &'static str,
}

/// A new key of a server.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RotatedKey")]
pub(super) struct Rotated {
    pub(super) server_id: String,
    /// Its key from now on.
    pub(super) api_key: String,
    /// Until when those before are taken.
    pub(super) previous_keys_until: i64,
}

/// A client that was just registered.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RegisteredClient")]
pub(super) struct MadeClient {
    #[serde(flatten)]
    pub(super) client: ShownClient,
    /// Its secret, if it is to have one.
    pub(super) client_secret: Option<String>,
    /// What was registered in the end (RFC 7591 section 3.2.1).
    pub(super) metadata: Map<String, Value>,
}

/// A new secret of a client.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RotatedSecret")]
pub(super) struct RotatedSecret {
    pub(super) client_id: String,
    /// Its secret from now on.
    pub(super) client_secret: String,
    /// Until when those before are taken.
    pub(super) previous_secrets_until: i64,
}

/// An account that was just made.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct MadeUser {
    #[serde(flatten)]
    pub(super) user: ShownUser,
    /// The link with which they set their first password, to hand over; null if it is mailed, or if they have a password.
    pub(super) link: Option<String>,
    /// What has become of the letter with that link.
    pub(super) letter: LetterSent,
}

/// An invitation that was just made.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Invitation")]
pub(super) struct MadeInvitation {
    pub(super) invitation_id: String,
    /// The link to hand over; null if it is mailed.
    pub(super) link: Option<String>,
    /// What has become of the letter. One that is queued can still fail, which the event `mail_failed` tells.
    pub(super) letter: LetterSent,
}

/// What has become of a letter.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Letter")]
#[serde(rename_all = "snake_case")]
pub(super) enum LetterSent {
    None,
    Queued,
    Sent,
}

/// A key that was just made.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CreatedAdminKey")]
pub(super) struct MadeKey {
    #[serde(flatten)]
    pub(super) key: ShownKey,
    /// What to send, as `Authorization: Bearer`.
    pub(super) admin_key: String,
}

/// How many grants ended.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RevokedGrants")]
pub(super) struct Revoked {
    /// So many.
    pub(super) revoked: u32,
}

impl From<Delivery> for LetterSent {
    fn from(delivery: Delivery) -> Self {
        match delivery {
            Delivery::None => Self::None,
            Delivery::Queued => Self::Queued,
            Delivery::Sent => Self::Sent,
        }
    }
}
