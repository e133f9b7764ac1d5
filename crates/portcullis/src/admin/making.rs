//! Requests that make something, once for each `Idempotency-Key`.

use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::asked::KeyAsked;
use super::made::MadeKey;
use super::once::Turn;
use super::problem::{Problem, Thing};
use super::routes::Creation;
use super::{Admin, Call};
use crate::answer;

/// Something that was made.
pub(super) struct Made {
    /// Which, as its own path has it.
    pub(super) id: String,
    /// Where it can be seen.
    pub(super) location: Option<String>,
    /// The answer, with its secret.
    pub(super) body: Value,
}

/// Says that a request came before (draft-ietf-httpapi-idempotency-key-header has no name for it; this one is common).
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

impl Admin {
    pub(super) async fn create(
        &self,
        creation: Creation,
        call: &Call<'_>,
    ) -> Result<Response<Bytes>, Problem> {
        let scope = format!("{} {}", call.by.actor, call.route.path);
        let underway = match self.once.begin(call.headers, &scope, call.body).await? {
            Turn::Again(id) => return self.show_again(creation, &id).await,
            Turn::First(underway) => underway,
        };
        let made = match creation {
            Creation::Server => self.make_server(call).await,
            Creation::Client => self.make_client(call).await,
            Creation::User => self.make_user(call).await,
            Creation::Invitation => self.make_invitation(call).await,
            Creation::Key => self.make_key(call).await,
        };
        if let Some(underway) = &underway {
            let remembered = match &made {
                Ok(made) => self.once.made(underway, &made.id).await,
                // Whether it was made is not known; who repeats it is told to wait until it is over.
                Err(problem) if problem.is_ours() => Ok(()),
                Err(_) => self.once.failed(underway).await,
            };
            // The secret is in this answer alone, so it is given in any case.
            if let Err(error) = remembered {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "what an Idempotency-Key stands for cannot be written now");
            }
        }
        let Made { location, body, .. } = made?;
        let mut response = answer::json(StatusCode::CREATED, &body);
        let location = location.and_then(|path| HeaderValue::from_str(&self.issuer.endpoint(&path)).ok());
        if let Some(location) = location {
            response.headers_mut().insert(LOCATION, location);
        }
        Ok(response)
    }

    /// What a request made that came before.
    async fn show_again(&self, creation: Creation, id: &str) -> Result<Response<Bytes>, Problem> {
        let mut body = match creation {
            Creation::Server => json!(self.server_of(id).await?),
            Creation::Client => json!(self.client_of(id).await?),
            Creation::User => json!(self.user_of(id).await?),
            Creation::Invitation => json!({ "invitation_id": id }),
            Creation::Key => json!(self.gate.keys.show(id).await?.ok_or(Problem::Unknown(Thing::Key))?),
        };
        if let Value::Object(members) = &mut body {
            let message = "This was made by an earlier request with the same Idempotency-Key. Its secret was in that answer, and is not \
                           shown again.";
            members.insert("message".to_owned(), message.into());
        }
        let mut response = answer::json(StatusCode::OK, &body);
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(response)
    }

    async fn make_key(&self, call: &Call<'_>) -> Result<Made, Problem> {
        let KeyAsked { name, access } = call.json()?;
        let (key, text) = self.gate.keys.make(&name, access.into(), &call.by, &*self.events).await?;
        let body = json!(MadeKey { key, admin_key: text.expose_secret().to_owned() });
        Ok(Made { id: name, location: None, body })
    }
}
