//! A request from its head to the service behind, the same for every framework.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use http::Response;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use tokio::time::timeout;

use super::ahead::Unhad;
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
    /// `before` is what another protection, before this one, made of the request. `body` gives the pieces of the body, and is asked for
    /// them only where tools need scopes, after the credentials were checked, and until
    /// [a deadline](crate::ProtectionBuilder::body_deadline): it needs a tokio runtime with time. Of somebody known it is read up to
    /// [a limit](crate::ProtectionBuilder::body_limit), and of somebody anonymous, in optional mode, up to 64 KiB at most: a longer one
    /// is asked to log in. All bodies that are read at once have room in 64 MiB, of which 16 are for anonymous senders; beyond, the
    /// answer is 503. Behind this `head` has no `Authorization`, unless somebody wants it there (RS-13).
    ///
    /// The whole of it is decided by the configured URL, the body, and of the head the method, the authority and [`READ_HEADERS`]: `Host` and `X-Forwarded-*` can only be refused, never
    /// believed.
    ///
    /// # Errors
    ///
    /// The answer, which has all that browsers must be told. It is logged with its code.
    pub async fn pass<B, E>(
        &self,
        head: &mut Parts,
        before: Option<Passed>,
        body: impl FnOnce() -> B,
    ) -> Result<(Passed, Option<Bytes>), Response<Bytes>>
    where
        B: Stream<Item = Result<Bytes, E>>,
    {
        if let Some(credentials) = before.and_then(|before| before.credentials) {
            head.headers.entry(header::AUTHORIZATION).or_insert(credentials);
        }
        let (caller, body) = match self.admit(head).await {
            Admission::Admitted(caller) => (caller, None),
            // The future of everybody would be as large as this one.
            Admission::Unread(unread) => Box::pin(with_body(unread, body())).await?,
            Admission::Answer(answer) => return Err(answer),
        };
        let keeps = self.0.common.keep_authorization_header;
        let credentials = if keeps { None } else { head.headers.remove(header::AUTHORIZATION) };
        Ok((Passed { protection: self.clone(), caller, credentials }, body))
    }
}

async fn with_body<B, E>(
    unread: Unread,
    body: B,
) -> Result<(Option<Arc<Verified>>, Option<Bytes>), Response<Bytes>>
where
    B: Stream<Item = Result<Bytes, E>>,
{
    let reading = unread.read_ahead().whole(unread.is_known(), body, unread.body_limit());
    match timeout(unread.body_deadline(), reading).await {
        Ok(Ok(whole)) => Ok((unread.admit(&whole.body).await?, Some(whole.body.clone()))),
        Ok(Err(Unhad::TooLarge)) => Err(unread.too_large()),
        Ok(Err(Unhad::BrokenOff)) => Err(unread.broken_off()),
        Ok(Err(Unhad::NoRoom)) => Err(unread.no_room()),
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
