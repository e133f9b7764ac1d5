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
    assert_eq!(oversight.clients(Sought::default(), None, None, 10).await.unwrap().items.len(), 1);
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
    assert!(matches!(refused, Err(PreregisterError::OutOfReach(_))));
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
async fn clients_and_servers_are_found_by_name_state_and_who_vouches_for_them() {
    let world = World::new().await;
    let (oversight, operator) = (&world.oversight, By::operator());
    oversight.vouch(&id("cid_other"), Provenance::Administrator, &operator).await.unwrap();
    let clients = async |text, status, vouched| {
        let listed = oversight.clients(Sought { text, status }, vouched, None, 10).await.unwrap();
        listed.items.into_iter().map(|client| client.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(clients(Some("OTHER"), None, None).await, ["cid_other"]);
    assert_eq!(clients(None, None, Some(true)).await, ["cid_other"]);
    assert_eq!(clients(None, None, Some(false)).await, ["cid_app"]);
    assert_eq!(clients(Some("nobody"), None, None).await, [""; 0]);
    assert_eq!(clients(None, Some(Status::Blocked), None).await, [""; 0]);
    oversight.set_client(&id("cid_app"), Status::Blocked, &operator).await.unwrap();
    assert_eq!(clients(None, Some(Status::Blocked), None).await, ["cid_app"]);
    oversight.set_client(&id("cid_app"), Status::Deleted, &operator).await.unwrap();
    assert_eq!(clients(None, Some(Status::Deleted), None).await, [""; 0]);
    let servers =
        async |text, status| oversight.servers(Sought { text, status }, None, 10).await.unwrap().items.len();
    assert_eq!((servers(Some("files"), None).await, servers(Some("zzz"), None).await), (1, 0));
    assert_eq!(servers(None, Some(Status::Blocked)).await, 0);
}

/// Of two keys in grace it can be told which is still used, and which it is, without either being shown.
#[tokio::test]
async fn the_keys_of_a_server_are_told_apart_and_say_when_they_were_used() {
    let world = World::new().await;
    let (_, tokens) = world.connect("cid_app").await;
    let fingerprint = |text: &str| {
        let digest = store::Digest::of(text.as_bytes());
        digest.as_bytes().iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    world.introspect(&world.key, &tokens.access).await.unwrap();
    let new =
        world.oversight.rotate_server_key(&world.resource, Lifetime::minutes(90), &By::operator()).await;
    let new = new.unwrap().expose().expose_secret().to_owned();
    let keys = world.oversight.keys_of(&world.resource).await.unwrap();
    let until = Some(START.plus(5_400));
    let expected = [(fingerprint(&new), None, None), (fingerprint(&world.key), until, Some(START))];
    assert_eq!(
        keys.into_iter().map(|key| (key.fingerprint, key.until, key.used)).collect::<Vec<_>>(),
        expected
    );
    world.clock.advance(3_600);
    let refused = world.introspect(&format!("{}A", &new[..new.len() - 1]), &tokens.access).await;
    assert_eq!(refused, Err(401));
    world.introspect(&new, &tokens.access).await.unwrap();
    let used: Vec<_> =
        world.oversight.keys_of(&world.resource).await.unwrap().into_iter().map(|key| key.used).collect();
    assert_eq!(used, [Some(START.plus(3_600)), Some(START)]);
    world.clock.advance(1_800);
    assert_eq!(world.oversight.keys_of(&world.resource).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_client_gets_a_new_secret_and_the_one_before_is_taken_for_a_while() {
    let world = World::new().await;
    let keeping = |secret: &str| ClientAuth::Secret {
        method: store::SecretMethod::Post,
        digest: store::Digest::of(secret.as_bytes()),
        retiring: Vec::new(),
    };
    let before = Client { auth: keeping("hush"), ..client("cid_web") };
    let store: &dyn Store = &*world.store;
    let created = store.commit(&Changes::create(Mark::new([9; 16]), &before)).await.unwrap();
    assert_eq!(created, Commit::Done);
    let (oversight, operator) = (&world.oversight, By::operator());
    let secret = oversight.rotate_client_secret(&id("cid_web"), Lifetime::minutes(1), &operator).await;
    let secret = secret.unwrap().expose().expose_secret().to_owned();
    assert_eq!(world.events.names(), ["client_secret_rotated"]);
    // A code that is none: a client that was let in is told so, another one is told that it is not let in.
    let told = async |secret: &str| {
        let body = format!(
            "grant_type=authorization_code&code=x&client_id=cid_web&client_secret={secret}&code_verifier=v"
        );
        let request =
            Request::post("/oauth/token").header("content-type", "application/x-www-form-urlencoded");
        world.send(request.body(body.into()).unwrap()).await.status().as_u16()
    };
    assert_eq!((told(&secret).await, told("hush").await, told("hash").await), (400, 400, 401));
    world.clock.advance(60);
    assert_eq!((told(&secret).await, told("hush").await), (400, 401));
    assert_eq!(oversight.secrets_of(&id("cid_web")).await.unwrap().len(), 1);

    let public = oversight.rotate_client_secret(&id("cid_app"), Lifetime::minutes(1), &operator).await;
    assert!(matches!(public, Err(OversightError::NoSecret)));
    oversight.set_client(&id("cid_web"), Status::Deleted, &operator).await.unwrap();
    let deleted = oversight.rotate_client_secret(&id("cid_web"), Lifetime::minutes(1), &operator).await;
    assert!(matches!(deleted, Err(OversightError::Deleted(_))));
    assert!(oversight.secrets_of(&id("cid_web")).await.unwrap().is_empty());
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
