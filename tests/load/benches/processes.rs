//! What one, two and four processes of `portcullis serve` answer beside one Redis, as ratios to one.
//!
//! `cargo build --release -p portcullis && cargo bench -p portcullis-load --bench processes`. The generator, Redis and all
//! processes share this machine: with as few cores as processes the ratios say what more processes cost and not what they bring.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement fails by a panic and is printed"
)]
#![expect(clippy::disallowed_methods, reason = "a measurement needs the real clock")]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ambient::{ManualClock, Time};
use bytes::Bytes;
use http::Request;
use oauth_types::Issuer;
use portcullis_load::{Connection, Remote};
use store::Memory;
use testkit::client::{Client, ResourceServer, Tokens};
use testkit::redis_server::RedisServer;
use testkit::world::{Params, Switched, World};

/// Connections that ask at the same time, whatever the number of processes.
const CONNECTIONS: usize = 64;
const LASTING: Duration = Duration::from_secs(5);
const ADMIN_KEY: &str = "the admin key of a bench";
const FORM: &str = "application/x-www-form-urlencoded";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{cores} cores for Redis, the generator and all processes; {CONNECTIONS} connections");
    println!("{:<12}{:>16}{:>16}", "processes", "introspection", "refresh");
    let mut first = None;
    for count in [1, 2, 4] {
        let redis = RedisServer::start();
        redis.ask(&["CONFIG", "SET", "appendfsync", "everysec"]);
        let processes: Vec<Process> = (0..count).map(|_| Process::start(&redis.url())).collect();
        let measured = runtime.block_on(measure(&processes));
        let (introspected, refreshed) = *first.get_or_insert(measured);
        println!("{count:<12}{:>16.2}{:>16.2}", measured.0 / introspected, measured.1 / refreshed);
        if std::env::var_os("ABSOLUTE").is_some() {
            println!("{:<12}{:>14.0}/s{:>14.0}/s", "", measured.0, measured.1);
        }
    }
}

/// Answers per second: introspection, refreshing.
async fn measure(processes: &[Process]) -> (f64, f64) {
    let world = World {
        serve: Arc::new(Remote(processes[0].address)),
        issuer: Issuer::parse("https://auth.example.com").unwrap(),
        clock: Arc::new(ManualClock::at(Time(0))),
        admin_key: ADMIN_KEY.to_owned(),
        store: Arc::new(Switched::over(Arc::new(Memory::new()))),
    };
    let server = ResourceServer::usual(&world).await;
    let client = Client::public(&world).await;
    let mut ada = world.person("ada@example.com").await;
    let mut grants = Vec::new();
    for _ in 0..CONNECTIONS {
        grants.push(client.connect(&world, &mut ada).await);
    }
    let introspected = per_second(processes, &grants, |tokens, _| {
        let body = Params::of(&[("token", &tokens.access)]).to_query();
        form("/oauth/introspect", body).header("authorization", format!("Bearer {}", server.key))
    });
    let introspected = introspected.await;
    let refreshed = per_second(processes, &grants, |tokens, last| {
        let token = last.and_then(refresh_token).unwrap_or_else(|| tokens.refresh.clone());
        form("/oauth/token", client.refreshing(&token).to_query())
    });
    (introspected, refreshed.await)
}

struct Builder(http::request::Builder, String);

impl Builder {
    fn header(self, name: &str, value: String) -> Self {
        Self(self.0.header(name, value), self.1)
    }
}

fn form(path: &str, body: String) -> Builder {
    Builder(Request::post(path).header("content-type", FORM), body)
}

fn refresh_token(answer: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(answer).ok()?;
    Some(text.split_once("\"refresh_token\":\"")?.1.split('"').next()?.to_owned())
}

/// Each connection asks for one grant, again and again; what it asks may follow from the last answer.
async fn per_second(
    processes: &[Process],
    grants: &[Tokens],
    next: impl Fn(&Tokens, Option<&[u8]>) -> Builder,
) -> f64 {
    let began = Instant::now();
    let asking = grants.iter().enumerate().map(|(n, tokens)| {
        let (to, next) = (processes[n % processes.len()].address, &next);
        async move {
            let mut connection = Connection::open(to).await.unwrap();
            let (mut answered, mut last) = (0_u32, None::<Bytes>);
            while began.elapsed() < LASTING {
                let Builder(head, body) = next(tokens, last.as_deref());
                let response = connection.exchange(&head.body(body.into()).unwrap()).await.unwrap();
                assert!(response.status().is_success(), "{response:?}");
                last = Some(response.into_body());
                answered += 1;
            }
            answered
        }
    });
    let answered: u32 = futures_util::future::join_all(asking).await.into_iter().sum();
    f64::from(answered) / began.elapsed().as_secs_f64()
}

struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn start(redis: &str) -> Self {
        let built = std::env::var_os("PORTCULLIS_BIN").map_or_else(beside, Into::into);
        let mut child = Command::new(&built)
            .arg("serve")
            .env_clear()
            .env("PORTCULLIS_ISSUER", "https://auth.example.com")
            .env("PORTCULLIS_LISTEN", "127.0.0.1:0")
            .env("PORTCULLIS_STORE", redis)
            .env("PORTCULLIS_MASTER_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY")
            .env("PORTCULLIS_ADMIN_KEY", ADMIN_KEY)
            .env("PORTCULLIS_LIMITS", "off")
            .env("PORTCULLIS_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{}: {error}; cargo build --release -p portcullis", built.display())
            });
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(',').next()?.parse().ok());
        let address = address.unwrap_or_else(|| panic!("it does not start: {line}"));
        Self { child, address }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program that was built beside this one: `target/release/portcullis` of `target/release/deps/processes-…`.
fn beside() -> std::path::PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().and_then(Path::parent).unwrap().join("portcullis")
}
