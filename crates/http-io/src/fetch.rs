use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

/// Sends HTTP requests.
///
/// The URI is absolute. One request is one exchange: redirects are returned and never followed, nothing is remembered from
/// one request to the next (no cookies, no credentials), and no proxy is taken from the environment. Any status is an
/// answer: what is not 200 is for the caller to judge.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// The whole response to `request`, or an error once `limits` are exceeded.
    ///
    /// # Errors
    ///
    /// [`FetchError`], by whose fault it is. After [`FetchError::Refused`] nothing was sent; after any other the request may
    /// have arrived.
    async fn fetch(&self, request: Request<Bytes>, limits: Limits) -> Result<Response<Bytes>, FetchError>;
}

#[async_trait]
impl<F: Fetch + ?Sized> Fetch for Arc<F> {
    async fn fetch(&self, request: Request<Bytes>, limits: Limits) -> Result<Response<Bytes>, FetchError> {
        (**self).fetch(request, limits).await
    }
}

/// How much a response may cost. There is no limit of redirects, because none is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest body that is accepted, in bytes.
    pub body: usize,
    /// The longest time from the call to the last byte of the body. It includes the resolution of the name and the
    /// connection.
    pub time: Duration,
}

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The URL is not one to send to. It is the fault of whoever gave it, and trying again changes nothing.
    ///
    /// The rule tells what a name resolves to on this network: it is for logs, not for whoever gave the URL.
    #[error("the URL is refused: {0}")]
    Refused(#[from] Refused),
    /// The other end, or the way to it, does not work now.
    #[error("the server cannot be reached: {0}")]
    Unreachable(Unreached),
    /// The response was not complete within [`Limits::time`], or the connection not made in time.
    #[error("the server does not answer in time")]
    TimedOut,
    /// The body is longer than [`Limits::body`], or the head is longer than any should be.
    #[error("the response is too large")]
    TooLarge,
    /// What came is not HTTP.
    #[error("the response is not HTTP")]
    Malformed,
}

/// The rule that refuses a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not absolute, or it cannot be read.
    #[error("it is no absolute URL with a host")]
    Url,
    /// It holds a user name or a password, which would be sent.
    #[error("it holds a user name or a password")]
    Credentials,
    /// It is not `https`; or it is `http` and leads to an address that the [`Guard`](crate::Guard) was not opened for.
    #[error("its scheme is not https")]
    Scheme,
    /// The host is, or resolves to, this machine.
    #[error("its host is this machine")]
    Loopback,
    /// The host is, or resolves to, an address of a private network.
    #[error("its host is in a private network")]
    Private,
    /// The host is, or resolves to, an address that is not for services on the internet (RFC 6890).
    #[error("its host has a special-use address")]
    Special,
    /// It is of another origin than the one that is served in this process.
    #[error("its origin is not the one that is served here")]
    Origin,
}

/// How far a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreached {
    /// The name has no address, or nothing that resolves names answers.
    #[error("its name cannot be resolved")]
    Name,
    /// Nothing accepts connections at the address.
    #[error("nothing accepts the connection")]
    Connection,
    /// There is no TLS with it: it speaks none, or its certificate is not trusted, has expired, or is for another name.
    #[error("TLS fails, most often because the certificate is not trusted here")]
    Tls,
    /// The exchange broke off.
    #[error("the connection broke off")]
    Interrupted,
}
