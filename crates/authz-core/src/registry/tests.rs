//! Registering, removing, and what a crash between two writes leaves.

use ambient::{ManualClock, SeededEntropy, Time};
use store::Memory;

use super::*;

fn registry(store: &Arc<Memory>, clock: &Arc<ManualClock>, seed: u64) -> Registry {
    Registry::new(store.clone(), clock.clone(), Arc::new(SeededEntropy::new(seed)))
}

fn new(resource: &str) -> NewServer {
    NewServer {
        name: "Files".to_owned(),
        resource: Resource::parse(resource).unwrap(),
        scopes: Vec::new(),
        owner_email: None,
        userinfo: UserInfoDetail::Full,
    }
}

#[tokio::test]
async fn a_resource_is_registered_once_however_it_is_spelt() {
    let (store, clock) = (Arc::new(Memory::new()), Arc::new(ManualClock::at(Time(1_000))));
    let registry = registry(&store, &clock, 1);
    let (server, _) = registry.register(new("https://mcp.example/mcp")).await.unwrap();
    for alias in ["https://mcp.example/mcp", "https://MCP.example:443/mcp/"] {
        let refused = registry.register(new(alias)).await;
        assert!(matches!(refused, Err(RegisterError::ResourceTaken(id)) if id == server.id), "{refused:?}");
    }
    assert!(registry.remove(&server.id).await.unwrap());
    assert!(registry.register(new("https://mcp.example/mcp")).await.is_ok());
}

/// An entry whose record is still to come belongs to somebody; ten minutes later it is what a crash left behind.
#[tokio::test]
async fn an_entry_without_a_record_is_taken_over_when_it_is_old() {
    let (store, clock) = (Arc::new(Memory::new()), Arc::new(ManualClock::at(Time(1_000))));
    let registry = registry(&store, &clock, 2);
    let id = ServerId::new([7; 16]);
    let resource = Resource::parse("https://mcp.example/mcp").unwrap();
    let entries = vec![OriginEntry { server: id, resource: resource.clone(), since: Time(1_000) }];
    let index = OriginIndex { origin: resource.origin(), entries };
    let done = store.commit(&Changes::create(Mark::new([1; 16]), &index)).await.unwrap();
    assert_eq!(done, Commit::Done);
    clock.advance(599);
    let refused = registry.register(new("https://mcp.example/mcp")).await;
    assert!(matches!(refused, Err(RegisterError::ResourceTaken(taken)) if taken == id), "{refused:?}");
    clock.advance(1);
    assert!(registry.register(new("https://mcp.example/mcp")).await.is_ok());
}

/// Writes an index of `https://mcp.example` by hand, as a crash might have left it.
async fn index(store: &Memory, entries: &[(ServerId, &str, Time)]) {
    let entries = entries.iter().map(|(server, resource, since)| OriginEntry {
        server: *server,
        resource: Resource::parse(resource).unwrap(),
        since: *since,
    });
    let index = OriginIndex { origin: "https://mcp.example".to_owned(), entries: entries.collect() };
    let before = (store as &dyn Store).find::<OriginIndex>("https://mcp.example").await.unwrap();
    let changes = match &before {
        Some(before) => Changes::replace(Mark::new([2; 16]), before, &index),
        None => Changes::create(Mark::new([2; 16]), &index),
    };
    assert_eq!(store.commit(&changes).await.unwrap(), Commit::Done);
}

async fn indexed(store: &Memory) -> Vec<ServerId> {
    let index = (store as &dyn Store).find::<OriginIndex>("https://mcp.example").await.unwrap().unwrap();
    index.record.entries.iter().map(|entry| entry.server).collect()
}

async fn named(registry: &Registry, resource: &str) -> Option<ServerId> {
    let wanted = Wanted::Named(Resource::parse(resource).unwrap());
    registry.find(&wanted).await.unwrap().map(|server| server.id)
}

#[tokio::test]
async fn an_entry_without_its_record_makes_no_name_ambiguous_and_goes_when_it_is_old() {
    let (store, clock) = (Arc::new(Memory::new()), Arc::new(ManualClock::at(Time(1_000))));
    let registry = registry(&store, &clock, 3);
    let (server, _) = registry.register(new("https://mcp.example/mcp")).await.unwrap();
    let gone = ServerId::new([7; 16]);
    let entries = [
        (gone, "https://mcp.example", Time(1_000)),
        (gone, "https://mcp.example/other", Time(1_000)),
        // A record that says otherwise bears nothing out.
        (server.id, "https://mcp.example/moved", Time(1_000)),
        (server.id, "https://mcp.example/mcp", Time(1_000)),
    ];
    index(&store, &entries).await;
    assert_eq!(named(&registry, "https://mcp.example").await, Some(server.id));
    assert_eq!(named(&registry, "https://mcp.example/").await, Some(server.id));
    assert_eq!(named(&registry, "https://mcp.example/other").await, None);
    assert_eq!(named(&registry, "https://mcp.example/moved").await, None);
    assert_eq!(indexed(&store).await.len(), 4, "whoever made them may be about to write the record");
    clock.advance(600);
    assert_eq!(named(&registry, "https://mcp.example").await, Some(server.id));
    assert_eq!(indexed(&store).await, [server.id], "what a crash left is gone");
    assert_eq!(named(&registry, "https://mcp.example/mcp").await, Some(server.id));
}

#[tokio::test]
async fn the_bare_origin_names_nothing_where_two_servers_live() {
    let (store, clock) = (Arc::new(Memory::new()), Arc::new(ManualClock::at(Time(1_000))));
    let registry = registry(&store, &clock, 4);
    let (one, _) = registry.register(new("https://mcp.example/one")).await.unwrap();
    let (two, _) = registry.register(new("https://mcp.example/two")).await.unwrap();
    assert_eq!(named(&registry, "https://mcp.example").await, None);
    assert_eq!(named(&registry, "https://mcp.example/two/").await, Some(two.id));
    assert!(registry.remove(&two.id).await.unwrap());
    assert_eq!(named(&registry, "https://mcp.example").await, Some(one.id));
}

/// A removal is two writes; what the second would have done is done by whoever comes next.
#[tokio::test]
async fn a_removal_that_got_halfway_is_finished() {
    let (store, clock) = (Arc::new(Memory::new()), Arc::new(ManualClock::at(Time(1_000))));
    let registry = registry(&store, &clock, 5);
    let (kept, _) = registry.register(new("https://mcp.example/kept")).await.unwrap();
    let resource = "https://mcp.example/mcp";
    let halfway = async || {
        let (server, _) = registry.register(new(resource)).await.unwrap();
        assert!(registry.remove(&server.id).await.unwrap());
        let (now, id) = (Time(1_000), server.id);
        index(&store, &[(kept.id, "https://mcp.example/kept", now), (id, resource, now)]).await;
        id
    };
    let by_a_second_removal = halfway().await;
    assert!(!registry.remove(&by_a_second_removal).await.unwrap(), "it was gone before");
    assert_eq!(indexed(&store).await, [kept.id]);
    let _by_a_name = halfway().await;
    assert_eq!(named(&registry, "https://mcp.example").await, Some(kept.id));
    assert_eq!(indexed(&store).await, [kept.id]);
    let _by_a_registration = halfway().await;
    let (again, _) = registry.register(new(resource)).await.unwrap();
    assert_eq!(indexed(&store).await, [kept.id, again.id]);
}
