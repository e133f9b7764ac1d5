//! What is answered. Times are seconds since 1970. A secret is in the answer that makes it, and nowhere else.

use std::collections::BTreeMap;

use authz_core::{ClientView, GrantState, GrantView, LastUse, PersonView, ServerView};
use oauth_types::Issuer;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use store::{Consent, Lasting, Outcome, Provenance, ScopeEntry, Status, Why};

use super::asked::{Access, Detail};
use super::events::Kept;

/// A server.
#[derive(Debug, Serialize, JsonSchema)]
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
    status: Acting,
    /// Until when each of its replaced keys is taken.
    retiring_keys: Vec<i64>,
}

/// A scope.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ShownScope {
    name: String,
    description: Option<String>,
    default: bool,
    optional: bool,
    implies: Vec<String>,
}

/// A server that was just registered.
#[derive(Debug, Serialize, JsonSchema)]
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
pub(super) struct Rotated {
    pub(super) server_id: String,
    /// Its key from now on.
    pub(super) api_key: String,
    /// Until when those before are taken.
    pub(super) previous_keys_until: i64,
}

/// A client.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ShownClient {
    client_id: String,
    /// What it calls itself.
    client_name: Option<String>,
    /// Whether it keeps a secret.
    confidential: bool,
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
    status: Acting,
}

/// A client that was just registered.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct MadeClient {
    #[serde(flatten)]
    pub(super) client: ShownClient,
    /// Its secret, if it is to have one.
    pub(super) client_secret: Option<String>,
    /// What was registered in the end (RFC 7591 section 3.2.1).
    pub(super) metadata: Map<String, Value>,
}

/// A grant.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ShownGrant {
    grant_id: String,
    /// `asked`, `coded`, `connected`, `expired`, `barred` or `ended`. Access is `connected` alone.
    state: &'static str,
    /// Why it ended.
    why: Option<&'static str>,
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

/// How many grants ended.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Revoked {
    /// So many.
    pub(super) revoked: u32,
}

/// A consent.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ShownConsent {
    user_id: String,
    client_id: String,
    server_id: String,
    /// What the client may have without asking, by the redirect URI that answers go to.
    agreed: BTreeMap<String, Vec<String>>,
    given_at: i64,
}

/// A user.
#[derive(Debug, Serialize, JsonSchema)]
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
    status: Acting,
}

/// An invitation that was just made.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct MadeInvitation {
    pub(super) invitation_id: String,
    /// The link to hand over; null if it went out by a letter.
    pub(super) link: Option<String>,
    /// Whether a letter went out.
    pub(super) mailed: bool,
}

/// A key of the administration.
#[derive(Debug, Serialize, JsonSchema)]
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

/// A key that was just made.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct MadeKey {
    #[serde(flatten)]
    pub(super) key: ShownKey,
    /// What to send, as `Authorization: Bearer`.
    pub(super) admin_key: String,
}

/// Something that happened.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ShownEvent {
    /// The same for good, and no other event's.
    event_id: String,
    /// When it happened.
    at: i64,
    /// When it was written to the trail: a little later, or much later if the store was away.
    written_at: i64,
    /// What, such as `refresh_replayed`.
    name: String,
    /// `done`, `refused` or `failed`.
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
#[serde(rename_all = "snake_case")]
pub(super) enum Acting {
    /// Yes.
    Active,
    /// Not for now.
    Blocked,
    /// Never again.
    Deleted,
}

impl From<Status> for Acting {
    fn from(status: Status) -> Self {
        match status {
            Status::Active => Self::Active,
            Status::Blocked => Self::Blocked,
            Status::Deleted => Self::Deleted,
        }
    }
}

impl ShownServer {
    pub(super) fn of(server: &ServerView, issuer: &Issuer) -> Self {
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
            retiring_keys: server.retiring.iter().map(|until| until.0).collect(),
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
    pub(super) fn of(client: &ClientView, last_use: LastUse) -> Self {
        Self {
            client_id: client.id.to_string(),
            client_name: client.metadata.client_name.clone(),
            confidential: client.confidential,
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

impl From<&GrantView> for ShownGrant {
    fn from(grant: &GrantView) -> Self {
        let (state, why) = match grant.state {
            GrantState::Asked => ("asked", None),
            GrantState::Coded => ("coded", None),
            GrantState::Connected => ("connected", None),
            GrantState::Expired => ("expired", None),
            GrantState::Barred => ("barred", None),
            GrantState::Ended(why) => ("ended", Some(reason(why))),
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

const fn reason(why: Why) -> &'static str {
    match why {
        Why::Denied => "denied",
        Why::VerifierMismatch => "verifier_mismatch",
        Why::Lasting(Lasting::Revoked) => "revoked",
        Why::Lasting(Lasting::CodeReplayed) => "code_replayed",
        Why::Lasting(Lasting::RefreshReplayed) => "refresh_replayed",
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
            outcome: match entry.outcome {
                Outcome::Done => "done",
                Outcome::Refused => "refused",
                Outcome::Failed => "failed",
            },
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
