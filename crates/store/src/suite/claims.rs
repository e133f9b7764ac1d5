//! What must be unique.

use ambient::Time;

use super::{Subject, at_once};
use crate::{Claim, ClaimKind, Claimed};

fn claim<'a>(key: &'a str, owner: &'a str) -> Claim<'a> {
    Claim { kind: ClaimKind::Email, key, owner, since: Time(100), until: None, instead_of: None }
}

fn held_by(owner: &str) -> Claimed {
    Claimed::Held { owner: owner.to_owned(), since: Time(100) }
}

async fn holder(store: &Subject, key: &str) -> Option<String> {
    store.holder(ClaimKind::Email, key).await.unwrap().map(|(owner, _)| owner)
}

/// However many want it at once.
pub async fn of_32_owners_one_has_it(store: Subject) {
    for round in 0..4 {
        let key = format!("{round}@example.org");
        let answers = at_once(32, |n| {
            let (store, key) = (store.clone(), key.clone());
            async move { store.claim(&claim(&key, &n.to_string())).await.map(|answer| (n, answer)).unwrap() }
        })
        .await;
        let mine: Vec<_> = answers.iter().filter(|(_, answer)| *answer == Claimed::Mine).collect();
        let [(winner, _)] = mine.as_slice() else { panic!("{} owners have it", mine.len()) };
        let winner = winner.to_string();
        for (n, answer) in &answers {
            let expected = if n.to_string() == winner { Claimed::Mine } else { held_by(&winner) };
            assert_eq!(*answer, expected);
        }
        assert_eq!(holder(&store, &key).await, Some(winner));
    }
}

/// A repeated claim changes nothing, not even since when it stands.
pub async fn the_same_owner_may_claim_again(store: Subject) {
    assert_eq!(store.claim(&claim("a", "me")).await.unwrap(), Claimed::Mine);
    let later = Claim { since: Time(500), ..claim("a", "me") };
    assert_eq!(store.claim(&later).await.unwrap(), Claimed::Mine);
    let held = store.holder(ClaimKind::Email, "a").await.unwrap();
    assert_eq!(held, Some(("me".to_owned(), Time(100))));
}

/// `instead_of` is a guard: it names who is thought to have it.
pub async fn a_claim_is_taken_over_from_its_owner_only(store: Subject) {
    assert_eq!(store.claim(&claim("a", "old")).await.unwrap(), Claimed::Mine);
    let instead_of =
        |owner: &'static str| Claim { instead_of: Some(owner), since: Time(900), ..claim("a", "new") };
    assert_eq!(store.claim(&instead_of("somebody else")).await.unwrap(), held_by("old"));
    assert_eq!(store.claim(&instead_of("old")).await.unwrap(), Claimed::Mine);
    assert_eq!(store.holder(ClaimKind::Email, "a").await.unwrap(), Some(("new".to_owned(), Time(900))));
    let back = Claim { instead_of: Some("old"), ..claim("a", "third") };
    assert_eq!(
        store.claim(&back).await.unwrap(),
        Claimed::Held { owner: "new".to_owned(), since: Time(900) }
    );
    assert_eq!(
        store.claim(&Claim { instead_of: Some("nobody"), ..claim("b", "me") }).await.unwrap(),
        Claimed::Mine
    );
}

/// Of those who find the same dead owner, one takes over.
pub async fn of_16_takeovers_one_succeeds(store: Subject) {
    assert_eq!(store.claim(&claim("a", "dead")).await.unwrap(), Claimed::Mine);
    let answers = at_once(16, |n| {
        let store = store.clone();
        async move {
            let owner = n.to_string();
            store.claim(&Claim { instead_of: Some("dead"), ..claim("a", &owner) }).await.unwrap()
        }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| **answer == Claimed::Mine).count(), 1, "{answers:?}");
}

/// Release is for one's own.
pub async fn a_claim_of_another_cannot_be_released(store: Subject) {
    assert_eq!(store.claim(&claim("a", "me")).await.unwrap(), Claimed::Mine);
    store.release(ClaimKind::Email, "a", "you").await.unwrap();
    assert_eq!(holder(&store, "a").await.as_deref(), Some("me"));
    store.release(ClaimKind::Email, "a", "me").await.unwrap();
    store.release(ClaimKind::Email, "a", "me").await.unwrap();
    assert_eq!(holder(&store, "a").await, None);
    assert_eq!(store.claim(&claim("a", "you")).await.unwrap(), Claimed::Mine);
}

/// Each text is a key of its own, and an owner of its own.
pub async fn odd_keys_are_only_texts(store: Subject) {
    let long = "x".repeat(2048);
    let odd = ["", "'", "%", "_", "a", "A", "é", "e\u{301}", "a\nb", "🔑", &long];
    for key in odd {
        assert_eq!(store.claim(&claim(key, key)).await.unwrap(), Claimed::Mine, "{key:?}");
    }
    for key in odd {
        assert_eq!(holder(&store, key).await.as_deref(), Some(key));
        assert_eq!(store.claim(&claim(key, "another")).await.unwrap(), held_by(key));
    }
}

/// One key of each kind has owners of its own.
pub async fn kinds_of_claims_do_not_collide(store: Subject) {
    for kind in ClaimKind::ALL {
        let claim = Claim { kind, ..claim("a", kind.as_str()) };
        assert_eq!(store.claim(&claim).await.unwrap(), Claimed::Mine, "{kind:?}");
    }
    store.release(ClaimKind::Email, "a", ClaimKind::Email.as_str()).await.unwrap();
    for kind in ClaimKind::ALL {
        let held = store.holder(kind, "a").await.unwrap().map(|(owner, _)| owner);
        let expected = (kind != ClaimKind::Email).then(|| kind.as_str().to_owned());
        assert_eq!(held, expected, "{kind:?}");
    }
}
