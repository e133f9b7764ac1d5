//! The three places where settings are written.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::Settings;
use super::error::{ConfigError, Fault};
use super::given::{Given, SettingName, Source, variable};

impl Settings {
    /// Those of all three places: `flags` over the variables that `look_up` finds over `file`.
    pub(crate) fn gathered(
        flags: Self,
        file: Option<&Path>,
        look_up: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        let named = look_up(&variable("config")).map(PathBuf::from);
        let of_file = match file.or(named.as_deref()) {
            Some(path) => read_file(path)?,
            None => Self::default(),
        };
        Ok(flags.over(Self::of_variables(look_up)?).over(of_file))
    }
}

fn read_file(path: &Path) -> Result<Settings, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    toml::from_str(&text)
        .map_err(|source| ConfigError::Malformed { path: path.to_owned(), source: Box::new(source) })
}

pub(super) fn of_variable(
    key: &'static str,
    look_up: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Option<Given>, ConfigError> {
    let Some(value) = look_up(&variable(key)) else { return Ok(None) };
    match value.into_string() {
        Ok(text) => Ok(Some(Given { text, source: Source::Variable })),
        Err(_) => {
            let name = SettingName { key, source: Source::Variable };
            Err(ConfigError::Setting { name, fault: Fault::NotText, example: Settings::example(key) })
        }
    }
}
