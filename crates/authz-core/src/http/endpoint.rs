//! Which endpoint a path is.

use http::Method;
use oauth_types::{Issuer, well_known};

/// An endpoint of the authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// The metadata document, at each of its addresses.
    Metadata,
    /// The metadata document of a registered resource server.
    ProtectedResource(String),
    /// The authorization endpoint.
    Authorize,
    /// The way back to the client.
    Continue(String),
    /// The token endpoint.
    Token,
    /// The revocation endpoint.
    Revoke,
    /// The introspection endpoint.
    Introspect,
    /// The registration endpoint.
    Register,
    /// The userinfo endpoint.
    UserInfo,
}

impl Endpoint {
    /// The endpoint at `path`.
    ///
    /// Metadata is where RFC 8414 puts it, between host and path of the issuer, and where OpenID Connect Discovery puts it,
    /// behind the path; a final slash makes no difference there. Clients of 2025-03-26 that find no metadata use
    /// `/authorize`, `/token` and `/register`.
    pub(super) fn at(path: &str, issuer: &Issuer) -> Option<Self> {
        if is_metadata(path, issuer.path()) {
            return Some(Self::Metadata);
        }
        let local = issuer.strip(path)?;
        match local {
            "/oauth/authorize" | "/authorize" => Some(Self::Authorize),
            "/oauth/token" | "/token" => Some(Self::Token),
            "/oauth/register" | "/register" => Some(Self::Register),
            "/oauth/revoke" => Some(Self::Revoke),
            "/oauth/introspect" => Some(Self::Introspect),
            "/oauth/userinfo" => Some(Self::UserInfo),
            _ => {
                let under = |folder: &str| local.strip_prefix(folder).filter(|name| !name.contains('/'));
                let grant = under("/oauth/continue/").map(|grant| Self::Continue(grant.to_owned()));
                grant.or_else(|| under("/prm/").map(|server| Self::ProtectedResource(server.to_owned())))
            }
        }
    }

    /// Its name in logs and events.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::ProtectedResource(_) => "protected_resource",
            Self::Authorize => "authorize",
            Self::Continue(_) => "continue",
            Self::Token => "token",
            Self::Revoke => "revoke",
            Self::Introspect => "introspect",
            Self::Register => "register",
            Self::UserInfo => "userinfo",
        }
    }

    /// The methods that it answers. HEAD only where nothing happens: a mail scanner that follows an authorization link must
    /// not start anything.
    pub(super) const fn methods(&self) -> &'static [Method] {
        match self {
            Self::Metadata | Self::ProtectedResource(_) => &[Method::GET, Method::HEAD],
            Self::Continue(_) => &[Method::GET],
            Self::Authorize | Self::UserInfo => &[Method::GET, Method::POST],
            Self::Token | Self::Revoke | Self::Introspect | Self::Register => &[Method::POST],
        }
    }

    /// Whether scripts of other origins may call it: everything that programs call, nothing that people open (OAuth 2.1
    /// section 3.1: the authorization endpoint must not support CORS).
    pub(super) const fn has_cors(&self) -> bool {
        !matches!(self, Self::Authorize | Self::Continue(_))
    }
}

fn is_metadata(path: &str, issuer_path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    let inserted = |document: &str| path.strip_prefix(document) == Some(issuer_path);
    let appended = |document: &str| path.strip_suffix(document) == Some(issuer_path);
    let documents = [well_known::AUTHORIZATION_SERVER, well_known::OPENID_CONFIGURATION];
    documents.iter().any(|document| inserted(document) || appended(document))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(issuer: &str, path: &str) -> Option<Endpoint> {
        Endpoint::at(path, &Issuer::parse(issuer).unwrap())
    }

    #[test]
    fn metadata_is_at_each_of_its_addresses() {
        let root = "https://as.example";
        for path in [
            "/.well-known/oauth-authorization-server",
            "/.well-known/oauth-authorization-server/",
            "/.well-known/openid-configuration",
        ] {
            assert_eq!(at(root, path), Some(Endpoint::Metadata), "{path}");
        }
        let tenant = "https://as.example/tenant1";
        for path in [
            "/.well-known/oauth-authorization-server/tenant1",
            "/.well-known/openid-configuration/tenant1",
            "/tenant1/.well-known/openid-configuration",
            "/tenant1/.well-known/oauth-authorization-server",
        ] {
            assert_eq!(at(tenant, path), Some(Endpoint::Metadata), "{path}");
        }
        for path in [
            "/.well-known/oauth-authorization-server",
            "/.well-known/oauth-authorization-server/tenant2",
            "/.well-known/oauth-authorization-server/tenant1/more",
        ] {
            assert_eq!(at(tenant, path), None, "{path}");
        }
        assert_eq!(at(root, "/.well-known/oauth-authorization-server/mcp"), None);
    }

    #[test]
    fn endpoints_are_under_the_path_of_the_issuer() {
        assert_eq!(at("https://as.example", "/oauth/token"), Some(Endpoint::Token));
        assert_eq!(at("https://as.example", "/token"), Some(Endpoint::Token));
        assert_eq!(at("https://as.example/t", "/t/oauth/token"), Some(Endpoint::Token));
        assert_eq!(at("https://as.example/t", "/oauth/token"), None);
        assert_eq!(at("https://as.example", "/oauth/token/"), None);
        assert_eq!(at("https://as.example", "/prm/srv_x"), Some(Endpoint::ProtectedResource("srv_x".into())));
        assert_eq!(at("https://as.example", "/prm/srv_x/y"), None);
    }
}
