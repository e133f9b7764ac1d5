//! Errors of the administration: RFC 9457 problem documents that also carry an OAuth-like `error`.

use std::fmt;

use authz_core::{RegisterError, Unavailable};
use bytes::Bytes;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use oauth_types::ResourceError;
use serde_json::{Value, json};
use store::{ServerId, StoreError};

use crate::answer;

/// Why a request to the administration was refused.
#[derive(Debug)]
pub(super) enum Problem {
    /// No admin key.
    NoKey,
    /// Another key than the admin key.
    WrongKey,
    /// Too many wrong keys from this address.
    TooMany {
        /// Seconds.
        retry_after: i64,
    },
    /// Nothing here.
    NoSuchPath,
    /// Another method is meant; these are possible.
    WrongMethod(&'static str),
    /// The body is no JSON by its own words.
    NotJson,
    /// The request is wrong.
    Invalid(Invalid),
    /// No such server or client.
    Unknown(&'static str),
    /// The resource has been registered before.
    Taken(ServerId),
    /// The store cannot be reached, or others keep writing.
    Unavailable(Unavailable),
}

/// What is wrong with a request.
#[derive(Debug)]
pub(super) enum Invalid {
    /// The body does not parse.
    Body(serde_json::Error),
    /// A member breaks its rule.
    Member {
        /// Which.
        member: &'static str,
        /// The rule.
        rule: &'static str,
    },
    /// The resource is not one.
    Resource(ResourceError),
    /// The resource is http and not on this machine.
    InsecureResource,
    /// A scope of this name is no scope token, or it is there twice.
    ScopeName(String),
    /// A scope includes one that does not exist.
    Implied {
        /// The one that includes.
        scope: String,
        /// The one that is missing.
        missing: String,
    },
    /// A parameter of the query is wrong.
    Query(&'static str),
}

impl Problem {
    pub(super) fn response(&self) -> Response<Bytes> {
        let (status, error) = self.code();
        let mut document = json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or_default(),
            "status": status.as_u16(),
            "detail": self.to_string(),
            "error": error,
        });
        if let (Self::Taken(server), Value::Object(members)) = (self, &mut document) {
            members.insert("server_id".to_owned(), server.to_string().into());
        }
        let mut response = answer::of_type(status, "application/problem+json", document.to_string());
        match self {
            Self::NoKey => {
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            // RFC 6750 section 3.1
            Self::WrongKey => {
                let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
            Self::TooMany { retry_after } => {
                response.headers_mut().insert(RETRY_AFTER, (*retry_after).into());
            }
            Self::WrongMethod(methods) => return answer::allowing(response, methods),
            Self::Unavailable(_) => return answer::later(response),
            Self::NoSuchPath | Self::NotJson | Self::Invalid(_) | Self::Unknown(_) | Self::Taken(_) => {}
        }
        response
    }

    const fn code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoKey | Self::WrongKey => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"),
            Self::NoSuchPath | Self::Unknown(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::WrongMethod(_) => (StatusCode::METHOD_NOT_ALLOWED, "invalid_request"),
            Self::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_request"),
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Taken(_) => (StatusCode::CONFLICT, "already_registered"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::ResourceTaken(server) => Self::Taken(server),
            RegisterError::Unavailable(error) => error.into(),
        }
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => f.write_str("This needs the admin key, as Authorization: Bearer."),
            Self::WrongKey => f.write_str("This is not the admin key."),
            Self::TooMany { retry_after } => {
                write!(f, "Too many wrong keys came from your address. Try again in {retry_after} seconds.")
            }
            Self::NoSuchPath => f.write_str("There is nothing at this path."),
            Self::WrongMethod(methods) => write!(f, "This path takes {methods}."),
            Self::NotJson => f.write_str("The body must be JSON, with Content-Type: application/json."),
            Self::Invalid(invalid) => invalid.fmt(f),
            Self::Unknown(what) => write!(f, "There is no such {what}."),
            Self::Taken(server) => write!(f, "This resource_url is registered already, as {server}."),
            Self::Unavailable(_) => f.write_str("The store cannot do this now. Try again in a few seconds."),
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(error) => write!(f, "The body cannot be read: {error}."),
            Self::Member { member, rule } => write!(f, "{member} {rule}."),
            Self::Resource(error) => write!(f, "resource_url cannot be used: {error}."),
            Self::InsecureResource => {
                f.write_str("resource_url must be https, or http on 127.0.0.1, [::1] or localhost.")
            }
            Self::ScopeName(name) => write!(
                f,
                "scopes has {name:?}, which is there twice or is no scope: printable ASCII without spaces, quotes and \
                 backslashes, at most 200 characters."
            ),
            Self::Implied { scope, missing } => {
                write!(f, "scopes: {scope:?} implies {missing:?}, which is not one of the scopes.")
            }
            Self::Query(rule) => write!(f, "{rule}."),
        }
    }
}
