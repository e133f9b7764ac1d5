//! How an authorization server is asked that does not answer, or is asked too much (WB-3).

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http_io::FetchError;
use resource_server::{Fault, Unavailable, Verify as _};
use serde_json::json;

use super::opaque::{Opaque, asking, is_about, yes};
use super::{DOWN, ISSUER, mat, secret, unavailable, verify};

/// WB-3: a dead server costs one timeout, and not one for each token.
#[tokio::test]
async fn a_server_that_cannot_be_reached_is_not_asked_for_each_token() {
    for (fault, calls) in [(FetchError::TimedOut, 3 + 1), (DOWN, 1)] {
        let opaque = Opaque::saying(yes(json!({})));
        let verifier = opaque.verifier();
        verify(&verifier, &mat("warm")).await.unwrap();
        opaque.0.net.fails(&opaque.url(), fault);
        for number in 0..10 {
            unavailable(verify(&verifier, &mat(&number.to_string())).await);
        }
        assert_eq!(opaque.calls(), 1 + calls, "{fault}");
        assert!(matches!(verifier.ready(), Err(Unavailable::Asking { .. })));
        verify(&verifier, &mat("warm")).await.unwrap();
        opaque.0.net.answers(&opaque.url(), yes(json!({})));
        opaque.0.clock.advance(2);
        assert!(verify(&verifier, &mat("10")).await.is_ok());
        assert_eq!(verifier.ready(), Ok(()));
    }
}

/// One token that the server takes long over does not shut out the others.
#[tokio::test]
async fn one_slow_token_is_that_tokens_affair() {
    let opaque = Opaque::saying(yes(json!({})));
    let verifier = opaque.verifier();
    for _ in 0..5 {
        opaque.0.net.fails(&opaque.url(), FetchError::TimedOut);
        unavailable(verify(&verifier, &mat("slow")).await);
        unavailable(verify(&verifier, &mat("slow2")).await);
        opaque.0.net.answers(&opaque.url(), yes(json!({})));
        verify(&verifier, &mat("good")).await.unwrap();
        opaque.0.clock.advance(10);
    }
}

/// Nor do three of them, for the server itself is looked at before anybody is turned away.
#[tokio::test]
async fn slow_tokens_close_a_server_for_no_longer_than_it_takes_to_look() {
    let opaque = Opaque::saying(yes(json!({})));
    let verifier = opaque.verifier();
    opaque.0.net.fails(&opaque.url(), FetchError::TimedOut);
    for number in 0..3 {
        unavailable(verify(&verifier, &mat(&number.to_string())).await);
    }
    opaque.0.net.answers(&opaque.url(), yes(json!({})));
    verify(&verifier, &mat("good")).await.unwrap();
}

/// A stranger who is let through to find out, and hangs up, keeps nobody out.
#[tokio::test]
async fn who_finds_out_and_hangs_up_keeps_nobody_out() {
    let opaque = Opaque::saying(yes(json!({})));
    let verifier = opaque.verifier();
    opaque.0.net.fails(&opaque.url(), DOWN);
    unavailable(verify(&verifier, &mat("1")).await);
    opaque.0.clock.advance(2);
    opaque.0.net.answers(&opaque.url(), yes(json!({})));
    opaque.0.net.hangs(&opaque.url());
    let stranger = asking(&verifier, mat("2"));
    opaque.0.net.asked_times(&opaque.url(), 2).await;
    stranger.abort();
    assert!(stranger.await.unwrap_err().is_cancelled());
    opaque.0.net.let_go(&opaque.url());
    opaque.0.net.asked_times(&opaque.url(), 3).await;
    verify(&verifier, &mat("3")).await.unwrap();
}

/// A connection that lay idle may be closed in the moment in which it is used.
#[tokio::test]
async fn what_breaks_off_is_asked_once_more() {
    struct Flaky(Arc<testkit::scripted::Scripted>, std::sync::atomic::AtomicUsize);

    #[async_trait::async_trait]
    impl http_io::Fetch for Flaky {
        async fn fetch(
            &self,
            request: http::Request<bytes::Bytes>,
            limits: http_io::Limits,
        ) -> Result<http::Response<bytes::Bytes>, FetchError> {
            let answer = self.0.fetch(request, limits).await;
            let number = self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            if number.is_multiple_of(2) {
                Err(FetchError::Unreachable(http_io::Unreached::Interrupted))
            } else {
                answer
            }
        }
    }

    let opaque = Opaque::saying(yes(json!({})));
    let flaky = Arc::new(Flaky(opaque.0.net.clone(), std::sync::atomic::AtomicUsize::default()));
    let verifier = opaque.0.builder().fetch(flaky).portcullis(ISSUER, secret("sak_key")).build().unwrap();
    verify(&verifier, &mat("1")).await.unwrap();
    assert_eq!(opaque.calls(), 2);
}

/// Anybody can make up tokens. Whoever's was good before is still asked about while strangers take all places.
#[tokio::test]
async fn strangers_are_asked_about_64_at_a_time_and_take_no_place_of_good_tokens() {
    let opaque = Opaque::saying(yes(json!({})));
    let verifier = opaque.verifier();
    verify(&verifier, &mat("good")).await.unwrap();
    opaque.0.clock.advance(10);
    opaque.0.net.hangs(&opaque.url());
    let strangers: Vec<_> = (0..64).map(|number| asking(&verifier, mat(&number.to_string()))).collect();
    opaque.0.net.asked_times(&opaque.url(), 65).await;
    let soon = Duration::from_secs(5);
    let one_more = tokio::time::timeout(soon, verify(&verifier, &mat("more"))).await;
    let one_more = unavailable(one_more.unwrap());
    assert_eq!(one_more, Unavailable::Asking { url: ISSUER.to_owned(), fault: Fault::Busy });
    let good = asking(&verifier, mat("good"));
    tokio::time::timeout(soon, opaque.0.net.asked_times(&opaque.url(), 66)).await.unwrap();
    opaque.0.net.let_go(&opaque.url());
    good.await.unwrap().unwrap();
    for stranger in strangers {
        stranger.await.unwrap().unwrap();
    }
    verify(&verifier, &mat("more")).await.unwrap();
}

/// One token that makes a server fail does not shut out the others.
#[tokio::test]
async fn a_server_that_answers_badly_is_asked_about_the_next_token() {
    let opaque = Opaque::saying(yes(json!({})));
    opaque.0.net.answers_by(&opaque.url(), |request| {
        let bad = is_about(request, "bad");
        let status = if bad { StatusCode::FORBIDDEN } else { StatusCode::OK };
        testkit::scripted::json_answer(status, yes(json!({})).to_string())
    });
    let verifier = opaque.verifier();
    unavailable(verify(&verifier, &mat("bad")).await);
    assert!(verify(&verifier, &mat("1")).await.is_ok());
}
