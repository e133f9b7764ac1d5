//! Who may come in, and by which way.

use std::fs;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use store::{Claims as _, Commit, Counters, RedisOptions, Store, StoreError};
use testkit::redis_server::{RedisCluster, RedisRights, RedisSentinels, RedisServer};

use crate::fake::fake;
use crate::{Time, create, is_misconfigured, is_unavailable, open, open_with, read, sources};

/// Makes a user of this rule.
fn grant(server: &RedisServer, rule: &str) {
    testkit::redis_server::grant(server.port(), "gate", "w@rd", rule);
}

#[tokio::test]
async fn a_password_opens_and_a_wrong_one_does_not() {
    let server = RedisServer::start_with(&["--requirepass", "w@rd"]);
    let url = |login: &str| format!("redis://{login}127.0.0.1:{}", server.port());
    assert_eq!(create(&open(&url(":w%40rd@")).await.unwrap(), 1).await.unwrap(), Commit::Done);
    for login in ["", ":wrong@", "nobody:w%40rd@"] {
        let refused = open(&url(login)).await.unwrap_err();
        assert!(!sources(&refused).contains("wrong"), "{refused:?}");
        assert!(is_misconfigured::<()>(Err(refused)));
    }
}

/// The driver says of each of them that the password is wrong; who believes it ends for what would have passed.
#[tokio::test]
async fn a_log_in_that_fails_for_another_reason_than_the_password_may_pass() {
    for (said, refuses_us) in [
        ("ERR max number of clients reached", false),
        ("LOADING Redis is loading the dataset in memory", false),
        ("TRYAGAIN come back later", false),
        ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", false),
        ("ERR AUTH <password> called without any password configured for the default user.", false),
        ("WRONGPASS invalid username-password pair or user is disabled.", true),
        ("NOPERM this user has no permissions to run the 'auth' command", true),
    ] {
        let port = fake(move |_| Some(format!("-{said}\r\n"))).await;
        for kind in ["redis", "redis-cluster"] {
            let refused = open(&format!("{kind}://:w%40rd@127.0.0.1:{port}")).await;
            let holds = if refuses_us { is_misconfigured(refused) } else { is_unavailable(refused) };
            assert!(holds, "{kind}: {said}");
        }
    }
}

/// A password that is changed at the server first stops nobody for good: what is wrong now may be right again.
#[tokio::test]
async fn a_store_whose_password_was_changed_works_again_when_it_is_changed_back() {
    let server = RedisServer::start();
    grant(&server, &RedisRights::documented().server);
    let store = open(&format!("redis://gate:w%40rd@127.0.0.1:{}", server.port())).await.unwrap();
    server.ask(&["ACL", "SETUSER", "gate", "<w@rd"]);
    server.ask(&["CLIENT", "KILL", "USER", "gate"]);
    crate::until(async || matches!(store.ready().await, Err(StoreError::Misconfigured(_)))).await;
    server.ask(&["ACL", "SETUSER", "gate", ">w@rd"]);
    crate::until(async || store.ready().await.is_ok()).await;
}

#[tokio::test]
async fn a_user_with_no_more_rights_than_documented_is_enough() {
    let server = RedisServer::start();
    grant(&server, &RedisRights::documented().server);
    let url = format!("redis://gate:w%40rd@127.0.0.1:{}", server.port());
    let store = open(&url).await.unwrap();
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
    assert!(read(&store, 1).await.is_some());
    assert_eq!(store.count("a", 60, Time(0)).await.unwrap(), 1);
    assert!(store.unlisted().await.unwrap().records.is_empty());
    store.ready().await.unwrap();
    let elsewhere = RedisOptions::default().prefix("another");
    assert!(is_misconfigured(open_with(&url, elsewhere).await));
    server.ask(&["ACL", "SETUSER", "gate", "-info"]);
    let told = sources(&store.ready().await.unwrap_err());
    assert!(told.contains("let this user run INFO (ACL rule +info)"), "{told}");
}

#[tokio::test]
async fn a_user_with_the_documented_rights_can_do_nothing_to_others_who_share_the_server() {
    let mut cluster = RedisCluster::start();
    let node = &cluster.nodes()[0];
    let RedisRights { server, cluster, .. } = RedisRights::documented();
    grant(node, &format!("{server} {cluster}"));
    for command in [
        "FLUSHALL",
        "FLUSHDB",
        "SWAPDB 0 1",
        "MIGRATE 127.0.0.1 1 portcullis:a 0 1",
        "RESTORE portcullis:a 0 a",
        "KEYS *",
        "CLIENT KILL ID 1",
        "CLIENT PAUSE 1",
        "CONFIG GET *",
        "ACL LIST",
        "SCRIPT FLUSH",
        "FUNCTION FLUSH",
        "CLUSTER RESET",
        "DEBUG SLEEP 1",
        "SHUTDOWN",
        "SUBSCRIBE a",
        "GET another:a",
    ] {
        let words: Vec<_> = ["ACL", "DRYRUN", "gate"].into_iter().chain(command.split(' ')).collect();
        let said = node.ask(&words);
        assert!(said.contains("no permissions"), "{command}: {said}");
    }
    assert_eq!(node.ask(&["ACL", "DRYRUN", "gate", "GET", "portcullis:a"]), "OK");
}

#[tokio::test]
async fn on_a_cluster_it_needs_two_more() {
    let mut cluster = RedisCluster::start();
    for node in cluster.nodes() {
        let RedisRights { server, cluster, .. } = RedisRights::documented();
        grant(node, &format!("{server} {cluster}"));
    }
    let url = cluster.url().replace("://", "://gate:w%40rd@");
    let store = open(&url).await.unwrap();
    for n in 0..10 {
        assert_eq!(create(&store, n).await.unwrap(), Commit::Done);
        assert!(read(&store, n).await.is_some());
    }
    assert!(store.unlisted().await.unwrap().records.is_empty());
    store.ready().await.unwrap();
    assert!(is_misconfigured(open(&url.replace("w%40rd", "another")).await));
}

/// Waiting would not help, and whoever waits for a server that is away must not wait for ever.
#[tokio::test]
async fn a_server_of_another_kind_than_the_url_says_is_told_apart_from_one_that_is_away() {
    let mut cluster = RedisCluster::start();
    // The one that has the first key that is asked for, too.
    for node in cluster.nodes() {
        let error = open(&node.url()).await.unwrap_err();
        assert!(sources(&error).contains("begin the URL with redis-cluster"), "{error:?}");
        assert!(is_misconfigured::<()>(Err(error)));
    }
    let alone = RedisServer::start();
    let error = open(&alone.url().replace("redis", "redis-cluster")).await.unwrap_err();
    assert!(sources(&error).contains("belongs to no Cluster"), "{error:?}");
    assert!(is_misconfigured::<()>(Err(error)));
}

#[tokio::test]
async fn sentinels_may_have_a_user_of_their_own() {
    let mut servers = RedisSentinels::start();
    for node in [&servers.primary, &servers.replica] {
        grant(node, &RedisRights::documented().server);
    }
    for sentinel in servers.sentinels() {
        let rule = RedisRights::documented().sentinel;
        testkit::redis_server::grant(sentinel.port(), "gate", "an0ther", &rule);
    }
    let login = servers.url().replace("://", "://gate:w%40rd@");
    assert!(is_misconfigured(open(&login).await), "the password is that of the servers");
    let store = open(&format!("{login}?sentinel_password=an0ther")).await.unwrap();
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
    assert_eq!(servers.primary.ask(&["WAIT", "1", "0"]), "1");
    servers.primary.kill();
    servers.fail_over();
    crate::until(async || store.ready().await.is_ok()).await;
    assert!(read(&store, 1).await.is_some());
}

#[tokio::test]
async fn those_who_share_a_server_do_not_meet() {
    let server = RedisServer::start();
    let url = |path: &str| format!("{}{path}", server.url());
    let one = open_with(&url(""), RedisOptions::default()).await.unwrap();
    let two = open_with(&url(""), RedisOptions::default().prefix("two")).await.unwrap();
    let three = open_with(&url("/3"), RedisOptions::default()).await.unwrap();
    assert_eq!(create(&one, 1).await.unwrap(), Commit::Done);
    for store in [&two, &three] {
        assert_eq!(read(store, 1).await, None);
        assert_eq!(create(store, 1).await.unwrap(), Commit::Done);
    }
}

#[tokio::test]
async fn a_certificate_is_checked() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    fs::write(&certificate, cert.pem()).unwrap();
    fs::write(&key, signing_key.serialize_pem()).unwrap();
    let mut server = RedisServer::start();
    let settings = [
        ("tls-cert-file", certificate.to_str().unwrap()),
        ("tls-key-file", key.to_str().unwrap()),
        ("tls-auth-clients", "no"),
    ];
    for (name, value) in settings {
        server.ask(&["CONFIG", "SET", name, value]);
    }
    let port = server.listens_with_tls_too();
    let vouched = || RedisOptions::default().certificate_authority(cert.pem());
    let url = |host: &str| format!("rediss://{host}:{port}");
    let store = open_with(&url("localhost"), vouched()).await.unwrap();
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
    store.ready().await.unwrap();
    assert!(is_unavailable(open_with(&url("localhost"), RedisOptions::default()).await), "nobody vouches");
    assert!(is_unavailable(open_with(&url("127.0.0.1"), vouched()).await), "another name");
    let nonsense = RedisOptions::default().certificate_authority("no certificate");
    assert!(is_misconfigured(open_with(&url("localhost"), nonsense).await));
}

#[tokio::test]
async fn sentinels_that_do_not_know_the_name_say_so() {
    let servers = RedisSentinels::start();
    let url = servers.url().replace(RedisSentinels::NAME, "another");
    let told = sources(&open(&url).await.unwrap_err());
    assert!(told.contains("no Sentinel knows a primary of the name another"), "{told}");
}

/// It would be ignored, and whoever set it believes that the servers are checked.
#[tokio::test]
async fn a_certificate_authority_without_tls_is_refused() {
    let server = RedisServer::start();
    let pem = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().cert.pem();
    let options = RedisOptions::default().certificate_authority(pem);
    let told = sources(&open_with(&server.url(), options).await.unwrap_err());
    assert!(told.contains("begin it with rediss"), "{told}");
}
