//! What clients of 2025-03-26 look for: the authorization server's metadata at the origin of the MCP server (BC-1).

use std::sync::Arc;
use std::time::Duration;

use ambient::Clock;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};
use http_io::{Client, Fetch, Guard, Limits};
use oauth_types::{Issuer, well_known};
use serde::Deserialize;

use super::{AuthorizationServers, document, fault};
use crate::origin::Origin;
use crate::verifier::discovery::unasked;
use crate::verifier::renewed::{Fetched, Held, Renew, Renewed};
use crate::{ConfigError, Fault, Unavailable};

/// What a client of 2025-03-26 finds at `/.well-known/oauth-authorization-server` of the MCP server's own origin. It knows no
/// metadata of protected resources, and takes this origin for the authorization server.
///
/// The danger of both ways: the `issuer` of the document is not the origin that it was asked for at. Clients since 2026-07-28 must
/// refuse it (RFC 8414 section 3.3), and some fall back to this address when they cannot read the metadata of the resource. That is
/// why it is off until somebody needs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LegacyMetadata {
    /// Nothing: 404.
    #[default]
    Off,
    /// A copy of what the first issuer says of itself, whole as it is. It is fetched every 10 minutes at most, and kept for a day
    /// while the issuer does not answer; 503 until it was had once.
    Copy,
    /// A 308 to where the first issuer says it. For clients that follow redirects.
    Redirect,
}

/// [`LegacyMetadata`] at work.
pub(crate) enum Legacy {
    Off,
    Copy(Arc<Renewed<Bytes>>),
    Redirect,
}

impl Legacy {
    /// `fetch` is for the copy alone.
    pub(crate) fn new(
        way: LegacyMetadata,
        fetch: Option<Arc<dyn Fetch>>,
        servers: &AuthorizationServers,
        clock: Arc<dyn Clock>,
    ) -> Self {
        match (way, fetch) {
            (LegacyMetadata::Redirect, _) => Self::Redirect,
            (LegacyMetadata::Copy, Some(fetch)) => {
                Self::Copy(Renewed::new(Original { servers: servers.clone(), fetch }, clock))
            }
            (LegacyMetadata::Off, _) | (LegacyMetadata::Copy, None) => Self::Off,
        }
    }

    /// A client for issuers that the operator configured: private networks are open to it, and this machine if one of them is on it.
    pub(crate) fn client(issuers: &[Issuer]) -> Result<Arc<dyn Fetch>, ConfigError> {
        let mut guard = Guard::public_only().dangerous_private_networks();
        if issuers
            .iter()
            .filter_map(|issuer| Origin::of(issuer.as_str()))
            .any(|origin| origin.is_this_machine())
        {
            guard = guard.dangerous_loopback();
        }
        Ok(Arc::new(Client::new(guard)?))
    }

    pub(crate) const fn is_off(&self) -> bool {
        matches!(self, Self::Off)
    }

    /// The answer for the metadata of `issuer`, the first that the verifier names.
    pub(crate) async fn serve(&self, issuer: Option<&Issuer>) -> Response<Bytes> {
        match (self, issuer) {
            (Self::Off, _) | (_, None) => {
                fault(StatusCode::NOT_FOUND, "not_found", "There is nothing at this path.")
            }
            (Self::Redirect, Some(issuer)) => redirect(issuer),
            (Self::Copy(copy), Some(_)) => match copy.current().await {
                Ok(held) => document(held.value.clone()),
                Err(_) => unavailable(),
            },
        }
    }
}

/// What is copied: the document of the first issuer.
struct Original {
    servers: AuthorizationServers,
    fetch: Arc<dyn Fetch>,
}

#[async_trait]
impl Renew<Bytes> for Original {
    async fn fetch(&self, _: Option<Arc<Held<Bytes>>>, _: bool) -> Result<Fetched<Bytes>, Unavailable> {
        let Some(issuer) = &self.servers.first() else { return Err(Unavailable::OwnCheck) };
        let mut why = unasked(issuer);
        for url in [
            well_known::authorization_server(issuer),
            well_known::openid_configuration_inserted(issuer),
            well_known::openid_configuration_appended(issuer),
        ] {
            let Ok(request) =
                Request::get(&url).header(header::ACCEPT, "application/json").body(Bytes::new())
            else {
                continue;
            };
            let fault = match self.fetch.fetch(request, LIMITS).await {
                Ok(response) if response.status() != StatusCode::OK => Fault::Status(response.status()),
                Ok(response) if is_of(issuer, response.body()) => {
                    return Ok(Fetched { value: response.into_body(), fresh_for: FRESH });
                }
                Ok(_) => Fault::Document("the metadata of the issuer"),
                // The other addresses are at the same host.
                Err(error) => {
                    tracing::warn!(url, %error, "the metadata of the issuer cannot be copied");
                    return Err(Unavailable::Discovery { url, fault: Fault::Fetch(error) });
                }
            };
            why = Unavailable::Discovery { url, fault };
        }
        Err(why)
    }

    fn unasked(&self) -> Unavailable {
        self.servers.first().as_ref().map_or(Unavailable::OwnCheck, unasked)
    }
}

/// Whether a document is the metadata of `issuer`. One final slash more or less is forgiven, as in discovery.
fn is_of(issuer: &Issuer, body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Named {
        issuer: String,
    }
    let plain = |text: &str| text.strip_suffix('/').unwrap_or(text).to_owned();
    let is_object = body.trim_ascii_start().starts_with(b"{");
    is_object
        && serde_json::from_slice(body)
            .is_ok_and(|named: Named| plain(&named.issuer) == plain(issuer.as_str()))
}

fn redirect(issuer: &Issuer) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    if let Ok(location) = HeaderValue::from_str(&well_known::authorization_server(issuer)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    // A redirect that browsers keep for ever would outlive the configuration.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}

fn unavailable() -> Response<Bytes> {
    let sentence = "The authorization server does not answer. Try again in a few seconds.";
    let mut response = fault(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", sentence);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(AGAIN));
    response
}

/// For how many seconds a copy is fresh.
const FRESH: i64 = 600;
/// After how many seconds somebody who found no copy should ask again.
const AGAIN: i64 = 5;
const LIMITS: Limits = Limits { body: 256 * 1024, time: Duration::from_secs(5) };
