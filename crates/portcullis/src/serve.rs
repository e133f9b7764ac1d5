//! The network: connections, their limits, and an end that cuts no request off.
//!
//! HTTP/1.1, plain or over TLS. HTTP/2 is for a proxy before it.

mod guests;
mod line;
mod patience;
mod room;
mod running;
mod shape;
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
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, StatusCode};
use http_io::Serve;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use self::guests::{Guest, Guests, Seat};
use self::line::Line;
use self::patience::Hurried;
pub use self::patience::Patience;
pub use self::room::Room;
use self::running::Running;
pub use self::tls::{Tls, TlsError, TlsFiles};

/// How long running requests may take after the server was told to stop.
const GRACE: Duration = Duration::from_secs(30);
/// The size of a request's head, in bytes.
const LARGEST_HEAD: usize = 32 * 1024;

/// What the system is asked to keep of answers for a connection that are not taken, and of requests that are not read, in bytes.
/// Linux takes twice that for each. Most answers are shorter.
const KEPT_BY_THE_SYSTEM: u32 = 32 * 1024;
/// How many connections may wait to be taken.
const QUEUE: u32 = 1024;

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

/// Listens on `address`; port 0 takes any free one. Within a runtime of tokio.
///
/// # Errors
///
/// [`BindError`] says what to do about it.
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    listen(address).map_err(|source| {
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

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Whoever starts again may have what the one before has just left.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    // Each connection has what its listener has. The system's own choice is megabytes for each one that takes no answer, or
    // sends requests faster than they are answered, and no limit of this process counts them.
    socket.set_send_buffer_size(KEPT_BY_THE_SYSTEM)?;
    socket.set_recv_buffer_size(KEPT_BY_THE_SYSTEM)?;
    socket.bind(address)?;
    socket.listen(QUEUE)
}

/// Serves until `stop` is ready, no more connections at once than there is `room` for. Then nobody is let in any more,
/// requests that run are answered, for 30 seconds at the most, and it returns. Nobody waits then for the rest of a head, and no more
/// than two seconds for a body, or for an answer to be taken. A client that hangs up ends no request: those whose client is gone are
/// waited for as well.
///
/// A head or a body that takes longer to arrive than the [`Patience`] of the room ends its connection, and so does an answer of which
/// nothing is taken for as long.
pub async fn serve(
    serve: Arc<dyn Serve>,
    listener: TcpListener,
    room: Room,
    stop: impl Future<Output = ()> + Send,
) {
    run(serve, listener, room, None, stop).await;
}

/// As [`serve`], over TLS. A handshake that takes as long ends its connection, too.
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
    let patience = room.patience;
    let guests = Guests::of(room);
    let complaints = Complaints::new();
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let (stream, from) = accept(|| listener.accept(), &complaints, &SystemClock).await;
            (guests.seat(from.ip()).await, stream, from)
        };
        let (guest, stream, from) = tokio::select! {
            () = &mut stop => break,
            next = next => next,
        };
        while connections.try_join_next().is_some() {}
        let Some(guest) = guest else {
            tracing::debug!(%from, "this address has enough connections");
            continue;
        };
        // Answers are small and somebody waits for each.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%from, %error, "a connection broke");
        }
        let host = Host { router: router.clone(), from, seat: guest.seat(), patience };
        let acceptor = tls.as_ref().map(|tls| tls.acceptor());
        connections.spawn(stays(guest, host.receive(stream, acceptor, graceful.watcher())));
    }
    drop((listener, router));
    let answered = async {
        graceful.shutdown().await;
        running.ended().await;
    };
    tokio::select! {
        ended = timeout(GRACE, answered) => if ended.is_err() {
            tracing::warn!("requests that were still running after 30 seconds were cut off");
        },
        () = guests.leave() => {}
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

/// Until it is over, or the place is needed.
async fn stays(guest: Guest, conversation: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        // First, so that an answer that is there is told.
        () = conversation => {}
        () = guest.is_sent_away() => tracing::debug!("a connection was closed for a new one"),
    }
}

/// Whoever answers one connection.
struct Host {
    router: Router,
    from: SocketAddr,
    seat: Arc<Seat>,
    patience: Patience,
}

impl Host {
    async fn receive(self, stream: TcpStream, acceptor: Option<TlsAcceptor>, watcher: Watcher) {
        let (from, patience) = (self.from, self.patience);
        let line = Line::new(stream, Arc::clone(&self.seat), patience);
        let Some(acceptor) = acceptor else { return self.converse(line, watcher).await };
        match timeout(patience.client, acceptor.accept(line)).await {
            Ok(Ok(line)) => {
                self.seat.is_secured();
                self.converse(line, watcher).await;
            }
            Ok(Err(error)) => tracing::debug!(%from, %error, "a handshake failed"),
            Err(_) => tracing::debug!(%from, "a handshake took too long"),
        }
    }

    async fn converse<C>(self, line: C, watcher: Watcher)
    where
        C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let from = self.from;
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // From one answer on; the line knows when a head began.
            .header_read_timeout(self.patience.idle.max(self.patience.client))
            .max_header_size(LARGEST_HEAD)
            .max_buf_size(LARGEST_HEAD)
            // Whoever says that nothing more will come still wants the answer (RFC 9112 section 9.6).
            .half_close(true)
            .serve_connection(TokioIo::new(line), service_fn(|request| self.answer(request)));
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%from, %error, "a connection broke");
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        self.seat.asks(shape::length_of_head(&request));
        let answered = match shape::refused(&request) {
            Some(status) => Ok(refusal(status)),
            None => self.router.clone().oneshot(self.known(request)).await,
        };
        self.seat.is_answered();
        answered
    }

    fn known(&self, request: Request<Incoming>) -> Request<Body> {
        let mut request = request.map(|body| match body.is_end_stream() {
            true => Body::empty(),
            false => Body::new(Hurried::new(body, self.patience, Arc::clone(&self.seat))),
        });
        request.extensions_mut().insert(ConnectInfo(self.from));
        request.extensions_mut().insert(Arc::clone(&self.seat));
        request
    }
}

fn refusal(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
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

#[cfg(test)]
mod tests;
