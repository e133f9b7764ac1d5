//! Which store may be served, and which be written over.

use std::sync::Arc;

use ambient::Time;
use store::copy::{CopyError, Copying, ServeError, may_be_served, note_served, served_by, take_back};
use store::{Changes, Commit, Found, Key, Kind, Memory, Store, Tenure, TenureState};

use crate::{NOW, Sample, Subject, change, copied, create, everything, find, mark, memory, run, used};

/// Whose server uses the stores.
const ISSUER: &str = "https://auth.example.com";

pub(crate) async fn only_an_own_copy_is_written_over(from: Subject, to: Subject) {
    assert!(matches!(run(&from, &to, false).await, Err(CopyError::Nothing)));
    used(&from, 1).await;
    create(&from, &Sample::new("mine")).await;

    let (others, _kept) = memory().await;
    used(&others, 2).await;
    let before = everything(&others).await;
    assert!(matches!(run(&from, &others, false).await, Err(CopyError::OfAnother)), "it is in use by others");
    assert_eq!(everything(&others).await, before);

    copied(&from, &to).await;
    assert!(matches!(run(&others, &to, false).await, Err(CopyError::OfAnother)), "it is a copy of another");
    assert!(find(&to, "mine").await.is_some());
    copied(&from, &to).await;
}

pub(crate) async fn half_a_copy_is_not_served_and_a_served_one_not_written(from: Subject, to: Subject) {
    used(&from, 1).await;
    create(&from, &Sample::new("grant")).await;
    let serve = async |store: &Subject| note_served(&**store as &dyn Store, ISSUER, NOW, &mut mark).await;

    let done = run(&from, &to, true).await.unwrap();
    assert!(!done.complete, "a server may still write behind it");
    assert!(matches!(may_be_served(&*to).await, Err(ServeError::Unfinished)));
    assert!(matches!(serve(&to).await, Err(ServeError::Unfinished)));
    assert!(matches!(run(&to, &memory().await.0, false).await, Err(CopyError::Unfinished)), "nor copied on");

    copied(&from, &to).await;
    may_be_served(&*to).await.unwrap();
    serve(&to).await.unwrap();
    serve(&to).await.unwrap();
    may_be_served(&*to).await.unwrap();
    change(&to, "grant", |sample| sample.text = "of the new server".to_owned()).await;
    assert!(matches!(run(&from, &to, false).await, Err(CopyError::Served)));
    assert_eq!(find(&to, "grant").await.unwrap().record.text, "of the new server");

    // A store that never was a target may be served, and the way back leads to an empty one.
    serve(&from).await.unwrap();
    let (back, _kept) = memory().await;
    copied(&to, &back).await;
    assert_eq!(everything(&back).await, everything(&to).await);
}

pub(crate) async fn a_store_that_was_left_is_not_served(from: Subject, to: Subject) {
    used(&from, 1).await;
    create(&from, &Sample::new("grant")).await;
    for source_in_use in [true, false] {
        may_be_served(&*from).await.unwrap();
        let copying = Copying {
            from: &*from,
            to: &*to,
            now: NOW,
            source_in_use,
            leave: true,
            draw: &mut mark,
            told: &mut |_| {},
        };
        assert_eq!(copying.run().await.unwrap().complete, !source_in_use);
    }
    assert!(matches!(may_be_served(&*from).await, Err(ServeError::Left)));
    assert!(matches!(note_served(&*from, ISSUER, NOW, &mut mark).await, Err(ServeError::Left)));
    note_served(&*to, ISSUER, NOW, &mut mark).await.unwrap();
    change(&to, "grant", |sample| sample.text = "of the new server".to_owned()).await;

    // The way back brings what happened since; without it, the old one is as it was.
    copied(&to, &from).await;
    assert_eq!(find(&from, "grant").await.unwrap().record.text, "of the new server");
    may_be_served(&*from).await.unwrap();
    let left = Found::<Tenure>::decode(&to.read(&Key::new(Kind::Tenure, Tenure::ID)).await.unwrap().unwrap());
    let record = Tenure { state: TenureState::Left, since: NOW, issuer: None };
    let changes = Changes::replace(mark(), &left.unwrap(), &record);
    assert_eq!(to.commit(&changes).await.unwrap(), Commit::Done);
    assert!(take_back(&*to, NOW, &mut mark).await.unwrap());
    assert!(!take_back(&*to, NOW, &mut mark).await.unwrap());
    may_be_served(&*to).await.unwrap();
}

/// Between the look of a copy at an empty target and its first write.
pub(crate) async fn a_first_server_keeps_a_copy_out(from: Subject, to: Subject) {
    used(&from, 1).await;
    note_served(&*to, ISSUER, NOW, &mut mark).await.unwrap();
    assert!(matches!(run(&from, &to, false).await, Err(CopyError::Served)));
    let other = Arc::new(Memory::new()) as Subject;
    used(&other, 2).await;
    assert_eq!(served_by(&*other).await.unwrap(), None);
    note_served(&*other, ISSUER, NOW, &mut mark).await.unwrap();
    note_served(&*other, "https://new.example.com", Time(NOW.0 + 1), &mut mark).await.unwrap();
    let tenure = served_by(&*other).await.unwrap().unwrap();
    assert_eq!((tenure.issuer.as_deref(), tenure.since), (Some("https://new.example.com"), NOW));
    assert!(run(&other, &(Arc::new(Memory::new()) as Subject), false).await.unwrap().complete);
}
