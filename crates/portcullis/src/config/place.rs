//! Where records are kept, and with which password.

use std::fs;
use std::time::Duration;

use authz_core::Lifetime;
use store::{RedisOptions, RedisUrl};
use zeroize::Zeroizing;

use super::error::{ConfigError, Fault};
use super::given::{SettingName, Source};
use super::parse::{between, setting};
use super::{Settings, StoreKind};

/// What `store` or `store_file` says.
pub(super) fn store(settings: &Settings) -> Result<Option<StoreKind>, ConfigError> {
    let named = setting("store", settings.store.as_ref());
    match (&settings.store, &settings.store_file) {
        (Some(store), Some(file)) => {
            let name = |key, source| SettingName { key, source }.to_string();
            Err(ConfigError::Twice {
                variable: name("store", store.source),
                file: name("store_file", file.source),
            })
        }
        (Some(given), None) => named.read(|text| match given.source {
            Source::Flag | Source::File if holds_password(text) => Err(Fault::PasswordShown),
            Source::Flag | Source::File | Source::Variable => kind(text),
        }),
        (None, Some(_)) => {
            let file = setting("store_file", settings.store_file.as_ref());
            file.read(|path| {
                let text = Zeroizing::new(fs::read_to_string(path)?);
                let line = text.strip_suffix('\n').unwrap_or(&text);
                kind(line.strip_suffix('\r').unwrap_or(line))
            })
        }
        (None, None) => Ok(None),
    }
}

/// What one text says: `sqlite`, `memory`, or the URL of a Redis.
fn kind(text: &str) -> Result<StoreKind, Fault> {
    match text {
        "sqlite" => Ok(StoreKind::Sqlite),
        "memory" => Ok(StoreKind::Memory),
        url => Ok(StoreKind::Redis(Box::new(RedisUrl::parse(url)?))),
    }
}

/// How Redis is used.
pub(super) fn redis(settings: &Settings) -> Result<RedisOptions, ConfigError> {
    let prefix = setting("redis_prefix", settings.redis_prefix.as_ref()).read(|text| {
        if RedisOptions::may_begin_keys(text) { Ok(text.to_owned()) } else { Err(Fault::Prefix) }
    })?;
    let authority =
        setting("redis_ca_file", settings.redis_ca_file.as_ref()).read(|path| Ok(fs::read(path)?))?;
    let replicas = setting("redis_wait_replicas", settings.redis_wait_replicas.as_ref())
        .read(|text| text.parse::<u32>().ok().filter(|number| *number <= 16).ok_or(Fault::Replicas))?;
    let answering = setting("redis_timeout", settings.redis_timeout.as_ref())
        .read(|text| between(text, Lifetime::seconds(1), Lifetime::minutes(2)))?;
    let answering = answering.and_then(|patience| u64::try_from(patience.as_seconds()).ok());
    let options = prefix.into_iter().fold(RedisOptions::default(), RedisOptions::prefix);
    let options = authority.into_iter().fold(options, RedisOptions::certificate_authority);
    let options = answering.map(Duration::from_secs).into_iter().fold(options, RedisOptions::answering);
    Ok(replicas.into_iter().fold(options, RedisOptions::wait_replicas))
}

/// Whether a URL holds a password, told from its text: it need not be a good one.
pub(crate) fn holds_password(text: &str) -> bool {
    let authority = text.split_once("://").map_or(text, |(_, rest)| rest);
    authority.rsplit_once('@').is_some_and(|(login, _)| login.contains(':'))
        || text.contains("sentinel_password=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_seen_in_any_text() {
        for (text, holds) in [
            ("redis://localhost:6379/1", false),
            ("redis://user@localhost:6379", false),
            ("redis://:word@localhost", true),
            ("rediss//user:w@rd@localhost", true),
            ("redis-sentinel://a,b/mymaster?sentinel_password=word", true),
            ("memory", false),
        ] {
            assert_eq!(holds_password(text), holds, "{text}");
        }
    }
}
