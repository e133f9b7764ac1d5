//! What a request about a token needs to know, as of one moment.

use std::sync::Arc;

use oauth_types::ClientId;

use crate::{
    Client, Consent, Decoded, Found, Grant, GrantId, Key, Kind, PersonStanding, Record, Row, Seen, Server,
    ServerId, Standing, StoreError,
};

/// What a request is about: the grant whose token it carries, and who is asking.
#[derive(Clone, Copy, Debug, Default)]
pub struct Use<'a> {
    /// The grant that the token's text names.
    pub grant: Option<&'a GrantId>,
    /// The client that is asking; without one, the facts hold the grant's own.
    pub client: Option<&'a ClientId>,
    /// The resource server that is asking; without one, the facts hold the grant's own. Not together with a client.
    pub server: Option<&'a ServerId>,
}

impl Use<'_> {
    pub(crate) fn beside(&self) -> Option<Key> {
        let client = self.client.map(|id| Key::new(Kind::Client, id));
        client.or_else(|| self.server.map(|id| Key::new(Kind::Server, id)))
    }
}

/// The records that decide about a use of a token, all of one moment. Each is read each time.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The grant.
    pub grant: Option<Arc<Found<Grant>>>,
    /// The client that is asking, or else the grant's own.
    pub client: Option<Arc<Found<Client>>>,
    /// What is held against the person of the grant.
    pub person: Standing,
    /// The remembered consent that the grant was born from.
    pub consent: Option<Found<Consent>>,
    /// The resource server that is asking, or else the one that the grant is for.
    pub server: Option<Arc<Found<Server>>>,
}

impl Facts {
    pub(crate) fn of(about: Use<'_>, seen: &Seen, decoded: &Decoded) -> Result<Self, StoreError> {
        fn decode<R: Record>(row: Option<&Row>) -> Result<Option<Found<R>>, StoreError> {
            row.map(Found::decode).transpose()
        }
        let beside = seen.beside.as_ref();
        let client = if about.client.is_some() { beside } else { seen.client.as_ref() };
        let asking = about.client.is_none() && about.server.is_some();
        let server = if asking { beside } else { seen.server.as_ref() };
        let person = decode::<PersonStanding>(seen.person.as_ref())?;
        Ok(Self {
            grant: seen.record.as_ref().map(|row| decoded.grant(row)).transpose()?,
            client: client.map(|row| decoded.client(row)).transpose()?,
            person: person.map(|found| found.record.standing).unwrap_or_default(),
            consent: decode(seen.consent.as_ref())?,
            server: server.map(|row| decoded.server(row)).transpose()?,
        })
    }
}
