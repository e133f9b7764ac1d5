//! The trail as it is written and kept.

mod budgets;

use ambient::{ManualClock, SeededEntropy};
use async_trait::async_trait;
use authz_core::{AccountEvent, By, KeyName, Limit, LogInRefusal, NamedGrant, OversightEvent, Refusal};
use oauth_types::ClientId;
use store::{AdminKey, Backend, Digest, Filter, Found, Front, GrantId, Kind, Memory, PersonId, TrailPlace};

use super::*;

/// A store that is away, now and then: of what is written while it is, every other piece arrives and its answer does not.
#[derive(Default)]
struct Away {
    store: Memory,
    away: Mutex<bool>,
    wrote: Mutex<u32>,
}

#[async_trait]
impl Front for Away {
    fn behind(&self) -> &dyn Backend {
        &self.store
    }

    async fn commit(&self, changes: &Changes) -> Result<Commit, StoreError> {
        if !*self.away.lock() {
            return self.behind().commit(changes).await;
        }
        let wrote = {
            let mut wrote = self.wrote.lock();
            *wrote += 1;
            *wrote
        };
        if wrote % 2 == 0 {
            let _ = self.behind().commit(changes).await?;
        }
        Err(StoreError::unavailable("Connection reset"))
    }
}

struct Scene {
    audit: Audit,
    store: Arc<Away>,
    clock: Arc<ManualClock>,
}

fn scene() -> Scene {
    let (store, clock) = (Arc::new(Away::default()), Arc::new(ManualClock::at(Time(1_000))));
    let audit = Audit::new(store.clone(), clock.clone(), Arc::new(SeededEntropy::new(1)));
    Scene { audit, store, clock }
}

impl Scene {
    async fn pieces(&self) -> Vec<Trail> {
        let page = self.store.behind().list(Kind::Trail, Filter::All, None, 1_000).await.unwrap();
        page.rows.iter().map(|row| Found::<Trail>::decode(row).unwrap().record).collect()
    }

    async fn entries(&self) -> Vec<Entry> {
        self.pieces().await.into_iter().flat_map(|piece| piece.entries).collect()
    }

    async fn names(&self) -> Vec<String> {
        self.entries().await.into_iter().map(|entry| entry.name).collect()
    }
}

/// Of each grant twenty.
fn refreshed(number: u32) -> Event {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&(number / 20).to_be_bytes());
    refreshed_of(GrantId::new(id), None, number)
}

fn refreshed_of(id: GrantId, person: Option<&PersonId>, number: u32) -> Event {
    let client = ClientId::parse("cid_app").unwrap();
    let grant = NamedGrant { id, client, person: person.cloned(), server: None };
    Event::Refreshed { grant, number }
}

fn refused(address: [u8; 4]) -> Event {
    let from = Some(address.into());
    Event::Refused { endpoint: "token", refusal: Refusal::RefreshForged, client: None, from }
}

#[tokio::test]
async fn what_is_told_is_in_the_trail_and_swept_when_its_time_is_over() {
    let scene = scene();
    let person = PersonId::parse("usr_ada").unwrap();
    let why = LogInRefusal::Password;
    scene.audit.tell(&AccountEvent::LogInRefused { person: Some(person.clone()), why }.into());
    scene.audit.write().await.unwrap();
    let entries = scene.entries().await;
    assert_eq!((entries.len(), entries[0].person.as_ref(), entries[0].at), (1, Some(&person), Time(1_000)));
    scene.clock.advance(90 * 86_400);
    assert_eq!(scene.store.sweep(scene.clock.now(), 10).await.unwrap(), 0);
    scene.clock.advance(1);
    assert_eq!(scene.store.sweep(scene.clock.now(), 10).await.unwrap(), 1);
}

#[tokio::test]
async fn with_a_retention_of_nothing_events_are_in_the_log_alone() {
    let Scene { audit, store, .. } = scene();
    let audit = audit.kept_for(Lifetime::seconds(0));
    let log = crate::telemetry::tests::logged(async { audit.tell(&refreshed(1)) }).await.1;
    audit.write().await.unwrap();
    assert!(store.behind().list(Kind::Trail, Filter::All, None, 1).await.unwrap().rows.is_empty());
    assert!(log.contains("refreshed") && log.contains("done"), "{log}");
}

#[tokio::test]
async fn pieces_are_short_and_keep_their_order() {
    let scene = scene();
    for number in 0..250 {
        scene.audit.tell(&refreshed(number));
    }
    scene.audit.write().await.unwrap();
    let pieces = scene.pieces().await;
    let mut lengths: Vec<usize> = pieces.iter().map(|piece| piece.entries.len()).collect();
    lengths.sort_unstable();
    assert_eq!(lengths, [50, 100, 100]);
    for piece in pieces {
        let numbers: Vec<u32> =
            piece.entries.iter().map(|entry| entry.detail["number"].parse().unwrap()).collect();
        assert!(numbers.is_sorted(), "{numbers:?}");
    }
    assert_eq!(scene.audit.waiting(), 0);
}

/// Whoever follows the trail does not look where they were before.
#[tokio::test]
async fn what_waited_for_the_store_has_the_place_of_when_it_was_written() {
    for answers_arrive in [true, false] {
        let scene = scene();
        *scene.store.wrote.lock() = u32::from(!answers_arrive);
        *scene.store.away.lock() = true;
        scene.audit.tell(&refreshed(1));
        assert!(scene.audit.write().await.is_err());
        scene.clock.advance(3_600);
        *scene.store.away.lock() = false;
        scene.audit.tell(&refreshed(2));
        scene.audit.write().await.unwrap();
        let pieces = scene.pieces().await;
        let places: Vec<(Time, Time)> = pieces
            .iter()
            .map(|piece| (TrailPlace::of(&piece.id).unwrap().at(), piece.entries[0].at))
            .collect();
        let expected = match answers_arrive {
            true => vec![(Time(4_600), Time(1_000))],
            // It was there all along, and only its answer was not.
            false => vec![(Time(1_000), Time(1_000)), (Time(4_600), Time(4_600))],
        };
        assert_eq!((places, scene.entries().await.len()), (expected, 2));
    }
}

#[tokio::test]
async fn a_store_that_is_away_loses_nothing_and_doubles_nothing() {
    let scene = scene();
    *scene.store.away.lock() = true;
    for number in 0..5 {
        scene.audit.tell(&refreshed(number));
        assert!(scene.audit.write().await.is_err());
    }
    assert_eq!(scene.audit.waiting(), 5);
    *scene.store.away.lock() = false;
    scene.audit.write().await.unwrap();
    let mut numbers: Vec<String> =
        scene.entries().await.iter().map(|entry| entry.detail["number"].clone()).collect();
    numbers.sort();
    assert_eq!(numbers, ["0", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn what_does_not_fit_is_counted_and_the_trail_says_so() {
    let scene = scene();
    *scene.store.away.lock() = true;
    for number in 0..10_100 {
        scene.audit.tell(&refreshed(number));
    }
    let lost = scene.audit.lost();
    assert!(lost > 0 && scene.audit.waiting() as u64 + lost == 10_100, "{lost}");
    *scene.store.away.lock() = false;
    scene.audit.write().await.unwrap();
    scene.audit.tell(&refreshed(0));
    scene.audit.write().await.unwrap();
    let told: Vec<Entry> =
        scene.entries().await.into_iter().filter(|entry| entry.name == "events_lost").collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].detail["number"], lost.to_string());
}

#[tokio::test(start_paused = true)]
async fn what_comes_is_written_within_moments_and_the_rest_at_the_end() {
    let scene = scene();
    let first = async {
        tokio::select! {
            () = scene.audit.keep_writing() => {}
            () = sleep(GATHERED_FOR * 3) => {}
        }
    };
    scene.audit.tell(&refreshed(1));
    first.await;
    assert_eq!(scene.names().await, ["refreshed"]);
    scene.audit.tell(&refreshed(2));
    scene.audit.finish().await;
    assert_eq!(scene.names().await, ["refreshed", "refreshed"]);
}
