//! `portcullis serve` as a process, killed and started again, and the way to it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what cannot be started fails the test by a panic")]

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ambient::{ManualClock, Time};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_io::{Peer, Serve};
use oauth_types::Issuer;
use parking_lot::RwLock;
use store::Memory;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::{Switched, World, request};

/// Which program it is, in the settings or in the environment.
const PROGRAM: &str = "PORTCULLIS_BIN";

const ADMIN_KEY: &str = "the admin key of a test";

/// How often a process that starts is asked whether it can work, and how long in between.
const ASKED: (u32, Duration) = (3000, Duration::from_millis(20));

/// A process with these settings, which is there again after each end under the same number.
pub struct Process {
    settings: Vec<(&'static str, String)>,
    log: PathBuf,
    way: Arc<Way>,
    child: Option<Child>,
}

impl Process {
    /// Starts one that logs into `folder`, and does not wait for it to serve: on a free port, as `https://auth.example.com`,
    /// without limits, and with what `settings` say beside that or instead. The program is `PORTCULLIS_BIN`, of these or of the environment, or else the one
    /// that was built beside the test.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start(folder: &Path, number: usize, settings: Vec<(&'static str, String)>) -> Self {
        let log = folder.join(format!("process-{number}.log"));
        let mut process = Self { settings, log, way: Arc::default(), child: None };
        process.restart();
        process
    }

    /// The way to whichever process has this number.
    #[must_use]
    pub fn way(&self) -> Arc<Way> {
        Arc::clone(&self.way)
    }

    /// Ends it at once (SIGKILL).
    pub fn kill(&mut self) {
        *self.way.0.write() = None;
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Kills what is there, and starts the next one.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn restart(&mut self) {
        self.kill();
        let chosen = self.settings.iter().find(|(name, _)| *name == PROGRAM).map(|(_, value)| value.into());
        let program = chosen.or_else(|| std::env::var_os(PROGRAM)).map_or_else(beside, PathBuf::from);
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        // Its shell lets it outlive a limit on the size of files: a write fails, as on a full disk.
        let mut child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" serve"])
            .arg(&program)
            .env_clear()
            .env("PORTCULLIS_LISTEN", "127.0.0.1:0")
            .env("PORTCULLIS_ISSUER", "https://auth.example.com")
            .env("PORTCULLIS_MASTER_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY")
            .env("PORTCULLIS_ADMIN_KEY", ADMIN_KEY)
            .env("PORTCULLIS_LIMITS", "off")
            .env("PORTCULLIS_LOG", "warn")
            // A run is shorter than any of these, so that nothing expires in it.
            .env("PORTCULLIS_CODE_LIFETIME", "10m")
            .env("PORTCULLIS_REFRESH_LEEWAY", "5m")
            .envs(self.settings.iter().map(|(name, value)| (*name, value.as_str())))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let address = line.split("://").nth(1).and_then(|rest| rest.split(',').next()?.trim().parse().ok());
        let address: SocketAddr = address
            .unwrap_or_else(|| panic!("{} does not start: {line:?}\n{}", program.display(), self.logged()));
        // Nobody reads what else it says; the pipe must be emptied all the same.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        *self.way.0.write() = Some(address);
        self.child = Some(child);
    }

    /// Where it listens; nowhere after its end.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        *self.way.0.read()
    }

    /// Waits until it can do its work. Not for one with TLS.
    ///
    /// # Panics
    ///
    /// If it never can.
    pub async fn is_ready(&self) {
        for _ in 0..ASKED.0 {
            let asked = request(http::Method::GET, "/ready", &[], Bytes::new());
            if self.way.serve(asked, Peer(None)).await.status() == StatusCode::OK {
                return;
            }
            tokio::time::sleep(ASKED.1).await;
        }
        panic!("it is never ready\n{}", self.logged());
    }

    /// What nothing it writes may be longer than, in bytes; `None` is no limit.
    ///
    /// # Panics
    ///
    /// If that cannot be set.
    #[cfg(target_os = "linux")]
    pub fn limit_files(&self, longest: Option<u64>) {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};
        let pid = self.child.as_ref().and_then(|child| Pid::from_raw(i32::try_from(child.id()).ok()?));
        prlimit(pid, Resource::Fsize, Rlimit { current: longest, maximum: None }).unwrap();
    }

    /// Its number to the system.
    ///
    /// # Panics
    ///
    /// If it has ended.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.as_ref().map(Child::id).unwrap()
    }

    /// The end of what it logged.
    #[must_use]
    pub fn logged(&self) -> String {
        let all = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = all.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What administrators and people see of processes.
///
/// # Panics
///
/// Never: the issuer is one.
#[must_use]
pub fn world(way: Arc<Way>) -> World {
    World {
        serve: way,
        issuer: Issuer::parse("https://auth.example.com").unwrap(),
        clock: Arc::new(ManualClock::at(Time(0))),
        admin_key: ADMIN_KEY.to_owned(),
        store: Arc::new(Switched::over(Arc::new(Memory::new()))),
    }
}

/// The program that was built beside this one: `target/debug/portcullis` of `target/debug/deps/chaos-…`.
fn beside() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().and_then(Path::parent).unwrap().join("portcullis")
}

/// The way to a process: nobody's address while there is none. A connection that breaks is a 502.
#[derive(Debug, Default)]
pub struct Way(RwLock<Option<SocketAddr>>);

#[async_trait]
impl Serve for Way {
    async fn serve(&self, request: Request<Bytes>, _: Peer) -> Response<Bytes> {
        let to = *self.0.read();
        let answered = match to {
            Some(to) => exchange(to, &request).await,
            None => None,
        };
        answered.unwrap_or_else(|| {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        })
    }
}

/// One request over a connection of its own. An answer that is not whole is none.
async fn exchange(to: SocketAddr, request: &Request<Bytes>) -> Option<Response<Bytes>> {
    let path = request.uri().path_and_query()?;
    let mut bytes = format!("{} {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n", request.method());
    for (name, value) in request.headers().iter().filter(|(name, _)| *name != http::header::HOST) {
        bytes.push_str(&format!("{name}: {}\r\n", value.to_str().ok()?));
    }
    bytes.push_str(&format!("content-length: {}\r\n\r\n", request.body().len()));
    let mut stream = TcpStream::connect(to).await.ok()?;
    stream.write_all(&[bytes.as_bytes(), request.body()].concat()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let end = answer.windows(4).position(|end| end == b"\r\n\r\n")?;
    let head = std::str::from_utf8(answer.get(..end)?).ok()?;
    let body = answer.get(end + 4..)?;
    let mut lines = head.split("\r\n");
    let mut response = Response::new(Bytes::copy_from_slice(body));
    *response.status_mut() = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        response.headers_mut().append(name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?);
    }
    let promised = response.headers().get("content-length").and_then(|value| value.to_str().ok());
    let whole = promised.is_none_or(|length| length.parse() == Ok(body.len()));
    whole.then_some(response)
}
