//! Requests that meet at one grant: in every order that a scheduler chooses, on threads as they come, and over a store that
//! is sent everything twice.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which fail by a panic")]

mod many;
mod meeting;
mod one_by_one;
mod oversight;

use std::sync::Arc;

use authz_core::{Event, Policy};
use oauth_types::Scope;
use store::{Backend, GrantId, Memory, Stage};
use testkit::bare::{Answer, Bare, Party, VERIFIER, ada};
use testkit::faults::{Flaky, Through, When};

use self::meeting::{Race, everywhere};

fn count(events: &[Event], wanted: fn(&Event) -> bool) -> usize {
    events.iter().filter(|event| wanted(event)).count()
}

fn successes(answers: &[Answer]) -> Vec<Answer> {
    answers.iter().filter(|answer| answer.status.is_success()).cloned().collect()
}

/// No request of a race meets anything but an answer of the protocol.
fn assert_decided(answers: &[Answer], case: &str) {
    for answer in answers {
        assert!(!answer.status.is_server_error(), "{case}: {answer:?}");
    }
}

fn has_ended(race: &Race, bare: &Bare, grant: GrantId) -> bool {
    let found = race.now(bare.stored(grant)).unwrap();
    matches!(found.record.stage, Stage::Ended(_))
}

/// I1, I3.
#[test]
fn of_16_redemptions_of_one_code_one_succeeds_and_the_losers_end_the_grant() {
    everywhere(|race| {
        let start = race.start(30);
        let (grant, code) = race.now(start.bare.coded());
        let redeem = || {
            let (bare, code) = (start.bare.clone(), code.clone());
            async move { bare.redeem(Party::Own, &code).await }
        };
        let answers = race.meet(&start, (0..16).map(|_| redeem()).collect());
        let case = race.case();
        assert_decided(&answers, &case);
        let won = successes(&answers);
        assert_eq!(won.len(), 1, "{case}");
        assert!(has_ended(race, &start.bare, grant), "{case}");
        let tokens = won[0].tokens().unwrap();
        assert!(!race.now(start.bare.is_active(&tokens.access)), "{case}");
        let again = race.now(start.bare.refresh(Party::Own, &tokens.refresh.unwrap()));
        assert_eq!(again.error().as_deref(), Some("invalid_grant"), "{case}");
        let events = start.bare.events.take();
        assert_eq!(count(&events, |event| matches!(event, Event::CodeRedeemed { .. })), 1, "{case}");
        assert!(count(&events, |event| matches!(event, Event::CodeReplayed { .. })) >= 1, "{case}");
    });
}

/// I2: two tabs, sixteen tabs, refreshing at once all win.
#[test]
fn of_16_refreshes_of_one_token_all_get_the_same_answer_by_one_commit() {
    everywhere(|race| {
        let start = race.start(30);
        let (grant, tokens) = race.now(start.bare.live());
        let refresh_token = tokens.refresh.unwrap();
        let refresh = || {
            let (bare, token) = (start.bare.clone(), refresh_token.clone());
            async move { bare.refresh(Party::Own, &token).await }
        };
        let _ = start.bare.events.take();
        let answers = race.meet(&start, (0..16).map(|_| refresh()).collect());
        let case = race.case();
        assert!(
            answers.iter().all(|answer| *answer == answers[0] && answer.tokens().is_some()),
            "{case}: {answers:?}"
        );
        let Stage::Live(live) = race.now(start.bare.stored(grant)).unwrap().record.stage else {
            panic!("{case}")
        };
        assert_eq!((live.number, live.access.len()), (2, 2), "{case}");
        let events = start.bare.events.take();
        assert_eq!(count(&events, |event| matches!(event, Event::Refreshed { number: 2, .. })), 1, "{case}");
        assert_eq!(
            count(&events, |event| matches!(event, Event::RefreshRepeated { number: 2, .. })),
            15,
            "{case}"
        );
        assert_eq!(events.len(), 16, "{case}");
        assert!(race.now(start.bare.is_active(&answers[0].tokens().unwrap().access)), "{case}");
    });
}

/// I2, I3.
#[test]
fn without_leeway_one_refresh_wins_and_the_others_end_the_grant() {
    everywhere(|race| {
        let start = race.start(0);
        let (grant, tokens) = race.now(start.bare.live());
        let refresh_token = tokens.refresh.unwrap();
        let refresh = || {
            let (bare, token) = (start.bare.clone(), refresh_token.clone());
            async move { bare.refresh(Party::Own, &token).await }
        };
        let answers = race.meet(&start, (0..16).map(|_| refresh()).collect());
        let case = race.case();
        assert_decided(&answers, &case);
        let won = successes(&answers);
        assert_eq!(won.len(), 1, "{case}");
        assert!(has_ended(race, &start.bare, grant), "{case}");
        for token in [tokens.access, won[0].tokens().unwrap().access] {
            assert!(!race.now(start.bare.is_active(&token)), "{case}");
        }
    });
}

/// A revocation that was confirmed cannot be undone by whoever read the grant before it.
#[test]
fn after_a_confirmed_revocation_nothing_lives() {
    everywhere(|race| {
        let start = race.start(30);
        let (grant, tokens) = race.now(start.bare.live());
        let refresh_token = tokens.refresh.clone().unwrap();
        let request = |n: usize| {
            let (bare, token) = (start.bare.clone(), refresh_token.clone());
            async move {
                if n == 3 {
                    bare.revoke(Party::Own, &token).await
                } else {
                    bare.refresh(Party::Own, &token).await
                }
            }
        };
        let answers = race.meet(&start, (0..8).map(request).collect());
        let case = race.case();
        assert_decided(&answers, &case);
        assert_eq!(answers[3].status.as_u16(), 200, "{case}");
        assert!(has_ended(race, &start.bare, grant), "{case}");
        for token in answers.iter().filter_map(Answer::tokens).chain([tokens]) {
            assert!(!race.now(start.bare.is_active(&token.access)), "{case}");
        }
    });
}

/// The narrow revocation and a refresh both happen: neither may undo the other.
#[test]
fn a_revoked_access_token_stays_dead_through_a_refresh() {
    everywhere(|race| {
        let start = race.start(30);
        let (_, tokens) = race.now(start.bare.live());
        let request = |n: usize| {
            let (bare, tokens) = (start.bare.clone(), tokens.clone());
            async move {
                if n == 0 {
                    bare.revoke(Party::Own, &tokens.access).await
                } else {
                    bare.refresh(Party::Own, &tokens.refresh.unwrap()).await
                }
            }
        };
        let answers = race.meet(&start, (0..2).map(request).collect());
        let case = race.case();
        assert_eq!(successes(&answers).len(), 2, "{case}");
        assert!(!race.now(start.bare.is_active(&tokens.access)), "{case}");
        assert!(race.now(start.bare.is_active(&answers[1].tokens().unwrap().access)), "{case}");
    });
}

/// I9: at most one code of a grant can be redeemed at any time.
#[test]
fn two_approvals_make_one_code() {
    everywhere(|race| {
        let start = race.start(30);
        let grant = race.now(start.bare.requested());
        let approve = || {
            let bare = start.bare.clone();
            async move {
                let path =
                    bare.server.approve(grant, &ada(), &Scope::parse("read write").unwrap()).await.unwrap();
                assert_eq!(path.as_str(), format!("/oauth/continue/{grant}"));
                bare.proceed(grant, "").await
            }
        };
        let answers = race.meet(&start, (0..3).map(|_| approve()).collect());
        let case = race.case();
        assert!(
            answers.iter().all(|answer| *answer == answers[0] && answer.code().is_some()),
            "{case}: {answers:?}"
        );
        let events = start.bare.events.take();
        assert_eq!(count(&events, |event| matches!(event, Event::Consented { .. })), 1, "{case}");
        let redeemed = race.now(start.bare.redeem(Party::Own, &answers[0].code().unwrap()));
        assert!(redeemed.tokens().is_some(), "{case}");
    });
}

#[test]
fn two_pages_that_fetch_the_next_code_get_the_same_one() {
    everywhere(|race| {
        let start = race.start(30);
        let (grant, first) = race.now(start.bare.coded());
        start.bare.clock.advance(60);
        let fetch = || {
            let bare = start.bare.clone();
            async move { bare.proceed(grant, "").await }
        };
        let answers = race.meet(&start, (0..4).map(|_| fetch()).collect());
        let case = race.case();
        let next = answers[0].code().unwrap();
        assert!(next != first && answers.iter().all(|answer| *answer == answers[0]), "{case}: {answers:?}");
        assert!(race.now(start.bare.redeem(Party::Own, &first)).tokens().is_none(), "{case}");
        assert!(race.now(start.bare.redeem(Party::Own, &next)).tokens().is_some(), "{case}");
    });
}

/// A yes and a no at once: one of them counts.
#[test]
fn of_yes_and_no_one_counts() {
    everywhere(|race| {
        let start = race.start(30);
        let grant = race.now(start.bare.requested());
        let answer = |yes: bool| {
            let bare = start.bare.clone();
            async move {
                if yes {
                    bare.server.approve(grant, &ada(), &Scope::parse("read").unwrap()).await.is_ok()
                } else {
                    bare.server.deny(grant, &ada()).await.is_ok()
                }
            }
        };
        let answers = race.meet(&start, vec![answer(true), answer(false)]);
        let case = race.case();
        assert_eq!(answers.iter().filter(|taken| **taken).count(), 1, "{case}");
        assert_eq!(race.now(start.bare.proceed(grant, "")).code().is_some(), answers[0], "{case}");
        assert_eq!(has_ended(race, &start.bare, grant), answers[1], "{case}");
    });
}

/// A thief who guesses at the verifier meets the client that has it.
#[test]
fn a_wrong_verifier_never_ends_what_the_right_one_began() {
    everywhere(|race| {
        let start = race.start(30);
        let (_, code) = race.now(start.bare.coded());
        let redeem = |verifier: &'static str| {
            let (bare, code) = (start.bare.clone(), code.clone());
            async move {
                let form = [
                    ("grant_type", "authorization_code"),
                    ("code", code.as_str()),
                    ("code_verifier", verifier),
                ];
                bare.token(Party::Own, &form).await
            }
        };
        let wrong = "0123456789012345678901234567890123456789012";
        let answers = race.meet(&start, vec![redeem(wrong), redeem(VERIFIER), redeem(wrong)]);
        let case = race.case();
        assert_decided(&answers, &case);
        assert!(answers[0].tokens().is_none() && answers[2].tokens().is_none(), "{case}");
        if let Some(tokens) = answers[1].tokens() {
            assert!(race.now(start.bare.is_active(&tokens.access)), "{case}");
        }
    });
}

/// A reply that was lost on the way from the store is a 503; the client tries again and nothing is lost or doubled. (A store
/// that fails every second call would never take a write: reading it is the first.)
#[test]
fn a_client_that_tries_again_keeps_its_grant_through_a_store_that_fails() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for when in [When::Before, When::After] {
        for every in 3..9 {
            runtime.block_on(async {
                let flaky =
                    |store| Arc::new(Through::new(store, Flaky::every(every, when))) as Arc<dyn Backend>;
                let bare = Bare::new(Arc::new(Memory::new()), |store| store, Policy::default(), true).await;
                let (grant, first) = bare.live().await;
                let shaky = bare.reached_through(flaky).await;
                let mut token = first.refresh.unwrap();
                for generation in 2..12 {
                    let mut tries = 0;
                    let tokens = loop {
                        tries += 1;
                        assert!(tries < 10, "{when:?} {every}");
                        let answer = shaky.refresh(Party::Own, &token).await;
                        if let Some(tokens) = answer.tokens() {
                            break tokens;
                        }
                        assert_eq!(answer.status.as_u16(), 503, "{when:?} {every}: {answer:?}");
                    };
                    assert!(bare.is_active(&tokens.access).await);
                    let Stage::Live(live) = bare.stored(grant).await.unwrap().record.stage else {
                        panic!("not live")
                    };
                    assert_eq!(
                        live.number, generation,
                        "{when:?} {every}: a repeated refresh must not rotate"
                    );
                    token = tokens.refresh.unwrap();
                }
            });
        }
    }
}
