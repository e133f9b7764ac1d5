//! Passwords that are guessed, as many at once as there are connections: what they cost is the server's.

use serde_json::json;
use tokio::task::JoinSet;

use crate::honest::Honest;
use crate::server::Server;
use crate::wire::{answered, statuses};

/// Without limits, which would end it sooner; at the default cost of a password, of which each takes 19 MiB while it is hashed.
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
    let mut flood = JoinSet::new();
    for _ in 0..300 {
        let guess = guess.clone();
        flood.spawn(async move {
            let mut seen = Vec::new();
            for _ in 0..5 {
                seen.extend(statuses(&answered(to, guess.as_bytes()).await));
            }
            seen
        });
    }
    // Somebody who is logged in, their client and its server: nobody of them waits for a hash.
    honest.goes_on(3).await;
    let seen = flood.join_all().await.concat();
    assert_eq!(seen.len(), 1500, "each is answered");
    assert!(seen.iter().all(|status| [401, 503].contains(status)), "{seen:?}");
    assert!(seen.contains(&401) && seen.contains(&503), "so many wait for their turn, and no more");
    memory.peak_is_below(128 * 1024, "1,500 guesses, 300 at once");
}
