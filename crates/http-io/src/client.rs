use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{Request, Response, Uri};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::{Fetch, FetchError, Guard, Limits, Refused, Unreached};

const CONNECT: Duration = Duration::from_secs(3);

/// Sends requests over the network, to the addresses that its [`Guard`] lets through.
///
/// HTTP/1.1 and HTTP/2 over TLS 1.2 and 1.3, with the root certificates of the system (`SSL_CERT_FILE` and `SSL_CERT_DIR`
/// name others). An address is judged where it is dialled, so a name that resolves differently a moment later gains nothing.
/// A connection is made within 3 seconds or not at all. It runs on a tokio runtime with I/O and time.
#[derive(Clone)]
pub struct Client {
    guard: Guard,
    secure: reqwest::Client,
    /// For `http`, where the guard opens anything to it: its resolver lets fewer addresses through.
    plain: Option<reqwest::Client>,
}

impl Client {
    /// A client that resolves names as the operating system does.
    ///
    /// # Errors
    ///
    /// [`NoRoots`]: it could trust nobody.
    pub fn new(guard: Guard) -> Result<Self, NoRoots> {
        Self::with_resolver(guard, Arc::new(SystemResolver))
    }

    /// A client that resolves names with `resolver`, whose answers are judged all the same.
    ///
    /// # Errors
    ///
    /// [`NoRoots`]: it could trust nobody.
    pub fn with_resolver(guard: Guard, resolver: Arc<dyn Resolver>) -> Result<Self, NoRoots> {
        let secure = build(Judge { judge: Guard::address, guard, names: Arc::clone(&resolver) })?;
        let plain = Judge { judge: Guard::plain_address, guard, names: resolver };
        let plain = if guard.opens_plain() { Some(build(plain)?) } else { None };
        Ok(Self { guard, secure, plain })
    }

    /// What `uri` is dialled as. The parser is that of the client below, which alone decides what is an IP literal: `0x7f.1`
    /// is one.
    fn target(&self, uri: &Uri) -> Result<(&reqwest::Client, Url), Refused> {
        let url = Url::parse(&uri.to_string()).map_err(|_| Refused::Url)?;
        let (client, judge): (_, Judgement) = match (url.scheme(), &self.plain) {
            ("https", _) => (&self.secure, Guard::address),
            ("http", Some(plain)) => (plain, Guard::plain_address),
            _ => return Err(Refused::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        // A literal is dialled without asking the resolver.
        match url.host() {
            Some(Host::Ipv4(address)) => judge(self.guard, address.into())?,
            Some(Host::Ipv6(address)) => judge(self.guard, address.into())?,
            Some(Host::Domain(_)) => {}
            None => return Err(Refused::Url),
        }
        Ok((client, url))
    }
}

#[async_trait]
impl Fetch for Client {
    async fn fetch(&self, request: Request<Bytes>, limits: Limits) -> Result<Response<Bytes>, FetchError> {
        let (client, url) = self.target(request.uri())?;
        let (head, body) = request.into_parts();
        let mut request = reqwest::Request::new(head.method, url);
        *request.headers_mut() = head.headers;
        *request.body_mut() = Some(body.into());
        tokio::time::timeout(limits.time, exchange(client, request, limits.body))
            .await
            .unwrap_or(Err(FetchError::TimedOut))
    }
}

async fn exchange(
    client: &reqwest::Client,
    request: reqwest::Request,
    at_most: usize,
) -> Result<Response<Bytes>, FetchError> {
    let mut answer = client.execute(request).await.map_err(|error| fault(&error))?;
    if answer.content_length().is_some_and(|announced| announced > at_most as u64) {
        return Err(FetchError::TooLarge);
    }
    let mut body = BytesMut::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| fault(&error))? {
        if piece.len() > at_most - body.len() {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    let mut response = Response::new(body.freeze());
    *response.status_mut() = answer.status();
    *response.version_mut() = answer.version();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(response)
}

fn fault(error: &reqwest::Error) -> FetchError {
    if let Some(refused) = causes(error).find_map(|cause| cause.downcast_ref::<Refused>()) {
        FetchError::Refused(*refused)
    } else if error.is_timeout() {
        FetchError::TimedOut
    } else if error.is_dns() {
        FetchError::Unreachable(Unreached::Name)
    } else if causes(error).any(|cause| cause.is::<rustls::Error>()) {
        FetchError::Unreachable(Unreached::Tls)
    } else if error.is_connect() {
        FetchError::Unreachable(Unreached::Connection)
    } else if parsing(error, hyper::Error::is_parse_too_large) {
        FetchError::TooLarge
    } else if parsing(error, hyper::Error::is_parse) || causes(error).any(is_garbage) {
        FetchError::Malformed
    } else {
        FetchError::Unreachable(Unreached::Interrupted)
    }
}

fn parsing(error: &reqwest::Error, what: fn(&hyper::Error) -> bool) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref()).any(what)
}

/// How the decoder of chunks says that they are none.
fn is_garbage(cause: &(dyn Error + 'static)) -> bool {
    cause
        .downcast_ref::<io::Error>()
        .is_some_and(|error| matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData))
}

/// The error and what it comes from. An [`io::Error`] that wraps another error names that one's source as its own and leaves
/// it out, so it is looked into.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        }
    })
}

/// The client below, with everything off that would send a request to where it was not meant to go.
fn build(names: Judge) -> Result<reqwest::Client, NoRoots> {
    reqwest::Client::builder()
        .dns_resolver(names)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT)
        .build()
        .map_err(|_| NoRoots)
}

/// There is no root certificate on this system, so no server could be trusted. Its package is mostly called
/// `ca-certificates`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no root certificates are found on this system: install its ca-certificates, or name a file in SSL_CERT_FILE"
)]
pub struct NoRoots;

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("guard", &self.guard).finish_non_exhaustive()
    }
}

/// Resolves the names of hosts.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// The addresses of `name`, in the order in which to try them. Whether they may be dialled is not asked here.
    ///
    /// # Errors
    ///
    /// The name has no address, or nobody answers.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// Resolves names as the operating system does.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

type Judgement = fn(Guard, IpAddr) -> Result<(), Refused>;

/// What lies between a name and the socket: the addresses that pass here are the ones that are dialled, so there is no
/// moment in which a name could come to mean something else (DNS rebinding).
struct Judge {
    judge: Judgement,
    guard: Guard,
    names: Arc<dyn Resolver>,
}

impl Resolve for Judge {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { judge, guard, names } = self;
        let (judge, guard, names) = (*judge, *guard, Arc::clone(names));
        Box::pin(async move {
            let found = names.addresses(name.as_str()).await?;
            Ok(dialled(&found, |address| judge(guard, address))?)
        })
    }
}

/// Those of `found` that may be dialled, or the rule that refuses the first when none may. Port 0 becomes that of the URL.
fn dialled(found: &[IpAddr], judge: impl Fn(IpAddr) -> Result<(), Refused>) -> Result<Addrs, Refused> {
    let fine: Vec<_> = found
        .iter()
        .filter(|address| judge(**address).is_ok())
        .map(|address| SocketAddr::new(*address, 0))
        .collect();
    match found.first() {
        Some(first) if fine.is_empty() => Err(judge(*first).err().unwrap_or(Refused::Special)),
        _ => Ok(Box::new(fine.into_iter())),
    }
}

#[cfg(test)]
mod tests;
