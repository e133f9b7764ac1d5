//! What lists of a Redis may lose.

use std::sync::Arc;

use ambient::SystemClock;
use futures_util::{StreamExt as _, stream};
use store::{ClaimKind, Memory, Redis, RedisOptions};
use testkit::redis_server::{RedisCluster, RedisServer};

use crate::{Sample, Subject, claim, copied, create, find, used};

/// What no list names any more is there nevertheless, and whoever has it goes on using it.
#[tokio::test]
async fn what_the_lists_of_a_redis_lost_is_brought_all_the_same() {
    let server = RedisServer::start();
    let options = RedisOptions::default();
    let from: Subject = Arc::new(
        Redis::open(&server.url().parse().unwrap(), options.clone(), Arc::new(SystemClock)).await.unwrap(),
    );
    // Another store shares the server, and is none of ours.
    let other = Redis::open(
        &server.url().parse().unwrap(),
        options.prefix("portcullis:other"),
        Arc::new(SystemClock),
    )
    .await;
    let other: Subject = Arc::new(other.unwrap());
    used(&other, 2).await;
    create(&other, &Sample::new("of another")).await;

    fill(&from).await;
    for list in ["{keys}", "{grant}", "{claim:email}"] {
        server.ask(&["ZREM", &format!("portcullis:{list}:ids"), "token", "7", "1200", "7@example.com"]);
    }
    // Of this one the list still has the id, and no longer until when: the next look drops it.
    server.ask(&["ZADD", "portcullis:{grant}:until", "XX", "1000", "8"]);
    lost_and_found(&from, 5).await;
}

#[tokio::test]
async fn what_a_node_of_a_cluster_forgot_of_its_lists_is_brought_all_the_same() {
    let mut cluster = RedisCluster::start();
    let url = cluster.url().parse().unwrap();
    let from: Subject =
        Arc::new(Redis::open(&url, RedisOptions::default(), Arc::new(SystemClock)).await.unwrap());
    fill(&from).await;
    for node in cluster.nodes() {
        if !node.ask(&["KEYS", "portcullis:{grant}:ids"]).is_empty() {
            node.ask(&["DEL", "portcullis:{grant}:ids", "portcullis:{grant}:until"]);
        }
    }
    lost_and_found(&from, SAMPLES).await;
}

const SAMPLES: u64 = 1500;

async fn fill(store: &Subject) {
    used(store, 1).await;
    let samples = stream::iter(0..SAMPLES).map(|n| async move { create(store, &Sample::new(n)).await });
    samples.buffer_unordered(64).collect::<Vec<()>>().await;
    for n in 0..9 {
        claim(store, &format!("{n}@example.com"), "usr_1", None).await;
    }
}

async fn lost_and_found(from: &Subject, lost: u64) {
    let to: Subject = Arc::new(Memory::new());
    let done = copied(from, &to).await;
    assert_eq!((done.unlisted, done.written), (lost, SAMPLES + 10), "{done:?}");
    assert!(done.counts.iter().any(|count| (count.kind, count.from) == ("grant", SAMPLES)), "{done:?}");
    for n in 0..SAMPLES {
        assert!(find(&to, &n.to_string()).await.is_some(), "{n}");
    }
    assert_eq!(to.claims(ClaimKind::Email, None, 100).await.unwrap().claims.len(), 9);
    let again = copied(from, &to).await;
    assert_eq!((again.unlisted, again.written), (lost, 0), "{again:?}");
}
