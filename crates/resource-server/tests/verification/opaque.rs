//! Opaque tokens, asked about by introspection (RFC 7662).

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http_io::FetchError;
use jose::TokenError;
use resource_server::{Fault, Introspection, Invalid, Rejection, Unavailable, Verified, Verifier};
use serde_json::{Value, json};

use super::{DOWN, ISSUER, NOW, RESOURCE, World, mat, secret, token_error, unavailable, verify};

pub(crate) fn yes(changes: Value) -> Value {
    let mut answer = json!({
        "active": true, "iss": ISSUER, "sub": "alice", "aud": RESOURCE, "client_id": "app",
        "scope": "mcp:tools", "exp": NOW.plus(3600).0, "iat": NOW.0, "token_type": "Bearer",
    });
    for (name, value) in changes.as_object().unwrap() {
        answer[name] = value.clone();
    }
    answer
}

pub(crate) fn is_about(request: &http::Request<bytes::Bytes>, name: &str) -> bool {
    request.body().starts_with(format!("token=mat_{name:a<72}&").as_bytes())
}

pub(crate) struct Opaque(pub(crate) World);

impl Opaque {
    pub(crate) fn saying(answer: Value) -> Self {
        let world = World::new();
        world.net.answers(&world.provider.introspection_url(), answer);
        Self(world)
    }

    pub(crate) fn verifier(&self) -> Verifier {
        self.0.builder().portcullis(ISSUER, secret("sak_key")).build().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        self.0.provider.introspection_url()
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.net.calls(&self.url())
    }
}

/// Asks by a task, which can be aborted.
pub(crate) fn asking(
    verifier: &Verifier,
    token: secrecy::SecretString,
) -> tokio::task::JoinHandle<Result<Arc<Verified>, Rejection>> {
    let verifier = verifier.clone();
    tokio::spawn(async move { verify(&verifier, &token).await })
}

async fn answer_to(answer: Value) -> Result<Arc<Verified>, Rejection> {
    verify(&Opaque::saying(answer).verifier(), &mat("1")).await
}

#[tokio::test]
async fn a_good_token_tells_who_sends_it() {
    let verified = answer_to(yes(json!({"username": "Alice", "jti": "t1"}))).await.unwrap();
    assert_eq!(verified.person(), Some((ISSUER, "alice")));
    assert_eq!(verified.client_id.as_ref().unwrap().as_str(), "app");
    assert_eq!(verified.scopes.as_str(), "mcp:tools");
    assert_eq!(verified.resource.as_str(), RESOURCE);
    assert_eq!(verified.expires_at, Some(NOW.plus(3600)));
    assert_eq!(verified.token_id.as_deref(), Some("t1"));
    assert_eq!(verified.claims["username"], "Alice");
}

/// RFC 7662 section 2.1.
#[tokio::test]
async fn the_endpoint_is_asked_by_a_form_with_the_key_of_this_server() {
    let opaque = Opaque::saying(yes(json!({})));
    let bearer = Introspection::at_issuer(ISSUER).bearer(secret("sak_key"));
    verify(&opaque.0.builder().introspection(bearer).build().unwrap(), &secret("mat_a+b/c=")).await.unwrap();
    let basic = opaque.0.builder().introspection(Introspection::at_issuer(ISSUER).basic("me", secret("a:b")));
    verify(&basic.build().unwrap(), &secret("x")).await.unwrap();
    let asked = opaque.0.net.asked();
    let posts: Vec<_> = asked.iter().filter(|one| one.request.uri() == &*opaque.url()).collect();
    let headers =
        |number: usize, name: &str| posts[number].request.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(posts[0].request.body(), "token=mat_a%2Bb%2Fc%3D&token_type_hint=access_token");
    assert_eq!(posts[0].request.method(), "POST");
    assert_eq!(headers(0, "authorization"), "Bearer sak_key");
    assert_eq!(headers(1, "authorization"), "Basic bWU6YSUzQWI=");
    assert_eq!(headers(0, "content-type"), "application/x-www-form-urlencoded");
    assert_eq!(headers(0, "accept"), "application/json");
    assert!(posts[0].request.headers()["authorization"].is_sensitive());
    assert_eq!((posts[0].limits.body, posts[0].limits.time), (64 * 1024, Duration::from_secs(5)));
}

/// RS-11, RS-12, WB-1.
#[tokio::test]
async fn an_answer_about_another_token_than_is_needed_here_is_refused() {
    for (changes, rejection) in [
        (json!({"aud": null}), TokenError::ClaimMissing { claim: "aud" }),
        (json!({"aud": "https://other.example.com/mcp"}), TokenError::AudienceWrong),
        (json!({"aud": []}), TokenError::AudienceWrong),
        (json!({"aud": "https://mcp.example.com/mcp/"}), TokenError::AudienceWrong),
        (json!({"exp": NOW.0}), TokenError::Expired),
        (json!({"exp": "soon"}), TokenError::ClaimMalformed { claim: "exp" }),
        (json!({"nbf": NOW.plus(6).0}), TokenError::NotYetValid),
        (json!({"iat": NOW.plus(6).0}), TokenError::NotYetValid),
        (json!({"iss": "https://other.example.com"}), TokenError::IssuerWrong),
        (json!({"iss": format!("{ISSUER}/")}), TokenError::IssuerWrong),
        (json!({"token_type": "DPoP"}), TokenError::SenderConstrained),
        (json!({"cnf": {"x5t#S256": "x"}}), TokenError::SenderConstrained),
        (json!({"token_use": "id"}), TokenError::IdToken),
        (json!({"typ": "Refresh"}), TokenError::TypeNotAllowed),
        (json!({"token_type": "refresh_token"}), TokenError::TypeNotAllowed),
        (json!({"scope": 7}), TokenError::ClaimMalformed { claim: "scope" }),
    ] {
        assert_eq!(answer_to(yes(changes.clone())).await, Err(token_error(rejection)), "{changes}");
    }
    for good in [
        json!({"aud": ["x", RESOURCE]}),
        json!({"exp": null, "iat": null, "iss": null, "token_type": null}),
        json!({"iat": NOW.plus(5).0}),
        json!({"scope": null, "scp": ["a"]}),
    ] {
        assert!(answer_to(yes(good.clone())).await.is_ok(), "{good}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_active_is_invalid() {
    for answer in [json!({"active": false}), json!({"active": false, "aud": RESOURCE, "sub": "x"})] {
        assert_eq!(answer_to(answer).await, Err(Rejection::Invalid(Invalid::Inactive)));
    }
}

/// WB-3, WD-18: whatever is not a definite no is 503.
#[tokio::test]
async fn what_says_nothing_of_the_token_is_unavailable() {
    for odd in [
        json!({}),
        json!({"active": "false"}),
        json!({"active": null}),
        json!([false]),
        json!(false),
        json!("no"),
    ] {
        let fault = unavailable(answer_to(odd.clone()).await);
        assert!(matches!(fault, Unavailable::Asking { fault: Fault::Document(_), .. }), "{odd}");
    }
    for status in [400, 404, 429, 500, 503, 302, 204] {
        let opaque = Opaque::saying(json!({"active": false}));
        let status = StatusCode::from_u16(status).unwrap();
        opaque.0.net.answers_status(&opaque.url(), status);
        let fault = unavailable(verify(&opaque.verifier(), &mat("1")).await);
        assert_eq!(fault, Unavailable::Asking { url: opaque.url(), fault: Fault::Status(status) });
    }
    for fetch in [DOWN, FetchError::TimedOut, FetchError::TooLarge, FetchError::Malformed] {
        let opaque = Opaque::saying(json!({}));
        opaque.0.net.fails(&opaque.url(), fetch);
        let fault = unavailable(verify(&opaque.verifier(), &mat("1")).await);
        assert_eq!(fault, Unavailable::Asking { url: opaque.url(), fault: Fault::Fetch(fetch) });
    }
}

/// The key is this server's fault, and never the token's.
#[tokio::test]
async fn a_refused_key_is_unavailable() {
    for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
        let opaque = Opaque::saying(json!({}));
        opaque.0.net.answers_status(&opaque.url(), status);
        let fault = unavailable(verify(&opaque.verifier(), &mat("1")).await);
        assert_eq!(fault, Unavailable::KeyRefused { url: opaque.url() });
    }
}

/// Anybody can send any text: what is no token of Portcullis is not asked about.
#[tokio::test]
async fn a_text_that_portcullis_has_not_issued_is_refused_here() {
    let opaque = Opaque::saying(yes(json!({})));
    let verifier = opaque.verifier();
    let good = format!("mat_{}", "-_A9".repeat(18));
    for bad in [
        "mat_".to_owned(),
        "mat_/../../etc/passwd".to_owned(),
        good[..75].to_owned(),
        format!("{good}a"),
        format!("{}=", &good[..75]),
        format!("{}+", &good[..75]),
        format!("{}\u{e9}", &good[..74]),
        good.to_uppercase(),
    ] {
        let refused = verify(&verifier, &secret(&bad)).await;
        assert_eq!(refused, Err(Rejection::Invalid(Invalid::Unrecognised)), "{bad}");
    }
    assert_eq!(opaque.0.net.asked().len(), 0);
    verify(&verifier, &secret(&good)).await.unwrap();
}

#[tokio::test]
async fn a_discovery_document_without_the_endpoint_says_so() {
    let opaque = Opaque::saying(yes(json!({})));
    let any = || {
        let any = Introspection::at_issuer(ISSUER).bearer(secret("k"));
        opaque.0.builder().introspection(any).build().unwrap()
    };
    let mut document = opaque.0.provider.document();
    document["introspection_endpoint"] = json!("http://auth.example.com/introspect");
    opaque.0.net.answers(&opaque.0.provider.discovery_url(), &document);
    let fault = unavailable(verify(&any(), &secret("x")).await);
    assert!(
        matches!(fault, Unavailable::Asking { fault: Fault::Fetch(FetchError::Refused(_)), .. }),
        "{fault}"
    );
    document.as_object_mut().unwrap().remove("introspection_endpoint");
    opaque.0.net.answers(&opaque.0.provider.discovery_url(), document);
    let fault = unavailable(verify(&any(), &secret("x")).await);
    assert!(matches!(fault, Unavailable::Incomplete { member: "introspection_endpoint", .. }), "{fault}");
    let fixed = Introspection::at_issuer(ISSUER).endpoint(&opaque.url()).bearer(secret("k"));
    let fixed = opaque.0.builder().introspection(fixed).build().unwrap();
    assert!(verify(&fixed, &secret("x")).await.is_ok());
}

/// A document that somebody tampered with must not carry the key of this server away.
#[tokio::test]
async fn the_key_for_portcullis_goes_to_the_origin_of_the_issuer_alone() {
    for (endpoint, sent) in [
        ("https://evil.example.com/introspect", false),
        ("https://auth.example.com.evil.example.com/introspect", false),
        ("https://auth.example.com:8443/introspect", false),
        ("http://auth.example.com/introspect", false),
        ("https://auth.example.com@evil.example.com/introspect", false),
        ("https://auth.example.com/elsewhere", true),
        ("https://AUTH.example.com:443/introspect", true),
    ] {
        let opaque = Opaque::saying(yes(json!({})));
        let mut document = opaque.0.provider.document();
        document["introspection_endpoint"] = json!(endpoint);
        opaque.0.net.answers(&opaque.0.provider.discovery_url(), document);
        opaque.0.net.answers(endpoint, yes(json!({})));
        let answer = verify(&opaque.verifier(), &mat("1")).await;
        let posts = opaque.0.net.asked().iter().filter(|one| one.request.method() == "POST").count();
        assert_eq!(posts, usize::from(sent), "{endpoint}");
        if !sent {
            let expected = Unavailable::Asking { url: endpoint.to_owned(), fault: Fault::Elsewhere };
            assert_eq!(unavailable(answer), expected);
        }
    }
}
