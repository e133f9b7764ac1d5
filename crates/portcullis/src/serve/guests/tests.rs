use std::future::Future;
use std::sync::atomic::Ordering;

use super::seat::{KEPT_OF_EACH, Work};
use super::*;

mod bytes;

const STAY: Duration = Duration::from_secs(1);

fn guests(places: usize, each: usize) -> Guests {
    Guests::of(Room { places, each, stay: STAY, ..Room::of(1) })
}

async fn sit(guests: &Guests, from: &str) -> Option<Guest> {
    guests.seat(from.parse().unwrap()).await
}

/// These, of whom each is worked for.
async fn busy(guests: &Guests, from: [&str; 3]) -> Vec<(Work, Guest)> {
    let mut works = Vec::new();
    for from in from {
        let guest = sit(guests, from).await.unwrap();
        works.push((guest.seat().is_worked_for().unwrap(), guest));
    }
    works
}

/// Beyond what each has for itself, in bytes.
fn kept(guests: &Guests) -> usize {
    guests.common.table.kept.load(Ordering::Relaxed)
}

async fn is_sent_away(guest: &Guest) -> bool {
    tokio::time::timeout(Duration::ZERO, guest.is_sent_away()).await.is_ok()
}

/// A request of so many bytes comes, and is answered.
fn asks_a_trifle(guest: &Guest) {
    let seat = guest.seat();
    seat.says(100).unwrap();
    seat.asks(100);
    drop(seat.is_worked_for());
    seat.is_answered();
    seat.is_told();
}

/// Lets each go that is sent away, and asks for each of the others twice a second.
async fn ask_for_ever(mut guests: Vec<Guest>) {
    loop {
        let mut here = Vec::new();
        for guest in guests {
            if !is_sent_away(&guest).await {
                asks_a_trifle(&guest);
                here.push(guest);
            }
        }
        guests = here;
        sleep(STAY / 2).await;
    }
}

async fn within<T>(time: Duration, what: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, what).await.ok()
}

async fn long() {
    sleep(2 * STAY).await;
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
        let seated = guests.common.table.seated.lock();
        assert!(seated.crowds.is_empty() && seated.seats.is_empty(), "who is gone is forgotten");
        assert!(seated.waiting.is_empty());
    }
    assert_eq!(guests.common.free.available_permits(), 100);
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
    silent.seat().asks(100);
    let (sent, next) = tokio::join!(
        async {
            asking.is_sent_away().await;
            let seat = asking.seat();
            drop(asking);
            assert!(seat.is_worked_for().is_none(), "it would get no answer");
            Instant::now()
        },
        sit(&guests, "192.0.2.4"),
    );
    assert!(next.is_some() && sent.elapsed() < STAY);
    assert!(!is_sent_away(&busy).await && !is_sent_away(&silent).await);
    // Who owes a body goes at once.
    let goes = |guest: Guest| async move {
        let began = Instant::now();
        guest.is_sent_away().await;
        began.elapsed()
    };
    let (sent, _fifth) = tokio::join!(goes(silent), sit(&guests, "192.0.2.5"));
    assert!(sent < STAY, "{sent:?}");
    // An answer is given time, until it is on its way.
    busy.seat().asks(100);
    drop(work);
    busy.seat().is_answered();
    assert!(within(STAY / 2, sit(&guests, "192.0.2.6")).await.is_none());
    busy.seat().is_told();
    let (sent, sixth) = tokio::join!(goes(busy), sit(&guests, "192.0.2.6"));
    assert!(sixth.is_some() && sent < STAY / 2, "{sent:?}");
}

/// 8,192 that ask for a trifle each second are fewer requests than a server answers.
#[tokio::test(start_paused = true)]
async fn who_asks_trifles_all_the_time_on_all_places_shuts_nobody_out_and_loses_their_own_first() {
    for from_one in [true, false] {
        let guests = guests(100, 100);
        let idle = sit(&guests, "192.0.2.1").await.unwrap();
        asks_a_trifle(&idle);
        let mut taken = Vec::new();
        for number in 0..99 {
            let from = if from_one { "198.51.100.1".to_owned() } else { format!("198.51.100.{number}") };
            taken.push(sit(&guests, &from).await.unwrap());
        }
        let asking = tokio::spawn(ask_for_ever(taken));
        long().await;
        let next = sit(&guests, "203.0.113.1");
        if from_one {
            assert!(within(2 * STAY, next).await.flatten().is_some());
            assert!(!is_sent_away(&idle).await, "it is not theirs");
        } else {
            let goes = async move { idle.is_sent_away().await };
            let (next, ()) = within(2 * STAY, async { tokio::join!(next, goes) }).await.unwrap();
            assert!(
                next.is_some() && within(2 * STAY, sit(&guests, "203.0.113.2")).await.flatten().is_some()
            );
        }
        asking.abort();
    }
}

/// RFC 6177: one site may have 65,536 networks of IPv6.
#[tokio::test(start_paused = true)]
async fn who_comes_from_as_many_networks_as_there_are_places_loses_their_own_first() {
    let guests = guests(100, 100);
    let mut office = Vec::new();
    for _ in 0..2 {
        office.push(sit(&guests, "192.0.2.1").await.unwrap());
    }
    let mut crowd = Vec::new();
    for network in 0..98 {
        crowd.push(sit(&guests, &format!("2001:db8:1:{network:x}::1")).await.unwrap());
    }
    long().await;
    let mut newer = Vec::new();
    for number in 0..50 {
        let goes = crowd.remove(0);
        let goes = async move { goes.is_sent_away().await };
        let from = format!("2001:db8:1:{:x}::1", 1000 + number);
        let (next, ()) = within(STAY, async { tokio::join!(sit(&guests, &from), goes) }).await.unwrap();
        newer.push(next.unwrap());
    }
    for guest in &office {
        assert!(!is_sent_away(guest).await, "it is not theirs");
    }
}

/// What is asked all the time is never seen to wait.
#[tokio::test(start_paused = true)]
async fn who_fills_places_and_is_always_worked_for_makes_room_before_others_do() {
    let guests = guests(10, 10);
    let idle = sit(&guests, "192.0.2.1").await.unwrap();
    asks_a_trifle(&idle);
    let mut busy = Vec::new();
    for _ in 0..9 {
        let guest = sit(&guests, "198.51.100.1").await.unwrap();
        guest.seat().asks(100);
        busy.push((guest.seat().is_worked_for().unwrap(), guest));
    }
    long().await;
    let answered = async {
        sleep(STAY / 16).await;
        asks_a_trifle(&idle);
        let (work, guest) = busy.remove(0);
        drop(work);
        guest.seat().is_answered();
        guest.seat().is_told();
        assert!(is_sent_away(&guest).await);
    };
    let (next, ()) = within(STAY, async { tokio::join!(sit(&guests, "192.0.2.2"), answered) }).await.unwrap();
    assert!(next.is_some() && !is_sent_away(&idle).await);
    // If none of them is answered, others go.
    let goes = async move { idle.is_sent_away().await };
    assert!(within(STAY, async { tokio::join!(sit(&guests, "192.0.2.3"), goes) }).await.unwrap().0.is_some());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_kept_waiting_behind_others_for_longer_than_it_has_been_full() {
    let guests = guests(3, 3);
    let mut works = busy(&guests, ["192.0.2.1", "192.0.2.2", "192.0.2.3"]).await;
    let newcomers = async {
        let (mut seated, mut refused) = (Vec::new(), 0);
        for number in 0..20 {
            match sit(&guests, &format!("198.51.100.{number}")).await {
                Some(guest) => seated.push((guest.seat().is_worked_for().unwrap(), guest)),
                None => refused += 1,
            }
        }
        (sit(&guests, "127.0.0.1").await.is_some(), seated.len(), refused)
    };
    let ends = async {
        for _ in 0..3 {
            sleep(3 * STAY / 4).await;
            works.pop();
        }
        std::future::pending::<()>().await;
    };
    let came = tokio::select! { came = newcomers => came, () = ends => unreachable!() };
    assert_eq!(came, (true, 2, 18));
}

/// What is done shall be told.
#[tokio::test(start_paused = true)]
async fn who_is_just_being_answered_stays_however_many_their_address_has() {
    let guests = guests(9, 9);
    let (mut here, mut works) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        let guest = sit(&guests, "192.0.2.1").await.unwrap();
        guest.seat().asks(100);
        works.push(guest.seat().is_worked_for().unwrap());
        here.push(guest);
    }
    works.pop();
    assert!(within(STAY / 2, sit(&guests, "192.0.2.2")).await.is_none());
    assert!(!is_sent_away(&here[8]).await);
}

#[tokio::test(start_paused = true)]
async fn who_asks_without_a_pause_gives_way_after_an_answer() {
    let guests = guests(3, 3);
    let (mut here, mut works) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let guest = sit(&guests, "192.0.2.1").await.unwrap();
        guest.seat().says(400).unwrap();
        guest.seat().asks(100);
        works.push(guest.seat().is_worked_for().unwrap());
        here.push(guest);
    }
    let answers = async {
        sleep(STAY / 4).await;
        let (second, first) = (here.remove(2), here.remove(1));
        works.truncate(1);
        for guest in [&first, &second] {
            guest.seat().is_answered();
            guest.seat().is_told();
            guest.seat().asks(100);
        }
        assert!(first.seat().is_worked_for().is_none() && is_sent_away(&first).await);
        assert!(second.seat().is_worked_for().is_some() && !is_sent_away(&second).await, "one is enough");
        drop(first);
        second
    };
    let (next, _second) =
        within(STAY / 2, async { tokio::join!(sit(&guests, "192.0.2.2"), answers) }).await.unwrap();
    assert!(next.is_some());
}

#[tokio::test(start_paused = true)]
async fn who_comes_when_all_have_been_busy_for_long_is_refused_and_this_machine_is_not() {
    let guests = guests(3, 3);
    let mut works = busy(&guests, ["192.0.2.1", "192.0.2.2", "10.0.0.1"]).await;
    let began = Instant::now();
    assert!(sit(&guests, "192.0.2.3").await.is_none());
    assert_eq!(began.elapsed(), 2 * STAY);
    // Nor do those wait who come behind.
    let health = sit(&guests, "127.0.0.1").await;
    assert!(sit(&guests, "192.0.2.3").await.is_none());
    assert!(health.is_some() && began.elapsed() == 2 * STAY);
    works.pop();
    let last = sit(&guests, "192.0.2.3").await.unwrap();
    long().await;
    // Its place is for this machine alone, and helps nobody else.
    let goes = async move { last.is_sent_away().await };
    let (next, ()) = within(STAY, async { tokio::join!(sit(&guests, "192.0.2.4"), goes) }).await.unwrap();
    assert!(next.is_some() && !is_sent_away(&health.unwrap()).await);
}

#[tokio::test(start_paused = true)]
async fn of_the_places_for_this_machine_the_longest_idle_goes_too() {
    let guests = Guests::of(Room { spare: 1, ..Room::of(1) });
    let busy = sit(&guests, "192.0.2.1").await.unwrap();
    let _work = busy.seat().is_worked_for().unwrap();
    let first = sit(&guests, "127.0.0.1").await.unwrap();
    long().await;
    let goes = async move { first.is_sent_away().await };
    assert!(tokio::join!(sit(&guests, "127.0.0.1"), goes).0.is_some());
}

#[tokio::test(start_paused = true)]
async fn who_hung_up_has_their_place_as_long_as_their_request_runs_and_none_after_it() {
    let guests = guests(3, 3);
    let mut works = Vec::new();
    for _ in 0..3 {
        let guest = sit(&guests, "192.0.2.1").await.unwrap();
        guest.seat().says(2 * KEPT_OF_EACH).unwrap();
        works.push(guest.seat().is_worked_for().unwrap());
    }
    assert_eq!(kept(&guests), 3 * KEPT_OF_EACH);
    let began = Instant::now();
    assert!(sit(&guests, "192.0.2.1").await.is_none() && began.elapsed().is_zero(), "it has its share");
    assert!(sit(&guests, "192.0.2.2").await.is_none(), "there is no place");
    works.pop();
    assert!(sit(&guests, "192.0.2.2").await.is_some());
    // What they meant is done, also if they were gone before it was begun.
    let guest = sit(&guests, "192.0.2.2").await.unwrap();
    let seat = guest.seat();
    drop(guest);
    drop(seat.is_worked_for().unwrap());
    drop((seat, works));
    assert_eq!((guests.common.free.available_permits(), kept(&guests)), (3, 0));
    let seated = guests.common.table.seated.lock();
    assert!(seated.seats.is_empty() && seated.waiting.is_empty() && seated.crowds.is_empty());
}
