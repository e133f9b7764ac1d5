//! RFC 7009.

use store::{Lasting, Why};

use super::*;
use crate::NamedGrant;
use crate::decide::revoke::revoke;

const REVOKED: Written = Written::Ended(Why::Lasting(Lasting::Revoked));

fn weigh(room: &Room, text: &TokenText, client: &Client) -> Decided<()> {
    let genuine = room.keys.genuine(text).unwrap();
    room.weigh(revoke(text, genuine.as_ref(), proven(client), &room.facts, room.setting(), &drawn(77)))
}

#[test]
fn a_token_is_revoked_by_its_client_and_the_answer_is_the_same_for_everything() {
    let room = Room::at_generation(3);
    let forged = TokenText::new(TokenKind::Refresh, *room.grant().id.as_bytes(), 3, 2, [0; 32]);
    let foreign = room.keys.refresh(2, room.grant().id, 3, &Zeroizing::new([0; 16])).unwrap();
    let code = TokenText::new(TokenKind::Code, *room.grant().id.as_bytes(), 1, 2, [0; 32]);
    let unlisted = TokenText::new(TokenKind::Access, *room.grant().id.as_bytes(), 3, 2, [0; 32]);
    for (what, text, client, written) in [
        ("an access token", room.access_token(3), client(), Written::Live),
        ("an older access token", room.access_token(1), client(), Written::Live),
        ("the current refresh token", room.refresh_token(3), client(), REVOKED),
        ("an older refresh token", room.refresh_token(1), client(), REVOKED),
        ("a newer one, which the store has lost", room.refresh_token(9), client(), REVOKED),
        ("another client's access token", room.access_token(3), another_client(), Written::Nothing),
        ("another client's refresh token", room.refresh_token(3), another_client(), Written::Nothing),
        ("a forged refresh token", forged, client(), Written::Nothing),
        ("a genuine one of another seed", foreign, client(), Written::Nothing),
        ("an access token that is not listed", unlisted, client(), Written::Nothing),
        ("a code", code, client(), Written::Nothing),
        ("a session", TokenText::random(TokenKind::Session, [0; 16], [0; 32]), client(), Written::Nothing),
    ] {
        let decided = weigh(&room, &text, &client);
        assert_eq!(decided.refusal(), None, "{what}");
        assert_eq!(decided.written(), written, "{what}");
        let told = match written {
            Written::Live => Some(Event::AccessTokenRevoked(NamedGrant::of(room.grant()))),
            REVOKED => Some(Event::GrantRevoked(NamedGrant::of(room.grant()))),
            Written::Nothing | Written::Requested | Written::Coded | Written::Ended(_) => None,
        };
        assert_eq!(decided.events, Vec::from_iter(told), "{what}");
    }
}

#[test]
fn an_access_token_ends_itself_and_nothing_else() {
    let room = Room::at_generation(3);
    let decided = weigh(&room, &room.access_token(2), &client());
    let mark = room.facts.grant.as_ref().unwrap().mark;
    assert_eq!(decided.guard, Some(Guard::This(mark)), "a rival's refresh must not be lost");
    let Some(Stage::Live(live)) = decided.after.map(|after| after.record.stage) else { panic!("not live") };
    assert_eq!(live.access.iter().map(|access| access.number).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(live.number, 3);
}

/// A confirmed revocation cannot be undone by a refresh that began before it.
#[test]
fn a_refresh_token_ends_the_grant_whoever_writes_meanwhile() {
    let room = Room::at_generation(3);
    assert_eq!(weigh(&room, &room.refresh_token(3), &client()).guard, Some(Guard::Any));
}

#[test]
fn of_a_grant_that_is_not_alive_there_is_nothing_to_revoke() {
    let live = Room::at_generation(2);
    for room in [Room::requested(), Room::coded(), Room::new()] {
        for text in [live.refresh_token(2), live.access_token(2)] {
            let decided = weigh(&room, &text, &client());
            assert_eq!((decided.refusal(), decided.written()), (None, Written::Nothing));
        }
    }
}
