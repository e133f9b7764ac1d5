//! Many requests at once.

use std::sync::Arc;

use serde_json::json;
use testkit::provider::Signer;

use super::{World, verify};

/// Each worker sends tokens of the new key while others still send those of the old one; nobody is refused, and the keys are
/// fetched twice in all.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rotation_under_load_refuses_nobody() {
    let world = Arc::new(World::new());
    let verifier = world.jwt();
    verify(&verifier, &world.token()).await.unwrap();
    let new = Arc::new(Signer::es256("two"));
    world.provider.publish_keys(&world.net, &[&world.signer, &new]);
    let workers: Vec<_> = (0..8)
        .map(|number| {
            let (world, verifier, new) = (Arc::clone(&world), verifier.clone(), Arc::clone(&new));
            tokio::spawn(async move {
                for _ in 0..50 {
                    let signer = if number % 2 == 0 { &*new } else { &world.signer };
                    verify(&verifier, &signer.token(&world.claims(json!({})))).await.unwrap();
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(world.key_calls(), 2);
}
