//! What the first run makes, and who makes it.

use std::sync::atomic::AtomicU32;

use store::AdminKeys;
use testkit::faults::{Passage, Through};

use super::*;

async fn administers(portcullis: &Portcullis, key: &str) -> bool {
    ask(portcullis, Method::GET, "/api/servers", Some(key)).await.0 == StatusCode::OK
}

#[tokio::test]
async fn the_first_run_makes_an_admin_key_and_later_runs_keep_it() {
    let home = TempDir::new().unwrap();
    let first = open(config(&home), 1).await.unwrap();
    let key = first.new_admin_key().unwrap().expose_secret().to_owned();
    assert!(key.starts_with("adm_"));
    assert!(administers(&first, &key).await);
    assert_eq!(first.keep_new_admin_key().await.unwrap(), Kept::This);
    assert_eq!(first.keep_new_admin_key().await.unwrap(), Kept::This, "once more changes nothing");
    drop(first);

    let second = open(config(&home), 2).await.unwrap();
    assert!(second.new_admin_key().is_none());
    assert!(administers(&second, &key).await);
    drop(second);

    let own = AdminSecret::parse("an admin key that is long").unwrap();
    let third = open(Config { admin_key: Some(own), ..config(&home) }, 3).await.unwrap();
    assert!(third.new_admin_key().is_none());
    assert!(administers(&third, "an admin key that is long").await);
    assert!(!administers(&third, &key).await, "the operator's key replaces the one that was made");
}

/// Whoever could not read it would have to make a new server.
#[tokio::test]
async fn an_admin_key_that_nobody_was_shown_is_made_anew() {
    let home = TempDir::new().unwrap();
    let first = open(config(&home), 1).await.unwrap();
    let lost = first.new_admin_key().unwrap().expose_secret().to_owned();
    drop(first);
    let second = open(config(&home), 2).await.unwrap();
    let key = second.new_admin_key().unwrap().expose_secret().to_owned();
    assert!(administers(&second, &key).await && !administers(&second, &lost).await);
}

#[tokio::test]
async fn of_servers_that_start_together_one_makes_the_admin_key() {
    let store = Arc::new(Memory::new());
    let start = async |seed| {
        let config = Config { master_key: Some(MasterKey::new([7; 32])), ..Config::default() };
        let builder = Portcullis::builder(config).store(store.clone()).password_cost(Cost::least());
        builder.entropy(Arc::new(SeededEntropy::new(seed))).open().await.unwrap()
    };
    let (one, other) = (start(1).await, start(2).await);
    let key = |of: &Portcullis| of.new_admin_key().unwrap().expose_secret().to_owned();
    assert_eq!(one.keep_new_admin_key().await.unwrap(), Kept::This);
    assert_eq!(other.keep_new_admin_key().await.unwrap(), Kept::Another);
    for server in [&one, &other] {
        assert!(administers(server, &key(&one)).await);
        assert!(!administers(server, &key(&other)).await);
    }
}

#[tokio::test]
async fn the_first_run_is_known_with_a_key_of_the_operator_as_well() {
    let home = TempDir::new().unwrap();
    let own = || Config { admin_key: AdminSecret::parse("an admin key that is long").ok(), ..config(&home) };
    let first = open(own(), 1).await.unwrap();
    assert!(first.is_first_run() && first.new_admin_key().is_none());
    drop(first);
    assert!(!open(own(), 2).await.unwrap().is_first_run());
}

/// Fails once, at the call with this number.
struct FailsOnce {
    calls: AtomicU32,
    at: u32,
}

#[async_trait]
impl Passage for FailsOnce {
    async fn there(&self) -> Result<(), StoreError> {
        match self.calls.fetch_add(1, Ordering::SeqCst) == self.at {
            true => Err(StoreError::unavailable("gone")),
            false => Ok(()),
        }
    }
}

/// Whatever broke the attempt before.
#[tokio::test]
async fn the_first_run_is_the_first_that_succeeds() {
    let own =
        || Config { admin_key: AdminSecret::parse("an admin key that is long").ok(), ..Config::default() };
    let mut broken = 0;
    loop {
        let passage = FailsOnce { calls: AtomicU32::new(0), at: broken };
        let store = Arc::new(Through::new(Arc::new(Memory::new()), passage));
        let config = || Config { master_key: Some(MasterKey::new([7; 32])), ..own() };
        let attempt = async || Portcullis::builder(config()).store(store.clone()).open().await;
        if let Ok(first) = attempt().await {
            assert!(first.is_first_run());
            break;
        }
        assert!(attempt().await.unwrap().is_first_run(), "the call with number {broken} failed");
        broken += 1;
    }
    assert!(broken > 3, "{broken}");
}

/// Of two that start together the slower one may find no keys for tokens and then the admin key of the other.
#[tokio::test]
async fn who_finds_an_admin_key_is_not_the_first() {
    let store = Arc::new(Memory::new());
    let record = AdminKeys { keys: vec![AdminKey::new(FIRST, Digest::of(b"adm_"), Time(1))] };
    let made = (&*store as &dyn Store).commit(&Changes::create(Mark::new([1; 16]), &record)).await;
    assert_eq!(made.unwrap(), Commit::Done);
    let portcullis = Portcullis::builder(Config::default()).store(store).open().await.unwrap();
    assert!(portcullis.new_admin_key().is_none() && !portcullis.is_first_run());
}
