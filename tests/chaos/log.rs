//! What clients asked, and what they were answered.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use authz_core::TokenText;
use parking_lot::Mutex;
use store::GrantId;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Within which one more of what is waited for comes, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a client, or a resource server, asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A code, for somebody who has consented before.
    Authorize,
    /// Tokens for this code, as its client with the right verifier.
    Redeem(String),
    /// The next tokens for this refresh token, as its client and for all of the grant's scopes.
    Refresh(String),
    /// The end of this token, as its client.
    Revoke(String),
    /// Whether this access token is good, as this resource server.
    Introspect(String, Caller),
}

/// A resource server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The one that the grant is for.
    Own,
    /// Another one.
    Other,
}

impl Ask {
    /// The text that it is about.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Authorize => None,
            Self::Redeem(text) | Self::Refresh(text) | Self::Revoke(text) | Self::Introspect(text, _) => {
                Some(text)
            }
        }
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nothing: whether it happened, nobody knows.
    Nothing,
    /// 503: whether it happened, nobody knows.
    Unavailable,
    /// A code.
    Code(String),
    /// An access token and a refresh token.
    Tokens(String, String),
    /// `invalid_grant`.
    Refused,
    /// It is revoked, or was nothing to revoke.
    Revoked,
    /// Whether the token is good.
    Active(bool),
    /// Anything that the protocol has no room for here.
    Odd(String),
}

impl Answer {
    /// Whether the server said what became of the request.
    pub(crate) const fn is_definite(&self) -> bool {
        !matches!(self, Self::Nothing | Self::Unavailable)
    }

    /// The code that it brought.
    pub(crate) const fn code(&self) -> Option<&str> {
        if let Self::Code(code) = self { Some(code.as_str()) } else { None }
    }

    /// The access token and the refresh token that it brought.
    pub(crate) const fn tokens(&self) -> Option<(&str, &str)> {
        if let Self::Tokens(access, refresh) = self {
            Some((access.as_str(), refresh.as_str()))
        } else {
            None
        }
    }

    /// The texts that it brought.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let (access, refresh) = self.tokens().unzip();
        [self.code(), access, refresh].into_iter().flatten()
    }
}

/// One request. Its ticks order it against all others: one that ended before another began came before it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) ask: Ask,
    /// Which process was asked.
    pub(crate) process: usize,
    pub(crate) began: u64,
    pub(crate) ended: u64,
    pub(crate) answer: Answer,
}

impl Entry {
    /// The grant that it is about, if it got as far as to be about one.
    pub(crate) fn grant(&self) -> Option<GrantId> {
        let text = TokenText::parse(self.ask.text().or_else(|| self.answer.code())?).ok()?;
        Some(GrantId::new(text.id))
    }
}

/// What a token text says of itself, for people: its kind and number, and a little to tell it from others.
fn short(text: &str) -> String {
    let number = TokenText::parse(text).map_or(0, |text| text.number);
    let kind = text.split('_').next().unwrap_or_default();
    let end = text.get(text.len().saturating_sub(5)..).unwrap_or_default();
    format!("{kind} {number} (…{end})")
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>7}–{:<7} process {}: ", self.began, self.ended, self.process)?;
        match &self.ask {
            Ask::Authorize => write!(f, "authorize")?,
            Ask::Redeem(code) => write!(f, "redeem {}", short(code))?,
            Ask::Refresh(token) => write!(f, "refresh {}", short(token))?,
            Ask::Revoke(token) => write!(f, "revoke {}", short(token))?,
            Ask::Introspect(token, caller) => write!(f, "introspect {} as {caller:?}", short(token))?,
        }
        let texts: Vec<_> = self.answer.texts().map(short).collect();
        if texts.is_empty() {
            write!(f, " → {:?}", self.answer)
        } else {
            write!(f, " → {}", texts.join(", "))
        }
    }
}

/// All requests of a run, as they end.
#[derive(Debug, Default)]
pub(crate) struct Log {
    tick: AtomicU64,
    entries: Mutex<Vec<Entry>>,
    answered: AtomicU64,
    news: Notify,
}

impl Log {
    /// The next moment.
    pub(crate) fn tick(&self) -> u64 {
        self.tick.fetch_add(1, Ordering::SeqCst)
    }

    /// Writes down a request that has ended.
    pub(crate) fn keep(&self, entry: Entry) {
        if entry.answer.is_definite() {
            self.answered.fetch_add(1, Ordering::SeqCst);
        }
        self.entries.lock().push(entry);
        self.news.notify_waiters();
    }

    /// How many requests were answered so far.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::SeqCst)
    }

    /// Waits until `more` more are answered.
    pub(crate) async fn grows(&self, more: u64) {
        self.wait_for(more, PATIENCE, || self.answered()).await;
    }

    /// Waits until `more` more have come to this.
    pub(crate) async fn meets(&self, answer: Answer, more: u64) {
        let met = || self.entries.lock().iter().filter(|entry| entry.answer == answer).count() as u64;
        self.wait_for(more, PATIENCE, met).await;
    }

    /// Each of them has to come within `patience` of the one before: whoever is wedged shall not hang whoever waits.
    async fn wait_for(&self, more: u64, patience: Duration, count: impl Fn() -> u64) {
        let begin = count();
        loop {
            let now = count();
            if now >= begin + more {
                return;
            }
            let next = async {
                loop {
                    let news = self.news.notified();
                    if count() > now {
                        return;
                    }
                    news.await;
                }
            };
            let came = timeout(patience, next).await.is_ok();
            assert!(came, "{} of {more} came, and none more in {patience:?}\n{}", now - begin, self.end());
        }
    }

    /// The last requests, for people.
    fn end(&self) -> String {
        let entries = self.entries.lock();
        let last = entries[entries.len().saturating_sub(20)..].iter();
        last.map(|entry| format!("    {entry}\n")).collect()
    }

    /// All entries since this was asked last.
    pub(crate) fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut self.entries.lock())
    }
}

/// Requests go on coming back without an answer; that is none.
#[tokio::test]
#[should_panic(expected = "1 of 3 came, and none more in 50ms")]
async fn whoever_waits_for_answers_that_do_not_come_is_not_left_waiting() {
    let log = Log::default();
    let entry =
        |answer| Entry { ask: Ask::Authorize, process: 0, began: log.tick(), ended: log.tick(), answer };
    let writing = async {
        log.keep(entry(Answer::Active(true)));
        loop {
            log.keep(entry(Answer::Nothing));
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = log.wait_for(3, Duration::from_millis(50), || log.answered()) => {}
        _ = writing => {}
    }
}
