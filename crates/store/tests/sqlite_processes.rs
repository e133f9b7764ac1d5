//! What needs a process of its own: being killed, and a disk that is full. The test starts itself again as the other process.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]
#![cfg(target_os = "linux")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use ambient::{Entropy, SystemEntropy, Time};
use store::{AdminKey, Changes, Commit, Digest, Key, Kind, Mark, Sqlite, Store, StoreError};

const PLACE: &str = "STORE_TEST_PLACE";

fn draw<const N: usize>() -> [u8; N] {
    let entropy: &dyn Entropy = &SystemEntropy;
    entropy.draw()
}

async fn create(store: &Sqlite) -> Result<String, StoreError> {
    let name = Mark::new(draw()).to_string();
    let record = AdminKey::new(name.clone(), Digest::of(&[b'x'; 32]), Time(1));
    let answer = store.commit(&Changes::create(Mark::new(draw()), &record)).await?;
    assert_eq!(answer, Commit::Done);
    Ok(name)
}

/// Says a line to whoever started this process, at once.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "said {line}").unwrap();
    out.flush().unwrap();
}

fn said(lines: &mut std::io::Lines<BufReader<ChildStdout>>) -> Option<String> {
    // The test runner talks, too. A line that was cut off says nothing.
    lines.map_while(Result::ok).find_map(|line| {
        let (_, said) = line.split_once("said ")?;
        Some(said.trim_end().to_owned())
    })
}

fn start(mut command: Command, test: &str, place: &Path) -> (Child, std::io::Lines<BufReader<ChildStdout>>) {
    command.args([test, "--exact", "--nocapture"]).env(PLACE, place);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn kill_9_loses_nothing_that_was_answered() {
    if let Some(place) = std::env::var_os(PLACE) {
        return write_until_killed(Path::new(&place)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("store.db");
    let mut answered = Vec::new();
    for _ in 0..20 {
        let [lines_until_death] = draw::<1>();
        let command = Command::new(std::env::current_exe().unwrap());
        let (mut child, mut lines) = start(command, "kill_9_loses_nothing_that_was_answered", &place);
        for _ in 0..=lines_until_death {
            answered.push(said(&mut lines).unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What was said before the end, and a last line perhaps cut off.
        answered.extend(std::iter::from_fn(|| said(&mut lines)).filter(|name| name.len() == 22));
    }
    let store = Sqlite::open(&place).unwrap();
    for name in &answered {
        assert!(store.read(&Key::new(Kind::AdminKey, name)).await.unwrap().is_some(), "{name}");
    }
    assert!(answered.len() >= 20);
}

async fn write_until_killed(place: &Path) {
    let store = Arc::new(Sqlite::open(place).unwrap());
    let mut writing = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        writing.spawn(async move {
            while let Ok(name) = create(&store).await {
                say(&name);
            }
        });
    }
    writing.join_all().await;
}

#[tokio::test]
async fn full_is_unavailable_until_there_is_room() {
    if let Some(place) = std::env::var_os(PLACE) {
        return write_until_full(Path::new(&place)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    // No file may grow beyond 256 KiB, and growing is an error, not a signal.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec prlimit --fsize=262144:unlimited \"$0\" \"$@\""]);
    command.arg(std::env::current_exe().unwrap());
    let (mut child, mut lines) =
        start(command, "full_is_unavailable_until_there_is_room", &folder.path().join("store.db"));
    assert_eq!(said(&mut lines).as_deref(), Some("full"));
    let room = Command::new("prlimit")
        .args(["--fsize=unlimited:unlimited", "--pid", &child.id().to_string()])
        .status();
    assert!(room.unwrap().success());
    drop(child.stdin.take());
    assert_eq!(said(&mut lines).as_deref(), Some("well"));
    assert!(child.wait().unwrap().success());
}

async fn write_until_full(place: &Path) {
    let store = Sqlite::open(place).unwrap();
    let (mut written, mut refused) = (Vec::new(), 0);
    // The first refusals may make room: closing the log writes it back into the file.
    while refused < 5 {
        match create(&store).await {
            Ok(name) => {
                written.push(name);
                refused = 0;
            }
            Err(StoreError::Unavailable(_)) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    // What little room is left takes a few probes.
    let mut ready = 0;
    while store.ready().await.is_ok() {
        ready += 1;
        assert!(ready < 100, "it says that it is ready, and is not");
    }
    for name in &written {
        assert!(store.read(&Key::new(Kind::AdminKey, name)).await.unwrap().is_some(), "{name}");
    }
    say("full");
    // Until the other side has made room.
    std::io::stdin().read_line(&mut String::new()).unwrap();
    store.ready().await.unwrap();
    for _ in 0..100 {
        written.push(create(&store).await.unwrap());
    }
    for name in &written {
        assert!(store.read(&Key::new(Kind::AdminKey, name)).await.unwrap().is_some(), "{name}");
    }
    say("well");
}
