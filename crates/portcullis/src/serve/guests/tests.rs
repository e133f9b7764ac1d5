use super::*;

const STAY: Duration = Duration::from_secs(1);

fn guests(places: usize, each: usize) -> Guests {
    Guests::of(Room { places, each, stay: STAY, ..Room::of(1) })
}

async fn sit(guests: &Guests, from: &str) -> Option<Guest> {
    guests.seat(from.parse().unwrap()).await
}

async fn is_sent_away(guest: &Guest) -> bool {
    tokio::time::timeout(Duration::ZERO, guest.is_sent_away()).await.is_ok()
}

async fn long() {
    tokio::time::sleep(2 * STAY).await;
}

#[tokio::test(start_paused = true)]
async fn who_has_their_share_is_refused_unless_one_of_them_has_waited_long_and_others_are_let_in() {
    let proxies = ["10.0.0.0/8".parse().unwrap()];
    let room = Room { each: 2, ..Room::of(100) }.with_proxies(&proxies);
    let guests = Guests::of(room);
    for (one, same, other) in [
        ("203.0.113.1", "::ffff:203.0.113.1", "203.0.113.2"),
        ("2001:db8:1:1::1", "2001:db8:1:1:ffff::2", "2001:db8:1:2::1"),
    ] {
        let first = sit(&guests, one).await.unwrap();
        let second = sit(&guests, same).await.unwrap();
        assert!(sit(&guests, one).await.is_none(), "{one}");
        assert!(sit(&guests, other).await.is_some(), "{other}");
        drop(first);
        let third = sit(&guests, one).await.unwrap();
        long().await;
        let fourth = sit(&guests, one).await.unwrap();
        assert!(is_sent_away(&second).await && !is_sent_away(&third).await, "{one}");
        drop((second, third, fourth));
    }
    {
        let seated = guests.table.seated.lock();
        assert!(seated.by_address.is_empty() && seated.waiting.is_empty(), "who is gone is forgotten");
    }
    assert_eq!(guests.places.available_permits(), 100);
    for free in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "10.1.2.3"] {
        let mut seated = Vec::new();
        for _ in 0..100 {
            seated.push(sit(&guests, free).await.unwrap());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn for_somebody_new_the_one_goes_who_has_waited_longest_and_nobody_who_is_worked_for() {
    let guests = guests(3, 3);
    let silent = sit(&guests, "192.0.2.1").await.unwrap();
    let busy = sit(&guests, "192.0.2.2").await.unwrap();
    let asking = sit(&guests, "192.0.2.3").await.unwrap();
    let work = busy.seat().is_worked_for().unwrap();
    long().await;
    silent.seat().asks();
    let (sent, next) = tokio::join!(
        async {
            asking.is_sent_away().await;
            assert!(asking.seat().is_worked_for().is_none(), "it would get no answer");
            drop(asking);
            Instant::now()
        },
        sit(&guests, "192.0.2.4"),
    );
    assert!(next.is_some() && sent.elapsed() < STAY);
    assert!(!is_sent_away(&busy).await && !is_sent_away(&silent).await);
    // An answer is given time, too.
    drop(work);
    let began = Instant::now();
    let (sent, _) = tokio::join!(
        async {
            silent.is_sent_away().await;
            drop(silent);
            began.elapsed()
        },
        sit(&guests, "192.0.2.5"),
    );
    assert!(sent >= STAY && !is_sent_away(&busy).await, "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn who_hung_up_has_no_place_while_their_request_runs_on_and_none_after_it() {
    let guests = guests(1, 1);
    let guest = sit(&guests, "192.0.2.1").await.unwrap();
    let seat = guest.seat();
    let work = seat.is_worked_for().unwrap();
    drop(guest);
    assert_eq!(guests.places.available_permits(), 1);
    drop(work);
    drop(seat.is_worked_for().unwrap());
    let seated = guests.table.seated.lock();
    assert!(seated.waiting.is_empty() && seated.by_address.is_empty());
}

#[tokio::test]
async fn beyond_what_is_kept_of_all_who_has_sent_much_goes_and_who_has_sent_little_stays() {
    let guests = guests(2000, 2000);
    let mut large = Vec::new();
    for _ in 0..1024 {
        let guest = sit(&guests, "127.0.0.1").await.unwrap();
        guest.seat().says(UNANSWERED / 1024).unwrap();
        large.push(guest);
    }
    let small = sit(&guests, "192.0.2.1").await.unwrap();
    small.seat().says(UNANSWERED_EACH).unwrap();
    assert!(small.seat().says(1).is_err() && large[0].seat().says(1).is_err());
    large[1].seat().is_answered();
    assert!(large[0].seat().says(1).is_ok());
    drop((large, small));
    assert_eq!(guests.table.unanswered.load(Ordering::Relaxed), 0);
}
