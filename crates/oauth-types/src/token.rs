//! The token request and its answer (RFC 6749 sections 4.1.3, 5 and 6).

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::{ErrorCode, Form, OAuthError, Resource, Scope};

/// The client credentials that may come in a body (RFC 6749 section 2.3.1).
#[derive(Clone, Debug, Default)]
pub struct ClientCredentials {
    /// `client_id`, as it came.
    pub client_id: Option<String>,
    /// `client_secret`.
    pub client_secret: Option<SecretString>,
}

impl ClientCredentials {
    /// Takes the first of each. Does NOT refuse repeated parameters: ask [`Form::repeated`].
    #[must_use]
    pub fn from_form(form: &Form) -> Self {
        Self {
            client_id: form.all("client_id").next().map(str::to_owned),
            client_secret: form.all("client_secret").next().map(SecretString::from),
        }
    }
}

/// A token request, by its grant.
#[derive(Clone, Debug)]
pub enum TokenRequest {
    /// `grant_type=authorization_code` (RFC 6749 section 4.1.3).
    AuthorizationCode(CodeRequest),
    /// `grant_type=refresh_token` (RFC 6749 section 6).
    RefreshToken(RefreshRequest),
}

/// A code to redeem.
#[derive(Clone, Debug)]
pub struct CodeRequest {
    /// The code.
    pub code: SecretString,
    /// What OAuth 2.0 clients repeat from the authorization request; compared if sent.
    pub redirect_uri: Option<String>,
    /// `code_verifier`, as it came (RFC 7636 section 4.5).
    pub verifier: Option<SecretString>,
    /// RFC 8707 section 2.2.
    pub resource: Option<Resource>,
}

/// A refresh token to exchange.
#[derive(Clone, Debug)]
pub struct RefreshRequest {
    /// The refresh token.
    pub refresh_token: SecretString,
    /// A narrower scope for the next access token; absent means all that was granted.
    pub scope: Option<Scope>,
    /// RFC 8707 section 2.2.
    pub resource: Option<Resource>,
}

impl TokenRequest {
    /// Reads a token request. Client authentication is not looked at: see [`ClientCredentials`].
    ///
    /// # Errors
    /// `invalid_request` for a repeated or missing parameter, `unsupported_grant_type`, `invalid_scope`, and
    /// `invalid_target` for a malformed `resource` or two different ones. Unknown parameters are ignored.
    pub fn from_form(form: &Form) -> Result<Self, OAuthError> {
        refuse_repeated(form)?;
        match required(form, "grant_type")? {
            "authorization_code" => Ok(Self::AuthorizationCode(CodeRequest {
                code: SecretString::from(required(form, "code")?),
                redirect_uri: form.all("redirect_uri").next().map(str::to_owned),
                verifier: form.all("code_verifier").next().map(SecretString::from),
                resource: the_resource(form)?,
            })),
            "refresh_token" => Ok(Self::RefreshToken(RefreshRequest {
                refresh_token: SecretString::from(required(form, "refresh_token")?),
                scope: form
                    .all("scope")
                    .next()
                    .map(Scope::parse)
                    .transpose()
                    .map_err(|error| OAuthError::new(ErrorCode::InvalidScope, error.to_string()))?,
                resource: the_resource(form)?,
            })),
            _ => Err(OAuthError::new(
                ErrorCode::UnsupportedGrantType,
                "grant_type is authorization_code or refresh_token",
            )),
        }
    }
}

/// The type of an access token (RFC 6749 section 7.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenType {
    /// RFC 6750.
    #[default]
    Bearer,
}

impl TokenType {
    /// The text on the wire; it is read without regard to case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
        }
    }
}

/// A successful answer of the token endpoint (RFC 6749 section 5.1).
///
/// It has no `Serialize`: the tokens leave through [`to_json`](Self::to_json) only.
#[derive(Clone, Debug)]
pub struct TokenResponse {
    /// The access token.
    pub access_token: SecretString,
    /// How to use it.
    pub token_type: TokenType,
    /// Seconds until it expires, counted from now.
    pub expires_in: i64,
    /// The next refresh token, if there is one.
    pub refresh_token: Option<SecretString>,
    /// What the access token reaches.
    pub scope: Scope,
}

/// A body that is not a token response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedTokenResponse {
    /// Not a JSON object with the members of RFC 6749 section 5.1; `expires_in` is required here.
    #[error("not a token response")]
    Shape,
    /// A token type other than Bearer.
    #[error("the token type is not Bearer")]
    TokenType,
}

impl TokenResponse {
    /// The JSON body, secrets included.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut object = serde_json::Map::new();
        object.insert("access_token".to_owned(), self.access_token.expose_secret().into());
        object.insert("token_type".to_owned(), self.token_type.as_str().into());
        object.insert("expires_in".to_owned(), self.expires_in.into());
        if let Some(refresh_token) = &self.refresh_token {
            object.insert("refresh_token".to_owned(), refresh_token.expose_secret().into());
        }
        object.insert("scope".to_owned(), self.scope.as_str().into());
        serde_json::Value::Object(object).to_string().into_bytes()
    }

    /// Reads a JSON body, for clients. An absent `scope` is read as empty, and means the scope asked for
    /// (RFC 6749 section 5.1).
    ///
    /// # Errors
    /// [`MalformedTokenResponse`], which says nothing of the body: it may hold tokens.
    pub fn from_json(body: &[u8]) -> Result<Self, MalformedTokenResponse> {
        #[derive(Deserialize)]
        struct Wire {
            access_token: String,
            token_type: String,
            expires_in: i64,
            refresh_token: Option<String>,
            #[serde(default)]
            scope: Scope,
        }
        let wire: Wire = serde_json::from_slice(body).map_err(|_| MalformedTokenResponse::Shape)?;
        if !wire.token_type.eq_ignore_ascii_case(TokenType::Bearer.as_str()) {
            return Err(MalformedTokenResponse::TokenType);
        }
        Ok(Self {
            access_token: wire.access_token.into(),
            token_type: TokenType::Bearer,
            expires_in: wire.expires_in,
            refresh_token: wire.refresh_token.map(SecretString::from),
            scope: wire.scope,
        })
    }
}

/// `invalid_request` if a parameter occurs twice (RFC 6749 section 3.2).
pub(crate) fn refuse_repeated(form: &Form) -> Result<(), OAuthError> {
    match form.repeated() {
        Some(name) => Err(OAuthError::new(
            ErrorCode::InvalidRequest,
            format!("the parameter {} occurs more than once", shortened(name)),
        )),
        None => Ok(()),
    }
}

/// The value of a parameter that has to be there.
pub(crate) fn required<'a>(form: &'a Form, name: &'a str) -> Result<&'a str, OAuthError> {
    form.all(name)
        .next()
        .ok_or_else(|| OAuthError::new(ErrorCode::InvalidRequest, format!("the parameter {name} is missing")))
}

/// One grant has one resource: naming it twice is fine, naming two is not.
fn the_resource(form: &Form) -> Result<Option<Resource>, OAuthError> {
    let mut first: Option<Resource> = None;
    for text in form.all("resource") {
        let resource = Resource::parse(text)
            .map_err(|error| OAuthError::new(ErrorCode::InvalidTarget, error.to_string()))?;
        match &first {
            None => first = Some(resource),
            Some(first) if first.names_same(&resource) => {}
            Some(_) => {
                return Err(OAuthError::new(ErrorCode::InvalidTarget, "a token is for one resource only"));
            }
        }
    }
    Ok(first)
}

/// A name comes from the other side and may be as long as the body.
fn shortened(name: &str) -> String {
    name.chars().take(64).collect()
}
