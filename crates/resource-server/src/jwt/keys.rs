//! The published keys of an issuer (RFC 7517), fetched and fetched again.

use std::sync::Arc;

use ambient::{Clock, Time};
use async_trait::async_trait;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, StatusCode};
use jose::{AccessTokenRules, KeySet, KeySetError};
use oauth_types::Issuer;

use super::Rules;
use crate::verifier::asking::{self, Asking};
use crate::verifier::discovery::{Discovered, discover, unasked};
use crate::verifier::renewed::{Fetched, Held, Renew};
use crate::{Fault, Unavailable};

/// For how long keys are fresh if the issuer does not say: 10 minutes; and what it may say: 5 minutes to 1 hour.
const FRESH: i64 = 600;
const SHORTEST: i64 = 300;
const LONGEST: i64 = 60 * 60;
/// How old a discovery document may be, in seconds.
const DISCOVERED: i64 = 60 * 60;

/// What is needed to check the tokens of an issuer.
pub(crate) struct Published {
    pub(crate) rules: AccessTokenRules,
    pub(crate) keys: KeySet,
    /// Where the keys are, and since when that is known; never too old if it was configured.
    found: Discovered,
    found_at: Option<Time>,
}

impl Published {
    pub(crate) fn issuer(&self) -> &Issuer {
        &self.found.issuer
    }

    /// Where the keys are.
    pub(crate) fn url(&self) -> &str {
        &self.found.url
    }
}

/// Where the keys are fetched from.
pub(crate) struct Keys {
    pub(crate) asking: Asking,
    pub(crate) rules: Rules,
    /// Instead of discovery.
    pub(crate) jwks_uri: Option<String>,
    pub(crate) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Renew<Published> for Keys {
    async fn fetch(
        &self,
        before: Option<Arc<Held<Published>>>,
        failed: bool,
    ) -> Result<Fetched<Published>, Unavailable> {
        let (found, found_at) = self.place(before.as_deref().map(|held| &held.value), failed).await?;
        let (keys, fresh_for) = self.keys(&found.url).await?;
        let rules = self.rules.of(found.issuer.clone());
        Ok(Fetched { value: Published { rules, keys, found, found_at }, fresh_for })
    }

    fn unasked(&self) -> Unavailable {
        match &self.jwks_uri {
            Some(url) => Unavailable::Keys { url: url.clone(), fault: Fault::NotYet },
            None => unasked(self.asking.issuer()),
        }
    }
}

impl Keys {
    /// Where the keys are. It is asked again after an hour, and when they were not where they were: the old answer is better than none.
    async fn place(
        &self,
        before: Option<&Published>,
        failed: bool,
    ) -> Result<(Discovered, Option<Time>), Unavailable> {
        if let Some(url) = &self.jwks_uri {
            return Ok((Discovered { issuer: self.asking.issuer().clone(), url: url.clone() }, None));
        }
        let now = self.clock.now();
        let kept = before.map(|before| (before.found.clone(), before.found_at));
        let young = |at: Option<Time>| at.is_some_and(|at| at <= now && now < at.plus(DISCOVERED));
        match kept {
            Some((found, at)) if !failed && young(at) => Ok((found, at)),
            kept => match discover(&self.asking, "jwks_uri").await {
                Ok(found) => Ok((found, Some(now))),
                Err(fault) => kept.filter(|_| !fault.takes_back()).ok_or(fault),
            },
        }
    }

    async fn keys(&self, url: &str) -> Result<(KeySet, i64), Unavailable> {
        let unusable = |fault| Unavailable::Keys { url: url.to_owned(), fault };
        let response = self.asking.get(url, ACCEPTED, None, asking::OTHER).await;
        let response = response.map_err(|fault| unusable(fault.into()))?;
        if response.status() != StatusCode::OK {
            return Err(unusable(Fault::Status(response.status())));
        }
        let keys = KeySet::parse(response.body()).map_err(|fault| match fault {
            KeySetError::NoUsableKey => unusable(Fault::NoKeys),
            KeySetError::TooLarge | KeySetError::Malformed | KeySetError::TooManyKeys => {
                unusable(Fault::Document("a set of public keys for signatures"))
            }
        })?;
        Ok((keys, fresh_for(response.headers())))
    }
}

/// `max-age` (RFC 9111 section 5.2.2.1), within bounds: a shorter one would make every few requests wait, and a longer one keep keys
/// that were taken back.
fn fresh_for(headers: &HeaderMap) -> i64 {
    let values = headers.get_all(CACHE_CONTROL).into_iter().filter_map(|value| value.to_str().ok());
    let age = values.flat_map(|value| value.split(',')).find_map(|directive| {
        let (name, value) = directive.trim().split_once('=')?;
        let seconds = value.trim_matches('"').parse::<u64>().ok()?;
        name.eq_ignore_ascii_case("max-age").then(|| i64::try_from(seconds).unwrap_or(i64::MAX))
    });
    age.unwrap_or(FRESH).clamp(SHORTEST, LONGEST)
}

const ACCEPTED: &str = "application/jwk-set+json, application/json";

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn keys_are_fresh_for_as_long_as_the_issuer_says_within_bounds() {
        for (value, seconds) in [
            ("max-age=900", 900),
            ("public, Max-Age=\"900\", must-revalidate", 900),
            ("max-age=0", 300),
            ("max-age=10", 300),
            ("max-age=3601", 3600),
            ("max-age=31536000", 3600),
            ("max-age=99999999999999999999", 600),
            ("max-age=-1", 600),
            ("s-maxage=900", 600),
            ("no-store", 600),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(value));
            assert_eq!(fresh_for(&headers), seconds, "{value}");
        }
        assert_eq!(fresh_for(&HeaderMap::new()), 600);
    }
}
