//! What says that a token is an access token, and no other one (RFC 8725 section 3.11).

use jose::TokenError;
use serde_json::json;

use crate::mint::{P256, claims, claims_with, header, rules};
use crate::{check, untyped, with_header};

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
