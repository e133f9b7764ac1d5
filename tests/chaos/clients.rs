//! Clients: each plays one grant after the other, from its code to whatever end it takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ambient::{Entropy, SeededEntropy};

use crate::log::{Answer, Ask, Caller, Log};
use crate::site::Site;

/// How often a client asks again before it gives a grant up.
const TRIES: u32 = 4;

/// What decides what a client does next.
pub(crate) struct Dice(SeededEntropy);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    /// Less than `below`, which is not 0.
    pub(crate) fn below(&self, below: usize) -> usize {
        let entropy: &dyn Entropy = &self.0;
        usize::from(u16::from_be_bytes(entropy.draw())) % below
    }

    /// Yes so many times in a hundred.
    pub(crate) fn falls(&self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// Whoever plays stops at the next request after this was said.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn say(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn was_said(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Plays grants until it is stopped.
pub(crate) async fn play(site: Arc<Site>, log: Arc<Log>, seed: u64, stop: Stop) {
    let player = Player { site: &site, log: &log, dice: Dice::new(seed), stop };
    while !player.stop.was_said() {
        player.grant().await;
        // In one process with what it asks, nothing else would have it wait for others.
        tokio::task::yield_now().await;
    }
}

struct Player<'a> {
    site: &'a Site,
    log: &'a Log,
    dice: Dice,
    stop: Stop,
}

impl Player<'_> {
    async fn ask(&self, ask: Ask) -> Answer {
        let process = self.dice.below(self.site.ways.len());
        self.site.ask(self.log, process, ask).await
    }

    /// Two at once, wherever they come out.
    async fn both(&self, ask: Ask) -> Answer {
        let (one, other) = tokio::join!(self.ask(ask.clone()), self.ask(ask));
        if matches!(one, Answer::Tokens(..)) { one } else { other }
    }

    /// Asks again while nobody says what became of it.
    async fn insist(&self, ask: Ask) -> Answer {
        for _ in 1..TRIES {
            let answer = self.ask(ask.clone()).await;
            if answer.is_definite() || self.stop.was_said() {
                return answer;
            }
            // A process that is down answers at once, and comes back no sooner for it.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        self.ask(ask).await
    }

    async fn grant(&self) {
        let Answer::Code(code) = self.insist(Ask::Authorize).await else { return };
        if self.dice.falls(5) {
            self.ask(Ask::Redeem(forged(&code))).await;
        }
        let redeem = Ask::Redeem(code.clone());
        let redeemed = match self.dice.below(10) {
            0 => self.both(redeem).await,
            1..4 => self.insist(redeem).await,
            _ => self.ask(redeem).await,
        };
        let Answer::Tokens(access, refresh) = redeemed else { return };
        let mut tokens = vec![(access, refresh)];
        for _ in 0..self.dice.below(10) {
            if self.stop.was_said() || !self.step(&mut tokens, &code).await {
                return;
            }
        }
    }

    /// One thing that the holder of these tokens, oldest first, may do. Whether there is more to do.
    async fn step(&self, tokens: &mut Vec<(String, String)>, code: &str) -> bool {
        let Some((access, refresh)) = tokens.last().cloned() else { return false };
        let (older_access, older) = tokens[self.dice.below(tokens.len())].clone();
        match self.dice.below(100) {
            0..45 => return self.refresh(tokens, Ask::Refresh(refresh), false).await,
            45..55 => return self.refresh(tokens, Ask::Refresh(refresh), true).await,
            55..62 => {
                let before = tokens.len().saturating_sub(2);
                self.ask(Ask::Refresh(tokens[before].1.clone())).await;
            }
            62..66 => {
                self.ask(Ask::Refresh(older)).await;
            }
            66..78 => {
                self.ask(Ask::Introspect(access, Caller::Own)).await;
            }
            78..82 => {
                self.ask(Ask::Introspect(older_access, Caller::Own)).await;
            }
            82..85 => {
                self.ask(Ask::Introspect(access, Caller::Other)).await;
            }
            85..88 => {
                self.ask(Ask::Introspect(forged(&access), Caller::Own)).await;
            }
            88..91 => {
                self.ask(Ask::Refresh(forged(&refresh))).await;
            }
            91..93 => {
                self.ask(Ask::Revoke(forged(&refresh))).await;
            }
            93..95 => {
                self.insist(Ask::Revoke(older_access.clone())).await;
                self.ask(Ask::Introspect(older_access, Caller::Own)).await;
            }
            95..97 => {
                self.ask(Ask::Redeem(code.to_owned())).await;
                self.ask(Ask::Introspect(access, Caller::Own)).await;
            }
            _ => {
                let next = Ask::Refresh(refresh.clone());
                tokio::join!(self.ask(Ask::Revoke(refresh)), self.ask(next.clone()), self.ask(next));
                self.ask(Ask::Introspect(access, Caller::Own)).await;
            }
        }
        true
    }

    async fn refresh(&self, tokens: &mut Vec<(String, String)>, ask: Ask, twice: bool) -> bool {
        let answer = if twice { self.both(ask).await } else { self.insist(ask).await };
        let Answer::Tokens(access, refresh) = answer else { return false };
        tokens.push((access, refresh));
        true
    }
}

/// After everything: what is still good is used once more, and once again, so that what was lost shows.
pub(crate) async fn look_back(site: &Site, log: &Log, known: &[crate::log::Entry], dice: &Dice, most: usize) {
    let mut newest = std::collections::BTreeMap::new();
    for entry in known {
        if let (Some(grant), Answer::Tokens(access, refresh)) = (entry.grant(), &entry.answer) {
            let number = authz_core::TokenText::parse(access).map_or(0, |text| text.number);
            let held = newest.entry(grant).or_insert((0, access, refresh));
            if number > held.0 {
                *held = (number, access, refresh);
            }
        }
    }
    let skipped = newest.len().saturating_sub(most);
    for (_, access, refresh) in newest.into_values().skip(dice.below(skipped + 1)).take(most) {
        let process = dice.below(site.ways.len());
        site.ask(log, process, Ask::Introspect(access.clone(), Caller::Own)).await;
        for _ in 0..2 {
            let process = dice.below(site.ways.len());
            site.ask(log, process, Ask::Refresh(refresh.clone())).await;
        }
    }
}

/// The same text with another secret, in its canonical form.
fn forged(text: &str) -> String {
    let at = text.len() - 5;
    let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &text[..at], &text[at + 1..])
}
