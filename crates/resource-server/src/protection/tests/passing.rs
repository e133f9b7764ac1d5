//! A request from its head to the service behind.

use std::convert::Infallible;
use std::io::{self, Write};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use parking_lot::Mutex;

use super::*;

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete"}}"#;
const GOOD: [(&str, &str); 2] = [("authorization", "Bearer good.a+b"), ("origin", "https://page.example")];

fn protection() -> Protection {
    builder().require("a").require_for_tool("delete", "b").body_limit(100).build().unwrap()
}

type Pieces = BoxStream<'static, Result<Bytes, io::Error>>;

fn whole(text: &str) -> impl FnOnce() -> Pieces {
    let pieces = [text.to_owned().into()].map(Ok);
    || stream::iter(pieces).boxed()
}

fn broken_off() -> Pieces {
    stream::iter([Ok("{".into()), Err(io::Error::other("gone"))]).boxed()
}

/// What is checked is what goes on.
#[tokio::test]
async fn the_body_is_read_up_to_the_limit_and_goes_along() {
    let mut head = head("POST", &GOOD);
    let (one, other) = CALL.split_at(20);
    let fill = " ".repeat(100 - CALL.len());
    let pieces = [one, other, &fill].map(|piece| Ok::<_, Infallible>(Bytes::from(piece.to_owned())));
    let (passed, body) = protection().pass(&mut head, None, || stream::iter(pieces)).await.unwrap();
    assert_eq!(body.unwrap(), format!("{CALL}{fill}"));
    assert_eq!(passed.caller().unwrap().subject.as_deref(), Some("somebody"));
}

#[tokio::test]
async fn a_body_is_not_read_where_nothing_depends_on_it() {
    let unread = || -> Pieces { panic!("nobody asked for it") };
    let toolless = builder().require("a").build().unwrap();
    let (_, body) = toolless.pass(&mut head("POST", &GOOD), None, unread).await.unwrap();
    assert_eq!(body, None);
    let stranger = [("authorization", "Bearer garbage")];
    assert!(protection().pass(&mut head("POST", &stranger), None, unread).await.is_err());
}

/// A page that cannot read the answer cannot tell its user.
#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_had_is_an_answer_with_its_code_and_cors() {
    let protection = protection();
    let answers = [
        protection.pass(&mut head("POST", &GOOD), None, broken_off).await,
        protection.pass(&mut head("POST", &GOOD), None, whole(&" ".repeat(101))).await,
        protection.pass(&mut head("POST", &GOOD), None, stream::pending::<io::Result<_>>).await,
    ];
    let expected =
        [(400, "body_broken_off", -32700), (413, "body_too_large", -32001), (408, "body_too_slow", -32001)];
    for (answer, (status, reason, code)) in answers.into_iter().zip(expected) {
        let answer = answer.unwrap_err();
        assert_eq!(answer.status().as_u16(), status, "{reason}");
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
        let error = &json(&answer)["error"];
        assert_eq!((&error["data"]["reason"], &error["code"]), (&reason.into(), &code.into()));
    }
}

/// RS-13: what has no token cannot send it on.
#[tokio::test]
async fn the_authorization_header_is_taken_away_for_all_but_the_next_protection() {
    let mut head = head("POST", &GOOD);
    let (passed, _) = protection().pass(&mut head, None, whole(CALL)).await.unwrap();
    assert!(!head.headers.contains_key(header::AUTHORIZATION));
    assert!(!format!("{passed:?}").contains("good.a"), "{passed:?}");
    let inner = protection().requiring("c").unwrap();
    let refused = inner.pass(&mut head.clone(), Some(passed.clone()), whole(CALL)).await.unwrap_err();
    assert_eq!(param(&refused, "error").as_deref(), Some("insufficient_scope"));
    let (_, _) = protection().pass(&mut head, Some(passed), whole(CALL)).await.unwrap();
    assert!(!head.headers.contains_key(header::AUTHORIZATION));
    let refused = protection().pass(&mut head, None, whole(CALL)).await.unwrap_err();
    assert_eq!(param(&refused, "error"), None, "nothing else has the token");
}

#[tokio::test]
async fn the_authorization_header_stays_where_somebody_wants_it() {
    let mut head = head("POST", &GOOD);
    let keeping = builder().keep_authorization_header().build().unwrap();
    keeping.pass(&mut head, None, whole(CALL)).await.unwrap();
    assert_eq!(head.headers[header::AUTHORIZATION], GOOD[0].1);
}

#[tokio::test]
async fn somebody_anonymous_is_nobody_and_asked_to_log_in_where_somebody_must_be_known() {
    let optional = builder().optional().require("a").build().unwrap();
    let (passed, _) = optional.pass(&mut head("GET", &[optional::HERE]), None, whole("")).await.unwrap();
    assert_eq!(passed.caller(), None);
    let answer = passed.no_credentials();
    assert_eq!((answer.status(), param(&answer, "scope").as_deref()), (StatusCode::UNAUTHORIZED, Some("a")));
}

/// What nobody may send is little, and whoever shows a token may send more.
#[tokio::test]
async fn a_long_body_of_somebody_anonymous_asks_them_to_log_in() {
    let tools = || builder().optional().require_for_tool("delete", "b");
    let protection = tools().build().unwrap();
    let ping = |length: usize| r#"{"method":"ping"}"#.to_owned() + &" ".repeat(length - 17);
    let nobody = || head("POST", &[optional::HERE]);
    assert!(protection.pass(&mut nobody(), None, whole(&ping(64 * 1024))).await.is_ok());
    let answer = protection.pass(&mut nobody(), None, whole(&ping(64 * 1024 + 1))).await.unwrap_err();
    assert_eq!((answer.status(), param(&answer, "error")), (StatusCode::UNAUTHORIZED, None));
    assert!(protection.pass(&mut head("POST", &GOOD), None, whole(&ping(64 * 1024 + 1))).await.is_ok());
    let small = tools().body_limit(100).build().unwrap();
    let answer = small.pass(&mut nobody(), None, whole(&ping(101))).await.unwrap_err();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE, "with a token it would not pass either");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whoever asks why a client is refused finds the code that the client was told.
#[tokio::test]
async fn each_refusal_is_logged_once_with_its_code_and_without_the_token() {
    let log = Log::default();
    let writer = log.clone();
    let lines = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::DEBUG);
    let _logging = tracing::subscriber::set_default(lines.with_writer(move || writer.clone()).finish());
    let protection = protection();
    for (authorization, code) in [
        ("", "credentials_missing"),
        ("Bearer a b", "credentials_malformed"),
        ("Bearer garbage", "token_unrecognised"),
        // The client is told `check_unavailable`: the cause is the operator's.
        ("Bearer down", "server_key_refused"),
        ("Bearer good.b", "scope_missing"),
        ("Bearer good.a+b", "body_broken_off"),
    ] {
        let headers = [("authorization", authorization)];
        let shown = if authorization.is_empty() { &[][..] } else { &headers };
        let body = || if code == "body_broken_off" { broken_off() } else { whole(CALL)() };
        let refused = protection.pass(&mut head("POST", shown), None, body).await;
        assert!(refused.is_err(), "{authorization}");
        let text = String::from_utf8(std::mem::take(&mut *log.0.lock())).unwrap();
        assert_eq!((text.lines().count(), text.matches(code).count()), (1, 1), "{text}");
        assert!(text.contains("DEBUG") && !text.contains("garbage") && !text.contains("good"), "{text}");
    }
}

/// An adapter gives a protection [`READ_HEADERS`] and no others: what it does not give would be as good as absent.
#[test]
fn the_headers_that_are_read_are_those_of_the_list() {
    let sources = [
        include_str!("../../protection.rs"),
        include_str!("../ahead.rs"),
        include_str!("../passed.rs"),
        include_str!("../unread.rs"),
        include_str!("../../cors.rs"),
    ];
    let mut read = std::collections::BTreeSet::new();
    for source in sources {
        let code: String = source.split_whitespace().collect();
        let (code, _) = code.split_once("#[cfg(test)]").unwrap_or((&code, ""));
        for call in ["get(", "get_all(", "contains_key(", "entry("] {
            for (before, after) in code.match_indices(&format!(".{call}")).map(|(at, _)| code.split_at(at)) {
                let name = after[call.len() + 1..].split([')', ',']).next().unwrap();
                let of_headers = before.ends_with("headers") || before.ends_with("request");
                assert!(
                    !of_headers || name.starts_with("header::"),
                    "{name} is read, and nobody sees which header it is"
                );
                read.extend(name.strip_prefix("header::").map(|name| name.to_lowercase().replace('_', "-")));
            }
        }
    }
    // Of the answer, and not of the request.
    assert!(read.remove("vary"));
    let listed: std::collections::BTreeSet<String> = READ_HEADERS.iter().map(ToString::to_string).collect();
    assert_eq!(read, listed);
}
