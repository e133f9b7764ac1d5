//! Requests that do not wait for answers (RFC 9112 section 9.3.2).

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use crate::honest::Honest;
use crate::server::{BOUND, PATIENCE, Server, makes_room_for};
use crate::wire::{connect, parsed, rest, statuses};

/// Three whose answers differ: 200, 404, and 400 of the token endpoint.
const THREE: &str = "GET /health HTTP/1.1\r\nhost: a\r\n\r\n\
    GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n\
    POST /oauth/token HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-www-form-urlencoded\r\n\
    content-length: 12\r\n\r\ngrant_type=x";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_in_one_write_are_answered_in_order() {
    let server = Server::start().await;
    let (times, last) = (200, "GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let all = format!("{}{last}", THREE.repeat(times));
    let stream = connect(server.address()).await;
    let (mut reader, mut writer) = stream.into_split();
    let mut said = Vec::new();
    let read = tokio::time::timeout(BOUND, reader.read_to_end(&mut said));
    let (written, read) = tokio::join!(writer.write_all(all.as_bytes()), read);
    written.unwrap();
    read.unwrap().unwrap();
    let mut expected = [200, 404, 400].repeat(times);
    expected.push(200);
    assert_eq!(statuses(&parsed(&said)), expected);
}

/// As many as they can, for as long as they are let, of which each answer is larger than its request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_stops_asking_takes_no_memory_and_shuts_nobody_out() {
    let server = Server::start().await;
    let honest = Honest::at(&server).await;
    let (memory, to) = (server.memory(), server.address());
    let mut crowd = JoinSet::new();
    for _ in 0..50 {
        crowd.spawn(async move {
            let (mut reader, mut writer) = connect(to).await.into_split();
            let asks = THREE.repeat(200);
            let read = async {
                let mut some = vec![0; 64 * 1024];
                while reader.read(&mut some).await.is_ok_and(|read| read > 0) {}
            };
            let written = async { while writer.write_all(asks.as_bytes()).await.is_ok() {} };
            tokio::join!(read, written);
        });
    }
    honest.goes_on(3).await;
    assert!(crowd.try_join_next().is_none(), "who reads what is answered is not cut off");
    memory.peak_is_below(32 * 1024, "50 that never stop asking");
}

/// With patience for a minute between requests, and for five seconds within one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn some_of_a_head_that_came_with_a_request_is_owed_as_if_it_had_come_alone() {
    makes_room_for(500);
    let server =
        Server::with(&[("PORTCULLIS_CLIENT_TIMEOUT", PATIENCE), ("PORTCULLIS_IDLE_TIMEOUT", "1m")]).await;
    let (memory, to) = (server.memory(), server.address());
    let said =
        format!("GET /health HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nx: {}", "a".repeat(31 * 1024));
    let mut crowd = JoinSet::new();
    for _ in 0..500 {
        let said = said.clone();
        crowd.spawn(async move {
            let mut stream = connect(to).await;
            stream.write_all(said.as_bytes()).await.unwrap();
            statuses(&parsed(&rest(&mut stream).await))
        });
    }
    for heard in crowd.join_all().await {
        assert_eq!(heard.first(), Some(&200), "{heard:?}");
    }
    memory.peak_is_below(96 * 1024, "500 that begin the next request with the one before");
}
