//! Administrators and account pages meet the protocol at one record.

use std::sync::Arc;

use ambient::SeededEntropy;
use authz_core::{By, Context, Lifetime, Oversight};
use http::Request;
use http_io::{Peer, Serve as _};
use oauth_types::Scope;
use secrecy::ExposeSecret as _;
use testkit::bare::{Answer, Bare, Party, ada};

use super::meeting::{Race, Start, everywhere};
use super::{assert_decided, has_ended, successes};

/// Oversight of the store of a race, which waits for its turns as the server does.
fn oversight(start: &Start, seed: u64) -> Oversight {
    let Bare { clock, events, .. } = &*start.bare;
    Oversight::new(start.store(), clock.clone(), Arc::new(SeededEntropy::new(100 + seed)), events.clone())
}

fn by_ada() -> By {
    By::person(ada().person, Context::default())
}

enum Did {
    Answered(Answer),
    Oversaw(bool),
}

fn answers(done: Vec<Did>) -> Vec<Answer> {
    let answer = |did| match did {
        Did::Answered(answer) => Some(answer),
        Did::Oversaw(_) => None,
    };
    done.into_iter().filter_map(answer).collect()
}

fn scope_of(race: &Race, start: &Start, token: &str) -> String {
    let told = race.now(start.bare.introspect(0, token)).json();
    assert_eq!(told["active"], true, "{}", race.case());
    told["scope"].as_str().unwrap_or_default().to_owned()
}

/// I4.
#[test]
fn whoever_refreshes_while_a_person_revokes_ends_with_nothing() {
    everywhere(|race| {
        let start = race.start(30);
        let (grant, tokens) = race.now(start.bare.live());
        let token = tokens.refresh.clone().unwrap();
        let request = |n: u64| {
            let (bare, token, oversight) = (start.bare.clone(), token.clone(), oversight(&start, n));
            async move {
                if n == 2 {
                    Did::Oversaw(oversight.revoke(&grant, &by_ada()).await.unwrap())
                } else {
                    Did::Answered(bare.refresh(Party::Own, &token).await)
                }
            }
        };
        let done = race.meet(&start, (0..6).map(request).collect());
        let case = race.case();
        assert!(done.iter().any(|did| matches!(did, Did::Oversaw(true))), "{case}");
        assert!(has_ended(race, &start.bare, grant), "{case}");
        let answers = answers(done);
        assert_decided(&answers, &case);
        for token in answers.iter().filter_map(Answer::tokens).chain([tokens]) {
            assert!(!race.now(start.bare.is_active(&token.access)), "{case}");
        }
    });
}

#[test]
fn a_grant_that_is_refreshed_while_it_is_narrowed_loses_nothing_but_scopes() {
    everywhere(|race| {
        let start = race.start(30);
        let (grant, tokens) = race.now(start.bare.live());
        let token = tokens.refresh.clone().unwrap();
        let request = |n: u64| {
            let (bare, token, oversight) = (start.bare.clone(), token.clone(), oversight(&start, n));
            async move {
                if n.is_multiple_of(2) {
                    let narrowed = oversight.narrow(&grant, &Scope::parse("read").unwrap(), &by_ada()).await;
                    Did::Oversaw(narrowed.is_ok())
                } else {
                    Did::Answered(bare.refresh(Party::Own, &token).await)
                }
            }
        };
        let done = race.meet(&start, (0..5).map(request).collect());
        let case = race.case();
        assert!(!done.iter().any(|did| matches!(did, Did::Oversaw(false))), "{case}");
        let answers = answers(done);
        assert_eq!(successes(&answers).len(), 2, "{case}: {answers:?}");
        let access = answers.iter().filter_map(Answer::tokens).chain([tokens]).map(|tokens| tokens.access);
        for token in access {
            assert_eq!(scope_of(race, &start, &token), "read", "{case}");
        }
        let known = race.now(oversight(&start, 9).consents(&ada().person, None, 10)).unwrap();
        assert_eq!(known.items[0].agreed[0].scope.as_str(), "read", "{case}");
    });
}

#[test]
fn of_keys_that_are_rotated_at_once_all_are_taken_until_their_time_is_over() {
    everywhere(|race| {
        let start = race.start(30);
        let (_, tokens) = race.now(start.bare.live());
        let server = start.bare.resources[0].0.id;
        let rotate = |n: u64| {
            let oversight = oversight(&start, n);
            async move {
                let grace = Lifetime::minutes(5);
                let key = oversight.rotate_server_key(&server, grace, &By::operator()).await.unwrap();
                key.expose().expose_secret().to_owned()
            }
        };
        let mut keys = race.meet(&start, (0..4).map(rotate).collect());
        keys.push(start.bare.resources[0].1.clone());
        let taken = |key: &String| {
            let request = Request::post("/oauth/introspect")
                .header("content-type", "application/x-www-form-urlencoded")
                .header("authorization", format!("Bearer {key}"))
                .body(format!("token={}", tokens.access).into())
                .unwrap();
            race.now(start.bare.server.serve(request, Peer(None))).status().is_success()
        };
        let case = race.case();
        assert!(keys.iter().all(taken), "{case}");
        start.bare.clock.advance(300);
        assert_eq!(keys.iter().filter(|key| taken(key)).count(), 1, "{case}");
    });
}
