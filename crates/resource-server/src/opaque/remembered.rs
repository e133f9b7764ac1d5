//! Answers about opaque tokens, remembered for seconds, and asked for once however many wait.

use std::collections::HashMap;
use std::sync::Arc;

use ambient::{Clock, Time};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::{Rejection, Verified};

/// How many answers are remembered. The least useful ones make room.
const ENTRIES: usize = 10_000;
/// For how many seconds a refusal is remembered: whoever tries again and again does not get through to the authorization server.
const REFUSED: i64 = 5;
/// For how many seconds it is remembered that nobody can tell.
const UNAVAILABLE: i64 = 1;

/// What a token is known by here: nothing of it can be used (SHA-256).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    pub(crate) fn of(token: &SecretString) -> Self {
        Self(Sha256::digest(token.expose_secret()).into())
    }
}

/// Whose a token is, or why it is not accepted.
pub(crate) type Answer = Result<Arc<Verified>, Rejection>;

type Running = Shared<BoxFuture<'static, Answer>>;

/// Answers about opaque tokens.
pub(crate) struct Remembered {
    answers: Cache<Digest, Entry>,
    running: Mutex<Questions>,
    positive: i64,
    clock: Arc<dyn Clock>,
}

/// The questions that are being asked, each with its number.
#[derive(Default)]
struct Questions {
    asked: HashMap<Digest, (u64, WeakShared<BoxFuture<'static, Answer>>)>,
    numbers: u64,
}

#[derive(Clone)]
struct Entry {
    answer: Answer,
    from: Time,
    until: Time,
}

impl Remembered {
    /// Remembers good tokens for `positive` seconds.
    pub(crate) fn new(positive: i64, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { answers: Cache::new(ENTRIES), running: Mutex::default(), positive, clock })
    }

    /// The answer that is remembered.
    pub(crate) fn answer(&self, digest: &Digest, now: Time) -> Option<Answer> {
        // A clock that was put back makes the age of an answer unknown.
        self.answers
            .get(digest)
            .filter(|entry| entry.from <= now && now < entry.until)
            .map(|entry| entry.answer)
    }

    /// The answer that is remembered, or that of `ask`. Whoever asks about a token that is being asked about waits for that answer;
    /// it is given up when nobody waits for it any more, and not before.
    pub(crate) async fn or_ask<F>(self: &Arc<Self>, digest: Digest, ask: impl FnOnce() -> F) -> Answer
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        self.running(digest, ask).await
    }

    fn running<F>(self: &Arc<Self>, digest: Digest, ask: impl FnOnce() -> F) -> Running
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let mut running = self.running.lock();
        if let Some(one) = running.asked.get(&digest).and_then(|(_, one)| one.upgrade()) {
            return one;
        }
        if let Some(answer) = self.answer(&digest, self.clock.now()) {
            return futures_util::future::ready(answer).boxed().shared();
        }
        running.numbers += 1;
        let number = running.numbers;
        let leave = Leave { all: Arc::clone(self), digest, number };
        let answer = ask();
        let one = async move {
            let answer = answer.await;
            leave.all.remember(leave.digest, &answer);
            drop(leave);
            answer
        };
        let one = one.boxed().shared();
        if let Some(weak) = one.downgrade() {
            running.asked.insert(digest, (number, weak));
        }
        one
    }

    fn remember(&self, digest: Digest, answer: &Answer) {
        let now = self.clock.now();
        let until = match answer {
            Ok(verified) => {
                let until = now.plus(self.positive);
                verified.expires_at.map_or(until, |expires_at| expires_at.min(until))
            }
            Err(Rejection::Invalid(_)) => now.plus(REFUSED),
            Err(Rejection::Unavailable(_)) => now.plus(UNAVAILABLE),
        };
        if until > now {
            self.answers.insert(digest, Entry { answer: answer.clone(), from: now, until });
        }
    }
}

/// Takes a question off the list when it is answered, or given up.
struct Leave {
    all: Arc<Remembered>,
    digest: Digest,
    number: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut running = self.all.running.lock();
        // Between the moment in which it is given up and this one somebody may have asked again.
        if running.asked.get(&self.digest).is_some_and(|(number, _)| *number == self.number) {
            running.asked.remove(&self.digest);
        }
    }
}
