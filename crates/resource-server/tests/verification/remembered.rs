//! For how long an answer about an opaque token is one (WB-4).

use std::time::Duration;

use http::StatusCode;
use jose::TokenError;
use serde_json::json;

use super::opaque::{Opaque, asking, is_about, yes};
use super::{ISSUER, NOW, mat, secret, token_error, unavailable, verify};

/// WB-4: what a revocation takes to be heard of is bounded, and by the expiry, too.
#[tokio::test]
async fn a_good_token_is_remembered_for_10_seconds_and_never_beyond_its_expiry() {
    let opaque = Opaque::saying(yes(json!({})));
    let verifier = opaque.verifier();
    verify(&verifier, &mat("1")).await.unwrap();
    opaque.0.net.answers(&opaque.url(), json!({"active": false}));
    opaque.0.clock.advance(9);
    verify(&verifier, &mat("1")).await.unwrap();
    assert_eq!(opaque.calls(), 1);
    opaque.0.clock.advance(1);
    assert!(verify(&verifier, &mat("1")).await.is_err());

    let opaque = Opaque::saying(yes(json!({"exp": NOW.plus(3).0})));
    let verifier = opaque.verifier();
    opaque.0.clock.advance(2);
    verify(&verifier, &mat("1")).await.unwrap();
    opaque.0.clock.advance(1);
    let late = verify(&verifier, &mat("1")).await;
    assert_eq!(late, Err(token_error(TokenError::Expired)));
    assert_eq!(opaque.calls(), 2);
}

#[tokio::test]
async fn a_good_token_is_remembered_for_as_long_as_is_configured() {
    for (seconds, calls) in [(0, 3), (60, 1)] {
        let opaque = Opaque::saying(yes(json!({})));
        let builder = opaque.0.builder().portcullis(ISSUER, secret("sak_key"));
        let verifier = builder.remember(Duration::from_secs(seconds)).build().unwrap();
        for _ in 0..3 {
            verify(&verifier, &mat("1")).await.unwrap();
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
        assert!(verify(&verifier, &mat("1")).await.is_err());
    }
    opaque.0.clock.advance(4);
    assert!(verify(&verifier, &mat("1")).await.is_err());
    assert_eq!(opaque.calls(), 1);
    opaque.0.clock.advance(1);
    opaque.0.net.answers_status(&opaque.url(), StatusCode::BAD_GATEWAY);
    unavailable(verify(&verifier, &mat("1")).await);
    unavailable(verify(&verifier, &mat("1")).await);
    assert_eq!(opaque.calls(), 2);
    opaque.0.clock.advance(1);
    opaque.0.net.answers(&opaque.url(), yes(json!({})));
    assert!(verify(&verifier, &mat("1")).await.is_ok());
}

/// A clock that is put back does not make an answer last.
#[tokio::test]
async fn what_is_remembered_from_the_future_is_asked_anew() {
    let opaque = Opaque::saying(yes(json!({})));
    let verifier = opaque.verifier();
    verify(&verifier, &mat("1")).await.unwrap();
    opaque.0.clock.advance(-1);
    verify(&verifier, &mat("1")).await.unwrap();
    assert_eq!(opaque.calls(), 2);
}

#[tokio::test]
async fn each_token_is_remembered_by_itself() {
    let opaque = Opaque::saying(yes(json!({})));
    opaque.0.net.answers_by(&opaque.url(), |request| {
        let good = is_about(request, "good");
        let body = if good { yes(json!({})) } else { json!({"active": false}) };
        testkit::scripted::json_answer(StatusCode::OK, body.to_string())
    });
    let verifier = opaque.verifier();
    for (token, good) in [("good", true), ("goo", false), ("goodd", false), ("good", true)] {
        assert_eq!(verify(&verifier, &mat(token)).await.is_ok(), good, "{token}");
    }
    assert_eq!(opaque.calls(), 3);
}

/// Anybody can send any number of texts.
#[tokio::test]
async fn what_is_remembered_is_bounded_and_what_is_used_stays() {
    let opaque = Opaque::saying(json!({}));
    opaque.0.net.answers_by(&opaque.url(), |request| {
        let good = is_about(request, "good");
        let body = if good { yes(json!({})) } else { json!({"active": false}) };
        testkit::scripted::json_answer(StatusCode::OK, body.to_string())
    });
    let verifier = opaque.verifier();
    for _ in 0..3 {
        verify(&verifier, &mat("good")).await.unwrap();
    }
    for number in 0..12_000 {
        assert!(verify(&verifier, &mat(&number.to_string())).await.is_err());
        if number % 500 == 0 {
            verify(&verifier, &mat("good")).await.unwrap();
        }
    }
    assert_eq!(opaque.calls(), 12_001, "the good token was never asked about again");
    for number in 0..12_000 {
        assert!(verify(&verifier, &mat(&number.to_string())).await.is_err());
    }
    assert!(opaque.calls() > 12_001 + 1_900, "some were forgotten: {}", opaque.calls());
}

/// Whoever asks first may hang up: the others get the answer all the same, and it is asked for once.
#[tokio::test]
async fn who_waits_for_one_token_shares_one_call() {
    let opaque = Opaque::saying(yes(json!({})));
    let verifier = opaque.verifier();
    verify(&verifier, &mat("warm")).await.unwrap();
    opaque.0.net.hangs(&opaque.url());
    let ask = || {
        let verifier = verifier.clone();
        tokio::spawn(async move { verify(&verifier, &mat("1")).await })
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

/// A question goes on when nobody waits any more: whoever hangs up leaves nothing half done for the next one.
#[tokio::test]
async fn a_question_outlives_who_asked_it() {
    let opaque = Opaque::saying(yes(json!({})));
    let verifier = opaque.verifier();
    verify(&verifier, &mat("warm")).await.unwrap();
    opaque.0.net.hangs(&opaque.url());
    let alone = asking(&verifier, mat("1"));
    opaque.0.net.asked_times(&opaque.url(), 2).await;
    alone.abort();
    assert!(alone.await.unwrap_err().is_cancelled());
    opaque.0.net.let_go(&opaque.url());
    verify(&verifier, &mat("1")).await.unwrap();
    assert_eq!(opaque.calls(), 2);
}

/// The runtime that a question was asked on may end before it is answered; the next one starts anew.
#[test]
fn a_question_that_ends_with_its_runtime_is_asked_again() {
    let opaque = Opaque::saying(yes(json!({})));
    let verifier = opaque.verifier();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    opaque.0.net.hangs(&opaque.url());
    let short = runtime();
    short.block_on(async {
        let waiting = asking(&verifier, mat("1"));
        opaque.0.net.asked_times(&opaque.url(), 1).await;
        waiting.abort();
    });
    drop(short);
    opaque.0.net.let_go(&opaque.url());
    assert!(runtime().block_on(verify(&verifier, &mat("1"))).is_ok());
}

/// WB-4: an answer is as old as the question.
#[tokio::test]
async fn a_good_token_is_remembered_from_when_it_was_asked_about() {
    let opaque = Opaque::saying(yes(json!({})));
    let verifier = opaque.verifier();
    opaque.0.net.hangs(&opaque.url());
    let slow = asking(&verifier, mat("1"));
    opaque.0.net.asked_times(&opaque.url(), 1).await;
    opaque.0.clock.advance(8);
    opaque.0.net.let_go(&opaque.url());
    slow.await.unwrap().unwrap();
    opaque.0.clock.advance(1);
    verify(&verifier, &mat("1")).await.unwrap();
    assert_eq!(opaque.calls(), 1);
    opaque.0.clock.advance(1);
    verify(&verifier, &mat("1")).await.unwrap();
    assert_eq!(opaque.calls(), 2);
}

/// WB-4: whoever asks after a revocation is not told what was asked before it.
#[tokio::test]
async fn a_question_that_is_older_than_what_may_be_remembered_is_not_shared() {
    for (remember, waited) in [(0, 0), (10, 10)] {
        let opaque = Opaque::saying(yes(json!({})));
        let builder = opaque.0.builder().portcullis(ISSUER, secret("sak_key"));
        let verifier = builder.remember(Duration::from_secs(remember)).build().unwrap();
        opaque.0.net.hangs(&opaque.url());
        let before = asking(&verifier, mat("1"));
        opaque.0.net.asked_times(&opaque.url(), 1).await;
        opaque.0.clock.advance(waited);
        let after = asking(&verifier, mat("1"));
        let url = opaque.url();
        let asked = opaque.0.net.asked_times(&url, 2);
        tokio::time::timeout(Duration::from_secs(5), asked).await.unwrap();
        opaque.0.net.let_go(&opaque.url());
        before.await.unwrap().unwrap();
        after.await.unwrap().unwrap();
    }
}
