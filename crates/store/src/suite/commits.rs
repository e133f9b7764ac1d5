//! One write at a time: guards, and what reads back.

use ambient::Time;

use super::{FUTURE, Sample, Subject, at_once, body, created, look_at, mark, row, written};
use crate::{Commit, Filter, Guard, Key, Kind, Links, Marks, Row};

/// Nothing is there, and it answers.
pub async fn a_fresh_store_is_ready_and_empty(store: Subject) {
    store.ready().await.unwrap();
    for kind in Kind::ALL {
        let page = store.list(kind, Filter::All, None, 10).await.unwrap();
        assert!(page.rows.is_empty() && !page.more, "{kind:?}");
        assert_eq!(store.read(&Key::new(kind, "x")).await.unwrap(), None);
    }
}

/// [`Guard::Absent`] writes where nothing is, and nowhere else.
pub async fn a_record_is_created_once(store: Subject) {
    let (first, second) = (Sample::new(Kind::Grant, "g").body("1"), Sample::new(Kind::Grant, "g").body("2"));
    created(&store, &first).await;
    assert_eq!(store.commit(&second.under(Guard::Absent)).await.unwrap(), Commit::Stale);
    assert_eq!(body(&store, &first).await, "1");
}

/// [`Guard::This`] writes over the version that was read, and over no other.
pub async fn a_record_is_replaced_only_as_it_was_read(store: Subject) {
    let sample = |body: &str| Sample::new(Kind::Grant, "g").body(body);
    assert_eq!(store.commit(&sample("0").under(Guard::This(mark()))).await.unwrap(), Commit::Stale);
    assert_eq!(row(&store, &sample("")).await, None, "a replacement never creates");
    let first = created(&store, &sample("1")).await;
    let second = written(&store, &sample("2"), Guard::This(first)).await;
    assert_eq!(store.commit(&sample("3").under(Guard::This(first))).await.unwrap(), Commit::Stale);
    assert_eq!(store.commit(&sample("3").under(Guard::This(mark()))).await.unwrap(), Commit::Stale);
    let stored = row(&store, &sample("")).await.unwrap();
    assert_eq!((stored.body.as_str(), stored.marks), ("2", Marks::first(first).then(second)));
}

/// Each line of [`verdict`](crate::verdict), and that the backend does what it says.
pub async fn the_verdict_table(store: Subject) {
    use Commit::{Done, Stale};
    enum Before {
        Nothing,
        Live,
        Ended,
    }
    enum Under {
        Absent,
        Newest,
        Old,
        Any,
    }
    for (n, (before, under, answer, writes)) in [
        (Before::Nothing, Under::Absent, Done, true),
        (Before::Nothing, Under::Newest, Stale, false),
        (Before::Nothing, Under::Any, Done, false),
        (Before::Live, Under::Absent, Stale, false),
        (Before::Live, Under::Newest, Done, true),
        (Before::Live, Under::Old, Stale, false),
        (Before::Live, Under::Any, Done, true),
        (Before::Ended, Under::Absent, Stale, false),
        (Before::Ended, Under::Newest, Done, true),
        (Before::Ended, Under::Old, Stale, false),
        (Before::Ended, Under::Any, Done, false),
    ]
    .into_iter()
    .enumerate()
    {
        let sample = Sample::new(Kind::Grant, n);
        let (old, newest) = match before {
            Before::Nothing => (mark(), mark()),
            Before::Live | Before::Ended => {
                let old = created(&store, &sample).await;
                let next =
                    if matches!(before, Before::Ended) { sample.clone().ended() } else { sample.clone() };
                (old, written(&store, &next, Guard::This(old)).await)
            }
        };
        let guard = match under {
            Under::Absent => Guard::Absent,
            Under::Newest => Guard::This(newest),
            Under::Old => Guard::This(old),
            Under::Any => Guard::Any,
        };
        let was = row(&store, &sample).await;
        let changes = sample.clone().body("new").under(guard);
        assert_eq!(store.commit(&changes).await.unwrap(), answer, "line {n}");
        let is = row(&store, &sample).await;
        if writes {
            let stored = was.as_ref().map(|row| (&row.marks, row.sweep));
            assert_eq!(is, Some(changes.row(stored)), "line {n}");
        } else {
            assert_eq!(is, was, "line {n}");
        }
    }
}

/// Nothing of a row is lost or mixed up, by [`read`](crate::Store::read), [`look`](crate::Store::look) or a listing.
pub async fn every_column_reads_back(store: Subject) {
    let links = |client: &str, person: &str, consent: &str, server: &str| Links {
        client: Some(client.to_owned()),
        person: Some(person.to_owned()),
        consent: Some(consent.to_owned()),
        server: Some(server.to_owned()),
    };
    let whole = Sample::new(Kind::Grant, "whole").body("{\"a\":\"\\u0000 \n\"}").sweep(FUTURE).ended();
    let whole = whole.client("the client").person("the person").consent("the consent").server("the server");
    let bare = Sample::new(Kind::Grant, "bare").body("");
    for (sample, links) in
        [(&whole, links("the client", "the person", "the consent", "the server")), (&bare, Links::default())]
    {
        let mark = created(&store, sample).await;
        let expected = Some(Row { marks: Marks::first(mark), links, ..sample.row.clone() });
        assert_eq!(row(&store, sample).await, expected);
        assert_eq!(store.look(&look_at(sample, None)).await.unwrap().record, expected);
        assert_eq!(
            store.look(&look_at(&Sample::new(Kind::Keys, "-"), Some(sample))).await.unwrap().beside,
            expected
        );
        let listed = store.list(Kind::Grant, Filter::All, None, 10).await.unwrap().rows;
        assert!(listed.contains(expected.as_ref().unwrap()), "{listed:?}");
    }
}

/// Under [`Guard::Any`] the later sweep time holds, whoever wrote it: tokens that a rival issued are not forgotten early.
pub async fn an_end_keeps_the_later_sweep_time(store: Subject) {
    let at = |id: &str, sweep: Option<i64>| {
        let sample = Sample::new(Kind::Grant, id);
        match sweep {
            Some(sweep) => sample.sweep(sweep),
            None => sample,
        }
    };
    for (id, stored, ending, expected) in [
        ("later stored", Some(FUTURE + 9), Some(FUTURE), Some(FUTURE + 9)),
        ("later ending", Some(FUTURE), Some(FUTURE + 9), Some(FUTURE + 9)),
        ("stored for good", None, Some(FUTURE), None),
        ("ended for good", Some(FUTURE), None, None),
    ] {
        created(&store, &at(id, stored)).await;
        written(&store, &at(id, ending).ended(), Guard::Any).await;
        assert_eq!(row(&store, &at(id, None)).await.unwrap().sweep, expected.map(Time), "{id}");
    }
}

/// Once ended, it ignores every further end, and every write under an older mark is stale (I4).
pub async fn a_final_record_stays_as_it_is(store: Subject) {
    let sample = |body: &str| Sample::new(Kind::Grant, "g").body(body);
    let first = created(&store, &sample("live")).await;
    written(&store, &sample("ended").ended(), Guard::Any).await;
    written(&store, &sample("ended again").ended(), Guard::Any).await;
    for guard in [Guard::Absent, Guard::This(first)] {
        assert_eq!(store.commit(&sample("back").under(guard)).await.unwrap(), Commit::Stale);
    }
    assert_eq!(body(&store, &sample("")).await, "ended");
    assert!(row(&store, &sample("")).await.unwrap().ended);
}

/// The same id under each kind is another record.
pub async fn kinds_do_not_collide(store: Subject) {
    let sample = |kind: Kind| Sample::new(kind, "same").body(kind.as_str());
    for kind in Kind::ALL {
        created(&store, &sample(kind)).await;
    }
    for kind in Kind::ALL {
        assert_eq!(body(&store, &sample(kind)).await, kind.as_str());
        assert_eq!(store.list(kind, Filter::All, None, 10).await.unwrap().rows.len(), 1, "{kind:?}");
    }
}

/// A body is as long as it is.
pub async fn a_body_of_256_kib_reads_back(store: Subject) {
    let text = |character: &str| character.repeat(256 * 1024 / character.len());
    let sample = |text: String| Sample::new(Kind::Client, "big").body(text);
    let first = created(&store, &sample(text("a"))).await;
    assert_eq!(body(&store, &sample(String::new())).await, text("a"));
    written(&store, &sample(text("é")), Guard::This(first)).await;
    assert_eq!(body(&store, &sample(String::new())).await, text("é"));
}

/// Quotes, wildcards, line breaks, other scripts, and client ids of 2 KiB name exactly one record each.
pub async fn odd_ids_are_only_texts(store: Subject) {
    let long = format!("https://client.example/{}", "x".repeat(2048));
    let longer = format!("{long}x");
    let odd = [
        "'", "''", "\"", "%", "_", "*", "?", "\\", ";--", "a b", "a\nb", "a\tb", "A", "a", "é", "e\u{301}",
        "中文", "🔑", "{a}", "[a]", ":", "a:b", "a/b", "null", "0", "00", &long, &longer,
    ];
    for id in odd {
        created(&store, &Sample::new(Kind::Client, id).body(id).client(id)).await;
    }
    for id in odd {
        assert_eq!(body(&store, &Sample::new(Kind::Client, id)).await, id);
        let of_client = store.list(Kind::Client, Filter::OfClient(id), None, 10).await.unwrap().rows;
        assert_eq!(of_client.iter().map(|row| row.key.id.as_str()).collect::<Vec<_>>(), [id]);
        let seen = store.look(&look_at(&Sample::new(Kind::Client, id), None)).await.unwrap();
        assert_eq!(seen.client.unwrap().body, id, "it names itself");
    }
    let mut sorted = odd.map(str::to_owned);
    sorted.sort_unstable();
    let listed = store.list(Kind::Client, Filter::All, None, 100).await.unwrap().rows;
    assert_eq!(
        listed.into_iter().map(|row| row.key.id).collect::<Vec<_>>(),
        sorted,
        "in the order of their bytes"
    );
}

/// A read that begins after the answer sees the write, whichever task asks.
pub async fn what_was_answered_is_read_by_everybody(store: Subject) {
    at_once(8, |task| {
        let store = store.clone();
        async move {
            for n in 0..12 {
                let sample =
                    Sample::new(Kind::Session, format!("{task} {n}")).body(n.to_string()).person("p");
                let mark = created(&store, &sample).await;
                let (other, also) = (store.clone(), sample.clone());
                let seen = tokio::spawn(async move { row(&other, &also).await }).await.unwrap();
                assert_eq!(seen.unwrap().marks.newest(), mark);
                let listed = store.list(Kind::Session, Filter::OfPerson("p"), None, 1000).await.unwrap().rows;
                assert!(listed.iter().any(|row| row.key == sample.row.key));
            }
        }
    })
    .await;
}
