//! Who is let through, decided before anything of the request is acted on (RS-13).

mod ahead;
mod builder;
mod passed;
mod presented;
mod unread;

use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, Complaints, SystemClock};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use oauth_types::{Resource, Scope};
use secrecy::SecretString;

use crate::answer::{Answer, Answers, HOST_NOT_KNOWN};
use crate::cors::{Cors, Told};
use crate::metadata::Documents;
use crate::scopes::Hierarchy;
use crate::step_up::Demanded;
use crate::tools::{Needs, Tools};
use crate::{ConfigError, Metadata, Rejection, StepUp, Unavailable, Verified, Verify};

use ahead::ReadAhead;
pub use builder::ProtectionBuilder;
pub use passed::{Passed, READ_HEADERS};
use presented::{Presented, presented};
use unread::Unread;

/// What stands before an MCP server: it decides who comes in, and says to everybody else what to do about it.
///
/// It is `http` alone; an adapter makes the layer of a web framework of it. A clone is the same protection.
///
/// ```
/// use futures_util::stream;
/// use resource_server::{Passed, Protection};
///
/// async fn passed(
///     protection: &Protection,
///     request: http::Request<bytes::Bytes>,
/// ) -> Result<(http::Request<bytes::Bytes>, Passed), http::Response<bytes::Bytes>> {
///     let (mut head, body) = request.into_parts();
///     let pieces = stream::iter([Ok::<_, std::io::Error>(body.clone())]);
///     let (passed, _) = protection.pass(&mut head, None, || pieces).await?;
///     Ok((http::Request::from_parts(head, body), passed))
/// }
/// ```
#[derive(Clone)]
pub struct Protection(Arc<Gate>);

/// What is demanded at one route, and the answers that follow from it, made once.
struct Gate {
    common: Arc<Common>,
    /// Of everybody, also where nobody must log in.
    route: Scope,
    /// The same of their log-in.
    route_step_up: Demanded,
    /// Of whoever shows a token.
    needed: Scope,
    /// The same of their log-in.
    step_up: Demanded,
    no_credentials: Answer,
    malformed: Answer,
    insufficient: Answer,
}

/// What is the same at all routes.
struct Common {
    verify: Arc<dyn Verify>,
    hierarchy: Hierarchy,
    tools: Tools,
    cors: Cors,
    optional: bool,
    granted_too: bool,
    keep_authorization_header: bool,
    body_limit: usize,
    body_deadline: Duration,
    read_ahead: ReadAhead,
    clock: Arc<dyn Clock>,
    answers: Answers,
    unavailable: Answer,
    too_many_bodies: Answer,
    documents: Arc<Documents>,
}

/// What becomes of a request.
#[derive(Debug)]
enum Admission {
    /// It goes on. `None` is somebody anonymous: only in optional mode, and only without any credentials.
    Admitted(Option<Arc<Verified>>),
    /// What it needs depends on its body, which must be read first.
    Unread(Unread),
    /// It ends here, with this.
    Answer(Response<Bytes>),
}

impl Protection {
    /// Everybody needs a token, of whatever scope.
    #[must_use]
    pub fn new(verifier: impl Verify + 'static) -> Self {
        ProtectionBuilder::new(Arc::new(verifier)).plain()
    }

    /// A protection that demands more, or less.
    #[must_use]
    pub fn builder(verifier: impl Verify + 'static) -> ProtectionBuilder {
        ProtectionBuilder::new(Arc::new(verifier))
    }

    /// The same for a route that needs these scopes, too, separated by spaces. They are demanded of everybody, also in optional mode.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: these are no scopes (RFC 6749 section 3.3), or none of a resource.
    pub fn requiring(&self, scopes: &str) -> Result<Self, ConfigError> {
        let Gate { common, route, needed, .. } = &*self.0;
        let more = builder::demanded(scopes)?;
        Ok(Self(Arc::new(Gate {
            route_step_up: self.0.route_step_up.clone(),
            step_up: self.0.step_up.clone(),
            ..Gate::new(Arc::clone(common), route.union(&more), needed.union(&more))
        })))
    }

    /// The same for a route that demands this of its caller's log-in, too (RFC 9470), of everybody, also in optional mode.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: it demands nothing, or what nobody could meet besides what is demanded anyway.
    pub fn stepping_up(&self, step_up: &StepUp) -> Result<Self, ConfigError> {
        let Gate { common, route, needed, .. } = &*self.0;
        let more = step_up.demanded()?;
        let all = self.0.step_up.and(&more);
        if all.is_impossible() {
            return Err(ConfigError::StepUpImpossible { of: "the route".to_owned() });
        }
        if let Some(tool) = common.tools.impossible(&all) {
            return Err(ConfigError::StepUpImpossible { of: tool.to_owned() });
        }
        Ok(Self(Arc::new(Gate {
            route_step_up: self.0.route_step_up.and(&more),
            step_up: all,
            ..Gate::new(Arc::clone(common), route.clone(), needed.clone())
        })))
    }

    /// Who sends a request with this head, or the answer that ends it, which may be the one to a preflight.
    ///
    /// The whole of it is decided by the configured URL and the head: `Host` and `X-Forwarded-*` can only be refused, never believed.
    async fn admit(&self, head: &Parts) -> Admission {
        let origin = head.headers.get(header::ORIGIN);
        let common = &*self.0.common;
        if let Err(foreign) = common.cors.check(head) {
            return self.answer(origin, &common.answers.foreign(foreign));
        }
        if let Some(response) = common.cors.preflight(head) {
            return Admission::Answer(response);
        }
        match self.decided(head).await {
            Ok(admission) => admission,
            Err(answer) => self.answer(origin, &answer),
        }
    }

    /// The answer of a handler that asks who calls, and before which no protection stands: 500. It is the author's fault, and said in the
    /// log, once a minute at most, for anybody can send requests.
    #[must_use]
    pub fn missing(path: &str) -> Response<Bytes> {
        static COMPLAINTS: Complaints = Complaints::new();
        if COMPLAINTS.are_due(SystemClock.now()) {
            tracing::error!(path, "a handler asks who calls, and no `protect` stands before it");
        }
        http_io::internal_error()
    }

    /// What browsers must be told with the answer of the server behind (RS-19), for a framework with headers of its own; else
    /// [`finish`](Self::finish) does it. `request_origin` is the `Origin` of the request.
    #[must_use]
    pub fn told<'o>(&self, request_origin: Option<&'o HeaderValue>) -> Told<'o> {
        self.0.common.cors.told(request_origin)
    }

    /// Adds to the answer of the server behind what browsers must be told: CORS (RS-19). `request_origin` is the `Origin` of the
    /// request. Answers of the protection itself have it already; twice is as good as once.
    pub fn finish(&self, request_origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        self.0.common.cors.finish(request_origin, headers);
    }

    /// The documents that tell clients where to log in, to be served at [`Metadata::paths`].
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        Metadata::new(Arc::clone(&self.0.common.documents))
    }

    /// Whether tokens can be checked now: 200; or 503 with a stable code, and a sentence that says where to look.
    ///
    /// It is made of what is remembered, and is for the one who watches over this server. Nothing in it is secret.
    #[must_use]
    pub fn readiness(&self) -> Response<Bytes> {
        let (status, body) = match self.0.common.verify.ready() {
            Ok(()) => (StatusCode::OK, serde_json::json!({ "status": "ready" })),
            Err(missing) => {
                let sentence = what_to_check(&missing);
                let body = serde_json::json!({ "status": "unavailable", "reason": missing.code(), "message": sentence });
                (StatusCode::SERVICE_UNAVAILABLE, body)
            }
        };
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// The server that is protected, in exactly the text that clients know it by.
    #[must_use]
    pub fn resource(&self) -> &Resource {
        self.0.common.verify.resource()
    }

    async fn decided(&self, head: &Parts) -> Result<Admission, Answer> {
        let common = &*self.0.common;
        let at = if common.tools.is_empty() { None } else { Some(common.clock.now()) };
        let token = self.shown(head)?;
        let caller = match &token {
            Some(token) => Some(self.checked(token).await?),
            None => None,
        };
        if let Some(at) = at {
            if may_leave_http(head) {
                return Err(common.answers.upgrade());
            }
            if may_call(&head.method) {
                if head.headers.contains_key(header::CONTENT_ENCODING) {
                    return Err(common.answers.encoded());
                }
                let origin = head.headers.get(header::ORIGIN).cloned();
                return Ok(Admission::Unread(Unread { protection: self.clone(), token, caller, at, origin }));
            }
        }
        self.permit(caller.as_deref(), &Needs::default())?;
        Ok(Admission::Admitted(caller))
    }

    /// The token that a request shows. `None` for somebody who may be anonymous.
    fn shown(&self, head: &Parts) -> Result<Option<SecretString>, Answer> {
        let common = &*self.0.common;
        let may_be_nobody = common.optional && self.0.route.is_empty() && self.0.route_step_up.is_nothing();
        match presented(&head.headers) {
            Presented::Token(token) => Ok(Some(token)),
            // Whoever opens a page sends what it likes, from where they are: inside of a company's network, for instance.
            Presented::Nothing if may_be_nobody && !common.cors.is_of_foreign_page(&head.headers) => {
                if common.cors.is_sent_here(head) {
                    Ok(None)
                } else {
                    Err(self.0.no_credentials.because(HOST_NOT_KNOWN))
                }
            }
            Presented::Nothing | Presented::Other => Err(self.0.no_credentials.clone()),
            Presented::Malformed => Err(self.0.malformed.clone()),
        }
    }

    async fn checked(&self, token: &SecretString) -> Result<Arc<Verified>, Answer> {
        let common = &*self.0.common;
        common.verify.verify(token).await.map_err(|rejection| match rejection {
            Rejection::Invalid(invalid) => common.answers.invalid(&invalid, &self.0.needed),
            Rejection::Unavailable(why) => common.unavailable.because(why.code()),
        })
    }

    /// Whether `caller` may do what needs all of `extra` beyond what this route needs anyway.
    fn permit(&self, caller: Option<&Verified>, extra: &Needs) -> Result<(), Answer> {
        let Gate { common, needed, step_up, insufficient, .. } = &*self.0;
        let Some(caller) = caller else {
            let refused = || common.answers.no_credentials(&needed.union(&extra.scope));
            return if extra.is_nothing() { Ok(()) } else { Err(refused()) };
        };
        if !(step_up.is_nothing() && extra.step_up.is_nothing()) {
            let demanded = step_up.and(&extra.step_up);
            if !demanded.is_met_by(caller, || common.clock.now()) {
                let scope = self.told_besides(caller, &needed.union(&extra.scope));
                return Err(common.answers.step_up(&demanded, &scope));
            }
        }
        let extra = &extra.scope;
        let enough = |scope: &Scope| common.hierarchy.suffices(&caller.scopes, scope);
        if enough(needed) && enough(extra) {
            return Ok(());
        }
        Err(if !common.granted_too && extra.is_subset_of(needed) {
            insufficient.clone()
        } else {
            common.answers.insufficient(&self.told_besides(caller, &needed.union(extra)))
        })
    }

    /// What a challenge names beside what is needed: what the token has, if that is wanted.
    fn told_besides(&self, caller: &Verified, needed: &Scope) -> Scope {
        if self.0.common.granted_too {
            needed.union(&builder::without_offline_access(&caller.scopes))
        } else {
            needed.clone()
        }
    }

    fn answer(&self, origin: Option<&HeaderValue>, answer: &Answer) -> Admission {
        Admission::Answer(self.dressed(origin, answer))
    }

    fn dressed(&self, origin: Option<&HeaderValue>, answer: &Answer) -> Response<Bytes> {
        let mut response = answer.response();
        self.finish(origin, response.headers_mut());
        response
    }
}

impl Gate {
    fn new(common: Arc<Common>, route: Scope, needed: Scope) -> Self {
        let no_credentials = common.answers.no_credentials(&needed);
        let malformed = common.answers.malformed(&needed);
        let insufficient = common.answers.insufficient(&needed);
        let (route_step_up, step_up) = (Demanded::default(), Demanded::default());
        Self { common, route, route_step_up, needed, step_up, no_credentials, malformed, insufficient }
    }
}

impl std::fmt::Debug for Protection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Gate { needed, .. } = &*self.0;
        f.debug_struct("Protection")
            .field("resource", self.resource())
            .field("needed", needed)
            .finish_non_exhaustive()
    }
}

/// Whether a server could take the body of such a request for a call of a tool. MCP's own is POST.
fn may_call(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS | Method::TRACE)
}

/// Whether what follows may be something else than requests, in which calls of tools could not be seen (RFC 9110 sections 7.8 and 9.3.6,
/// RFC 8441).
fn may_leave_http(head: &Parts) -> bool {
    head.method == Method::CONNECT || head.headers.contains_key(header::UPGRADE)
}

/// [`Unavailable`] without addresses: they are in the log.
const fn what_to_check(missing: &Unavailable) -> &'static str {
    match missing {
        Unavailable::Discovery { .. } => {
            "the discovery document of the issuer cannot be used: check that the issuer is right and can be reached from here"
        }
        Unavailable::IssuerMismatch { .. } => {
            "the discovery document is of another issuer than the one that is configured: compare the two in the log"
        }
        Unavailable::Incomplete { .. } => {
            "the discovery document lacks something that is needed: the log says what the provider does not offer"
        }
        Unavailable::Keys { .. } => {
            "the keys of the issuer cannot be fetched: check that the address in the log can be reached from here"
        }
        Unavailable::Asking { .. } => {
            "the authorization server does not answer: check that it runs, and can be reached from here"
        }
        Unavailable::KeyRefused { .. } => {
            "the authorization server refuses the key of this server: check that it is the key of this resource"
        }
        Unavailable::OwnCheck => "the check of a credential of one's own cannot be made",
    }
}

#[cfg(test)]
pub(crate) mod tests;
