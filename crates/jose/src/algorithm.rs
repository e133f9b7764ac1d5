//! The algorithms that a signature may have (RFC 7518 section 3.1, RFC 8037 section 3.1).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, VerificationAlgorithm,
};

/// An asymmetric signature algorithm.
///
/// `none` and the HMAC family have no value here: a verifier that knows them can be handed a public key as an HMAC secret
/// (RFC 8725 section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// ECDSA with P-384 and SHA-384.
    Es384,
    /// Ed25519. Its other name, `Ed25519` (RFC 9864 section 2.2), is read as the same.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
}

/// What the library below calls an algorithm.
pub(crate) enum OfLibrary {
    Curve(&'static dyn VerificationAlgorithm),
    Rsa(&'static RsaParameters),
}

/// A name that is no asymmetric signature algorithm of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one of ES256, ES384, EdDSA, RS256, RS384, RS512, PS256, PS384, PS512")]
pub struct UnknownAlgorithm;

impl Algorithm {
    /// Reads the name of an algorithm, which is case-sensitive (RFC 7515 section 4.1.1).
    ///
    /// # Errors
    /// [`UnknownAlgorithm`] for every other name, `none` and `HS256` among them.
    pub fn parse(name: &str) -> Result<Self, UnknownAlgorithm> {
        match name {
            "ES256" => Ok(Self::Es256),
            "ES384" => Ok(Self::Es384),
            "EdDSA" | "Ed25519" => Ok(Self::EdDsa),
            "RS256" => Ok(Self::Rs256),
            "RS384" => Ok(Self::Rs384),
            "RS512" => Ok(Self::Rs512),
            "PS256" => Ok(Self::Ps256),
            "PS384" => Ok(Self::Ps384),
            "PS512" => Ok(Self::Ps512),
            _ => Err(UnknownAlgorithm),
        }
    }

    /// The name in `alg`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
        }
    }

    pub(crate) fn of_library(self) -> OfLibrary {
        match self {
            Self::Es256 => OfLibrary::Curve(&ECDSA_P256_SHA256_FIXED),
            Self::Es384 => OfLibrary::Curve(&ECDSA_P384_SHA384_FIXED),
            Self::EdDsa => OfLibrary::Curve(&ED25519),
            Self::Rs256 => OfLibrary::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => OfLibrary::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => OfLibrary::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => OfLibrary::Rsa(&RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => OfLibrary::Rsa(&RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => OfLibrary::Rsa(&RSA_PSS_2048_8192_SHA512),
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::parse(name)
    }
}

/// An allow-list of algorithms; it is never empty (RFC 8725 section 3.1).
///
/// The default is ES256, EdDSA and RS256: what providers sign with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Algorithms(u16);

impl Algorithms {
    /// The list of one.
    #[must_use]
    pub const fn only(algorithm: Algorithm) -> Self {
        Self(algorithm.bit())
    }

    /// The list with `algorithm`.
    #[must_use]
    pub const fn and(self, algorithm: Algorithm) -> Self {
        Self(self.0 | algorithm.bit())
    }

    /// Whether `algorithm` is in the list.
    #[must_use]
    pub const fn contains(self, algorithm: Algorithm) -> bool {
        self.0 & algorithm.bit() != 0
    }

    /// What is in the list.
    pub fn iter(self) -> impl Iterator<Item = Algorithm> {
        ALL.into_iter().filter(move |one| self.contains(*one))
    }
}

impl Default for Algorithms {
    fn default() -> Self {
        Self::only(Algorithm::Es256).and(Algorithm::EdDsa).and(Algorithm::Rs256)
    }
}

impl fmt::Debug for Algorithms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

const ALL: [Algorithm; 9] = [
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::EdDsa,
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_algorithm_survives_its_name() {
        for algorithm in ALL {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
        assert_eq!(Algorithm::parse("Ed25519"), Ok(Algorithm::EdDsa));
    }

    /// RS-12, RFC 8725 section 3.1.
    #[test]
    fn neither_none_nor_hmac_can_be_named() {
        for name in
            ["none", "None", "nOnE", "", "HS256", "HS384", "HS512", "es256", "ES512", "ES256K", "RS256 "]
        {
            assert_eq!(Algorithm::parse(name), Err(UnknownAlgorithm), "{name}");
        }
    }

    #[test]
    fn the_default_list_is_what_providers_sign_with() {
        let list: Vec<_> = Algorithms::default().iter().map(Algorithm::as_str).collect();
        assert_eq!(list, ["ES256", "EdDSA", "RS256"]);
        assert_eq!(Algorithms::only(Algorithm::Ps512).iter().collect::<Vec<_>>(), [Algorithm::Ps512]);
        let all = ALL.into_iter().fold(Algorithms::default(), Algorithms::and);
        assert_eq!(all.iter().count(), ALL.len());
    }
}
