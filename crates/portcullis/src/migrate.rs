//! Moving everything from one store to another.
//!
//! Run it while the old store is served: that copies nearly everything. Stop the servers, run it again for the rest, and
//! start them with the new store. It can be stopped and run again at any time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ambient::{Clock, Entropy};
use store::copy::{self, Copied, CopyError, Copying, Progress};
use store::{Mark, Movable, Redis, RedisOptions, RedisUrl, RedisUrlError, Sqlite, Store as _, StoreError};
use thiserror::Error;

use crate::config::{Config, StoreKind};
use crate::data::{DataError, DataFolder};

/// A store that can be moved, or moved to.
#[derive(Clone, Debug)]
pub enum Place {
    /// The data folder that holds a database.
    Sqlite(PathBuf),
    /// A Redis or Valkey.
    Redis {
        /// Where it is.
        url: Box<RedisUrl>,
        /// How it is used.
        options: RedisOptions,
    },
}

/// Not a [`Place`]. It never quotes the text, which may hold a password.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// A database file that has another name than a server gives it.
    #[error("sqlite: is followed by the data folder (what --data names), or by the portcullis.db in it")]
    File,
    /// A password where others can read it.
    #[error(
        "the URL holds a password, and other users of this machine can read that here; write it into a file that --from-file or \
         --to-file names, or set PORTCULLIS_STORE or PORTCULLIS_STORE_FILE and leave this out"
    )]
    PasswordShown,
    /// Neither.
    #[error("it must be sqlite:FOLDER or the URL of a Redis: {0}")]
    Url(#[from] RedisUrlError),
    /// Nothing is kept there.
    #[error("the configured store is memory, which nothing can be copied from or to; name another one")]
    Memory,
}

impl Place {
    /// Reads `sqlite:FOLDER`, or the URL of a Redis, which may hold a password. A Redis is used with `options`, as far as they
    /// are for any server ([`RedisOptions::for_another`]).
    ///
    /// # Errors
    ///
    /// [`PlaceError`].
    pub fn parse(text: &str, options: &RedisOptions) -> Result<Self, PlaceError> {
        let Some(path) = text.strip_prefix("sqlite:") else {
            let url = Box::new(RedisUrl::parse(text)?);
            let options = options.clone().for_another(&url);
            return Ok(Self::Redis { url, options });
        };
        let path = Path::new(path);
        match path.extension() {
            Some(extension) if extension == "db" => match (path.file_name(), path.parent()) {
                (Some(name), Some(folder)) if name == "portcullis.db" => {
                    let here = folder.as_os_str().is_empty();
                    Ok(Self::Sqlite(if here { PathBuf::from(".") } else { folder.to_owned() }))
                }
                _ => Err(PlaceError::File),
            },
            _ if path.as_os_str().is_empty() => Err(PlaceError::File),
            _ => Ok(Self::Sqlite(path.to_owned())),
        }
    }

    /// Reads the same where other users of the machine can read it too: without a password.
    ///
    /// # Errors
    ///
    /// [`PlaceError`].
    pub fn parse_shown(text: &str, options: &RedisOptions) -> Result<Self, PlaceError> {
        match crate::config::holds_password(text) && !text.starts_with("sqlite:") {
            true => Err(PlaceError::PasswordShown),
            false => Self::parse(text, options),
        }
    }

    /// The store that a server of this configuration uses.
    ///
    /// # Errors
    ///
    /// [`PlaceError::Memory`].
    pub fn of(config: &Config) -> Result<Self, PlaceError> {
        match &config.store {
            StoreKind::Sqlite => Ok(Self::Sqlite(config.data.clone())),
            StoreKind::Redis(url) => Ok(Self::Redis { url: url.clone(), options: config.redis.clone() }),
            StoreKind::Memory => Err(PlaceError::Memory),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(folder) => write!(f, "sqlite:{}", folder.display()),
            Self::Redis { url, options } => write!(f, "{url} ({}:)", options.key_prefix()),
        }
    }
}

/// Why nothing, or not everything, was moved.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The source and the target are one.
    #[error("the source and the target are the same store")]
    Same,
    /// There is no database.
    #[error("there is no database in {}", .0.display())]
    NoDatabase(PathBuf),
    /// The folder of the target.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The source cannot be opened.
    #[error("the source cannot be opened: {0}")]
    From(#[source] StoreError),
    /// The target cannot be opened.
    #[error("the target cannot be opened: {0}")]
    To(#[source] StoreError),
    /// What was left cannot be taken back.
    #[error("the store cannot be taken back: {0}")]
    TakeBack(#[source] StoreError),
    /// It was opened, and could not be copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
}

/// One copy from a store to another.
#[derive(Clone, Debug)]
pub struct Migration {
    /// Where everything is.
    pub from: Place,
    /// Where it shall be.
    pub to: Place,
    /// Whether no server shall start with the source any more, once the target has everything.
    pub switch: bool,
}

impl Migration {
    /// Copies what the target has not, and tells `told` how far it is.
    ///
    /// A data folder that no server uses is locked meanwhile; one that a server uses may be the source, and the copy is not
    /// complete then.
    ///
    /// # Errors
    ///
    /// [`MigrateError`]. What was copied stays, and the next run goes on from there.
    pub async fn run(
        &self,
        clock: &Arc<dyn Clock>,
        entropy: &dyn Entropy,
        told: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Copied, MigrateError> {
        if self.from.to_string() == self.to.to_string() {
            return Err(MigrateError::Same);
        }
        let (from, from_folder) = existing(&self.from, clock, MigrateError::From).await?;
        let (to, _to_folder) = self.target(clock).await?;
        let source_in_use = matches!(self.from, Place::Sqlite(_)) && from_folder.is_none();
        let copying = Copying {
            from: &*from,
            to: &*to,
            now: clock.now(),
            source_in_use,
            leave: self.switch,
            draw: &mut || Mark::new(entropy.draw()),
            told,
        };
        Ok(copying.run().await?)
    }

    async fn target(
        &self,
        clock: &Arc<dyn Clock>,
    ) -> Result<(Arc<dyn Movable>, Option<DataFolder>), MigrateError> {
        match &self.to {
            Place::Redis { url, options } => {
                let redis =
                    Redis::open(url, options.clone(), Arc::clone(clock)).await.map_err(MigrateError::To)?;
                // Not into one that throws records away.
                redis.ready().await.map_err(MigrateError::To)?;
                Ok((Arc::new(redis), None))
            }
            Place::Sqlite(path) => {
                let folder = DataFolder::open(path)?;
                let store = Sqlite::open(&folder.database()).map_err(MigrateError::To)?;
                Ok((Arc::new(store), Some(folder)))
            }
        }
    }
}

/// Takes back a store that was left, so that servers may use it again as it was then. What happened in the other one since is not
/// in it, and no server may go on there. Answers whether it had been left.
///
/// # Errors
///
/// [`MigrateError`]
pub async fn take_back(
    place: &Place,
    clock: &Arc<dyn Clock>,
    entropy: &dyn Entropy,
) -> Result<bool, MigrateError> {
    let (left, _folder) = existing(place, clock, MigrateError::TakeBack).await?;
    let taken = copy::take_back(&*left, clock.now(), &mut || Mark::new(entropy.draw())).await;
    taken.map_err(MigrateError::TakeBack)
}

/// A store that is there already, and its data folder, unless a server uses that.
async fn existing(
    place: &Place,
    clock: &Arc<dyn Clock>,
    fault: fn(StoreError) -> MigrateError,
) -> Result<(Arc<dyn Movable>, Option<DataFolder>), MigrateError> {
    match place {
        Place::Redis { url, options } => {
            let redis = Redis::open(url, options.clone(), Arc::clone(clock)).await.map_err(fault)?;
            Ok((Arc::new(redis), None))
        }
        Place::Sqlite(path) => {
            // Neither folder nor database is made.
            let database = DataFolder::database_in(path);
            if !database.is_file() {
                return Err(MigrateError::NoDatabase(path.clone()));
            }
            let folder = match DataFolder::open(path) {
                Ok(folder) => Some(folder),
                Err(DataError::InUse(_)) => None,
                Err(error) => return Err(error.into()),
            };
            Ok((Arc::new(Sqlite::open(&database).map_err(fault)?), folder))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_data_folder_or_a_redis_without_a_password() {
        let options = RedisOptions::default();
        for (text, place) in [
            ("sqlite:portcullis-data", "sqlite:portcullis-data"),
            ("sqlite:/var/lib/portcullis/portcullis.db", "sqlite:/var/lib/portcullis"),
            ("sqlite:portcullis.db", "sqlite:."),
            ("sqlite:a:b@c", "sqlite:a:b@c"),
            ("redis://localhost/1", "redis://localhost:6379/1 (portcullis:)"),
            ("redis-cluster://a,b", "redis-cluster://a:6379,b:6379 (portcullis:)"),
        ] {
            assert_eq!(Place::parse_shown(text, &options).unwrap().to_string(), place);
        }
        for (text, fault) in [
            ("sqlite:", "the data folder"),
            ("sqlite:other.db", "the data folder"),
            ("memory", "sqlite:FOLDER"),
            ("redis://a,b", "one host"),
            ("redis://:the-password@a", "holds a password"),
        ] {
            let told = Place::parse_shown(text, &options).unwrap_err().to_string();
            assert!(told.contains(fault) && !told.contains("the-password"), "{text}: {told}");
        }
        let unseen = Place::parse("redis://:the-password@a", &options.prefix("other")).unwrap();
        assert_eq!(unseen.to_string(), "redis://a:6379 (other:)");
    }
}
