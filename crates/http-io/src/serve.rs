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

/// The answer to a request whose body is longer than [`BODY_LIMIT`]: 413 with an OAuth error body.
#[must_use]
pub fn body_too_large() -> Response<Bytes> {
    let body = Bytes::from_static(
        br#"{"error":"invalid_request","error_description":"The body is longer than 65536 bytes."}"#,
    );
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
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
}
