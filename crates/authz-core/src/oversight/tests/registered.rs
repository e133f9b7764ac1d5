//! Clients and servers.

use super::*;

fn metadata(uris: &[&str]) -> ClientMetadata {
    ClientMetadata {
        redirect_uris: uris.iter().map(ToString::to_string).collect(),
        client_name: Some("App".to_owned()),
        ..ClientMetadata::default()
    }
}

#[tokio::test]
async fn a_blocked_client_is_out_until_it_is_let_in_and_a_deleted_one_for_good() {
    let world = World::new().await;
    let (_, tokens) = world.connect("cid_app").await;
    let (oversight, app, operator) = (&world.oversight, id("cid_app"), By::operator());
    for (status, works) in
        [(Status::Blocked, false), (Status::Active, true), (Status::Deleted, false), (Status::Deleted, false)]
    {
        oversight.set_client(&app, status, &operator).await.unwrap();
        assert_eq!(world.scope_of(&tokens.access).await.is_some(), works, "{status:?}");
    }
    assert_eq!(world.events.names(), ["client_set"; 3]);
    assert!(oversight.client(&app).await.unwrap().is_none());
    assert_eq!(oversight.clients(None, 10).await.unwrap().items.len(), 1);
    let back = oversight.set_client(&app, Status::Active, &operator).await;
    assert!(matches!(back, Err(OversightError::Deleted(_))));
    let unknown = oversight.set_client(&id("cid_none"), Status::Blocked, &operator).await;
    assert!(matches!(unknown, Err(OversightError::Unknown)));
}

#[tokio::test]
async fn the_operator_answers_for_nobody_who_registered_themselves() {
    let world = World::new().await;
    let (oversight, app, operator) = (&world.oversight, id("cid_app"), By::operator());
    let refused = oversight.set_first_party(&app, true, &operator).await;
    assert!(matches!(refused, Err(OversightError::Unvouched)));
    oversight.vouch(&app, Provenance::Administrator, &operator).await.unwrap();
    oversight.set_first_party(&app, true, &operator).await.unwrap();
    assert!(oversight.client(&app).await.unwrap().unwrap().first_party);
    oversight.vouch(&app, Provenance::Dynamic, &operator).await.unwrap();
    assert!(!oversight.client(&app).await.unwrap().unwrap().first_party);
    assert_eq!(world.events.names(), ["client_vouched", "first_party_set", "client_vouched"]);
}

#[tokio::test]
async fn a_client_that_an_administrator_registers_is_vouched_for_and_kept() {
    let world = World::new().await;
    let registered = world
        .oversight
        .preregister(metadata(&[CALLBACK]), Some(world.resource), true, &By::operator())
        .await
        .unwrap();
    assert!(registered.information.client_secret.is_some());
    let view = world.oversight.client(&registered.client.id).await.unwrap().unwrap();
    assert!(view.first_party && view.confidential && view.kept_until.is_none());
    assert_eq!((view.provenance, view.server), (Provenance::Administrator, Some(world.resource)));
    let refused =
        world.oversight.preregister(metadata(&["javascript:x"]), None, false, &By::operator()).await;
    assert!(matches!(refused, Err(PreregisterError::Metadata(_))));
    let nowhere = Some(ServerId::new([9; 16]));
    let refused = world.oversight.preregister(metadata(&[CALLBACK]), nowhere, false, &By::operator()).await;
    assert!(matches!(refused, Err(PreregisterError::ServerUnknown)));
    let refused = world.oversight.preregister(metadata(&[CALLBACK]), None, false, &by_ada()).await;
    assert!(matches!(refused, Err(PreregisterError::NotAllowed)));
}

#[tokio::test]
async fn the_last_use_of_a_client_is_its_last_refresh_anywhere() {
    let world = World::new().await;
    let last_use = async |client| world.oversight.last_use_of(&id(client), 10).await.unwrap();
    let exactly = |at| LastUse { at, at_least: false };
    assert_eq!(last_use("cid_app").await, exactly(None));
    let (first, _) = world.connect("cid_app").await;
    world.clock.advance(50);
    let (_, tokens) = world.connect("cid_other").await;
    world.clock.advance(50);
    world.refresh("cid_other", &tokens.refresh).await.unwrap();
    assert_eq!(last_use("cid_app").await, exactly(Some(START)));
    assert_eq!(last_use("cid_other").await, exactly(Some(START.plus(100))));
    world.oversight.revoke(&first, &By::operator()).await.unwrap();
    assert_eq!(last_use("cid_app").await, exactly(None));
}

/// A hosted client has as many grants as people.
#[tokio::test]
async fn the_last_use_of_a_client_is_told_of_so_many_grants_and_no_more() {
    let world = World::new().await;
    for _ in 0..3 {
        world.connect("cid_app").await;
    }
    let last_use = async |among| world.oversight.last_use_of(&id("cid_app"), among).await.unwrap();
    assert_eq!(last_use(3).await, LastUse { at: Some(START), at_least: false });
    assert_eq!(last_use(2).await, LastUse { at: Some(START), at_least: true });
}

#[tokio::test]
async fn a_server_gets_a_new_key_and_the_one_before_is_taken_for_a_while() {
    let world = World::new().await;
    let (_, tokens) = world.connect("cid_app").await;
    let new = world.oversight.rotate_server_key(&world.resource, Lifetime::minutes(1), &By::operator()).await;
    let new = new.unwrap().expose().expose_secret().to_owned();
    assert_eq!(world.events.names(), ["server_key_rotated"]);
    assert!(world.introspect(&new, &tokens.access).await.unwrap().is_some());
    world.clock.advance(59);
    assert!(world.introspect(&world.key, &tokens.access).await.unwrap().is_some());
    world.clock.advance(1);
    assert_eq!(world.introspect(&world.key, &tokens.access).await, Err(401));
    world.oversight.rotate_server_key(&world.resource, Lifetime::seconds(0), &By::operator()).await.unwrap();
    assert_eq!(world.introspect(&new, &tokens.access).await, Err(401), "no grace, no time");
}

#[tokio::test]
async fn a_server_is_changed_blocked_and_deleted() {
    let world = World::new().await;
    let (_, tokens) = world.connect("cid_app").await;
    let (oversight, server, operator) = (&world.oversight, world.resource, By::operator());
    let change = ServerChange { name: Some("Archive".to_owned()), ..ServerChange::default() };
    let view = oversight.change_server(&server, &change, &operator).await.unwrap();
    assert_eq!((view.name.as_str(), view.scopes.len()), ("Archive", 2));
    oversight.change_server(&server, &change, &operator).await.unwrap();
    assert_eq!(world.events.names(), ["server_changed"], "the second time it was so already");
    oversight.set_server(&server, Status::Blocked, &operator).await.unwrap();
    assert_eq!(world.introspect(&world.key, &tokens.access).await, Err(401));
    assert!(world.refresh("cid_app", &tokens.refresh).await.is_none());
    oversight.set_server(&server, Status::Active, &operator).await.unwrap();
    assert!(world.scope_of(&tokens.access).await.is_some());
    oversight.set_server(&server, Status::Deleted, &operator).await.unwrap();
    oversight.set_server(&server, Status::Deleted, &operator).await.unwrap();
    assert_eq!(world.introspect(&world.key, &tokens.access).await, Err(401));
    assert!(oversight.server(&server).await.unwrap().is_none());
    let refused = oversight.rotate_server_key(&server, Lifetime::minutes(1), &operator).await;
    assert!(matches!(refused, Err(OversightError::Deleted(_))));
    let index =
        (&*world.store as &dyn Store).find::<store::OriginIndex>("https://mcp.example").await.unwrap();
    assert!(index.unwrap().record.entries.is_empty());
}
