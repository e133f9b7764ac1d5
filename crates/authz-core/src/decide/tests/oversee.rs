//! What people do about their own connections, and administrators about everybody's.

use std::sync::Arc;

use store::{
    Access, Account, Consent, Device, Digest, Epoch, Lasting, Purpose, RetiringKey, SecondFactors, Session,
    Subject, Ticket, TicketId, Why,
};

use super::*;
use crate::decide::oversee::*;
use crate::policy::LONGEST_GRANT;

fn live(grant: &Grant) -> &Live {
    match &grant.stage {
        Stage::Live(live) => live,
        other @ (Stage::Requested(_) | Stage::Coded(_) | Stage::Ended(_)) => panic!("{other:?}"),
    }
}

fn scopes_of(access: &[Access]) -> Vec<&str> {
    access.iter().map(|access| access.scope.as_str()).collect()
}

#[test]
fn a_narrowed_grant_and_its_living_access_tokens_have_what_is_left() {
    let mut room = Room::at_generation(3);
    if let Stage::Live(live) = room.stage() {
        live.access[0].scope = scope("write");
    }
    let Narrowed { grant, scope: left, removed } =
        narrow(room.grant(), &scope("read"), Some(&server())).unwrap().unwrap();
    assert_eq!(left, scope("read"));
    assert_eq!(removed, scope("write"));
    assert_eq!(live(&grant).scope, scope("read"));
    assert_eq!(scopes_of(&live(&grant).access), ["", "read", "read"]);
    assert_eq!(narrow(&grant, &scope("read"), Some(&server())), Ok(None), "done twice it is done once");
}

/// `write` would bring `read` back, for whoever has it may read.
#[test]
fn what_implies_a_scope_that_is_taken_away_goes_with_it() {
    let mut server = server();
    server.scopes = ["admin", "read", "write"].map(entry).to_vec();
    server.scopes[0].implies = scope("write");
    server.scopes[2].implies = scope("read");
    let room = Room::coded();
    let left = |kept| narrow(room.grant(), &scope(kept), Some(&server)).map(|left| left.unwrap().scope);
    assert_eq!(left("read"), Ok(scope("read")));
    assert_eq!(left("write"), Err(NotNarrowed::Nothing));
    let known = consent(&[(CALLBACK, "admin read"), (CALLBACK, "read write"), (CALLBACK, "write")]);
    let left = forget_scopes(&known, &scope("write"), Some(&server), NOW).unwrap().agreed;
    assert_eq!(left.iter().map(|one| one.scope.as_str()).collect::<Vec<_>>(), ["read", "read"]);
}

/// The client's next refreshes go on as before, with less.
#[test]
fn a_narrowed_grant_is_refreshed_and_a_lost_response_is_still_harmless() {
    let mut room = Room::at_generation(3);
    let narrowed = narrow(room.grant(), &scope("read"), None).unwrap().unwrap().grant;
    Arc::make_mut(room.facts.grant.as_mut().unwrap()).record = narrowed;
    let refreshed = |room: &Room, number| {
        let genuine = room.genuine(number);
        room.weigh(refresh(
            &refreshing(),
            &genuine,
            proven(&client()),
            &room.facts,
            room.setting(),
            &drawn(9),
        ))
    };
    let again = refreshed(&room, 2);
    assert_eq!((again.written(), again.outcome.unwrap().scope), (Written::Nothing, scope("read")));
    let next = refreshed(&room, 3);
    assert_eq!((next.written(), next.outcome.unwrap().scope), (Written::Live, scope("read")));
    let request = RefreshRequest { scope: Some("write".to_owned()), ..refreshing() };
    let step = refresh(&request, &room.genuine(3), proven(&client()), &room.facts, room.setting(), &drawn(9));
    assert_eq!(room.weigh(step).refusal(), Some(Refusal::ScopeExceedsGrant));
}

#[test]
fn a_code_that_is_out_shrinks_with_its_grant() {
    let mut room = Room::coded();
    let narrowed = narrow(room.grant(), &scope("read"), None).unwrap().unwrap().grant;
    Arc::make_mut(room.facts.grant.as_mut().unwrap()).record = narrowed;
    let step = redeem(&room.code_request(), proven(&client()), &room.facts, room.setting(), &drawn(3));
    assert_eq!(room.then(step).outcome.unwrap().scope, scope("read"));
}

#[test]
fn a_grant_is_never_widened_by_narrowing_and_never_left_with_nothing() {
    let room = Room::at_generation(2);
    let ended = room.grant().at(Stage::Ended(store::Ended {
        why: Why::Lasting(Lasting::Revoked),
        when: NOW,
        last: NOW,
    }));
    for (grant, asked, expected) in [
        (room.grant(), "read admin", NotNarrowed::Exceeds),
        (room.grant(), "", NotNarrowed::Nothing),
        (Room::requested().grant(), "read", NotNarrowed::Over),
        (&ended, "read", NotNarrowed::Over),
    ] {
        assert_eq!(narrow(grant, &scope(asked), Some(&server())), Err(expected), "{asked}");
    }
}

fn consent(agreed: &[(&str, &str)]) -> Consent {
    let agreed =
        agreed.iter().map(|(to, what)| Agreed { redirect_uri: uri(to), scope: scope(what) }).collect();
    Consent {
        person: person(),
        client: client().id,
        server: server().id,
        agreed,
        given: NOW,
        withdrawn: None,
    }
}

#[test]
fn what_was_taken_away_is_not_remembered_for_any_way_back() {
    let other = "https://app.example/other";
    let known = consent(&[(CALLBACK, "read write"), (other, "write")]);
    let shrunk = forget_scopes(&known, &scope("write"), Some(&server()), NOW).unwrap();
    assert_eq!(shrunk, consent(&[(CALLBACK, "read")]));
    assert_eq!(forget_scopes(&shrunk, &scope("write"), Some(&server()), NOW), None);
    let gone = forget_scopes(&shrunk, &scope("read"), Some(&server()), NOW).unwrap();
    assert_eq!(gone.withdrawn, Some(NOW));
    assert!(!gone.covers(&scope("read"), &uri(CALLBACK)));
}

#[test]
fn a_withdrawn_consent_stands_in_for_nothing_and_stays_on_record() {
    let withdrawn = withdraw(&consent(&[(CALLBACK, "read")]), NOW).unwrap();
    assert!(!withdrawn.covers(&scope("read"), &uri(CALLBACK)));
    assert!(!withdrawn.covers(&scope(""), &uri(CALLBACK)));
    assert_eq!(withdrawn.agreed, []);
    assert_eq!(withdraw(&withdrawn, NOW.plus(1)), None);
}

/// The operator answered for the client: from now on the person is asked about it.
#[test]
fn what_nobody_was_asked_about_can_be_taken_back() {
    let (mut live, _) = Room::live();
    let later = NOW.plus(1);
    let taken = Consent { given: later, withdrawn: Some(later), ..consent(&[]) };
    for room in [&Room::coded(), &live] {
        assert_eq!(taken_back(room.grant(), later), Some(taken.clone()));
    }
    assert_eq!(taken_back(Room::requested().grant(), later), None, "it allows nothing yet");
    if let Stage::Live(live) = live.stage() {
        live.party.subject = Subject::Machine;
    }
    assert_eq!(taken_back(live.grant(), later), None, "nobody is behind it");
}

#[test]
fn a_label_is_the_persons_and_is_written_once() {
    let (room, _) = Room::live();
    let live = room.live_record();
    let labelled = label(room.grant(), "Laptop").unwrap().unwrap();
    let expected = Live { device: live.device.clone().labelled("Laptop"), ..live.clone() };
    assert_eq!(labelled.stage, Stage::Live(Box::new(expected)));
    assert_eq!(label(&labelled, "Laptop"), Ok(None));
    assert_eq!(label(Room::coded().grant(), "Laptop"), Err(NoDevice));
}

#[test]
fn what_was_deleted_never_comes_back() {
    let epoch = Some(Epoch::new([1; 16]));
    let at = |status| Standing { status, epoch };
    for (before, after, expected) in [
        (Status::Active, Status::Blocked, Ok(Some(Status::Blocked))),
        (Status::Blocked, Status::Active, Ok(Some(Status::Active))),
        (Status::Blocked, Status::Blocked, Ok(None)),
        (Status::Active, Status::Deleted, Ok(Some(Status::Deleted))),
        (Status::Deleted, Status::Deleted, Ok(None)),
        (Status::Deleted, Status::Active, Err(Deleted)),
        (Status::Deleted, Status::Blocked, Err(Deleted)),
    ] {
        let set = set_status(at(before), after);
        assert_eq!(set, expected.map(|status| status.map(at)), "{before:?} {after:?}");
    }
}

#[test]
fn a_deleted_client_is_kept_as_long_as_a_grant_may_name_it() {
    let registered = Client { kept_until: Some(NOW), ..client() };
    let deleted = set_client(&registered, Status::Deleted, NOW).unwrap().unwrap();
    assert_eq!(deleted.kept_until, Some(NOW.plus(LONGEST_GRANT)));
    assert!(set_client(&deleted, Status::Active, NOW).is_err());
    let blocked = set_client(&registered, Status::Blocked, NOW).unwrap().unwrap();
    assert_eq!(blocked.kept_until, registered.kept_until);
}

#[test]
fn a_deleted_server_has_no_keys_and_is_kept_as_long_as_a_grant_may_name_it() {
    let registered = rotate(&server(), Digest::of(b"next"), NOW.plus(10), NOW).unwrap();
    let blocked = set_server(&registered, Status::Blocked, NOW).unwrap().unwrap();
    assert_eq!(blocked, Server { status: Status::Blocked, ..registered.clone() });
    assert_eq!(set_server(&blocked, Status::Blocked, NOW), Ok(None));
    let deleted = set_server(&blocked, Status::Deleted, NOW).unwrap().unwrap();
    let expected = Server {
        status: Status::Deleted,
        keys: Vec::new(),
        retiring: Vec::new(),
        kept_until: Some(NOW.plus(LONGEST_GRANT)),
        ..registered
    };
    assert_eq!(deleted, expected);
    assert_eq!(set_server(&deleted, Status::Active, NOW), Err(Deleted));
}

#[test]
fn whom_an_administrator_vouches_for_is_kept_and_whom_nobody_does_is_no_first_party() {
    let policy = Policy::default();
    let stranger = Client { kept_until: Some(NOW), ..client() };
    let vouched = vouch(&stranger, Provenance::Administrator, &policy, NOW).unwrap().unwrap();
    assert_eq!((vouched.provenance, vouched.kept_until), (Provenance::Administrator, None));
    let first_party = Client { first_party: true, ..vouched };
    let stranger = vouch(&first_party, Provenance::Dynamic, &policy, NOW).unwrap().unwrap();
    assert!(!stranger.first_party && stranger.kept_until.is_some());
    assert_eq!(vouch(&stranger, Provenance::Dynamic, &policy, NOW), Ok(None));
}

#[test]
fn a_replaced_key_is_taken_no_longer_than_it_was_given_nor_than_those_after_it_and_the_list_stays_short() {
    let key = |n: u8| Digest::of(&[n]);
    let mut server = Server { keys: vec![key(0)], ..server() };
    server = rotate(&server, key(1), NOW.plus(10), NOW).unwrap();
    server = rotate(&server, key(2), NOW.plus(100), NOW.plus(1)).unwrap();
    let retiring = |digest, until| RetiringKey { digest, until };
    assert_eq!(server.keys, [key(2)]);
    assert_eq!(server.retiring, [retiring(key(0), NOW.plus(10)), retiring(key(1), NOW.plus(100))]);
    server = rotate(&server, key(3), NOW.plus(50), NOW.plus(10)).unwrap();
    assert_eq!(
        server.retiring,
        [retiring(key(1), NOW.plus(50)), retiring(key(2), NOW.plus(50))],
        "those whose time is over go, and none is taken longer than is said now"
    );
    let at_once = rotate(&server, key(4), NOW.plus(11), NOW.plus(11)).unwrap();
    assert_eq!(at_once.retiring, [], "a grace of nothing is none, for any of them");
    for n in 4..40 {
        server = rotate(&server, key(n), NOW.plus(1000), NOW.plus(11)).unwrap();
    }
    assert_eq!(server.retiring.len(), 8);
    assert_eq!(server.retiring.last(), Some(&retiring(key(38), NOW.plus(1000))));
}

#[test]
fn a_client_that_keeps_a_secret_gets_another_and_a_public_one_none() {
    let secret = |n: u8| Digest::of(&[n]);
    let keeping =
        |digest, retiring| ClientAuth::Secret { method: store::SecretMethod::Post, digest, retiring };
    let client = Client { auth: keeping(secret(0), Vec::new()), ..client() };
    let renewed = renew(&client, secret(1), NOW.plus(10), NOW).unwrap();
    let before = RetiringKey { digest: secret(0), until: NOW.plus(10) };
    assert_eq!(renewed.auth, keeping(secret(1), vec![before]));
    let at_once = renew(&client, secret(1), NOW, NOW).unwrap();
    let again = renew(&at_once, secret(2), NOW.plus(10), NOW).unwrap();
    let before = RetiringKey { digest: secret(1), until: NOW.plus(10) };
    assert_eq!(again.auth, keeping(secret(2), vec![before]), "what was given no time is not kept");
    let leaked = renew(&again, secret(3), NOW.plus(1), NOW.plus(1)).unwrap();
    assert_eq!(leaked.auth, keeping(secret(3), Vec::new()), "nor what was given some before");
    let public = Client { auth: ClientAuth::Public, ..client.clone() };
    assert_eq!(renew(&public, secret(1), NOW, NOW), Err(NotRenewed::Public));
    let deleted = set_client(&client, Status::Deleted, NOW).unwrap().unwrap();
    assert_eq!(renew(&deleted, secret(1), NOW, NOW), Err(NotRenewed::Deleted(Deleted)));
}

fn account() -> Account {
    Account {
        person: person(),
        name: "Ada".to_owned(),
        email: "ada@people.example".to_owned(),
        email_verified: true,
        password: Some("$argon2id$".to_owned()),
        factors: SecondFactors { recovery: vec![Digest::of(b"x")], ..SecondFactors::default() },
        epoch: None,
        resets: 0,
        registered: NOW,
    }
}

#[test]
fn an_anonymous_account_names_nobody() {
    let nobody = anonymise(&account()).unwrap();
    assert_eq!((nobody.person.clone(), nobody.registered), (person(), NOW));
    assert!(!nobody.email_verified);
    let left = serde_json::to_string(&nobody).unwrap();
    for word in ["Ada", "people.example", "argon2id", "recovery"] {
        assert!(!left.contains(word), "{left}");
    }
    assert_eq!(anonymise(&nobody), None);
}

/// All that copied the epoch before ends, and nothing else changes.
#[test]
fn what_ends_for_somebody_ends_by_another_epoch() {
    let epoch = Epoch::new([1; 16]);
    let blocked = Standing { status: Status::Blocked, epoch: None };
    assert_eq!(end_everything(blocked, epoch), Standing { epoch: Some(epoch), ..blocked });
    assert_eq!(shut_out(&account(), epoch), Account { epoch: Some(epoch), ..account() });
}

#[test]
fn a_session_that_is_over_expired_long_ago_and_names_no_device() {
    let session = Session {
        id: ada().session,
        digest: Digest::of(b"ses_"),
        person: person(),
        epoch: None,
        account_epoch: None,
        auth_time: NOW,
        amr: Vec::new(),
        acr: None,
        begun: Some(NOW),
        seen: Some(NOW),
        device: Device::at(Some([192, 0, 2, 1].into()), Some("browser")),
        expires: NOW.plus(60),
        final_end: None,
    };
    let over = Session { expires: Time(0), device: Device::default(), ..session.clone() };
    assert_eq!(end_session(&session), over);
}

#[test]
fn a_link_that_is_ended_is_good_for_nothing_whatever_the_clock_says() {
    let ticket = Ticket {
        id: TicketId::new([1; 16]),
        digest: Digest::of(b"a link"),
        purpose: Purpose::VerifyEmail { person: person(), email: "ada@people.example".to_owned() },
        made: NOW,
        until: NOW.plus(60),
        used: None,
    };
    assert_eq!(end_ticket(&ticket), Ticket { until: Time(0), ..ticket.clone() });
}

#[test]
fn a_state_says_what_the_rules_would_say() {
    let connected = |change: fn(&mut Room)| {
        let mut room = Room::at_generation(2);
        room.facts.client = Some(Arc::new(Found { record: client(), mark: Mark::new([0; 16]) }));
        room.facts.server = Some(Arc::new(Found { record: server(), mark: Mark::new([0; 16]) }));
        change(&mut room);
        state(room.grant(), &room.facts, room.now)
    };
    assert_eq!(connected(|_| {}), GrantState::Connected);
    assert_eq!(connected(|room| room.now = room.grant().last_expiry()), GrantState::Expired);
    assert_eq!(connected(|room| room.facts.person.status = Status::Blocked), GrantState::Barred);
    assert_eq!(connected(|room| room.facts.person.epoch = Some(Epoch::new([1; 16]))), GrantState::Barred);
    assert_eq!(
        connected(|room| Arc::make_mut(room.facts.client.as_mut().unwrap()).record.standing.status =
            Status::Deleted),
        GrantState::Barred
    );
    assert_eq!(
        connected(|room| Arc::make_mut(room.facts.server.as_mut().unwrap()).record.status = Status::Blocked),
        GrantState::Barred
    );
    for (room, expected) in [(Room::requested(), GrantState::Asked), (Room::coded(), GrantState::Coded)] {
        assert_eq!(state(room.grant(), &room.facts, room.now), expected);
    }
}
