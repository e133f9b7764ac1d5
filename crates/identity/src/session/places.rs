//! From where somebody has logged in.

use store::{Claim, ClaimKind, Claimed, Digest, PersonId, StoreError};

use super::Sessions;

/// How long a browser and an address are known after a log-in, in seconds: 90 days.
const DEVICE_KEPT: i64 = 90 * 86_400;

impl Sessions {
    /// Whether a person has logged in from this place within the last 90 days.
    pub(crate) async fn is_known(&self, person: &str, place: &str) -> Result<bool, StoreError> {
        let holder = self.store.holder(ClaimKind::Device, &device_key(person, place)).await?;
        Ok(holder.is_some_and(|(_, since)| self.clock.now().since(since) < DEVICE_KEPT))
    }

    /// The same; if not, it is known from now on.
    pub(crate) async fn knows_device(&self, person: &PersonId, place: &str) -> Result<bool, StoreError> {
        if self.is_known(person.as_str(), place).await? {
            return Ok(true);
        }
        let (key, now) = (device_key(person.as_str(), place), self.clock.now());
        self.store.release(ClaimKind::Device, &key, person.as_str()).await?;
        let claim = Claim {
            kind: ClaimKind::Device,
            key: &key,
            owner: person.as_str(),
            since: now,
            until: Some(now.plus(DEVICE_KEPT)),
            instead_of: None,
        };
        let _known: Claimed = self.store.claim(&claim).await?;
        Ok(false)
    }
}

fn device_key(person: &str, place: &str) -> String {
    Digest::of(format!("{person} {place}").as_bytes()).to_string()
}
