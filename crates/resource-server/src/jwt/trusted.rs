//! An issuer whose signed tokens are trusted.

use std::sync::Arc;

use ambient::{Clock, Time};
use http_io::Fetch;
use jose::{AccessToken, Rejection as Claims};
use oauth_types::{Issuer, Resource};
use secrecy::SecretString;

use super::Jwt;
use super::keys::{Keys, Published};
use crate::config_error::ConfigError;
use crate::verifier::asking::Asking;
use crate::verifier::discovery::same_but_for_a_slash;
use crate::verifier::notices::Notices;
use crate::verifier::renewed::{Held, Renewed};
use crate::{Invalid, Rejection, Unavailable, Verified};

/// An issuer whose signed tokens are trusted.
pub(crate) struct Trusted {
    configured: Issuer,
    resource: Resource,
    keys: Arc<Renewed<Published>>,
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
        Ok(Self { configured: issuer, resource, keys: Renewed::new(keys, clock), notices })
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
    pub(crate) fn verify_now(&self, token: &SecretString, now: Time) -> Option<Result<Verified, Claims>> {
        Some(self.check(token, &*self.keys.fresh(now)?, now))
    }

    /// The check with keys that are fetched if need be.
    pub(crate) async fn verify(&self, token: &SecretString, now: Time) -> Result<Verified, Rejection> {
        let held = self.keys.current().await.inspect_err(|fault| self.notices.unavailable(fault, now))?;
        let checked = match self.check(token, &held, now) {
            Err(Claims::UnknownKey { kid }) => match self.newer(&held, now).await? {
                Some(newer) => self.check(token, &newer, now),
                None => Err(Claims::UnknownKey { kid }),
            },
            checked => checked,
        };
        checked.map_err(|rejection| {
            self.tell(&rejection, token, &held, now);
            Invalid::Claims(rejection).into()
        })
    }

    async fn newer(
        &self,
        held: &Arc<Held<Published>>,
        now: Time,
    ) -> Result<Option<Arc<Held<Published>>>, Unavailable> {
        self.keys.newer(held).await.inspect_err(|fault| self.notices.unavailable(fault, now))
    }

    fn check(&self, token: &SecretString, held: &Held<Published>, now: Time) -> Result<Verified, Claims> {
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
    fn tell(&self, rejection: &Claims, token: &SecretString, held: &Held<Published>, now: Time) {
        let says = || jose::peek(token).unwrap_or_default();
        match rejection {
            Claims::AudienceWrong => {
                let expected: Vec<&str> = held.value.rules.audiences().collect();
                self.notices.mismatch(
                    "token_audience_wrong",
                    "aud",
                    &expected.join(" or "),
                    &says().audience.join(" "),
                    now,
                );
            }
            Claims::IssuerWrong => {
                let found = says().issuer.unwrap_or_default();
                self.notices.mismatch("token_issuer_wrong", "iss", held.value.issuer().as_str(), &found, now);
            }
            Claims::TypeNotAllowed => self.notices.untyped(self.configured.as_str(), now),
            Claims::Malformed
            | Claims::AlgorithmNotAllowed
            | Claims::ExtensionNotSupported
            | Claims::UnknownKey { .. }
            | Claims::SignatureWrong
            | Claims::ClaimMissing { .. }
            | Claims::ClaimMalformed { .. }
            | Claims::IdToken
            | Claims::Expired
            | Claims::NotYetValid
            | Claims::SenderConstrained => {}
        }
    }
}
