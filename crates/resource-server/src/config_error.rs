use std::fmt;

use oauth_types::{IssuerError, ResourceError, ScopeError};

/// Why a verifier or a protection cannot be made: the fault of whoever configures it. Each sentence says what to configure, and what
/// a good value looks like; none shows a secret.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A value that is not what it should be. Nothing is trimmed.
    #[error("{what} {value:?} cannot be used: {fault}. A good one looks like {example}")]
    Value {
        /// What it should be: `the issuer`.
        what: &'static str,
        /// The value.
        value: String,
        /// What is wrong with it.
        fault: ValueFault,
        /// What a good one looks like.
        example: &'static str,
    },
    /// A secret that is not what it should be.
    #[error(
        "{what} cannot be sent: it is empty, or has white space or other characters that no header may have. \
         A good one looks like {example}"
    )]
    Secret {
        /// What it should be: `the key of this server`.
        what: &'static str,
        /// What a good one looks like.
        example: &'static str,
    },
    /// Nobody is trusted.
    #[error(
        "no issuer is configured, so no token could be accepted. Configure one with `portcullis`, `jwt`, `introspection` or `userinfo`"
    )]
    NoIssuer,
    /// Two rules for the signed tokens of one issuer.
    #[error(
        "signed tokens of {issuer:?} are configured twice. Configure each issuer with one `Jwt`, which can have several audiences"
    )]
    SameIssuer {
        /// The issuer.
        issuer: String,
    },
    /// Introspection without credentials of this server.
    #[error(
        "introspection at {issuer:?} has no credentials of this server. Configure them with `bearer` or `basic`: whoever may ask \
         without any could try tokens until one is good"
    )]
    NoCredentials {
        /// The issuer.
        issuer: String,
    },
    /// A token would be shown to a server that it may not be from.
    #[error(
        "the prefixes {one:?} and {other:?} fit the same tokens, so one could be shown to a server that it is not from. Configure \
         different ones, neither of which starts with the other, and at most one source without a prefix"
    )]
    PrefixesMeet {
        /// One of them; empty for a source without one.
        one: String,
        /// The other.
        other: String,
    },
    /// A credential of one's own that would take all tokens.
    #[error(
        "a credential has an empty prefix, and would take all tokens. Configure the text that the keys start with: demo_"
    )]
    EmptyPrefix,
    /// No audience, or an empty one.
    #[error(
        "a token is for somebody: configure the audience, or leave it out, and it is the resource of this server"
    )]
    NoAudience,
    /// An issuer that is not on this machine and speaks no TLS.
    #[error(
        "the issuer {issuer:?} is http, so whoever is on the way could put keys of their own into its documents. Give it a certificate, \
         inside of a cluster, too, and configure the https URL that it says of itself: https://auth.example.com"
    )]
    PlainHttp {
        /// The issuer.
        issuer: String,
    },
    /// A resource that is not on this machine and speaks no TLS (RFC 6750 section 5.3).
    #[error(
        "the resource {resource:?} is http, so clients would send their tokens in the clear. Configure the https URL that people type \
         into their clients, like https://mcp.example.com/mcp, also where a proxy ends TLS; or `dangerously_plain_http`, after reading \
         what that means"
    )]
    PlainHttpResource {
        /// The resource.
        resource: String,
    },
    /// The metadata would send people where tokens come from that are not accepted.
    #[error(
        "{issuer:?} is none of the issuers whose tokens are accepted, so whoever logs in there could not come in. Name those that the \
         verifier is configured with"
    )]
    NotTrusted {
        /// What was named.
        issuer: String,
    },
    /// The metadata would send people nowhere.
    #[error(
        "no authorization server is named, so nobody could log in. Name one, or do not call `authorization_servers`, and all issuers are \
         named whose tokens are accepted"
    )]
    NowhereToLogIn,
    /// A tool that is said to need nothing more, and something.
    #[error(
        "the tool {tool:?} is named by `open_tool`, and by `require_for_tool`, too. Name it by one of them"
    )]
    OpenTool {
        /// The tool.
        tool: String,
    },
    /// Of two demands on the log-in of a person no class meets both.
    #[error(
        "{of} demands an authentication context class that what is demanded beside it does not take, so nobody could come in. None is more \
         than another by itself: name the stronger ones, too"
    )]
    StepUpImpossible {
        /// What demands it: a tool's name, or the route.
        of: String,
    },
    /// Credentials of one's own would name people as an authorization server does.
    #[error(
        "{issuer:?} would vouch for credentials of one's own, and is an authorization server, too, so its people could not be told from \
         yours. Configure another `own_issuer`, a URL of yours where no authorization server is: https://mcp.example.com/keys"
    )]
    OwnIssuerTrusted {
        /// The issuer.
        issuer: String,
    },
    /// The leeway for clocks that differ is out of bounds.
    #[error("the leeway for clocks that differ is 0 to 300 seconds. 5 is the default")]
    Leeway,
    /// The time for which good tokens are remembered is out of bounds.
    #[error("good tokens are remembered for 0 to 300 seconds. 10 is the default")]
    Remember,
    /// No certificate authority is known, so no issuer could be asked.
    #[error(transparent)]
    NoRoots(#[from] http_io::NoRoots),
}

/// The sentence: `main` shows an error that it returns in this form.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueFault {
    /// There is nothing.
    #[error("it is empty")]
    Empty,
    /// White space, at an end for instance, where a line break of a file is easily overlooked.
    #[error("it has white space or a line break in it")]
    WhiteSpace,
    /// No issuer (RFC 8414 section 2).
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// No resource (RFC 8707 section 2).
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// No scope (RFC 6749 section 3.3).
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// A scope that is none of a resource (RS-6).
    #[error("offline_access is the authorization server's own scope, and no server may demand it")]
    OfflineAccess,
    /// No authentication context class (OpenID Connect Core section 2, `acr`).
    #[error("it is no list of authentication context classes between spaces")]
    Acr,
    /// Not an origin (RFC 6454 section 6.2).
    #[error("it is no origin: a scheme, a host and perhaps a port, and nothing behind")]
    Origin,
    /// Not a host.
    #[error("it is no host: a name or an address, without scheme, port and path")]
    Host,
    /// Not a URL that a secret may be sent to.
    #[error(
        "it is neither an https URL nor, where the issuer is on this machine, an http URL of this machine"
    )]
    NotHttps,
}

/// The value, if there is one and no white space in it.
pub(crate) fn value_of<'a>(
    what: &'static str,
    value: &'a str,
    example: &'static str,
) -> Result<&'a str, ConfigError> {
    let fault = if value.is_empty() {
        ValueFault::Empty
    } else if value.contains(|one: char| one.is_whitespace() || one.is_control()) {
        ValueFault::WhiteSpace
    } else {
        return Ok(value);
    };
    Err(ConfigError::Value { what, value: value.to_owned(), fault, example })
}
