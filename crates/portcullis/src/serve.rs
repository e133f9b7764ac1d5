//! The network: connections, their limits, and an end that cuts no request off.
//!
//! HTTP/1.1, plain or over TLS. HTTP/2 is for a proxy before it.

mod patience;
mod room;
mod running;
mod tls;

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, Complaints, SystemClock};
use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::ConnectInfo;
use http::{Request, Response, StatusCode};
use http_io::Serve;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;

use self::patience::{Drained, Hurried, PATIENCE};
use self::room::Guests;
pub use self::room::Room;
use self::running::Running;
pub use self::tls::{Tls, TlsError, TlsFiles};

/// How long running requests may take after the server was told to stop.
const GRACE: Duration = Duration::from_secs(30);
/// The size of a request's head, in bytes.
const LARGEST_HEAD: usize = 32 * 1024;

/// Why there is no network.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BindError {
    /// Somebody else listens there.
    #[error(
        "{0} is in use by another program, perhaps another portcullis. Stop that one (`ss -ltnp` names it), or choose \
         another port: --listen {free}", free = SocketAddr::new(.0.ip(), .0.port().wrapping_add(1))
    )]
    InUse(SocketAddr),
    /// The port is not for everybody.
    #[error(
        "this user may not listen on {0}; ports below 1024 need a privilege, so choose a higher one with --listen"
    )]
    Forbidden(SocketAddr),
    /// This machine does not have the address.
    #[error("{0} is not an address of this machine; choose one with --listen, for example 127.0.0.1:8414")]
    NotOurs(SocketAddr),
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Io {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Listens on `address`; port 0 takes any free one.
///
/// # Errors
///
/// [`BindError`] says what to do about it.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| {
        if source.kind() == ErrorKind::AddrInUse {
            BindError::InUse(address)
        } else if source.kind() == ErrorKind::PermissionDenied {
            BindError::Forbidden(address)
        } else if source.kind() == ErrorKind::AddrNotAvailable {
            BindError::NotOurs(address)
        } else {
            BindError::Io { address, source }
        }
    })
}

/// Serves until `stop` is ready, no more connections at once than there is `room` for. Then nobody is let in any more,
/// requests that run are answered, for 30 seconds at the most, and it returns. A client that hangs up ends no request: those
/// whose client is gone are waited for as well.
///
/// A head or a body that takes more than 30 seconds to arrive ends its connection, and so does an answer of which nothing is
/// taken for as long.
pub async fn serve(
    serve: Arc<dyn Serve>,
    listener: TcpListener,
    room: Room,
    stop: impl Future<Output = ()> + Send,
) {
    run(serve, listener, room, None, stop).await;
}

/// As [`serve`], over TLS. A handshake that takes more than 30 seconds ends its connection.
pub async fn serve_tls(
    serve: Arc<dyn Serve>,
    listener: TcpListener,
    room: Room,
    tls: Arc<Tls>,
    stop: impl Future<Output = ()> + Send,
) {
    run(serve, listener, room, Some(tls), stop).await;
}

async fn run(
    serve: Arc<dyn Serve>,
    listener: TcpListener,
    room: Room,
    tls: Option<Arc<Tls>>,
    stop: impl Future<Output = ()> + Send,
) {
    let (router, mut running) = Running::mount(serve);
    let guests = Guests::of(room);
    let complaints = Complaints::new();
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let place = guests.place().await;
            (place, accept(|| listener.accept(), &complaints, &SystemClock).await)
        };
        let (place, (stream, from)) = tokio::select! {
            () = &mut stop => break,
            next = next => next,
        };
        while connections.try_join_next().is_some() {}
        let Some(guest) = guests.seat(from.ip(), place) else {
            tracing::debug!(%from, "this address has enough connections");
            continue;
        };
        // Answers are small and somebody waits for each.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%from, %error, "a connection broke");
        }
        let (router, watcher) = (router.clone(), graceful.watcher());
        let acceptor = tls.as_ref().map(|tls| tls.acceptor());
        connections.spawn(async move {
            match acceptor {
                None => converse(stream, from, router, watcher).await,
                Some(acceptor) => match timeout(PATIENCE, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => converse(stream, from, router, watcher).await,
                    Ok(Err(error)) => tracing::debug!(%from, %error, "a handshake failed"),
                    Err(_) => tracing::debug!(%from, "a handshake took too long"),
                },
            }
            drop(guest);
        });
    }
    drop((listener, router));
    let answered = async {
        graceful.shutdown().await;
        running.ended().await;
    };
    if timeout(GRACE, answered).await.is_err() {
        tracing::warn!("requests that were still running after 30 seconds were cut off");
    }
    connections.shutdown().await;
    running.cut().await;
}

/// SIGTERM or SIGINT; Ctrl-C where there are no signals.
///
/// # Errors
///
/// If this process may not listen to signals.
pub fn told_to_stop() -> io::Result<impl Future<Output = ()> + Send> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

/// Answers the requests of one connection.
async fn converse<C>(stream: C, from: SocketAddr, router: Router, watcher: Watcher)
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(
            Drained::new(TokioIo::new(stream)),
            service_fn(move |request| answer(router.clone(), request, from)),
        );
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%from, %error, "a connection broke");
    }
}

async fn accept<C, F: Future<Output = io::Result<C>>>(
    next: impl Fn() -> F,
    complaints: &Complaints,
    clock: &dyn Clock,
) -> C {
    loop {
        match next().await {
            Ok(connection) => return connection,
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
                ) => {}
            // Out of file descriptors or memory, most likely: the next try would fail as well.
            Err(error) => {
                if complaints.are_due(clock.now()) {
                    tracing::error!(%error, "cannot accept connections");
                }
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Waits for SIGHUP, with which an operator asks a server to read again what may change while it runs. It never comes where there
/// are no signals.
#[derive(Debug)]
pub struct Reload {
    #[cfg(unix)]
    hangups: tokio::signal::unix::Signal,
}

/// Listens for SIGHUP, which ends no process from now on.
///
/// # Errors
///
/// If this process may not listen to signals.
pub fn told_to_reload() -> io::Result<Reload> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Reload { hangups: signal(SignalKind::hangup())? })
    }
    #[cfg(not(unix))]
    Ok(Reload {})
}

impl Reload {
    /// Waits until it is told.
    pub async fn told(&mut self) {
        #[cfg(unix)]
        if self.hangups.recv().await.is_some() {
            return;
        }
        std::future::pending().await
    }
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    from: SocketAddr,
) -> Result<Response<Body>, Infallible> {
    // hyper ends a head only after it has read up to twice what it may buffer.
    if length_of_head(&request) > LARGEST_HEAD {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Ok(response);
    }
    router.oneshot(of(request, from)).await
}

fn length_of_head(request: &Request<Incoming>) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let fields: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    request.method().as_str().len() + target + fields
}

fn of(request: Request<Incoming>, from: SocketAddr) -> Request<Body> {
    let mut request =
        request.map(|body| if body.is_end_stream() { Body::empty() } else { Body::new(Hurried::new(body)) });
    request.extensions_mut().insert(ConnectInfo(from));
    request
}

#[cfg(test)]
mod tests;
