//! A request from its head to the service behind, the same for every framework.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use tokio::time::timeout;

use super::unread::Unread;
use super::{Admission, Protection};
use crate::Verified;

/// What goes with a request behind a protection: who calls, and the credentials, which another protection alone can see.
#[derive(Clone)]
pub struct Passed {
    protection: Protection,
    caller: Option<Arc<Verified>>,
    credentials: Option<HeaderValue>,
}

/// The body of a request, as far as it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadBody {
    /// All of it.
    Whole(Bytes),
    /// It is longer than the limit.
    TooLarge,
    /// It ends before its end: the client is gone, or what it sends is no body.
    BrokenOff,
}

/// All headers of a request that a protection reads: an adapter that makes a head for [`Protection::pass`] needs to give it no others.
pub const READ_HEADERS: [HeaderName; 7] = [
    header::AUTHORIZATION,
    header::ORIGIN,
    header::HOST,
    header::CONTENT_ENCODING,
    header::UPGRADE,
    header::ACCESS_CONTROL_REQUEST_METHOD,
    header::ACCESS_CONTROL_REQUEST_HEADERS,
];

impl Protection {
    /// Lets a request go on, with what goes along with it, and with its body if that was read; or says what ends it, which may be the
    /// answer to a preflight.
    ///
    /// `before` is what another protection, before this one, made of the request. `read` reads the body up to a limit in bytes; it is
    /// asked only where tools need scopes, of senders who are known, and until [a deadline](crate::ProtectionBuilder::body_deadline): it
    /// needs a tokio runtime with time. Behind this `head` has no `Authorization`, unless somebody wants it there (RS-13).
    ///
    /// The whole of it is decided by the configured URL, the body, and of the head the method, the authority and [`READ_HEADERS`]: `Host` and `X-Forwarded-*` can only be refused, never
    /// believed.
    ///
    /// # Errors
    ///
    /// The answer, which has all that browsers must be told. It is logged with its code.
    pub async fn pass<R, F>(
        &self,
        head: &mut Parts,
        before: Option<Passed>,
        read: R,
    ) -> Result<(Passed, Option<Bytes>), Response<Bytes>>
    where
        R: FnOnce(usize) -> F,
        F: Future<Output = ReadBody>,
    {
        if let Some(credentials) = before.and_then(|before| before.credentials) {
            head.headers.entry(header::AUTHORIZATION).or_insert(credentials);
        }
        let (caller, body) = match self.admit(head).await {
            Admission::Admitted(caller) => (caller, None),
            // The future of everybody would be as large as this one.
            Admission::Unread(unread) => Box::pin(with_body(unread, read)).await?,
            Admission::Answer(answer) => return Err(answer),
        };
        let keeps = self.0.common.keep_authorization_header;
        let credentials = if keeps { None } else { head.headers.remove(header::AUTHORIZATION) };
        Ok((Passed { protection: self.clone(), caller, credentials }, body))
    }
}

async fn with_body<R, F>(
    unread: Unread,
    read: R,
) -> Result<(Option<Arc<Verified>>, Option<Bytes>), Response<Bytes>>
where
    R: FnOnce(usize) -> F,
    F: Future<Output = ReadBody>,
{
    match timeout(unread.body_deadline(), read(unread.body_limit())).await {
        Ok(ReadBody::Whole(body)) => Ok((unread.admit(&body).await?, Some(body))),
        Ok(ReadBody::TooLarge) => Err(unread.too_large()),
        Ok(ReadBody::BrokenOff) => Err(unread.broken_off()),
        Err(_) => Err(unread.too_slow()),
    }
}

impl Passed {
    /// Who calls; `None` for somebody anonymous, in optional mode.
    #[must_use]
    pub const fn caller(&self) -> Option<&Arc<Verified>> {
        self.caller.as_ref()
    }

    /// The answer to somebody anonymous at a place that is for somebody known, which optional mode cannot tell from the head: 401, as
    /// everybody without credentials gets elsewhere.
    #[must_use]
    pub fn no_credentials(&self) -> Response<Bytes> {
        self.protection.0.no_credentials.response()
    }
}

impl std::fmt::Debug for Passed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passed")
            .field("protection", &self.protection)
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}
