//! Many who come at once for the same thing, to four processes over one Redis.

use std::collections::BTreeMap;
use std::sync::Arc;

use tests::crowd::{self, AT_ONCE, the_winner};
use tokio::task::JoinSet;

use crate::check::{ALL, Promise, check};
use crate::log::{Answer, Ask, Caller, Log};
use crate::over_redis::Place;
use crate::site::Site;

/// Crowds at once.
const BESIDE: usize = 4;

#[derive(Clone)]
struct Crowd {
    site: Arc<Site>,
    log: Arc<Log>,
}

impl Crowd {
    async fn ask(&self, process: usize, ask: Ask) -> Answer {
        self.site.ask(&self.log, process % self.site.ways.len(), ask).await
    }

    async fn code(&self, n: usize) -> String {
        let answer = self.ask(n, Ask::Authorize).await;
        answer.code().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    }

    async fn refresh_token(&self, n: usize) -> String {
        let answer = self.ask(n, Ask::Redeem(self.code(n).await)).await;
        answer.tokens().unwrap_or_else(|| panic!("{answer:?}")).1.to_owned()
    }

    /// What all are answered.
    async fn all(&self, ask: &Ask) -> Vec<Answer> {
        let asked: JoinSet<Answer> = (0..AT_ONCE)
            .map(|process| {
                let (crowd, ask) = (self.clone(), ask.clone());
                async move { crowd.ask(process, ask).await }
            })
            .collect();
        asked.join_all().await
    }

    /// One of them gets tokens, the others end what they are for.
    async fn one_of(&self, ask: &Ask, n: usize) {
        let answers = self.all(ask).await;
        let (access, _) = the_winner(&answers, Answer::tokens, |answer| *answer == Answer::Refused);
        let active = self.ask(n, Ask::Introspect(access.to_owned(), Caller::Own)).await;
        assert_eq!(active, Answer::Active(false));
    }

    /// All get the same.
    async fn all_of(&self, ask: &Ask, n: usize) {
        let answers = self.all(ask).await;
        let Some((access, _)) = answers[0].tokens() else { panic!("{answers:?}") };
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        let active = self.ask(n, Ask::Introspect(access.to_owned(), Caller::Own)).await;
        assert_eq!(active, Answer::Active(true));
    }
}

/// Lets crowds come so many times, and has the checker look at all that they were answered.
async fn come<F>(leeway: &str, promise: Promise, come: impl Fn(Crowd, usize) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let (_place, site) = Place::new(leeway, "30s").await;
    let crowd = Crowd { site: Arc::new(site), log: Arc::default() };
    crowd::come(BESIDE, |n| come(crowd.clone(), n)).await;
    let violations = check(&crowd.log.take(), &BTreeMap::new(), promise);
    assert!(violations.is_empty(), "{}", violations[0]);
}

/// I1, I3.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_code_is_redeemed_by_one_of_sixteen() {
    come("5m", ALL, |crowd, n| async move { crowd.one_of(&Ask::Redeem(crowd.code(n).await), n).await }).await;
}

/// I2.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_refresh_token_has_one_successor_for_all_sixteen() {
    come("5m", ALL, |crowd, n| async move {
        crowd.all_of(&Ask::Refresh(crowd.refresh_token(n).await), n).await;
    })
    .await;
}

/// I2, I3: without leeway.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_refresh_token_without_leeway_is_taken_from_one_of_sixteen() {
    come("0s", Promise { leeway: false, ..ALL }, |crowd, n| async move {
        crowd.one_of(&Ask::Refresh(crowd.refresh_token(n).await), n).await;
    })
    .await;
}
