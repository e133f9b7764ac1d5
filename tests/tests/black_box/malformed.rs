//! Malformed input of any kind (G21): an OAuth error in JSON or a page, 4xx, never 5xx, never a stack, and nothing changes.

use bytes::Bytes;
use http::Method;
use testkit::world::{Answer, World, request};

use crate::run::{Run, Stage};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// Where programs send forms.
const FORM_ENDPOINTS: [&str; 4] = ["/oauth/token", "/oauth/revoke", "/oauth/introspect", "/token"];

/// Where people send forms, or open pages with a query.
const PAGES: [&str; 6] =
    ["/oauth/authorize", "/authorize", "/login", "/signup", "/consent/AAAAAAAAAAAAAAAAAAAAAA", "/logout"];

const BODIES: [&[u8]; 26] = [
    b"",
    b"&",
    b"&&&===",
    b"=",
    b"=value",
    b"grant_type",
    b"grant_type=authorization_code&grant_type=authorization_code",
    b"grant_type=authorization_code&code=%",
    b"grant_type=authorization_code&code=%zz",
    b"grant_type=authorization_code&code=%ff%fe",
    b"grant_type=%00",
    b"grant_type=authorization_code&code=code_%00&client_id=x",
    b"grant_type=refresh_token&refresh_token=mrt_%F0%9F%97%9D&client_id=x",
    b"client_id=%ED%A0%80",
    b"\xff\xfe\xfd",
    b"\x00\x01\x02\x03",
    b"token=x;token=y",
    b"token=x\r\nX-Injected: 1",
    b"token[]=x&token[a]=y",
    b"{\"grant_type\":\"authorization_code\"}",
    b"<xml/>",
    b"--boundary\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\nx\r\n--boundary--",
    b"csrf=x&decision=allow&email=x&password=y&name=z",
    b"__proto__=x&constructor=y&client_id=__proto__",
    b"client_id=' OR 1=1 --&token=' OR 1=1 --&grant_type=' OR 1=1 --",
    b"client_id=../../etc/passwd&token=${jndi:ldap://x}&code={{7*7}}",
];

const DOCUMENTS: [&[u8]; 18] = [
    b"",
    b"{",
    b"}",
    b"[]",
    b"null",
    b"0",
    b"\"\"",
    b"{\"a\":",
    b"{\"redirect_uris\":null}",
    b"{\"redirect_uris\":{}}",
    b"{\"redirect_uris\":[{}]}",
    b"{\"redirect_uris\":[\"\\ud800\"]}",
    b"{\"redirect_uris\":[\"https://a.example/\"],\"client_name\":{}}",
    b"{\"email\":1,\"password\":[]}",
    b"{\"email\":\"a@b.example\",\"email\":\"c@d.example\",\"password\":\"long enough\"}",
    b"{\"name\":\"\\u0000\",\"resource_url\":\"\\u0000\"}",
    b"\xff\xfe",
    b"1e999999",
];

const HEADERS: [&str; 16] = [
    "",
    "Basic",
    "Basic ",
    "Basic !!!!",
    "Basic Og==",
    "Basic OjpA",
    "Basic YQ==",
    "Basic //79",
    "Basic YTpiOmM6ZA== trailing",
    "Bearer",
    "Bearer a b c",
    "Bearer =",
    "Bearer \"quoted\"",
    "Digest username=\"x\", realm=\"y\"",
    "bAsIc YTpi",
    ", ,",
];

fn assert_client_error(answer: &Answer, what: &str) {
    let (status, text) = (answer.status(), answer.text());
    assert!((400..500).contains(&status), "{what}: {status} {text}");
    let kind = answer.header("content-type").unwrap_or_default();
    if kind.starts_with("text/html") {
        assert!(text.starts_with("<!doctype html>"), "{what}: {text}");
    } else {
        assert!(kind == "application/json" || kind == "application/problem+json", "{what}: {kind}");
        assert!(!answer.member("error").is_empty(), "{what}: {text}");
    }
    for leak in ["panicked", "stack backtrace", ".rs:", "SQL", "sqlite", "serde", "X-Injected"] {
        assert!(!text.contains(leak), "{what}: {text}");
    }
    assert!(!answer.0.headers().contains_key("x-injected"), "{what}");
}

async fn post(world: &World, path: &str, headers: &[(&str, &str)], body: &'static [u8]) -> Answer {
    world.send(request(Method::POST, path, headers, Bytes::from_static(body))).await
}

/// G21: forms.
async fn g21_malformed_forms_are_refused_in_json_where_programs_send_them(run: Run) {
    let Stage { world, .. } = run.stage().await;
    for path in FORM_ENDPOINTS {
        for body in BODIES {
            for kind in [FORM, JSON, "multipart/form-data; boundary=boundary", "", "x"] {
                let what = format!("{path} {kind} {}", body.escape_ascii());
                let answer = post(&world, path, &[("content-type", kind)], body).await;
                assert_client_error(&answer, &what);
                assert!(answer.header("content-type") == Some(JSON), "{what}");
            }
        }
    }
}

/// G21: forms and queries of pages.
async fn g21_malformed_forms_and_queries_are_refused_by_a_page_where_people_send_them(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    for path in PAGES {
        for body in BODIES {
            let what = format!("{path} {}", body.escape_ascii());
            for browser in [&mut ada, &mut world.browser()] {
                // A log-out by whoever is not logged in has nothing to refuse.
                if path == "/logout" && browser.cookie("__Host-portcullis-k-IPvZ2U").is_none() {
                    continue;
                }
                let headers = [("content-type", FORM), ("origin", "https://as.example")];
                let answer = browser.exchange(Method::POST, path, &headers, Bytes::from_static(body)).await;
                let moves_on = answer.status() == 200 && answer.text().contains("/login?return_to=");
                if !(path.starts_with("/consent/") && moves_on) {
                    assert_client_error(&answer, &what);
                }
            }
            let query: String =
                body.iter().filter(|byte| byte.is_ascii_graphic()).map(|byte| char::from(*byte)).collect();
            let Ok(request) = http::Request::get(format!("{path}?{query}")).body(Bytes::new()) else {
                continue;
            };
            let answer = world.send(request).await;
            assert!(answer.status() < 500, "{what}: {}", answer.status());
            if path.ends_with("/authorize") {
                assert_client_error(&answer, &what);
            }
        }
    }
}

/// G21: JSON.
async fn g21_malformed_documents_are_refused(run: Run) {
    let world = run.with(|config| config.limits = false).await;
    let key = format!("Bearer {}", world.admin_key);
    for path in ["/oauth/register", "/register", "/auth/login", "/auth/signup", "/api/servers"] {
        for body in DOCUMENTS {
            for kind in [JSON, "application/json; charset=utf-16", FORM, "text/plain", ""] {
                let headers = [("content-type", kind), ("authorization", key.as_str())];
                let what = format!("{path} {kind} {}", body.escape_ascii());
                assert_client_error(&post(&world, path, &headers, body).await, &what);
            }
        }
    }
}

/// A document nested a hundred thousand deep is refused, not followed.
async fn g21_a_deeply_nested_document_is_refused(run: Run) {
    let world = run.world().await;
    let deep: Bytes = format!("{{\"redirect_uris\":{}", "[".repeat(60_000)).into();
    for path in ["/oauth/register", "/auth/login"] {
        let answer = world.send(request(Method::POST, path, &[("content-type", JSON)], deep.clone())).await;
        assert_client_error(&answer, path);
    }
}

/// G21: `Authorization` headers.
async fn g21_malformed_authorization_headers_are_refused(run: Run) {
    let Stage { world, client, .. } = run.stage().await;
    let forms = [
        ("/oauth/token", client.redeeming("code_x").to_query()),
        ("/oauth/revoke", "token=x".to_owned()),
        ("/oauth/introspect", "token=x".to_owned()),
        ("/oauth/userinfo", String::new()),
    ];
    for (path, form) in &forms {
        for value in HEADERS {
            let headers = [("content-type", FORM), ("authorization", value)];
            let answer = world.send(request(Method::POST, path, &headers, form.clone().into())).await;
            assert_client_error(&answer, &format!("{path} {value:?}"));
        }
        for bytes in [b"Basic \xff\xfe".as_slice(), b"Bearer \x80", b"\xf0\x9f\x97\x9d"] {
            let mut raw = request(Method::POST, path, &[("content-type", FORM)], form.clone().into());
            raw.headers_mut().insert("authorization", http::HeaderValue::from_bytes(bytes).unwrap());
            assert_client_error(&world.send(raw).await, &format!("{path} {bytes:?}"));
        }
        let mut raw = request(Method::POST, path, &[], form.clone().into());
        raw.headers_mut().insert("content-type", http::HeaderValue::from_bytes(b"\xff").unwrap());
        assert_client_error(&world.send(raw).await, path);
    }
}

/// G21: cookies.
async fn g21_malformed_cookies_are_nobodys_session(run: Run) {
    let Stage { world, client, .. } = run.stage().await;
    let authorize = format!("/oauth/authorize?{}", client.asking().to_query());
    for cookie in [
        "__Host-portcullis-k-IPvZ2U",
        "__Host-portcullis-k-IPvZ2U=",
        "=",
        ";;;",
        "__Host-portcullis-k-IPvZ2U=%00",
        "__Host-portcullis-k-IPvZ2U=\"ses_x\"",
        "__Host-portcullis-k-IPvZ2U=ses_x; __Host-portcullis-k-IPvZ2U=ses_y",
        "__Host-portcullis-form-k-IPvZ2U=x",
    ] {
        for path in ["/login", &authorize, "/consent/AAAAAAAAAAAAAAAAAAAAAA", "/oauth/continue/x"] {
            let answer = world.send(request(Method::GET, path, &[("cookie", cookie)], Bytes::new())).await;
            assert!(answer.status() < 500, "{path} {cookie:?}: {}", answer.status());
            assert!(!answer.text().contains("You are logged in"), "{path} {cookie:?}");
        }
    }
}

/// G21: paths that are no paths of ours, or name nothing.
async fn g21_malformed_paths_are_refused(run: Run) {
    let world = run.world().await;
    let long = format!("/prm/{}", "x".repeat(8000));
    for path in [
        "/prm/%00",
        "/prm/%ff",
        "/prm/..",
        "/prm/srv_",
        "/prm/srv_AAAAAAAAAAAAAAAAAAAAAB",
        "/consent/%00",
        "/consent/",
        "/consent/AAAAAAAAAAAAAAAAAAAAAB",
        "/oauth/continue/",
        "/oauth/continue/%ff",
        "/oauth/continue/AAAAAAAAAAAAAAAAAAAAAB",
        "/api/servers/%00",
        "/api/clients/%ff",
        "/.well-known/",
        "/.well-known/oauth-authorization-server//",
        "/assets/../portcullis.css",
        "/assets/%2e%2e/x",
        "//login",
        "/login/",
        "/LOGIN",
        "*",
        &long,
    ] {
        let answer = world.send(request(Method::GET, path, &[], Bytes::new())).await;
        assert!(answer.status() < 500, "{path}: {} {}", answer.status(), answer.text());
        let refused = (400..500).contains(&answer.status());
        let asks_to_log_in =
            answer.status() == 303 && answer.header("location").unwrap().starts_with("/login?");
        assert!(refused || asks_to_log_in, "{path}: {}", answer.status());
    }
}

stamp! {
    g21_malformed_forms_are_refused_in_json_where_programs_send_them,
    g21_malformed_forms_and_queries_are_refused_by_a_page_where_people_send_them,
    g21_malformed_documents_are_refused,
    g21_a_deeply_nested_document_is_refused,
    g21_malformed_authorization_headers_are_refused,
    g21_malformed_cookies_are_nobodys_session,
    g21_malformed_paths_are_refused,
}
