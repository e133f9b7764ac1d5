//! Stories that are drawn at random, and shrunk to a few lines.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{Asked, Beginning, End, Named, Operation, Pace, Shown, Step, Trouble, Verified};
use crate::bare::Party;

/// A story of at most so many steps. Most begin as a client without a fault does: else few would get far.
pub fn stories(at_most: usize) -> impl Strategy<Value = (Beginning, Vec<Step>)> {
    let faultless = [
        Operation::Approve { scope: Asked::All, elsewhere: false },
        Operation::Continue { elsewhere: false },
        Operation::Redeem {
            code: Shown::Back(0),
            party: Party::Own,
            verifier: Verified::Right,
            redirect: Named::Same,
            resource: Named::Same,
        },
    ];
    let begun = prop_oneof![3 => Just(0), 1 => Just(2), 4 => Just(3_usize)];
    (beginnings(), begun, vec(steps(), 1..at_most)).prop_map(move |(beginning, begun, steps)| {
        (beginning, faultless[..begun].iter().copied().map(Step::from).chain(steps).collect())
    })
}

/// What is simpler than a story and may show the same: without one of its steps, with less trouble, with a usual beginning.
#[must_use]
pub fn simpler(beginning: Beginning, story: &[Step]) -> Vec<(Beginning, Vec<Step>)> {
    let mut simpler = Vec::new();
    let redeemed = story.iter().position(|step| matches!(step.operation, Operation::Redeem { .. }));
    if let Some(redeemed) = redeemed.filter(|_| !beginning.remembered) {
        simpler.push((Beginning { remembered: true, ..beginning }, story[redeemed..].to_vec()));
    }
    let usual = Beginning { leeway: 30, refreshable: true, pace: Pace::Usual, ..beginning };
    for one in [
        Beginning { leeway: usual.leeway, ..beginning },
        Beginning { refreshable: usual.refreshable, ..beginning },
        Beginning { pace: usual.pace, ..beginning },
    ] {
        if one != beginning {
            simpler.push((one, story.to_vec()));
        }
    }
    for n in 0..story.len() {
        let mut without = story.to_vec();
        without.remove(n);
        simpler.push((beginning, without));
        if story[n].trouble != Trouble::None {
            let mut calm = story.to_vec();
            calm[n].trouble = Trouble::None;
            simpler.push((beginning, calm));
        }
    }
    simpler
}

fn beginnings() -> impl Strategy<Value = Beginning> {
    (weighted(4, 30, 0), weighted(9, true, false), any::<bool>(), weighted(2, Pace::Usual, Pace::Quick))
        .prop_map(|(leeway, refreshable, remembered, pace)| Beginning {
            leeway,
            refreshable,
            remembered,
            pace,
        })
}

fn steps() -> impl Strategy<Value = Step> {
    // A number shrinks to 0 at once, whatever it was.
    let trouble = (0..11_u8).prop_map(|dice| match dice {
        0..8 => Trouble::None,
        8 => Trouble::Outrun,
        9 => Trouble::WriteFails,
        _ => Trouble::AnswerLost,
    });
    (operations(), trouble).prop_map(|(operation, trouble)| Step { operation, trouble })
}

fn operations() -> impl Strategy<Value = Operation> {
    prop_oneof![
        2 => (weighted(3, Asked::All, Asked::Less), weighted(4, false, true)).prop_map(|(scope, elsewhere)| Operation::Approve { scope, elsewhere }),
        1 => Just(Operation::Approve { scope: Asked::More, elsewhere: false }),
        2 => weighted(3, false, true).prop_map(|elsewhere| Operation::Deny { elsewhere }),
        3 => weighted(6, false, true).prop_map(|elsewhere| Operation::Continue { elsewhere }),
        4 => (shown(), party(), verified(), named(), named())
            .prop_map(|(code, party, verifier, redirect, resource)| Operation::Redeem { code, party, verifier, redirect, resource }),
        30 => (shown(), party(), asked(), named())
            .prop_map(|(token, party, scope, resource)| Operation::Refresh { token, party, scope, resource }),
        2 => (shown(), party()).prop_map(|(token, party)| Operation::RevokeAccess { token, party }),
        1 => (shown(), party()).prop_map(|(token, party)| Operation::RevokeRefresh { token, party }),
        2 => (shown(), any::<bool>()).prop_map(|(token, by_other)| Operation::Introspect { token, by_other }),
        2 => shown().prop_map(|token| Operation::UserInfo { token }),
        10 => waits(),
        3 => happenings(),
        2 => Just(Operation::Restart),
        4 => Just(Operation::Keep),
        5 => shown().prop_map(|to| Operation::GoBack { to }),
    ]
}

/// What is held against somebody is mostly taken back: else no story gets far.
fn happenings() -> impl Strategy<Value = Operation> {
    prop_oneof![
        9 => weighted(2, false, true).prop_map(Operation::BlockClient),
        9 => weighted(2, false, true).prop_map(Operation::BlockPerson),
        9 => weighted(2, false, true).prop_map(Operation::BlockServer),
        1 => Just(Operation::DeleteClient),
        1 => Just(Operation::EndAllOfClient),
        1 => Just(Operation::EndAllOfPerson),
        3 => Just(Operation::Withdraw),
        6 => Just(Operation::ConsentAgain),
        6 => Just(Operation::Sweep),
    ]
}

/// Around whatever ends by time, and short or long whether it does or not.
fn waits() -> impl Strategy<Value = Operation> {
    let short = vec![1, 29, 30, 31, 59, 60, 61];
    let long = vec![300, 599, 600, 601, 1200, 3599, 3600, 86_400, 30 * 86_400 - 1, 30 * 86_400, 90 * 86_400];
    let wait = |seconds| Operation::Wait { seconds };
    prop_oneof![
        10 => select(short).prop_map(wait),
        1 => select(long).prop_map(wait),
        5 => (select(End::ALL.to_vec()), -1..=1_i64).prop_map(|(end, by)| Operation::WaitUntil { end, by }),
    ]
}

fn shown() -> impl Strategy<Value = Shown> {
    prop_oneof![
        12 => Just(Shown::Back(0)),
        4 => Just(Shown::Back(1)),
        2 => (2_u8..8).prop_map(Shown::Back),
        1 => Just(Shown::Forged),
    ]
}

fn party() -> impl Strategy<Value = Party> {
    weighted(11, Party::Own, Party::Other)
}

fn verified() -> impl Strategy<Value = Verified> {
    prop_oneof![12 => Just(Verified::Right), 1 => Just(Verified::Wrong), 1 => Just(Verified::Missing)]
}

fn named() -> impl Strategy<Value = Named> {
    prop_oneof![6 => Just(Named::Absent), 6 => Just(Named::Same), 1 => Just(Named::Wrong)]
}

fn asked() -> impl Strategy<Value = Asked> {
    prop_oneof![12 => Just(Asked::All), 2 => Just(Asked::Both), 3 => Just(Asked::Less), 1 => Just(Asked::More)]
}

/// Mostly `usual`, which is also what it shrinks to.
fn weighted<T: Copy + std::fmt::Debug + 'static>(
    weight: u32,
    usual: T,
    unusual: T,
) -> impl Strategy<Value = T> {
    prop_oneof![weight => Just(usual), 1 => Just(unusual)]
}
