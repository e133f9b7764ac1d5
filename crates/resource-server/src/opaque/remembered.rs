//! Answers about opaque tokens, remembered for seconds, and asked for once however many wait.

use std::collections::HashMap;
use std::sync::Arc;

use ambient::{Clock, Time};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::Source;
use crate::{Rejection, Unavailable, Verified};

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

/// `None` if the runtime ended before the question did.
type Running = Shared<BoxFuture<'static, Option<Answer>>>;

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
    asked: HashMap<Digest, Question>,
    numbers: u64,
}

struct Question {
    number: u64,
    sent: Time,
    answer: Running,
}

#[derive(Clone)]
struct Entry {
    answer: Answer,
    from: Time,
    until: Time,
    /// Whether the last that was said for certain is that the token is good.
    good: bool,
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

    /// The answer that is remembered, or that of `source`. It is asked by a task of its own: whoever hangs up neither ends it nor takes
    /// the others' answer away. Whoever asks about a token that is being asked about waits for that answer, unless it would be older
    /// than what may be remembered.
    pub(crate) async fn or_ask(
        self: &Arc<Self>,
        digest: Digest,
        source: &Arc<Source>,
        token: &SecretString,
    ) -> Answer {
        // A question that ended with the runtime of whoever started it says nothing; one on this runtime does.
        for _ in 0..2 {
            if let Some(answer) = self.running(digest, source, token)?.await {
                return answer;
            }
        }
        Err(source.interrupted().into())
    }

    fn running(
        self: &Arc<Self>,
        digest: Digest,
        source: &Arc<Source>,
        token: &SecretString,
    ) -> Result<Running, Unavailable> {
        let now = self.clock.now();
        let mut running = self.running.lock();
        let young = |sent: Time| sent <= now && now < sent.plus(self.positive);
        if let Some(one) =
            running.asked.get(&digest).filter(|one| young(one.sent) && one.answer.peek().is_none())
        {
            return Ok(one.answer.clone());
        }
        if let Some(answer) = self.answer(&digest, now) {
            return Ok(futures_util::future::ready(Some(answer)).boxed().shared());
        }
        let place = source.place(self.was_good(&digest))?;
        running.numbers += 1;
        let number = running.numbers;
        let (all, source, token) = (Arc::clone(self), Arc::clone(source), token.clone());
        let question = tokio::spawn(async move {
            let _place = place;
            let leave = Leave { all, digest, number };
            let answer = source.ask(&token, digest).await.map(Arc::new);
            leave.all.remember(digest, &answer, now);
            answer
        });
        let answer = async move { question.await.ok() }.boxed().shared();
        running.asked.insert(digest, Question { number, sent: now, answer: answer.clone() });
        Ok(answer)
    }

    fn was_good(&self, digest: &Digest) -> bool {
        self.answers.peek(digest).is_some_and(|entry| entry.good)
    }

    /// A good token is remembered from the moment in which the question was sent: the answer may have been made right then.
    fn remember(&self, digest: Digest, answer: &Answer, sent: Time) {
        let now = self.clock.now();
        let entry = |from: Time, until: Time, good| Entry { answer: answer.clone(), from, until, good };
        let entry = match answer {
            Ok(verified) => {
                let until = sent.plus(self.positive);
                entry(sent, verified.expires_at.map_or(until, |expires_at| expires_at.min(until)), true)
            }
            Err(Rejection::Invalid(_)) => entry(now, now.plus(REFUSED), false),
            Err(Rejection::Unavailable(_)) => entry(now, now.plus(UNAVAILABLE), self.was_good(&digest)),
        };
        self.answers.insert(digest, entry);
    }
}

/// Takes a question off the list when it is answered, or ends with its runtime.
struct Leave {
    all: Arc<Remembered>,
    digest: Digest,
    number: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut running = self.all.running.lock();
        // Somebody who may not be told an old answer has perhaps asked again.
        if running.asked.get(&self.digest).is_some_and(|one| one.number == self.number) {
            running.asked.remove(&self.digest);
        }
    }
}
