//! Where something is from (RFC 6454): what pages, issuers and endpoints have in common.

use std::net::Ipv4Addr;

use oauth_types::Resource;

/// An origin as browsers write it (RFC 6454 section 6.2): of the web in lower case and without the usual port, of anything else as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin(String);

impl Origin {
    /// That of a URL of the web.
    pub(crate) fn of(url: &str) -> Option<Self> {
        Resource::parse(url).ok().map(|resource| Self::from(&resource))
    }

    /// Reads an origin, behind which nothing stands.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | '?' | '#' | '@' | '*' | ',' | '"');
        if rest.is_empty() || !rest.chars().all(plain) || !scheme.chars().all(|c| plain(c) && c != ':') {
            return None;
        }
        let is_web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        if is_web { Self::of(text) } else { Some(Self(text.to_owned())) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is of the web, and what goes there goes in the clear.
    pub(crate) fn is_http(&self) -> bool {
        self.0.starts_with("http://")
    }

    /// Whether it is of the web, and on this machine.
    pub(crate) fn is_this_machine(&self) -> bool {
        ["http://", "https://"].iter().any(|web| self.0.strip_prefix(web).is_some_and(is_this_machine))
    }
}

impl From<&Resource> for Origin {
    fn from(resource: &Resource) -> Self {
        Self(resource.origin())
    }
}

/// What a server is called: a name in lower case, or an address, without a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Host(String);

impl Host {
    /// Reads a host, behind which nothing stands, not even a port.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let host = Self::from(&Origin::parse(&format!("https://{text}"))?);
        (host.0 == text).then_some(host)
    }

    /// Whether `host[:port]` is this host, whatever the port.
    pub(crate) fn is_of(&self, authority: &str) -> bool {
        without_port(authority).eq_ignore_ascii_case(&self.0)
    }
}

impl From<&Origin> for Host {
    fn from(Origin(origin): &Origin) -> Self {
        let authority = origin.split_once("://").map_or(origin.as_str(), |(_, authority)| authority);
        Self(without_port(authority).to_owned())
    }
}

fn without_port(authority: &str) -> &str {
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    match authority.rsplit_once(':') {
        Some((host, port)) if digits(port) => host,
        Some(_) | None => authority,
    }
}

/// Whether `host[:port]` is this machine, by a name that nobody else can have (RFC 6761 section 6.3).
pub(crate) fn is_this_machine(authority: &str) -> bool {
    let host = without_port(authority);
    let name = |name: &[u8]| name.eq_ignore_ascii_case(b"localhost");
    let bytes = host.as_bytes();
    host == "[::1]"
        || name(bytes)
        || bytes.len().checked_sub(10).is_some_and(|at| bytes[at] == b'.' && name(&bytes[at + 1..]))
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for (text, origin) in [
            ("HTTPS://App.Example.com:443", Some("https://app.example.com")),
            ("http://localhost:6274", Some("http://localhost:6274")),
            ("vscode-webview://1ab2", Some("vscode-webview://1ab2")),
            ("https://app.example.com/", None),
            ("https://", None),
            ("app.example.com", None),
            ("null", None),
            ("*", None),
        ] {
            assert_eq!(Origin::parse(text).as_ref().map(Origin::as_str), origin, "{text}");
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_no_more() {
        for text in ["MCP.internal", "10.0.0.7", "[::1]", "mcp"] {
            assert!(Host::parse(text).is_some_and(|host| host.is_of(&text.to_lowercase())), "{text}");
        }
        for text in ["", "a:443", "a:8080", "a/", "a?b", "a#b", "b@a", "https://a", "a b", "*", "::1"] {
            assert_eq!(Host::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_host_is_the_same_on_each_port_and_in_any_letters() {
        let host = Host::from(&Origin::of("https://mcp.example.com:8443/mcp").unwrap());
        for authority in ["mcp.example.com", "MCP.example.com:8443", "mcp.example.com:80", "mcp.example.com:"]
        {
            assert!(host.is_of(authority), "{authority}");
        }
        for authority in [
            "",
            "example.com",
            "mcp.example.com.evil.example",
            "mcp.example.com@evil.example",
            "a@mcp.example.com",
        ] {
            assert!(!host.is_of(authority), "{authority}");
        }
    }

    #[test]
    fn two_urls_are_of_one_origin_whatever_their_letters_and_paths() {
        let of = |url| Origin::of(url).unwrap();
        assert_eq!(of("https://Auth.Example.com/a?b"), of("https://auth.example.com:443"));
        for other in ["http://auth.example.com", "https://auth.example.com:8443", "https://auth.example"] {
            assert_ne!(of(other), of("https://auth.example.com"), "{other}");
        }
        assert_eq!(Origin::of("https://somebody@auth.example.com"), None);
    }

    #[test]
    fn this_machine_is_what_nobody_else_can_be_called() {
        for url in ["http://localhost/a", "https://127.9.0.1:1", "http://[::1]:8414", "http://App.LocalHost"]
        {
            assert!(Origin::of(url).is_some_and(|origin| origin.is_this_machine()), "{url}");
        }
        for url in ["http://localhost.example", "http://evillocalhost", "http://10.0.0.1", "http://[::2]"] {
            assert!(Origin::of(url).is_some_and(|origin| !origin.is_this_machine()), "{url}");
        }
        assert!(Origin::parse("vscode-webview://localhost").is_some_and(|origin| !origin.is_this_machine()));
    }
}
