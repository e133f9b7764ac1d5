//! The pages of lists.

use schemars::JsonSchema;
use serde::Serialize;

use super::shown::{
    ShownClient, ShownConsent, ShownEvent, ShownGrant, ShownInvitation, ShownKey, ShownServer, ShownUser,
};

/// A page of servers.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ServerPage")]
pub(super) struct Servers {
    /// They.
    pub(super) servers: Vec<ShownServer>,
    /// The cursor of the next page; null at the end.
    pub(super) next: Option<String>,
}

/// A page of clients.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ClientPage")]
pub(super) struct Clients {
    /// They.
    pub(super) clients: Vec<ShownClient>,
    /// The cursor of the next page; null at the end.
    pub(super) next: Option<String>,
}

/// A page of grants.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "GrantPage")]
pub(super) struct Grants {
    /// They. There may be fewer than asked for, or none, and still a next page.
    pub(super) grants: Vec<ShownGrant>,
    /// The cursor of the next page; null at the end.
    pub(super) next: Option<String>,
}

/// A page of consents.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ConsentPage")]
pub(super) struct Consents {
    /// They.
    pub(super) consents: Vec<ShownConsent>,
    /// The cursor of the next page; null at the end.
    pub(super) next: Option<String>,
}

/// A page of users.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UserPage")]
pub(super) struct Users {
    /// They.
    pub(super) users: Vec<ShownUser>,
    /// The cursor of the next page; null at the end.
    pub(super) next: Option<String>,
}

/// A page of invitations that may be taken.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Invitations {
    /// They.
    pub(super) invitations: Vec<ShownInvitation>,
    /// The cursor of the next page; null at the end.
    pub(super) next: Option<String>,
}

/// The keys of the administration.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AdminKeyList")]
pub(super) struct Keys {
    /// They.
    pub(super) keys: Vec<ShownKey>,
}

/// A page of events, the newest first.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EventPage")]
pub(super) struct Events {
    /// They.
    pub(super) events: Vec<ShownEvent>,
    /// The cursor of the next page, which is older; null at the end.
    pub(super) next: Option<String>,
}
