//! Mounts any [`Serve`] in an axum router.
//!
//! It holds no rules: paths, methods, statuses and headers are the `Serve`'s. What it adds is the network's part,
//! reading the body within the limit and naming the peer.
//!
//! | what | here |
//! |---|---|
//! | a `Serve`, an authorization server for instance, as a router | [`mount`] |
//! | an answer with a whole body, for handlers of your own | [`response`] |
//! | an MCP server behind a protection (RFC 6750, RFC 9728). Feature `protect` | `protect` |
//!
//! # Slow and hostile clients
//!
//! A body is read up to its limit, and that is all that is here: how long a client may take, and how many connections there are, is
//! whoever's who accepts them. `axum::serve` sets neither: a head, a body or an idle connection may take for ever there. Put a proxy in
//! front that reads requests whole before it hands them on (nginx does), or accept connections yourself with a timer,
//! `header_read_timeout`, a deadline for bodies (`tower_http::timeout::RequestBodyTimeoutLayer`) and a limit on
//! connections, as the program `portcullis` does in its `serve` module, which a library can use too.

#[cfg(feature = "protect")]
pub mod protect;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use http_io::{
    BODY_LIMIT, Peer, Serve, announces_too_large_a_body, body_broken_off, body_too_large, internal_error,
};
use tracing::Instrument as _;

/// A router that hands every request, whatever its path and method, to `serve`.
///
/// It is a fallback: routes of your own stand before it, and it nests under no prefix, because what it serves knows
/// its public paths. `HEAD` reaches `serve` as `HEAD`.
///
/// A body longer than [`BODY_LIMIT`] is answered 413 and a body that breaks off 400; neither reaches `serve`. The
/// [`Peer`] is known where the router is served with `into_make_service_with_connect_info::<SocketAddr>()`.
///
/// What reaches `serve` runs to its end, on the tokio runtime that polls the router, even if the client hangs up before:
/// otherwise a commit could happen without the step that follows it. A panic in it is answered 500.
pub fn mount(serve: Arc<dyn Serve>) -> Router {
    Router::new().fallback(move |request| mounted(Arc::clone(&serve), request))
}

/// An answer with a whole body, as the seams of an authorization server give it, as what an axum handler answers.
///
/// ```
/// use bytes::Bytes;
///
/// fn page() -> http::Response<Bytes> {
///     http::Response::new(Bytes::from_static(b"<!doctype html>"))
/// }
///
/// let router: axum::Router = axum::Router::new()
///     .route("/page", axum::routing::get(async || adapters_axum::response(page())));
/// ```
pub fn response(whole: Response<Bytes>) -> Response<Body> {
    whole.map(Body::from)
}

async fn mounted(serve: Arc<dyn Serve>, request: Request<Body>) -> Response<Body> {
    let head = request.method() == Method::HEAD;
    let answered = answer(serve, request).await;
    if head { to_head(answered) } else { response(answered) }
}

async fn answer(serve: Arc<dyn Serve>, request: Request<Body>) -> Response<Bytes> {
    let peer = peer(&request);
    if announces_too_large_a_body(request.headers()) {
        return body_too_large();
    }
    let (head, body) = request.into_parts();
    match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(whole) => to_its_end(serve, Request::from_parts(head, whole.to_bytes()), peer).await,
        Err(error) if error.is::<LengthLimitError>() => body_too_large(),
        Err(_) => body_broken_off(),
    }
}

/// The connection's own future is dropped where it stands when the client hangs up; a task of its own is not.
async fn to_its_end(serve: Arc<dyn Serve>, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
    let running = tokio::spawn(async move { serve.serve(request, peer).await }.in_current_span());
    running.await.unwrap_or_else(|_| internal_error())
}

fn peer(request: &Request<Body>) -> Peer {
    Peer(request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip()))
}

/// RFC 9110 section 8.6: the length that an answer to HEAD names is that of the GET, so an empty body must name none. axum names
/// one for each body whose length is known; of one whose frames are mapped it is not.
fn to_head(whole: Response<Bytes>) -> Response<Body> {
    whole.map(|body| match body.is_empty() {
        true => Body::new(Empty::<Bytes>::new().map_frame(|frame| frame)),
        false => Body::from(body),
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::io;
    use std::net::IpAddr;
    use std::sync::atomic::{AtomicBool, Ordering};

    use async_trait::async_trait;
    use futures_util::StreamExt;
    use futures_util::stream;
    use http::{StatusCode, header};
    use http_body_util::Full;
    use tokio::sync::Notify;
    use tower::ServiceExt;

    use super::*;

    /// Says what reached it.
    struct Echo;

    #[async_trait]
    impl Serve for Echo {
        async fn serve(&self, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
            let said = format!(
                "{} {} {} {:?}",
                request.method(),
                request.uri(),
                request.body().len(),
                peer.0.map(|address| address.to_string())
            );
            Response::builder()
                .status(StatusCode::ACCEPTED)
                .header("x-said", said)
                .body(request.into_body())
                .unwrap()
        }
    }

    /// A body that comes in `pieces`, of which `None` is where the connection breaks, and notes that it was read.
    fn in_pieces(pieces: Vec<Option<Bytes>>, read: &Arc<AtomicBool>) -> Body {
        let read = Arc::clone(read);
        Body::from_stream(stream::iter(pieces).map(move |piece| {
            read.store(true, Ordering::Relaxed);
            piece.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionReset))
        }))
    }

    async fn send(request: Request<Body>) -> Response<Bytes> {
        let response: Result<_, Infallible> = mount(Arc::new(Echo)).oneshot(request).await;
        let (head, body) = response.unwrap().into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }

    fn said(response: &Response<Bytes>) -> &str {
        response.headers()["x-said"].to_str().unwrap()
    }

    #[tokio::test]
    async fn every_path_and_method_reaches_the_serve_and_its_answer_comes_back() {
        for method in [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS, Method::HEAD] {
            for path in ["/", "/.well-known/a/b", "/x?y=%20z"] {
                let request = Request::builder().method(&method).uri(path).body(Body::empty()).unwrap();
                let response = send(request).await;
                assert_eq!(response.status(), StatusCode::ACCEPTED);
                assert_eq!(said(&response), format!("{method} {path} 0 None"));
            }
        }
    }

    /// RFC 9110 section 8.6.
    #[tokio::test]
    async fn an_answer_to_head_claims_no_length_that_get_would_not_have() {
        let head = |body: &'static str| Request::head("/").body(Body::from(body)).unwrap();
        let response = send(head("")).await;
        assert_eq!(response.headers().get(header::CONTENT_LENGTH), None);
        let response = send(head("whole")).await;
        assert_eq!(response.headers()[header::CONTENT_LENGTH], "5", "the length is said, the body is not");
        assert!(response.body().is_empty());
        let get = send(Request::get("/").body(Body::from("whole")).unwrap()).await;
        assert_eq!(
            (&get.headers()[header::CONTENT_LENGTH], &get.body()[..]),
            (&"5".parse().unwrap(), &b"whole"[..])
        );
    }

    #[tokio::test]
    async fn an_answer_of_a_seam_is_an_answer_of_a_handler() {
        let page = || {
            let page = Response::builder().status(StatusCode::FORBIDDEN).header("x-said", "no");
            response(page.body(Bytes::from_static(b"No.")).unwrap())
        };
        let router = Router::new().route("/page", axum::routing::get(async move || page()));
        let answer = router.oneshot(Request::get("/page").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert_eq!(answer.headers()["x-said"], "no");
        assert_eq!(answer.headers()[header::CONTENT_LENGTH], "3");
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "No.");
    }

    #[tokio::test]
    async fn the_peer_is_the_other_end_of_the_connection() {
        let mut request = Request::builder().uri("/").body(Body::empty()).unwrap();
        let address: IpAddr = "192.0.2.7".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address, 4711)));
        assert_eq!(said(&send(request).await), "GET / 0 Some(\"192.0.2.7\")");
    }

    #[tokio::test]
    async fn a_body_at_the_limit_passes_and_one_byte_more_is_413() {
        for (length, status) in
            [(BODY_LIMIT, StatusCode::ACCEPTED), (BODY_LIMIT + 1, StatusCode::PAYLOAD_TOO_LARGE)]
        {
            let whole = Body::new(Full::new(Bytes::from(vec![b'a'; length])));
            assert_eq!(send(Request::post("/").body(whole).unwrap()).await.status(), status, "{length}");
            let halves = [length / 2, length - length / 2].map(|part| Some(Bytes::from(vec![b'a'; part])));
            let halves = in_pieces(halves.to_vec(), &Arc::default());
            assert_eq!(send(Request::post("/").body(halves).unwrap()).await.status(), status, "{length}");
        }
    }

    #[tokio::test]
    async fn a_content_length_beyond_the_limit_is_refused_before_a_byte_is_read() {
        let read = Arc::new(AtomicBool::new(false));
        let request = Request::post("/")
            .header(header::CONTENT_LENGTH, (BODY_LIMIT + 1).to_string())
            .body(in_pieces(vec![Some(Bytes::from_static(b"a"))], &read))
            .unwrap();
        assert_eq!(send(request).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert!(!read.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_400() {
        let body = in_pieces(vec![Some(Bytes::from_static(b"grant_type=")), None], &Arc::default());
        let response = send(Request::post("/").body(body).unwrap()).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        assert!(!response.headers().contains_key("x-said"));
    }

    /// Says that it began, waits, and says that it ended; or panics.
    #[derive(Default)]
    struct Slow {
        began: Notify,
        go_on: Notify,
        ended: Notify,
    }

    #[async_trait]
    impl Serve for Slow {
        async fn serve(&self, request: Request<Bytes>, _: Peer) -> Response<Bytes> {
            assert_ne!(request.uri().path(), "/bug", "the secret of a bug");
            self.began.notify_one();
            self.go_on.notified().await;
            self.ended.notify_one();
            Response::new(Bytes::new())
        }
    }

    #[tokio::test]
    async fn a_client_that_hangs_up_does_not_cancel_what_it_asked_for() {
        let slow = Arc::new(Slow::default());
        let request = Request::post("/").body(Body::empty()).unwrap();
        let mut asked = Box::pin(mount(slow.clone()).oneshot(request));
        tokio::select! {
            _ = &mut asked => panic!("nobody told it to go on"),
            () = slow.began.notified() => {}
        }
        drop(asked);
        slow.go_on.notify_one();
        slow.ended.notified().await;
    }

    #[tokio::test]
    async fn a_panic_is_500_without_details() {
        let slow = Arc::new(Slow::default());
        let response = mount(slow).oneshot(Request::get("/bug").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(!String::from_utf8_lossy(&body).contains("secret"));
    }
}
