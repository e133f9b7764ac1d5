//! A story in the words of the protocol, and where it goes wrong: what somebody reads who has to find out why.

use std::collections::BTreeSet;
use std::fmt;

use thiserror::Error;

use super::story::{Asked, Beginning, Named, Operation, Shown, Step, Trouble, Verified};
use super::{Answer, CodeName, Generation, Model, Name};
use crate::bare::Party;

/// The server and the model tell different things: the story so far, and where they part.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Counterexample(String);

/// Where they part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// What is asked after the answer; nothing if it is the answer itself.
    about: Option<String>,
    expected: String,
    got: String,
}

impl Difference {
    /// The answer is another one.
    pub(super) fn answer(expected: &Answer, got: impl fmt::Display) -> Self {
        Self { about: None, expected: expected.to_string(), got: got.to_string() }
    }

    /// This is so or not, other than was expected; if it is.
    pub(super) fn unless_so(about: &str, expected: bool, got: bool) -> Result<(), Self> {
        if expected == got {
            return Ok(());
        }
        let [expected, got] = [expected, got].map(|so| if so { "yes" } else { "no" }.to_owned());
        Err(Self { about: Some(about.to_owned()), expected, got })
    }

    /// This differs, if it does.
    pub(super) fn unless_same<T: PartialEq + fmt::Debug>(
        about: &str,
        expected: T,
        got: T,
    ) -> Result<(), Self> {
        if expected == got {
            return Ok(());
        }
        let [expected, got] = [expected, got].map(|value| format!("{value:?}"));
        Err(Self { about: Some(about.to_owned()), expected, got })
    }
}

/// A story as it is told.
pub(super) struct Told {
    began: i64,
    text: String,
    seen: BTreeSet<String>,
}

impl Told {
    pub(super) fn from(model: &Model, beginning: Beginning) -> Self {
        Self { began: model.now(), text: format!("{beginning}\n"), seen: BTreeSet::new() }
    }

    /// What happens next. Time that passes is seen by the time of what comes after it.
    pub(super) fn goes_on(&mut self, model: &Model, step: &Step) {
        let Some(words) = model.words(&step.operation) else { return };
        let since = Span(model.now() - self.began).to_string();
        let again = if self.seen.insert(words.clone()) { "" } else { " again" };
        self.text.push_str(&format!("{since:>12}  {words}{again}{}", step.trouble));
    }

    /// And what is answered.
    pub(super) fn is_answered(&mut self, answer: &Answer) {
        if self.text.ends_with('\n') {
            return;
        }
        if *answer != Answer::Nothing {
            self.text.push_str(&format!(" → {answer}"));
        }
        self.text.push('\n');
    }

    /// And where the server tells something else than was expected.
    pub(super) fn parts(
        mut self,
        model: &Model,
        expected: &Answer,
        difference: Difference,
    ) -> Counterexample {
        let Difference { about, expected: wanted, got } = difference;
        match about {
            None => self.text.push_str(&format!(" → expected {wanted}, got {got}")),
            Some(about) => {
                self.is_answered(expected);
                let since = Span(model.now() - self.began).to_string();
                self.text.push_str(&format!("{since:>12}  {about}: expected {wanted}, got {got}"));
            }
        }
        Counterexample(self.text)
    }
}

impl fmt::Display for Beginning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { leeway, refreshable, remembered, pace } = self;
        f.write_str(if *remembered { "Ada has consented before." } else { "Ada is asked for her consent." })?;
        match (refreshable, leeway) {
            (false, _) => f.write_str(" There are no refresh tokens.")?,
            (true, 0) => f.write_str(" A refresh token is good once.")?,
            (true, leeway) => {
                write!(f, " The refresh token before the newest is answered again for {}.", Span(*leeway))?;
            }
        }
        let [code, access, idle, total] = [pace.code(), pace.access(), pace.idle(), pace.total()].map(Span);
        write!(f, " Codes last {code}, access tokens {access}, refresh tokens {idle}, a grant {total}.")
    }
}

impl Model {
    /// What somebody does, or what happens; nothing if time passes.
    fn words(&self, operation: &Operation) -> Option<String> {
        let code = |shown| named("code", shown, &self.codes);
        let access = |shown| named("access token", shown, &self.generations);
        let refresh =
            |shown| named("refresh token", shown, if self.refreshable { &self.generations } else { &[] });
        Some(match *operation {
            Operation::Approve { scope, elsewhere } => {
                let what = match scope {
                    Asked::All => "all",
                    Asked::Both => "read write",
                    Asked::Less => "read alone",
                    Asked::More => "more than was asked",
                };
                format!("Ada says yes to {what}{}", if elsewhere { " in another browser" } else { "" })
            }
            Operation::Deny { elsewhere } => {
                format!("Ada says no{}", if elsewhere { " in another browser" } else { "" })
            }
            Operation::Continue { elsewhere } => {
                format!("{} browser goes on", if elsewhere { "another" } else { "her" })
            }
            Operation::Redeem { code: shown, party, verifier, redirect, resource } => {
                let verifier = match verifier {
                    Verified::Right => "",
                    Verified::Wrong => " with a wrong verifier",
                    Verified::Missing => " without a verifier",
                };
                let redirect = if redirect == Named::Wrong { " for another redirect URI" } else { "" };
                format!("{} is redeemed{}{verifier}{redirect}{}", code(shown), by(party), at(resource))
            }
            Operation::Refresh { token, party, scope, resource } => {
                let scope = match scope {
                    Asked::All => "",
                    Asked::Both => " for read write",
                    Asked::Less => " for read alone",
                    Asked::More => " for more than was granted",
                };
                format!("{} is used{}{scope}{}", refresh(token), by(party), at(resource))
            }
            Operation::RevokeAccess { token, party } => format!("{} is revoked{}", access(token), by(party)),
            Operation::RevokeRefresh { token, party } => {
                format!("{} is revoked{}", refresh(token), by(party))
            }
            Operation::Introspect { token, by_other } => {
                let who = if by_other { "another" } else { "its" };
                format!("{who} resource server asks about {}", access(token))
            }
            Operation::UserInfo { token } => format!("userinfo is asked with {}", access(token)),
            Operation::Wait { .. } | Operation::WaitUntil { .. } => return None,
            Operation::BlockClient(true) => "the client is blocked".to_owned(),
            Operation::BlockClient(false) => "the client may act again".to_owned(),
            Operation::DeleteClient => "the client is deleted".to_owned(),
            Operation::BlockPerson(true) => "Ada is blocked".to_owned(),
            Operation::BlockPerson(false) => "Ada may act again".to_owned(),
            Operation::BlockServer(true) => "the resource server is blocked".to_owned(),
            Operation::BlockServer(false) => "the resource server may act again".to_owned(),
            Operation::EndAllOfClient => "all grants of the client are ended".to_owned(),
            Operation::EndAllOfPerson => "all grants of Ada are ended".to_owned(),
            Operation::Withdraw => "Ada takes back the consent that she gave before".to_owned(),
            Operation::ConsentAgain => "Ada gives that consent again".to_owned(),
            Operation::Keep => format!("backup {} is made", self.kept.len() + 1),
            Operation::GoBack { to } => match to.at(self.kept.len()) {
                Some(at) => format!("the store goes back to backup {}", at + 1),
                None => "the store does not go back, for there is no such backup".to_owned(),
            },
            Operation::Sweep => "what has expired is removed".to_owned(),
            Operation::Restart => "the server is killed, and another starts over the same store".to_owned(),
        })
    }
}

fn named<T: Copy + fmt::Display>(kind: &str, shown: Shown, known: &[T]) -> String {
    match (shown.of(known), known.is_empty()) {
        (_, true) => format!("no {kind}, for there is none yet,"),
        (Some(name), _) => format!("{kind} {name}"),
        (None, false) => format!("a forged {kind}"),
    }
}

const fn by(party: Party) -> &'static str {
    match party {
        Party::Own => "",
        Party::Other => " by another client",
    }
}

fn at(resource: Named) -> &'static str {
    if resource == Named::Wrong { " for another resource" } else { "" }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "",
            Self::WriteFails => " (the store takes no write)",
            Self::AnswerLost => " (the store writes, and its answer is lost)",
            Self::Outrun => " (somebody else writes first)",
        })
    }
}

impl fmt::Display for CodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, number } = self;
        if *line == 0 { write!(f, "{number}") } else { write!(f, "{number} of life {}", line + 1) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(name) => write!(f, "code {name}"),
            Self::Access(of) => write!(f, "access token {of}"),
            Self::Refresh(of) => write!(f, "refresh token {of}"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Refused(refusal) => write!(f, "refused: {refusal:?}"),
            Self::Asked => f.write_str("the consent page"),
            Self::Connected => f.write_str("a page: already connected"),
            Self::Taken => f.write_str("taken"),
            Self::Code(name) => write!(f, "code {name}"),
            Self::Tokens { generation, refreshable, scope, expires_in } => {
                let what = if *refreshable { "tokens" } else { "access token" };
                write!(f, "{what} {generation} ({scope}, {})", Span(*expires_in))
            }
            Self::Revoked => f.write_str("revoked"),
            Self::Active { scope, expires } => {
                write!(f, "active ({scope}, until {})", Span(expires - crate::bare::BEGINNING.0))
            }
            Self::Inactive => f.write_str("inactive"),
            Self::Unavailable => f.write_str("503"),
        }
    }
}

/// Seconds, for people.
#[derive(Clone, Copy, Debug)]
struct Span(i64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut parts = Vec::new();
        for (unit, seconds) in [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)] {
            if rest >= seconds {
                parts.push(format!("{} {unit}", rest / seconds));
                rest %= seconds;
            }
        }
        f.pad(&if parts.is_empty() { format!("{} s", self.0) } else { parts.join(" ") })
    }
}
