//! What scripts in browsers may do.

use http::Method;
use resource_server::{Jwt, Protection, ProtectionBuilder, Verifier};

use crate::challenge::challenge;
use crate::mint::ISSUER;
use crate::run::Run;
use crate::signed::{Signed, token_for};

stamp!(
    rs19_a_preflight_needs_no_token,
    rs19_every_answer_can_be_read_with_its_challenge,
    rs15_a_foreign_origin_is_403_without_a_challenge,
    rs15_a_server_of_this_machine_is_for_pages_of_this_machine,
);

const PAGE: &str = "https://app.example";

async fn rs19_a_preflight_needs_no_token(run: Run) {
    let server = run.protected(Signed::new().protection());
    for method in ["POST", "GET", "DELETE"] {
        let asks = [
            ("origin", PAGE),
            ("access-control-request-method", method),
            ("access-control-request-headers", "authorization,content-type,mcp-protocol-version"),
        ];
        for path in ["/mcp", "/mcp/write", "/write"] {
            let answer = server.send(Method::OPTIONS, path, &asks, "").await;
            assert_eq!(answer.status(), 204, "{path}");
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
            assert!(answer.header("access-control-allow-methods").unwrap().contains(method));
            let allowed = answer.header("access-control-allow-headers").unwrap().to_lowercase();
            for name in [
                "authorization",
                "content-type",
                "accept",
                "mcp-protocol-version",
                "mcp-session-id",
                "last-event-id",
                "mcp-method",
                "mcp-name",
            ] {
                assert!(allowed.split(", ").any(|one| one == name), "{name} {allowed}");
            }
            assert_eq!(answer.header("access-control-max-age"), Some("86400"));
            assert_eq!(answer.header("access-control-allow-credentials"), None);
        }
    }
    assert_eq!(server.reached(), 0);
}

/// 200, 400, 401, 403, 418 and 503: a script that cannot read the challenge cannot log anybody in.
async fn rs19_every_answer_can_be_read_with_its_challenge(run: Run) {
    let world = Signed::new();
    let server = run.protected(world.protection());
    let bearer = |token: &str| format!("Bearer {token}");
    let good = bearer(&token_for("files:read"));
    let answers = [
        ("/mcp", "", 401),
        ("/mcp", "Bearer abc", 401),
        ("/mcp", "Bearer a b", 400),
        ("/mcp", &bearer(&token_for("")), 403),
        ("/mcp", &good, 200),
        ("/mcp/write", &good, 403),
        ("/mcp/caller", &good, 200),
        ("/mcp/fails", &good, 418),
    ];
    for (path, authorization, status) in answers {
        let mut headers = vec![("origin", PAGE)];
        headers.extend((!authorization.is_empty()).then_some(("authorization", authorization)));
        let answer = server.get(path, &headers).await;
        assert_eq!(answer.status(), status, "{path} {authorization}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path} {status}");
        let exposed = answer.header("access-control-expose-headers").unwrap().to_lowercase();
        for name in ["www-authenticate", "mcp-session-id"] {
            assert!(exposed.split(", ").any(|one| one == name), "{name} {exposed}");
        }
    }
    let down = Signed::new();
    down.provider.set_down(true);
    let answer =
        run.protected(down.protection()).get("/mcp", &[("origin", PAGE), ("authorization", &good)]).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

/// Before anything else, with the best of tokens, and distinct from a missing scope.
async fn rs15_a_foreign_origin_is_403_without_a_challenge(run: Run) {
    let only = |b: ProtectionBuilder| b.require("files:read").allowed_origins([PAGE]);
    let server = run.protected(Signed::new().demanding(only));
    let good = format!("Bearer {}", token_for("files:read"));
    for origin in ["https://evil.example", "https://app.example.evil.example", "http://app.example", "null"] {
        let answer = server.get("/mcp", &[("origin", origin), ("authorization", &good)]).await;
        assert_eq!(answer.status(), 403, "{origin}");
        assert_eq!(answer.headers("www-authenticate"), Vec::<&str>::new());
        assert_eq!(answer.header("access-control-allow-origin"), None);
        let asks = [("origin", origin), ("access-control-request-method", "POST")];
        let answer = server.send(Method::OPTIONS, "/mcp", &asks, "").await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
    }
    assert_eq!(server.reached(), 0);
    let answer = server.get("/mcp", &[("origin", PAGE), ("authorization", &good)]).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));
    assert!(answer.headers("vary").iter().any(|vary| vary.eq_ignore_ascii_case("origin")));
    let answer = server.get("/mcp", &[("origin", PAGE)]).await;
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));
    // What is no browser names no origin.
    assert_eq!(server.get("/mcp", &[("authorization", &good)]).await.status(), 200);
}

/// DNS rebinding: a page makes its own name resolve to this machine.
async fn rs15_a_server_of_this_machine_is_for_pages_of_this_machine(run: Run) {
    let verifier =
        Verifier::builder("http://localhost:8080/mcp").jwt(Jwt::issued_by(ISSUER)).build().unwrap();
    let server = run.protected(Protection::new(verifier));
    for origin in ["https://evil.example", "http://localhost.evil.example", "null"] {
        let answer = server.get("/mcp", &[("host", "localhost:8080"), ("origin", origin)]).await;
        assert_eq!(answer.status(), 403, "{origin}");
        assert_eq!(answer.headers("www-authenticate"), Vec::<&str>::new());
    }
    let rebound = server.get("/mcp", &[("host", "evil.example:8080")]).await;
    assert_eq!(rebound.status(), 403);
    for origin in ["http://localhost:6274", "http://127.0.0.1:6274", "http://[::1]:3000"] {
        let answer = server.get("/mcp", &[("host", "localhost:8080"), ("origin", origin)]).await;
        assert_eq!(answer.status(), 401, "{origin}");
        let metadata = "http://localhost:8080/.well-known/oauth-protected-resource/mcp";
        assert_eq!(challenge(&answer).get("resource_metadata").map(String::as_str), Some(metadata));
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    }
}
