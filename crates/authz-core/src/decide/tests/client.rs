//! RFC 6749 section 2.3 and OAuth 2.1 section 2.4.

use store::{Digest, RetiringKey, SecretMethod};

use super::*;
use crate::decide::client::credentials;

fn keeping_a_secret(method: SecretMethod) -> Client {
    Client {
        auth: ClientAuth::Secret { method, digest: Digest::of(b"hush"), retiring: Vec::new() },
        ..client()
    }
}

fn came(proof: Proof) -> Credentials {
    Credentials { id: Some(client().id), proof }
}

#[test]
fn each_method_takes_its_own_proof_and_no_other() {
    use SecretMethod::{Basic, Either, Post};
    let right = |proof: fn(SecretString) -> Proof| came(proof(SecretString::from("hush")));
    let wrong = |proof: fn(SecretString) -> Proof| came(proof(SecretString::from("hash")));
    let public = client;
    let empty = || came(Proof::Basic(SecretString::from("")));
    for (client, sent, expected) in [
        (public(), came(Proof::None), Ok(())),
        (public(), empty(), Ok(())),
        (keeping_a_secret(Basic), empty(), Err(Refusal::SecretWrong)),
        (public(), right(Proof::Basic), Err(Refusal::MethodMismatch)),
        (public(), right(Proof::Post), Err(Refusal::MethodMismatch)),
        (keeping_a_secret(Basic), came(Proof::None), Err(Refusal::SecretMissing)),
        (keeping_a_secret(Basic), right(Proof::Basic), Ok(())),
        (keeping_a_secret(Basic), wrong(Proof::Basic), Err(Refusal::SecretWrong)),
        (keeping_a_secret(Basic), right(Proof::Post), Err(Refusal::MethodMismatch)),
        (keeping_a_secret(Post), came(Proof::None), Err(Refusal::SecretMissing)),
        (keeping_a_secret(Post), right(Proof::Basic), Err(Refusal::MethodMismatch)),
        (keeping_a_secret(Post), right(Proof::Post), Ok(())),
        (keeping_a_secret(Post), wrong(Proof::Post), Err(Refusal::SecretWrong)),
        (keeping_a_secret(Either), came(Proof::None), Err(Refusal::SecretMissing)),
        (keeping_a_secret(Either), right(Proof::Basic), Ok(())),
        (keeping_a_secret(Either), right(Proof::Post), Ok(())),
        (keeping_a_secret(Either), wrong(Proof::Basic), Err(Refusal::SecretWrong)),
        (keeping_a_secret(Either), wrong(Proof::Post), Err(Refusal::SecretWrong)),
    ] {
        let answer = authenticate(&sent, Some(&client), NOW).map(|_| ());
        assert_eq!(answer, expected, "{:?} {sent:?}", client.auth);
    }
}

/// Its operator waits until nobody shows the one before.
#[test]
fn a_replaced_secret_is_taken_until_its_time_is_over_and_told_from_the_one_that_replaced_it() {
    let (hush, next) = (Digest::of(b"hush"), Digest::of(b"next"));
    let replaced = |digest, until| Client {
        auth: ClientAuth::Secret {
            method: SecretMethod::Either,
            digest,
            retiring: vec![RetiringKey { digest: hush, until }],
        },
        ..client()
    };
    for (what, client, shown, expected) in [
        ("before its time is over", replaced(next, NOW.plus(1)), "hush", Ok(Some(hush))),
        ("when its time is over", replaced(next, NOW), "hush", Err(Refusal::SecretWrong)),
        ("the one that replaced it", replaced(next, NOW.plus(1)), "next", Ok(Some(next))),
        ("taken back into use", replaced(hush, NOW.plus(1)), "hush", Ok(Some(hush))),
        ("neither", replaced(next, NOW.plus(1)), "hash", Err(Refusal::SecretWrong)),
        ("the only one", keeping_a_secret(SecretMethod::Either), "hush", Ok(None)),
    ] {
        let sent = came(Proof::Post(SecretString::from(shown)));
        let answer = authenticate(&sent, Some(&client), NOW).map(|client| client.one_of_its_secrets());
        assert_eq!(answer, expected, "{what}");
    }
}

#[test]
fn an_unknown_client_is_invalid_client_which_makes_it_register_again() {
    let unnamed = Credentials { id: None, proof: Proof::None };
    assert_eq!(authenticate(&unnamed, Some(&client()), NOW).err(), Some(Refusal::ClientUnnamed));
    assert_eq!(authenticate(&came(Proof::None), None, NOW).err(), Some(Refusal::ClientUnknown));
    let mut deleted = client();
    deleted.standing.status = Status::Deleted;
    assert_eq!(authenticate(&came(Proof::None), Some(&deleted), NOW).err(), Some(Refusal::ClientUnknown));
}

/// Whoever cannot prove to be the client must not learn that it is blocked.
#[test]
fn a_blocked_client_is_told_so_only_after_it_proved_itself() {
    let mut blocked = keeping_a_secret(SecretMethod::Either);
    blocked.standing.status = Status::Blocked;
    for (proof, refusal) in [
        (Proof::None, Refusal::SecretMissing),
        (Proof::Post(SecretString::from("hash")), Refusal::SecretWrong),
        (Proof::Post(SecretString::from("hush")), Refusal::ClientBlocked),
    ] {
        assert_eq!(authenticate(&came(proof), Some(&blocked), NOW).err(), Some(refusal));
    }
}

/// "The client MUST NOT use more than one authentication method in each request."
#[test]
fn credentials_come_in_one_way() {
    let basic = oauth_types::basic_header("cid_app", &SecretString::from("hush"));
    let id = |result: Result<Credentials, Refusal>| {
        result.map(|credentials| credentials.id.map(|id| id.to_string()))
    };
    let app = || Ok(Some("cid_app".to_owned()));
    for (header, body, expected) in [
        (None, "", Ok(None)),
        (None, "client_id=cid_app", app()),
        (None, "client_id=cid_app&client_secret=hush", app()),
        (None, "client_id=a%20b", Err(Refusal::ClientUnknown)),
        (Some(basic.as_str()), "", app()),
        (Some(&basic), "client_id=cid_app", app()),
        (Some(&basic), "client_id=cid_other", Err(Refusal::TwoAuthentications)),
        (Some(&basic), "client_id=cid_app&client_secret=hush", Err(Refusal::TwoAuthentications)),
        (Some(&basic), "client_secret=hush", Err(Refusal::TwoAuthentications)),
        (Some("Bearer abc"), "client_id=cid_app", Err(Refusal::MethodMismatch)),
        (Some("Digest abc"), "", Err(Refusal::MethodMismatch)),
        (Some("Basic !"), "", Err(Refusal::SecretWrong)),
    ] {
        let form = Form::parse(body.as_bytes()).unwrap();
        assert_eq!(id(credentials(header, &form)), expected, "{header:?} {body}");
    }
}
