//! The authorization request and its answer (RFC 6749 section 4.1, RFC 9207).

use form_urlencoded::Serializer as Query;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{ErrorCode, Form, Issuer, IssuerError, OAuthError, RedirectUri, Repeated};

/// The parameters of an authorization request as they came, nothing checked.
///
/// The server checks them in stages: until the client and its redirect URI are known, an error may not be redirected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizationRequest {
    /// RFC 6749 section 3.1.1.
    pub response_type: Option<String>,
    /// RFC 6749 section 2.2.
    pub client_id: Option<String>,
    /// RFC 6749 section 3.1.2.
    pub redirect_uri: Option<String>,
    /// RFC 6749 section 3.3.
    pub scope: Option<String>,
    /// RFC 6749 section 4.1.1.
    pub state: Option<String>,
    /// RFC 7636 section 4.3.
    pub code_challenge: Option<String>,
    /// RFC 7636 section 4.3.
    pub code_challenge_method: Option<String>,
    /// OpenID Connect Core 3.1.2.1.
    pub prompt: Option<String>,
    /// OpenID Connect Core 3.1.2.1, seconds.
    pub max_age: Option<String>,
    /// OpenID Connect Core 3.1.2.1.
    pub login_hint: Option<String>,
    /// OpenID Connect Core 3.1.2.1.
    pub acr_values: Option<String>,
    /// OAuth 2.0 Multiple Response Types section 2.1.
    pub response_mode: Option<String>,
    /// RFC 8707 section 2; the only one that may repeat.
    pub resource: Vec<String>,
}

impl AuthorizationRequest {
    /// Takes the parameters it knows; an empty one is absent, and of a repeated one the first is taken.
    ///
    /// Does NOT refuse repeated parameters: ask [`Form::repeated`].
    #[must_use]
    pub fn from_form(form: &Form) -> Self {
        let first = |name| form.all(name).next().map(str::to_owned);
        Self {
            response_type: first("response_type"),
            client_id: first("client_id"),
            redirect_uri: first("redirect_uri"),
            scope: first("scope"),
            state: first("state"),
            code_challenge: first("code_challenge"),
            code_challenge_method: first("code_challenge_method"),
            prompt: first("prompt"),
            max_age: first("max_age"),
            login_hint: first("login_hint"),
            acr_values: first("acr_values"),
            response_mode: first("response_mode"),
            resource: form.all("resource").map(str::to_owned).collect(),
        }
    }

    /// The query, without a question mark, that [`from_form`](Self::from_form) reads back to this.
    #[must_use]
    pub fn to_query(&self) -> String {
        let mut query = Query::new(String::new());
        for (name, value) in [
            ("response_type", &self.response_type),
            ("client_id", &self.client_id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", &self.scope),
            ("state", &self.state),
            ("code_challenge", &self.code_challenge),
            ("code_challenge_method", &self.code_challenge_method),
            ("prompt", &self.prompt),
            ("max_age", &self.max_age),
            ("login_hint", &self.login_hint),
            ("acr_values", &self.acr_values),
            ("response_mode", &self.response_mode),
        ] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        for resource in &self.resource {
            query.append_pair("resource", resource);
        }
        query.finish()
    }
}

/// The answer that travels back through the browser (RFC 6749 sections 4.1.2 and 4.1.2.1). `iss` is always there (RFC 9207).
#[derive(Clone, Debug)]
pub enum AuthorizationResponse {
    /// The person agreed.
    Code {
        /// To be redeemed at the token endpoint.
        code: SecretString,
        /// Echoed byte for byte.
        state: Option<String>,
        /// Who answers.
        iss: Issuer,
    },
    /// It did not come to that.
    Error {
        /// Why.
        error: OAuthError,
        /// Echoed byte for byte.
        state: Option<String>,
        /// Who answers.
        iss: Issuer,
    },
}

/// Why a callback is no answer of an authorization server. A client that sees one stops, and shows nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// A parameter occurs twice.
    #[error(transparent)]
    Repeated(#[from] Repeated),
    /// No `iss`: the answer might be another server's (RFC 9207 section 2.4).
    #[error("the answer does not say which issuer it is from")]
    NoIssuer,
    /// `iss` is not an issuer identifier.
    #[error("the issuer of the answer is malformed: {0}")]
    Issuer(#[from] IssuerError),
    /// Not exactly one of `code` and `error`.
    #[error("the answer has to have either a code or an error")]
    NeitherOrBoth,
    /// An `error` that is not registered.
    #[error("the answer has an error code that is not known")]
    UnknownError,
}

impl AuthorizationResponse {
    /// The URI to redirect to: the answer added to the query of `redirect_uri`.
    #[must_use]
    pub fn to_uri(&self, redirect_uri: &RedirectUri) -> String {
        let mut pairs = Vec::with_capacity(4);
        let (state, iss) = match self {
            Self::Code { code, state, iss } => {
                pairs.push(("code", code.expose_secret()));
                (state, iss)
            }
            Self::Error { error, state, iss } => {
                pairs.push(("error", error.error.as_str()));
                if let Some(text) = &error.error_description {
                    pairs.push(("error_description", text));
                }
                (state, iss)
            }
        };
        if let Some(state) = state {
            pairs.push(("state", state));
        }
        pairs.push(("iss", iss.as_str()));
        redirect_uri.with_query(&pairs)
    }

    /// Reads the query of a callback, for clients.
    ///
    /// Does NOT compare `iss` with the issuer that was asked, nor `state` with the one sent: the client does, first.
    ///
    /// # Errors
    /// [`ResponseError`] if this is no answer at all.
    pub fn from_query(form: &Form) -> Result<Self, ResponseError> {
        if let Some(name) = form.repeated() {
            return Err(Repeated(name.to_owned()).into());
        }
        let iss = Issuer::parse(form.one("iss")?.ok_or(ResponseError::NoIssuer)?)?;
        let state = form.one("state")?.map(str::to_owned);
        match (form.one("code")?, form.one("error")?) {
            (Some(code), None) => Ok(Self::Code { code: SecretString::from(code), state, iss }),
            (None, Some(error)) => {
                let error: ErrorCode = error.parse().map_err(|_| ResponseError::UnknownError)?;
                let error = OAuthError::new(error, form.one("error_description")?.unwrap_or_default());
                Ok(Self::Error { error, state, iss })
            }
            (Some(_), Some(_)) | (None, None) => Err(ResponseError::NeitherOrBoth),
        }
    }

    /// Who answers.
    #[must_use]
    pub fn iss(&self) -> &Issuer {
        match self {
            Self::Code { iss, .. } | Self::Error { iss, .. } => iss,
        }
    }

    /// What the client sent as `state`.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        match self {
            Self::Code { state, .. } | Self::Error { state, .. } => state.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        Form::parse(text.as_bytes()).unwrap()
    }

    fn iss() -> Issuer {
        Issuer::parse("https://auth.example.com").unwrap()
    }

    #[test]
    fn a_request_is_read_as_it_came() {
        let request = AuthorizationRequest::from_form(&form(
            "response_type=code&client_id=s6BhdRkqt3&state=xyz%20%26&scope=a+b&prompt=&unknown=1\
             &resource=https%3A%2F%2Fa.example&resource=https%3A%2F%2Fb.example",
        ));
        let expected = AuthorizationRequest {
            response_type: Some("code".to_owned()),
            client_id: Some("s6BhdRkqt3".to_owned()),
            state: Some("xyz &".to_owned()),
            scope: Some("a b".to_owned()),
            resource: vec!["https://a.example".to_owned(), "https://b.example".to_owned()],
            ..AuthorizationRequest::default()
        };
        assert_eq!(request, expected);
        assert_eq!(AuthorizationRequest::from_form(&form(&request.to_query())), request);
    }

    #[test]
    fn of_a_repeated_parameter_the_first_is_taken() {
        let request = AuthorizationRequest::from_form(&form("state=one&state=two"));
        assert_eq!(request.state.as_deref(), Some("one"));
    }

    /// RFC 6749 section 4.1.2, AS-17, AS-18.
    #[test]
    fn a_code_travels_with_state_and_issuer() {
        let redirect_uri = RedirectUri::parse("https://client.example.com/cb?x=1").unwrap();
        let response = AuthorizationResponse::Code {
            code: SecretString::from("SplxlOBeZQQYbYS6WxSbIA"),
            state: Some("x y&z".to_owned()),
            iss: iss(),
        };
        assert_eq!(
            response.to_uri(&redirect_uri),
            "https://client.example.com/cb?x=1&code=SplxlOBeZQQYbYS6WxSbIA&state=x+y%26z\
             &iss=https%3A%2F%2Fauth.example.com"
        );
        assert!(!format!("{response:?}").contains("Splx"));
    }

    /// RFC 6749 section 4.1.2.1, AS-18, AS-19.
    #[test]
    fn an_error_travels_with_state_and_issuer_too() {
        let redirect_uri = RedirectUri::parse("com.example.app:/cb").unwrap();
        let response = AuthorizationResponse::Error {
            error: OAuthError::new(ErrorCode::AccessDenied, "No."),
            state: None,
            iss: iss(),
        };
        assert_eq!(
            response.to_uri(&redirect_uri),
            "com.example.app:/cb?error=access_denied&error_description=No.&iss=https%3A%2F%2Fauth.example.com"
        );
    }

    #[test]
    fn a_callback_says_who_answers_and_what_was_sent() {
        let from = "iss=https%3A%2F%2Fauth.example.com";
        for (query, state) in [
            (format!("code=a&state=x+y&{from}"), Some("x y")),
            (format!("error=access_denied&state=b&{from}"), Some("b")),
            (format!("code=a&{from}"), None),
        ] {
            let answer = AuthorizationResponse::from_query(&form(&query)).unwrap();
            assert_eq!((answer.state(), answer.iss()), (state, &iss()), "{query}");
        }
    }

    /// CL-12.
    #[test]
    fn a_callback_that_is_no_answer_is_refused() {
        let iss = "iss=https%3A%2F%2Fauth.example.com";
        for (query, error) in [
            ("code=a&state=b".to_owned(), ResponseError::NoIssuer),
            (format!("state=b&{iss}"), ResponseError::NeitherOrBoth),
            (format!("code=a&error=access_denied&{iss}"), ResponseError::NeitherOrBoth),
            (format!("error=nonsense&{iss}"), ResponseError::UnknownError),
            (format!("code=a&code=b&{iss}"), ResponseError::Repeated(Repeated("code".to_owned()))),
            (format!("code=a&{iss}&{iss}"), ResponseError::Repeated(Repeated("iss".to_owned()))),
            ("code=a&iss=http%3A%2F%2Fa.example".to_owned(), ResponseError::Issuer(IssuerError::NotHttps)),
        ] {
            assert_eq!(AuthorizationResponse::from_query(&form(&query)).unwrap_err(), error, "{query}");
        }
    }
}
