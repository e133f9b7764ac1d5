use ambient::Time;
use oauth_types::{ClientId, Issuer, Resource, Scope};
use serde_json::{Map, Value};

use crate::Verified;

/// Whose a credential of one's own is, an API key for instance, as one's own check tells it. The verifier makes a [`Verified`] of it:
/// for this server, and vouched for by [`own_issuer`](crate::VerifierBuilder::own_issuer).
///
/// ```
/// use resource_server::{ExposeSecret as _, Holder, Invalid, Rejection, Scope, SecretString, Verifier};
///
/// async fn check(key: SecretString) -> Result<Holder, Rejection> {
///     match key.expose_secret() {
///         "demo_f3a9" => Ok(Holder::new("7").with_scopes(Scope::parse("notes:read").unwrap_or_default())),
///         _ => Err(Invalid::Refused.into()),
///     }
/// }
///
/// let verifier = Verifier::builder("https://mcp.example.com/mcp").credential("demo_", check);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Holder {
    /// Who vouches for it, if not this server.
    pub issuer: Option<Issuer>,
    /// Whose it is, unique at the issuer alone; `None` if it is nobody's, a machine's for instance.
    pub subject: Option<String>,
    /// The client that uses it.
    pub client_id: Option<ClientId>,
    /// What it reaches.
    pub scopes: Scope,
    /// When it expires; `None` if never.
    pub expires_at: Option<Time>,
    /// The name of the credential itself.
    pub token_id: Option<String>,
    /// All else that there is to say.
    pub claims: Map<String, Value>,
}

impl Holder {
    /// Somebody known by `subject`, with no scopes.
    #[must_use]
    pub fn new(subject: impl Into<String>) -> Self {
        Self {
            issuer: None,
            subject: Some(subject.into()),
            client_id: None,
            scopes: Scope::empty(),
            expires_at: None,
            token_id: None,
            claims: Map::new(),
        }
    }

    /// The same with these scopes.
    #[must_use]
    pub fn with_scopes(self, scopes: Scope) -> Self {
        Self { scopes, ..self }
    }

    /// The same until then.
    #[must_use]
    pub fn until(self, expires_at: Time) -> Self {
        Self { expires_at: Some(expires_at), ..self }
    }

    pub(crate) fn verified(self, own: &Issuer, resource: Resource) -> Verified {
        Verified {
            issuer: self.issuer.unwrap_or_else(|| own.clone()),
            subject: self.subject,
            client_id: self.client_id,
            scopes: self.scopes,
            resource,
            expires_at: self.expires_at,
            token_id: self.token_id,
            claims: self.claims,
        }
    }
}

/// Whatever resource it names: it is used here.
impl From<Verified> for Holder {
    fn from(verified: Verified) -> Self {
        Self {
            issuer: Some(verified.issuer),
            subject: verified.subject,
            client_id: verified.client_id,
            scopes: verified.scopes,
            expires_at: verified.expires_at,
            token_id: verified.token_id,
            claims: verified.claims,
        }
    }
}
