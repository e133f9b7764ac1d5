//! What clients of 2025-03-26 look for: the authorization server's metadata at the origin of the MCP server (BC-1).

use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, Time};
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};
use http_io::{Client, Fetch, Guard, Limits};
use oauth_types::{Issuer, well_known};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::{document, fault};
use crate::ConfigError;
use crate::verifier::asking::is_on_this_machine;

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
    /// A copy of what the first issuer says of itself, whole as it is. It is fetched at most every 10 minutes, and kept while the
    /// issuer does not answer; 503 until it was had once.
    Copy,
    /// A 308 to where the first issuer says it. For clients that follow redirects.
    Redirect,
}

/// [`LegacyMetadata`] at work.
pub(crate) struct Legacy {
    way: LegacyMetadata,
    fetch: Option<Arc<dyn Fetch>>,
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
}

struct Kept {
    document: Option<Bytes>,
    again: Time,
}

impl Legacy {
    pub(crate) fn new(way: LegacyMetadata, fetch: Option<Arc<dyn Fetch>>, clock: Arc<dyn Clock>) -> Self {
        Self { way, fetch, clock, kept: Mutex::new(Kept { document: None, again: Time(i64::MIN) }) }
    }

    /// A client for issuers that the operator configured: private networks are open to it, and this machine if one of them is on it.
    pub(crate) fn client(issuers: &[Issuer]) -> Result<Arc<dyn Fetch>, ConfigError> {
        let mut guard = Guard::public_only().dangerous_private_networks();
        if issuers.iter().any(|issuer| is_on_this_machine(issuer.as_str())) {
            guard = guard.dangerous_loopback();
        }
        Ok(Arc::new(Client::new(guard)?))
    }

    pub(crate) fn is_off(&self) -> bool {
        self.way == LegacyMetadata::Off
    }

    /// The answer for the metadata of `issuer`.
    pub(crate) async fn serve(&self, issuer: Option<&Issuer>) -> Response<Bytes> {
        let not_found = || fault(StatusCode::NOT_FOUND, "not_found", "There is nothing at this path.");
        let Some(issuer) = issuer else { return not_found() };
        match self.way {
            LegacyMetadata::Off => not_found(),
            LegacyMetadata::Redirect => redirect(issuer),
            LegacyMetadata::Copy => match self.copy(issuer).await {
                Some(body) => document(body),
                None => unavailable(),
            },
        }
    }

    /// Whoever comes while it is fetched waits for it.
    async fn copy(&self, issuer: &Issuer) -> Option<Bytes> {
        let mut kept = self.kept.lock().await;
        if self.clock.now() >= kept.again {
            let fetched = self.fetched(issuer).await;
            let patience = match (&fetched, &kept.document) {
                (Some(_), _) => FRESH,
                (None, Some(_)) => STALE,
                (None, None) => COOLDOWN,
            };
            kept.again = self.clock.now().plus(patience);
            kept.document = fetched.or_else(|| kept.document.take());
        }
        kept.document.clone()
    }

    async fn fetched(&self, issuer: &Issuer) -> Option<Bytes> {
        let fetch = self.fetch.as_ref()?;
        for url in [
            well_known::authorization_server(issuer),
            well_known::openid_configuration_inserted(issuer),
            well_known::openid_configuration_appended(issuer),
        ] {
            let request =
                Request::get(&url).header(header::ACCEPT, "application/json").body(Bytes::new()).ok()?;
            match fetch.fetch(request, LIMITS).await {
                Ok(response) if response.status() == StatusCode::OK && is_of(issuer, response.body()) => {
                    return Some(response.into_body());
                }
                Ok(response) => {
                    tracing::debug!(url, status = response.status().as_u16(), "no metadata of the issuer");
                }
                // The other addresses are at the same host.
                Err(error) => {
                    tracing::warn!(url, %error, "the metadata of the issuer cannot be copied");
                    return None;
                }
            }
        }
        None
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
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(COOLDOWN));
    response
}

/// For how many seconds a copy is fresh.
const FRESH: i64 = 600;
/// For how many seconds more a copy serves, when the issuer does not answer.
const STALE: i64 = 60;
/// For how many seconds an issuer that does not answer is left alone, when there is no copy.
const COOLDOWN: i64 = 5;
const LIMITS: Limits = Limits { body: 256 * 1024, time: Duration::from_secs(5) };
