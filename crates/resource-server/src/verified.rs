use ambient::Time;
use oauth_types::{ClientId, Issuer, Resource, Scope};
use serde_json::{Map, Value};

/// Who sends a request, as a token that was checked tells it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Verified {
    /// Who vouches for it. Together with `subject` it is the name of a person, and nothing else is: an e-mail address can be anybody's.
    pub issuer: Issuer,
    /// Whose token it is, unique at `issuer` alone. Without it the token is nobody's, a machine's for instance.
    pub subject: Option<String>,
    /// The client that uses it.
    pub client_id: Option<ClientId>,
    /// What it reaches.
    pub scopes: Scope,
    /// The resource that it is for: this server.
    pub resource: Resource,
    /// When it expires; `None` if never, as with many API keys.
    pub expires_at: Option<Time>,
    /// The name of the token itself (`jti`).
    pub token_id: Option<String>,
    /// All that the authorization server said of it, what stands above included: `email` and `email_verified`, for instance.
    pub claims: Map<String, Value>,
}

impl Verified {
    /// Somebody known by `issuer` and `subject`, with no scopes. It is what one's own check of an API key makes, with one's own
    /// server as the issuer.
    #[must_use]
    pub fn new(issuer: Issuer, subject: impl Into<String>, resource: Resource) -> Self {
        Self {
            issuer,
            subject: Some(subject.into()),
            client_id: None,
            scopes: Scope::empty(),
            resource,
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

    /// How its person proved who they are (`acr`, RFC 9470 section 6), if the authorization server says it.
    #[must_use]
    pub fn acr(&self) -> Option<&str> {
        self.claims.get("acr")?.as_str()
    }

    /// When they last did (`auth_time`), if it is said.
    #[must_use]
    pub fn auth_time(&self) -> Option<Time> {
        let time = self.claims.get("auth_time")?;
        time.as_i64().or_else(|| time.as_f64().map(|seconds| seconds.floor() as i64)).map(Time)
    }

    /// What to look a person up by in one's own table: (`iss`, `sub`). `None` where the token is nobody's.
    #[must_use]
    pub fn person(&self) -> Option<(&str, &str)> {
        self.subject.as_deref().map(|subject| (self.issuer.as_str(), subject))
    }
}
