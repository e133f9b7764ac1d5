//! Mounts any [`Serve`] in an actix-web application.
//!
//! It refuses to hold rules: paths, methods, statuses and headers are the `Serve`'s. What it adds is the network's part,
//! reading the body within the limit and naming the peer, and the way between actix-web's types, which are those of
//! `http` 0.2, and ours.
//!
//! | what | here |
//! |---|---|
//! | a `Serve`, an authorization server for instance, as the default service | [`mount`] |
//! | an MCP server behind a protection (RFC 6750, RFC 9728). Feature `protect` | `protect` |
//! | any tower service as a route. Feature `tower` | `tower_service` |
//!
//! # Slow and hostile clients
//!
//! A body is read up to its limit, and that is all that is here. actix-web itself waits five seconds for a head
//! (`HttpServer::client_request_timeout`), keeps an idle connection as long (`keep_alive`), and takes 25,600 connections for each worker
//! (`max_connections`), however many come from one address. It sets no deadline for bodies: put a proxy in front that reads requests
//! whole before it hands them on (nginx does), or wrap the application in a middleware with a timeout.

mod convert;
#[cfg(feature = "protect")]
pub mod protect;
#[cfg(feature = "tower")]
mod tower;

use std::sync::Arc;

use actix_web::error::HttpError;
use actix_web::web::{Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_io::{
    BODY_LIMIT, Peer, Serve, announces_too_large_a_body, body_broken_off, body_too_large, internal_error,
    malformed_request,
};
use tracing::Instrument as _;

use self::convert::{head, outward};
#[cfg(feature = "tower")]
pub use self::tower::{BrokenOff, Incoming, tower_service};

/// What makes an application hand every request, whatever its path and method, to `serve`:
/// `App::new().configure(mount(serve))`.
///
/// It is a fallback, the application's default service: routes of your own stand before it, and of two default services
/// the later counts. It belongs in no scope with a prefix, because what it serves knows its public paths. `HEAD` reaches
/// `serve` as `HEAD`.
///
/// A body longer than [`BODY_LIMIT`] is answered 413 and a body that breaks off 400; neither reaches `serve`. The
/// [`Peer`] is the other end of the connection, and unknown on a Unix socket.
///
/// What reaches `serve` runs to its end, on the worker that took the request, even if the client hangs up before:
/// otherwise a commit could happen without the step that follows it. Only the end of the worker itself cuts it off. A panic
/// in it is answered 500.
pub fn mount(serve: Arc<dyn Serve>) -> impl FnOnce(&mut ServiceConfig) {
    let fallback =
        web::to(move |request: HttpRequest, body: Payload| mounted(Arc::clone(&serve), request, body));
    move |application| {
        application.default_service(fallback);
    }
}

async fn mounted(
    serve: Arc<dyn Serve>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, HttpError> {
    let response = match head(&request) {
        Err(_) => malformed_request(),
        Ok(head) if announces_too_large_a_body(head.headers()) => body_too_large(),
        Ok(head) => match body.to_bytes_limited(BODY_LIMIT).await {
            Ok(Ok(whole)) => to_its_end(serve, head.map(|()| whole), peer(&request)).await,
            Ok(Err(_)) => body_broken_off(),
            Err(_) => body_too_large(),
        },
    };
    outward(response, request.method() == Method::HEAD.as_str())
}

/// The connection's own future is dropped where it stands when the client hangs up; a task of its own is not.
async fn to_its_end(serve: Arc<dyn Serve>, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
    let running = tokio::spawn(async move { serve.serve(request, peer).await }.in_current_span());
    running.await.unwrap_or_else(|_| internal_error())
}

/// Never from a header, as actix-web's `ConnectionInfo` is: anybody can write one.
fn peer(request: &HttpRequest) -> Peer {
    Peer(request.peer_addr().map(|address| address.ip()))
}

#[cfg(test)]
mod tests;
