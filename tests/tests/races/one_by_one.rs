//! Requests that meet at one grant are answered as if they had come one after the other, in some order.

use std::sync::Arc;

use authz_core::Policy;
use proptest::prelude::*;
use store::{Backend, Memory};
use testkit::bare::{Answer, Bare, Party};
use testkit::schedule::{Order, Task, Turns};

/// One of the requests whose answers follow from the grant alone.
#[derive(Clone, Copy, Debug)]
enum Ask {
    Refresh { generation: usize, narrow: bool },
    RevokeAccess { generation: usize },
    RevokeRefresh { generation: usize },
    Introspect { generation: usize },
    Replay,
    StrangerRefreshes { generation: usize },
}

fn asks() -> impl Strategy<Value = Ask> {
    prop_oneof![
        4 => (0..3_usize, any::<bool>()).prop_map(|(generation, narrow)| Ask::Refresh { generation, narrow }),
        2 => (0..3_usize).prop_map(|generation| Ask::RevokeAccess { generation }),
        1 => (0..3_usize).prop_map(|generation| Ask::RevokeRefresh { generation }),
        2 => (0..3_usize).prop_map(|generation| Ask::Introspect { generation }),
        1 => Just(Ask::Replay),
        1 => (0..3_usize).prop_map(|generation| Ask::StrangerRefreshes { generation }),
    ]
}

/// A grant at its third generation, always the same one: nothing of what it answers from here on is drawn.
struct Third {
    bare: Bare,
    code: String,
    access: Vec<String>,
    refresh: Vec<String>,
}

impl Third {
    async fn new(wrap: impl FnOnce(Arc<dyn Backend>) -> Arc<dyn Backend>) -> Self {
        let bare = Bare::new(Arc::new(Memory::new()), wrap, Policy::default(), true).await;
        let (_, code) = bare.coded().await;
        let mut tokens = bare.redeem(Party::Own, &code).await.tokens().unwrap();
        let (mut access, mut refresh) = (vec![tokens.access], vec![tokens.refresh.unwrap()]);
        while refresh.len() < 3 {
            tokens = bare.refresh(Party::Own, &refresh[refresh.len() - 1]).await.tokens().unwrap();
            access.push(tokens.access);
            refresh.push(tokens.refresh.unwrap());
        }
        Self { bare, code, access, refresh }
    }

    async fn answer(&self, ask: Ask) -> Answer {
        let refresh = |generation: usize| self.refresh[generation].as_str();
        match ask {
            Ask::Refresh { generation, narrow } => {
                let form = [
                    ("grant_type", "refresh_token"),
                    ("refresh_token", refresh(generation)),
                    ("scope", "read"),
                ];
                self.bare.token(Party::Own, &form[..if narrow { 3 } else { 2 }]).await
            }
            Ask::RevokeAccess { generation } => self.bare.revoke(Party::Own, &self.access[generation]).await,
            Ask::RevokeRefresh { generation } => self.bare.revoke(Party::Own, refresh(generation)).await,
            Ask::Introspect { generation } => self.bare.introspect(0, &self.access[generation]).await,
            Ask::Replay => self.bare.redeem(Party::Own, &self.code).await,
            Ask::StrangerRefreshes { generation } => {
                self.bare.refresh(Party::Other, refresh(generation)).await
            }
        }
    }

    /// What everybody can see of the grant afterwards.
    async fn afterwards(&self, answers: &[Answer]) -> Vec<Answer> {
        let new = answers.iter().filter_map(Answer::tokens).map(|tokens| tokens.access);
        let mut seen = Vec::new();
        for token in self.access.iter().cloned().chain(new) {
            seen.push(self.bare.introspect(0, &token).await);
        }
        seen
    }
}

/// The order of the requests, each as its number.
fn orders(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    let shorter = orders(n - 1);
    shorter
        .iter()
        .flat_map(|order| {
            (0..n).map(move |at| {
                let mut order = order.clone();
                order.insert(at, n - 1);
                order
            })
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_interleaving_it_is_as_if_they_came_one_after_the_other(
        asks in prop::collection::vec(asks(), 2..4),
        order in prop::collection::vec(any::<u8>(), 0..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let turns = Turns::default();
        let grant = runtime.block_on(Third::new(|store| turns.store(store)));
        let tasks = asks.iter().map(|ask| Box::pin(grant.answer(*ask)) as Task<'_, Answer>).collect();
        let answers = turns.run(tasks, Order::given(order));
        let at_once = (answers.clone(), runtime.block_on(grant.afterwards(&answers)));
        let one_by_one = orders(asks.len()).into_iter().map(|order| runtime.block_on(async {
            let grant = Third::new(|store| store).await;
            let mut answers = vec![None; asks.len()];
            for n in order {
                answers[n] = Some(grant.answer(asks[n]).await);
            }
            let answers: Vec<_> = answers.into_iter().flatten().collect();
            let seen = grant.afterwards(&answers).await;
            (answers, seen)
        }));
        let one_by_one: Vec<_> = one_by_one.collect();
        prop_assert!(one_by_one.contains(&at_once), "{at_once:#?}\nis none of\n{one_by_one:#?}");
    }
}
