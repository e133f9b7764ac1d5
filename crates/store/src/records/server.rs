//! A resource server: an MCP server that this authorization server protects.

use ambient::Time;
use oauth_types::{Resource, Scope};
use serde::{Deserialize, Serialize};

use crate::{Digest, Kind, Record, ServerId, Status};

/// A registered resource server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Its identifier.
    pub id: ServerId,
    /// Its name, for people.
    pub name: String,
    /// Its resource identifier (RFC 8707, RFC 9728), as registered.
    pub resource: Resource,
    /// What may be asked for there.
    pub scopes: Vec<ScopeEntry>,
    /// Whom to write to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_email: Option<String>,
    /// The digests of the keys by which it calls introspection. More than one while a key is being replaced.
    pub keys: Vec<Digest>,
    /// Keys that were replaced and are taken for a while longer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retiring: Vec<RetiringKey>,
    /// What userinfo tells about people to holders of its tokens.
    pub userinfo: UserInfoDetail,
    /// Whether it may act.
    pub status: Status,
    /// When it was registered.
    pub registered: Time,
    /// Until when it is kept once it is deleted: longer than any grant that names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_until: Option<Time>,
}

/// A scope of a resource server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeEntry {
    /// One scope token.
    pub name: String,
    /// What it allows, in plain words, for the consent page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether a client that names no scope of the resource gets it.
    #[serde(default)]
    pub default: bool,
    /// Whether a person may leave it out when they consent to the rest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// The scopes that it includes.
    #[serde(default, skip_serializing_if = "Scope::is_empty")]
    pub implies: Scope,
}

/// A key of a resource server, or a secret of a client, that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiringKey {
    /// Its digest.
    pub digest: Digest,
    /// Until when it is taken.
    pub until: Time,
}

/// How much userinfo tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserInfoDetail {
    /// Name and e-mail, whatever the scopes.
    #[default]
    Full,
    /// `name` with the scope `profile`, `email` with the scope `email`.
    Scoped,
}

impl Server {
    /// The scopes that exist here.
    pub fn scope_names(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(|scope| scope.name.as_str())
    }
}

impl Record for Server {
    const KIND: Kind = Kind::Server;
    const SCHEMA: u32 = 1;

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn sweep(&self) -> Option<Time> {
        self.kept_until
    }
}

/// The resource servers of one origin: how a resource identifier is found, and its aliases with it.
///
/// An entry is written before its server's record, so it may name what is not there, and never misses what is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginIndex {
    /// Scheme, host and port, as [`Resource::origin`] has them.
    pub origin: String,
    /// Its servers.
    pub entries: Vec<OriginEntry>,
}

/// One resource server of an origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginEntry {
    /// Which.
    pub server: ServerId,
    /// Its resource identifier.
    pub resource: Resource,
    /// When it was entered.
    pub since: Time,
}

impl Record for OriginIndex {
    const KIND: Kind = Kind::Origin;
    const SCHEMA: u32 = 1;

    fn id(&self) -> String {
        self.origin.clone()
    }
}
