use std::time::Duration;

use super::*;
use crate::ErrorBody;

/// RS-6, RS-7: nobody has made an error yet.
#[tokio::test]
async fn no_credentials_are_401_without_error() {
    let protection = builder().require("mcp:tools files:read").build().unwrap();
    for method in ["GET", "POST", "DELETE", "OPTIONS"] {
        let Admission::Answer(answer) = protection.admit(&head(method, &[])).await else {
            panic!("{method}")
        };
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        let expected = [("resource_metadata", METADATA_URL), ("scope", "files:read mcp:tools")];
        assert_eq!(challenge(&answer), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let body = json(&answer);
        assert_eq!(
            (&body["jsonrpc"], &body["id"], &body["error"]["code"]),
            (&"2.0".into(), &Value::Null, &(-32001).into())
        );
        assert_eq!(body["error"]["data"], serde_json::json!({ "reason": "credentials_missing" }));
    }
}

/// RS-7, WE-1, acceptance 5 and 13: each 401, with `invalid_token`, a sentence, and where to log in.
#[tokio::test]
async fn a_bad_token_is_401_invalid_token_with_its_reason() {
    let protection = builder().require("mcp:tools").build().unwrap();
    for (token, reason, sentence) in [
        ("expired", "token_expired", "the token has expired"),
        ("forged", "token_signature_wrong", "the signature of the token is wrong"),
        ("other-issuer", "token_issuer_wrong", "the token is from an issuer that is not trusted here"),
        ("other-audience", "token_audience_wrong", "the token is for another resource"),
        ("id-token", "token_is_id_token", "this is an ID token, not an access token"),
        ("revoked", "token_inactive", "the token has expired, was revoked, or is not for this server"),
        ("garbage", "token_unrecognised", "this is no token that is accepted here"),
    ] {
        let (name, value) = bearer(token);
        let answer = refused(&protection, &[(name, &value)], "").await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{token}");
        let expected = [
            ("error", "invalid_token"),
            ("error_description", sentence),
            ("resource_metadata", METADATA_URL),
            ("scope", "mcp:tools"),
        ];
        assert_eq!(challenge(&answer), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let error = &json(&answer)["error"];
        assert_eq!(error["data"], serde_json::json!({ "error": "invalid_token", "reason": reason }));
        assert_eq!(error["message"], format!("Unauthorized: {sentence}"));
    }
}

/// RS-9: the scheme is in any case.
#[tokio::test]
async fn a_good_token_is_let_in() {
    let protection = builder().require("tools").build().unwrap();
    for value in ["Bearer good.tools", "bearer  good.tools+x", "BEARER good.tools"] {
        let caller = sent(&protection, &[("authorization", value)], "").await.unwrap().unwrap();
        assert_eq!(caller.person(), Some(("https://auth.example.com/tenant1", "somebody")));
    }
}

/// The table: another scheme, or a token in the query alone, is as if nothing was shown (RS-10).
#[tokio::test]
async fn another_scheme_and_a_token_in_the_query_are_no_credentials() {
    let protection = Protection::new(Fake::at(RESOURCE));
    for value in ["Basic YTpi", "Basic !", "DPoP good.", "Digest username=\"x\""] {
        let answer = refused(&protection, &[("authorization", value)], "").await;
        assert_eq!((answer.status(), param(&answer, "error")), (StatusCode::UNAUTHORIZED, None), "{value}");
    }
    let query = Request::post("/mcp?access_token=good.").body(()).unwrap().into_parts().0;
    let Admission::Answer(answer) = protection.admit(&query).await else { panic!() };
    assert_eq!((answer.status(), param(&answer, "error")), (StatusCode::UNAUTHORIZED, None));
}

/// The table: malformed is 400 `invalid_request`; so are two headers, of which one could be checked and the other used (WB-7).
#[tokio::test]
async fn a_malformed_authorization_is_400_invalid_request() {
    let protection = builder().require("a b").build().unwrap();
    for headers in [
        &[("authorization", "Bearer")][..],
        &[("authorization", "Bearer ")],
        &[("authorization", "")],
        &[("authorization", "Bearer a b")],
        &[("authorization", "Bearer a, Bearer b")],
        &[("authorization", "Bearer \u{e9}")],
        &[("authorization", "Bearer good."), ("authorization", "Bearer good.")],
        &[("authorization", "Basic YTpi"), ("authorization", "Bearer good.")],
    ] {
        let answer = refused(&protection, headers, "").await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{headers:?}");
        assert_eq!(param(&answer, "error").as_deref(), Some("invalid_request"));
        assert_eq!(
            param(&answer, "scope").as_deref(),
            Some("a b"),
            "what to ask for is said in each challenge"
        );
        assert_eq!(json(&answer)["error"]["data"]["reason"], "credentials_malformed");
    }
}

/// WB-3, WD-18, acceptance 6: 503, never 401, never open.
#[tokio::test]
async fn an_unreachable_authorization_server_is_503_with_no_challenge_and_no_details() {
    for protection in [
        Protection::new(Fake::at(RESOURCE)),
        builder().optional().build().unwrap(),
        builder().require_for_tool("x", "y").retry_after(Duration::from_millis(10)).build().unwrap(),
    ] {
        let answer = refused(&protection, &[("authorization", "Bearer down")], "{}").await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(!answer.headers().contains_key(header::WWW_AUTHENTICATE));
        assert!(answer.headers()[header::RETRY_AFTER].to_str().unwrap().parse::<u64>().unwrap() >= 1);
        assert!(!String::from_utf8_lossy(answer.body()).contains("internal"));
        assert_eq!(json(&answer)["error"]["data"]["error"], "temporarily_unavailable");
    }
    let patient = builder().retry_after(Duration::from_secs(90)).build().unwrap();
    let answer = refused(&patient, &[("authorization", "Bearer down")], "").await;
    assert_eq!(answer.headers()[header::RETRY_AFTER], "90");
}

/// RS-8, WB-5: all scopes of the operation in one challenge, and not what the token has besides.
#[tokio::test]
async fn a_missing_scope_is_403_with_all_scopes_of_the_operation() {
    let protection = builder().require("a").build().unwrap().requiring("b").unwrap();
    for token in ["good.", "good.a", "good.b+z"] {
        let answer = refused(&protection, &[("authorization", &format!("Bearer {token}"))], "").await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{token}");
        let expected = [
            ("error", "insufficient_scope"),
            ("error_description", "the token lacks a scope that this operation needs"),
            ("resource_metadata", METADATA_URL),
            ("scope", "a b"),
        ];
        assert_eq!(challenge(&answer), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(
            json(&answer)["error"]["data"],
            serde_json::json!({ "error": "insufficient_scope", "reason": "scope_missing" })
        );
    }
    assert!(sent(&protection, &[("authorization", "Bearer good.a+b")], "").await.is_ok());
    assert!(
        sent(&builder().require("a").build().unwrap(), &[("authorization", "Bearer good.a")], "")
            .await
            .is_ok()
    );
}

/// BC-11.
#[tokio::test]
async fn the_challenge_names_what_the_token_has_where_that_is_switched_on() {
    let protection = builder().require("b").challenge_granted_too().build().unwrap();
    let answer = refused(&protection, &[("authorization", "Bearer good.a+offline_access")], "").await;
    assert_eq!(param(&answer, "scope").as_deref(), Some("a b"));
}

/// RS-8: whoever has the broad scope has the narrow one.
#[tokio::test]
async fn a_hierarchy_of_scopes_is_honoured() {
    let protection =
        builder().require("read").implies("admin", "write").implies("write", "read").build().unwrap();
    for (token, good) in
        [("good.read", true), ("good.write", true), ("good.admin", true), ("good.other", false)]
    {
        let admitted = sent(&protection, &[("authorization", &format!("Bearer {token}"))], "").await.is_ok();
        assert_eq!(admitted, good, "{token}");
    }
}

/// RS-20, RS-19, WB-8.
#[tokio::test]
async fn no_refusal_is_stored_and_scripts_may_read_each() {
    let protection = builder().require("a").build().unwrap();
    for value in [None, Some("Bearer expired"), Some("Bearer good."), Some("Bearer"), Some("Bearer down")] {
        let headers: Vec<_> = value.into_iter().map(|value| ("authorization", value)).collect();
        let answer = refused(&protection, &headers, "").await;
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        let exposed = answer.headers()[header::ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap();
        assert!(exposed.contains("WWW-Authenticate") && exposed.contains("Mcp-Session-Id"), "{exposed}");
    }
}

#[tokio::test]
async fn the_body_can_be_that_of_oauth() {
    let protection = builder().require("a").error_body(ErrorBody::OAuth).build().unwrap();
    let answer = refused(&protection, &[("authorization", "Bearer expired")], "").await;
    let expected =
        serde_json::json!({ "error": "invalid_token", "error_description": "the token has expired" });
    assert_eq!(json(&answer), expected);
    let answer = refused(&protection, &[], "").await;
    assert_eq!(json(&answer), serde_json::json!({ "error_description": "a bearer token is required" }));
}

/// WE-14 and the sixth item of the issue: a stable code and what to check, and no address.
#[test]
fn readiness_says_what_to_check() {
    let ready = Protection::new(Fake::at(RESOURCE)).readiness();
    assert_eq!((ready.status(), json(&ready)), (StatusCode::OK, serde_json::json!({ "status": "ready" })));
    let url = || "https://internal.example/x".to_owned();
    let fault = crate::Fault::Status(StatusCode::BAD_GATEWAY);
    for missing in [
        Unavailable::Discovery { url: url(), fault },
        Unavailable::IssuerMismatch { configured: url(), found: url() },
        Unavailable::Incomplete { url: url(), member: "jwks_uri" },
        Unavailable::Keys { url: url(), fault },
        Unavailable::Asking { url: url(), fault },
        Unavailable::KeyRefused { url: url() },
        Unavailable::OwnCheck,
    ] {
        let answer =
            Protection::new(Fake { missing: missing.clone().into(), ..Fake::at(RESOURCE) }).readiness();
        let body = json(&answer);
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!((&body["status"], &body["reason"]), (&"unavailable".into(), &missing.code().into()));
        assert!(
            body["message"].as_str().unwrap().len() > 30 && !body.to_string().contains("internal"),
            "{body}"
        );
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    }
}

/// RS-6, and each fault names what a good value looks like.
#[test]
fn what_cannot_be_demanded_is_refused_when_it_is_configured() {
    for (built, part) in [
        (builder().require("a\"b").build(), "a scope token has a character that is not allowed"),
        (builder().require(" ").build(), "it is empty"),
        (builder().require("a offline_access").build(), "offline_access"),
        (builder().implies("a", "offline_access").build(), "offline_access"),
        (builder().require_for_tool("", "a").build(), "the name of a tool"),
        (builder().require_for_tool("x", "").build(), "it is empty"),
        (builder().allowed_origins(["https://a.example/"]).build(), "it is no origin"),
        (builder().build().unwrap().requiring("offline_access"), "offline_access"),
        // The first fault counts.
        (builder().require("").require("offline_access").require("a").build(), "it is empty"),
    ] {
        let fault = built.unwrap_err().to_string();
        assert!(fault.contains(part) && fault.contains("A good one looks like"), "{fault}");
    }
}

#[test]
fn a_handler_without_a_protection_before_it_is_the_fault_of_its_author() {
    assert_eq!(Protection::missing("/x").status(), StatusCode::INTERNAL_SERVER_ERROR);
}
