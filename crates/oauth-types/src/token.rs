//! The token request and its answer (RFC 6749 sections 4.1.3, 5 and 6).

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::metadata::or_default;
use crate::{ErrorCode, Form, OAuthError, Scope};

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
    /// RFC 8707 section 2.2, as it came: what is wrong with it is told to a client that has proved who it is.
    pub resource: Vec<String>,
}

/// A refresh token to exchange.
#[derive(Clone, Debug)]
pub struct RefreshRequest {
    /// The refresh token.
    pub refresh_token: SecretString,
    /// A narrower scope for the next access token, as it came; absent means all that was granted.
    pub scope: Option<String>,
    /// RFC 8707 section 2.2, as it came.
    pub resource: Vec<String>,
}

impl TokenRequest {
    /// Reads a token request. Client authentication is not looked at: see [`ClientCredentials`].
    ///
    /// # Errors
    /// `invalid_request` for a repeated or missing parameter, and `unsupported_grant_type`. Unknown parameters are ignored.
    pub fn from_form(form: &Form) -> Result<Self, OAuthError> {
        refuse_repeated(form)?;
        match required(form, "grant_type")? {
            "authorization_code" => Ok(Self::AuthorizationCode(CodeRequest {
                code: SecretString::from(required(form, "code")?),
                redirect_uri: form.all("redirect_uri").next().map(str::to_owned),
                verifier: form.all("code_verifier").next().map(SecretString::from),
                resource: form.all("resource").map(str::to_owned).collect(),
            })),
            "refresh_token" => Ok(Self::RefreshToken(RefreshRequest {
                refresh_token: SecretString::from(required(form, "refresh_token")?),
                scope: form.all("scope").next().map(str::to_owned),
                resource: form.all("resource").map(str::to_owned).collect(),
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
            #[serde(default, deserialize_with = "or_default")]
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

/// A name comes from the other side and may be as long as the body.
fn shortened(name: &str) -> String {
    name.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        Form::parse(text.as_bytes()).unwrap()
    }

    fn read(text: &str) -> Result<TokenRequest, OAuthError> {
        TokenRequest::from_form(&form(text))
    }

    fn refused(text: &str) -> (ErrorCode, String) {
        let error = read(text).unwrap_err();
        (error.error, error.error_description.unwrap_or_default())
    }

    /// RFC 6749 section 4.1.3, BC-5.
    #[test]
    fn a_code_request_is_read_with_what_it_has() {
        let Ok(TokenRequest::AuthorizationCode(request)) = read(
            "grant_type=authorization_code&code=SplxlOBeZQQYbYS6WxSbIA&redirect_uri=https%3A%2F%2Fa.example%2Fcb\
             &code_verifier=dBjftJeZ4CVP&resource=https%3A%2F%2Fmcp.example.com%2Fmcp&client_id=x&unknown=1",
        ) else {
            panic!("not a code request")
        };
        assert_eq!(request.code.expose_secret(), "SplxlOBeZQQYbYS6WxSbIA");
        assert_eq!(request.redirect_uri.as_deref(), Some("https://a.example/cb"));
        assert_eq!(request.verifier.unwrap().expose_secret(), "dBjftJeZ4CVP");
        assert_eq!(request.resource, ["https://mcp.example.com/mcp"]);

        let Ok(TokenRequest::AuthorizationCode(bare)) = read("grant_type=authorization_code&code=a") else {
            panic!("not a code request")
        };
        assert!(bare.redirect_uri.is_none() && bare.verifier.is_none() && bare.resource.is_empty());
    }

    /// RFC 6749 section 6.
    #[test]
    fn a_refresh_request_is_read_with_what_it_has() {
        let Ok(TokenRequest::RefreshToken(request)) =
            read("grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA&scope=b+a")
        else {
            panic!("not a refresh request")
        };
        assert_eq!(request.refresh_token.expose_secret(), "tGzv3JOkF0XG5Qx2TlKWIA");
        assert_eq!(request.scope.as_deref(), Some("b a"));
        assert!(request.resource.is_empty());
    }

    /// AS-29, AS-34.
    #[test]
    fn a_missing_or_repeated_parameter_is_named() {
        for (text, name) in [
            ("", "grant_type"),
            ("grant_type=&code=a", "grant_type"),
            ("grant_type=authorization_code", "code"),
            ("grant_type=authorization_code&code=", "code"),
            ("grant_type=refresh_token&code=a", "refresh_token"),
        ] {
            assert_eq!(
                refused(text),
                (ErrorCode::InvalidRequest, format!("the parameter {name} is missing"))
            );
        }
        let (code, description) = refused("grant_type=authorization_code&code=a&code=a");
        assert_eq!(
            (code, description.as_str()),
            (ErrorCode::InvalidRequest, "the parameter code occurs more than once")
        );
        let long = "x".repeat(9999);
        assert!(refused(&format!("{long}=1&{long}=2")).1.len() < 200);
    }

    #[test]
    fn an_unknown_grant_has_a_code_of_its_own() {
        assert_eq!(refused("grant_type=password&username=a").0, ErrorCode::UnsupportedGrantType);
    }

    /// A replayed token must be found out before anybody complains of the parameters beside it.
    #[test]
    fn scope_and_resource_are_kept_as_they_came() {
        let text = "grant_type=refresh_token&refresh_token=a&scope=%22&resource=ftp://x&resource=y";
        let Ok(TokenRequest::RefreshToken(request)) = read(text) else { panic!("not a refresh request") };
        assert_eq!(request.scope.as_deref(), Some("\""));
        assert_eq!(request.resource, ["ftp://x", "y"]);
    }

    /// RFC 6749 section 5.1, AS-33.
    #[test]
    fn the_answer_is_written_and_read_back() {
        let response = TokenResponse {
            access_token: SecretString::from("mat_a"),
            token_type: TokenType::Bearer,
            expires_in: 3600,
            refresh_token: None,
            scope: Scope::parse("b a").unwrap(),
        };
        let body = response.to_json();
        assert_eq!(
            body,
            br#"{"access_token":"mat_a","expires_in":3600,"scope":"a b","token_type":"Bearer"}"#
        );
        assert_eq!(TokenResponse::from_json(&body).unwrap().to_json(), body);
        assert!(!format!("{response:?}").contains("mat_a"));
    }

    #[test]
    fn the_answer_of_somebody_else_is_read_within_the_rfc() {
        let read = |body: &str| TokenResponse::from_json(body.as_bytes());
        let plain = read(r#"{"access_token":"a","token_type":"bearer","expires_in":1,"x":[]}"#).unwrap();
        assert!(plain.scope.is_empty() && plain.refresh_token.is_none());
        let other = read(r#"{"access_token":"a","token_type":"DPoP","expires_in":1}"#).unwrap_err();
        assert_eq!(other, MalformedTokenResponse::TokenType);
        for body in ["", "[]", "{}", r#"{"access_token":1,"token_type":"Bearer","expires_in":1}"#] {
            assert_eq!(read(body).unwrap_err(), MalformedTokenResponse::Shape, "{body}");
        }
    }

    #[test]
    fn client_credentials_are_optional_and_the_secret_stays_hidden() {
        let form = Form::parse(b"client_id=a&client_secret=hush").unwrap();
        let credentials = ClientCredentials::from_form(&form);
        assert_eq!(credentials.client_id.as_deref(), Some("a"));
        assert!(!format!("{credentials:?}").contains("hush"));
        assert!(ClientCredentials::from_form(&Form::default()).client_secret.is_none());
    }
}
