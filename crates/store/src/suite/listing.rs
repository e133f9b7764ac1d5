//! Pages and filters.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Sample, Subject, created, written};
use crate::{Filter, Guard, Kind};

/// The ids of all pages, and how many pages there were.
async fn all(store: &Subject, kind: Kind, filter: Filter<'_>, at_most: u32) -> (Vec<String>, usize) {
    let (mut ids, mut pages) = (Vec::<String>::new(), 0);
    loop {
        let page = store.list(kind, filter, ids.last().map(String::as_str), at_most).await.unwrap();
        assert!(u32::try_from(page.rows.len()).unwrap() <= at_most);
        assert!(!page.more || !page.rows.is_empty(), "a page that promises more leads on");
        pages += 1;
        ids.extend(page.rows.into_iter().map(|row| row.key.id));
        // On each page: one that does not lead on would be turned forever.
        assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
        if !page.more {
            return (ids, pages);
        }
    }
}

fn number(n: u32) -> String {
    format!("{n:03}")
}

/// Each record once, on as few pages as there must be.
pub async fn pages_show_everything_in_order(store: Subject) {
    // Written in another order than listed.
    for n in (0..24).rev() {
        created(&store, &Sample::new(Kind::Client, number(n * 7 % 24))).await;
        created(&store, &Sample::new(Kind::Server, n)).await;
    }
    let expected: Vec<_> = (0..24).map(number).collect();
    for (at_most, pages) in [(1, 24), (5, 5), (8, 3), (23, 2), (24, 1), (u32::MAX, 1)] {
        assert_eq!(
            all(&store, Kind::Client, Filter::All, at_most).await,
            (expected.clone(), pages),
            "{at_most}"
        );
    }
    let behind = store.list(Kind::Client, Filter::All, Some("010x"), 2).await.unwrap();
    assert_eq!(behind.rows.iter().map(|row| row.key.id.as_str()).collect::<Vec<_>>(), ["011", "012"]);
    let none = store.list(Kind::Client, Filter::All, Some("023"), 2).await.unwrap();
    assert!(none.rows.is_empty() && !none.more);
}

/// By client, by person, of one kind.
pub async fn filters_show_what_names_somebody(store: Subject) {
    for n in 0..24 {
        let grant = Sample::new(Kind::Grant, number(n));
        let grant = if n % 2 == 0 { grant.client("even") } else { grant.client("odd") };
        let grant = if n % 3 == 0 { grant.person("third") } else { grant };
        created(&store, &grant).await;
    }
    created(&store, &Sample::new(Kind::Consent, "c").client("even").person("third")).await;
    let of = |which: fn(u32) -> bool| (0..24).filter(|n| which(*n)).map(number).collect::<Vec<_>>();
    for at_most in [3, 12, 100] {
        let even = all(&store, Kind::Grant, Filter::OfClient("even"), at_most).await.0;
        assert_eq!(even, of(|n| n % 2 == 0));
        let third = all(&store, Kind::Grant, Filter::OfPerson("third"), at_most).await.0;
        assert_eq!(third, of(|n| n % 3 == 0));
        assert_eq!(all(&store, Kind::Consent, Filter::OfPerson("third"), at_most).await.0, ["c"]);
        assert!(all(&store, Kind::Grant, Filter::OfClient("third"), at_most).await.0.is_empty());
        assert!(all(&store, Kind::Session, Filter::OfPerson("third"), at_most).await.0.is_empty());
    }
}

/// A record that no longer names somebody is no longer theirs.
pub async fn a_listing_follows_changed_links(store: Subject) {
    let grant = |person: &str| Sample::new(Kind::Grant, "g").client("c").person(person);
    let first = created(&store, &grant("one")).await;
    let second = written(&store, &grant("two"), Guard::This(first)).await;
    assert!(all(&store, Kind::Grant, Filter::OfPerson("one"), 9).await.0.is_empty());
    assert_eq!(all(&store, Kind::Grant, Filter::OfPerson("two"), 9).await.0, ["g"]);
    written(&store, &Sample::new(Kind::Grant, "g").client("c"), Guard::This(second)).await;
    assert!(all(&store, Kind::Grant, Filter::OfPerson("two"), 9).await.0.is_empty());
    assert_eq!(all(&store, Kind::Grant, Filter::OfClient("c"), 9).await.0, ["g"]);
}

/// Others may come while the pages are turned; who was there before and stays is on one of them.
pub async fn a_listing_never_misses_what_was_there_throughout(store: Subject) {
    let there: Vec<String> = (0..20).map(|n| format!("{:03}", n * 10)).collect();
    for id in &there {
        created(&store, &Sample::new(Kind::Grant, id).person("p")).await;
    }
    let over = Arc::new(AtomicBool::new(false));
    let adding = tokio::spawn({
        let (store, over) = (store.clone(), Arc::clone(&over));
        async move {
            for n in 0..20 {
                for offset in [3, 7] {
                    if over.load(Ordering::Acquire) {
                        return;
                    }
                    created(&store, &Sample::new(Kind::Grant, format!("{:03}", n * 10 + offset)).person("p"))
                        .await;
                }
            }
        }
    });
    for at_most in [1, 3, 7].repeat(5) {
        let (ids, _) = all(&store, Kind::Grant, Filter::OfPerson("p"), at_most).await;
        assert!(there.iter().all(|id| ids.contains(id)), "{ids:?}");
    }
    over.store(true, Ordering::Release);
    adding.await.unwrap();
}
