//! The routes.

use std::fmt;
use std::sync::Arc;

use ambient::SystemClock;
use async_trait::async_trait;
use authz_core::{
    AuthorizationServer, Counted, Events, Interaction as _, Limiter, Page, Stopped, Traced, Unavailable,
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_io::{Peer, Serve};
use store::{GrantId, MemoryCounters, StoreError};

use crate::pages::Pages;
use crate::pages::site::asset;
use crate::people::Accounts;

/// Serves the pages and `/auth/*`, each under the issuer's path.
pub struct Identity {
    pub(crate) pages: Arc<Pages>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) server: Arc<AuthorizationServer>,
    pub(crate) limiter: Arc<dyn Limiter>,
    pub(crate) events: Arc<dyn Events>,
    pub(crate) sign_up: bool,
}

impl Identity {
    /// Serves `pages` for the people of `accounts`, who answer what `server` asks. Anybody may sign up, limits are counted
    /// in the memory of this process, and events go to the log.
    #[must_use]
    pub fn new(pages: Arc<Pages>, accounts: Arc<Accounts>, server: Arc<AuthorizationServer>) -> Self {
        let limiter = Counted::new(Arc::new(MemoryCounters::default()), Arc::new(SystemClock));
        Self { pages, accounts, server, limiter: Arc::new(limiter), events: Arc::new(Traced), sign_up: true }
    }

    /// Other limits on log-ins and sign-ups.
    #[must_use]
    pub fn limiter(self, limiter: Arc<dyn Limiter>) -> Self {
        Self { limiter, ..self }
    }

    /// Somebody else who listens.
    #[must_use]
    pub fn events(self, events: Arc<dyn Events>) -> Self {
        Self { events, ..self }
    }

    /// Whether anybody may make an account here.
    #[must_use]
    pub fn taking_sign_ups(self, open: bool) -> Self {
        Self { sign_up: open, ..self }
    }

    /// Whether the path of a request, the issuer's path included, is one that this serves.
    #[must_use]
    pub fn owns(&self, path: &str) -> bool {
        self.pages.issuer.strip(path).and_then(Route::of).is_some()
    }
}

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'p> {
    LogIn,
    SignUp,
    Consent(&'p str),
    LogOut,
    Asset(&'p str),
    JsonLogIn,
    JsonSignUp,
    JsonLogOut,
}

impl<'p> Route<'p> {
    fn of(path: &'p str) -> Option<Self> {
        Some(match path {
            "/login" => Self::LogIn,
            "/signup" => Self::SignUp,
            "/logout" => Self::LogOut,
            "/assets/portcullis.css" | "/assets/portcullis.svg" => Self::Asset(path),
            "/auth/login" => Self::JsonLogIn,
            "/auth/signup" => Self::JsonSignUp,
            "/auth/logout" => Self::JsonLogOut,
            _ => Self::Consent(path.strip_prefix("/consent/").filter(|id| !id.contains('/'))?),
        })
    }

    const fn allowed(self) -> &'static str {
        match self {
            Self::LogIn | Self::SignUp | Self::Consent(_) => "GET, HEAD, POST",
            Self::Asset(_) => "GET, HEAD",
            Self::LogOut | Self::JsonLogIn | Self::JsonSignUp | Self::JsonLogOut => "POST",
        }
    }
}

/// Why a request got no answer of its own: the store, the keys, or too many rivals. The world's fault, so 503.
/// Which one is in the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unserved;

impl From<StoreError> for Unserved {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a page cannot be served");
        Self
    }
}

impl From<Unavailable> for Unserved {
    fn from(unavailable: Unavailable) -> Self {
        tracing::error!(?unavailable, "a page cannot be served");
        Self
    }
}

#[async_trait]
impl Serve for Identity {
    async fn serve(&self, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let head = request.method() == Method::HEAD;
        let mut response = self.route(&request, peer).await;
        if head {
            *response.body_mut() = Bytes::new();
        }
        response
    }
}

impl Identity {
    async fn route(&self, request: &Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let path = self.pages.issuer.strip(request.uri().path());
        let Some(route) = path.and_then(Route::of) else {
            return self.stop(StatusCode::NOT_FOUND, "There is no such page", "Check the address.");
        };
        let get = matches!(*request.method(), Method::GET | Method::HEAD);
        let post = *request.method() == Method::POST;
        let answer = match route {
            Route::LogIn if get => self.show_log_in(request).await,
            Route::LogIn if post => Ok(self.take_log_in(request, peer).await),
            Route::SignUp if get => self.show_sign_up(request),
            Route::SignUp if post => Ok(self.take_sign_up(request, peer).await),
            Route::Consent(id) if get || post => match GrantId::parse(id) {
                Ok(grant) if get => self.show_consent(request, grant).await,
                Ok(grant) => self.take_consent(request, grant).await,
                Err(_) => {
                    let advice = "Check the address, or start again from the app.";
                    Ok(self.stop(StatusCode::NOT_FOUND, "There is no such request", advice))
                }
            },
            Route::LogOut if post => self.take_log_out(request).await,
            Route::Asset(path) if get => {
                Ok(asset(request.method(), request.headers(), path).unwrap_or_else(|| {
                    self.stop(StatusCode::NOT_FOUND, "There is no such page", "Check the address.")
                }))
            }
            Route::JsonLogIn if post => Ok(self.json_log_in(request, peer).await),
            Route::JsonSignUp if post => Ok(self.json_sign_up(request, peer).await),
            Route::JsonLogOut if post => Ok(self.json_log_out(request).await),
            Route::LogIn
            | Route::SignUp
            | Route::Consent(_)
            | Route::LogOut
            | Route::Asset(_)
            | Route::JsonLogIn
            | Route::JsonSignUp
            | Route::JsonLogOut => Ok(self.wrong_method(route)),
        };
        answer.unwrap_or_else(|Unserved| self.pages.show(&Page::unavailable()))
    }

    fn wrong_method(&self, route: Route<'_>) -> Response<Bytes> {
        let advice = "Go back, and use the links and buttons of the page.";
        let mut response = self.stop(StatusCode::METHOD_NOT_ALLOWED, "This does not work here", advice);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(route.allowed()));
        response
    }

    /// A page for somebody who cannot go on. No code: nothing here is an answer to a client.
    pub(crate) fn stop(&self, status: StatusCode, title: &'static str, advice: &str) -> Response<Bytes> {
        self.pages.show(&Page::new(status, None, title, advice))
    }

    pub(crate) fn stopped(&self, stopped: Stopped) -> Result<Response<Bytes>, Unserved> {
        match stopped {
            Stopped::Page(page) => Ok(self.pages.show(&page)),
            Stopped::Unavailable(unavailable) => Err(unavailable.into()),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("pages", &self.pages)
            .field("sign_up", &self.sign_up)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_routes() {
        assert_eq!(Route::of("/login"), Some(Route::LogIn));
        assert_eq!(Route::of("/consent/abc"), Some(Route::Consent("abc")));
        for path in ["/", "/login/", "/consent", "/consent/a/b", "/auth", "/assets/", "/oauth/authorize", ""]
        {
            assert_eq!(Route::of(path), None, "{path}");
        }
    }
}
