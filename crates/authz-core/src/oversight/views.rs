//! What is shown of a record.

use ambient::Time;
use oauth_types::{ClientId, ClientMetadata, RedirectUri, Resource, Scope};
use store::{
    Account, Client, ClientAuth, Device, Facts, Grant, GrantId, PersonId, Provenance, ScopeEntry, Server,
    ServerId, Stage, Status, Subject, Target, UserInfoDetail,
};

use crate::decide::oversee::{GrantState, state};

/// A grant.
#[derive(Clone, Debug, PartialEq)]
pub struct GrantView {
    /// Which.
    pub id: GrantId,
    /// How far it has come, and whether it is good for anything now.
    pub state: GrantState,
    /// Who acts.
    pub client: ClientId,
    /// What the store knows of the client; nothing of one that is known by its document.
    pub client_known: Option<ClientView>,
    /// For whom; nobody for a machine's, and for one that has ended.
    pub person: Option<PersonId>,
    /// Where; nowhere for one that has ended.
    pub target: Option<Target>,
    /// What the store knows of that resource server.
    pub server_known: Option<ServerView>,
    /// What may be done there.
    pub scope: Scope,
    /// When it was asked for.
    pub since: Time,
    /// When tokens were made for it last.
    pub used: Option<Time>,
    /// Until when it is good if nobody uses it.
    pub until: Time,
    /// The device that the tokens went to last.
    pub device: Device,
}

/// A client.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientView {
    /// Its identifier.
    pub id: ClientId,
    /// Whether it keeps a secret.
    pub confidential: bool,
    /// Where answers may go.
    pub redirect_uris: Vec<RedirectUri>,
    /// Whether it may have refresh tokens.
    pub refresh: bool,
    /// Who vouches for it.
    pub provenance: Provenance,
    /// Whether the operator answers for it.
    pub first_party: bool,
    /// The resource server that it was registered for.
    pub server: Option<ServerId>,
    /// When it was registered.
    pub registered: Time,
    /// Until when it is kept at least.
    pub kept_until: Option<Time>,
    /// Whether it may act.
    pub status: Status,
    /// What it says of itself.
    pub metadata: ClientMetadata,
}

/// A key of a resource server or a secret of a client: one of those that are taken now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyView {
    /// The first eight hexadecimal digits of the SHA-256 of its text: whoever holds it can tell which one it is.
    pub fingerprint: String,
    /// Until when it is taken, if it was replaced.
    pub until: Option<Time>,
    /// When it was used last, to the hour, within a year. Of a secret only while its client has several.
    pub used: Option<Time>,
}

/// When a client was used last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// When tokens were made for it last, of the grants that were looked at and live.
    pub at: Option<Time>,
    /// Whether it has more grants than were looked at: it may have been used later.
    pub at_least: bool,
}

/// A person with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonView {
    /// Who.
    pub id: PersonId,
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
    /// Whether they have shown that it is theirs.
    pub email_verified: bool,
    /// Whether they have a password.
    pub password: bool,
    /// Whether they use an app that shows codes.
    pub totp: bool,
    /// How many passkeys they have.
    pub passkeys: usize,
    /// When they signed up.
    pub registered: Time,
    /// Whether they may act.
    pub status: Status,
}

/// A resource server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerView {
    /// Its identifier.
    pub id: ServerId,
    /// Its name.
    pub name: String,
    /// Its resource identifier.
    pub resource: Resource,
    /// What may be asked for there.
    pub scopes: Vec<ScopeEntry>,
    /// Whom to write to.
    pub owner_email: Option<String>,
    /// What userinfo tells.
    pub userinfo: UserInfoDetail,
    /// Whether it may act.
    pub status: Status,
    /// When it was registered.
    pub registered: Time,
}

impl GrantView {
    pub(super) fn of(grant: &Grant, facts: &Facts, now: Time) -> Self {
        let (target, scope, used, device) = match &grant.stage {
            Stage::Requested(requested) => {
                (Some(&requested.request.target), requested.request.scope.clone(), None, Device::default())
            }
            Stage::Coded(coded) => {
                (Some(&coded.request.target), coded.request.scope.clone(), None, Device::default())
            }
            Stage::Live(live) => {
                (Some(&live.target), live.scope.clone(), Some(live.rotated), live.device.clone())
            }
            Stage::Ended(_) => (None, Scope::default(), None, Device::default()),
        };
        Self {
            id: grant.id,
            state: state(grant, facts, now),
            client: grant.client.clone(),
            client_known: facts.client.as_ref().map(|found| ClientView::of(&found.record)),
            person: person(grant).cloned(),
            target: target.cloned(),
            server_known: facts.server.as_ref().map(|found| ServerView::of(&found.record)),
            scope,
            since: grant.born,
            used,
            until: grant.last_expiry(),
            device,
        }
    }
}

/// The person of a grant.
pub(super) fn person(grant: &Grant) -> Option<&PersonId> {
    match &grant.party()?.subject {
        Subject::Person(person) => Some(person),
        Subject::Machine => None,
    }
}

impl ClientView {
    pub(super) fn of(client: &Client) -> Self {
        Self {
            id: client.id.clone(),
            confidential: match client.auth {
                ClientAuth::Public => false,
                ClientAuth::Secret { .. } => true,
            },
            redirect_uris: client.redirect_uris.clone(),
            refresh: client.refresh,
            provenance: client.provenance,
            first_party: client.first_party,
            server: client.server,
            registered: client.registered,
            kept_until: client.kept_until,
            status: client.standing.status,
            metadata: client.metadata.clone(),
        }
    }
}

impl PersonView {
    pub(super) fn of(account: Account, status: Status) -> Self {
        Self {
            id: account.person,
            name: account.name,
            email: account.email,
            email_verified: account.email_verified,
            password: account.password.is_some(),
            totp: account.factors.totp.is_some_and(|totp| totp.confirmed.is_some()),
            passkeys: account.factors.passkeys.len(),
            registered: account.registered,
            status,
        }
    }
}

impl ServerView {
    pub(super) fn of(server: &Server) -> Self {
        Self {
            id: server.id,
            name: server.name.clone(),
            resource: server.resource.clone(),
            scopes: server.scopes.clone(),
            owner_email: server.owner_email.clone(),
            userinfo: server.userinfo,
            status: server.status,
            registered: server.registered,
        }
    }
}
