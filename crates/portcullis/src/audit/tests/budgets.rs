//! How much is kept of what anybody can cause.

use super::*;

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

/// The attack: an app that somebody has connected, so that nobody sees from where the tokens of another one are refreshed.
#[tokio::test]
async fn an_app_hides_no_other_app_of_the_same_person() {
    let scene = scene();
    let ada = PersonId::parse("usr_ada").unwrap();
    let (loud, other) = (GrantId::new([1; 16]), GrantId::new([2; 16]));
    for hour in 1..=24 {
        for number in 0..2_000 {
            scene.audit.tell(&refreshed_of(loud, Some(&ada), number));
        }
        scene.clock.advance(3_600);
        scene.audit.tell(&refreshed_of(other, Some(&ada), hour));
    }
    scene.audit.write().await.unwrap();
    let kept = scene.entries().await;
    let count = |grant: GrantId| kept.iter().filter(|entry| entry.grant == Some(grant)).count();
    assert_eq!(count(other), 24);
    assert!((30..=30 + 720).contains(&count(loud)), "{}", count(loud));
    let omitted = kept.iter().filter(|entry| entry.name == "entries_omitted");
    let told: Vec<_> = omitted.map(|entry| entry.person.clone()).collect();
    assert!(!told.is_empty() && told.iter().all(|person| *person == Some(ada.clone())), "{told:?}");
}

/// The attack: to be over a limit that costs nothing, so that nobody sees who is over another one.
#[tokio::test]
async fn one_limit_hides_no_other() {
    let scene = scene();
    let limited = |limit: Limit, from: [u8; 4]| {
        scene.audit.tell(&Event::Limited { limit: limit.as_str(), from: Some(from.into()) });
    };
    for network in 0..=255 {
        limited(Limit::Registration, [198, 51, network, 1]);
    }
    limited(Limit::Administration, [192, 0, 2, 1]);
    scene.clock.advance(60);
    scene.audit.write().await.unwrap();
    let told: Vec<(String, Option<String>)> =
        scene.entries().await.into_iter().map(|entry| (entry.name, entry.why)).collect();
    let count = |name: &str, why: &str| {
        told.iter().filter(|(own, of)| own == name && of.as_deref() == Some(why)).count()
    };
    assert_eq!((count("limited", "registration"), count("entries_omitted", "registration")), (120, 1));
    assert_eq!(count("limited", "administration"), 1);
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
    scene.audit.tell(&refreshed_of(GrantId::new([200; 16]), Some(&ada), 1));
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
    for minute in 0..20_u8 {
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
    assert!((120..=360).contains(&kept), "{kept}");
}
