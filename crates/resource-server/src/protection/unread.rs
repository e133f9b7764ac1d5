//! What is decided when the body is there, for it says which tool is called.

use std::sync::Arc;
use std::time::Duration;

use ambient::Time;
use bytes::Bytes;
use http::{HeaderValue, Response};
use secrecy::SecretString;

use super::ahead::{ANONYMOUS_BODY_LIMIT, ReadAhead};
use super::{Common, Protection};
use crate::Verified;
use crate::answer::{ANONYMOUS_BODY_TOO_LARGE, Answer};

/// A request whose sender is known, and whose body must be read before it may go on: the body says which tool it calls.
pub(super) struct Unread {
    pub(super) protection: Protection,
    pub(super) token: Option<SecretString>,
    /// Whose token that was, and when.
    pub(super) caller: Option<Arc<Verified>>,
    pub(super) at: Time,
    pub(super) origin: Option<HeaderValue>,
}

impl Unread {
    /// How many bytes of the body are to be read at most. A longer one is [`too_large`](Self::too_large).
    pub(super) fn body_limit(&self) -> usize {
        let limit = self.protection.0.common.body_limit;
        if self.is_known() { limit } else { limit.min(ANONYMOUS_BODY_LIMIT) }
    }

    /// Whether the sender showed who they are.
    pub(super) const fn is_known(&self) -> bool {
        self.caller.is_some()
    }

    /// Where its body finds room.
    pub(super) fn read_ahead(&self) -> &ReadAhead {
        &self.protection.0.common.read_ahead
    }

    /// For how long the body is to be waited for, from its head on. A later one is [`too_slow`](Self::too_slow).
    pub(super) fn body_deadline(&self) -> Duration {
        self.protection.0.common.body_deadline
    }

    /// Who sends the request, if the whole `body` is this.
    ///
    /// The token is checked again if time has passed since the head came: it may be dead by now, and whoever stole it could keep requests
    /// open to send their last byte then.
    ///
    /// The body alone counts: `Mcp-Method` and `Mcp-Name`, which a client may send beside it, say what somebody claims.
    ///
    /// # Errors
    ///
    /// The answer: 403 with all scopes that the operation needs, 401 to somebody anonymous or whose token is no longer good, 503 if
    /// nobody can tell, or 400 for a body that is no JSON-RPC, or that two parsers could read as two different calls.
    pub(super) async fn admit(self, body: &[u8]) -> Result<Option<Arc<Verified>>, Response<Bytes>> {
        self.decided(body).await.map_err(|answer| self.dressed(&answer))
    }

    async fn decided(&self, body: &[u8]) -> Result<Option<Arc<Verified>>, Answer> {
        let Self { protection, token, caller, at, .. } = self;
        let Common { tools, answers, clock, .. } = &*protection.0.common;
        let extra = tools.needed_by(body).map_err(|unreadable| answers.unreadable(unreadable))?;
        let caller = match token {
            Some(token) if clock.now() != *at => Some(protection.checked(token).await?),
            Some(_) | None => caller.clone(),
        };
        protection.permit(caller.as_deref(), &extra)?;
        Ok(caller)
    }

    /// The answer to a body that is longer than [`body_limit`](Self::body_limit): 413, or 401 to somebody anonymous who may send a longer
    /// one with a token.
    pub(super) fn too_large(self) -> Response<Bytes> {
        let Common { body_limit, answers, .. } = &*self.protection.0.common;
        let answer = if self.body_limit() < *body_limit {
            self.protection.0.no_credentials.because(ANONYMOUS_BODY_TOO_LARGE)
        } else {
            answers.too_large(*body_limit)
        };
        self.dressed(&answer)
    }

    /// The answer to a body for which there is no room: 503.
    pub(super) fn no_room(self) -> Response<Bytes> {
        self.dressed(&self.protection.0.common.too_many_bodies)
    }

    /// The answer to a body that is not there after [`body_deadline`](Self::body_deadline): 408.
    pub(super) fn too_slow(self) -> Response<Bytes> {
        let answer = self.protection.0.common.answers.too_slow(self.body_deadline());
        self.dressed(&answer)
    }

    /// The answer to a body that the client does not end: 400.
    pub(super) fn broken_off(self) -> Response<Bytes> {
        self.dressed(&self.protection.0.common.answers.broken_off())
    }

    fn dressed(&self, answer: &Answer) -> Response<Bytes> {
        self.protection.dressed(self.origin.as_ref(), answer)
    }
}

impl std::fmt::Debug for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unread").field("protection", &self.protection).finish_non_exhaustive()
    }
}
