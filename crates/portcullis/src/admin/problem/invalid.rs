//! What is wrong with a request.

use std::fmt;

use identity::PasswordError;
use oauth_types::{OAuthError, ResourceError};
use thiserror::Error;

use crate::admin::bounds;
use crate::admin::routes::Parameter;

/// What is wrong with a request.
#[derive(Debug)]
pub(in crate::admin) enum Invalid {
    /// The body does not parse.
    Body(serde_json::Error),
    /// A member breaks its rule.
    Member(Member),
    /// The resource is not one.
    Resource(ResourceError),
    /// The resource is http and not on this machine.
    InsecureResource,
    /// A scope of this name is no scope token, or it is there twice.
    ScopeName(String),
    /// A scope includes one that does not exist.
    Implied {
        /// The one that includes.
        scope: String,
        /// The one that is missing.
        missing: String,
    },
    /// A scope may be left out, and another one that may not includes it.
    ImpliedOptional {
        /// The one that may be left out.
        optional: String,
        /// The one that includes it.
        by: String,
    },
    /// What a client says of itself is wrong.
    Metadata(OAuthError),
    /// A password cannot be one.
    Password(PasswordError),
    /// The `Idempotency-Key` is none.
    IdempotencyKey,
    /// A parameter of the query is wrong.
    Parameter {
        /// Which.
        name: &'static str,
        /// The rule that it breaks.
        rule: Rule,
    },
    /// A parameter that does not exist; these do.
    UnknownParameter(&'static [Parameter]),
}

/// A member of a body that breaks its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(in crate::admin) enum Member {
    #[error("name must be 1 to {} characters, none of them a control character", bounds::NAME)]
    Name,
    #[error("name must be 1 to {} letters, digits, -, _ and .", bounds::KEY_NAME)]
    KeyName,
    #[error("email must be an e-mail address")]
    Email,
    #[error("owner_email must be an e-mail address")]
    OwnerEmail,
    #[error("scopes may have at most {} entries", bounds::SCOPES)]
    Scopes,
    #[error(
        "scopes may describe a scope with 1 to {} characters, none of them a control character",
        bounds::DESCRIPTION
    )]
    ScopeDescription,
    #[error("server_id must be the id of a registered server")]
    ServerId,
    #[error("grace_seconds must be a number from 0 to {}", bounds::GRACE)]
    GraceSeconds,
}

/// What a parameter must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(in crate::admin) enum Rule {
    #[error("may be there once")]
    Once,
    #[error("must be a text of at most {} bytes", bounds::PARAMETER)]
    Text,
    #[error("must be there")]
    Needed,
    #[error("or client or server must say whose grants end")]
    AnyOwner,
    #[error("and client and server must be there")]
    EveryOwner,
    #[error("must be a user_id")]
    UserId,
    #[error("must be a client_id")]
    ClientId,
    #[error("must be a grant_id")]
    GrantId,
    #[error("must be a server_id")]
    ServerId,
    #[error("must be `next` of another page")]
    Cursor,
    #[error("must be a number from 1 to {}", bounds::PAGE)]
    Limit,
    #[error("must be active or blocked")]
    Status,
    #[error("must be connected, or absent")]
    State,
    #[error("must be true or false")]
    Switch,
    #[error("must be done, refused or failed")]
    Outcome,
    #[error("must be an IP address")]
    Address,
    #[error("must be a time in seconds since 1970")]
    Seconds,
}

impl From<Member> for Invalid {
    fn from(member: Member) -> Self {
        Self::Member(member)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(error) => write!(f, "The body cannot be read: {error}."),
            Self::Member(member) => write!(f, "{member}."),
            Self::Resource(error) => write!(f, "resource_url cannot be used: {error}."),
            Self::InsecureResource => {
                f.write_str("resource_url must be https, or http on 127.0.0.1, [::1] or localhost.")
            }
            Self::ScopeName(name) => write!(
                f,
                "scopes has {name:?}, which is there twice or is no scope: printable ASCII without spaces, quotes and \
                 backslashes, at most {} characters.",
                bounds::SCOPE
            ),
            Self::Implied { scope, missing } => {
                write!(f, "scopes: {scope:?} implies {missing:?}, which is not one of the scopes.")
            }
            Self::ImpliedOptional { optional, by } => {
                write!(f, "scopes: {optional:?} is optional, and {by:?}, which is not, implies it.")
            }
            Self::Metadata(error) => {
                let described = error.error_description.as_deref().unwrap_or("it cannot be used");
                write!(f, "metadata: {described}")
            }
            Self::Password(error) => write!(f, "password: {error}"),
            Self::IdempotencyKey => write!(
                f,
                "Idempotency-Key must be there once, with 1 to {} printable characters.",
                bounds::IDEMPOTENCY_KEY
            ),
            Self::Parameter { name, rule } => write!(f, "{name} {rule}."),
            Self::UnknownParameter([]) => f.write_str("The query must be empty."),
            Self::UnknownParameter(known) => {
                let known: Vec<&str> = known.iter().map(|parameter| parameter.name).collect();
                write!(f, "The query may have {}, and nothing else.", known.join(", "))
            }
        }
    }
}
