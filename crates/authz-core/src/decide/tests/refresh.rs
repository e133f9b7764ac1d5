//! Design section 3, "Refreshing".

use store::{Epoch, Lasting, Why};

use super::*;
use crate::NamedGrant;

/// A grant at generation 5, just refreshed, and what comes for it.
struct Case {
    room: Room,
    presented: u32,
    genuine: Option<Genuine>,
    request: RefreshRequest,
    client: Client,
}

impl Case {
    fn presenting(presented: u32) -> Self {
        let room = Room::at_generation(5);
        Self { room, presented, genuine: None, request: refreshing(), client: client() }
    }

    fn weigh(&self) -> Decided<Issued> {
        let ours;
        let genuine = match &self.genuine {
            Some(genuine) => genuine,
            None => {
                ours = self.room.genuine(self.presented);
                &ours
            }
        };
        let (facts, setting) = (&self.room.facts, self.room.setting());
        self.room.weigh(refresh(&self.request, genuine, proven(&self.client), facts, setting, &drawn(99)))
    }

    fn later(mut self, seconds: i64) -> Self {
        self.room.now = self.room.now.plus(seconds);
        self
    }

    fn live(&mut self) -> &mut Live {
        match self.room.stage() {
            Stage::Live(live) => live,
            other @ (Stage::Requested(_) | Stage::Coded(_) | Stage::Ended(_)) => panic!("{other:?}"),
        }
    }
}

const REPLAYED: Written = Written::Ended(Why::Lasting(Lasting::RefreshReplayed));

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Tokens of this generation, new.
    Rotates(u32),
    /// Those of this generation, again.
    Repeats(u32),
    /// Refused, and nothing changes.
    Refused(Refusal),
    /// Refused, and the grant ends.
    Ends,
}

fn answer(decided: &Decided<Issued>) -> Answer {
    match (&decided.outcome, decided.written()) {
        (Ok(issued), Written::Live) => Answer::Rotates(issued.access.number),
        (Ok(issued), Written::Nothing) => Answer::Repeats(issued.access.number),
        (Err(refusal), Written::Nothing) => Answer::Refused(*refusal),
        (Err(Refusal::RefreshReplayed), REPLAYED) => Answer::Ends,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_number_decides() {
    use Answer::{Ends, Refused, Repeats, Rotates};
    for (presented, later, expected) in [
        (5, 0, Rotates(6)),
        (5, 30 * 86_400 - 1, Rotates(6)),
        (5, 30 * 86_400, Refused(Refusal::GrantExpired)),
        (4, 0, Repeats(5)),
        (4, 30, Repeats(5)),
        (4, 31, Ends),
        (4, 30 * 86_400, Refused(Refusal::GrantExpired)),
        (3, 0, Ends),
        (1, 0, Ends),
        (0, 0, Ends),
        (6, 0, Rotates(7)),
        (900, 0, Rotates(901)),
    ] {
        let decided = Case::presenting(presented).later(later).weigh();
        assert_eq!(answer(&decided), expected, "generation {presented} after {later} s");
    }
}

/// The order of the answers: of several faults the first is told. None of these but the last group may write.
#[test]
fn of_several_faults_the_first_is_told() {
    type Fault = (&'static str, fn(&mut Case), Refusal);
    let faults: [Fault; 5] = [
        ("another seed", of_another_seed, Refusal::RefreshForged),
        ("another client", |case| case.client.id = another_client().id, Refusal::RefreshOfAnotherClient),
        ("a blocked person", |case| case.room.facts.person.status = Status::Blocked, Refusal::GrantOver),
        ("expired", |case| case.room.now = case.room.now.plus(30 * 86_400), Refusal::GrantExpired),
        (
            "a scope too wide",
            |case| case.request.scope = Some("admin".to_owned()),
            Refusal::ScopeExceedsGrant,
        ),
    ];
    for (first, (what, _, refusal)) in faults.iter().enumerate() {
        // The same for a current token and for one that would end the grant; the number comes before the scope.
        for (presented, tokens) in [(5, faults.len()), (2, faults.len() - 1)] {
            let mut case = Case::presenting(presented);
            for (_, change, _) in &faults[first..] {
                change(&mut case);
            }
            let expected = if first < tokens { Answer::Refused(*refusal) } else { Answer::Ends };
            assert_eq!(answer(&case.weigh()), expected, "{what}, generation {presented}");
        }
    }
}

fn of_another_seed(case: &mut Case) {
    let (keys, id) = (&case.room.keys, case.room.grant().id);
    let text = keys.refresh(2, id, case.presented, &Zeroizing::new([0; 16])).unwrap();
    case.genuine = keys.genuine(&text).unwrap();
}

#[test]
fn a_grant_that_is_gone_ended_or_not_yet_alive_refuses() {
    let ended = store::Ended { why: Why::Lasting(Lasting::Revoked), when: NOW, last: NOW };
    for grant in [None, Room::requested().facts.grant, Room::coded().facts.grant] {
        let mut case = Case::presenting(5);
        case.genuine = Some(case.room.genuine(5));
        case.room.facts.grant = grant;
        assert_eq!(answer(&case.weigh()), Answer::Refused(Refusal::GrantOver));
    }
    let mut case = Case::presenting(5);
    *case.room.stage() = Stage::Ended(ended);
    assert_eq!(answer(&case.weigh()), Answer::Refused(Refusal::GrantOver));
}

#[test]
fn what_is_held_against_person_or_client_bites_on_the_next_refresh() {
    let epoch = Some(Epoch::new([1; 16]));
    let changes: [fn(&mut Case, Option<Epoch>); 3] = [
        |case, _| case.room.facts.person.status = Status::Deleted,
        |case, epoch| case.room.facts.person.epoch = epoch,
        |case, epoch| case.client.standing.epoch = epoch,
    ];
    for change in changes {
        // A replay of what is over is no news: nothing changes.
        for presented in [2, 4, 5, 6] {
            let mut case = Case::presenting(presented);
            change(&mut case, epoch);
            assert_eq!(answer(&case.weigh()), Answer::Refused(Refusal::GrantOver));
        }
    }
}

/// I2, and a refused request never rotates.
#[test]
fn a_rotation_is_written_only_over_what_was_read() {
    for presented in [5, 6] {
        let case = Case::presenting(presented);
        let mark = case.room.facts.grant.as_ref().unwrap().mark;
        assert_eq!(case.weigh().guard, Some(Guard::This(mark)));
    }
    // I3: an end is written over whatever is there.
    assert_eq!(Case::presenting(2).weigh().guard, Some(Guard::Any));
}

#[test]
fn each_answer_tells_what_happened() {
    let grant = NamedGrant::of(Room::coded().grant());
    assert!(grant.person.is_some() && grant.server.is_some());
    let grant = || grant.clone();
    for (presented, later, expected) in [
        (5, 0, vec![Event::Refreshed { grant: grant(), number: 6 }]),
        (4, 0, vec![Event::RefreshRepeated { grant: grant(), number: 5 }]),
        (3, 0, vec![Event::RefreshReplayed { grant: grant(), number: 3, current: 5 }]),
        (
            7,
            0,
            vec![
                Event::Refreshed { grant: grant(), number: 8 },
                Event::StoreWentBack { grant: grant(), number: 7, recorded: 5 },
            ],
        ),
        (5, 30 * 86_400, vec![]),
    ] {
        assert_eq!(Case::presenting(presented).later(later).weigh().events, expected, "{presented}");
    }
}

/// A token that the store has forgotten is adopted only if the request is otherwise right; that the store has lost something
/// is told either way.
#[test]
fn a_refused_request_from_ahead_adopts_nothing() {
    let mut case = Case::presenting(7);
    case.request.scope = Some("admin".to_owned());
    let decided = case.weigh();
    assert_eq!(decided.written(), Written::Nothing);
    assert_eq!(decided.refusal(), Some(Refusal::ScopeExceedsGrant));
    assert!(matches!(decided.events.as_slice(), [Event::StoreWentBack { number: 7, recorded: 5, .. }]));
}

#[test]
fn a_repeated_refresh_gets_the_same_tokens() {
    let mut room = Room::at_generation(4);
    room.now = room.now.plus(10);
    let ask = |room: &Room, n| {
        refresh(&refreshing(), &room.genuine(4), proven(&client()), &room.facts, room.setting(), &drawn(n))
    };
    let step = ask(&room, 50);
    let first = room.then(step).outcome.unwrap();
    room.now = room.now.plus(20);
    let again = room.weigh(ask(&room, 51)).outcome.unwrap();
    assert!(first.access.is(&again.access));
    assert!(first.refresh.unwrap().is(&again.refresh.unwrap()));
    assert_eq!((first.expires_in, again.expires_in), (3600, 3580));
}

#[test]
fn a_repeated_refresh_must_ask_for_the_same() {
    use Answer::{Refused, Repeats};
    let asks: [(Option<&str>, Option<&str>, Answer); 10] = [
        (None, None, Repeats(5)),
        (Some("write read"), None, Repeats(5)),
        (Some(""), None, Repeats(5)),
        (None, Some(RESOURCE), Repeats(5)),
        (None, Some("https://mcp.example/mcp/"), Repeats(5)),
        (Some("read"), None, Refused(Refusal::RepeatDiffers)),
        (Some("admin"), None, Refused(Refusal::RepeatDiffers)),
        (Some("\""), None, Refused(Refusal::RepeatDiffers)),
        (None, Some("https://mcp.example"), Refused(Refusal::RepeatDiffers)),
        (None, Some("ftp://x"), Refused(Refusal::RepeatDiffers)),
    ];
    for (scope, resource, expected) in asks {
        let mut case = Case::presenting(4);
        case.request.scope = scope.map(str::to_owned);
        case.request.resource = resource.map(str::to_owned).into_iter().collect();
        assert_eq!(answer(&case.weigh()), expected, "{scope:?} {resource:?}");
    }
}

/// The leeway is open only while the newest access token is listed and unexpired.
#[test]
fn the_leeway_closes_when_it_is_over() {
    type Closing = (&'static str, fn(&mut Case));
    let closings: [Closing; 4] = [
        ("switched off", |case| case.room.policy.leeway = crate::Lifetime::seconds(0)),
        ("revoked", |case| case.live().access.retain(|access| access.number != 5)),
        ("expired", |case| {
            let now = case.room.now;
            case.live().access.iter_mut().for_each(|access| access.expires = now);
        }),
        ("longer ago", |case| case.room.now = case.room.now.plus(31)),
    ];
    for (what, close) in closings {
        let mut case = Case::presenting(4);
        close(&mut case);
        assert_eq!(answer(&case.weigh()), Answer::Ends, "{what}");
    }
    let mut clock_went_back = Case::presenting(4);
    clock_went_back.room.now = clock_went_back.room.now.plus(-5);
    assert_eq!(answer(&clock_went_back.weigh()), Answer::Repeats(5));
}

/// RFC 6749 section 6: narrowing holds for that access token only.
#[test]
fn a_narrower_scope_does_not_narrow_the_grant() {
    let mut case = Case::presenting(5);
    case.request.scope = Some("read".to_owned());
    let decided = case.weigh();
    assert_eq!(decided.outcome.as_ref().unwrap().scope, scope("read"));
    let Some(Stage::Live(live)) = decided.after.map(|after| after.record.stage) else { panic!("not live") };
    assert_eq!(live.scope, scope("read write"));
    assert_eq!(live.access.last().map(|access| access.scope.clone()), Some(scope("read")));
}

#[test]
fn more_scope_or_another_resource_never_rotates() {
    let mut case = Case::presenting(5);
    case.request.scope = Some("read admin".to_owned());
    assert_eq!(answer(&case.weigh()), Answer::Refused(Refusal::ScopeExceedsGrant));
    let mut case = Case::presenting(5);
    case.request.resource = vec!["https://mcp.example/other".to_owned()];
    assert_eq!(answer(&case.weigh()), Answer::Refused(Refusal::TargetMismatch));
}

#[test]
fn the_sliding_end_never_passes_the_absolute_one() {
    let mut case = Case::presenting(5);
    let last = case.room.now.plus(1000);
    case.live().final_end = last;
    let decided = case.weigh();
    let Some(Stage::Live(live)) = decided.after.map(|after| after.record.stage) else { panic!("not live") };
    assert_eq!(live.idle_end, last);
    assert_eq!(answer(&case.later(1000).weigh()), Answer::Refused(Refusal::GrantExpired));
}

/// The number decides, not the key: the same number under a retired key is current.
#[test]
fn a_token_of_a_retired_key_is_current() {
    let mut case = Case::presenting(5);
    let text = case.room.keys.refresh(1, case.room.grant().id, 5, &seed()).unwrap();
    case.genuine = case.room.keys.genuine(&text).unwrap();
    assert_eq!(answer(&case.weigh()), Answer::Rotates(6));
}

#[test]
fn a_grant_goes_over_to_the_active_key() {
    let mut case = Case::presenting(5);
    case.genuine = Some(case.room.genuine(5));
    case.room.keys = Keyring::new(1, [(1, [1; 32]), (2, [2; 32])]).unwrap();
    let decided = case.weigh();
    let Some(Stage::Live(live)) = decided.after.map(|after| after.record.stage) else { panic!("not live") };
    assert_eq!((live.key, decided.outcome.unwrap().access.key), (1, 1));
}

#[test]
fn the_last_number_rotates_no_more() {
    let case = Case::presenting(u32::MAX);
    assert_eq!(answer(&case.weigh()), Answer::Refused(Refusal::GrantExpired));
}

#[test]
fn a_grant_has_32_access_tokens_at_most_and_says_when_one_goes() {
    let (mut room, _) = Room::live();
    let mut dropped = 0;
    for number in 1..40 {
        let genuine = room.genuine(number);
        let n = u8::try_from(number).unwrap() + 3;
        let step =
            refresh(&refreshing(), &genuine, proven(&client()), &room.facts, room.setting(), &drawn(n));
        let decided = room.then(step);
        let grant = NamedGrant::of(room.grant());
        dropped += usize::from(decided.events.contains(&Event::AccessTokenDropped(grant)));
        assert!(room.live_record().access.len() <= store::MOST_ACCESS_TOKENS);
    }
    assert_eq!(dropped, 40 - store::MOST_ACCESS_TOKENS);
    let kept: Vec<_> = room.live_record().access.iter().map(|access| access.number).collect();
    assert_eq!(kept.last(), Some(&40), "the newest stays");
}

#[test]
fn expired_access_tokens_are_forgotten_at_the_next_refresh() {
    let case = Case::presenting(5).later(3600);
    let decided = case.weigh();
    let Some(Stage::Live(live)) = decided.after.map(|after| after.record.stage) else { panic!("not live") };
    assert_eq!(live.access.iter().map(|access| access.number).collect::<Vec<_>>(), [6]);
}

/// Its resource server was removed: a client that went on refreshing would never ask for another.
#[test]
fn a_grant_whose_server_is_gone_is_over() {
    for (status, expected) in [
        (Status::Active, Answer::Rotates(6)),
        (Status::Blocked, Answer::Refused(Refusal::TargetGone)),
        (Status::Deleted, Answer::Refused(Refusal::TargetGone)),
    ] {
        let mut case = Case::presenting(5);
        let record = Server { status, ..server() };
        case.room.facts.server = Some(Arc::new(Found { record, mark: Mark::new([0; 16]) }));
        assert_eq!(answer(&case.weigh()), expected, "{status:?}");
    }
}
