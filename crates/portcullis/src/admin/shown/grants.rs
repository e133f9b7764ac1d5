//! Grants and remembered consents.

use std::collections::BTreeMap;

use authz_core::{GrantState, GrantView};
use schemars::JsonSchema;
use serde::Serialize;
use store::{Consent, Lasting, Why};

/// A grant.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Grant")]
pub(in crate::admin) struct ShownGrant {
    grant_id: String,
    state: ShownState,
    /// Why it ended.
    why: Option<ShownWhy>,
    client_id: String,
    client_name: Option<String>,
    user_id: Option<String>,
    server_id: Option<String>,
    resource_url: Option<String>,
    scopes: Vec<String>,
    since: i64,
    /// When tokens were made for it last.
    last_used_at: Option<i64>,
    /// Until when it is good if nobody uses it.
    until: i64,
    /// What its user calls the device.
    label: Option<String>,
    /// The address that the tokens went to last.
    address: Option<String>,
    /// What the program there calls itself.
    agent: Option<String>,
}

/// How far a grant has come. Its client has access in `connected` alone.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[schemars(rename = "GrantState")]
#[serde(rename_all = "snake_case")]
pub(in crate::admin) enum ShownState {
    /// Its user is being asked.
    Asked,
    /// Its user has agreed, and its client has not fetched its tokens yet.
    Coded,
    /// Its client has access.
    Connected,
    /// Each of its tokens has expired.
    Expired,
    /// Something is held against its client, its user or its server.
    Barred,
    /// It is over.
    Ended,
}

/// Why a grant ended.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[schemars(rename = "WhyEnded")]
#[serde(rename_all = "snake_case")]
pub(in crate::admin) enum ShownWhy {
    /// Its user did not agree.
    Denied,
    /// Whoever came with its code did not know the verifier of PKCE.
    VerifierMismatch,
    /// Its user, its client or an administrator ended it.
    Revoked,
    /// Its code came twice.
    CodeReplayed,
    /// A refresh token came that was replaced before.
    RefreshReplayed,
}

/// A consent.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Consent")]
pub(in crate::admin) struct ShownConsent {
    user_id: String,
    client_id: String,
    server_id: String,
    /// What the client may have without asking, by the redirect URI that answers go to.
    agreed: BTreeMap<String, Vec<String>>,
    given_at: i64,
}

impl From<&GrantView> for ShownGrant {
    fn from(grant: &GrantView) -> Self {
        let (state, why) = match grant.state {
            GrantState::Asked => (ShownState::Asked, None),
            GrantState::Coded => (ShownState::Coded, None),
            GrantState::Connected => (ShownState::Connected, None),
            GrantState::Expired => (ShownState::Expired, None),
            GrantState::Barred => (ShownState::Barred, None),
            GrantState::Ended(why) => (ShownState::Ended, Some(why.into())),
        };
        Self {
            grant_id: grant.id.to_string(),
            state,
            why,
            client_id: grant.client.to_string(),
            client_name: grant.client_known.as_ref().and_then(|client| client.metadata.client_name.clone()),
            user_id: grant.person.as_ref().map(ToString::to_string),
            server_id: grant.target.as_ref().map(|target| target.server.to_string()),
            resource_url: grant.target.as_ref().map(|target| target.resource.to_string()),
            scopes: grant.scope.iter().map(ToOwned::to_owned).collect(),
            since: grant.since.0,
            last_used_at: grant.used.map(|at| at.0),
            until: grant.until.0,
            label: grant.device.label.clone(),
            address: grant.device.address.map(|address| address.to_string()),
            agent: grant.device.agent.clone(),
        }
    }
}

impl From<Why> for ShownWhy {
    fn from(why: Why) -> Self {
        match why {
            Why::Denied => Self::Denied,
            Why::VerifierMismatch => Self::VerifierMismatch,
            Why::Lasting(Lasting::Revoked) => Self::Revoked,
            Why::Lasting(Lasting::CodeReplayed) => Self::CodeReplayed,
            Why::Lasting(Lasting::RefreshReplayed) => Self::RefreshReplayed,
        }
    }
}

impl From<&Consent> for ShownConsent {
    fn from(consent: &Consent) -> Self {
        let agreed = consent.agreed.iter().map(|agreed| {
            (agreed.redirect_uri.to_string(), agreed.scope.iter().map(ToOwned::to_owned).collect())
        });
        Self {
            user_id: consent.person.to_string(),
            client_id: consent.client.to_string(),
            server_id: consent.server.to_string(),
            agreed: agreed.collect(),
            given_at: consent.given.0,
        }
    }
}
