//! Codes that an app shows: time-based one-time passwords (RFC 6238) of six digits, every thirty seconds, by HMAC-SHA-1, which is
//! what every app knows.

use std::fmt;

use ambient::{Entropy, Time};
use aws_lc_rs::hmac;
use secrecy::SecretString;
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::Zeroizing;

/// What an app shares with this server (RFC 4226 section 4, R6: 160 bits).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TotpSecret(Zeroizing<[u8; SECRET]>);

/// A code that somebody typed.
#[derive(Clone, Copy)]
pub(crate) struct Code(u32);

const SECRET: usize = 20;
/// In seconds (RFC 6238 section 4.1).
const STEP: i64 = 30;
const DIGITS: usize = 6;

impl TotpSecret {
    pub(crate) fn drawn(entropy: &dyn Entropy) -> Self {
        Self(Zeroizing::new(entropy.draw()))
    }

    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// For typing: base32 (RFC 4648 section 6) without padding.
    pub(crate) fn text(&self) -> SecretString {
        super::base32::encoded(self.0.as_slice()).into()
    }

    /// The step whose code this is: the present one, or the one before or after, for clocks that differ and people who type slowly
    /// (RFC 6238 sections 5.2 and 6). Never one up to `last`: a code is taken once.
    pub(crate) fn step_of(&self, code: Code, now: Time, last: i64) -> Option<i64> {
        let present = now.0.div_euclid(STEP);
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.0.as_slice());
        // All are looked at, so that the time tells nothing of which it was.
        let mut step = i64::MIN;
        for candidate in [present - 1, present, present + 1] {
            let same = code_at(&key, candidate).ct_eq(&code.0);
            step = i64::conditional_select(&step, &candidate, same);
        }
        (step > last).then_some(step)
    }
}

impl Code {
    /// Six digits, with spaces wherever the app shows them.
    pub(crate) fn parse(typed: &str) -> Option<Self> {
        let digits: String = typed.chars().filter(|char| !char.is_whitespace()).collect();
        let plain = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
        if plain { digits.parse().ok().map(Self) } else { None }
    }
}

/// RFC 4226 section 5.3.
fn code_at(key: &hmac::Key, step: i64) -> u32 {
    let tag = hmac::sign(key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag.last().copied().unwrap_or_default() & 0xf);
    let four = tag.get(offset..offset + 4).and_then(|four| four.try_into().ok()).unwrap_or_default();
    (u32::from_be_bytes(four) & 0x7fff_ffff) % 10_u32.pow(6)
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(..)")
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(..)")
    }
}

/// The code of a secret's text, as an app shows it.
#[cfg(test)]
pub(crate) fn shown(text: &str, now: Time) -> String {
    let secret = super::base32::decoded(text).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret);
    format!("{:06}", code_at(&key, now.0.div_euclid(STEP)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rfc() -> TotpSecret {
        TotpSecret::of(b"12345678901234567890").unwrap()
    }

    /// RFC 6238 appendix B, the last six of its eight digits.
    #[test]
    fn the_codes_of_the_rfc() {
        for (now, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let step = rfc().step_of(Code::parse(code).unwrap(), Time(now), i64::MIN);
            assert_eq!(step, Some(now / 30), "{now}");
        }
    }

    #[test]
    fn a_code_of_a_neighbour_is_taken_and_of_a_stranger_is_not() {
        let code = Code::parse("28 7082").unwrap();
        for (now, step) in [(0, Some(1)), (30, Some(1)), (89, Some(1)), (-1, None), (90, None)] {
            assert_eq!(rfc().step_of(code, Time(now), i64::MIN), step, "{now}");
        }
        let other = TotpSecret::of(&[1; 20]).unwrap();
        assert_eq!(other.step_of(code, Time(59), i64::MIN), None);
    }

    #[test]
    fn a_code_is_taken_once() {
        let code = Code::parse("287082").unwrap();
        assert_eq!(rfc().step_of(code, Time(59), 0), Some(1));
        assert_eq!(rfc().step_of(code, Time(59), 1), None);
        assert_eq!(rfc().step_of(code, Time(59), 2), None);
    }

    #[test]
    fn what_is_not_six_digits_is_no_code() {
        for typed in ["", "12345", "1234567", "12345a", "+12345", "１２３４５６", "-12345"] {
            assert!(Code::parse(typed).is_none(), "{typed}");
        }
    }
}
