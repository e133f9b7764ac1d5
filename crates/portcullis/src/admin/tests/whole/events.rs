//! The trail, as it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};

use store::{Entry, Trail};
use testkit::faults::{Passage, Through};

use super::*;

fn entry(at: i64, name: &str) -> Entry {
    let (name, outcome, detail) = (name.to_owned(), Outcome::Done, BTreeMap::new());
    let (actor, from, grant, client, person, server, why) = (None, None, None, None, None, None, None);
    Entry { at: Time(at), name, outcome, actor, from, grant, client, person, server, why, detail }
}

#[tokio::test]
async fn events_come_newest_first_in_pages_and_by_filter() {
    let whole = whole().await;
    assert_eq!(whole.ask("GET", "/api/events", None).await, (200, json!({ "events": [], "next": null })));
    let store: &dyn Store = &*whole.store;
    let mut expected = Vec::new();
    for (n, at) in [NOW - 90 * 86_400, NOW - 86_400, NOW - 3, NOW - 3, NOW - 1, NOW].into_iter().enumerate() {
        let names = [format!("a{n}"), format!("b{n}")];
        let mut entries: Vec<Entry> = names.iter().map(|name| entry(at, name)).collect();
        entries[0].person = store::PersonId::parse(&format!("usr_{}", n % 2)).ok();
        expected.extend(names);
        let id = Trail::id_at(Time(at), [u8::try_from(n).unwrap(); 8]);
        write(store, id, entries).await;
    }
    expected.reverse();
    let names = |page: &Value| -> Vec<String> {
        page["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    };
    for limit in [1, 2, 3, 5, 12, 100] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let (status, page) = whole.ask("GET", &format!("/api/events?limit={limit}{cursor}"), None).await;
            assert_eq!(status, 200, "{page}");
            assert!(names(&page).len() <= limit);
            seen.extend(names(&page));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, expected, "{limit}");
    }
    for (query, expected) in [
        ("name=b1".to_owned(), vec!["b1"]),
        ("user=usr_1".to_owned(), vec!["a5", "a3", "a1"]),
        (format!("since={}", NOW - 1), vec!["b5", "a5", "b4", "a4"]),
        (format!("until={}", NOW - 86_400), vec!["b1", "a1", "b0", "a0"]),
        (format!("since={}&until={}", NOW - 86_400, NOW - 2), vec!["b3", "a3", "b2", "a2", "b1", "a1"]),
    ] {
        assert_eq!(
            names(&whole.ask("GET", &format!("/api/events?{query}"), None).await.1),
            expected,
            "{query}"
        );
    }
    let extremes = format!("/api/events?since={}&until={}", i64::MIN, i64::MAX);
    assert_eq!(names(&whole.ask("GET", &extremes, None).await.1).len(), 12);
    assert_eq!(whole.ask("GET", &format!("/api/events?until={}", i64::MIN), None).await.0, 200);
    for query in ["since=x", "grant=x", "user=a%20b", "cursor=x", "cursor=1.1"] {
        assert_eq!(whole.ask("GET", &format!("/api/events?{query}"), None).await.0, 400, "{query}");
    }
}

async fn write(store: &dyn Store, id: String, entries: Vec<Entry>) {
    let trail = Trail { id, entries, kept_until: Time(NOW + 9) };
    let written = store.commit(&Changes::create(Mark::new([1; 16]), &trail)).await.unwrap();
    assert_eq!(written, store::Commit::Done);
}

#[derive(Clone, Default)]
struct Calls(Arc<AtomicU32>);

#[async_trait]
impl Passage for Calls {
    async fn there(&self) -> Result<(), store::StoreError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// The attack: a day full of pieces, then quiet, and whoever asks for what is not there reads the whole day at once.
#[tokio::test]
async fn one_question_about_events_reads_so_much_and_no_more() {
    let (store, calls) = (Arc::new(Memory::new()), Calls::default());
    let whole = whole_over(store.clone(), Arc::new(Through::new(store.clone(), calls.clone()))).await;
    let records: &dyn Store = &*store;
    let mut drawn: u64 = 1;
    // A piece a second for three hours, and 500 in one second.
    for at in (0..10_800).chain([10_800; 500]) {
        drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = NOW - 4 * 86_400 + at;
        write(records, Trail::id_at(Time(at), drawn.to_be_bytes()), vec![entry(at, "refused")]).await;
    }
    write(records, Trail::id_at(Time(NOW - 5 * 86_400), [7; 8]), vec![entry(NOW - 5 * 86_400, "first")])
        .await;
    for (query, expected) in [("name=nothing", 0), ("name=first", 1), ("name=refused", 11_300)] {
        let (mut ids, mut cursor, mut found) = (BTreeSet::new(), String::new(), 0);
        loop {
            calls.0.store(0, Ordering::SeqCst);
            let (status, page) = whole.ask("GET", &format!("/api/events?{query}{cursor}"), None).await;
            assert_eq!(status, 200, "{page}");
            let called = calls.0.load(Ordering::SeqCst);
            assert!(called <= 42, "{called}");
            for event in page["events"].as_array().unwrap() {
                found += 1;
                ids.insert(event["event_id"].as_str().unwrap().to_owned());
            }
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!((ids.len(), found), (expected, expected), "{query}");
    }
}

/// What waited for the store is found by when it was written, and by when it happened.
#[tokio::test]
async fn what_was_written_late_is_found_by_either_time() {
    let whole = whole().await;
    let store: &dyn Store = &*whole.store;
    write(store, Trail::id_at(Time(NOW - 100), [1; 8]), vec![entry(NOW - 100, "before")]).await;
    write(store, Trail::id_at(Time(NOW - 10), [2; 8]), vec![entry(NOW - 1_800, "late")]).await;
    for (query, expected) in [
        (format!("written_since={}", NOW - 10), vec!["late"]),
        (format!("written_since={}", NOW - 9), vec![]),
        (format!("since={}", NOW - 1_800), vec!["late", "before"]),
        (format!("until={}", NOW - 1_800), vec!["late"]),
    ] {
        let page = whole.ask("GET", &format!("/api/events?{query}"), None).await.1;
        let names: Vec<&str> =
            page["events"].as_array().unwrap().iter().filter_map(|event| event["name"].as_str()).collect();
        assert_eq!(names, expected, "{query}");
    }
    let late = &whole.ask("GET", "/api/events?name=late", None).await.1["events"][0];
    assert_eq!((&late["at"], &late["written_at"]), (&json!(NOW - 1_800), &json!(NOW - 10)));
    assert_eq!(whole.ask("GET", "/api/events?written_since=x", None).await.0, 400);
}
