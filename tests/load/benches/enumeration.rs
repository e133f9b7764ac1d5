//! Whether the time of an answer tells who has an account: unknown addresses, wrong passwords and disabled accounts at log-in, as long as
//! passwords cost what they cost when the accounts were made and after the cost was raised; known and unknown addresses where a
//! forgotten password is set anew and at sign-up.
//!
//! `cargo build --release -p portcullis && cargo bench -p portcullis-load --bench enumeration`. Kinds of requests are sent in turn over
//! one connection, beginning with another one each time, so that whatever else the machine does meets all of them. Two kinds are compared by the
//! Mann-Whitney test, which asks of no distribution: how often is an answer of the one slower than one of the other? One half of the time,
//! if they are alike.

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
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use portcullis_load::Connection;

/// Answers of each kind; `SAMPLES` in the environment is another number.
const SAMPLES: usize = 300;
/// Standard deviations beyond which chance is no explanation: once in sixteen thousand comparisons.
const BEYOND_CHANCE: f64 = 4.0;
const ADMIN_KEY: &str = "the admin key of a bench, long enough";
const PASSWORD: &str = "correct horse battery staple";
const CHEAP: &str = "m=8192,t=1,p=1";
const USUAL: &str = "m=19456,t=2,p=1";

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let samples = std::env::var("SAMPLES").ok().and_then(|count| count.parse().ok()).unwrap_or(SAMPLES);
    println!("{samples} answers of each kind, medians in milliseconds");
    let folder = tempfile::TempDir::new().unwrap();
    let server = Server::start(folder.path(), USUAL, "off");
    runtime.block_on(people(&server));
    runtime.block_on(log_ins("log-in", &server, samples));
    drop(server);
    let letters = Server::start(folder.path(), USUAL, "folder");
    runtime.block_on(letters_asked_for(&letters, samples));
    drop(letters);

    let folder = tempfile::TempDir::new().unwrap();
    let cheap = Server::start(folder.path(), CHEAP, "off");
    runtime.block_on(people(&cheap));
    drop(cheap);
    let raised = Server::start(folder.path(), USUAL, "off");
    runtime.block_on(log_ins("log-in, the cost raised since", &raised, samples));
}

/// Ada, who has an account, and Bob, whose account is disabled.
async fn people(server: &Server) {
    for (name, blocked) in [("ada", false), ("bob", true)] {
        let body = format!(
            r#"{{"name":"{name}","email":"{name}@example.com","password":"{PASSWORD}","email_verified":true}}"#
        );
        let made = server.administer("POST", "/api/users", &body).await;
        assert_eq!(made.status(), 201, "{made:?}");
        if blocked {
            let text = String::from_utf8(made.into_body().to_vec()).unwrap();
            let id = text.split("\"user_id\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
            let set =
                server.administer("PATCH", &format!("/api/users/{id}"), r#"{"status":"blocked"}"#).await;
            assert_eq!(set.status(), 200, "{set:?}");
        }
    }
}

async fn log_ins(what: &str, server: &Server, samples: usize) {
    let attempt = |email: String, password: &str| {
        ask("/auth/login", &format!(r#"{{"email":"{email}","password":"{password}"}}"#))
    };
    let wrong = "a wrong password, and a long one";
    let kinds: [Kind<'_>; 3] = [
        ("unknown address", &|n| attempt(format!("nobody-{n}@example.com"), wrong)),
        ("wrong password", &|_| attempt("ada@example.com".to_owned(), wrong)),
        ("disabled account", &|_| attempt("bob@example.com".to_owned(), PASSWORD)),
    ];
    compare(what, server, samples, &kinds).await;
}

async fn letters_asked_for(server: &Server, samples: usize) {
    let forgot = |email: String| ask("/auth/forgot", &format!(r#"{{"email":"{email}"}}"#));
    let kinds: [Kind<'_>; 3] = [
        ("unknown address", &|n| forgot(format!("nobody-{n}@example.com"))),
        ("known address", &|_| forgot("ada@example.com".to_owned())),
        ("disabled account", &|_| forgot("bob@example.com".to_owned())),
    ];
    compare("forgotten password", server, samples, &kinds).await;
    let sign_up = |email: String| {
        ask("/auth/signup", &format!(r#"{{"email":"{email}","password":"{PASSWORD}","name":"Ada"}}"#))
    };
    let kinds: [Kind<'_>; 2] = [
        ("unknown address", &|n| sign_up(format!("new-{n}@example.com"))),
        ("known address", &|_| sign_up("ada@example.com".to_owned())),
    ];
    compare("sign-up", server, samples, &kinds).await;
}

/// What a kind of requests is called, and its requests by their number.
type Kind<'k> = (&'k str, &'k dyn Fn(usize) -> Request<Bytes>);

async fn compare(what: &str, server: &Server, samples: usize, kinds: &[Kind<'_>]) {
    let mut connection = Connection::open(server.address).await.unwrap();
    let mut took = vec![Vec::with_capacity(samples); kinds.len()];
    let mut answers = vec![None; kinds.len()];
    // The first round warms up.
    for n in 0..=samples {
        for turn in 0..kinds.len() {
            let kind = (n + turn) % kinds.len();
            let request = kinds[kind].1(n);
            let began = Instant::now();
            let response = connection.exchange(&request).await.unwrap();
            let seconds = began.elapsed().as_secs_f64();
            if n > 0 {
                took[kind].push(seconds);
            }
            answers[kind] = Some((response.status(), response.into_body()));
        }
    }
    println!("\n{what}");
    for ((name, _), took) in kinds.iter().zip(&took) {
        println!("  {name:<18}{:>8.2}", median(took) * 1_000.0);
    }
    for other in 1..kinds.len() {
        let (first, second) = (kinds[0].0, kinds[other].0);
        let Compared { slower, deviations } = Compared::of(&took[0], &took[other]);
        let verdict = match deviations.abs() > BEYOND_CHANCE {
            false => "no difference beyond chance",
            true => "THEY DIFFER: whoever asks often enough can tell them apart",
        };
        println!(
            "  {second} slower than {first} in {:.1} of 100 cases ({deviations:+.1} standard deviations): {verdict}",
            slower * 100.0
        );
        if answers[0] != answers[other] {
            println!("  THE ANSWERS THEMSELVES DIFFER: {:?} and {:?}", answers[0], answers[other]);
        }
    }
}

/// Two samples by the Mann-Whitney test.
struct Compared {
    /// How often a value of the second is the larger one; a tie is half a case.
    slower: f64,
    /// How far that is from one half, in standard deviations of what chance does.
    deviations: f64,
}

impl Compared {
    fn of(first: &[f64], second: &[f64]) -> Self {
        let cases = first.iter().flat_map(|one| second.iter().map(move |other| (one, other)));
        let won: f64 = cases
            .map(|(one, other)| match one.total_cmp(other) {
                std::cmp::Ordering::Less => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Greater => 0.0,
            })
            .sum();
        let [n, m] = [first.len(), second.len()].map(|count| f64::from(u32::try_from(count).unwrap()));
        let deviation = (n * m * (n + m + 1.0) / 12.0).sqrt();
        Self { slower: won / (n * m), deviations: (won - n * m / 2.0) / deviation }
    }
}

fn median(of: &[f64]) -> f64 {
    let mut sorted = of.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn ask(path: &str, body: &str) -> Request<Bytes> {
    let request = Request::post(path).header("content-type", "application/json");
    request.body(Bytes::from(body.to_owned())).unwrap()
}

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(data: &Path, cost: &str, mail: &str) -> Self {
        let built = std::env::var_os("PORTCULLIS_BIN").map_or_else(beside, Into::into);
        let mut child = Command::new(&built)
            .arg("serve")
            .env_clear()
            .env("PORTCULLIS_LISTEN", "127.0.0.1:0")
            .env("PORTCULLIS_DATA", data)
            .env("PORTCULLIS_ADMIN_KEY", ADMIN_KEY)
            .env("PORTCULLIS_PASSWORD_COST", cost)
            .env("PORTCULLIS_MAIL", mail)
            .env("PORTCULLIS_MAIL_FROM", "Portcullis <no-reply@example.com>")
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

    async fn administer(&self, method: &str, path: &str, body: &str) -> Response<Bytes> {
        let mut request = ask(path, body);
        *request.method_mut() = method.parse().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {ADMIN_KEY}").parse().unwrap());
        Connection::open(self.address).await.unwrap().exchange(&request).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program that was built beside this one: `target/release/portcullis` of `target/release/deps/enumeration-…`.
fn beside() -> std::path::PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().and_then(Path::parent).unwrap().join("portcullis")
}
