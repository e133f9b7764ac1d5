//! Stories: what may happen to a grant, and what may go wrong with it.

mod drawn;

pub use self::drawn::{simpler, stories};
use crate::bare::Party;

/// What happens, and what goes wrong with the write that it needs; if it needs none, nothing goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What happens.
    pub operation: Operation,
    /// What goes wrong.
    pub trouble: Trouble,
}

impl From<Operation> for Step {
    fn from(operation: Operation) -> Self {
        Self { operation, trouble: Trouble::None }
    }
}

/// What goes wrong with the write of a grant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// The store refuses it, and nothing has happened.
    WriteFails,
    /// It happens, and the server never hears of it.
    AnswerLost,
    /// Somebody else writes the grant after it was read, and the version that it should replace is not there any more.
    Outrun,
}

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
    /// Time passes, until something is about to end, or has just ended.
    WaitUntil {
        /// What.
        end: End,
        /// So many seconds after it; before it, if negative.
        by: i64,
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
    /// The server is killed, and another one starts over the same store.
    Restart,
}

/// What ends by time alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The time that Ada has for her answer.
    Request,
    /// The code.
    Code,
    /// The access token that ends first.
    AccessToken,
    /// The time in which the refresh token before the newest is answered again.
    Leeway,
    /// The time that a refresh token waits for its use.
    Idle,
    /// The time that the grant can be refreshed in all.
    Total,
}

impl End {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Request, Self::Code, Self::AccessToken, Self::Leeway, Self::Idle, Self::Total];
}

/// How fast things end, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As the default policy has it.
    Usual,
    /// So that a short story sees the end of everything.
    Quick,
}

impl Pace {
    /// How long an access token is good.
    #[must_use]
    pub const fn access(self) -> i64 {
        match self {
            Self::Usual => 3600,
            Self::Quick => 120,
        }
    }

    /// How long a refresh token waits for its use.
    #[must_use]
    pub const fn idle(self) -> i64 {
        match self {
            Self::Usual => 30 * 86_400,
            Self::Quick => 3600,
        }
    }

    /// How long the grant can be refreshed in all.
    #[must_use]
    pub const fn total(self) -> i64 {
        match self {
            Self::Usual => 180 * 86_400,
            Self::Quick => 5400,
        }
    }

    /// How long a code is good.
    #[must_use]
    pub const fn code(self) -> i64 {
        match self {
            Self::Usual => 60,
            Self::Quick => 10,
        }
    }

    /// How long Ada has for her answer.
    #[must_use]
    pub const fn request(self) -> i64 {
        match self {
            Self::Usual => 600,
            Self::Quick => 60,
        }
    }
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
        known.get(self.at(known.len())?)
    }

    /// At which place of so many it is.
    #[must_use]
    pub fn at(self, known: usize) -> Option<usize> {
        match self {
            Self::Back(n) if known > 0 => Some(known - 1 - usize::from(n) % known),
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
    /// How fast things end.
    pub pace: Pace,
}
