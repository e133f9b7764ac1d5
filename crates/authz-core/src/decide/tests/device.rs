//! The device that the tokens of a grant went to last.

use http::Request;
use http_io::Peer;
use store::Device;

use super::*;

/// A caller at `192.0.2.n`.
fn caller(n: u8) -> Context {
    let agent = format!("app/{n}");
    let request = Request::builder().header("user-agent", agent).body(()).unwrap();
    Context::of(&request, Peer(Some([192, 0, 2, n].into())))
}

fn device(room: &Room) -> &Device {
    &room.live_record().device
}

#[test]
fn a_grant_remembers_where_its_code_was_redeemed_and_where_it_was_refreshed_last() {
    let mut room = Room::coded();
    room.caller = caller(1);
    let step = redeem(&room.code_request(), proven(&client()), &room.facts, room.setting(), &drawn(3));
    assert!(room.then(step).outcome.is_ok());
    assert_eq!(device(&room), caller(1).device());
    let labelled = device(&room).clone().labelled("Laptop");
    if let Stage::Live(live) = room.stage() {
        live.device = labelled;
    }
    room.caller = caller(2);
    let step =
        refresh(&refreshing(), &room.genuine(1), proven(&client()), &room.facts, room.setting(), &drawn(4));
    assert!(room.then(step).outcome.is_ok());
    assert_eq!(*device(&room), caller(2).device().clone().labelled("Laptop"), "the label stays");
}

#[test]
fn a_repeated_refresh_from_elsewhere_writes_nothing() {
    let mut room = Room::at_generation(2);
    room.caller = caller(9);
    let step =
        refresh(&refreshing(), &room.genuine(1), proven(&client()), &room.facts, room.setting(), &drawn(9));
    let decided = room.weigh(step);
    assert!(decided.outcome.is_ok());
    assert_eq!(decided.written(), Written::Nothing);
}
