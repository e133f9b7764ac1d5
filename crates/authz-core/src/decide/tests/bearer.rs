//! I7, RFC 7662 and OpenID Connect Core section 5.3.

use std::sync::Arc;

use oauth_types::{Audience, IntrospectionResponse};
use store::{Epoch, Lasting, Why};

use super::*;
use crate::decide::bearer::{authenticate_server, introspect, user_info, username, valid};
use crate::seam::Profile;

/// A living grant at generation 1, with its own client among the facts.
fn room() -> Room {
    let (mut room, _) = Room::live();
    room.facts.client = Some(Arc::new(Found { record: client(), mark: Mark::new([0; 16]) }));
    room
}

fn live(room: &mut Room) -> &mut Live {
    match room.stage() {
        Stage::Live(live) => live,
        other @ (Stage::Requested(_) | Stage::Coded(_) | Stage::Ended(_)) => panic!("{other:?}"),
    }
}

fn held_against_client(room: &mut Room) -> &mut Standing {
    &mut Arc::make_mut(room.facts.client.as_mut().unwrap()).record.standing
}

#[test]
fn an_access_token_is_valid_until_any_of_the_reasons_why_it_is_not() {
    type Reason = (&'static str, fn(&mut Room));
    let reasons: [Reason; 12] = [
        ("expired", |room| room.now = NOW.plus(3600)),
        ("not listed", |room| live(room).access.clear()),
        ("the grant is gone", |room| room.facts.grant = None),
        ("the grant has ended", |room| {
            let why = Why::Lasting(Lasting::Revoked);
            *room.stage() = Stage::Ended(store::Ended { why, when: NOW, last: NOW });
        }),
        ("the grant is another one", |room| room.facts.grant = Room::coded().facts.grant),
        ("the client is blocked", |room| held_against_client(room).status = Status::Blocked),
        ("the client is deleted", |room| held_against_client(room).status = Status::Deleted),
        ("everything of the client was ended", |room| {
            held_against_client(room).epoch = Some(Epoch::new([1; 16]));
        }),
        ("the person is blocked", |room| room.facts.person.status = Status::Blocked),
        ("the person is deleted", |room| room.facts.person.status = Status::Deleted),
        ("everything of the person was ended", |room| room.facts.person.epoch = Some(Epoch::new([1; 16]))),
        ("the digest is another one", |room| live(room).access[0].digest = store::Digest::of(b"")),
    ];
    let sound = room();
    let text = sound.access_token(1);
    assert!(valid(&text, &sound.facts, NOW.plus(3599)).is_some());
    for (reason, change) in reasons {
        let mut room = room();
        change(&mut room);
        assert!(valid(&text, &room.facts, room.now).is_none(), "{reason}");
    }
}

/// One kind of text never passes for another, even with the same secret.
#[test]
fn only_an_access_token_is_an_access_token() {
    let room = room();
    let text = room.access_token(1);
    for kind in [TokenKind::Refresh, TokenKind::Code, TokenKind::ServerKey, TokenKind::Session] {
        let other = TokenText::new(kind, text.id, text.number, text.key, *text.secret());
        assert!(valid(&other, &room.facts, NOW).is_none(), "{kind:?}");
    }
    assert!(valid(&room.refresh_token(1), &room.facts, NOW).is_none());
}

/// A client that the store does not know (a document client) has nothing held against it.
#[test]
fn without_a_record_nothing_is_held_against_anybody() {
    let mut room = room();
    room.facts.client = None;
    assert!(valid(&room.access_token(1), &room.facts, NOW).is_some());
}

#[test]
fn a_server_is_known_by_its_current_key_alone() {
    let key = server_key();
    let next = TokenText::random(TokenKind::ServerKey, key.id, [9; 32]);
    let two_keys = Server { keys: vec![next.digest(), key.digest()], ..server() };
    let replaced = |until| Server {
        keys: vec![next.digest()],
        retiring: vec![store::RetiringKey { digest: key.digest(), until }],
        ..server()
    };
    for (what, key, server, known) in [
        ("its key", &key, Some(server()), true),
        ("either key while one is replaced", &key, Some(two_keys.clone()), true),
        ("the new one", &next, Some(two_keys), true),
        ("a key that is no longer current", &next, Some(server()), false),
        ("no keys", &key, Some(Server { keys: vec![], ..server() }), false),
        ("a replaced one, before its time is over", &key, Some(replaced(NOW.plus(1))), true),
        ("the one that replaced it", &next, Some(replaced(NOW.plus(1))), true),
        (
            "one that was taken back into use before its time was over",
            &key,
            Some(Server { keys: vec![key.digest()], ..replaced(NOW.plus(1)) }),
            true,
        ),
        ("a replaced one, when its time is over", &key, Some(replaced(NOW)), false),
        ("blocked", &key, Some(Server { status: Status::Blocked, ..server() }), false),
        ("deleted", &key, Some(Server { status: Status::Deleted, ..server() }), false),
        ("another server", &key, Some(Server { id: ServerId::new([1; 16]), ..server() }), false),
        ("no server", &key, None, false),
    ] {
        let answer = authenticate_server(key, server.as_ref(), NOW);
        assert_eq!(answer.map(|_| ()), if known { Ok(()) } else { Err(Refusal::ServerKeyWrong) }, "{what}");
    }
    let as_access = TokenText::new(TokenKind::Access, key.id, 0, 0, *key.secret());
    let lenient = Server { keys: vec![as_access.digest()], ..server() };
    assert!(authenticate_server(&as_access, Some(&lenient), NOW).is_err(), "a kind that is no server key");
}

#[test]
fn introspection_tells_the_server_that_a_token_is_meant_for() {
    let mut room = room();
    room.now = NOW.plus(10);
    let text = room.access_token(1);
    let valid = valid(&text, &room.facts, room.now);
    let told = introspect(valid, &server(), &issuer());
    let expected = IntrospectionResponse {
        active: true,
        scope: Some(scope("read write")),
        client_id: Some(client().id),
        token_type: Some("Bearer".to_owned()),
        exp: Some(NOW.0 + 3600),
        iat: Some(NOW.0),
        sub: Some("usr_ada".to_owned()),
        aud: Some(Audience::One(RESOURCE.to_owned())),
        iss: Some(issuer()),
        acr: ada().acr,
        auth_time: Some(NOW.0),
        ..IntrospectionResponse::inactive()
    };
    assert_eq!(told, expected);
}

/// RFC 7662 section 2.2: no reason, and no word about a token that is meant for somebody else (I7).
#[test]
fn to_any_other_server_it_is_inactive_and_nothing_else() {
    let room = room();
    let text = room.access_token(1);
    let other = Server { id: ServerId::new([1; 16]), ..server() };
    let inactive = introspect(None, &server(), &issuer());
    assert_eq!(inactive.to_json(), br#"{"active":false}"#);
    assert_eq!(introspect(valid(&text, &room.facts, NOW), &other, &issuer()), inactive);
}

#[test]
fn a_scope_reaches_what_it_implies() {
    let mut room = room();
    live(&mut room).access[0].scope = scope("write");
    let mut server = server();
    server.scopes[1].implies = scope("read");
    let told = introspect(valid(&room.access_token(1), &room.facts, NOW), &server, &issuer());
    assert_eq!(told.scope, Some(scope("read write")));
}

#[test]
fn userinfo_tells_by_scope_unless_the_server_is_registered_for_all() {
    let profile = Profile {
        name: Some("Ada".to_owned()),
        email: Some("ada@people.example".to_owned()),
        email_verified: true,
    };
    for (detail, granted, name, email) in [
        (UserInfoDetail::Full, "read", true, true),
        (UserInfoDetail::Scoped, "read", false, false),
        (UserInfoDetail::Scoped, "profile", true, false),
        (UserInfoDetail::Scoped, "email", false, true),
    ] {
        let mut room = room();
        live(&mut room).access[0].scope = scope(granted);
        let valid = valid(&room.access_token(1), &room.facts, NOW).unwrap();
        let info = user_info(valid, &Server { userinfo: detail, ..server() }, Some(&profile));
        let case = format!("{detail:?} {granted}");
        assert_eq!(info.name.is_some(), name, "{case}");
        assert_eq!(info.email.is_some(), email, "{case}");
        assert_eq!(info.email_verified, email.then_some(true), "{case}");
        // No resource server is fooled by a token that is meant for another.
        assert_eq!(info.aud, Some(Audience::One(RESOURCE.to_owned())), "{case}");
        assert_eq!(info.client_id, Some(client().id), "{case}");
        assert_eq!(info.scope, Some(scope(granted)), "{case}");
        let known = username(valid, &Server { userinfo: detail, ..server() }, Some(&profile));
        assert_eq!(known, profile.email.clone().filter(|_| email), "{case}");
    }
}

#[test]
fn a_valid_token_says_whose_it_is() {
    let room = room();
    let valid = valid(&room.access_token(1), &room.facts, NOW).unwrap();
    let grant = &room.facts.grant.as_ref().unwrap().record;
    assert_eq!((valid.grant(), valid.server(), valid.person()), (grant.id, server().id, Some(&person())));
    let info = user_info(valid, &server(), None);
    assert_eq!((info.name, info.email, info.email_verified), (None, None, None));
    assert_eq!(username(valid, &server(), None), None);
}
