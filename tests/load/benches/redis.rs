//! Introspection and refreshing over Redis, as ratios to what `redis-benchmark` does of the same commands on the same server.
//!
//! `cargo bench -p portcullis-load --bench redis`. Each side is one thread beside Redis and keeps 64 requests on their way; each
//! request is a pipeline of its reads, and then the script if it writes. What the ratio leaves is what Portcullis itself takes:
//! parsing, hashing, deciding and JSON. Requests are made beforehand, as `redis-benchmark` makes its own.
//!
//! Which of its shapes is the same is a matter of judgement, so both are told:
//!
//! - *alike*: 64 clients (`-c 64`), each of which sends the reads of one request together (`-P 4`) and waits for them. Whoever
//!   answers one request after the other to 64 who ask does this. Portcullis does it over one connection; that Redis is then woken
//!   less often is what sharing a connection is for.
//! - *batch*: one client with the commands of all 64 requests in one pipeline (`-c 1 -P 256`), the next when all of it was answered.
//!   Redis is never faster, and no server works like this: each request would wait for 63 others.
//!
//! `redis-benchmark` repeats one command. So each command of a request is measured alone, with the very key that the request
//! reads, and a request takes the sum of their times. All sides take turns, on the records as they are then; the
//! ratio is the median of those of all turns.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement fails by a panic and is printed"
)]
#![expect(clippy::disallowed_methods, reason = "a measurement needs the real clock")]

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ambient::SystemClock;
use authz_core::{Lifetime, Policy, TokenText};
use bytes::Bytes;
use http::Request;
use http_io::{Peer, Serve as _};
use store::{GrantId, MOST_ACCESS_TOKENS, Redis, RedisOptions, Stage};
use testkit::bare::{Bare, Party};
use testkit::redis_server::RedisServer;

/// Requests on their way at once, each of a grant of its own.
const AT_ONCE: usize = 64;
const TURNS: usize = 5;
const LASTING: Duration = Duration::from_secs(2);
/// How often redis-benchmark sends a command in a turn.
const COMMANDS: u32 = 100_000;
/// Out of how many numbers it draws one for each command: it takes no more.
const NUMBERS: &str = "2147483647";
/// Times of grants must be ahead of the server's clock, which expires them.
const AHEAD: i64 = 6_000_000_000;
const COMMIT: &str = include_str!("../../../crates/store/src/redis/lua/commit.lua");
const FIELDS: [&str; 8] = ["marks", "ended", "body", "sweep", "client", "person", "consent", "server"];

/// What the script of a commit is told besides.
const KEPT: &str = "600";
const FAR: &str = "9007199254740992";

/// Clients that refresh when three quarters of a token's hour have passed: two tokens live. In seconds of the manual clock, for
/// each refresh of any of the grants.
const USUAL: i64 = 45 * 60 / 64;
/// Clients that refresh all the time: as many tokens live as may.
const FULLEST: i64 = 0;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!("living tokens    introspection                   refresh");
    println!("of the grant     reads  scripts  alike  batch    reads  scripts  alike  batch");
    for (pause, tokens) in [(USUAL, 2), (FULLEST, MOST_ACCESS_TOKENS)] {
        let redis = RedisServer::start();
        redis.ask(&["CONFIG", "SET", "appendfsync", "everysec"]);
        let mut grants = runtime.block_on(Grants::make(&redis, pause));
        assert_eq!(runtime.block_on(grants.living()), tokens);
        let (introspection, refresh) = (Asked::Introspection, Asked::Refresh);
        let [introspection, refresh] = [introspection, refresh].map(|asked| {
            let commands = Commands::of(&redis, || runtime.block_on(grants.ask_once(asked)));
            let turns = (0..TURNS).map(|_| {
                let ours = runtime.block_on(grants.per_second(asked));
                let [alike, batch] = [Shape::Alike, Shape::Batch]
                    .map(|shape| commands.per_second(&redis, &grants.key(), shape));
                if std::env::var_os("ABSOLUTE").is_some() {
                    println!(
                        "{asked:?}: {ours:.0}/s, redis-benchmark {alike:.0}/s alike, {batch:.0}/s batch"
                    );
                }
                (ours / alike, ours / batch)
            });
            let (alike, batch) = turns.unzip();
            commands.line(median(alike), median(batch))
        });
        assert_eq!(runtime.block_on(grants.living()), tokens);
        println!("{tokens:<17}{introspection}    {refresh}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Introspection,
    Refresh,
}

/// How redis-benchmark keeps as many requests on their way.
#[derive(Clone, Copy)]
enum Shape {
    /// As many clients as requests.
    Alike,
    /// One client, which asks for all of them at once.
    Batch,
}

/// A server over Redis and the grants that are asked for.
struct Grants {
    bare: Bare,
    asking: Vec<Asking>,
    pause: i64,
}

/// What is asked for one grant: its newest tokens.
struct Asking {
    grant: GrantId,
    introspection: Request<Bytes>,
    refresh: String,
}

impl Grants {
    async fn make(redis: &RedisServer, pause: i64) -> Self {
        let url = redis.url().parse().unwrap();
        let store = Redis::open(&url, RedisOptions::default(), Arc::new(SystemClock)).await.unwrap();
        // The clock runs fast: a grant must last.
        let mut policy = Policy::default();
        policy.refresh_total = Lifetime::days(5 * 365);
        let bare = Bare::new(Arc::new(store), |store| store, policy, true).await;
        bare.clock.advance(AHEAD);
        let mut tokens = vec![bare.live().await.1];
        while tokens.len() < AT_ONCE {
            // Ada has consented before, so she is not asked.
            let code = bare.authorize().await.code().unwrap();
            tokens.push(bare.redeem(Party::Own, &code).await.tokens().unwrap());
        }
        let asking = tokens.into_iter().map(|tokens| Asking {
            grant: grant_of(&tokens.access),
            introspection: introspection(&bare, &tokens.access),
            refresh: tokens.refresh.unwrap(),
        });
        let mut grants = Self { asking: asking.collect(), bare, pause };
        for _ in 1..MOST_ACCESS_TOKENS {
            grants.ask_once(Asked::Refresh).await;
        }
        grants
    }

    /// The tokens that live, of one grant.
    async fn living(&self) -> usize {
        let Stage::Live(live) = self.bare.stored(self.grant()).await.unwrap().record.stage else {
            return 0;
        };
        live.access.len()
    }

    /// One request for each grant.
    async fn ask_once(&mut self, asked: Asked) {
        for grant in &mut self.asking {
            ask(&self.bare, self.pause, asked, grant).await;
        }
    }

    /// One request after the other for each grant.
    async fn per_second(&mut self, asked: Asked) -> f64 {
        let (bare, pause, began) = (&self.bare, self.pause, Instant::now());
        let asking = self.asking.iter_mut().map(async |grant| {
            let mut answered = 0_u32;
            while began.elapsed() < LASTING {
                ask(bare, pause, asked, grant).await;
                answered += 1;
            }
            answered
        });
        drop(bare.events.take());
        let answered: u32 = futures_util::future::join_all(asking).await.into_iter().sum();
        f64::from(answered) / began.elapsed().as_secs_f64()
    }

    fn grant(&self) -> GrantId {
        self.asking[0].grant
    }

    /// The key in Redis of one grant.
    fn key(&self) -> String {
        format!("portcullis:grant:{{{}}}", self.grant())
    }
}

fn grant_of(access: &str) -> GrantId {
    let Ok(text) = TokenText::parse(access) else { unreachable!("it came from the server") };
    GrantId::new(text.id)
}

async fn ask(bare: &Bare, pause: i64, asked: Asked, grant: &mut Asking) {
    let request = match asked {
        Asked::Introspection => grant.introspection.clone(),
        Asked::Refresh => {
            bare.clock.advance(pause);
            let body = format!("client_id=cid_own&grant_type=refresh_token&refresh_token={}", grant.refresh);
            form("/oauth/token").body(body.into()).unwrap()
        }
    };
    let response = bare.server.serve(request, Peer::default()).await;
    let answer = std::str::from_utf8(response.body()).unwrap();
    match asked {
        Asked::Introspection => assert!(answer.starts_with(r#"{"active":true,"#), "{answer}"),
        Asked::Refresh => {
            grant.introspection = introspection(bare, member(answer, "access_token"));
            member(answer, "refresh_token").clone_into(&mut grant.refresh);
        }
    }
}

/// A member of an answer, of whose texts none has to be escaped.
fn member<'a>(answer: &'a str, name: &str) -> &'a str {
    let (_, value) = answer.split_once(&format!(r#""{name}":""#)).unwrap();
    value.split_once('"').unwrap().0
}

fn introspection(bare: &Bare, token: &str) -> Request<Bytes> {
    let key = &bare.resources[0].1;
    let request = form("/oauth/introspect").header("authorization", format!("Bearer {key}"));
    request.body(format!("token={token}").into()).unwrap()
}

fn form(path: &str) -> http::request::Builder {
    Request::post(path).header("content-type", "application/x-www-form-urlencoded")
}

/// What one request asks of Redis.
struct Commands {
    /// What is read: keys, and how many of the [`FIELDS`].
    reads: Vec<(String, usize)>,
    /// How many records are written.
    commits: usize,
}

impl Commands {
    /// Those of the last request of these.
    fn of(redis: &RedisServer, requests: impl FnOnce()) -> Self {
        redis.ask(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]);
        redis.ask(&["SLOWLOG", "RESET"]);
        requests();
        let log = redis.ask(&["SLOWLOG", "GET", "-1"]);
        redis.ask(&["CONFIG", "SET", "slowlog-log-slower-than", "-1"]);
        // The newest is first. A grant is read once in a request, before everything else.
        let (mut reads, mut commits) = (Vec::new(), 0);
        let words: Vec<&str> = log.lines().collect();
        for (at, word) in words.iter().enumerate() {
            match *word {
                "EVALSHA" => commits += 1,
                "HMGET" => {
                    let (key, after) = (words[at + 1], &words[at + 2..]);
                    let fields = after.iter().zip(FIELDS).take_while(|(field, own)| **field == *own).count();
                    // What a script reads is in the log, too.
                    if fields != FIELDS.len() && fields != 1 {
                        continue;
                    }
                    reads.push((key.to_owned(), fields));
                    if key.starts_with("portcullis:grant:") {
                        break;
                    }
                }
                _ => {}
            }
        }
        Self { reads, commits }
    }

    /// How many such requests redis-benchmark would do, for the grant under this key.
    fn per_second(&self, redis: &RedisServer, grant: &str, shape: Shape) -> f64 {
        let mut takes = 0.0;
        for (key, fields) in &self.reads {
            let key = if key.starts_with("portcullis:grant:") { grant } else { key };
            let mut read = vec!["HMGET", key];
            read.extend(&FIELDS[..*fields]);
            takes += 1.0 / benchmark(redis, shape, self.reads.len(), &read);
        }
        if self.commits > 0 {
            let commits = u32::try_from(self.commits).unwrap();
            takes += f64::from(commits) / benchmark_commit(redis, shape, grant);
        }
        1.0 / takes
    }

    fn line(&self, alike: f64, batch: f64) -> String {
        format!("{:>5}  {:>7}  {alike:>5.2}  {batch:>5.2}", self.reads.len(), self.commits)
    }
}

/// The same write as a refresh of this grant: a living record is replaced under a mark that nobody has drawn before.
fn benchmark_commit(redis: &RedisServer, shape: Shape, grant: &str) -> f64 {
    let script = redis.ask(&["SCRIPT", "LOAD", COMMIT]);
    let script = script.trim();
    let [body, sweep, listed] = ["body", "sweep", "listed"].map(|field| redis.ask(&["HGET", grant, field]));
    let (sweep, listed) = (sweep.trim(), listed.trim());
    redis.ask(&["DEL", "portcullis:grant:{bench}"]);
    let write = |mark, guard, promise| {
        let head =
            ["EVALSHA", script, "1", "portcullis:grant:{bench}", mark, guard, "", sweep, promise, KEPT, FAR];
        let says =
            ["ended", "0", "body", &body, "client", "cid_own", "person", "usr_ada", "server", "srv_bench"];
        [&head[..], &says].concat()
    };
    assert_eq!(redis.ask(&write("0000000000000000", "absent", listed)).trim(), "done");
    redis.ask(&["CONFIG", "RESETSTAT"]);
    let per_second = benchmark(redis, shape, 1, &write("0000__rand_int__", "any", ""));
    assert!(written(redis) >= COMMANDS, "a script that finds its own mark writes nothing");
    per_second
}

/// How often a hash was written.
fn written(redis: &RedisServer) -> u32 {
    let stats = redis.ask(&["INFO", "commandstats"]);
    let (_, calls) = stats.split_once("cmdstat_hset:calls=").unwrap();
    calls.split_once(',').unwrap().0.parse().unwrap()
}

/// Answers per second, by redis-benchmark, to a command of which each request has so many in a pipeline.
fn benchmark(redis: &RedisServer, shape: Shape, pipeline: usize, command: &[&str]) -> f64 {
    let (clients, pipeline) = match shape {
        Shape::Alike => (AT_ONCE, pipeline),
        Shape::Batch => (1, AT_ONCE * pipeline),
    };
    let [port, clients, pipeline, commands] =
        [redis.port().to_string(), clients.to_string(), pipeline.to_string(), COMMANDS.to_string()];
    let output = Command::new("redis-benchmark")
        .args(["-p", &port, "-c", &clients, "-P", &pipeline, "-n", &commands, "-r", NUMBERS, "--csv"])
        .args(command)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // "test","rps",… and then one line, whose first field may hold commas and quotes.
    let line = text.lines().last().unwrap();
    let fields: Vec<&str> = line.rsplit("\",\"").collect();
    fields[fields.len().min(7) - 1].trim_matches('"').parse().unwrap()
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}
