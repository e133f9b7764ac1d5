//! Something is made once for each `Idempotency-Key`, however often the request comes
//! (draft-ietf-httpapi-idempotency-key-header).
//!
//! A claim stands for the request: first as one that is under way, then with the id of what was made. Secrets are not in it, so
//! whoever repeats a request is told what was made and not its key. A process that dies while it makes something leaves a claim
//! that another request takes over after a minute; it may make the thing a second time then.

use std::sync::Arc;

use ambient::{Clock, Entropy, Time};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use store::{Backend, Claim, ClaimKind, Claimed, Digest, StoreError};

use super::bounds::IDEMPOTENCY_KEY;
use super::problem::{Invalid, Problem};

/// How long an answer is remembered, in seconds: a day.
const KEPT: i64 = 86_400;
/// How long a request may be under way, in seconds.
const UNDER_WAY: i64 = 60;

/// Remembers what was made.
pub(super) struct Once {
    store: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// What is to be done about a request that makes something.
#[derive(Debug)]
pub(super) enum Turn {
    /// It makes something; what became of it is told to [`Once::made`] or [`Once::failed`].
    First(Option<Underway>),
    /// It did already: this.
    Again(String),
}

/// A request that is under way.
#[derive(Debug)]
pub(super) struct Underway {
    key: String,
    body: Digest,
    owner: String,
}

impl Once {
    pub(super) fn new(store: Arc<dyn Backend>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, clock, entropy }
    }

    /// Looks whether a request came before. `scope` keeps the keys of different callers and routes apart.
    pub(super) async fn begin(&self, headers: &HeaderMap, scope: &str, body: &[u8]) -> Result<Turn, Problem> {
        let Some(sent) = sent(headers)? else { return Ok(Turn::First(None)) };
        // None of the parts contains a line break.
        let key = Digest::of(format!("{scope}\n{sent}").as_bytes()).to_string();
        // A body may hold a password that can be guessed; what the caller drew is nowhere in the store, so nobody who reads it can
        // try guesses against the digest.
        let body = Digest::of(&[scope.as_bytes(), b"\n", sent.as_bytes(), b"\n", body].concat());
        let drawn = URL_SAFE_NO_PAD.encode(self.entropy.draw::<16>());
        let underway = Underway { owner: format!("underway {body} {drawn}"), key, body };
        let mut before = None;
        for _ in 0..2 {
            match self.claim(&underway.key, &underway.owner, before.as_deref()).await? {
                Claimed::Mine => return Ok(Turn::First(Some(underway))),
                Claimed::Held { owner, since } => match self.held(&owner, since, body) {
                    Some(turn) => return turn,
                    None => before = Some(owner),
                },
            }
        }
        Err(Problem::StillMaking)
    }

    /// It was made.
    pub(super) async fn made(&self, underway: &Underway, id: &str) -> Result<(), StoreError> {
        let owner = format!("made {} {id}", underway.body);
        self.claim(&underway.key, &owner, Some(&underway.owner)).await.map(|_| ())
    }

    /// It was not made: the same request may come again.
    pub(super) async fn failed(&self, underway: &Underway) -> Result<(), StoreError> {
        self.store.release(ClaimKind::Idempotency, &underway.key, &underway.owner).await
    }

    /// What the claim of another means; nothing if it is over.
    fn held(&self, owner: &str, since: Time, body: Digest) -> Option<Result<Turn, Problem>> {
        let age = self.clock.now().since(since);
        let mut parts = owner.splitn(3, ' ');
        let (state, its_body, id) = (parts.next()?, parts.next()?, parts.next()?);
        let over = age >= if state == "made" { KEPT } else { UNDER_WAY };
        match (over, its_body == body.to_string(), state) {
            (true, _, _) => None,
            (false, false, _) => Some(Err(Problem::OtherRequest)),
            (false, true, "made") => Some(Ok(Turn::Again(id.to_owned()))),
            (false, true, _) => Some(Err(Problem::StillMaking)),
        }
    }

    async fn claim(&self, key: &str, owner: &str, instead_of: Option<&str>) -> Result<Claimed, StoreError> {
        let now = self.clock.now();
        let claim = Claim {
            kind: ClaimKind::Idempotency,
            key,
            owner,
            since: now,
            until: Some(now.plus(KEPT)),
            instead_of,
        };
        self.store.claim(&claim).await
    }
}

fn sent(headers: &HeaderMap) -> Result<Option<&str>, Invalid> {
    let wrong = || Invalid::IdempotencyKey;
    let mut values = headers.get_all("idempotency-key").iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            let text = value.to_str().map_err(|_| wrong())?.trim();
            if (1..=IDEMPOTENCY_KEY).contains(&text.len()) { Ok(Some(text)) } else { Err(wrong()) }
        }
        (Some(_), Some(_)) => Err(wrong()),
    }
}
