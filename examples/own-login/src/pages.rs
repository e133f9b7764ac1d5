//! What people see: the log-in page, the consent page, and what takes their answers.

use std::net::SocketAddr;
use std::sync::Arc;

use adapters_axum::response;
use ambient::{Clock, Entropy};
use askama::Template;
use async_trait::async_trait;
use authz_core::{
    AuthorizationServer, Counted, Demands, Interaction, Limit, Limiter, Page, Pending, People as _, ReturnTo,
    Stopped, Who, address_key,
};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Form, Path, State};
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use oauth_types::Issuer;
use serde::Deserialize;
use store::{Digest, GrantId, MemoryCounters, Provenance, StoreError};

use crate::sessions::Sessions;
use crate::users::Users;

/// How the authorization server asks people.
pub(crate) struct Pages {
    issuer: Issuer,
    users: Arc<Users>,
    sessions: Sessions,
    limiter: Counted,
}

impl Pages {
    pub(crate) fn new(
        issuer: Issuer,
        users: Arc<Users>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let limiter = Counted::new(Arc::new(MemoryCounters::default()), clock.clone());
        let sessions = Sessions::new(&issuer, clock, entropy);
        Self { issuer, users, sessions, limiter }
    }
}

#[async_trait]
impl Interaction for Pages {
    async fn who(&self, request: &Request<Bytes>, demands: &Demands) -> Result<Who, StoreError> {
        let who = self.sessions.who(request.headers()).filter(|who| {
            let fresh = demands.max_age.is_none_or(|most| self.sessions.age(who) <= most);
            fresh && !demands.login
        });
        Ok(match who {
            Some(who) => Who::Person(who),
            None if demands.silent => Who::Nobody,
            None => Who::Page(self.ask_to_log_in(request.headers(), &demands.return_to, None)),
        })
    }

    async fn ask(&self, request: &Request<Bytes>, pending: &Pending) -> Response<Bytes> {
        let profile = self.users.profile(&pending.person).await.ok().flatten().unwrap_or_default();
        let (token, _) = self.sessions.form_token(request.headers());
        html(StatusCode::OK, &ConsentPage { pending, account: profile.email.unwrap_or_default(), token })
    }

    fn show(&self, _: &Request<Bytes>, page: &Page) -> Response<Bytes> {
        stop(page)
    }
}

/// A page for somebody who cannot go on. Another language than English would say by itself what `Page::why` tells.
fn stop(page: &Page) -> Response<Bytes> {
    let mut response = html(page.status, &StopPage { title: page.title, advice: &page.advice });
    if let Some(seconds) = page.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

impl Pages {
    fn ask_to_log_in(
        &self,
        headers: &HeaderMap,
        return_to: &ReturnTo,
        alert: Option<&'static str>,
    ) -> Response<Bytes> {
        let (token, cookie) = self.sessions.form_token(headers);
        let status = if alert.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
        let mut response = html(status, &LogInPage { return_to, alert, token });
        if let Some(cookie) = cookie {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        response
    }

    /// Guesses are counted by address, by account from there, and by account from anywhere.
    async fn may_try(&self, login: &str, from: SocketAddr) -> bool {
        let from = address_key(Some(from.ip()));
        let counted = [
            (Limit::LogIn, from.clone()),
            (Limit::LogInAccount, format!("{from} {login}")),
            (Limit::LogInAnywhere, login.to_owned()),
        ];
        for (limit, key) in counted {
            if self.limiter.may(limit, &key).await.is_err() {
                return false;
            }
        }
        true
    }
}

/// What the pages post to.
pub(crate) fn routes(pages: Arc<Pages>, server: Arc<AuthorizationServer>) -> Router {
    Router::new()
        .route("/login", post(log_in))
        .route("/consent/{grant}", post(consent))
        .layer(DefaultBodyLimit::max(http_io::BODY_LIMIT))
        .with_state(Site { pages, server })
}

#[derive(Clone)]
struct Site {
    pages: Arc<Pages>,
    server: Arc<AuthorizationServer>,
}

#[derive(Deserialize)]
struct LogIn {
    login: String,
    password: String,
    return_to: String,
    token: String,
}

async fn log_in(
    State(Site { pages, .. }): State<Site>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Form(form): Form<LogIn>,
) -> Response<Body> {
    // What `Demands::return_to` was, or a stranger's: anything but a path of this server would make of this page an open
    // redirect.
    let Ok(return_to) = ReturnTo::parse(&form.return_to, &pages.issuer) else {
        return response(stop(&start_again()));
    };
    let again = |alert| response(pages.ask_to_log_in(&headers, &return_to, Some(alert)));
    if !pages.sessions.gave(&headers, &form.token) {
        return again("Please log in once more. This page needs cookies.");
    }
    if !pages.may_try(&form.login, from).await {
        return again("Too many tries. Wait a few minutes.");
    }
    let Some(person) = pages.users.log_in(&form.login, form.password).await else {
        return again("That name and password do not belong together.");
    };
    let mut moving_on = move_on(return_to.as_str());
    moving_on.headers_mut().insert(header::SET_COOKIE, pages.sessions.begin(&headers, person));
    response(moving_on)
}

#[derive(Deserialize)]
struct Answer {
    decision: Decision,
    token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Allow,
    Deny,
}

async fn consent(
    State(site): State<Site>,
    Path(grant): Path<String>,
    headers: HeaderMap,
    Form(answer): Form<Answer>,
) -> Response<Body> {
    response(site.take_answer(&grant, &headers, &answer).await.unwrap_or_else(|stopped| {
        if let Stopped::Unavailable(error) = &stopped {
            tracing::error!(%error, "an answer cannot be taken");
        }
        stop(&stopped.page())
    }))
}

impl Site {
    /// Allow comes back to this server for the code, deny goes straight to the client. That the request is this
    /// person's and was made in this session the server sees to itself; a second click on Allow leads on like the first.
    async fn take_answer(
        &self,
        grant: &str,
        headers: &HeaderMap,
        answer: &Answer,
    ) -> Result<Response<Bytes>, Stopped> {
        let who =
            self.pages.sessions.who(headers).filter(|_| self.pages.sessions.gave(headers, &answer.token));
        let (Some(who), Ok(grant)) = (who, GrantId::parse(grant)) else {
            return Err(start_again().into());
        };
        Ok(match answer.decision {
            Decision::Allow => move_on(self.server.approve_all(grant, &who).await?.as_str()),
            Decision::Deny => move_on(self.server.deny(grant, &who).await?.as_str()),
        })
    }
}

fn start_again() -> Page {
    Page::new(StatusCode::FORBIDDEN, None, "This page is out of date", "Start again from the application.")
}

/// A form is answered by a page that moves on, not by a redirect: Chromium holds every redirect behind a form against
/// `form-action`, and the last one leads to the client.
fn move_on(to: &str) -> Response<Bytes> {
    html(StatusCode::OK, &MovingOnPage { to })
}

#[derive(Template)]
#[template(path = "log_in.html")]
struct LogInPage<'a> {
    return_to: &'a ReturnTo,
    alert: Option<&'static str>,
    token: Digest,
}

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentPage<'a> {
    pending: &'a Pending,
    account: String,
    token: Digest,
}

impl ConsentPage<'_> {
    fn client(&self) -> &str {
        let client = &self.pending.client;
        client.metadata.client_name.as_deref().unwrap_or(client.id.as_str())
    }

    /// It registered itself: its name is a claim.
    fn is_unverified(&self) -> bool {
        self.pending.client.provenance == Provenance::Dynamic
    }

    /// What is asked for, in the words of the MCP server where it has some.
    fn permissions(&self) -> Vec<&str> {
        let described = |name: &str| {
            let entry = self.pending.server.scopes.iter().find(|entry| entry.name == name);
            entry.and_then(|entry| entry.description.as_deref())
        };
        self.pending.request.scope.iter().map(|name| described(name).unwrap_or(name)).collect()
    }

    /// Where the answer goes.
    fn back(&self) -> &str {
        let redirect = &self.pending.request.redirect_uri;
        redirect.host().unwrap_or(redirect.as_str())
    }
}

#[derive(Template)]
#[template(path = "moving_on.html")]
struct MovingOnPage<'a> {
    to: &'a str,
}

#[derive(Template)]
#[template(path = "stop.html")]
struct StopPage<'a> {
    title: &'a str,
    advice: &'a str,
}

/// Templates escape what they show. No script, no frame around the page, no form that leads away, nothing kept.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
];

fn html(status: StatusCode, page: &impl Template) -> Response<Bytes> {
    let (status, body) = match page.render() {
        Ok(body) => (status, body),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
    };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
