//! Servers that die, and others that take their place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use store::{Commit, Key, Kind, RedisOptions, Store};
use testkit::redis_server::{RedisCluster, RedisSentinels, RedisServer};

use crate::fake::{array, fake};
use crate::{Changes, Mark, create, is_unavailable, open, open_with, read, record, sources, until};

#[tokio::test]
async fn gone_is_unavailable_until_it_is_back_without_a_restart_of_ours() {
    let mut server = RedisServer::start();
    let store = open(&server.url()).await.unwrap();
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
    for n in 2..5 {
        server.kill();
        assert!(is_unavailable(create(&store, n).await));
        assert!(is_unavailable(store.read(&Key::new(Kind::AdminKey, 1)).await));
        assert!(is_unavailable(store.ready().await));
        server.restart();
        until(async || store.ready().await.is_ok()).await;
        assert_eq!(read(&store, n).await, None);
        assert_eq!(create(&store, n).await.unwrap(), Commit::Done);
    }
    assert!(read(&store, 1).await.is_some());
}

/// Nothing that ends the connection in between is noticed: the next one is made within the request.
#[tokio::test]
async fn a_connection_that_breaks_is_replaced_unnoticed() {
    let server = RedisServer::start();
    let store = open(&server.url()).await.unwrap();
    for n in 0..20 {
        assert_eq!(create(&store, n).await.unwrap(), Commit::Done);
        server.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    }
    for n in 0..20 {
        assert!(read(&store, n).await.is_some(), "{n}");
    }
}

#[tokio::test]
async fn connections_to_a_cluster_that_break_are_replaced_unnoticed() {
    let mut cluster = RedisCluster::start();
    let store = open(&cluster.url()).await.unwrap();
    for n in 0..20 {
        assert_eq!(create(&store, n).await.unwrap(), Commit::Done);
        for node in cluster.nodes() {
            node.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
        }
    }
    for n in 0..20 {
        assert!(read(&store, n).await.is_some(), "{n}");
    }
}

#[tokio::test]
async fn no_server_is_no_store() {
    let mut server = RedisServer::start();
    let url = server.url();
    server.kill();
    assert!(is_unavailable(open(&url).await));
}

/// With an append-only file that is written through (`appendfsync always`).
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn kill_9_loses_nothing_that_was_answered() {
    let mut server = RedisServer::start();
    let url = server.url();
    let drawn = Arc::new(AtomicU32::new(0));
    let mut answered = Vec::new();
    for round in 0..5 {
        let store = Arc::new(open(&url).await.unwrap());
        let writers: Vec<_> = (0..8)
            .map(|_| {
                let (store, drawn) = (Arc::clone(&store), Arc::clone(&drawn));
                tokio::spawn(async move {
                    let mut done = Vec::new();
                    loop {
                        let n = drawn.fetch_add(1, Ordering::Relaxed);
                        let mut mark = [7; 16];
                        mark[..4].copy_from_slice(&n.to_be_bytes());
                        match store.commit(&Changes::create(Mark::new(mark), &record(n))).await {
                            Ok(answer) => assert_eq!(answer, Commit::Done),
                            Err(_) => return done,
                        }
                        done.push(n);
                    }
                })
            })
            .collect();
        let enough = drawn.load(Ordering::Relaxed) + 200;
        until(async || drawn.load(Ordering::Relaxed) >= enough).await;
        server.kill();
        for writer in writers {
            answered.extend(writer.await.unwrap());
        }
        server.restart();
        let store = open(&url).await.unwrap();
        for n in &answered {
            let there = store.read(&Key::new(Kind::AdminKey, n)).await.unwrap();
            assert!(there.is_some(), "round {round}: {n} was answered and is lost");
        }
    }
    assert!(answered.len() >= 500, "{} were answered", answered.len());
}

#[tokio::test]
async fn a_replica_that_the_sentinels_promote_is_found() {
    let mut servers = RedisSentinels::start();
    let store = open(&servers.url()).await.unwrap();
    for n in 0..20 {
        assert_eq!(create(&store, n).await.unwrap(), Commit::Done);
    }
    // So that the replica has all of it: what it has not is lost with the primary.
    assert_eq!(servers.primary.ask(&["WAIT", "1", "0"]), "1");
    store.ready().await.unwrap();
    servers.primary.kill();
    assert!(is_unavailable(create(&store, 20).await));
    servers.fail_over();
    until(async || store.ready().await.is_ok()).await;
    assert_eq!(create(&store, 20).await.unwrap(), Commit::Done);
    for n in 0..=20 {
        assert!(read(&store, n).await.is_some(), "{n}");
    }
    let role = servers.replica.ask(&["ROLE"]);
    assert!(role.starts_with("master"), "{role}");
}

/// It takes writes until a Sentinel tells it, and forgets them then; here it cannot even be told.
#[tokio::test]
async fn a_primary_that_was_replaced_is_left() {
    let mut servers = RedisSentinels::start();
    let store = open(&servers.url()).await.unwrap();
    assert_eq!(create(&store, 0).await.unwrap(), Commit::Done);
    assert_eq!(servers.primary.ask(&["WAIT", "1", "0"]), "1");
    servers.primary.ask(&["ACL", "SETUSER", "default", "-slaveof", "-replicaof"]);
    servers.order_fail_over();
    servers.fail_over();
    let mut n = 0;
    until(async || {
        n += 1;
        let done = create(&store, n).await.is_ok_and(|answer| answer == Commit::Done);
        done && servers.replica.ask(&["EXISTS", &format!("portcullis:admin_key:{{{n}}}")]) == "1"
    })
    .await;
    assert!(servers.primary.ask(&["ROLE"]).starts_with("master"), "nobody could tell it");
    assert!(read(&store, 0).await.is_some());
}

#[tokio::test]
async fn a_server_that_refuses_writes_is_unavailable_while_it_does() {
    let server = RedisServer::start();
    let store = open(&server.url()).await.unwrap();
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
    server.ask(&["REPLICAOF", "127.0.0.1", "1"]);
    assert!(is_unavailable(create(&store, 2).await));
    assert!(is_unavailable(store.ready().await));
    server.ask(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(create(&store, 2).await.unwrap(), Commit::Done);
    store.ready().await.unwrap();
}

/// Neither `Done` nor `Stale` is said before the replica knows why.
#[tokio::test]
async fn an_answer_waits_for_as_many_replicas_as_wanted() {
    let primary = RedisServer::start();
    let mut replica = RedisServer::start_with(&["--replicaof", &format!("127.0.0.1 {}", primary.port())]);
    replica.logs(&["sync: Finished with success"]);
    let options = RedisOptions::default().answering(Duration::from_secs(2)).wait_replicas(1);
    let store = Arc::new(open_with(&primary.url(), options.clone()).await.unwrap());
    until(async || store.ready().await.is_ok()).await;
    let writers = (0..100).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { create(&store, n).await.unwrap() })
    });
    for writer in writers.collect::<Vec<_>>() {
        assert_eq!(writer.await.unwrap(), Commit::Done);
    }
    for n in 0..100 {
        assert_eq!(replica.ask(&["EXISTS", &format!("portcullis:admin_key:{{{n}}}")]), "1", "{n}");
    }
    replica.kill();
    let told = sources(&create(&store, 100).await.unwrap_err());
    assert!(told.contains("0 replicas have what was written, and 1 are wanted"), "{told}");
    let stale = Changes::create(Mark::new([200; 16]), &record(1));
    assert!(is_unavailable(store.commit(&stale).await));
    assert!(is_unavailable(store.ready().await));
    assert!(read(&store, 1).await.is_some(), "reads wait for nobody");
    replica.restart();
    until(async || store.ready().await.is_ok()).await;
    assert_eq!(create(&store, 100).await.unwrap(), Commit::Done);
    assert_eq!(store.commit(&stale).await.unwrap(), Commit::Stale);
    let told = sources(&open_with("redis-cluster://127.0.0.1:1", options).await.unwrap_err());
    assert!(told.contains("wait_replicas is not for a Cluster"), "{told}");
}

#[tokio::test]
async fn a_cluster_whose_nodes_come_back_is_used_again() {
    let mut cluster = RedisCluster::start();
    let store = open(&cluster.url()).await.unwrap();
    for n in 0..30 {
        assert_eq!(create(&store, n).await.unwrap(), Commit::Done);
    }
    store.ready().await.unwrap();
    for node in cluster.nodes() {
        node.kill();
    }
    assert!(is_unavailable(create(&store, 30).await));
    assert!(is_unavailable(store.ready().await));
    for node in cluster.nodes() {
        node.restart();
    }
    until(async || store.ready().await.is_ok()).await;
    for n in 0..30 {
        assert!(read(&store, n).await.is_some(), "{n}");
    }
    assert_eq!(create(&store, 30).await.unwrap(), Commit::Done);
}

#[tokio::test]
async fn a_cluster_that_serves_in_part_is_not_ready() {
    let mut cluster = RedisCluster::start();
    let store = open(&cluster.url()).await.unwrap();
    store.ready().await.unwrap();
    cluster.nodes()[1].kill();
    assert!(is_unavailable(store.ready().await));
    cluster.nodes()[1].restart();
    until(async || store.ready().await.is_ok()).await;
}

/// What a failed wait costs is paid once: who comes then is told at once, and nothing is written that is called a failure.
#[tokio::test]
async fn while_replicas_are_missing_nothing_is_written() {
    let server = RedisServer::start();
    // So that the server knows the script.
    assert_eq!(create(&open(&server.url()).await.unwrap(), 0).await.unwrap(), Commit::Done);
    let options = RedisOptions::default().answering(Duration::from_secs(1)).wait_replicas(1);
    let store = Arc::new(open_with(&server.url(), options).await.unwrap());
    let writers = (1..1500_u32).map(|n| {
        let store = Arc::clone(&store);
        let mut mark = [1; 16];
        mark[..4].copy_from_slice(&n.to_be_bytes());
        tokio::spawn(async move { store.commit(&Changes::create(Mark::new(mark), &record(n))).await })
    });
    for writer in writers.collect::<Vec<_>>() {
        assert!(is_unavailable(writer.await.unwrap()));
    }
    let written = server.ask(&["KEYS", "portcullis:admin_key:*"]).lines().count();
    assert!(written <= 257, "{written} were written and called failures");
}

/// It is cut off together with the primary that it goes on naming.
#[tokio::test]
async fn one_sentinel_alone_names_no_primary() {
    let (old, new) = (RedisServer::start(), RedisServer::start());
    let sentinel = async |primary: &RedisServer| {
        let port = primary.port().to_string();
        fake(move |asked| match asked.split(' ').next()? {
            "sentinel" => Some(array(&["127.0.0.1", &port])),
            "subscribe" => {
                Some(format!("{}:1\r\n", array(&["subscribe", "+switch-master"]).replace("*2", "*3")))
            }
            _ => None,
        })
        .await
    };
    let [stale, one, two] = [sentinel(&old).await, sentinel(&new).await, sentinel(&new).await];
    let url = |rest: &str| format!("redis-sentinel://127.0.0.1:{stale},127.0.0.1:{one}{rest}/mymaster");
    let store = open(&url(&format!(",127.0.0.1:{two}"))).await.unwrap();
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
    assert_eq!(new.ask(&["EXISTS", "portcullis:admin_key:{1}"]), "1");
    assert_eq!(old.ask(&["DBSIZE"]), "0");
    let told = sources(&open(&url("")).await.unwrap_err());
    assert!(told.contains("no more than half of the Sentinels"), "{told}");
}

/// Its state is `ok` all the same if it need not cover all slots.
#[tokio::test]
async fn a_cluster_that_may_serve_in_part_is_not_ready_when_it_does() {
    let mut cluster = RedisCluster::start();
    for node in cluster.nodes() {
        node.ask(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    let store = open(&cluster.url()).await.unwrap();
    store.ready().await.unwrap();
    let nodes = cluster.nodes();
    let slot = |key: &str| nodes[0].ask(&["CLUSTER", "KEYSLOT", key]);
    let layout = slot("portcullis:layout");
    let probed: Vec<_> = (0..16).map(|n| slot(&format!("portcullis:probe:{n}"))).collect();
    let lost = (0..100)
        .map(|n| slot(&format!("portcullis:admin_key:{{{n}}}")))
        .find(|slot| !probed.contains(slot) && *slot != layout)
        .unwrap();
    for node in nodes.iter() {
        node.ask(&["CLUSTER", "DELSLOTS", &lost]);
    }
    let told = sources(&store.ready().await.unwrap_err());
    assert!(told.contains("serves only a part of its slots"), "{told}");
}
