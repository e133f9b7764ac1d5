//! Refreshing and introspection over Redis, as ratios to what `redis-benchmark` does of the same commands on the same server.
//!
//! `cargo bench -p portcullis-load --bench redis`. Both sides use one connection and keep 64 requests on their way. What the
//! ratio leaves is what Portcullis itself takes: parsing, hashing, deciding and JSON.

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
use authz_core::{Policy, TokenText};
use store::{GrantId, Redis, RedisOptions};
use testkit::bare::{Bare, Party, Tokens};
use testkit::redis_server::RedisServer;

/// Requests on their way at once.
const AT_ONCE: usize = 64;
const LASTING: Duration = Duration::from_secs(5);
/// Commands that redis-benchmark sends.
const COMMANDS: &str = "400000";
/// Times of grants must be ahead of the server's clock, which expires them.
const AHEAD: i64 = 6_000_000_000;
const COMMIT: &str = include_str!("../../../crates/store/src/redis/lua/commit.lua");
const FIELDS: [&str; 8] = ["marks", "ended", "body", "sweep", "client", "person", "consent", "server"];

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let redis = RedisServer::start();
    redis.ask(&["CONFIG", "SET", "appendfsync", "everysec"]);
    let (bare, grants) = runtime.block_on(prepare(&redis));

    redis.ask(&["CONFIG", "RESETSTAT"]);
    let introspected = runtime.block_on(per_second(&grants, async |tokens: &mut Tokens| {
        assert!(bare.is_active(&tokens.access).await);
    }));
    let reads = calls(&redis, "hmget") / introspected.answered;

    redis.ask(&["CONFIG", "RESETSTAT"]);
    let refreshed = runtime.block_on(per_second(&grants, async |tokens: &mut Tokens| {
        let presented = tokens.refresh.take().unwrap();
        let answer =
            bare.token(Party::Own, &[("grant_type", "refresh_token"), ("refresh_token", &presented)]).await;
        *tokens = answer.tokens().unwrap();
    }));
    // The script reads once itself.
    let reads_of_refresh = calls(&redis, "hmget") / refreshed.answered - 1.0;
    assert!(calls(&redis, "evalsha") / refreshed.answered > 0.99, "each is one commit");

    let key = key_of(&grants[0]);
    let mut read = vec!["HMGET", &key];
    read.extend(FIELDS);
    let read = benchmark(&redis, &read);
    let body = redis.ask(&["HGET", &key, "body"]);
    let commit = benchmark_commit(&redis, &body);
    println!("                 reads    commits    of redis-benchmark");
    let of = introspected.per_second * reads / read;
    println!("introspection    {reads:>5.1}          0    {of:.2}");
    let raw = 1.0 / (reads_of_refresh / read + 1.0 / commit);
    println!("refresh          {reads_of_refresh:>5.1}          1    {:.2}", refreshed.per_second / raw);
    if std::env::var_os("ABSOLUTE").is_some() {
        println!("{introspected:?} {refreshed:?} read {read}/s commit {commit}/s");
    }
}

async fn prepare(redis: &RedisServer) -> (Bare, Vec<Tokens>) {
    let store = Redis::open(&redis.url().parse().unwrap(), RedisOptions::default(), Arc::new(SystemClock))
        .await
        .unwrap();
    let bare = Bare::new(Arc::new(store), |store| store, Policy::default(), true).await;
    bare.clock.advance(AHEAD);
    let mut grants = vec![bare.live().await.1];
    while grants.len() < AT_ONCE {
        grants.push(once_more(&bare).await);
    }
    (bare, grants)
}

/// One more grant: Ada has consented before, so she is not asked.
async fn once_more(bare: &Bare) -> Tokens {
    let code = bare.authorize().await.code().unwrap();
    bare.redeem(Party::Own, &code).await.tokens().unwrap()
}

/// The key in Redis of the grant that these tokens are of.
fn key_of(tokens: &Tokens) -> String {
    let Ok(text) = TokenText::parse(&tokens.access) else { unreachable!("it came from the server") };
    format!("portcullis:grant:{{{}}}", GrantId::new(text.id))
}

#[derive(Debug)]
struct Measured {
    answered: f64,
    per_second: f64,
}

/// One request after the other for each grant, and as many grants as there are at once.
async fn per_second(grants: &[Tokens], ask: impl AsyncFn(&mut Tokens)) -> Measured {
    let began = Instant::now();
    let asking = grants.iter().map(|tokens| {
        let (mut tokens, ask) = (tokens.clone(), &ask);
        async move {
            let mut answered = 0_u32;
            while began.elapsed() < LASTING {
                ask(&mut tokens).await;
                answered += 1;
            }
            answered
        }
    });
    let answered = futures_util::future::join_all(asking).await.into_iter().map(f64::from).sum();
    Measured { answered, per_second: answered / began.elapsed().as_secs_f64() }
}

/// How often a command was called since the statistics were reset.
fn calls(redis: &RedisServer, command: &str) -> f64 {
    let statistics = redis.ask(&["INFO", "commandstats"]);
    let line = statistics.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.and_then(|rest| rest.split(',').next()).map_or(0.0, |calls| calls.parse().unwrap())
}

/// The same write as a refresh: a living record is replaced under a mark, and with a digest, that nobody has drawn before.
fn benchmark_commit(redis: &RedisServer, body: &str) -> f64 {
    let script = redis.ask(&["SCRIPT", "LOAD", COMMIT]);
    let script = script.trim();
    let write = |mark: &'static str, guard: &'static str, told: &'static str| -> Vec<String> {
        let key = "portcullis:grant:{bench}";
        let head =
            ["EVALSHA", script, "1", key, mark, guard, "", "9000000000", told, "ended", "0", "body", body];
        let links = ["client", "cid_own", "person", "usr_ada", "server", "srv_bench"];
        head.into_iter().chain(links).map(str::to_owned).collect()
    };
    let first = write("0000000000000000", "absent", "never");
    let first: Vec<&str> = first.iter().map(String::as_str).collect();
    assert_eq!(redis.ask(&first).trim(), "done");
    let mut again = write("0000__rand_int__", "any", "");
    if let Some((before, digest)) = body.rsplit_once("\"digest\":\"") {
        let changed = format!("{before}\"digest\":\"__rand_int__{}", &digest[12..]);
        again
            .iter_mut()
            .filter(|argument| *argument == body)
            .for_each(|argument| argument.clone_from(&changed));
    }
    let again: Vec<&str> = again.iter().map(String::as_str).collect();
    benchmark(redis, &again)
}

/// Answers per second, by redis-benchmark.
fn benchmark(redis: &RedisServer, command: &[&str]) -> f64 {
    let (port, at_once) = (redis.port().to_string(), AT_ONCE.to_string());
    let output = Command::new("redis-benchmark")
        .args(["-p", &port, "-c", "1", "-P", &at_once, "-n", COMMANDS, "-r", "999999999999", "--csv"])
        .args(command)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // "test","rps",… and then one line, whose first field may hold commas and quotes.
    let line = text.lines().last().unwrap();
    let fields: Vec<&str> = line.rsplit("\",\"").collect();
    fields[fields.len().min(7) - 1].trim_matches('"').parse().unwrap()
}
