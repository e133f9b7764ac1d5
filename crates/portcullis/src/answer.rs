//! The plain answers that the parts of this crate share.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value;

/// How long a client waits before it asks a store that is away again, in seconds.
pub(crate) const RETRY_SECONDS: &str = "5";

/// A JSON body that nobody keeps.
pub(crate) fn json(status: StatusCode, body: &Value) -> Response<Bytes> {
    of_type(status, "application/json", body.to_string())
}

/// A body that nobody keeps and nobody takes for something else.
pub(crate) fn of_type(status: StatusCode, media: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The same with `Retry-After`.
pub(crate) fn later(mut response: Response<Bytes>) -> Response<Bytes> {
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
    response
}

/// The same with `Allow`, which every 405 has (RFC 9110 section 15.5.6).
pub(crate) fn allowing(mut response: Response<Bytes>, methods: &'static str) -> Response<Bytes> {
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}
