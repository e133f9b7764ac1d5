//! From texts to a [`Config`].

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use authz_core::{Lifetime, OutOfBounds, Policy};
use http_io::{AddressRange, NotAnAddressRange};
use oauth_types::{Issuer, Scope};
use tracing_subscriber::EnvFilter;

use super::error::{ConfigError, Fault};
use super::given::{Given, SettingName};
use super::{AdminSecret, Config, LogFormat, MasterKey, Settings, Source};
use super::{place, secret};

pub(super) fn config(
    settings: &Settings,
    look_up: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Config, ConfigError> {
    let default = Config::default();
    let admin_key_file = setting("admin_key_file", settings.admin_key_file.as_ref());
    let master_key_file = setting("master_key_file", settings.master_key_file.as_ref());
    admin_key_file.read(|text| Ok(PathBuf::from(text)))?;
    master_key_file.read(|text| Ok(PathBuf::from(text)))?;
    Ok(Config {
        issuer: setting("issuer", settings.issuer.as_ref()).read(issuer)?,
        listen: setting("listen", settings.listen.as_ref())
            .read(|text| text.parse::<SocketAddr>().map_err(|_| Fault::Address))?
            .unwrap_or(default.listen),
        trusted_proxies: setting("trusted_proxies", settings.trusted_proxies.as_ref())
            .read(networks)?
            .unwrap_or(default.trusted_proxies),
        data: setting("data", settings.data.as_ref())
            .read(|text| Ok(PathBuf::from(text)))?
            .unwrap_or(default.data),
        store: place::store(settings)?.unwrap_or(default.store),
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
        session: setting("session_lifetime", settings.session_lifetime.as_ref())
            .read(session)?
            .unwrap_or(default.session),
        sign_up: setting("sign_up", settings.sign_up.as_ref())
            .choose(&["open", "closed"], [true, false])?
            .unwrap_or(default.sign_up),
        limits: setting("limits", settings.limits.as_ref()).switch()?.unwrap_or(default.limits),
        log_format: setting("log_format", settings.log_format.as_ref())
            .choose(&["text", "json"], [LogFormat::Text, LogFormat::Json])?
            .unwrap_or(default.log_format),
        log: setting("log", settings.log.as_ref()).read(filter)?.unwrap_or(default.log),
    })
}

fn policy(settings: &Settings) -> Result<Policy, ConfigError> {
    let access = setting("access_lifetime", settings.access_lifetime.as_ref());
    let idle = setting("refresh_idle_lifetime", settings.refresh_idle_lifetime.as_ref());
    let total = setting("refresh_total_lifetime", settings.refresh_total_lifetime.as_ref());
    let code = setting("code_lifetime", settings.code_lifetime.as_ref());
    let request = setting("request_lifetime", settings.request_lifetime.as_ref());
    let leeway = setting("refresh_leeway", settings.refresh_leeway.as_ref());
    let scopes = setting("scopes", settings.scopes.as_ref());
    let schemes = setting("private_use_schemes", settings.private_use_schemes.as_ref());

    let mut policy = Policy::default();
    policy.access = access.read(lifetime)?.unwrap_or(policy.access);
    policy.refresh_idle = idle.read(lifetime)?.unwrap_or(policy.refresh_idle);
    policy.refresh_total = total.read(lifetime)?.unwrap_or(policy.refresh_total);
    policy.code = code.read(lifetime)?.unwrap_or(policy.code);
    policy.request = request.read(lifetime)?.unwrap_or(policy.request);
    policy.leeway = leeway.read(lifetime)?.unwrap_or(policy.leeway);
    policy.own_scopes = scopes.read(|text| Ok(Scope::parse(text)?))?.unwrap_or_default();
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

    fn choose<T, const N: usize>(
        &self,
        known: &'static [&'static str; N],
        values: [T; N],
    ) -> Result<Option<T>, ConfigError> {
        self.read(|text| {
            let chosen = known.iter().zip(values).find(|(name, _)| **name == text);
            chosen.map(|(_, value)| value).ok_or_else(|| Fault::Choice { given: text.to_owned(), known })
        })
    }

    fn switch(&self) -> Result<Option<bool>, ConfigError> {
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

fn networks(text: &str) -> Result<Vec<AddressRange>, Fault> {
    let parts = text.split([' ', ',']).filter(|part| !part.is_empty());
    Ok(parts.map(str::parse).collect::<Result<_, NotAnAddressRange>>()?)
}

/// `90` and `90s`, `15m`, `1h`, `30d`.
fn lifetime(text: &str) -> Result<Lifetime, Fault> {
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

fn session(text: &str) -> Result<Lifetime, Fault> {
    between(text, Lifetime::minutes(5), Lifetime::days(365))
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
