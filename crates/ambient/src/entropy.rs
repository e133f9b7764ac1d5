//! Random bytes.

use std::sync::atomic::{AtomicU64, Ordering};

/// Draws random bytes.
///
/// Tokens, codes and marks are made of them: an implementation for production must be a cryptographically secure
/// generator (RFC 6749 section 10.10: the chance of a guess at most 2^-128).
pub trait Entropy: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn Entropy + '_ {
    /// An array of random bytes.
    #[must_use]
    pub fn draw<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// The generator of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// # Panics
    ///
    /// If the operating system has no randomness to give: to go on with guessable tokens would be worse.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that draws randomness")]
    #[expect(clippy::panic, reason = "without randomness no answer would be safe")]
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            panic!("the operating system gives no random bytes: {error}");
        }
    }
}

/// Bytes that follow from a seed, for tests that must be repeatable. **Predictable: never for production.**
#[derive(Debug)]
pub struct SeededEntropy(AtomicU64);

impl SeededEntropy {
    /// The sequence that belongs to `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            // SplitMix64: a counter and a mixing function, so concurrent callers need no lock.
            let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_two_draws_differ() {
        let (one, two) = (SeededEntropy::new(7), SeededEntropy::new(7));
        let (one, two): (&dyn Entropy, &dyn Entropy) = (&one, &two);
        let first = one.draw::<20>();
        assert_eq!(first, two.draw::<20>());
        assert_ne!(first, one.draw::<20>());
    }

    #[test]
    fn the_system_draws_what_nobody_drew_before() {
        let system: &dyn Entropy = &SystemEntropy;
        assert_ne!(system.draw::<16>(), system.draw::<16>());
    }
}
