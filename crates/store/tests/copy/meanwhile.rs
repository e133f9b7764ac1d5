//! What happens between two copies, and during one.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use ambient::Time;
use store::ClaimKind;
use store::copy::{CopyError, ServeError, may_be_served};

use crate::breaking::Breaking;
use crate::{Sample, Subject, change, copied, create, everything, find, memory, run, used};

pub(crate) async fn what_has_ended_is_never_brought_back(from: Subject, to: Subject) {
    used(&from, 1).await;
    create(&from, &Sample::new("grant")).await;
    let (backup, _kept) = memory().await;
    copied(&from, &backup).await;
    change(&from, "grant", |sample| sample.ended = true).await;
    copied(&from, &to).await;
    // The backup knows nothing of the end, and is written to.
    assert_eq!(copied(&backup, &to).await.written, 0);
    assert!(find(&to, "grant").await.unwrap().record.ended);
    for n in 0..9 {
        change(&backup, "grant", |sample| sample.text = n.to_string()).await;
    }
    assert_eq!(copied(&backup, &to).await.kept_ended, 1);
    assert!(find(&to, "grant").await.unwrap().record.ended);
}

pub(crate) async fn a_copy_that_broke_off_goes_on(from: Subject, to: Subject) {
    used(&from, 1).await;
    for n in 0..300 {
        create(&from, &Sample::new(n)).await;
    }
    let breaking: Subject =
        Arc::new(Breaking { inner: to.clone(), left: AtomicU32::new(100), meanwhile: None });
    assert!(matches!(run(&from, &breaking, false).await, Err(CopyError::To(_))));
    assert!(matches!(may_be_served(&*to).await, Err(ServeError::Unfinished)));
    let done = copied(&from, &to).await;
    // Of the hundred, two are the keys and the note that it is a copy; some were given up on their way.
    assert!((300 - 98..300).contains(&done.written), "{done:?}");
    assert_eq!(everything(&from).await, everything(&to).await);
}

/// A log-out writes an end long past. A Redis deletes that at once, a database at its next sweep.
pub(crate) async fn who_logs_out_between_two_copies_stays_logged_out(from: Subject, to: Subject) {
    used(&from, 1).await;
    create(&from, &Sample::new("session")).await;
    create(&from, &Sample::new("swept")).await;
    assert!(!run(&from, &to, true).await.unwrap().complete);
    for id in ["session", "swept"] {
        change(&from, id, |sample| sample.sweep = Some(0)).await;
    }
    // One of them has gone from the source altogether.
    from.sweep(Time(1), 1).await.unwrap();
    assert!(run(&from, &to, false).await.unwrap().complete);
    assert_eq!(find(&to, "session").await, None);
    assert_eq!(find(&to, "swept").await, None);
}

/// A job that is started twice, and of which the first run is slow.
pub(crate) async fn of_two_copies_the_earlier_stops(from: Subject, to: Subject) {
    used(&from, 1).await;
    for n in 0..600 {
        create(&from, &Sample::new(format!("{n:04}"))).await;
    }
    let slow: Subject =
        Arc::new(Breaking { inner: from.clone(), left: AtomicU32::new(1), meanwhile: Some(to.clone()) });
    assert!(matches!(run(&slow, &to, false).await, Err(CopyError::Served)));
    assert_eq!(find(&to, "0500").await.unwrap().record.text, "generation 6");
    assert!(to.holder(ClaimKind::Email, "new@example.com").await.unwrap().is_some());
}
