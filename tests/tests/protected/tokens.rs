//! Which signed tokens are good, and what somebody with another one is told.

use ambient::Clock as _;
use http::Method;
use resource_server::Jwt;
use serde_json::{Value, json};

use crate::challenge::{challenge, reason, refused};
use crate::mint::{ISSUER, NOW, OTHER_P256, P256, RSA, header, hmac_signed};
use crate::run::Run;
use crate::signed::{Signed, claims, token, token_for};

stamp!(
    auth_valid_audience_token_accepted,
    auth_wrong_or_missing_audience_token_rejected,
    auth_expired_token_rejected,
    auth_untrusted_token_rejected,
    g05_each_bad_token_is_401_with_a_challenge,
    g06_a_provider_that_is_down_is_503_and_no_challenge,
    g12_an_issuer_with_a_final_slash_works,
    g13_an_id_token_is_refused,
    rs12_scopes_are_read_from_scope_and_from_scp,
    rs12_a_new_key_is_fetched_when_a_token_names_it,
    rs12_strangers_cannot_make_the_server_fetch,
    rs12_keys_that_are_known_stay_good_while_the_provider_is_down,
    rs11_another_audience_is_accepted_where_it_is_configured_only,
    rs17_no_answer_says_anything_of_a_token,
);

async fn auth_valid_audience_token_accepted(run: Run) {
    let server = run.protected(Signed::new().protection());
    for aud in
        [json!("https://mcp.example.com/mcp"), json!(["https://api.example", "https://mcp.example.com/mcp"])]
    {
        let answer = server.with(&token(json!({ "aud": aud }))).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let said = answer.json();
        assert_eq!(said["subject"], "alice");
        assert_eq!(said["client"], "app");
        assert_eq!(said["scope"], "files:read");
    }
}

/// auth-wrong-audience-token-rejected, auth-missing-audience-token-rejected; G4, RS-11.
async fn auth_wrong_or_missing_audience_token_rejected(run: Run) {
    let server = run.protected(Signed::new().protection());
    let others = [
        json!("https://other.example/mcp"),
        json!("https://mcp.example.com"),
        json!("https://mcp.example.com/mcp/"),
        json!("https://mcp.example.com/mcp/write"),
        json!("HTTPS://mcp.example.com/mcp"),
        json!(["https://other.example/mcp"]),
        json!([]),
        Value::Null,
    ];
    for aud in others {
        let answer = server.with(&token(json!({ "aud": aud }))).await;
        refused(&answer, 401, "invalid_token");
    }
    let answer = server.with(&token(json!({ "aud": "https://other.example/mcp" }))).await;
    assert_eq!(reason(&answer), "token_audience_wrong");
    assert_eq!(server.reached(), 0);
}

async fn auth_expired_token_rejected(run: Run) {
    let world = Signed::new();
    let server = run.protected(world.protection());
    let token = token(json!({ "exp": NOW.plus(60).0 }));
    assert_eq!(server.with(&token).await.status(), 200);
    world.later(60 + 10);
    let answer = server.with(&token).await;
    refused(&answer, 401, "invalid_token");
    assert_eq!(reason(&answer), "token_expired");
    let never = self::token(json!({ "exp": null }));
    assert_eq!(reason(&server.with(&never).await), "token_claim_missing");
}

/// Signed by somebody else, or by the issuer's namesake.
async fn auth_untrusted_token_rejected(run: Run) {
    let server = run.protected(Signed::new().protection());
    let by_another_key = OTHER_P256.sign(&header("ES256", "es"), &claims(json!({})));
    let by_another_issuer = token(json!({ "iss": "https://evil.example/" }));
    for (token, why) in [(by_another_key, "token_signature_wrong"), (by_another_issuer, "token_issuer_wrong")]
    {
        let answer = server.with(&token).await;
        refused(&answer, 401, "invalid_token");
        assert_eq!(reason(&answer), why);
    }
    assert_eq!(server.reached(), 0);
}

/// Signature, issuer, audience, times, garbage: never a 500, and never let in.
async fn g05_each_bad_token_is_401_with_a_challenge(run: Run) {
    let server = run.protected(Signed::new().protection());
    let good = token(json!({}));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (head, payload) = signed.split_once('.').unwrap();
    let bad = [
        token(json!({ "exp": NOW.0 - 60 })),
        token(json!({ "nbf": NOW.0 + 60 })),
        token(json!({ "iat": NOW.0 + 60 })),
        token(json!({ "iss": "https://auth.example.com.evil.example/" })),
        token(json!({ "aud": 7 })),
        token(json!({ "exp": "soon" })),
        token(json!({ "scope": 7 })),
        token(json!({ "cnf": { "jkt": "abc" } })),
        P256.sign(&header("ES256", "nobody"), &claims(json!({}))),
        P256.sign(&json!({ "alg": "ES256", "kid": "es" }), &claims(json!({}))),
        P256.sign(
            &json!({ "alg": "ES256", "kid": "es", "typ": "at+jwt", "crit": ["x"], "x": 1 }),
            &claims(json!({})),
        ),
        P256.sign_text(&header("ES256", "es"), "[]"),
        format!("{signed}."),
        format!("{signed}.{}", &signature[..20]),
        format!("{head}.{payload}x.{signature}"),
        format!("{good}.{good}"),
        hmac_signed(&header("HS256", "es"), &claims(json!({})), &P256.public_bytes()),
        hmac_signed(&header("none", "es"), &claims(json!({})), b"x"),
        "mat_opaque".to_owned(),
        "garbage".to_owned(),
        "..".to_owned(),
    ];
    for token in bad {
        let challenge = refused(&server.with(&token).await, 401, "invalid_token");
        assert_eq!(challenge.get("scope").map(String::as_str), Some("files:read"), "{token}");
    }
    assert_eq!(server.reached(), 0);
    assert_eq!(server.with(&good).await.status(), 200);
}

/// The table of section 2G: never open, and never a 401, which would make clients throw a good token away. It also says nothing of
/// what is behind.
async fn g06_a_provider_that_is_down_is_503_and_no_challenge(run: Run) {
    let world = Signed::new();
    world.provider.set_down(true);
    let server = run.protected(world.protection());
    for _ in 0..3 {
        let answer = server.with(&token(json!({}))).await;
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers("www-authenticate"), Vec::<&str>::new());
        assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(!answer.text().contains("auth.example.com"), "{}", answer.text());
    }
    // Whoever has nothing to check is told so all the same.
    assert_eq!(server.get("/mcp", &[]).await.status(), 401);
    assert_eq!(server.reached(), 0);
    world.provider.set_down(false);
    world.later(30);
    assert_eq!(server.with(&token(json!({}))).await.status(), 200);
}

/// The issuer calls itself `https://auth.example.com/`; configured it is without the slash.
async fn g12_an_issuer_with_a_final_slash_works(run: Run) {
    assert!(ISSUER.ends_with('/'));
    for configured in ["https://auth.example.com", "https://auth.example.com/"] {
        let world = Signed::with(|verifier| verifier.jwt(Jwt::issued_by(configured)));
        let server = run.protected(world.protection());
        assert_eq!(server.with(&token(json!({}))).await.status(), 200, "{configured}");
        let other = token(json!({ "iss": "https://auth.example.com" }));
        assert_eq!(reason(&server.with(&other).await), "token_issuer_wrong", "{configured}");
    }
}

async fn g13_an_id_token_is_refused(run: Run) {
    let id_token = claims(json!({
        "aud": "app", "nonce": "n-0S6", "at_hash": "77QmUPtjPfzWtF2AnpK9RQ", "auth_time": NOW.0, "scope": null, "client_id": null,
    }));
    let for_this_server = claims(json!({ "nonce": "n-0S6", "scope": null, "client_id": null }));
    let strict = Signed::new();
    let lenient = Signed::with(|b| b.jwt(Jwt::issued_by(ISSUER).dangerously_untyped()));
    for world in [strict, lenient] {
        let server = run.protected(world.demanding(|b| b));
        for claims in [&id_token, &for_this_server] {
            let token = P256.sign(&json!({ "alg": "ES256", "kid": "es", "typ": "JWT" }), claims);
            refused(&server.with(&token).await, 401, "invalid_token");
        }
        assert_eq!(server.reached(), 0);
    }
}

async fn rs12_scopes_are_read_from_scope_and_from_scp(run: Run) {
    let server = run.protected(Signed::new().protection());
    let in_scp = |scp: Value| token(json!({ "scope": null, "scp": scp }));
    for token in [in_scp(json!(["files:write", "files:read"])), in_scp(json!("files:write files:read"))] {
        let answer = server.with(&token).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(answer.json()["scope"], "files:read files:write");
    }
    refused(&server.with(&token(json!({ "scope": null }))).await, 403, "insufficient_scope");
}

async fn rs12_a_new_key_is_fetched_when_a_token_names_it(run: Run) {
    let world = Signed::new();
    let server = run.protected(world.protection());
    assert_eq!(server.with(&token(json!({}))).await.status(), 200);
    world.provider.publish(&[P256.jwk("es"), RSA.jwk("rs")]);
    world.later(31);
    let by_new = RSA.sign(&header("RS256", "rs"), &claims(json!({})));
    assert_eq!(server.with(&by_new).await.status(), 200);
    assert_eq!(server.with(&token(json!({}))).await.status(), 200);
}

/// Anybody can write a `kid`, and an issuer. After three looks nobody knows whether a `kid` is a new one's.
async fn rs12_strangers_cannot_make_the_server_fetch(run: Run) {
    let world = Signed::new();
    let server = run.protected(world.protection());
    assert_eq!(server.with(&token(json!({}))).await.status(), 200);
    let before = world.provider.asked();
    for kid in 0..50 {
        let unknown = P256.sign(&header("ES256", &format!("key-{kid}")), &claims(json!({})));
        assert_eq!(server.with(&unknown).await.status(), if kid < 3 { 401 } else { 503 });
        let elsewhere = token(json!({ "iss": format!("https://evil-{kid}.example") }));
        assert_eq!(server.with(&elsewhere).await.status(), 401);
    }
    assert!(world.provider.asked() <= before + 3, "{before} {}", world.provider.asked());
}

async fn rs12_keys_that_are_known_stay_good_while_the_provider_is_down(run: Run) {
    let world = Signed::new();
    let server = run.protected(world.protection());
    assert_eq!(server.with(&token(json!({}))).await.status(), 200);
    world.provider.set_down(true);
    for hours in [1, 6, 12] {
        world.later(hours * 3600);
        let now = world.clock.now();
        let fresh = token(json!({ "iat": now.0, "exp": now.plus(60).0 }));
        assert_eq!(server.with(&fresh).await.status(), 200, "{hours}");
    }
    world.later(3 * 86_400);
    let later = world.clock.now();
    let fresh = token(json!({ "iat": later.0, "exp": later.plus(60).0 }));
    assert_eq!(server.with(&fresh).await.status(), 503);
}

async fn rs11_another_audience_is_accepted_where_it_is_configured_only(run: Run) {
    let world = Signed::with(|b| b.jwt(Jwt::issued_by(ISSUER).audience("api://files")));
    let server = run.protected(world.protection());
    assert_eq!(server.with(&token(json!({ "aud": "api://files" }))).await.status(), 200);
    refused(&server.with(&token(json!({}))).await, 401, "invalid_token");
}

async fn rs17_no_answer_says_anything_of_a_token(run: Run) {
    let world = Signed::new();
    let server = run.protected(world.demanding(|b| b.require("files:write")));
    let good = token(json!({ "sub": "a-secret-subject", "jti": "a-secret-id" }));
    let expired = token(json!({ "exp": NOW.0 - 60, "aud": "https://a-secret.example" }));
    for token in [good, expired, "opaque-a-secret".to_owned()] {
        let answer =
            server.send(Method::POST, "/mcp", &[("authorization", &format!("Bearer {token}"))], "").await;
        assert!(matches!(answer.status(), 401 | 403));
        let told = format!("{}{:?}", answer.text(), challenge(&answer));
        assert!(!told.contains("secret") && !told.contains(&token), "{told}");
    }
    assert_eq!(server.reached(), 0);
    assert_eq!(server.with(&token_for("files:write")).await.status(), 200);
}
