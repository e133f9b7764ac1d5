//! What administrators do, and people about what is their own.

use ambient::Time;
use oauth_types::{ClientId, Scope};
use store::{AdminAccess, Outcome, PersonId, Provenance, ServerId, Status};

use super::entry::{Told, of_provenance, of_status};
use super::{Actor, KeyName, NamedGrant};

/// Something that somebody did about accounts, connections, clients or servers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OversightEvent {
    /// Somebody ended a grant.
    ConnectionRevoked {
        /// The grant.
        grant: NamedGrant,
        /// Who did it.
        by: Actor,
    },
    /// Somebody took scopes away from a grant.
    GrantNarrowed {
        /// The grant.
        grant: NamedGrant,
        /// What is left.
        scope: Scope,
        /// Who did it.
        by: Actor,
    },
    /// Somebody named the device that a grant is used from.
    DeviceLabelled {
        /// The grant.
        grant: NamedGrant,
        /// Who did it.
        by: Actor,
    },
    /// A remembered consent was taken back: the person is asked again.
    ConsentWithdrawn {
        /// Whose.
        person: PersonId,
        /// For whom.
        client: ClientId,
        /// Where.
        server: ServerId,
        /// Who did it.
        by: Actor,
    },
    /// All sessions and grants of a person ended.
    EverythingEnded {
        /// Whose.
        person: PersonId,
        /// Who did it.
        by: Actor,
    },
    /// A person was let act again, blocked or deleted.
    PersonSet {
        /// Who.
        person: PersonId,
        /// What they are now.
        status: Status,
        /// Who did it.
        by: Actor,
    },
    /// A client was let act again, blocked or deleted.
    ClientSet {
        /// Which.
        client: ClientId,
        /// What it is now.
        status: Status,
        /// Who did it.
        by: Actor,
    },
    /// Somebody else vouches for a client now.
    ClientVouched {
        /// Which.
        client: ClientId,
        /// Who vouches.
        provenance: Provenance,
        /// Who did it.
        by: Actor,
    },
    /// An administrator registered a client.
    ClientPreregistered {
        /// Which.
        client: ClientId,
        /// Who did it.
        by: Actor,
    },
    /// The operator answers for a client as for the server itself, or no longer does.
    FirstPartySet {
        /// Which.
        client: ClientId,
        /// Whether they do.
        first_party: bool,
        /// Who did it.
        by: Actor,
    },
    /// A client got a new secret.
    ClientSecretRotated {
        /// Which.
        client: ClientId,
        /// Until when the secrets before are taken.
        until: Time,
        /// Who did it.
        by: Actor,
    },
    /// A resource server was registered.
    ServerRegistered {
        /// Which.
        server: ServerId,
        /// Who did it.
        by: Actor,
    },
    /// What is known of a resource server was changed.
    ServerChanged {
        /// Which.
        server: ServerId,
        /// Who did it.
        by: Actor,
    },
    /// A resource server was let act again, blocked or deleted.
    ServerSet {
        /// Which.
        server: ServerId,
        /// What it is now.
        status: Status,
        /// Who did it.
        by: Actor,
    },
    /// A resource server got a new key.
    ServerKeyRotated {
        /// Which.
        server: ServerId,
        /// Until when the keys before are taken.
        until: Time,
        /// Who did it.
        by: Actor,
    },
    /// A request came with a key of the administration.
    AdministrationActed {
        /// Which key.
        key: KeyName,
        /// The method.
        method: &'static str,
        /// The route, with names in place of ids: `/api/grants/{grant}`.
        route: &'static str,
        /// How it went.
        outcome: Outcome,
    },
    /// A key of the administration was made.
    AdminKeyMade {
        /// Which.
        key: KeyName,
        /// What it opens.
        access: AdminAccess,
        /// Who did it.
        by: Actor,
    },
    /// A key of the administration was withdrawn.
    AdminKeyEnded {
        /// Which.
        key: KeyName,
        /// Who did it.
        by: Actor,
    },
}

impl OversightEvent {
    pub(super) fn told(&self) -> Told {
        use Outcome::Done;
        match self {
            Self::ConnectionRevoked { grant, by } => Told::of("connection_revoked", Done).grant(grant).by(by),
            Self::GrantNarrowed { grant, scope, by } => {
                Told::of("grant_narrowed", Done).grant(grant).with("scope", scope).by(by)
            }
            Self::DeviceLabelled { grant, by } => Told::of("device_labelled", Done).grant(grant).by(by),
            Self::ConsentWithdrawn { person, client, server, by } => {
                Told::of("consent_withdrawn", Done).person(Some(person)).client(client).server(*server).by(by)
            }
            Self::EverythingEnded { person, by } => {
                Told::of("everything_ended", Done).person(Some(person)).by(by)
            }
            Self::PersonSet { person, status, by } => {
                Told::of("person_set", Done).person(Some(person)).with("status", of_status(*status)).by(by)
            }
            Self::ClientSet { client, status, by } => {
                Told::of("client_set", Done).client(client).with("status", of_status(*status)).by(by)
            }
            Self::ClientVouched { client, provenance, by } => Told::of("client_vouched", Done)
                .client(client)
                .with("provenance", of_provenance(*provenance))
                .by(by),
            Self::ClientPreregistered { client, by } => {
                Told::of("client_preregistered", Done).client(client).by(by)
            }
            Self::FirstPartySet { client, first_party, by } => {
                Told::of("first_party_set", Done).client(client).with("first_party", first_party).by(by)
            }
            Self::ServerRegistered { server, by } => {
                Told::of("server_registered", Done).server(*server).by(by)
            }
            Self::ServerChanged { server, by } => Told::of("server_changed", Done).server(*server).by(by),
            Self::ServerSet { server, status, by } => {
                Told::of("server_set", Done).server(*server).with("status", of_status(*status)).by(by)
            }
            Self::ClientSecretRotated { client, until, by } => {
                Told::of("client_secret_rotated", Done).client(client).with("until", &until.0).by(by)
            }
            Self::ServerKeyRotated { server, until, by } => {
                Told::of("server_key_rotated", Done).server(*server).with("until", &until.0).by(by)
            }
            Self::AdministrationActed { key, method, route, outcome } => {
                Told::of("administration_acted", *outcome)
                    .with("method", method)
                    .with("route", route)
                    .by(&Actor::Administrator(key.clone()))
            }
            Self::AdminKeyMade { key, access, by } => {
                let access = match access {
                    AdminAccess::Read => "read",
                    AdminAccess::Write => "write",
                };
                Told::of("admin_key_made", Done).with("key", key.as_str()).with("access", access).by(by)
            }
            Self::AdminKeyEnded { key, by } => {
                Told::of("admin_key_ended", Done).with("key", key.as_str()).by(by)
            }
        }
    }
}
