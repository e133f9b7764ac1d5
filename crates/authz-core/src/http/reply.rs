//! Responses.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use oauth_types::{Challenge, ErrorCode, OAuthError};

use super::endpoint::Endpoint;
use crate::page::PATIENCE;
use crate::seam::TooMany;
use crate::{ClientRedirect, Refusal};

/// The headers that scripts of other origins may send. MCP's are its transport's (2026-07-28).
const ALLOWED_HEADERS: &str =
    "Authorization, Content-Type, Accept, DPoP, MCP-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name";

fn json(status: StatusCode, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    set(&mut response, header::CONTENT_TYPE, "application/json");
    response
}

fn set(response: &mut Response<Bytes>, name: HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}

fn no_store(mut response: Response<Bytes>) -> Response<Bytes> {
    set(&mut response, header::CACHE_CONTROL, "no-store");
    set(&mut response, header::PRAGMA, "no-cache");
    response
}

/// A document that anybody may keep for an hour.
pub(super) fn document(body: Vec<u8>) -> Response<Bytes> {
    let mut response = json(StatusCode::OK, body);
    set(&mut response, header::CACHE_CONTROL, "public, max-age=3600");
    response
}

/// An answer with something in it that nobody may keep (RFC 6749 section 5.1).
pub(super) fn secret(status: StatusCode, body: Vec<u8>) -> Response<Bytes> {
    no_store(json(status, body))
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    no_store(response)
}

/// A rule was broken.
pub(super) fn refused(refusal: Refusal, challenge: Option<Challenge>) -> Response<Bytes> {
    let wire = refusal.wire();
    let mut response = secret(wire.status, OAuthError::new(wire.code, wire.description).to_json());
    if let Some(challenge) =
        challenge.and_then(|challenge| HeaderValue::from_str(&challenge.to_string()).ok())
    {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    if wire.status == StatusCode::SERVICE_UNAVAILABLE {
        retry_after(&mut response, PATIENCE);
    }
    response
}

/// The request cannot be read.
pub(super) fn malformed(error: &OAuthError) -> Response<Bytes> {
    secret(StatusCode::BAD_REQUEST, error.to_json())
}

/// The world's fault.
pub(super) fn unavailable() -> Response<Bytes> {
    let error = OAuthError::new(ErrorCode::TemporarilyUnavailable, "Try again in a few seconds.");
    let mut response = secret(StatusCode::SERVICE_UNAVAILABLE, error.to_json());
    retry_after(&mut response, PATIENCE);
    response
}

/// A limit was hit.
pub(super) fn too_many(too_many: TooMany) -> Response<Bytes> {
    let error = OAuthError::new(ErrorCode::TemporarilyUnavailable, "Too many requests; try again later.");
    let mut response = secret(StatusCode::TOO_MANY_REQUESTS, error.to_json());
    retry_after(&mut response, too_many.retry_after);
    response
}

pub(super) fn retry_after(response: &mut Response<Bytes>, seconds: i64) {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
}

/// The redirect to a client. 303, so that whatever came with the request is not sent on (OAuth 2.1 section 7.5.4), and
/// nothing of the address that the browser came from.
pub(super) fn see_other(answer: &ClientRedirect) -> Response<Bytes> {
    let Ok(location) = HeaderValue::from_str(answer.as_str()) else {
        return empty(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let mut response = empty(StatusCode::SEE_OTHER);
    response.headers_mut().insert(header::LOCATION, location);
    set(&mut response, header::REFERRER_POLICY, "no-referrer");
    response
}

/// No such endpoint.
pub(super) fn not_found() -> Response<Bytes> {
    let body = br#"{"error":"not_found","error_description":"There is nothing at this path."}"#;
    no_store(json(StatusCode::NOT_FOUND, body.to_vec()))
}

/// An endpoint, but not by this method.
pub(super) fn method_not_allowed(endpoint: &Endpoint) -> Response<Bytes> {
    let error = OAuthError::new(ErrorCode::InvalidRequest, format!("Use {}.", allowed(endpoint)));
    let mut response = secret(StatusCode::METHOD_NOT_ALLOWED, error.to_json());
    if let Ok(methods) = HeaderValue::from_str(&allowed(endpoint)) {
        response.headers_mut().insert(header::ALLOW, methods);
    }
    if endpoint.has_cors() {
        allow_any_origin(&mut response);
    }
    response
}

fn allowed(endpoint: &Endpoint) -> String {
    let options = endpoint.has_cors().then_some("OPTIONS");
    endpoint.methods().iter().map(http::Method::as_str).chain(options).collect::<Vec<_>>().join(", ")
}

/// The answer to a browser that asks whether a script may call. It never needs credentials.
pub(super) fn preflight(endpoint: &Endpoint) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    allow_any_origin(&mut response);
    if let Ok(methods) = HeaderValue::from_str(&allowed(endpoint)) {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    }
    set(&mut response, header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
    set(&mut response, header::ACCESS_CONTROL_MAX_AGE, "86400");
    response
}

/// No cookie opens these endpoints, so any origin may call them.
pub(super) fn allow_any_origin(response: &mut Response<Bytes>) {
    set(response, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(response, header::ACCESS_CONTROL_EXPOSE_HEADERS, "WWW-Authenticate, Retry-After");
}
