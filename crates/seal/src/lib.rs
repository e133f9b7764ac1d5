//! Encrypts small secrets for storage, under numbered master keys, bound to the place where they are kept.
//!
//! It stores nothing and draws no randomness: the caller keeps the sealed bytes, and brings the fresh ones.
//!
//! A sealed text is, in this order:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, 1 |
//! | 2 | number of the master key, big endian |
//! | 32 | fresh bytes, the salt of the derivation |
//! | n + 16 | AES-256-GCM ciphertext and tag |
//!
//! | RFC | what of it |
//! |---|---|
//! | 5869 (HKDF) | a key and a nonce per record, from the master key and the salt |
//! | 5116 (AEAD) | the associated data are the first three bytes, then the caller's |

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::{Zeroize, Zeroizing};

const VERSION: u8 = 1;
const HEAD: usize = 3;
const SALT: usize = 32;
const TAG: usize = 16;
const KEY: usize = 32;
/// Names the purpose and the version, so that no other use of the same master key derives the same bytes.
const INFO: &[u8] = b"portcullis seal v1";

/// Seals under the active master key, opens under any that it holds.
///
/// Retire a master key by making another one active and sealing what is kept again; until then the old one must
/// stay in the set. `Debug` shows the numbers of the keys and nothing else.
pub struct Seal {
    active: u16,
    keys: BTreeMap<u16, Zeroizing<[u8; KEY]>>,
}

impl Seal {
    /// A seal over `keys`, each 32 random bytes under its number, that seals with the one numbered `active`.
    ///
    /// # Errors
    ///
    /// [`SealError::Unknown`] if no key has the number `active`, [`SealError::Twice`] if two keys share a number.
    pub fn new(active: u16, keys: impl IntoIterator<Item = (u16, [u8; KEY])>) -> Result<Self, SealError> {
        let mut held = BTreeMap::new();
        let mut repeated = None;
        for (number, mut key) in keys {
            if held.insert(number, Zeroizing::new(key)).is_some() {
                repeated = Some(number);
            }
            key.zeroize();
        }
        if let Some(number) = repeated {
            return Err(SealError::Twice { number });
        }
        if !held.contains_key(&active) {
            return Err(SealError::Unknown { number: active });
        }
        Ok(Self { active, keys: held })
    }

    /// `plaintext` sealed under the active key: 51 bytes longer than it was.
    ///
    /// `associated` says where the text belongs, for instance the kind and the id of its record. It is not part of
    /// the result, but [`open`](Self::open) must be given the same, so a sealed text moved to another record does
    /// not open. `fresh` must come from a cryptographically secure generator and serve this one call.
    ///
    /// # Errors
    ///
    /// [`SealError::Refused`] if the cipher does not take the input, which only a text of more than 64 GiB brings
    /// about.
    pub fn seal(&self, plaintext: &[u8], associated: &[u8], fresh: [u8; SALT]) -> Result<Vec<u8>, SealError> {
        let (key, nonce) = self.record_key(self.active, &fresh)?;
        let head = head(self.active);
        // Room for everything at once: a vector that grows leaves a copy of the plaintext behind.
        let mut sealed = Vec::with_capacity(HEAD + SALT + plaintext.len() + TAG);
        sealed.extend_from_slice(&head);
        sealed.extend_from_slice(&fresh);
        sealed.extend_from_slice(plaintext);
        let tag = key.seal_in_place_separate_tag(nonce, bound(head, associated), &mut sealed[HEAD + SALT..]);
        match tag {
            Ok(tag) => {
                sealed.extend_from_slice(tag.as_ref());
                Ok(sealed)
            }
            Err(_) => {
                sealed.zeroize();
                Err(SealError::Refused)
            }
        }
    }

    /// The plaintext of what [`seal`](Self::seal) made with the same `associated`; it is wiped when dropped.
    ///
    /// # Errors
    ///
    /// [`SealError::Truncated`] if `sealed` is too short to be one, [`SealError::Unknown`] if it names a key that
    /// this seal does not hold, and [`SealError::Forged`] for everything that does not authenticate: changed bytes,
    /// another version, other associated data, another key under the same number.
    pub fn open(&self, sealed: &[u8], associated: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let Some((head, rest)) = sealed.split_first_chunk::<HEAD>() else {
            return Err(SealError::Truncated);
        };
        let Some((salt, ciphertext)) = rest.split_first_chunk::<SALT>() else {
            return Err(SealError::Truncated);
        };
        if ciphertext.len() < TAG {
            return Err(SealError::Truncated);
        }
        let Some(number) = number(*head) else {
            return Err(SealError::Forged);
        };
        let (key, nonce) = self.record_key(number, salt)?;
        let mut text = Zeroizing::new(ciphertext.to_vec());
        let length = key
            .open_in_place(nonce, bound(*head, associated), &mut text)
            .map_err(|_| SealError::Forged)?
            .len();
        text.truncate(length);
        Ok(text)
    }

    /// The number of the key that new texts are sealed under.
    #[must_use]
    pub const fn active(&self) -> u16 {
        self.active
    }

    /// The key and the nonce of the one record whose salt this is (RFC 5869). Both are derived: a nonce that never
    /// leaves the salt cannot be used twice while the salt is not.
    fn record_key(&self, number: u16, salt: &[u8; SALT]) -> Result<(LessSafeKey, Nonce), SealError> {
        let master = self.keys.get(&number).ok_or(SealError::Unknown { number })?;
        let mut okm = Zeroizing::new([0; KEY + NONCE_LEN]);
        Salt::new(HKDF_SHA256, salt)
            .extract(master.as_slice())
            .expand(&[INFO], Okm)
            .and_then(|derived| derived.fill(okm.as_mut_slice()))
            .map_err(|_| SealError::Refused)?;
        let (key, nonce) = okm.split_at(KEY);
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| SealError::Refused)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Refused)?;
        Ok((LessSafeKey::new(key), nonce))
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<u16> = self.keys.keys().copied().collect();
        f.debug_struct("Seal").field("active", &self.active).field("keys", &numbers).finish()
    }
}

/// The number of the master key that `sealed` names, or `None` if it is too short or of another version.
///
/// Nothing is authenticated: it serves to find the texts that an old key still seals.
#[must_use]
pub fn key_number(sealed: &[u8]) -> Option<u16> {
    sealed.first_chunk().copied().and_then(number)
}

/// Why a text was not sealed or not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The keys given to this seal have none of this number. The operator's to mend: the key file is another one, or
    /// a key was retired too early.
    #[error("there is no master key number {number}")]
    Unknown {
        /// The number that was asked for.
        number: u16,
    },
    /// Two keys were given under one number.
    #[error("two master keys have the number {number}")]
    Twice {
        /// The number that both have.
        number: u16,
    },
    /// The text does not authenticate: it was changed, moved, or sealed by somebody else.
    #[error("the sealed text does not authenticate")]
    Forged,
    /// The text is too short to be a sealed one.
    #[error("the sealed text is cut short")]
    Truncated,
    /// The cipher did not take the input.
    #[error("the cipher refused the text")]
    Refused,
}

struct Okm;

impl KeyType for Okm {
    fn len(&self) -> usize {
        KEY + NONCE_LEN
    }
}

const fn head(number: u16) -> [u8; HEAD] {
    let [high, low] = number.to_be_bytes();
    [VERSION, high, low]
}

const fn number([version, high, low]: [u8; HEAD]) -> Option<u16> {
    if version == VERSION { Some(u16::from_be_bytes([high, low])) } else { None }
}

/// The head is of fixed length and comes first, so no two pairs of head and associated data read the same.
fn bound(head: [u8; HEAD], associated: &[u8]) -> Aad<Vec<u8>> {
    Aad::from([&head, associated].concat())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OLD: (u16, [u8; 32]) = (7, [7; 32]);
    const NEW: (u16, [u8; 32]) = (0x0102, [9; 32]);

    fn seal() -> Seal {
        Seal::new(NEW.0, [OLD, NEW]).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(text: Vec<u8>, place: Vec<u8>, fresh: [u8; 32]) {
            let sealed = seal().seal(&text, &place, fresh).unwrap();
            prop_assert_eq!(sealed.len(), text.len() + 51);
            prop_assert_eq!(key_number(&sealed), Some(NEW.0));
            let opened = seal().open(&sealed, &place).unwrap();
            prop_assert_eq!(opened.as_slice(), text.as_slice());
        }

        #[test]
        fn any_bytes_open_to_an_error_and_never_to_a_panic(bytes: Vec<u8>, place: Vec<u8>) {
            prop_assert!(seal().open(&bytes, &place).is_err());
        }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let sealed = seal().seal(b"secret", b"place", [5; 32]).unwrap();
        assert_eq!(sealed[..3], [1, 0x01, 0x02]);
        assert_eq!(sealed[3..35], [5; 32]);
        assert_eq!(sealed.len(), 35 + 6 + 16);
    }

    /// Computed with another implementation of HKDF and AES-GCM from the layout in the crate's documentation.
    #[test]
    fn a_text_sealed_elsewhere_or_by_an_earlier_build_opens() {
        let kept = [
            &[1, 0x01, 0x02][..],
            &[5; 32],
            &0xfa8d_4e9e_f4aa_b686_cdc4_2851_c8de_7f36_u128.to_be_bytes(),
            &0x8479_1da0_9c7e_3ea4_a0d1_bab8_7c56_e50e_u128.to_be_bytes(),
            &[0x8f, 0xf6, 0xb5, 0x71, 0x11, 0xf4],
        ]
        .concat();
        assert_eq!(seal().open(&kept, b"place").unwrap().as_slice(), b"a secret that was kept");
        assert_eq!(seal().seal(b"a secret that was kept", b"place", [5; 32]).unwrap(), kept);
    }

    #[test]
    fn each_flipped_bit_fails() {
        let sealed = seal().seal(b"secret", b"place", [5; 32]).unwrap();
        for position in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[position / 8] ^= 1 << (position % 8);
            let expected = match position / 8 {
                1 | 2 => SealError::Unknown { number: key_number(&changed).unwrap() },
                _ => SealError::Forged,
            };
            assert_eq!(seal().open(&changed, b"place"), Err(expected), "bit {position}");
        }
    }

    #[test]
    fn each_cut_fails() {
        let sealed = seal().seal(b"", b"place", [5; 32]).unwrap();
        for length in 0..sealed.len() {
            assert_eq!(
                seal().open(&sealed[..length], b"place"),
                Err(SealError::Truncated),
                "length {length}"
            );
        }
    }

    #[test]
    fn other_associated_data_fails() {
        let sealed = seal().seal(b"secret", b"place", [5; 32]).unwrap();
        for other in [&b"placf"[..], b"plac", b"place ", b""] {
            assert_eq!(seal().open(&sealed, other), Err(SealError::Forged));
        }
    }

    #[test]
    fn the_number_of_the_key_is_bound_even_between_equal_keys() {
        let twins = Seal::new(1, [(1, [3; 32]), (2, [3; 32])]).unwrap();
        let mut sealed = twins.seal(b"secret", b"place", [5; 32]).unwrap();
        sealed[2] = 2;
        assert_eq!(twins.open(&sealed, b"place"), Err(SealError::Forged));
    }

    #[test]
    fn two_seals_of_one_text_differ() {
        let one = seal().seal(b"secret", b"place", [1; 32]).unwrap();
        let two = seal().seal(b"secret", b"place", [2; 32]).unwrap();
        assert_ne!(one[35..], two[35..]);
    }

    #[test]
    fn an_old_key_opens_until_it_is_gone() {
        let sealed = Seal::new(OLD.0, [OLD]).unwrap().seal(b"secret", b"place", [5; 32]).unwrap();
        assert_eq!(seal().open(&sealed, b"place").unwrap().as_slice(), b"secret");
        let only_new = Seal::new(NEW.0, [NEW]).unwrap();
        assert_eq!(only_new.open(&sealed, b"place"), Err(SealError::Unknown { number: 7 }));
        let another_seven = Seal::new(7, [(7, [8; 32])]).unwrap();
        assert_eq!(another_seven.open(&sealed, b"place"), Err(SealError::Forged));
    }

    #[test]
    fn a_set_without_its_active_key_or_with_one_number_twice_is_refused() {
        assert_eq!(Seal::new(1, [OLD]).unwrap_err(), SealError::Unknown { number: 1 });
        assert_eq!(Seal::new(7, [OLD, (7, [1; 32])]).unwrap_err(), SealError::Twice { number: 7 });
    }

    #[test]
    fn debug_shows_numbers_only() {
        assert_eq!(format!("{:?}", seal()), "Seal { active: 258, keys: [7, 258] }");
    }
}
