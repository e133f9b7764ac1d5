//! Servers that hang without closing anything, as a machine that was paused or cut off does.

use std::time::Duration;

use store::{RedisOptions, Store};
use testkit::redis_server::{RedisCluster, RedisServer};

use crate::{Commit, create, is_unavailable, open, open_with, read, sources, until};

fn hasty() -> RedisOptions {
    RedisOptions::default().answering(Duration::from_millis(1500)).connecting(Duration::from_millis(500))
}

/// The driver would ask the silent node again and again, whoever has its slots by now.
#[tokio::test]
async fn a_primary_of_a_cluster_that_hangs_is_left_for_its_replica() {
    let mut cluster = RedisCluster::start_with_replicas();
    let store = open_with(&cluster.url(), hasty()).await.unwrap();
    for n in 0..30 {
        assert_eq!(create(&store, n).await.unwrap(), Commit::Done);
    }
    store.ready().await.unwrap();
    for node in cluster.nodes().iter() {
        assert_eq!(node.ask(&["WAIT", "1", "0"]), "1");
    }
    cluster.nodes()[1].pause();
    until(async || store.ready().await.is_ok()).await;
    assert!(cluster.replicas()[1].ask(&["ROLE"]).starts_with("master"), "it was promoted");
    for n in 0..30 {
        assert!(read(&store, n).await.is_some(), "{n}");
    }
    for n in 30..60 {
        assert_eq!(create(&store, n).await.unwrap(), Commit::Done);
    }
}

/// While the others are replaced, a process is asked for nothing but whether it is ready.
#[tokio::test]
async fn whoever_watches_hears_soon_that_a_server_is_silent() {
    let server = RedisServer::start();
    let store = open(&server.url()).await.unwrap();
    store.ready().await.unwrap();
    server.pause();
    let asked = tokio::time::timeout(Duration::from_millis(4500), store.ready()).await;
    let told = sources(&asked.unwrap().unwrap_err());
    assert!(told.ends_with("Redis does not answer"), "{told}");
    server.resume();
    until(async || store.ready().await.is_ok()).await;
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
}

/// What was being asked is asked once more, and nobody waits for ever.
#[tokio::test]
async fn what_a_hanging_cluster_is_asked_fails_in_time() {
    let mut cluster = RedisCluster::start();
    let store = open_with(&cluster.url(), hasty()).await.unwrap();
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
    for node in cluster.nodes().iter() {
        node.pause();
    }
    // Twice an answer, and the new connections between.
    let asked = tokio::time::timeout(Duration::from_secs(12), create(&store, 2)).await;
    assert!(is_unavailable(asked.unwrap()));
    for node in cluster.nodes().iter() {
        node.resume();
    }
    until(async || store.ready().await.is_ok()).await;
    assert!(read(&store, 1).await.is_some());
}
