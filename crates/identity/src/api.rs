//! `/auth/*`: the same as the forms, in JSON, for a front end of one's own on this origin.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_io::{Peer, has_content_type};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::entry::{Entered, Refused};
use crate::forms::retry_later;
use crate::identity::Identity;

#[derive(Deserialize)]
struct LogIn {
    email: String,
    password: String,
}

#[derive(Deserialize)]
struct SignUp {
    email: String,
    password: String,
    name: Option<String>,
}

impl Identity {
    /// `POST /auth/login`: `email` and `password`; 200 with `user_id`, `email`, `name` and the session's cookie.
    pub(crate) async fn json_log_in(&self, request: &Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let LogIn { email, password } = match self.body(request) {
            Ok(body) => body,
            Err(malformed) => return malformed.response(),
        };
        match self.log_in(request.headers(), peer, &email, &password).await {
            Ok(entered) => {
                let account = &entered.account;
                let body = json!({ "user_id": account.person, "email": account.email, "name": account.name });
                self.with_session(answer(StatusCode::OK, &body), &entered)
            }
            Err(refused) => refusal(&refused),
        }
    }

    /// `POST /auth/signup`: `email`, `password` and perhaps `name`; 201 with `user_id`, `email` and the session's cookie.
    pub(crate) async fn json_sign_up(&self, request: &Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let SignUp { email, password, name } = match self.body(request) {
            Ok(body) => body,
            Err(malformed) => return malformed.response(),
        };
        match self.sign_up(request.headers(), peer, name.as_deref(), &email, &password).await {
            Ok(entered) => {
                let body = json!({ "user_id": entered.account.person, "email": entered.account.email });
                self.with_session(answer(StatusCode::CREATED, &body), &entered)
            }
            Err(refused) => refusal(&refused),
        }
    }

    /// `POST /auth/logout`: 204, logged in or not.
    pub(crate) async fn json_log_out(&self, request: &Request<Bytes>) -> Response<Bytes> {
        // A form always names a type, so a request without one is no form.
        let no_body = request.body().is_empty() && !request.headers().contains_key(header::CONTENT_TYPE);
        if let Err(malformed) = self.comes_from_a_program(request, no_body) {
            return malformed.response();
        }
        let ended = async {
            match self.pages.logged_in(request.headers()).await? {
                Some(session) => self.pages.sessions.end(&session.authentication.session).await,
                None => Ok(()),
            }
        };
        if let Err(error) = ended.await {
            return refusal(&Refused::from(error));
        }
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.headers_mut().append(header::SET_COOKIE, self.pages.cookies.forget_session());
        response
    }

    fn body<T: DeserializeOwned>(&self, request: &Request<Bytes>) -> Result<T, Malformed> {
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

    fn with_session(&self, mut response: Response<Bytes>, entered: &Entered) -> Response<Bytes> {
        response.headers_mut().append(header::SET_COOKIE, self.session_cookie(entered));
        response
    }
}

/// A request that says nothing that could be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Malformed {
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
                "The body must be a JSON object with the texts `email` and `password`.",
            ),
        };
        answer(status, &json!({ "error": code, "message": message }))
    }
}

fn refusal(refused: &Refused) -> Response<Bytes> {
    let body = json!({ "error": refused.code(), "message": refused.words() });
    retry_later(answer(refused.status(), &body), refused)
}

fn answer(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
