//! Sessions.

use ambient::{ManualClock, SeededEntropy};
use store::{Epoch, Memory, SecondFactors, Standing, Totp};

use super::*;

struct World {
    store: Arc<Memory>,
    clock: Arc<ManualClock>,
    sessions: Sessions,
}

fn world() -> World {
    let (store, clock) = (Arc::new(Memory::new()), Arc::new(ManualClock::at(Time(1_000_000))));
    let sessions = Sessions::new(store.clone(), clock.clone(), Arc::new(SeededEntropy::new(5)));
    World { store, clock, sessions }
}

fn ada() -> PersonId {
    PersonId::parse("usr_ada").unwrap()
}

fn proof(person: PersonId) -> Proof {
    at(person, Device::default())
}

fn at(person: PersonId, device: Device) -> Proof {
    Proof { person, amr: vec!["pwd".to_owned()], acr: None, device, account_epoch: None }
}

async fn hold_against(store: &Memory, standing: Standing) {
    let record = PersonStanding { person: ada(), standing };
    let store: &dyn Store = store;
    let changes = match store.find::<PersonStanding>(ada()).await.unwrap() {
        None => Changes::create(Mark::new([1; 16]), &record),
        Some(found) => Changes::replace(Mark::new([2; 16]), &found, &record),
    };
    assert_eq!(store.commit(&changes).await.unwrap(), Commit::Done);
}

#[tokio::test]
async fn whoever_holds_the_text_is_the_person() {
    let World { sessions, .. } = world();
    let begun = sessions.begin(&proof(ada())).await.unwrap().unwrap();
    let found = sessions.find(&begun.text).await.unwrap().unwrap();
    assert_eq!(found.authentication, begun.authentication);
    assert_eq!(found.authentication.auth_time, Time(1_000_000));
    assert!(found.csrf.is(Some(&CsrfToken::of_session(begun.text.expose_secret()).to_string())));
}

#[tokio::test]
async fn another_secret_under_the_same_id_is_nobody() {
    let World { sessions, .. } = world();
    let begun = sessions.begin(&proof(ada())).await.unwrap().unwrap();
    let id = TokenText::parse(begun.text.expose_secret()).unwrap().id;
    let forged = TokenText::random(TokenKind::Session, id, [0; 32]).expose();
    assert!(sessions.find(&forged).await.unwrap().is_none());
    let access = begun.text.expose_secret().replacen("ses_", "mat_", 1);
    for text in ["", "ses_", "garbage", &access] {
        assert!(sessions.find(&text.into()).await.unwrap().is_none(), "{text}");
    }
}

#[tokio::test]
async fn the_same_person_goes_on_in_the_same_session_under_a_new_text() {
    let World { sessions, clock, .. } = world();
    let first = sessions.begin(&proof(ada())).await.unwrap().unwrap();
    clock.advance(60);
    let second = sessions.begin_after(Some(&first.text), &proof(ada())).await.unwrap().unwrap();
    assert_eq!(second.authentication.session, first.authentication.session);
    assert_eq!(second.authentication.auth_time, Time(1_000_060));
    assert!(sessions.find(&first.text).await.unwrap().is_none(), "the text before is dead");
    clock.advance(sessions.idle.as_seconds() - 1);
    assert!(sessions.find(&second.text).await.unwrap().is_some(), "it lasts from the second log-in on");

    // The text before is nobody's: a planted one is never taken over.
    let third = sessions.begin_after(Some(&first.text), &proof(ada())).await.unwrap().unwrap();
    assert_ne!(third.authentication.session, first.authentication.session);
    assert!(sessions.find(&second.text).await.unwrap().is_some());
}

#[tokio::test]
async fn another_person_gets_a_session_of_their_own_and_the_one_before_ends() {
    let World { sessions, .. } = world();
    let adas = sessions.begin(&proof(ada())).await.unwrap().unwrap();
    let bo = PersonId::parse("usr_bo").unwrap();
    let bos = sessions.begin_after(Some(&adas.text), &proof(bo.clone())).await.unwrap().unwrap();
    assert_ne!(bos.authentication.session, adas.authentication.session);
    assert_eq!(sessions.find(&bos.text).await.unwrap().unwrap().authentication.person, bo);
    assert!(sessions.find(&adas.text).await.unwrap().is_none());
}

#[tokio::test]
async fn of_two_log_ins_at_once_both_come_in() {
    let World { sessions, .. } = world();
    let before = sessions.begin(&proof(ada())).await.unwrap().unwrap();
    let found = sessions.held_with(&before.text).await.unwrap().unwrap();
    let winner = sessions.renew(&found, &proof(ada())).await.unwrap().unwrap();
    assert!(sessions.renew(&found, &proof(ada())).await.unwrap().is_none());
    let loser = sessions.begin_after(Some(&before.text), &proof(ada())).await.unwrap().unwrap();
    for begun in [winner, loser] {
        assert!(sessions.find(&begun.text).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_session_lasts_as_long_as_it_says() {
    let World { sessions, clock, .. } = world();
    let sessions = sessions.lasting(Lifetime::minutes(1));
    let begun = sessions.begin(&proof(ada())).await.unwrap().unwrap();
    clock.advance(59);
    assert!(sessions.find(&begun.text).await.unwrap().is_some());
    clock.advance(1);
    assert!(sessions.find(&begun.text).await.unwrap().is_none());
}

#[tokio::test]
async fn a_session_in_use_goes_on_and_ends_all_the_same() {
    let World { sessions, clock, .. } = world();
    let sessions = sessions.lasting(Lifetime::minutes(300)).idle(Lifetime::minutes(90));
    let (used, idle) = (
        sessions.begin(&proof(ada())).await.unwrap().unwrap(),
        sessions.begin(&proof(ada())).await.unwrap().unwrap(),
    );
    for minute in [60, 120, 180, 240, 299] {
        let now = clock.now();
        clock.advance(1_000_000 + minute * 60 - now.0);
        assert!(sessions.find(&used.text).await.unwrap().is_some(), "{minute}");
        assert_eq!(sessions.find(&idle.text).await.unwrap().is_some(), minute < 90, "{minute}");
        if minute == 60 {
            // Looking is using.
            clock.advance(1);
            assert!(sessions.of(&ada()).await.unwrap().iter().all(|one| one.seen == Some(Time(1_003_600))));
            sessions.end(&idle.authentication.session).await.unwrap();
        }
    }
    clock.advance(60);
    assert!(sessions.find(&used.text).await.unwrap().is_none(), "five hours are over");
}

#[tokio::test]
async fn the_use_of_a_session_is_written_once_an_hour() {
    let World { sessions, clock, store } = world();
    let begun = sessions.begin(&proof(ada())).await.unwrap().unwrap();
    let mark = async || {
        let store: &dyn Store = &*store;
        store.find::<Session>(begun.authentication.session).await.unwrap().unwrap().mark
    };
    let first = mark().await;
    clock.advance(SEEN_EVERY - 1);
    sessions.find(&begun.text).await.unwrap().unwrap();
    assert_eq!(mark().await, first);
    clock.advance(1);
    sessions.find(&begun.text).await.unwrap().unwrap();
    assert_ne!(mark().await, first);
}

/// A session from before the factor, and one from before whoever was in was shut out.
#[tokio::test]
async fn whoever_has_not_shown_the_second_factor_of_their_account_is_nobody() {
    let World { sessions, store, .. } = world();
    let factors = SecondFactors {
        totp: Some(Totp { sealed: Vec::new(), confirmed: Some(Time(1)), last_step: 0 }),
        ..SecondFactors::default()
    };
    let account = Account {
        person: ada(),
        name: "Ada".to_owned(),
        email: "ada@example.com".to_owned(),
        email_verified: true,
        password: None,
        factors,
        epoch: None,
        resets: 0,
        registered: Time(0),
    };
    let begun = sessions.begin(&proof(ada())).await.unwrap().unwrap();
    assert!(sessions.find(&begun.text).await.unwrap().is_some());
    let created = Changes::create(Mark::new([3; 16]), &account);
    assert_eq!(store.commit(&created).await.unwrap(), Commit::Done);
    assert!(sessions.find(&begun.text).await.unwrap().is_none());
    assert!(sessions.of(&ada()).await.unwrap().is_empty());

    let both = Proof { amr: ["pwd", "otp", "mfa"].map(ToOwned::to_owned).to_vec(), ..proof(ada()) };
    let begun = sessions.begin(&both).await.unwrap().unwrap();
    assert!(sessions.find(&begun.text).await.unwrap().is_some());
    let dynamic: &dyn Store = &*store;
    let found = dynamic.find::<Account>(&ada()).await.unwrap().unwrap();
    let closed = Account { epoch: Some(Epoch::new([7; 16])), ..account };
    let changes = Changes::replace(Mark::new([4; 16]), &found, &closed);
    assert_eq!(store.commit(&changes).await.unwrap(), Commit::Done);
    assert!(sessions.find(&begun.text).await.unwrap().is_none());
    let late = sessions.begin(&both).await.unwrap().unwrap();
    assert!(
        sessions.find(&late.text).await.unwrap().is_none(),
        "what was proved before is over as it begins"
    );
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one_or_all() {
    let World { sessions, .. } = world();
    let device = Device::at("192.0.2.1".parse().ok(), Some("Firefox/140.0"));
    let mine = sessions.begin(&at(ada(), device.clone())).await.unwrap().unwrap();
    for _ in 0..3 {
        sessions.begin(&proof(ada())).await.unwrap().unwrap();
    }
    let bos = sessions.begin(&proof(PersonId::parse("usr_bo").unwrap())).await.unwrap().unwrap();
    let all = sessions.of(&ada()).await.unwrap();
    assert_eq!(all.len(), 4);
    assert_eq!(all.iter().filter(|session| session.device == device).count(), 1);
    sessions.end(&all.iter().find(|one| one.id != mine.authentication.session).unwrap().id).await.unwrap();
    assert_eq!(sessions.of(&ada()).await.unwrap().len(), 3);
    let let_in = Openings::of_session(&all[0]);
    let ended = sessions.end_shut_out(&ada(), let_in).await.unwrap();
    assert_eq!(ended.len(), 3);
    assert!(ended.contains(&mine.authentication.session));
    assert!(sessions.of(&ada()).await.unwrap().is_empty());
    assert!(sessions.find(&bos.text).await.unwrap().is_some(), "other people's go on");
}

#[tokio::test]
async fn an_ended_session_is_nobodys_even_on_a_slow_clock() {
    let World { sessions, clock, .. } = world();
    let begun = sessions.begin(&proof(ada())).await.unwrap().unwrap();
    sessions.end(&begun.authentication.session).await.unwrap();
    clock.advance(-5);
    assert!(sessions.find(&begun.text).await.unwrap().is_none());
    sessions.end(&begun.authentication.session).await.unwrap();
    sessions.end(&SessionId::new([9; 16])).await.unwrap();
}

#[tokio::test]
async fn whoever_is_blocked_or_logged_out_everywhere_is_nobody() {
    let World { sessions, store, .. } = world();
    let begun = sessions.begin(&proof(ada())).await.unwrap().unwrap();
    hold_against(&store, Standing { epoch: Some(Epoch::new([7; 16])), ..Standing::default() }).await;
    assert!(sessions.find(&begun.text).await.unwrap().is_none());

    let begun = sessions.begin(&proof(ada())).await.unwrap().unwrap();
    assert!(sessions.find(&begun.text).await.unwrap().is_some());
    hold_against(&store, Standing { status: Status::Blocked, epoch: Some(Epoch::new([7; 16])) }).await;
    assert!(sessions.find(&begun.text).await.unwrap().is_none());
    assert!(sessions.begin(&proof(ada())).await.unwrap().is_none());
}
