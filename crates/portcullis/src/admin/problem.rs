//! Errors of the administration: RFC 9457 problem documents that also carry an OAuth-like `error`.

mod conflict;
mod invalid;

use std::fmt;

use authz_core::{OversightError, PreregisterError, RegisterError, Unavailable};
use bytes::Bytes;
use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use store::{ServerId, StoreError};

pub(super) use self::conflict::{Conflict, Thing};
pub(super) use self::invalid::{Invalid, Member, Rule};
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
    /// This key was used too often.
    TooOften {
        /// Seconds.
        retry_after: i64,
    },
    /// Nothing here.
    NoSuchPath,
    /// Another method is meant; these are possible.
    WrongMethod(String),
    /// The key reads, and this writes.
    ReadsOnly,
    /// The body is no JSON by its own words.
    NotJson,
    /// The request is wrong.
    Invalid(Invalid),
    /// There is none.
    Unknown(Thing),
    /// The resource has been registered before.
    Taken(ServerId),
    /// It cannot be done as things are.
    Conflict(Conflict),
    /// Another request with the same `Idempotency-Key` has not ended.
    StillMaking,
    /// Another request came with the same `Idempotency-Key`.
    OtherRequest,
    /// It is not what `If-Match` says any more.
    Changed,
    /// The store cannot be reached, or others keep writing.
    Unavailable(Unavailable),
}

/// Why a request was not done (RFC 9457).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Document {
    /// A URI of the kind of problem.
    #[serde(rename = "type")]
    kind: &'static str,
    /// What the status means.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What is wrong, for people.
    detail: String,
    error: ErrorName,
    /// Which server has the resource, if it is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    server_id: Option<String>,
}

/// What is wrong, for programs.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ErrorName {
    /// The resource_url belongs to another server; `server_id` names it.
    AlreadyRegistered,
    /// It is not what If-Match says any more.
    Changed,
    /// It cannot be done as things are.
    Conflict,
    /// This Idempotency-Key came with another body before.
    IdempotencyKeyReused,
    /// A request with this Idempotency-Key has not ended yet.
    InProgress,
    /// The key may read, and this changes something.
    InsufficientScope,
    /// The request is wrong.
    InvalidRequest,
    /// There is no such thing.
    NotFound,
    /// The store cannot do this now.
    TemporarilyUnavailable,
    /// Too much was asked.
    TooManyRequests,
    /// There is no admin key, or it opens nothing.
    Unauthorized,
}

impl Problem {
    pub(super) fn response(&self) -> Response<Bytes> {
        let (status, error) = self.code();
        let document = Document {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: self.to_string(),
            error,
            server_id: if let Self::Taken(server) = self { Some(server.to_string()) } else { None },
        };
        let mut response = answer::of_type(status, "application/problem+json", json!(document).to_string());
        match self {
            Self::NoKey => {
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            // RFC 6750 section 3.1
            Self::WrongKey => {
                let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
            Self::TooMany { retry_after } | Self::TooOften { retry_after } => {
                response.headers_mut().insert(RETRY_AFTER, (*retry_after).into());
            }
            Self::ReadsOnly => {
                let challenge = HeaderValue::from_static("Bearer error=\"insufficient_scope\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
            // RFC 9110 section 15.5.6
            Self::WrongMethod(methods) => {
                if let Ok(methods) = HeaderValue::from_str(methods) {
                    response.headers_mut().insert(ALLOW, methods);
                }
            }
            Self::Unavailable(_) | Self::StillMaking => return answer::later(response),
            Self::NoSuchPath
            | Self::NotJson
            | Self::Invalid(_)
            | Self::Unknown(_)
            | Self::Taken(_)
            | Self::Conflict(_)
            | Self::Changed
            | Self::OtherRequest => {}
        }
        response
    }

    /// Whether it is this server's fault.
    pub(super) const fn is_ours(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    const fn code(&self) -> (StatusCode, ErrorName) {
        match self {
            Self::NoKey | Self::WrongKey => (StatusCode::UNAUTHORIZED, ErrorName::Unauthorized),
            Self::TooMany { .. } | Self::TooOften { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, ErrorName::TooManyRequests)
            }
            Self::NoSuchPath | Self::Unknown(_) => (StatusCode::NOT_FOUND, ErrorName::NotFound),
            Self::WrongMethod(_) => (StatusCode::METHOD_NOT_ALLOWED, ErrorName::InvalidRequest),
            Self::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorName::InvalidRequest),
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, ErrorName::InvalidRequest),
            Self::ReadsOnly => (StatusCode::FORBIDDEN, ErrorName::InsufficientScope),
            Self::Taken(_) => (StatusCode::CONFLICT, ErrorName::AlreadyRegistered),
            Self::Conflict(_) => (StatusCode::CONFLICT, ErrorName::Conflict),
            Self::StillMaking => (StatusCode::CONFLICT, ErrorName::InProgress),
            Self::OtherRequest => (StatusCode::UNPROCESSABLE_ENTITY, ErrorName::IdempotencyKeyReused),
            Self::Changed => (StatusCode::PRECONDITION_FAILED, ErrorName::Changed),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, ErrorName::TemporarilyUnavailable),
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
            RegisterError::OutOfReach(_) => Self::Unknown(Thing::Server),
            RegisterError::Unavailable(error) => error.into(),
        }
    }
}

impl Problem {
    /// Why something was not done to a `what`.
    pub(super) fn about(what: Thing) -> impl Fn(OversightError) -> Self {
        move |error| match error {
            OversightError::Unknown | OversightError::Deleted(_) => Self::Unknown(what),
            OversightError::NotNarrowed(_) => Conflict::NotGranted.into(),
            OversightError::NoSecret => Conflict::NoSecret.into(),
            OversightError::Unvouched => Conflict::Unvouched.into(),
            OversightError::Unavailable(error) => Self::Unavailable(error),
        }
    }
}

impl From<PreregisterError> for Problem {
    fn from(error: PreregisterError) -> Self {
        match error {
            PreregisterError::Metadata(error) => Invalid::Metadata(error).into(),
            PreregisterError::ServerUnknown => Member::ServerId.into(),
            PreregisterError::OutOfReach(_) => Self::Unknown(Thing::Client),
            PreregisterError::Unavailable(error) => Self::Unavailable(error),
        }
    }
}

impl From<Conflict> for Problem {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl From<Member> for Problem {
    fn from(member: Member) -> Self {
        Self::Invalid(member.into())
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
            Self::WrongKey => f.write_str("This is no admin key, or one that was withdrawn."),
            Self::ReadsOnly => f.write_str("This admin key may read, and not change anything."),
            Self::TooMany { retry_after } => {
                write!(f, "Too many wrong keys came. Try again in {retry_after} seconds.")
            }
            Self::TooOften { retry_after } => {
                write!(f, "This admin key was used too often. Try again in {retry_after} seconds.")
            }
            Self::NoSuchPath => f.write_str("There is nothing at this path."),
            Self::WrongMethod(methods) => write!(f, "This path takes {methods}."),
            Self::NotJson => f.write_str("The body must be JSON, with Content-Type: application/json."),
            Self::Invalid(invalid) => invalid.fmt(f),
            Self::Unknown(what) => write!(f, "There is no such {what}."),
            Self::Taken(server) => write!(f, "This resource_url is registered already, as {server}."),
            Self::Conflict(why) => write!(f, "{why}."),
            Self::StillMaking => f.write_str(
                "A request with this Idempotency-Key has not ended yet. Try again in a few seconds.",
            ),
            Self::OtherRequest => f.write_str(
                "This Idempotency-Key came with another body before. Each request needs one of its own.",
            ),
            Self::Changed => {
                f.write_str("This has changed since it was read. Read it again, and then change it.")
            }
            Self::Unavailable(_) => f.write_str("The store cannot do this now. Try again in a few seconds."),
        }
    }
}
