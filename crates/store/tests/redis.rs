//! The Redis backend, proved by the suite: on one server, with a replica that is waited for, and on a Cluster of three.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::sync::Arc;

use ambient::{Entropy, SystemClock, SystemEntropy};
use proptest::prelude::*;
use store::suite::compared::{Step, compare};
use store::{Backend, Redis, RedisOptions, RedisUrl};
use testkit::redis_server::{RedisCluster, RedisRights, RedisServer, grant};

/// A store of its own among others in one Redis: no two have the same prefix. Its user may do what operators are told to grant,
/// and nothing else.
async fn opened(url: &str, rights: &str, options: RedisOptions) -> Arc<dyn Backend> {
    let entropy: &dyn Entropy = &SystemEntropy;
    let prefix = format!("suite-{:032x}", u128::from_be_bytes(entropy.draw()));
    let rights = rights.replace("portcullis:", &format!("{prefix}:"));
    for node in url.split(',') {
        let port = node.rsplit(':').next().unwrap();
        grant(port.parse().unwrap(), &prefix, "word", &rights);
    }
    let url = url.replace("://", &format!("://{prefix}:word@"));
    let options = options.prefix(prefix);
    Arc::new(Redis::open(&RedisUrl::parse(&url).unwrap(), options, Arc::new(SystemClock)).await.unwrap())
}

async fn on_one_server() -> (Arc<dyn Backend>, RedisServer) {
    let server = RedisServer::start();
    let rights = RedisRights::documented().server;
    (opened(&server.url(), &rights, RedisOptions::default()).await, server)
}

/// Each answer waits for the replica.
async fn with_a_replica() -> (Arc<dyn Backend>, [RedisServer; 2]) {
    let primary = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]);
    let mut replica = RedisServer::start_with(&["--replicaof", &format!("127.0.0.1 {}", primary.port())]);
    replica.logs(&["sync: Finished with success"]);
    let options = RedisOptions::default().wait_replicas(1);
    let store = opened(&primary.url(), &RedisRights::documented().server, options).await;
    while store.ready().await.is_err() {
        tokio::task::yield_now().await;
    }
    (store, [primary, replica])
}

/// The Cluster that `tests/run` has started for all cases, or else one of this case.
async fn on_a_cluster() -> (Arc<dyn Backend>, Option<RedisCluster>) {
    let RedisRights { server, cluster, .. } = RedisRights::documented();
    let rights = format!("{server} {cluster}");
    if let Ok(url) = std::env::var("PORTCULLIS_TEST_REDIS_CLUSTER") {
        return (opened(&url, &rights, RedisOptions::default()).await, None);
    }
    let cluster = RedisCluster::start();
    (opened(&cluster.url(), &rights, RedisOptions::default()).await, Some(cluster))
}

mod one {
    use super::on_one_server;

    store::store_suite!(on_one_server);
}

mod replica {
    use super::with_a_replica;

    store::store_suite!(with_a_replica);
}

mod cluster {
    use super::on_a_cluster;

    store::store_suite!(on_a_cluster);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn redis_answers_as_memory_does(steps in prop::collection::vec(any::<[u8; 6]>(), 1..160)) {
        store::suite::run(on_one_server, async |redis| {
            // A sweep here is the server's own, by its own clock.
            let steps = steps.into_iter().map(Step::of).filter(|step| !matches!(step, Step::Sweep { .. }));
            compare(&*redis, steps).await;
        });
    }
}
