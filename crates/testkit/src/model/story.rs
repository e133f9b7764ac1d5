//! Stories: what may happen to a grant, drawn at random and shrunk to a few lines.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::bare::Party;

/// Something that somebody does, or that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Ada says yes.
    Approve {
        /// To this.
        scope: Asked,
        /// In a browser in which she was not asked.
        elsewhere: bool,
    },
    /// Ada says no.
    Deny {
        /// In a browser in which she was not asked.
        elsewhere: bool,
    },
    /// A browser goes on to the client.
    Continue {
        /// One in which Ada was not asked.
        elsewhere: bool,
    },
    /// A code is redeemed.
    Redeem {
        /// Which.
        code: Shown,
        /// By whom.
        party: Party,
        /// With what verifier.
        verifier: Verified,
        /// With what `redirect_uri`.
        redirect: Named,
        /// With what `resource`.
        resource: Named,
    },
    /// A refresh token is used.
    Refresh {
        /// Which.
        token: Shown,
        /// By whom.
        party: Party,
        /// For what scope.
        scope: Asked,
        /// With what `resource`.
        resource: Named,
    },
    /// An access token is revoked.
    RevokeAccess {
        /// Which.
        token: Shown,
        /// By whom.
        party: Party,
    },
    /// A refresh token is revoked.
    RevokeRefresh {
        /// Which.
        token: Shown,
        /// By whom.
        party: Party,
    },
    /// A resource server asks about an access token.
    Introspect {
        /// Which.
        token: Shown,
        /// One that it is not meant for.
        by_other: bool,
    },
    /// An access token is used at userinfo.
    UserInfo {
        /// Which.
        token: Shown,
    },
    /// Time passes.
    Wait {
        /// So much.
        seconds: i64,
    },
    /// An administrator blocks the client, or no longer.
    BlockClient(bool),
    /// An administrator deletes the client.
    DeleteClient,
    /// An administrator blocks Ada, or no longer.
    BlockPerson(bool),
    /// An administrator blocks the resource server, or no longer.
    BlockServer(bool),
    /// All grants of the client end.
    EndAllOfClient,
    /// All grants of Ada end.
    EndAllOfPerson,
    /// Ada takes back the consent that she gave before.
    Withdraw,
    /// She gives it again.
    ConsentAgain,
    /// A backup of the grant is made.
    Keep,
    /// The grant becomes what it was when a backup was made.
    GoBack {
        /// Which.
        to: Shown,
    },
    /// Housekeeping.
    Sweep,
}

/// One of the texts that were given to somebody: counted back from the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// So many before the newest.
    Back(u8),
    /// One that somebody made up.
    Forged,
}

impl Shown {
    /// Which of these it is.
    #[must_use]
    pub fn of<T>(self, known: &[T]) -> Option<&T> {
        match self {
            Self::Back(n) if !known.is_empty() => known.iter().rev().nth(usize::from(n) % known.len()),
            Self::Back(_) | Self::Forged => None,
        }
    }

    /// Which of these it is, or `Some(None)` if it is forged; `None` if there is none to be shown.
    #[must_use]
    pub fn of_or_forged<T: Copy>(self, known: &[T]) -> Option<Option<T>> {
        if known.is_empty() { None } else { Some(self.of(known).copied()) }
    }
}

/// A verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// The right one.
    Right,
    /// A wrong one.
    Wrong,
    /// None.
    Missing,
}

/// A parameter that names what was named before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// Not sent.
    Absent,
    /// The same.
    Same,
    /// Something else.
    Wrong,
}

/// A scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// All that there is; at the token endpoint by saying nothing.
    All,
    /// `read write`, by name.
    Both,
    /// Less: `read`.
    Less,
    /// More than was ever allowed.
    More,
}

impl Asked {
    /// What of `granted` is meant; `None` if it is more than that.
    #[must_use]
    pub fn within(self, granted: &'static str) -> Option<&'static str> {
        match self {
            Self::All => Some(granted),
            Self::Both => (granted == "read write").then_some(granted),
            Self::Less => Some("read"),
            Self::More => None,
        }
    }
}

/// How a story begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// Seconds in which a refresh may be repeated.
    pub leeway: i64,
    /// Whether the client may have refresh tokens.
    pub refreshable: bool,
    /// Whether Ada has consented before.
    pub remembered: bool,
}

/// A story of at most so many operations. Most begin as a client without a fault does: else few would get far.
pub fn stories(at_most: usize) -> impl Strategy<Value = (Beginning, Vec<Operation>)> {
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
    (beginnings(), begun, vec(operations(), 1..at_most)).prop_map(move |(beginning, begun, operations)| {
        (beginning, faultless[..begun].iter().copied().chain(operations).collect())
    })
}

fn beginnings() -> impl Strategy<Value = Beginning> {
    (weighted(4, 30, 0), weighted(9, true, false), any::<bool>())
        .prop_map(|(leeway, refreshable, remembered)| Beginning { leeway, refreshable, remembered })
}

fn operations() -> impl Strategy<Value = Operation> {
    prop_oneof![
        2 => (weighted(3, Asked::All, Asked::Less), weighted(4, false, true)).prop_map(|(scope, elsewhere)| Operation::Approve { scope, elsewhere }),
        1 => Just(Operation::Approve { scope: Asked::More, elsewhere: false }),
        1 => weighted(3, false, true).prop_map(|elsewhere| Operation::Deny { elsewhere }),
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

/// Around the limits, mostly the short ones.
fn waits() -> impl Strategy<Value = Operation> {
    let short = vec![1, 29, 30, 31, 59, 60, 61];
    let long = vec![300, 599, 600, 601, 1200, 3599, 3600, 86_400, 30 * 86_400 - 1, 30 * 86_400, 90 * 86_400];
    prop_oneof![9 => select(short), 1 => select(long)].prop_map(|seconds| Operation::Wait { seconds })
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
