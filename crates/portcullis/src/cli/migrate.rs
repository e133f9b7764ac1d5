//! `portcullis migrate`

use std::fmt;
use std::fs;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ambient::{Clock, SystemClock, SystemEntropy};
use indicatif::{ProgressBar, ProgressStyle};
use store::RedisOptions;
use store::copy::{Copied, Progress};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{Environment, RunError};
use crate::config::{Config, SettingName, Settings};
use crate::migrate::{Migration, Place, PlaceError};

/// Copy everything from one store to another
///
/// Run it while the old store is served: that copies nearly everything. Stop all servers, run it again with --switch for what has
/// changed since, and start them with the new store: nobody is logged out. It can be stopped and run again at any time.
///
/// A store is sqlite:FOLDER (the data folder) or the URL of a Redis. What is left out is the store that the variables or the
/// configuration file name.
#[derive(Debug, clap::Args)]
#[command(after_long_help = STATUS)]
pub(super) struct Migrate {
    /// Where everything is
    ///
    /// [default: the configured store]
    #[arg(long, value_name = "STORE", help_heading = "The old store", conflicts_with = "from_file")]
    from: Option<String>,
    /// A file with what --from says, in one line: for a URL with a password
    ///
    /// [default: none]
    #[arg(long, value_name = "FILE", help_heading = "The old store")]
    from_file: Option<PathBuf>,
    /// What the names of all keys begin with in a Redis
    ///
    /// [default: what PORTCULLIS_REDIS_PREFIX says]
    #[arg(long, value_name = "PREFIX", help_heading = "The old store")]
    from_prefix: Option<String>,
    /// A file with the certificates, as PEM, that vouch for a Redis over TLS
    ///
    /// [default: what PORTCULLIS_REDIS_CA_FILE says]
    #[arg(long, value_name = "FILE", help_heading = "The old store")]
    from_ca_file: Option<PathBuf>,
    /// Where it shall be: nothing, or what an earlier run began
    ///
    /// [default: the configured store]
    #[arg(long, value_name = "STORE", help_heading = "The new store", conflicts_with = "to_file")]
    to: Option<String>,
    /// A file with what --to says, in one line: for a URL with a password
    ///
    /// [default: none]
    #[arg(long, value_name = "FILE", help_heading = "The new store")]
    to_file: Option<PathBuf>,
    /// What the names of all keys begin with in a Redis
    ///
    /// [default: what PORTCULLIS_REDIS_PREFIX says]
    #[arg(long, value_name = "PREFIX", help_heading = "The new store")]
    to_prefix: Option<String>,
    /// A file with the certificates, as PEM, that vouch for a Redis over TLS
    ///
    /// [default: what PORTCULLIS_REDIS_CA_FILE says]
    #[arg(long, value_name = "FILE", help_heading = "The new store")]
    to_ca_file: Option<PathBuf>,
    /// A TOML file with settings, as of serve
    ///
    /// [variable: PORTCULLIS_CONFIG] [default: none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// When the new store has everything, let no server start with the old one any more
    ///
    /// Without it nothing keeps a forgotten server from starting there and undoing what happened since.
    #[arg(long)]
    switch: bool,
    /// Copy nothing, and let servers start again with a store that was left by --switch: the configured one, or --from
    ///
    /// It is as it was when it was left. Stop the servers of the new store before: what happened there since is not in this one, and
    /// tokens that both give out would end each other's grants.
    #[arg(long, conflicts_with_all = ["switch", "to", "to_file", "to_prefix", "to_ca_file"])]
    take_back: bool,
}

const STATUS: &str = "\
It ends with status 0 if the new store has everything and may be served; with 3 if all was copied but a server still wrote to
the old one (stop it, and run this again); with 2 if something was written wrong, with 1 if something else went wrong.

  portcullis migrate --from sqlite:portcullis-data --to-file new-store.url
  portcullis migrate --from sqlite:portcullis-data --to-file new-store.url --switch
  portcullis migrate --take-back --from sqlite:portcullis-data";

/// What is wrong with the stores that were named.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MigrateUseError {
    /// Neither side.
    #[error("name the store to copy from (--from), the one to copy to (--to), or both")]
    Neither,
    /// A store.
    #[error("--{flag}: {fault}")]
    Place {
        /// Which flag names it.
        flag: String,
        /// What is wrong with it.
        fault: PlaceError,
    },
    /// A file.
    #[error("--{flag}: {} cannot be read: {source}", .path.display())]
    File {
        /// Which flag names it.
        flag: String,
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Not a prefix of keys.
    #[error("--{flag}: a prefix is 1 to 64 letters, digits, dots, dashes, underscores or colons")]
    Prefix {
        /// Which flag.
        flag: String,
    },
    /// For a store that has no use for it.
    #[error("--{flag} is for a Redis, and that store is none")]
    NotRedis {
        /// Which flag.
        flag: String,
    },
}

/// What the command line says of one of the two stores.
struct Side<'a> {
    name: &'static str,
    store: Option<&'a str>,
    file: Option<&'a Path>,
    prefix: Option<&'a str>,
    authority: Option<&'a Path>,
}

impl Migrate {
    fn from(&self) -> Side<'_> {
        Side {
            name: "from",
            store: self.from.as_deref(),
            file: self.from_file.as_deref(),
            prefix: self.from_prefix.as_deref(),
            authority: self.from_ca_file.as_deref(),
        }
    }

    fn to(&self) -> Side<'_> {
        Side {
            name: "to",
            store: self.to.as_deref(),
            file: self.to_file.as_deref(),
            prefix: self.to_prefix.as_deref(),
            authority: self.to_ca_file.as_deref(),
        }
    }
}

impl Side<'_> {
    const fn says_nothing(&self) -> bool {
        self.store.is_none() && self.file.is_none() && self.prefix.is_none()
    }

    fn place(&self, config: &Config) -> Result<Place, MigrateUseError> {
        let wrong = |flag| move |fault| MigrateUseError::Place { flag, fault };
        let place = match (self.store, self.file) {
            (Some(store), _) => {
                Place::parse_shown(store, &config.redis).map_err(wrong(self.name.to_owned()))?
            }
            (None, Some(path)) => {
                let flag = self.flag("file");
                let text = Zeroizing::new(read(&flag, path)?);
                let text = std::str::from_utf8(&text).unwrap_or_default();
                Place::parse(text.trim_end_matches(['\r', '\n']), &config.redis).map_err(wrong(flag))?
            }
            (None, None) => Place::of(config).map_err(wrong(self.name.to_owned()))?,
        };
        match place {
            Place::Sqlite(folder) => match (self.prefix, self.authority) {
                (Some(_), _) => Err(MigrateUseError::NotRedis { flag: self.flag("prefix") }),
                (None, Some(_)) => Err(MigrateUseError::NotRedis { flag: self.flag("ca-file") }),
                (None, None) => Ok(Place::Sqlite(folder)),
            },
            Place::Redis { url, mut options } => {
                if let Some(prefix) = self.prefix {
                    if !RedisOptions::may_begin_keys(prefix) {
                        return Err(MigrateUseError::Prefix { flag: self.flag("prefix") });
                    }
                    options = options.prefix(prefix);
                }
                if let Some(path) = self.authority {
                    options = options.certificate_authority(read(&self.flag("ca-file"), path)?);
                }
                Ok(Place::Redis { url, options })
            }
        }
    }

    fn flag(&self, of: &str) -> String {
        format!("{}-{of}", self.name)
    }
}

fn read(flag: &str, path: &Path) -> Result<Vec<u8>, MigrateUseError> {
    fs::read(path).map_err(|source| MigrateUseError::File {
        flag: flag.to_owned(),
        path: path.to_owned(),
        source,
    })
}

/// Answers whether the new store may be served.
pub(super) async fn run(
    migrate: Migrate,
    environment: &Environment<'_>,
    out: &mut dyn Write,
) -> Result<bool, RunError> {
    let (from, to) = (migrate.from(), migrate.to());
    if from.says_nothing() && to.says_nothing() && !migrate.take_back {
        return Err(MigrateUseError::Neither.into());
    }
    let settings = Settings::gathered(Settings::default(), migrate.config.as_deref(), environment.look_up)?;
    let config = Config::of(&settings, environment.look_up)?;
    let from = from.place(&config)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    if migrate.take_back {
        let taken = crate::migrate::take_back(&from, &clock, &SystemEntropy).await?;
        match taken {
            true => writeln!(
                out,
                "Servers may start with {from} again, which is as it was when it was left. Start none with the other store any more."
            )?,
            false => writeln!(out, "{from} was not left: nothing is changed.")?,
        }
        return Ok(true);
    }
    let to = to.place(&config)?;
    writeln!(out, "Copying from {from} to {to}")?;
    let migration = Migration { from, to, switch: migrate.switch };
    let mut shown = Shown::new();
    let copied = migration.run(&clock, &SystemEntropy, &mut |progress| shown.show(progress)).await;
    shown.end();
    let copied = copied?;
    report(&migration, &copied, settings.names_store(), out)?;
    Ok(copied.complete)
}

/// `configured` is what names a store to servers now.
fn report(
    migration: &Migration,
    copied: &Copied,
    configured: Option<SettingName>,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "\n{:<12}{:>12}{:>12}", "", "old store", "new store")?;
    for count in &copied.counts {
        writeln!(out, "{:<12}{:>12}{:>12}", count.kind, count.from, count.to)?;
    }
    writeln!(out, "\n{} were written in this run.", copied.written)?;
    if copied.kept_ended > 0 {
        writeln!(
            out,
            "{} that have ended in the new store were left so, though the old store says otherwise.",
            copied.kept_ended
        )?;
    }
    if copied.unlisted > 0 {
        writeln!(out, "{} were on no list of the old store, and were copied all the same.", copied.unlisted)?;
    }
    if !copied.complete {
        return writeln!(
            out,
            "Not finished: a server still uses the old store, or did while it was copied. No server starts with the new store \
             yet. Stop all servers, and run this again: it copies what has changed since."
        );
    }
    writeln!(
        out,
        "The new store has everything. {}",
        match migration.switch {
            true => "No server starts with the old one any more.",
            false => "Do not start a server with the old one any more (with --switch none does).",
        }
    )?;
    match (&migration.from, &migration.to) {
        (Place::Sqlite(folder), Place::Redis { options, .. }) => writeln!(
            out,
            "Start the servers with PORTCULLIS_STORE set to the new store{}, and the same master key: \
             PORTCULLIS_MASTER_KEY_FILE={}, unless you set one already.",
            Prefixed(options),
            folder.join("master.key").display()
        ),
        (_, Place::Sqlite(folder)) => writeln!(
            out,
            "Start the server with --data {}, without {}, and with the same master key: PORTCULLIS_MASTER_KEY or \
             PORTCULLIS_MASTER_KEY_FILE.",
            folder.display(),
            configured.map_or_else(|| "PORTCULLIS_STORE".to_owned(), |name| name.to_string())
        ),
        (Place::Redis { .. }, Place::Redis { options, .. }) => writeln!(
            out,
            "Start the servers with PORTCULLIS_STORE set to the new store{}, and the same master key.",
            Prefixed(options)
        ),
    }
}

/// The setting that servers need beside the URL, if they do.
struct Prefixed<'a>(&'a RedisOptions);

impl fmt::Display for Prefixed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.key_prefix() {
            prefix if prefix == RedisOptions::default().key_prefix() => Ok(()),
            prefix => write!(f, ", PORTCULLIS_REDIS_PREFIX={prefix}"),
        }
    }
}

/// How far it is: a bar for people, a line for each tenth otherwise.
enum Shown {
    Bar(ProgressBar),
    Lines { tenths: u64 },
}

impl Shown {
    fn new() -> Self {
        if !io::stderr().is_terminal() {
            return Self::Lines { tenths: 0 };
        }
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{bar:40} {pos} of {len}, {per_sec}, {eta} left");
        Self::Bar(style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style)))
    }

    fn show(&mut self, Progress { done, of }: Progress) {
        match self {
            Self::Bar(bar) => {
                bar.set_length(of.max(done));
                bar.set_position(done);
            }
            Self::Lines { tenths } => {
                let now = done.saturating_mul(10).checked_div(of).unwrap_or(10);
                if now > *tenths {
                    *tenths = now;
                    // Progress that cannot be shown is no reason to stop.
                    let _ = writeln!(io::stderr(), "{done} of {of} records and claims");
                }
            }
        }
    }

    fn end(&self) {
        match self {
            Self::Bar(bar) => bar.finish(),
            Self::Lines { .. } => {}
        }
    }
}
