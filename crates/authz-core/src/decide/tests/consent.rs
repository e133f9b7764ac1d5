//! A person says yes or no (OAuth 2.1 section 4.1.2, I9).

use store::{Consent, Epoch, Why};

use super::*;
use crate::ClientRedirect;
use crate::NamedGrant;
use crate::decide::consent::{Approved, Shown, Yes, deny, remember, shown};

/// A request, who answers it, and what is looked at again.
struct Case {
    room: Room,
    who: Authentication,
    client: Option<Client>,
    server: Option<Server>,
    /// None is everything.
    scope: Option<Scope>,
}

impl Case {
    fn new(room: Room) -> Self {
        Self {
            room,
            who: ada(),
            client: Some(client()),
            server: Some(server()),
            scope: Some(scope("read write")),
        }
    }

    fn approve(&self) -> Step<Approved> {
        let review = Review { client: self.client.as_ref(), server: self.server.as_ref() };
        approve(&self.room.facts, &self.who, self.scope.as_ref(), review, self.room.setting(), &drawn(9))
    }

    fn shown(&self) -> Result<Shown<'_>, Refusal> {
        shown(&self.room.facts, &self.who, self.room.setting())
    }

    fn deny(&self) -> Step<ClientRedirect> {
        deny(&self.room.facts, &self.who, &issuer(), self.room.setting(), &drawn(9))
    }
}

type Fault = (&'static str, fn(&mut Case), Refusal);

/// Neither yes nor no is taken from these.
const NOT_THEIRS: &[Fault] = &[
    ("the request is gone", |case| case.room.facts.grant = None, Refusal::RequestGone),
    (
        "another session of the same person",
        |case| case.who.session = SessionId::new([6; 16]),
        Refusal::RequestOfAnother,
    ),
    (
        "another person in the same browser",
        |case| case.who.person = PersonId::parse("usr_eve").unwrap(),
        Refusal::RequestOfAnother,
    ),
    ("too late", |case| case.room.now = NOW.plus(600), Refusal::RequestGone),
];

/// A yes looks again at what may have changed while the page was open.
const OUTDATED: &[Fault] = &[
    ("the client is gone", |case| case.client = None, Refusal::RequestOutdated),
    ("the client is blocked", |case| standing(case).status = Status::Blocked, Refusal::RequestOutdated),
    ("the client is deleted", |case| standing(case).status = Status::Deleted, Refusal::RequestOutdated),
    (
        "everything of the client was ended",
        |case| standing(case).epoch = Some(Epoch::new([1; 16])),
        Refusal::RequestOutdated,
    ),
    (
        "the redirect URI is registered no more",
        |case| case.client.as_mut().unwrap().redirect_uris.clear(),
        Refusal::RequestOutdated,
    ),
    ("the server is gone", |case| case.server = None, Refusal::RequestOutdated),
    (
        "the server is deleted",
        |case| case.server.as_mut().unwrap().status = Status::Deleted,
        Refusal::RequestOutdated,
    ),
    (
        "it is another server",
        |case| case.server.as_mut().unwrap().id = ServerId::new([1; 16]),
        Refusal::RequestOutdated,
    ),
    (
        "its resource changed",
        |case| case.server.as_mut().unwrap().resource = resource("https://mcp.example/new"),
        Refusal::RequestOutdated,
    ),
    ("the person is blocked", |case| case.room.facts.person.status = Status::Blocked, Refusal::PersonBlocked),
    (
        "everything of the person was ended",
        |case| case.room.facts.person.epoch = Some(Epoch::new([1; 16])),
        Refusal::PersonBlocked,
    ),
    (
        "more than was asked for",
        |case| case.scope = Some(scope("read write admin")),
        Refusal::ConsentExceedsRequest,
    ),
];

fn standing(case: &mut Case) -> &mut Standing {
    &mut case.client.as_mut().unwrap().standing
}

#[test]
fn a_yes_is_refused_as_the_table_says() {
    for (what, change, refusal) in NOT_THEIRS.iter().chain(OUTDATED) {
        let mut case = Case::new(Room::requested());
        change(&mut case);
        let decided = case.room.weigh(case.approve());
        assert_eq!((decided.refusal(), decided.written()), (Some(*refusal), Written::Nothing), "{what}");
        assert_eq!(decided.events, [], "{what}");
    }
}

#[test]
fn a_no_is_refused_to_those_whom_it_does_not_concern() {
    for (what, change, refusal) in NOT_THEIRS {
        let mut case = Case::new(Room::requested());
        change(&mut case);
        let decided = case.room.weigh(case.deny());
        assert_eq!((decided.refusal(), decided.written()), (Some(*refusal), Written::Nothing), "{what}");
    }
}

#[test]
fn a_yes_gives_the_grant_a_code() {
    let mut case = Case::new(Room::requested());
    let decided = case.room.then(case.approve());
    assert_eq!((decided.outcome, decided.guard.is_some()), (Ok(Approved::Now), true));
    let Stage::Coded(coded) = &case.room.grant().stage else { panic!("no code") };
    assert_eq!((coded.number, coded.expires, coded.until), (1, NOW.plus(60), NOW.plus(600)));
    assert_eq!((coded.request.scope.clone(), coded.remembered.clone()), (scope("read write"), None));
    assert!(matches!(decided.events.as_slice(), [Event::Consented { remembered: false, .. }]));
}

#[test]
fn a_yes_to_less_is_a_yes_to_less() {
    for less in ["read", ""] {
        let mut case = Case::new(Room::requested());
        case.scope = Some(scope(less));
        assert_eq!(case.room.then(case.approve()).written(), Written::Coded);
        let Stage::Coded(coded) = &case.room.grant().stage else { panic!("no code") };
        assert_eq!(coded.request.scope, scope(less));
    }
}

#[test]
fn a_yes_to_everything_is_a_yes_to_what_was_asked_for() {
    let mut case = Case::new(Room::requested());
    case.scope = None;
    let decided = case.room.then(case.approve());
    let Stage::Coded(coded) = &case.room.grant().stage else { panic!("no code") };
    assert_eq!(coded.request.scope, scope("read write"));
    assert!(matches!(
        decided.events.as_slice(),
        [Event::Consented { scope: told, .. }] if *told == scope("read write")
    ));
}

/// The page is sent twice; the second must neither make a second code nor widen what was allowed.
#[test]
fn a_second_yes_changes_nothing() {
    let (live, _) = Room::live();
    for room in [Room::coded(), live] {
        let mut case = Case::new(room);
        case.scope = Some(scope("read write admin"));
        let decided = case.room.weigh(case.approve());
        assert_eq!((decided.outcome, decided.written()), (Ok(Approved::Before), Written::Nothing));
        assert_eq!(decided.events, []);
        case.who.session = SessionId::new([6; 16]);
        assert!(case.room.weigh(case.approve()).outcome.is_err(), "another session learns nothing");
    }
}

#[test]
fn a_no_ends_the_grant_and_tells_the_client() {
    let mut case = Case::new(Room::requested());
    let (grant, mark) = (NamedGrant::of(case.room.grant()), case.room.facts.grant.as_ref().unwrap().mark);
    assert!(grant.person.is_some() && grant.server.is_some());
    let decided = case.room.then(case.deny());
    assert_eq!(decided.written(), Written::Ended(Why::Denied));
    assert_eq!(decided.guard, Some(Guard::This(mark)), "a yes that came first must not be undone");
    assert_eq!(decided.events, [Event::Denied(grant)]);
    assert_eq!(
        decided.outcome.unwrap().as_str(),
        format!(
            "{CALLBACK}?error=access_denied&error_description=The+request+was+denied.&state=xyz\
             &iss=https%3A%2F%2Fas.example"
        )
    );
    // I4: what has ended is answered no more.
    for again in [case.room.weigh(case.approve()).refusal(), case.room.weigh(case.deny()).refusal()] {
        assert_eq!(again, Some(Refusal::RequestGone));
    }
}

#[test]
fn after_a_yes_there_is_no_no() {
    let case = Case::new(Room::coded());
    assert_eq!(case.room.weigh(case.deny()).refusal(), Some(Refusal::RequestGone));
}

#[test]
fn what_is_shown_is_shown_to_whom_it_concerns() {
    for (what, change, refusal) in NOT_THEIRS {
        let mut case = Case::new(Room::requested());
        change(&mut case);
        assert_eq!(case.shown().err(), Some(*refusal), "{what}");
    }
    assert!(matches!(Case::new(Room::requested()).shown(), Ok(Shown::Request(_))));
}

#[test]
fn what_was_approved_is_still_shown_to_the_session_that_did() {
    let mut case = Case::new(Room::coded());
    let Stage::Coded(coded) = case.room.stage() else { panic!("no code") };
    coded.expires = NOW.plus(630);
    for (seconds, is_shown) in [(0, true), (629, true), (630, false)] {
        case.room.now = NOW.plus(seconds);
        assert_eq!(matches!(case.shown(), Ok(Shown::Request(_))), is_shown, "{seconds}");
        let refusal = (!is_shown).then_some(Refusal::RequestGone);
        assert_eq!(case.shown().err(), refusal, "{seconds}");
    }
    let (live, _) = Room::live();
    let case = Case::new(live);
    assert!(matches!(case.shown(), Ok(Shown::Connected)));
    let (live, _) = Room::live();
    for room in [Room::coded(), live] {
        let mut case = Case::new(room);
        case.who.session = SessionId::new([6; 16]);
        assert_eq!(case.shown().err(), Some(Refusal::RequestOfAnother));
    }
    let mut case = Case::new(Room::requested());
    case.room.then(case.deny());
    assert_eq!(case.shown().err(), Some(Refusal::RequestGone));
}

#[test]
fn a_consent_is_remembered_with_what_was_agreed_before_unless_it_was_taken_back() {
    let room = Room::requested();
    let before = |withdrawn| Consent {
        person: person(),
        client: client().id,
        server: server().id,
        agreed: vec![
            Agreed { redirect_uri: uri(CALLBACK), scope: scope("write") },
            Agreed { redirect_uri: uri("https://app.example/other"), scope: scope("admin") },
        ],
        given: Time(0),
        withdrawn,
    };
    let Stage::Requested(asked) = &room.grant().stage else { panic!("{:?}", room.grant()) };
    // What was agreed to for another address stays there.
    for (known, here, elsewhere) in [
        (None, "read", ""),
        (Some(before(None)), "read write", "admin"),
        (Some(before(Some(NOW))), "read", ""),
    ] {
        let (client, read) = (client().id, scope("read"));
        let request = store::Request { scope: read.clone(), ..asked.request.clone() };
        let yes = Yes { client: &client, request: &request, scope: &read, server: &server() };
        let consent = remember(&ada(), yes, known.as_ref(), room.setting());
        assert_eq!((consent.given, consent.withdrawn), (NOW, None));
        let at = |text| {
            let here = consent.agreed.iter().find(|agreed| agreed.redirect_uri == uri(text));
            here.map(|agreed| agreed.scope.clone()).unwrap_or_default()
        };
        assert_eq!((at(CALLBACK), at("https://app.example/other")), (scope(here), scope(elsewhere)));
    }
}

#[test]
fn a_consent_remembers_so_many_addresses_and_no_more() {
    let room = Room::requested();
    let Stage::Requested(asked) = &room.grant().stage else { panic!("{:?}", room.grant()) };
    let mut known: Option<Consent> = None;
    for n in 0..40 {
        let mut request = asked.request.clone();
        request.redirect_uri = uri(&format!("https://app.example/{n}"));
        let yes = Yes { client: &client().id, request: &request, scope: &scope("read"), server: &server() };
        let consent = remember(&ada(), yes, known.as_ref(), room.setting());
        assert!(consent.covers(&scope("read"), &request.redirect_uri));
        assert!(consent.agreed.len() <= 16);
        known = Some(consent);
    }
}

/// What a person unticks does not come back without asking: not by what they agreed to before, and not by what implies it.
#[test]
fn what_was_asked_about_and_not_allowed_is_remembered_no_longer() {
    let mut server = server();
    server.scopes = ["admin", "delete", "extra", "read"].map(entry).to_vec();
    server.scopes[0].implies = scope("delete");
    let room = Room::requested();
    let Stage::Requested(asked) = &room.grant().stage else { panic!("{:?}", room.grant()) };
    for (before, asked_for, allowed, remembered) in [
        ("delete read", "delete extra read", "extra read", "extra read"),
        ("admin read", "delete extra", "extra", "extra read"),
        ("delete read", "extra", "extra", "delete extra read"),
        ("read", "admin delete", "admin", "admin delete read"),
    ] {
        let said = |asked_for: &str, allowed: &str, known: Option<&Consent>| {
            let request = store::Request { scope: scope(asked_for), ..asked.request.clone() };
            let (client, scope) = (client().id, scope(allowed));
            let yes = Yes { client: &client, request: &request, scope: &scope, server: &server };
            remember(&ada(), yes, known, room.setting())
        };
        let known = said(before, before, None);
        let consent = said(asked_for, allowed, Some(&known));
        assert_eq!(consent.agreed[0].scope, scope(remembered), "{asked_for}: {allowed}");
    }
}
