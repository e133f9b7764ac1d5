//! People: blocked, let in again, deleted.

use store::{Created, Device, Digest, Purpose, Replaced, SecondFactors, Session, Ticket, TicketId};

use super::*;

fn account(id: &str, email: &str) -> Account {
    Account {
        person: person(id),
        name: "Ada".to_owned(),
        email: email.to_owned(),
        email_verified: true,
        password: Some("$argon2id$".to_owned()),
        factors: SecondFactors::default(),
        epoch: None,
        resets: 0,
        registered: START,
    }
}

async fn sign_up(world: &World, account: &Account) -> Created {
    let mark = Mark::new(world.oversight.entropy.draw());
    (&*world.store as &dyn Store).create_account(mark, account).await.unwrap()
}

async fn log_in(world: &World) -> SessionId {
    let session = Session {
        id: SessionId::new([4; 16]),
        digest: Digest::of(b"ses"),
        person: person("usr_ada"),
        epoch: None,
        account_epoch: None,
        auth_time: START,
        amr: Vec::new(),
        acr: None,
        begun: None,
        seen: None,
        device: Device::at("192.0.2.1".parse().ok(), Some("browser")),
        expires: START.plus(1000),
        final_end: None,
    };
    let changes = Changes::create(Mark::new([8; 16]), &session);
    assert_eq!(world.store.commit(&changes).await.unwrap(), Commit::Done);
    session.id
}

async fn mailed_to(world: &World, person: &PersonId, email: &str) -> TicketId {
    let ticket = Ticket {
        id: TicketId::new([5; 16]),
        digest: Digest::of(b"tkt"),
        purpose: Purpose::VerifyEmail { person: person.clone(), email: email.to_owned() },
        made: START,
        until: START.plus(1000),
        used: None,
    };
    let changes = Changes::create(Mark::new([9; 16]), &ticket);
    assert_eq!(world.store.commit(&changes).await.unwrap(), Commit::Done);
    ticket.id
}

#[tokio::test]
async fn a_blocked_person_can_do_nothing_until_they_are_let_in_again() {
    let world = World::new().await;
    let (_, tokens) = world.connect("cid_app").await;
    let ada = person("usr_ada");
    world.oversight.set_person(&ada, Status::Blocked, &By::operator()).await.unwrap();
    assert_eq!(world.events.names(), ["person_set"]);
    assert_eq!(world.scope_of(&tokens.access).await, None);
    assert!(world.refresh("cid_app", &tokens.refresh).await.is_none());
    world.oversight.set_person(&ada, Status::Blocked, &By::operator()).await.unwrap();
    world.events.take();
    world.oversight.set_person(&ada, Status::Active, &By::operator()).await.unwrap();
    assert_eq!(world.scope_of(&tokens.access).await, Some(scope("read write")));
}

#[tokio::test]
async fn a_deleted_person_leaves_nothing_that_works_or_names_them_and_their_address_is_free() {
    let world = World::new().await;
    assert_eq!(sign_up(&world, &account("usr_ada", "ada@people.example")).await, Created::Done);
    let (grant, tokens) = world.connect("cid_app").await;
    let session = log_in(&world).await;
    let ada = person("usr_ada");
    let ticket = mailed_to(&world, &ada, "ada@people.example").await;
    world.oversight.set_person(&ada, Status::Deleted, &by_ada()).await.unwrap();
    assert_eq!(world.events.names(), ["person_set", "consent_withdrawn", "connection_revoked"]);
    assert_eq!(world.scope_of(&tokens.access).await, None);
    assert!(matches!(world.stored(grant).await.stage, store::Stage::Ended(_)));
    let store: &dyn Store = &*world.store;
    let session = store.find::<Session>(session).await.unwrap().unwrap().record;
    assert!(session.expires < START && session.device.is_unknown());
    assert!(store.find::<Ticket>(ticket).await.unwrap().is_some());
    world.store.sweep(START, 100).await.unwrap();
    assert!(store.find::<Ticket>(ticket).await.unwrap().is_none(), "it says where it was mailed to");
    let left = store.find::<Account>(&ada).await.unwrap().unwrap().record;
    assert_eq!((left.name.as_str(), left.email.as_str(), left.password), ("", "", None));
    assert!(world.oversight.person(&ada).await.unwrap().is_none());
    assert!(world.oversight.people(Sought::default(), None, 10).await.unwrap().items.is_empty());
    assert_eq!(sign_up(&world, &account("usr_new", "ada@people.example")).await, Created::Done);
    let back = world.oversight.set_person(&ada, Status::Active, &By::operator()).await;
    assert!(matches!(back, Err(OversightError::Deleted(_))));
}

/// A crash after the standing, and one before the account was written: the rest is done by the next call.
#[tokio::test]
async fn what_a_crash_left_of_somebody_goes_with_the_next_call() {
    let world = World::new().await;
    let ada = person("usr_ada");
    assert_eq!(sign_up(&world, &account("usr_ada", "ada@people.example")).await, Created::Done);
    let deleted = store::PersonStanding {
        person: ada.clone(),
        standing: Standing { status: Status::Deleted, epoch: None },
    };
    let changes = Changes::create(Mark::new([7; 16]), &deleted);
    assert_eq!(world.store.commit(&changes).await.unwrap(), Commit::Done);
    world.store.release(ClaimKind::Email, "ada@people.example", "usr_ada").await.unwrap();
    assert_eq!(sign_up(&world, &account("usr_new", "ada@people.example")).await, Created::Done);
    world.oversight.set_person(&ada, Status::Deleted, &By::operator()).await.unwrap();
    assert!(world.events.take().is_empty(), "it was told when it happened");
    let holder = world.store.holder(ClaimKind::Email, "ada@people.example").await.unwrap();
    assert_eq!(holder.map(|(owner, _)| owner).as_deref(), Some("usr_new"), "it is another person's by now");
    let left = (&*world.store as &dyn Store).find::<Account>(&ada).await.unwrap().unwrap().record;
    assert_eq!(left.email, "");
}

/// The address changes while its account is being deleted.
#[tokio::test]
async fn an_address_that_changes_meanwhile_is_freed_too() {
    let held_up = Arc::new(HeldUp::default());
    let world = Arc::new(World::held_up(Arc::default(), held_up.clone()).await);
    let old = account("usr_ada", "ada@people.example");
    assert_eq!(sign_up(&world, &old).await, Created::Done);
    held_up.by(Kind::Account, {
        let store = world.store.clone();
        async move {
            let accounts: &dyn Store = &*store;
            let found = accounts.find::<Account>(&old.person).await.unwrap().unwrap();
            let moved = Account { email: "new@people.example".to_owned(), ..found.record.clone() };
            let moved = accounts.replace_account(Mark::new([6; 16]), &found, &moved, START).await.unwrap();
            assert_eq!(moved, Replaced::Done);
        }
    });
    world.oversight.set_person(&person("usr_ada"), Status::Deleted, &By::operator()).await.unwrap();
    assert!(held_up.met());
    for email in ["ada@people.example", "new@people.example"] {
        assert_eq!(world.store.holder(ClaimKind::Email, email).await.unwrap(), None, "{email}");
    }
}

/// The attack: what a session has in flight about an account, written after everything has ended.
#[tokio::test]
async fn an_account_is_closed_to_whoever_came_in_before_everything_ended() {
    let world = World::new().await;
    let ada = person("usr_ada");
    assert_eq!(sign_up(&world, &account("usr_ada", "ada@people.example")).await, Created::Done);
    let epoch =
        async || (&*world.store as &dyn Store).find::<Account>(&ada).await.unwrap().unwrap().record.epoch;
    let mut seen = vec![epoch().await];
    world.oversight.end_everything(&ada, &By::operator()).await.unwrap();
    seen.push(epoch().await);
    world.oversight.set_person(&ada, Status::Blocked, &By::operator()).await.unwrap();
    seen.push(epoch().await);
    world.oversight.set_person(&ada, Status::Active, &By::operator()).await.unwrap();
    assert_eq!(epoch().await, seen[2], "who was let in again is let in by nothing of before");
    world.oversight.set_person(&ada, Status::Deleted, &By::operator()).await.unwrap();
    seen.push(epoch().await);
    assert!(seen.iter().enumerate().all(|(n, one)| !seen[..n].contains(one)), "{seen:?}");
}
