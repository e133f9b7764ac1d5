//! The program itself, as a process, and the way to it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_io::{Peer, Serve};
pub(crate) use testkit::process::{ADMIN_KEY, ISSUER, MASTER_KEY};
use testkit::process::{Said, exchange};
use testkit::world::World;

/// `portcullis serve`, as long as this value is there.
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
    out: Said,
    log: Said,
}

impl Process {
    /// Starts one with these settings beside [`ISSUER`], on a free port, and waits until it serves.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        let mut process = Self::bound(settings);
        process.out.until("listens on http").unwrap_or_else(|| {
            process.log.until("nothing that is ever logged");
            panic!("it does not start: {}", process.log.text())
        });
        process
    }

    /// The same; waits until it listens.
    pub(crate) fn bound(settings: &[(&str, &str)]) -> Self {
        let mut child =
            command("serve", settings).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = Said::by(child.stdout.take().unwrap());
        let mut log = Said::by(child.stderr.take().unwrap());
        let line = log.until(" listening=").unwrap_or_else(|| panic!("it does not listen: {}", log.text()));
        let address = line.split(" listening=").nth(1).unwrap().parse().unwrap();
        Self { child, address, out, log }
    }

    /// One with records in the Redis at `url`.
    pub(crate) fn on_redis(url: &str) -> Self {
        Self::start(&on_redis(url))
    }

    /// Waits until it has logged a line with these words in it.
    pub(crate) fn logs(&mut self, words: &str) {
        self.log.until(words).unwrap_or_else(|| panic!("it never logs {words}, but\n{}", self.log.text()));
    }

    /// Where it listens.
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The way to it alone.
    pub(crate) fn world(&self) -> World {
        world(&[self], ADMIN_KEY)
    }

    /// Stops it as an operator does; answers all that it printed and logged.
    pub(crate) fn stop(mut self) -> String {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(asked.success() && self.child.wait().unwrap().success());
        for said in [&mut self.out, &mut self.log] {
            while said.line().is_some() {}
        }
        format!("{}{}", self.out.text(), self.log.text())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The settings of a process with records in the Redis at `url`.
pub(crate) fn on_redis(url: &str) -> [(&str, &str); 4] {
    [
        ("PORTCULLIS_STORE", url),
        ("PORTCULLIS_MASTER_KEY", MASTER_KEY),
        ("PORTCULLIS_ADMIN_KEY", ADMIN_KEY),
        ("PORTCULLIS_TRUSTED_PROXIES", "127.0.0.1"),
    ]
}

/// `portcullis` with these arguments and settings, and nothing else of the environment.
pub(crate) fn command(arguments: &str, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(arguments.split(' ')).env_clear();
    command
        .env("PORTCULLIS_LISTEN", "127.0.0.1:0")
        .env("PORTCULLIS_ISSUER", ISSUER)
        .envs(settings.iter().copied());
    command
}

/// Runs it to its end: status, what it printed, what it complained about.
pub(crate) fn run(arguments: &str, settings: &[(&str, &str)]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command(arguments, settings).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// `portcullis migrate --from … --to …`
pub(crate) fn migrate(from: &Path, to: &str) -> (i32, String, String) {
    run(&format!("migrate --from sqlite:{} --to {to}", from.display()), &[])
}

/// What clients see of these processes behind a proxy that asks them in turn.
pub(crate) fn world(processes: &[&Process], admin_key: &str) -> World {
    let ways = processes.iter().map(|process| process.address).collect();
    let in_turn = Arc::new(InTurn { ways, next: AtomicUsize::new(0) });
    World { admin_key: admin_key.to_owned(), ..testkit::process::world(in_turn) }
}

struct InTurn {
    ways: Vec<SocketAddr>,
    next: AtomicUsize,
}

#[async_trait]
impl Serve for InTurn {
    async fn serve(&self, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let turn = self.next.fetch_add(1, Ordering::SeqCst);
        exchange(self.ways[turn % self.ways.len()], &request, peer).await.unwrap()
    }
}
