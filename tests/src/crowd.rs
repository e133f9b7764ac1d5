//! Crowds that come for the same thing.

use std::fmt::Debug;

use tokio::task::JoinSet;

/// Who come at once with the same code, or the same refresh token.
pub const AT_ONCE: usize = 16;

/// How many codes, and refresh tokens, crowds come for: `PORTCULLIS_CHAOS_TIMES`, or 40.
///
/// # Panics
///
/// If that is no number.
#[must_use]
#[expect(clippy::unwrap_used, reason = "what is set wrong fails the test by a panic")]
pub fn times() -> usize {
    std::env::var("PORTCULLIS_CHAOS_TIMES").map_or(40, |times| times.parse().unwrap())
}

/// Lets crowds come [`times`] times, the first one as number 0, so many of them beside each other.
///
/// # Panics
///
/// If one of them panics.
#[expect(clippy::unwrap_used, reason = "a crowd that panics fails the test by a panic")]
pub async fn come<F>(beside: usize, crowd: impl Fn(usize) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut under_way = JoinSet::new();
    for n in 0..times() {
        if under_way.len() == beside {
            under_way.join_next().await.unwrap().unwrap();
        }
        under_way.spawn(crowd(n));
    }
    under_way.join_all().await;
}

/// What the one of a crowd got who got tokens.
///
/// # Panics
///
/// If there is not one, and if the others were not all refused.
pub fn the_winner<'a, A: Debug, T>(
    answers: &'a [A],
    tokens: impl Fn(&'a A) -> Option<T>,
    is_refusal: impl Fn(&A) -> bool,
) -> T {
    let mut won: Vec<T> = answers.iter().filter_map(tokens).collect();
    let refused = answers.iter().filter(|answer| is_refusal(answer)).count();
    assert_eq!((won.len(), refused), (1, answers.len() - 1), "{answers:?}");
    won.remove(0)
}
