//! Connections: listed, narrowed, named, revoked.

use super::*;

#[tokio::test]
async fn a_person_sees_what_has_access_and_from_where_it_is_used() {
    let world = World::new().await;
    let (grant, tokens) = world.connect("cid_app").await;
    world.connect("cid_other").await;
    world.requested("cid_app").await;
    world.clock.advance(100);
    world.refresh("cid_app", &tokens.refresh).await.unwrap();
    let seen = world.oversight.connections(Whose::person(&person("usr_ada")), None, 100).await.unwrap();
    assert_eq!((seen.items.len(), seen.next), (2, None));
    let view = seen.items.iter().find(|view| view.id == grant).unwrap();
    assert_eq!(view.scope, scope("read write"));
    assert_eq!((view.since, view.used), (START, Some(START.plus(100))));
    assert_eq!(view.device.address, "192.0.2.1".parse().ok());
    assert_eq!(view.device.agent.as_deref(), Some("app/1"));
    assert_eq!(view.server_known.as_ref().unwrap().name, "Files");
    assert_eq!(view.client_known.as_ref().unwrap().id, id("cid_app"));
    let nobodys = world.oversight.connections(Whose::person(&person("usr_bo")), None, 100).await.unwrap();
    assert!(nobodys.items.is_empty());
}

#[tokio::test]
async fn what_has_ended_takes_no_place_among_the_connections() {
    let world = World::new().await;
    let mut grants = Vec::new();
    for _ in 0..9 {
        grants.push(world.connect("cid_app").await.0);
    }
    grants.sort_by_key(ToString::to_string);
    for grant in &grants[..6] {
        assert!(world.oversight.revoke(grant, &By::operator()).await.unwrap());
    }
    let ada = person("usr_ada");
    let first = world.oversight.connections(Whose::person(&ada), None, 2).await.unwrap();
    assert_eq!(first.items.iter().map(|view| view.id).collect::<Vec<_>>(), grants[6..8]);
    let rest = world.oversight.connections(Whose::person(&ada), first.next.as_deref(), 2).await.unwrap();
    assert_eq!(rest.items.iter().map(|view| view.id).collect::<Vec<_>>(), grants[8..]);
}

/// The attack: a key that reads asks again and again for what is rare, and each time all is looked through while nobody else is served.
#[tokio::test]
async fn a_page_of_what_is_rare_looks_at_so_many_and_no_more() {
    let world = World::new().await;
    let (grant, _) = world.connect("cid_app").await;
    let grant = world.stored(grant).await;
    for n in 0..2_500_u32 {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&n.to_be_bytes());
        let own = Grant { id: GrantId::new(id), ..grant.clone() };
        let changes = Changes::create(Mark::new(id), &own);
        assert_eq!(world.store.commit(&changes).await.unwrap(), Commit::Done);
    }
    let elsewhere = ServerId::new([9; 16]);
    let whose = Whose { server: Some(&elsewhere), ..Whose::default() };
    let first = world.oversight.connections(whose, None, 100).await.unwrap();
    assert!(first.items.is_empty() && first.next.is_some(), "there is more to look at");
    let rest = world.oversight.connections(whose, first.next.as_deref(), 100).await.unwrap();
    assert!(rest.items.is_empty() && rest.next.is_none());
}

#[tokio::test]
async fn a_grant_that_has_ended_is_listed_with_its_client_and_names_nobody_else() {
    let world = World::new().await;
    let (grant, _) = world.connect("cid_app").await;
    let (ada, app, server) = (person("usr_ada"), id("cid_app"), world.resource);
    let whose = [
        Whose { client: Some(&app), ..Whose::default() },
        Whose::person(&ada),
        Whose { server: Some(&server), ..Whose::default() },
    ];
    for (ended, expected) in [(false, [1, 1, 1]), (true, [1, 0, 0])] {
        for (whose, expected) in whose.into_iter().zip(expected) {
            let listed = world.oversight.grants(whose, None, 10).await.unwrap().items;
            assert_eq!(listed.len(), expected, "{whose:?} {ended}");
            assert!(
                listed.iter().all(|view| view.person.is_none() == ended && view.target.is_none() == ended)
            );
        }
        world.oversight.revoke(&grant, &By::operator()).await.unwrap();
    }
}

#[tokio::test]
async fn a_view_holds_no_secret_and_no_digest_of_one() {
    let world = World::new().await;
    let (grant, tokens) = world.connect("cid_app").await;
    let view = world.oversight.grant(&grant, &By::operator()).await.unwrap().unwrap();
    let server = world.oversight.server(&world.resource).await.unwrap().unwrap();
    let shown = format!("{view:?} {server:?}");
    for text in [&tokens.access, &tokens.refresh, &world.key] {
        let digest = TokenText::parse(text).unwrap().digest().to_string();
        assert!(!shown.contains(text.as_str()) && !shown.contains(&digest), "{shown}");
    }
}

#[tokio::test]
async fn lists_are_turned_page_by_page_and_filtered_by_all_that_is_named() {
    let world = World::new().await;
    for n in 0..7 {
        world.connect(if n % 2 == 0 { "cid_app" } else { "cid_other" }).await;
    }
    let (ada, other) = (person("usr_ada"), id("cid_other"));
    let of_other = Whose { client: Some(&other), ..Whose::default() };
    let both = Whose { person: Some(&ada), ..of_other };
    let here = Whose { server: Some(&world.resource), ..Whose::default() };
    let elsewhere = ServerId::new([9; 16]);
    let nowhere = Whose { server: Some(&elsewhere), ..both };
    for (whose, expected) in [(Whose::default(), 7), (of_other, 3), (both, 3), (here, 7), (nowhere, 0)] {
        for at_most in [0, 1, 2, 7, 100] {
            let (mut seen, mut after) = (Vec::new(), None::<String>);
            for _ in 0..20 {
                let page = world.oversight.grants(whose, after.as_deref(), at_most).await.unwrap();
                assert!(page.items.len() <= usize::try_from(at_most.max(1)).unwrap());
                seen.extend(page.items.into_iter().map(|view| view.id));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!((seen.len(), after), (expected, None), "{whose:?} {at_most}");
            assert!(seen.is_sorted_by_key(ToString::to_string));
        }
    }
}

#[tokio::test]
async fn revoking_bites_at_once_and_the_client_must_ask_again() {
    let world = World::new().await;
    let (grant, tokens) = world.connect("cid_app").await;
    assert!(!world.asks("cid_app").await, "the consent is remembered");
    world.events.take();
    assert!(world.oversight.revoke(&grant, &by_ada()).await.unwrap());
    assert_eq!(world.events.names(), ["consent_withdrawn", "connection_revoked"]);
    assert_eq!(world.scope_of(&tokens.access).await, None);
    assert!(world.refresh("cid_app", &tokens.refresh).await.is_none());
    assert!(world.asks("cid_app").await);
    world.events.take();
    assert!(!world.oversight.revoke(&grant, &by_ada()).await.unwrap(), "once is enough");
    assert!(world.events.take().is_empty());
}

/// A client that was waved through by a remembered consent and has its code in hand.
#[tokio::test]
async fn a_code_born_from_a_consent_that_was_withdrawn_is_not_redeemed() {
    let world = World::new().await;
    world.connect("cid_app").await;
    let waved_through = code(&world.authorize("cid_app").await);
    assert!(
        world
            .oversight
            .withdraw(&person("usr_ada"), &id("cid_app"), &world.resource, &by_ada())
            .await
            .unwrap()
    );
    assert!(world.redeem("cid_app", &waved_through).await.is_none());
}

/// Nobody was asked about the operator's own app; whoever disconnects it is asked, and so is whoever takes a part of it away.
#[tokio::test]
async fn an_app_of_the_operators_own_asks_after_it_was_disconnected_or_narrowed() {
    for way in ["revoke", "revoke_all", "end_everything", "narrow"] {
        let world = World::new().await;
        let found = (&*world.store as &dyn Store).find::<Client>("cid_app").await.unwrap().unwrap();
        let own = Client { first_party: true, provenance: Provenance::Administrator, ..found.record.clone() };
        let changes = Changes::replace(Mark::new([9; 16]), &found, &own);
        assert_eq!(world.store.commit(&changes).await.unwrap(), Commit::Done);
        let (grant, _) = world.connect_again("cid_app").await;
        let in_flight = code(&world.authorize("cid_app").await);
        assert!(!world.asks("cid_app").await, "{way}");

        let (ada, oversight) = (person("usr_ada"), &world.oversight);
        match way {
            "revoke" => assert!(oversight.revoke(&grant, &by_ada()).await.unwrap()),
            "revoke_all" => {
                assert_ne!(oversight.revoke_all(Whose::person(&ada), &by_ada()).await.unwrap(), 0)
            }
            "end_everything" => oversight.end_everything(&ada, &by_ada()).await.unwrap(),
            _ => assert!(oversight.narrow(&grant, &scope("read"), &by_ada()).await.is_ok()),
        }
        assert!(world.asks("cid_app").await, "{way}");
        assert!(world.redeem("cid_app", &in_flight).await.is_none(), "{way}");
        world.connect("cid_app").await;
        assert!(!world.asks("cid_app").await, "{way}: what she allowed is remembered");
    }
}

#[tokio::test]
async fn one_of_several_installations_is_revoked_and_the_others_go_on() {
    let world = World::new().await;
    let (laptop, _) = world.connect("cid_app").await;
    let (_, phone) = world.connect_again("cid_app").await;
    assert!(world.oversight.revoke(&laptop, &by_ada()).await.unwrap());
    assert!(world.scope_of(&phone.access).await.is_some());
    let (_, other) = world.connect("cid_other").await;
    world.connect("cid_app").await;
    let ended = world.oversight.revoke_of(&person("usr_ada"), &id("cid_app"), &by_ada()).await.unwrap();
    assert_eq!(ended, 2);
    assert_eq!(world.scope_of(&phone.access).await, None);
    assert!(world.scope_of(&other.access).await.is_some(), "another client's");
    assert!(world.asks("cid_app").await && !world.asks("cid_other").await);
}

#[tokio::test]
async fn what_is_somebody_elses_is_not_there() {
    let world = World::new().await;
    let (grant, tokens) = world.connect("cid_app").await;
    let (ada, oversight) = (person("usr_ada"), &world.oversight);
    assert!(oversight.grant(&grant, &by_bo()).await.unwrap().is_none());
    assert!(!oversight.revoke(&grant, &by_bo()).await.unwrap());
    assert_eq!(oversight.revoke_of(&ada, &id("cid_app"), &by_bo()).await.unwrap(), 0);
    let narrowed = oversight.narrow(&grant, &scope("read"), &by_bo()).await;
    assert!(matches!(narrowed, Err(OversightError::Unknown)));
    assert!(matches!(oversight.label(&grant, "mine", &by_bo()).await, Err(OversightError::Unknown)));
    assert!(!oversight.withdraw(&ada, &id("cid_app"), &world.resource, &by_bo()).await.unwrap());
    assert!(matches!(oversight.end_everything(&ada, &by_bo()).await, Err(OversightError::Unknown)));
    for status in [Status::Active, Status::Blocked, Status::Deleted] {
        assert!(matches!(oversight.set_person(&ada, status, &by_bo()).await, Err(OversightError::Unknown)));
        let set = oversight.set_client(&id("cid_app"), status, &by_ada()).await;
        assert!(matches!(set, Err(OversightError::Unknown)));
        let set = oversight.set_server(&world.resource, status, &by_ada()).await;
        assert!(matches!(set, Err(OversightError::Unknown)));
    }
    assert_eq!(world.scope_of(&tokens.access).await, Some(scope("read write")));
    assert!(!world.asks("cid_app").await);
}

#[tokio::test]
async fn narrowing_bites_at_once_and_is_not_undone_by_what_was_remembered() {
    let world = World::new().await;
    let (grant, tokens) = world.connect("cid_app").await;
    world.oversight.narrow(&grant, &scope("read"), &by_ada()).await.unwrap();
    assert_eq!(world.events.names(), ["grant_narrowed"]);
    assert_eq!(world.scope_of(&tokens.access).await, Some(scope("read")));
    let next = world.refresh("cid_app", &tokens.refresh).await.unwrap();
    assert_eq!(next.scope, scope("read"));
    assert!(world.asks("cid_app").await, "for all that it had");
    let known = world.oversight.consents(&person("usr_ada"), None, 10).await.unwrap().items;
    assert_eq!(known[0].agreed[0].scope, scope("read"));
    world.events.take();
    world.oversight.narrow(&grant, &scope("read"), &by_ada()).await.unwrap();
    assert!(world.events.take().is_empty(), "it was so already");
    let widened = world.oversight.narrow(&grant, &scope("read write"), &by_ada()).await;
    assert!(matches!(widened, Err(OversightError::NotNarrowed(NotNarrowed::Exceeds))));
}

#[tokio::test]
async fn a_device_keeps_its_name_through_a_refresh() {
    let world = World::new().await;
    let (grant, tokens) = world.connect("cid_app").await;
    world.oversight.label(&grant, "  My laptop\n", &by_ada()).await.unwrap();
    world.refresh("cid_app", &tokens.refresh).await.unwrap();
    let label = || async { world.oversight.grant(&grant, &by_ada()).await.unwrap().unwrap().device.label };
    assert_eq!(label().await.as_deref(), Some("My laptop"));
    world.oversight.label(&grant, "", &by_ada()).await.unwrap();
    assert_eq!(label().await, None);
}

#[tokio::test]
async fn everything_ends_at_one_stroke_and_what_comes_later_lives() {
    let world = World::new().await;
    let (grant, tokens) = world.connect("cid_app").await;
    let pending = world.requested("cid_other").await;
    world.oversight.end_everything(&person("usr_ada"), &by_ada()).await.unwrap();
    assert_eq!(world.scope_of(&tokens.access).await, None);
    assert!(world.refresh("cid_app", &tokens.refresh).await.is_none());
    assert!(world.server.approve(pending, &ada(), &scope("read")).await.is_err());
    let view = world.oversight.grant(&grant, &by_ada()).await.unwrap().unwrap();
    assert_eq!(view.state, GrantState::Barred);
    assert!(world.asks("cid_app").await);
    let (_, tokens) = world.connect("cid_app").await;
    assert!(world.scope_of(&tokens.access).await.is_some());
}

impl World {
    /// Ada connects a client once more: what she has consented to is remembered.
    async fn connect_again(&self, client: &str) -> (GrantId, Tokens) {
        let code = code(&self.authorize(client).await);
        let tokens = self.redeem(client, &code).await.unwrap();
        (GrantId::new(TokenText::parse(&code).unwrap().id), tokens)
    }
}
