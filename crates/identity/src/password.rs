//! Passwords: their policy, their hashes, and what checking one costs.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::thread::available_parallelism;

use ambient::Entropy;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::common::{is_common, is_told_by};
use crate::email::Email;

/// A password that a person typed, at most 1024 bytes: enough for any sentence, too little to make hashing expensive.
#[derive(Clone, Debug)]
pub struct Password(SecretString);

/// Why a password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PasswordError {
    /// Fewer code points than a password must have.
    #[error("The password is too short: at least {least} characters.")]
    TooShort {
        /// How many it must have.
        least: u16,
    },
    /// More than 1024 bytes.
    #[error("The password is too long: at most 1024 bytes.")]
    TooLong,
    /// One of the commonest, or next to one.
    #[error(
        "Too many people use this password, so it is tried first. A few unrelated words make a good one."
    )]
    Common,
    /// The e-mail address, or a part of it.
    #[error("The password is part of the email address. A few unrelated words make a good one.")]
    Email,
}

impl Password {
    /// A password that somebody chooses: 10 code points to 1024 bytes of anything but the commonest (NIST SP 800-63B section
    /// 3.1.1.2: length counts, rules about characters do not, and each code point is one of them).
    ///
    /// # Errors
    ///
    /// [`PasswordError`].
    pub fn chosen(typed: &str) -> Result<Self, PasswordError> {
        Self::chosen_of(typed, SHORTEST, None)
    }

    /// The same with another least number of code points, by the owner of an address, which is no password either.
    ///
    /// # Errors
    ///
    /// [`PasswordError`].
    pub fn chosen_of(typed: &str, least: u16, owner: Option<&Email>) -> Result<Self, PasswordError> {
        let password = Self::typed(typed)?;
        if typed.chars().count() < usize::from(least) {
            Err(PasswordError::TooShort { least })
        } else if is_common(typed) {
            Err(PasswordError::Common)
        } else if owner.is_some_and(|owner| is_told_by(typed, owner.as_str())) {
            Err(PasswordError::Email)
        } else {
            Ok(password)
        }
    }

    /// A password that somebody claims to be theirs: it may be older than the policy.
    ///
    /// # Errors
    ///
    /// [`PasswordError::TooLong`]: nobody can have chosen it.
    pub fn typed(typed: &str) -> Result<Self, PasswordError> {
        if typed.len() > LONGEST { Err(PasswordError::TooLong) } else { Ok(Self(typed.into())) }
    }
}

/// The fewest code points of a password, where the operator says nothing else.
pub(crate) const SHORTEST: u16 = 10;
const LONGEST: usize = 1024;

/// What one hash costs. The default is 19 MiB of memory, 2 passes, 1 lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost(Params);

/// A cost that Argon2 cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("Argon2 needs at least 8 KiB of memory for each lane, one pass and one lane")]
pub struct ImpossibleCost;

impl Cost {
    /// `memory` in KiB, `passes` over it, in so many `lanes`. RFC 9106 section 4 and the OWASP cheat sheet recommend values.
    ///
    /// # Errors
    ///
    /// [`ImpossibleCost`].
    pub fn new(memory: u32, passes: u32, lanes: u32) -> Result<Self, ImpossibleCost> {
        Params::new(memory, passes, lanes, None).map(Self).map_err(|_| ImpossibleCost)
    }

    /// The least that there is. **For tests only**: a stolen hash of it is a stolen password.
    #[must_use]
    pub fn least() -> Self {
        Self::new(Params::MIN_M_COST, Params::MIN_T_COST, Params::MIN_P_COST).unwrap_or_default()
    }
}

/// A stored hash, in PHC form, and a password under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verified {
    /// It is another password.
    Wrong,
    /// It is the one.
    Right,
    /// It is the one, but the hash costs something else than hashes do now: make a new one.
    RightUnderAnotherCost,
}

/// Why a password could not be hashed or checked: never the fault of who typed it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HashError {
    /// So many passwords are waiting to be hashed that one more would wait too long. Nothing was done.
    #[error("too many passwords are waiting to be hashed")]
    Busy,
    /// The process is shutting down.
    #[error("no thread is left to hash on")]
    Stopping,
    /// A stored hash does not read back.
    #[error("a stored password hash is damaged")]
    Damaged,
}

/// Hashes and checks passwords with Argon2id (RFC 9106), on threads of their own and on no more of them at once than there
/// are cores: hashing must not starve the requests beside it. At most 32 a core wait for their turn; whoever comes then
/// is told to come back ([`HashError::Busy`]), so a flood of log-ins costs neither memory nor patience without end.
pub struct Passwords {
    cost: Cost,
    entropy: Arc<dyn Entropy>,
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    most: usize,
}

/// How many hashes wait for their turn, for each core: about a second's worth at the default cost.
const WAITING: usize = 32;

impl Passwords {
    /// New hashes cost `cost`; existing ones are replaced when their owner logs in.
    #[must_use]
    pub fn new(cost: Cost, entropy: Arc<dyn Entropy>) -> Self {
        let cores = available_parallelism().map_or(1, std::num::NonZero::get);
        let most = cores * (1 + WAITING);
        let (turns, places) = (Arc::new(Semaphore::new(cores)), Arc::new(Semaphore::new(most)));
        Self { cost, entropy, turns, places, most }
    }

    /// How many hashes are being made, or wait for it.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.most.saturating_sub(self.places.available_permits())
    }

    /// The hash to store, in PHC form.
    ///
    /// # Errors
    ///
    /// [`HashError`].
    pub async fn hash(&self, password: &Password) -> Result<String, HashError> {
        let place = self.place()?;
        let (argon2, password) = (self.argon2(), password.clone());
        let salt = self.entropy.draw::<SALT>();
        self.in_turn(place, move || {
            let hash = argon2.hash_password_with_salt(password.0.expose_secret().as_bytes(), &salt);
            hash.map(|hash| hash.to_string()).map_err(|_| HashError::Damaged)
        })
        .await
    }

    /// Whether `password` is the one under `hash`.
    ///
    /// Without a hash, for an address that nobody has, it takes the same time: an answer must not tell who has an account. So does a
    /// wrong password under a hash that costs less than hashes do now: what is missing of the present cost, in memory times passes,
    /// is spent after it, which is the same to some hundredths: only hundreds of answers tell it, and the limit by account gives ten in
    /// five minutes, then fewer. Under one that costs more nothing can be taken back: a cost that was lowered tells who has an account from
    /// before, until they log in.
    ///
    /// # Errors
    ///
    /// [`HashError`].
    pub async fn verify(&self, password: &Password, hash: Option<&str>) -> Result<Verified, HashError> {
        Ok(self.look(password, hash).await?.0)
    }

    /// The same, with what was spent besides.
    async fn look(
        &self,
        password: &Password,
        hash: Option<&str>,
    ) -> Result<(Verified, Option<Params>), HashError> {
        let hash = match hash {
            Some(hash) => PasswordHash::new(hash).map_err(|_| HashError::Damaged)?,
            None => self.of_nobody()?,
        };
        let place = self.place()?;
        let current = self.is_current(&hash);
        let missing = Params::try_from(&hash).ok().and_then(|spent| missing(&self.cost.0, &spent));
        let (argon2, password) = (self.argon2(), password.clone());
        let salt = self.entropy.draw::<SALT>();
        self.in_turn(place, move || {
            let password = password.0.expose_secret().as_bytes();
            Ok(match argon2.verify_password(password, &hash) {
                Ok(()) if current => (Verified::Right, None),
                Ok(()) => (Verified::RightUnderAnotherCost, None),
                Err(_) => (Verified::Wrong, missing.and_then(|missing| spent(missing, password, &salt))),
            })
        })
        .await
    }

    /// A hash of the current cost that no known password has: its output is drawn, not computed.
    fn of_nobody(&self) -> Result<PasswordHash, HashError> {
        let parts = || {
            argon2::password_hash::Result::Ok(PasswordHash {
                algorithm: Algorithm::Argon2id.ident(),
                version: Some(Version::default().into()),
                params: ParamsString::try_from(&self.cost.0)?,
                salt: Some(Salt::new(&self.entropy.draw::<SALT>())?),
                hash: Some(Output::new(&self.entropy.draw::<{ Params::DEFAULT_OUTPUT_LEN }>())?),
            })
        };
        parts().map_err(|_| HashError::Damaged)
    }

    fn is_current(&self, hash: &PasswordHash) -> bool {
        let Ok(params) = Params::try_from(hash) else { return false };
        let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        hash.algorithm == Algorithm::Argon2id.ident()
            && hash.version == Some(Version::default().into())
            && costs(&params) == costs(&self.cost.0)
    }

    fn argon2(&self) -> Argon2<'static> {
        Argon2::new(Algorithm::Argon2id, Version::default(), self.cost.0.clone())
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, HashError> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| HashError::Busy)
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        place: OwnedSemaphorePermit,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| HashError::Stopping)?;
        let working = tokio::task::spawn_blocking(move || {
            // Held by the work, not by the request: one that is broken off goes on hashing.
            let _held = (turn, place);
            work()
        });
        working.await.map_err(|_| HashError::Stopping)?
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("cost", &self.cost).finish_non_exhaustive()
    }
}

/// Spends a cost for nothing.
fn spent(cost: Params, password: &[u8], salt: &[u8]) -> Option<Params> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::default(), cost.clone());
    argon2.hash_password_with_salt(password, salt).ok().map(|_| cost)
}

/// What is left of a cost when another one was spent; `None` if that is not less, or so little that Argon2 cannot spend it.
///
/// Its time goes with memory times passes (RFC 9106 section 3.2).
fn missing(cost: &Params, spent: &Params) -> Option<Params> {
    let work = |params: &Params| u64::from(params.m_cost()) * u64::from(params.t_cost());
    let left = work(cost).checked_sub(work(spent))?;
    let memory = u32::try_from(left / u64::from(cost.t_cost())).ok()?;
    Params::new(memory, cost.t_cost(), cost.p_cost(), None).ok()
}

/// RFC 9106 section 3.1: 16 bytes are recommended for password hashing.
const SALT: usize = 16;
