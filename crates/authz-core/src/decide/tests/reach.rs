//! Who may do what about grants, people, clients and servers.

use store::{AdminAccess, AdminKey, Digest};

use super::*;
use crate::By;
use crate::decide::oversee::{Deed, OutOfReach};
use crate::event::KeyName;

#[test]
fn a_person_reaches_what_is_their_own_and_whoever_administers_reaches_all() {
    let (own, other) = (person(), PersonId::parse("usr_bo").unwrap());
    let key = AdminKey {
        name: "ci".to_owned(),
        digest: Digest::of(b"adm"),
        access: AdminAccess::Write,
        made: NOW,
        used: None,
        ended: None,
    };
    let ada = By::person(own.clone(), Context::default());
    let everybody = [By::administrator(KeyName::from(&key), Context::default()), By::operator()];
    for (deed, is_hers) in [
        (Deed::Touch(Some(&own)), true),
        (Deed::Touch(Some(&other)), false),
        (Deed::Touch(None), false),
        (Deed::Set(&own, Status::Deleted), true),
        (Deed::Set(&own, Status::Blocked), false),
        (Deed::Set(&own, Status::Active), false),
        (Deed::Set(&other, Status::Deleted), false),
        (Deed::Set(&other, Status::Blocked), false),
        (Deed::Set(&other, Status::Active), false),
        (Deed::Administer, false),
    ] {
        assert_eq!(ada.may(deed), if is_hers { Ok(()) } else { Err(OutOfReach) }, "{deed:?}");
        assert!(everybody.iter().all(|by| by.may(deed).is_ok()), "{deed:?}");
    }
}
