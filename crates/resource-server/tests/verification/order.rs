//! Which credential is checked by whom.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use oauth_types::{Issuer, Resource, Scope};
use parking_lot::Mutex;
use resource_server::{
    ConfigError, Holder, Introspection, Invalid, Jwt, Rejection, Unavailable, Verified, Verify,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::{ISSUER, NOW, RESOURCE, World, mat, secret, token_error, unavailable, verify};

const PORTCULLIS: &str = "https://portcullis.example.com";

fn key() -> SecretString {
    secret("sak_key")
}

fn owner() -> Verified {
    let own = Issuer::parse("https://mcp.example.com").unwrap();
    Verified::new(own, "owner", Resource::parse(RESOURCE).unwrap())
        .with_scopes(Scope::parse("mcp:tools").unwrap())
}

fn changed(change: impl FnOnce(&mut Verified)) -> Verified {
    let mut verified = owner();
    change(&mut verified);
    verified
}

/// Another provider, which answers introspection of everything with yes.
fn portcullis(world: &World) {
    let other = testkit::provider::Provider::new(PORTCULLIS);
    other.publish(&world.net);
    let yes =
        json!({"active": true, "sub": "bob", "aud": RESOURCE, "iss": PORTCULLIS, "exp": NOW.plus(60).0});
    world.net.answers(&other.introspection_url(), yes);
}

#[tokio::test]
async fn a_key_of_ones_own_a_jwt_and_an_opaque_token_work_side_by_side() {
    let world = World::new();
    portcullis(&world);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let verifier = world
        .builder()
        .portcullis(PORTCULLIS, key())
        .jwt(Jwt::issued_by(ISSUER))
        .credential("demo_", move |key: SecretString| {
            counted.fetch_add(1, Ordering::SeqCst);
            async move {
                if key.expose_secret() == "demo_good" { Ok(owner()) } else { Err(Invalid::Refused.into()) }
            }
        })
        .build()
        .unwrap();
    let subject = |verified: Arc<Verified>| verified.subject.clone().unwrap();
    assert_eq!(subject(verify(&verifier, &secret("demo_good")).await.unwrap()), "owner");
    assert_eq!(subject(verify(&verifier, &world.token()).await.unwrap()), "alice");
    assert_eq!(subject(verify(&verifier, &mat("x")).await.unwrap()), "bob");
    let refused = verify(&verifier, &secret("demo_bad")).await;
    assert_eq!(refused, Err(Rejection::Invalid(Invalid::Refused)));
    let unrecognised = verify(&verifier, &secret("other_x")).await;
    assert_eq!(unrecognised, Err(Rejection::Invalid(Invalid::Unrecognised)));
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    let issuers: Vec<_> = verifier.issuers().iter().map(ToString::to_string).collect();
    assert_eq!(issuers, [ISSUER, PORTCULLIS]);
}

/// The stated order: one's own credentials, in the order given, before anything that it might look like.
#[tokio::test]
async fn the_first_prefix_that_fits_counts_before_all_else() {
    let world = World::new();
    portcullis(&world);
    let named = |name: &'static str| {
        move |_| async move { Ok(changed(|verified| verified.subject = Some(name.to_owned()))) }
    };
    let verifier = world
        .builder()
        .jwt(Jwt::issued_by(ISSUER))
        .portcullis(PORTCULLIS, key())
        .credential("mat_own_", named("first"))
        .credential("mat_", named("second"))
        .credential("ey", named("third"))
        .build()
        .unwrap();
    for (token, subject) in [(mat("own_1"), "first"), (mat("1"), "second"), (world.token(), "third")] {
        assert_eq!(verify(&verifier, &token).await.unwrap().subject.as_deref(), Some(subject));
    }
    assert!(world.net.asked().is_empty());
}

#[tokio::test]
async fn a_check_of_ones_own_may_be_unable_to_tell_and_its_expiry_counts() {
    let world = World::new();
    let verifier = world
        .builder()
        .jwt(Jwt::issued_by(ISSUER))
        .credential("db_", |_| async { Err::<Verified, _>(Unavailable::OwnCheck.into()) })
        .credential("old_", |_| async { Ok(changed(|verified| verified.expires_at = Some(NOW))) })
        .build()
        .unwrap();
    assert_eq!(unavailable(verify(&verifier, &secret("db_1")).await), Unavailable::OwnCheck);
    let old = verify(&verifier, &secret("old_1")).await;
    assert_eq!(old, Err(token_error(jose::TokenError::Expired)));
}

/// A token opens things where it is from. Whoever else is shown it could use it there.
#[tokio::test]
async fn a_token_is_never_sent_to_a_server_that_it_is_not_from() {
    let world = World::new();
    portcullis(&world);
    let verifier = world
        .builder()
        .jwt(Jwt::issued_by(ISSUER))
        .portcullis(PORTCULLIS, key())
        .introspection(Introspection::at_issuer(PORTCULLIS).bearer(key()))
        .build()
        .unwrap();
    let foreign = world.token_with(json!({"iss": "https://third.example.com"}));
    let refused = verify(&verifier, &foreign).await;
    assert_eq!(refused, Err(Rejection::Invalid(Invalid::UntrustedIssuer)));
    verify(&verifier, &world.token()).await.unwrap();
    let shown = world.net.asked().into_iter().filter(|one| one.request.method() == "POST").count();
    assert_eq!(shown, 0);
    // One that says it is from there is, if from anywhere.
    verify(&verifier, &world.token_with(json!({"iss": PORTCULLIS}))).await.unwrap();
    verify(&verifier, &world.token_with(json!({"iss": null}))).await.unwrap();
    verify(&verifier, &secret("anything")).await.unwrap();
    let shown: Vec<_> = world.net.asked().into_iter().filter(|one| one.request.method() == "POST").collect();
    assert_eq!(shown.len(), 3);
    assert!(shown.iter().all(|one| one.request.uri() == &*format!("{PORTCULLIS}/introspect")));
}

#[tokio::test]
async fn of_several_opaque_sources_the_one_of_the_prefix_is_asked() {
    let world = World::new();
    portcullis(&world);
    world.net.answers(&world.provider.introspection_url(), json!({"active": false}));
    let verifier = world
        .builder()
        .introspection(Introspection::at_issuer(ISSUER).basic("me", secret("s")))
        .portcullis(PORTCULLIS, key())
        .build()
        .unwrap();
    assert!(verify(&verifier, &mat("1")).await.is_ok());
    assert_eq!(world.net.calls(&world.provider.introspection_url()), 0);
    let other = verify(&verifier, &secret("other")).await;
    assert_eq!(other, Err(Rejection::Invalid(Invalid::Inactive)));
    assert_eq!(world.net.calls(&format!("{PORTCULLIS}/introspect")), 1);
}

/// (`iss`, `sub`) is a person's name: ours must be nobody else's.
#[tokio::test]
async fn this_server_vouches_for_keys_of_its_own_unless_another_issuer_is_named() {
    let world = World::new();
    let builder = || {
        let key =
            |_| async { Ok(Holder::new("7").with_scopes(Scope::parse("a").unwrap()).until(NOW.plus(1))) };
        world.builder().jwt(Jwt::issued_by(ISSUER)).credential("demo_", key)
    };
    let holder = verify(&builder().build().unwrap(), &secret("demo_1")).await.unwrap();
    assert_eq!(holder.person(), Some((RESOURCE, "7")));
    assert_eq!((holder.resource.as_str(), holder.scopes.to_string().as_str()), (RESOURCE, "a"));
    assert_eq!(holder.expires_at, Some(NOW.plus(1)));
    let other = builder().own_issuer("https://keys.example.com").build().unwrap();
    let holder = verify(&other, &secret("demo_1")).await.unwrap();
    assert_eq!(holder.person(), Some(("https://keys.example.com", "7")));
    for ours in [ISSUER.to_owned(), format!("{ISSUER}/")] {
        let refused = builder().own_issuer(&ours).build().unwrap_err();
        assert_eq!(refused, ConfigError::OwnIssuerTrusted { issuer: ours });
    }
    let refused = builder().own_issuer("keys").build().unwrap_err().to_string();
    assert!(
        refused.contains("the issuer of one's own credentials") && refused.contains("own_issuer"),
        "{refused}"
    );
}

/// Whatever resource a check names, it is used here; another issuer that it names stays.
#[tokio::test]
async fn a_check_of_ones_own_may_know_who_else_vouches() {
    let world = World::new();
    let old = |_| async {
        let old = Issuer::parse("https://old.example.com").unwrap();
        Ok(Verified::new(old, "7", Resource::parse("https://elsewhere.example.com").unwrap()))
    };
    let verifier = world.builder().jwt(Jwt::issued_by(ISSUER)).credential("old_", old).build().unwrap();
    let holder = verify(&verifier, &secret("old_1")).await.unwrap();
    assert_eq!(
        (holder.person(), holder.resource.as_str()),
        (Some(("https://old.example.com", "7")), RESOURCE)
    );
}

/// Somebody who calls gets a 503 without a cause: the log has it, once a minute and not once a request.
#[tokio::test]
async fn a_check_of_ones_own_that_cannot_be_made_is_logged() {
    let log = Log::default();
    let writer = log.clone();
    let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
    let _logging = tracing::subscriber::set_default(lines.finish());
    let world = World::new();
    let down = async |_: SecretString| Err::<Holder, _>(Unavailable::OwnCheck.into());
    let verifier = world.builder().portcullis(PORTCULLIS, key()).credential("demo_", down).build().unwrap();
    for _ in 0..3 {
        assert!(verify(&verifier, &secret("demo_secret")).await.is_err());
    }
    let text = String::from_utf8(log.0.lock().clone()).unwrap();
    assert_eq!((text.lines().count(), text.matches("own_check_unavailable").count()), (1, 1), "{text}");
    assert!(text.contains("WARN") && !text.contains("demo_secret"), "{text}");
}

/// What is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
