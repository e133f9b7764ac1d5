//! Passwords that are guessed, more at once than may wait for their turn: what they cost is the server's.

use std::thread::available_parallelism;

use serde_json::json;
use tokio::task::JoinSet;

use crate::honest::Honest;
use crate::server::{Server, makes_room_for};
use crate::wire::{answered, statuses};

/// Who guess at once, for each core: of these, 32 may wait.
const CROWD: usize = 50;

/// How often each of them guesses.
const TIMES: usize = 5;

/// What a password takes while it is hashed, in KiB, of which one is for each core at a time.
const HASHING: usize = 19 * 1024;

/// Without limits, which would end it sooner; at the default cost of a password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_log_ins_starves_no_tokens() {
    let server = Server::with(&[("PORTCULLIS_PASSWORD_COST", "m=19456,t=2,p=1")]).await;
    let honest = Honest::at(&server).await;
    let (memory, to) = (server.memory(), server.address());
    let body = json!({ "email": "nobody@example.com", "password": "a guess, and a long one" }).to_string();
    let guess = format!(
        "POST /auth/login HTTP/1.1\r\nhost: {to}\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let cores = available_parallelism().unwrap().get();
    makes_room_for(CROWD * cores);
    let mut flood = JoinSet::new();
    for _ in 0..CROWD * cores {
        let guess = guess.clone();
        flood.spawn(async move {
            let mut seen = Vec::new();
            for _ in 0..TIMES {
                seen.extend(statuses(&answered(to, guess.as_bytes()).await));
            }
            seen
        });
    }
    // Somebody who is logged in, their client and its server: nobody of them waits for a hash.
    honest.goes_on(3).await;
    let seen = flood.join_all().await.concat();
    assert_eq!(seen.len(), CROWD * cores * TIMES, "each is answered");
    assert!(seen.iter().all(|status| [401, 503].contains(status)), "{seen:?}");
    assert!(seen.contains(&401) && seen.contains(&503), "so many wait for their turn, and no more");
    let what = format!("{} guesses, {} at once", seen.len(), CROWD * cores);
    memory.peak_is_below((HASHING + 16 * 1024) * cores + 32 * 1024, &what);
}
