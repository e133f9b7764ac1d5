//! The checker: what was asked and answered, and what is stored, held against the promises.
//!
//! It knows nothing of how the server works. It knows which answers cannot stand beside each other, whatever happened to the
//! requests that nobody answered.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use authz_core::TokenText;
use store::{Digest, Grant, GrantId, Stage};

use crate::log::{Answer, Ask, Caller, Entry};

/// What may be expected of this run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promise {
    /// What was answered is there whatever was killed.
    pub(crate) durable: bool,
    /// Nothing expired while it ran, so a refusal means an end, and what is gone has ended.
    pub(crate) steady: bool,
    /// A refresh token that was just replaced is answered again.
    pub(crate) leeway: bool,
}

/// What everything but a jumping clock and a store that forgets is held to.
pub(crate) const ALL: Promise = Promise { durable: true, steady: true, leeway: true };

/// A promise that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Broken {
    /// I1: a code brought tokens twice.
    CodeSpentTwice,
    /// I2: a refresh token had two successors, or a generation two texts.
    GenerationSpentTwice,
    /// I3, I4: something of a grant worked after its end.
    Undead,
    /// I5: a token left and its commit is not in the store.
    Uncommitted,
    /// I7: an access token was good where it is not for.
    Elsewhere,
    /// I8: the store has what somebody was given.
    Kept,
    /// I11: a text that nobody was ever given was taken.
    ForgeryTaken,
    /// Something that was answered is gone, and nobody can have ended it.
    Lost,
    /// An answer that has no place in the protocol.
    Odd,
}

/// A broken promise, and the story of its grant.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) broken: Broken,
    what: String,
    story: Vec<Entry>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}: {}", self.broken, self.what)?;
        self.story.iter().try_for_each(|entry| writeln!(f, "    {entry}"))
    }
}

/// The grants that a log is about.
pub(crate) fn grants(log: &[Entry]) -> BTreeSet<GrantId> {
    log.iter().filter_map(Entry::grant).collect()
}

/// What of a log, and of what the store said of its grants after it, breaks a promise.
pub(crate) fn check(
    log: &[Entry],
    stored: &BTreeMap<GrantId, Option<Grant>>,
    promise: Promise,
) -> Vec<Violation> {
    let mut stories: BTreeMap<Option<GrantId>, Vec<&Entry>> = BTreeMap::new();
    for entry in log {
        stories.entry(entry.grant()).or_default().push(entry);
    }
    let mut all = Vec::new();
    for (grant, mut entries) in stories {
        entries.sort_by_key(|entry| entry.began);
        let mut story = Story::of(entries, promise);
        story.answers();
        if grant.is_some() {
            story.spending();
            story.ends();
            story.losses();
        }
        if let Some(stored) = grant.and_then(|grant| stored.get(&grant)) {
            story.stored(stored.as_ref());
        }
        all.extend(story.broken);
    }
    all
}

/// The requests about one grant.
struct Story<'a> {
    entries: Vec<&'a Entry>,
    /// The texts that the server gave away.
    given: BTreeSet<&'a str>,
    /// When the first request began that may have ended the grant.
    may_end: u64,
    /// When it was over for certain.
    over: u64,
    promise: Promise,
    broken: Vec<Violation>,
}

const NEVER: u64 = u64::MAX;

impl<'a> Story<'a> {
    fn of(entries: Vec<&'a Entry>, promise: Promise) -> Self {
        let given = entries.iter().flat_map(|entry| entry.answer.texts());
        let mut story = Self {
            given: given.collect(),
            entries,
            may_end: NEVER,
            over: NEVER,
            promise,
            broken: Vec::new(),
        };
        story.may_end = story.may_end();
        story.over = story.over();
        story
    }

    /// Answers that are none, and forgeries and strangers that got something.
    fn answers(&mut self) {
        for entry in self.entries.clone() {
            let forged = entry.ask.text().is_some_and(|text| !self.given.contains(text));
            let got = matches!(entry.answer, Answer::Tokens(..) | Answer::Active(true));
            if let Answer::Odd(what) = &entry.answer {
                self.tell(Broken::Odd, what.clone());
            } else if forged && got {
                self.tell(Broken::ForgeryTaken, format!("{entry}"));
            } else if got && matches!(entry.ask, Ask::Introspect(_, Caller::Other)) {
                self.tell(Broken::Elsewhere, format!("{entry}"));
            }
        }
    }

    /// I1, I2.
    fn spending(&mut self) {
        let mut redeemed = 0;
        let mut following: BTreeMap<&str, BTreeSet<(&str, &str)>> = BTreeMap::new();
        let mut texts: BTreeMap<u32, BTreeSet<(&str, &str)>> = BTreeMap::new();
        let mut skipping = Vec::new();
        for entry in &self.entries {
            let Answer::Tokens(access, refresh) = &entry.answer else { continue };
            let before = match &entry.ask {
                Ask::Redeem(_) => {
                    redeemed += 1;
                    0
                }
                Ask::Refresh(token) => {
                    following.entry(token).or_default().insert((access, refresh));
                    number(token)
                }
                Ask::Authorize | Ask::Revoke(_) | Ask::Introspect(..) => continue,
            };
            if number(access) != before + 1 || number(refresh) != before + 1 {
                skipping.push(format!("not the next generation: {entry}"));
            }
            texts.entry(number(refresh)).or_default().insert((access, refresh));
        }
        if redeemed > 1 {
            self.tell(Broken::CodeSpentTwice, format!("one code brought tokens {redeemed} times"));
        }
        if following.values().chain(texts.values()).any(|all| all.len() > 1) {
            self.tell(Broken::GenerationSpentTwice, "a generation has two successors".to_owned());
        }
        for what in skipping {
            self.tell(Broken::Odd, what);
        }
    }

    /// I3, I4: after an end that somebody was told of, or that somebody's refusal means, nothing works.
    fn ends(&mut self) {
        for entry in self.entries.clone() {
            let works = matches!(entry.answer, Answer::Tokens(..) | Answer::Active(true));
            let own_end = match &entry.ask {
                Ask::Introspect(token, _) => self.revoked(token),
                Ask::Authorize | Ask::Redeem(_) | Ask::Refresh(_) | Ask::Revoke(_) => NEVER,
            };
            let over = self.over.min(own_end);
            if works && entry.began > over {
                self.tell(Broken::Undead, format!("over since {over}: {entry}"));
            }
        }
    }

    /// What was given away and nobody can have ended is good.
    fn losses(&mut self) {
        if !self.promise.durable || !self.promise.steady {
            return;
        }
        for entry in self.entries.clone() {
            let missed = match (&entry.ask, &entry.answer) {
                (Ask::Redeem(text) | Ask::Refresh(text), Answer::Refused) => self.knew(text, entry),
                (Ask::Introspect(text, Caller::Own), Answer::Active(false)) => {
                    self.knew(text, entry) && !self.may_be_revoked(text, entry.ended)
                }
                _ => false,
            };
            if missed && entry.ended < self.may_end {
                self.tell(Broken::Lost, format!("nobody can have ended it: {entry}"));
            }
        }
    }

    /// The log against the record.
    fn stored(&mut self, grant: Option<&Grant>) {
        let (untouched, over) = (self.may_end == NEVER, self.over != NEVER);
        let newest = self.newest();
        let Promise { durable, steady, .. } = self.promise;
        let record = grant.and_then(|grant| serde_json::to_string(grant).ok()).unwrap_or_default();
        if self.given.iter().any(|text| record.contains(secret(text))) {
            self.tell(Broken::Kept, "a text that was given away is in the store".to_owned());
        }
        match grant.map(|grant| &grant.stage) {
            None | Some(Stage::Ended(_)) if untouched && durable && steady => {
                self.tell(
                    Broken::Lost,
                    "the store has no such living grant, and nobody can have ended it".into(),
                );
            }
            None | Some(Stage::Ended(_)) => {}
            Some(_) if over => self.tell(Broken::Undead, "it lives in the store".to_owned()),
            Some(Stage::Requested(_)) => self.tell(Broken::Uncommitted, "its code left too early".to_owned()),
            Some(Stage::Coded(_)) if newest.is_some() && durable => {
                self.tell(Broken::Uncommitted, "its tokens left, and its code is unspent".to_owned());
            }
            Some(Stage::Coded(_)) => {}
            Some(Stage::Live(live)) => {
                let asked = self.asked();
                if asked.is_none_or(|asked| live.number > asked + 1) {
                    self.tell(Broken::Odd, format!("generation {} in the store: nobody asked", live.number));
                }
                let Some((number, access)) = newest.filter(|_| durable) else { return };
                let listed = live.access.iter().any(|one| one.digest.is(&Digest::of(access.as_bytes())));
                let kept = listed || !steady || self.may_be_revoked(access, NEVER);
                if live.number < number || !kept {
                    let what = format!("generation {number} left, the store is at {}", live.number);
                    self.tell(Broken::Uncommitted, what);
                }
            }
        }
    }

    /// When the first request began that may have ended the grant, whatever was answered.
    fn may_end(&self) -> u64 {
        let genuine = |entry: &&&Entry| entry.ask.text().is_some_and(|text| self.given.contains(text));
        let asked: Vec<&&Entry> = self.entries.iter().filter(genuine).collect();
        let revoked_some = asked
            .iter()
            .filter(|entry| matches!(&entry.ask, Ask::Revoke(text) if is_access(text)))
            .map(|entry| entry.began)
            .min();
        let mut may_end = NEVER;
        for entry in &asked {
            let from = match &entry.ask {
                Ask::Revoke(text) if !is_access(text) => entry.began,
                // The second one of two.
                Ask::Redeem(_) => second(&asked, entry, |other| matches!(other, Ask::Redeem(_))),
                Ask::Refresh(token) => {
                    let behind = |by: u32| {
                        second(
                            &asked,
                            entry,
                            move |other| matches!(other, Ask::Refresh(other) if number(other) >= number(token) + by),
                        )
                    };
                    // One behind is forgiven as long as the newest access token is there.
                    let closed = if self.promise.leeway { revoked_some.unwrap_or(NEVER) } else { 0 };
                    behind(1).min(behind(0).max(closed))
                }
                Ask::Authorize | Ask::Revoke(_) | Ask::Introspect(..) => NEVER,
            };
            may_end = may_end.min(from);
        }
        may_end
    }

    /// When somebody was first told what means that it is over.
    fn over(&self) -> u64 {
        let means_end = |entry: &&&Entry| match (&entry.ask, &entry.answer) {
            (Ask::Revoke(text), Answer::Revoked) => !is_access(text) && self.given.contains(text.as_str()),
            // An expired code changes nothing, and may be good again by a clock that goes back.
            (Ask::Redeem(text) | Ask::Refresh(text), Answer::Refused) => {
                self.promise.steady && self.given.contains(text.as_str())
            }
            _ => false,
        };
        self.entries.iter().filter(means_end).map(|entry| entry.ended).min().unwrap_or(NEVER)
    }

    /// Whether the server had given this text away when a request began.
    fn knew(&self, text: &str, asked: &Entry) -> bool {
        self.entries.iter().any(|entry| {
            let given = entry.answer.texts().any(|one| one == text);
            given && entry.ended < asked.began
        })
    }

    /// When an access token was revoked for certain.
    fn revoked(&self, token: &str) -> u64 {
        let told = |entry: &&&Entry| {
            matches!(&entry.ask, Ask::Revoke(text) if text == token) && entry.answer == Answer::Revoked
        };
        self.entries.iter().filter(told).map(|entry| entry.ended).min().unwrap_or(NEVER)
    }

    fn may_be_revoked(&self, token: &str, before: u64) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.began < before && matches!(&entry.ask, Ask::Revoke(text) if text == token))
    }

    /// The newest generation that left, and its access token.
    fn newest(&self) -> Option<(u32, &'a str)> {
        let tokens = self.entries.iter().filter_map(|entry| entry.answer.tokens());
        tokens.map(|(access, _)| (number(access), access)).max()
    }

    /// The newest generation that somebody asked the successor of: 0 for the code.
    fn asked(&self) -> Option<u32> {
        let genuine = |text: &&str| self.given.contains(text);
        let asked = self.entries.iter().filter_map(|entry| match &entry.ask {
            Ask::Redeem(code) => genuine(&code.as_str()).then_some(0),
            Ask::Refresh(token) => genuine(&token.as_str()).then(|| number(token)),
            Ask::Authorize | Ask::Revoke(_) | Ask::Introspect(..) => None,
        });
        asked.max()
    }

    fn tell(&mut self, broken: Broken, what: String) {
        let story = self.entries.iter().map(|entry| (*entry).clone()).collect();
        self.broken.push(Violation { broken, what, story });
    }
}

/// When the later one of this request and the first other one of this sort began.
fn second(asked: &[&&Entry], this: &Entry, sort: impl Fn(&Ask) -> bool) -> u64 {
    let others = asked.iter().filter(|other| other.began != this.began && sort(&other.ask));
    others.map(|other| other.began.max(this.began)).min().unwrap_or(NEVER)
}

/// The part of a text that nobody can make up.
fn secret(text: &str) -> &str {
    text.get(text.len().saturating_sub(40)..).unwrap_or(text)
}

fn is_access(text: &str) -> bool {
    text.starts_with("mat_")
}

fn number(text: &str) -> u32 {
    TokenText::parse(text).map_or(0, |text| text.number)
}
