//! The secrets of an operator.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::fs;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use seal::{Seal, SealError};
use store::Digest;
use zeroize::Zeroizing;

use super::error::{ConfigError, Fault};
use super::given::{Given, SettingName, Source, variable};

/// How many bits an admin key that an operator chooses must have at the least: no number of guesses finds such a one, so nobody who
/// holds it need be kept out because others guess.
pub const LEAST_ADMIN_KEY_BITS: u32 = 128;
/// The fewest different characters of one that was drawn.
const FEWEST_DIFFERENT: usize = 7;

/// What is a secret by itself: a variable or a file, and never a flag, because other users of a machine can read those.
pub(crate) struct Secret {
    /// Its name, as of a setting.
    pub(crate) key: &'static str,
    /// What it is and how to make one.
    pub(crate) about: &'static str,
}

/// All of them. The URL of a store is one if it holds a password.
pub(crate) const SECRETS: [Secret; 3] = [
    Secret {
        key: "admin_key",
        about: "the key that opens /api, of 128 bits or more; openssl rand -base64 24 makes one",
    },
    Secret {
        key: "master_key",
        about: "base64url of 32 random bytes; openssl rand -base64 32 | tr '+/' '-_' makes one",
    },
    Secret { key: "smtp_url", about: "the URL of the mail server: smtps://user:password@mail.example.com" },
];

impl Secret {
    /// Its variable.
    pub(crate) fn variable(&self) -> String {
        variable(self.key)
    }
}

/// The key that opens the administration, as its digest: the text is forgotten when it has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminSecret(Digest);

impl AdminSecret {
    /// Reads a key: of 128 bits or more if each of its characters was drawn, without control characters and without spaces at its
    /// ends.
    ///
    /// # Errors
    ///
    /// [`Fault::Empty`], [`Fault::WeakKey`] or [`Fault::KeyCharacter`].
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.is_empty() {
            return Err(Fault::Empty);
        }
        if text.trim() != text || text.chars().any(char::is_control) {
            return Err(Fault::KeyCharacter);
        }
        match bits(text) < f64::from(LEAST_ADMIN_KEY_BITS) {
            true => Err(Fault::WeakKey),
            false => Ok(Self(Digest::of(text.as_bytes()))),
        }
    }

    /// Its digest.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.0
    }
}

/// How many bits a text has at the most: as if each character had been drawn from the smallest alphabet that has them all.
fn bits(text: &str) -> f64 {
    let has = |is: fn(&char) -> bool| text.chars().any(|character| is(&character));
    let other = |character: &char| !character.is_ascii_alphanumeric();
    let classes: [(bool, u32); 4] = [
        (has(char::is_ascii_digit), 10),
        (has(char::is_ascii_lowercase), 26),
        (has(char::is_ascii_uppercase), 26),
        (has(other), 33),
    ];
    let is_hex = text.chars().all(|character| character.is_ascii_hexdigit());
    let alphabet = classes.iter().filter(|(has, _)| *has).map(|(_, size)| size).sum::<u32>();
    let alphabet = if is_hex { alphabet.min(16) } else { alphabet };
    let different: BTreeSet<char> = text.chars().collect();
    if different.len() < FEWEST_DIFFERENT {
        return 0.0;
    }
    let length = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    f64::from(length) * f64::from(alphabet).log2()
}

/// The key that seals what the database must not tell: 32 random bytes.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// Made of these bytes, which must come from a cryptographically secure generator.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads base64url of 32 bytes, with or without padding.
    ///
    /// # Errors
    ///
    /// [`Fault::MasterKey`].
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut bytes = Zeroizing::new([0; 33]);
        match BASE64.decode_slice(text, bytes.as_mut_slice()) {
            Ok(32) => {
                let mut key = Zeroizing::new([0; 32]);
                key.copy_from_slice(&bytes[..32]);
                Ok(Self(key))
            }
            Ok(_) | Err(_) => Err(Fault::MasterKey),
        }
    }

    /// Its text, as [`parse`](Self::parse) reads it.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64.encode(self.0.as_slice()))
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What seals a store with this key alone, under the number that [`Portcullis`](crate::Portcullis) gives it: whoever
    /// composes the parts by hand opens the same store with it.
    ///
    /// # Errors
    ///
    /// If the key cannot seal.
    pub fn seal(&self) -> Result<Seal, SealError> {
        Seal::new(NUMBER, [(NUMBER, *self.0)])
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").finish_non_exhaustive()
    }
}

/// The number of the only master key.
const NUMBER: u16 = 1;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How to draw a secret; a key that stands in a message would end as somebody's key.
fn example(key: &str) -> &'static str {
    match key {
        "master_key" => "$(openssl rand -base64 32 | tr '+/' '-_')",
        "smtp_url" => "smtps://user:password@mail.example.com",
        _ => "$(openssl rand -base64 24)",
    }
}

/// A secret from its variable, or from the file that a setting names. A file ends its one line as files do; a variable
/// that ends with a line break was filled by accident.
pub(super) fn read<T>(
    key: &'static str,
    file_key: &'static str,
    file: Option<&Given>,
    look_up: &dyn Fn(&str) -> Option<OsString>,
    parse: impl FnOnce(&str) -> Result<T, Fault>,
) -> Result<Option<T>, ConfigError> {
    let held = look_up(&variable(key));
    match (held, file) {
        (Some(_), Some(file)) => {
            let file = SettingName { key: file_key, source: file.source }.to_string();
            Err(ConfigError::Twice { variable: variable(key), file })
        }
        (Some(value), None) => {
            let name = SettingName { key, source: Source::Variable };
            let wrong = |fault| ConfigError::Setting { name, fault, example: example(key) };
            let text = Zeroizing::new(value.into_string().map_err(|_| wrong(Fault::NotText))?);
            match text.ends_with(['\n', '\r']) {
                true => Err(wrong(Fault::LineBreak)),
                false => parse(&text).map(Some).map_err(wrong),
            }
        }
        (None, Some(file)) => {
            let name = SettingName { key: file_key, source: file.source };
            let wrong = |fault| ConfigError::Setting { name, fault, example: "/run/secrets/portcullis-key" };
            let text = Zeroizing::new(fs::read_to_string(&file.text).map_err(|error| wrong(error.into()))?);
            let line = text.strip_suffix('\n').unwrap_or(&text);
            parse(line.strip_suffix('\r').unwrap_or(line)).map(Some).map_err(wrong)
        }
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    #[test]
    fn an_admin_key_has_128_bits_or_is_refused() {
        let drawn = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let bytes: Vec<u8> = (0..54).map(|n: u8| n.wrapping_mul(167).wrapping_add(13)).collect();
        let hex: String = bytes[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        for taken in [
            drawn(&bytes[..24]),
            format!("adm_{}", drawn(&bytes)),
            hex.clone(),
            hex.to_uppercase(),
            "Tr0ub4dorIsNotDrawnAtAll".to_owned(),
            "seven words of a list that nobody knows".to_owned(),
        ] {
            assert!(AdminSecret::parse(&taken).is_ok(), "{taken}");
        }
        for refused in [
            &drawn(&bytes[..12]),
            &hex[..31],
            "sixteen characters",
            "correct horse batter",
            "changeme",
            "12345678901234567890123456789012345678",
            &"a".repeat(200),
            &"abcabc".repeat(20),
        ] {
            let fault = AdminSecret::parse(refused).unwrap_err();
            assert!(matches!(fault, Fault::WeakKey), "{refused}");
            assert!(fault.to_string().contains("128 bits"), "{fault}");
        }
    }
}
