//! Connections on which nothing is said.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::honest::Honest;
use crate::server::{Server, makes_room_for};
use crate::wire::{connect, is_closed};

/// So many at once on their way, as the queue of a listener allows.
const ABREAST: usize = 200;

async fn idle(to: SocketAddr, number: usize) -> Vec<TcpStream> {
    let mut idle = Vec::new();
    while idle.len() < number {
        let mut coming = JoinSet::new();
        for _ in 0..ABREAST.min(number - idle.len()) {
            coming.spawn(connect(to));
        }
        idle.extend(coming.join_all().await);
    }
    idle
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_that_say_nothing_are_kept_and_others_are_served() {
    let crowd = 10_000;
    makes_room_for(crowd);
    let places = (crowd + 100).to_string();
    let server =
        Server::with(&[("PORTCULLIS_CONNECTIONS", &places), ("PORTCULLIS_CLIENT_TIMEOUT", "5m")]).await;
    let honest = Honest::at(&server).await;
    let memory = server.memory();
    let mut idle = idle(server.address(), crowd).await;
    server.has_open(crowd).await;
    honest.goes_on(5).await;
    assert_eq!(idle.iter().filter(|stream| is_closed(stream)).count(), 0);
    // In KiB: what the optimizer leaves is less.
    memory.peak_is_below(crowd * 40 + 32 * 1024, &format!("{crowd} idle connections"));
    for stream in idle.iter_mut().step_by(100) {
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut said = [0; 12];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"HTTP/1.1 200");
    }
}

/// Behind a proxy that is one address, or from so many addresses that the share of each does not matter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_there_is_room_for_shut_nobody_out() {
    let (crowd, places) = (600, 500);
    makes_room_for(crowd);
    let told = places.to_string();
    let server =
        Server::with(&[("PORTCULLIS_CONNECTIONS", &told), ("PORTCULLIS_CLIENT_TIMEOUT", "5m")]).await;
    let honest = Honest::at(&server).await;
    let (memory, to) = (server.memory(), server.address());
    let mut coming = JoinSet::new();
    // Whoever is sent away comes again.
    for _ in 0..crowd {
        coming.spawn(async move {
            loop {
                until_sent_away(connect(to).await).await;
            }
        });
    }
    server.has_open(places).await;
    honest.goes_on(5).await;
    assert!(server.open_connections() < crowd, "{}", server.open_connections());
    memory.peak_is_below(32 * 1024, &format!("{crowd} that come again for {places} places"));
}

async fn until_sent_away(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 64]).await;
}
