//! An MCP server behind a [`Protection`]: a middleware, the extractor of who calls, and the routes of the metadata.
//!
//! It refuses to decide: who is let in, and each answer to who is not, is the protection's.

use std::future::{Ready, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{self, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header::{self as actix_header, HeaderMap as ActixHeaders};
use actix_web::web::{Payload, ServiceConfig};
use actix_web::{
    Error, FromRequest, HttpMessage as _, HttpRequest, HttpResponse, ResponseError, Route, guard, web,
};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response, Uri, header};
use http_io::{Serve, internal_error, malformed_request};
use resource_server::{Passed, Protection, READ_HEADERS, Verified, names_origin};

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
            if let Err(answer) = pass(&protection, &mut request).await {
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
async fn pass(protection: &Protection, request: &mut ServiceRequest) -> Result<(), Response<Bytes>> {
    let mut head = read_head(request.request()).map_err(|_| malformed_request())?;
    let before = request.extensions_mut().remove();
    // Who calls is said by the last protection alone.
    request.extensions_mut().remove::<Arc<Verified>>();
    let (passed, whole) = protection.pass(&mut head, before, || request.take_payload()).await?;
    if let Some(whole) = whole {
        request.set_payload(whole.into());
    }
    if !shows(request, head.headers.get(header::AUTHORIZATION)) {
        tracing::error!(
            "something before `protect` keeps a clone of the HttpRequest, whose headers nobody can change then"
        );
        return Err(internal_error());
    }
    let mut extensions = request.extensions_mut();
    passed.caller().map(|caller| extensions.insert(Arc::clone(caller)));
    extensions.insert(passed);
    Ok(())
}

/// What a protection reads of the head, and no more: the way between two versions of `http` costs more than the protection does.
fn read_head(request: &HttpRequest) -> Result<Parts, http::Error> {
    let (mut head, ()) = http::Request::new(()).into_parts();
    head.method = Method::from_bytes(request.method().as_str().as_bytes())?;
    if let Some(authority) = request.uri().authority() {
        head.uri = Uri::try_from(authority.as_str())?;
    }
    for (theirs, ours) in &*READ {
        for value in request.headers().get_all(theirs) {
            head.headers.append(ours, HeaderValue::from_bytes(value.as_bytes())?);
        }
    }
    Ok(head)
}

/// [`READ_HEADERS`] as actix-web calls them.
static READ: LazyLock<Vec<(actix_header::HeaderName, HeaderName)>> = LazyLock::new(|| {
    let named = |ours: HeaderName| {
        actix_header::HeaderName::from_bytes(ours.as_str().as_bytes()).ok().map(|theirs| (theirs, ours))
    };
    READ_HEADERS.into_iter().filter_map(named).collect()
});

/// Whether the request now shows these credentials, which an outer protection may have taken out, or else none.
fn shows(request: &mut ServiceRequest, credentials: Option<&HeaderValue>) -> bool {
    let shown = request.headers().contains_key(actix_header::AUTHORIZATION);
    match credentials {
        None if shown => is_changed(request, |headers| drop(headers.remove(actix_header::AUTHORIZATION))),
        Some(kept) if !shown => actix_header::HeaderValue::from_bytes(kept.as_bytes()).is_ok_and(|kept| {
            is_changed(request, |headers| drop(headers.insert(actix_header::AUTHORIZATION, kept)))
        }),
        None | Some(_) => true,
    }
}

/// Whether the headers could be changed. actix-web panics if something outside of this middleware has kept the `HttpRequest`, and nobody
/// can ask it whether.
fn is_changed(request: &mut ServiceRequest, change: impl FnOnce(&mut ActixHeaders)) -> bool {
    catch_unwind(AssertUnwindSafe(|| change(request.headers_mut()))).is_ok()
}

/// CORS, as [`Protection::finish`] does it for headers of `http` 1.x.
fn finish(protection: &Protection, origin: Option<&HeaderValue>, headers: &mut ActixHeaders) {
    let told = protection.told(origin);
    match told.allow_origin().map(actix_header::HeaderValue::from_bytes) {
        Some(Ok(allowed)) => drop(headers.insert(actix_header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed)),
        Some(Err(_)) | None => drop(headers.remove(actix_header::ACCESS_CONTROL_ALLOW_ORIGIN)),
    }
    if told.varies() && !headers.get_all(actix_header::VARY).any(|value| names_origin(value.as_bytes())) {
        headers.append(actix_header::VARY, actix_header::HeaderValue::from_static("Origin"));
    }
    if let Some(exposed) = told.exposed() {
        let exposed = actix_header::HeaderValue::from_static(exposed);
        headers.insert(actix_header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
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
/// In optional mode it answers whoever sent no credentials with the challenge; a handler that takes them, too, asks for
/// [`MaybeCaller`]. Where no protection stands before a handler, both answer 500 and say so in the log: nobody is anybody there.
///
/// `Option<Caller>` is not for that: actix-web makes `None` of every error, also of this one.
#[derive(Clone, Debug)]
pub struct Caller(pub Arc<Verified>);

/// Who calls, or `None` for whoever sent no credentials, in optional mode: an extractor for handlers behind [`protect`].
#[derive(Clone, Debug)]
pub struct MaybeCaller(pub Option<Arc<Verified>>);

impl FromRequest for Caller {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(passed(request).and_then(|passed| {
            passed.caller().cloned().map(Self).ok_or_else(|| ended(passed.no_credentials()))
        }))
    }
}

impl FromRequest for MaybeCaller {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(passed(request).map(|passed| Self(passed.caller().cloned())))
    }
}

fn passed(request: &HttpRequest) -> Result<Passed, Error> {
    let passed = request.extensions().get().cloned();
    passed.ok_or_else(|| ended(Protection::missing(request.path())))
}

fn ended(answer: Response<Bytes>) -> Error {
    match convert::outward(answer, false) {
        Ok(answer) => InternalError::from_response("nobody calls", answer).into(),
        Err(error) => error.into(),
    }
}

/// What a protection found out, for a service that is no actix-web one.
#[cfg(feature = "tower")]
pub(crate) fn carried<B>(request: &HttpRequest, mut carrying: http::Request<B>) -> http::Request<B> {
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
mod tests;
