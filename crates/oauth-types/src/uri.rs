//! RFC 3986 URIs as slices of their text. `Url` is asked what a browser would see, never what to print.

use std::net::IpAddr;

use url::Url;

/// The longest URI that is taken, in bytes.
pub(crate) const LONGEST: usize = 2048;

/// Why a text is not the URI asked for; each public error has its own words for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    TooLong,
    Syntax,
    NotWeb,
    Fragment,
    UserInfo,
    Host,
}

/// A URI by its parts, each as it stands in the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uri<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) authority: Option<&'a str>,
    pub(crate) path: &'a str,
    /// Without the question mark; a URI may end with an empty one.
    pub(crate) query: Option<&'a str>,
    pub(crate) fragment: bool,
}

impl<'a> Uri<'a> {
    /// Reads an absolute URI: a scheme, and only the characters of RFC 3986 section 2.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Fault> {
        if text.len() > LONGEST {
            return Err(Fault::TooLong);
        }
        if !characters_are_legal(text.as_bytes()) {
            return Err(Fault::Syntax);
        }
        let (scheme, rest) = text.split_once(':').ok_or(Fault::Syntax)?;
        let mut letters = scheme.bytes();
        if !letters.next().is_some_and(|first| first.is_ascii_alphabetic())
            || !letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        {
            return Err(Fault::Syntax);
        }
        let (rest, fragment) = rest.split_once('#').map_or((rest, false), |(before, _)| (before, true));
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                (Some(&rest[..end]), &rest[end..])
            }
            None => (None, rest),
        };
        Ok(Self { scheme, authority, path, query, fragment })
    }
}

/// An authority by its parts (RFC 3986 section 3.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authority<'a> {
    pub(crate) userinfo: bool,
    /// An IPv6 address keeps its brackets.
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
}

impl<'a> Authority<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, Fault> {
        let (userinfo, rest) = text.rsplit_once('@').map_or((false, text), |(_, rest)| (true, rest));
        let (host, port) = if rest.starts_with('[') {
            let end = rest.find(']').ok_or(Fault::Host)? + 1;
            let (host, after) = rest.split_at(end);
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err(Fault::Host),
            }
        } else {
            rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)))
        };
        let port = match port {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().map_err(|_| Fault::Host)?)
            }
            Some(_) => return Err(Fault::Host),
            None => None,
        };
        Ok(Self { userinfo, host, port })
    }
}

/// An http or https URI with a host, without userinfo and fragment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Web<'a> {
    pub(crate) https: bool,
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
}

impl<'a> Web<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, Fault> {
        let uri = Uri::parse(text)?;
        let https = uri.scheme.eq_ignore_ascii_case("https");
        if !https && !uri.scheme.eq_ignore_ascii_case("http") {
            return Err(Fault::NotWeb);
        }
        if uri.fragment {
            return Err(Fault::Fragment);
        }
        let authority = Authority::parse(uri.authority.ok_or(Fault::Host)?)?;
        if authority.userinfo {
            return Err(Fault::UserInfo);
        }
        // A host that a browser reads as another one (0x7f.1, %65xample.com) would be checked as one and visited as the
        // other.
        let seen = Url::parse(text).map_err(|_| Fault::Host)?;
        if seen.host_str() != Some(authority.host.to_ascii_lowercase().as_str()) {
            return Err(Fault::Host);
        }
        Ok(Self { https, host: authority.host, port: authority.port, path: uri.path, query: uri.query })
    }
}

/// Whether `host` is one of the three names of this machine that redirects and development issuers may use.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "127.0.0.1" || host == "[::1]" || host.eq_ignore_ascii_case("localhost")
}

/// Whether `host` is this machine, by whatever name: the three above, the rest of 127.0.0.0/8, the unspecified addresses,
/// and what RFC 6761 section 6.3 says of `localhost`.
pub(crate) fn is_this_machine(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let numbered = name.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&name);
    match numbered.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_unspecified(),
        Ok(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
            Some(address) => address.is_loopback() || address.is_unspecified(),
            None => address.is_loopback() || address.is_unspecified(),
        },
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

fn characters_are_legal(text: &[u8]) -> bool {
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = match byte {
            b'%' => match after {
                [high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => after,
                _ => return false,
            },
            b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b'?' | b'#' | b'[' | b']' | b'@' | b'!' | b'$'
            | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => after,
            byte if byte.is_ascii_alphanumeric() => after,
            _ => return false,
        };
    }
    true
}
