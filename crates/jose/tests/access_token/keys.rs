//! Which key and algorithm a signature is checked with.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::{Algorithm, Algorithms, TokenError, verify};
use serde_json::{Value, json};

use crate::mint::{
    AUDIENCE, ED25519, NOW, OTHER_P256, P256, P384, RSA, Signer, claims, claims_with, every_algorithm,
    header, hmac_signed, keys, rules, secret, signing_input,
};
use crate::{check, with_header};

/// T4: the allow-list may mix families.
#[test]
fn each_algorithm_of_the_allow_list_verifies_and_no_other() {
    let signers: [(&Signer, &str, &[&str]); 4] = [
        (&P256, "es", &["ES256"]),
        (&P384, "es384", &["ES384"]),
        (&ED25519, "ed", &["EdDSA", "Ed25519"]),
        (&RSA, "rs", &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
    ];
    for (signer, kid, names) in signers {
        for name in names {
            let token = signer.sign(&header(name, kid), &claims());
            let all = rules().with_algorithms(every_algorithm());
            assert_eq!(check(&token, &all).map(|token| token.audience), Ok(AUDIENCE.to_owned()), "{name}");
            let one = if *name == "ES256" { Algorithm::EdDsa } else { Algorithm::Es256 };
            let other = rules().with_algorithms(Algorithms::only(one));
            assert_eq!(check(&token, &other), Err(TokenError::AlgorithmNotAllowed), "{name}");
        }
    }
}

/// RFC 8725 section 2.1: the public key is public, and must not become an HMAC secret.
#[test]
fn an_hmac_with_the_public_key_is_refused() {
    for (signer, kid) in [(&*P256, "es"), (&*ED25519, "ed"), (&*RSA, "rs")] {
        for secret in [signer.public_bytes(), signer.jwk(kid).to_string().into_bytes()] {
            let token = hmac_signed(&header("HS256", kid), &claims(), &secret);
            let all = rules().with_algorithms(every_algorithm());
            assert_eq!(check(&token, &all), Err(TokenError::AlgorithmNotAllowed));
            // The same under a name that is allowed.
            let alg = if kid == "rs" {
                "RS256"
            } else if kid == "ed" {
                "EdDSA"
            } else {
                "ES256"
            };
            let token = hmac_signed(&header(alg, kid), &claims(), &secret);
            assert_eq!(check(&token, &all), Err(TokenError::SignatureWrong));
        }
    }
}

#[test]
fn a_token_without_a_signature_is_refused() {
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let token = format!("{}.", signing_input(&header(alg, "es"), &claims().to_string()));
        assert_eq!(check(&token, &rules()), Err(TokenError::AlgorithmNotAllowed), "{alg}");
    }
    let token = format!("{}.", signing_input(&header("ES256", "es"), &claims().to_string()));
    assert_eq!(check(&token, &rules()), Err(TokenError::SignatureWrong));
    let zeros = URL_SAFE_NO_PAD.encode([0; 64]);
    assert_eq!(check(&format!("{token}{zeros}"), &rules()), Err(TokenError::SignatureWrong));
}

/// A key is used with the algorithms of its type, whatever the token says.
#[test]
fn a_key_of_another_type_is_no_key_for_the_token() {
    let all = rules().with_algorithms(every_algorithm());
    for (signer, alg, kid) in [
        (&*P256, "RS256", "es"),
        (&*RSA, "ES256", "rs"),
        (&*P256, "ES256", "rs"),
        (&*P256, "ES384", "es"),
        (&*ED25519, "ES256", "ed"),
    ] {
        let token = signer.sign(&header(alg, kid), &claims());
        assert_eq!(
            check(&token, &all),
            Err(TokenError::UnknownKey { kid: Some(kid.to_owned()) }),
            "{alg} {kid}"
        );
    }
    // PS256 in the header over a signature of RS256, with a key that may do both.
    let rs = RSA.sign(&header("RS256", "rs"), &claims());
    let (_, signature) = rs.rsplit_once('.').unwrap();
    let token = format!("{}.{signature}", signing_input(&header("PS256", "rs"), &claims().to_string()));
    assert_eq!(check(&token, &all), Err(TokenError::SignatureWrong));
}

#[test]
fn a_key_for_another_use_or_algorithm_is_no_key_for_the_token() {
    let token = secret(RSA.sign(&header("RS256", "rs"), &claims()));
    for (member, value) in [("use", json!("enc")), ("key_ops", json!(["wrapKey"])), ("alg", json!("RS512"))] {
        let mut jwk = RSA.jwk("rs");
        jwk[member] = value;
        let set = keys(&[jwk, P256.jwk("es")]);
        let rejection = TokenError::UnknownKey { kid: Some("rs".to_owned()) };
        assert_eq!(verify(&token, &set, &rules(), NOW), Err(rejection), "{member}");
    }
}

#[test]
fn the_key_is_found_by_its_name() {
    let unknown = |kid: Option<&str>| Err(TokenError::UnknownKey { kid: kid.map(str::to_owned) });
    assert_eq!(with_header(&header("ES256", "new")), unknown(Some("new")));
    assert_eq!(with_header(&header("ES256", "ES")), unknown(Some("ES")));
    assert_eq!(with_header(&header("ES256", "")), unknown(Some("")));
    let by_another = OTHER_P256.sign(&header("ES256", "es"), &claims());
    assert_eq!(check(&by_another, &rules()), Err(TokenError::SignatureWrong));
}

#[test]
fn a_token_that_names_no_key_is_tried_with_those_that_fit() {
    let nameless = json!({"alg": "ES256", "typ": "at+jwt"});
    let set = keys(&[P384.jwk("a"), OTHER_P256.jwk("b"), P256.jwk("c")]);
    let token = secret(P256.sign(&nameless, &claims()));
    assert!(verify(&token, &set, &rules(), NOW).is_ok());
    // Without a name nobody can tell a key that is new from a signature that is wrong.
    let set = keys(&[OTHER_P256.jwk("b")]);
    assert_eq!(verify(&token, &set, &rules(), NOW), Err(TokenError::UnknownKey { kid: None }));
    // A large set must not be made to work for anybody.
    let many: Vec<Value> = (0..99).map(|_| OTHER_P256.jwk("b")).chain([P256.jwk("c")]).collect();
    assert_eq!(verify(&token, &keys(&many), &rules(), NOW), Err(TokenError::UnknownKey { kid: None }));
}

#[test]
fn of_two_keys_with_one_name_either_may_have_signed() {
    for set in [
        [P256.jwk("k"), OTHER_P256.jwk("k")],
        [OTHER_P256.jwk("k"), P256.jwk("k")],
        [RSA.jwk("k"), P256.jwk("k")],
    ] {
        let token = secret(P256.sign(&header("ES256", "k"), &claims()));
        assert!(verify(&token, &keys(&set), &rules(), NOW).is_ok(), "{set:?}");
    }
    let set = keys(&[RSA.jwk("k"), OTHER_P256.jwk("k")]);
    let token = secret(P256.sign(&header("ES256", "k"), &claims()));
    assert_eq!(verify(&token, &set, &rules(), NOW), Err(TokenError::SignatureWrong));
}

/// RFC 8725 section 3.10: what the sender brings along is the sender's.
#[test]
fn a_key_in_the_header_is_not_used() {
    for (member, value) in [
        ("jwk", OTHER_P256.jwk("mine")),
        ("jku", json!("https://evil.example/keys")),
        ("x5u", json!("https://evil.example/chain")),
        ("x5c", json!(["AAAA"])),
    ] {
        let mut header = header("ES256", "mine");
        header[member] = value;
        let token = OTHER_P256.sign(&header, &claims());
        let rejection = TokenError::UnknownKey { kid: Some("mine".to_owned()) };
        assert_eq!(check(&token, &rules()), Err(rejection), "{member}");
    }
}

/// The keys of one issuer sign for that issuer alone.
#[test]
fn a_token_of_another_issuer_with_a_key_that_is_ours_is_refused() {
    let token =
        P256.sign(&header("ES256", "es"), &claims_with(json!({"iss": "https://tenant.example.com/"})));
    assert_eq!(check(&token, &rules()), Err(TokenError::IssuerWrong));
}
