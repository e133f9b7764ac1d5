use http::StatusCode;
use http_io::FetchError;
use jose::TokenError;

/// Why a token does not let its sender in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It is not good, and that is certain: 401 `invalid_token` (RFC 6750 section 3.1).
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Nobody can tell now: 503, for a 401 would make clients throw a good token away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a token is not good.
///
/// Each sentence (`Display`) is safe to show to whoever sent the token: it has nothing of the token in it, and only characters of
/// RFC 6750 section 3.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It has the form of none of the credentials that are accepted here.
    #[error("this is no token that is accepted here")]
    Unrecognised,
    /// It is opaque, and only signed tokens are accepted here.
    #[error("the token is not a JWT, and only those are accepted here")]
    NotJwt,
    /// It is signed, and says that it is from an issuer that is not trusted here.
    #[error("the token is from an issuer that is not trusted here")]
    UntrustedIssuer,
    /// The authorization server says that it is not active: expired, revoked, for another server, or never issued (RFC 7662 section 2.2).
    #[error("the token has expired, was revoked, or is not for this server")]
    Inactive,
    /// What it says of itself, or what the authorization server says of it, does not fit.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// One's own check of another credential, an API key for instance, refuses it.
    #[error("the credential is not accepted")]
    Refused,
}

impl Invalid {
    /// A stable name of the reason, for programs and for the troubleshooting table: `token_expired`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        use jose::TokenError;
        match self {
            Self::Unrecognised => "token_unrecognised",
            Self::NotJwt => "token_not_jwt",
            Self::UntrustedIssuer | Self::Token(TokenError::IssuerWrong) => "token_issuer_wrong",
            Self::Inactive => "token_inactive",
            Self::Refused => "credential_refused",
            Self::Token(TokenError::Malformed) => "token_malformed",
            Self::Token(TokenError::AlgorithmNotAllowed) => "token_algorithm_not_allowed",
            Self::Token(TokenError::ExtensionNotSupported) => "token_extension_not_supported",
            Self::Token(TokenError::TypeNotAllowed) => "token_type_not_allowed",
            Self::Token(TokenError::UnknownKey { .. }) => "token_key_unknown",
            Self::Token(TokenError::SignatureWrong) => "token_signature_wrong",
            Self::Token(TokenError::ClaimMissing { .. }) => "token_claim_missing",
            Self::Token(TokenError::ClaimMalformed { .. }) => "token_claim_malformed",
            Self::Token(TokenError::IdToken) => "token_is_id_token",
            Self::Token(TokenError::Expired) => "token_expired",
            Self::Token(TokenError::NotYetValid) => "token_not_yet_valid",
            Self::Token(TokenError::AudienceWrong) => "token_audience_wrong",
            Self::Token(TokenError::SenderConstrained) => "token_sender_constrained",
        }
    }
}

/// Why nobody can tell whether a token is good. The sentence is for the operator, says what to check, and may name addresses: it is
/// logged, never sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The issuer does not say where its keys and endpoints are.
    #[error(
        "the discovery document {url} cannot be used: {fault}. Check that the issuer is right and can be reached from here"
    )]
    Discovery {
        /// Where it was looked for last.
        url: String,
        /// What went wrong.
        fault: Fault,
    },
    /// The discovery document is another issuer's (RFC 8414 section 3.3).
    #[error(
        "the discovery document of {configured} says that it is of the issuer {found}. Configure that one, if it is yours"
    )]
    IssuerMismatch {
        /// What is configured.
        configured: String,
        /// What the document says.
        found: String,
    },
    /// The discovery document lacks a member that is needed.
    #[error("the discovery document {url} has no {member}. Check that the provider offers it")]
    Incomplete {
        /// Where it was found.
        url: String,
        /// The member.
        member: &'static str,
    },
    /// The keys of the issuer cannot be had, and none are remembered.
    #[error("the keys at {url} cannot be used: {fault}. Check that the address can be reached from here")]
    Keys {
        /// The `jwks_uri`.
        url: String,
        /// What went wrong.
        fault: Fault,
    },
    /// Introspection or userinfo does not answer.
    #[error(
        "{url} cannot tell whether a token is good: {fault}. Check that the authorization server runs and can be reached from here"
    )]
    Asking {
        /// The endpoint.
        url: String,
        /// What went wrong.
        fault: Fault,
    },
    /// The authorization server refuses this server's own credentials.
    #[error(
        "{url} refuses the key of this server. Check that it is the key of this resource, and was not replaced"
    )]
    KeyRefused {
        /// The endpoint.
        url: String,
    },
    /// One's own check of another credential cannot be made now.
    #[error("the check of a credential cannot be made now")]
    OwnCheck,
}

impl Unavailable {
    /// Whether the issuer itself says so, and not the way there: then what was fetched before is no longer true.
    pub(crate) const fn takes_back(&self) -> bool {
        matches!(self, Self::IssuerMismatch { .. } | Self::Keys { fault: Fault::NoKeys, .. })
    }

    /// A stable name of the reason, for programs and for the troubleshooting table: `discovery_unreachable`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Discovery { .. } => "discovery_unreachable",
            Self::IssuerMismatch { .. } => "issuer_mismatch",
            Self::Incomplete { .. } => "discovery_incomplete",
            Self::Keys { .. } => "jwks_unreachable",
            Self::Asking { .. } => "introspection_unreachable",
            Self::KeyRefused { .. } => "server_key_refused",
            Self::OwnCheck => "own_check_unavailable",
        }
    }
}

/// What is wrong with an answer, or with its absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is none.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It has this status instead of 200.
    #[error("the answer is {0}")]
    Status(StatusCode),
    /// It is not the document that it should be.
    #[error("the answer is not {0}")]
    Document(&'static str),
    /// It is well-formed and authentic, and takes all keys back.
    #[error("the answer has no public key for signatures")]
    NoKeys,
    /// A token names a key that is not among those that were fetched a moment ago, and anybody can name one.
    #[error("they were fetched a moment ago, and are not fetched again for each key that a token names")]
    JustFetched,
    /// It is not where the key of this server may be sent.
    #[error("it is not at the issuer's own origin, and the key of this server is sent nowhere else")]
    Elsewhere,
    /// As many questions are under way as may be.
    #[error("too many other tokens are being asked about")]
    Busy,
    /// Nobody has asked yet.
    #[error("it was not asked for yet, which a server does by spawning `keep_ready` when it starts")]
    NotYet,
}
