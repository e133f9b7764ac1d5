//! What a failover loses, and what that means for those whose tokens it were (`docs/deploy.md`).

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::sync::Arc;
use std::time::Duration;

use ambient::SystemClock;
use authz_core::{Event, Policy};
use store::{Backend, Redis, RedisOptions};
use testkit::bare::{Bare, Party, Tokens};
use testkit::redis_server::RedisSentinels;

/// The clock of Redis expires records, and everything begins in the past.
const AHEAD: i64 = 6_000_000_000;

#[tokio::test]
async fn what_a_failover_loses_is_logged_in_again_and_a_newer_refresh_token_is_taken() {
    let mut servers = RedisSentinels::start();
    let url = servers.url().parse().unwrap();
    let redis = Redis::open(&url, RedisOptions::default(), Arc::new(SystemClock)).await.unwrap();
    let store: Arc<dyn Backend> = Arc::new(redis);
    let bare = Bare::new(Arc::clone(&store), |store| store, Policy::default(), true).await;
    bare.clock.advance(AHEAD);
    let (refreshed, first) = bare.live().await;
    let code = bare.authorize().await.code().unwrap();
    let revoked = logged_in(&bare).await;
    let spent = first.refresh.unwrap();
    assert_eq!(servers.primary.ask(&["WAIT", "1", "0"]), "1");

    servers.cut_off_the_replica();
    let lost = bare.refresh(Party::Own, &spent).await.tokens().unwrap();
    let lost_redemption = bare.redeem(Party::Own, &code).await.tokens().unwrap();
    let lost_log_in = logged_in(&bare).await;
    bare.revoke(Party::Own, &revoked.access).await;
    assert!(!bare.is_active(&revoked.access).await);
    servers.primary.kill();
    servers.fail_over();
    let back = async {
        while store.ready().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), back).await.unwrap();
    let _ = bare.events.take();

    // A refresh: the newer token is taken, and the one that it replaced is spent.
    assert!(bare.stored(refreshed).await.is_some());
    assert!(!bare.is_active(&lost.access).await);
    let next = bare.refresh(Party::Own, &lost.refresh.unwrap()).await.tokens().unwrap();
    let events = bare.events.take();
    assert!(events.iter().any(|event| matches!(event, Event::StoreWentBack { .. })), "{events:?}");
    assert!(bare.is_active(&next.access).await);
    let replayed = bare.refresh(Party::Own, &spent).await;
    assert_eq!(replayed.error().as_deref(), Some("invalid_grant"), "{replayed:?}");
    assert!(!bare.is_active(&next.access).await, "a replay ends the grant");

    // A log-in: they log in again.
    assert!(!bare.is_active(&lost_log_in.access).await);
    let unknown = bare.refresh(Party::Own, &lost_log_in.refresh.unwrap()).await;
    assert_eq!(unknown.error().as_deref(), Some("invalid_grant"), "{unknown:?}");

    // A redemption: its tokens are nothing, and the code can be redeemed once more, by whoever has its verifier, and not twice.
    assert!(!bare.is_active(&lost_redemption.access).await);
    let unknown = bare.refresh(Party::Own, &lost_redemption.refresh.unwrap()).await;
    assert_eq!(unknown.error().as_deref(), Some("invalid_grant"), "{unknown:?}");
    let once_more = bare.redeem(Party::Own, &code).await.tokens().unwrap();
    let replayed = bare.redeem(Party::Own, &code).await;
    assert_eq!(replayed.error().as_deref(), Some("invalid_grant"), "{replayed:?}");
    assert!(!bare.is_active(&once_more.access).await, "a replay ends the grant");

    // A revocation did not happen.
    assert!(bare.is_active(&revoked.access).await);
}

/// Tokens of one more grant: Ada has consented before, so she is not asked.
async fn logged_in(bare: &Bare) -> Tokens {
    let code = bare.authorize().await.code().unwrap();
    bare.redeem(Party::Own, &code).await.tokens().unwrap()
}
