//! A server that takes API keys of its own beside OAuth tokens, and knows its users whichever way they come.
//!
//! It refuses to join people by e-mail address: (`iss`, `sub`) names a person, and nothing else does.

pub mod users;

use adapters_axum::protect::{Caller, metadata, protect};
use axum::Router;
use axum::extract::State;
use axum::routing::{delete, get, post};
use http::StatusCode;
use resource_server::{
    ConfigError, Holder, Invalid, Issuer, Protection, Rejection, SecretString, Verified, VerifierBuilder,
};

use self::users::{LINKING, NotLinked, PREFIX, User, Users};

/// This server: whom it knows, and who vouches for its own keys.
#[derive(Clone)]
pub struct Server {
    users: Users,
    ours: Issuer,
}

impl Server {
    /// The server over these users. `ours` is the issuer of its own keys: its own origin, where no authorization server is.
    #[must_use]
    pub const fn new(users: Users, ours: Issuer) -> Self {
        Self { users, ours }
    }

    /// Its routes. `tokens` says which OAuth tokens are accepted; keys with the prefix `demo_` are checked here, and shown to nobody.
    /// It needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], if `tokens` says something wrong, or trusts an authorization server that is called as we are: whoever that server
    /// calls `1` would be our user 1.
    pub fn routes(self, tokens: VerifierBuilder) -> Result<Router, ConfigError> {
        let keys = self.clone();
        let verifier = tokens
            .credential(PREFIX, move |key| std::future::ready(keys.check(&key)))
            .own_issuer(self.ours.as_str())
            .build()?;
        tokio::spawn(verifier.keep_ready());
        let protection = Protection::builder(verifier).require("notes:read").build()?;
        let write = protect(protection.requiring("notes:write")?);
        let linking = protect(protection.requiring(LINKING)?);
        Ok(Router::new()
            .route("/notes", delete(clear).layer(write))
            .route("/me", get(me))
            .route("/link", post(link).delete(unlink).layer(linking))
            .with_state(self)
            .layer(protect(protection.clone()))
            .merge(metadata(&protection)))
    }

    fn check(&self, key: &SecretString) -> Result<Holder, Rejection> {
        let found = self.users.key(key).ok_or(Invalid::Refused)?;
        Ok(Holder::new(found.user.to_string()).with_scopes(found.scopes))
    }

    fn user(&self, caller: &Verified) -> Result<User, StatusCode> {
        self.users.of(caller, &self.ours).ok_or(StatusCode::FORBIDDEN)
    }
}

async fn me(State(server): State<Server>, Caller(caller): Caller) -> Result<String, StatusCode> {
    let User { id, name } = server.user(&caller)?;
    Ok(format!("user {id}, {}", name.as_deref().unwrap_or("without a name")))
}

/// Somebody who had an API key before they could log in: the token says who they are there, the key in the body who they are here.
///
/// The attack: a client with somebody's token shows a key of its own, and what that person's clients do from then on goes to its user.
/// So a client needs [`LINKING`], which no client is given unless the person is asked for it; and what was linked can be unlinked.
async fn link(
    State(server): State<Server>,
    Caller(caller): Caller,
    key: String,
) -> Result<String, StatusCode> {
    // A key would link its user to itself.
    if caller.issuer == server.ours {
        return Err(StatusCode::FORBIDDEN);
    }
    match server.users.link(&caller, &SecretString::from(key)) {
        Ok(User { id, .. }) => Ok(format!("you are user {id}")),
        Err(NotLinked::Nobody | NotLinked::Key) => Err(StatusCode::FORBIDDEN),
        Err(NotLinked::SomebodyElse) => Err(StatusCode::CONFLICT),
    }
}

/// The person of the token is nobody's from then on, and a user of their own on the next visit.
async fn unlink(State(server): State<Server>, Caller(caller): Caller) -> Result<&'static str, StatusCode> {
    if server.users.unlink(&caller) { Ok("you are linked to nobody") } else { Err(StatusCode::NOT_FOUND) }
}

async fn clear(State(server): State<Server>, Caller(caller): Caller) -> Result<String, StatusCode> {
    Ok(format!("the notes of user {} are gone", server.user(&caller)?.id))
}
