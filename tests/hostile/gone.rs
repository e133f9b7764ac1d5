//! Clients that vanish, hang up half, or break off.

use tokio::io::AsyncWriteExt as _;

use crate::honest::Honest;
use crate::server::Server;
use crate::wire::{connect, parsed, rest, statuses};

/// As far as a client may have come.
const SAID: [&str; 5] = [
    "",
    "GET /heal",
    "GET /health HTTP/1.1\r\nhost: a\r\n\r\n",
    "POST /oauth/token HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\ngrant_type=",
    "POST /oauth/token HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nfff\r\ngrant_type=",
];

/// How many come of each.
const EACH: usize = 50;

/// To the server, a client whose machine lost its power is one of which nothing comes: neither bytes nor an end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_vanishes_without_a_word_is_let_go_of() {
    let server = Server::start().await;
    let honest = Honest::at(&server).await;
    let (memory, before) = (server.memory(), server.open_connections());
    let mut vanished = Vec::new();
    for said in SAID {
        for _ in 0..EACH {
            let mut stream = connect(server.address()).await;
            stream.write_all(said.as_bytes()).await.unwrap();
            vanished.push(stream);
        }
    }
    honest.goes_on(2).await;
    drop(honest);
    server.lets_go(before).await;
    drop(vanished);
    memory.peak_is_below(32 * 1024, "250 that vanish");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_will_say_nothing_more_gets_an_answer_or_an_end() {
    let server = Server::start().await;
    let honest = Honest::at(&server).await;
    let before = server.open_connections();
    for said in SAID {
        let mut half_closed = Vec::new();
        for _ in 0..EACH {
            let mut stream = connect(server.address()).await;
            stream.write_all(said.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            half_closed.push(stream);
        }
        for mut stream in half_closed {
            let heard = statuses(&parsed(&rest(&mut stream).await));
            match said.starts_with("GET") && said.ends_with("\r\n\r\n") {
                true => assert_eq!(heard, [200], "who asked is answered"),
                false => assert!(matches!(heard[..], [] | [400]), "{said:?}: {heard:?}"),
            }
        }
    }
    honest.goes_on(2).await;
    drop(honest);
    server.lets_go(before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_breaks_off_is_let_go_of_before_their_time_is_up() {
    // With patience for a minute, so that it is not the time that ends them.
    let server = Server::with(&[("PORTCULLIS_CLIENT_TIMEOUT", "1m")]).await;
    let honest = Honest::at(&server).await;
    let before = server.open_connections();
    for said in SAID {
        for _ in 0..EACH {
            let mut stream = connect(server.address()).await;
            stream.write_all(said.as_bytes()).await.unwrap();
            stream.set_zero_linger().unwrap();
        }
    }
    honest.goes_on(2).await;
    drop(honest);
    server.lets_go(before).await;
}
