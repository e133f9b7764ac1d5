//! Which client is asking, and whether it has proved it (RFC 6749 section 2.3, OAuth 2.1 section 2.4).

use ambient::Time;
use oauth_types::{Authorization, ClientCredentials, ClientId, Form};
use secrecy::{ExposeSecret as _, SecretString};
use store::{Client, ClientAuth, Digest, SecretMethod, Status};

use crate::Refusal;

/// What a request says about its client.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Which client it claims to be.
    pub id: Option<ClientId>,
    /// How it proves it.
    pub proof: Proof,
}

/// How a client proves who it is.
#[derive(Clone, Debug)]
pub enum Proof {
    /// It does not.
    None,
    /// By a secret in the `Authorization` header.
    Basic(SecretString),
    /// By a secret in the body.
    Post(SecretString),
}

/// A client that has proved who it is. Only [`authenticate`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Authenticated<'a> {
    client: &'a Client,
    secret: Option<Digest>,
}

impl Authenticated<'_> {
    /// The client.
    #[must_use]
    pub const fn client(&self) -> &Client {
        self.client
    }

    /// The digest of the secret that it showed, while it has several: its operator waits until nobody uses the one before.
    #[must_use]
    pub fn one_of_its_secrets(&self) -> Option<Digest> {
        match &self.client.auth {
            ClientAuth::Secret { retiring, .. } if !retiring.is_empty() => self.secret,
            ClientAuth::Secret { .. } | ClientAuth::Public => None,
        }
    }
}

/// Reads the credentials of a request: `Authorization` header and body.
///
/// # Errors
///
/// "The client MUST NOT use more than one authentication method in each request" (RFC 6749 section 2.3); and a header that
/// is malformed or of a scheme that clients do not authenticate by.
pub fn credentials(authorization: Option<&str>, form: &Form) -> Result<Credentials, Refusal> {
    let body = ClientCredentials::from_form(form);
    let parsed = |id: &str| ClientId::parse(id).map_err(|_| Refusal::ClientUnknown);
    let Some(header) = authorization else {
        let id = body.client_id.as_deref().map(parsed).transpose()?;
        let proof = body.client_secret.map_or(Proof::None, Proof::Post);
        return Ok(Credentials { id, proof });
    };
    // RFC 6749 section 5.2: a client that tried the header and failed is told by 401.
    match Authorization::parse(header).map_err(|_| Refusal::SecretWrong)? {
        Authorization::Basic { id, secret } => {
            let another = body.client_id.as_ref().is_some_and(|in_body| *in_body != id);
            if another || body.client_secret.is_some() {
                return Err(Refusal::TwoAuthentications);
            }
            Ok(Credentials { id: Some(parsed(&id)?), proof: Proof::Basic(secret) })
        }
        Authorization::Bearer(_) | Authorization::Other => Err(Refusal::MethodMismatch),
    }
}

/// Whether the client is who it claims to be.
///
/// # Errors
///
/// A secret that was replaced is taken until its time is over. An unknown or deleted client is `invalid_client` with 401, which is what makes clients register again. The registered
/// method must be used; a blocked client is told so only after it proved itself.
pub fn authenticate<'a>(
    credentials: &Credentials,
    client: Option<&'a Client>,
    now: Time,
) -> Result<Authenticated<'a>, Refusal> {
    if credentials.id.is_none() {
        return Err(Refusal::ClientUnnamed);
    }
    let client = client.ok_or(Refusal::ClientUnknown)?;
    if client.standing.status == Status::Deleted {
        return Err(Refusal::ClientUnknown);
    }
    let secret = match (&client.auth, &credentials.proof) {
        (ClientAuth::Public, Proof::None) => None,
        // Some HTTP libraries send the header whenever they have an id.
        (ClientAuth::Public, Proof::Basic(secret)) if secret.expose_secret().is_empty() => None,
        (ClientAuth::Secret { .. }, Proof::None) => return Err(Refusal::SecretMissing),
        (
            ClientAuth::Secret { method: SecretMethod::Basic | SecretMethod::Either, digest, retiring },
            Proof::Basic(secret),
        )
        | (
            ClientAuth::Secret { method: SecretMethod::Post | SecretMethod::Either, digest, retiring },
            Proof::Post(secret),
        ) => Some((digest, retiring, secret)),
        (ClientAuth::Public, Proof::Basic(_) | Proof::Post(_))
        | (ClientAuth::Secret { method: SecretMethod::Basic, .. }, Proof::Post(_))
        | (ClientAuth::Secret { method: SecretMethod::Post, .. }, Proof::Basic(_)) => {
            return Err(Refusal::MethodMismatch);
        }
    };
    let shown = secret.map(|(_, _, secret)| Digest::of(secret.expose_secret().as_bytes()));
    if let (Some((digest, retiring, _)), Some(shown)) = (secret, &shown) {
        // Every digest is compared, so the time tells nothing about which one matched.
        let retiring = retiring.iter().filter(|secret| now < secret.until).map(|secret| &secret.digest);
        if !std::iter::once(digest).chain(retiring).fold(false, |known, one| known | one.is(shown)) {
            return Err(Refusal::SecretWrong);
        }
    }
    match client.standing.status {
        Status::Active => Ok(Authenticated { client, secret: shown }),
        Status::Blocked => Err(Refusal::ClientBlocked),
        Status::Deleted => Err(Refusal::ClientUnknown),
    }
}
