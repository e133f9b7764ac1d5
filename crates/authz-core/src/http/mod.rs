//! Routes, methods, status, headers: the one place where the protocol meets HTTP.

mod endpoint;
mod reply;

use std::error::Error;

use ::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use async_trait::async_trait;
use bytes::Bytes;
use http_io::{Peer, Serve, has_content_type};
use oauth_types::{
    Authorization, Challenge, ErrorCode, Form, IntrospectionRequest, Issuer, OAuthError, RevocationRequest,
    TokenRequest,
};
use store::{GrantId, ServerId};

use self::endpoint::Endpoint;
use crate::decide::client::{Credentials, credentials};
use crate::decide::metadata;
use crate::event::NamedClient;
use crate::flow::authorize::Next;
use crate::flow::token::Unissued;
use crate::flow::{Engine, Stopped, Unavailable, authorize, register, token, usage};
use crate::page::{PATIENCE, Stoppage};
use crate::seam::{Limit, TooMany, Wanted, address_key};
use crate::text::{TokenKind, TokenText};
use crate::{AuthorizationServer, Context, Event, Page, Refusal};

impl AuthorizationServer {
    /// Whether a request path, the issuer's own path included, is one of the server's endpoints.
    #[must_use]
    pub fn owns(&self, path: &str) -> bool {
        self.endpoint(path).is_some()
    }

    /// The name of the endpoint at a request path, such as `token`; one of a few.
    #[must_use]
    pub fn endpoint(&self, path: &str) -> Option<&'static str> {
        Endpoint::at(path, &self.engine.issuer).map(|endpoint| endpoint.name())
    }
}

/// What programs are answered at the endpoints of `issuer` while its server cannot be opened yet: 503 with `Retry-After`, which
/// scripts of other origins may read like all else there, and their preflights. `None` for what people open, and for other
/// paths.
#[must_use]
pub fn before_opening(issuer: &Issuer, request: &Request<Bytes>) -> Option<Response<Bytes>> {
    let endpoint = Endpoint::at(request.uri().path(), issuer).filter(Endpoint::has_cors)?;
    if *request.method() == Method::OPTIONS {
        return Some(reply::preflight(&endpoint));
    }
    let mut response = reply::unavailable();
    reply::allow_any_origin(&mut response);
    Some(response)
}

#[async_trait]
impl Serve for AuthorizationServer {
    async fn serve(&self, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let engine = &self.engine;
        let Some(endpoint) = Endpoint::at(request.uri().path(), &engine.issuer) else {
            return reply::not_found();
        };
        let method = request.method();
        if endpoint.has_cors() && *method == Method::OPTIONS {
            return reply::preflight(&endpoint);
        }
        let head = *method == Method::HEAD;
        if !endpoint.methods().contains(method) {
            return reply::method_not_allowed(&endpoint);
        }
        let mut response = answer(engine, &endpoint, &request, &Context::of(&request, peer)).await;
        if endpoint.has_cors() {
            reply::allow_any_origin(&mut response);
        }
        if head {
            *response.body_mut() = Bytes::new();
        }
        response
    }
}

async fn answer(
    engine: &Engine,
    endpoint: &Endpoint,
    request: &Request<Bytes>,
    caller: &Context,
) -> Response<Bytes> {
    let answered = match endpoint {
        Endpoint::Metadata => {
            let acr_values = engine.interaction.acr_values();
            let metadata = metadata::authorization_server(&engine.issuer, &engine.policy, &acr_values);
            return reply::document(metadata.to_json());
        }
        Endpoint::ProtectedResource(server) => return protected_resource(engine, server).await,
        Endpoint::Authorize => {
            let next = authorize_form(engine, request, caller).await;
            return page(engine, endpoint, next, request, caller);
        }
        Endpoint::Continue(grant) => {
            let next = continued(engine, request, grant, caller).await;
            return page(engine, endpoint, next, request, caller);
        }
        Endpoint::Token => tokens(engine, request, caller).await,
        Endpoint::Revoke => revoke(engine, request, caller).await,
        Endpoint::Introspect => introspect(engine, request).await,
        Endpoint::Register => register(engine, request, caller).await,
        Endpoint::UserInfo => userinfo(engine, request).await,
    };
    match answered {
        Ok(response) => response,
        Err(Failure::Refused(refusal, client)) => {
            let named = client.and_then(|credentials| credentials.id);
            let client = named.map(|id| NamedClient::of(id, refusal));
            let (endpoint_name, from) = (endpoint.name(), caller.from());
            let refused = Event::Refused { endpoint: endpoint_name, refusal, client, from };
            engine.events.tell_with(&refused, caller);
            reply::refused(refusal, challenge(endpoint, refusal, request.headers()))
        }
        Err(Failure::Malformed(error)) => reply::malformed(&error),
        Err(Failure::Unavailable(error)) => {
            tracing::error!(endpoint = endpoint.name(), error = &error as &dyn Error, "cannot answer");
            reply::unavailable()
        }
    }
}

/// Why an endpoint for programs does not do what it was asked to.
enum Failure {
    /// A rule was broken, by this client.
    Refused(Refusal, Option<Credentials>),
    /// The request cannot be read.
    Malformed(OAuthError),
    /// The world's fault.
    Unavailable(Unavailable),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal, None)
    }
}

impl From<OAuthError> for Failure {
    fn from(error: OAuthError) -> Self {
        Self::Malformed(error)
    }
}

impl From<Unavailable> for Failure {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

async fn tokens(
    engine: &Engine,
    request: &Request<Bytes>,
    caller: &Context,
) -> Result<Response<Bytes>, Failure> {
    let form = form(request)?;
    let wanted = TokenRequest::from_form(&form)?;
    let credentials = credentials(authorization(request.headers())?, &form)?;
    match token::token(engine, &wanted, &credentials, caller).await? {
        Ok(issued) => Ok(reply::secret(StatusCode::OK, issued.response().to_json())),
        Err(Unissued::Refused(refusal)) => Err(Failure::Refused(refusal, Some(credentials))),
        Err(Unissued::Limited(too_many)) => Ok(limited(engine, Limit::Token, too_many, caller)),
    }
}

/// 429, and an event.
fn limited(engine: &Engine, limit: Limit, too_many: TooMany, caller: &Context) -> Response<Bytes> {
    engine.events.tell_with(&Event::Limited { limit: limit.as_str(), from: caller.from() }, caller);
    reply::too_many(too_many)
}

async fn revoke(
    engine: &Engine,
    request: &Request<Bytes>,
    caller: &Context,
) -> Result<Response<Bytes>, Failure> {
    let form = form(request)?;
    let wanted = RevocationRequest::from_form(&form)?;
    let credentials = credentials(authorization(request.headers())?, &form)?;
    match token::revocation(engine, &wanted.token, &credentials, caller).await? {
        Ok(()) => Ok(reply::empty(StatusCode::OK)),
        Err(Unissued::Refused(refusal)) => Err(Failure::Refused(refusal, Some(credentials))),
        Err(Unissued::Limited(too_many)) => Ok(limited(engine, Limit::Token, too_many, caller)),
    }
}

async fn introspect(engine: &Engine, request: &Request<Bytes>) -> Result<Response<Bytes>, Failure> {
    let key = server_key(authorization(request.headers())?)?;
    let form = form(request)?;
    let wanted = IntrospectionRequest::from_form(&form)?;
    let told = usage::introspection(engine, &key, &wanted.token).await??;
    Ok(reply::secret(StatusCode::OK, told.to_json()))
}

/// The key of a resource server: as bearer, or as the password of its server id.
fn server_key(header: Option<&str>) -> Result<TokenText, Refusal> {
    use secrecy::ExposeSecret as _;
    let header = header.ok_or(Refusal::ServerKeyWrong)?;
    let (id, key) = match Authorization::parse(header).map_err(|_| Refusal::ServerKeyWrong)? {
        Authorization::Bearer(key) => (None, key),
        Authorization::Basic { id, secret } => (Some(id), secret),
        Authorization::Other => return Err(Refusal::ServerKeyWrong),
    };
    let key = TokenText::parse(key.expose_secret()).map_err(|_| Refusal::ServerKeyWrong)?;
    let names_itself = id.is_none_or(|id| ServerId::parse(&id) == Ok(ServerId::new(key.id)));
    if key.kind == TokenKind::ServerKey && names_itself { Ok(key) } else { Err(Refusal::ServerKeyWrong) }
}

async fn register(
    engine: &Engine,
    request: &Request<Bytes>,
    caller: &Context,
) -> Result<Response<Bytes>, Failure> {
    if let Err(too_many) = engine.limiter.may(Limit::Registration, &address_key(caller.from())).await {
        return Ok(limited(engine, Limit::Registration, too_many, caller));
    }
    if !has_content_type(request.headers(), "application/json") {
        let advice = "Send the metadata as application/json.";
        return Err(OAuthError::new(ErrorCode::InvalidClientMetadata, advice).into());
    }
    let information = register::registration(engine, request.body(), caller).await??;
    Ok(reply::secret(StatusCode::CREATED, information.to_json()))
}

async fn userinfo(engine: &Engine, request: &Request<Bytes>) -> Result<Response<Bytes>, Failure> {
    let header = authorization(request.headers())?.ok_or(Refusal::TokenMissing)?;
    let token = match Authorization::parse(header).map_err(|_| Refusal::AuthorizationMalformed)? {
        Authorization::Bearer(token) => token,
        Authorization::Basic { .. } | Authorization::Other => return Err(Refusal::TokenMissing.into()),
    };
    let info = usage::userinfo(engine, &token).await??;
    Ok(reply::secret(StatusCode::OK, info.to_json()))
}

async fn protected_resource(engine: &Engine, server: &str) -> Response<Bytes> {
    let Ok(id) = ServerId::parse(server) else {
        return reply::not_found();
    };
    match engine.resources.find(&Wanted::Registered(id)).await {
        Ok(Some(server)) => reply::document(metadata::protected_resource(&server, &engine.issuer).to_json()),
        Ok(None) => reply::not_found(),
        Err(error) => {
            tracing::error!(error = &error as &dyn Error, "cannot read a server");
            reply::unavailable()
        }
    }
}

async fn authorize_form(
    engine: &Engine,
    request: &Request<Bytes>,
    caller: &Context,
) -> Result<Next, Stopped> {
    let unreadable = || {
        let advice = "Its parameters cannot be read. Start again from the application.";
        Page::bad(Stoppage::Unreadable, ErrorCode::InvalidRequest, "This request is malformed", advice)
    };
    let form = if request.method() == Method::POST {
        if !has_content_type(request.headers(), "application/x-www-form-urlencoded") {
            return Err(unreadable().into());
        }
        Form::parse(request.body())
    } else {
        Form::parse(request.uri().query().unwrap_or_default().as_bytes())
    };
    authorize::authorize(engine, request, &form.map_err(|_| unreadable())?, caller).await
}

async fn continued(
    engine: &Engine,
    request: &Request<Bytes>,
    grant: &str,
    caller: &Context,
) -> Result<Next, Stopped> {
    let grant = GrantId::parse(grant).map_err(|_| Refusal::RequestGone)?;
    authorize::continued(engine, request, grant, caller).await
}

/// The answer to a browser.
fn page(
    engine: &Engine,
    endpoint: &Endpoint,
    next: Result<Next, Stopped>,
    request: &Request<Bytes>,
    caller: &Context,
) -> Response<Bytes> {
    match next {
        Ok(Next::To(answer)) => reply::see_other(&answer),
        Ok(Next::Respond(response)) => response,
        Err(Stopped::Page(page)) => {
            let (endpoint, why) = (endpoint.name(), page.why);
            engine.events.tell_with(&Event::Stopped { endpoint, why, from: caller.from() }, caller);
            engine.interaction.show(request, &page)
        }
        Err(Stopped::Unavailable(error)) => {
            tracing::error!(error = &error as &dyn Error, "cannot answer a browser");
            let mut response = engine.interaction.show(request, &Page::unavailable());
            reply::retry_after(&mut response, PATIENCE);
            response
        }
    }
}

fn form(request: &Request<Bytes>) -> Result<Form, OAuthError> {
    let refuse = |advice: &str| OAuthError::new(ErrorCode::InvalidRequest, advice);
    if !has_content_type(request.headers(), "application/x-www-form-urlencoded") {
        return Err(refuse("Send the parameters as application/x-www-form-urlencoded."));
    }
    Form::parse(request.body()).map_err(|_| refuse("The parameters are malformed."))
}

/// The one `Authorization` header, if there is one.
fn authorization(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Refusal::AuthorizationMalformed);
    }
    first.map(|value| value.to_str().map_err(|_| Refusal::AuthorizationMalformed)).transpose()
}

/// What a 401 asks for (RFC 9110 section 11.6.1).
///
/// The token endpoint names a scheme only to a client that tried the header (RFC 6749 section 5.2); a missing token is told
/// no error code (RFC 6750 section 3.1).
fn challenge(endpoint: &Endpoint, refusal: Refusal, headers: &HeaderMap) -> Option<Challenge> {
    let wire = refusal.wire();
    if wire.status != StatusCode::UNAUTHORIZED {
        return None;
    }
    match endpoint {
        Endpoint::UserInfo if refusal == Refusal::TokenMissing => Some(Challenge::bearer()),
        Endpoint::UserInfo => Some(Challenge::bearer().error(wire.code).description(wire.description)),
        Endpoint::Introspect => Some(Challenge::basic("portcullis")),
        Endpoint::Token | Endpoint::Revoke => {
            headers.contains_key(header::AUTHORIZATION).then(|| Challenge::basic("portcullis"))
        }
        Endpoint::Metadata
        | Endpoint::ProtectedResource(_)
        | Endpoint::Authorize
        | Endpoint::Continue(_)
        | Endpoint::Register => None,
    }
}
