//! Keys of an issuer, and tokens signed with them.

use std::sync::LazyLock;

use ambient::Time;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::{AccessTokenRules, Algorithm, KeySet};
use oauth_types::Issuer;
use secrecy::SecretString;
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://auth.example.com/";
pub(crate) const AUDIENCE: &str = "https://mcp.example.com/mcp";
pub(crate) const NOW: Time = Time(1_795_000_000);

pub(crate) static P256: LazyLock<Signer> =
    LazyLock::new(|| Signer::Ec("P-256", EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()));
pub(crate) static OTHER_P256: LazyLock<Signer> =
    LazyLock::new(|| Signer::Ec("P-256", EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()));
pub(crate) static P384: LazyLock<Signer> =
    LazyLock::new(|| Signer::Ec("P-384", EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap()));
pub(crate) static ED25519: LazyLock<Signer> =
    LazyLock::new(|| Signer::Ed(Ed25519KeyPair::generate().unwrap()));
pub(crate) static RSA: LazyLock<Signer> =
    LazyLock::new(|| Signer::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()));

/// A private key.
pub(crate) enum Signer {
    Ec(&'static str, EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl Signer {
    /// The public key, with `kid`.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ec(curve, pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
                json!({"kty": "EC", "crv": curve, "x": text(x), "y": text(y), "kid": kid, "use": "sig"})
            }
            Self::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref()), "kid": kid})
            }
            Self::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": text(&public.n), "e": text(&public.e), "kid": kid})
            }
        }
    }

    /// What an attacker would take for an HMAC secret: the public key as it is published.
    pub(crate) fn public_bytes(&self) -> Vec<u8> {
        match self {
            Self::Ec(_, pair) => pair.public_key().as_ref().to_vec(),
            Self::Ed(pair) => pair.public_key().as_ref().to_vec(),
            Self::Rsa(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    /// The token with this header and these claims, signed by this key as `alg` of the header says.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(header, &claims.to_string())
    }

    pub(crate) fn sign_text(&self, header: &Value, claims: &str) -> String {
        let input = signing_input(header, claims);
        let message = input.as_bytes();
        let signature = match self {
            Self::Ec(_, pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding(&header["alg"]), &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
        };
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn padding(alg: &Value) -> &'static dyn RsaEncoding {
    match alg.as_str() {
        Some("RS384") => &RSA_PKCS1_SHA384,
        Some("RS512") => &RSA_PKCS1_SHA512,
        Some("PS256") => &RSA_PSS_SHA256,
        Some("PS384") => &RSA_PSS_SHA384,
        Some("PS512") => &RSA_PSS_SHA512,
        _ => &RSA_PKCS1_SHA256,
    }
}

/// The token with an HMAC of `secret`.
pub(crate) fn hmac_signed(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let input = signing_input(header, &claims.to_string());
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag))
}

pub(crate) fn signing_input(header: &Value, claims: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims))
}

pub(crate) fn header(alg: &str, kid: &str) -> Value {
    json!({"alg": alg, "kid": kid, "typ": "at+jwt"})
}

/// The claims of RFC 9068 section 2.2, all right.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "alice", "aud": AUDIENCE, "client_id": "app", "scope": "write read",
        "iat": NOW.0, "exp": NOW.plus(300).0, "jti": "t1",
    })
}

/// [`claims`] with some of them put in place of what is there; `null` takes one away.
pub(crate) fn claims_with(changes: Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

pub(crate) fn keys(jwks: &[Value]) -> KeySet {
    KeySet::parse(json!({"keys": jwks}).to_string().as_bytes()).unwrap()
}

/// All keys but [`OTHER_P256`], each under the name of its algorithm.
pub(crate) fn all_keys() -> KeySet {
    keys(&[P256.jwk("es"), P384.jwk("es384"), ED25519.jwk("ed"), RSA.jwk("rs")])
}

pub(crate) fn rules() -> AccessTokenRules {
    AccessTokenRules::new(Issuer::parse(ISSUER).unwrap(), [AUDIENCE]).unwrap()
}

pub(crate) fn every_algorithm() -> jose::Algorithms {
    use Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    [Es256, Es384, EdDsa, Rs256, Rs384, Rs512, Ps256, Ps384, Ps512]
        .into_iter()
        .fold(jose::Algorithms::default(), jose::Algorithms::and)
}

pub(crate) fn secret(token: impl Into<String>) -> SecretString {
    SecretString::from(token.into())
}
