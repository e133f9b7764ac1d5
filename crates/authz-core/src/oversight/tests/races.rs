//! Oversight meets the protocol at one record.

use super::*;

/// A world whose oversight is held up, and what holds it up.
async fn slow_oversight() -> (Arc<World>, Arc<HeldUp>) {
    let held_up = Arc::new(HeldUp::default());
    (Arc::new(World::held_up(Arc::default(), held_up.clone()).await), held_up)
}

/// A world whose server is held up, and what holds it up.
async fn slow_server() -> (Arc<World>, Arc<HeldUp>) {
    let held_up = Arc::new(HeldUp::default());
    (Arc::new(World::held_up(held_up.clone(), Arc::default()).await), held_up)
}

/// I4: whoever refreshes while a grant is being revoked has nothing.
#[tokio::test]
async fn a_refresh_between_reading_and_revoking_is_revoked_with_the_rest() {
    let (world, held_up) = slow_oversight().await;
    let (grant, tokens) = world.connect("cid_app").await;
    let refreshed = Arc::new(Mutex::new(None));
    held_up.by(Kind::Grant, {
        let (world, tokens, refreshed) = (world.clone(), tokens.clone(), refreshed.clone());
        async move { *refreshed.lock() = world.refresh("cid_app", &tokens.refresh).await }
    });
    assert!(world.oversight.revoke(&grant, &by_ada()).await.unwrap());
    let refreshed = refreshed.lock().take().unwrap();
    assert_eq!(world.scope_of(&refreshed.access).await, None);
    assert_eq!(world.scope_of(&tokens.access).await, None);
    assert!(world.refresh("cid_app", &refreshed.refresh).await.is_none());
}

#[tokio::test]
async fn a_refresh_that_was_overtaken_by_a_revocation_gets_nothing() {
    let (world, held_up) = slow_server().await;
    let (grant, tokens) = world.connect("cid_app").await;
    held_up.by(Kind::Grant, {
        let world = world.clone();
        async move { assert!(world.oversight.revoke(&grant, &by_ada()).await.unwrap()) }
    });
    assert!(world.refresh("cid_app", &tokens.refresh).await.is_none());
    assert!(held_up.met());
}

#[tokio::test]
async fn a_refresh_between_reading_and_narrowing_is_narrowed_too() {
    let (world, held_up) = slow_oversight().await;
    let (grant, tokens) = world.connect("cid_app").await;
    let refreshed = Arc::new(Mutex::new(None));
    held_up.by(Kind::Grant, {
        let (world, refreshed) = (world.clone(), refreshed.clone());
        async move { *refreshed.lock() = world.refresh("cid_app", &tokens.refresh).await }
    });
    world.oversight.narrow(&grant, &scope("read"), &by_ada()).await.unwrap();
    let refreshed = refreshed.lock().take().unwrap();
    assert_eq!(refreshed.scope, scope("read write"), "as it was told then");
    assert_eq!(world.scope_of(&refreshed.access).await, Some(scope("read")));
    let names = world.events.names();
    assert_eq!(names.iter().filter(|name| *name == "grant_narrowed").count(), 1, "{names:?}");
}

#[tokio::test]
async fn a_refresh_that_was_overtaken_by_narrowing_gets_less() {
    let (world, held_up) = slow_server().await;
    let (grant, tokens) = world.connect("cid_app").await;
    held_up.by(Kind::Grant, {
        let world = world.clone();
        async move {
            world.oversight.narrow(&grant, &scope("read"), &by_ada()).await.unwrap();
        }
    });
    let refreshed = world.refresh("cid_app", &tokens.refresh).await.unwrap();
    assert!(held_up.met());
    assert_eq!(refreshed.scope, scope("read"));
    assert_eq!(world.scope_of(&refreshed.access).await, Some(scope("read")));
}

#[tokio::test]
async fn a_revocation_that_overtakes_narrowing_wins() {
    let (world, held_up) = slow_oversight().await;
    let (grant, tokens) = world.connect("cid_app").await;
    held_up.by(Kind::Grant, {
        let world = world.clone();
        async move { assert!(world.oversight.revoke(&grant, &by_ada()).await.unwrap()) }
    });
    let narrowed = world.oversight.narrow(&grant, &scope("read"), &by_ada()).await;
    assert!(matches!(narrowed, Err(OversightError::Unknown)), "{narrowed:?}");
    assert_eq!(world.scope_of(&tokens.access).await, None);
}

/// A yes to a new question beside a withdrawal: the withdrawal is later than what was known when the page was answered.
#[tokio::test]
async fn a_consent_withdrawn_while_a_person_approves_stays_withdrawn() {
    let (world, held_up) = slow_server().await;
    world.connect("cid_app").await;
    let pending = world.requested("cid_app").await;
    held_up.by(Kind::Grant, {
        let world = world.clone();
        async move {
            let ada = person("usr_ada");
            assert!(
                world.oversight.withdraw(&ada, &id("cid_app"), &world.resource, &by_ada()).await.unwrap()
            );
        }
    });
    world.server.approve(pending, &ada(), &scope("read")).await.unwrap();
    assert!(held_up.met());
    assert!(world.oversight.consents(&person("usr_ada"), None, 10).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn of_two_who_rotate_a_key_at_once_both_have_one_that_works() {
    let (world, held_up) = slow_oversight().await;
    let (_, tokens) = world.connect("cid_app").await;
    let theirs = Arc::new(Mutex::new(None));
    let grace = Lifetime::minutes(5);
    held_up.by(Kind::Server, {
        let (world, theirs) = (world.clone(), theirs.clone());
        async move {
            let key =
                world.oversight.rotate_server_key(&world.resource, grace, &By::operator()).await.unwrap();
            *theirs.lock() = Some(key);
        }
    });
    let ours = world.oversight.rotate_server_key(&world.resource, grace, &By::operator()).await.unwrap();
    let theirs = theirs.lock().take().unwrap();
    for key in [ours.expose().expose_secret(), theirs.expose().expose_secret(), &*world.key] {
        assert!(world.introspect(key, &tokens.access).await.unwrap().is_some());
    }
    world.clock.advance(300);
    assert!(world.introspect(ours.expose().expose_secret(), &tokens.access).await.unwrap().is_some());
    for key in [theirs.expose().expose_secret(), &*world.key] {
        assert_eq!(world.introspect(key, &tokens.access).await, Err(401));
    }
}

#[tokio::test]
async fn of_two_who_hold_something_against_a_person_neither_is_lost() {
    let (world, held_up) = slow_oversight().await;
    let (_, tokens) = world.connect("cid_app").await;
    let ada = person("usr_ada");
    held_up.by(Kind::Person, {
        let (world, ada) = (world.clone(), ada.clone());
        async move { world.oversight.end_everything(&ada, &By::operator()).await.unwrap() }
    });
    world.oversight.set_person(&ada, Status::Blocked, &By::operator()).await.unwrap();
    assert!(held_up.met());
    assert_eq!(world.oversight.status_of(&ada).await.unwrap(), Status::Blocked);
    world.oversight.set_person(&ada, Status::Active, &By::operator()).await.unwrap();
    assert_eq!(world.scope_of(&tokens.access).await, None, "the epoch stayed");
}

/// A client that refreshes all the time does not keep anybody from narrowing it for good: it is told to come back.
#[tokio::test]
async fn whoever_always_loses_is_told_that_it_is_busy() {
    let (world, _) = slow_oversight().await;
    let (grant, _) = world.connect("cid_app").await;
    let stale = world.oversight.rewrite(grant, |grant: &Grant| {
        // Somebody else writes between each reading and writing.
        somebody_writes(&world, grant);
        Ok::<_, Unavailable>(Some(grant.clone()))
    });
    assert!(matches!(stale.await, Err(Unavailable::Busy)));
}

/// Writes a grant as it is, under another mark.
fn somebody_writes(world: &World, grant: &Grant) {
    let store = world.store.clone();
    let grant = grant.clone();
    let mark = Mark::new(world.oversight.entropy.draw());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let found = (&*store as &dyn Store).find::<Grant>(grant.id).await.unwrap().unwrap();
            let changes = Changes::replace(mark, &found, &found.record);
            assert_eq!(store.commit(&changes).await.unwrap(), Commit::Done);
        });
    })
    .join()
    .unwrap();
}

/// Her session was looked at, then everything ended, and then the grant was born: it copies the epoch of the session, not the one that
/// there is by now.
#[tokio::test]
async fn a_grant_that_is_born_while_everything_ends_is_over() {
    for (looked_at, lives) in [("before", false), ("after", true)] {
        let world = World::new().await;
        world.connect("cid_app").await;
        let remembered = code(&world.authorize_and("cid_app", "&looked_at=before").await);
        assert!(world.redeem("cid_app", &remembered).await.is_some());
        world.oversight.end_everything(&person("usr_ada"), &by_ada()).await.unwrap();
        let asked = world.authorize_and("cid_app", &format!("&looked_at={looked_at}")).await;
        let grant = GrantId::parse(std::str::from_utf8(asked.body()).unwrap()).unwrap();
        assert_eq!(world.server.approve(grant, &ada(), &scope("read")).await.is_ok(), lives, "{looked_at}");
    }
}
