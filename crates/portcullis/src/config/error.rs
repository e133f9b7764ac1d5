//! What is wrong with a configuration. All of it is the operator's to mend, and is told before anything is started.

use std::fmt;
use std::io;
use std::path::PathBuf;

use http_io::NotAnAddressRange;
use identity::{NotABrandName, NotAColour, NotADomain, NotALogo, NotASender, PolicyError, SmtpUrlError};
use oauth_types::{IssuerError, ScopeError};
use store::RedisUrlError;
use thiserror::Error;

use super::given::SettingName;

/// Why the configuration cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "the configuration file {} cannot be read: {source}. --config or PORTCULLIS_CONFIG names it; for example: --config \
         /etc/portcullis.toml", .path.display()
    )]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not TOML, or sets something that does not exist.
    #[error("the configuration file {} is wrong: {source}", .path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// A setting is wrong.
    #[error("{name}: {fault}{}", Example { name: *name, value: example })]
    Setting {
        /// As the operator wrote it.
        name: SettingName,
        /// What is wrong.
        fault: Fault,
        /// A value that would do.
        example: &'static str,
    },
    /// A secret is given both by itself and in a file.
    #[error("{variable} and {file} are both set; keep one of them")]
    Twice {
        /// What holds the secret.
        variable: String,
        /// What names the file.
        file: String,
    },
}

/// What is wrong with a setting. It never quotes a secret.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing in it.
    #[error("it is empty; remove it to use the default")]
    Empty,
    /// Not UTF-8.
    #[error("it is not UTF-8 text")]
    NotText,
    /// A line break at an end, often from the tool that wrote it.
    #[error("it begins or ends with a line break")]
    LineBreak,
    /// A space at an end.
    #[error("it begins or ends with a space")]
    Space,
    /// `https://auth.example.com/`
    #[error("the URL ends with a slash; clients compare issuers letter by letter, so write it without")]
    FinalSlash,
    /// Not an issuer.
    #[error("{0}")]
    Issuer(#[from] IssuerError),
    /// Not an address with a port.
    #[error("it is not an IP address with a port")]
    Address,
    /// Neither an address nor a network.
    #[error(transparent)]
    Proxy(#[from] NotAnAddressRange),
    /// Something else than the few values that there are.
    #[error("`{given}` is none of: {}", .known.join(", "))]
    Choice {
        /// What was written.
        given: String,
        /// What could have been.
        known: &'static [&'static str],
    },
    /// Not a span of time.
    #[error("it is not a time: a whole number followed by s, m, h or d")]
    Time,
    /// A time that is too short or too long.
    #[error("it is {given} seconds; it must be {least} to {most}")]
    Bounds {
        /// Seconds.
        given: i64,
        /// Seconds.
        least: i64,
        /// Seconds.
        most: i64,
    },
    /// A number that is too small or too large.
    #[error("it is {given}; it must be {least} to {most}")]
    Range {
        /// What was written.
        given: usize,
        /// The smallest that may be.
        least: usize,
        /// The largest that may be.
        most: usize,
    },
    /// Not scope tokens.
    #[error("{0}")]
    Scope(#[from] ScopeError),
    /// Not a filter of log lines.
    #[error("it is not a filter for log lines")]
    Filter,
    /// Neither a store of this process nor a Redis. The text is not told: it may hold a password.
    #[error("it is neither sqlite nor memory nor the URL of a Redis: {0}")]
    Store(#[from] RedisUrlError),
    /// A password where others can read it.
    #[error(
        "it holds a password, and other users of this machine can read that here; set PORTCULLIS_STORE, or PORTCULLIS_STORE_FILE \
         to the name of a file that holds the URL"
    )]
    PasswordShown,
    /// Not a prefix of keys.
    #[error("a prefix is 1 to 64 letters, digits, dots, dashes, underscores or colons")]
    Prefix,
    /// Not a number of replicas.
    #[error("it is not a number of replicas, from 0 to 16")]
    Replicas,
    /// A key that could be guessed.
    #[error(
        "the admin key could be guessed: what opens everything takes 128 bits, which 32 hexadecimal digits have, or 22 letters and \
         digits, if they are drawn"
    )]
    WeakKey,
    /// A key that no header can carry.
    #[error("the admin key has a control character or a space at an end, which no header can carry")]
    KeyCharacter,
    /// Not 32 bytes.
    #[error("the master key is not base64url of 32 bytes")]
    MasterKey,
    /// Neither one of the words nor domains.
    #[error("it is none of open, closed and invited, and {0}")]
    Domain(#[from] NotADomain),
    /// Not a cost of passwords.
    #[error("it is not m=…,t=…,p=… with 7168 to 1048576 KiB, 1 to 100 passes and 1 to 16 lanes")]
    Cost,
    /// TLS without what it needs.
    #[error("TLS needs {0}")]
    TlsNeeds(&'static str),
    /// Not a rate.
    #[error("it is not a number, 1 to 999999, within a time, 1s to 1d")]
    Rate,
    /// Not a number.
    #[error("it is not a whole number")]
    Number,
    /// Not the URL of a mail server.
    #[error("{0}")]
    SmtpUrl(#[from] SmtpUrlError),
    /// Not whom letters can be from.
    #[error("{0}")]
    Sender(#[from] NotASender),
    /// Not a name for pages.
    #[error("{0}")]
    BrandName(#[from] NotABrandName),
    /// Not a logo.
    #[error("{0}")]
    Logo(#[from] NotALogo),
    /// Not a colour.
    #[error("{0}")]
    Colour(#[from] NotAColour),
    /// Something that another setting makes impossible.
    #[error("{0}")]
    Policy(#[from] PolicyError),
    /// A mail server without what it needs.
    #[error("letters by a mail server need {0}")]
    MailNeeds(&'static str),
    /// The file of a secret cannot be read.
    #[error("the file cannot be read: {0}")]
    File(#[from] io::Error),
}

struct Example<'a> {
    name: SettingName,
    value: &'a str,
}

impl fmt::Display for Example<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.value.is_empty() {
            return Ok(());
        }
        write!(f, ". For example: {}", self.name.with(self.value))
    }
}
