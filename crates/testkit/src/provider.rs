//! An OpenID provider with real keys, whose documents are scripted.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::scripted::Scripted;

/// A key that signs tokens.
pub struct Signer {
    kid: String,
    pair: Pair,
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

#[expect(clippy::expect_used, reason = "a test without keys cannot go on")]
impl Signer {
    /// A new key for ES256.
    #[must_use]
    pub fn es256(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        Self { kid: kid.to_owned(), pair: Pair::Es256(pair) }
    }

    /// A new key for Ed25519.
    #[must_use]
    pub fn ed25519(kid: &str) -> Self {
        Self { kid: kid.to_owned(), pair: Pair::EdDsa(Ed25519KeyPair::generate().expect("a key")) }
    }

    /// A new key of 2048 bits for RS256.
    #[must_use]
    pub fn rs256(kid: &str) -> Self {
        Self {
            kid: kid.to_owned(),
            pair: Pair::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key")),
        }
    }

    /// The public key (RFC 7517).
    #[must_use]
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Es256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y)})
            }
            Pair::EdDsa(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref())})
            }
            Pair::Rs256(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": text(&public.n), "e": text(&public.e)})
            }
        };
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(self.algorithm());
        jwk
    }

    /// A token with these claims, of the type `at+jwt`.
    #[must_use]
    pub fn token(&self, claims: &Value) -> SecretString {
        self.token_with(&json!({"alg": self.algorithm(), "kid": self.kid, "typ": "at+jwt"}), claims)
    }

    /// A token with this header and these claims.
    #[must_use]
    pub fn token_with(&self, header: &Value, claims: &Value) -> SecretString {
        let input =
            format!("{}.{}", text(header.to_string().as_bytes()), text(claims.to_string().as_bytes()));
        let message = input.as_bytes();
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Es256(pair) => pair.sign(&random, message).expect("a signature").as_ref().to_vec(),
            Pair::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("a signature");
                signature
            }
        };
        SecretString::from(format!("{input}.{}", text(&signature)))
    }

    const fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Es256(_) => "ES256",
            Pair::EdDsa(_) => "EdDSA",
            Pair::Rs256(_) => "RS256",
        }
    }
}

/// An OpenID provider whose documents a [`Scripted`] serves.
pub struct Provider {
    issuer: String,
}

impl Provider {
    /// A provider that calls itself this.
    #[must_use]
    pub fn new(issuer: &str) -> Self {
        Self { issuer: issuer.to_owned() }
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where its OpenID document is.
    #[must_use]
    pub fn discovery_url(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.base())
    }

    /// Where its keys are.
    #[must_use]
    pub fn jwks_url(&self) -> String {
        format!("{}/jwks", self.base())
    }

    /// Where it tells what a token is worth.
    #[must_use]
    pub fn introspection_url(&self) -> String {
        format!("{}/introspect", self.base())
    }

    /// Where it tells whose a token is.
    #[must_use]
    pub fn userinfo_url(&self) -> String {
        format!("{}/userinfo", self.base())
    }

    /// Its OpenID document.
    #[must_use]
    pub fn document(&self) -> Value {
        json!({
            "issuer": self.issuer,
            "authorization_endpoint": format!("{}/authorize", self.base()),
            "token_endpoint": format!("{}/token", self.base()),
            "jwks_uri": self.jwks_url(),
            "introspection_endpoint": self.introspection_url(),
            "userinfo_endpoint": self.userinfo_url(),
            "code_challenge_methods_supported": ["S256"],
        })
    }

    /// Has its document served.
    pub fn publish(&self, at: &Scripted) {
        at.answers(&self.discovery_url(), self.document());
    }

    /// Has the keys of these served, in place of those before.
    pub fn publish_keys(&self, at: &Scripted, signers: &[&Signer]) {
        let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
        at.answers(&self.jwks_url(), json!({"keys": keys}));
    }

    fn base(&self) -> &str {
        self.issuer.strip_suffix('/').unwrap_or(&self.issuer)
    }
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
