//! Where the servers are, in one text.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;

/// Where Redis or Valkey is, and who we are there.
///
/// | text | what |
/// |---|---|
/// | `redis://[user:password@]host[:port][/database]` | one server |
/// | `redis-cluster://[user:password@]host[:port],…` | a Cluster, found by any of its nodes |
/// | `redis-sentinel://[user:password@]host[:port],…/name[/database]` | the primary that these Sentinels know by this name |
///
/// `rediss`, `rediss-cluster` and `rediss-sentinel` are the same over TLS. Ports default to 6379, those of Sentinels to 26379.
/// `:password@` alone is the password of the default user; both are percent-encoded. The Sentinels are asked with the same
/// user and password unless the query says others: `?sentinel_user=…&sentinel_password=…`, empty for none.
///
/// Neither `Display` nor `Debug` shows the password.
#[derive(Clone)]
pub struct RedisUrl {
    pub(super) shape: Shape,
    pub(super) tls: bool,
    pub(super) nodes: Vec<Node>,
    pub(super) login: Login,
    pub(super) database: u16,
}

/// How the servers belong together.
#[derive(Clone)]
pub(super) enum Shape {
    Alone,
    Cluster,
    Sentinel { primary: String, login: Login },
}

/// A server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) host: String,
    pub(super) port: u16,
}

/// Who we are (ACL user) and what proves it.
#[derive(Clone, Default)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretString>,
}

/// A text that is no [`RedisUrl`]. It never quotes the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RedisUrlError {
    /// Not one of the schemes.
    #[error(
        "it must begin with redis://, redis-cluster:// or redis-sentinel://, or with rediss://, rediss-cluster:// or \
         rediss-sentinel:// for TLS"
    )]
    Scheme,
    /// Another spelling of one of the schemes, and the right one.
    #[error("that is spelled {0}:// here")]
    Spelling(&'static str),
    /// A host is missing, or is no host.
    #[error("it must name a host, or several with commas between them")]
    Host,
    /// Several hosts for one server.
    #[error("redis:// names one host; several are redis-cluster:// or redis-sentinel://")]
    OneHost,
    /// A port is no number from 1 to 65535.
    #[error("a port is a number from 1 to 65535")]
    Port,
    /// The database is no number, or a Cluster's, which has none.
    #[error("the path is the number of a database, and a Cluster has none")]
    Database,
    /// The Sentinels are not told which primary is meant.
    #[error(
        "the path of redis-sentinel:// is the name by which the Sentinels know the primary, such as /mymaster"
    )]
    Primary,
    /// User or password are not percent-encoded UTF-8.
    #[error("the user and the password must be percent-encoded")]
    Login,
    /// Something behind `?` that means nothing here.
    #[error("behind ? only sentinel_user and sentinel_password are known, for redis-sentinel://")]
    Query,
}

impl RedisUrl {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`RedisUrlError`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, RedisUrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(RedisUrlError::Scheme)?;
        let (kind, tls) = Scheme::of(scheme).ok_or_else(|| Scheme::unknown(scheme))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        // The password may hold an @ that somebody forgot to encode.
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Login::parse(login)?, hosts),
            None => (Login::default(), authority),
        };
        let nodes =
            hosts.split(',').map(|host| Node::parse(host, kind.port())).collect::<Result<Vec<_>, _>>()?;
        let (shape, database) = match kind {
            Scheme::Sentinel => {
                let (primary, database) = path.split_once('/').unwrap_or((path, ""));
                let primary =
                    decoded(primary).filter(|name| !name.is_empty()).ok_or(RedisUrlError::Primary)?;
                (Shape::Sentinel { primary, login: Login::of_sentinels(query, &login)? }, database)
            }
            Scheme::Alone | Scheme::Cluster if !query.is_empty() => return Err(RedisUrlError::Query),
            Scheme::Alone if nodes.len() > 1 => return Err(RedisUrlError::OneHost),
            Scheme::Cluster if !path.is_empty() => return Err(RedisUrlError::Database),
            Scheme::Alone => (Shape::Alone, path),
            Scheme::Cluster => (Shape::Cluster, path),
        };
        let database = match database {
            "" => 0,
            number => number.parse().map_err(|_| RedisUrlError::Database)?,
        };
        Ok(Self { shape, tls, nodes, login, database })
    }
}

impl RedisUrl {
    /// Whether a password is sent where others on the way can read it: to another machine, without TLS.
    #[must_use]
    pub fn shows_a_password(&self) -> bool {
        let of_sentinels = matches!(&self.shape, Shape::Sentinel { login, .. } if login.password.is_some());
        let password = self.login.password.is_some() || of_sentinels;
        password && !self.tls && self.nodes.iter().any(|node| !node.is_this_machine())
    }
}

impl FromStr for RedisUrl {
    type Err = RedisUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, primary) = match &self.shape {
            Shape::Alone => ("", None),
            Shape::Cluster => ("-cluster", None),
            Shape::Sentinel { primary, .. } => ("-sentinel", Some(primary)),
        };
        write!(f, "redis{}{kind}://", if self.tls { "s" } else { "" })?;
        for (n, node) in self.nodes.iter().enumerate() {
            write!(f, "{}{node}", if n > 0 { "," } else { "" })?;
        }
        if let Some(primary) = primary {
            write!(f, "/{primary}")?;
        }
        if self.database > 0 { write!(f, "/{}", self.database) } else { Ok(()) }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Clone, Copy)]
enum Scheme {
    Alone,
    Cluster,
    Sentinel,
}

impl Scheme {
    fn of(text: &str) -> Option<(Self, bool)> {
        let (family, kind) = text.split_once('-').unwrap_or((text, ""));
        let tls = match family {
            "redis" => false,
            "rediss" => true,
            _ => return None,
        };
        let kind = match kind {
            "" if !text.contains('-') => Self::Alone,
            "cluster" => Self::Cluster,
            "sentinel" => Self::Sentinel,
            _ => return None,
        };
        Some((kind, tls))
    }

    /// What is wrong with a scheme that is none: other programs have other names for the same.
    fn unknown(text: &str) -> RedisUrlError {
        let text = text.to_ascii_lowercase().replace(['+', '_', '.'], "-").replace("valkey", "redis");
        let has = |word: &str| text.contains(word);
        if !text.starts_with("redis") {
            return RedisUrlError::Scheme;
        }
        let tls = ["rediss", "clusters", "sentinels", "tls", "ssl"].into_iter().any(has);
        RedisUrlError::Spelling(match (has("cluster"), has("sentinel"), tls) {
            (true, true, _) => return RedisUrlError::Scheme,
            (true, false, false) => "redis-cluster",
            (true, false, true) => "rediss-cluster",
            (false, true, false) => "redis-sentinel",
            (false, true, true) => "rediss-sentinel",
            (false, false, true) => "rediss",
            (false, false, false) if text == "redis" => "redis",
            (false, false, false) => return RedisUrlError::Scheme,
        })
    }

    const fn port(self) -> u16 {
        match self {
            Self::Alone | Self::Cluster => 6379,
            Self::Sentinel => 26379,
        }
    }
}

impl Node {
    fn parse(text: &str, port: u16) -> Result<Self, RedisUrlError> {
        // An IPv6 address stands in brackets.
        let (host, rest) = match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or(RedisUrlError::Host)?,
            None => text.find(':').map_or((text, ""), |colon| text.split_at(colon)),
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        if host.is_empty() || !host.bytes().all(plain) {
            return Err(RedisUrlError::Host);
        }
        let port = match rest.strip_prefix(':') {
            Some(number) => number.parse().ok().filter(|port| *port > 0).ok_or(RedisUrlError::Port)?,
            None if rest.is_empty() => port,
            None => return Err(RedisUrlError::Host),
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl Node {
    /// By its name alone; nobody is asked what a name means.
    fn is_this_machine(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Login {
    fn parse(text: &str) -> Result<Self, RedisUrlError> {
        let (user, password) = text.split_once(':').map_or((text, None), |(user, word)| (user, Some(word)));
        let decode = |text: &str| decoded(text).ok_or(RedisUrlError::Login);
        Ok(Self {
            user: Some(decode(user)?).filter(|user| !user.is_empty()),
            password: password
                .map(decode)
                .transpose()?
                .filter(|word| !word.is_empty())
                .map(SecretString::from),
        })
    }

    fn of_sentinels(query: &str, otherwise: &Self) -> Result<Self, RedisUrlError> {
        let mut login = otherwise.clone();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(RedisUrlError::Query)?;
            let value = Some(decoded(value).ok_or(RedisUrlError::Login)?).filter(|value| !value.is_empty());
            match name {
                "sentinel_user" => login.user = value,
                "sentinel_password" => login.password = value.map(SecretString::from),
                _ => return Err(RedisUrlError::Query),
            }
        }
        Ok(login)
    }

    /// The password, for the driver.
    pub(super) fn password(&self) -> Option<&str> {
        self.password.as_ref().map(|password| password.expose_secret())
    }
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        RedisUrl::parse(text).map_or_else(|error| format!("{error:?}"), |url| url.to_string())
    }

    #[test]
    fn what_is_read_is_shown_without_the_password() {
        for (text, expected) in [
            ("redis://localhost", "redis://localhost:6379"),
            ("redis://:word@localhost:7000/3", "redis://localhost:7000/3"),
            ("rediss://me:w%40rd@[::1]/0", "rediss://[::1]:6379"),
            ("redis-cluster://a,b:7001,c:7002", "redis-cluster://a:6379,b:7001,c:7002"),
            ("rediss-cluster://me:word@a/", "rediss-cluster://a:6379"),
            ("redis-sentinel://a,b:5000/mymaster", "redis-sentinel://a:26379,b:5000/mymaster"),
            ("redis-sentinel://:word@a/mymaster/2?sentinel_password=", "redis-sentinel://a:26379/mymaster/2"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
            assert_eq!(format!("{:?}", RedisUrl::parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn a_password_to_another_machine_without_tls_is_shown() {
        for (text, shown) in [
            ("redis://:word@redis.internal", true),
            ("redis://me:word@10.0.0.7:6379", true),
            ("redis-cluster://:word@127.0.0.1:7000,10.0.0.7:7000", true),
            ("redis-sentinel://10.0.0.7/mymaster?sentinel_password=word", true),
            ("rediss://:word@redis.internal", false),
            ("redis://me@redis.internal", false),
            ("redis://:word@127.0.0.1", false),
            ("redis://:word@[::1]", false),
            ("redis://:word@LocalHost:7000", false),
        ] {
            assert_eq!(RedisUrl::parse(text).unwrap().shows_a_password(), shown, "{text}");
        }
    }

    #[test]
    fn each_mistake_has_its_sentence() {
        for (text, expected) in [
            ("localhost:6379", RedisUrlError::Scheme),
            ("http://localhost", RedisUrlError::Scheme),
            ("redis-://localhost", RedisUrlError::Scheme),
            ("redis-other://localhost", RedisUrlError::Scheme),
            ("redis-clusters://localhost", RedisUrlError::Spelling("rediss-cluster")),
            ("redis+sentinel://localhost/m", RedisUrlError::Spelling("redis-sentinel")),
            ("rediscluster://localhost", RedisUrlError::Spelling("redis-cluster")),
            ("redis+tls://localhost", RedisUrlError::Spelling("rediss")),
            ("REDIS://localhost", RedisUrlError::Spelling("redis")),
            ("valkeys://localhost", RedisUrlError::Spelling("rediss")),
            ("redis-cluster-sentinel://localhost", RedisUrlError::Scheme),
            ("redis://", RedisUrlError::Host),
            ("redis://a b", RedisUrlError::Host),
            ("redis://[::1", RedisUrlError::Host),
            ("redis-cluster://a,,b", RedisUrlError::Host),
            ("redis://a,b", RedisUrlError::OneHost),
            ("redis://a:0", RedisUrlError::Port),
            ("redis://a:port", RedisUrlError::Port),
            ("redis://a/first", RedisUrlError::Database),
            ("redis-cluster://a/1", RedisUrlError::Database),
            ("redis-sentinel://a", RedisUrlError::Primary),
            ("redis-sentinel://a//1", RedisUrlError::Primary),
            ("redis://:%ff@a", RedisUrlError::Login),
            ("redis://a?protocol=3", RedisUrlError::Query),
            ("redis-sentinel://a/m?other=1", RedisUrlError::Query),
        ] {
            assert_eq!(RedisUrl::parse(text).err(), Some(expected), "{text}");
        }
    }

    #[test]
    fn the_login_is_decoded_and_the_sentinels_may_have_their_own() {
        let url =
            RedisUrl::parse("redis-sentinel://m%65:w%3Ard@a/m?sentinel_user=s&sentinel_password=t").unwrap();
        assert_eq!((url.login.user.as_deref(), url.login.password()), (Some("me"), Some("w:rd")));
        let Shape::Sentinel { login, .. } = &url.shape else { panic!("{url}") };
        assert_eq!((login.user.as_deref(), login.password()), (Some("s"), Some("t")));
        let url = RedisUrl::parse("redis-sentinel://me:word@a/m").unwrap();
        let Shape::Sentinel { login, .. } = &url.shape else { panic!("{url}") };
        assert_eq!((login.user.as_deref(), login.password()), (Some("me"), Some("word")));
    }
}
