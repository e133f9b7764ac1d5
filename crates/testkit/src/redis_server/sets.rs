//! Several servers that belong together.

use super::{RedisServer, RedisTls, Role, free_port, wait_for};

/// A Cluster of three primaries, and a replica of each if that is asked for.
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
    replicas: Vec<RedisServer>,
}

/// How long a node may be silent before the others replace it, in milliseconds.
const SILENT: &str = "1000";

impl RedisCluster {
    /// Starts one without replicas, and waits until it serves.
    ///
    /// # Panics
    ///
    /// As [`RedisServer::start`].
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with more settings for each node.
    ///
    /// # Panics
    ///
    /// As [`RedisServer::start`].
    #[must_use]
    pub fn start_with(settings: &[&str]) -> Self {
        Self::of((0..3).map(|_| node(settings)).collect())
    }

    /// Starts one that takes TLS too, and whose nodes speak it with one another.
    ///
    /// # Panics
    ///
    /// As [`RedisServer::start`].
    #[must_use]
    pub fn start_with_tls(tls: &RedisTls) -> Self {
        Self::of((0..3).map(|_| node(&texts(&tls.arguments(&["--tls-cluster", "yes"])))).collect())
    }

    fn of(mut nodes: Vec<RedisServer>) -> Self {
        for (node, (first, last)) in nodes.iter().zip([(0, 5460), (5461, 10922), (10923, 16383)]) {
            node.ask(&["CLUSTER", "ADDSLOTSRANGE", &format!("{first}"), &format!("{last}")]);
        }
        let [first, others @ ..] = nodes.as_slice() else { panic!("there are three") };
        others.iter().for_each(|other| meet(first, other));
        for node in &mut nodes {
            node.logs(&["Cluster state changed: ok"]);
        }
        Self { nodes, replicas: Vec::new() }
    }

    /// Starts one with a replica of each node, which takes over when its primary is silent for a second.
    ///
    /// # Panics
    ///
    /// As [`RedisServer::start`].
    #[must_use]
    pub fn start_with_replicas() -> Self {
        let mut cluster =
            Self::start_with(&["--cluster-node-timeout", SILENT, "--repl-diskless-sync-delay", "0"]);
        for primary in &cluster.nodes {
            let mut replica =
                node(&["--cluster-node-timeout", SILENT, "--cluster-replica-validity-factor", "0"]);
            meet(&cluster.nodes[0], &replica);
            let id = primary.ask(&["CLUSTER", "MYID"]);
            wait_for(|| replica.ask(&["CLUSTER", "NODES"]).contains(&id));
            replica.ask(&["CLUSTER", "REPLICATE", &id]);
            replica.logs(&["sync: Finished with success"]);
            cluster.replicas.push(replica);
        }
        // Each replica is voted for by primaries that know it.
        let ids: Vec<_> = cluster.replicas.iter().map(|replica| replica.ask(&["CLUSTER", "MYID"])).collect();
        let knows = |node: &RedisServer| {
            let nodes = node.ask(&["CLUSTER", "NODES"]);
            ids.iter().all(|id| nodes.lines().any(|line| line.starts_with(&**id) && line.contains("slave")))
        };
        wait_for(|| cluster.nodes.iter().chain(&cluster.replicas).all(knows));
        cluster
    }

    /// Its address, for a store.
    #[must_use]
    pub fn url(&self) -> String {
        let nodes: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis-cluster://{}", nodes.join(","))
    }

    /// Its address over TLS, for a store that knows its nodes as this host.
    #[must_use]
    pub fn tls_url(&self, host: &str) -> String {
        format!("rediss-cluster://{}", tls_addresses(host, &self.nodes))
    }

    /// Its nodes, which had all slots at the beginning.
    pub fn nodes(&mut self) -> &mut [RedisServer] {
        &mut self.nodes
    }

    /// Their replicas, in the same order.
    #[must_use]
    pub fn replicas(&self) -> &[RedisServer] {
        &self.replicas
    }
}

fn node(settings: &[&str]) -> RedisServer {
    let bus = free_port().to_string();
    RedisServer::start_with(&[&["--cluster-enabled", "yes", "--cluster-port", &bus], settings].concat())
}

/// Makes a node known to the others.
fn meet(first: &RedisServer, other: &RedisServer) {
    let bus = other.ask(&["CONFIG", "GET", "cluster-port"]);
    let bus = bus.lines().last().expect("a port").to_owned();
    first.ask(&["CLUSTER", "MEET", "127.0.0.1", &other.port().to_string(), &bus]);
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
        let port = primary.port().to_string();
        let replica = RedisServer::start_with(&["--replicaof", &format!("127.0.0.1 {port}")]);
        Self::of(primary, replica, &format!("127.0.0.1 {port}"), String::new)
    }

    /// Starts some that take TLS too, speak it with one another, and call one another by the name or address of this host.
    ///
    /// # Panics
    ///
    /// As [`RedisServer::start`].
    #[must_use]
    pub fn start_with_tls(tls: &RedisTls, host: &str) -> Self {
        let among = ["--tls-replication", "yes", "--replica-announce-ip", host];
        let primary = RedisServer::start_with(&texts(
            &tls.arguments(&[among.as_slice(), &["--repl-diskless-sync-delay", "0"]].concat()),
        ));
        let port = tls_port(&primary);
        let follows = format!("{host} {port}");
        let replica = RedisServer::start_with(&texts(
            &tls.arguments(&[among.as_slice(), &["--replicaof", &follows]].concat()),
        ));
        let names =
            ["tls-replication yes", "sentinel resolve-hostnames yes", "sentinel announce-hostnames yes"];
        Self::of(primary, replica, &format!("{host} {port}"), || tls.lines(&names))
    }

    /// `there` is the host and the port of the primary, `settings` are more lines for a Sentinel.
    fn of(
        primary: RedisServer,
        mut replica: RedisServer,
        there: &str,
        settings: impl Fn() -> String,
    ) -> Self {
        replica.logs(&["sync: Finished with success"]);
        let name = Self::NAME;
        let mut sentinels: Vec<RedisServer> = (0..3)
            .map(|_| {
                RedisServer::start_as(&Role::Sentinel(format!(
                    "{}sentinel monitor {name} {there} 2\nsentinel down-after-milliseconds {name} 500\n\
                     sentinel failover-timeout {name} 5000\n",
                    settings()
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

    /// Their address over TLS, for a store that knows the Sentinels as this host.
    #[must_use]
    pub fn tls_url(&self, host: &str) -> String {
        format!("rediss-sentinel://{}/{}", tls_addresses(host, &self.sentinels), Self::NAME)
    }

    /// The Sentinels.
    #[must_use]
    pub fn sentinels(&self) -> &[RedisServer] {
        &self.sentinels
    }

    /// Keeps from the replica what is written from now on; it does not know and may be promoted.
    ///
    /// # Panics
    ///
    /// If it cannot be done.
    pub fn cut_off_the_replica(&self) {
        self.primary.ask(&["ACL", "SETUSER", "default", "-psync", "-sync"]);
        self.primary.ask(&["CLIENT", "KILL", "TYPE", "replica"]);
        wait_for(|| self.primary.ask(&["INFO", "replication"]).contains("connected_slaves:0"));
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

fn texts(settings: &[String]) -> Vec<&str> {
    settings.iter().map(String::as_str).collect()
}

fn tls_port(server: &RedisServer) -> String {
    let told = match &server.role {
        Role::Data(settings) => settings.join(" "),
        Role::Sentinel(settings) => settings.clone(),
    };
    let mut words = told.split_whitespace().skip_while(|word| !word.ends_with("tls-port"));
    words.nth(1).expect("it takes TLS").to_owned()
}

fn tls_addresses(host: &str, servers: &[RedisServer]) -> String {
    let addresses: Vec<_> = servers.iter().map(|server| format!("{host}:{}", tls_port(server))).collect();
    addresses.join(",")
}
