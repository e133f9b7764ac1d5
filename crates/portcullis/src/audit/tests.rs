use ambient::{ManualClock, SeededEntropy};
use async_trait::async_trait;
use authz_core::{AccountEvent, By, KeyName, LogInRefusal, NamedGrant, OversightEvent, Refusal};
use oauth_types::ClientId;
use store::{
    AdminKey, Claim, ClaimKind, Claimed, Digest, Filter, Found, GrantId, Inspect, Key, Kind, Look, Memory,
    Page, PersonId, Row, Seen, Store, TrailPlace,
};

use super::*;

/// A store that is away, now and then: of what is written while it is, every other piece arrives and its answer does not.
#[derive(Default)]
struct Away {
    store: Memory,
    away: Mutex<bool>,
    wrote: Mutex<u32>,
}

#[async_trait]
impl Store for Away {
    async fn read(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        self.store.read(key).await
    }

    async fn look(&self, look: &Look) -> Result<Seen, StoreError> {
        self.store.look(look).await
    }

    async fn commit(&self, changes: &Changes) -> Result<Commit, StoreError> {
        if !*self.away.lock() {
            return self.store.commit(changes).await;
        }
        let wrote = {
            let mut wrote = self.wrote.lock();
            *wrote += 1;
            *wrote
        };
        if wrote % 2 == 0 {
            let _ = self.store.commit(changes).await?;
        }
        Err(StoreError::unavailable("Connection reset"))
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        self.store.claim(claim).await
    }

    async fn holder(&self, kind: ClaimKind, key: &str) -> Result<Option<(String, Time)>, StoreError> {
        self.store.holder(kind, key).await
    }

    async fn release(&self, kind: ClaimKind, key: &str, owner: &str) -> Result<(), StoreError> {
        self.store.release(kind, key, owner).await
    }

    async fn sweep(&self, now: Time, at_most: u32) -> Result<u32, StoreError> {
        self.store.sweep(now, at_most).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.store.ready().await
    }
}

#[async_trait]
impl Inspect for Away {
    async fn list(
        &self,
        kind: Kind,
        filter: Filter<'_>,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Page, StoreError> {
        self.store.list(kind, filter, after, at_most).await
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
        let page = self.store.list(Kind::Trail, Filter::All, None, 1_000).await.unwrap();
        page.rows.iter().map(|row| Found::<Trail>::decode(row).unwrap().record).collect()
    }

    async fn entries(&self) -> Vec<Entry> {
        self.pieces().await.into_iter().flat_map(|piece| piece.entries).collect()
    }

    async fn names(&self) -> Vec<String> {
        self.entries().await.into_iter().map(|entry| entry.name).collect()
    }
}

/// Of each grant a hundred.
fn refreshed(number: u32) -> Event {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&(number / 100).to_be_bytes());
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
    assert!(store.list(Kind::Trail, Filter::All, None, 1).await.unwrap().rows.is_empty());
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

/// Anybody can be refused a thousand times a second; what is known of people and grants is kept all the same.
#[tokio::test]
async fn strangers_cannot_fill_the_trail() {
    let scene = scene();
    for _ in 0..1_000 {
        scene.audit.tell(&refused([192, 0, 2, 1]));
    }
    for network in 0..=255 {
        scene.audit.tell(&refused([198, 51, network, 1]));
        scene.audit.tell(&refused([198, 51, network, 2]));
    }
    // What says of an attack has room of its own, and so has what is done, and not refused.
    scene.audit.tell(&Event::AdministrationRefused { from: Some([192, 0, 2, 1].into()) });
    for n in 0..1_000 {
        let client = format!("cid_{n}").parse().unwrap();
        scene.audit.tell(&Event::ClientRegistered { client, from: Some([198, 18, 0, 1].into()) });
    }
    scene.audit.tell(&refreshed(1));
    scene.clock.advance(60);
    scene.audit.tell(&refused([192, 0, 2, 1]));
    scene.audit.write().await.unwrap();
    let names = scene.names().await;
    let count = |name: &str| names.iter().filter(|own| *own == name).count();
    assert_eq!((count("refused"), count("administration_refused"), count("client_registered")), (121, 1, 20));
    assert_eq!((count("refreshed"), count("entries_omitted")), (1, 2), "{names:?}");
    let omitted: Vec<(String, String)> = scene
        .entries()
        .await
        .into_iter()
        .filter(|entry| entry.name == "entries_omitted")
        .map(|entry| (entry.detail["name"].clone(), entry.detail["number"].clone()))
        .collect();
    let expected = [("client_registered", "980"), ("refused", "1392")];
    assert_eq!(omitted, expected.map(|(name, number)| (name.to_owned(), number.to_owned())));
    assert_eq!(scene.audit.lost(), 980 + 1_392);
}

/// The attack: to go on for days.
#[tokio::test]
async fn strangers_have_so_much_of_a_day_and_no_more() {
    let scene = scene();
    let (mut entries, mut bytes) = (0, 0);
    let agent = "a".repeat(180);
    let request = http::Request::builder().header("user-agent", agent).body(()).unwrap();
    for minute in 0..1_440_u32 {
        scene.clock.advance(60);
        for network in 0..20 {
            let [_, _, c, d] = (minute * 20 + network).to_be_bytes();
            let context = Context::of(&request, http_io::Peer(None));
            scene.audit.tell_with(&refused([10, c, d, 1]), &context);
        }
        let mut queue = scene.audit.queue.lock();
        while let Some((whose, waiting)) = queue.first(1_000, scene.clock.now(), true) {
            for entry in waiting.iter().filter(|entry| entry.name == "refused") {
                entries += 1;
                bytes += serde_json::to_vec(entry).unwrap().len();
            }
            let now = scene.clock.now();
            queue.written(whose, waiting.len(), now);
        }
    }
    assert!((1_000..=120 + 8_640).contains(&entries), "{entries}");
    assert!((500 * 1_024..=(64 + 1_024) * 1_024).contains(&bytes), "{bytes}");
    assert_eq!(scene.audit.lost(), 20 * 1_440 - entries);
}

/// The attack: to sign up, connect an app, and refresh its tokens for as long and as often as the limits allow.
#[tokio::test]
async fn nobody_who_is_known_fills_the_trail_either_nor_hides_what_others_do() {
    let scene = scene();
    let person = |name: &str| PersonId::parse(name).unwrap();
    let (eve, ada) = (person("usr_eve"), person("usr_ada"));
    let (mut kept, mut bytes, mut told) = (0, 0, 0);
    for minute in 0..1_440 {
        scene.clock.advance(60);
        for grant in 0..20 {
            scene.audit.tell(&refreshed_of(GrantId::new([grant; 16]), Some(&eve), minute));
        }
        let mut queue = scene.audit.queue.lock();
        while let Some((whose, waiting)) = queue.first(1_000, scene.clock.now(), true) {
            assert_eq!(whose, Whose::Known);
            kept += waiting.iter().filter(|entry| entry.name == "refreshed").count();
            told += waiting.iter().filter(|entry| entry.name == "entries_omitted").count();
            bytes += waiting.iter().map(|entry| serde_json::to_vec(entry).unwrap().len()).sum::<usize>();
            let now = scene.clock.now();
            queue.written(whose, waiting.len(), now);
        }
    }
    assert!((1_000..=120 + 2_880).contains(&kept), "{kept}");
    assert!(
        bytes <= 700 * 1_024 && (20..=25).contains(&told),
        "{bytes} bytes, omitted ones told {told} times"
    );

    let changed = AccountEvent::PasswordChanged { person: eve.clone() };
    scene.audit.tell(&changed.into());
    scene.audit.tell(&refreshed_of(GrantId::new([1; 16]), Some(&ada), 1));
    let by = By::operator().actor;
    scene.audit.tell(&OversightEvent::EverythingEnded { person: eve.clone(), by }.into());
    scene.audit.write().await.unwrap();
    let entries = scene.entries().await;
    let is_there = |name: &str, person: &PersonId| {
        entries.iter().any(|entry| entry.name == name && entry.person.as_ref() == Some(person))
    };
    assert!(is_there("password_changed", &eve), "another name has room of its own");
    assert!(is_there("refreshed", &ada), "and so has another person");
    assert!(is_there("everything_ended", &eve), "what the operator does is kept in any case");
}

#[tokio::test]
async fn what_strangers_do_is_kept_for_days_and_the_rest_for_months() {
    let Scene { audit, store, clock } = scene();
    let audit = audit.strangers_kept_for(Lifetime::days(2));
    audit.tell(&refused([192, 0, 2, 1]));
    audit.tell(&AccountEvent::PasswordResetAsked { person: None }.into());
    audit.tell(&refreshed(1));
    audit.write().await.unwrap();
    clock.advance(2 * 86_400 + 1);
    assert_eq!(store.sweep(clock.now(), 10).await.unwrap(), 1);
    let scene = Scene { audit, store, clock };
    assert_eq!(scene.names().await, ["refreshed"]);
}

/// A flood does not make a piece of each second.
#[tokio::test]
async fn what_strangers_do_is_gathered_for_longer() {
    let scene = scene();
    for _ in 0..20 {
        scene.clock.advance(1);
        scene.audit.tell(&refused([192, 0, 2, 1]));
        scene.audit.tell(&refreshed(1));
        scene.audit.write_what_waits(false).await.unwrap();
    }
    scene.audit.write().await.unwrap();
    let pieces = scene.pieces().await;
    let of_strangers = pieces.iter().filter(|piece| piece.entries[0].name == "refused").count();
    assert_eq!((of_strangers, pieces.len()), (3, 23));
}

/// The attack: a key that may only read, which is refused without end.
#[tokio::test]
async fn equal_uses_of_a_key_are_one_entry_a_minute_and_their_number() {
    let scene = scene();
    let acted = |key: &str, from: [u8; 4]| {
        let key = KeyName::from(&AdminKey::new(key, Digest::of(b""), Time(0)));
        let outcome = Outcome::Refused;
        let event =
            OversightEvent::AdministrationActed { key, method: "DELETE", route: "/api/keys/{key}", outcome };
        let context = Context::of(&http::Request::new(()), http_io::Peer(Some(from.into())));
        scene.audit.tell_with(&event.into(), &context);
    };
    for _ in 0..1_000 {
        acted("reads", [192, 0, 2, 1]);
        acted("other", [192, 0, 2, 1]);
    }
    // The attack: to use a key that was stolen in a minute in which its holder uses it as well.
    acted("other", [192, 0, 2, 2]);
    scene.audit.write().await.unwrap();
    let entries = scene.entries().await;
    let from = |key: &str| -> Vec<String> {
        let own = entries.iter().filter(|entry| entry.actor.as_deref() == Some(key));
        own.map(|entry| entry.from.unwrap().to_string()).collect()
    };
    assert_eq!(from("administrator:reads"), ["192.0.2.1"], "each key once");
    assert_eq!(from("administrator:other"), ["192.0.2.1", "192.0.2.2"], "and from each address");
    scene.clock.advance(60);
    scene.audit.write().await.unwrap();
    let mut again: Vec<(Option<String>, bool)> = Vec::new();
    for entry in scene.entries().await {
        if let Some(times) = entry.detail.get("times") {
            again.push((entry.actor.map(|actor| format!("{actor} {times}")), entry.from.is_some()));
        }
    }
    again.sort();
    let expected = [("administrator:other 999", true), ("administrator:reads 999", true)];
    assert_eq!(again, expected.map(|(text, from)| (Some(text.to_owned()), from)));
    assert_eq!(scene.audit.lost(), 0);
}

/// The attack: a key that is used from so many addresses that each use is told by itself.
#[tokio::test]
async fn a_key_that_is_used_from_everywhere_does_not_fill_the_trail() {
    let scene = scene();
    let key = KeyName::from(&AdminKey::new("reads", Digest::of(b""), Time(0)));
    for minute in 0..100_u8 {
        scene.clock.advance(60);
        for n in 0..600_u16 {
            let [high, low] = n.to_be_bytes();
            let from = Some([10, minute, high, low / 2].into());
            let context = Context::of(&http::Request::new(()), http_io::Peer(from));
            let (key, outcome) = (key.clone(), Outcome::Done);
            let event =
                OversightEvent::AdministrationActed { key, method: "GET", route: "/api/users", outcome };
            scene.audit.tell_with(&event.into(), &context);
        }
    }
    scene.audit.write().await.unwrap();
    let kept = scene.names().await.iter().filter(|name| *name == "administration_acted").count();
    assert!((120..2_000).contains(&kept), "{kept}");
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
