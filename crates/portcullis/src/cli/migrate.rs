//! `portcullis migrate`

use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;

use ambient::{SystemClock, SystemEntropy};
use indicatif::{ProgressBar, ProgressStyle};
use store::copy::{Copied, Progress};
use thiserror::Error;

use super::{Environment, RunError};
use crate::config::{Config, Settings};
use crate::migrate::{Migration, Place, PlaceError};

/// Copy everything from one store to another
///
/// Run it while the old store is served: that copies nearly everything. Stop all servers, run it again for what has changed
/// since, and start them with the new store: nobody is logged out. It can be stopped and run again at any time.
///
/// A store is sqlite:FOLDER (the data folder) or the URL of a Redis. What is left out is the store that the variables or the
/// configuration file name, which is where a URL with a password belongs.
#[derive(Debug, clap::Args)]
#[command(after_long_help = STATUS)]
pub(super) struct Migrate {
    /// Where everything is
    ///
    /// [default: the configured store]
    #[arg(long, value_name = "STORE")]
    from: Option<String>,
    /// Where it shall be: nothing, or what an earlier run began
    ///
    /// [default: the configured store]
    #[arg(long, value_name = "STORE")]
    to: Option<String>,
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
}

const STATUS: &str = "\
It ends with status 0 if the new store has everything and may be served; with 3 if all was copied but a server still wrote to
the old one (stop it, and run this again); with 2 if something was written wrong, with 1 if something else went wrong.";

/// What is wrong with the stores that were named.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MigrateUseError {
    /// Neither side.
    #[error("name the store to copy from (--from), the one to copy to (--to), or both")]
    Neither,
    /// A store.
    #[error("--{side}: {fault}")]
    Place {
        /// `from` or `to`.
        side: &'static str,
        /// What is wrong with it.
        fault: PlaceError,
    },
}

/// Answers whether the new store may be served.
pub(super) async fn run(
    migrate: Migrate,
    environment: &Environment<'_>,
    out: &mut dyn Write,
) -> Result<bool, RunError> {
    if migrate.from.is_none() && migrate.to.is_none() {
        return Err(MigrateUseError::Neither.into());
    }
    let config = Config::load(Settings::default(), migrate.config.as_deref(), environment.look_up)?;
    let place = |side, given: &Option<String>| {
        let place = given.as_deref().map_or_else(|| Place::of(&config), Place::parse);
        place.map_err(|fault| MigrateUseError::Place { side, fault })
    };
    let (from, to) = (place("from", &migrate.from)?, place("to", &migrate.to)?);
    writeln!(out, "Copying from {from} to {to}")?;
    let migration = Migration { from, to, redis: config.redis, switch: migrate.switch };
    let mut shown = Shown::new();
    let copied = migration.run(&SystemClock, &SystemEntropy, &mut |progress| shown.show(progress)).await;
    shown.end();
    let copied = copied?;
    report(&migration, &copied, out)?;
    Ok(copied.complete)
}

fn report(migration: &Migration, copied: &Copied, out: &mut dyn Write) -> io::Result<()> {
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
    if copied.complete {
        writeln!(
            out,
            "The new store has everything. {}",
            match migration.switch {
                true => "No server starts with the old one any more.",
                false => "Do not start a server with the old one any more (with --switch none does).",
            }
        )?;
        match (&migration.from, &migration.to) {
            (Place::Sqlite(folder), Place::Redis(_)) => writeln!(
                out,
                "Start the servers with PORTCULLIS_STORE set to the new store, and the same master key: \
                 PORTCULLIS_MASTER_KEY_FILE={}, unless you set one already.",
                folder.join("master.key").display()
            ),
            (_, Place::Sqlite(folder)) => writeln!(
                out,
                "Start the server with --data {} and the same master key: PORTCULLIS_MASTER_KEY or PORTCULLIS_MASTER_KEY_FILE.",
                folder.display()
            ),
            (Place::Redis(_), Place::Redis(_)) => {
                writeln!(
                    out,
                    "Start the servers with PORTCULLIS_STORE set to the new store, and the same master key."
                )
            }
        }
    } else {
        writeln!(
            out,
            "Not finished: a server still uses the old store, or did while it was copied. No server starts with the new store \
             yet. Stop all servers, and run this again: it copies what has changed since."
        )
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
