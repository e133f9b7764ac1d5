//! Who does not answer is not asked for each token anew.

use ambient::Time;
use parking_lot::Mutex;

use super::Digest;
use crate::Unavailable;

/// For how many seconds a server that cannot be reached is not asked.
const PAUSE: i64 = 2;
/// For how many seconds a fault counts against being ready: longer than the longest pause between two looks.
const UNREADY: i64 = 70;
/// How many different tokens in a row must come to nothing before it is the server that does not answer: one could be a stranger's,
/// made to be slow.
const IN_A_ROW: usize = 3;

/// What the last requests to a server came to.
///
/// A stranger's token changes little here: alone that the server answers, and, with two others in a row, that somebody should look
/// whether it still does.
#[derive(Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Default)]
struct State {
    /// The tokens that came to nothing since the last answer.
    silent: Vec<Digest>,
    fallen: Option<Fallen>,
    /// What this server's own look came to, if it was not good.
    failed: Option<(Unavailable, Time)>,
}

/// It cannot be reached.
struct Fallen {
    why: Unavailable,
    at: Time,
    closed_until: Time,
    /// Whether that is known by more than strangers' tokens.
    certain: bool,
    /// Whether somebody finds out if it can be reached again.
    tried: bool,
}

/// The right to find out alone whether the server can be reached again. Whoever drops it leaves that to the next one.
pub(crate) struct Trial<'a>(&'a Breaker);

impl Breaker {
    /// Lets a request through, perhaps after a trial, or says why not.
    pub(crate) fn pass(&self, now: Time) -> Result<Option<Trial<'_>>, Unavailable> {
        let mut state = self.0.lock();
        let Some(fallen) = &mut state.fallen else { return Ok(None) };
        if fallen.tried || (fallen.at <= now && now < fallen.closed_until) {
            return Err(fallen.why.clone());
        }
        fallen.tried = true;
        Ok(Some(Trial(self)))
    }

    /// It answers, whatever.
    pub(crate) fn answered(&self) {
        let mut state = self.0.lock();
        state.silent.clear();
        state.fallen = None;
    }

    /// It answers what was asked.
    pub(crate) fn understood(&self) {
        self.0.lock().failed = None;
    }

    /// It cannot be reached, and that is not the fault of any token.
    pub(crate) fn out_of_reach(&self, why: &Unavailable, now: Time) {
        self.0.lock().fall(why, now, now.plus(PAUSE), true);
    }

    /// There is no answer about a token.
    pub(crate) fn silent(&self, why: &Unavailable, token: Digest, now: Time) {
        let mut state = self.0.lock();
        if !state.silent.contains(&token) {
            state.silent.push(token);
        }
        if state.silent.len() >= IN_A_ROW {
            // Whoever comes next looks: if it was the tokens, they have cost the others no more than a moment.
            state.fall(why, now, now, false);
        }
    }

    /// It does not answer this server's own look as it should.
    pub(crate) fn failed(&self, why: &Unavailable, now: Time) {
        self.0.lock().failed = Some((why.clone(), now));
    }

    /// Whether the last that was heard is good, or long ago.
    pub(crate) fn ready(&self, now: Time) -> Result<(), Unavailable> {
        let state = self.0.lock();
        let fallen = state.fallen.as_ref().filter(|fallen| fallen.certain);
        let fallen = fallen.map(|fallen| (&fallen.why, fallen.at));
        let failed = state.failed.as_ref().map(|(why, at)| (why, *at));
        let recent = |(_, at): &(&Unavailable, Time)| *at <= now && now < at.plus(UNREADY);
        fallen.into_iter().chain(failed).find(recent).map_or(Ok(()), |(why, _)| Err(why.clone()))
    }
}

impl State {
    fn fall(&mut self, why: &Unavailable, at: Time, closed_until: Time, certain: bool) {
        self.silent.clear();
        self.fallen = Some(Fallen { why: why.clone(), at, closed_until, certain, tried: false });
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if let Some(fallen) = &mut self.0.0.lock().fallen {
            fallen.tried = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn why() -> Unavailable {
        Unavailable::OwnCheck
    }

    fn token(text: &str) -> Digest {
        Digest::of(&SecretString::from(text))
    }

    fn passes(breaker: &Breaker, now: i64) -> bool {
        breaker.pass(Time(now)).is_ok()
    }

    /// WB-3: a dead server costs one timeout, and not one for each request.
    #[test]
    fn who_cannot_be_reached_is_tried_by_one_request_at_a_time() {
        let breaker = Breaker::default();
        assert!(matches!(breaker.pass(Time(100)), Ok(None)));
        breaker.out_of_reach(&why(), Time(100));
        assert!(!passes(&breaker, 101));
        let trial = breaker.pass(Time(102)).ok().flatten();
        assert!(trial.is_some(), "one finds out");
        assert!(!passes(&breaker, 102) && !passes(&breaker, 1000), "the others do not wait for it");
        drop(trial);
        assert!(passes(&breaker, 102), "it was given up: another one finds out");
        breaker.answered();
        assert!(matches!(breaker.pass(Time(102)), Ok(None)));
        breaker.out_of_reach(&why(), Time(200));
        assert!(passes(&breaker, 150), "the clock was put back");
    }

    #[test]
    fn one_token_that_comes_to_nothing_is_that_tokens_affair() {
        let breaker = Breaker::default();
        for _ in 0..10 {
            breaker.silent(&why(), token("slow"), Time(100));
        }
        breaker.silent(&why(), token("slow too"), Time(100));
        assert!(matches!(breaker.pass(Time(100)), Ok(None)));
        breaker.answered();
        breaker.silent(&why(), token("a third"), Time(100));
        assert!(matches!(breaker.pass(Time(100)), Ok(None)) && breaker.ready(Time(100)).is_ok());
        breaker.silent(&why(), token("slow"), Time(100));
        breaker.silent(&why(), token("slow too"), Time(100));
        assert_eq!(breaker.ready(Time(100)), Ok(()), "strangers do not take a server out of service");
        assert!(matches!(breaker.pass(Time(100)), Ok(Some(_))), "the next one looks at once");
        breaker.out_of_reach(&why(), Time(100));
        assert_eq!(breaker.ready(Time(100)), Err(why()));
    }

    #[test]
    fn a_fault_counts_against_being_ready_for_a_minute() {
        let breaker = Breaker::default();
        breaker.failed(&why(), Time(100));
        assert!(matches!(breaker.pass(Time(100)), Ok(None)), "others are let through");
        assert_eq!(breaker.ready(Time(169)), Err(why()));
        assert_eq!(breaker.ready(Time(170)), Ok(()));
        assert_eq!(breaker.ready(Time(99)), Ok(()), "the clock was put back");
        breaker.answered();
        assert_eq!(breaker.ready(Time(169)), Err(why()), "any answer is not a good one");
        breaker.understood();
        assert_eq!(breaker.ready(Time(169)), Ok(()));
    }
}
