//! Clients, servers and the devices of grants: what is changed of them, and of what nothing is.

use store::UserInfoDetail;

use super::*;
use crate::decide::oversee::{
    Deleted, NoDevice, ServerChange, Unanswered, answer_for, change_server, label, rotate, set_server,
};

#[test]
fn the_operator_answers_for_whom_an_administrator_vouches_for() {
    use Provenance::{Administrator, Dynamic};
    use Status::{Active, Blocked, Deleted as Gone};
    for (status, provenance, before, wanted, expected) in [
        (Active, Administrator, false, true, Ok(Some(true))),
        (Active, Administrator, true, true, Ok(None)),
        (Active, Administrator, true, false, Ok(Some(false))),
        (Blocked, Administrator, false, true, Ok(Some(true))),
        (Active, Dynamic, false, true, Err(Unanswered::Unvouched)),
        (Blocked, Dynamic, false, true, Err(Unanswered::Unvouched)),
        (Active, Dynamic, true, false, Ok(Some(false))),
        (Active, Dynamic, false, false, Ok(None)),
        (Gone, Administrator, false, true, Err(Unanswered::Deleted(Deleted))),
        (Gone, Dynamic, false, false, Err(Unanswered::Deleted(Deleted))),
    ] {
        let standing = Standing { status, epoch: None };
        let client = Client { standing, provenance, first_party: before, ..client() };
        let answered = answer_for(&client, wanted);
        let expected = expected.map(|now| now.map(|first_party| Client { first_party, ..client.clone() }));
        assert_eq!(answered, expected, "{status:?} {provenance:?} {before} {wanted}");
    }
}

#[test]
fn of_a_server_changes_what_is_named_and_nothing_else() {
    let before = Server { owner_email: Some("ops@mcp.example".to_owned()), ..server() };
    assert_eq!(change_server(&before, &ServerChange::default()), Ok(None));
    let changed = |change: ServerChange| change_server(&before, &change).unwrap();
    let name = ServerChange { name: Some("Notes".to_owned()), ..ServerChange::default() };
    assert_eq!(changed(name), Some(Server { name: "Notes".to_owned(), ..before.clone() }));
    let scopes = ServerChange { scopes: Some(vec![entry("read")]), ..ServerChange::default() };
    assert_eq!(changed(scopes), Some(Server { scopes: vec![entry("read")], ..before.clone() }));
    let nobody = ServerChange { owner_email: Some(None), ..ServerChange::default() };
    assert_eq!(changed(nobody), Some(Server { owner_email: None, ..before.clone() }));
    let scoped = ServerChange { userinfo: Some(UserInfoDetail::Scoped), ..ServerChange::default() };
    assert_eq!(changed(scoped), Some(Server { userinfo: UserInfoDetail::Scoped, ..before.clone() }));
    let the_same = ServerChange { name: Some(before.name.clone()), ..ServerChange::default() };
    assert_eq!(changed(the_same), None);
    let deleted = set_server(&before, Status::Deleted, NOW).unwrap().unwrap();
    let name = ServerChange { name: Some("Notes".to_owned()), ..ServerChange::default() };
    assert_eq!(change_server(&deleted, &name), Err(Deleted));
    assert_eq!(rotate(&deleted, server_key().digest(), NOW.plus(1), NOW), Err(Deleted));
}

#[test]
fn a_device_has_a_name_where_a_grant_is_alive() {
    let room = Room::at_generation(2);
    let labelled = label(room.grant(), "  Ada\u{2019}s laptop\u{7} ").unwrap().unwrap();
    assert!(matches!(&labelled.stage, Stage::Live(live) if live.device != room.live_record().device));
    assert_eq!(label(&labelled, "Ada\u{2019}s laptop"), Ok(None), "it has that name");
    let nameless = label(&labelled, " ").unwrap().unwrap();
    assert_eq!(&nameless, room.grant(), "no text, no name");
    for room in [Room::requested(), Room::coded()] {
        assert_eq!(label(room.grant(), "laptop"), Err(NoDevice));
    }
}
