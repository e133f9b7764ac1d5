//! The keys of the administration, among themselves.

use std::sync::atomic::{AtomicU32, Ordering};

use authz_core::{TokenKind, TokenText};
use store::StoreError;
use testkit::faults::{Passage, Through};
use testkit::schedule::{Order, Task, Turns};

use super::super::keys::{FIRST, bring_together, has_first};
use super::*;

/// The administration over a store, with this key of the store in it.
async fn with_keys(store: Arc<dyn Backend>, names: &[&str]) -> Admin {
    let clock = Arc::new(ManualClock::at(Time(1_800_000_000)));
    let entropy = Arc::new(SeededEntropy::new(7));
    let oversight = Oversight::new(store.clone(), clock.clone(), entropy.clone(), Arc::new(Traced));
    let issuer = Issuer::parse("https://auth.example.com").unwrap();
    let admin = Admin::new(issuer, store, oversight, clock, entropy);
    for name in names {
        admin.gate.keys.make(name, store::AdminAccess::Write, &By::operator(), &Traced).await.unwrap();
    }
    admin
}

/// Two administrators, each of whom withdraws the key of the other, would leave nobody who can make one.
#[test]
fn in_whatever_order_two_withdraw_each_other_s_key_one_that_writes_is_left() {
    for order in 0..64 {
        let turns = Turns::default();
        let store = turns.store(Arc::new(Memory::new()));
        let mut made = turns.run(
            vec![Box::pin(with_keys(store, &["one", "other"])) as Task<'_, Admin>],
            Order::given(Vec::new()),
        );
        let admin = made.remove(0);
        let end = |name: &'static str| -> Task<'_, bool> {
            let admin = &admin;
            Box::pin(async move { admin.gate.keys.end(name, &By::operator(), &Traced).await.is_ok() })
        };
        let bytes = (0..6).map(|bit| order >> bit & 1).collect();
        let ended = turns.run(vec![end("one"), end("other")], Order::given(bytes));
        assert_eq!(ended.iter().filter(|ended| **ended).count(), 1, "{order:06b}");
    }
}

/// A list of a Cluster may have lost an entry, so no key hangs on one; and what a look-up costs does not grow.
#[tokio::test]
async fn a_key_is_found_by_one_read() {
    #[derive(Clone, Default)]
    struct Calls(Arc<AtomicU32>);

    #[async_trait]
    impl Passage for Calls {
        async fn there(&self) -> Result<(), StoreError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }
    let calls = Calls::default();
    let admin = with_keys(Arc::new(Through::new(Arc::new(Memory::new()), calls.clone())), &["a", "b"]).await;
    let keys = &admin.gate.keys;
    let (_, text) = keys.make("c", store::AdminAccess::Read, &By::operator(), &Traced).await.unwrap();
    let holder = || keys.holder(text.expose_secret().as_bytes());
    assert_eq!(holder().await.unwrap().unwrap().access, store::AdminAccess::Read);
    let before = calls.0.load(Ordering::SeqCst);
    holder().await.unwrap().unwrap();
    assert_eq!(calls.0.load(Ordering::SeqCst), before + 1);
    keys.end("c", &By::operator(), &Traced).await.unwrap();
    assert!(holder().await.unwrap().is_none());
}

/// Keys of a store that has each as a record of its own.
#[tokio::test]
async fn keys_that_were_stored_each_by_itself_still_open() {
    let store = Arc::new(Memory::new());
    let text = TokenText::random(TokenKind::AdminKey, [1; 16], [2; 32]);
    let old = store::AdminKey::new(FIRST, text.digest(), Time(1));
    let commit = (&*store as &dyn Store).commit(&Changes::create(Mark::new([1; 16]), &old)).await;
    assert_eq!(commit.unwrap(), store::Commit::Done);
    assert!(!has_first(&*store).await.unwrap());
    for _ in 0..2 {
        bring_together(&*store, &SeededEntropy::new(1)).await.unwrap();
    }
    assert!(has_first(&*store).await.unwrap());
    let admin = with_keys(store, &["another"]).await;
    let text = text.expose();
    let holder = admin.gate.keys.holder(text.expose_secret().as_bytes()).await.unwrap().unwrap();
    assert_eq!(holder.key.as_str(), FIRST);
}

/// The attack: whoever has stolen a key that writes makes as many as there may be, so that no other one can be made when they are
/// withdrawn; or so many that nobody remembers the first one, which the next start would make and print again.
#[tokio::test]
async fn however_many_keys_were_made_and_withdrawn_another_can_be_made_and_the_first_is_remembered() {
    let withdrawn = |name: &str, at: i64| store::AdminKey {
        ended: Some(Time(at)),
        ..store::AdminKey::new(name, Digest::of(name.as_bytes()), Time(1))
    };
    let open = |name: String| store::AdminKey::new(name.clone(), Digest::of(name.as_bytes()), Time(1));
    let made_after = async |keys: Vec<store::AdminKey>| {
        let store = Arc::new(Memory::new());
        let keys = Changes::create(Mark::new([1; 16]), &store::AdminKeys { keys });
        assert_eq!((&*store as &dyn Store).commit(&keys).await.unwrap(), store::Commit::Done);
        let admin = with_keys(store.clone(), &[]).await;
        let made = admin.gate.keys.make("new", store::AdminAccess::Write, &By::operator(), &Traced).await;
        let found = (&*store as &dyn Store).find::<store::AdminKeys>(store::AdminKeys::ID).await.unwrap();
        (made.is_ok(), found.unwrap().record)
    };
    let thieves = |many: i64| (0..many).map(move |n| (format!("thief-{n}"), n + 100));
    let (made, _) = made_after(thieves(500).map(|(name, _)| open(name)).collect()).await;
    assert!(!made, "there is an end");
    let ended = thieves(700).map(|(name, at)| withdrawn(&name, at));
    let (made, kept) = made_after([withdrawn(FIRST, 2)].into_iter().chain(ended).collect()).await;
    assert!(made);
    let is_kept = |name: &str| kept.named(name).is_some();
    assert!(is_kept(FIRST) && is_kept("new") && is_kept("thief-200") && is_kept("thief-699"));
    assert!(!is_kept("thief-199") && kept.keys.len() == 502, "{}", kept.keys.len());
}
