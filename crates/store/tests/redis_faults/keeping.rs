//! How long things are kept, and by whom.

use store::{Claim, ClaimKind, Claimed, Commit, Counters, Filter, Inspect, Key, Kind, Store, StoreError};
use testkit::redis_server::{RedisCluster, RedisServer};

use crate::{Time, create, open, read, sources};

/// A moment that no clock of a test reaches.
const FUTURE: i64 = 9_000_000_000;

/// A session, as a row of the test's own; only the suite makes rows without a record.
fn session(n: u8, expires: i64) -> store::Changes {
    let session = store::Session {
        id: store::SessionId::new([n; 16]),
        person: store::PersonId::parse("p").unwrap(),
        epoch: None,
        digest: store::Digest::of(b"cookie"),
        auth_time: Time(1),
        amr: Vec::new(),
        expires: Time(expires),
    };
    store::Changes::create(store::Mark::new([n; 16]), &session)
}

#[tokio::test]
async fn a_server_that_may_throw_records_away_is_not_ready() {
    let server = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let store = open(&server.url()).await.unwrap();
    let refused = store.ready().await.unwrap_err();
    assert!(matches!(refused, StoreError::Unfit(_)), "{refused:?}");
    let told = sources(&refused);
    assert!(told.contains("maxmemory-policy is allkeys-lru"), "{told}");
    assert!(told.contains("set it to noeviction"), "{told}");
    server.ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    store.ready().await.unwrap();
}

#[tokio::test]
async fn one_primary_of_a_cluster_that_may_is_enough() {
    let mut cluster = RedisCluster::start();
    let store = open(&cluster.url()).await.unwrap();
    store.ready().await.unwrap();
    cluster.nodes()[2].ask(&["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"]);
    let told = sources(&store.ready().await.unwrap_err());
    assert!(told.contains("maxmemory-policy is volatile-ttl"), "{told}");
}

#[tokio::test]
async fn a_full_server_is_not_ready_and_keeps_what_it_has() {
    let server = RedisServer::start();
    let store = open(&server.url()).await.unwrap();
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    assert!(matches!(create(&store, 2).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.ready().await, Err(StoreError::Unavailable(_))));
    assert!(read(&store, 1).await.is_some());
    server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(create(&store, 2).await.unwrap(), Commit::Done);
}

#[tokio::test]
async fn keys_of_a_newer_version_are_refused() {
    let server = RedisServer::start();
    let store = open(&server.url()).await.unwrap();
    server.ask(&["SET", "portcullis:layout", "2"]);
    for refused in [store.ready().await, open(&server.url()).await.map(|_| ())] {
        assert!(
            matches!(refused, Err(StoreError::Newer { kind: "database", found: 2, known: 1 })),
            "{refused:?}"
        );
    }
}

/// Ten minutes longer than anybody needs it, by the server's clock; and its lists, no shorter.
#[tokio::test]
async fn the_server_expires_a_record_and_then_its_lists() {
    let server = RedisServer::start();
    let store = open(&server.url()).await.unwrap();
    assert_eq!(store.commit(&session(1, FUTURE)).await.unwrap(), Commit::Done);
    let id = store::SessionId::new([1; 16]).to_string();
    let sweep = store.read(&Key::new(Kind::Session, &id)).await.unwrap().unwrap().sweep.unwrap().0;
    let expires = (sweep + 600) * 1000;
    assert_eq!(server.ask(&["PEXPIRETIME", &format!("portcullis:session:{{{id}}}")]), expires.to_string());
    for list in ["portcullis:{session}:ids", "portcullis:{session:person:p}:until"] {
        let kept: i64 = server.ask(&["PEXPIRETIME", list]).parse().unwrap();
        assert!(kept > expires, "{list}: {kept}");
    }
    // For good.
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
    for key in ["portcullis:admin_key:{1}", "portcullis:{admin_key}:ids", "portcullis:{admin_key}:until"] {
        assert_eq!(server.ask(&["PEXPIRETIME", key]), "-1", "{key}");
    }
}

#[tokio::test]
async fn a_list_drops_what_is_over_when_it_is_used() {
    let server = RedisServer::start();
    let store = open(&server.url()).await.unwrap();
    for n in 1..=3 {
        assert_eq!(store.commit(&session(n, FUTURE)).await.unwrap(), Commit::Done);
    }
    let id = |n: u8| store::SessionId::new([n; 16]).to_string();
    let people = Filter::OfPerson("p");
    // Of the first the record is gone, and its time on the list is over; of the second only the record.
    for n in [1, 2] {
        server.ask(&["DEL", &format!("portcullis:session:{{{}}}", id(n))]);
    }
    server.ask(&["ZADD", "portcullis:{session:person:p}:until", "1000", &id(1)]);
    let page = store.list(Kind::Session, people, None, 10).await.unwrap();
    assert_eq!(page.rows.iter().map(|row| row.key.id.clone()).collect::<Vec<_>>(), [id(3)]);
    assert_eq!(server.ask(&["ZCARD", "portcullis:{session:person:p}:ids"]), "2");
    assert_eq!(server.ask(&["ZCARD", "portcullis:{session:person:p}:until"]), "2");
}

/// A record never lives longer than its lists keep it, however often it is prolonged.
#[tokio::test]
async fn a_record_that_is_prolonged_stays_on_its_lists() {
    let server = RedisServer::start();
    let store = open(&server.url()).await.unwrap();
    let (mut mark, mut expires) = (1, FUTURE);
    assert_eq!(store.commit(&session(1, expires)).await.unwrap(), Commit::Done);
    let id = store::SessionId::new([1; 16]).to_string();
    for _ in 0..6 {
        expires = expires * 3 / 2;
        mark += 1;
        let key = Key::new(Kind::Session, &id);
        let mut found =
            store::Found::<store::Session>::decode(&store.read(&key).await.unwrap().unwrap()).unwrap();
        found.record.expires = Time(expires);
        let changes = store::Changes::replace(store::Mark::new([mark; 16]), &found, &found.record);
        assert_eq!(store.commit(&changes).await.unwrap(), Commit::Done);
        let lives: i64 =
            server.ask(&["PEXPIRETIME", &format!("portcullis:session:{{{id}}}")]).parse().unwrap();
        for list in ["portcullis:{session}:until", "portcullis:{session:person:p}:until"] {
            let kept: f64 = server.ask(&["ZSCORE", list, &id]).parse().unwrap();
            assert!(kept >= lives as f64, "{list} keeps it until {kept}, and it lives until {lives}");
        }
    }
}

#[tokio::test]
async fn a_claim_goes_ten_minutes_after_its_time() {
    let server = RedisServer::start();
    let store = open(&server.url()).await.unwrap();
    for (key, until, expires) in [("a", Some(FUTURE), (FUTURE + 600) * 1000), ("b", None, -1)] {
        let claim = Claim {
            kind: ClaimKind::Email,
            key,
            owner: "me",
            since: Time(1),
            until: until.map(Time),
            instead_of: None,
        };
        assert_eq!(store.claim(&claim).await.unwrap(), Claimed::Mine);
        let key = format!("portcullis:claim:email:{{{key}}}");
        assert_eq!(server.ask(&["PEXPIRETIME", &key]), expires.to_string());
    }
}

#[tokio::test]
async fn processes_count_together_and_windows_apart() {
    let server = RedisServer::start();
    let (one, two) = (open(&server.url()).await.unwrap(), open(&server.url()).await.unwrap());
    for expected in [1, 3, 5] {
        assert_eq!(one.count("a", 60, Time(59)).await.unwrap(), expected);
        assert_eq!(two.count("a", 60, Time(59)).await.unwrap(), expected + 1);
    }
    assert_eq!(two.count("b", 60, Time(59)).await.unwrap(), 1);
    assert_eq!(two.count("a", 60, Time(60)).await.unwrap(), 1);
    assert_eq!(two.count("a", 59, Time(59)).await.unwrap(), 1);
    let remembered: i64 = server.ask(&["PTTL", "portcullis:count:{a}:60:0"]).parse().unwrap();
    assert!((1..=120_000).contains(&remembered), "{remembered}");
}
