//! What somebody who is not let through is told (RS-6 to RS-9, RS-14, RS-20).

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use oauth_types::{Challenge, ErrorCode, OAuthError, Scope};
use serde_json::{Map, Value, json};

use crate::Invalid;
use crate::cors::Foreign;
use crate::step_up::Demanded;
use crate::tools::Unreadable;

/// What the body of a refusal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorBody {
    /// A JSON-RPC 2.0 error without id, as MCP clients read: `{"jsonrpc":"2.0","id":null,"error":{"code":-32001,…}}`.
    #[default]
    JsonRpc,
    /// `{"error":…,"error_description":…}` (RFC 6749 section 5.2), for what is no MCP endpoint.
    OAuth,
}

/// An answer that can be given any number of times.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    challenge: Option<HeaderValue>,
    retry_after: Option<u64>,
    body: Bytes,
    /// What the log calls it.
    code: &'static str,
}

impl Answer {
    /// The same, with a cause that the log names and the body does not: it is the operator's alone.
    pub(crate) fn because(&self, code: &'static str) -> Self {
        Self { code, ..self.clone() }
    }

    /// What goes out, and is logged so: nothing of the token is in it.
    pub(crate) fn response(&self) -> Response<Bytes> {
        tracing::debug!(code = self.code, status = self.status.as_u16(), "a request is refused");
        let mut response = Response::new(self.body.clone());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = &self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, challenge.clone());
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Writes answers for one resource.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    /// The path-inserted URL of the metadata, which works whatever the client makes of it (BC-8).
    pub(crate) metadata_url: String,
    pub(crate) body: ErrorBody,
}

/// What a body says.
struct Said<'a> {
    /// Of the error (JSON-RPC 2.0 section 5.1).
    code: i32,
    class: &'static str,
    sentence: &'a str,
    error: Option<ErrorCode>,
    reason: &'static str,
}

/// Why the log says that somebody without credentials is not let in as nobody: the request came by a name that is not this server's.
pub(crate) const HOST_NOT_KNOWN: &str = "host_not_known";
/// The same: the body is longer than what is read of nobody.
pub(crate) const ANONYMOUS_BODY_TOO_LARGE: &str = "anonymous_body_too_large";
/// Whatever is refused before it is read as JSON-RPC. -32000 to -32099 are the server's own, of which MCP has -32020 and below.
const REFUSED: i32 = -32001;
/// JSON-RPC 2.0 section 5.1: "Parse error".
const NOT_JSON: i32 = -32700;
/// JSON-RPC 2.0 section 5.1: "Invalid Request".
const NOT_A_REQUEST: i32 = -32600;
/// JSON-RPC 2.0 section 5.1: "Invalid params".
const NOT_PARAMS: i32 = -32602;

impl Answers {
    /// 401 for somebody who shows nothing: no `error`, for there is none (RS-7).
    pub(crate) fn no_credentials(&self, needed: &Scope) -> Answer {
        let said = Said {
            code: REFUSED,
            class: "Unauthorized",
            sentence: "a bearer token is required",
            error: None,
            reason: "credentials_missing",
        };
        let challenge = Challenge::bearer().resource_metadata(&self.metadata_url).scope(needed);
        self.answer(StatusCode::UNAUTHORIZED, Some(&challenge), &said)
    }

    /// 401 for a token that is certainly not good.
    pub(crate) fn invalid(&self, invalid: &Invalid, needed: &Scope) -> Answer {
        let said = Said {
            code: REFUSED,
            class: "Unauthorized",
            sentence: &invalid.to_string(),
            error: Some(ErrorCode::InvalidToken),
            reason: invalid.code(),
        };
        self.answer(StatusCode::UNAUTHORIZED, Some(&self.challenge(&said).scope(needed)), &said)
    }

    /// 403 for a token that does not reach this far: `scope` is all that the operation needs (RS-8).
    pub(crate) fn insufficient(&self, scope: &Scope) -> Answer {
        let said = Said {
            code: REFUSED,
            class: "Forbidden",
            sentence: "the token lacks a scope that this operation needs",
            error: Some(ErrorCode::InsufficientScope),
            reason: "scope_missing",
        };
        self.answer(StatusCode::FORBIDDEN, Some(&self.challenge(&said).scope(scope)), &said)
    }

    /// 401 for a token whose person proved too weakly, or too long ago, who they are (RFC 9470 section 3). `scope` is all that the operation
    /// needs: a token that meets the rest alone would be refused for it.
    pub(crate) fn step_up(&self, demanded: &Demanded, scope: &Scope) -> Answer {
        let said = Said {
            code: REFUSED,
            class: "Unauthorized",
            sentence: "this operation needs a stronger or a newer log-in",
            error: Some(ErrorCode::InsufficientUserAuthentication),
            reason: "authentication_insufficient",
        };
        let challenge = self.challenge(&said).scope(scope);
        let challenge = challenge.acr_values(demanded.acr_values().unwrap_or_default());
        let challenge = match demanded.max_age() {
            Some(seconds) => challenge.max_age(seconds),
            None => challenge,
        };
        self.answer(StatusCode::UNAUTHORIZED, Some(&challenge), &said)
    }

    /// 400 for an `Authorization` that nobody can read.
    pub(crate) fn malformed(&self, needed: &Scope) -> Answer {
        let said = Said {
            code: REFUSED,
            class: "Bad request",
            sentence: "there must be one Authorization header, with one bearer token",
            error: Some(ErrorCode::InvalidRequest),
            reason: "credentials_malformed",
        };
        self.answer(StatusCode::BAD_REQUEST, Some(&self.challenge(&said).scope(needed)), &said)
    }

    /// 503: nobody can tell now. A challenge would make clients throw a good token away.
    pub(crate) fn unavailable(&self, retry_after: u64) -> Answer {
        let said = Said {
            code: REFUSED,
            class: "Unavailable",
            sentence: "tokens cannot be checked at the moment, try again in a few seconds",
            error: Some(ErrorCode::TemporarilyUnavailable),
            reason: "check_unavailable",
        };
        let answer = self.answer(StatusCode::SERVICE_UNAVAILABLE, None, &said);
        Answer { retry_after: Some(retry_after), ..answer }
    }

    /// 403 for a page that may not call; no token would change that (RS-15).
    pub(crate) fn foreign(&self, foreign: Foreign) -> Answer {
        let (sentence, reason) = match foreign {
            Foreign::Origin => ("this origin may not call here", "origin_not_allowed"),
            Foreign::Host => ("this server is not known by that name", "host_not_allowed"),
        };
        let error = Some(ErrorCode::AccessDenied);
        let said = Said { code: REFUSED, class: "Forbidden", sentence, error, reason };
        self.answer(StatusCode::FORBIDDEN, None, &said)
    }

    /// 400 for a body that cannot be read in one way alone.
    pub(crate) fn unreadable(&self, unreadable: Unreadable) -> Answer {
        let (code, sentence) = match unreadable {
            Unreadable::Json => (NOT_JSON, "the body is not JSON in UTF-8"),
            Unreadable::Message => {
                (NOT_A_REQUEST, "the body is no JSON-RPC message that can be read in one way only")
            }
            Unreadable::Call => (NOT_PARAMS, "tools/call needs one name of one tool in its params"),
        };
        self.answer(StatusCode::BAD_REQUEST, None, &body_fault(code, sentence, "body_unreadable"))
    }

    /// 415 for a body that is compressed: what is checked must be what is read behind.
    pub(crate) fn encoded(&self) -> Answer {
        let said = body_fault(REFUSED, "send the body without Content-Encoding", "body_encoded");
        self.answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, None, &said)
    }

    /// 413 for a body that is longer than `limit` bytes.
    pub(crate) fn too_large(&self, limit: usize) -> Answer {
        let sentence = format!("the body is longer than {limit} bytes");
        self.answer(StatusCode::PAYLOAD_TOO_LARGE, None, &body_fault(REFUSED, &sentence, "body_too_large"))
    }

    /// 408 for a body that is not there after `deadline` (RFC 9110 section 15.5.9).
    pub(crate) fn too_slow(&self, deadline: Duration) -> Answer {
        let sentence = format!("the body was not there after {} seconds", deadline.as_secs());
        self.answer(StatusCode::REQUEST_TIMEOUT, None, &body_fault(REFUSED, &sentence, "body_too_slow"))
    }

    /// 503: bodies of others take all the memory that there is for bodies.
    pub(crate) fn too_many_bodies(&self, retry_after: u64) -> Answer {
        let said = Said {
            code: REFUSED,
            class: "Unavailable",
            sentence: "too much is sent at the moment, try again in a few seconds",
            error: Some(ErrorCode::TemporarilyUnavailable),
            reason: "too_many_bodies",
        };
        let answer = self.answer(StatusCode::SERVICE_UNAVAILABLE, None, &said);
        Answer { retry_after: Some(retry_after), ..answer }
    }

    /// 400 for a body that ends before its end.
    pub(crate) fn broken_off(&self) -> Answer {
        let said = body_fault(NOT_JSON, "the body broke off", "body_broken_off");
        self.answer(StatusCode::BAD_REQUEST, None, &said)
    }

    /// 400 for what would not stay HTTP: the calls of tools in it could not be checked.
    pub(crate) fn upgrade(&self) -> Answer {
        let sentence = "this server speaks HTTP only: send the request without Upgrade, and not as CONNECT";
        self.answer(StatusCode::BAD_REQUEST, None, &body_fault(REFUSED, sentence, "upgrade_refused"))
    }

    fn challenge(&self, said: &Said<'_>) -> Challenge {
        let bearer = said.error.map_or_else(Challenge::bearer, |error| Challenge::bearer().error(error));
        bearer.description(said.sentence).resource_metadata(&self.metadata_url)
    }

    fn answer(&self, status: StatusCode, challenge: Option<&Challenge>, said: &Said<'_>) -> Answer {
        let challenge = challenge.and_then(|challenge| HeaderValue::from_str(&challenge.to_string()).ok());
        let body = match self.body {
            ErrorBody::JsonRpc => said.json_rpc(),
            ErrorBody::OAuth => said.oauth(),
        };
        Answer { status, challenge, retry_after: None, body: body.into(), code: said.reason }
    }
}

fn body_fault<'a>(code: i32, sentence: &'a str, reason: &'static str) -> Said<'a> {
    Said { code, class: "Bad request", sentence, error: Some(ErrorCode::InvalidRequest), reason }
}

impl Said<'_> {
    fn json_rpc(&self) -> Vec<u8> {
        let mut data = Map::new();
        data.extend(self.error.map(|error| ("error".to_owned(), error.as_str().into())));
        data.insert("reason".to_owned(), self.reason.into());
        let message = format!("{}: {}", self.class, self.sentence);
        let error = json!({ "code": self.code, "message": message, "data": Value::Object(data) });
        json!({ "jsonrpc": "2.0", "id": null, "error": error }).to_string().into_bytes()
    }

    fn oauth(&self) -> Vec<u8> {
        match self.error {
            Some(error) => OAuthError::new(error, self.sentence).to_json(),
            None => json!({ "error_description": self.sentence }).to_string().into_bytes(),
        }
    }
}
