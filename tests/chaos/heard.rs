//! How answers read: what a client hears decides what the checker is told, so nothing else passes for it.

use std::sync::Arc;

use async_trait::async_trait;
use authz_core::Policy;
use bytes::Bytes;
use http::{Request, Response};
use http_io::{Peer, Serve};
use store::Memory;
use testkit::bare::{Bare, CALLBACK};

use crate::log::{Answer, Ask, Caller, Log};
use crate::site::Site;

/// A server that says the same whatever it is asked: a status, an address to go to, and a body.
#[derive(Clone, Copy)]
struct Says(u16, Option<&'static str>, &'static str);

#[async_trait]
impl Serve for Says {
    async fn serve(&self, _: Request<Bytes>, _: Peer) -> Response<Bytes> {
        let builder = Response::builder().status(self.0);
        let located = self.1.into_iter().fold(builder, |builder, to| builder.header("location", to));
        located.body(Bytes::from_static(self.2.as_bytes())).unwrap()
    }
}

/// What is heard from it; nothing for what has no place in the protocol.
async fn heard(ask: Ask, says: Says) -> Option<Answer> {
    let bare = Bare::new(Arc::new(Memory::new()), |store| store, Policy::default(), true).await;
    let mut site = Site::of(&[Arc::new(bare)]).await;
    site.ways = vec![Arc::new(says)];
    let answer = site.ask(&Log::default(), 0, ask).await;
    if matches!(answer, Answer::Odd(_)) { None } else { Some(answer) }
}

/// I6.
#[tokio::test]
async fn a_code_is_one_only_at_the_address_that_is_registered() {
    assert_eq!(CALLBACK, "https://app.example/callback");
    let code = || Some(Answer::Code("cod".to_owned()));
    for (to, expected) in [
        (Some("https://app.example/callback?code=cod&state=s"), code()),
        (Some("https://app.example/callback?iss=https%3A%2F%2Fa.example&code=cod"), code()),
        (Some("https://evil.example/callback?code=cod"), None),
        (Some("https://app.example/callback/more?code=cod"), None),
        (Some("https://app.example/call?code=cod"), None),
        (Some("http://app.example/callback?code=cod"), None),
        (Some("https://app.example/callback#code=cod"), None),
        (Some("https://app.example/callback?code=cod&code=dab"), None),
        (Some("https://app.example/callback?error=access_denied"), None),
        (Some("https://app.example/callback"), None),
        (None, None),
    ] {
        for status in [302, 303] {
            assert_eq!(heard(Ask::Authorize, Says(status, to, "")).await, expected, "{status} {to:?}");
        }
        for status in [200, 307, 400] {
            assert_eq!(heard(Ask::Authorize, Says(status, to, "")).await, None, "{status} {to:?}");
        }
    }
}

#[tokio::test]
async fn other_answers_are_what_they_say_and_all_else_is_odd() {
    let redeem = || Ask::Redeem("cod".to_owned());
    let refresh = || Ask::Refresh("mrt".to_owned());
    let revoke = || Ask::Revoke("mrt".to_owned());
    let introspect = || Ask::Introspect("mat".to_owned(), Caller::Own);
    let tokens = Some(Answer::Tokens("mat".to_owned(), "mrt".to_owned()));
    let (both, one) = (r#"{"access_token":"mat","refresh_token":"mrt"}"#, r#"{"access_token":"mat"}"#);
    let (refused, malformed) = (r#"{"error":"invalid_grant"}"#, r#"{"error":"invalid_request"}"#);
    let mut cases = vec![
        (revoke(), 200, "", Some(Answer::Revoked)),
        (revoke(), 400, refused, None),
        (introspect(), 200, r#"{"active":true}"#, Some(Answer::Active(true))),
        (introspect(), 200, r#"{"active":false}"#, Some(Answer::Active(false))),
        (introspect(), 200, "{}", None),
        (introspect(), 401, r#"{"active":false}"#, None),
    ];
    for ask in [redeem(), refresh()] {
        cases.push((ask.clone(), 200, both, tokens.clone()));
        cases.push((ask.clone(), 200, one, None));
        cases.push((ask.clone(), 201, both, None));
        cases.push((ask.clone(), 400, refused, Some(Answer::Refused)));
        cases.push((ask.clone(), 400, malformed, None));
        cases.push((ask, 401, refused, None));
    }
    for ask in [Ask::Authorize, redeem(), refresh(), revoke(), introspect()] {
        cases.push((ask.clone(), 500, both, None));
        cases.push((ask.clone(), 502, both, Some(Answer::Nothing)));
        cases.push((ask, 503, both, Some(Answer::Unavailable)));
    }
    for (ask, status, body, expected) in cases {
        assert_eq!(heard(ask.clone(), Says(status, None, body)).await, expected, "{ask:?}: {status} {body}");
    }
}
