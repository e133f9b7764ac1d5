//! Opaque tokens, asked about by introspection (RFC 7662) and userinfo.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http_io::FetchError;
use jose::Rejection as Claims;
use resource_server::{Fault, Introspection, Invalid, Rejection, Unavailable, Verified, Verifier};
use serde_json::{Value, json};

use super::{DOWN, ISSUER, NOW, RESOURCE, World, claims_fault, secret, unavailable, verify};

fn yes(changes: Value) -> Value {
    let mut answer = json!({
        "active": true, "iss": ISSUER, "sub": "alice", "aud": RESOURCE, "client_id": "app",
        "scope": "mcp:tools", "exp": NOW.plus(3600).0, "iat": NOW.0, "token_type": "Bearer",
    });
    for (name, value) in changes.as_object().unwrap() {
        answer[name] = value.clone();
    }
    answer
}

struct Opaque(World);

impl Opaque {
    fn saying(answer: Value) -> Self {
        let world = World::new();
        world.net.answers(&world.provider.introspection_url(), answer);
        Self(world)
    }

    fn verifier(&self) -> Verifier {
        self.0.builder().portcullis(ISSUER, secret("sak_key")).build().unwrap()
    }

    fn url(&self) -> String {
        self.0.provider.introspection_url()
    }

    fn calls(&self) -> usize {
        self.0.net.calls(&self.url())
    }
}

async fn answer_to(answer: Value) -> Result<Arc<Verified>, Rejection> {
    verify(&Opaque::saying(answer).verifier(), &secret("mat_1")).await
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
    verify(&opaque.verifier(), &secret("mat_a+b/c=")).await.unwrap();
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
        (json!({"aud": null}), Claims::ClaimMissing { claim: "aud" }),
        (json!({"aud": "https://other.example.com/mcp"}), Claims::AudienceWrong),
        (json!({"aud": []}), Claims::AudienceWrong),
        (json!({"aud": "https://mcp.example.com/mcp/"}), Claims::AudienceWrong),
        (json!({"exp": NOW.0}), Claims::Expired),
        (json!({"exp": "soon"}), Claims::ClaimMalformed { claim: "exp" }),
        (json!({"nbf": NOW.plus(6).0}), Claims::NotYetValid),
        (json!({"iat": NOW.plus(6).0}), Claims::NotYetValid),
        (json!({"iss": "https://other.example.com"}), Claims::IssuerWrong),
        (json!({"iss": format!("{ISSUER}/")}), Claims::IssuerWrong),
        (json!({"token_type": "DPoP"}), Claims::SenderConstrained),
        (json!({"cnf": {"x5t#S256": "x"}}), Claims::SenderConstrained),
        (json!({"token_use": "id"}), Claims::IdToken),
        (json!({"typ": "Refresh"}), Claims::TypeNotAllowed),
        (json!({"token_type": "refresh_token"}), Claims::TypeNotAllowed),
        (json!({"scope": 7}), Claims::ClaimMalformed { claim: "scope" }),
    ] {
        assert_eq!(answer_to(yes(changes.clone())).await, Err(claims_fault(rejection)), "{changes}");
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
        let fault = unavailable(verify(&opaque.verifier(), &secret("mat_1")).await);
        assert_eq!(fault, Unavailable::Asking { url: opaque.url(), fault: Fault::Status(status) });
    }
    for fetch in [DOWN, FetchError::TimedOut, FetchError::TooLarge, FetchError::Malformed] {
        let opaque = Opaque::saying(json!({}));
        opaque.0.net.fails(&opaque.url(), fetch);
        let fault = unavailable(verify(&opaque.verifier(), &secret("mat_1")).await);
        assert_eq!(fault, Unavailable::Asking { url: opaque.url(), fault: Fault::Fetch(fetch) });
    }
}

/// The key is this server's fault, and never the token's.
#[tokio::test]
async fn a_refused_key_is_unavailable() {
    for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
        let opaque = Opaque::saying(json!({}));
        opaque.0.net.answers_status(&opaque.url(), status);
        let fault = unavailable(verify(&opaque.verifier(), &secret("mat_1")).await);
        assert_eq!(fault, Unavailable::KeyRefused { url: opaque.url() });
    }
}

/// WB-4: what a revocation takes to be heard of is bounded, and by the expiry, too.
#[tokio::test]
async fn a_good_token_is_remembered_for_10_seconds_and_never_beyond_its_expiry() {
    let opaque = Opaque::saying(yes(json!({})));
    let verifier = opaque.verifier();
    verify(&verifier, &secret("mat_1")).await.unwrap();
    opaque.0.net.answers(&opaque.url(), json!({"active": false}));
    opaque.0.clock.advance(9);
    verify(&verifier, &secret("mat_1")).await.unwrap();
    assert_eq!(opaque.calls(), 1);
    opaque.0.clock.advance(1);
    assert!(verify(&verifier, &secret("mat_1")).await.is_err());

    let opaque = Opaque::saying(yes(json!({"exp": NOW.plus(3).0})));
    let verifier = opaque.verifier();
    opaque.0.clock.advance(2);
    verify(&verifier, &secret("mat_1")).await.unwrap();
    opaque.0.clock.advance(1);
    let late = verify(&verifier, &secret("mat_1")).await;
    assert_eq!(late, Err(claims_fault(Claims::Expired)));
    assert_eq!(opaque.calls(), 2);
}

#[tokio::test]
async fn a_good_token_is_remembered_for_as_long_as_is_configured() {
    for (seconds, calls) in [(0, 3), (60, 1)] {
        let opaque = Opaque::saying(yes(json!({})));
        let builder = opaque.0.builder().portcullis(ISSUER, secret("sak_key"));
        let verifier = builder.remember(Duration::from_secs(seconds)).build().unwrap();
        for _ in 0..3 {
            verify(&verifier, &secret("mat_1")).await.unwrap();
            opaque.0.clock.advance(15);
        }
        assert_eq!(opaque.calls(), calls);
    }
}

#[tokio::test]
async fn refusals_are_remembered_for_5_seconds_and_faults_for_1() {
    let opaque = Opaque::saying(json!({"active": false}));
    let verifier = opaque.verifier();
    for _ in 0..3 {
        assert!(verify(&verifier, &secret("mat_1")).await.is_err());
    }
    opaque.0.clock.advance(4);
    assert!(verify(&verifier, &secret("mat_1")).await.is_err());
    assert_eq!(opaque.calls(), 1);
    opaque.0.clock.advance(1);
    opaque.0.net.answers_status(&opaque.url(), StatusCode::BAD_GATEWAY);
    unavailable(verify(&verifier, &secret("mat_1")).await);
    unavailable(verify(&verifier, &secret("mat_1")).await);
    assert_eq!(opaque.calls(), 2);
    opaque.0.clock.advance(1);
    opaque.0.net.answers(&opaque.url(), yes(json!({})));
    assert!(verify(&verifier, &secret("mat_1")).await.is_ok());
}

/// A clock that is put back does not make an answer last.
#[tokio::test]
async fn what_is_remembered_from_the_future_is_asked_anew() {
    let opaque = Opaque::saying(yes(json!({})));
    let verifier = opaque.verifier();
    verify(&verifier, &secret("mat_1")).await.unwrap();
    opaque.0.clock.advance(-1);
    verify(&verifier, &secret("mat_1")).await.unwrap();
    assert_eq!(opaque.calls(), 2);
}

#[tokio::test]
async fn each_token_is_remembered_by_itself() {
    let opaque = Opaque::saying(yes(json!({})));
    opaque.0.net.answers_by(&opaque.url(), |request| {
        let good = request.body().starts_with(b"token=mat_good&");
        let body = if good { yes(json!({})) } else { json!({"active": false}) };
        testkit::scripted::json_answer(StatusCode::OK, body.to_string())
    });
    let verifier = opaque.verifier();
    for (token, good) in [("mat_good", true), ("mat_goo", false), ("mat_goodd", false), ("mat_good", true)] {
        assert_eq!(verify(&verifier, &secret(token)).await.is_ok(), good, "{token}");
    }
    assert_eq!(opaque.calls(), 3);
}

/// Anybody can send any number of texts.
#[tokio::test]
async fn what_is_remembered_is_bounded_and_what_is_used_stays() {
    let opaque = Opaque::saying(json!({}));
    opaque.0.net.answers_by(&opaque.url(), |request| {
        let good = request.body().starts_with(b"token=mat_good&");
        let body = if good { yes(json!({})) } else { json!({"active": false}) };
        testkit::scripted::json_answer(StatusCode::OK, body.to_string())
    });
    let verifier = opaque.verifier();
    for _ in 0..3 {
        verify(&verifier, &secret("mat_good")).await.unwrap();
    }
    for number in 0..12_000 {
        assert!(verify(&verifier, &secret(&format!("mat_{number}"))).await.is_err());
        if number % 500 == 0 {
            verify(&verifier, &secret("mat_good")).await.unwrap();
        }
    }
    assert_eq!(opaque.calls(), 12_001, "the good token was never asked about again");
    for number in 0..12_000 {
        assert!(verify(&verifier, &secret(&format!("mat_{number}"))).await.is_err());
    }
    assert!(opaque.calls() > 12_001 + 1_900, "some were forgotten: {}", opaque.calls());
}

/// Whoever asks first may hang up: the others get the answer all the same, and it is asked for once.
#[tokio::test]
async fn who_waits_for_one_token_shares_one_call() {
    let opaque = Opaque::saying(yes(json!({})));
    let verifier = opaque.verifier();
    verify(&verifier, &secret("mat_warm")).await.unwrap();
    opaque.0.net.hangs(&opaque.url());
    let ask = || {
        let verifier = verifier.clone();
        tokio::spawn(async move { verify(&verifier, &secret("mat_1")).await })
    };
    let first = ask();
    opaque.0.net.asked_times(&opaque.url(), 2).await;
    let others: Vec<_> = (0..10).map(|_| ask()).collect();
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    opaque.0.net.let_go(&opaque.url());
    for other in others {
        tokio::time::timeout(Duration::from_secs(5), other).await.unwrap().unwrap().unwrap();
    }
    assert_eq!(opaque.calls(), 2);
}

/// Nobody waits any more: the question is given up, and the next one who asks is not stuck behind it.
#[tokio::test]
async fn a_question_that_nobody_waits_for_is_given_up() {
    let opaque = Opaque::saying(yes(json!({})));
    let verifier = opaque.verifier();
    verify(&verifier, &secret("mat_warm")).await.unwrap();
    opaque.0.net.hangs(&opaque.url());
    let alone = tokio::spawn({
        let verifier = verifier.clone();
        async move { verify(&verifier, &secret("mat_1")).await }
    });
    opaque.0.net.asked_times(&opaque.url(), 2).await;
    alone.abort();
    assert!(alone.await.unwrap_err().is_cancelled());
    opaque.0.net.let_go(&opaque.url());
    verify(&verifier, &secret("mat_1")).await.unwrap();
    assert_eq!(opaque.calls(), 3);
}

/// WB-3: a dead server costs one timeout, and not one for each token.
#[tokio::test]
async fn a_server_that_cannot_be_reached_is_not_asked_for_each_token() {
    let opaque = Opaque::saying(yes(json!({})));
    let verifier = opaque.verifier();
    verify(&verifier, &secret("mat_warm")).await.unwrap();
    opaque.0.net.fails(&opaque.url(), FetchError::TimedOut);
    for number in 0..10 {
        unavailable(verify(&verifier, &secret(&format!("mat_{number}"))).await);
    }
    assert_eq!(opaque.calls(), 2);
    verify(&verifier, &secret("mat_warm")).await.unwrap();
    opaque.0.net.answers(&opaque.url(), yes(json!({})));
    opaque.0.clock.advance(2);
    assert!(verify(&verifier, &secret("mat_10")).await.is_ok());
}

/// One token that makes a server fail does not shut out the others.
#[tokio::test]
async fn a_server_that_answers_badly_is_asked_about_the_next_token() {
    let opaque = Opaque::saying(yes(json!({})));
    opaque.0.net.answers_by(&opaque.url(), |request| {
        let bad = request.body().starts_with(b"token=mat_bad&");
        let status = if bad { StatusCode::FORBIDDEN } else { StatusCode::OK };
        testkit::scripted::json_answer(status, yes(json!({})).to_string())
    });
    let verifier = opaque.verifier();
    unavailable(verify(&verifier, &secret("mat_bad")).await);
    assert!(verify(&verifier, &secret("mat_1")).await.is_ok());
}

#[tokio::test]
async fn a_discovery_document_without_the_endpoint_says_so() {
    let opaque = Opaque::saying(yes(json!({})));
    let mut document = opaque.0.provider.document();
    document["introspection_endpoint"] = json!("http://auth.example.com/introspect");
    opaque.0.net.answers(&opaque.0.provider.discovery_url(), &document);
    let fault = unavailable(verify(&opaque.verifier(), &secret("mat_1")).await);
    assert!(
        matches!(fault, Unavailable::Asking { fault: Fault::Fetch(FetchError::Refused(_)), .. }),
        "{fault}"
    );
    document.as_object_mut().unwrap().remove("introspection_endpoint");
    opaque.0.net.answers(&opaque.0.provider.discovery_url(), document);
    let fault = unavailable(verify(&opaque.verifier(), &secret("mat_1")).await);
    assert!(matches!(fault, Unavailable::Incomplete { member: "introspection_endpoint", .. }), "{fault}");
    let fixed = Introspection::at_issuer(ISSUER).endpoint(&opaque.url()).bearer(secret("k"));
    let fixed = opaque.0.builder().introspection(fixed).build().unwrap();
    assert!(verify(&fixed, &secret("x")).await.is_ok());
}

mod userinfo {
    use super::*;

    fn saying(answer: Value) -> (World, Verifier) {
        let world = World::new();
        world.net.answers(&world.provider.userinfo_url(), answer);
        let verifier = world.builder().userinfo(ISSUER).build().unwrap();
        (world, verifier)
    }

    #[tokio::test]
    async fn userinfo_is_asked_with_the_token_itself() {
        let answer = json!({"sub": "alice", "aud": RESOURCE, "scope": "mcp:tools", "email": "a@example.com"});
        let (world, verifier) = saying(answer);
        let verified = verify(&verifier, &secret("opaque")).await.unwrap();
        assert_eq!(verified.person(), Some((ISSUER, "alice")));
        assert_eq!(verified.scopes.as_str(), "mcp:tools");
        assert_eq!((verified.expires_at, &verified.claims["email"]), (None, &json!("a@example.com")));
        let asked = world.net.asked();
        let last = &asked.last().unwrap().request;
        assert_eq!((last.method().as_str(), last.uri().to_string()), ("GET", world.provider.userinfo_url()));
        assert_eq!(last.headers()["authorization"], "Bearer opaque");
        assert!(last.headers()["authorization"].is_sensitive());
    }

    /// WB-1: without an audience a token for anybody would do.
    #[tokio::test]
    async fn userinfo_must_say_that_the_token_is_for_this_server() {
        for (aud, rejection) in [
            (json!(null), Claims::ClaimMissing { claim: "aud" }),
            (json!("https://other.example.com"), Claims::AudienceWrong),
        ] {
            let (_world, verifier) = saying(json!({"sub": "alice", "aud": aud}));
            assert_eq!(verify(&verifier, &secret("opaque")).await, Err(claims_fault(rejection)));
        }
    }

    /// WB-3: 401 alone is a definite no.
    #[tokio::test]
    async fn userinfo_refuses_a_token_by_401_alone() {
        let (world, verifier) = saying(json!({}));
        let url = world.provider.userinfo_url();
        unavailable(verify(&verifier, &secret("nameless")).await);
        world.net.answers_status(&url, StatusCode::UNAUTHORIZED);
        let refused = verify(&verifier, &secret("refused")).await;
        assert_eq!(refused, Err(Rejection::Invalid(Invalid::Inactive)));
        for status in [StatusCode::FORBIDDEN, StatusCode::BAD_GATEWAY, StatusCode::TOO_MANY_REQUESTS] {
            world.net.answers_status(&url, status);
            let fault = unavailable(verify(&verifier, &secret(status.as_str())).await);
            assert_eq!(fault, Unavailable::Asking { url: url.clone(), fault: Fault::Status(status) });
        }
    }
}
