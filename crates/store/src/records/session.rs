//! A browser that somebody is logged in with.

use ambient::Time;
use serde::{Deserialize, Serialize};

use crate::{Device, Digest, Epoch, Kind, Links, PersonId, Record, SessionId};

/// A log-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its identifier; part of the cookie's text.
    pub id: SessionId,
    /// The digest of the cookie's text.
    pub digest: Digest,
    /// Who.
    pub person: PersonId,
    /// The person's epoch when they logged in: "end everything of mine" ends the session too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// Their account's epoch when they logged in: what shuts out whoever came in so far ends the session too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_epoch: Option<Epoch>,
    /// When they proved who they are.
    pub auth_time: Time,
    /// By what (RFC 8176), such as `pwd`.
    pub amr: Vec<String>,
    /// How strongly, where a level was asked for (`acr`, OpenID Connect Core section 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// When they logged in with this browser first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Time>,
    /// When it was used last: written at most once an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Time>,
    /// The browser.
    #[serde(default, skip_serializing_if = "Device::is_unknown")]
    pub device: Device,
    /// Until when it lasts if it is not used.
    pub expires: Time,
    /// Until when it lasts at most; absent is `expires`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_end: Option<Time>,
}

impl Record for Session {
    const KIND: Kind = Kind::Session;
    const SCHEMA: u32 = 1;

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn sweep(&self) -> Option<Time> {
        Some(self.expires)
    }

    fn links(&self) -> Links {
        Links { person: Some(self.person.to_string()), ..Links::default() }
    }
}
