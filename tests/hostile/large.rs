//! More than a request of OAuth ever is.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use crate::honest::Honest;
use crate::server::{BOUND, Server, makes_room_for};
use crate::wire::{answered, connect, parsed, rest, statuses};

const TOO_LARGE: usize = 1024 * 1024;

const TOKEN: &str = "POST /oauth/token HTTP/1.1\r\nhost: a\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_is_too_large_is_refused_with_its_status() {
    let server = Server::start().await;
    let (honest, memory) = (Honest::at(&server).await, server.memory());
    let a = |times: usize| "a".repeat(times);
    for (head, status) in [
        (format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", a(33 * 1024)), 431),
        (format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", a(TOO_LARGE)), 431),
        (format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", a(TOO_LARGE)), 431),
        (format!("GET / HTTP/1.1\r\nhost: a\r\n{}: a\r\n\r\n", a(TOO_LARGE)), 431),
        (format!("{} / HTTP/1.1\r\nhost: a\r\n\r\n", a(TOO_LARGE)), 431),
        (format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: a\r\n".repeat(101)), 431),
        (format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "cookie: a=b\r\n".repeat(100_000)), 431),
        (a(TOO_LARGE), 431),
        ("\r\n".repeat(TOO_LARGE), 431),
    ] {
        let said = statuses(&answered(server.address(), head.as_bytes()).await);
        // What is not read any more may break the answer off.
        assert!(
            said == [status] || (said.is_empty() && head.len() >= TOO_LARGE),
            "{}: {said:?}",
            &head[..40]
        );
    }
    honest.goes_on(1).await;
    memory.peak_is_below(32 * 1024, "heads that are too large");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_too_large_is_refused_before_it_is_sent() {
    let server = Server::start().await;
    // The last is more than any server counts.
    for (length, status) in [("65537", 413), ("9223372036854775807", 413), ("18446744073709551615", 431)] {
        for expects in ["", "expect: 100-continue\r\n"] {
            let head =
                format!("POST /oauth/token HTTP/1.1\r\nhost: a\r\n{expects}content-length: {length}\r\n\r\n");
            let said = answered(server.address(), head.as_bytes()).await;
            assert_eq!(statuses(&said), [status], "{length} {expects}");
        }
    }
}

/// Each as long as it is let.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_without_an_end_end_and_others_are_served() {
    let server = Server::start().await;
    let honest = Honest::at(&server).await;
    let (memory, before, to) = (server.memory(), server.open_connections(), server.address());
    let chunk = format!("1000\r\n{}\r\n", "a".repeat(0x1000)).into_bytes();
    let trailers = [&b"0\r\n"[..], &b"x: a\r\n".repeat(1000)].concat();
    let bodies = [
        ("transfer-encoding: chunked", chunk.clone()),
        ("transfer-encoding: chunked", b"1\r\na\r\n".repeat(1000)),
        ("transfer-encoding: chunked", trailers),
        ("transfer-encoding: chunked", [&b"1;"[..], &b"a".repeat(10_000)].concat()),
        ("content-length: 10000000000", chunk),
    ];
    let mut crowd = JoinSet::new();
    for turn in 0..100 {
        let (framed, body) = bodies[turn % bodies.len()].clone();
        crowd.spawn(async move {
            let mut stream = connect(to).await;
            let head = format!("POST /oauth/token HTTP/1.1\r\nhost: a\r\n{framed}\r\n\r\n");
            let for_ever = async {
                stream.write_all(head.as_bytes()).await?;
                loop {
                    stream.write_all(&body).await?;
                }
            };
            let ended: Result<std::io::Result<()>, _> = tokio::time::timeout(BOUND, for_ever).await;
            assert!(ended.is_ok(), "it reads on: {framed}");
            let said = statuses(&parsed(&rest(&mut stream).await));
            assert!(matches!(said[..], [] | [400 | 413]), "{said:?}");
        });
    }
    tokio::join!(crowd.join_all(), honest.goes_on(2));
    drop(honest);
    server.lets_go(before).await;
    memory.peak_is_below(32 * 1024, "100 bodies without an end");
}

/// Each byte of a body in a chunk of its own, which is six bytes on the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_takes_no_more_than_it_is_long_however_it_is_cut() {
    let server = Server::with(&[("PORTCULLIS_CLIENT_TIMEOUT", "5m")]).await;
    let memory = server.memory();
    let body = format!("{TOKEN}transfer-encoding: chunked\r\n\r\n{}", "1\r\na\r\n".repeat(60_000));
    let mut crowd = Vec::new();
    for _ in 0..6 {
        let mut stream = connect(server.address()).await;
        stream.write_all(body.as_bytes()).await.unwrap();
        crowd.push(stream);
    }
    for stream in &mut crowd {
        stream.write_all(b"0\r\n\r\n").await.unwrap();
    }
    for stream in &mut crowd {
        let mut said = [0; 12];
        tokio::time::timeout(BOUND, stream.read_exact(&mut said)).await.unwrap().unwrap();
        assert_eq!(&said, b"HTTP/1.1 400");
    }
    memory.peak_is_below(8 * 1024, "6 bodies in chunks of a byte");
}

/// The most that can be made to be kept: nearly whole heads, and nearly whole bodies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_of_unfinished_requests_is_bounded_and_others_are_served() {
    makes_room_for(4000);
    let server = Server::with(&[("PORTCULLIS_CLIENT_TIMEOUT", "5m")]).await;
    let honest = Honest::at(&server).await;
    let (memory, to) = (server.memory(), server.address());
    let head = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}", "a".repeat(31 * 1024));
    let body = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: a\r\ncontent-length: 65536\r\nx: {}\r\n\r\n{}",
        "a".repeat(31 * 1024),
        "a".repeat(65_000)
    );
    let (crowd, mut unfinished) = (4000, Vec::new());
    for said in [head, body] {
        for _ in 0..crowd / 2 {
            let mut stream = connect(to).await;
            let _ = stream.write_all(said.as_bytes()).await;
            unfinished.push(stream);
        }
        honest.goes_on(2).await;
    }
    memory.peak_is_below(320 * 1024, &format!("{crowd} requests that want their last bytes"));
}
