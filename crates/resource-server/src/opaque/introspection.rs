//! Asking an authorization server what a token is worth (RFC 7662).

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::{HeaderValue, Response, StatusCode};
use http_io::FetchError;
use jose::Claims;
use oauth_types::{basic_header, bearer_header};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::config_error::ConfigError;
use crate::verifier::asking::{self, Asking};
use crate::{Fault, Invalid, Rejection, Unavailable};

/// How an authorization server is asked what a token is worth (RFC 7662 section 2).
#[derive(Clone, Debug)]
pub struct Introspection {
    pub(crate) issuer: String,
    pub(crate) endpoint: Option<String>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) prefix: String,
    pub(crate) audiences: Vec<String>,
    /// Whether it is Portcullis, whose tokens have a form, and whose key goes nowhere else.
    pub(crate) portcullis: bool,
}

/// How this server authenticates to an introspection endpoint (RFC 7662 section 2.1).
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// A key as Bearer token.
    Bearer(SecretString),
    /// `client_secret_basic` (RFC 6749 section 2.3.1).
    Basic { id: String, secret: SecretString },
}

impl Introspection {
    /// Tokens of this issuer, whose introspection endpoint is found by discovery: the credentials of this server go to whatever https
    /// URL the discovery document names (http on this machine, where the issuer is there). [`endpoint`](Self::endpoint) pins it.
    #[must_use]
    pub fn at_issuer(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            endpoint: None,
            credentials: None,
            prefix: String::new(),
            audiences: Vec::new(),
            portcullis: false,
        }
    }

    pub(crate) fn of_portcullis(issuer: &str, key: SecretString) -> Self {
        Self { portcullis: true, ..Self::at_issuer(issuer).bearer(key).prefix(PORTCULLIS) }
    }

    /// The endpoint is at this URL, and nothing is discovered.
    #[must_use]
    pub fn endpoint(self, url: &str) -> Self {
        Self { endpoint: Some(url.to_owned()), ..self }
    }

    /// This server authenticates by a key, sent as a Bearer token.
    #[must_use]
    pub fn bearer(self, key: SecretString) -> Self {
        Self { credentials: Some(Credentials::Bearer(key)), ..self }
    }

    /// This server authenticates as a client, by `client_secret_basic`.
    #[must_use]
    pub fn basic(self, id: &str, secret: SecretString) -> Self {
        Self { credentials: Some(Credentials::Basic { id: id.to_owned(), secret }), ..self }
    }

    /// Only tokens that start with this are asked about: `mat_`. At most one source is without a prefix.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), ..self }
    }

    /// Tokens whose `aud` has this text, instead of the resource of this server. Several may be given, one of which must be there.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.audiences.push(audience.to_owned());
        self
    }
}

impl Credentials {
    /// The header that authenticates this server.
    pub(crate) fn header(&self) -> Result<HeaderValue, ConfigError> {
        let (what, example, text) = match self {
            Self::Bearer(key) => {
                ("the key of this server", "sak_.., as Portcullis showed it", bearer_header(key))
            }
            Self::Basic { id, secret } => ("the client secret", "s6BhdRkqt3..", basic_header(id, secret)),
        };
        let sound = match self {
            Self::Bearer(key) => {
                let key = key.expose_secret();
                !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic())
            }
            Self::Basic { id, secret } => [id.as_str(), secret.expose_secret()]
                .iter()
                .all(|half| !half.is_empty() && !half.contains(char::is_whitespace)),
        };
        let mut header = HeaderValue::try_from(text)
            .ok()
            .filter(|_| sound)
            .ok_or(ConfigError::Secret { what, example })?;
        header.set_sensitive(true);
        Ok(header)
    }
}

/// Whether Portcullis may have issued this text: 54 bytes in base64url behind the prefix. Each has one text, for nothing is left over.
pub(crate) fn is_of_portcullis(text: &str) -> bool {
    let in_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.strip_prefix(PORTCULLIS).is_some_and(|rest| rest.len() == 72 && rest.bytes().all(in_base64url))
}

/// Asks the endpoint at `url` about a token (RFC 7662 section 2.1).
pub(crate) async fn ask(
    asking: &Asking,
    url: &str,
    authorization: &HeaderValue,
    token: &SecretString,
) -> Result<Response<Bytes>, FetchError> {
    let form = Serializer::new(String::new())
        .append_pair("token", token.expose_secret())
        .append_pair("token_type_hint", "access_token")
        .finish();
    asking.post(url, authorization.clone(), form).await
}

/// What the answer says of a token that is active (RFC 7662 section 2.2). Only `false` says for certain that it is not.
pub(crate) fn read(url: &str, response: &Response<Bytes>) -> Result<Claims, Rejection> {
    if matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(Unavailable::KeyRefused { url: url.to_owned() }.into());
    }
    let unusable = |fault| Unavailable::Asking { url: url.to_owned(), fault };
    let answer = asking::object(response, DOCUMENT).map_err(unusable)?;
    match answer.get("active") {
        Some(Value::Bool(true)) => Ok(Claims::from(answer)),
        Some(Value::Bool(false)) => Err(Invalid::Inactive.into()),
        Some(_) | None => Err(unusable(Fault::Document(DOCUMENT)).into()),
    }
}

const PORTCULLIS: &str = "mat_";
const DOCUMENT: &str = "what introspection says of a token (RFC 7662)";
