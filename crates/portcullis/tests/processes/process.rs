//! The program itself, as a process, and the way to it.

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use ambient::{ManualClock, Time};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, header};
use http_io::{Peer, Serve};
use oauth_types::Issuer;
use store::Memory;
use testkit::world::{Switched, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The issuer of all processes here: the proxy before them has it.
pub(crate) const ISSUER: &str = "https://auth.example.com";

/// The master key of all processes here.
pub(crate) const MASTER_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";

/// The admin key of processes that are given one.
pub(crate) const ADMIN_KEY: &str = "the admin key of a test";

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
            panic!("it does not start: {}", process.log.text)
        });
        process
    }

    /// The same; waits until it listens.
    pub(crate) fn bound(settings: &[(&str, &str)]) -> Self {
        let mut child =
            command("serve", settings).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = Said::by(child.stdout.take().unwrap());
        let mut log = Said::by(child.stderr.take().unwrap());
        let line = log.until(" listening=").unwrap_or_else(|| panic!("it does not listen: {}", log.text));
        let address = line.split(" listening=").nth(1).unwrap().parse().unwrap();
        Self { child, address, out, log }
    }

    /// One with records in the Redis at `url`.
    pub(crate) fn on_redis(url: &str) -> Self {
        Self::start(&on_redis(url))
    }

    /// Waits until it has logged a line with these words in it.
    pub(crate) fn logs(&mut self, words: &str) {
        self.log.until(words).unwrap_or_else(|| panic!("it never logs {words}, but\n{}", self.log.text));
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
        format!("{}{}", self.out.text, self.log.text)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What one end of a process says.
struct Said {
    lines: Receiver<String>,
    /// As far as it was read.
    text: String,
}

impl Said {
    fn by(pipe: impl Read + Send + 'static) -> Self {
        let (line, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for text in BufReader::new(pipe).lines().map_while(Result::ok) {
                // Nobody may be reading any more; the pipe must be emptied all the same.
                let _ = line.send(text);
            }
        });
        Self { lines, text: String::new() }
    }

    /// The next line; none at the end, or if none comes for a minute.
    fn line(&mut self) -> Option<String> {
        let line = self.lines.recv_timeout(Duration::from_secs(60)).ok()?;
        self.text.push_str(&line);
        self.text.push('\n');
        Some(line)
    }

    /// The next line with these words.
    fn until(&mut self, words: &str) -> Option<String> {
        loop {
            let line = self.line()?;
            if line.contains(words) {
                return Some(line);
            }
        }
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
    World {
        serve: Arc::new(InTurn { ways, next: AtomicUsize::new(0) }),
        issuer: Issuer::parse(ISSUER).unwrap(),
        clock: Arc::new(ManualClock::at(Time(0))),
        admin_key: admin_key.to_owned(),
        store: Arc::new(Switched::over(Arc::new(Memory::new()))),
    }
}

struct InTurn {
    ways: Vec<SocketAddr>,
    next: AtomicUsize,
}

#[async_trait]
impl Serve for InTurn {
    async fn serve(&self, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let turn = self.next.fetch_add(1, Ordering::SeqCst);
        exchange(self.ways[turn % self.ways.len()], request, peer).await
    }
}

/// One request over a connection of its own, as a proxy passes it on.
async fn exchange(to: SocketAddr, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().unwrap();
    let mut bytes =
        format!("{} {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n", head.method).into_bytes();
    if let Some(address) = peer.0 {
        bytes.extend_from_slice(format!("x-forwarded-for: {address}\r\n").as_bytes());
    }
    for (name, value) in head.headers.iter().filter(|(name, _)| **name != header::HOST) {
        bytes.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(&body);

    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status: u16 = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut response = Response::new(Bytes::from(answer.split_off(end + 4)));
    *response.status_mut() = status.try_into().unwrap();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        response.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
    }
    response
}
