//! A Cluster whose slots move from one node to another while it is used.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use store::{
    AdminKey, Changes, Claim, ClaimKind, Claimed, Filter, Found, Inspect as _, Mark, Redis, Store as _,
};
use testkit::redis_server::{RedisCluster, RedisServer};

use crate::{Commit, Kind, Time, create, open, read, record};

const RECORDS: u8 = 8;

fn slot(node: &RedisServer, key: &str) -> String {
    node.ask(&["CLUSTER", "KEYSLOT", key])
}

/// The node that has a slot at the beginning, and another one.
fn owner<'a>(nodes: &'a [RedisServer], slot: &str) -> (&'a RedisServer, &'a RedisServer) {
    let number: u16 = slot.parse().unwrap();
    let at = usize::from(number / 5461).min(2);
    (&nodes[at], &nodes[(at + 1) % 3])
}

/// Begins to move a slot, as `redis-cli --cluster reshard` does.
fn begin(slot: &str, from: &RedisServer, to: &RedisServer) {
    let id = |node: &RedisServer| node.ask(&["CLUSTER", "MYID"]);
    to.ask(&["CLUSTER", "SETSLOT", slot, "IMPORTING", &id(from)]);
    from.ask(&["CLUSTER", "SETSLOT", slot, "MIGRATING", &id(to)]);
}

/// Moves all that is in it, and the slot itself.
fn end(slot: &str, from: &RedisServer, to: &RedisServer) {
    loop {
        let keys = from.ask(&["CLUSTER", "GETKEYSINSLOT", slot, "1"]);
        if keys.is_empty() {
            break;
        }
        let port = to.port().to_string();
        let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
        migrate.extend(keys.lines());
        from.ask(&migrate);
    }
    let id = to.ask(&["CLUSTER", "MYID"]);
    for node in [to, from] {
        node.ask(&["CLUSTER", "SETSLOT", slot, "NODE", &id]);
    }
}

async fn replace(store: &Redis, n: u8, mark: Mark) -> Commit {
    let found = Found::<AdminKey>::decode(&read(store, n).await.unwrap()).unwrap();
    store.commit(&Changes::replace(mark, &found, &record(n))).await.unwrap()
}

/// While a slot moves, a key that is gone is sought on the other node: a script that removed one to write it anew would end
/// between, without the record.
#[tokio::test]
async fn a_record_whose_slot_moves_is_replaced_and_not_lost() {
    let mut cluster = RedisCluster::start();
    let store = open(&cluster.url()).await.unwrap();
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
    let claim = |owner, instead_of| {
        let (since, until) = (Time(1), Some(Time(9_000_000_000)));
        Claim { kind: ClaimKind::Email, key: "a", owner, since, until, instead_of }
    };
    assert_eq!(store.claim(&claim("first", None)).await.unwrap(), Claimed::Mine);
    let keys = ["portcullis:admin_key:{1}", "portcullis:claim:email:{a}"];
    for key in keys {
        let slot = slot(&cluster.nodes()[0], key);
        let (from, to) = owner(cluster.nodes(), &slot);
        begin(&slot, from, to);
    }
    assert_eq!(replace(&store, 1, Mark::new([2; 16])).await, Commit::Done);
    let lasting = Claim { until: None, ..claim("second", Some("first")) };
    assert_eq!(store.claim(&lasting).await.unwrap(), Claimed::Mine);
    for key in keys {
        let slot = slot(&cluster.nodes()[0], key);
        let (from, to) = owner(cluster.nodes(), &slot);
        assert_eq!(from.ask(&["EXISTS", key]), "1", "{key}");
        end(&slot, from, to);
    }
    assert_eq!(replace(&store, 1, Mark::new([3; 16])).await, Commit::Done);
    let held = store.holder(ClaimKind::Email, "a").await.unwrap();
    assert_eq!(held, Some(("second".to_owned(), Time(1))));
}

/// One request after the other of its own record, and the list of all; how many there were.
async fn use_record(store: Arc<Redis>, n: u8, over: Arc<AtomicBool>, asked: Arc<AtomicU32>) {
    for round in 0_u64.. {
        let mut mark = [n; 16];
        mark[..8].copy_from_slice(&round.to_be_bytes());
        assert_eq!(replace(&store, n, Mark::new(mark)).await, Commit::Done, "{n} in round {round}");
        let page = store.list(Kind::AdminKey, Filter::All, None, 100).await.unwrap();
        assert_eq!(page.rows.len(), usize::from(RECORDS), "{n} in round {round}");
        asked.fetch_add(1, Ordering::SeqCst);
        if over.load(Ordering::SeqCst) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_slots_move() {
    let mut cluster = RedisCluster::start();
    let store = Arc::new(open(&cluster.url()).await.unwrap());
    for n in 0..RECORDS {
        assert_eq!(create(&store, n).await.unwrap(), Commit::Done);
    }
    let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let users: Vec<_> = (0..RECORDS)
        .map(|n| tokio::spawn(use_record(Arc::clone(&store), n, Arc::clone(&over), Arc::clone(&asked))))
        .collect();
    let moving = tokio::task::spawn_blocking(move || {
        let nodes = cluster.nodes();
        let records = (0..RECORDS).map(|n| format!("portcullis:admin_key:{{{n}}}"));
        let slots = records.chain(["portcullis:{admin_key}:ids".to_owned()]).map(|key| slot(&nodes[0], &key));
        // Of one node, to another one: who takes slots from one another at once quarrel about them.
        for slot in slots.filter(|slot| owner(nodes, slot).0.port() == nodes[0].port()) {
            begin(&slot, &nodes[0], &nodes[1]);
            let before = asked.load(Ordering::SeqCst);
            // In the midst of it, requests are answered.
            while asked.load(Ordering::SeqCst) < before + 3 && Arc::strong_count(&asked) > 1 {
                std::thread::yield_now();
            }
            end(&slot, &nodes[0], &nodes[1]);
        }
        over.store(true, Ordering::SeqCst);
        cluster
    });
    for user in users {
        user.await.unwrap();
    }
    let _cluster = moving.await.unwrap();
    store.ready().await.unwrap();
}
