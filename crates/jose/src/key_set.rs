//! The published keys of an issuer (RFC 7517).

use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use crate::algorithm::{Algorithm, OfLibrary};
use crate::jws::json_object;

/// The keys of an issuer that can check signatures (RFC 7517 section 5). There is at least one.
#[derive(Clone, Debug)]
pub struct KeySet(Vec<Key>);

/// A public key, with what it may be used for.
#[derive(Clone, Debug)]
pub struct Key {
    kid: Option<String>,
    algorithms: Vec<Algorithm>,
    /// The key as each of the algorithms needs it, read once and not for each signature.
    ready: Vec<ParsedPublicKey>,
}

/// Why a document is no key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Longer than 64 KiB.
    #[error("the key set is longer than 64 KiB")]
    TooLarge,
    /// Not a JSON object with a list `keys` (RFC 7517 section 5).
    #[error("the document is not a JSON Web Key Set")]
    Malformed,
    /// More than 100 keys.
    #[error("the key set has more than 100 keys")]
    TooManyKeys,
    /// No key in it checks a signature of an algorithm that is known here.
    #[error("the key set has no public key for signatures")]
    NoUsableKey,
}

impl KeySet {
    /// Reads the document at a `jwks_uri`: at most 64 KiB with at most 100 keys.
    ///
    /// A key that cannot be used is skipped, as RFC 7517 section 5 recommends: another `kty` or curve, one for encryption by its
    /// `use` or `key_ops`, an unknown `alg`, a wrong length, an RSA modulus outside of 2048 to 8192 bits. So is a symmetric one,
    /// and one that comes with its private part: whoever reads the document could sign with it.
    ///
    /// # Errors
    /// [`KeySetError`], also if nothing is left.
    pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        if document.len() > LONGEST {
            return Err(KeySetError::TooLarge);
        }
        let set: Document = json_object(document).ok_or(KeySetError::Malformed)?;
        if set.keys.len() > MOST_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let keys: Vec<Key> = set.keys.into_iter().filter_map(Key::usable).collect();
        if keys.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(Self(keys)) }
    }

    /// The keys that may have signed with `algorithm`: those named `kid`, or, for a token that names none, all of them.
    ///
    /// There can be several: during a rotation, or where a provider gives keys of two algorithms one name.
    pub fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(move |key| {
            key.algorithms.contains(&algorithm) && (kid.is_none() || key.kid.as_deref() == kid)
        })
    }

    /// All keys, in the order of the document.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }
}

impl Key {
    /// The name of the key (RFC 7517 section 4.5).
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The algorithms that the key may be used with: what `alg` says, or all that its type allows (RFC 7517 section 4.4).
    #[must_use]
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// Whether `signature` is this key's, over `input`, with `algorithm`.
    pub(crate) fn has_signed(&self, algorithm: Algorithm, input: &[u8], signature: &[u8]) -> bool {
        let ready =
            self.algorithms.iter().position(|one| *one == algorithm).and_then(|at| self.ready.get(at));
        ready.is_some_and(|key| key.verify_sig(input, signature).is_ok())
    }

    fn usable(jwk: Value) -> Option<Self> {
        if !jwk.is_object() || PRIVATE.iter().any(|member| jwk.get(member).is_some()) {
            return None;
        }
        let jwk: Jwk = serde_json::from_value(jwk).ok()?;
        let for_signatures = jwk.usage.as_deref().is_none_or(|usage| usage == "sig")
            && jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        let (fitting, material) = jwk.material().filter(|_| for_signatures)?;
        let algorithms = match jwk.alg {
            None => fitting.to_vec(),
            Some(alg) => vec![Algorithm::parse(&alg).ok().filter(|alg| fitting.contains(alg))?],
        };
        let ready = algorithms.iter().map(|algorithm| material.ready(*algorithm)).collect::<Option<_>>()?;
        Some(Self { kid: jwk.kid, algorithms, ready })
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Jwk {
    /// The key itself, and the algorithms of its type (RFC 7518 section 6, RFC 8037 section 2).
    fn material(&self) -> Option<(&'static [Algorithm], Material)> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("EC", Some("P-256")) => Some((&[Algorithm::Es256], self.point(32)?)),
            ("EC", Some("P-384")) => Some((&[Algorithm::Es384], self.point(48)?)),
            ("OKP", Some("Ed25519")) => {
                let x = octets(self.x.as_deref()?).filter(|x| x.len() == 32)?;
                Some((&[Algorithm::EdDsa], Material::Octets(x)))
            }
            ("RSA", None) => {
                let (n, e) = (octets(self.n.as_deref()?)?, octets(self.e.as_deref()?)?);
                let sound = (2048..=8192).contains(&bits(&n)) && is_sound_exponent(&e);
                sound.then(|| (RSA, Material::Rsa { n: number(&n).to_vec(), e: number(&e).to_vec() }))
            }
            _ => None,
        }
    }

    /// The uncompressed point of two coordinates (SEC 1 section 2.3.3), each of its full length (RFC 7518 section 6.2.1.2).
    fn point(&self, length: usize) -> Option<Material> {
        let (x, y) = (octets(self.x.as_deref()?)?, octets(self.y.as_deref()?)?);
        let full = x.len() == length && y.len() == length;
        full.then(|| Material::Octets([&[4], x.as_slice(), y.as_slice()].concat()))
    }
}

/// The numbers of a public key.
enum Material {
    /// A point, in the form of its curve.
    Octets(Vec<u8>),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

impl Material {
    /// `None` if they are no key, a point that is not on the curve for instance.
    fn ready(&self, algorithm: Algorithm) -> Option<ParsedPublicKey> {
        match (self, algorithm.of_library()) {
            (Self::Octets(octets), OfLibrary::Curve(curve)) => ParsedPublicKey::new(curve, octets).ok(),
            (Self::Rsa { n, e }, OfLibrary::Rsa(padding)) => {
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(padding).ok()
            }
            (Self::Octets(_), OfLibrary::Rsa(_)) | (Self::Rsa { .. }, OfLibrary::Curve(_)) => None,
        }
    }
}

fn octets(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Without the zeros before it, which some write.
fn number(octets: &[u8]) -> &[u8] {
    let zeros = octets.iter().take_while(|byte| **byte == 0).count();
    octets.get(zeros..).unwrap_or_default()
}

fn bits(octets: &[u8]) -> usize {
    let number = number(octets);
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

/// Odd, more than 1, of at most 33 bits: with the exponent 1 everything is its own signature.
fn is_sound_exponent(e: &[u8]) -> bool {
    (2..=33).contains(&bits(e)) && e.last().is_some_and(|last| last % 2 == 1)
}

const RSA: &[Algorithm] = &[
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
];
/// RFC 7518 sections 6.2.2, 6.3.2 and 6.4, RFC 8037 section 2: the members that only whoever signs may know.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
const LONGEST: usize = 64 * 1024;
const MOST_KEYS: usize = 100;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

    fn ec(more: Value) -> Value {
        let mut jwk = json!({"kty": "EC", "crv": "P-256", "x": X, "y": Y});
        jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        jwk
    }

    fn rsa(bytes: usize, first: u8, e: &str) -> Value {
        let mut n = vec![0xA5; bytes];
        n[0] = first;
        json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(n), "e": e})
    }

    fn parse(keys: &[Value]) -> Result<KeySet, KeySetError> {
        KeySet::parse(json!({"keys": keys}).to_string().as_bytes())
    }

    #[test]
    fn a_key_that_cannot_check_signatures_is_skipped() {
        for (what, jwk) in [
            ("symmetric", json!({"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"})),
            ("private", ec(json!({"d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}))),
            ("private, though null", ec(json!({"d": null}))),
            ("for encryption", ec(json!({"use": "enc"}))),
            ("for other operations", ec(json!({"key_ops": ["deriveKey"]}))),
            ("for an algorithm of another type", ec(json!({"alg": "RS256"}))),
            ("for another curve", ec(json!({"alg": "ES384"}))),
            ("for key agreement", ec(json!({"alg": "ECDH-ES"}))),
            ("for HMAC", ec(json!({"alg": "HS256"}))),
            ("of another curve", ec(json!({"crv": "secp256k1"}))),
            ("of a curve that does not fit", ec(json!({"crv": "P-384"}))),
            ("without a coordinate", json!({"kty": "EC", "crv": "P-256", "x": X})),
            ("not on the curve", ec(json!({"y": X}))),
            ("with a short coordinate", ec(json!({"y": &Y[..40]}))),
            ("with padding", ec(json!({"y": format!("{Y}=")}))),
            ("with a wrong kid", ec(json!({"kid": 7}))),
            ("Ed25519, too short", json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg"})),
            ("X25519", json!({"kty": "OKP", "crv": "X25519", "x": X})),
            ("RSA of 2040 bits", rsa(255, 0xFF, "AQAB")),
            ("RSA of 2047 bits", rsa(256, 0x7F, "AQAB")),
            ("RSA of 8200 bits", rsa(1025, 0xFF, "AQAB")),
            ("RSA with the exponent 1", rsa(256, 0xFF, "AQ")),
            ("RSA with the exponent 2", rsa(256, 0xFF, "Ag")),
            ("RSA without exponent", rsa(256, 0xFF, "")),
            ("of no type", json!({"x": X, "y": Y})),
            ("no key", json!("key")),
            ("a list", json!(["EC", null, null, null, null, "P-256", X, Y, null, null])),
        ] {
            assert_eq!(parse(std::slice::from_ref(&jwk)).unwrap_err(), KeySetError::NoUsableKey, "{what}");
            assert_eq!(parse(&[jwk, ec(json!({}))]).unwrap().iter().count(), 1, "{what}");
        }
    }

    #[test]
    fn a_key_is_for_the_algorithms_of_its_type_or_the_one_it_names() {
        for (jwk, algorithms) in [
            (ec(json!({})), &[Algorithm::Es256][..]),
            (ec(json!({"alg": "ES256", "use": "sig", "key_ops": ["verify"]})), &[Algorithm::Es256]),
            (json!({"kty": "OKP", "crv": "Ed25519", "x": X, "alg": "Ed25519"}), &[Algorithm::EdDsa]),
            (rsa(256, 0x80, "AQAB"), RSA),
            (rsa(257, 0, "Aw"), RSA),
            (rsa(1024, 0xFF, "AQAB"), RSA),
        ] {
            assert_eq!(parse(std::slice::from_ref(&jwk)).unwrap().0[0].algorithms(), algorithms, "{jwk}");
        }
        let mut bound = rsa(256, 0xFF, "AQAB");
        bound["alg"] = json!("PS256");
        assert_eq!(parse(&[bound]).unwrap().0[0].algorithms(), [Algorithm::Ps256]);
    }

    #[test]
    fn keys_are_found_by_name_and_algorithm() {
        let mut named_rsa = rsa(256, 0xFF, "AQAB");
        named_rsa["kid"] = json!("one");
        let keys =
            parse(&[ec(json!({"kid": "one"})), ec(json!({"kid": "two"})), ec(json!({})), named_rsa]).unwrap();
        let found = |kid, algorithm| keys.find(kid, algorithm).map(Key::kid).collect::<Vec<_>>();
        assert_eq!(found(Some("one"), Algorithm::Es256), [Some("one")]);
        assert_eq!(found(Some("one"), Algorithm::Rs256), [Some("one")]);
        assert_eq!(found(Some("two"), Algorithm::Rs256), [None; 0]);
        assert_eq!(found(Some("ONE"), Algorithm::Es256), [None; 0]);
        assert_eq!(found(None, Algorithm::Es256), [Some("one"), Some("two"), None]);
        assert_eq!(found(None, Algorithm::EdDsa), [None; 0]);
    }

    #[test]
    fn a_document_is_bounded_and_has_a_list_of_keys() {
        for bad in [
            "",
            "[]",
            "[[]]",
            "{}",
            "null",
            r#"{"keys":{}}"#,
            r#"{"keys":null}"#,
            r#"{"keys":[],"keys":[]}"#,
            "\u{feff}{}",
        ] {
            assert_eq!(KeySet::parse(bad.as_bytes()).unwrap_err(), KeySetError::Malformed, "{bad}");
        }
        let deep = format!(r#"{{"keys":[{}{}]}}"#, "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(KeySet::parse(deep.as_bytes()).unwrap_err(), KeySetError::Malformed);
        assert_eq!(KeySet::parse(&[b' '; LONGEST + 1]).unwrap_err(), KeySetError::TooLarge);
        assert_eq!(parse(&[]).unwrap_err(), KeySetError::NoUsableKey);
        assert!(parse(&vec![ec(json!({})); 100]).is_ok());
        assert_eq!(parse(&vec![ec(json!({})); 101]).unwrap_err(), KeySetError::TooManyKeys);
    }
}
