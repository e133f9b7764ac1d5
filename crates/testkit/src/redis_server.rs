//! Private Redis servers: on free ports, in temporary folders, ended with the value that stands for them.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a server that does not start fails the test by a panic"
)]

mod back;
mod rights;
mod sets;
mod tls;

use std::io::{BufRead, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use tempfile::TempDir;

pub use self::back::Backup;
pub use self::rights::{RedisRights, grant};
pub use self::sets::{RedisCluster, RedisSentinels};
pub use self::tls::RedisTls;

/// How long a server may take for what it is told to do. It takes seconds on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// Questions to servers that are waited for: more than there can be in a minute.
const ASKED_AT_MOST: u32 = 1_000_000;

/// Ports that are tried before a start is given up: somebody else may take a free one first.
const TRIES: usize = 8;

/// What a server logs when it has come up, and a Sentinel.
const UP: [&str; 2] = ["Ready to accept connections", "Sentinel ID is"];

const MISSING: &str = "redis-server is needed for this test and is not installed: `apt-get install -y redis-server` on \
                       Debian and Ubuntu, `brew install redis` on macOS";

/// One `redis-server` process, or a Sentinel.
///
/// It writes an append-only file, and to the disk (`appendfsync always`), before it answers. Of this [`kill`](Self::kill) shows the
/// half: what was written and is not on the disk survives it as well.
pub struct RedisServer {
    port: u16,
    role: Role,
    running: Option<Running>,
    folder: TempDir,
}

#[derive(Clone, Debug)]
enum Role {
    /// A server with these settings.
    Data(Vec<String>),
    /// A Sentinel with this configuration, which it goes on writing itself.
    Sentinel(String),
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
        Self::start_as(&Role::Data(settings.iter().map(|&word| word.to_owned()).collect()))
    }

    fn start_as(role: &Role) -> Self {
        for _ in 0..TRIES {
            let (folder, port) = (tempfile::tempdir().expect("a temporary folder"), free_port());
            let mut server = Self { port, role: role.clone(), running: None, folder };
            if server.run() {
                return server;
            }
        }
        panic!("no redis-server starts as {role:?}");
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

    /// Makes it take TLS on another port, with the certificate that it was told of by `CONFIG SET`; answers the port.
    ///
    /// # Panics
    ///
    /// If it cannot.
    pub fn listens_with_tls_too(&mut self) -> u16 {
        let port = free_port();
        self.ask(&["CONFIG", "SET", "tls-port", &port.to_string()]);
        port
    }

    /// Ends it at once, as a crash does (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(Running { mut process, .. }) = self.running.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Makes it hang, its connections open, as a machine that was paused does (SIGSTOP). It ends with the value all the same.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on ([`pause`](Self::pause)).
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let Running { process, .. } = self.running.as_ref().expect("it runs");
        let sent = Command::new("kill").args([signal, &process.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "it takes signals");
    }

    /// Starts it again, on the same port and with what it had written. Whoever took the port meanwhile is waited for.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn restart(&mut self) {
        self.kill();
        for _ in 0..TRIES {
            wait_for(|| TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).is_ok());
            if self.run() {
                return;
            }
        }
        panic!("redis-server does not start again on port {}", self.port);
    }

    /// Waits until it has logged a line for each of these words, in any order; other lines are skipped.
    ///
    /// # Panics
    ///
    /// If it does not within a minute.
    pub fn logs(&mut self, words: &[&str]) {
        let Running { log, .. } = self.running.as_mut().expect("it runs");
        let (mut missing, mut seen) = (words.to_vec(), String::new());
        while !missing.is_empty() {
            let Ok(line) = log.recv_timeout(PATIENCE) else {
                panic!("port {} never logs {missing:?}, but\n{seen}", self.port)
            };
            if let Some(found) = missing.iter().position(|words| line.contains(words)) {
                missing.remove(found);
            }
            seen.push_str(&line);
            seen.push('\n');
        }
    }

    /// Asks it for something, such as `["INFO", "server"]`; answers the reply as text, one line for each part of it.
    ///
    /// # Panics
    ///
    /// If it answers with an error, or not at all.
    pub fn ask(&self, words: &[&str]) -> String {
        ask(self.port, words)
    }

    /// Whether it came up; not if its port was taken.
    fn run(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        let file = self.folder.path().join("sentinel.conf");
        match &self.role {
            Role::Data(_) => {
                command.args(["--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
            }
            Role::Sentinel(settings) => {
                if !file.exists() {
                    std::fs::write(&file, settings).expect("it can be written");
                }
                command.arg(&file).arg("--sentinel");
            }
        }
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--dir"])
            .arg(self.folder.path());
        if let Role::Data(settings) = &self.role {
            command.args(settings);
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
            if UP.iter().any(|up| text.contains(up)) {
                self.running = Some(Running { process, log });
                return true;
            }
        }
        let _ = process.kill();
        let _ = process.wait();
        false
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Asks the server on this port of 127.0.0.1, as [`RedisServer::ask`] does.
///
/// # Panics
///
/// If it answers with an error, or not at all.
#[must_use]
pub fn ask(port: u16, words: &[&str]) -> String {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it takes connections");
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

/// Asks until the answer is yes.
fn wait_for(yes: impl Fn() -> bool) {
    for _ in 0..ASKED_AT_MOST {
        if yes() {
            return;
        }
        std::thread::yield_now();
    }
    panic!("that never comes about");
}

/// A port that nobody has now.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there are free ports");
    listener.local_addr().expect("it is bound").port()
}

/// Reads one reply; its parts become lines.
fn reply(from: &mut impl BufRead, lines: &mut Vec<String>) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// No test cuts the power. This is what it rests on that nothing would be lost.
    #[test]
    fn it_writes_to_the_disk_before_it_answers() {
        let mut server = RedisServer::start();
        for _ in 0..2 {
            assert_eq!(server.ask(&["CONFIG", "GET", "appendonly"]), "appendonly\nyes");
            assert_eq!(server.ask(&["CONFIG", "GET", "appendfsync"]), "appendfsync\nalways");
            assert_eq!(
                server.ask(&["CONFIG", "GET", "no-appendfsync-on-rewrite"]).lines().last(),
                Some("no")
            );
            server.restart();
        }
    }

    #[test]
    fn it_comes_back_when_its_port_was_taken_for_a_moment() {
        let mut server = RedisServer::start();
        server.ask(&["SET", "what", "was there"]);
        server.kill();
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, server.port())).unwrap();
        // It stays for as long as it takes to be told that the port is taken, twice.
        let port = server.port().to_string();
        let leaving = std::thread::spawn(move || {
            for _ in 0..2 {
                let words = ["--port", &port, "--bind", "127.0.0.1"];
                let third = Command::new("redis-server").args(words).output().unwrap();
                assert!(!third.status.success());
            }
            drop(other);
        });
        server.restart();
        leaving.join().unwrap();
        assert_eq!(server.ask(&["GET", "what"]), "was there");
    }
}
