//! Who may be called by scripts of other origins (AS-9, RS-19).

use bytes::Bytes;
use http::{Method, header};
use testkit::world::{Params, request};

use crate::run::{Run, Stage};

const SCRIPT: &str = "https://inspector.example";

const FOR_PROGRAMS: [(&str, &str); 9] = [
    ("/.well-known/oauth-authorization-server", "GET"),
    ("/.well-known/openid-configuration", "GET"),
    ("/oauth/token", "POST"),
    ("/token", "POST"),
    ("/oauth/register", "POST"),
    ("/register", "POST"),
    ("/oauth/revoke", "POST"),
    ("/oauth/introspect", "POST"),
    ("/oauth/userinfo", "GET"),
];

const FOR_PEOPLE: [&str; 14] = [
    "/oauth/authorize",
    "/authorize",
    "/oauth/continue/AAAAAAAAAAAAAAAAAAAAAA",
    "/login",
    "/signup",
    "/logout",
    "/consent/AAAAAAAAAAAAAAAAAAAAAA",
    "/auth/login",
    "/auth/signup",
    "/auth/logout",
    "/api/servers",
    "/api/clients/x",
    "/ready",
    "/",
];

fn preflight(path: &str, method: &str) -> http::Request<Bytes> {
    let headers = [
        ("origin", SCRIPT),
        ("access-control-request-method", method),
        ("access-control-request-headers", "authorization,content-type,mcp-protocol-version"),
    ];
    request(Method::OPTIONS, path, &headers, Bytes::new())
}

/// AS-9: a preflight needs no credentials, and MCP's headers may be sent.
async fn as09_a_preflight_of_what_programs_call_is_answered_without_credentials(run: Run) {
    let Stage { world, server, .. } = run.stage().await;
    let prm = format!("/prm/{}", server.id);
    for (path, method) in FOR_PROGRAMS.into_iter().chain([(prm.as_str(), "GET")]) {
        let answer = world.send(preflight(path, method)).await;
        assert_eq!(
            (answer.status(), answer.header("access-control-allow-origin")),
            (204, Some("*")),
            "{path}"
        );
        let methods = answer.header("access-control-allow-methods").unwrap();
        assert!(methods.split(", ").any(|one| one == method), "{path}: {methods}");
        let headers = answer.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
        for wanted in ["authorization", "content-type", "mcp-protocol-version"] {
            assert!(headers.split(", ").any(|one| one == wanted), "{path}: {headers}");
        }
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{path}");
        assert!(answer.0.body().is_empty(), "{path}");
    }
}

/// RS-19: the answers can be read, challenges included, errors included.
async fn rs19_what_programs_call_can_be_read_by_scripts_with_its_challenge(run: Run) {
    let Stage { world, server, .. } = run.stage().await;
    let prm = format!("/prm/{}", server.id);
    for (path, method) in FOR_PROGRAMS.into_iter().chain([(prm.as_str(), "GET")]) {
        for method in [method.parse().unwrap(), Method::PUT] {
            let answer = world.send(request(method, path, &[("origin", SCRIPT)], Bytes::new())).await;
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
            let exposed = answer.header("access-control-expose-headers").unwrap();
            assert!(exposed.contains("WWW-Authenticate"), "{path}: {exposed}");
            assert_eq!(answer.header("access-control-allow-credentials"), None, "{path}");
        }
    }
    let challenged = world.get("/oauth/userinfo").await;
    assert!(challenged.header(header::WWW_AUTHENTICATE.as_str()).is_some());
    assert_eq!(challenged.header("access-control-allow-origin"), Some("*"));
}

/// AS-9: what people open cannot be called, nor read, from elsewhere.
async fn as09_what_people_open_and_the_administration_has_no_cors(run: Run) {
    let world = run.world().await;
    for path in FOR_PEOPLE {
        let preflight = world.send(preflight(path, "POST")).await;
        assert!(matches!(preflight.status(), 401 | 405), "{path}: {}", preflight.status());
        let got = world.send(request(Method::GET, path, &[("origin", SCRIPT)], Bytes::new())).await;
        let form = [("origin", SCRIPT), ("content-type", "application/x-www-form-urlencoded")];
        let posted =
            world.send(request(Method::POST, path, &form, Params::default().to_query().into())).await;
        for answer in [preflight, got, posted] {
            let allows = answer.0.headers().keys().find(|name| name.as_str().starts_with("access-control"));
            assert_eq!(allows, None, "{path}");
        }
    }
}

stamp! {
    as09_a_preflight_of_what_programs_call_is_answered_without_credentials,
    rs19_what_programs_call_can_be_read_by_scripts_with_its_challenge,
    as09_what_people_open_and_the_administration_has_no_cors,
}
