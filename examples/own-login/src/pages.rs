//! What people see: the log-in page, the consent page, and what takes their answers.

use std::net::SocketAddr;
use std::sync::Arc;

use ambient::{Clock, Entropy};
use askama::Template;
use async_trait::async_trait;
use authz_core::{
    AuthorizationServer, Counted, Demands, Interaction, Limit, Limiter, Page, Pending, People as _, Stopped,
    Who, address_key,
};
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Form, Path, State};
use axum::routing::post;
use axum::{Router, response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use oauth_types::{Issuer, Scope};
use serde::Deserialize;
use store::{Digest, GrantId, MemoryCounters, Provenance, StoreError};

use crate::sessions::Sessions;
use crate::users::Users;

/// How the authorization server asks people.
pub(crate) struct Pages {
    users: Arc<Users>,
    sessions: Sessions,
    limiter: Counted,
}

impl Pages {
    pub(crate) fn new(
        issuer: &Issuer,
        users: Arc<Users>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let limiter = Counted::new(Arc::new(MemoryCounters::default()), clock.clone());
        Self { users, sessions: Sessions::new(issuer, clock, entropy), limiter }
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

    fn show(&self, page: &Page) -> Response<Bytes> {
        html(page.status, &StopPage { title: page.title, advice: &page.advice })
    }
}

impl Pages {
    fn ask_to_log_in(
        &self,
        headers: &HeaderMap,
        return_to: &str,
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
        // Names come in any length; counters keep what they count.
        let (from, login) = (address_key(Some(from.ip())), Digest::of(login.as_bytes()));
        let counted = [
            (Limit::LogIn, from.clone()),
            (Limit::LogInAccount, format!("{from} {login}")),
            (Limit::LogInAnywhere, login.to_string()),
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
) -> response::Response {
    // What `Demands::return_to` was. Anything else would make of this page an open redirect.
    if !form.return_to.starts_with("/oauth/") {
        return pages.show(&start_again()).map(Body::from);
    }
    let again = |alert| pages.ask_to_log_in(&headers, &form.return_to, Some(alert)).map(Body::from);
    if !pages.sessions.gave(&headers, &form.token) {
        return again("Please log in once more. This page needs cookies.");
    }
    if !pages.may_try(&form.login, from).await {
        return again("Too many tries. Wait a few minutes.");
    }
    let Some(person) = pages.users.log_in(&form.login, form.password).await else {
        return again("That name and password do not belong together.");
    };
    let mut response = move_on(&form.return_to);
    response.headers_mut().insert(header::SET_COOKIE, pages.sessions.begin(&headers, person));
    response.map(Body::from)
}

#[derive(Deserialize)]
struct Answer {
    decision: Decision,
    scope: String,
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
) -> response::Response {
    let response = match site.take_answer(&grant, &headers, &answer).await {
        Ok(onward) => onward,
        Err(Stopped::Page(page)) => site.pages.show(&page),
        Err(Stopped::Unavailable(error)) => {
            tracing::error!(%error, "an answer cannot be taken");
            site.pages.show(&try_later())
        }
    };
    response.map(Body::from)
}

impl Site {
    /// Allow comes back to this server for the code, deny goes straight to the client. That the request is this
    /// person's, was made in this session, and asked for no less than `scope`, the server sees to itself; a second
    /// click on Allow does no harm.
    async fn take_answer(
        &self,
        grant: &str,
        headers: &HeaderMap,
        answer: &Answer,
    ) -> Result<Response<Bytes>, Stopped> {
        let who =
            self.pages.sessions.who(headers).filter(|_| self.pages.sessions.gave(headers, &answer.token));
        let (Some(who), Ok(grant), Ok(scope)) = (who, GrantId::parse(grant), Scope::parse(&answer.scope))
        else {
            return Err(start_again().into());
        };
        Ok(match answer.decision {
            Decision::Allow => move_on(self.server.approve(grant, &who, &scope).await?.as_str()),
            Decision::Deny => move_on(self.server.deny(grant, &who).await?.as_str()),
        })
    }
}

fn start_again() -> Page {
    Page::new(StatusCode::FORBIDDEN, None, "This page is out of date", "Start again from the application.")
}

fn try_later() -> Page {
    let advice = "Try again in a few seconds.";
    Page::new(StatusCode::SERVICE_UNAVAILABLE, None, "This does not work at the moment", advice)
}

/// A form is answered by a page that moves on, not by a redirect: Chromium holds every redirect behind a form against
/// `form-action`, and the last one leads to the client.
fn move_on(to: &str) -> Response<Bytes> {
    html(StatusCode::OK, &MovingOnPage { to })
}

#[derive(Template)]
#[template(path = "log_in.html")]
struct LogInPage<'a> {
    return_to: &'a str,
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
