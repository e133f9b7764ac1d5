//! How long things are kept, and by whom.

use store::{
    Claim, ClaimKind, Claimed, Claims, Commit, Counters, Filter, Inspect, Key, Kind, Store, StoreError,
};
use testkit::redis_server::{RedisCluster, RedisServer};

use crate::fake::{array, fake};
use crate::{Time, create, creation, is_unavailable, open, read, sources};

/// A moment that no clock of a test reaches.
const FUTURE: i64 = 9_000_000_000;

/// A session, as a row of the test's own; only the suite makes rows without a record.
fn session(n: u8, expires: i64) -> store::Changes {
    let session = store::Session {
        id: store::SessionId::new([n; 16]),
        person: store::PersonId::parse("p").unwrap(),
        epoch: None,
        account_epoch: None,
        digest: store::Digest::of(b"cookie"),
        auth_time: Time(1),
        amr: Vec::new(),
        acr: None,
        begun: None,
        seen: None,
        device: store::Device::default(),
        expires: Time(expires),
        final_end: None,
    };
    store::Changes::create(store::Mark::new([n; 16]), &session)
}

#[tokio::test]
async fn a_server_that_may_throw_records_away_is_neither_opened_nor_ready() {
    let server = RedisServer::start();
    let store = open(&server.url()).await.unwrap();
    store.ready().await.unwrap();
    server.ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    for refused in [store.ready().await.unwrap_err(), open(&server.url()).await.unwrap_err()] {
        assert!(matches!(refused, StoreError::Unfit(_)), "{refused:?}");
        let told = sources(&refused);
        assert!(told.contains("maxmemory-policy is allkeys-lru"), "{told}");
        assert!(told.contains("set it to noeviction"), "{told}");
    }
    server.ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    store.ready().await.unwrap();
    open(&server.url()).await.unwrap();
}

#[tokio::test]
async fn one_primary_of_a_cluster_that_may_is_enough() {
    let mut cluster = RedisCluster::start();
    let store = open(&cluster.url()).await.unwrap();
    store.ready().await.unwrap();
    cluster.nodes()[2].ask(&["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"]);
    for refused in [store.ready().await.unwrap_err(), open(&cluster.url()).await.unwrap_err()] {
        let told = sources(&refused);
        assert!(told.contains("maxmemory-policy is volatile-ttl"), "{told}");
    }
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
async fn a_full_server_can_be_opened_again() {
    let server = RedisServer::start();
    drop(open(&server.url()).await.unwrap());
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    open(&server.url()).await.unwrap();
}

/// A script that has begun with a deletion may write beyond the limit.
#[tokio::test]
async fn a_full_server_takes_nothing_new_and_lets_what_is_there_be_ended() {
    let server = RedisServer::start();
    let store = open(&server.url()).await.unwrap();
    assert_eq!(store.commit(&session(1, FUTURE)).await.unwrap(), Commit::Done);
    let id = store::SessionId::new([1; 16]).to_string();
    let key = Key::new(Kind::Session, &id);
    let found = store::Found::<store::Session>::decode(&store.read(&key).await.unwrap().unwrap()).unwrap();
    // Something to drop from the list on the way, and a list that knows of the record already.
    server.ask(&["ZADD", "portcullis:{admin_key}:until", "1000", "over"]);
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    assert!(is_unavailable(store.commit(&creation(2)).await));
    assert_eq!(server.ask(&["EXISTS", "portcullis:admin_key:{2}"]), "0");
    let claim = Claim {
        kind: ClaimKind::Email,
        key: "a",
        owner: "me",
        since: Time(1),
        until: None,
        instead_of: None,
    };
    server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    server.ask(&["ZADD", "portcullis:{claim:email}:until", "1000", "over"]);
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    assert!(is_unavailable(store.claim(&claim).await));
    // A day later, when its lists are to be told again.
    server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    server.ask(&["HSET", &format!("portcullis:session:{{{id}}}"), "told", "0"]);
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let ended = store::Changes::replace(store::Mark::new([9; 16]), &found, &found.record);
    assert_eq!(store.commit(&ended).await.unwrap(), Commit::Done);
}

/// The node of a list may lose what it was told.
#[tokio::test]
async fn a_list_that_lost_a_record_hears_of_it_within_a_day_of_use() {
    let server = RedisServer::start();
    let store = open(&server.url()).await.unwrap();
    assert_eq!(store.commit(&session(1, FUTURE)).await.unwrap(), Commit::Done);
    let id = store::SessionId::new([1; 16]).to_string();
    let (key, hash) = (Key::new(Kind::Session, &id), format!("portcullis:session:{{{id}}}"));
    let people = Filter::OfPerson("p");
    for half in ["ids", "until"] {
        server.ask(&["DEL", &format!("portcullis:{{session:person:p}}:{half}")]);
    }
    for (mark, listed) in [(2, 0), (3, 1)] {
        if listed > 0 {
            let told: i64 = server.ask(&["HGET", &hash, "told"]).parse().unwrap();
            server.ask(&["HSET", &hash, "told", &(told - 25 * 60 * 60 * 1000).to_string()]);
        }
        let found =
            store::Found::<store::Session>::decode(&store.read(&key).await.unwrap().unwrap()).unwrap();
        let changes = store::Changes::replace(store::Mark::new([mark; 16]), &found, &found.record);
        assert_eq!(store.commit(&changes).await.unwrap(), Commit::Done);
        assert_eq!(store.list(Kind::Session, people, None, 10).await.unwrap().rows.len(), listed);
    }
    let lives: i64 = server.ask(&["PEXPIRETIME", &hash]).parse().unwrap();
    let kept: f64 = server.ask(&["ZSCORE", "portcullis:{session:person:p}:until", &id]).parse().unwrap();
    assert!(kept >= lives as f64, "it is kept until {kept}, and the record lives until {lives}");
}

/// What we write would be gone at once, and every commit called done.
#[tokio::test]
async fn a_server_with_another_clock_is_refused() {
    use ambient::Clock as _;
    for (apart, fits) in [(0, true), (-45, true), (75, false), (-75, false), (86_400, false)] {
        let port = fake(move |asked| match asked {
            "time" => Some(array(&[&(ambient::SystemClock.now().0 + apart).to_string(), "0"])),
            "get portcullis:layout" => Some("$1\r\n1\r\n".to_owned()),
            _ => None,
        })
        .await;
        let opened = open(&format!("redis://127.0.0.1:{port}")).await;
        assert_eq!(opened.is_ok(), fits, "{apart}");
        if let Err(refused) = opened {
            assert!(matches!(refused, StoreError::Unfit(_)), "{refused:?}");
            assert!(sources(&refused).contains("the clock of Redis"), "{refused:?}");
        }
    }
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

/// What was to stay for ever may go all the same: a person gives up an address, a client is deleted.
#[tokio::test]
async fn a_list_forgets_what_was_to_stay_for_ever_and_is_gone() {
    let server = RedisServer::start();
    let store = open(&server.url()).await.unwrap();
    for n in 1..=3 {
        assert_eq!(create(&store, n).await.unwrap(), Commit::Done);
    }
    let claim = |key| Claim {
        kind: ClaimKind::Email,
        key,
        owner: "me",
        since: Time(1),
        until: None,
        instead_of: None,
    };
    for key in ["a", "b", "c"] {
        assert_eq!(store.claim(&claim(key)).await.unwrap(), Claimed::Mine);
    }
    // Two hours ago.
    let age = |list: &str, id: &str| {
        let until = format!("portcullis:{{{list}}}:until");
        server.ask(&["ZINCRBY", &until, &(-2 * 60 * 60 * 1000).to_string(), id]);
    };
    let listed = |list: &str| server.ask(&["ZRANGE", &format!("portcullis:{{{list}}}:until"), "0", "-1"]);
    for n in ["1", "2"] {
        age("admin_key", n);
    }
    for n in ["2", "3"] {
        server.ask(&["DEL", &format!("portcullis:admin_key:{{{n}}}")]);
    }
    let page = store.list(Kind::AdminKey, Filter::All, None, 10).await.unwrap();
    assert_eq!(page.rows.len(), 1);
    // The third was told of just now: it might be on its way.
    assert_eq!(listed("admin_key"), "1\n3");

    for key in ["a", "c"] {
        age("claim:email", key);
    }
    for key in ["a", "b"] {
        store.release(ClaimKind::Email, key, "me").await.unwrap();
    }
    assert_eq!(listed("claim:email"), "c\nb");
    age("claim:email", "b");
    // Told again, it counts from then on.
    assert_eq!(store.claim(&claim("c")).await.unwrap(), Claimed::Mine);
    server.ask(&["DEL", "portcullis:claim:email:{c}"]);
    assert!(store.claims(ClaimKind::Email, None, 10).await.unwrap().claims.is_empty());
    assert_eq!(listed("claim:email"), "c");
    assert_eq!(server.ask(&["ZRANGE", "portcullis:{claim:email}:ids", "0", "-1"]), "c");
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
    two.forget("a", 59, Time(59)).await.unwrap();
    assert_eq!(one.count("a", 59, Time(59)).await.unwrap(), 1);
    let remembered: i64 = server.ask(&["PTTL", "portcullis:count:{a}:60:0"]).parse().unwrap();
    assert!((1..=120_000).contains(&remembered), "{remembered}");
}
