//! How strongly, and how lately, a person must have proved who they are (RFC 9470).

use std::time::Duration;

use ambient::Time;
use oauth_types::Acr;

use crate::config_error::ValueFault;
use crate::{ConfigError, Verified};

/// What is demanded of the log-in behind a token, for operations that matter more than others (RFC 9470): its strength, its age, or both.
///
/// Whoever does not meet it gets 401 `insufficient_user_authentication` with what to ask the authorization server for, which a client puts into
/// its next authorization request. The server must say how people logged in: Portcullis does, with `1fa`, `mfa` and `phr` (a passkey). A
/// token of nobody's, or an API key, says nothing and meets nothing.
///
/// ```
/// use std::time::Duration;
///
/// use resource_server::StepUp;
///
/// let strong = StepUp::acr_values("mfa phr").and_max_age(Duration::from_secs(15 * 60));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepUp {
    acr_values: String,
    max_age: Option<Duration>,
}

impl StepUp {
    /// Any of these classes (`acr`), separated by spaces. None of them is more than another here: name the stronger ones, too.
    #[must_use]
    pub fn acr_values(any: &str) -> Self {
        Self { acr_values: any.to_owned(), max_age: None }
    }

    /// At most so long ago, in whole seconds. Clocks may differ by 5 s.
    #[must_use]
    pub const fn max_age(most: Duration) -> Self {
        Self { acr_values: String::new(), max_age: Some(most) }
    }

    /// And at most so long ago.
    #[must_use]
    pub fn and_max_age(self, most: Duration) -> Self {
        Self { max_age: Some(most), ..self }
    }

    pub(crate) fn demanded(&self) -> Result<Demanded, ConfigError> {
        let value = |fault| ConfigError::Value {
            what: "the authentication context class",
            value: self.acr_values.clone(),
            fault,
            example: "mfa phr",
        };
        let any = Acr::parse_all(&self.acr_values).map_err(|_| value(ValueFault::Acr))?;
        if any.is_empty() && self.max_age.is_none() {
            return Err(value(ValueFault::Empty));
        }
        Ok(Demanded {
            acr_values: (!any.is_empty()).then_some(any),
            max_age: self.max_age.map(|most| i64::try_from(most.as_secs()).unwrap_or(i64::MAX)),
        })
    }
}

/// A [`StepUp`], read; or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demanded {
    /// Any of them; `None` is whatever.
    acr_values: Option<Vec<Acr>>,
    /// In seconds.
    max_age: Option<i64>,
}

impl Demanded {
    pub(crate) const fn is_nothing(&self) -> bool {
        self.acr_values.is_none() && self.max_age.is_none()
    }

    /// What meets both.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let acr_values = match (&self.acr_values, &other.acr_values) {
            (Some(ours), Some(theirs)) => {
                Some(ours.iter().filter(|one| theirs.contains(one)).cloned().collect())
            }
            (ours, theirs) => ours.as_ref().or(theirs.as_ref()).cloned(),
        };
        let max_age = [self.max_age, other.max_age].into_iter().flatten().min();
        Self { acr_values, max_age }
    }

    /// Whether there is no class that would do.
    pub(crate) fn is_impossible(&self) -> bool {
        self.acr_values().is_some_and(<[Acr]>::is_empty)
    }

    pub(crate) fn acr_values(&self) -> Option<&[Acr]> {
        self.acr_values.as_deref()
    }

    pub(crate) fn max_age(&self) -> Option<u64> {
        self.max_age.and_then(|seconds| u64::try_from(seconds).ok())
    }

    pub(crate) fn is_met_by(&self, caller: &Verified, now: impl FnOnce() -> Time) -> bool {
        let strong = self
            .acr_values()
            .is_none_or(|any| caller.acr().is_some_and(|acr| any.iter().any(|one| one.as_str() == acr)));
        // Of a log-in that is yet to come nobody can say how old it is: milliseconds, perhaps.
        let fresh = |most: i64| {
            let ages = -LEEWAY..=most.saturating_add(LEEWAY);
            caller.auth_time().is_some_and(|proved| ages.contains(&now().since(proved)))
        };
        strong && self.max_age.is_none_or(fresh)
    }
}

/// What clocks may differ by, in seconds.
const LEEWAY: i64 = 5;

#[cfg(test)]
mod tests {
    use oauth_types::{Issuer, Resource};
    use serde_json::{Value, json};

    use super::*;

    const NOW: Time = Time(1_000_000);

    fn caller(claims: Value) -> Verified {
        let issuer = Issuer::parse("https://auth.example.com").unwrap();
        let mut caller =
            Verified::new(issuer, "ada", Resource::parse("https://mcp.example.com/mcp").unwrap());
        caller.claims = claims.as_object().unwrap().clone();
        caller
    }

    fn demanded(step_up: StepUp) -> Demanded {
        step_up.demanded().unwrap()
    }

    /// RFC 9470 section 5: what is not said is not met.
    #[test]
    fn a_log_in_meets_what_is_demanded_by_its_class_and_its_age() {
        let age = Duration::from_secs(60);
        for (step_up, claims, met) in [
            (StepUp::acr_values("mfa phr"), json!({"acr": "phr"}), true),
            (StepUp::acr_values("mfa phr"), json!({"acr": "1fa"}), false),
            (StepUp::acr_values("mfa phr"), json!({"acr": ["mfa"]}), false),
            (StepUp::acr_values("mfa phr"), json!({}), false),
            (StepUp::max_age(age), json!({"auth_time": NOW.0 - 60}), true),
            (StepUp::max_age(age), json!({"auth_time": NOW.0 - 66}), false),
            (StepUp::max_age(age), json!({"auth_time": NOW.0 + 5}), true),
            (StepUp::max_age(age), json!({"auth_time": NOW.0 + 6}), false),
            (StepUp::max_age(age), json!({"auth_time": NOW.0 * 1000}), false),
            (StepUp::max_age(age), json!({"auth_time": i64::MIN}), false),
            (StepUp::max_age(age), json!({"auth_time": 1e300}), false),
            (StepUp::max_age(age), json!({"auth_time": (NOW.0 - 10).to_string()}), false),
            (StepUp::max_age(age), json!({}), false),
            (StepUp::acr_values("mfa").and_max_age(age), json!({"acr": "mfa", "auth_time": NOW.0}), true),
            (StepUp::acr_values("mfa").and_max_age(age), json!({"acr": "mfa", "auth_time": 0}), false),
            (StepUp::acr_values("mfa").and_max_age(age), json!({"acr": "1fa", "auth_time": NOW.0}), false),
        ] {
            assert_eq!(
                demanded(step_up.clone()).is_met_by(&caller(claims.clone()), || NOW),
                met,
                "{step_up:?} {claims}"
            );
        }
    }

    #[test]
    fn two_demands_are_met_by_what_meets_both() {
        let (one, other) = (StepUp::acr_values("mfa phr"), StepUp::acr_values("phr 1fa"));
        let both = demanded(one.and_max_age(Duration::from_secs(9))).and(&demanded(other));
        assert_eq!((both.acr_values(), both.max_age()), (Some(&[Acr::parse("phr").unwrap()][..]), Some(9)));
        let age = demanded(StepUp::max_age(Duration::from_secs(5)));
        assert_eq!((both.and(&age).max_age(), both.and(&Demanded::default())), (Some(5), both.clone()));
        let neither = both.and(&demanded(StepUp::acr_values("1fa")));
        assert!(neither.is_impossible() && !both.is_impossible() && !age.is_impossible());
        assert!(!neither.is_met_by(&caller(json!({"acr": "1fa", "auth_time": NOW.0})), || NOW));
    }

    #[test]
    fn what_demands_nothing_or_no_class_is_a_fault_of_the_configuration() {
        for bad in ["", " ", "m\"fa"] {
            assert!(StepUp::acr_values(bad).demanded().is_err(), "{bad:?}");
        }
    }
}
