//! The Redis backend, proved by the suite: on one server, and on a Cluster of three.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::sync::Arc;

use ambient::{Entropy, SystemClock, SystemEntropy};
use proptest::prelude::*;
use store::suite::compared::{Step, compare};
use store::{Backend, Redis, RedisOptions, RedisUrl};
use testkit::redis_server::{RedisCluster, RedisServer};

/// A store of its own among others in one Redis: no two have the same prefix.
async fn opened(url: &str) -> Arc<dyn Backend> {
    let entropy: &dyn Entropy = &SystemEntropy;
    let prefix = format!("suite-{:032x}", u128::from_be_bytes(entropy.draw()));
    let options = RedisOptions::default().prefix(prefix);
    Arc::new(Redis::open(&RedisUrl::parse(url).unwrap(), options, Arc::new(SystemClock)).await.unwrap())
}

async fn on_one_server() -> (Arc<dyn Backend>, RedisServer) {
    let server = RedisServer::start();
    (opened(&server.url()).await, server)
}

/// The Cluster that `tests/run` has started for all cases, or else one of this case.
async fn on_a_cluster() -> (Arc<dyn Backend>, Option<RedisCluster>) {
    if let Ok(url) = std::env::var("PORTCULLIS_TEST_REDIS_CLUSTER") {
        return (opened(&url).await, None);
    }
    let cluster = RedisCluster::start();
    (opened(&cluster.url()).await, Some(cluster))
}

mod one {
    use super::on_one_server;

    store::store_suite!(on_one_server);
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
