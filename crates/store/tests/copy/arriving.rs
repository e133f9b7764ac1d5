//! What is brought, and what is left behind.

use ambient::Time;
use serde::{Deserialize, Serialize};
use store::{ClaimKind, Filter, Key, Kind, Links, Record};

use crate::{NOW, Sample, Subject, change, claim, claim_of, copied, create, everything, find, used};

pub(crate) async fn everything_arrives_as_it_is(from: Subject, to: Subject) {
    used(&from, 1).await;
    for n in 0..600 {
        create(
            &from,
            &Sample { ended: n % 7 == 0, sweep: (n % 3 > 0).then_some(NOW.0 + n), ..Sample::new(n) },
        )
        .await;
    }
    for n in 0..300 {
        claim(&from, &format!("{n}@example.com"), &format!("usr_{n}"), (n % 2 == 0).then_some(NOW.0 + n))
            .await;
    }
    let done = copied(&from, &to).await;
    assert_eq!((done.written, done.changed_meanwhile, done.kept_ended), (901, 0, 0));
    assert_eq!(everything(&from).await, everything(&to).await);
    let listed = to.list(Kind::Grant, Filter::OfClient("cid_1"), None, 1000).await.unwrap();
    assert_eq!(listed.rows.len(), 600, "the lists are there too");
    assert_eq!(copied(&from, &to).await.written, 0, "nothing is written twice");
}

/// A record of the kind with this number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Nth<const N: usize> {}

impl<const N: usize> Record for Nth<N> {
    const KIND: Kind = Kind::ALL[N];
    const SCHEMA: u32 = 1;

    fn id(&self) -> String {
        "one".to_owned()
    }

    fn sweep(&self) -> Option<Time> {
        Some(Time(NOW.0 + 1000))
    }

    fn links(&self) -> Links {
        Links { person: Some("usr_1".to_owned()), ..Links::default() }
    }
}

/// Makes a record of each kind but those that say which copy of what a store is, and answers which.
macro_rules! one_of_each {
    ($store:expr, $($n:literal)+) => {{
        let mut kinds = Vec::new();
        $(if !matches!(Kind::ALL[$n], Kind::Keys | Kind::Tenure) {
            create($store, &Nth::<$n> {}).await;
            kinds.push(Kind::ALL[$n]);
        })+
        kinds
    }};
}

/// Records are copied without being read, so it is kinds that may be forgotten.
pub(crate) async fn every_kind_is_brought(from: Subject, to: Subject) {
    used(&from, 1).await;
    let kinds = one_of_each!(&from, 0 1 2 3 4 5 6 7 8 9 10 11 12 13);
    assert_eq!(kinds.len(), Kind::ALL.len() - 2, "all but two");
    for kind in ClaimKind::ALL {
        claim_of(&from, kind, "one", kind.as_str(), Some(NOW.0 + 1000)).await;
    }
    let done = copied(&from, &to).await;
    assert_eq!(done.written, (1 + kinds.len() + ClaimKind::ALL.len()) as u64);
    assert_eq!(everything(&from).await, everything(&to).await);
    for kind in kinds {
        assert!(to.read(&Key::new(kind, "one")).await.unwrap().is_some(), "{kind:?}");
        let listed = to.list(kind, Filter::OfPerson("usr_1"), None, 10).await.unwrap();
        assert_eq!(listed.rows.len(), 1, "{kind:?}");
    }
    for kind in ClaimKind::ALL {
        let held = to.holder(kind, "one").await.unwrap();
        assert_eq!(held, Some((kind.as_str().to_owned(), Time(7))), "{kind:?}");
    }
}

pub(crate) async fn what_has_changed_is_brought(from: Subject, to: Subject) {
    used(&from, 1).await;
    for id in ["once", "often", "ended", "same"] {
        create(&from, &Sample::new(id)).await;
    }
    for key in ["kept", "released", "taken over"] {
        claim(&from, key, "usr_1", None).await;
    }
    copied(&from, &to).await;
    change(&from, "once", |sample| sample.text = "anew".to_owned()).await;
    // More often than a record remembers.
    for n in 0..9 {
        change(&from, "often", |sample| sample.text = n.to_string()).await;
    }
    change(&from, "ended", |sample| sample.ended = true).await;
    create(&from, &Sample::new("new")).await;
    from.release(ClaimKind::Email, "released", "usr_1").await.unwrap();
    from.release(ClaimKind::Email, "taken over", "usr_1").await.unwrap();
    claim(&from, "taken over", "usr_2", None).await;
    let done = copied(&from, &to).await;
    assert_eq!(done.written, 6, "{done:?}");
    assert_eq!(everything(&from).await, everything(&to).await);
}

pub(crate) async fn what_is_over_stays_behind(from: Subject, to: Subject) {
    used(&from, 1).await;
    create(&from, &Sample { sweep: Some(NOW.0 - 1), ..Sample::new("over") }).await;
    create(&from, &Sample { sweep: Some(NOW.0), ..Sample::new("just not over") }).await;
    claim(&from, "over", "usr_1", Some(NOW.0 - 1)).await;
    copied(&from, &to).await;
    assert!(find(&to, "over").await.is_none());
    assert!(find(&to, "just not over").await.is_some());
    assert_eq!(to.holder(ClaimKind::Email, "over").await.unwrap(), None);
}
