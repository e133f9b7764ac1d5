//! Error codes and error bodies (RFC 6749 section 5.2 and the OAuth Extensions Error Registry).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// The registered error codes that Portcullis sends or reads. The list is closed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)+
        }

        impl ErrorCode {
            /// Every code, in the order of the declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The text on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl FromStr for ErrorCode {
            type Err = UnknownErrorCode;

            fn from_str(text: &str) -> Result<Self, UnknownErrorCode> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(UnknownErrorCode),
                }
            }
        }
    };
}

codes! {
    /// A parameter is missing, malformed or repeated (RFC 6749 sections 4.1.2.1 and 5.2).
    InvalidRequest = "invalid_request",
    /// Client authentication failed (RFC 6749 section 5.2).
    InvalidClient = "invalid_client",
    /// The code or refresh token is not valid for this client (RFC 6749 section 5.2).
    InvalidGrant = "invalid_grant",
    /// The client may not use this grant (RFC 6749 sections 4.1.2.1 and 5.2).
    UnauthorizedClient = "unauthorized_client",
    /// The server does not know this grant (RFC 6749 section 5.2).
    UnsupportedGrantType = "unsupported_grant_type",
    /// The server does not know this response type (RFC 6749 section 4.1.2.1).
    UnsupportedResponseType = "unsupported_response_type",
    /// The scope is malformed, unknown or more than was granted (RFC 6749 sections 4.1.2.1 and 5.2).
    InvalidScope = "invalid_scope",
    /// The resource is malformed, unknown or not the one granted (RFC 8707 section 2).
    InvalidTarget = "invalid_target",
    /// The person, or the server, said no (RFC 6749 section 4.1.2.1).
    AccessDenied = "access_denied",
    /// Something went wrong in the server (RFC 6749 section 4.1.2.1).
    ServerError = "server_error",
    /// The server cannot answer now (RFC 6749 section 4.1.2.1).
    TemporarilyUnavailable = "temporarily_unavailable",
    /// Nobody is logged in and no page may be shown (OpenID Connect Core 3.1.2.6).
    LoginRequired = "login_required",
    /// Consent is needed and no page may be shown (OpenID Connect Core 3.1.2.6).
    ConsentRequired = "consent_required",
    /// Some page is needed and none may be shown (OpenID Connect Core 3.1.2.6).
    InteractionRequired = "interaction_required",
    /// An account must be chosen and no page may be shown (OpenID Connect Core 3.1.2.6).
    AccountSelectionRequired = "account_selection_required",
    /// The access token is expired, revoked or for somebody else (RFC 6750 section 3.1).
    InvalidToken = "invalid_token",
    /// The access token does not reach this far (RFC 6750 section 3.1).
    InsufficientScope = "insufficient_scope",
    /// The person proved too weakly, or too long ago, who they are (RFC 9470 section 3).
    InsufficientUserAuthentication = "insufficient_user_authentication",
    /// A redirect URI cannot be registered (RFC 7591 section 3.2.2).
    InvalidRedirectUri = "invalid_redirect_uri",
    /// Another member of the client's metadata cannot be registered (RFC 7591 section 3.2.2).
    InvalidClientMetadata = "invalid_client_metadata",
    /// The device polls too often (RFC 8628 section 3.5).
    SlowDown = "slow_down",
    /// The person has not decided yet (RFC 8628 section 3.5).
    AuthorizationPending = "authorization_pending",
    /// The device code has expired (RFC 8628 section 3.5).
    ExpiredToken = "expired_token",
    /// This kind of token cannot be revoked (RFC 7009 section 2.2.1).
    UnsupportedTokenType = "unsupported_token_type",
    /// The DPoP proof is not valid (RFC 9449 section 5).
    InvalidDpopProof = "invalid_dpop_proof",
    /// The DPoP proof needs the server's nonce (RFC 9449 section 8).
    UseDpopNonce = "use_dpop_nonce",
}

/// A text that is none of the [`ErrorCode`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an error code that is known here")]
pub struct UnknownErrorCode;

/// An error as the wire has it (RFC 6749 section 5.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{error}{}", .error_description.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
pub struct OAuthError {
    /// The code.
    pub error: ErrorCode,
    /// A sentence for the developer of the client, in the characters of RFC 6749 section 5.2.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "read_description")]
    pub error_description: Option<String>,
}

impl OAuthError {
    /// An error with a description, from which the characters that RFC 6749 section 5.2 does not allow are removed.
    pub fn new(error: ErrorCode, description: impl Into<String>) -> Self {
        Self { error, error_description: described(&description.into()) }
    }

    /// The JSON body.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut object = serde_json::Map::new();
        object.insert("error".to_owned(), self.error.as_str().into());
        if let Some(text) = &self.error_description {
            object.insert("error_description".to_owned(), text.as_str().into());
        }
        serde_json::Value::Object(object).to_string().into_bytes()
    }
}

impl From<ErrorCode> for OAuthError {
    fn from(error: ErrorCode) -> Self {
        Self { error, error_description: None }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// RFC 6749 section 5.2: `%x20-21 / %x23-5B / %x5D-7E`. What is left of `text`; a double quote becomes a single one.
pub(crate) fn described(text: &str) -> Option<String> {
    let legal = |c: char| matches!(c, '\x20'..='\x21' | '\x23'..='\x5B' | '\x5D'..='\x7E');
    let text: String = text.chars().map(|c| if c == '"' { '\'' } else { c }).filter(|c| legal(*c)).collect();
    (!text.is_empty()).then_some(text)
}

fn read_description<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.and_then(|text| described(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_read_back_from_its_text() {
        for code in ErrorCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
        }
        assert_eq!(ErrorCode::ALL.len(), 26);
        assert_eq!("Invalid_Request".parse::<ErrorCode>(), Err(UnknownErrorCode));
        assert!(serde_json::from_str::<ErrorCode>("\"no_such_code\"").is_err());
    }

    /// AS-19: %x20-21 / %x23-5B / %x5D-7E.
    #[test]
    fn a_description_keeps_only_the_characters_of_the_rfc() {
        let error = OAuthError::new(ErrorCode::InvalidScope, "no \"such\"\\ sc\u{f6}pe\r\n~!");
        assert_eq!(error.error_description.as_deref(), Some("no 'such' scpe~!"));
        assert_eq!(OAuthError::new(ErrorCode::InvalidScope, "\n").error_description, None);
    }

    #[test]
    fn the_body_is_json_without_empty_members() {
        let bare = OAuthError::from(ErrorCode::InvalidGrant);
        assert_eq!(bare.to_json(), br#"{"error":"invalid_grant"}"#);
        let told = OAuthError::new(ErrorCode::InvalidGrant, "The code has expired.");
        assert_eq!(
            told.to_json(),
            br#"{"error":"invalid_grant","error_description":"The code has expired."}"#
        );
        assert_eq!(told.to_string(), "invalid_grant: The code has expired.");
        assert_eq!(serde_json::from_slice::<OAuthError>(&told.to_json()).unwrap(), told);
    }

    #[test]
    fn a_body_of_somebody_else_is_read_with_its_description_filtered() {
        let body = r#"{"error":"invalid_grant","error_description":"a\u0007b\nc","error_uri":"x"}"#;
        let error: OAuthError = serde_json::from_str(body).unwrap();
        assert_eq!(error, OAuthError::new(ErrorCode::InvalidGrant, "abc"));
    }
}
