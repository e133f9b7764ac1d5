use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version, header};

use crate::{BODY_LIMIT, Fetch, FetchError, Limits, Peer, Refused, Serve, Unreached, body_too_large};

/// A [`Serve`] of this process as a [`Fetch`]: an MCP server checks its tokens at the authorization server beside it with
/// the code that would ask one far away, and no socket is opened.
///
/// The `Serve` sees what it would see from a connection: the path and query alone as URI, and a `Host`. It sees no [`Peer`].
/// What reaches it runs to its end, even if the caller stops waiting. It runs on a tokio runtime with time.
#[derive(Clone)]
pub struct InProcess {
    serve: Arc<dyn Serve>,
    origin: Origin,
}

impl InProcess {
    /// Sends what goes to the origin of `issuer` to `serve`, and refuses all else. A path of `issuer` does not matter.
    ///
    /// # Errors
    ///
    /// [`Refused`], where `issuer` is no absolute `http` or `https` URI.
    pub fn new(serve: Arc<dyn Serve>, issuer: &Uri) -> Result<Self, Refused> {
        Ok(Self { serve, origin: Origin::of(issuer)? })
    }
}

impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InProcess").field("origin", &self.origin).finish_non_exhaustive()
    }
}

#[async_trait]
impl Fetch for InProcess {
    async fn fetch(&self, request: Request<Bytes>, limits: Limits) -> Result<Response<Bytes>, FetchError> {
        if Origin::of(request.uri())? != self.origin {
            return Err(Refused::Origin.into());
        }
        let response = if request.body().len() > BODY_LIMIT {
            body_too_large()
        } else {
            self.answer(as_received(request)?, limits).await?
        };
        if response.body().len() > limits.body { Err(FetchError::TooLarge) } else { Ok(response) }
    }
}

impl InProcess {
    /// In a task of its own: a caller that gives up must not stop a commit before the step that follows it.
    async fn answer(&self, request: Request<Bytes>, limits: Limits) -> Result<Response<Bytes>, FetchError> {
        let serve = Arc::clone(&self.serve);
        let running = tokio::spawn(async move { serve.serve(request, Peer::default()).await });
        match tokio::time::timeout(limits.time, running).await {
            Ok(Ok(response)) => Ok(response),
            // It panicked, or the runtime ends.
            Ok(Err(_)) => Err(FetchError::Unreachable(Unreached::Interrupted)),
            Err(_) => Err(FetchError::TimedOut),
        }
    }
}

/// The request as a server reads it from a connection (RFC 9112 section 3.2.1).
fn as_received(mut request: Request<Bytes>) -> Result<Request<Bytes>, Refused> {
    let uri = std::mem::take(request.uri_mut());
    let host = uri.authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    let host = host.and_then(Result::ok).ok_or(Refused::Url)?;
    request.headers_mut().entry(header::HOST).or_insert(host);
    *request.uri_mut() =
        uri.path_and_query().cloned().map_or_else(|| PathAndQuery::from_static("/").into(), Uri::from);
    *request.version_mut() = Version::HTTP_11;
    Ok(request)
}

/// RFC 6454 section 4: scheme, host and port, letter case aside and with the port written out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: Scheme,
    host: String,
    port: u16,
}

impl Origin {
    fn of(uri: &Uri) -> Result<Self, Refused> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(Refused::Url);
        };
        let usual = match scheme.as_str() {
            "https" => 443,
            "http" => 80,
            _ => return Err(Refused::Scheme),
        };
        if authority.as_str().contains('@') {
            return Err(Refused::Credentials);
        }
        let port = port(authority, usual)?;
        Ok(Self { scheme: scheme.clone(), host: authority.host().to_ascii_lowercase(), port })
    }
}

fn port(authority: &Authority, usual: u16) -> Result<u16, Refused> {
    match (authority.port_u16(), authority.as_str().rsplit_once(']').unwrap_or(("", authority.as_str())).1) {
        (Some(port), _) => Ok(port),
        (None, rest) if rest.split_once(':').is_none_or(|(_, port)| port.is_empty()) => Ok(usual),
        (None, _) => Err(Refused::Url),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;
    use tokio::sync::Notify;

    use super::*;

    const LIMITS: Limits = Limits { body: 100, time: Duration::from_secs(60) };

    /// Says what reached it.
    struct Echo;

    #[async_trait]
    impl Serve for Echo {
        async fn serve(&self, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
            let host = request.headers()[header::HOST].to_str().unwrap();
            let said = format!("{} {} {host} {:?}", request.method(), request.uri(), peer.0);
            Response::builder()
                .status(StatusCode::ACCEPTED)
                .header("x-said", said)
                .body(request.into_body())
                .unwrap()
        }
    }

    fn beside(serve: impl Serve + 'static) -> InProcess {
        InProcess::new(Arc::new(serve), &Uri::from_static("https://auth.example/tenant")).unwrap()
    }

    fn post(uri: &str, body: &'static [u8]) -> Request<Bytes> {
        Request::post(uri).body(Bytes::from_static(body)).unwrap()
    }

    async fn status(uri: &str) -> Result<StatusCode, FetchError> {
        beside(Echo).fetch(post(uri, b""), LIMITS).await.map(|response| response.status())
    }

    #[tokio::test]
    async fn a_serve_sees_what_a_connection_would_bring() {
        let request = post("https://auth.example/tenant/oauth/introspect?a=b", b"token=x");
        let response = beside(Echo).fetch(request, LIMITS).await.unwrap();
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        assert_eq!(response.headers()["x-said"], "POST /tenant/oauth/introspect?a=b auth.example None");
        assert_eq!(response.body().as_ref(), b"token=x");
        let response = beside(Echo).fetch(post("https://auth.example", b""), LIMITS).await.unwrap();
        assert_eq!(response.headers()["x-said"], "POST / auth.example None");
    }

    #[tokio::test]
    async fn only_the_origin_of_the_issuer_is_served() {
        for uri in ["https://auth.example/", "HTTPS://AUTH.example:443/x", "https://auth.example:/x"] {
            assert_eq!(status(uri).await, Ok(StatusCode::ACCEPTED), "{uri}");
        }
        for (uri, refused) in [
            ("http://auth.example/", Refused::Origin),
            ("https://auth.example:8443/", Refused::Origin),
            ("https://auth.example.evil.example/", Refused::Origin),
            ("https://user@auth.example/", Refused::Credentials),
            ("https://auth.example:65536/", Refused::Url),
            ("ftp://auth.example/", Refused::Scheme),
            ("/oauth/token", Refused::Url),
        ] {
            assert_eq!(status(uri).await, Err(FetchError::Refused(refused)), "{uri}");
        }
        let six = InProcess::new(Arc::new(Echo), &Uri::from_static("http://[::1]:80")).unwrap();
        assert!(six.fetch(post("http://[::1]/", b""), LIMITS).await.is_ok());
        assert!(InProcess::new(Arc::new(Echo), &Uri::from_static("/auth")).is_err());
    }

    #[tokio::test]
    async fn the_limits_hold_in_both_directions() {
        let whole = |length: usize| {
            Request::post("https://auth.example/").body(Bytes::from(vec![b'a'; length])).unwrap()
        };
        let sent = beside(Echo).fetch(whole(LIMITS.body), LIMITS).await.unwrap();
        assert_eq!(sent.body().len(), LIMITS.body);
        assert_eq!(
            beside(Echo).fetch(whole(LIMITS.body + 1), LIMITS).await.unwrap_err(),
            FetchError::TooLarge
        );
        let refused = beside(Echo).fetch(whole(BODY_LIMIT + 1), LIMITS).await.unwrap();
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert!(!refused.headers().contains_key("x-said"));
    }

    /// Waits to be told to go on, and says that it ended; or panics.
    #[derive(Default)]
    struct Slow {
        go_on: Notify,
        ended: Notify,
    }

    #[async_trait]
    impl Serve for Slow {
        async fn serve(&self, request: Request<Bytes>, _: Peer) -> Response<Bytes> {
            assert_ne!(request.uri().path(), "/bug");
            self.go_on.notified().await;
            self.ended.notify_one();
            Response::new(Bytes::new())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_stops_nothing() {
        let slow = Arc::new(Slow::default());
        let asked = beside(Arc::clone(&slow)).fetch(post("https://auth.example/", b""), LIMITS).await;
        assert_eq!(asked.unwrap_err(), FetchError::TimedOut);
        slow.go_on.notify_one();
        slow.ended.notified().await;
    }

    #[tokio::test]
    async fn a_panic_is_a_connection_that_breaks_off() {
        let asked = beside(Slow::default()).fetch(post("https://auth.example/bug", b""), LIMITS).await;
        assert_eq!(asked.unwrap_err(), FetchError::Unreachable(Unreached::Interrupted));
    }
}
