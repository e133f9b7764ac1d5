//! For each promise that the checker knows, stories of one grant in which it is broken, each beside the nearest one in which it is not.

use std::collections::BTreeMap;
use std::sync::Arc;

use authz_core::Policy;
use oauth_types::ClientId;
use store::{Backend, Grant, GrantId, Memory, Stage};
use testkit::bare::Bare;

use crate::check::{ALL, Broken, Violation, check};
use crate::clients::forged;
use crate::log::{Answer, Ask, Caller, Entry, Log};
use crate::site::Site;

const PROMISES: [Broken; 9] = [
    Broken::CodeSpentTwice,
    Broken::GenerationSpentTwice,
    Broken::Undead,
    Broken::Uncommitted,
    Broken::Elsewhere,
    Broken::Kept,
    Broken::ForgeryTaken,
    Broken::Lost,
    Broken::Odd,
];

/// Where a request stands in the story of a grant that lives. The first one is for its code.
const REDEEM: usize = 1;
const REFRESH: usize = 2;
const OWN: usize = 3;
const OTHER: usize = 4;
const FORGED: usize = 5;

/// Behind them, after its end.
const DEAD: usize = 7;

/// What is told of a grant, and what the store has of it.
#[derive(Clone)]
struct Told {
    grant: GrantId,
    entries: Vec<Entry>,
    stored: Option<Grant>,
    /// What the store had before: when it was a question, when it was a code, and with its first tokens.
    earlier: [Option<Grant>; 3],
    /// What came next: its revocation, and a look whether it worked.
    end: Vec<Entry>,
    ended: Option<Grant>,
}

impl Told {
    /// As it is.
    async fn truly() -> Self {
        let store: Arc<dyn Backend> = Arc::new(Memory::new());
        let bare = Arc::new(Bare::new(store, |store| store, Policy::default(), true).await);
        let question = bare.requested().await;
        let question = record(&bare, question).await;
        let (site, log) = (Site::of(&[Arc::clone(&bare)]).await, Log::default());
        let code = site.ask(&log, 0, Ask::Authorize).await.code().unwrap().to_owned();
        let mut entries = log.take();
        let grant = entries[0].grant().unwrap();
        let coded = record(&bare, grant).await;
        let first = site.ask(&log, 0, Ask::Redeem(code)).await;
        let live = record(&bare, grant).await;
        let next = site.ask(&log, 0, Ask::Refresh(first.tokens().unwrap().1.to_owned())).await;
        let (access, refresh) = next.tokens().unwrap();
        for (access, caller) in [
            (access.to_owned(), Caller::Own),
            (access.to_owned(), Caller::Other),
            (forged(access), Caller::Own),
        ] {
            site.ask(&log, 0, Ask::Introspect(access, caller)).await;
        }
        entries.extend(log.take());
        let stored = record(&bare, grant).await;
        site.ask(&log, 0, Ask::Revoke(refresh.to_owned())).await;
        site.ask(&log, 0, Ask::Introspect(access.to_owned(), Caller::Own)).await;
        let ended = record(&bare, grant).await;
        Self { grant, entries, stored, earlier: [question, coded, live], end: log.take(), ended }
    }

    /// The same until after its end.
    fn ends(&mut self) {
        self.entries.append(&mut self.end);
        self.stored = self.ended.take();
    }

    /// One more request, at last.
    fn then(&mut self, ask: Ask, answer: Answer) {
        let began = self.entries.last().map_or(0, |entry| entry.ended) + 1;
        self.entries.push(Entry { ask, process: 0, began, ended: began + 1, answer });
    }

    /// The same request once more, at last.
    fn again(&mut self, which: usize, answer: Answer) {
        self.then(self.entries[which].ask.clone(), answer);
    }

    /// What the last one was answered is something else.
    fn at_last(&mut self, answer: Answer) {
        self.entries.last_mut().unwrap().answer = answer;
    }

    fn answer(&self, which: usize) -> Answer {
        self.entries[which].answer.clone()
    }

    /// The tokens that a request brought.
    fn tokens(&self, which: usize) -> (String, String) {
        let Answer::Tokens(access, refresh) = self.answer(which) else { panic!("no tokens") };
        (access, refresh)
    }

    /// They are revoked, and nobody hears of it but by a refusal.
    fn ends_by_a_refusal(&mut self) {
        self.ends();
        self.entries[DEAD - 1].answer = Answer::Nothing;
        self.then(Ask::Refresh(self.tokens(REFRESH).1), Answer::Refused);
        self.again(OWN, Answer::Active(false));
    }

    /// The newest access token is revoked by itself.
    fn access_ends(&mut self) {
        self.then(Ask::Revoke(self.tokens(REFRESH).0), Answer::Revoked);
        self.again(OWN, Answer::Active(false));
    }

    fn found(&self) -> Vec<Violation> {
        check(&self.entries, &BTreeMap::from([(self.grant, self.stored.clone())]), ALL)
    }
}

async fn record(bare: &Bare, grant: GrantId) -> Option<Grant> {
    bare.stored(grant).await.map(|found| found.record)
}

/// What is told otherwise.
struct Case {
    /// Which is no fault yet.
    fine: fn(&mut Told),
    fault: fn(&mut Told),
}

const fn case(fine: fn(&mut Told), fault: fn(&mut Told)) -> Case {
    Case { fine, fault }
}

fn cases(of: Broken) -> Vec<Case> {
    match of {
        Broken::CodeSpentTwice => {
            vec![case(|told| told.again(REDEEM, Answer::Nothing), |told| told.at_last(told.answer(REDEEM)))]
        }
        Broken::GenerationSpentTwice => vec![
            // Two successors of one refresh token, of two generations.
            case(|told| told.again(REFRESH, told.answer(REFRESH)), |told| told.at_last(told.answer(REDEEM))),
            // Two texts of one generation, of which neither follows a refresh token.
            case(
                |told| told.again(REDEEM, Answer::Nothing),
                |told| {
                    let (access, refresh) = told.tokens(REDEEM);
                    told.at_last(Answer::Tokens(access, forged(&refresh)));
                },
            ),
        ],
        Broken::Undead => vec![
            case(Told::ends, |told| told.entries[DEAD].answer = Answer::Active(true)),
            case(Told::ends, |told| told.stored = told.earlier[2].take()),
            case(Told::ends_by_a_refusal, |told| told.at_last(Answer::Active(true))),
            case(Told::access_ends, |told| told.at_last(Answer::Active(true))),
        ],
        Broken::Uncommitted => vec![
            case(|_| {}, |told| told.stored = told.earlier[0].take()),
            case(|_| {}, |told| told.stored = told.earlier[1].take()),
            case(|_| {}, |told| told.stored = told.earlier[2].take()),
            case(
                |_| {},
                |told| {
                    let Stage::Live(live) = &mut told.stored.as_mut().unwrap().stage else {
                        panic!("not live")
                    };
                    live.access.pop();
                },
            ),
        ],
        Broken::Elsewhere => {
            vec![case(|_| {}, |told| told.entries[OTHER].answer = Answer::Active(true))]
        }
        Broken::Kept => vec![case(
            |_| {},
            |told| {
                let (access, _) = told.tokens(REFRESH);
                told.stored.as_mut().unwrap().client = ClientId::parse(&access).unwrap();
            },
        )],
        Broken::ForgeryTaken => {
            vec![case(|_| {}, |told| told.entries[FORGED].answer = Answer::Active(true))]
        }
        Broken::Lost => vec![
            case(|_| {}, |told| told.entries[OWN].answer = Answer::Active(false)),
            case(|told| told.again(REFRESH, Answer::Nothing), |told| told.at_last(Answer::Refused)),
            case(|_| {}, |told| told.stored = None),
            case(|_| {}, |told| told.stored = told.ended.take()),
        ],
        Broken::Odd => vec![
            case(|_| {}, |told| told.entries[OWN].answer = Answer::Odd("500".to_owned())),
            case(|_| {}, |told| told.entries[REFRESH].answer = told.answer(REDEEM)),
            case(|told| told.entries.truncate(REFRESH + 1), |told| told.entries.truncate(REFRESH)),
        ],
    }
}

#[tokio::test]
async fn each_promise_that_is_broken_is_found_and_nothing_where_none_is() {
    let truth = Told::truly().await;
    for broken in PROMISES {
        for (number, case) in cases(broken).into_iter().enumerate() {
            let mut told = truth.clone();
            (case.fine)(&mut told);
            let found = told.found();
            assert!(found.is_empty(), "{broken:?} {number}: {}", found[0]);
            (case.fault)(&mut told);
            let found = told.found();
            assert!(found.iter().any(|found| found.broken == broken), "{broken:?} {number}: {found:?}");
        }
    }
}
