//! The keys that the tokens of grants are made with.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use store::{Digest, GrantId, Nonce};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::text::{TokenKind, TokenText};

/// The random part of every refresh token of a grant. The store keeps its digest.
pub(crate) type Seed = Zeroizing<[u8; 16]>;

/// The token keys, by number.
///
/// The secret of a refresh token is `seed (16) · tag (16)` with the tag an HMAC of `id · number · key · seed`; that of an
/// access token is an HMAC of the same; that of a code an HMAC of `id · number · key · nonce` with the nonce in the record.
/// So neither the store alone nor a key alone makes a token, a forged refresh text costs one HMAC, and the answer to a
/// refresh can be made a second time.
pub struct Keyring {
    keys: BTreeMap<u16, Zeroizing<[u8; 32]>>,
    active: u16,
}

/// A key that this process does not know (yet).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownKey(pub u16);

/// A refresh token whose tag checks out. Only [`Keyring::genuine`] makes one: a rule cannot be handed a forgery.
pub struct Genuine {
    id: GrantId,
    number: u32,
    seed: Seed,
}

impl Genuine {
    /// The grant that it belongs to.
    #[must_use]
    pub const fn id(&self) -> GrantId {
        self.id
    }

    /// Its generation.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    pub(crate) const fn id_ref(&self) -> &GrantId {
        &self.id
    }

    /// The seed of its grant.
    pub(crate) const fn seed(&self) -> &Seed {
        &self.seed
    }
}

impl Keyring {
    /// Of these keys, the one numbered `active` for new tokens; `None` if it is not among them.
    #[must_use]
    pub fn new(active: u16, keys: impl IntoIterator<Item = (u16, [u8; 32])>) -> Option<Self> {
        let keys: BTreeMap<_, _> =
            keys.into_iter().map(|(number, key)| (number, Zeroizing::new(key))).collect();
        keys.contains_key(&active).then_some(Self { keys, active })
    }

    /// The number of the key for new tokens.
    #[must_use]
    pub const fn active(&self) -> u16 {
        self.active
    }

    /// Whether there is a key of this number.
    #[must_use]
    pub fn knows(&self, number: u16) -> bool {
        self.keys.contains_key(&number)
    }

    /// The refresh token of a generation.
    pub(crate) fn refresh(
        &self,
        key: u16,
        id: GrantId,
        number: u32,
        seed: &Seed,
    ) -> Result<TokenText, UnknownKey> {
        let tag = self.mac(key, "refresh", id, number, seed.as_slice())?;
        let mut secret = [0; 32];
        secret[..16].copy_from_slice(seed.as_slice());
        secret[16..].copy_from_slice(&tag[..16]);
        Ok(TokenText::new(TokenKind::Refresh, *id.as_bytes(), number, key, secret))
    }

    /// The access token of a generation.
    pub(crate) fn access(
        &self,
        key: u16,
        id: GrantId,
        number: u32,
        seed: &Seed,
    ) -> Result<TokenText, UnknownKey> {
        let secret = self.mac(key, "access", id, number, seed.as_slice())?;
        Ok(TokenText::new(TokenKind::Access, *id.as_bytes(), number, key, *secret))
    }

    /// A code.
    pub(crate) fn code(
        &self,
        key: u16,
        id: GrantId,
        number: u32,
        nonce: &Nonce,
    ) -> Result<TokenText, UnknownKey> {
        let secret = self.mac(key, "code", id, number, nonce.as_bytes())?;
        Ok(TokenText::new(TokenKind::Code, *id.as_bytes(), number, key, *secret))
    }

    /// Whether a refresh text was made here, of whatever generation.
    ///
    /// # Errors
    ///
    /// [`UnknownKey`] if it names a key that is not on this ring.
    pub fn genuine(&self, text: &TokenText) -> Result<Option<Genuine>, UnknownKey> {
        if text.kind != TokenKind::Refresh {
            return Ok(None);
        }
        let id = GrantId::new(text.id);
        let (seed, tag) = text.secret().split_at(16);
        let expected = self.mac(text.key, "refresh", id, text.number, seed)?;
        if !bool::from(expected[..16].ct_eq(tag)) {
            return Ok(None);
        }
        let mut kept = Seed::default();
        kept.copy_from_slice(seed);
        Ok(Some(Genuine { id, number: text.number, seed: kept }))
    }

    fn mac(
        &self,
        key: u16,
        purpose: &str,
        id: GrantId,
        number: u32,
        secret: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, UnknownKey> {
        let bytes = self.keys.get(&key).ok_or(UnknownKey(key))?;
        // HMAC takes keys of any length; this one has 32 bytes.
        let mut mac = Hmac::<Sha256>::new_from_slice(bytes.as_slice()).map_err(|_| UnknownKey(key))?;
        // The purposes have different lengths and the rest a fixed one: no two inputs coincide.
        mac.update(purpose.as_bytes());
        mac.update(id.as_bytes());
        mac.update(&number.to_be_bytes());
        mac.update(&key.to_be_bytes());
        mac.update(secret);
        Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<_> = self.keys.keys().collect();
        f.debug_struct("Keyring").field("keys", &numbers).field("active", &self.active).finish()
    }
}

/// The digest of a seed, as the record keeps it.
pub(crate) fn seed_digest(seed: &Seed) -> Digest {
    Digest::of(seed.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> Keyring {
        Keyring::new(2, [(1, [1; 32]), (2, [2; 32])]).unwrap()
    }

    #[test]
    fn a_refresh_token_is_recognised_and_a_forgery_is_not() {
        let (ring, id, seed) = (ring(), GrantId::new([9; 16]), Zeroizing::new([3; 16]));
        let token = ring.refresh(2, id, 7, &seed).unwrap();
        let genuine = ring.genuine(&token).unwrap().unwrap();
        assert_eq!((genuine.id(), genuine.number()), (id, 7));
        assert_eq!(**genuine.seed(), *seed);
        for other in [
            TokenText::new(TokenKind::Refresh, token.id, 8, 2, *token.secret()),
            TokenText::new(TokenKind::Refresh, [8; 16], 7, 2, *token.secret()),
            TokenText::new(TokenKind::Refresh, token.id, 7, 1, *token.secret()),
            TokenText::new(TokenKind::Access, token.id, 7, 2, *token.secret()),
            TokenText::new(TokenKind::Refresh, token.id, 7, 2, [0; 32]),
        ] {
            assert!(ring.genuine(&other).unwrap().is_none(), "{other:?}");
        }
        let unknown = TokenText::new(TokenKind::Refresh, token.id, 7, 9, *token.secret());
        assert_eq!(ring.genuine(&unknown).err(), Some(UnknownKey(9)));
    }

    #[test]
    fn each_generation_key_and_purpose_gives_other_secrets() {
        let (ring, id, seed) = (ring(), GrantId::new([9; 16]), Zeroizing::new([3; 16]));
        let nonce = Nonce::new([3; 16]);
        let secrets = [
            *ring.access(1, id, 1, &seed).unwrap().secret(),
            *ring.access(2, id, 1, &seed).unwrap().secret(),
            *ring.access(2, id, 2, &seed).unwrap().secret(),
            *ring.code(2, id, 1, &nonce).unwrap().secret(),
            *ring.refresh(2, id, 1, &seed).unwrap().secret(),
        ];
        for (n, one) in secrets.iter().enumerate() {
            assert!(secrets[n + 1..].iter().all(|other| other != one), "{n}");
        }
    }

    #[test]
    fn the_active_key_must_exist() {
        assert!(Keyring::new(3, [(1, [1; 32])]).is_none());
    }

    #[test]
    fn a_ring_knows_its_numbers_and_shows_nothing_else() {
        let ring = ring();
        assert_eq!((ring.active(), ring.knows(1), ring.knows(3)), (2, true, false));
        assert_eq!(format!("{ring:?}"), "Keyring { keys: [1, 2], active: 2 }");
    }
}
