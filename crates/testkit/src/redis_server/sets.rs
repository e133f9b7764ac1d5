//! Several servers that belong together.

use super::{RedisServer, Role, free_port};

/// A Cluster of three primaries without replicas.
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts one, and waits until it serves.
    ///
    /// # Panics
    ///
    /// As [`RedisServer::start`].
    #[must_use]
    pub fn start() -> Self {
        let mut nodes: Vec<RedisServer> = (0..3)
            .map(|_| {
                let bus = free_port().to_string();
                RedisServer::start_with(&["--cluster-enabled", "yes", "--cluster-port", &bus])
            })
            .collect();
        for (node, (first, last)) in nodes.iter().zip([(0, 5460), (5461, 10922), (10923, 16383)]) {
            node.ask(&["CLUSTER", "ADDSLOTSRANGE", &format!("{first}"), &format!("{last}")]);
        }
        let [first, others @ ..] = nodes.as_slice() else { panic!("there are three") };
        for other in others {
            let bus = other.ask(&["CONFIG", "GET", "cluster-port"]);
            let bus = bus.lines().last().expect("a port").to_owned();
            first.ask(&["CLUSTER", "MEET", "127.0.0.1", &other.port().to_string(), &bus]);
        }
        for node in &mut nodes {
            node.logs(&["Cluster state changed: ok"]);
        }
        Self { nodes }
    }

    /// Its address, for a store.
    #[must_use]
    pub fn url(&self) -> String {
        let nodes: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis-cluster://{}", nodes.join(","))
    }

    /// Its nodes.
    pub fn nodes(&mut self) -> &mut [RedisServer] {
        &mut self.nodes
    }
}

/// A primary with a replica, and three Sentinels that agree by two.
pub struct RedisSentinels {
    /// The first primary.
    pub primary: RedisServer,
    /// Its replica.
    pub replica: RedisServer,
    sentinels: Vec<RedisServer>,
}

impl RedisSentinels {
    /// The name by which the Sentinels know the primary.
    pub const NAME: &str = "mymaster";

    /// Starts all of them, and waits until the replica follows and each Sentinel knows the others.
    ///
    /// # Panics
    ///
    /// As [`RedisServer::start`].
    #[must_use]
    pub fn start() -> Self {
        let primary = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]);
        let mut replica = RedisServer::start_with(&["--replicaof", &format!("127.0.0.1 {}", primary.port())]);
        replica.logs(&["sync: Finished with success"]);
        let name = Self::NAME;
        let mut sentinels: Vec<RedisServer> = (0..3)
            .map(|_| {
                RedisServer::start_as(&Role::Sentinel(format!(
                    "sentinel monitor {name} 127.0.0.1 {} 2\nsentinel down-after-milliseconds {name} 500\n\
                     sentinel failover-timeout {name} 5000\n",
                    primary.port()
                )))
            })
            .collect();
        for sentinel in &mut sentinels {
            sentinel.logs(&["+slave ", "+sentinel ", "+sentinel "]);
        }
        Self { primary, replica, sentinels }
    }

    /// Their address, for a store.
    #[must_use]
    pub fn url(&self) -> String {
        let nodes: Vec<_> = self.sentinels.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis-sentinel://{}/{}", nodes.join(","), Self::NAME)
    }

    /// The Sentinels.
    #[must_use]
    pub fn sentinels(&self) -> &[RedisServer] {
        &self.sentinels
    }

    /// Makes the Sentinels replace a primary that is well.
    ///
    /// # Panics
    ///
    /// If they refuse.
    pub fn order_fail_over(&self) {
        self.sentinels[0].ask(&["SENTINEL", "FAILOVER", Self::NAME]);
    }

    /// Waits until a Sentinel has made the replica the primary.
    ///
    /// # Panics
    ///
    /// If none does within a minute.
    pub fn fail_over(&mut self) {
        self.sentinels[0].logs(&["+switch-master"]);
    }
}
