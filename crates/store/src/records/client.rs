//! An OAuth client.

use ambient::Time;
use oauth_types::{ClientId, ClientMetadata, RedirectUri};
use serde::{Deserialize, Serialize};

use crate::{Digest, Kind, Record, RetiringKey, ServerId, Standing};

/// A registered client. The record is its standing, too: what blocks or deletes it bites on the next request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// Its identifier.
    pub id: ClientId,
    /// How it proves who it is.
    pub auth: ClientAuth,
    /// Where answers may go, as registered.
    pub redirect_uris: Vec<RedirectUri>,
    /// Whether it may have refresh tokens.
    pub refresh: bool,
    /// Who vouches for it.
    pub provenance: Provenance,
    /// Whether the operator answers for it as for this server itself: a policy may waive consent for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first_party: bool,
    /// The resource server that it was registered for, which is what it means when it names no `resource`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerId>,
    /// When it was registered.
    pub registered: Time,
    /// Until when it is kept at least; `None` is for good. Whoever registers itself and is never used does not stay for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_until: Option<Time>,
    /// What is held against it.
    pub standing: Standing,
    /// What it said of itself, unknown members included. For people; rules read the members above.
    pub metadata: ClientMetadata,
}

/// Who vouches for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// Nobody: it registered itself (RFC 7591). Its name is a claim, its redirect URIs are not trusted.
    Dynamic,
    /// An administrator registered it.
    Administrator,
}

/// How a client proves who it is (RFC 6749 section 2.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// It cannot: a public client.
    Public,
    /// By a secret.
    Secret {
        /// How it sends it.
        method: SecretMethod,
        /// The digest of the secret.
        digest: Digest,
        /// Secrets that were replaced and are taken for a while longer.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        retiring: Vec<RetiringKey>,
    },
}

/// How a client sends its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretMethod {
    /// `client_secret_basic`: in the `Authorization` header.
    Basic,
    /// `client_secret_post`: in the body.
    Post,
    /// It named no method: registered as `client_secret_basic`, the default of RFC 7591, and taken in the body too.
    Either,
}

impl Record for Client {
    const KIND: Kind = Kind::Client;
    const SCHEMA: u32 = 1;

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn sweep(&self) -> Option<Time> {
        self.kept_until
    }
}
