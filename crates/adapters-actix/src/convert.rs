//! The way between actix-web's types, which are those of `http` 0.2, and ours.

use actix_web::body::{BoxBody, MessageBody as _, None as NoBody};
use actix_web::error::HttpError;
use actix_web::http::Version;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, http as actix_http};
use bytes::Bytes;
use http::response::Parts;
use http::{Request, Response};

/// What stands before the body, by its text and bytes. An error is what `http` 0.2 takes and 1.x does not.
pub(crate) fn head(request: &HttpRequest) -> Result<Request<()>, http::Error> {
    let head = Request::builder()
        .method(request.method().as_str())
        .uri(request.uri().to_string())
        .version(version(request.version()));
    let headers = request.headers().iter();
    headers.fold(head, |head, (name, value)| head.header(name.as_str(), value.as_bytes())).body(())
}

fn version(version: Version) -> http::Version {
    match version {
        Version::HTTP_09 => http::Version::HTTP_09,
        Version::HTTP_10 => http::Version::HTTP_10,
        Version::HTTP_2 => http::Version::HTTP_2,
        Version::HTTP_3 => http::Version::HTTP_3,
        _ => http::Version::HTTP_11,
    }
}

/// The answer in actix-web's types: its status by number, its headers by their bytes. An error is what `http` 1.x takes
/// and 0.2 does not; actix-web answers it 500.
pub(crate) fn outward(response: Response<Bytes>, to_head: bool) -> Result<HttpResponse, HttpError> {
    let (head, body) = response.into_parts();
    // RFC 9110 section 8.6: the length that an answer to HEAD names is that of the GET, so an empty body names none.
    let body = if to_head && body.is_empty() { BoxBody::new(NoBody::new()) } else { body.boxed() };
    with_body(&head, body)
}

/// The same for a body that is actix-web's already.
pub(crate) fn with_body(head: &Parts, body: BoxBody) -> Result<HttpResponse, HttpError> {
    let status = actix_http::StatusCode::from_u16(head.status.as_u16())?;
    let mut response = HttpResponse::with_body(status, body);
    for (name, value) in &head.headers {
        let (name, value) = field(name, value)?;
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

/// A header by its bytes. An error is what `http` 1.x takes and 0.2 does not.
pub(crate) fn field(
    name: &http::HeaderName,
    value: &http::HeaderValue,
) -> Result<(HeaderName, HeaderValue), HttpError> {
    Ok((HeaderName::from_bytes(name.as_str().as_bytes())?, HeaderValue::from_bytes(value.as_bytes())?))
}
