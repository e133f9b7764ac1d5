//! An event as the audit trail keeps it.

use ambient::Time;
use oauth_types::ClientId;
use store::{Entry, Outcome, PersonId, Provenance, ServerId, Status};

use super::named::short;
use super::{Actor, Context, Event, NamedClient, NamedGrant};

impl Event {
    /// As an entry of the audit trail, of `at`.
    #[must_use]
    pub fn entry(&self, at: Time, context: &Context) -> Entry {
        let Told { mut entry } = self.told();
        entry.at = at;
        entry.from = entry.from.or_else(|| context.from());
        if let Some(agent) = context.agent() {
            entry.detail.insert("agent".to_owned(), agent.to_owned());
        }
        entry
    }

    fn told(&self) -> Told {
        use Outcome::{Done, Refused};
        match self {
            Self::ClientRegistered { client, from } => {
                let told = Told::of("client_registered", Done).client(client);
                Told { entry: Entry { from: *from, ..told.entry } }
            }
            Self::Consented { grant, scope, remembered } => {
                Told::of("consented", Done).grant(grant).with("scope", scope).with("remembered", remembered)
            }
            Self::ConsentWaived { grant, scope } => {
                Told::of("consent_waived", Done).grant(grant).with("scope", scope)
            }
            Self::Denied(grant) => Told::of("denied", Refused).grant(grant),
            Self::CodeRedeemed(grant) => Told::of("code_redeemed", Done).grant(grant),
            Self::CodeReplayed(grant) => Told::of("code_replayed", Refused).grant(grant),
            Self::VerifierMismatched(grant) => Told::of("verifier_mismatched", Refused).grant(grant),
            Self::Refreshed { grant, number } => {
                Told::of("refreshed", Done).grant(grant).with("number", number)
            }
            Self::RefreshRepeated { grant, number } => {
                Told::of("refresh_repeated", Done).grant(grant).with("number", number)
            }
            Self::RefreshReplayed { grant, number, current } => Told::of("refresh_replayed", Refused)
                .grant(grant)
                .with("number", number)
                .with("current", current),
            Self::StoreWentBack { grant, number, recorded } => Told::of("store_went_back", Done)
                .grant(grant)
                .with("number", number)
                .with("recorded", recorded),
            Self::AccessTokenDropped(grant) => Told::of("access_token_dropped", Done).grant(grant),
            Self::GrantRevoked(grant) => Told::of("grant_revoked", Done).grant(grant),
            Self::AccessTokenRevoked(grant) => Told::of("access_token_revoked", Done).grant(grant),
            Self::Refused { endpoint, refusal, client, from } => {
                let mut told = Told::of("refused", Refused).why(refusal.as_str()).with("endpoint", endpoint);
                told.entry.from = *from;
                match client {
                    Some(NamedClient::Known(client)) => told.client(client),
                    Some(NamedClient::Unknown(digest)) => told.with("client_digest", &short(digest)),
                    None => told,
                }
            }
            Self::Stopped { endpoint, why, from } => {
                let told = Told::of("stopped", Refused).why(why.as_str()).with("endpoint", endpoint);
                Told { entry: Entry { from: *from, ..told.entry } }
            }
            Self::AdministrationRefused { from } => {
                let told = Told::of("administration_refused", Refused);
                Told { entry: Entry { from: *from, ..told.entry } }
            }
            Self::Limited { limit, from } => {
                let told = Told::of("limited", Refused).why(limit);
                Told { entry: Entry { from: *from, ..told.entry } }
            }
            Self::Oversight(event) => event.told(),
            Self::Account(event) => event.told(),
        }
    }

    /// Whether it speaks of theft, loss or an attack.
    #[must_use]
    pub const fn is_alarming(&self) -> bool {
        match self {
            Self::CodeReplayed(_)
            | Self::VerifierMismatched(_)
            | Self::RefreshReplayed { .. }
            | Self::StoreWentBack { .. }
            | Self::AccessTokenDropped(_)
            | Self::AdministrationRefused { .. }
            | Self::Limited { .. } => true,
            Self::ClientRegistered { .. }
            | Self::Consented { .. }
            | Self::ConsentWaived { .. }
            | Self::Denied(_)
            | Self::CodeRedeemed(_)
            | Self::Refreshed { .. }
            | Self::RefreshRepeated { .. }
            | Self::GrantRevoked(_)
            | Self::AccessTokenRevoked(_)
            | Self::Stopped { .. }
            | Self::Refused { .. }
            | Self::Oversight(_) => false,
            Self::Account(event) => event.is_alarming(),
        }
    }
}

/// An entry in the making.
pub(super) struct Told {
    entry: Entry,
}

impl Told {
    pub(super) fn of(name: &str, outcome: Outcome) -> Self {
        Self { entry: Entry::new(Time(0), name, outcome) }
    }

    pub(super) fn by(mut self, actor: &Actor) -> Self {
        self.entry.actor = Some(actor.to_string());
        self
    }

    pub(super) fn grant(mut self, grant: &NamedGrant) -> Self {
        let NamedGrant { id, client, person, server } = grant.clone();
        (self.entry.grant, self.entry.client) = (Some(id), Some(client));
        (self.entry.person, self.entry.server) = (person, server);
        self
    }

    pub(super) fn client(mut self, client: &ClientId) -> Self {
        self.entry.client = Some(client.clone());
        self
    }

    pub(super) fn person(mut self, person: Option<&PersonId>) -> Self {
        self.entry.person = person.cloned();
        self
    }

    pub(super) fn server(mut self, server: ServerId) -> Self {
        self.entry.server = Some(server);
        self
    }

    pub(super) fn why(mut self, why: impl ToString) -> Self {
        self.entry.why = Some(why.to_string());
        self
    }

    pub(super) fn with(mut self, name: &str, value: &(impl ToString + ?Sized)) -> Self {
        self.entry.detail.insert(name.to_owned(), value.to_string());
        self
    }
}

pub(super) const fn of_status(status: Status) -> &'static str {
    match status {
        Status::Active => "active",
        Status::Blocked => "blocked",
        Status::Deleted => "deleted",
    }
}

pub(super) const fn of_provenance(provenance: Provenance) -> &'static str {
    match provenance {
        Provenance::Dynamic => "dynamic",
        Provenance::Administrator => "administrator",
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_io::Peer;
    use store::{GrantId, SessionId};

    use super::*;
    use crate::event::{AccountEvent, LogInRefusal, OversightEvent};
    use crate::{By, Refusal};

    fn context() -> Context {
        let request = Request::builder().header("user-agent", "curl/8").body(()).unwrap();
        Context::of(&request, Peer("192.0.2.1".parse().ok()))
    }

    #[test]
    fn an_entry_says_who_did_what_to_what_from_where() {
        let person = PersonId::parse("usr_ada").unwrap();
        let by = By::person(person.clone(), context());
        let event = Event::from(OversightEvent::ConnectionRevoked {
            grant: NamedGrant {
                id: GrantId::new([1; 16]),
                client: ClientId::parse("cid_app").unwrap(),
                person: Some(person.clone()),
                server: Some(ServerId::new([2; 16])),
            },
            by: by.actor,
        });
        let entry = event.entry(Time(7), &by.context);
        assert_eq!(
            (entry.at, entry.name.as_str(), entry.outcome),
            (Time(7), "connection_revoked", Outcome::Done)
        );
        assert_eq!(entry.actor.as_deref(), Some("person:usr_ada"));
        assert_eq!(entry.from, "192.0.2.1".parse().ok());
        assert_eq!((entry.grant, entry.person), (Some(GrantId::new([1; 16])), Some(person)));
        assert_eq!(
            (entry.client.as_ref().map(ClientId::as_str), entry.server),
            (Some("cid_app"), Some(ServerId::new([2; 16])))
        );
        assert_eq!(entry.detail.get("agent").map(String::as_str), Some("curl/8"));
    }

    #[test]
    fn what_was_refused_is_told_with_its_reason() {
        let refused = Event::Refused {
            endpoint: "token",
            refusal: Refusal::CodeReplayed,
            client: None,
            from: "192.0.2.9".parse().ok(),
        };
        let entry = refused.entry(Time(0), &context());
        assert_eq!((entry.outcome, entry.why.as_deref()), (Outcome::Refused, Some("code_replayed")));
        assert_eq!(entry.from, "192.0.2.9".parse().ok(), "what the event itself knows comes first");
        let sent = ClientId::parse(&"~".repeat(2_048)).unwrap();
        let named = |refusal| Event::Refused {
            endpoint: "token",
            refusal,
            client: Some(NamedClient::of(sent.clone(), refusal)),
            from: None,
        };
        let known = named(Refusal::SecretWrong).entry(Time(0), &Context::default());
        assert_eq!((known.client.as_ref(), known.detail.get("client_digest")), (Some(&sent), None));
        let unknown = named(Refusal::ClientUnknown).entry(Time(0), &Context::default());
        let digest = unknown.detail.get("client_digest").map_or(0, String::len);
        assert_eq!((unknown.client, digest), (None, 16), "whatever a stranger sends, it is not kept");
        let unknown = AccountEvent::LogInRefused { person: None, why: LogInRefusal::Unknown };
        let entry = Event::from(unknown).entry(Time(0), &Context::default());
        assert_eq!((entry.actor, entry.person, entry.why.as_deref()), (None, None, Some("unknown")));
    }

    #[test]
    fn whoever_acts_on_their_own_account_is_the_actor() {
        let person = PersonId::parse("usr_ada").unwrap();
        let event = AccountEvent::LoggedIn { person: person.clone(), session: SessionId::new([2; 16]) };
        let entry = Event::from(event).entry(Time(0), &Context::default());
        assert_eq!(entry.actor.as_deref(), Some("person:usr_ada"));
        assert_eq!(entry.detail.get("session"), Some(&SessionId::new([2; 16]).to_string()));
    }
}
