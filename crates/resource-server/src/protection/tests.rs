//! Rows of the table in RFC 6750 section 3.1 as MCP extends it, and the rules RS-6 to RS-20.

mod answers;
mod optional;
mod origins;
mod passing;
mod step_up;
mod tools;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use ambient::Time;
use async_trait::async_trait;
use http::Request;
use oauth_types::{Challenge, Issuer};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::*;
use crate::Invalid;

pub(crate) const RESOURCE: &str = "https://mcp.example.com/mcp";
pub(crate) const METADATA_URL: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";

/// Knows tokens by what they say: `good.a+b` is good, for the scopes a and b, `down` cannot be checked, and all else is bad.
pub(crate) struct Fake {
    pub(crate) resource: Resource,
    pub(crate) issuers: Vec<Issuer>,
    pub(crate) missing: OnceLock<Unavailable>,
    /// Whether no token is good any more.
    pub(crate) revoked: Arc<AtomicBool>,
}

impl Fake {
    pub(crate) fn at(resource: &str) -> Self {
        let issuers = vec![Issuer::parse("https://auth.example.com/tenant1").unwrap()];
        Self {
            resource: Resource::parse(resource).unwrap(),
            issuers,
            missing: OnceLock::new(),
            revoked: Arc::default(),
        }
    }
}

#[async_trait]
impl Verify for Fake {
    async fn verify(&self, token: &SecretString) -> Result<Arc<Verified>, Rejection> {
        let token = token.expose_secret();
        if token == "down" {
            let url = "https://internal.example/introspect".to_owned();
            return Err(Unavailable::KeyRefused { url }.into());
        }
        if self.revoked.load(Ordering::Relaxed) {
            return Err(Invalid::Inactive.into());
        }
        let scopes = token.strip_prefix("good.").ok_or(match token {
            "expired" => Invalid::Token(jose::TokenError::Expired),
            "forged" => Invalid::Token(jose::TokenError::SignatureWrong),
            "other-issuer" => Invalid::UntrustedIssuer,
            "other-audience" => Invalid::Token(jose::TokenError::AudienceWrong),
            "id-token" => Invalid::Token(jose::TokenError::IdToken),
            "revoked" => Invalid::Inactive,
            _ => Invalid::Unrecognised,
        })?;
        let scopes = Scope::from_tokens(scopes.split('+').filter(|scope| !scope.is_empty())).unwrap();
        let verified = Verified::new(self.issuers[0].clone(), "somebody", self.resource.clone());
        Ok(Arc::new(verified.with_scopes(scopes)))
    }

    fn resource(&self) -> &Resource {
        &self.resource
    }

    fn issuers(&self) -> Vec<Issuer> {
        self.issuers.clone()
    }

    fn ready(&self) -> Result<(), Unavailable> {
        self.missing.get().cloned().map_or(Ok(()), Err)
    }
}

fn builder() -> ProtectionBuilder {
    Protection::builder(Fake::at(RESOURCE))
}

fn head(method: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri("/mcp");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// A POST with these headers and this body, to its end: who may go on, or the answer.
async fn sent(
    protection: &Protection,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Option<Arc<Verified>>, Response<Bytes>> {
    match protection.admit(&head("POST", headers)).await {
        Admission::Admitted(caller) => Ok(caller),
        Admission::Unread(unread) => unread.admit(body.as_bytes()).await,
        Admission::Answer(answer) => Err(answer),
    }
}

async fn refused(protection: &Protection, headers: &[(&str, &str)], body: &str) -> Response<Bytes> {
    sent(protection, headers, body).await.expect_err("it was let in")
}

/// The one challenge of an answer: its parameters, in order.
fn challenge(response: &Response<Bytes>) -> Vec<(String, String)> {
    let value = response.headers().get(header::WWW_AUTHENTICATE).expect("there is no challenge");
    let mut challenges = Challenge::parse_all(value.to_str().unwrap()).unwrap();
    assert_eq!((challenges.len(), challenges[0].scheme.as_str()), (1, "Bearer"));
    challenges.remove(0).params
}

fn param(response: &Response<Bytes>, name: &str) -> Option<String> {
    challenge(response).into_iter().find(|(own, _)| own == name).map(|(_, value)| value)
}

fn json(response: &Response<Bytes>) -> Value {
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    serde_json::from_slice(response.body()).unwrap()
}

fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}
