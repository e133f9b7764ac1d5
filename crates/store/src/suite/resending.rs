//! The same write more than once: by a driver after a dropped connection, or by a caller after an error.

use super::{Sample, Subject, at_once, body, created, mark, row, written};
use crate::{Commit, Guard, Kind, Mark};

/// The second finds the mark of the first.
pub async fn a_write_sent_twice_happens_once(store: Subject) {
    let sample = Sample::new(Kind::Grant, "g");
    let create = sample.under(Guard::Absent);
    let replace = sample.clone().body("2").under(Guard::This(create.mark()));
    let end = sample.clone().body("3").ended().under(Guard::Any);
    for changes in [create, replace, end] {
        assert_eq!(store.commit(&changes).await.unwrap(), Commit::Done);
        let was = row(&store, &sample).await;
        assert_eq!(store.commit(&changes).await.unwrap(), Commit::Done);
        assert_eq!(row(&store, &sample).await, was, "nothing is written again");
    }
}

/// A record remembers its last four commits, so three rivals do not hide a write from its sender.
pub async fn a_write_is_recognised_after_three_rivals(store: Subject) {
    for guarded in [Guarded::Create, Guarded::Replace] {
        let (sample, mine, newest) = with_rivals(&store, guarded, 3).await;
        assert_eq!(store.commit(&mine).await.unwrap(), Commit::Done, "{guarded:?}");
        assert_eq!(row(&store, &sample).await.unwrap().marks.newest(), newest, "{guarded:?}");
    }
}

/// After five it may be called stale; what must not happen is that it is written over them.
pub async fn a_write_is_never_repeated_after_five_rivals(store: Subject) {
    for guarded in [Guarded::Create, Guarded::Replace] {
        let (sample, mine, newest) = with_rivals(&store, guarded, 5).await;
        assert_eq!(store.commit(&mine).await.unwrap(), Commit::Stale, "{guarded:?}");
        assert_eq!(row(&store, &sample).await.unwrap().marks.newest(), newest, "{guarded:?}");
        assert_eq!(body(&store, &sample).await, "rival");
    }
}

/// What lost once has lost.
pub async fn a_stale_write_stays_stale(store: Subject) {
    let sample = Sample::new(Kind::Grant, "g");
    let first = created(&store, &sample).await;
    let loser = sample.under(Guard::This(mark()));
    for _ in 0..3 {
        assert_eq!(store.commit(&loser).await.unwrap(), Commit::Stale);
    }
    written(&store, &sample, Guard::This(first)).await;
    assert_eq!(store.commit(&loser).await.unwrap(), Commit::Stale);
}

/// Copies that overtake each other are still one write.
pub async fn a_write_sent_eight_times_at_once_happens_once(store: Subject) {
    let sample = Sample::new(Kind::Grant, "g");
    let first = created(&store, &sample).await;
    let changes = sample.body("2").under(Guard::This(first));
    let answers = at_once(8, |_| {
        let (store, changes) = (store.clone(), changes.clone());
        async move { store.commit(&changes).await.unwrap() }
    })
    .await;
    assert_eq!(answers, [Commit::Done; 8]);
    let marks = store.read(changes.key()).await.unwrap().unwrap().marks;
    assert_eq!(marks, crate::Marks::first(first).then(changes.mark()));
}

#[derive(Clone, Copy, Debug)]
enum Guarded {
    Create,
    Replace,
}

/// A write that is done, and then as many by others.
async fn with_rivals(store: &Subject, guarded: Guarded, rivals: usize) -> (Sample, crate::Changes, Mark) {
    let sample = Sample::new(Kind::Grant, format!("{guarded:?} {rivals}")).body("rival");
    let guard = match guarded {
        Guarded::Create => Guard::Absent,
        Guarded::Replace => Guard::This(created(store, &sample).await),
    };
    let mine = sample.clone().body("mine").under(guard);
    assert_eq!(store.commit(&mine).await.unwrap(), Commit::Done);
    let mut newest = mine.mark();
    for _ in 0..rivals {
        newest = written(store, &sample, Guard::This(newest)).await;
    }
    (sample, mine, newest)
}
