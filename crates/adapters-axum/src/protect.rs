//! An MCP server behind a [`Protection`]: a tower layer, the extractor of who calls, and the routes of the metadata.
//!
//! It refuses to decide: who is let in, and each answer to who is not, is the protection's.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, any, get};
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, header};
use http_io::Serve;
use resource_server::{Passed, Protection, Verified};
use tower_layer::Layer;
use tower_service::Service;

use crate::mounted;

/// What lets only those requests through that `protection` admits: `Router::new().nest_service("/mcp", mcp).layer(protect(protection))`.
///
/// What is behind it finds an `Arc<Verified>` among the extensions of a request, [`Caller`] as extractor, and no `Authorization`: a
/// token that is not there cannot be sent on (RS-13). Answers stream through as they come. The body of a request is read ahead only
/// where the protection looks for the tool that it calls, and then by a deadline: it needs a tokio runtime with time.
///
/// A route that needs more scopes is behind a protection of its own, made by [`Protection::requiring`]. That may stand within another
/// one; then whoever lacks scopes of both is told of the outer ones first. Routes that are added after `layer` are not behind it.
#[must_use]
pub const fn protect(protection: Protection) -> Protect {
    Protect { protection }
}

/// The layer that [`protect`] makes.
#[derive(Clone)]
pub struct Protect {
    protection: Protection,
}

impl<S> Layer<S> for Protect {
    type Service = Protected<S>;

    fn layer(&self, inner: S) -> Protected<S> {
        Protected { protection: self.protection.clone(), inner }
    }
}

/// A service behind [`Protect`].
#[derive(Clone)]
pub struct Protected<S> {
    protection: Protection,
    inner: S,
}

impl<S> Service<Request<Body>> for Protected<S>
where
    S: Service<Request<Body>> + Clone + Send + 'static,
    S::Response: IntoResponse,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The one that is ready goes, and its copy stays.
        let copy = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, copy);
        let protection = self.protection.clone();
        Box::pin(async move {
            let origin = request.headers().get(header::ORIGIN).cloned();
            let request = match passed(&protection, request).await {
                Ok(request) => request,
                Err(answer) => return Ok(answer.map(Body::from)),
            };
            let mut response = inner.call(request).await?.into_response();
            protection.finish(origin.as_ref(), response.headers_mut());
            Ok(response)
        })
    }
}

/// The request as it goes on, or the answer that ends it.
async fn passed(protection: &Protection, request: Request<Body>) -> Result<Request<Body>, Response<Bytes>> {
    let (mut head, mut body) = request.into_parts();
    let before = head.extensions.remove();
    // Who calls is said by the last protection alone.
    head.extensions.remove::<Arc<Verified>>();
    let pieces = || std::mem::take(&mut body).into_data_stream();
    let (passed, whole) = protection.pass(&mut head, before, pieces).await?;
    if let Some(caller) = passed.caller() {
        head.extensions.insert(Arc::clone(caller));
    }
    head.extensions.insert(passed);
    Ok(Request::from_parts(head, whole.map_or(body, Body::from)))
}

/// Who calls: an extractor for handlers behind [`protect`].
///
/// In optional mode `Option<Caller>` is `None` for whoever sent no credentials, and `Caller` answers them with the challenge. Where
/// no protection stands before a handler, both answer 500 and say so in the log: nobody is anybody there.
#[derive(Clone, Debug)]
pub struct Caller(pub Arc<Verified>);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Response<Body>;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Response<Body>> {
        match head.extensions.get::<Passed>() {
            Some(passed) => {
                passed.caller().cloned().map(Self).ok_or_else(|| passed.no_credentials().map(Body::from))
            }
            None => Err(unprotected(head)),
        }
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Response<Body>;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Option<Self>, Response<Body>> {
        match head.extensions.get::<Passed>() {
            Some(passed) => Ok(passed.caller().cloned().map(Self)),
            None => Err(unprotected(head)),
        }
    }
}

fn unprotected(head: &Parts) -> Response<Body> {
    Protection::missing(head.uri.path()).map(Body::from)
}

/// The routes of the metadata of a protected server (RFC 9728): `router.merge(metadata(&protection))`.
///
/// They are at the root of the server's origin, and behind no protection: whoever has no token reads them to get one.
pub fn metadata(protection: &Protection) -> Router {
    let metadata = Arc::new(protection.metadata());
    metadata.paths().iter().fold(Router::new(), |router, path| {
        let metadata: Arc<dyn Serve> = metadata.clone();
        router.route(path, any(move |request| mounted(metadata, request)))
    })
}

/// The route for whatever watches the server: `router.route("/ready", readiness(&protection))`. 200 while tokens can be checked, else 503
/// with what is wrong ([`Protection::readiness`]). Behind no protection.
pub fn readiness(protection: &Protection) -> MethodRouter {
    let protection = protection.clone();
    get(async move || protection.readiness().map(Body::from))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use futures_util::{FutureExt as _, StreamExt as _, stream};
    use http_body_util::{BodyExt as _, StreamBody};
    use oauth_types::{Issuer, Resource};
    use resource_server::{ProtectionBuilder, Rejection, Unavailable, Verify};
    use secrecy::SecretString;
    use tower::ServiceExt as _;

    use super::*;

    struct Anybody(Resource);

    #[async_trait]
    impl Verify for Anybody {
        async fn verify(&self, _: &SecretString) -> Result<Arc<Verified>, Rejection> {
            let issuer = Issuer::parse("https://auth.example").unwrap();
            Ok(Arc::new(Verified::new(issuer, "alice", self.0.clone())))
        }

        fn resource(&self) -> &Resource {
            &self.0
        }

        fn issuers(&self) -> Vec<Issuer> {
            Vec::new()
        }

        fn ready(&self) -> Result<(), Unavailable> {
            Ok(())
        }
    }

    fn protection() -> Protection {
        Protection::new(Anybody(Resource::parse("https://mcp.example/mcp").unwrap()))
    }

    fn request(body: Body) -> Request<Body> {
        Request::post("/mcp").header("authorization", "Bearer abc").body(body).unwrap()
    }

    /// Its second piece never comes: whoever waited for the whole would wait for ever.
    fn endless() -> Body {
        let first = stream::iter([Ok::<_, Infallible>(http_body::Frame::data(Bytes::from("data: 1\n\n")))]);
        Body::new(StreamBody::new(first.chain(stream::pending())))
    }

    #[tokio::test]
    async fn whoever_watches_is_told_whether_tokens_can_be_checked() {
        let router = Router::new().route("/ready", readiness(&protection()));
        let asked = Request::get("/ready").body(Body::empty()).unwrap();
        let answer = tower::ServiceExt::oneshot(router, asked).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["cache-control"], "no-store");
    }

    #[tokio::test]
    async fn an_answer_streams() {
        let router = Router::new().fallback(async || endless()).layer(protect(protection()));
        let mut answer = router.oneshot(request(Body::empty())).await.unwrap();
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        let first = answer.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "data: 1\n\n");
    }

    #[tokio::test]
    async fn a_request_streams_where_no_tool_needs_a_scope() {
        let first = async |mut body: Body| body.frame().await.unwrap().unwrap().into_data().unwrap();
        let first = async move |request: Request<Body>| first(request.into_body()).await;
        let router = Router::new().fallback(first).layer(protect(protection()));
        let answer = router.oneshot(request(endless())).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "data: 1\n\n");
    }

    /// Whoever stole a token could hold requests open with it, and end them when they like.
    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_is_408() {
        let protection = Protection::builder(Anybody(Resource::parse("https://mcp.example/mcp").unwrap()));
        let protection = protection.require_for_tool("delete", "b").build().unwrap();
        let router = Router::new().fallback(async || "reached").layer(protect(protection));
        let answer = router.oneshot(request(endless())).await.unwrap();
        assert_eq!(answer.status().as_u16(), 408);
    }

    /// The client is told as by any other refusal, also where it is a page.
    #[tokio::test]
    async fn a_body_that_breaks_off_is_400_with_its_code_and_cors() {
        let protection = Protection::builder(Anybody(Resource::parse("https://mcp.example/mcp").unwrap()));
        let protection = protection.require_for_tool("delete", "b").build().unwrap();
        let broken = stream::iter([Ok(Bytes::from("{")), Err(std::io::Error::other("gone"))]);
        let router = Router::new().fallback(async || "reached").layer(protect(protection));
        let answer = router.oneshot(request(Body::from_stream(broken))).await.unwrap();
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains("body_broken_off"), "{body:?}");
    }

    fn optional(more: impl FnOnce(ProtectionBuilder) -> ProtectionBuilder) -> Protection {
        let builder = Protection::builder(Anybody(Resource::parse("https://mcp.example/mcp").unwrap()));
        more(builder.optional()).build().unwrap()
    }

    /// A page can make its name resolve to any server, and a browser sends no `Origin` with its `GET` then (DNS rebinding).
    #[tokio::test]
    async fn nobody_comes_in_by_another_name_than_the_servers() {
        let protection = optional(|builder| builder.also_known_as(["mcp.internal"]));
        let router = Router::new().fallback(async |_: Option<Caller>| "reached").layer(protect(protection));
        let status = async |uri: &str, host: Option<&str>, authorization: Option<&str>| {
            let asked = Request::get(uri);
            let asked = host.into_iter().fold(asked, |asked, host| asked.header("host", host));
            let asked =
                authorization.into_iter().fold(asked, |asked, token| asked.header("authorization", token));
            router.clone().oneshot(asked.body(Body::empty()).unwrap()).await.unwrap().status().as_u16()
        };
        for host in ["mcp.example", "MCP.example:8443", "mcp.internal:80"] {
            assert_eq!(status("/mcp", Some(host), None).await, 200, "{host}");
            assert_eq!(status(&format!("http://{host}/mcp"), None, None).await, 200, "{host}");
        }
        for host in ["evil.example", "mcp.example.evil.example"] {
            assert_eq!(status("/mcp", Some(host), None).await, 401, "{host}");
            assert_eq!(status(&format!("http://{host}/mcp"), Some("mcp.example"), None).await, 401, "{host}");
            assert_eq!(status("/mcp", Some(host), Some("Bearer abc")).await, 200, "{host}");
        }
        assert_eq!(status("/mcp", None, None).await, 401);
    }

    #[tokio::test]
    async fn of_nobody_no_more_is_read_than_64_kib() {
        let protection = optional(|builder| builder.require_for_tool("delete", "b"));
        let router = Router::new().fallback(async || "reached").layer(protect(protection));
        let read = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&read);
        let pieces = stream::repeat(Bytes::from(vec![b' '; 1024])).map(move |piece| {
            counted.fetch_add(piece.len(), Ordering::Relaxed);
            Ok::<_, Infallible>(piece)
        });
        let asked =
            Request::post("/mcp").header("host", "mcp.example").body(Body::from_stream(pieces)).unwrap();
        let answer = router.oneshot(asked).await.unwrap();
        assert_eq!(answer.status(), 401);
        assert_eq!(read.load(Ordering::Relaxed), 65 * 1024);
    }

    /// Whoever sends more than there is room for is told so, and the next one finds room.
    #[tokio::test]
    async fn bodies_that_there_is_no_room_for_are_503_until_others_are_done() {
        let limit = 48 * 1024 * 1024;
        let builder = Protection::builder(Anybody(Resource::parse("https://mcp.example/mcp").unwrap()));
        let builder = builder.require_for_tool("delete", "b").body_limit(limit);
        let layer = protect(builder.build().unwrap());
        let router = Router::new().fallback(async || "reached").layer(layer);
        let first =
            stream::iter([Ok::<_, Infallible>(Bytes::from(vec![b' '; limit]))]).chain(stream::pending());
        let mut waiting = Box::pin(router.clone().oneshot(request(Body::from_stream(first))));
        assert!((&mut waiting).now_or_never().is_none());
        let ping = || request(Body::from(r#"{"method":"ping"}"#));
        let answer = router.clone().oneshot(ping()).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["retry-after"]),
            (503, &"5".parse().unwrap())
        );
        drop(waiting);
        assert_eq!(router.oneshot(ping()).await.unwrap().status(), 200);
    }

    #[tokio::test]
    async fn whoever_an_outer_protection_let_in_is_nobody_where_the_inner_one_says_so() {
        let outer = Protection::builder(Anybody(Resource::parse("https://mcp.example/mcp").unwrap()));
        let outer = outer.keep_authorization_header().build().unwrap();
        let strips = |mut request: Request<Body>| {
            request.headers_mut().remove("authorization");
            request
        };
        let says = async |request: Request<Body>| {
            assert!(request.extensions().get::<Passed>().unwrap().caller().is_none());
            request.extensions().get::<Arc<Verified>>().is_none().to_string()
        };
        let router = Router::new().fallback(says).layer(protect(optional(|builder| builder)));
        let router = router.layer(tower::util::MapRequestLayer::new(strips)).layer(protect(outer));
        let mut asked = request(Body::empty());
        asked.headers_mut().insert("host", "mcp.example".parse().unwrap());
        let answer = router.oneshot(asked).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "true");
    }

    #[tokio::test]
    async fn an_inner_protection_that_keeps_the_credentials_shows_them() {
        let inner = Protection::builder(Anybody(Resource::parse("https://mcp.example/mcp").unwrap()));
        let inner = inner.keep_authorization_header().build().unwrap();
        let says = async |request: Request<Body>| {
            request.headers()["authorization"].clone().to_str().unwrap().to_owned()
        };
        let router = Router::new().fallback(says).layer(protect(inner)).layer(protect(protection()));
        let answer = router.oneshot(request(Body::empty())).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "Bearer abc");
    }

    /// Any service over axum's body is as good as a router.
    #[tokio::test]
    async fn it_is_a_layer_over_any_service() {
        let inner = tower::service_fn(async |request: Request<Body>| {
            let caller = request.extensions().get::<Arc<Verified>>().unwrap();
            Ok::<_, Infallible>(caller.subject.clone().unwrap())
        });
        let answer = protect(protection()).layer(inner).oneshot(request(Body::empty())).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "alice");
    }
}
