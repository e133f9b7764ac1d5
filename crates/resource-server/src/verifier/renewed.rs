//! What is fetched, used while it is fresh, and kept while it cannot be fetched again. What its origin takes back is not kept.

use std::collections::VecDeque;
use std::sync::Arc;

use ambient::{Clock, Time};
use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use parking_lot::{Mutex, RwLock};

use crate::Unavailable;

/// For how long something is kept that should have been fetched again and could not be, in seconds.
const KEPT: i64 = 24 * 60 * 60;
/// For how long nobody waits for what replaces it, if the last fetch went well.
const GRACE: i64 = 60;
/// How often something is fetched within so many seconds because somebody asked for what is not there: anybody can, and must not use up
/// what whoever has a new key needs.
const BURST: usize = 3;
pub(crate) const COOLDOWN: i64 = 30;
/// A fault is remembered for 1 to 2 seconds, so that nobody waits for a dead server over and over.
const FAULT: i64 = 2;
/// What is kept is good enough: then the next try is put off, doubling to this.
const LONGEST_FAULT: i64 = 30;

/// Fetches a value.
#[async_trait]
pub(crate) trait Renew<T>: Send + Sync {
    /// The value. `before` is the one that it replaces, and `failed` says that the last attempt to replace it did.
    async fn fetch(&self, before: Option<Arc<Held<T>>>, failed: bool) -> Result<Fetched<T>, Unavailable>;

    /// What there is to say before anything was fetched.
    fn unasked(&self) -> Unavailable;
}

/// A value that was fetched.
pub(crate) struct Fetched<T> {
    pub(crate) value: T,
    /// For how many seconds it is fresh.
    pub(crate) fresh_for: i64,
}

/// A value that is held.
pub(crate) struct Held<T> {
    pub(crate) value: T,
    fetched_at: Time,
    fresh_until: Time,
}

impl<T> Held<T> {
    /// A clock that was put back makes it old, for its age is unknown then.
    fn is_fresh(&self, now: Time) -> bool {
        self.fetched_at <= now && now < self.fresh_until
    }

    fn is_usable(&self, now: Time) -> bool {
        now < self.fresh_until.plus(KEPT)
    }

    pub(crate) fn fresh_for(&self) -> i64 {
        self.fresh_until.since(self.fetched_at)
    }
}

/// A value of an origin. One fetch runs at a time, as a task of its own: whoever hangs up neither ends it nor takes the others' answer
/// away, and nobody can start fetches faster than they end.
pub(crate) struct Renewed<T> {
    origin: Box<dyn Renew<T>>,
    clock: Arc<dyn Clock>,
    state: RwLock<State<T>>,
    running: Mutex<Option<Running<T>>>,
}

/// `None` if the runtime ended before the fetch did.
type Running<T> = Shared<BoxFuture<'static, Option<Result<Arc<Held<T>>, Unavailable>>>>;

struct State<T> {
    held: Option<Arc<Held<T>>>,
    fault: Option<Failed>,
    /// The last times that something was fetched because it was asked for.
    pressed: VecDeque<Time>,
}

#[derive(Clone)]
struct Failed {
    why: Unavailable,
    at: Time,
    pause: i64,
}

impl Failed {
    fn is_recent(&self, now: Time) -> bool {
        self.at <= now && now < self.at.plus(self.pause)
    }
}

impl<T: Send + Sync + 'static> Renewed<T> {
    pub(crate) fn new(origin: impl Renew<T> + 'static, clock: Arc<dyn Clock>) -> Arc<Self> {
        let state = State { held: None, fault: None, pressed: VecDeque::new() };
        Arc::new(Self {
            origin: Box::new(origin),
            clock,
            state: RwLock::new(state),
            running: Mutex::new(None),
        })
    }

    /// The value, if it is fresh.
    pub(crate) fn fresh(&self, now: Time) -> Option<Arc<Held<T>>> {
        self.state.read().held.as_ref().filter(|held| held.is_fresh(now)).cloned()
    }

    /// The value, be it old, or why there is none. Nothing is fetched.
    pub(crate) fn at_hand(&self) -> Result<Arc<Held<T>>, Unavailable> {
        let state = self.state.read();
        if let Some(held) = state.held.as_ref().filter(|held| held.is_usable(self.clock.now())) {
            return Ok(Arc::clone(held));
        }
        Err(state.fault.as_ref().map_or_else(|| self.origin.unasked(), |fault| fault.why.clone()))
    }

    /// The value, fetched if need be. While it cannot be, the one that is kept.
    pub(crate) async fn current(self: &Arc<Self>) -> Result<Arc<Held<T>>, Unavailable> {
        let now = self.clock.now();
        let (held, fault) = {
            let state = self.state.read();
            (state.held.clone().filter(|held| held.is_usable(now)), state.fault.clone())
        };
        match (held, fault) {
            (Some(held), _) if held.is_fresh(now) => Ok(held),
            (Some(held), Some(fault)) => {
                if !fault.is_recent(now) {
                    drop(self.running());
                }
                Ok(held)
            }
            (Some(held), None) if now < held.fresh_until.plus(GRACE) => {
                drop(self.running());
                Ok(held)
            }
            (Some(held), None) => match self.renew().await {
                Err(why) if why.takes_back() => Err(why),
                renewed => Ok(renewed.unwrap_or(held)),
            },
            (None, Some(fault)) if fault.is_recent(now) => Err(fault.why),
            (None, _) => self.renew().await,
        }
    }

    /// The value that replaces `used`, in which something is missing. `None` if there has been no time yet for a new one.
    pub(crate) async fn newer(
        self: &Arc<Self>,
        used: &Arc<Held<T>>,
    ) -> Result<Option<Arc<Held<T>>>, Unavailable> {
        let now = self.clock.now();
        let under_way = self.running.lock().as_ref().is_some_and(|running| running.peek().is_none());
        {
            let mut state = self.state.write();
            if let Some(held) = state.held.as_ref().filter(|held| !Arc::ptr_eq(held, used)) {
                return Ok(Some(Arc::clone(held)));
            }
            if let Some(fault) = state.fault.as_ref().filter(|fault| fault.is_recent(now)) {
                return Err(fault.why.clone());
            }
            // Without the fault: what could not be fetched may be tried again, for nobody knows yet.
            // Joining a fetch is not starting one.
            if !under_way {
                state.pressed.retain(|at| *at <= now && now < at.plus(COOLDOWN));
                if state.pressed.len() >= BURST {
                    if state.fault.is_none() {
                        return Ok(None);
                    }
                    state.pressed.pop_front();
                }
                state.pressed.push_back(now);
            }
        }
        self.renew().await.map(Some)
    }

    /// Fetches the value, whether it is fresh or not.
    pub(crate) async fn renew(self: &Arc<Self>) -> Result<Arc<Held<T>>, Unavailable> {
        let fetched = self.running().await;
        // A fetch that ended with the runtime of whoever started it says nothing; one on this runtime does.
        let fetched = if fetched.is_none() { self.running().await } else { fetched };
        fetched.unwrap_or_else(|| Err(self.origin.unasked()))
    }

    /// The fetch that runs, or one that starts now.
    fn running(self: &Arc<Self>) -> Running<T> {
        let mut running = self.running.lock();
        // One that is done is no more than what is held. It stays here only if its runtime ended before it could take itself off.
        if let Some(one) = running.as_ref().filter(|one| one.peek().is_none()) {
            return one.clone();
        }
        let this = Arc::clone(self);
        let fetch = tokio::spawn(async move { this.fetch().await });
        let one = async move { fetch.await.ok() }.boxed().shared();
        *running = Some(one.clone());
        one
    }

    async fn fetch(&self) -> Result<Arc<Held<T>>, Unavailable> {
        let (before, failed) = {
            let state = self.state.read();
            (state.held.clone(), state.fault.is_some())
        };
        let fetched = self.origin.fetch(before, failed).await;
        let now = self.clock.now();
        let mut state = self.state.write();
        let result = match fetched {
            Ok(Fetched { value, fresh_for }) => {
                let held = Arc::new(Held { value, fetched_at: now, fresh_until: now.plus(fresh_for) });
                state.fault = None;
                state.held = Some(Arc::clone(&held));
                Ok(held)
            }
            Err(why) => {
                if why.takes_back() {
                    state.held = None;
                }
                let kept = state.held.as_ref().is_some_and(|held| held.is_usable(now));
                let pause = match &state.fault {
                    Some(last) if kept => (last.pause * 2).min(LONGEST_FAULT),
                    Some(_) | None => FAULT,
                };
                state.fault = Some(Failed { why: why.clone(), at: now, pause });
                Err(why)
            }
        };
        drop(state);
        // After what was fetched is seen: who finds nothing running finds the value.
        *self.running.lock() = None;
        result
    }
}
