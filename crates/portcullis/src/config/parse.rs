//! From texts to a [`Config`].

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use authz_core::{Lifetime, OutOfBounds, Policy};
use http_io::{AddressRange, NotAnAddressRange};
use oauth_types::{Issuer, Scope};
use tracing_subscriber::EnvFilter;

use super::accounts;
use super::error::{ConfigError, Fault};
use super::given::{Given, SettingName};
use super::{AdminSecret, Config, LogFormat, MasterKey, Settings, Source, StoreKind};
use super::{brand, connections, limits, place, secret};
use crate::serve::TlsFiles;

pub(super) fn config(
    settings: &Settings,
    look_up: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Config, ConfigError> {
    let default = Config::default();
    let admin_key_file = setting("admin_key_file", settings.admin_key_file.as_ref());
    let master_key_file = setting("master_key_file", settings.master_key_file.as_ref());
    admin_key_file.read(|text| Ok(PathBuf::from(text)))?;
    master_key_file.read(|text| Ok(PathBuf::from(text)))?;
    let mail = accounts::mail(settings, look_up)?;
    let (issuer, listen) = settings.address()?;
    Ok(Config {
        issuer,
        listen,
        tls: tls(settings)?,
        trusted_proxies: setting("trusted_proxies", settings.trusted_proxies.as_ref())
            .read(networks)?
            .unwrap_or(default.trusted_proxies),
        connections: connections::connections(settings)?,
        data: settings.folder()?,
        store: settings.store_kind()?,
        redis: place::redis(settings)?,
        admin_key: secret::read(
            "admin_key",
            "admin_key_file",
            settings.admin_key_file.as_ref(),
            look_up,
            AdminSecret::parse,
        )?,
        master_key: secret::read(
            "master_key",
            "master_key_file",
            settings.master_key_file.as_ref(),
            look_up,
            MasterKey::parse,
        )?,
        policy: policy(settings)?,
        accounts: accounts::policy(settings, &mail)?,
        mail,
        brand: brand::brand(settings)?,
        limits: setting("limits", settings.limits.as_ref()).switch()?.unwrap_or(default.limits),
        rates: limits::rates(settings)?,
        metrics_from: setting("metrics_from", settings.metrics_from.as_ref())
            .read(networks)?
            .unwrap_or(default.metrics_from),
        audit_retention: setting("audit_retention", settings.audit_retention.as_ref())
            .read(retention)?
            .unwrap_or(default.audit_retention),
        audit_retention_strangers: setting(
            "audit_retention_strangers",
            settings.audit_retention_strangers.as_ref(),
        )
        .read(|text| between(text, Lifetime::days(1), LONGEST_KEPT))?
        .unwrap_or(default.audit_retention_strangers),
        log_format: setting("log_format", settings.log_format.as_ref())
            .choose(&["text", "json"], [LogFormat::Text, LogFormat::Json])?
            .unwrap_or(default.log_format),
        log: setting("log", settings.log.as_ref()).read(filter)?.unwrap_or(default.log),
    })
}

impl Settings {
    /// Where records are kept.
    pub(crate) fn store_kind(&self) -> Result<StoreKind, ConfigError> {
        Ok(place::store(self)?.unwrap_or(StoreKind::Sqlite))
    }

    /// The data folder.
    pub(crate) fn folder(&self) -> Result<PathBuf, ConfigError> {
        let data = setting("data", self.data.as_ref()).read(|text| Ok(PathBuf::from(text)))?;
        Ok(data.unwrap_or_else(|| Config::default().data))
    }

    /// Its issuer, if that is set, and where it listens.
    pub(crate) fn address(&self) -> Result<(Option<Issuer>, SocketAddr), ConfigError> {
        let listen = setting("listen", self.listen.as_ref())
            .read(|text| text.parse::<SocketAddr>().map_err(|_| Fault::Address))?;
        let issuer = setting("issuer", self.issuer.as_ref()).read(issuer)?;
        Ok((issuer, listen.unwrap_or_else(|| Config::default().listen)))
    }
}

fn policy(settings: &Settings) -> Result<Policy, ConfigError> {
    let access = setting("access_lifetime", settings.access_lifetime.as_ref());
    let idle = setting("refresh_idle_lifetime", settings.refresh_idle_lifetime.as_ref());
    let total = setting("refresh_total_lifetime", settings.refresh_total_lifetime.as_ref());
    let code = setting("code_lifetime", settings.code_lifetime.as_ref());
    let request = setting("request_lifetime", settings.request_lifetime.as_ref());
    let leeway = setting("refresh_leeway", settings.refresh_leeway.as_ref());
    let scopes = setting("scopes", settings.scopes.as_ref());
    let first_party = setting("ask_for_first_party", settings.ask_for_first_party.as_ref());
    let schemes = setting("private_use_schemes", settings.private_use_schemes.as_ref());

    let mut policy = Policy::default();
    policy.access = access.read(lifetime)?.unwrap_or(policy.access);
    policy.refresh_idle = idle.read(lifetime)?.unwrap_or(policy.refresh_idle);
    policy.refresh_total = total.read(lifetime)?.unwrap_or(policy.refresh_total);
    policy.code = code.read(lifetime)?.unwrap_or(policy.code);
    policy.request = request.read(lifetime)?.unwrap_or(policy.request);
    policy.leeway = leeway.read(lifetime)?.unwrap_or(policy.leeway);
    policy.own_scopes = scopes.read(|text| Ok(Scope::parse(text)?))?.unwrap_or_default();
    policy.ask_for_first_party = first_party.switch()?.unwrap_or(policy.ask_for_first_party);
    policy.private_use_schemes = schemes.switch()?.unwrap_or(policy.private_use_schemes);

    let by_name = [
        ("access", access),
        ("refresh_idle", idle),
        ("refresh_total", total),
        ("code", code),
        ("request", request),
        ("leeway", leeway),
    ];
    match policy.check() {
        Ok(()) => Ok(policy),
        Err(OutOfBounds { setting, given, least, most }) => {
            // A default can be out of bounds too, by what another setting became: then it is named as a key.
            let wrong =
                by_name.iter().find(|(name, _)| *name == setting).map_or(access, |(_, setting)| *setting);
            Err(wrong.error(Fault::Bounds { given, least, most }))
        }
    }
}

/// A setting that is being read.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    key: &'static str,
    given: Option<&'a Given>,
}

pub(super) const fn setting<'a>(key: &'static str, given: Option<&'a Given>) -> Setting<'a> {
    Setting { key, given }
}

impl Setting<'_> {
    pub(super) fn read<T>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(given) = self.given else { return Ok(None) };
        clean(&given.text).and_then(parse).map(Some).map_err(|fault| self.error(fault))
    }

    pub(super) const fn is_given(&self) -> bool {
        self.given.is_some()
    }

    pub(super) fn choose<T, const N: usize>(
        &self,
        known: &'static [&'static str; N],
        values: [T; N],
    ) -> Result<Option<T>, ConfigError> {
        self.read(|text| {
            let chosen = known.iter().zip(values).find(|(name, _)| **name == text);
            chosen.map(|(_, value)| value).ok_or_else(|| Fault::Choice { given: text.to_owned(), known })
        })
    }

    pub(super) fn switch(&self) -> Result<Option<bool>, ConfigError> {
        self.choose(&["on", "off"], [true, false])
    }

    pub(super) fn error(&self, fault: Fault) -> ConfigError {
        let source = self.given.map_or(Source::File, |given| given.source);
        ConfigError::Setting {
            name: SettingName { key: self.key, source },
            fault,
            example: Settings::example(self.key),
        }
    }
}

/// What is at the ends of a text was seldom meant: it is named, and never swallowed.
fn clean(text: &str) -> Result<&str, Fault> {
    let bare = text.trim();
    if text.is_empty() {
        Err(Fault::Empty)
    } else if bare != text && text.starts_with(['\n', '\r']) | text.ends_with(['\n', '\r']) {
        Err(Fault::LineBreak)
    } else if bare != text {
        Err(Fault::Space)
    } else {
        Ok(text)
    }
}

fn issuer(text: &str) -> Result<Issuer, Fault> {
    let issuer = Issuer::parse(text)?;
    if text.ends_with('/') { Err(Fault::FinalSlash) } else { Ok(issuer) }
}

/// Both files or none, and then clients must be told https.
fn tls(settings: &Settings) -> Result<Option<TlsFiles>, ConfigError> {
    let certificate = setting("tls_certificate_file", settings.tls_certificate_file.as_ref());
    let key = setting("tls_key_file", settings.tls_key_file.as_ref());
    let path = |text: &str| Ok(PathBuf::from(text));
    let files = match (certificate.read(path)?, key.read(path)?) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => TlsFiles { certificate, key },
        (Some(_), None) => return Err(certificate.error(Fault::TlsNeeds("a key: set tls_key_file"))),
        (None, Some(_)) => return Err(key.error(Fault::TlsNeeds("a certificate: set tls_certificate_file"))),
    };
    let issuer = settings.issuer.as_ref().is_some_and(|issuer| issuer.text.starts_with("https:"));
    match issuer {
        true => Ok(Some(files)),
        false => Err(certificate.error(Fault::TlsNeeds("an issuer that begins with https: set issuer"))),
    }
}

fn networks(text: &str) -> Result<Vec<AddressRange>, Fault> {
    let parts = text.split([' ', ',']).filter(|part| !part.is_empty());
    Ok(parts.map(str::parse).collect::<Result<_, NotAnAddressRange>>()?)
}

/// `90` and `90s`, `15m`, `1h`, `30d`.
pub(super) fn lifetime(text: &str) -> Result<Lifetime, Fault> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(number) => (number, &text[number.len()..]),
        None => (text, "s"),
    };
    let seconds = match unit {
        "d" => 86_400,
        "h" => 3_600,
        "m" => 60,
        _ => 1,
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::Time);
    }
    let number: u32 = number.parse().map_err(|_| Fault::Time)?;
    number.checked_mul(seconds).map(Lifetime::seconds).ok_or(Fault::Time)
}

/// Up to five years, or nothing.
/// Five years.
const LONGEST_KEPT: Lifetime = Lifetime::days(1826);

fn retention(text: &str) -> Result<Lifetime, Fault> {
    match lifetime(text)?.as_seconds() {
        0 => Ok(Lifetime::seconds(0)),
        _ => between(text, Lifetime::days(1), LONGEST_KEPT),
    }
}

/// A time within these bounds.
pub(super) fn between(text: &str, least: Lifetime, most: Lifetime) -> Result<Lifetime, Fault> {
    let given = lifetime(text)?;
    if (least..=most).contains(&given) {
        return Ok(given);
    }
    Err(Fault::Bounds { given: given.as_seconds(), least: least.as_seconds(), most: most.as_seconds() })
}

fn filter(text: &str) -> Result<String, Fault> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(Fault::Filter),
    }
}
