//! `/auth/*`: the same as the forms, in JSON, for a front end of one's own on this origin.

mod own;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_io::{Peer, has_content_type};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::entry::{Entered, LogIn, SignedUp, SigningUp};
use crate::factors::Given;
use crate::forms::retry_later;
use crate::identity::Identity;
use crate::language::Language;
use crate::refused::Refused;
use crate::session::LoggedIn;
use crate::visit::Visit;

/// What there is below `/auth/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonRoute {
    LogIn,
    Second,
    SignUp,
    LogOut,
    Verify,
    VerifyAgain,
    Forgot,
    Reset,
    TakeBack,
    Password,
    Email,
    Delete,
    Sessions,
    EndSessions,
}

impl JsonRoute {
    pub(crate) fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/auth/login" => Self::LogIn,
            "/auth/second" => Self::Second,
            "/auth/signup" => Self::SignUp,
            "/auth/logout" => Self::LogOut,
            "/auth/verify" => Self::Verify,
            "/auth/verify/send" => Self::VerifyAgain,
            "/auth/forgot" => Self::Forgot,
            "/auth/reset" => Self::Reset,
            "/auth/take-back" => Self::TakeBack,
            "/auth/password" => Self::Password,
            "/auth/email" => Self::Email,
            "/auth/delete" => Self::Delete,
            "/auth/sessions" => Self::Sessions,
            "/auth/sessions/end" => Self::EndSessions,
            _ => return None,
        })
    }

    pub(crate) const fn allowed(self) -> &'static str {
        match self {
            Self::Sessions => "GET, HEAD",
            Self::LogIn
            | Self::Second
            | Self::SignUp
            | Self::LogOut
            | Self::Verify
            | Self::VerifyAgain
            | Self::Forgot
            | Self::Reset
            | Self::TakeBack
            | Self::Password
            | Self::Email
            | Self::Delete
            | Self::EndSessions => "POST",
        }
    }

    pub(crate) fn takes(self, method: &Method) -> bool {
        self.allowed().split(", ").any(|allowed| allowed == method.as_str())
    }
}

#[derive(Deserialize)]
struct LoggingIn {
    email: String,
    password: String,
}

#[derive(Deserialize)]
struct Second {
    code: String,
}

#[derive(Deserialize)]
struct SignUp {
    email: String,
    password: String,
    name: Option<String>,
    ticket: Option<String>,
}

/// Why a request gets no answer of its own.
pub(super) enum Failed {
    Malformed(Malformed),
    Refused(Refused),
}

impl From<Malformed> for Failed {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl<E: Into<Refused>> From<E> for Failed {
    fn from(refused: E) -> Self {
        Self::Refused(refused.into())
    }
}

impl Identity {
    pub(crate) async fn json(
        &self,
        route: JsonRoute,
        request: &Request<Bytes>,
        peer: Peer,
    ) -> Response<Bytes> {
        let visit = Visit::of(request, peer);
        let answered = match route {
            JsonRoute::LogIn => self.json_log_in(request, &visit).await,
            JsonRoute::Second => self.json_second(request, &visit).await,
            JsonRoute::SignUp => self.json_sign_up(request, &visit).await,
            JsonRoute::LogOut => self.json_log_out(request, &visit).await,
            JsonRoute::Verify => self.json_verify(request, &visit).await,
            JsonRoute::VerifyAgain => self.json_verify_again(request, &visit).await,
            JsonRoute::Forgot => self.json_forgot(request, &visit).await,
            JsonRoute::Reset => self.json_reset(request, &visit).await,
            JsonRoute::TakeBack => self.json_take_back(request, &visit).await,
            JsonRoute::Password => self.json_password(request, &visit).await,
            JsonRoute::Email => self.json_email(request, &visit).await,
            JsonRoute::Delete => self.json_delete(request, &visit).await,
            JsonRoute::Sessions => self.json_sessions(&visit).await,
            JsonRoute::EndSessions => self.json_end_sessions(request, &visit).await,
        };
        match answered {
            Ok(response) => response,
            Err(Failed::Malformed(malformed)) => malformed.response(),
            Err(Failed::Refused(refused)) => refusal(&refused, visit.language),
        }
    }

    /// `POST /auth/login`: `email` and `password`; 200 with `user_id`, `email`, `name` and the session's cookie; or 202 with `next`:
    /// `second_factor`, for whoever has one.
    async fn json_log_in(
        &self,
        request: &Request<Bytes>,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, Failed> {
        let LoggingIn { email, password } = self.body(request)?;
        match self.log_in(visit, &email, &password).await? {
            LogIn::Entered(entered) => Ok(self.logged_in_answer(&entered)),
            LogIn::Second(step) => {
                let mut response = answer(StatusCode::ACCEPTED, &json!({ "next": "second_factor" }));
                let keep = self.pages.cookies.keep_first_step(&step);
                response.headers_mut().append(header::SET_COOKIE, keep);
                Ok(response)
            }
        }
    }

    /// `POST /auth/second`: the `code` of an app or for recovery, after a log-in that was answered 202 with `next`: `second_factor`; 200 as
    /// a log-in.
    async fn json_second(
        &self,
        request: &Request<Bytes>,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, Failed> {
        let Second { code } = self.body(request)?;
        let entered = self.second(visit, Given::Code(&code)).await?;
        let mut response = self.logged_in_answer(&entered);
        response.headers_mut().append(header::SET_COOKIE, self.pages.cookies.forget_first_step());
        Ok(response)
    }

    fn logged_in_answer(&self, entered: &Entered) -> Response<Bytes> {
        let account = &entered.account;
        let body = json!({ "user_id": account.person, "email": account.email, "name": account.name });
        self.with_session(answer(StatusCode::OK, &body), entered)
    }

    /// `POST /auth/signup`: `email`, `password`, perhaps `name`, perhaps the `ticket` of an invitation; 201 with `user_id`, `email` and
    /// the session's cookie. Where there is mail: 202, and the rest is in a letter.
    async fn json_sign_up(
        &self,
        request: &Request<Bytes>,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, Failed> {
        let SignUp { email, password, name, ticket } = self.body(request)?;
        let typed = SigningUp {
            name: name.as_deref(),
            email: &email,
            password: &password,
            ticket: ticket.as_deref(),
        };
        Ok(match self.sign_up(visit, typed).await? {
            SignedUp::Entered(entered) => {
                let body = json!({ "user_id": entered.account.person, "email": entered.account.email });
                self.with_session(answer(StatusCode::CREATED, &body), &entered)
            }
            SignedUp::LookIntoMail => look_into_mail(),
        })
    }

    /// `POST /auth/logout`: 204, logged in or not.
    async fn json_log_out(
        &self,
        request: &Request<Bytes>,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, Failed> {
        self.without_body(request)?;
        if let Some(session) = self.pages.logged_in(request.headers()).await? {
            self.log_out(visit, &session).await?;
        }
        let mut response = nothing();
        response.headers_mut().append(header::SET_COOKIE, self.pages.cookies.forget_session());
        Ok(response)
    }

    pub(super) async fn session(&self, visit: &Visit<'_>) -> Result<LoggedIn, Refused> {
        self.pages.logged_in(visit.headers).await?.ok_or(Refused::LoggedOut)
    }

    pub(super) fn without_body(&self, request: &Request<Bytes>) -> Result<(), Malformed> {
        // A form always names a type, so a request without one is no form.
        let no_body = request.body().is_empty() && !request.headers().contains_key(header::CONTENT_TYPE);
        self.comes_from_a_program(request, no_body)
    }

    pub(super) fn body<T: DeserializeOwned>(&self, request: &Request<Bytes>) -> Result<T, Malformed> {
        self.comes_from_a_program(request, false)?;
        serde_json::from_slice(request.body()).map_err(|_| Malformed::Body)
    }

    /// A page of another origin cannot send this media type without asking first, and is not answered when it asks: there is
    /// no CORS here.
    fn comes_from_a_program(&self, request: &Request<Bytes>, no_body: bool) -> Result<(), Malformed> {
        if !self.pages.origin.is_source_of(request.headers()) {
            return Err(Malformed::Origin);
        }
        let is_json = has_content_type(request.headers(), "application/json");
        if is_json || no_body { Ok(()) } else { Err(Malformed::MediaType) }
    }

    pub(super) fn with_session(&self, mut response: Response<Bytes>, entered: &Entered) -> Response<Bytes> {
        response.headers_mut().append(header::SET_COOKIE, self.session_cookie(entered));
        response
    }
}

/// A request that says nothing that could be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    Origin,
    MediaType,
    Body,
}

impl Malformed {
    fn response(self) -> Response<Bytes> {
        let (status, code, message) = match self {
            Self::Origin => (
                StatusCode::FORBIDDEN,
                "wrong_origin",
                "Only pages of this server's own origin may send this.",
            ),
            Self::MediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_request", "The body must be application/json.")
            }
            Self::Body => (
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "The body must be a JSON object with the texts that this takes, such as `email` and `password`.",
            ),
        };
        answer(status, &json!({ "error": code, "message": message }))
    }
}

fn refusal(refused: &Refused, language: Language) -> Response<Bytes> {
    let body = json!({ "error": refused.code(), "message": refused.words(language.texts()) });
    retry_later(answer(refused.status(), &body), refused)
}

pub(super) fn look_into_mail() -> Response<Bytes> {
    answer(StatusCode::ACCEPTED, &json!({ "next": "look_into_mail" }))
}

pub(super) fn nothing() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn answer(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
