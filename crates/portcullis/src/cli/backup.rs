//! `portcullis backup` and `portcullis restore`

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use ambient::{SystemClock, SystemEntropy};
use secrecy::ExposeSecret as _;

use super::{Environment, RunError};
use crate::backup::{self, Anew, BackupError, Restored, Restoring};
use crate::config::{Settings, StoreKind};

/// Write the database into a file, while a server runs or not
///
/// The master key is not in it: keep that elsewhere, for without it the backup is of no use. Nothing is written over.
#[derive(Debug, clap::Args)]
pub(super) struct Backup {
    /// The file to write
    file: PathBuf,
    #[command(flatten)]
    folder: Folder,
}

/// Put a backup into a data folder that no server has
///
/// What has happened since the backup was taken is undone, but for this: tokens that were renewed since are taken as the newest,
/// so nobody is logged out.
///
/// So what was ended since then holds again: sessions that were logged out, grants that were revoked or that ended because a token was
/// stolen (the thief's token, too), admin keys that were withdrawn, links and invitations that were used. What was changed is as before:
/// passwords, recovery codes that were used, second factors, blocked users, the keys of MCP servers. With --end-everything nobody gets in
/// by what holds again, but by a password or a recovery code of that time: ask people to change those.
///
/// The master key of that database must be in the folder, or set.
#[derive(Debug, clap::Args)]
pub(super) struct Restore {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    folder: Folder,
    /// Put a database that is in the folder aside; without it nothing is done then
    #[arg(long)]
    replace: bool,
    /// End all sessions, grants, consents, mailed links, invitations and admin keys that the backup brings back, and make one new admin
    /// key, which is printed
    #[arg(long)]
    end_everything: bool,
}

/// Which data folder.
#[derive(Debug, clap::Args)]
struct Folder {
    /// The data folder
    ///
    /// [variable: PORTCULLIS_DATA] [default: ./portcullis-data]
    #[arg(long, value_name = "FOLDER")]
    data: Option<String>,
    /// A TOML file with settings, as of serve
    ///
    /// [variable: PORTCULLIS_CONFIG] [default: none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Where the database is.
struct Place {
    data: PathBuf,
    /// Whether the master key is configured, and so need not be in the folder.
    has_key: bool,
}

impl Folder {
    /// Nothing else of the settings need be right.
    fn place(&self, environment: &Environment<'_>) -> Result<Place, RunError> {
        let data = self.data.as_deref().and_then(|text| text.parse().ok());
        let flags = Settings { data, ..Settings::default() };
        let mut settings = Settings::gathered(flags, self.config.as_deref(), environment.look_up)?;
        if self.data.is_some() {
            (settings.store, settings.store_file) = (None, None);
        }
        let has_key =
            settings.master_key_file.is_some() || (environment.look_up)("PORTCULLIS_MASTER_KEY").is_some();
        match settings.store_kind()? {
            StoreKind::Sqlite => Ok(Place { data: settings.folder()?, has_key }),
            StoreKind::Memory | StoreKind::Redis(_) => Err(BackupError::NotAFile.into()),
        }
    }
}

pub(super) fn back_up(
    Backup { file, folder }: Backup,
    environment: &Environment<'_>,
    out: &mut dyn Write,
) -> Result<(), RunError> {
    let Place { data, has_key: key_set } = folder.place(environment)?;
    let size = backup::back_up(&data, &file)?;
    let key = data.join("master.key");
    writeln!(out, "{} has everything of {} ({size} bytes).", file.display(), data.display())?;
    let where_it_is = match !key_set && key.is_file() {
        true => format!("Keep {} too, at another place", key.display()),
        false => "Keep it too, at another place".to_owned(),
    };
    writeln!(out, "The master key is not in it. {where_it_is}: without the key the backup is of no use.")?;
    Ok(())
}

pub(super) async fn restore(
    Restore { file, folder, replace, end_everything }: Restore,
    environment: &Environment<'_>,
    out: &mut dyn Write,
) -> Result<(), RunError> {
    let Place { data, has_key: key_set } = folder.place(environment)?;
    let restoring = Restoring::begin(&file, &data, replace)?;
    if end_everything {
        let Anew { people, links, keys, admin_key, .. } =
            restoring.end_everything(Arc::new(SystemClock), Arc::new(SystemEntropy)).await?;
        // Shown before it holds: a key that nobody saw would be the only one.
        writeln!(
            out,
            "Ended: all sessions and grants of {people} people, {links} links and invitations, {keys} admin keys.\n\n\
             The admin key, shown this once:\n\n    export PORTCULLIS_KEY={}\n",
            admin_key.expose_secret()
        )?;
        out.flush()?;
    }
    let Restored { aside, has_key } = restoring.finish()?;
    writeln!(out, "{} has everything of {}.", data.display(), file.display())?;
    if let Some(aside) = aside {
        writeln!(out, "The database that was there is {} now.", aside.display())?;
    }
    if !has_key && !key_set {
        let key = data.join("master.key");
        writeln!(
            out,
            "The master key is not in a backup: put it into {}, or set PORTCULLIS_MASTER_KEY, before a server starts.",
            key.display()
        )?;
    }
    Ok(())
}
