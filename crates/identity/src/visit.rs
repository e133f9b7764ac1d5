//! What a request tells of whoever sent it.

use authz_core::{By, Context, address_key};
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_io::Peer;
use store::{Device, PersonId};

use crate::language::Language;

/// A request, as far as it tells who sent it from where.
#[derive(Clone, Debug)]
pub(crate) struct Visit<'r> {
    pub(crate) headers: &'r HeaderMap,
    pub(crate) peer: Peer,
    pub(crate) context: Context,
    pub(crate) language: Language,
}

impl<'r> Visit<'r> {
    pub(crate) fn of(request: &'r Request<Bytes>, peer: Peer) -> Self {
        let headers = request.headers();
        Self { headers, peer, context: Context::of(request, peer), language: Language::of(headers) }
    }

    pub(crate) fn device(&self) -> Device {
        self.context.device().clone()
    }

    /// Somebody who does something about their own account.
    pub(crate) fn by(&self, person: &PersonId) -> By {
        By::person(person.clone(), self.context.clone())
    }

    /// What to limit by.
    pub(crate) fn address_key(&self) -> String {
        address_key(self.peer.0)
    }
}
