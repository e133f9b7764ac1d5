//! Accounts.

use ambient::{ManualClock, SeededEntropy, Time};
use store::Memory;

use super::*;

fn accounts(store: &Arc<Memory>, cost: Cost, seed: u64) -> Accounts {
    let clock = Arc::new(ManualClock::at(Time(1_000_000)));
    Accounts::new(store.clone(), cost, clock, Arc::new(SeededEntropy::new(seed)))
}

fn ada() -> (Name, Email, Password) {
    let email = Email::parse("ada@example.com").unwrap();
    (Name::parse(" Ada ").unwrap(), email, Password::chosen("correct horse").unwrap())
}

async fn seen(accounts: &Accounts, person: &PersonId) -> Openings {
    Openings::of(&accounts.account(person).await.unwrap().unwrap())
}

async fn move_to(accounts: &Accounts, person: &PersonId, email: &str) -> Result<Changed, Unchanged> {
    accounts.verify_email(person, seen(accounts, person).await, email).await.unwrap()
}

#[tokio::test]
async fn an_account_is_recognised_by_its_password_only() {
    let accounts = accounts(&Arc::new(Memory::new()), Cost::least(), 1);
    let (name, email, password) = ada();
    let made = accounts.create(&name, &email, &password).await.unwrap().unwrap();
    assert!(made.person.as_str().starts_with("usr_") && made.person.as_str().len() == 26);
    assert_eq!(accounts.recognise(&email, &password).await.unwrap(), Some(made.clone()));
    let wrong = Password::typed("another").unwrap();
    assert_eq!(accounts.recognise(&email, &wrong).await.unwrap(), None);
    let nobody = Email::parse("nobody@example.com").unwrap();
    assert_eq!(accounts.recognise(&nobody, &password).await.unwrap(), None);

    let profile = accounts.profile(&made.person).await.unwrap().unwrap();
    assert_eq!((profile.name.as_deref(), profile.email.as_deref()), (Some("Ada"), Some("ada@example.com")));
    assert!(!profile.email_verified);
    assert_eq!(accounts.profile(&PersonId::parse("usr_x").unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn an_address_makes_one_account() {
    let accounts = accounts(&Arc::new(Memory::new()), Cost::least(), 1);
    let (name, email, password) = ada();
    assert!(accounts.create(&name, &email, &password).await.unwrap().is_some());
    assert_eq!(accounts.create(&name, &email, &password).await.unwrap(), None);
}

#[tokio::test]
async fn an_address_can_be_given_up_for_another_and_is_free_then() {
    let accounts = accounts(&Arc::new(Memory::new()), Cost::least(), 1);
    let (name, email, password) = ada();
    let (new, bos) = (Email::parse("ada@new.example").unwrap(), Email::parse("bo@example.com").unwrap());
    let person = accounts.create(&name, &email, &password).await.unwrap().unwrap().person;
    accounts.create(&name, &bos, &password).await.unwrap().unwrap();
    let taken = move_to(&accounts, &person, bos.as_str()).await;
    assert!(matches!(taken, Err(Unchanged::EmailTaken)), "{taken:?}");
    let Changed { before, now, .. } = move_to(&accounts, &person, new.as_str()).await.unwrap();
    assert_eq!((&*before.email, &*now.email, now.email_verified), (email.as_str(), new.as_str(), true));
    assert_eq!(accounts.by_email(&email).await.unwrap(), None);
    assert_eq!(accounts.by_email(&new).await.unwrap().map(|account| account.person), Some(person));
    assert!(accounts.create(&name, &email, &password).await.unwrap().is_some());
    assert_eq!(accounts.create(&name, &new, &password).await.unwrap(), None);
    let nobody = PersonId::parse("usr_nobody").unwrap();
    let gone = accounts.verify_email(&nobody, Openings::of(&now), "x@y").await.unwrap();
    assert!(matches!(gone, Err(Unchanged::ShutOut)));
}

#[tokio::test]
async fn of_two_who_want_an_address_at_once_one_gets_it() {
    let accounts = accounts(&Arc::new(Memory::new()), Cost::least(), 1);
    let (name, _, password) = ada();
    let mut people = Vec::new();
    for number in 0..8 {
        let email = Email::parse(&format!("{number}@example.com")).unwrap();
        people.push(accounts.create(&name, &email, &password).await.unwrap().unwrap().person);
    }
    let wishes = people.iter().map(|person| move_to(&accounts, person, "one@example.com"));
    let mut done = 0;
    for wish in wishes {
        done += usize::from(wish.await.is_ok());
    }
    assert_eq!(done, 1);
}

#[tokio::test]
async fn whoever_shows_that_an_address_is_theirs_owns_an_account_that_nobody_had_shown_to_be() {
    let accounts = accounts(&Arc::new(Memory::new()), Cost::least(), 1);
    let (name, email, password) = ada();
    let person = accounts.create(&name, &email, &password).await.unwrap().unwrap().person;
    let plant = async || {
        let planted = |account: &mut Account| {
            account.factors.recovery = vec![store::Digest::of(b"planted")];
            Ok::<_, ()>(())
        };
        let seen = seen(&accounts, &person).await;
        accounts.change_openings(&person, seen, planted).await.unwrap().unwrap()
    };
    let hashed = accounts.hash(&Password::chosen("an otter in it").unwrap()).await.unwrap();
    let reachable = async || Reachable::of(&accounts.account(&person).await.unwrap().unwrap());
    let reset = async |reachable: &Reachable| {
        accounts.reset_password(&person, &hashed, reachable, true).await.unwrap()
    };
    plant().await;
    let Changed { before, now, .. } = reset(&reachable().await).await.unwrap();
    assert!(now.factors.is_empty() && now.email_verified && !before.email_verified);
    plant().await;
    let second = reachable().await;
    let Changed { before, now, .. } = reset(&second).await.unwrap();
    assert!(!now.factors.is_empty() && before.email_verified, "a proven owner keeps what they have");

    // A link of the same time as one that was used, and one to the address before.
    assert!(matches!(reset(&second).await, Err(Unchanged::ShutOut)));
    let third = reachable().await;
    move_to(&accounts, &person, "new@example.com").await.unwrap();
    assert!(matches!(reset(&third).await, Err(Unchanged::ShutOut)));
}

/// The attack: a change that was let in before its owner shut everybody out, and is written after it.
#[tokio::test]
async fn what_was_let_in_before_somebody_was_shut_out_changes_nothing_after_it() {
    let accounts = accounts(&Arc::new(Memory::new()), Cost::least(), 1);
    let (name, email, password) = ada();
    let person = accounts.create(&name, &email, &password).await.unwrap().unwrap().person;
    let thief = seen(&accounts, &person).await;
    let hashed = accounts.hash(&Password::chosen("an otter in it").unwrap()).await.unwrap();
    let reachable = Reachable::of(&accounts.account(&person).await.unwrap().unwrap());
    let Changed { now, .. } =
        accounts.reset_password(&person, &hashed, &reachable, true).await.unwrap().unwrap();

    let plant = |account: &mut Account| {
        account.factors.recovery.push(store::Digest::of(b"planted"));
        Ok::<_, ()>(())
    };
    let planted = accounts.change_openings(&person, thief, plant).await.unwrap();
    assert!(matches!(planted, Err(Unchanged::ShutOut)), "{planted:?}");
    let old = accounts.hash(&password).await.unwrap();
    let changed = accounts.change_password(&person, thief, &old).await.unwrap();
    assert!(matches!(changed, Err(Unchanged::ShutOut)), "{changed:?}");
    let moved = accounts.verify_email(&person, thief, "eve@example.com").await.unwrap();
    assert!(matches!(moved, Err(Unchanged::ShutOut)), "{moved:?}");
    let used = accounts.use_factor(&person, Some(thief), |_| Ok(())).await.unwrap();
    assert!(matches!(used, Err(Unchanged::ShutOut)), "{used:?}");
    assert!(matches!(accounts.shut_out(&person, thief).await.unwrap(), Err(Unchanged::ShutOut)));
    assert_eq!(accounts.account(&person).await.unwrap(), Some(now));
}

#[tokio::test]
async fn a_hash_is_renewed_when_its_owner_logs_in() {
    let store = Arc::new(Memory::new());
    let (name, email, password) = ada();
    let old = accounts(&store, Cost::least(), 1).create(&name, &email, &password).await.unwrap().unwrap();
    let now = accounts(&store, Cost::new(16, 2, 1).unwrap(), 2);
    assert!(now.recognise(&email, &password).await.unwrap().is_some());
    let renewed = now.account(&old.person).await.unwrap().unwrap();
    assert!(renewed.password.is_some_and(|hash| hash.contains("m=16,t=2,p=1")));
    assert!(now.recognise(&email, &password).await.unwrap().is_some());
}
