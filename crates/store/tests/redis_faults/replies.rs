//! Replies that are lost, late, or not what was expected.

use std::time::Duration;

use ambient::Time;
use store::{
    Changes, Claim, ClaimKind, Claimed, Commit, Found, Look, Mark, Marks, RedisOptions, Store, StoreError,
};
use testkit::redis_server::{RedisCluster, RedisServer};

use crate::proxy::Proxy;
use crate::{Key, Kind, create, creation, is_unavailable, open, open_with, read, record, sources};

/// How often the server ran a script that writes a record, an entry of a list, or a claim.
fn scripts_run(server: &RedisServer) -> u32 {
    let stats = server.ask(&["INFO", "commandstats"]);
    let calls = |line: &str| -> Option<u32> {
        let (_, calls) = line.strip_prefix("cmdstat_eval")?.split_once("calls=")?;
        calls.split(',').next()?.parse().ok()
    };
    stats.lines().filter_map(calls).sum()
}

#[tokio::test]
async fn a_lost_reply_is_settled_by_the_mark() {
    let server = RedisServer::start();
    let proxy = Proxy::to(server.port()).await;
    let store = open(&proxy.url()).await.unwrap();
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
    let mut found = Found::<store::AdminKey>::decode(&read(&store, 1).await.unwrap()).unwrap();
    for n in 2..=4 {
        let before = scripts_run(&server);
        proxy.lose_the_next_reply();
        let changes = Changes::replace(Mark::new([n; 16]), &found, &record(1));
        assert_eq!(store.commit(&changes).await.unwrap(), Commit::Done, "{n}");
        assert!(proxy.has_lost_it());
        assert_eq!(scripts_run(&server) - before, 2, "it was sent again");
        found = Found::decode(&read(&store, 1).await.unwrap()).unwrap();
    }
    let marks = (2..=4).fold(Marks::first(Mark::new([1; 16])), |marks, n| marks.then(Mark::new([n; 16])));
    assert_eq!(read(&store, 1).await.unwrap().marks, marks, "each was written once");
}

/// There the driver sends again by itself.
#[tokio::test]
async fn a_reply_that_a_cluster_lost_is_settled_by_the_mark() {
    let mut cluster = RedisCluster::start();
    let mut ways = Vec::new();
    for node in cluster.nodes() {
        let way = Proxy::to(node.port()).await;
        node.ask(&["CONFIG", "SET", "cluster-announce-port", &way.port().to_string()]);
        ways.push(way);
    }
    let known = |node: &RedisServer| {
        let nodes = node.ask(&["CLUSTER", "SLOTS"]);
        ways.iter().all(|way| nodes.lines().any(|line| line == way.port().to_string()))
    };
    crate::until(async || cluster.nodes().iter().all(known)).await;
    let url = ways[0].url().replace("redis:", "redis-cluster:");
    let store = open(&url).await.unwrap();
    for n in 0..20 {
        for way in &ways {
            way.lose_the_next_reply();
        }
        assert_eq!(create(&store, n).await.unwrap(), Commit::Done);
        let found = Found::<store::AdminKey>::decode(&read(&store, n).await.unwrap()).unwrap();
        for way in &ways {
            way.lose_the_next_reply();
        }
        let changes = Changes::replace(Mark::new([n + 100; 16]), &found, &record(n));
        assert_eq!(store.commit(&changes).await.unwrap(), Commit::Done);
        assert!(ways.iter().any(Proxy::has_lost_it));
        let marks = Marks::first(Mark::new([n; 16])).then(Mark::new([n + 100; 16]));
        assert_eq!(read(&store, n).await.unwrap().marks, marks, "each was written once");
    }
}

#[tokio::test]
async fn a_commit_that_lost_stays_lost_when_its_reply_is() {
    let server = RedisServer::start();
    let proxy = Proxy::to(server.port()).await;
    let store = open(&proxy.url()).await.unwrap();
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
    let found = Found::<store::AdminKey>::decode(&read(&store, 1).await.unwrap()).unwrap();
    let rival = Changes::replace(Mark::new([2; 16]), &found, &record(1));
    assert_eq!(store.commit(&rival).await.unwrap(), Commit::Done);
    proxy.lose_the_next_reply();
    let late = Changes::replace(Mark::new([3; 16]), &found, &record(1));
    assert_eq!(store.commit(&late).await.unwrap(), Commit::Stale);
    assert!(proxy.has_lost_it());
}

#[tokio::test]
async fn a_claim_whose_reply_got_lost_is_the_claimants() {
    let server = RedisServer::start();
    let proxy = Proxy::to(server.port()).await;
    let store = open(&proxy.url()).await.unwrap();
    for instead_of in [None, Some("first")] {
        let owner = if instead_of.is_none() { "first" } else { "second" };
        let claim =
            Claim { kind: ClaimKind::Email, key: "a", owner, since: Time(1), until: None, instead_of };
        // One reply for the list, one for the claim.
        for _ in 0..2 {
            proxy.lose_the_next_reply();
            assert_eq!(store.claim(&claim).await.unwrap(), Claimed::Mine);
            assert!(proxy.has_lost_it());
        }
    }
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_told_again() {
    let server = RedisServer::start();
    let store = open(&server.url()).await.unwrap();
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
    server.ask(&["SCRIPT", "FLUSH"]);
    assert_eq!(create(&store, 2).await.unwrap(), Commit::Done);
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
    assert!(read(&store, 2).await.is_some());
}

#[tokio::test]
async fn scripts_that_a_cluster_forgot_are_told_again() {
    let mut cluster = RedisCluster::start();
    let store = open(&cluster.url()).await.unwrap();
    for n in 0..20 {
        for node in cluster.nodes() {
            node.ask(&["SCRIPT", "FLUSH"]);
        }
        assert_eq!(create(&store, n).await.unwrap(), Commit::Done);
    }
    for n in 0..20 {
        assert!(read(&store, n).await.is_some(), "{n}");
    }
}

/// The driver gives up after half a second unless it is told otherwise: less than a slow disk takes.
#[tokio::test]
async fn a_commit_that_takes_a_second_is_done() {
    let server = RedisServer::start();
    let proxy = Proxy::to(server.port()).await;
    let store = open(&proxy.url()).await.unwrap();
    server.ask(&["CLIENT", "PAUSE", "1000", "ALL"]);
    let before = proxy.requests();
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
    assert!(proxy.requests() - before <= 4, "nothing was given up and sent again");
    assert!(read(&store, 1).await.is_some());
}

#[tokio::test]
async fn a_server_that_never_answers_is_unavailable() {
    let server = RedisServer::start();
    let options =
        RedisOptions::default().answering(Duration::from_millis(50)).connecting(Duration::from_millis(50));
    let store = open_with(&server.url(), options).await.unwrap();
    server.ask(&["CLIENT", "PAUSE", "3000", "ALL"]);
    assert!(is_unavailable(create(&store, 1).await));
    assert!(is_unavailable(store.ready().await));
    crate::until(async || store.ready().await.is_ok()).await;
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
}

/// A grant, its client, its person and its server in one go, once it is known what the grant names.
#[tokio::test]
async fn what_a_known_grant_names_is_read_with_it_in_one_round_trip() {
    let server = RedisServer::start();
    let proxy = Proxy::to(server.port()).await;
    let store = open(&proxy.url()).await.unwrap();
    let key = "portcullis:grant:{g}";
    let marks = "0123456789abcdef";
    server.ask(&["HSET", key, "marks", marks, "ended", "0", "body", "grant", "client", "c", "person", "p"]);
    server.ask(&["HSET", "portcullis:client:{c}", "marks", marks, "ended", "0", "body", "client"]);
    let look = Look { record: Key::new(Kind::Grant, "g"), beside: Some(Key::new(Kind::Server, "s")) };
    for round_trips in [2, 1, 1] {
        let before = proxy.requests();
        let seen = store.look(&look).await.unwrap();
        assert_eq!(proxy.requests() - before, round_trips);
        assert_eq!((seen.client.unwrap().body.as_str(), seen.person), ("client", None));
    }
    // What was remembered is not believed: neither of the client, nor which it is.
    let later = "fedcba9876543210";
    server.ask(&["HSET", "portcullis:client:{c}", "marks", later, "body", "blocked"]);
    server.ask(&["HSET", "portcullis:person:{p}", "marks", later, "ended", "0", "body", "person"]);
    for round_trips in [2, 1] {
        let before = proxy.requests();
        let seen = store.look(&look).await.unwrap();
        assert_eq!(proxy.requests() - before, round_trips);
        assert_eq!((seen.client.unwrap().body.as_str(), &*seen.person.unwrap().body), ("blocked", "person"));
    }
    server.ask(&["DEL", "portcullis:client:{c}", "portcullis:person:{p}"]);
    let seen = store.look(&look).await.unwrap();
    assert_eq!((seen.client, seen.person), (None, None));
    server.ask(&["HSET", key, "client", "d"]);
    server.ask(&["HSET", "portcullis:client:{d}", "marks", marks, "ended", "0", "body", "another"]);
    for round_trips in [2, 1] {
        let before = proxy.requests();
        assert_eq!(store.look(&look).await.unwrap().client.unwrap().body, "another");
        assert_eq!(proxy.requests() - before, round_trips);
    }
}

#[tokio::test]
async fn a_damaged_record_is_told_and_spares_the_others() {
    let server = RedisServer::start();
    let store = open(&server.url()).await.unwrap();
    for n in [1, 2] {
        assert_eq!(create(&store, n).await.unwrap(), Commit::Done);
    }
    server.ask(&["HSET", "portcullis:admin_key:{1}", "marks", "short"]);
    let key = Key::new(Kind::AdminKey, 1);
    for answer in [store.read(&key).await.map(|_| ()), store.commit(&creation(1)).await.map(|_| ())] {
        assert!(matches!(answer, Err(StoreError::Damaged { kind: "admin_key", .. })), "{answer:?}");
    }
    server.ask(&["DEL", "portcullis:admin_key:{1}"]);
    server.ask(&["SET", "portcullis:admin_key:{1}", "of another type"]);
    let told = sources(&store.read(&key).await.unwrap_err());
    assert!(told.contains("WRONGTYPE"), "{told}");
    assert!(read(&store, 2).await.is_some());
}
