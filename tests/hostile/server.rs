//! The program, and what it takes of the machine.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use testkit::process::Process;

/// How long it waits for a client in these tests, and between requests: more than an honest one may stand still on a busy machine.
pub(crate) const PATIENCE: &str = "5s";

/// Within which it is done with a client that is too slow. A machine may be busy. Less than the minute that some tests let it wait.
pub(crate) const BOUND: Duration = Duration::from_secs(40);

/// Open files of a process that are no connections, with some to spare.
const OTHER_FILES: usize = 200;

/// A process of its own, over its embedded database.
pub(crate) struct Server {
    pub(crate) process: Process,
    // Its database and its log are there.
    pub(crate) _folder: tempfile::TempDir,
}

impl Server {
    /// One that waits five seconds for a client.
    pub(crate) async fn start() -> Self {
        Self::with(&[("PORTCULLIS_CLIENT_TIMEOUT", PATIENCE), ("PORTCULLIS_IDLE_TIMEOUT", PATIENCE)]).await
    }

    /// One with these settings.
    pub(crate) async fn with(settings: &[(&'static str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data").to_str().unwrap().to_owned();
        let given = settings.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let cheap = ("PORTCULLIS_PASSWORD_COST", "m=7168,t=1,p=1".to_owned());
        let settings = [("PORTCULLIS_DATA", data), cheap].into_iter().chain(given).collect();
        let process = Process::start(folder.path(), 0, settings);
        process.is_ready().await;
        Self { process, _folder: folder }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.process.address().unwrap()
    }

    /// From now on.
    pub(crate) fn memory(&self) -> Memory {
        let process = format!("/proc/{}", self.process.id());
        // From now on the peak begins anew (proc_pid_clear_refs(5)). Where that may not be said, what it took before counts, too.
        let _ = fs::write(format!("{process}/clear_refs"), "5");
        let before = in_status(&process, "VmRSS:");
        Memory { process, before }
    }

    /// How many connections it has open, and listeners. Its database opens further files whenever it needs them.
    pub(crate) fn open_connections(&self) -> usize {
        let files = fs::read_dir(format!("/proc/{}/fd", self.process.id())).unwrap();
        let links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
    }

    /// Waits until it has no more open than `before`.
    pub(crate) async fn lets_go(&self, before: usize) {
        self.until(|open| open <= before, "no more than before").await;
    }

    /// Waits until it has so many open.
    pub(crate) async fn has_open(&self, many: usize) {
        self.until(|open| open >= many, "as many as came").await;
    }

    async fn until(&self, enough: impl Fn(usize) -> bool, what: &str) {
        let watch = async {
            let mut looks = tokio::time::interval(Duration::from_millis(50));
            while !enough(self.open_connections()) {
                looks.tick().await;
            }
        };
        let all = tokio::time::timeout(BOUND, watch).await;
        assert!(all.is_ok(), "it has {} connections open, which is not {what}", self.open_connections());
    }
}

/// What a process takes.
pub(crate) struct Memory {
    process: String,
    before: usize,
}

impl Memory {
    /// The most that it has taken since, in KiB, is no more than this beyond what it had before. Says what it was.
    pub(crate) fn peak_is_below(&self, most: usize, what: &str) {
        let peak = in_status(&self.process, "VmHWM:");
        let more = peak.saturating_sub(self.before);
        eprintln!("{what}: peak {peak} KiB, {more} KiB more than before, of {most} KiB");
        assert!(more <= most, "{what}: {more} KiB more than before, and not {most} at the most");
    }
}

fn in_status(process: &str, name: &str) -> usize {
    let status = fs::read_to_string(format!("{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

/// Lets this test have so many connections open; the server sees to that itself. Fails where the hard limit of open files is lower: what
/// would be shown with fewer is not what is promised.
pub(crate) fn makes_room_for(connections: usize) {
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: before.maximum, maximum: before.maximum }).unwrap();
    let files = before.maximum.map_or(usize::MAX, |files| usize::try_from(files).unwrap());
    let wanted = connections + OTHER_FILES;
    assert!(files >= wanted, "the hard limit of open files (ulimit -Hn) is {files}; this takes {wanted}");
}
