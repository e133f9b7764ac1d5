//! What clients read before they log in: the metadata of the protected resource (RFC 9728), and what old clients look for.

mod legacy;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_io::{Peer, Serve};
use oauth_types::{Issuer, ProtectedResourceMetadata, Resource, Scope, well_known};

pub(crate) use legacy::Legacy;
pub use legacy::LegacyMetadata;

use crate::verifier::discovery::same_but_for_a_slash;
use crate::{ConfigError, Verify, cors};

/// Serves the documents of one protected resource, to everybody and every page. It is at home at [`paths`](Self::paths) and answers
/// 404 everywhere else. A clone serves the same.
#[derive(Clone)]
pub struct Metadata(Arc<Documents>);

/// What the documents are made of.
pub(crate) struct Documents {
    verify: Arc<dyn Verify>,
    servers: AuthorizationServers,
    scopes_supported: Scope,
    name: Option<String>,
    documentation: Option<String>,
    resource_paths: BTreeSet<String>,
    issuer_paths: BTreeSet<String>,
    legacy: Legacy,
}

impl Metadata {
    pub(crate) fn new(documents: Arc<Documents>) -> Self {
        Self(documents)
    }

    /// The paths that must lead here, each once: the path-inserted one and the root, both with and without a final slash (RS-4, BC-8).
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.0.resource_paths.union(&self.0.issuer_paths).cloned().collect()
    }

    /// The document of the protected resource as it is now.
    #[must_use]
    pub fn document(&self) -> ProtectedResourceMetadata {
        self.0.document()
    }
}

#[async_trait]
impl Serve for Metadata {
    async fn serve(&self, request: Request<Bytes>, _: Peer) -> Response<Bytes> {
        let path = request.uri().path();
        let is_resource = self.0.resource_paths.contains(path);
        if !is_resource && !self.0.issuer_paths.contains(path) {
            return fault(StatusCode::NOT_FOUND, "not_found", "There is nothing at this path.");
        }
        let mut response = match *request.method() {
            Method::GET | Method::HEAD if is_resource => self.0.answer(),
            Method::GET | Method::HEAD => self.0.legacy.serve(self.0.servers.first().as_ref()).await,
            Method::OPTIONS => preflight(),
            _ => {
                let mut response = fault(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "Use GET.");
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(METHODS));
                response
            }
        };
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        if *request.method() == Method::HEAD {
            *response.body_mut() = Bytes::new();
        }
        response
    }
}

impl std::fmt::Debug for Metadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metadata").field("paths", &self.paths()).finish_non_exhaustive()
    }
}

impl Documents {
    pub(crate) fn new(
        servers: AuthorizationServers,
        scopes_supported: Scope,
        (name, documentation): (Option<String>, Option<String>),
        at_root: bool,
        legacy: Legacy,
    ) -> Self {
        let verify = Arc::clone(&servers.verify);
        let resource_paths = resource_paths(verify.resource(), at_root);
        let issuer_paths =
            if legacy.is_off() { BTreeSet::new() } else { both(well_known::AUTHORIZATION_SERVER) };
        Self { verify, servers, scopes_supported, name, documentation, resource_paths, issuer_paths, legacy }
    }

    /// Nobody keeps it before the issuers are known by their own texts: clients compare them letter by letter (RFC 8414 section 3.3).
    fn answer(&self) -> Response<Bytes> {
        let body = self.document().to_json().into();
        match self.verify.ready() {
            Ok(()) => document(body),
            Err(_) => passing(StatusCode::OK, body),
        }
    }

    /// Made for each request: an issuer learns its exact text by discovery (RS-18).
    fn document(&self) -> ProtectedResourceMetadata {
        ProtectedResourceMetadata {
            authorization_servers: self.servers.listed().iter().map(Issuer::to_string).collect(),
            scopes_supported: self.scopes_supported.iter().map(str::to_owned).collect(),
            bearer_methods_supported: vec!["header".to_owned()],
            resource_name: self.name.clone(),
            resource_documentation: self.documentation.clone(),
            ..ProtectedResourceMetadata::new(self.verify.resource().clone())
        }
    }
}

/// Where clients are sent to log in: all that the verifier trusts, or those of them that somebody chose.
#[derive(Clone)]
pub(crate) struct AuthorizationServers {
    verify: Arc<dyn Verify>,
    chosen: Option<Vec<Issuer>>,
}

impl AuthorizationServers {
    pub(crate) fn all(verify: Arc<dyn Verify>) -> Self {
        Self { verify, chosen: None }
    }

    /// Those that `chosen` names, in that order.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: none is named, or one whose tokens would not be accepted.
    pub(crate) fn only(verify: Arc<dyn Verify>, chosen: Vec<String>) -> Result<Self, ConfigError> {
        let trusted = verify.issuers();
        let mut issuers: Vec<Issuer> = Vec::new();
        for text in chosen {
            let Some(issuer) = named(&trusted, &text) else {
                return Err(ConfigError::NotTrusted { issuer: text });
            };
            if !issuers.contains(&issuer) {
                issuers.push(issuer);
            }
        }
        if issuers.is_empty() {
            Err(ConfigError::NowhereToLogIn)
        } else {
            Ok(Self { verify, chosen: Some(issuers) })
        }
    }

    /// Each in its own text, as far as that is known by now (RS-18).
    pub(crate) fn listed(&self) -> Vec<Issuer> {
        let trusted = self.verify.issuers();
        let Some(chosen) = &self.chosen else { return trusted };
        chosen.iter().map(|one| named(&trusted, one.as_str()).unwrap_or_else(|| one.clone())).collect()
    }

    /// The one that clients take which take one.
    pub(crate) fn first(&self) -> Option<Issuer> {
        self.listed().into_iter().next()
    }
}

fn named(trusted: &[Issuer], text: &str) -> Option<Issuer> {
    trusted.iter().find(|issuer| same_but_for_a_slash(issuer.as_str(), text)).cloned()
}

/// Requests tell a path and a query apart: a resource whose identifier has a query is found by its path.
fn resource_paths(resource: &Resource, at_root: bool) -> BTreeSet<String> {
    let inserted = well_known::protected_resource(resource);
    let after_host = inserted.find(well_known::PROTECTED_RESOURCE).map_or("", |at| &inserted[at..]);
    let mut paths = both(after_host.split('?').next().unwrap_or_default());
    if at_root {
        paths.extend(both(well_known::PROTECTED_RESOURCE));
    }
    paths
}

fn both(path: &str) -> BTreeSet<String> {
    let without = path.strip_suffix('/').unwrap_or(path);
    BTreeSet::from([without.to_owned(), format!("{without}/")])
}

/// A document that anybody may keep for an hour.
fn document(body: Bytes) -> Response<Bytes> {
    let mut response = json(StatusCode::OK, body);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}

fn fault(status: StatusCode, error: &str, sentence: &str) -> Response<Bytes> {
    let body = serde_json::json!({ "error": error, "error_description": sentence });
    passing(status, body.to_string().into())
}

/// What nobody is to keep.
fn passing(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = json(status, body);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn json(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn preflight() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let allowed: [(_, &'static str); 3] = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, cors::HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    response
        .headers_mut()
        .extend(HeaderMap::from_iter(allowed.map(|(name, value)| (name, HeaderValue::from_static(value)))));
    response
}

const METHODS: &str = "GET, HEAD, OPTIONS";

#[cfg(test)]
mod tests;
