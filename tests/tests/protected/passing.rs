//! What the server behind a protection gets to see.

use crate::run::Run;
use crate::signed::{Signed, token_for};

stamp!(
    rs13_the_token_does_not_go_further,
    rs13_the_token_goes_further_where_somebody_wants_it,
    rs13_a_protection_within_another_checks_the_same_token,
    a_handler_before_which_nothing_stands_is_500_and_knows_nobody,
    rs16_the_caller_is_known_by_issuer_and_subject,
);

/// MCP forbids to pass a client's token on: what has none cannot.
async fn rs13_the_token_does_not_go_further(run: Run) {
    let server = run.protected(Signed::new().protection());
    let answer = server.with(&token_for("files:read")).await;
    assert_eq!(answer.json()["authorization"], serde_json::Value::Null);
}

async fn rs13_the_token_goes_further_where_somebody_wants_it(run: Run) {
    let keeping = |b: resource_server::ProtectionBuilder| b.keep_authorization_header();
    let server = run.protected(Signed::new().demanding(keeping));
    let token = token_for("files:read files:write");
    let seen = server.with(&token).await.json()["authorization"].clone();
    assert_eq!(seen, format!("Bearer {token}"));
}

/// Two protections, one token: the first takes it out, and the second still has it to check.
async fn rs13_a_protection_within_another_checks_the_same_token(run: Run) {
    let server = run.protected(Signed::new().protection());
    let authorization = format!("Bearer {}", token_for("files:read files:write"));
    let answer = server.get("/mcp/write", &[("authorization", &authorization)]).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.json()["subject"], "alice");
    assert_eq!(answer.json()["authorization"], serde_json::Value::Null);
}

/// It is the fault of whoever wrote the server, and must not look like one of the client's.
async fn a_handler_before_which_nothing_stands_is_500_and_knows_nobody(run: Run) {
    let server = run.protected(Signed::new().protection());
    let authorization = format!("Bearer {}", token_for("files:read"));
    for headers in [&[][..], &[("authorization", authorization.as_str())]] {
        for path in ["/open", "/open/maybe"] {
            let answer = server.get(path, headers).await;
            assert_eq!(answer.status(), 500, "{path}");
            assert_eq!(answer.headers("www-authenticate"), Vec::<&str>::new());
        }
    }
}

/// State is bound to who calls, and who calls comes with each request (BC-9): `<issuer, subject>` and not an e-mail address.
async fn rs16_the_caller_is_known_by_issuer_and_subject(run: Run) {
    let server = run.protected(Signed::new().protection());
    let authorization = format!("Bearer {}", token_for("files:read"));
    for session in ["1868a90c", "of somebody else"] {
        let headers = [("authorization", authorization.as_str()), ("mcp-session-id", session)];
        let said = server.get("/mcp", &headers).await.json();
        assert_eq!((&said["issuer"], &said["subject"]), (&crate::mint::ISSUER.into(), &"alice".into()));
    }
}
