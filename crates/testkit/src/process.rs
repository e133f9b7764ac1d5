//! `portcullis serve` as a process, killed and started again, and the way to it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what cannot be started fails the test by a panic")]

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
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
use tokio::time::{sleep, timeout};

use crate::world::{Switched, World, request};

/// Which program it is, in the settings or in the environment.
const PROGRAM: &str = "PORTCULLIS_BIN";

/// The issuer of all processes here, whatever is before them.
pub const ISSUER: &str = "https://auth.example.com";

/// The master key of processes that are given one.
pub const MASTER_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";

/// The admin key of processes that are given one.
pub const ADMIN_KEY: &str = "the admin key of a test";

/// Within which a process says its next line, and answers a request. A machine may do much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// Within which a process that starts can do its work, and how long it is left alone between two questions.
const READY: (Duration, Duration) = (Duration::from_secs(120), Duration::from_millis(20));

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
            .env("PORTCULLIS_ISSUER", ISSUER)
            .env("PORTCULLIS_MASTER_KEY", MASTER_KEY)
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
        let mut said = Said::by(child.stdout.take().unwrap());
        // So that it ends with this value, whatever it says.
        self.child = Some(child);
        let line = said.line().unwrap_or_default();
        let address = line.split("://").nth(1).and_then(|rest| rest.split(',').next()?.trim().parse().ok());
        let address: SocketAddr = address
            .unwrap_or_else(|| panic!("{} does not start: {line:?}\n{}", program.display(), self.logged()));
        *self.way.0.write() = Some(address);
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
        let asking = async {
            loop {
                let asked = request(http::Method::GET, "/ready", &[], Bytes::new());
                if self.way.serve(asked, Peer(None)).await.status() == StatusCode::OK {
                    return;
                }
                sleep(READY.1).await;
            }
        };
        let ready = timeout(READY.0, asking).await.is_ok();
        assert!(ready, "it is not ready within {:?}\n{}", READY.0, self.logged());
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
        // A test that fails tells what its processes said.
        if std::thread::panicking() {
            eprintln!("-- {}\n{}", self.log.display(), self.logged());
        }
        self.kill();
    }
}

/// What one end of a process says, line by line, and emptied whether anybody reads it or not.
pub struct Said {
    lines: Receiver<String>,
    text: String,
}

impl Said {
    /// What comes out of this pipe.
    pub fn by(pipe: impl Read + Send + 'static) -> Self {
        let (line, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for text in BufReader::new(pipe).lines().map_while(Result::ok) {
                let _ = line.send(text);
            }
        });
        Self { lines, text: String::new() }
    }

    /// The next line; none at the end, or if none comes for a minute.
    pub fn line(&mut self) -> Option<String> {
        let line = self.lines.recv_timeout(PATIENCE).ok()?;
        self.text.push_str(&line);
        self.text.push('\n');
        Some(line)
    }

    /// The next line with these words; none, if none of them comes.
    pub fn until(&mut self, words: &str) -> Option<String> {
        loop {
            let line = self.line()?;
            if line.contains(words) {
                return Some(line);
            }
        }
    }

    /// All lines that were read.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// What administrators and people see of processes that are reached like this.
///
/// # Panics
///
/// Never: the issuer is one.
#[must_use]
pub fn world(serve: Arc<dyn Serve>) -> World {
    World {
        serve,
        issuer: Issuer::parse(ISSUER).unwrap(),
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

/// The way to a process: nobody's address while there is none. No answer is a 502.
#[derive(Debug, Default)]
pub struct Way(RwLock<Option<SocketAddr>>);

#[async_trait]
impl Serve for Way {
    async fn serve(&self, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let to = *self.0.read();
        let answered = match to {
            Some(to) => exchange(to, &request, peer).await,
            None => None,
        };
        answered.unwrap_or_else(|| {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        })
    }
}

/// What a request is answered over a connection of its own, as a proxy passes it on. None, if the connection breaks, if the answer is
/// not whole, and if it takes longer than a minute.
pub async fn exchange(to: SocketAddr, request: &Request<Bytes>, peer: Peer) -> Option<Response<Bytes>> {
    let path = request.uri().path_and_query()?;
    let mut bytes = format!("{} {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n", request.method());
    if let Some(address) = peer.0 {
        bytes.push_str(&format!("x-forwarded-for: {address}\r\n"));
    }
    for (name, value) in request.headers().iter().filter(|(name, _)| *name != http::header::HOST) {
        bytes.push_str(&format!("{name}: {}\r\n", value.to_str().ok()?));
    }
    bytes.push_str(&format!("content-length: {}\r\n\r\n", request.body().len()));
    let asking = async {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_all(&[bytes.as_bytes(), request.body()].concat()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = timeout(PATIENCE, asking).await.ok()?.ok()?;
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// It is taken a connection by the system, and hears nothing on it.
    #[tokio::test(start_paused = true)]
    async fn a_server_that_accepts_and_says_nothing_hangs_nobody() {
        let wedged = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let way = Way(RwLock::new(Some(wedged.local_addr().unwrap())));
        let asked = request(http::Method::GET, "/ready", &[], Bytes::new());
        let answered = timeout(PATIENCE * 2, way.serve(asked, Peer(None))).await;
        assert_eq!(answered.unwrap().status(), StatusCode::BAD_GATEWAY);
    }

    #[test]
    fn a_program_that_says_something_else_is_not_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let (program, pid) = (folder.path().join("program"), folder.path().join("pid"));
        let script = format!("#!/bin/sh\necho $$ > {}\necho nonsense\nexec sleep 600\n", pid.display());
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let settings = vec![(PROGRAM, program.to_str().unwrap().to_owned())];
        let started = std::panic::catch_unwind(|| Process::start(folder.path(), 0, settings));
        assert!(started.is_err());
        let pid = std::fs::read_to_string(pid).unwrap();
        let asked = Command::new("kill").args(["-0", pid.trim()]).stderr(Stdio::null()).status().unwrap();
        assert!(!asked.success(), "{pid} is still there");
    }
}
