use std::sync::Arc;

use async_trait::async_trait;
use oauth_types::{Issuer, Resource};
use secrecy::SecretString;

use crate::{Rejection, Unavailable, Verified};

/// Tells whose a token is. The verifier does; a server with a way of its own implements it.
#[async_trait]
pub trait Verify: Send + Sync {
    /// Whose `token` is, if it is good for [`resource`](Self::resource) now.
    ///
    /// A false yes opens the server to somebody. A false [`Rejection::Invalid`] makes clients throw a good token away: what cannot be
    /// told now is [`Rejection::Unavailable`].
    ///
    /// # Errors
    ///
    /// [`Rejection`], by whether it is certain.
    async fn verify(&self, token: &SecretString) -> Result<Arc<Verified>, Rejection>;

    /// The server that the tokens are for, in exactly the text that clients know it by.
    fn resource(&self) -> &Resource;

    /// Where clients get tokens: what the metadata names as `authorization_servers`, in order of preference.
    fn issuers(&self) -> Vec<Issuer>;

    /// Whether tokens can be checked now. An answer from what is remembered: nothing is fetched.
    ///
    /// # Errors
    ///
    /// What is missing, in words for the operator.
    fn ready(&self) -> Result<(), Unavailable>;
}

#[async_trait]
impl<V: Verify + ?Sized> Verify for Arc<V> {
    async fn verify(&self, token: &SecretString) -> Result<Arc<Verified>, Rejection> {
        (**self).verify(token).await
    }

    fn resource(&self) -> &Resource {
        (**self).resource()
    }

    fn issuers(&self) -> Vec<Issuer> {
        (**self).issuers()
    }

    fn ready(&self) -> Result<(), Unavailable> {
        (**self).ready()
    }
}
