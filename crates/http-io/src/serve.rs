use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};

/// The largest request body that is read, in bytes. OAuth forms and registrations are a few hundred.
pub const BODY_LIMIT: usize = 64 * 1024;

/// Who sent a request: the address of the other end of the connection, where there is one.
///
/// It is what limits count by. It never comes from a header that the sender can write, unless the operator named
/// the proxy that wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Peer(pub Option<IpAddr>);

/// Answers HTTP requests.
///
/// The body is complete and at most [`BODY_LIMIT`] bytes long: whoever reads it from the network keeps to that and
/// answers [`body_too_large`] beyond it. An implementation always answers; its own failures are responses too.
#[async_trait]
pub trait Serve: Send + Sync {
    /// The response to `request`.
    async fn serve(&self, request: Request<Bytes>, peer: Peer) -> Response<Bytes>;
}

#[async_trait]
impl<S: Serve + ?Sized> Serve for Arc<S> {
    async fn serve(&self, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
        (**self).serve(request, peer).await
    }
}

/// Whether the body says that it is of this media type, such as `application/json`: letter case and parameters aside
/// (RFC 9110 section 8.3.1). A body that says nothing is of none.
#[must_use]
pub fn has_content_type(headers: &HeaderMap, media_type: &str) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(media_type)
}

/// Whether a request says in `Content-Length` that its body is longer than [`BODY_LIMIT`]: then nothing of it need be read.
///
/// A value that is no number, or too large for one, is left to whoever counts while reading.
#[must_use]
pub fn announces_too_large_a_body(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok())
        .is_some_and(|length| length > BODY_LIMIT as u64)
}

/// The answer to a request whose body is longer than [`BODY_LIMIT`]: 413 with an OAuth error body, as all of these have one.
#[must_use]
pub fn body_too_large() -> Response<Bytes> {
    error(
        StatusCode::PAYLOAD_TOO_LARGE,
        br#"{"error":"invalid_request","error_description":"The body is longer than 65536 bytes."}"#,
    )
}

/// The answer to a request whose body ended before it was whole: 400.
#[must_use]
pub fn body_broken_off() -> Response<Bytes> {
    error(
        StatusCode::BAD_REQUEST,
        br#"{"error":"invalid_request","error_description":"The body broke off."}"#,
    )
}

/// The answer to a request whose head this side cannot take: 400.
#[must_use]
pub fn malformed_request() -> Response<Bytes> {
    error(
        StatusCode::BAD_REQUEST,
        br#"{"error":"invalid_request","error_description":"The request is malformed."}"#,
    )
}

/// The answer to a request at which a [`Serve`] panicked: 500, without anything of the panic.
#[must_use]
pub fn internal_error() -> Response<Bytes> {
    error(
        StatusCode::INTERNAL_SERVER_ERROR,
        br#"{"error":"server_error","error_description":"This is a bug of the server; its log says more."}"#,
    )
}

fn error(status: StatusCode, body: &'static [u8]) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_compared_without_case_and_parameters() {
        let json = |value: &str| {
            let headers = [(header::CONTENT_TYPE, value.parse().unwrap())].into_iter().collect();
            has_content_type(&headers, "application/json")
        };
        assert!(json("application/json") && json("Application/JSON ; charset=utf-8"));
        assert!(!json("application/json5") && !json("text/plain; application/json") && !json(""));
        assert!(!has_content_type(&HeaderMap::new(), "application/json"));
    }

    #[test]
    fn a_length_beyond_the_limit_is_announced_by_a_number_only() {
        let announces = |value: &str| {
            announces_too_large_a_body(
                &[(header::CONTENT_LENGTH, value.parse().unwrap())].into_iter().collect(),
            )
        };
        assert!(announces("65537") && announces("18446744073709551615"));
        for value in ["65536", "0", "-1", "many", "18446744073709551616", ""] {
            assert!(!announces(value), "{value}");
        }
        assert!(!announces_too_large_a_body(&HeaderMap::new()));
    }
}
