//! Whether a server would start with a configuration, without starting one: nothing is made and nothing changed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ambient::{Clock, Entropy, SystemClock, SystemEntropy};
use authz_core::{Keys, KeysError};
use identity::{Email, Letter, Mail as _, MailError, Smtp};
use store::{Backend, Filter, Kind, Redis, Sqlite, StoreError, copy};
use thiserror::Error;

use crate::compose::OpenError;
use crate::config::{Config, MailKind, MasterKey, StoreKind};
use crate::data::{DataError, DataFolder};
use crate::health::{self, HealthError, Question};
use crate::serve::{Tls, TlsError};

/// What was found of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// Records are in memory.
    Memory,
    /// There is no database yet: the first run makes one here.
    New(PathBuf),
    /// A server has the data folder. Over plain HTTP it was asked, and is ready; over TLS it was not.
    Served(String),
    /// There is one, and the master key opens it.
    Whole,
    /// It can be reached, and no server has used it yet.
    Unused,
}

/// Why a server would not start, or not serve.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The certificate or its key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The server that has the data folder.
    #[error("a server has the data folder, and is not ready: {0}")]
    Unready(#[from] HealthError),
    /// The folder, or a process that has it.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The store.
    #[error("the store cannot be used: {0}")]
    Store(#[from] StoreError),
    /// A letter is to be sent, and there is no mail server.
    #[error(
        "no mail server is set, so no letter can be sent: set PORTCULLIS_SMTP_URL and PORTCULLIS_MAIL_FROM"
    )]
    NoMail,
    /// The mail server.
    #[error("no letters can be sent: {0}")]
    Mail(#[from] MailError),
    /// What a server would say.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// What was found of the mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letters {
    /// There is none: letters go nowhere, or into a folder or onto the terminal.
    Without,
    /// It takes letters from this machine, and this user and password.
    Taken,
    /// It took this one.
    Sent,
}

/// Asks the mail server that `config` names whether it lets us in; with an address it is given a letter.
///
/// # Errors
///
/// [`CheckError::Mail`], or [`CheckError::Open`] if nothing can be made of its URL.
pub async fn check_mail(config: &Config, to: Option<&Email>) -> Result<Letters, CheckError> {
    let MailKind::Smtp { url, from } = &config.mail else { return Ok(Letters::Without) };
    let smtp = Smtp::new(url, from.clone(), Arc::new(SystemEntropy)).map_err(OpenError::from)?;
    match to {
        None => smtp.look().await.map(|()| Letters::Taken),
        Some(to) => {
            let text =
                "This is a letter of portcullis check-config. Whoever reads it knows that letters arrive.\n";
            smtp.send(&Letter::new(to.clone(), "Letters arrive", text)).await.map(|()| Letters::Sent)
        }
    }
    .map_err(CheckError::Mail)
}

/// Looks at the store that `config` names. A server that has the data folder is asked how it is.
///
/// # Errors
///
/// [`CheckError`].
pub async fn check(config: &Config) -> Result<Found, CheckError> {
    if let Some(files) = &config.tls {
        Tls::open(files.clone())?;
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    match &config.store {
        StoreKind::Memory => Ok(Found::Memory),
        StoreKind::Redis(url) => {
            let key = config.master_key.clone().ok_or(OpenError::NoMasterKey)?;
            let redis = Redis::look_at(url, config.redis.clone(), clock.clone()).await?;
            opened(Arc::new(redis), &key, clock).await
        }
        StoreKind::Sqlite => folder(config, clock).await,
    }
}

async fn folder(config: &Config, clock: Arc<dyn Clock>) -> Result<Found, CheckError> {
    let database = DataFolder::database_in(&config.data);
    if !database.is_file() {
        return writable(&config.data).map(|()| Found::New(config.data.clone()));
    }
    let data = match DataFolder::keep_quiet(&config.data) {
        Ok(data) => data,
        Err(DataError::InUse(folder)) => {
            let url = DataFolder::server_in(&folder)?.ok_or(DataError::InUse(folder))?;
            if url.starts_with("http:") {
                health::ask(&url, Question::Ready, None).await?;
            }
            return Ok(Found::Served(url));
        }
        Err(error) => return Err(error.into()),
    };
    let key = match &config.master_key {
        Some(key) => key.clone(),
        // There is a database, so it is read and never made.
        None => data.master_key()?,
    };
    opened(Arc::new(Sqlite::look_at(&database)?), &key, clock).await
}

/// Whether a server may use this store, and the master key is its own.
async fn opened(
    store: Arc<dyn Backend>,
    key: &MasterKey,
    clock: Arc<dyn Clock>,
) -> Result<Found, CheckError> {
    let unused = store.list(Kind::Keys, Filter::All, None, 1).await?.rows.is_empty();
    copy::may_be_served(&*store).await.map_err(OpenError::from)?;
    if unused {
        return Ok(Found::Unused);
    }
    let seal = key.seal().map_err(OpenError::from)?;
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    match Keys::open(store, seal, clock, entropy).await {
        Ok(_) => Ok(Found::Whole),
        Err(KeysError::MasterKeyWrong) => Err(OpenError::MasterKeyWrong.into()),
        Err(KeysError::Store(error)) => Err(error.into()),
        Err(other) => Err(OpenError::Keys(other).into()),
    }
}

/// Whether the folder is there, or can be made.
fn writable(folder: &Path) -> Result<(), CheckError> {
    let there = folder.ancestors().find(|folder| folder.as_os_str().is_empty() || folder.exists());
    let there = there.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let wrong = |source| DataError::Io { path: there.to_owned(), source };
    let metadata = std::fs::metadata(there).map_err(wrong)?;
    match metadata.is_dir() && !metadata.permissions().readonly() {
        true => Ok(()),
        false if metadata.is_dir() => Err(wrong(std::io::ErrorKind::PermissionDenied.into()).into()),
        false => Err(wrong(std::io::ErrorKind::NotADirectory.into()).into()),
    }
}

#[cfg(test)]
mod tests {
    use ambient::Time;
    use store::{Changes, Commit, Mark, Memory, Store as _, Tenure, TenureState};

    use super::*;

    #[tokio::test]
    async fn a_store_that_no_server_may_use_is_told_of() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let key = MasterKey::new([7; 32]);
        for (state, told) in [
            (TenureState::Copying, Some("unfinished copy")),
            (TenureState::Left, Some("left for another one")),
            (TenureState::Complete, None),
            (TenureState::Served, None),
        ] {
            let store = Arc::new(Memory::default());
            let tenure = Tenure { state, since: Time(1), issuer: None };
            let made = store.commit(&Changes::create(Mark::new([1; 16]), &tenure)).await.unwrap();
            assert_eq!(made, Commit::Done);
            match (opened(store, &key, Arc::clone(&clock)).await, told) {
                (Err(CheckError::Open(error)), Some(told)) => {
                    assert!(error.to_string().contains(told), "{error}")
                }
                (found, None) => assert_eq!(found.unwrap(), Found::Unused),
                (found, Some(told)) => panic!("{told}: {found:?}"),
            }
        }
    }
}
