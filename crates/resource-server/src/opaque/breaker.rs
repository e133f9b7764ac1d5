//! Who does not answer is not asked for each token anew.

use ambient::Time;
use parking_lot::Mutex;

use crate::Unavailable;

/// For how many seconds a server that cannot be reached is not asked.
const PAUSE: i64 = 2;
/// For how many seconds one request alone finds out whether it can be reached again: longer than any takes.
const TRIAL: i64 = 10;
/// For how many seconds a fault counts against being ready: longer than the longest pause between two looks.
const UNREADY: i64 = 70;

/// What the last requests to a server came to.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<Option<Fallen>>);

#[derive(Debug)]
struct Fallen {
    why: Unavailable,
    at: Time,
    /// Whether the fault is the way there, and not what was answered: then all requests share it.
    out_of_reach: bool,
    closed_until: Time,
}

impl Breaker {
    /// Lets a request through, or says why not.
    pub(crate) fn pass(&self, now: Time) -> Result<(), Unavailable> {
        let mut fallen = self.0.lock();
        match &mut *fallen {
            Some(fallen) if fallen.out_of_reach => {
                if fallen.at <= now && now < fallen.closed_until {
                    return Err(fallen.why.clone());
                }
                (fallen.at, fallen.closed_until) = (now, now.plus(TRIAL));
                Ok(())
            }
            Some(_) | None => Ok(()),
        }
    }

    /// It answers.
    pub(crate) fn answered(&self) {
        *self.0.lock() = None;
    }

    /// It cannot be reached.
    pub(crate) fn out_of_reach(&self, why: &Unavailable, now: Time) {
        let fallen = Fallen { why: why.clone(), at: now, out_of_reach: true, closed_until: now.plus(PAUSE) };
        *self.0.lock() = Some(fallen);
    }

    /// It answers, and not what was asked.
    pub(crate) fn failed(&self, why: &Unavailable, now: Time) {
        let fallen = Fallen { why: why.clone(), at: now, out_of_reach: false, closed_until: now };
        *self.0.lock() = Some(fallen);
    }

    /// Whether the last that was heard is good, or long ago.
    pub(crate) fn ready(&self, now: Time) -> Result<(), Unavailable> {
        match &*self.0.lock() {
            Some(fallen) if fallen.at <= now && now < fallen.at.plus(UNREADY) => Err(fallen.why.clone()),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why() -> Unavailable {
        Unavailable::OwnCheck
    }

    /// WB-3: a dead server costs one timeout, and not one for each request.
    #[test]
    fn who_cannot_be_reached_is_tried_by_one_request_at_a_time() {
        let breaker = Breaker::default();
        assert_eq!(breaker.pass(Time(100)), Ok(()));
        breaker.out_of_reach(&why(), Time(100));
        assert_eq!(breaker.pass(Time(101)), Err(why()));
        assert_eq!(breaker.pass(Time(102)), Ok(()), "one finds out");
        assert_eq!(breaker.pass(Time(102)), Err(why()), "the others do not wait for it");
        assert_eq!(breaker.pass(Time(112)), Ok(()), "it hung up: another one finds out");
        breaker.answered();
        assert_eq!(breaker.pass(Time(112)), Ok(()));
        breaker.out_of_reach(&why(), Time(200));
        assert_eq!(breaker.pass(Time(150)), Ok(()), "the clock was put back");
    }

    /// One token that makes a server fail must not shut out all others.
    #[test]
    fn what_is_answered_to_one_does_not_stop_the_others() {
        let breaker = Breaker::default();
        breaker.failed(&why(), Time(100));
        assert_eq!(breaker.pass(Time(100)), Ok(()));
        assert_eq!(breaker.ready(Time(169)), Err(why()));
        assert_eq!(breaker.ready(Time(170)), Ok(()));
    }
}
