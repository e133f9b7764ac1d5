//! What is given to a browser and comes back: a first step of a log-in, the questions that passkeys answer, and the secret of an app that
//! is being set up. Sealed, so that nothing is stored of people who never come back.

use std::fmt;
use std::sync::Arc;

use ambient::{Clock, Entropy, Time};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth_types::Issuer;
use seal::Seal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::{Account, Backend, Claim, ClaimKind, Claimed, Digest, PersonId, SessionId, StoreError};

use super::totp::TotpSecret;
use crate::people::Openings;

/// Keeps the secrets of second factors.
pub(crate) struct Vault {
    pub(crate) seal: Seal,
    pub(crate) store: Arc<dyn Backend>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// The id of the relying party; none where the issuer has no name but an address, for which there are no passkeys (Web
    /// Authentication section 5.1.3).
    pub(crate) rp: Option<String>,
}

/// The first of two steps: somebody has shown a password.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FirstStep {
    pub(crate) person: PersonId,
    /// What the password opened: with another one, or for whoever was shut out, this is worth nothing any more.
    pub(crate) openings: Openings,
    at: Time,
}

/// What a passkey is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ceremony {
    /// To be added to an account.
    Add,
    /// To log in with it alone.
    Alone,
    /// To be the second of two steps.
    Second,
}

/// A question that a passkey answers, once.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Challenge {
    pub(crate) ceremony: Ceremony,
    /// Of whom, where that is known.
    pub(crate) person: Option<PersonId>,
    at: Time,
    random: [u8; 32],
}

/// The secret of an app that somebody sets up.
#[derive(Serialize, Deserialize)]
struct Offer {
    secret: Vec<u8>,
    at: Time,
}

/// In seconds.
const STEP_LASTS: i64 = 600;
/// In seconds: as long as a page with a form may stay open.
const CHALLENGE_LASTS: i64 = 3600;

impl Vault {
    /// The host of an issuer, if passkeys can be bound to it.
    pub(crate) fn relying_party(issuer: &Issuer) -> Option<String> {
        let authority = issuer.origin().split("://").last()?.to_ascii_lowercase();
        let host = authority.split(':').next().filter(|_| !authority.starts_with('['))?;
        let named = host.parse::<std::net::Ipv4Addr>().is_err() && !host.is_empty();
        named.then(|| host.to_owned())
    }

    pub(crate) fn first_step(&self, account: &Account) -> Option<String> {
        let step = FirstStep {
            person: account.person.clone(),
            openings: Openings::of(account),
            at: self.clock.now(),
        };
        self.sealed(&step, FIRST_STEP)
    }

    /// The first step that this text is, as long as it lasts.
    pub(crate) fn read_first_step(&self, text: &str) -> Option<FirstStep> {
        let step: FirstStep = self.opened(text, FIRST_STEP)?;
        self.lasts(step.at, STEP_LASTS).then_some(step)
    }

    /// A new question, and its text.
    pub(crate) fn ask(&self, ceremony: Ceremony, person: Option<&PersonId>) -> Option<(Challenge, String)> {
        let random = self.entropy.draw();
        let challenge = Challenge { ceremony, person: person.cloned(), at: self.clock.now(), random };
        let text = self.sealed(&challenge, CHALLENGE)?;
        Some((challenge, text))
    }

    /// The question that this text is, if nobody has answered it before.
    pub(crate) async fn take(&self, text: &str, ceremony: Ceremony) -> Result<Option<Challenge>, StoreError> {
        let Some(challenge) = self.opened::<Challenge>(text, CHALLENGE) else { return Ok(None) };
        if challenge.ceremony != ceremony || !self.lasts(challenge.at, CHALLENGE_LASTS) {
            return Ok(None);
        }
        // The owner is drawn: the same one could claim again.
        let owner = URL_SAFE_NO_PAD.encode(self.entropy.draw::<16>());
        let claim = Claim {
            kind: ClaimKind::Passkey,
            key: &format!("challenge {}", Digest::of(&challenge.random)),
            owner: &owner,
            since: self.clock.now(),
            until: Some(challenge.at.plus(CHALLENGE_LASTS)),
            instead_of: None,
        };
        Ok((self.store.claim(&claim).await? == Claimed::Mine).then_some(challenge))
    }

    /// Takes the id of a passkey for a person: no two have the same (Web Authentication section 7.1, step 22).
    pub(crate) async fn claim_passkey(&self, id: &str, person: &PersonId) -> Result<bool, StoreError> {
        let claim = Claim {
            kind: ClaimKind::Passkey,
            key: id,
            owner: person.as_str(),
            since: self.clock.now(),
            until: None,
            instead_of: None,
        };
        Ok(self.store.claim(&claim).await? == Claimed::Mine)
    }

    pub(crate) async fn release_passkey(&self, id: &str, person: &PersonId) -> Result<(), StoreError> {
        self.store.release(ClaimKind::Passkey, id, person.as_str()).await
    }

    /// The secret of an app for the page on which it is set up, and for no other: one that lay in the account could be planted there by
    /// whoever is in, and be shown to its owner.
    pub(crate) fn offer_totp(
        &self,
        person: &PersonId,
        session: &SessionId,
        secret: &TotpSecret,
    ) -> Option<String> {
        let secret = secret.bytes().to_vec();
        self.sealed(&Offer { secret, at: self.clock.now() }, &offer_to(person, session))
    }

    /// The secret that was offered in this session.
    pub(crate) fn offered_totp(
        &self,
        person: &PersonId,
        session: &SessionId,
        text: &str,
    ) -> Option<TotpSecret> {
        let offer: Offer = self.opened(text, &offer_to(person, session))?;
        TotpSecret::of(&offer.secret).filter(|_| self.lasts(offer.at, CHALLENGE_LASTS))
    }

    pub(crate) fn seal_totp(&self, person: &PersonId, secret: &TotpSecret) -> Option<Vec<u8>> {
        self.seal.seal(secret.bytes(), &totp_of(person), self.entropy.draw()).map_err(untold).ok()
    }

    pub(crate) fn open_totp(&self, person: &PersonId, sealed: &[u8]) -> Option<TotpSecret> {
        let opened = self.seal.open(sealed, &totp_of(person)).map_err(untold).ok()?;
        TotpSecret::of(&opened)
    }

    fn lasts(&self, since: Time, seconds: i64) -> bool {
        self.clock.now().since(since) < seconds
    }

    fn sealed<T: Serialize>(&self, what: &T, place: &[u8]) -> Option<String> {
        let plain = serde_json::to_vec(what).ok()?;
        let sealed = self.seal.seal(&plain, place, self.entropy.draw()).map_err(untold).ok()?;
        Some(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What a stranger may have made up: that it does not open is nothing to tell.
    fn opened<T: DeserializeOwned>(&self, text: &str, place: &[u8]) -> Option<T> {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let plain = self.seal.open(&sealed, place).ok()?;
        serde_json::from_slice(&plain).ok()
    }
}

impl FirstStep {
    /// Whether nobody was shut out of the account since it was made.
    pub(crate) fn is_of(&self, account: &Account) -> bool {
        self.person == account.person && self.openings == Openings::of(account)
    }
}

impl Challenge {
    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.random
    }
}

const FIRST_STEP: &[u8] = b"first step of a log-in";
const CHALLENGE: &[u8] = b"challenge of a passkey";

fn offer_to(person: &PersonId, session: &SessionId) -> Vec<u8> {
    format!("totp that {person} sets up in {session}").into_bytes()
}

fn totp_of(person: &PersonId) -> Vec<u8> {
    format!("totp of {person}").into_bytes()
}

fn untold(error: seal::SealError) {
    tracing::error!(%error, "the secret of a second factor cannot be sealed or opened");
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("rp", &self.rp).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_are_bound_to_names_and_not_to_addresses() {
        for (issuer, rp) in [
            ("https://As.Example/tenant1", Some("as.example")),
            ("https://as.example:8443", Some("as.example")),
            ("http://localhost:8414", Some("localhost")),
            ("http://127.0.0.1:8414", None),
            ("http://[::1]:8414", None),
        ] {
            let issuer = Issuer::parse(issuer).unwrap();
            assert_eq!(Vault::relying_party(&issuer).as_deref(), rp, "{}", issuer.as_str());
        }
    }
}
