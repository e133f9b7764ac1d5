//! In actix-web's test service, and over a socket.

use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::body::to_bytes;
use actix_web::dev::{self, ServerHandle};
use actix_web::error::PayloadError;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::rt::System;
use actix_web::test::{TestRequest, init_service, try_call_service};
use actix_web::{App, HttpServer};
use async_trait::async_trait;
use futures_util::{Stream, StreamExt, stream};
use http::{StatusCode, header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

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
        let mut response = Response::builder().status(StatusCode::ACCEPTED).header("x-said", said);
        for value in request.headers().get_all("x-told") {
            response = response.header("x-told", value);
        }
        response.body(request.into_body()).unwrap()
    }
}

type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// A body that comes in `pieces`, of which `None` is where the connection breaks, and notes that it was read.
fn in_pieces(pieces: Vec<Option<Bytes>>, read: &Arc<AtomicBool>) -> Pieces {
    let read = Arc::clone(read);
    Box::pin(stream::iter(pieces).map(move |piece| {
        read.store(true, Ordering::Relaxed);
        piece.ok_or_else(|| PayloadError::from(io::Error::from(io::ErrorKind::ConnectionReset)))
    }))
}

async fn send(request: TestRequest) -> Response<Bytes> {
    send_in_pieces(request, None).await
}

async fn send_in_pieces(request: TestRequest, body: Option<Pieces>) -> Response<Bytes> {
    ask(Arc::new(Echo), request, body).await
}

/// The answer of an application in which `serve` is mounted, and nothing else.
async fn ask(serve: Arc<dyn Serve>, request: TestRequest, body: Option<Pieces>) -> Response<Bytes> {
    let application = init_service(App::new().configure(mount(serve))).await;
    let mut request = request.to_request();
    if let Some(pieces) = body {
        request = request.replace_payload(dev::Payload::Stream { payload: pieces }).0;
    }
    let answer = try_call_service(&application, request).await.unwrap();
    let (answer, body) = answer.into_parts().1.into_parts();
    let mut response = Response::new(to_bytes(body).await.unwrap());
    *response.status_mut() = StatusCode::from_u16(answer.status().as_u16()).unwrap();
    for (name, value) in answer.headers() {
        let name: header::HeaderName = name.as_str().parse().unwrap();
        response.headers_mut().append(name, header::HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    response
}

fn said(response: &Response<Bytes>) -> &str {
    response.headers()["x-said"].to_str().unwrap()
}

#[tokio::test]
async fn every_path_and_method_reaches_the_serve_and_its_answer_comes_back() {
    for method in ["GET", "POST", "DELETE", "OPTIONS", "HEAD", "BREW"] {
        for path in ["/", "/.well-known/a/b", "/x?y=%20z", "/a//b/../%2e%2F"] {
            let request = TestRequest::with_uri(path).method(method.parse().unwrap());
            let response = send(request.set_payload("whole")).await;
            assert_eq!(response.status(), StatusCode::ACCEPTED);
            assert_eq!(said(&response), format!("{method} {path} 5 None"));
            assert_eq!(response.body(), "whole");
        }
    }
}

#[tokio::test]
async fn headers_pass_both_ways_by_their_bytes_and_as_often_as_they_come() {
    let told = [&b"one"[..], b"tw\xf6", b"one"].map(|value| HeaderValue::from_bytes(value).unwrap());
    let request = told.iter().fold(TestRequest::get(), |request, value| {
        request.append_header((HeaderName::from_static("x-told"), value.clone()))
    });
    let response = send(request).await;
    let back: Vec<_> = response.headers().get_all("x-told").iter().map(|value| value.as_bytes()).collect();
    assert_eq!(back, [&b"one"[..], b"tw\xf6", b"one"]);
}

#[tokio::test]
async fn routes_of_ones_own_stand_before_it() {
    let application = App::new()
        .configure(mount(Arc::new(Echo)))
        .route("/hello", web::get().to(|| async { HttpResponse::Ok().body("hello") }));
    let application = init_service(application).await;
    for (path, status) in [("/hello", 200), ("/hello/", 202)] {
        let answer = try_call_service(&application, TestRequest::with_uri(path).to_request()).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn the_peer_is_the_other_end_of_the_connection_and_not_what_a_header_says() {
    let request = TestRequest::get()
        .peer_addr("192.0.2.7:4711".parse().unwrap())
        .insert_header(("x-forwarded-for", "192.0.2.8"))
        .insert_header(("forwarded", "for=192.0.2.9"));
    assert_eq!(said(&send(request).await), "GET / 0 Some(\"192.0.2.7\")");
}

#[tokio::test]
async fn a_body_at_the_limit_passes_and_one_byte_more_is_413() {
    for (length, status) in
        [(BODY_LIMIT, StatusCode::ACCEPTED), (BODY_LIMIT + 1, StatusCode::PAYLOAD_TOO_LARGE)]
    {
        let whole = TestRequest::post().set_payload(vec![b'a'; length]);
        assert_eq!(send(whole).await.status(), status, "{length}");
        let halves = [length / 2, length - length / 2].map(|part| Some(Bytes::from(vec![b'a'; part])));
        let halves = in_pieces(halves.to_vec(), &Arc::default());
        let response = send_in_pieces(TestRequest::post(), Some(halves)).await;
        assert_eq!(response.status(), status, "{length}");
    }
}

#[tokio::test]
async fn a_content_length_beyond_the_limit_is_refused_before_a_byte_is_read() {
    let read = Arc::new(AtomicBool::new(false));
    let request = TestRequest::post().insert_header(("content-length", BODY_LIMIT + 1));
    let body = in_pieces(vec![Some(Bytes::from_static(b"a"))], &read);
    let response = send_in_pieces(request, Some(body)).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(!read.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_400() {
    let body = in_pieces(vec![Some(Bytes::from_static(b"grant_type=")), None], &Arc::default());
    let response = send_in_pieces(TestRequest::post(), Some(body)).await;
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
    let mut asked = Box::pin(ask(slow.clone(), TestRequest::post(), None));
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
    let response = ask(Arc::new(Slow::default()), TestRequest::with_uri("/bug"), None).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!String::from_utf8_lossy(response.body()).contains("secret"));
}

/// Runs `case` against a server of actix-web's own, on a loopback port.
fn over_a_socket<C: Future<Output = ()>>(serve: Arc<dyn Serve>, case: impl FnOnce(TcpStream) -> C) {
    System::new().block_on(async {
        let server = HttpServer::new(move || App::new().configure(mount(Arc::clone(&serve))))
            .workers(1)
            .disable_signals()
            .bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle: ServerHandle = server.handle();
        let running = actix_web::rt::spawn(server);
        case(TcpStream::connect(address).await.unwrap()).await;
        handle.stop(false).await;
        running.await.unwrap().unwrap();
    });
}

async fn exchange(mut connection: TcpStream, request: &str) -> String {
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

#[test]
fn over_a_socket_a_request_arrives_with_its_peer() {
    over_a_socket(Arc::new(Echo), async |connection| {
        let request = "POST /x?y HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabc";
        let answer = exchange(connection, request).await;
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
        assert!(answer.contains("\r\nx-said: POST /x?y 3 Some(\"127.0.0.1\")\r\n"), "{answer}");
        assert!(answer.contains("\r\ncontent-length: 3\r\n") && answer.ends_with("\r\n\r\nabc"), "{answer}");
    });
}

/// RFC 9110 section 8.6.
#[test]
fn over_a_socket_an_answer_to_head_claims_no_length_that_get_would_not_have() {
    over_a_socket(Arc::new(Echo), async |connection| {
        let answer = exchange(connection, "HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
        assert!(!answer.contains("content-length"), "{answer}");
    });
}

#[test]
fn over_a_socket_a_body_that_breaks_off_reaches_nobody() {
    over_a_socket(Arc::new(Echo), async |mut connection| {
        connection.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc").await.unwrap();
        connection.shutdown().await.unwrap();
        let answer = exchange(connection, "").await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains("x-said"), "{answer}");
    });
}
