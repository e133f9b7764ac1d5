//! `portcullis check-config`

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args as _, Command};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use identity::{Email, NotAnEmail};

use super::{Environment, RunError, serve};
use crate::check_config::{self, CheckError, Found, Letters};
use crate::config::{Config, SECRETS, SettingName, Settings, Source, holds_password};

/// Show every setting as serve would read it, and say whether it would start
///
/// It takes the flags, variables and the file that serve takes; secrets are not shown. It reaches for the store and looks whether
/// the master key opens it, and changes nothing. A server that has the data folder is asked whether it is ready, and the mail server
/// whether it lets us in.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "It ends with status 0 if a server would start, with 2 if the configuration is wrong, with 1 if something else would keep it from starting."
)]
pub(super) struct CheckConfig {
    /// A TOML file with settings
    ///
    /// [variable: PORTCULLIS_CONFIG] [default: none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Send a letter there, to see that one arrives; without it the mail server is only greeted
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    letter_to: Option<Email>,
    #[command(flatten)]
    settings: Settings,
}

fn address(text: &str) -> Result<Email, NotAnEmail> {
    Email::parse(text)
}

pub(super) async fn run(
    check: CheckConfig,
    environment: &Environment<'_>,
    out: &mut dyn Write,
) -> Result<(), RunError> {
    let settings = Settings::gathered(check.settings, check.config.as_deref(), environment.look_up)?;
    // What is wrong is told by its name; a table of the rest would hide it.
    let config = Config::of(&settings, environment.look_up)?;
    print(&settings, environment.look_up, out)?;
    for warning in serve::warnings(&settings, &config) {
        writeln!(out, "Warning: {warning}.")?;
    }
    let found = check_config::check(&config).await?;
    match found {
        Found::Memory => writeln!(out, "Everything is kept in memory, and forgotten when the server stops.")?,
        Found::New(folder) => {
            writeln!(out, "There is no database yet: the first run makes one in {}.", folder.display())?;
        }
        Found::Served(url) if url.starts_with("https:") => {
            writeln!(out, "A server has the data folder; ask it by {url}/ready.")?;
        }
        Found::Served(url) => writeln!(out, "A server has the data folder, answers at {url}, and is ready.")?,
        Found::Whole => writeln!(out, "The store can be reached, and the master key opens it.")?,
        Found::Unused => writeln!(out, "The store can be reached; no server has used it yet.")?,
    }
    match check_config::check_mail(&config, check.letter_to.as_ref()).await? {
        Letters::Without if check.letter_to.is_some() => return Err(CheckError::NoMail.into()),
        Letters::Without => {}
        Letters::Taken => writeln!(out, "The mail server can be reached, and lets us in.")?,
        Letters::Sent => writeln!(out, "The mail server took the letter.")?,
    }
    Ok(writeln!(out, "A server can be run with this.")?)
}

fn print(
    settings: &Settings,
    look_up: &dyn Fn(&str) -> Option<OsString>,
    out: &mut dyn Write,
) -> Result<(), RunError> {
    let defaults = Settings::augment_args(Command::new("serve"));
    let default_of = |key: &str| {
        let argument = defaults.get_arguments().find(|argument| argument.get_id() == key)?;
        let help = argument.get_long_help()?.to_string();
        Some(help.split("[default: ").nth(1)?.split(']').next()?.replace('\n', " "))
    };
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(["SETTING", "VALUE", "FROM"]);
    for (key, given) in settings.entries() {
        let row = match given {
            Some(given) if holds_password(&given.text) => (HIDDEN.to_owned(), from(key, given.source)),
            Some(given) => (given.text.clone(), from(key, given.source)),
            None => (default_of(key).unwrap_or_default(), "default".to_owned()),
        };
        table.add_row([key.to_owned(), row.0, row.1]);
    }
    for secret in SECRETS {
        if look_up(&secret.variable()).is_some() {
            table.add_row([secret.key.to_owned(), HIDDEN.to_owned(), secret.variable()]);
        }
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    Ok(writeln!(out, "{}\n", table.trim_fmt())?)
}

const HIDDEN: &str = "(set, and not shown)";

fn from(key: &'static str, source: Source) -> String {
    match source {
        Source::Flag | Source::Variable => SettingName { key, source }.to_string(),
        Source::File => "file".to_owned(),
    }
}
