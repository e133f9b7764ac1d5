//! A Redis for tests: the one that `tests/run` has started for all of them, or else one of this test.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test by a panic")]

use std::env;
use std::sync::Arc;

use ambient::{Entropy, SystemClock, SystemEntropy};
use store::{Backend, Redis, RedisOptions, RedisUrl};
use testkit::redis_server::{RedisCluster, RedisServer};

/// Where stores may be.
pub struct Place {
    url: String,
    // Ends with this value.
    _own: Own,
}

enum Own {
    Nothing,
    Server { _server: RedisServer },
    Cluster { _cluster: RedisCluster },
}

impl Place {
    /// One server: `PORTCULLIS_TEST_REDIS`, if that is set.
    #[must_use]
    pub fn redis() -> Self {
        match env::var("PORTCULLIS_TEST_REDIS") {
            Ok(url) => Self { url, _own: Own::Nothing },
            Err(_) => {
                let server = RedisServer::start();
                Self { url: server.url(), _own: Own::Server { _server: server } }
            }
        }
    }

    /// A Cluster: `PORTCULLIS_TEST_REDIS_CLUSTER`, if that is set.
    #[must_use]
    pub fn cluster() -> Self {
        match env::var("PORTCULLIS_TEST_REDIS_CLUSTER") {
            Ok(url) => Self { url, _own: Own::Nothing },
            Err(_) => {
                let cluster = RedisCluster::start();
                Self { url: cluster.url(), _own: Own::Cluster { _cluster: cluster } }
            }
        }
    }

    /// A store of its own among others: no two have the same prefix.
    ///
    /// # Panics
    ///
    /// If it cannot be opened.
    pub async fn store(&self) -> Arc<dyn Backend> {
        let prefix = format!("case-{:032x}", u128::from_be_bytes((&SystemEntropy as &dyn Entropy).draw()));
        let url: RedisUrl = self.url.parse().unwrap();
        let options = RedisOptions::default().prefix(prefix);
        Arc::new(Redis::open(&url, options, Arc::new(SystemClock)).await.unwrap())
    }
}
