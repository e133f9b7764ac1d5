//! An OpenID Connect provider whose access tokens are signed, and a server that trusts it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ambient::ManualClock;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_io::{Fetch, FetchError, Limits, Unreached};
use parking_lot::Mutex;
use resource_server::{Jwt, Protection, ProtectionBuilder, Verifier, VerifierBuilder};
use serde_json::{Value, json};
use testkit::client::RESOURCE;

use crate::mint::{ISSUER, NOW, P256, claims_with, header};

/// The provider: discovery and keys. It is called as Auth0 is, with a final slash.
pub(crate) struct Provider {
    keys: Mutex<Vec<Value>>,
    down: AtomicBool,
    asked: AtomicUsize,
}

impl Provider {
    fn new() -> Self {
        Self {
            keys: Mutex::new(vec![P256.jwk("es")]),
            down: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
        }
    }

    /// From now on nothing answers, or everything does.
    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// From now on these are the keys.
    pub(crate) fn publish(&self, keys: &[Value]) {
        *self.keys.lock() = keys.to_vec();
    }

    /// How many requests it got.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn document(&self, url: &str) -> Option<Value> {
        match url {
            "https://auth.example.com/.well-known/openid-configuration" => Some(json!({
                "issuer": ISSUER,
                "authorization_endpoint": "https://auth.example.com/authorize",
                "token_endpoint": "https://auth.example.com/token",
                "jwks_uri": "https://auth.example.com/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
            })),
            "https://auth.example.com/keys" => Some(json!({ "keys": *self.keys.lock() })),
            _ => None,
        }
    }
}

#[async_trait]
impl Fetch for Provider {
    async fn fetch(&self, request: Request<Bytes>, _: Limits) -> Result<Response<Bytes>, FetchError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(FetchError::Unreachable(Unreached::Connection));
        }
        let document = self.document(&request.uri().to_string());
        let status = if document.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
        let body = document.unwrap_or_default().to_string().into();
        let response = Response::builder().status(status).header("content-type", "application/json");
        Ok(response.body(body).unwrap())
    }
}

/// A provider, and a verifier of its tokens for [`RESOURCE`].
pub(crate) struct Signed {
    /// The provider.
    pub(crate) provider: Arc<Provider>,
    /// The time at the server.
    pub(crate) clock: Arc<ManualClock>,
    verifier: Verifier,
}

impl Signed {
    /// As it comes. The issuer is configured without the slash that it has.
    pub(crate) fn new() -> Self {
        Self::with(|verifier| verifier.jwt(Jwt::issued_by("https://auth.example.com")))
    }

    /// With a verifier that is configured in another way.
    pub(crate) fn with(configure: impl FnOnce(VerifierBuilder) -> VerifierBuilder) -> Self {
        let provider = Arc::new(Provider::new());
        let clock = Arc::new(ManualClock::at(NOW));
        let verifier = configure(Verifier::builder(RESOURCE).fetch(provider.clone()).clock(clock.clone()));
        Self { provider, clock, verifier: verifier.build().unwrap() }
    }

    /// Lets this many seconds pass.
    pub(crate) fn later(&self, seconds: i64) {
        self.clock.advance(seconds);
    }

    /// A protection that needs `files:read`.
    pub(crate) fn protection(&self) -> Protection {
        self.demanding(|protection| protection.require("files:read"))
    }

    /// A protection that is configured in another way.
    pub(crate) fn demanding(
        &self,
        configure: impl FnOnce(ProtectionBuilder) -> ProtectionBuilder,
    ) -> Protection {
        configure(Protection::builder(self.verifier.clone())).build().unwrap()
    }
}

/// A good token, but for these claims; `null` takes one away. Its scope is `files:read`.
pub(crate) fn token(changes: Value) -> String {
    P256.sign(&header("ES256", "es"), &claims(changes))
}

/// The claims of such a token.
pub(crate) fn claims(changes: Value) -> Value {
    let mut claims = claims_with(json!({ "scope": "files:read" }));
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// A good token with this scope.
pub(crate) fn token_for(scope: &str) -> String {
    token(json!({ "scope": scope }))
}
