//! Requests that are refused whatever they ask: those that two readers could read as two different ones.

use http::header::{HOST, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{Method, Request, StatusCode, Version};

/// The status that such a request is answered, after which the connection is closed.
///
/// What hyper refuses before it comes here: a head that is no head, two lengths that differ, a coding that does not end
/// in `chunked` (RFC 9112 section 6.3). It reads what has both a length and a coding by the coding, and closes after it.
pub(super) fn refused<B>(request: &Request<B>) -> Option<StatusCode> {
    if *request.method() == Method::CONNECT {
        return Some(StatusCode::NOT_IMPLEMENTED);
    }
    let known = has_a_path(request) && names_one_host(request) && is_chunked_at_most(request);
    (!known).then_some(StatusCode::BAD_REQUEST)
}

/// RFC 9112 section 3.2.3: an authority alone is the target of CONNECT.
fn has_a_path<B>(request: &Request<B>) -> bool {
    request.uri().authority().is_none() || request.uri().scheme().is_some()
}

/// RFC 9112 section 3.2.
fn names_one_host<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(host), None) => {
            let host = host.as_bytes();
            host.is_empty() || (!host.contains(&b'@') && Authority::try_from(host).is_ok())
        }
        (Some(_), Some(_)) => false,
    }
}

/// RFC 9112 section 6.1: a coding that is not understood, and `chunked` twice, are read in more than one way.
fn is_chunked_at_most<B>(request: &Request<B>) -> bool {
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    let first = codings.next();
    first.is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked")) && codings.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(headers: &[(&str, &str)]) -> Request<()> {
        let request = headers
            .iter()
            .fold(Request::post("/oauth/token"), |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap()
    }

    #[test]
    fn a_request_of_http_1_1_names_one_host() {
        for host in ["", "auth.example.com", "127.0.0.1:8414", "[::1]:8414"] {
            assert_eq!(refused(&with(&[("host", host)])), None, "{host}");
        }
        for host in ["a b", "user@a", "a, b", "http://a"] {
            assert_eq!(refused(&with(&[("host", host)])), Some(StatusCode::BAD_REQUEST), "{host}");
        }
        assert_eq!(refused(&with(&[("host", "a"), ("host", "a")])), Some(StatusCode::BAD_REQUEST));
        let mut request = with(&[]);
        assert_eq!(refused(&request), Some(StatusCode::BAD_REQUEST));
        *request.version_mut() = Version::HTTP_10;
        assert_eq!(refused(&request), None);
    }

    #[test]
    fn an_authority_alone_is_no_target() {
        let to = |target: &str| refused(&Request::get(target).header("host", "a").body(()).unwrap());
        assert_eq!((to("/health"), to("http://b/health"), to("*")), (None, None, None));
        assert_eq!(to("b:443"), Some(StatusCode::BAD_REQUEST));
        let connect = Request::connect("b:443").header("host", "a").body(()).unwrap();
        assert_eq!(refused(&connect), Some(StatusCode::NOT_IMPLEMENTED));
    }

    #[test]
    fn a_coding_is_chunked_once_and_alone() {
        let coded = |codings: &[&str]| {
            let codings = codings.iter().map(|coding| ("transfer-encoding", *coding));
            refused(&with(&[("host", "a")].into_iter().chain(codings).collect::<Vec<_>>()))
        };
        assert_eq!((coded(&[]), coded(&["chunked"]), coded(&["Chunked"])), (None, None, None));
        for codings in
            [&["gzip, chunked"][..], &["chunked, chunked"], &["chunked", "chunked"], &["identity", "chunked"]]
        {
            assert_eq!(coded(codings), Some(StatusCode::BAD_REQUEST), "{codings:?}");
        }
    }
}
