//! `/oauth/continue/{grant}` (design section 3, "Redeeming a code").

use store::{Lasting, Why};

use super::*;
use crate::decide::proceed::{Proceed, proceed};

fn ask(room: &Room, who: &Authentication) -> Step<Proceed> {
    proceed(&room.facts, who, &issuer(), room.setting(), &drawn(40))
}

fn location(decided: &Decided<Proceed>) -> String {
    match &decided.outcome {
        Ok(Proceed::ToClient(location)) => location.as_str().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_code_is_the_same_one_while_it_lives_and_nothing_is_written() {
    use secrecy::ExposeSecret as _;
    let mut room = Room::coded();
    let first = room.weigh(ask(&room, &ada()));
    let expected = format!(
        "{CALLBACK}?code={}&state=xyz&iss=https%3A%2F%2Fas.example",
        room.code().expose().expose_secret()
    );
    assert_eq!(location(&first), expected);
    room.now = NOW.plus(59);
    let again = room.weigh(ask(&room, &ada()));
    assert_eq!(location(&again), expected);
    assert_eq!((first.written(), again.written()), (Written::Nothing, Written::Nothing));
}

/// At most one code of a grant can be redeemed at any time.
#[test]
fn after_that_it_is_the_next_one_and_the_one_before_is_unknown() {
    let mut room = Room::coded();
    let old = room.code_request();
    let before = location(&room.weigh(ask(&room, &ada())));
    room.now = NOW.plus(60);
    room.keys = Keyring::new(1, [(1, [1; 32]), (2, [2; 32])]).unwrap();
    let mark = room.facts.grant.as_ref().unwrap().mark;
    let decided = room.then(ask(&room, &ada()));
    assert_eq!((decided.written(), decided.guard), (Written::Coded, Some(Guard::This(mark))));
    assert_ne!(location(&decided), before);
    let Stage::Coded(coded) = &room.grant().stage else { panic!("no code") };
    assert_eq!((coded.number, coded.expires, coded.until), (2, NOW.plus(120), NOW.plus(600)));
    assert_eq!((coded.key, coded.nonce), (1, drawn(40).nonce), "of the key and the bytes of now");
    let redeemed = room.weigh(redeem(&old, proven(&client()), &room.facts, room.setting(), &drawn(41)));
    assert_eq!((redeemed.refusal(), redeemed.written()), (Some(Refusal::CodeUnknown), Written::Nothing));
    let step = redeem(&room.code_request(), proven(&client()), &room.facts, room.setting(), &drawn(42));
    assert!(room.weigh(step).outcome.is_ok());
}

#[test]
fn the_request_lasts_ten_minutes_and_so_does_its_last_code() {
    let mut room = Room::coded();
    room.now = NOW.plus(600);
    assert_eq!(room.weigh(ask(&room, &ada())).refusal(), Some(Refusal::RequestGone));
    room.now = NOW.plus(599);
    assert_eq!(room.then(ask(&room, &ada())).written(), Written::Coded);
    room.now = NOW.plus(658);
    assert!(room.weigh(ask(&room, &ada())).outcome.is_ok(), "the code still lives");
    room.now = NOW.plus(659);
    assert_eq!(room.weigh(ask(&room, &ada())).refusal(), Some(Refusal::RequestGone));
}

#[test]
fn at_each_stage_the_browser_goes_where_it_should() {
    let (live, _) = Room::live();
    let requested = Room::requested();
    let asked = Proceed::Ask(requested.grant().id);
    for (room, expected) in [(requested, asked), (live, Proceed::Connected)] {
        let decided = room.weigh(ask(&room, &ada()));
        assert_eq!((decided.outcome.clone(), decided.written()), (Ok(expected), Written::Nothing));
    }
    let mut ended = Room::coded();
    let why = Why::Lasting(Lasting::Revoked);
    *ended.stage() = Stage::Ended(store::Ended { why, when: NOW, last: NOW });
    for room in [ended, Room::new()] {
        assert_eq!(room.weigh(ask(&room, &ada())).refusal(), Some(Refusal::RequestGone));
    }
}

/// A link to somebody else's grant gives no code, at no stage.
#[test]
fn another_session_or_person_gets_nothing() {
    let (live, _) = Room::live();
    let session = Authentication { session: SessionId::new([6; 16]), ..ada() };
    let eve = Authentication { person: PersonId::parse("usr_eve").unwrap(), ..ada() };
    for mut room in [Room::requested(), Room::coded(), live] {
        for who in [&session, &eve] {
            assert_eq!(room.weigh(ask(&room, who)).refusal(), Some(Refusal::RequestOfAnother));
        }
        room.now = NOW.plus(10_000);
        assert_eq!(room.weigh(ask(&room, &eve)).refusal(), Some(Refusal::RequestOfAnother));
    }
}
