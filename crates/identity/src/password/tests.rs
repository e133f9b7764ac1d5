//! Passwords and what they cost.

use ambient::SeededEntropy;

use super::*;

fn passwords(cost: Cost) -> Passwords {
    Passwords::new(cost, Arc::new(SeededEntropy::new(1)))
}

#[test]
fn the_policy_counts_code_points_from_below_and_bytes_from_above() {
    let too_short = Some(PasswordError::TooShort { least: 10 });
    assert_eq!(Password::chosen("otter kzw").err(), too_short);
    assert!(Password::chosen("otter kzwq").is_ok());
    assert_eq!(Password::chosen("éàüöñçßøå").err(), too_short);
    assert!(Password::chosen("éàüöñçßøåæ").is_ok());
    let long = |bytes: usize| "an otter in a kettle ".chars().cycle().take(bytes).collect::<String>();
    assert!(Password::chosen(&long(1024)).is_ok());
    assert_eq!(Password::chosen(&"é".repeat(513)).err(), Some(PasswordError::TooLong));
    assert_eq!(Password::chosen(&long(1025)).err(), Some(PasswordError::TooLong));
    assert_eq!(Password::typed(&"x".repeat(1025)).err(), Some(PasswordError::TooLong));
    assert!(Password::typed("short").is_ok());
}

#[test]
fn what_is_tried_first_is_refused() {
    assert_eq!(Password::chosen("Password123!").err(), Some(PasswordError::Common));
    let ada = Email::parse("ada.lovelace@example.com").unwrap();
    assert!(Password::chosen("ada.lovelace1").is_ok());
    let chosen = Password::chosen_of("ada.lovelace1", 10, Some(&ada));
    assert_eq!(chosen.err(), Some(PasswordError::Email));
    let chosen = Password::chosen_of("an otter in it", 15, Some(&ada));
    assert_eq!(chosen.err(), Some(PasswordError::TooShort { least: 15 }));
}

#[tokio::test]
async fn beyond_the_queue_it_says_so_at_once() {
    let passwords = passwords(Cost::least());
    let mine = Password::chosen("correct horse").unwrap();
    let all = passwords.most;
    let held: Vec<_> = (0..all).map(|_| passwords.place().unwrap()).collect();
    assert_eq!(passwords.under_way(), all);
    for result in [passwords.hash(&mine).await.err(), passwords.verify(&mine, None).await.err()] {
        assert!(matches!(result, Some(HashError::Busy)), "{result:?}");
    }
    drop(held);
    assert_eq!(passwords.under_way(), 0);
    assert!(passwords.hash(&mine).await.is_ok());
}

#[tokio::test]
async fn a_password_is_recognised_and_another_is_not() {
    let passwords = passwords(Cost::least());
    let mine = Password::chosen("correct horse").unwrap();
    let hash = passwords.hash(&mine).await.unwrap();
    assert!(hash.starts_with("$argon2id$v=19$"), "{hash}");
    assert_eq!(passwords.verify(&mine, Some(&hash)).await.unwrap(), Verified::Right);
    let other = Password::chosen("correct horsf").unwrap();
    assert_eq!(passwords.verify(&other, Some(&hash)).await.unwrap(), Verified::Wrong);
}

#[tokio::test]
async fn one_password_has_two_hashes() {
    let passwords = passwords(Cost::least());
    let mine = Password::chosen("correct horse").unwrap();
    assert_ne!(passwords.hash(&mine).await.unwrap(), passwords.hash(&mine).await.unwrap());
}

#[tokio::test]
async fn a_hash_of_another_cost_is_to_be_replaced() {
    let old = passwords(Cost::least());
    let new = passwords(Cost::new(16, 2, 1).unwrap());
    let mine = Password::chosen("correct horse").unwrap();
    let hash = old.hash(&mine).await.unwrap();
    assert_eq!(new.verify(&mine, Some(&hash)).await.unwrap(), Verified::RightUnderAnotherCost);
}

#[tokio::test]
async fn nobody_has_no_password_and_costs_the_same() {
    let passwords = passwords(Cost::default());
    let mine = Password::chosen("correct horse").unwrap();
    assert_eq!(passwords.verify(&mine, None).await.unwrap(), Verified::Wrong);
    let nobody = passwords.of_nobody().unwrap();
    assert!(passwords.is_current(&nobody), "{nobody}");
    let somebody = passwords.hash(&mine).await.unwrap();
    assert_eq!(nobody.to_string().len(), somebody.len());
}

/// The attack: the time of a wrong password tells who has an account, after the cost was raised.
#[test]
fn after_a_cheaper_hash_as_much_is_spent_as_for_nobody() {
    let work = |params: &Params| params.m_cost() * params.t_cost();
    let params = |memory, passes| Params::new(memory, passes, 1, None).unwrap();
    let present = Params::default();
    for spent in [params(7_168, 1), params(9_216, 4), params(19_456, 1), params(8, 1)] {
        let filled = work(&spent) + work(&missing(&present, &spent).unwrap());
        assert!(work(&present) - filled < present.t_cost(), "{spent:?}");
    }
    for spent in [present.clone(), params(47_104, 1), params(19_456, 3), params(38_900, 1)] {
        assert_eq!(missing(&present, &spent), None, "{spent:?}");
    }
}

#[tokio::test]
async fn a_wrong_password_under_a_cheaper_hash_is_filled_up() {
    let (mine, other) =
        (Password::chosen("correct horse").unwrap(), Password::chosen("correct horsf").unwrap());
    let (old, now) = (passwords(Cost::least()), passwords(Cost::new(64, 2, 1).unwrap()));
    let hash = old.hash(&mine).await.unwrap();
    let (verified, spent) = now.look(&other, Some(&hash)).await.unwrap();
    assert_eq!((verified, spent.map(|spent| spent.m_cost())), (Verified::Wrong, Some(60)));
    let current = now.hash(&mine).await.unwrap();
    for (password, hash) in [(&other, Some(&*current)), (&other, None), (&mine, Some(&*hash))] {
        assert_eq!(now.look(password, hash).await.unwrap().1, None);
    }
}

#[tokio::test]
async fn a_damaged_hash_is_our_fault() {
    let mine = Password::typed("x").unwrap();
    let result = passwords(Cost::least()).verify(&mine, Some("sha256:abc")).await;
    assert!(matches!(result, Err(HashError::Damaged)), "{result:?}");
}

#[test]
fn debug_shows_no_password() {
    let shown = format!("{:?}", Password::chosen("correct horse"));
    assert!(!shown.contains("horse"), "{shown}");
}
