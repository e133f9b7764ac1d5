//! What is answered. Times are seconds since 1970. A secret is in the answer that makes it, and nowhere else.

use std::collections::BTreeMap;

use authz_core::{ClientView, KeyView, LastUse, PersonView, ServerView};
use identity::OpenInvitation;
use oauth_types::Issuer;
use schemars::JsonSchema;
use serde::Serialize;
use store::{Provenance, ScopeEntry, Status};

mod grants;

pub(super) use self::grants::{ShownConsent, ShownGrant};
use super::asked::{Access, Detail};
use super::events::Kept;
use crate::audit::of_outcome;

/// A server.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Server")]
pub(super) struct ShownServer {
    server_id: String,
    name: String,
    resource_url: String,
    scopes: Vec<ShownScope>,
    owner_email: Option<String>,
    userinfo: Detail,
    /// Where its protected resource metadata is (RFC 9728).
    prm_url: String,
    registered_at: i64,
    status: ShownStatus,
    /// Its keys that are taken now, the newest first.
    keys: Vec<ShownSecret>,
}

/// A scope.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Scope")]
pub(super) struct ShownScope {
    name: String,
    description: Option<String>,
    default: bool,
    optional: bool,
    implies: Vec<String>,
}

/// A key of a server or a secret of a client, which is not in it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Secret")]
pub(super) struct ShownSecret {
    /// The first eight digits of its SHA-256, in hexadecimal, by which whoever holds it can tell which one this is.
    #[schemars(regex(pattern = r"^[0-9a-f]{8}$"))]
    fingerprint: String,
    /// Until when it is taken; null if it was not replaced.
    taken_until: Option<i64>,
    /// When it was used last, to the hour; null if it was not within a year. A client's is noted only while it has several.
    last_used_at: Option<i64>,
}

impl From<KeyView> for ShownSecret {
    fn from(key: KeyView) -> Self {
        Self {
            fingerprint: key.fingerprint,
            taken_until: key.until.map(|until| until.0),
            last_used_at: key.used.map(|used| used.0),
        }
    }
}

/// A client.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Client")]
pub(super) struct ShownClient {
    client_id: String,
    /// What it calls itself.
    client_name: Option<String>,
    /// Whether it keeps a secret.
    confidential: bool,
    /// Its secrets that are taken now, the newest first.
    secrets: Vec<ShownSecret>,
    redirect_uris: Vec<String>,
    /// Whether an administrator vouches for it; else it registered itself, and its name is a claim.
    vouched: bool,
    /// Whether the operator answers for it.
    first_party: bool,
    /// The server that it was registered for.
    server_id: Option<String>,
    registered_at: i64,
    /// Until when it is kept at least; null is for good.
    kept_until: Option<i64>,
    /// When tokens were made for it last, of grants that live.
    last_used_at: Option<i64>,
    /// Whether it has more grants than were looked at for that, so that it may have been used later.
    last_used_at_least: bool,
    status: ShownStatus,
}

/// A user.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "User")]
pub(super) struct ShownUser {
    user_id: String,
    name: String,
    email: String,
    email_verified: bool,
    /// Whether they have a password.
    password: bool,
    /// Whether they use an app that shows codes.
    totp: bool,
    passkeys: usize,
    registered_at: i64,
    status: ShownStatus,
}

/// An invitation that may be taken.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ShownInvitation {
    invitation_id: String,
    /// For this address alone; null for whoever holds the link.
    email: Option<String>,
    /// Who invited: the name of a key of the administration, or `operator`.
    by: String,
    made_at: i64,
    valid_until: i64,
}

impl From<OpenInvitation> for ShownInvitation {
    fn from(open: OpenInvitation) -> Self {
        let OpenInvitation { invitation, email, by, made, until } = open;
        Self { invitation_id: invitation.to_string(), email, by, made_at: made.0, valid_until: until.0 }
    }
}

/// A key of the administration.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AdminKey")]
pub(super) struct ShownKey {
    pub(super) name: String,
    pub(super) access: Access,
    /// Whether it opens anything now.
    pub(super) active: bool,
    /// Whether it is of the configuration, which alone can end it.
    pub(super) configured: bool,
    pub(super) made_at: Option<i64>,
    /// When it was used last, to the minute.
    pub(super) last_used_at: Option<i64>,
    pub(super) ended_at: Option<i64>,
}

/// Something that happened.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Event")]
pub(super) struct ShownEvent {
    /// The same for good, and no other event's.
    event_id: String,
    /// When it happened.
    at: i64,
    /// When it was written to the trail: a little later, or much later if the store was away.
    written_at: i64,
    /// What, such as `refresh_replayed`. Newer versions tell of more.
    name: String,
    /// How it went.
    #[schemars(extend("enum" = ["done", "refused", "failed"]))]
    outcome: &'static str,
    /// Who did it: `person:…`, `administrator:…` or `operator`.
    actor: Option<String>,
    /// From where.
    from: Option<String>,
    user_id: Option<String>,
    client_id: Option<String>,
    grant_id: Option<String>,
    server_id: Option<String>,
    /// Why, by the name of a rule.
    why: Option<String>,
    detail: BTreeMap<String, String>,
}

/// Whether somebody may act.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Status")]
#[serde(rename_all = "snake_case")]
pub(super) enum ShownStatus {
    /// Yes.
    Active,
    /// Not for now.
    Blocked,
    /// Never again.
    Deleted,
}

impl From<Status> for ShownStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Active => Self::Active,
            Status::Blocked => Self::Blocked,
            Status::Deleted => Self::Deleted,
        }
    }
}

impl ShownServer {
    pub(super) fn of(server: &ServerView, keys: Vec<KeyView>, issuer: &Issuer) -> Self {
        Self {
            server_id: server.id.to_string(),
            name: server.name.clone(),
            resource_url: server.resource.to_string(),
            scopes: server.scopes.iter().map(ShownScope::of).collect(),
            owner_email: server.owner_email.clone(),
            userinfo: server.userinfo.into(),
            prm_url: issuer.endpoint(&format!("/prm/{}", server.id)),
            registered_at: server.registered.0,
            status: server.status.into(),
            keys: keys.into_iter().map(ShownSecret::from).collect(),
        }
    }
}

impl ShownScope {
    fn of(scope: &ScopeEntry) -> Self {
        Self {
            name: scope.name.clone(),
            description: scope.description.clone(),
            default: scope.default,
            optional: scope.optional,
            implies: scope.implies.iter().map(ToOwned::to_owned).collect(),
        }
    }
}

impl ShownClient {
    pub(super) fn of(client: &ClientView, secrets: Vec<KeyView>, last_use: LastUse) -> Self {
        Self {
            client_id: client.id.to_string(),
            client_name: client.metadata.client_name.clone(),
            confidential: client.confidential,
            secrets: secrets.into_iter().map(ShownSecret::from).collect(),
            redirect_uris: client.redirect_uris.iter().map(ToString::to_string).collect(),
            vouched: client.provenance == Provenance::Administrator,
            first_party: client.first_party,
            server_id: client.server.map(|server| server.to_string()),
            registered_at: client.registered.0,
            kept_until: client.kept_until.map(|until| until.0),
            last_used_at: last_use.at.map(|at| at.0),
            last_used_at_least: last_use.at_least,
            status: client.status.into(),
        }
    }
}

impl From<PersonView> for ShownUser {
    fn from(person: PersonView) -> Self {
        Self {
            user_id: person.id.to_string(),
            name: person.name,
            email: person.email,
            email_verified: person.email_verified,
            password: person.password,
            totp: person.totp,
            passkeys: person.passkeys,
            registered_at: person.registered.0,
            status: person.status.into(),
        }
    }
}

impl From<Kept> for ShownEvent {
    fn from(kept: Kept) -> Self {
        let (event_id, written_at) = (kept.id(), kept.piece.at().0);
        let Kept { entry, .. } = kept;
        Self {
            event_id,
            at: entry.at.0,
            written_at,
            name: entry.name,
            outcome: of_outcome(entry.outcome),
            actor: entry.actor,
            from: entry.from.map(|from| from.to_string()),
            user_id: entry.person.map(|person| person.to_string()),
            client_id: entry.client.map(|client| client.to_string()),
            grant_id: entry.grant.map(|grant| grant.to_string()),
            server_id: entry.server.map(|server| server.to_string()),
            why: entry.why,
            detail: entry.detail,
        }
    }
}
