//! Private Redis servers: on free ports, in temporary folders, ended with the value that stands for them.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a server that does not start fails the test by a panic"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use tempfile::TempDir;

/// How long a server may take for what it is told to do. It takes seconds on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ports that are tried before a start is given up: somebody else may take a free one first.
const TRIES: usize = 8;

const MISSING: &str = "redis-server is needed for this test and is not installed: `apt-get install -y redis-server` on \
                       Debian and Ubuntu, `brew install redis` on macOS";

/// One `redis-server` process, or a Sentinel.
///
/// It writes an append-only file and answers only after `fsync`, so what it answered survives [`kill`](Self::kill).
pub struct RedisServer {
    port: u16,
    settings: Vec<String>,
    running: Option<Running>,
    folder: TempDir,
}

struct Running {
    process: Child,
    log: Receiver<String>,
}

impl RedisServer {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// If `redis-server` is not installed (the message says how to get it) or does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with more settings, as on the command line: `["--maxmemory-policy", "allkeys-lru"]`.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_with(settings: &[&str]) -> Self {
        let settings: Vec<String> = settings.iter().map(|&word| word.to_owned()).collect();
        for _ in 0..TRIES {
            let (folder, port) = (tempfile::tempdir().expect("a temporary folder"), free_port());
            let mut server = Self { port, settings: settings.clone(), running: None, folder };
            if server.run() {
                return server;
            }
        }
        panic!("no redis-server starts with {settings:?}");
    }

    /// Its address, for a store.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its folder, gone with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends it at once, as a crash does (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(Running { mut process, .. }) = self.running.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts it again, on the same port and with what it had written.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn restart(&mut self) {
        self.kill();
        assert!(self.run(), "redis-server does not start again on port {}", self.port);
    }

    /// Waits until it logs a line that holds `words`; lines before are skipped.
    ///
    /// # Panics
    ///
    /// If it does not within a minute.
    pub fn logs(&mut self, words: &str) {
        let Running { log, .. } = self.running.as_mut().expect("it runs");
        let mut seen = String::new();
        while let Ok(line) = log.recv_timeout(PATIENCE) {
            if line.contains(words) {
                return;
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        panic!("port {} never logs {words:?}, but\n{seen}", self.port);
    }

    /// Asks it for something, such as `["INFO", "server"]`; answers the reply as text, one line for each part of it.
    ///
    /// # Panics
    ///
    /// If it answers with an error, or not at all.
    pub fn ask(&self, words: &[&str]) -> String {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("it takes connections");
        stream.set_read_timeout(Some(PATIENCE)).expect("a patience");
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        (&stream).write_all(request.as_bytes()).expect("it listens");
        let mut lines = Vec::new();
        reply(&mut BufReader::new(&stream), &mut lines);
        lines.join("\n")
    }

    /// Whether it came up; not if its port was taken.
    fn run(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        let folder = self.folder.path().display().to_string();
        if let Some(("--sentinel", file)) = self.sentinel() {
            command.arg(file).arg("--sentinel");
        } else {
            command.args(["--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
            command.args(["--maxmemory-policy", "noeviction"]);
        }
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--dir", &folder]);
        if self.sentinel().is_none() {
            command.args(&self.settings);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = match command.spawn() {
            Ok(process) => process,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => panic!("{MISSING}"),
            Err(error) => panic!("redis-server does not start: {error}"),
        };
        let out = BufReader::new(process.stdout.take().expect("it was piped"));
        let (line, log) = mpsc::channel();
        std::thread::spawn(move || {
            for text in out.lines().map_while(Result::ok) {
                // Nobody may be listening any more; the pipe must be emptied all the same.
                let _ = line.send(text);
            }
        });
        while let Ok(text) = log.recv_timeout(PATIENCE) {
            if ["Ready to accept connections", "Sentinel ID is"].iter().any(|ready| text.contains(ready)) {
                self.running = Some(Running { process, log });
                return true;
            }
        }
        let _ = process.kill();
        let _ = process.wait();
        false
    }

    fn sentinel(&self) -> Option<(&str, &str)> {
        match self.settings.as_slice() {
            [kind, file] if kind == "--sentinel" => Some((kind, file)),
            _ => None,
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

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
            node.logs("Cluster state changed: ok");
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
        replica.logs("sync: Finished with success");
        let name = Self::NAME;
        let mut sentinels: Vec<RedisServer> = (0..3)
            .map(|_| {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let file = folder.path().join("sentinel.conf");
                let settings = format!(
                    "sentinel monitor {name} 127.0.0.1 {} 2\nsentinel down-after-milliseconds {name} 500\n\
                     sentinel failover-timeout {name} 5000\n",
                    primary.port()
                );
                std::fs::write(&file, settings).expect("it can be written");
                RedisServer::sentinel_in(folder, &file)
            })
            .collect();
        for sentinel in &mut sentinels {
            sentinel.logs("+slave");
            sentinel.logs("+sentinel ");
            sentinel.logs("+sentinel ");
        }
        Self { primary, replica, sentinels }
    }

    /// Their address, for a store.
    #[must_use]
    pub fn url(&self) -> String {
        let nodes: Vec<_> = self.sentinels.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis-sentinel://{}/{}", nodes.join(","), Self::NAME)
    }

    /// Waits until a Sentinel has made the replica the primary.
    ///
    /// # Panics
    ///
    /// If none does within a minute.
    pub fn fail_over(&mut self) {
        self.sentinels[0].logs("+switch-master");
    }
}

impl RedisServer {
    fn sentinel_in(folder: TempDir, file: &Path) -> Self {
        let settings = vec!["--sentinel".to_owned(), file.display().to_string()];
        for _ in 0..TRIES {
            let home = tempfile::tempdir().expect("a temporary folder");
            let copy = home.path().join("sentinel.conf");
            std::fs::copy(folder.path().join("sentinel.conf"), &copy).expect("it can be copied");
            let settings = vec![settings[0].clone(), copy.display().to_string()];
            let mut server = Self { port: free_port(), settings, running: None, folder: home };
            if server.run() {
                return server;
            }
        }
        panic!("no Sentinel starts");
    }
}

/// A port that nobody has now.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there are free ports");
    listener.local_addr().expect("it is bound").port()
}

/// Reads one reply; its parts become lines.
fn reply(from: &mut impl std::io::BufRead, lines: &mut Vec<String>) {
    let mut head = String::new();
    from.read_line(&mut head).expect("it answers");
    let (kind, rest) = head.trim_end().split_at(1);
    let length = || rest.parse::<i64>().expect("a length");
    match kind {
        "+" | ":" => lines.push(rest.to_owned()),
        "$" => {
            let Ok(length) = usize::try_from(length()) else { return lines.push(String::new()) };
            let mut text = vec![0; length + 2];
            from.read_exact(&mut text).expect("as long as it said");
            text.truncate(length);
            lines.push(String::from_utf8_lossy(&text).into_owned());
        }
        "*" => (0..length()).for_each(|_| reply(from, lines)),
        _ => panic!("redis-server answers {head}"),
    }
}
