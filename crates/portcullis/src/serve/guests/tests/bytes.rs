//! What is kept of requests, and what is owed of them.

use super::super::seat::KEPT;
use super::*;

#[tokio::test]
async fn beyond_what_is_kept_of_all_who_has_sent_much_goes_and_who_has_sent_little_stays() {
    let guests = guests(2000, 2000);
    let much = KEPT_OF_EACH + KEPT / 1024;
    let mut large = Vec::new();
    for _ in 0..500 {
        let guest = sit(&guests, "127.0.0.1").await.unwrap();
        guest.seat().says(KEPT_OF_EACH).unwrap();
        large.push(guest);
    }
    assert_eq!(kept(&guests), 0, "those take nothing of it");
    for _ in 0..1024 {
        let guest = sit(&guests, "127.0.0.1").await.unwrap();
        guest.seat().says(much).unwrap();
        large.push(guest);
    }
    let small = sit(&guests, "192.0.2.1").await.unwrap();
    small.seat().says(KEPT_OF_EACH).unwrap();
    assert!(small.seat().says(1).is_err() && large[600].seat().says(1).is_err());
    large[601].seat().asks(much);
    large[601].seat().is_answered();
    assert!(large[600].seat().says(1).is_ok());
    drop((large, small));
    assert_eq!(kept(&guests), 0);
}

#[tokio::test]
async fn what_came_beyond_a_request_is_kept_and_is_some_of_a_head_that_is_owed() {
    let guests = guests(1, 1);
    let guest = sit(&guests, "192.0.2.1").await.unwrap();
    let seat = guest.seat();
    assert_eq!(seat.owed_head(), Some(0));
    seat.says(300 + 31 * 1024).unwrap();
    seat.asks(100);
    seat.goes_on(200);
    assert_eq!(seat.owed_head(), None);
    seat.is_answered();
    seat.is_told();
    assert_eq!(seat.owed_head(), Some(1));
    let more = kept(&guests);
    assert!((22 * 1024..=23 * 1024).contains(&more), "{more}");
    seat.asks(31 * 1024);
    seat.is_answered();
    assert_eq!((seat.owed_head(), kept(&guests)), (None, 0));
    // Idle, until a byte comes.
    seat.is_told();
    assert_eq!(seat.owed_head(), None);
    seat.says(1).unwrap();
    assert_eq!(seat.owed_head(), Some(2));
}

#[tokio::test]
async fn many_small_requests_in_one_read_hide_no_head_behind_them() {
    let guests = guests(1, 1);
    let seat = sit(&guests, "192.0.2.1").await.unwrap().seat();
    seat.says(300 * 25 + 22 * 1024).unwrap();
    for _ in 0..300 {
        seat.asks(25);
        seat.is_answered();
        seat.is_told();
    }
    assert_eq!(seat.owed_head(), Some(300));
    let more = kept(&guests);
    assert!((13 * 1024..=14 * 1024).contains(&more), "{more}");
}

/// rustls reads 4 KiB at a time, and a record when its last byte is there.
#[tokio::test]
async fn what_came_in_the_record_of_a_request_is_owed_too() {
    let guests = guests(1, 1);
    let seat = sit(&guests, "192.0.2.1").await.unwrap().seat();
    seat.says(4000).unwrap();
    seat.is_secured();
    seat.says(16_000).unwrap();
    seat.says(1).unwrap();
    seat.asks(43);
    seat.is_answered();
    assert_eq!(seat.owed_head(), None, "it is not told yet");
    seat.is_told();
    assert_eq!(seat.owed_head(), Some(1));
    let more = kept(&guests);
    assert!((7 * 1024..=8 * 1024).contains(&more), "{more}");
}

#[tokio::test]
async fn what_wraps_a_body_is_kept_nowhere_and_owes_nothing() {
    let guests = guests(1, 1);
    let seat = sit(&guests, "192.0.2.1").await.unwrap().seat();
    // The size of a chunk, with zeros before it.
    for _ in 0..1000 {
        seat.says(64 * 1024).unwrap();
    }
    let more = kept(&guests);
    assert!(more <= 128 * 1024, "{more}");
    // Its end, which came alone.
    seat.says(5).unwrap();
    seat.asks(100);
    seat.goes_on(20);
    seat.is_answered();
    assert_eq!((seat.owed_head(), kept(&guests)), (None, 0));
}
