//! The reference model of a grant: what the server must answer, said once more and as plainly as possible.
//!
//! It knows no texts, no keys and no store, only who was given what. It is written from the design's tables and shares
//! nothing with the server but the names of the reasons.

mod life;
mod rules;
pub mod story;

use authz_core::Refusal;

pub use self::life::live_through;
use self::story::Operation;
use crate::bare::Party;

/// Seconds, as the default policy has them.
const ACCESS: i64 = 3600;
const IDLE: i64 = 30 * 86_400;
const TOTAL: i64 = 180 * 86_400;
const CODE: i64 = 60;
const REQUEST: i64 = 600;
/// How long a record outlives what it is needed for.
const KEPT: i64 = 600;
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
    pub fn new(now: i64, leeway: i64, refreshable: bool, remembered: bool) -> Self {
        let (code, until) = (CodeName(0), now + REQUEST);
        let stage = if remembered {
            Stage::Coded { code, expires: now + CODE, until, scope: "read write", remembered }
        } else {
            Stage::Requested { until }
        };
        Self {
            now,
            leeway,
            refreshable,
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

    /// What must follow.
    pub fn apply(&mut self, operation: &Operation) -> Expected {
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

    /// What changes without a request.
    fn happen(&mut self, operation: &Operation) {
        match *operation {
            Operation::Wait { seconds } => self.now += seconds,
            Operation::BlockClient(blocked) if !self.client.deleted => self.client.blocked = blocked,
            Operation::DeleteClient => self.client.deleted = true,
            Operation::BlockPerson(blocked) => self.person.blocked = blocked,
            Operation::BlockServer(blocked) => self.server_blocked = blocked,
            Operation::EndAllOfClient => self.client.epoch += 1,
            Operation::EndAllOfPerson => self.person.epoch += 1,
            Operation::Withdraw => self.consented = false,
            Operation::ConsentAgain => self.consented = true,
            Operation::Keep => self.kept.push(self.stage.clone()),
            Operation::GoBack { to } => {
                if let Some(stage) = to.of(&self.kept) {
                    self.stage = stage.clone();
                }
            }
            Operation::Sweep => {
                if self.last_expiry().is_some_and(|last| last + KEPT < self.now) {
                    self.stage = Stage::Gone;
                }
            }
            Operation::BlockClient(_)
            | Operation::Approve { .. }
            | Operation::Deny { .. }
            | Operation::Continue { .. }
            | Operation::Redeem { .. }
            | Operation::Refresh { .. }
            | Operation::RevokeAccess { .. }
            | Operation::RevokeRefresh { .. }
            | Operation::Introspect { .. }
            | Operation::UserInfo { .. } => {}
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

    fn last_expiry(&self) -> Option<i64> {
        match &self.stage {
            Stage::Requested { until } => Some(*until),
            Stage::Coded { expires, until, .. } => Some(*until.max(expires)),
            Stage::Live(live) => {
                let access = live.access.iter().map(|access| access.expires).max().unwrap_or(live.rotated);
                let refresh = if self.refreshable { live.idle_end.min(live.final_end) } else { access };
                Some(access.max(refresh))
            }
            Stage::Ended { last } => Some(*last),
            Stage::Gone => None,
        }
    }
}
