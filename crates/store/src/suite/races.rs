//! Many writes at once.

use super::{Sample, Subject, at_once, body, created, row, written};
use crate::{Commit, Guard, Kind, Mark};

/// Of replacements that read the same version, one happens (I1, I2).
pub async fn of_16_replacements_one_is_done(store: Subject) {
    one_replacement_is_done(store, 16).await;
}

/// The same with more than wait together anywhere.
pub async fn of_64_replacements_one_is_done(store: Subject) {
    one_replacement_is_done(store, 64).await;
}

async fn one_replacement_is_done(store: Subject, tasks: usize) {
    for round in 0..4 {
        let sample = Sample::new(Kind::Grant, round);
        let read = created(&store, &sample).await;
        race(&store, &sample, Guard::This(read), tasks).await;
    }
}

/// Of creations of one record, one happens.
pub async fn of_32_creations_one_is_done(store: Subject) {
    for round in 0..4 {
        race(&store, &Sample::new(Kind::Origin, round), Guard::Absent, 32).await;
    }
}

async fn race(store: &Subject, sample: &Sample, guard: Guard, tasks: usize) {
    let answers: Vec<(usize, Mark, Commit)> = at_once(tasks, |n| {
        let (store, changes) = (store.clone(), sample.clone().body(n.to_string()).under(guard));
        async move { (n, changes.mark(), store.commit(&changes).await.unwrap()) }
    })
    .await;
    let done: Vec<_> = answers.iter().filter(|(.., answer)| *answer == Commit::Done).collect();
    let [(winner, mark, _)] = done.as_slice() else { panic!("{} of {tasks} are done", done.len()) };
    let stored = row(store, sample).await.unwrap();
    assert_eq!((stored.body, stored.marks.newest()), (winner.to_string(), *mark));
}

/// Whoever is told *done* has been counted.
pub async fn no_update_is_lost(store: Subject) {
    let sample = Sample::new(Kind::Grant, "count");
    created(&store, &sample.clone().body("0")).await;
    at_once(8, |_| {
        let (store, sample) = (store.clone(), sample.clone());
        async move {
            let mut counted = 0;
            while counted < 10 {
                let read = row(&store, &sample).await.unwrap();
                let more = read.body.parse::<u32>().unwrap() + 1;
                let changes = sample.clone().body(more.to_string()).under(Guard::This(read.marks.newest()));
                if store.commit(&changes).await.unwrap() == Commit::Done {
                    counted += 1;
                }
            }
        }
    })
    .await;
    assert_eq!(body(&store, &sample).await, "80");
}

/// An end under [`Guard::Any`] needs no second try however many write meanwhile, and nobody writes after it (I3, I4).
pub async fn an_end_never_loses_to_replacements(store: Subject) {
    for round in 0..8 {
        let sample = Sample::new(Kind::Grant, round);
        created(&store, &sample).await;
        at_once(9, |n| {
            let (store, sample) = (store.clone(), sample.clone());
            async move {
                if n == 0 {
                    written(&store, &sample.body("ended").ended(), Guard::Any).await;
                } else {
                    replace_until_ended(&store, &sample).await;
                }
            }
        })
        .await;
        let stored = row(&store, &sample).await.unwrap();
        assert_eq!((stored.ended, stored.body.as_str()), (true, "ended"));
    }
}

async fn replace_until_ended(store: &Subject, sample: &Sample) {
    loop {
        let read = row(store, sample).await.unwrap();
        if read.ended {
            return;
        }
        // A store that never waits would keep whoever ends it from running.
        tokio::task::yield_now().await;
        let changes = sample.clone().body("replaced").under(Guard::This(read.marks.newest()));
        let answer = store.commit(&changes).await.unwrap();
        let now = row(store, sample).await.unwrap();
        let mine = now.marks.contains(changes.mark());
        assert!(mine || answer == Commit::Stale || now.marks.newest() != read.marks.newest());
        assert!(!(mine && answer == Commit::Stale), "a stale write is not written");
    }
}
