//! Signed access tokens and the keys that they are checked with.

mod reference;

use std::sync::LazyLock;

use ambient::Time;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::{AccessTokenRules, Algorithm, Algorithms, KeySet, KeySetError, TypeRule, peek, verify};
use oauth_types::Issuer;
use secrecy::SecretString;
use serde_json::{Value, json};

const ISSUER: &str = "https://auth.example.com/";
const AUDIENCES: [&str; 2] = ["https://mcp.example.com/mcp", "mcp"];
const LEEWAY: i64 = 5;
const NOW: Time = Time(1_795_000_000);

/// A key set, a token as it is, or a header and claims with a line break between them, which are signed here: nobody but the
/// issuer gets past the signature. What the rules accept the reference accepts, and the other way round.
pub fn jws(bytes: &[u8]) {
    if let Ok(keys) = KeySet::parse(bytes) {
        key_set(&keys, bytes);
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match text.split_once('\n') {
        Some((header, claims)) => {
            let parts = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
            let signature = URL_SAFE_NO_PAD.encode(SIGNER.sign(parts.as_bytes()));
            let token = format!("{parts}.{signature}");
            check(&token);
            // One byte of it changed, and nobody has signed it.
            for at in [0, header.len() / 2, parts.len() - 1, parts.len() + 1, token.len() - 1] {
                let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
                let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
                let refused = verify(&SecretString::from(changed), &KEYS, &RULES, NOW);
                assert!(refused.is_err(), "{token} at {at}");
            }
        }
        None => check(text),
    }
}

fn check(token: &str) {
    let text = SecretString::from(token);
    let peeked = peek(&text);
    for (rules, typed) in [(&RULES, true), (&UNTYPED, false)] {
        let accepted = verify(&text, &KEYS, rules, NOW);
        let expected = reference::accepted(token, typed);
        assert_eq!(accepted.is_ok(), expected.is_some(), "{token}: {accepted:?} but {expected:?}");
        let (Ok(accepted), Some(expected)) = (accepted, expected) else { continue };
        assert_eq!(accepted.claims, expected);
        assert_eq!(accepted.issuer.as_str(), ISSUER);
        assert!(AUDIENCES.contains(&accepted.audience.as_str()));
        assert!(accepted.expires_at.plus(LEEWAY) > NOW);
        assert_eq!(accepted.subject.as_deref(), expected.get("sub").and_then(Value::as_str));
        // Of a claim that is there twice it tells nothing, and never another issuer.
        let peeked = peeked.as_ref().unwrap();
        assert!(peeked.issuer.as_ref().is_none_or(|issuer| issuer == ISSUER));
        assert!(peeked.issuer.is_none() || peeked.audience.contains(&accepted.audience));
        // No other rules would take it.
        let others = RULES.clone().with_issuer(Issuer::parse("https://auth.example.com").unwrap());
        assert!(verify(&text, &KEYS, &others, NOW).is_err());
    }
}

/// Nothing that could sign is taken for a key that checks, and every key says what it is for.
fn key_set(keys: &KeySet, bytes: &[u8]) {
    let document: Value = serde_json::from_slice(bytes).unwrap();
    let all = document["keys"].as_array().unwrap();
    let public = |key: &&Value| {
        key["kty"] != "oct"
            && ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().all(|name| key.get(name).is_none())
    };
    let usable: Vec<&Value> = all.iter().filter(public).collect();
    assert!((1..=usable.len()).contains(&keys.iter().count()));
    for key in keys.iter() {
        assert!(!key.algorithms().is_empty());
        for algorithm in key.algorithms() {
            assert_eq!(Algorithm::parse(algorithm.as_str()), Ok(*algorithm));
            assert!(keys.find(key.kid(), *algorithm).count() > 0);
        }
        assert!(usable.iter().any(|one| one.get("kid").and_then(Value::as_str) == key.kid()));
    }
    let large = [bytes, &[b' '; 64 * 1024]].concat();
    assert_eq!(KeySet::parse(&large).unwrap_err(), KeySetError::TooLarge);
}

/// RFC 8037 appendix A.1: a key that everybody knows.
static SIGNER: LazyLock<Ed25519KeyPair> = LazyLock::new(|| {
    let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    Ed25519KeyPair::from_seed_unchecked(&seed).unwrap()
});

/// Beside the key that signs here, those of RFC 7515 appendix A.2 and A.3.
static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let x = URL_SAFE_NO_PAD.encode(SIGNER.public_key().as_ref());
    let keys = json!({ "keys": [
        { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": x },
        { "kty": "EC", "crv": "P-256", "kid": "es", "x": reference::ES256.0, "y": reference::ES256.1 },
        { "kty": "RSA", "kid": "rs", "n": reference::RS256, "e": "AQAB" },
    ]});
    KeySet::parse(keys.to_string().as_bytes()).unwrap()
});

static RULES: LazyLock<AccessTokenRules> = LazyLock::new(|| {
    let algorithms = Algorithms::default().and(Algorithm::Ps256);
    let rules = AccessTokenRules::new(Issuer::parse(ISSUER).unwrap(), AUDIENCES).unwrap();
    rules.with_algorithms(algorithms).with_leeway(LEEWAY).unwrap()
});

static UNTYPED: LazyLock<AccessTokenRules> =
    LazyLock::new(|| RULES.clone().with_type_rule(TypeRule::DangerouslyUntyped));
