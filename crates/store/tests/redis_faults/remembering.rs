//! What a store remembers of what it read decides nothing.

use store::{Look, RedisOptions, Seen, Store as _};
use testkit::redis_server::RedisServer;

use crate::{Key, Kind, open, open_with};

const ONE: &str = "1111111111111111";
const TWO: &str = "2222222222222222";

/// Writes a record as a commit of this mark would.
fn put(server: &RedisServer, prefix: &str, key: &str, mark: &str, body: &str) {
    let key = format!("{prefix}:{key}");
    server.ask(&["HSET", &key, "marks", mark, "ended", "0", "body", body]);
}

fn put_grant(server: &RedisServer, prefix: &str) {
    put(server, prefix, "grant:{g}", ONE, "grant");
    server.ask(&["HSET", &format!("{prefix}:grant:{{g}}"), "client", "c", "person", "p", "server", "s"]);
}

async fn looked(store: &store::Redis) -> [Option<String>; 4] {
    let look = Look { record: Key::new(Kind::Grant, "g"), beside: Some(Key::new(Kind::Server, "b")) };
    let Seen { client, person, server, beside, .. } = store.look(&look).await.unwrap();
    [client, person, server, beside].map(|row| row.map(|row| row.body))
}

/// An operator restores an older backup, and then the newer one; or a failover loses a block that is then written again.
#[tokio::test]
async fn a_store_that_goes_back_and_forth_is_seen_as_it_is() {
    let server = RedisServer::start();
    let store = open(&server.url()).await.unwrap();
    put_grant(&server, "portcullis");
    for (mark, body) in [(ONE, "active"), (TWO, "blocked"), (ONE, "active"), (TWO, "blocked")] {
        for key in ["client:{c}", "person:{p}", "server:{s}", "server:{b}"] {
            put(&server, "portcullis", key, mark, body);
        }
        for _ in 0..3 {
            assert_eq!(looked(&store).await, [(); 4].map(|()| Some(body.to_owned())));
        }
        server.ask(&["DEL", "portcullis:client:{c}", "portcullis:person:{p}"]);
        server.ask(&["DEL", "portcullis:server:{s}", "portcullis:server:{b}"]);
        for _ in 0..2 {
            assert_eq!(looked(&store).await, [const { None }; 4]);
        }
    }
}

/// The grant itself is read whole each time: what is said of it by hand under the same mark is seen, too.
#[tokio::test]
async fn a_grant_is_never_remembered() {
    let server = RedisServer::start();
    let store = open(&server.url()).await.unwrap();
    put_grant(&server, "portcullis");
    let look = Look { record: Key::new(Kind::Grant, "g"), beside: None };
    for body in ["live", "ended", "live"] {
        put(&server, "portcullis", "grant:{g}", ONE, body);
        assert_eq!(store.look(&look).await.unwrap().record.unwrap().body, body);
    }
    server.ask(&["DEL", "portcullis:grant:{g}"]);
    let seen = store.look(&look).await.unwrap();
    assert!(seen.record.is_none() && seen.client.is_none(), "{seen:?}");
}

/// A copy carries the marks of its source: two stores in one process may hold other records under the same keys and marks.
#[tokio::test]
async fn two_stores_in_one_process_do_not_mix() {
    let (server, other) = (RedisServer::start(), RedisServer::start());
    let places = [(&server, "portcullis"), (&server, "second"), (&other, "portcullis")];
    let mut stores = Vec::new();
    for (place, prefix) in places {
        put_grant(place, prefix);
        let body = format!("{}{prefix}", place.port());
        for key in ["client:{c}", "person:{p}", "server:{s}", "server:{b}"] {
            put(place, prefix, key, ONE, &body);
        }
        let store = open_with(&place.url(), RedisOptions::default().prefix(prefix)).await.unwrap();
        stores.push((store, body));
    }
    for _ in 0..3 {
        for (store, body) in &stores {
            assert_eq!(looked(store).await, [(); 4].map(|()| Some(body.clone())));
        }
    }
}
