//! The reference model of a grant: what the server must answer, said once more and as plainly as possible.
//!
//! It knows no texts, no keys and no store, only who was given what. It is written from the design's tables and shares
//! nothing with the server but the names of the reasons.

mod life;
mod rules;
pub mod story;
mod time;
mod told;
mod trouble;

use authz_core::Refusal;

pub use self::life::{Ground, live_through};
use self::story::{Beginning, Operation, Pace, Step, Trouble};
pub use self::told::Counterexample;
use crate::bare::Party;

const MOST_ACCESS_TOKENS: usize = 32;

/// Which code: of a grant's codes each has a name of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CodeName(u32);

/// Which generation of tokens. A grant that came alive twice, because its store went back, has two lines of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation {
    line: u32,
    number: u32,
}

/// What is given to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// A code.
    Code(CodeName),
    /// An access token.
    Access(Generation),
    /// A refresh token.
    Refresh(Generation),
}

/// What the server must answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// There was nothing to do: nobody knows such a text yet.
    Nothing,
    /// A refusal, on the wire or as a page.
    Refused(Refusal),
    /// The consent page.
    Asked,
    /// "Already connected".
    Connected,
    /// Yes was taken; or no, which the client is told.
    Taken,
    /// To the client, with this code.
    Code(CodeName),
    /// These tokens.
    Tokens {
        /// Which.
        generation: Generation,
        /// Whether a refresh token is among them.
        refreshable: bool,
        /// What the access token reaches.
        scope: &'static str,
        /// For how long.
        expires_in: i64,
    },
    /// 200, whatever became of it.
    Revoked,
    /// The token is good: it reaches this, until then.
    Active {
        /// What it reaches.
        scope: &'static str,
        /// Until when.
        expires: i64,
    },
    /// It is not, and no reason is given.
    Inactive,
    /// 503: nobody is told whether it happened.
    Unavailable,
}

/// What must follow from an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The answer.
    pub answer: Answer,
    /// Whether the grant's record is written.
    pub written: bool,
    /// The events that are told, by name and in order.
    pub told: Vec<&'static str>,
}

impl Expected {
    fn answer(answer: Answer) -> Self {
        Self { answer, written: false, told: Vec::new() }
    }

    fn refused(refusal: Refusal) -> Self {
        Self::answer(Answer::Refused(refusal))
    }

    fn writing(self, told: &[&'static str]) -> Self {
        Self { written: true, told: told.to_vec(), ..self }
    }
}

/// What is held against a client or a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Standing {
    blocked: bool,
    deleted: bool,
    epoch: u32,
}

impl Standing {
    fn upholds(self, epoch: u32) -> bool {
        !self.blocked && !self.deleted && self.epoch == epoch
    }
}

/// How far the grant has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Requested { until: i64 },
    Coded { code: CodeName, expires: i64, until: i64, scope: &'static str, remembered: bool },
    Live(Live),
    Ended { last: i64 },
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    at: Generation,
    rotated: i64,
    scope: &'static str,
    code: CodeName,
    access: Vec<Access>,
    idle_end: i64,
    final_end: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Access {
    of: Generation,
    expires: i64,
    scope: &'static str,
}

/// A grant of Ada's, and everything that decides about it.
#[derive(Clone, Debug)]
pub struct Model {
    now: i64,
    leeway: i64,
    refreshable: bool,
    pace: Pace,
    stage: Stage,
    kept: Vec<Stage>,
    client: Standing,
    person: Standing,
    server_blocked: bool,
    consented: bool,
    /// Those that somebody has seen; one is made when Ada says yes, and seen when her browser goes on.
    codes: Vec<CodeName>,
    made: u32,
    generations: Vec<Generation>,
    lines: u32,
}

impl Model {
    /// A request that waits for Ada's answer; or, with a consent that she gave before, its code.
    #[must_use]
    pub fn new(now: i64, beginning: Beginning) -> Self {
        let Beginning { leeway, refreshable, remembered, pace } = beginning;
        let (code, until) = (CodeName(0), now + pace.request());
        let stage = if remembered {
            Stage::Coded { code, expires: now + pace.code(), until, scope: "read write", remembered }
        } else {
            Stage::Requested { until }
        };
        Self {
            now,
            leeway,
            refreshable,
            pace,
            stage,
            kept: Vec::new(),
            client: Standing::default(),
            person: Standing::default(),
            server_blocked: false,
            consented: remembered,
            codes: if remembered { vec![code] } else { Vec::new() },
            made: u32::from(remembered),
            generations: Vec::new(),
            lines: 0,
        }
    }

    /// The code that a grant with a remembered consent is born with.
    #[must_use]
    pub fn first_code(&self) -> Option<CodeName> {
        self.codes.first().copied()
    }

    /// The access tokens that were ever handed out.
    #[must_use]
    pub fn generations(&self) -> &[Generation] {
        &self.generations
    }

    /// What must follow, whatever goes wrong with the write that it needs.
    pub fn follow(&mut self, step: &Step) -> Expected {
        let before = self.clone();
        let expected = self.apply(&step.operation);
        let unavailable = |written| Expected { written, ..Expected::answer(Answer::Unavailable) };
        match step.trouble {
            Trouble::WriteFails if expected.written => {
                *self = before;
                unavailable(false)
            }
            // It has happened, and nobody was given what came of it.
            Trouble::AnswerLost if expected.written => {
                (self.codes, self.generations) = (before.codes, before.generations);
                unavailable(true)
            }
            // Whoever is outrun looks again, and decides the same.
            Trouble::None | Trouble::WriteFails | Trouble::AnswerLost | Trouble::Outrun => expected,
        }
    }

    fn apply(&mut self, operation: &Operation) -> Expected {
        match *operation {
            Operation::Approve { scope, elsewhere } => self.approve(scope, elsewhere),
            Operation::Deny { elsewhere } => self.deny(elsewhere),
            Operation::Continue { elsewhere } => self.proceed(elsewhere),
            Operation::Redeem { code, party, verifier, redirect, resource } => {
                self.redeem(code, party, verifier, redirect, resource)
            }
            Operation::Refresh { token, party, scope, resource } => {
                self.refresh(token, party, scope, resource)
            }
            Operation::RevokeAccess { token, party } => self.revoke_access(token, party),
            Operation::RevokeRefresh { token, party } => self.revoke_refresh(token, party),
            Operation::Introspect { token, by_other } => self.introspect(token, by_other),
            Operation::UserInfo { token } => self.userinfo(token),
            Operation::Wait { .. }
            | Operation::WaitUntil { .. }
            | Operation::Restart
            | Operation::BlockClient(_)
            | Operation::DeleteClient
            | Operation::BlockPerson(_)
            | Operation::BlockServer(_)
            | Operation::EndAllOfClient
            | Operation::EndAllOfPerson
            | Operation::Withdraw
            | Operation::ConsentAgain
            | Operation::Keep
            | Operation::GoBack { .. }
            | Operation::Sweep => {
                self.happen(operation);
                Expected::answer(Answer::Nothing)
            }
        }
    }

    /// What an access token reaches and until when, if it is good now (I7).
    #[must_use]
    pub fn valid(&self, token: Generation) -> Option<(&'static str, i64)> {
        let Stage::Live(live) = &self.stage else { return None };
        let listed = live.access.iter().find(|access| access.of == token && access.expires > self.now)?;
        (self.client.upholds(0) && self.person.upholds(0)).then_some((listed.scope, listed.expires))
    }

    /// Whether the resource server that grants are for may act.
    #[must_use]
    pub fn server_is_known(&self) -> bool {
        !self.server_blocked
    }

    fn authenticated(&self, party: Party) -> Result<(), Refusal> {
        match party {
            Party::Own if self.client.deleted => Err(Refusal::ClientUnknown),
            Party::Own if self.client.blocked => Err(Refusal::ClientBlocked),
            Party::Own | Party::Other => Ok(()),
        }
    }

    fn new_code(&mut self) -> CodeName {
        self.made += 1;
        CodeName(self.made - 1)
    }

    fn seen(&mut self, code: CodeName) -> Expected {
        if !self.codes.contains(&code) {
            self.codes.push(code);
        }
        Expected::answer(Answer::Code(code))
    }

    fn handed_out(&mut self, generation: Generation, scope: &'static str, expires_in: i64) -> Expected {
        if !self.generations.contains(&generation) {
            self.generations.push(generation);
        }
        let refreshable = self.refreshable;
        Expected::answer(Answer::Tokens { generation, refreshable, scope, expires_in })
    }

    fn end(&mut self) {
        let last = self.last_expiry().unwrap_or(self.now);
        self.stage = Stage::Ended { last };
    }
}
