//! A Cluster whose slots move from one node to another while it is used.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use store::{AdminKey, Changes, Filter, Found, Inspect as _, Key, Kind, Mark, Redis, Store as _};
use testkit::redis_server::{RedisCluster, RedisServer};

use crate::{Commit, open, record, until};

const RECORDS: u8 = 24;

/// Moves a slot with all that is in it, as `redis-cli --cluster reshard` does.
fn move_slot(slot: &str, from: &RedisServer, to: &RedisServer) {
    let id = |node: &RedisServer| node.ask(&["CLUSTER", "MYID"]);
    to.ask(&["CLUSTER", "SETSLOT", slot, "IMPORTING", &id(from)]);
    from.ask(&["CLUSTER", "SETSLOT", slot, "MIGRATING", &id(to)]);
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
    for node in [to, from] {
        node.ask(&["CLUSTER", "SETSLOT", slot, "NODE", &id(to)]);
    }
}

/// One request after the other of its own record; how many there were.
async fn use_record(store: Arc<Redis>, n: u8, done: Arc<AtomicBool>, asked: Arc<AtomicU32>) {
    let key = Key::new(Kind::AdminKey, n);
    for round in 0_u64.. {
        let row = store.read(&key).await.unwrap().unwrap();
        let found = Found::<AdminKey>::decode(&row).unwrap();
        let mut mark = [n; 16];
        mark[..8].copy_from_slice(&round.to_be_bytes());
        let changes = Changes::replace(Mark::new(mark), &found, &record(n));
        assert_eq!(store.commit(&changes).await.unwrap(), Commit::Done);
        let page = store.list(Kind::AdminKey, Filter::All, None, 100).await.unwrap();
        assert_eq!(page.rows.len(), usize::from(RECORDS), "round {round} of {n}");
        asked.fetch_add(3, Ordering::Relaxed);
        if done.load(Ordering::Relaxed) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_request_fails_while_slots_move() {
    let mut cluster = RedisCluster::start();
    let store = Arc::new(open(&cluster.url()).await.unwrap());
    for n in 0..RECORDS {
        assert_eq!(crate::create(&store, n).await.unwrap(), Commit::Done);
    }
    let (done, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let users: Vec<_> = (0..RECORDS)
        .map(|n| tokio::spawn(use_record(Arc::clone(&store), n, Arc::clone(&done), Arc::clone(&asked))))
        .collect();
    until(async || asked.load(Ordering::Relaxed) > 100).await;
    let moved = tokio::task::spawn_blocking(move || {
        let nodes = cluster.nodes();
        let slot = |key: String| nodes[0].ask(&["CLUSTER", "KEYSLOT", &key]);
        let records = (0..RECORDS).map(|n| slot(format!("portcullis:admin_key:{{{n}}}")));
        let slots: Vec<_> = records.chain([slot("portcullis:{admin_key}:ids".to_owned())]).collect();
        for slot in &slots {
            let number: u16 = slot.parse().unwrap();
            let from = usize::from(number / 5461).min(2);
            move_slot(slot, &nodes[from], &nodes[(from + 1) % 3]);
        }
        cluster
    });
    let _cluster = moved.await.unwrap();
    let enough = asked.load(Ordering::Relaxed) + 100;
    until(async || asked.load(Ordering::Relaxed) > enough || users.iter().any(|user| user.is_finished()))
        .await;
    done.store(true, Ordering::Relaxed);
    for user in users {
        user.await.unwrap();
    }
}
