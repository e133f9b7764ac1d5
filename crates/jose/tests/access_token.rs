//! Access tokens as issuers, and as attackers, make them (RS-12, RFC 9068 section 4).

#![expect(clippy::unwrap_used, reason = "helpers of tests, which fail by a panic")]

mod mint;

use ambient::Time;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::{AccessToken, AccessTokenRules, Algorithm, Algorithms, KeySet, TokenError, TypeRule, verify};
use mint::{
    AUDIENCE, ED25519, ISSUER, NOW, OTHER_P256, P256, P384, RSA, Signer, all_keys, claims, claims_with,
    every_algorithm, header, hmac_signed, keys, rules, secret, signing_input,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn check(token: &str, rules: &AccessTokenRules) -> Result<AccessToken, TokenError> {
    verify(&secret(token), &all_keys(), rules, NOW)
}

/// A token that is right but for these claims.
fn with_claims(changes: Value) -> Result<AccessToken, TokenError> {
    check(&P256.sign(&header("ES256", "es"), &claims_with(changes)), &rules())
}

/// A token that is right but for its header.
fn with_header(header: &Value) -> Result<AccessToken, TokenError> {
    check(&P256.sign(header, &claims()), &rules())
}

fn untyped() -> AccessTokenRules {
    rules().with_type_rule(TypeRule::DangerouslyUntyped)
}

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

/// RFC 7515 section 4.1.11.
#[test]
fn a_critical_extension_is_refused() {
    for crit in [json!(["b64"]), json!(["exp"]), json!([]), json!(null), json!("b64"), json!({})] {
        let header = json!({"alg": "ES256", "kid": "es", "typ": "at+jwt", "b64": false, "crit": crit});
        assert_eq!(with_header(&header), Err(TokenError::ExtensionNotSupported));
    }
}

/// WC-5, WE-7, RFC 9068 section 4.
#[test]
fn the_type_is_at_jwt() {
    for good in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        assert!(with_header(&json!({"alg": "ES256", "kid": "es", "typ": good})).is_ok(), "{good}");
    }
    for bad in [
        json!("JWT"),
        json!("application/jwt"),
        json!(null),
        json!(""),
        json!("at+jwt "),
        json!("text/at+jwt"),
        json!("id+jwt"),
    ] {
        let header = json!({"alg": "ES256", "kid": "es", "typ": bad});
        assert_eq!(with_header(&header), Err(TokenError::TypeNotAllowed), "{bad}");
    }
    assert_eq!(with_header(&json!({"alg": "ES256", "kid": "es"})), Err(TokenError::TypeNotAllowed));
}

#[test]
fn where_the_type_is_not_required_another_one_is_refused_all_the_same() {
    for good in [json!("JWT"), json!("jwt"), json!("application/jwt"), json!(null), json!("at+jwt")] {
        let token = P256.sign(&json!({"alg": "ES256", "kid": "es", "typ": good}), &claims());
        assert!(check(&token, &untyped()).is_ok(), "{good}");
    }
    for bad in ["dpop+jwt", "logout+jwt", "oauth-id-jag+jwt", "secevent+jwt", "JWE", ""] {
        let token = P256.sign(&json!({"alg": "ES256", "kid": "es", "typ": bad}), &claims());
        assert_eq!(check(&token, &untyped()), Err(TokenError::TypeNotAllowed), "{bad}");
    }
}

/// WC-5, WE-7: an ID token has the right issuer, and with careless configuration the right audience.
#[test]
fn an_id_token_is_refused() {
    let id_header = json!({"alg": "ES256", "kid": "es", "typ": "JWT"});
    for mark in [
        json!({"scope": null, "nonce": "n"}),
        json!({"scope": null, "at_hash": "MTIzNDU2Nzg5MDEyMzQ1Ng"}),
        json!({"scope": null, "c_hash": "MTIzNDU2Nzg5MDEyMzQ1Ng"}),
        json!({"typ": "ID"}),
        json!({"token_use": "id"}),
    ] {
        let token = P256.sign(&id_header, &claims_with(mark.clone()));
        assert_eq!(check(&token, &rules()), Err(TokenError::TypeNotAllowed), "{mark}");
        assert_eq!(check(&token, &untyped()), Err(TokenError::IdToken), "{mark}");
    }
    for access in [
        json!({"nonce": "n"}),
        json!({"scope": null, "scp": ["a"], "nonce": "n"}),
        json!({"scope": null, "typ": "Bearer"}),
        json!({"scope": null, "token_use": "access"}),
        json!({"scope": null, "roles": ["Files.Read"], "azp": "app"}),
    ] {
        let token = P256.sign(&id_header, &claims_with(access.clone()));
        assert!(check(&token, &untyped()).is_ok(), "{access}");
    }
}

/// Many ID tokens have neither `nonce` nor `at_hash`: the code flow needs none.
#[test]
fn what_could_be_an_id_token_as_well_is_refused() {
    let untold = Err(TokenError::ClaimMissing { claim: "scope" });
    for either in [
        json!({"scope": null}),
        json!({"scope": null, "azp": "app", "client_id": null}),
        json!({"scope": null, "roles": ["admin"], "client_id": null}),
        json!({"scope": null, "typ": "bearer"}),
        json!({"scope": null, "token_use": "refresh"}),
    ] {
        let claims = claims_with(either.clone());
        let token = P256.sign(&json!({"alg": "ES256", "kid": "es", "typ": "JWT"}), &claims);
        assert_eq!(check(&token, &untyped()), untold, "{either}");
        let typed = P256.sign(&header("ES256", "es"), &claims);
        assert!(check(&typed, &untyped()).is_ok(), "{either}");
    }
}

/// A stranger's text must not make anybody believe that the issuer writes no types.
#[test]
fn the_type_is_not_looked_at_before_the_signature() {
    let token = P256.sign(&json!({"alg": "ES256", "kid": "es", "typ": "JWT"}), &claims());
    assert_eq!(check(&token, &rules()), Err(TokenError::TypeNotAllowed));
    let (signed, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", "A".repeat(86));
    assert_eq!(check(&forged, &rules()), Err(TokenError::SignatureWrong));
}

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

/// The keys of one issuer sign for that issuer alone.
#[test]
fn a_token_of_another_issuer_with_a_key_that_is_ours_is_refused() {
    let token =
        P256.sign(&header("ES256", "es"), &claims_with(json!({"iss": "https://tenant.example.com/"})));
    assert_eq!(check(&token, &rules()), Err(TokenError::IssuerWrong));
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
