//! The resource indicator (RFC 8707 section 2).

use std::sync::Arc;

use crate::text::{parsed_text, text_type};
use crate::uri::{Fault, Web};

/// The identifier of a protected resource, an MCP server for instance, in exactly the text it was given.
///
/// An absolute http or https URI without fragment and userinfo, at most 2048 bytes long. `==` compares texts;
/// [`names_same`](Self::names_same) sees through case and a final slash.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource(Arc<str>);

/// Why a text is not a resource indicator (RFC 8707 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceError {
    /// Longer than 2048 bytes.
    #[error("a resource is at most 2048 bytes long")]
    TooLong,
    /// Not a URI of RFC 3986 characters.
    #[error("not an absolute URI")]
    NotAUri,
    /// Neither http nor https.
    #[error("a resource is an http or https URI")]
    NotWeb,
    /// The host or the port is missing or wrong.
    #[error("the host or port of the resource is not valid")]
    Host,
    /// A fragment component.
    #[error("a resource has no fragment")]
    Fragment,
    /// A user name or password.
    #[error("a resource has no user name or password")]
    UserInfo,
}

impl Resource {
    /// Reads a resource indicator and keeps its text.
    ///
    /// # Errors
    /// [`ResourceError`] names what is wrong; on the wire all of it is `invalid_target`.
    pub fn parse(text: &str) -> Result<Self, ResourceError> {
        Web::parse(text)?;
        Ok(Self(text.into()))
    }

    /// The exact text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Scheme, host and port: lower case, without a port that is the scheme's default.
    #[must_use]
    pub fn origin(&self) -> String {
        let Some(web) = self.web() else { return self.0.to_string() };
        let (scheme, default) = if web.https { ("https", 443) } else { ("http", 80) };
        let host = web.host.to_ascii_lowercase();
        match web.port {
            Some(port) if port != default => format!("{scheme}://{host}:{port}"),
            Some(_) | None => format!("{scheme}://{host}"),
        }
    }

    /// The form to compare by: [`origin`](Self::origin), path and query. One final slash of the path is dropped.
    #[must_use]
    pub fn canonical(&self) -> String {
        let Some(web) = self.web() else { return self.0.to_string() };
        let mut text = self.origin();
        text.push_str(web.path.strip_suffix('/').unwrap_or(web.path));
        if let Some(query) = web.query {
            text.push('?');
            text.push_str(query);
        }
        text
    }

    /// Whether both texts name one resource: equal [`canonical`](Self::canonical) forms.
    #[must_use]
    pub fn names_same(&self, other: &Self) -> bool {
        self == other || self.canonical() == other.canonical()
    }

    /// Whether this names a whole origin: no path but `/`, and no query.
    #[must_use]
    pub fn is_origin(&self) -> bool {
        self.web().is_some_and(|web| matches!(web.path, "" | "/") && web.query.is_none())
    }

    /// The URL of a well-known document: `well_known` put between the host and path and query (RFC 9728 section 3.1).
    pub(crate) fn inserted(&self, well_known: &str) -> String {
        let (origin, rest) = self.split();
        let rest = match rest.strip_prefix('/') {
            Some(after) if after.is_empty() || after.starts_with('?') => after,
            Some(_) | None => rest,
        };
        format!("{origin}{well_known}{rest}")
    }

    /// The URL of a well-known document of the whole origin.
    pub(crate) fn at_root(&self, well_known: &str) -> String {
        format!("{}{well_known}", self.split().0)
    }

    fn split(&self) -> (&str, &str) {
        let after_scheme = self.0.find("://").map_or(0, |at| at + 3);
        let end = self.0[after_scheme..].find(['/', '?']).map_or(self.0.len(), |at| after_scheme + at);
        self.0.split_at(end)
    }

    fn web(&self) -> Option<Web<'_>> {
        Web::parse(&self.0).ok()
    }
}

text_type!(Resource, ResourceError);
parsed_text!(Resource);

impl From<Fault> for ResourceError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooLong => Self::TooLong,
            Fault::Syntax => Self::NotAUri,
            Fault::NotWeb => Self::NotWeb,
            Fault::Fragment => Self::Fragment,
            Fault::UserInfo => Self::UserInfo,
            Fault::Host => Self::Host,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_resource_is_refused_by_its_rule() {
        for (text, error) in [
            ("https://mcp.example.com/mcp#x", ResourceError::Fragment),
            ("https://mcp.example.com/mcp#", ResourceError::Fragment),
            ("mcp.example.com/mcp", ResourceError::NotAUri),
            ("/mcp", ResourceError::NotAUri),
            ("urn:example:mcp", ResourceError::NotWeb),
            ("https://me:pw@mcp.example.com/", ResourceError::UserInfo),
            ("https://", ResourceError::Host),
            ("https://mcp.example.com/%zz", ResourceError::NotAUri),
        ] {
            assert_eq!(Resource::parse(text), Err(error), "{text}");
        }
        let long =
            |length: usize| format!("https://a.example/{}", "a".repeat(length - "https://a.example/".len()));
        assert_eq!(Resource::parse(&long(2049)), Err(ResourceError::TooLong));
        assert!(Resource::parse(&long(2048)).is_ok());
    }

    /// AS-27.
    #[test]
    fn case_of_the_host_default_port_and_one_final_slash_do_not_matter() -> Result<(), ResourceError> {
        for (one, other, same) in [
            ("https://mcp.example.com", "https://mcp.example.com/", true),
            ("https://mcp.example.com/mcp", "HTTPS://MCP.Example.com:443/mcp/", true),
            ("http://localhost/mcp", "http://localhost:80/mcp", true),
            ("https://mcp.example.com/mcp/?a=1", "https://mcp.example.com/mcp?a=1", true),
            ("https://mcp.example.com/mcp", "https://mcp.example.com/MCP", false),
            ("https://mcp.example.com/mcp", "https://mcp.example.com/mcp//", false),
            ("https://mcp.example.com/mcp", "http://mcp.example.com/mcp", false),
            ("https://mcp.example.com/mcp", "https://mcp.example.com:8443/mcp", false),
            ("https://mcp.example.com/mcp", "https://mcp.example.com/mcp?a=1", false),
            ("https://mcp.example.com", "https://mcp.example.com.evil.example", false),
        ] {
            let (one, other) = (Resource::parse(one)?, Resource::parse(other)?);
            assert_eq!(one.names_same(&other), same, "{one} {other}");
            assert_eq!(other.names_same(&one), same, "{other} {one}");
        }
        Ok(())
    }

    #[test]
    fn origin_and_canonical_form() -> Result<(), ResourceError> {
        let resource = Resource::parse("HTTPS://MCP.Example.com:443/Public/?Q=1")?;
        assert_eq!(resource.as_str(), "HTTPS://MCP.Example.com:443/Public/?Q=1");
        assert_eq!(resource.origin(), "https://mcp.example.com");
        assert_eq!(resource.canonical(), "https://mcp.example.com/Public?Q=1");
        assert_eq!(Resource::parse("http://[::1]:443/")?.canonical(), "http://[::1]:443");
        Ok(())
    }

    #[test]
    fn an_origin_has_neither_path_nor_query() -> Result<(), ResourceError> {
        assert!(Resource::parse("https://mcp.example.com")?.is_origin());
        assert!(Resource::parse("https://mcp.example.com/")?.is_origin());
        assert!(!Resource::parse("https://mcp.example.com/mcp")?.is_origin());
        assert!(!Resource::parse("https://mcp.example.com?a=1")?.is_origin());
        Ok(())
    }
}
