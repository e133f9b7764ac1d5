//! Housekeeping. A backend may forget by a clock of its own instead, so none of this demands that anything goes: that does
//! [`removing`](super::removing).

use ambient::Time;

use super::{FUTURE, Sample, Subject, created, row};
use crate::{Claim, ClaimKind, Claimed, Filter, Kind};

async fn sessions(store: &Subject) -> u32 {
    let page = store.list(Kind::Session, Filter::All, None, 1000).await.unwrap();
    u32::try_from(page.rows.len()).unwrap()
}

/// What is due at `now` itself stays until the next second.
pub async fn nothing_goes_before_its_time(store: Subject) {
    let (due, good) = (Sample::new(Kind::Session, "due").sweep(FUTURE), Sample::new(Kind::Session, "good"));
    created(&store, &due).await;
    created(&store, &good).await;
    for now in [0, FUTURE - 1, FUTURE] {
        assert_eq!(store.sweep(Time(now), 100).await.unwrap(), 0, "{now}");
        assert!(row(&store, &due).await.is_some(), "{now}");
    }
    store.sweep(Time(i64::MAX), 100).await.unwrap();
    assert!(row(&store, &good).await.is_some(), "no time is never");
}

/// The answer is the truth, with more to sweep than goes in one piece.
pub async fn what_sweep_counts_is_gone_and_no_more(store: Subject) {
    for n in 0..300 {
        created(&store, &Sample::new(Kind::Session, n).sweep(FUTURE + n % 10)).await;
    }
    let swept = store.sweep(Time(FUTURE + 5), 1000).await.unwrap();
    assert_eq!(sessions(&store).await, 300 - swept);
    assert!(swept <= 150, "{swept} were swept, of which 150 were due before");
    let later = store.sweep(Time(FUTURE + 100), 1000).await.unwrap();
    assert_eq!(sessions(&store).await, 300 - swept - later);
}

/// `at_most` is at most.
pub async fn a_sweep_keeps_to_its_bound(store: Subject) {
    for n in 0..10 {
        created(&store, &Sample::new(Kind::Session, n).sweep(FUTURE)).await;
    }
    let mut left = sessions(&store).await;
    for at_most in [0, 1, 3] {
        let swept = store.sweep(Time(FUTURE + 100), at_most).await.unwrap();
        assert!(swept <= at_most, "{swept} of {at_most}");
        left -= swept;
        assert_eq!(sessions(&store).await, left);
    }
}

/// A claim goes when its time is over, or never.
pub async fn a_claim_for_good_is_never_swept(store: Subject) {
    for (key, until) in [("good", None), ("now", Some(Time(FUTURE))), ("later", Some(Time(FUTURE + 500)))] {
        let claim =
            Claim { kind: ClaimKind::Email, key, owner: "me", since: Time(0), until, instead_of: None };
        assert_eq!(store.claim(&claim).await.unwrap(), Claimed::Mine);
    }
    store.sweep(Time(FUTURE), 100).await.unwrap();
    for key in ["good", "now", "later"] {
        assert!(store.holder(ClaimKind::Email, key).await.unwrap().is_some(), "{key}");
    }
    store.sweep(Time(i64::MAX), 100).await.unwrap();
    assert!(store.holder(ClaimKind::Email, "good").await.unwrap().is_some());
}
