//! What may happen to a Redis server and on the way to it, and that the store says so, writes nothing twice, and works again.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

mod access;
mod crashes;
mod fake;
mod keeping;
mod proxy;
mod remembering;
mod replies;
mod resharding;
mod silence;
mod tls;

use std::fmt::Debug;
use std::sync::Arc;

use ambient::{SystemClock, Time};
use store::{
    AdminKey, Changes, Commit, Digest, Key, Kind, Mark, Redis, RedisOptions, RedisUrl, Row, Store, StoreError,
};

async fn open(url: &str) -> Result<Redis, StoreError> {
    open_with(url, RedisOptions::default()).await
}

async fn open_with(url: &str, options: RedisOptions) -> Result<Redis, StoreError> {
    Redis::open(&RedisUrl::parse(url).unwrap(), options, Arc::new(SystemClock)).await
}

fn record(name: impl ToString) -> AdminKey {
    let name = name.to_string();
    AdminKey::new(name.clone(), Digest::of(name.as_bytes()), Time(1))
}

fn creation(n: u8) -> Changes {
    Changes::create(Mark::new([n; 16]), &record(n))
}

async fn create(store: &Redis, n: u8) -> Result<Commit, StoreError> {
    store.commit(&creation(n)).await
}

async fn read(store: &Redis, n: u8) -> Option<Row> {
    store.read(&Key::new(Kind::AdminKey, n)).await.unwrap()
}

fn is_unavailable<T: Debug>(answer: Result<T, StoreError>) -> bool {
    match answer {
        Err(StoreError::Unavailable(_)) => true,
        other => panic!("{other:?}"),
    }
}

fn is_misconfigured<T: Debug>(answer: Result<T, StoreError>) -> bool {
    match answer {
        Err(StoreError::Misconfigured(_)) => true,
        other => panic!("{other:?}"),
    }
}

/// What the log of a server would say.
fn sources(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Asks until the answer is yes; a minute is too long.
async fn until(mut yes: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !yes().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), asking).await.unwrap();
}
