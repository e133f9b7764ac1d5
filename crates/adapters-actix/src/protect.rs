//! An MCP server behind a [`Protection`]: a middleware, the extractor of who calls, and the routes of the metadata.
//!
//! It refuses to decide: who is let in, and each answer to who is not, is the protection's.

use std::future::{Ready, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{self, BodyStream, EitherBody, MessageBody};
use actix_web::dev::{self, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header::{self as actix_header, HeaderMap as ActixHeaders};
use actix_web::web::{Payload, ServiceConfig};
use actix_web::{
    Error, FromRequest, HttpMessage as _, HttpRequest, HttpResponse, ResponseError, Route, guard, web,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use http_io::{Serve, body_broken_off, internal_error, malformed_request};
use resource_server::{Admission, Protection, Verified};
use tokio::time::timeout;

use crate::{convert, mounted};

/// What lets only those requests through that `protection` admits:
/// `web::resource("/mcp").route(tower_service(mcp)).wrap(protect(protection))`. A scope and a whole application take it as well.
///
/// What is behind it finds an `Arc<Verified>` among the extensions of a request, [`Caller`] as extractor, and no `Authorization`: a
/// token that is not there cannot be sent on (RS-13). Answers stream through as they come. The body of a request is read ahead only
/// where the protection looks for the tool that it calls, and then by a deadline.
///
/// A middleware before it must not keep a clone of the `HttpRequest`: actix-web lets nobody change the headers then, and the answer is 500.
///
/// A route that needs more scopes is behind a protection of its own, made by [`Protection::requiring`]. That may stand within another
/// one; then whoever lacks scopes of both is told of the outer ones first.
#[must_use]
pub const fn protect(protection: Protection) -> Protect {
    Protect { protection }
}

/// The middleware that [`protect`] makes.
#[derive(Clone)]
pub struct Protect {
    protection: Protection,
}

/// A service behind [`Protect`].
pub struct Protected<S> {
    protection: Protection,
    inner: Rc<S>,
}

impl<S, B> Transform<S, ServiceRequest> for Protect
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Protected<S>;
    type InitError = ();
    type Future = Ready<Result<Protected<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(Protected { protection: self.protection.clone(), inner: Rc::new(inner) }))
    }
}

impl<S, B> Service<ServiceRequest> for Protected<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let protection = self.protection.clone();
        let inner = Rc::clone(&self.inner);
        Box::pin(async move {
            let origin = request.headers().get(actix_header::ORIGIN);
            let origin = origin.and_then(|origin| HeaderValue::from_bytes(origin.as_bytes()).ok());
            if let Err(answer) = admit(&protection, &mut request).await {
                let to_head = request.method() == Method::HEAD.as_str();
                let answer = convert::outward(answer, to_head)?;
                return Ok(request.into_response(answer).map_into_right_body());
            }
            match inner.call(request).await {
                Ok(mut response) => {
                    finish(&protection, origin.as_ref(), response.headers_mut());
                    Ok(response.map_into_left_body())
                }
                Err(error) => Err(Finished { error, protection, origin }.into()),
            }
        })
    }
}

/// Lets a request go on, as it then is, or says what ends it.
async fn admit(protection: &Protection, request: &mut ServiceRequest) -> Result<(), Response<Bytes>> {
    let (mut head, ()) = convert::head(request.request()).map_err(|_| malformed_request())?.into_parts();
    if let Some(SetAside(credentials)) = request.extensions_mut().remove() {
        head.headers.entry(header::AUTHORIZATION).or_insert(credentials);
    }
    let caller = match protection.admit(&head).await {
        Admission::Admitted(caller) => caller,
        Admission::Unread(unread) => {
            let body = BodyStream::new(request.take_payload());
            let whole = body::to_bytes_limited(body, unread.body_limit());
            let whole = match timeout(unread.body_deadline(), whole).await {
                Ok(Ok(Ok(whole))) => whole,
                Ok(Ok(Err(_))) => return Err(body_broken_off()),
                Ok(Err(_)) => return Err(unread.too_large()),
                Err(_) => return Err(unread.too_slow()),
            };
            request.set_payload(whole.clone().into());
            unread.admit(&whole).await?
        }
        Admission::Answer(answer) => return Err(answer),
    };
    if !protection.keeps_authorization_header() {
        if !is_without_authorization(request) {
            tracing::error!(
                "something before `protect` keeps a clone of the HttpRequest, whose headers nobody can change then"
            );
            return Err(internal_error());
        }
        let set_aside = head.headers.remove(header::AUTHORIZATION).map(SetAside);
        set_aside.map(|set_aside| request.extensions_mut().insert(set_aside));
    }
    let mut extensions = request.extensions_mut();
    extensions.insert(Passed(protection.clone()));
    caller.map(|caller| extensions.insert(caller));
    Ok(())
}

/// Whether the credentials are taken out of the request. actix-web panics if something outside of this middleware has kept the
/// `HttpRequest`, and nobody can ask it whether.
fn is_without_authorization(request: &mut ServiceRequest) -> bool {
    catch_unwind(AssertUnwindSafe(|| drop(request.headers_mut().remove(actix_header::AUTHORIZATION)))).is_ok()
}

/// The credentials of a request, for another protection behind the first. Nothing else can see them.
struct SetAside(HeaderValue);

/// Says that a protection stands before.
struct Passed(Protection);

/// CORS, where only these headers are concerned.
fn finish(protection: &Protection, origin: Option<&HeaderValue>, headers: &mut ActixHeaders) {
    let concerned = |name: &actix_header::HeaderName| {
        *name == actix_header::VARY || name.as_str().starts_with("access-control-")
    };
    let mut ours = HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| concerned(name)) {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_str().as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
        {
            ours.append(name, value);
        }
    }
    protection.finish(origin, &mut ours);
    headers.retain(|name, _| !concerned(name));
    for (name, value) in ours.iter().filter_map(|(name, value)| convert::field(name, value).ok()) {
        headers.append(name, value);
    }
}

/// An error of middleware behind, which actix-web makes an answer of only when nobody can add to it any more.
#[derive(Debug)]
struct Finished {
    error: Error,
    protection: Protection,
    origin: Option<HeaderValue>,
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl ResponseError for Finished {
    fn status_code(&self) -> StatusCode {
        self.error.as_response_error().status_code()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = self.error.error_response();
        finish(&self.protection, self.origin.as_ref(), response.headers_mut());
        response
    }
}

/// Who calls: an extractor for handlers behind [`protect`].
///
/// In optional mode `Option<Caller>` is `None` for whoever sent no credentials, and `Caller` answers them with the challenge. Where
/// no protection stands before a handler, `Caller` answers 500 and both say so in the log: nobody is anybody there.
#[derive(Clone, Debug)]
pub struct Caller(pub Arc<Verified>);

impl FromRequest for Caller {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let extensions = request.extensions();
        ready(match (extensions.get(), extensions.get()) {
            (Some(caller), _) => Ok(Self(Arc::clone(caller))),
            (None, Some(Passed(protection))) => Err(ended(protection.no_credentials())),
            (None, None) => Err(ended(Protection::missing(request.path()))),
        })
    }
}

fn ended(answer: Response<Bytes>) -> Error {
    match convert::outward(answer, false) {
        Ok(answer) => InternalError::from_response("nobody calls", answer).into(),
        Err(error) => error.into(),
    }
}

/// What a protection found out, for a service that is no actix-web one.
#[cfg(feature = "tower")]
pub(crate) fn carried<B>(request: &HttpRequest, mut carrying: Request<B>) -> Request<B> {
    if let Some(caller) = request.extensions().get::<Arc<Verified>>() {
        carrying.extensions_mut().insert(Arc::clone(caller));
    }
    carrying
}

/// The routes of the metadata of a protected server (RFC 9728): `App::new().configure(metadata(&protection))`.
///
/// They are at the root of the server's origin, and behind no protection: whoever has no token reads them to get one.
pub fn metadata(protection: &Protection) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
    let metadata = Arc::new(protection.metadata());
    move |application| {
        let paths = metadata.paths();
        let serve: Arc<dyn Serve> = metadata;
        // By the raw path: a pattern would be matched with what is left after decoding.
        let ours = guard::fn_guard(move |asked| {
            let path = asked.head().uri.path();
            paths.iter().any(|one| one == path)
        });
        let answer = move |request, body: Payload| mounted(Arc::clone(&serve), request, body);
        application.service(web::resource("/{whole:.*}").guard(ours).to(answer));
    }
}

/// The route for whatever watches the server: `App::new().route("/ready", readiness(&protection))`. 200 while tokens can be checked, else
/// 503 with what is wrong ([`Protection::readiness`]). Behind no protection.
pub fn readiness(protection: &Protection) -> Route {
    let protection = protection.clone();
    web::get().to(move || ready(convert::outward(protection.readiness(), false)))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use actix_web::App;
    use actix_web::body::to_bytes;
    use actix_web::error::ErrorImATeapot;
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, init_service, try_call_service};
    use async_trait::async_trait;
    use futures_util::{StreamExt as _, stream};
    use oauth_types::{Issuer, Resource};
    use resource_server::{Rejection, Unavailable, Verify};
    use secrecy::SecretString;

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

    fn request() -> TestRequest {
        TestRequest::post().uri("/mcp").insert_header(("authorization", "Bearer abc"))
    }

    /// Its second piece never comes: whoever waited for the whole would wait for ever.
    fn endless() -> impl futures_util::Stream<Item = Result<Bytes, actix_web::error::PayloadError>> {
        stream::iter([Ok(Bytes::from("data: 1\n\n"))]).chain(stream::pending())
    }

    #[tokio::test]
    async fn whoever_watches_is_told_whether_tokens_can_be_checked() {
        let application = init_service(App::new().route("/ready", readiness(&protection()))).await;
        let asked = TestRequest::get().uri("/ready").to_request();
        let answer = try_call_service(&application, asked).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers().get("cache-control").unwrap(), "no-store");
    }

    #[tokio::test]
    async fn an_answer_streams() {
        let events = web::to(|| async { HttpResponse::Ok().streaming(endless()) });
        let application = App::new().default_service(events).wrap(protect(protection()));
        let application = init_service(application).await;
        let answer = try_call_service(&application, request().to_request()).await.unwrap();
        assert_eq!(answer.headers().get("access-control-allow-origin").unwrap(), "*");
        let mut body = answer.into_body();
        let first = poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await.unwrap();
        assert_eq!(first.ok().unwrap(), "data: 1\n\n");
    }

    #[tokio::test]
    async fn a_request_streams_where_no_tool_needs_a_scope() {
        let first = |mut body: Payload| async move { body.next().await.unwrap().unwrap() };
        let application = App::new().service(web::resource("/mcp").to(first).wrap(protect(protection())));
        let application = init_service(application).await;
        let payload = dev::Payload::Stream { payload: endless().boxed_local() };
        let answer = try_call_service(&application, request().to_request().replace_payload(payload).0).await;
        assert_eq!(to_bytes(answer.unwrap().into_body()).await.ok().unwrap(), "data: 1\n\n");
    }

    /// Whoever stole a token could hold requests open with it, and end them when they like.
    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_is_408() {
        let protection = Protection::builder(Anybody(Resource::parse("https://mcp.example/mcp").unwrap()));
        let protection = protection.require_for_tool("delete", "b").build().unwrap();
        let application = App::new().default_service(web::to(HttpResponse::Ok)).wrap(protect(protection));
        let application = init_service(application).await;
        let payload = dev::Payload::Stream { payload: endless().boxed_local() };
        let answer = try_call_service(&application, request().to_request().replace_payload(payload).0).await;
        assert_eq!(answer.unwrap().status().as_u16(), 408);
    }

    #[tokio::test]
    async fn a_request_that_something_outside_keeps_is_500() {
        let keeps = from_fn(async |request: ServiceRequest, next: actix_web::middleware::Next<_>| {
            let kept = request.request().clone();
            let answer = next.call(request).await;
            drop(kept);
            answer
        });
        let application = App::new()
            .service(web::resource("/mcp").to(HttpResponse::Ok).wrap(protect(protection())).wrap(keeps));
        let application = init_service(application).await;
        let answer = try_call_service(&application, request().to_request()).await.unwrap();
        assert_eq!(answer.status().as_u16(), 500);
    }

    /// RS-19: a script that cannot read an error cannot act on it.
    #[tokio::test]
    async fn an_error_of_middleware_behind_has_cors_and_stays_what_it_is() {
        let fails = from_fn(async |_: ServiceRequest, _: actix_web::middleware::Next<_>| {
            Err::<ServiceResponse, _>(ErrorImATeapot("no coffee"))
        });
        let application = App::new().wrap(fails).wrap(protect(protection()));
        let application = init_service(application).await;
        let error = try_call_service(&application, request().to_request()).await.err().unwrap();
        assert_eq!(error.to_string(), "no coffee");
        let answer = error.error_response();
        assert_eq!(answer.status().as_u16(), 418);
        assert_eq!(answer.headers().get("access-control-allow-origin").unwrap(), "*");
    }

    #[cfg(feature = "tower")]
    #[test]
    fn a_tower_service_learns_who_calls_and_not_by_which_token() {
        let names = tower::service_fn(async |request: Request<crate::Incoming>| {
            assert!(!request.headers().contains_key("authorization"));
            let caller = request.extensions().get::<Arc<Verified>>().unwrap();
            let name = Bytes::from(caller.subject.clone().unwrap());
            Ok::<_, std::convert::Infallible>(Response::new(http_body_util::Full::new(name)))
        });
        actix_web::rt::System::new().block_on(async {
            let route = crate::tower_service(names);
            let mcp = web::resource("/mcp").route(route).wrap(protect(protection()));
            let application = init_service(App::new().service(mcp)).await;
            let answer = try_call_service(&application, request().to_request()).await.unwrap();
            assert_eq!(to_bytes(answer.into_body()).await.ok().unwrap(), "alice");
        });
    }
}
