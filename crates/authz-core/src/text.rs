//! The texts of tokens, codes and keys.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use store::Digest;
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::Zeroizing;

const ID: usize = 16;
const SECRET: usize = 32;
const LENGTH: usize = ID + 4 + 2 + SECRET;
/// Of base64url, in which three bytes are four characters.
const TEXT: usize = LENGTH / 3 * 4;

/// What a text is: its prefix, which secret scanners can find and which is part of the digest that the store keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenKind {
    /// `mat_`: an access token.
    Access,
    /// `mrt_`: a refresh token.
    Refresh,
    /// `code_`: an authorization code.
    Code,
    /// `sak_`: the key of a resource server, for introspection.
    ServerKey,
    /// `adm_`: the key of an administrator.
    AdminKey,
    /// `ses_`: a browser's session.
    Session,
    /// `csec_`: a client's secret.
    ClientSecret,
    /// `tkt_`: a link that is mailed, or an invitation.
    Ticket,
}

impl TokenKind {
    const ALL: [Self; 8] = [
        Self::Access,
        Self::Refresh,
        Self::Code,
        Self::ServerKey,
        Self::AdminKey,
        Self::Session,
        Self::ClientSecret,
        Self::Ticket,
    ];

    /// The text that it begins with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Access => "mat_",
            Self::Refresh => "mrt_",
            Self::Code => "code_",
            Self::ServerKey => "sak_",
            Self::AdminKey => "adm_",
            Self::Session => "ses_",
            Self::ClientSecret => "csec_",
            Self::Ticket => "tkt_",
        }
    }
}

/// A text that is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a text of this server in its canonical form")]
pub struct NotOurs;

/// What a text says: a prefix, then base64url of `id (16) · number (4) · key (2) · secret (32)`, 72 characters.
///
/// The id locates the record, so a look-up is one read by primary key. Each value has one text, and decoding anything
/// else fails.
#[derive(Clone)]
pub struct TokenText {
    /// What it is.
    pub kind: TokenKind,
    /// The record that it belongs to: for a grant's tokens the grant.
    pub id: [u8; ID],
    /// The generation of a token, the number of a code; 0 for kinds with a random secret.
    pub number: u32,
    /// The token key that made the secret; 0 for kinds with a random secret.
    pub key: u16,
    secret: Zeroizing<[u8; SECRET]>,
}

impl TokenText {
    /// Of these parts.
    #[must_use]
    pub fn new(kind: TokenKind, id: [u8; ID], number: u32, key: u16, secret: [u8; SECRET]) -> Self {
        Self { kind, id, number, key, secret: Zeroizing::new(secret) }
    }

    /// Of a kind with a random secret.
    #[must_use]
    pub fn random(kind: TokenKind, id: [u8; ID], secret: [u8; SECRET]) -> Self {
        Self::new(kind, id, 0, 0, secret)
    }

    /// Reads a text.
    ///
    /// # Errors
    ///
    /// [`NotOurs`] for anything but the canonical text of some value.
    pub fn parse(text: &str) -> Result<Self, NotOurs> {
        let with_prefix = |kind: &TokenKind| text.strip_prefix(kind.prefix()).map(|rest| (*kind, rest));
        let (kind, rest) = TokenKind::ALL.iter().find_map(with_prefix).ok_or(NotOurs)?;
        let mut bytes = Zeroizing::new([0; LENGTH]);
        let read = URL_SAFE_NO_PAD.decode_slice(rest, bytes.as_mut_slice()).map_err(|_| NotOurs)?;
        if read != LENGTH {
            return Err(NotOurs);
        }
        let (id, rest) = bytes.split_first_chunk::<ID>().ok_or(NotOurs)?;
        let (number, rest) = rest.split_first_chunk::<4>().ok_or(NotOurs)?;
        let (key, rest) = rest.split_first_chunk::<2>().ok_or(NotOurs)?;
        let secret = rest.first_chunk::<SECRET>().ok_or(NotOurs)?;
        Ok(Self::new(kind, *id, u32::from_be_bytes(*number), u16::from_be_bytes(*key), *secret))
    }

    /// As text.
    #[must_use]
    pub fn expose(&self) -> SecretString {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        bytes[..ID].copy_from_slice(&self.id);
        bytes[ID..ID + 4].copy_from_slice(&self.number.to_be_bytes());
        bytes[ID + 4..ID + 6].copy_from_slice(&self.key.to_be_bytes());
        bytes[ID + 6..].copy_from_slice(self.secret.as_slice());
        let mut text = String::from(self.kind.prefix());
        // Neither more nor less: a text that grew, or was cut to fit, would leave a copy of the secret behind.
        text.reserve_exact(TEXT);
        URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut text);
        SecretString::from(text)
    }

    /// The digest of the text, which is what a store keeps.
    #[must_use]
    pub fn digest(&self) -> Digest {
        use secrecy::ExposeSecret as _;
        Digest::of(self.expose().expose_secret().as_bytes())
    }

    /// The secret.
    pub(crate) fn secret(&self) -> &[u8; SECRET] {
        &self.secret
    }

    /// Whether both say the same; in constant time over the secret.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let same_place = self.kind == other.kind
            && self.id == other.id
            && self.number == other.number
            && self.key == other.key;
        bool::from(self.secret.as_slice().ct_eq(other.secret.as_slice())) && same_place
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenText")
            .field("kind", &self.kind)
            .field("number", &self.number)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;

    use super::*;

    fn text() -> impl Strategy<Value = TokenText> {
        let kind = prop::sample::select(TokenKind::ALL.to_vec());
        (kind, any::<[u8; 16]>(), any::<u32>(), any::<u16>(), any::<[u8; 32]>())
            .prop_map(|(kind, id, number, key, secret)| TokenText::new(kind, id, number, key, secret))
    }

    proptest! {
        #[test]
        fn a_text_reads_back(token in text()) {
            let exposed = token.expose();
            let written = exposed.expose_secret();
            prop_assert_eq!(written.len(), token.kind.prefix().len() + TEXT);
            let read = TokenText::parse(written).unwrap();
            prop_assert!(read.is(&token));
            prop_assert!(token.digest().is_of(written.as_bytes()));
        }

        #[test]
        fn whatever_parses_is_canonical(garbage in "(mat_|mrt_|code_|sak_|tkt_|x)?[A-Za-z0-9_=-]{70,74}") {
            if let Ok(token) = TokenText::parse(&garbage) {
                let written = token.expose();
                prop_assert_eq!(written.expose_secret(), garbage.as_str());
            }
        }

        #[test]
        fn another_secret_is_another_text(token in text(), byte in 0_usize..32) {
            let mut secret = *token.secret();
            secret[byte] ^= 1;
            prop_assert!(!token.is(&TokenText::new(token.kind, token.id, token.number, token.key, secret)));
        }
    }

    #[test]
    fn another_kind_place_number_or_key_is_another_text() {
        let of = |kind, id, number, key| TokenText::new(kind, [id; ID], number, key, [7; SECRET]);
        let token = of(TokenKind::Access, 1, 2, 3);
        assert!(token.is(&of(TokenKind::Access, 1, 2, 3)));
        for other in [
            of(TokenKind::Refresh, 1, 2, 3),
            of(TokenKind::Access, 9, 2, 3),
            of(TokenKind::Access, 1, 9, 3),
            of(TokenKind::Access, 1, 2, 9),
            of(TokenKind::Refresh, 9, 9, 9),
        ] {
            assert!(!token.is(&other), "{other:?}");
            assert_ne!(token.expose().expose_secret(), other.expose().expose_secret());
        }
    }

    #[test]
    fn debug_shows_what_it_is_and_no_secret() {
        let token = TokenText::new(TokenKind::Session, [1; 16], 4, 6, [0x5a; 32]);
        let shown = format!("{token:?}");
        assert_eq!(shown, "TokenText { kind: Session, number: 4, key: 6, .. }");
    }
}
