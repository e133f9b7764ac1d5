//! Records that are read together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Sample, Subject, created, look_at, written};
use crate::{Guard, Kind, Row, Seen};

fn body_of(row: Option<&Row>) -> Option<&str> {
    row.map(|row| row.body.as_str())
}

/// The client, the person, the consent and the server that it names, if they are there, and the one beside.
pub async fn a_look_sees_what_the_record_names(store: Subject) {
    let grant = Sample::new(Kind::Grant, "g").body("grant").client("c").person("p").consent("n").server("r");
    let server = Sample::new(Kind::Server, "s").body("server");
    created(&store, &grant).await;
    created(&store, &server).await;
    // Of the right id, but of another kind.
    created(&store, &Sample::new(Kind::Account, "p").body("account")).await;
    let seen = store.look(&look_at(&grant, Some(&server))).await.unwrap();
    assert_eq!(body_of(seen.record.as_ref()), Some("grant"));
    assert_eq!(body_of(seen.beside.as_ref()), Some("server"));
    assert!(
        seen.client.is_none() && seen.person.is_none() && seen.consent.is_none() && seen.server.is_none(),
        "{seen:?}"
    );
    for (kind, id, body) in [
        (Kind::Client, "c", "client"),
        (Kind::Person, "p", "person"),
        (Kind::Consent, "n", "consent"),
        (Kind::Server, "r", "resource"),
    ] {
        created(&store, &Sample::new(kind, id).body(body)).await;
    }
    let seen = store.look(&look_at(&grant, None)).await.unwrap();
    let rows = [&seen.record, &seen.client, &seen.person, &seen.consent, &seen.server, &seen.beside];
    let bodies = rows.map(|row| body_of(row.as_ref()));
    assert_eq!(
        bodies,
        [Some("grant"), Some("client"), Some("person"), Some("consent"), Some("resource"), None]
    );
    let keys: Vec<_> = rows.into_iter().flatten().map(|row| format!("{:?}", row.key)).collect();
    assert_eq!(keys, ["grant:g", "client:c", "person:p", "consent:n", "server:r"]);
}

/// What is beside does not depend on what is not there.
pub async fn a_look_without_a_record_sees_the_one_beside(store: Subject) {
    let client = Sample::new(Kind::Client, "c").body("client");
    created(&store, &client).await;
    let seen = store.look(&look_at(&Sample::new(Kind::Grant, "none"), Some(&client))).await.unwrap();
    assert_eq!(body_of(seen.beside.as_ref()), Some("client"));
    assert!(
        seen.record.is_none() && seen.client.is_none() && seen.person.is_none() && seen.consent.is_none()
    );
}

/// Links are columns of the record, and change with it.
pub async fn links_are_those_of_the_record_as_seen(store: Subject) {
    for id in ["one", "two"] {
        created(&store, &Sample::new(Kind::Person, id).body(id)).await;
    }
    let grant = |person: &str| Sample::new(Kind::Grant, "g").person(person);
    let first = created(&store, &grant("one")).await;
    let second = written(&store, &grant("two"), Guard::This(first)).await;
    let seen = store.look(&look_at(&grant(""), None)).await.unwrap();
    assert_eq!(body_of(seen.person.as_ref()), Some("two"));
    written(&store, &Sample::new(Kind::Grant, "g"), Guard::This(second)).await;
    let seen = store.look(&look_at(&grant(""), None)).await.unwrap();
    assert!(seen.person.is_none());
}

/// Whatever a backend remembers of what it looked at: a block, its end, and a record that came about, bite on the next look.
pub async fn a_look_sees_every_change_of_what_the_record_names(store: Subject) {
    let grant = Sample::new(Kind::Grant, "g").client("c").person("p").server("r");
    created(&store, &grant).await;
    type Part = fn(&Seen) -> &Option<Row>;
    let parts: [(Kind, &str, Part); 4] = [
        (Kind::Client, "c", |seen| &seen.client),
        (Kind::Person, "p", |seen| &seen.person),
        (Kind::Server, "r", |seen| &seen.server),
        (Kind::Client, "d", |seen| &seen.beside),
    ];
    for (kind, id, part) in parts {
        let sample = |body: &str| Sample::new(kind, id).body(body);
        let look = look_at(&grant, Some(&sample("")));
        let seen = async || {
            let mut bodies = Vec::new();
            for _ in 0..3 {
                let seen = store.look(&look).await.unwrap();
                assert_eq!(part(&seen), &seen.beside);
                bodies.push(seen.beside.map(|row| row.body));
            }
            bodies
        };
        assert_eq!(seen().await, [const { None }; 3], "{kind:?}");
        let mut mark = created(&store, &sample("active")).await;
        for body in ["active", "blocked", "active"] {
            assert_eq!(seen().await, vec![Some(body.to_owned()); 3].as_slice(), "{kind:?}");
            let next = if body == "active" { "blocked" } else { "active" };
            mark = written(&store, &sample(next), Guard::This(mark)).await;
        }
    }
}

/// While somebody changes the grant first and the person after, no look sees the grant of later than the person: a person who
/// was blocked before a grant was read is seen blocked.
pub async fn the_record_is_read_no_later_than_the_others(store: Subject) {
    const CHANGES: u32 = 150;
    let grant = |n: u32| Sample::new(Kind::Grant, "g").body(n.to_string()).person("p").client("c");
    let person = |n: u32| Sample::new(Kind::Person, "p").body(n.to_string());
    let client = |n: u32| Sample::new(Kind::Client, "c").body(n.to_string());
    let mut marks = (
        created(&store, &grant(0)).await,
        created(&store, &person(0)).await,
        created(&store, &client(0)).await,
    );
    let over = Arc::new(AtomicBool::new(false));
    let looking: Vec<_> = (0..3)
        .map(|_| {
            let (store, over, look) =
                (store.clone(), Arc::clone(&over), look_at(&grant(0), Some(&person(0))));
            tokio::spawn(async move {
                while !over.load(Ordering::Acquire) {
                    let seen = store.look(&look).await.unwrap();
                    let number = |row: Option<Row>| row.unwrap().body.parse::<u32>().unwrap();
                    let record = number(seen.record);
                    let others = [number(seen.person), number(seen.client), number(seen.beside)];
                    // At every moment each of the others has the grant's number or the one before it.
                    assert!(others.iter().all(|other| other + 1 >= record), "{record} {others:?}");
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for n in 1..=CHANGES {
        marks.0 = written(&store, &grant(n), Guard::This(marks.0)).await;
        marks.1 = written(&store, &person(n), Guard::This(marks.1)).await;
        marks.2 = written(&store, &client(n), Guard::This(marks.2)).await;
    }
    over.store(true, Ordering::Release);
    for look in looking {
        look.await.unwrap();
    }
}
