//! Revocation, introspection and userinfo (RFC 7009, RFC 7662, OpenID Connect Core 5.3).

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::text::json;
use crate::token::{refuse_repeated, required};
use crate::{Acr, ClientId, Form, Issuer, OAuthError, Resource, Scope};

/// A request to end a token (RFC 7009 section 2.1).
#[derive(Clone, Debug)]
pub struct RevocationRequest {
    /// The token.
    pub token: SecretString,
    /// What the client believes it is; only a hint.
    pub token_type_hint: Option<String>,
}

impl RevocationRequest {
    /// Reads a revocation request.
    ///
    /// # Errors
    /// `invalid_request` for a repeated parameter or a missing `token`.
    pub fn from_form(form: &Form) -> Result<Self, OAuthError> {
        let (token, token_type_hint) = token_and_hint(form)?;
        Ok(Self { token, token_type_hint })
    }
}

/// A request for what a token is worth (RFC 7662 section 2.1).
#[derive(Clone, Debug)]
pub struct IntrospectionRequest {
    /// The token.
    pub token: SecretString,
    /// What the resource server believes it is; only a hint.
    pub token_type_hint: Option<String>,
}

impl IntrospectionRequest {
    /// Reads an introspection request.
    ///
    /// # Errors
    /// `invalid_request` for a repeated parameter or a missing `token`.
    pub fn from_form(form: &Form) -> Result<Self, OAuthError> {
        let (token, token_type_hint) = token_and_hint(form)?;
        Ok(Self { token, token_type_hint })
    }
}

fn token_and_hint(form: &Form) -> Result<(SecretString, Option<String>), OAuthError> {
    refuse_repeated(form)?;
    let token = SecretString::from(required(form, "token")?);
    Ok((token, form.all("token_type_hint").next().map(str::to_owned)))
}

/// What a token is worth (RFC 7662 section 2.2).
///
/// Build it with `..IntrospectionResponse::inactive()`: members will be added.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IntrospectionResponse {
    /// Whether the token may be used now. If not, nothing else is said.
    pub active: bool,
    /// What the token reaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// The client it was issued to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// A name of the person, for people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// `Bearer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    /// When it expires, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// When it was issued, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Which resource it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<Audience>,
    /// Who issued it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<Issuer>,
    /// A name of the token itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// How the person proved who they are (RFC 9470 section 6.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<Acr>,
    /// When they last did, in seconds since 1970 (RFC 9470 section 6.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// Members that are not listed above, kept as they are.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl IntrospectionResponse {
    /// The one answer for every token that is not good: `{"active":false}` (RFC 7662 section 2.2).
    #[must_use]
    pub fn inactive() -> Self {
        Self::default()
    }

    /// The JSON body.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        json(self)
    }
}

/// The audience of a token: one identifier, or several (RFC 7519 section 4.1.3). One is written as a text, more as a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Several, or none.
    Many(Vec<String>),
}

impl Audience {
    /// Whether `identifier` is one of the audience, compared as a text.
    #[must_use]
    pub fn contains(&self, identifier: &str) -> bool {
        self.iter().any(|own| own == identifier)
    }

    /// All identifiers.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let all = match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        };
        all.iter().map(String::as_str)
    }
}

impl From<&Resource> for Audience {
    fn from(resource: &Resource) -> Self {
        Self::One(resource.as_str().to_owned())
    }
}

impl From<&str> for Audience {
    fn from(identifier: &str) -> Self {
        Self::One(identifier.to_owned())
    }
}

impl From<String> for Audience {
    fn from(identifier: String) -> Self {
        Self::One(identifier)
    }
}

/// Who is behind an access token (OpenID Connect Core 5.3.2), with what the token itself is for.
///
/// Build it with `..UserInfo::new(sub)`: members will be added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserInfo {
    /// Whose token it is.
    pub sub: String,
    /// The person's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The person's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the address is known to be the person's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// Which resource the token is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<Audience>,
    /// What the token reaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// The client it was issued to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// How the person proved who they are, as introspection has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<Acr>,
    /// When they last did, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
}

impl UserInfo {
    /// Only the subject is known.
    pub fn new(sub: impl Into<String>) -> Self {
        Self {
            sub: sub.into(),
            name: None,
            email: None,
            email_verified: None,
            aud: None,
            scope: None,
            client_id: None,
            acr: None,
            auth_time: None,
        }
    }

    /// The JSON body.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        json(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;
    use secrecy::ExposeSecret as _;

    #[test]
    fn a_token_is_required_and_a_hint_is_not() {
        let form = |text: &str| Form::parse(text.as_bytes()).unwrap();
        let request = RevocationRequest::from_form(&form("token=a&token_type_hint=refresh_token")).unwrap();
        assert_eq!(request.token.expose_secret(), "a");
        assert_eq!(request.token_type_hint.as_deref(), Some("refresh_token"));
        assert!(IntrospectionRequest::from_form(&form("token=a")).unwrap().token_type_hint.is_none());
        for text in ["", "token=", "token=a&token=b"] {
            let code = ErrorCode::InvalidRequest;
            assert_eq!(RevocationRequest::from_form(&form(text)).unwrap_err().error, code, "{text}");
            assert_eq!(IntrospectionRequest::from_form(&form(text)).unwrap_err().error, code, "{text}");
        }
    }

    /// RFC 7662 section 2.2.
    #[test]
    fn an_inactive_token_says_nothing_else() {
        assert_eq!(IntrospectionResponse::inactive().to_json(), br#"{"active":false}"#);
    }

    /// RFC 7662 section 2.2, the example.
    #[test]
    fn members_that_are_not_known_are_kept() {
        let body = r#"{"active":true,"client_id":"l238j323ds-23ij4","username":"jdoe",
            "scope":"read write dolphin","sub":"Z5O3upPC88QrAjx00dis",
            "aud":"https://protected.example.net/resource","iss":"https://server.example.com/",
            "exp":1419356238,"iat":1419350238,"extension_field":"twenty-seven"}"#;
        let response: IntrospectionResponse = serde_json::from_str(body).unwrap();
        assert!(response.active && response.scope.as_ref().unwrap().contains("dolphin"));
        assert_eq!(response.other["extension_field"], "twenty-seven");
        let again: IntrospectionResponse = serde_json::from_slice(&response.to_json()).unwrap();
        assert_eq!(again, response);
    }

    /// RFC 7519 section 4.1.3.
    #[test]
    fn an_audience_is_one_text_or_a_list() {
        for (json, names) in [(r#""a""#, vec!["a"]), (r#"["a","b"]"#, vec!["a", "b"]), ("[]", vec![])] {
            let audience: Audience = serde_json::from_str(json).unwrap();
            assert_eq!(audience.iter().collect::<Vec<_>>(), names);
            assert_eq!(audience.contains("a"), names.contains(&"a"));
            assert_eq!(serde_json::to_string(&audience).unwrap(), json);
        }
    }

    #[test]
    fn userinfo_says_only_what_is_known() {
        assert_eq!(UserInfo::new("alice").to_json(), br#"{"sub":"alice"}"#);
        assert!(serde_json::from_str::<UserInfo>("{}").is_err());
    }
}
