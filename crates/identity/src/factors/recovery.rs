//! Recovery codes: for who has lost everything else. Each opens the account once.

use ambient::Entropy;
use secrecy::{ExposeSecret as _, SecretString};
use store::{Digest, PersonId};

/// So many at once.
pub(crate) const CODES: usize = 10;
/// In bytes: eighty bits cannot be guessed, and need no slow hash to stay so when somebody reads the database.
const LENGTH: usize = 10;

/// New codes, in groups of four letters.
pub(crate) fn drawn(entropy: &dyn Entropy) -> Vec<SecretString> {
    (0..CODES)
        .map(|_| {
            let text = super::base32::encoded(&entropy.draw::<LENGTH>()).to_ascii_lowercase();
            let groups: Vec<_> =
                text.as_bytes().chunks(4).filter_map(|group| str::from_utf8(group).ok()).collect();
            groups.join("-").into()
        })
        .collect()
}

/// What an account keeps of a code.
pub(crate) fn digest(person: &PersonId, code: &SecretString) -> Digest {
    digest_of(person, code.expose_secret())
}

/// What an account keeps of the code that somebody typed, in whatever case and with whatever between the groups.
pub(crate) fn digest_of(person: &PersonId, typed: &str) -> Digest {
    let plain: String = typed.chars().filter(char::is_ascii_alphanumeric).take(MOST).collect();
    Digest::of(format!("portcullis recovery {person} {}", plain.to_ascii_lowercase()).as_bytes())
}

/// What is longer is no code.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use ambient::SeededEntropy;
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_code_is_recognised_however_it_is_typed() {
        let ada = PersonId::parse("usr_ada").unwrap();
        let codes = drawn(&SeededEntropy::new(1));
        assert_eq!(codes.len(), CODES);
        for code in &codes {
            let text = code.expose_secret();
            assert_eq!(text.len(), 19, "{text}");
            let kept = digest(&ada, code);
            for typed in [text.to_uppercase(), text.replace('-', " "), format!(" {text} ")] {
                assert!(kept.is(&digest_of(&ada, &typed)), "{typed}");
            }
            assert!(!kept.is(&digest_of(&PersonId::parse("usr_bo").unwrap(), text)));
        }
        let mut texts: Vec<_> = codes.iter().map(|code| code.expose_secret()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), CODES);
    }
}
