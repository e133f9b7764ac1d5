//! What a token says, and whether that is for us and for now (RFC 9068 sections 2.2 and 4).

use ambient::Time;
use jose::{AccessTokenRules, TokenError, verify};
use serde_json::json;

use crate::mint::{AUDIENCE, ISSUER, NOW, P256, all_keys, claims, claims_with, header, rules, secret};
use crate::{check, with_claims};

#[test]
fn a_token_is_read_in_what_it_says() {
    let token = with_claims(json!({"email": "alice@example.com"})).unwrap();
    assert_eq!(token.issuer.as_str(), ISSUER);
    assert_eq!(token.subject.as_deref(), Some("alice"));
    assert_eq!(token.client_id.unwrap().as_str(), "app");
    assert_eq!(token.scope.as_str(), "read write");
    assert_eq!(token.audience, AUDIENCE);
    assert_eq!((token.expires_at, token.issued_at), (NOW.plus(300), Some(NOW)));
    assert_eq!(token.token_id.as_deref(), Some("t1"));
    assert_eq!(token.claims["email"], "alice@example.com");
    assert_eq!(token.claims["exp"], NOW.plus(300).0);
}

/// WE-3: the text decides, its final slash included.
#[test]
fn the_issuer_is_compared_as_a_text() {
    for other in [
        ISSUER.trim_end_matches('/'),
        "https://AUTH.example.com/",
        "https://evil.example/",
        "https://auth.example.com//",
    ] {
        assert_eq!(with_claims(json!({"iss": other})), Err(TokenError::IssuerWrong), "{other}");
    }
    assert_eq!(with_claims(json!({"iss": null})), Err(TokenError::ClaimMissing { claim: "iss" }));
    assert_eq!(with_claims(json!({"iss": [ISSUER]})), Err(TokenError::ClaimMalformed { claim: "iss" }));
}

/// T3, WC-1, WE-2: no `aud` is no token for us.
#[test]
fn the_audience_is_one_of_ours() {
    for good in [json!(AUDIENCE), json!([AUDIENCE]), json!(["https://other.example", AUDIENCE])] {
        assert_eq!(with_claims(json!({"aud": good})).unwrap().audience, AUDIENCE);
    }
    for other in [
        json!("https://mcp.example.com/mcp/"),
        json!("https://mcp.example.com"),
        json!(["a", "b"]),
        json!([]),
        json!(""),
    ] {
        assert_eq!(with_claims(json!({"aud": other})), Err(TokenError::AudienceWrong), "{other}");
    }
    assert_eq!(with_claims(json!({"aud": null})), Err(TokenError::ClaimMissing { claim: "aud" }));
    for malformed in [json!(7), json!([AUDIENCE, 7]), json!({"a": AUDIENCE}), json!(true)] {
        assert_eq!(with_claims(json!({"aud": malformed})), Err(TokenError::ClaimMalformed { claim: "aud" }));
    }
    let rules = AccessTokenRules::new(rules().issuer().clone(), ["api://mcp", AUDIENCE]).unwrap();
    let token = P256.sign(&header("ES256", "es"), &claims_with(json!({"aud": "api://mcp"})));
    assert_eq!(check(&token, &rules).unwrap().audience, "api://mcp");
}

/// RFC 7519 section 4.1.4: not on, and not after.
#[test]
fn a_token_is_good_before_its_end_and_the_leeway() {
    let token = secret(P256.sign(&header("ES256", "es"), &claims()));
    let end = NOW.plus(300);
    for (leeway, last) in [(0, end.plus(-1)), (5, end.plus(4)), (300, end.plus(299))] {
        let rules = rules().with_leeway(leeway).unwrap();
        assert!(verify(&token, &all_keys(), &rules, last).is_ok(), "{leeway}");
        assert_eq!(verify(&token, &all_keys(), &rules, last.plus(1)), Err(TokenError::Expired), "{leeway}");
    }
    assert_eq!(verify(&token, &all_keys(), &rules(), Time(i64::MAX)), Err(TokenError::Expired));
    assert_eq!(with_claims(json!({"exp": NOW.0 - 5})), Err(TokenError::Expired));
    assert_eq!(with_claims(json!({"exp": null})), Err(TokenError::ClaimMissing { claim: "exp" }));
}

#[test]
fn a_token_of_the_future_is_not_valid_yet() {
    for claim in ["nbf", "iat"] {
        assert!(with_claims(json!({claim: NOW.0 + 5})).is_ok(), "{claim}");
        assert_eq!(with_claims(json!({claim: NOW.0 + 6})), Err(TokenError::NotYetValid), "{claim}");
        assert_eq!(with_claims(json!({claim: u64::MAX})), Err(TokenError::NotYetValid), "{claim}");
        assert!(with_claims(json!({claim: null})).is_ok(), "{claim}");
    }
    let token = secret(P256.sign(&header("ES256", "es"), &claims()));
    assert_eq!(verify(&token, &all_keys(), &rules(), Time(i64::MIN)), Err(TokenError::NotYetValid));
}

/// T6, CVE-2026-25537: a text is no time, and must not stand for "no limit".
#[test]
fn a_time_is_a_number() {
    for claim in ["exp", "nbf", "iat"] {
        for bad in [json!("9999999999"), json!(""), json!([NOW.0 + 300]), json!({}), json!(true)] {
            assert_eq!(with_claims(json!({claim: bad})), Err(TokenError::ClaimMalformed { claim }), "{bad}");
        }
    }
    assert_eq!(with_claims(json!({"exp": 1_795_000_300.9})).unwrap().expires_at, NOW.plus(300));
    assert_eq!(with_claims(json!({"exp": 1e300})).unwrap().expires_at, Time(i64::MAX));
    for past in [json!(-1), json!(0), json!(-1e300), json!(0.5)] {
        assert_eq!(with_claims(json!({"exp": past})), Err(TokenError::Expired), "{past}");
    }
}

/// WE-9.
#[test]
fn the_scope_is_a_text_or_a_list_under_either_name() {
    for (changes, scope) in [
        (json!({"scope": "b a"}), "a b"),
        (json!({"scope": ["b", "a"]}), "a b"),
        (json!({"scope": null, "scp": ["b", "a"]}), "a b"),
        (json!({"scope": null, "scp": "b a"}), "a b"),
        (json!({"scope": "a", "scp": ["b"]}), "a"),
        (json!({"scope": "", "scp": ["b"]}), ""),
        (json!({"scope": null}), ""),
        (json!({"scope": []}), ""),
    ] {
        assert_eq!(with_claims(changes.clone()).unwrap().scope.as_str(), scope, "{changes}");
    }
    for bad in [json!(7), json!(["a", 7]), json!({"a": true}), json!("a\"b"), json!(["\u{e9}"])] {
        assert_eq!(with_claims(json!({"scope": bad})), Err(TokenError::ClaimMalformed { claim: "scope" }));
    }
}

/// WE-8: the person and the client are two things, and neither stands in for the other.
#[test]
fn the_person_and_the_client_are_kept_apart() {
    let token = with_claims(json!({"client_id": null, "azp": "web"})).unwrap();
    assert_eq!(token.client_id.unwrap().as_str(), "web");
    let token = with_claims(json!({"azp": "web"})).unwrap();
    assert_eq!(token.client_id.unwrap().as_str(), "app");
    let token = with_claims(json!({"client_id": null, "sub": null, "jti": null})).unwrap();
    assert_eq!((token.client_id, token.subject, token.token_id), (None, None, None));
    for claim in ["sub", "client_id", "jti"] {
        for bad in [json!(7), json!(""), json!(["alice"])] {
            assert_eq!(with_claims(json!({claim: bad})), Err(TokenError::ClaimMalformed { claim }), "{bad}");
        }
    }
}

/// RFC 9449 section 7.1: without its proof a bound token is a stolen one.
#[test]
fn a_token_that_is_bound_to_a_key_is_no_bearer_token() {
    for cnf in [json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}), json!({}), json!(false)] {
        assert_eq!(with_claims(json!({"cnf": cnf})), Err(TokenError::SenderConstrained));
    }
}

/// A name that is repeated counts as its last value, in what is checked and in what is handed out.
#[test]
fn a_repeated_claim_is_read_in_one_way() {
    let text = claims().to_string().replacen('{', r#"{"sub":"root","aud":"https://other.example","#, 1);
    let token = check(&P256.sign_text(&header("ES256", "es"), &text), &rules()).unwrap();
    assert_eq!((token.subject.as_deref(), &token.claims["sub"]), (Some("alice"), &json!("alice")));
}
