//! Codes and refresh tokens that come twice (I1 to I3, AS-24, AS-36).

use std::sync::Arc;

use testkit::client::{Client, Tokens};
use testkit::world::World;

use crate::run::{Run, Stage};

fn invalid_grant() -> (u16, String) {
    (400, "invalid_grant".to_owned())
}

/// Sends the same refresh or redemption sixteen times at once.
async fn sixteen_times(stage: Stage, form: testkit::world::Params) -> (Stage, Vec<testkit::world::Answer>) {
    let stage = Arc::new(stage);
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (stage, form) = (Arc::clone(&stage), form.clone());
            tokio::spawn(async move { stage.client.send(&stage.world, "/oauth/token", &form).await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    (Arc::into_inner(stage).unwrap(), answers)
}

/// G1, I1: sixteen redemptions of one code at once: one gets tokens, and the losers end the grant.
async fn g01_of_sixteen_redemptions_at_once_one_succeeds_and_its_tokens_die(run: Run) {
    let mut stage = run.stage().await;
    let code = stage.client.code(&stage.world, &mut stage.ada).await;
    let form = stage.client.redeeming(&code);
    let (Stage { world, server, client, .. }, answers) = sixteen_times(stage, form).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status() == 200);
    assert_eq!((won.len(), lost.len()), (1, 15));
    for answer in lost {
        assert_eq!(answer.refusal(), invalid_grant());
    }
    let tokens = Tokens::of(&won[0]);
    assert!(!server.accepts(&world, &tokens.access).await);
    assert_eq!(client.refresh(&world, &tokens.refresh).await.refusal(), invalid_grant());
}

/// AS-24: a replay with the right verifier ends what the code gave.
async fn as24_a_replayed_code_revokes_its_tokens(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let code = client.code(&world, &mut ada).await;
    let tokens = Tokens::of(&client.redeem(&world, &code).await);
    assert!(server.accepts(&world, &tokens.access).await);
    assert_eq!(client.redeem(&world, &code).await.refusal(), invalid_grant());
    assert!(!server.accepts(&world, &tokens.access).await);
    assert_eq!(client.refresh(&world, &tokens.refresh).await.refusal(), invalid_grant());
}

/// AS-24: "SHOULD NOT revoke when the replay has invalid verifier": a leaked used code is no kill switch.
async fn as24_a_replay_without_the_verifier_changes_nothing(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let code = client.code(&world, &mut ada).await;
    let tokens = Tokens::of(&client.redeem(&world, &code).await);
    let other = Client::public(&world).await;
    let replays = [
        client.redeeming(&code).with("code_verifier", &"x".repeat(43)),
        other.redeeming(&code),
        other.redeeming(&code).with("code_verifier", &client.verifier),
    ];
    for replay in replays {
        assert_eq!(world.post("/oauth/token", &replay, &[]).await.refusal(), invalid_grant());
    }
    assert_ne!(
        world.post("/oauth/token", &client.redeeming(&code).without("code_verifier"), &[]).await.status(),
        200
    );
    assert!(server.accepts(&world, &tokens.access).await);
    assert_eq!(client.refresh(&world, &tokens.refresh).await.status(), 200);
}

/// AS-36, G7: an old refresh token ends the family.
async fn g07_a_refresh_token_of_an_older_generation_ends_the_family(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let first = client.connect(&world, &mut ada).await;
    let second = Tokens::of(&client.refresh(&world, &first.refresh).await);
    let third = Tokens::of(&client.refresh(&world, &second.refresh).await);
    assert_eq!(client.refresh(&world, &first.refresh).await.refusal(), invalid_grant());
    assert_dead(&world, &client, &server, &third).await;
}

/// AS-36, G7: the previous one is old, too, when the leeway is over.
async fn g07_the_previous_refresh_token_ends_the_family_after_the_leeway(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let first = client.connect(&world, &mut ada).await;
    let second = Tokens::of(&client.refresh(&world, &first.refresh).await);
    world.clock.advance(31);
    assert_eq!(client.refresh(&world, &first.refresh).await.refusal(), invalid_grant());
    assert_dead(&world, &client, &server, &second).await;
}

/// AS-36, G7: within it, a lost answer is given again: the same tokens.
async fn g07_a_lost_answer_is_given_again_within_the_leeway(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let first = client.connect(&world, &mut ada).await;
    let second = Tokens::of(&client.refresh(&world, &first.refresh).await);
    world.clock.advance(20);
    let again = client.refresh(&world, &first.refresh).await;
    assert_eq!(again.json()["expires_in"], 3580);
    assert_eq!(Tokens::of(&again), second);
    assert!(server.accepts(&world, &second.access).await);
    assert_eq!(client.refresh(&world, &second.refresh).await.status(), 200);
}

/// Within the leeway, but asking for something else: refused, and nothing changes.
async fn a_repeat_that_asks_for_something_else_changes_nothing(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let scope = client.asking().and("scope", "files:read files:write");
    let callback = client.authorize(&world, &mut ada, &scope).await;
    let first = Tokens::of(&client.redeem(&world, callback.one("code").unwrap()).await);
    let second = Tokens::of(&client.refresh(&world, &first.refresh).await);
    let other = client.refreshing(&first.refresh).and("scope", "files:read");
    assert_eq!(client.send(&world, "/oauth/token", &other).await.refusal(), invalid_grant());
    assert_eq!(client.refresh(&world, &second.refresh).await.status(), 200);
}

/// I2: sixteen refreshes at once are one.
async fn i2_sixteen_refreshes_at_once_give_the_same_tokens(run: Run) {
    let mut stage = run.stage().await;
    let tokens = stage.client.connect(&stage.world, &mut stage.ada).await;
    let form = stage.client.refreshing(&tokens.refresh);
    let (Stage { world, server, client, .. }, answers) = sixteen_times(stage, form).await;
    let next = Tokens::of(&answers[0]);
    for answer in &answers {
        assert_eq!(Tokens::of(answer), next);
    }
    assert!(server.accepts(&world, &next.access).await);
    assert_eq!(client.refresh(&world, &next.refresh).await.status(), 200);
}

/// With the leeway off, every repeat is a replay.
async fn without_a_leeway_a_repeated_refresh_ends_the_family(run: Run) {
    let world = run.with(|config| config.policy.leeway = authz_core::Lifetime::seconds(0)).await;
    let Stage { world, server, client, mut ada } = Stage::of(world).await;
    let first = client.connect(&world, &mut ada).await;
    let second = Tokens::of(&client.refresh(&world, &first.refresh).await);
    assert_eq!(client.refresh(&world, &first.refresh).await.refusal(), invalid_grant());
    assert_dead(&world, &client, &server, &second).await;
}

async fn assert_dead(
    world: &World,
    client: &Client,
    server: &testkit::client::ResourceServer,
    tokens: &Tokens,
) {
    assert!(!server.accepts(world, &tokens.access).await);
    assert_eq!(client.refresh(world, &tokens.refresh).await.refusal(), invalid_grant());
}

stamp! {
    g01_of_sixteen_redemptions_at_once_one_succeeds_and_its_tokens_die,
    as24_a_replayed_code_revokes_its_tokens,
    as24_a_replay_without_the_verifier_changes_nothing,
    g07_a_refresh_token_of_an_older_generation_ends_the_family,
    g07_the_previous_refresh_token_ends_the_family_after_the_leeway,
    g07_a_lost_answer_is_given_again_within_the_leeway,
    a_repeat_that_asks_for_something_else_changes_nothing,
    i2_sixteen_refreshes_at_once_give_the_same_tokens,
    without_a_leeway_a_repeated_refresh_ends_the_family,
}
