//! What is no token, or not the one that was signed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::{KeySet, TokenError};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::mint::{AUDIENCE, ED25519, ISSUER, NOW, P256, RSA, claims, claims_with, header, rules};
use crate::{check, untyped, with_claims};

#[test]
fn the_signature_covers_the_header_and_the_claims() {
    let token = P256.sign(&header("ES256", "es"), &claims());
    let [head, _, signature]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let admin = URL_SAFE_NO_PAD.encode(claims_with(json!({"sub": "root"})).to_string());
    assert_eq!(check(&format!("{head}.{admin}.{signature}"), &rules()), Err(TokenError::SignatureWrong));
    let typed = URL_SAFE_NO_PAD.encode(json!({"alg": "ES256", "kid": "es", "typ": "AT+jwt"}).to_string());
    let body = token.split('.').nth(1).unwrap();
    assert_eq!(check(&format!("{typed}.{body}.{signature}"), &rules()), Err(TokenError::SignatureWrong));
}

#[test]
fn what_is_no_compact_jws_is_malformed() {
    let good = P256.sign(&header("ES256", "es"), &claims());
    let head = good.split('.').next().unwrap();
    let wrong_headers = [
        "[]",
        "null",
        r#"["ES256",null,null]"#,
        "{}",
        r#"{"alg":7}"#,
        r#"{"alg":"ES256","alg":"ES256"}"#,
        "{",
    ];
    let with_wrong_headers = wrong_headers.map(|text| good.replace(head, &URL_SAFE_NO_PAD.encode(text)));
    let long_kid = P256.sign(&header("ES256", &"k".repeat(513)), &claims());
    let texts = [
        String::new(),
        "..".to_owned(),
        "mat_CREcsw2h2ssSu22yAyKSCwAAAAEAAS8KjV__iSZr9mdXP5y01".to_owned(),
        good.replacen('.', "", 1),
        format!("{good}="),
        format!("{good}.{head}.{head}"),
        format!(" {good}"),
        format!("{good}\n"),
        good.replacen('.', "=.", 1),
        long_kid,
    ];
    for text in texts.into_iter().chain(with_wrong_headers) {
        assert_eq!(check(&text, &rules()), Err(TokenError::Malformed), "{text}");
    }
    for payload in ["", "null", "[]", "\"text\"", "{\"iss\":", "{} {}"] {
        let token = P256.sign_text(&header("ES256", "es"), payload);
        assert_eq!(check(&token, &rules()), Err(TokenError::Malformed), "{payload}");
    }
}

#[test]
fn huge_and_deep_tokens_are_malformed() {
    let fits = with_claims(json!({"padding": "x".repeat(11_000)}));
    assert!(fits.is_ok());
    assert_eq!(with_claims(json!({"padding": "x".repeat(13_000)})), Err(TokenError::Malformed));
    assert_eq!(check(&"x".repeat(1 << 24), &rules()), Err(TokenError::Malformed));
    assert_eq!(check(&".".repeat(16_000), &rules()), Err(TokenError::Malformed));

    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let claims = claims().to_string();
    let token = P256.sign_text(
        &header("ES256", "es"),
        &claims.replacen('{', &format!("{{\"deep\":{},", nested(5_000)), 1),
    );
    assert_eq!(check(&token, &rules()), Err(TokenError::Malformed));
    // In a header, which anybody can write, depth is not even looked at.
    let deep = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"none","deep":{}}}"#, nested(5_000)));
    assert_eq!(check(&format!("{deep}.e30."), &rules()), Err(TokenError::AlgorithmNotAllowed));
}

fn any_token() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(P256.sign(&header("ES256", "es"), &claims())),
        Just(ED25519.sign(&header("EdDSA", "ed"), &claims())),
        Just(RSA.sign(&header("RS256", "rs"), &claims())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_change_of_one_byte_of_a_valid_token_verifies(
        token in any_token(),
        at: prop::sample::Index,
        byte in "[A-Za-z0-9._=~ -]",
    ) {
        let at = at.index(token.len());
        prop_assert!(check(&token, &rules()).is_ok());
        let changed = format!("{}{byte}{}", &token[..at], &token[at + 1..]);
        prop_assert!(changed == token || check(&changed, &rules()).is_err(), "{changed}");
        for other in [format!("{}{}", &token[..at], &token[at + 1..]), format!("{}{byte}{}", &token[..at], &token[at..])] {
            prop_assert!(check(&other, &rules()).is_err(), "{other}");
        }
    }

    #[test]
    fn no_text_makes_the_check_panic(text in ".{0,200}", parts in prop::collection::vec("[A-Za-z0-9_-]{0,40}", 3)) {
        prop_assert!(check(&text, &rules()).is_err());
        prop_assert!(check(&parts.join("."), &untyped()).is_err());
    }

    #[test]
    fn no_claims_make_the_check_panic(name in "iss|aud|exp|nbf|iat|sub|scope|scp|azp|client_id|jti|cnf", value in any_json()) {
        let token = P256.sign(&header("ES256", "es"), &claims_with(json!({name: value})));
        if let Ok(token) = check(&token, &untyped()) {
            prop_assert_eq!(token.issuer.as_str(), ISSUER);
            prop_assert_eq!(token.audience.as_str(), AUDIENCE);
            prop_assert!(token.expires_at > NOW.plus(-5));
        }
    }

    #[test]
    fn no_document_makes_a_key_set_panic(value in any_json(), kty in "EC|OKP|RSA|oct", crv in "P-256|P-384|Ed25519") {
        let document = json!({"keys": [value, {"kty": kty, "crv": crv, "x": value, "y": value, "n": value, "e": value}]});
        if let Ok(keys) = KeySet::parse(document.to_string().as_bytes()) {
            prop_assert!(keys.iter().count() <= 2);
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-zA-Z0-9_-]{0,64}".prop_map(Value::from),
        Just(Value::from(AUDIENCE)),
        Just(Value::from(NOW.0 + 60)),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
