//! The verifier before scripted issuers with real keys (RS-11, RS-12; WB, WC, WD-18 and WE of the systems before).

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which fail by a panic")]

mod configuration;
mod discovery;
mod hot;
mod opaque;
mod order;
mod questions;
mod readiness;
mod remembered;
mod rotation;
mod signed;
mod userinfo;

use std::sync::Arc;

use ambient::{ManualClock, Time};
use http_io::{FetchError, Unreached};
use resource_server::{Invalid, Jwt, Rejection, Unavailable, Verified, Verifier, VerifierBuilder, Verify};
use secrecy::SecretString;
use serde_json::{Value, json};
use testkit::provider::{Provider, Signer};
use testkit::scripted::Scripted;

const RESOURCE: &str = "https://mcp.example.com/mcp";
const ISSUER: &str = "https://auth.example.com";
const NOW: Time = Time(1_795_000_000);
const DOWN: FetchError = FetchError::Unreachable(Unreached::Connection);

/// A provider with one key, an internet that has nothing but it, and a clock that stands still.
struct World {
    net: Arc<Scripted>,
    clock: Arc<ManualClock>,
    provider: Provider,
    signer: Signer,
}

impl World {
    fn new() -> Self {
        Self::of(ISSUER)
    }

    fn of(issuer: &str) -> Self {
        let world = Self {
            net: Scripted::new(),
            clock: Arc::new(ManualClock::at(NOW)),
            provider: Provider::new(issuer),
            signer: Signer::es256("one"),
        };
        world.provider.publish(&world.net);
        world.provider.publish_keys(&world.net, &[&world.signer]);
        world
    }

    fn builder(&self) -> VerifierBuilder {
        Verifier::builder(RESOURCE).fetch(self.net.clone()).clock(self.clock.clone())
    }

    fn jwt(&self) -> Verifier {
        self.builder().jwt(Jwt::issued_by(self.provider.issuer())).build().unwrap()
    }

    /// The claims of a good token, with some of them put in place of what is there.
    fn claims(&self, changes: Value) -> Value {
        let mut claims = json!({
            "iss": self.provider.issuer(), "sub": "alice", "aud": RESOURCE, "client_id": "app",
            "scope": "mcp:tools", "iat": NOW.0, "exp": NOW.plus(100_000).0, "jti": "t1",
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    fn token(&self) -> SecretString {
        self.token_with(json!({}))
    }

    fn token_with(&self, changes: Value) -> SecretString {
        self.signer.token(&self.claims(changes))
    }

    fn discovery_calls(&self) -> usize {
        self.net.calls(&self.provider.discovery_url())
    }

    fn key_calls(&self) -> usize {
        self.net.calls(&self.provider.jwks_url())
    }
}

async fn verify(verifier: &Verifier, token: &SecretString) -> Result<Arc<Verified>, Rejection> {
    verifier.verify(token).await
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

/// A text that Portcullis could have issued.
fn mat(name: &str) -> SecretString {
    secret(&format!("mat_{name:a<72}"))
}

fn token_error(rejection: jose::TokenError) -> Rejection {
    Rejection::Invalid(Invalid::Token(rejection))
}

#[track_caller]
fn unavailable(result: Result<Arc<Verified>, Rejection>) -> Unavailable {
    match result {
        Err(Rejection::Unavailable(fault)) => fault,
        Err(Rejection::Invalid(invalid)) => panic!("a good token would be thrown away: {invalid:?}"),
        Ok(_) => panic!("a token is accepted that nobody has checked"),
    }
}
