//! Lets in whoever holds an admin key, and slows those who guess at it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ambient::{Clock, Time};
use authz_core::{Event, Events, Limit, Limiter, TooMany, Traced, Unlimited, address_key};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use http_io::Peer;
use parking_lot::Mutex;

use super::Admin;
use super::keys::{AdminKeys, Holder};
use super::problem::Problem;

/// How many addresses are kept out at the most. Beyond it those for whom it is over make room, and if none is, all do.
const MOST_SHUT_OUT: usize = 10_000;

/// All addresses together; none is written like this.
const ANYWHERE: &str = "anywhere";

pub(super) struct Gate {
    pub(super) keys: AdminKeys,
    pub(super) limiter: Arc<dyn Limiter>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) events: Arc<dyn Events>,
    // Until when the wrong keys of an address are neither told of nor counted.
    shut_out: Mutex<BTreeMap<String, Time>>,
}

impl Gate {
    /// One that limits nothing, and tells the log.
    pub(super) fn new(keys: AdminKeys, clock: Arc<dyn Clock>) -> Self {
        Self {
            keys,
            limiter: Arc::new(Unlimited),
            clock,
            events: Arc::new(Traced),
            shut_out: Mutex::default(),
        }
    }

    /// A right key is let in whatever came before it: it cannot be guessed, and whoever is shut out by the guesses of others cannot put
    /// an end to them.
    pub(super) async fn admit(&self, request: &Request<Bytes>, peer: Peer) -> Result<Holder, Problem> {
        let key = sent_key(request).ok_or(Problem::NoKey)?;
        if let Some(holder) = self.keys.holder(key).await? {
            return Ok(holder);
        }
        let address = address_key(peer.0);
        let limits = [(Limit::Administration, address.as_str()), (Limit::AdministrationAnywhere, ANYWHERE)];
        if let Some(retry_after) = limits.iter().find_map(|(_, place)| self.shut_out_for(place)) {
            return Err(Problem::TooMany { retry_after });
        }
        self.events.tell(&Event::AdministrationRefused { from: peer.0 });
        for (limit, place) in limits {
            if let Err(TooMany { retry_after }) = self.limiter.may(limit, place).await {
                self.events.tell(&Event::Limited { limit: limit.as_str(), from: peer.0 });
                self.shut_out(place.to_owned(), retry_after);
                return Err(Problem::TooMany { retry_after });
            }
        }
        Err(Problem::WrongKey)
    }

    fn shut_out_for(&self, address: &str) -> Option<i64> {
        let until = *self.shut_out.lock().get(address)?;
        Some(until.since(self.clock.now())).filter(|seconds| *seconds > 0)
    }

    fn shut_out(&self, address: String, seconds: i64) {
        let now = self.clock.now();
        let mut shut_out = self.shut_out.lock();
        if shut_out.len() >= MOST_SHUT_OUT {
            shut_out.retain(|_, until| *until > now);
            if shut_out.len() >= MOST_SHUT_OUT {
                // As the counters do: forgetting lets a few more guesses through, growing without end would be the attack.
                shut_out.clear();
            }
        }
        shut_out.insert(address, now.plus(seconds));
    }
}

impl Admin {
    /// The answer to somebody who holds no key of the administration; nothing to somebody who does, for reading.
    pub(crate) async fn refused(&self, request: &Request<Bytes>, peer: Peer) -> Option<Response<Bytes>> {
        self.gate.admit(request, peer).await.err().map(|problem| problem.response())
    }
}

/// Two headers are one too many: a proxy may have looked at the other.
fn sent_key(request: &Request<Bytes>) -> Option<&[u8]> {
    let mut values = request.headers().get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => bearer(value.as_bytes()),
        (None, _) | (Some(_), Some(_)) => None,
    }
}

/// What follows `Bearer` in any case (RFC 9110 section 11.1). An operator's key may have characters that RFC 6750 does not
/// know, so it is taken as it is.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, key) = value.split_at_checked(7)?;
    (scheme.eq_ignore_ascii_case(b"bearer ")).then(|| key.trim_ascii()).filter(|key| !key.is_empty())
}
