//! Housekeeping of a backend that forgets by nothing but its sweep: `store_suite!(fresh_store, sweeping)`.

use ambient::{Entropy, SeededEntropy, Time};

use super::compared::{Step, compare};
use super::{FUTURE, Sample, Subject, created, look_at, row, written};
use crate::{Claim, ClaimKind, Claimed, Filter, Guard, Kind};

/// What was due before now is gone after a sweep, from the listings too, and has been counted.
pub async fn what_is_due_goes_and_is_counted(store: Subject) {
    let sample = |n: i64| Sample::new(Kind::Session, format!("{n:03}")).person("p").sweep(FUTURE + n % 10);
    for n in 0..300 {
        created(&store, &sample(n)).await;
    }
    assert_eq!(store.sweep(Time(FUTURE + 5), 1000).await.unwrap(), 150);
    for n in 0..300 {
        assert_eq!(row(&store, &sample(n)).await.is_some(), n % 10 >= 5, "{n}");
    }
    for filter in [Filter::All, Filter::OfPerson("p")] {
        assert_eq!(store.list(Kind::Session, filter, None, 1000).await.unwrap().rows.len(), 150);
    }
    assert_eq!(store.sweep(Time(FUTURE + 5), 1000).await.unwrap(), 0, "once");
    assert_eq!(store.sweep(Time(FUTURE + 10), 1000).await.unwrap(), 150);
}

/// What a record named is not seen any more once it is gone, and is seen as it is if it comes back.
pub async fn a_look_sees_what_goes_and_comes_back(store: Subject) {
    let grant = Sample::new(Kind::Grant, "g").client("c");
    created(&store, &grant).await;
    for body in ["one", "two", "three"] {
        created(&store, &Sample::new(Kind::Client, "c").body(body).sweep(FUTURE)).await;
        for _ in 0..3 {
            let seen = store.look(&look_at(&grant, None)).await.unwrap();
            assert_eq!(seen.client.unwrap().body, body);
        }
        assert_eq!(store.sweep(Time(FUTURE + 1), 10).await.unwrap(), 1);
        for _ in 0..2 {
            assert_eq!(store.look(&look_at(&grant, None)).await.unwrap().client, None);
        }
    }
}

/// As many as there are, or the bound: whoever sweeps until a sweep falls short of it has swept everything.
pub async fn a_sweep_falls_short_of_its_bound_only_at_the_end(store: Subject) {
    for n in 0..300 {
        created(&store, &Sample::new(Kind::Session, n).sweep(FUTURE)).await;
    }
    for n in 0..100 {
        assert_eq!(store.claim(&email(&n.to_string(), "me")).await.unwrap(), Claimed::Mine);
    }
    // Also where that is more than a backend sweeps in one piece.
    for swept in [150, 150, 100, 0] {
        assert_eq!(store.sweep(Time(FUTURE + 1), 150).await.unwrap(), swept);
    }
}

/// A claim whose time is over is swept with the records, and anybody's then.
pub async fn a_claim_that_is_due_goes(store: Subject) {
    assert_eq!(store.claim(&email("a", "me")).await.unwrap(), Claimed::Mine);
    assert_eq!(store.sweep(Time(FUTURE), 100).await.unwrap(), 0);
    assert_eq!(store.sweep(Time(FUTURE + 1), 100).await.unwrap(), 1);
    assert_eq!(store.holder(ClaimKind::Email, "a").await.unwrap(), None);
    assert_eq!(store.claim(&email("a", "you")).await.unwrap(), Claimed::Mine);
}

/// What counts is when it is due by what was written last, not by what was written before.
pub async fn a_record_is_due_when_its_last_write_says(store: Subject) {
    let sample = Sample::new(Kind::Session, "s");
    let first = created(&store, &sample.clone().sweep(FUTURE)).await;
    let prolonged = sample.clone().sweep(FUTURE + 100);
    let second = written(&store, &prolonged, Guard::This(first)).await;
    assert_eq!(store.sweep(Time(FUTURE + 100), 100).await.unwrap(), 0);
    written(&store, &sample, Guard::This(second)).await;
    assert_eq!(store.sweep(Time(i64::MAX), 100).await.unwrap(), 0, "it is not due any more");
    assert!(row(&store, &sample).await.is_some());
}

/// The same everywhere, sweeps included.
pub async fn a_thousand_random_steps_and_sweeps_answer_as_memory_does(store: Subject) {
    let entropy = SeededEntropy::new(11);
    let entropy: &dyn Entropy = &entropy;
    compare(&*store, std::iter::repeat_with(|| Step::of(entropy.draw())).take(1000)).await;
}

fn email<'a>(key: &'a str, owner: &'a str) -> Claim<'a> {
    let (since, until) = (Time(0), Some(Time(FUTURE)));
    Claim { kind: ClaimKind::Email, key, owner, since, until, instead_of: None }
}
