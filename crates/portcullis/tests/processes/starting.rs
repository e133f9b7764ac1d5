//! What a process that keeps records in Redis needs to start, and what it tells.

use std::process::Stdio;

use http::Method;
use testkit::redis_server::RedisServer;

use crate::process::{MASTER_KEY, Process, command, run, world};

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
        let key = |line| str::strip_prefix(str::trim(line), "export ADMIN_KEY=");
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
async fn a_redis_that_throws_records_away_is_not_ready_and_says_why() {
    let redis = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let process = Process::on_redis(&redis.url());
    let answer = process.world().get("/ready").await;
    assert_eq!(answer.status(), 503);
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
    // An answer is good for the second that it was given in.
    let ask = || run("health --ready", &[("PORTCULLIS_LISTEN", base.trim_start_matches("http://"))]);
    let mut asked = std::iter::repeat_with(ask).take(10_000);
    let (status, out, told) = asked.find(|(status, ..)| *status != 1).unwrap();
    assert_eq!(status, 0, "{told}");
    assert!(out.contains("ready"), "{out}");
    process.stop();
}

#[test]
fn a_redis_that_is_not_there_keeps_it_from_starting() {
    let mut redis = RedisServer::start();
    redis.kill();
    let out = command("serve", &[("PORTCULLIS_STORE", &redis.url()), ("PORTCULLIS_MASTER_KEY", MASTER_KEY)])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(1));
    let told = String::from_utf8(out.stderr).unwrap();
    assert!(told.contains("the store cannot be opened"), "{told}");
}
