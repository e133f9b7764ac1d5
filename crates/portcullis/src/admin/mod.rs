//! The administration: servers, clients, users, grants, keys and events, for whoever holds an admin key.
//!
//! | what | where |
//! |---|---|
//! | every route, once: method, path, query, body, answer | `routes` |
//! | who may: keys, and a limit on guesses | `gate`, `keys` |
//! | a request that makes something, once for each `Idempotency-Key` | `making`, `once` |
//! | a request that changes what its caller has seen, by `If-Match` | `only_if` |
//! | what is read and answered | `asked`, `registration`, `bounds`, `shown`, `made`, `lists`, `problem` (RFC 9457) |
//! | `/api/servers`, `/api/clients`, `/api/users`, `/api/grants`, `/api/events` | modules of these names |
//! | `/api/openapi.json` | `openapi` |
//!
//! `POST /api/servers` takes `callback_urls`, which older registration scripts send, and ignores it: clients register their
//! redirect URIs themselves.
//!
//! Not for browsers: no CORS, no cookies. What is deleted or blocked bites on the next request, in every process.

mod asked;
mod bounds;
mod clients;
mod events;
mod gate;
mod grants;
pub(crate) mod keys;
mod lists;
mod made;
mod making;
mod once;
mod only_if;
mod openapi;
mod problem;
mod query;
mod registration;
mod routes;
mod servers;
mod shown;
mod users;

use std::sync::Arc;

use ambient::{Clock, Entropy};
use async_trait::async_trait;
use authz_core::{
    Actor, By, Context, Event, Events, Limit, Limiter, Oversight, OversightEvent, Sought, TooMany, Traced,
    Unlimited,
};
use bytes::Bytes;
use http::header::LINK;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_io::{Peer, Serve, has_content_type};
use identity::Identity;
use oauth_types::Issuer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use store::{Backend, Digest, Outcome, Status};

use self::gate::Gate;
use self::keys::{AdminKeys, Holder};
use self::lists::Keys;
use self::making::Made;
use self::once::Once;
use self::problem::{Invalid, Problem, Rule};
use self::query::{Query, encoded};
use self::routes::{Matched, Operation, Route};
use crate::answer;

#[cfg(test)]
pub(crate) use self::openapi::document as described;
#[cfg(test)]
pub(crate) use self::routes::{named, names};

/// The administration, as a [`Serve`] below the issuer's path.
pub struct Admin {
    issuer: Issuer,
    store: Arc<dyn Backend>,
    oversight: Oversight,
    clock: Arc<dyn Clock>,
    events: Arc<dyn Events>,
    identity: Option<Arc<Identity>>,
    gate: Gate,
    uses: Arc<dyn Limiter>,
    once: Once,
}

/// A request that was let in.
struct Call<'r> {
    route: &'static Route,
    id: String,
    query: Query,
    headers: &'r HeaderMap,
    body: &'r Bytes,
    by: By,
    /// What changes things.
    oversight: Oversight,
}

impl Admin {
    /// The administration of what `oversight` looks after, for whoever holds one of the admin keys in `store`.
    #[must_use]
    pub fn new(
        issuer: Issuer,
        store: Arc<dyn Backend>,
        oversight: Oversight,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let keys = AdminKeys::new(store.clone(), clock.clone(), entropy.clone());
        let gate = Gate::new(keys, clock.clone());
        let once = Once::new(store.clone(), clock.clone(), entropy);
        Self {
            issuer,
            store,
            oversight,
            clock,
            events: Arc::new(Traced),
            identity: None,
            gate,
            uses: Arc::new(Unlimited),
            once,
        }
    }

    /// Takes a key of the operator's own as well, by its digest. The one that was made on the first run is not taken then.
    #[must_use]
    pub fn configured_key(mut self, digest: Digest) -> Self {
        self.gate.keys.configure(digest);
        self
    }

    /// Takes a new key as well, by its digest, until [`settled`](Self::settled): one that nobody has seen is not in the store yet.
    #[must_use]
    pub fn unsettled_key(self, digest: Digest) -> Self {
        self.gate.keys.unsettle(Some(digest));
        self
    }

    /// From now on the keys in the store alone open it.
    pub fn settled(&self) {
        self.gate.keys.unsettle(None);
    }

    /// Limits wrong keys by address; without it they are not. An address beyond the limit is answered 429 until the limiter
    /// takes it again, with a right key as well.
    #[must_use]
    pub fn limiter(mut self, limiter: Arc<dyn Limiter>) -> Self {
        self.gate.limiter = limiter;
        self
    }

    /// Limits requests with a right key, by its name; without it they are not.
    #[must_use]
    pub fn limits_uses(mut self, limiter: Arc<dyn Limiter>) -> Self {
        self.uses = limiter;
        self
    }

    /// Who is told of wrong keys, and of what right ones were used for. Without it both are written to the log.
    #[must_use]
    pub fn events(mut self, events: Arc<dyn Events>) -> Self {
        self.gate.events = events.clone();
        self.events = events;
        self
    }

    /// Whose accounts and invitations are made. Without it none are: who has users of their own makes them elsewhere.
    #[must_use]
    pub fn identity(mut self, identity: Arc<Identity>) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Whether a request path, the issuer's path included, is of the administration.
    #[must_use]
    pub fn owns(&self, path: &str) -> bool {
        self.issuer.strip(path).is_some_and(|path| path == "/api" || path.starts_with("/api/"))
    }

    /// The same for the operator, who holds the store itself and so needs no key: nothing in the request is asked for one. It is
    /// for whoever opened the store, and never for what came over a network.
    pub async fn serve_operator(&self, request: &Request<Bytes>) -> Response<Bytes> {
        response_to(self.answer_to(request, By::operator(), store::AdminAccess::Write).await)
    }

    async fn answer(&self, request: &Request<Bytes>, peer: Peer) -> Result<Response<Bytes>, Problem> {
        // Before anything of the request is looked at: a stranger learns nothing and costs nothing.
        let Holder { key, access } = self.gate.admit(request, peer).await?;
        if let Err(TooMany { retry_after }) = self.uses.may(Limit::AdministrationUse, key.as_str()).await {
            let limited = Event::Limited { limit: Limit::AdministrationUse.as_str(), from: peer.0 };
            self.events.tell(&limited);
            return Err(Problem::TooOften { retry_after });
        }
        let by = By::administrator(key, Context::of(request, peer));
        self.answer_to(request, by, access).await
    }

    async fn answer_to(
        &self,
        request: &Request<Bytes>,
        by: By,
        access: store::AdminAccess,
    ) -> Result<Response<Bytes>, Problem> {
        let path = self.issuer.strip(request.uri().path()).unwrap_or_default();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let (route, id) = match Route::named(request.method().as_str(), &parts) {
            Matched::Route(route, id) => (route, id),
            Matched::Methods(methods) => return Err(Problem::WrongMethod(methods)),
            Matched::Nothing => return Err(Problem::NoSuchPath),
        };
        let answered = async {
            if access < route.access {
                return Err(Problem::ReadsOnly);
            }
            let query = Query::parse(request.uri().query().unwrap_or_default(), route)?;
            let (headers, body) = (request.headers(), request.body());
            let oversight = self.oversight.clone();
            let call = Call { route, id, query, headers, body, by: by.clone(), oversight };
            self.act_if_it_matches(call).await
        };
        let answered = answered.await;
        self.tell_of(route, &by, &answered);
        answered
    }

    async fn act(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        match call.route.operation {
            Operation::Create(creation) => self.create(creation, call).await,
            Operation::ListServers => self.list_servers(call).await,
            Operation::ShowServer => self.show_server(call).await,
            Operation::ChangeServer => self.change_server(call).await,
            Operation::RotateServerKey => self.rotate_server_key(call).await,
            Operation::DeleteServer => self.delete_server(call).await,
            Operation::ListClients => self.list_clients(call).await,
            Operation::ShowClient => self.show_client(call).await,
            Operation::ChangeClient => self.change_client(call).await,
            Operation::RotateClientSecret => self.rotate_client_secret(call).await,
            Operation::DeleteClient => self.delete_client(call).await,
            Operation::ListGrants => self.list_grants(call).await,
            Operation::ShowGrant => self.show_grant(call).await,
            Operation::RevokeGrant => self.revoke_grant(call).await,
            Operation::RevokeGrants => self.revoke_grants(call).await,
            Operation::ListConsents => self.list_consents(call).await,
            Operation::WithdrawConsent => self.withdraw_consent(call).await,
            Operation::ListUsers => self.list_users(call).await,
            Operation::ShowUser => self.show_user(call).await,
            Operation::ChangeUser => self.change_user(call).await,
            Operation::EndUser => self.end_user(call).await,
            Operation::ResetFactors => self.reset_factors(call).await,
            Operation::DeleteUser => self.delete_user(call).await,
            Operation::ListInvitations => self.list_invitations(call).await,
            Operation::WithdrawInvitation => self.withdraw_invitation(call).await,
            Operation::ListKeys => Ok(shown(&Keys { keys: self.gate.keys.list().await? })),
            Operation::EndKey => {
                self.gate.keys.end(&call.id, &call.by, &*self.events).await?;
                Ok(gone())
            }
            Operation::ListEvents => self.list_events(call).await,
            Operation::Describe => Ok(shown(&openapi::document(&self.issuer))),
        }
    }

    /// A page of a list, with the way to the next one (RFC 8288).
    fn page(&self, call: &Call<'_>, page: &impl Serialize, next: Option<&str>) -> Response<Bytes> {
        let mut response = shown(page);
        if let Some(next) = next {
            let url = self.issuer.endpoint(&format!("{}?{}", call.route.path, call.query.at(next)));
            if let Ok(link) = HeaderValue::from_str(&format!("<{url}>; rel=\"next\"")) {
                response.headers_mut().insert(LINK, link);
            }
        }
        response
    }

    /// Reading the audit trail or this interface's description is not told: whoever follows the trail would feed it.
    fn tell_of(&self, route: &Route, by: &By, answered: &Result<Response<Bytes>, Problem>) {
        // It is about the use of keys; what was done is told by who did it, the operator as well.
        let Actor::Administrator(key) = &by.actor else { return };
        let outcome = match answered {
            Ok(_) => Outcome::Done,
            Err(problem) if problem.is_ours() => Outcome::Failed,
            Err(_) => Outcome::Refused,
        };
        let silent = matches!(route.operation, Operation::ListEvents | Operation::Describe);
        if silent && outcome == Outcome::Done {
            return;
        }
        let Route { method, path, .. } = *route;
        let event = OversightEvent::AdministrationActed { key: key.clone(), method, route: path, outcome };
        self.events.tell_with(&Event::from(event), &by.context);
    }
}

impl Call<'_> {
    /// Which of a list are asked for.
    fn sought(&self) -> Result<Sought<'_>, Problem> {
        let status = self.query.found("status", Rule::Status, |text| match text {
            "active" => Some(Status::Active),
            "blocked" => Some(Status::Blocked),
            _ => None,
        })?;
        Ok(Sought { text: self.query.one("q"), status })
    }

    /// The body, which says itself that it is JSON.
    fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        self.is_json()?;
        asked::read(self.body).map_err(|error| Invalid::Body(error).into())
    }

    fn is_json(&self) -> Result<(), Problem> {
        let known = ["application/json", "application/merge-patch+json"];
        match known.iter().any(|media| has_content_type(self.headers, media)) {
            true => Ok(()),
            false => Err(Problem::NotJson),
        }
    }

    /// Where the page begins.
    fn cursor(&self) -> Option<&str> {
        self.query.one("cursor")
    }
}

#[async_trait]
impl Serve for Admin {
    async fn serve(&self, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
        response_to(self.answer(&request, peer).await)
    }
}

fn response_to(answered: Result<Response<Bytes>, Problem>) -> Response<Bytes> {
    answered.unwrap_or_else(|problem| {
        if let Problem::Unavailable(error) = &problem {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "the administration cannot do what was asked"
            );
        }
        problem.response()
    })
}

fn shown(body: &impl Serialize) -> Response<Bytes> {
    answer::json(StatusCode::OK, &json!(body))
}

fn gone() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// The path of one of a kind.
fn path_of(kind: &str, id: &str) -> Option<String> {
    Some(format!("/api/{kind}/{}", encoded(id)))
}

#[cfg(test)]
mod tests;
