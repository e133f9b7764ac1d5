//! The administration: MCP servers and clients, for whoever holds the admin key.
//!
//! | method and path | what |
//! |---|---|
//! | `POST /api/servers` | registers an MCP server; the answer holds its key, once |
//! | `GET /api/servers?limit=&after=` | lists them |
//! | `GET`, `DELETE /api/servers/{server_id}` | shows one, removes one |
//! | `DELETE /api/clients/{client_id}` | removes a client, and with it all that it may do |
//!
//! `POST /api/servers` takes `callback_urls`, which older registration scripts send, and ignores it: clients register their
//! redirect URIs themselves.
//!
//! Not for browsers: no CORS, no cookies. Errors are RFC 9457 problem documents.

mod gate;
mod problem;
mod registration;

use std::sync::Arc;

use ambient::{Clock, SystemClock};
use async_trait::async_trait;
use authz_core::{Events, Limiter, Registry, Traced, Unlimited};
use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_io::{Peer, Serve, has_content_type};
use oauth_types::{ClientId, Issuer};
use parking_lot::Mutex;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use store::{Digest, ScopeEntry, Server, ServerId, UserInfoDetail};

use self::gate::Gate;
use self::problem::{Invalid, Problem};
use crate::answer;

/// The administration, as a [`Serve`] below the issuer's path.
pub struct Admin {
    issuer: Issuer,
    registry: Registry,
    gate: Gate,
}

/// The most servers of one page of the list, and how many there are if nobody says.
const PAGE: u32 = 100;

impl Admin {
    /// The administration of `registry`, for whoever holds the key that `key` is the digest of.
    #[must_use]
    pub fn new(issuer: Issuer, registry: Registry, key: Digest) -> Self {
        let gate = Gate {
            key: Mutex::new(key),
            limiter: Arc::new(Unlimited),
            clock: Arc::new(SystemClock),
            events: Arc::new(Traced),
            shut_out: Mutex::default(),
        };
        Self { issuer, registry, gate }
    }

    /// From now on another key opens it, and that alone.
    pub fn change_key(&self, key: Digest) {
        *self.gate.key.lock() = key;
    }

    /// Limits wrong keys by address; without it they are not. An address beyond the limit is answered 429 until the limiter
    /// takes it again by `clock`, with the right key as well.
    #[must_use]
    pub fn limiter(mut self, limiter: Arc<dyn Limiter>, clock: Arc<dyn Clock>) -> Self {
        (self.gate.limiter, self.gate.clock) = (limiter, clock);
        self
    }

    /// Who is told of wrong keys. Without it they are written to the log.
    #[must_use]
    pub fn events(mut self, events: Arc<dyn Events>) -> Self {
        self.gate.events = events;
        self
    }

    /// Whether a request path, the issuer's path included, is of the administration.
    #[must_use]
    pub fn owns(&self, path: &str) -> bool {
        self.issuer.strip(path).is_some_and(|path| path == "/api" || path.starts_with("/api/"))
    }

    async fn answer(&self, request: &Request<Bytes>, peer: Peer) -> Result<Response<Bytes>, Problem> {
        // Before anything of the request is looked at: a stranger learns nothing and costs nothing.
        self.gate.admit(request, peer).await?;
        let path = self.issuer.strip(request.uri().path()).unwrap_or_default();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match (segments.as_slice(), request.method()) {
            (["api", "servers"], &Method::POST) => self.register(request).await,
            (["api", "servers"], &Method::GET | &Method::HEAD) => self.list(request.uri().query()).await,
            (["api", "servers"], _) => Err(Problem::WrongMethod("GET, POST")),
            (["api", "servers", id], &Method::GET | &Method::HEAD) => self.show(id).await,
            (["api", "servers", id], &Method::DELETE) => self.remove(id).await,
            (["api", "servers", _], _) => Err(Problem::WrongMethod("GET, DELETE")),
            (["api", "clients", id], &Method::DELETE) => self.remove_client(id).await,
            (["api", "clients", _], _) => Err(Problem::WrongMethod("DELETE")),
            (_, _) => Err(Problem::NoSuchPath),
        }
    }

    async fn register(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Problem> {
        if !has_content_type(request.headers(), "application/json") {
            return Err(Problem::NotJson);
        }
        let new = registration::parse(request.body())?;
        let (server, key) = self.registry.register(new).await?;
        tracing::info!(server = %server.id, resource = %server.resource, "a server was registered");
        let mut body = self.shown(&server);
        if let Value::Object(members) = &mut body {
            members.insert("api_key".to_owned(), key.expose().expose_secret().into());
            members.insert("message".to_owned(), "Keep api_key: it is not shown again.".into());
        }
        let mut response = answer::json(StatusCode::CREATED, &body);
        if let Ok(location) =
            HeaderValue::from_str(&self.issuer.endpoint(&format!("/api/servers/{}", server.id)))
        {
            response.headers_mut().insert(LOCATION, location);
        }
        Ok(response)
    }

    async fn list(&self, query: Option<&str>) -> Result<Response<Bytes>, Problem> {
        let Cursor { after, limit } = Cursor::parse(query.unwrap_or_default())?;
        let (servers, more) = self.registry.servers(after.as_deref(), limit).await?;
        let shown: Vec<Value> = servers.iter().map(|server| self.shown(server)).collect();
        let next = servers.last().filter(|_| more).map(|server| server.id.to_string());
        Ok(answer::json(StatusCode::OK, &json!({ "servers": shown, "next": next })))
    }

    async fn show(&self, id: &str) -> Result<Response<Bytes>, Problem> {
        let id = ServerId::parse(id).map_err(|_| Problem::Unknown("server"))?;
        let server = self.registry.server(&id).await?.ok_or(Problem::Unknown("server"))?;
        Ok(answer::json(StatusCode::OK, &self.shown(&server)))
    }

    async fn remove(&self, id: &str) -> Result<Response<Bytes>, Problem> {
        let id = ServerId::parse(id).map_err(|_| Problem::Unknown("server"))?;
        match self.registry.remove(&id).await? {
            true => {
                tracing::info!(server = %id, "a server was removed");
                Ok(gone())
            }
            false => Err(Problem::Unknown("server")),
        }
    }

    async fn remove_client(&self, id: &str) -> Result<Response<Bytes>, Problem> {
        let id = ClientId::parse(id).map_err(|_| Problem::Unknown("client"))?;
        match self.registry.remove_client(&id).await? {
            true => {
                tracing::info!(client = %id, "a client was removed");
                Ok(gone())
            }
            false => Err(Problem::Unknown("client")),
        }
    }

    fn shown(&self, server: &Server) -> Value {
        json!({
            "server_id": server.id,
            "name": server.name,
            "resource_url": server.resource,
            "scopes": server.scopes.iter().map(scope).collect::<Vec<_>>(),
            "owner_email": server.owner_email,
            "userinfo": match server.userinfo {
                UserInfoDetail::Full => "full",
                UserInfoDetail::Scoped => "scoped",
            },
            "prm_url": self.issuer.endpoint(&format!("/prm/{}", server.id)),
            "registered_at": server.registered.0,
        })
    }
}

#[async_trait]
impl Serve for Admin {
    async fn serve(&self, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
        self.answer(&request, peer).await.unwrap_or_else(|problem| {
            if let Problem::Unavailable(error) = &problem {
                tracing::error!(
                    error = error as &dyn std::error::Error,
                    "the administration cannot do what was asked"
                );
            }
            problem.response()
        })
    }
}

/// Which part of a list is asked for.
struct Cursor {
    after: Option<String>,
    limit: u32,
}

impl Cursor {
    fn parse(query: &str) -> Result<Self, Invalid> {
        let mut cursor = Self { after: None, limit: PAGE };
        for part in query.split('&').filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some(("after", id)) => {
                    let id = ServerId::parse(id).map_err(|_| Invalid::Query("after must be a server_id"))?;
                    cursor.after = Some(id.to_string());
                }
                Some(("limit", number)) => {
                    let limit = number.parse().ok().filter(|limit| (1..=PAGE).contains(limit));
                    cursor.limit = limit.ok_or(Invalid::Query("limit must be a number from 1 to 100"))?;
                }
                Some(_) | None => {
                    return Err(Invalid::Query("the query may have after and limit, and nothing else"));
                }
            }
        }
        Ok(cursor)
    }
}

fn scope(entry: &ScopeEntry) -> Value {
    json!({
        "name": entry.name,
        "description": entry.description,
        "default": entry.default,
        "implies": entry.implies.iter().collect::<Vec<_>>(),
    })
}

fn gone() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

#[cfg(test)]
mod tests;
