//! The configuration: a TOML file, then `PORTCULLIS_*` variables, then flags; what comes later holds.
//!
//! Every setting has one name: `code_lifetime` in the file, `PORTCULLIS_CODE_LIFETIME`, `--code-lifetime`. A bad one is
//! refused before anything is started, with its name, what is wrong and an example. A variable that sets nothing is told
//! ([`UnknownVariable`]) and not refused: orchestrators make such names too.

mod accounts;
mod brand;
mod connections;
mod error;
mod gather;
mod given;
mod limits;
mod parse;
mod place;
mod secret;
mod settings;
#[cfg(test)]
mod tests;
mod unknown;

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use authz_core::{Lifetime, Limits, Policy};
use http_io::AddressRange;
use identity::{AccountPolicy, Brand, Sender, SmtpUrl};
use oauth_types::Issuer;
use secrecy::SecretString;
use store::{RedisOptions, RedisUrl};

pub use self::connections::Connections;
pub use self::error::{ConfigError, Fault};
use self::given::Given;
pub use self::given::{SettingName, Source};
pub(crate) use self::place::holds_password;
pub(crate) use self::secret::SECRETS;
pub use self::secret::{AdminSecret, LEAST_ADMIN_KEY_BITS, MasterKey};
pub use self::settings::Settings;
pub use self::unknown::UnknownVariable;
use crate::serve::TlsFiles;

/// Everything that an operator decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// The public URL. `None` is `http://127.0.0.1` with the port that the server listens on.
    pub issuer: Option<Issuer>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// The certificate and the key to speak TLS with. `None`: plain HTTP, on this machine or behind a proxy.
    pub tls: Option<TlsFiles>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<AddressRange>,
    /// How many connections may be open, and for how long a client is waited for.
    pub connections: Connections,
    /// Where the database and the master key are. Used with [`StoreKind::Sqlite`] alone.
    pub data: PathBuf,
    /// Where records are kept.
    pub store: StoreKind,
    /// How Redis is used, where records are in one.
    pub redis: RedisOptions,
    /// The key that opens the administration. `None`: one is made on the first run.
    pub admin_key: Option<AdminSecret>,
    /// The master key. `None`: the one in the data folder. [`StoreKind::Redis`] needs one, because all processes share it.
    pub master_key: Option<MasterKey>,
    /// Lifetimes and what clients may do.
    pub policy: Policy,
    /// Who may make an account, with which passwords, and how long they stay logged in.
    pub accounts: AccountPolicy,
    /// How letters go out.
    pub mail: MailKind,
    /// How the pages look.
    pub brand: Brand,
    /// Whether anything is limited. Wrong admin keys always are.
    pub limits: bool,
    /// How many of what within how long, where it is limited.
    pub rates: Limits,
    /// Who may read `/metrics` without a key of the administration.
    pub metrics_from: Vec<AddressRange>,
    /// How long the audit trail is kept in the store; 0 keeps none.
    pub audit_retention: Lifetime,
    /// How long of it what strangers do, if that is shorter.
    pub audit_retention_strangers: Lifetime,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines are written: directives as of `tracing`'s filter.
    pub log: String,
}

/// Where records are kept.
#[derive(Clone, Debug)]
pub enum StoreKind {
    /// In a file of the data folder.
    Sqlite,
    /// Nowhere: they are gone when the server stops.
    Memory,
    /// In the Redis or Valkey at this URL, which may hold a password and never shows it; for any number of processes.
    Redis(Box<RedisUrl>),
}

/// How letters go out.
#[derive(Clone, Debug)]
pub enum MailKind {
    /// Not at all.
    Off,
    /// Onto the terminal. For development.
    Terminal,
    /// Into files of the data folder's `outbox`. For development.
    Folder,
    /// Through a mail server.
    Smtp {
        /// Where it is.
        url: SmtpUrl,
        /// Whom they are from.
        from: Sender,
    },
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors: one object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            issuer: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 8414)),
            tls: None,
            trusted_proxies: Vec::new(),
            connections: Connections::default(),
            data: PathBuf::from("portcullis-data"),
            store: StoreKind::Sqlite,
            redis: RedisOptions::default(),
            admin_key: None,
            master_key: None,
            policy: Policy::default(),
            accounts: AccountPolicy::default(),
            mail: MailKind::Off,
            brand: Brand::default(),
            limits: true,
            rates: Limits::default(),
            metrics_from: Vec::new(),
            audit_retention: Lifetime::days(90),
            audit_retention_strangers: Lifetime::days(7),
            log_format: LogFormat::Text,
            log: "info".to_owned(),
        }
    }
}

impl Config {
    /// Reads the configuration: `flags` over the variables that `look_up` finds over `file`.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, in words for the operator.
    pub fn load(
        flags: Settings,
        file: Option<&Path>,
        look_up: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        Self::of(&Settings::gathered(flags, file, look_up)?, look_up)
    }

    /// What these settings say, with the secrets that `look_up` finds.
    pub(crate) fn of(
        settings: &Settings,
        look_up: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        parse::config(settings, look_up)
    }

    /// Whether everybody is one address to it: a proxy must stand before it, because it speaks plain HTTP and its issuer is
    /// https, and that proxy is not one of those that are believed. Then all limits by address are shared.
    #[must_use]
    pub fn sees_one_address_only(&self) -> bool {
        let https = self.issuer.as_ref().is_some_and(|issuer| issuer.as_str().starts_with("https:"));
        https && self.tls.is_none() && self.trusted_proxies.is_empty()
    }

    /// Whether a password of Redis is sent where others on the way can read it: to another machine, without TLS.
    #[must_use]
    pub fn shows_a_password(&self) -> bool {
        match &self.store {
            StoreKind::Redis(url) => url.shows_a_password(),
            StoreKind::Sqlite | StoreKind::Memory => false,
        }
    }

    /// The issuer: the one that is set, or `http://127.0.0.1` with the port of `listening`, the address that was bound.
    #[must_use]
    pub fn issuer_at(&self, listening: SocketAddr) -> Option<Issuer> {
        if let Some(issuer) = &self.issuer {
            return Some(issuer.clone());
        }
        let host = match listening.ip() {
            ip if ip.is_loopback() => ip,
            _ => IpAddr::from([127, 0, 0, 1]),
        };
        Issuer::parse(&format!("http://{}", SocketAddr::new(host, listening.port()))).ok()
    }
}

impl Settings {
    /// The admin key with which commands ask a server: in the file that a flag names, in `PORTCULLIS_KEY`, or in the file that
    /// `PORTCULLIS_KEY_FILE` names; else the one that the server is configured with, for who may read that holds it.
    pub(crate) fn key_of_commands(
        &self,
        flag: Option<&str>,
        look_up: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Option<SecretString>, ConfigError> {
        let parse = |text: &str| match text {
            "" => Err(Fault::Empty),
            text => Ok(SecretString::from(text)),
        };
        let own = match flag.map(|text| Given { text: text.to_owned(), source: Source::Flag }) {
            // A flag holds before a variable.
            Some(file) => secret::read("key", "key_file", Some(&file), &|_| None, parse)?,
            None => {
                let file = gather::of_variable("key_file", look_up)?;
                secret::read("key", "key_file", file.as_ref(), look_up, parse)?
            }
        };
        match own {
            Some(key) => Ok(Some(key)),
            None => secret::read("admin_key", "admin_key_file", self.admin_key_file.as_ref(), look_up, parse),
        }
    }
}
