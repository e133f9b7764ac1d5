//! One byte a second, of a head (Slowloris), of a body (R-U-Dead-Yet), and answers that are not taken.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use crate::honest::Honest;
use crate::server::{BOUND, Server, makes_room_for};
use crate::wire::{connect, drip, parsed, rest, statuses};

const SECOND: Duration = Duration::from_secs(1);

/// How many are slow at once.
const CROWD: usize = 1000;

/// Each of the crowd says `first`, then `slowly`; what came back to each.
async fn besieged(server: &Server, first: &'static [u8], slowly: &'static [u8]) -> Vec<Vec<u8>> {
    let to = server.address();
    makes_room_for(CROWD);
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        crowd.spawn(async move { drip(connect(to).await, first, slowly, SECOND).await });
    }
    let ends = crowd.join_all().await;
    let longest = ends.iter().map(|(_, took)| *took).max().unwrap();
    assert!(longest < BOUND, "{longest:?}");
    ends.into_iter().map(|(said, _)| said).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_come_a_byte_a_second_are_cut_off_and_others_are_served() {
    let server = Server::start().await;
    let honest = Honest::at(&server).await;
    let (memory, before) = (server.memory(), server.open_connections());
    for first in [&b""[..], b"GET /health HTTP/1.1\r\nhost: a\r\nx-slow: ", b"\r\n\r\n\r\n"] {
        let (said, ()) = tokio::join!(besieged(&server, first, b"a"), honest.goes_on(2));
        for said in said {
            assert!(said.is_empty() || statuses(&parsed(&said)) == [408], "{said:?}");
        }
    }
    drop(honest);
    server.lets_go(before).await;
    memory.peak_is_below(96 * 1024, "1000 heads, a byte a second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_come_a_byte_a_second_are_cut_off_and_others_are_served() {
    let server = Server::start().await;
    let honest = Honest::at(&server).await;
    let (memory, before) = (server.memory(), server.open_connections());
    let length = b"POST /oauth/token HTTP/1.1\r\nhost: a\r\ncontent-length: 60000\r\n\r\ngrant_type=";
    let chunks = b"POST /oauth/token HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    for (first, slowly) in [(&length[..], &b"a"[..]), (chunks, b"1\r\na\r\n"), (chunks, b"1;extension")] {
        let (said, ()) = tokio::join!(besieged(&server, first, slowly), honest.goes_on(2));
        for said in said {
            assert!(said.is_empty() || statuses(&parsed(&said)) == [400], "{said:?}");
        }
    }
    drop(honest);
    server.lets_go(before).await;
    memory.peak_is_below(96 * 1024, "1000 bodies, a byte a second");
}

/// They ask for pages, one after the other, and read nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_takes_are_cut_off_and_others_are_served() {
    let server = Server::start().await;
    let honest = Honest::at(&server).await;
    let (memory, before) = (server.memory(), server.open_connections());
    let to = server.address();
    let mut crowd = JoinSet::new();
    for _ in 0..20 {
        crowd.spawn(async move {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(4096).unwrap();
            let mut stream = socket.connect(to).await.unwrap();
            let asks = b"GET /.well-known/oauth-authorization-server HTTP/1.1\r\nhost: a\r\n\r\n".repeat(100);
            // Until it is cut off.
            let until = async { while stream.write_all(&asks).await.is_ok() {} };
            assert!(tokio::time::timeout(BOUND, until).await.is_ok(), "it goes on");
            rest(&mut stream).await;
        });
    }
    tokio::join!(crowd.join_all(), honest.goes_on(2));
    drop(honest);
    server.lets_go(before).await;
    memory.peak_is_below(64 * 1024, "20 that take no answer");
}
