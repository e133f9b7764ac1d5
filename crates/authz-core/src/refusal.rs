//! Why a request was refused, and what the peer is told of it.

use http::StatusCode;
use oauth_types::ErrorCode;
use thiserror::Error;

/// The rule that a request broke. `Display` is for our logs; the peer sees [`wire`](Self::wire).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    // Client authentication
    /// No such client, or a deleted one.
    #[error("the client is unknown")]
    ClientUnknown,
    /// An administrator blocked the client.
    #[error("the client is blocked")]
    ClientBlocked,
    /// Neither `client_id` nor an `Authorization` header.
    #[error("the request names no client")]
    ClientUnnamed,
    /// Credentials in the header and in the body, or two client ids that differ (RFC 6749 section 2.3).
    #[error("the client authenticated in two ways at once")]
    TwoAuthentications,
    /// A confidential client sent no secret.
    #[error("a confidential client sent no secret")]
    SecretMissing,
    /// The secret is wrong.
    #[error("the client's secret is wrong")]
    SecretWrong,
    /// The secret came another way than was registered, or from a client that has none.
    #[error("the client authenticated by another method than it registered")]
    MethodMismatch,
    /// The `Authorization` header does not parse.
    #[error("the Authorization header is malformed")]
    AuthorizationMalformed,

    // Authorization request
    /// A parameter came twice.
    #[error("a parameter is repeated")]
    ParameterRepeated,
    /// No `response_type`.
    #[error("the request has no response_type")]
    ResponseTypeMissing,
    /// A `response_type` other than `code`.
    #[error("the response_type is not code")]
    ResponseTypeUnsupported,
    /// A `response_mode` other than `query`.
    #[error("the response_mode is not query")]
    ResponseModeUnsupported,
    /// No `code_challenge`: PKCE is required of every client.
    #[error("the request has no code_challenge")]
    ChallengeMissing,
    /// A `code_challenge_method` other than `S256`, or none, which would mean `plain`.
    #[error("the code_challenge_method is not S256")]
    ChallengeMethodUnsupported,
    /// A `code_challenge` that S256 cannot have made.
    #[error("the code_challenge is malformed")]
    ChallengeMalformed,
    /// The `state` is longer than 2,048 bytes.
    #[error("the state is too long")]
    StateTooLong,
    /// It would not fit through a log-in page and back: more than 16,384 bytes as a path with its query.
    #[error("the request is too long")]
    RequestTooLong,
    /// A parameter whose value makes no sense, such as `max_age=soon`.
    #[error("a parameter has a malformed value")]
    ParameterMalformed,
    /// The scope text is malformed.
    #[error("the scope is malformed")]
    ScopeMalformed,
    /// A scope that no resource here has.
    #[error("a scope exists at no resource")]
    ScopeUnknown,
    /// `resource` is no absolute URI, or there are two different ones.
    #[error("the resource is malformed, or there are several")]
    TargetMalformed,
    /// No resource of that name, or none was named and it is not clear which is meant.
    #[error("the resource is unknown or not clear")]
    TargetUnknown,
    /// `prompt=none`, and nobody is logged in.
    #[error("nobody is logged in")]
    LoginRequired,
    /// `prompt=none`, and consent is needed.
    #[error("consent is needed")]
    ConsentRequired,
    /// The person said no.
    #[error("the person denied the request")]
    Denied,
    /// The person may not act.
    #[error("the person is blocked")]
    PersonBlocked,
    /// Too many requests of one session wait for consent.
    #[error("too many requests wait for consent")]
    TooManyRequests,
    /// What was to be approved, denied or fetched is gone, expired or ended.
    #[error("the request is gone or has expired")]
    RequestGone,
    /// It belongs to another session.
    #[error("the request belongs to another session")]
    RequestOfAnother,
    /// Between asking and consenting the client, its redirect URI or the resource went away.
    #[error("the client or the resource has changed")]
    RequestOutdated,
    /// The consent covers more than was asked for.
    #[error("the consent exceeds the request")]
    ConsentExceedsRequest,

    // Redeeming a code
    /// The code is not ours, forged, of an ended grant, superseded by a newer one, or used.
    #[error("the code is unknown")]
    CodeUnknown,
    /// The code has expired.
    #[error("the code has expired")]
    CodeExpired,
    /// The code was issued to another client.
    #[error("the code belongs to another client")]
    CodeOfAnotherClient,
    /// `redirect_uri` differs from that of the authorization request.
    #[error("the redirect_uri differs from the one of the authorization request")]
    RedirectUriMismatch,
    /// `resource` differs from that of the grant.
    #[error("the resource is not that of the grant")]
    TargetMismatch,
    /// No `code_verifier`.
    #[error("the request has no code_verifier")]
    VerifierMissing,
    /// The right client, the unused code, a wrong verifier: the grant has ended.
    #[error("the code_verifier does not match the code_challenge")]
    VerifierMismatch,
    /// A used code came again with its right verifier: the grant has ended.
    #[error("a used code was replayed")]
    CodeReplayed,
    /// Its client or its person may not act, or everything that they had was ended.
    #[error("something is held against the client or the person of the code")]
    CodeOver,
    /// The remembered consent that stood in for asking was taken back.
    #[error("the consent was withdrawn")]
    ConsentWithdrawn,

    // Refreshing
    /// The refresh token is not ours or forged.
    #[error("the refresh token is forged")]
    RefreshForged,
    /// Its grant has ended or is gone.
    #[error("the grant has ended")]
    GrantOver,
    /// Its grant is past its sliding or absolute end.
    #[error("the grant has expired")]
    GrantExpired,
    /// It was issued to another client.
    #[error("the refresh token belongs to another client")]
    RefreshOfAnotherClient,
    /// An older generation came again: the grant has ended.
    #[error("a refresh token of an older generation was replayed")]
    RefreshReplayed,
    /// The previous generation came again within the leeway, asking for something else.
    #[error("a repeated refresh asks for something else")]
    RepeatDiffers,
    /// The resource server of the grant was removed: the client must ask for another.
    #[error("the resource server of the grant was removed")]
    TargetGone,
    /// More scope than the grant has.
    #[error("the scope exceeds the grant")]
    ScopeExceedsGrant,

    // Using an access token, or a server's key
    /// The access token is unknown, expired, revoked, or of somebody who may not act.
    #[error("the access token is not valid")]
    TokenInvalid,
    /// No access token came.
    #[error("no access token came")]
    TokenMissing,
    /// The key of the resource server is missing or wrong.
    #[error("the resource server's key is missing or wrong")]
    ServerKeyWrong,

    // The rest
    /// A token key that this process does not know, after reading the list again.
    #[error("a token key is unknown")]
    KeyUnknown,
}

/// What the peer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    /// The registered code.
    pub code: ErrorCode,
    /// The status, where the answer is not a redirect.
    pub status: StatusCode,
    /// One dull sentence that says what to do, and nothing that helps a thief.
    pub description: &'static str,
}

impl Refusal {
    /// Its name in the audit trail and in the metrics, which stays.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientUnknown => "client_unknown",
            Self::ClientBlocked => "client_blocked",
            Self::ClientUnnamed => "client_unnamed",
            Self::TwoAuthentications => "two_authentications",
            Self::SecretMissing => "secret_missing",
            Self::SecretWrong => "secret_wrong",
            Self::MethodMismatch => "method_mismatch",
            Self::AuthorizationMalformed => "authorization_malformed",
            Self::ParameterRepeated => "parameter_repeated",
            Self::ResponseTypeMissing => "response_type_missing",
            Self::ResponseTypeUnsupported => "response_type_unsupported",
            Self::ResponseModeUnsupported => "response_mode_unsupported",
            Self::ChallengeMissing => "challenge_missing",
            Self::ChallengeMethodUnsupported => "challenge_method_unsupported",
            Self::ChallengeMalformed => "challenge_malformed",
            Self::StateTooLong => "state_too_long",
            Self::RequestTooLong => "request_too_long",
            Self::ParameterMalformed => "parameter_malformed",
            Self::ScopeMalformed => "scope_malformed",
            Self::ScopeUnknown => "scope_unknown",
            Self::TargetMalformed => "target_malformed",
            Self::TargetUnknown => "target_unknown",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::Denied => "denied",
            Self::PersonBlocked => "person_blocked",
            Self::TooManyRequests => "too_many_requests",
            Self::RequestGone => "request_gone",
            Self::RequestOfAnother => "request_of_another",
            Self::RequestOutdated => "request_outdated",
            Self::ConsentExceedsRequest => "consent_exceeds_request",
            Self::CodeUnknown => "code_unknown",
            Self::CodeExpired => "code_expired",
            Self::CodeOfAnotherClient => "code_of_another_client",
            Self::RedirectUriMismatch => "redirect_uri_mismatch",
            Self::TargetMismatch => "target_mismatch",
            Self::VerifierMissing => "verifier_missing",
            Self::VerifierMismatch => "verifier_mismatch",
            Self::CodeReplayed => "code_replayed",
            Self::CodeOver => "code_over",
            Self::ConsentWithdrawn => "consent_withdrawn",
            Self::RefreshForged => "refresh_forged",
            Self::GrantOver => "grant_over",
            Self::GrantExpired => "grant_expired",
            Self::RefreshOfAnotherClient => "refresh_of_another_client",
            Self::RefreshReplayed => "refresh_replayed",
            Self::RepeatDiffers => "repeat_differs",
            Self::TargetGone => "target_gone",
            Self::ScopeExceedsGrant => "scope_exceeds_grant",
            Self::TokenInvalid => "token_invalid",
            Self::TokenMissing => "token_missing",
            Self::ServerKeyWrong => "server_key_wrong",
            Self::KeyUnknown => "key_unknown",
        }
    }

    /// The answer to the peer. Whatever a thief could learn from the difference between two refusals of a code or refresh
    /// token stays here.
    #[must_use]
    pub const fn wire(self) -> Wire {
        use ErrorCode as Code;
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;
        const CODE: &str =
            "The authorization code is invalid, expired or used. Start a new authorization request.";
        const REFRESH: &str =
            "The refresh token is invalid, expired or revoked. Start a new authorization request.";
        let (code, status, description) = match self {
            Self::ClientUnknown => {
                (Code::InvalidClient, UNAUTHORIZED, "The client is not registered here. Register it again.")
            }
            Self::ClientBlocked => {
                (Code::UnauthorizedClient, BAD, "An administrator has blocked this client.")
            }
            Self::ClientUnnamed => (
                Code::InvalidClient,
                UNAUTHORIZED,
                "The request names no client: send client_id, or an Authorization header.",
            ),
            Self::TwoAuthentications => (
                Code::InvalidRequest,
                BAD,
                "Authenticate the client in one way only: by the header or in the body.",
            ),
            Self::SecretMissing => (Code::InvalidClient, UNAUTHORIZED, "This client must send its secret."),
            Self::SecretWrong => (Code::InvalidClient, UNAUTHORIZED, "Client authentication failed."),
            Self::MethodMismatch => {
                (Code::InvalidClient, UNAUTHORIZED, "Authenticate by the method that the client registered.")
            }
            Self::AuthorizationMalformed => {
                (Code::InvalidRequest, BAD, "The Authorization header is malformed.")
            }
            Self::ParameterRepeated => (Code::InvalidRequest, BAD, "A parameter is repeated."),
            Self::ResponseTypeMissing => {
                (Code::InvalidRequest, BAD, "response_type is missing; send response_type=code.")
            }
            Self::ResponseTypeUnsupported => {
                (Code::UnsupportedResponseType, BAD, "The only response_type here is code.")
            }
            Self::ResponseModeUnsupported => {
                (Code::InvalidRequest, BAD, "The only response_mode here is query.")
            }
            Self::ChallengeMissing => {
                (Code::InvalidRequest, BAD, "code_challenge is missing; PKCE with S256 is required.")
            }
            Self::ChallengeMethodUnsupported => {
                (Code::InvalidRequest, BAD, "The only code_challenge_method here is S256.")
            }
            Self::ChallengeMalformed => {
                (Code::InvalidRequest, BAD, "code_challenge must be the 43 characters that S256 gives.")
            }
            Self::StateTooLong => (Code::InvalidRequest, BAD, "state may have 2048 bytes at most."),
            Self::RequestTooLong => {
                (Code::InvalidRequest, BAD, "The request is too long; shorten its parameters.")
            }
            Self::ParameterMalformed => (Code::InvalidRequest, BAD, "A parameter has a malformed value."),
            Self::ScopeMalformed => (Code::InvalidScope, BAD, "The scope is malformed."),
            Self::ScopeUnknown => (Code::InvalidScope, BAD, "A requested scope does not exist here."),
            Self::TargetMalformed => {
                (Code::InvalidTarget, BAD, "resource must be one absolute URI without a fragment.")
            }
            Self::TargetUnknown => (
                Code::InvalidTarget,
                BAD,
                "resource must name a resource that is registered here, exactly as its metadata does.",
            ),
            Self::LoginRequired => (Code::LoginRequired, BAD, "Nobody is logged in."),
            Self::ConsentRequired => (Code::ConsentRequired, BAD, "The person must be asked for consent."),
            Self::Denied => (Code::AccessDenied, BAD, "The request was denied."),
            Self::PersonBlocked => (Code::AccessDenied, BAD, "This account may not be used."),
            Self::TooManyRequests => (
                Code::TemporarilyUnavailable,
                BAD,
                "Too many requests wait for consent; try again in a few minutes.",
            ),
            Self::RequestGone => (
                Code::InvalidRequest,
                BAD,
                "This request has expired or was answered. Go back to the application and connect again.",
            ),
            Self::RequestOfAnother => (
                Code::InvalidRequest,
                BAD,
                "This request was started in another session. Go back to the application and connect again.",
            ),
            Self::RequestOutdated => (
                Code::InvalidRequest,
                BAD,
                "The application or the resource has changed. Go back to the application and connect again.",
            ),
            Self::ConsentExceedsRequest => (Code::InvalidScope, BAD, "More was allowed than was asked for."),
            Self::CodeUnknown
            | Self::CodeExpired
            | Self::CodeOfAnotherClient
            | Self::VerifierMismatch
            | Self::CodeReplayed
            | Self::CodeOver
            | Self::ConsentWithdrawn => (Code::InvalidGrant, BAD, CODE),
            Self::RedirectUriMismatch => {
                (Code::InvalidGrant, BAD, "redirect_uri differs from the one of the authorization request.")
            }
            Self::TargetMismatch => {
                (Code::InvalidTarget, BAD, "resource is not the one that was authorized.")
            }
            Self::VerifierMissing => (Code::InvalidRequest, BAD, "code_verifier is missing."),
            Self::RefreshForged
            | Self::GrantOver
            | Self::GrantExpired
            | Self::RefreshOfAnotherClient
            | Self::RefreshReplayed
            | Self::TargetGone
            | Self::RepeatDiffers => (Code::InvalidGrant, BAD, REFRESH),
            Self::ScopeExceedsGrant => (Code::InvalidScope, BAD, "The scope exceeds what was granted."),
            Self::TokenInvalid => {
                (Code::InvalidToken, UNAUTHORIZED, "The access token is invalid, expired or revoked.")
            }
            Self::TokenMissing => {
                (Code::InvalidToken, UNAUTHORIZED, "Send an access token as Authorization: Bearer.")
            }
            Self::ServerKeyWrong => {
                (Code::InvalidClient, UNAUTHORIZED, "Authenticate with the key of the resource server.")
            }
            Self::KeyUnknown => {
                (Code::TemporarilyUnavailable, StatusCode::SERVICE_UNAVAILABLE, "Try again in a moment.")
            }
        };
        Wire { code, status, description }
    }
}
