//! What a process that keeps records in Redis needs to start, and what it tells.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use http::Method;
use testkit::client::ResourceServer;
use testkit::redis_server::RedisServer;
use testkit::world::Params;
use tokio::time::timeout;

use crate::process::{MASTER_KEY, Process, on_redis, run, world};

/// A key is shown before it is kept, so both may show one; whoever came second says that its own does not hold.
#[tokio::test]
async fn of_two_that_start_at_once_on_an_empty_redis_one_makes_the_admin_key_and_the_other_says_so() {
    let redis = RedisServer::start();
    let start = || {
        let url = redis.url();
        std::thread::spawn(move || {
            Process::start(&[("PORTCULLIS_STORE", &url), ("PORTCULLIS_MASTER_KEY", MASTER_KEY)])
        })
    };
    let (one, other) = (start(), start());
    let (one, other) = (one.join().unwrap(), other.join().unwrap());
    let third = Process::start(&[("PORTCULLIS_STORE", &redis.url()), ("PORTCULLIS_MASTER_KEY", MASTER_KEY)]);
    // A process that was stopped has printed all that it would.
    let mut holding = Vec::new();
    for said in [one.stop(), other.stop()] {
        let key = |line| str::strip_prefix(str::trim(line), "export PORTCULLIS_KEY=");
        let keys: Vec<&str> = said.lines().filter_map(key).collect();
        let void = said.contains("that one holds, this one does not");
        assert!(keys.len() <= 1 && !(void && keys.is_empty()), "{said}");
        holding.extend(keys.into_iter().filter(|_| !void).map(str::to_owned));
    }
    assert_eq!(holding.len(), 1, "{holding:?}");
    let listed = world(&[&third], &holding[0]).administer(Method::GET, "/api/servers", None).await;
    assert_eq!(listed.status(), 200, "{}", listed.text());
    assert!(!third.stop().contains("adm_"), "it is shown once");
}

#[test]
fn without_the_master_key_of_the_others_it_does_not_start() {
    let redis = RedisServer::start();
    let url = redis.url();
    let (status, out, told) = run("serve", &[("PORTCULLIS_STORE", &url)]);
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(told.contains("PORTCULLIS_MASTER_KEY") && told.contains("openssl rand -base64 32"), "{told}");

    let running = Process::on_redis(&url);
    let other = "YTEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
    let (status, _, told) = run("serve", &[("PORTCULLIS_STORE", &url), ("PORTCULLIS_MASTER_KEY", other)]);
    assert_eq!(status, 1);
    assert!(told.contains("the master key is not the one"), "{told}");
    running.stop();
}

#[test]
fn no_data_folder_is_made_and_the_password_is_told_nowhere() {
    let redis = RedisServer::start_with(&["--requirepass", "the-password"]);
    let with = |password: &str| format!("redis://:{password}@127.0.0.1:{}", redis.port());
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let process = Process::start(&[
        ("PORTCULLIS_STORE", &with("the-password")),
        ("PORTCULLIS_MASTER_KEY", MASTER_KEY),
        ("PORTCULLIS_DATA", data.to_str().unwrap()),
        ("PORTCULLIS_LOG", "trace"),
    ]);
    let said = process.stop();
    assert!(!said.contains("the-password") && !data.exists(), "{said}");
    for url in [with("the-password-is-another"), format!("redis//:the-password@127.0.0.1:{}", redis.port())] {
        let settings = [
            ("PORTCULLIS_STORE", url.as_str()),
            ("PORTCULLIS_MASTER_KEY", MASTER_KEY),
            ("PORTCULLIS_LOG", "trace"),
        ];
        let (status, out, told) = run("serve", &settings);
        assert!(status != 0 && !told.is_empty());
        assert!(!format!("{out}{told}").contains("the-password"), "{told}");
    }
}

#[tokio::test]
async fn from_a_redis_that_throws_records_away_nothing_is_served() {
    let redis = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let mut process = Process::bound(&on_redis(&redis.url()));
    // Before anybody asks.
    process.logs("maxmemory-policy is allkeys-lru");
    let world = process.world();
    for path in ["/ready", "/started"] {
        let answer = world.get(path).await;
        assert_eq!(answer.status(), 503);
        let told = answer.member("message");
        assert!(told.contains("maxmemory-policy is allkeys-lru") && told.contains("noeviction"), "{told}");
    }
    let registering = world.post_json("/oauth/register", &serde_json::json!({})).await;
    assert_eq!(registering.refusal(), (503, "temporarily_unavailable".to_owned()), "{}", registering.text());
    assert_eq!(redis.ask(&["KEYS", "*client*"]), "");

    redis.ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    process.logs(" started ");
    for path in ["/ready", "/started"] {
        assert_eq!(world.get(path).await.status(), 200);
    }
    process.stop();
}

#[tokio::test]
async fn a_redis_that_begins_to_throw_records_away_is_not_ready_and_says_why() {
    let redis = RedisServer::start();
    let process = Process::on_redis(&redis.url());
    redis.ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let world = process.world();
    // An answer is good for the second that it was given in.
    let noticed = async { while world.get("/ready").await.status() == 200 {} };
    timeout(Duration::from_secs(60), noticed).await.unwrap();
    assert_eq!(world.get("/started").await.status(), 200, "requests are led to it");
    let answer = world.get("/ready").await;
    let told = answer.member("message");
    assert!(told.contains("maxmemory-policy is allkeys-lru") && told.contains("noeviction"), "{told}");

    let base = process.base();
    let (status, out, _) = run(&format!("health --url {base}"), &[]);
    assert_eq!(status, 0, "it lives");
    assert!(out.contains("\"portcullis\""), "{out}");
    let (status, _, told) = run(&format!("health --ready --url {base}"), &[]);
    assert_eq!(status, 1);
    assert!(told.contains("maxmemory-policy is allkeys-lru"), "{told}");

    redis.ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    let ask = || run("health --ready", &[("PORTCULLIS_LISTEN", base.trim_start_matches("http://"))]);
    let mut asked = std::iter::repeat_with(ask).take(10_000);
    let (status, out, told) = asked.find(|(status, ..)| *status != 1).unwrap();
    assert_eq!(status, 0, "{told}");
    assert!(out.contains("ready"), "{out}");
    let said = process.stop();
    assert_eq!(said.matches(" ERROR ").count(), 1, "{said}");
    assert!(said.contains("the store is ready again"), "{said}");
}

/// What is asked of a process that waits, and what it says then.
async fn waits(process: &Process) {
    let world = process.world();
    assert_eq!(world.get("/health").await.status(), 200);
    let ready = world.get("/ready").await;
    assert_eq!(ready.status(), 503);
    assert!(ready.member("message").contains("The store cannot be reached"), "{}", ready.text());
    let refused = [
        world.post("/oauth/token", &Params::of(&[("grant_type", "authorization_code")]), &[]).await,
        world.get("/.well-known/oauth-authorization-server").await,
        world.administer(Method::GET, "/api/servers", None).await,
        world.get("/login").await,
    ];
    for answer in refused {
        assert_eq!(answer.refusal(), (503, "temporarily_unavailable".to_owned()), "{}", answer.text());
        assert!(answer.header("retry-after").is_some());
    }
}

/// Waits until Redis has answered this often with an error of this kind.
async fn refused(redis: &RedisServer, kind: &str) {
    let refusing = async {
        while !redis.ask(&["INFO", "errorstats"]).contains(&format!("errorstat_{kind}:count=")) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(60), refusing).await.unwrap_or_else(|_| panic!("nobody was told {kind}"));
}

/// A server on this port that answers everything as one does that reads its file, until somebody has asked.
fn loading(port: u16) {
    refusing(port, "LOADING Redis is loading the dataset in memory", "INFO", 1);
}

/// A server on this port that answers everything with this error, until somebody has asked so often for something with these words.
fn refusing(port: u16, error: &str, until: &str, mut times: usize) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    loop {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut request) {
            let text = String::from_utf8_lossy(&request[..length]);
            let commands = text.lines().filter(|line| line.starts_with('*')).count();
            let answer = format!("-{error}\r\n").repeat(commands);
            stream.write_all(answer.as_bytes()).unwrap();
            times -= usize::from(text.contains(until));
            if times == 0 {
                return;
            }
        }
    }
}

#[tokio::test]
async fn a_process_waits_for_a_redis_that_is_away_loading_read_only_or_full() {
    let mut redis = RedisServer::start();
    let url = redis.url();
    redis.kill();
    let mut process = Process::bound(&on_redis(&url));
    process.logs("Connection refused");
    waits(&process).await;

    loading(redis.port());
    waits(&process).await;

    redis.restart();
    redis.ask(&["REPLICAOF", "127.0.0.1", "1"]);
    refused(&redis, "READONLY").await;
    waits(&process).await;

    redis.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    redis.ask(&["REPLICAOF", "NO", "ONE"]);
    refused(&redis, "OOM").await;
    waits(&process).await;

    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    process.logs("started");
    let world = process.world();
    assert_eq!(world.get("/ready").await.status(), 200);
    ResourceServer::usual(&world).await;
    let said = process.stop();
    assert!(said.contains("listens on http://"), "{said}");
    let told = said.lines().filter(|line| line.contains(" WARN ") && line.contains("waiting for the store"));
    assert!((1..=2).contains(&told.count()), "at first, and once a minute: {said}");
}

/// It answers a log-in with an error as well, which is no reason to end.
#[test]
fn a_process_waits_for_a_redis_that_has_too_many_clients_or_takes_no_log_ins_now() {
    let mut redis = RedisServer::start_with(&["--requirepass", "the-password"]);
    let url = redis.url().replace("redis://", "redis://:the-password@");
    redis.kill();
    let settings = [on_redis(&url).as_slice(), &[("PORTCULLIS_LOG", "debug")]].concat();
    let mut process = Process::bound(&settings);
    for error in ["ERR max number of clients reached", "LOADING it reads its file", "TRYAGAIN later"] {
        // The driver's own log-in, and then ours.
        refusing(redis.port(), error, "the-password", 2);
        process.logs(error.split_once(' ').unwrap().1);
    }
    redis.restart();
    process.logs("started");
    process.stop();
}

/// The real one, which closes the connection as well.
#[test]
fn a_process_gets_the_place_of_whoever_leaves_a_full_redis() {
    let redis = RedisServer::start_with(&["--maxclients", "1", "--requirepass", "the-password"]);
    let url = redis.url().replace("redis://", "redis://:the-password@");
    let mut first = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, redis.port())).unwrap();
    first.write_all(b"PING\r\n").unwrap();
    assert!(first.read(&mut [0; 64]).unwrap() > 0, "it has a place");
    let mut process = Process::bound(&on_redis(&url));
    process.logs("waiting for the store");
    drop(first);
    process.logs("started");
    process.stop();
}

/// Whoever watches hears why, before giving up.
#[tokio::test]
async fn a_redis_that_hangs_is_told_in_time() {
    // It accepts and never answers.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let mut process = Process::bound(&on_redis(&url));
    let (status, _, told) = run(&format!("health --ready --url {}", process.base()), &[]);
    assert_eq!(status, 1);
    assert!(told.contains("503 Service Unavailable"), "{told}");
    process.logs("waiting for the store");
    waits(&process).await;
    process.stop();

    let redis = RedisServer::start();
    let process = Process::on_redis(&redis.url());
    redis.pause();
    // An answer is good for the second that it was given in.
    let ask = || run(&format!("health --ready --url {}", process.base()), &[]);
    let (_, _, told) = std::iter::repeat_with(ask).take(10_000).find(|(status, ..)| *status == 1).unwrap();
    assert!(told.contains("503 Service Unavailable") && told.contains("does not answer"), "{told}");
    redis.resume();
    process.stop();
}

#[test]
fn one_that_waits_can_be_stopped() {
    let mut redis = RedisServer::start();
    redis.kill();
    let mut process = Process::bound(&on_redis(&redis.url()));
    process.logs("waiting for the store");
    let said = process.stop();
    assert!(
        said.contains("stopped before the store was open") && !said.contains("listens on http"),
        "{said}"
    );
}

/// Else one who changes the password at Redis first stops all processes for good.
#[tokio::test]
async fn a_process_that_serves_outlives_its_password() {
    let redis = RedisServer::start();
    redis.ask(&["ACL", "SETUSER", "gate", "on", ">the-password", "~*", "&*", "+@all"]);
    let url = redis.url().replace("redis://", "redis://gate:the-password@");
    let process = Process::on_redis(&url);
    let world = process.world();
    redis.ask(&["ACL", "SETUSER", "gate", "<the-password"]);
    redis.ask(&["CLIENT", "KILL", "USER", "gate"]);
    let noticed = async { while world.get("/ready").await.status() == 200 {} };
    timeout(Duration::from_secs(60), noticed).await.unwrap();
    let answer = world.administer(Method::GET, "/api/servers", None).await;
    assert_eq!(answer.status(), 503, "{}", answer.text());
    assert_eq!(world.get("/started").await.status(), 200, "requests are led to it");
    redis.ask(&["ACL", "SETUSER", "gate", ">the-password"]);
    let ready = async { while world.get("/ready").await.status() != 200 {} };
    timeout(Duration::from_secs(60), ready).await.unwrap();
    assert_eq!(world.administer(Method::GET, "/api/servers", None).await.status(), 200);
    assert!(process.stop().contains("authentication failed"), "the log says why");
}

/// Waiting mends none of these.
#[test]
fn what_is_wrong_with_the_settings_ends_it() {
    let redis = RedisServer::start_with(&["--requirepass", "the-password"]);
    let port = redis.port();
    for (url, why) in [
        (format!("redis://127.0.0.1:{port}"), "NOAUTH"),
        (format!("redis://:another@127.0.0.1:{port}"), "authentication failed"),
        (format!("redis-cluster://:another@127.0.0.1:{port}"), "authentication failed"),
        (format!("redis-cluster://:the-password@127.0.0.1:{port}"), "begin the URL with redis"),
    ] {
        let (status, out, told) = run("serve", &on_redis(&url));
        assert_eq!((status, out.as_str()), (2, ""), "{told}");
        assert!(told.contains(why) && told.contains("cannot be used with these settings"), "{why}: {told}");
        assert!(!told.contains("the-password"), "{told}");
    }
    let clustered = RedisServer::start_with(&["--cluster-enabled", "yes"]);
    clustered.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    let (status, _, told) = run("serve", &on_redis(&clustered.url()));
    assert_eq!(status, 2, "{told}");
    assert!(told.contains("begin the URL with redis-cluster"), "{told}");
    let newer = RedisServer::start();
    newer.ask(&["SET", "portcullis:layout", "2"]);
    let (status, _, told) = run("serve", &on_redis(&newer.url()));
    assert_eq!(status, 1);
    assert!(told.contains("a database was written by a newer version"), "{told}");
}
