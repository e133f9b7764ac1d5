//! An issuer whose signed tokens are trusted.

use std::collections::VecDeque;
use std::sync::Arc;

use ambient::{Clock, Time};
use http_io::Fetch;
use jose::{AccessToken, TokenError};
use oauth_types::{Issuer, Resource};
use parking_lot::Mutex;
use secrecy::SecretString;

use super::Jwt;
use super::keys::{Keys, Published};
use crate::config_error::ConfigError;
use crate::verifier::asking::Asking;
use crate::verifier::discovery::same_but_for_a_slash;
use crate::verifier::notices::Notices;
use crate::verifier::renewed::{COOLDOWN, Held, Renewed};
use crate::{Fault, Invalid, Rejection, Unavailable, Verified};

/// An issuer whose signed tokens are trusted.
pub(crate) struct Trusted {
    configured: Issuer,
    resource: Resource,
    keys: Arc<Renewed<Published>>,
    absent: Absent,
    clock: Arc<dyn Clock>,
    notices: Arc<Notices>,
}

impl Trusted {
    pub(crate) fn new(
        jwt: Jwt,
        issuer: Issuer,
        resource: Resource,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        notices: Arc<Notices>,
    ) -> Result<Self, ConfigError> {
        let keys = Keys {
            rules: jwt.rules(issuer.clone(), &resource)?,
            asking: Asking::new(fetch, issuer.clone()),
            jwks_uri: jwt.jwks_uri,
            clock: Arc::clone(&clock),
        };
        let keys = Renewed::new(keys, Arc::clone(&clock));
        Ok(Self { configured: issuer, resource, keys, absent: Absent::default(), clock, notices })
    }

    /// Whether a token with this `iss` is to be checked here. The check itself compares exactly.
    pub(crate) fn is_named(&self, iss: &str) -> bool {
        same_but_for_a_slash(self.configured.as_str(), iss)
    }

    /// The issuer in its own words, if they are known, else as configured.
    pub(crate) fn issuer(&self) -> Issuer {
        self.keys.at_hand().map_or_else(|_| self.configured.clone(), |held| held.value.issuer().clone())
    }

    pub(crate) fn keys(&self) -> &Arc<Renewed<Published>> {
        &self.keys
    }

    /// The check with the keys at hand, if they are fresh.
    pub(crate) fn verify_now(&self, token: &SecretString, now: Time) -> Option<Result<Verified, TokenError>> {
        Some(self.check(token, &*self.keys.fresh(now)?, now))
    }

    /// The check with keys that are fetched if need be. It is as of the moment in which they are there.
    pub(crate) async fn verify(&self, token: &SecretString) -> Result<Verified, Rejection> {
        let mut held = self.keys.current().await.inspect_err(|fault| self.tell_unavailable(fault))?;
        let mut checked = self.check(token, &held, self.clock.now());
        if let Err(TokenError::UnknownKey { kid }) = &checked {
            match self.keys.newer(&held).await.inspect_err(|fault| self.tell_unavailable(fault))? {
                Some(newer) => {
                    held = newer;
                    checked = self.check(token, &held, self.clock.now());
                    if let Err(TokenError::UnknownKey { kid }) = &checked {
                        self.absent.add(kid.as_deref(), self.clock.now());
                    }
                }
                None if self.absent.has(kid.as_deref(), self.clock.now()) => {}
                // The key may be a new one: a client must not throw its token away.
                None => {
                    let (url, fault) = (held.value.url().to_owned(), Fault::JustFetched);
                    return Err(Unavailable::Keys { url, fault }.into());
                }
            }
        }
        checked.map_err(|error| {
            self.tell(&error, token, &held, self.clock.now());
            Invalid::Token(error).into()
        })
    }

    fn tell_unavailable(&self, fault: &Unavailable) {
        self.notices.unavailable(fault, self.clock.now());
    }

    fn check(&self, token: &SecretString, held: &Held<Published>, now: Time) -> Result<Verified, TokenError> {
        let published = &held.value;
        let token = jose::verify(token, &published.keys, &published.rules, now)?;
        Ok(self.verified(token))
    }

    fn verified(&self, token: AccessToken) -> Verified {
        Verified {
            issuer: token.issuer,
            subject: token.subject,
            client_id: token.client_id,
            scopes: token.scope,
            resource: self.resource.clone(),
            expires_at: Some(token.expires_at),
            token_id: token.token_id,
            claims: token.claims,
        }
    }

    /// What the operator may have configured otherwise than the issuer has. The signature was right, so the issuer says it.
    fn tell(&self, error: &TokenError, token: &SecretString, held: &Held<Published>, now: Time) {
        let says = || jose::peek(token).unwrap_or_default();
        match error {
            TokenError::AudienceWrong => {
                let expected: Vec<&str> = held.value.rules.audiences().collect();
                self.notices.mismatch(
                    "token_audience_wrong",
                    "aud",
                    &expected.join(" or "),
                    &says().audience.join(" "),
                    now,
                );
            }
            TokenError::IssuerWrong => {
                let found = says().issuer.unwrap_or_default();
                self.notices.mismatch("token_issuer_wrong", "iss", held.value.issuer().as_str(), &found, now);
            }
            TokenError::TypeNotAllowed => self.notices.untyped(self.configured.as_str(), now),
            TokenError::Malformed
            | TokenError::AlgorithmNotAllowed
            | TokenError::ExtensionNotSupported
            | TokenError::UnknownKey { .. }
            | TokenError::SignatureWrong
            | TokenError::ClaimMissing { .. }
            | TokenError::ClaimMalformed { .. }
            | TokenError::IdToken
            | TokenError::Expired
            | TokenError::NotYetValid
            | TokenError::SenderConstrained => {}
        }
    }
}

/// The names of keys that were looked for a moment ago, and that the issuer did not have. The clients of a key that is gone are told so,
/// each of them, though it is not looked for each time.
#[derive(Default)]
struct Absent(Mutex<VecDeque<(String, Time)>>);

impl Absent {
    fn add(&self, kid: Option<&str>, now: Time) {
        // Tokens that name no key have nothing in common.
        let Some(kid) = kid else { return };
        let mut absent = self.0.lock();
        absent.retain(|(name, at)| is_recent(*at, now) && name != kid);
        if absent.len() >= MOST_ABSENT {
            absent.pop_front();
        }
        absent.push_back((kid.to_owned(), now));
    }

    fn has(&self, kid: Option<&str>, now: Time) -> bool {
        self.0.lock().iter().any(|(name, at)| kid == Some(name) && is_recent(*at, now))
    }
}

fn is_recent(at: Time, now: Time) -> bool {
    at <= now && now < at.plus(COOLDOWN)
}

const MOST_ABSENT: usize = 32;
