//! Letters that stay on this machine, for development: everything works without a mail server.

use std::fmt;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ambient::{Clock, Entropy};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Letter, Mail, MailError};

/// Writes letters where a developer finds them. **Not for production:** whoever reads them can open accounts.
pub struct Outbox(Place);

enum Place {
    Folder { path: PathBuf, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy> },
    Writer(Arc<Mutex<dyn Write + Send>>),
}

impl Outbox {
    /// A file a letter in the folder `path`, which is made for its owner alone: `1700000000-xxxxxxxx.txt`, in the order in which
    /// they were written, by the second.
    #[must_use]
    pub fn folder(path: PathBuf, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self(Place::Folder { path, clock, entropy })
    }

    /// Onto the standard output.
    #[must_use]
    pub fn terminal() -> Self {
        Self::writer(io::stdout())
    }

    /// Into `writer`, one after the other.
    #[must_use]
    pub fn writer(writer: impl Write + Send + 'static) -> Self {
        Self(Place::Writer(Arc::new(Mutex::new(writer))))
    }
}

#[async_trait]
impl Mail for Outbox {
    async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        let text = format!("To: {}\nSubject: {}\n\n{}", letter.to.as_str(), letter.subject, letter.text);
        let writing = match &self.0 {
            Place::Folder { path, clock, entropy } => {
                let name = format!("{}-{}.txt", clock.now().0, URL_SAFE_NO_PAD.encode(entropy.draw::<6>()));
                let path = path.clone();
                tokio::task::spawn_blocking(move || keep(&path, &name, &text))
            }
            Place::Writer(writer) => {
                let writer = Arc::clone(writer);
                tokio::task::spawn_blocking(move || {
                    let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                    writeln!(writer, "----- a letter -----\n{text}-----")?;
                    writer.flush()
                })
            }
        };
        match writing.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(MailError::Unreachable(Box::new(error))),
            Err(stopping) => Err(MailError::Refused(Box::new(stopping))),
        }
    }
}

/// Under its name only when it is whole: whoever watches the folder never sees half a letter.
fn keep(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let mut making = DirBuilder::new();
    making.recursive(true);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        making.mode(0o700);
        options.mode(0o600);
    }
    making.create(folder)?;
    let unfinished = folder.join(format!(".{name}"));
    options.open(&unfinished)?.write_all(text.as_bytes())?;
    std::fs::rename(unfinished, folder.join(name))
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Folder { path, .. } => f.debug_tuple("Outbox").field(path).finish(),
            Place::Writer(_) => f.write_str("Outbox"),
        }
    }
}

#[cfg(test)]
mod tests {
    use ambient::{ManualClock, SeededEntropy, Time};

    use super::*;
    use crate::email::Email;

    fn letter() -> Letter {
        let to = Email::parse("ada@example.com").unwrap();
        Letter { to, subject: "Hello".to_owned(), text: "A line.\n".to_owned() }
    }

    #[tokio::test]
    async fn a_folder_has_a_file_a_letter_for_its_owner_alone() {
        let home = tempfile::TempDir::new().unwrap();
        let folder = home.path().join("a/outbox");
        let clock = Arc::new(ManualClock::at(Time(1_700_000_000)));
        let outbox = Outbox::folder(folder.clone(), clock, Arc::new(SeededEntropy::new(1)));
        outbox.send(&letter()).await.unwrap();
        outbox.send(&letter()).await.unwrap();
        let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap()).collect();
        assert_eq!(files.len(), 2);
        for file in files {
            let name = file.file_name().into_string().unwrap();
            assert!(name.starts_with("1700000000-") && name.ends_with(".txt"), "{name}");
            let text = std::fs::read_to_string(file.path()).unwrap();
            assert_eq!(text, "To: ada@example.com\nSubject: Hello\n\nA line.\n");
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            }
        }
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_is_said() {
        let home = tempfile::TempDir::new().unwrap();
        let file = home.path().join("file");
        std::fs::write(&file, "").unwrap();
        let clock = Arc::new(ManualClock::at(Time(0)));
        let outbox = Outbox::folder(file, clock, Arc::new(SeededEntropy::new(1)));
        let error = outbox.send(&letter()).await.unwrap_err();
        assert!(matches!(error, MailError::Unreachable(_)), "{error}");
    }

    #[tokio::test]
    async fn a_terminal_shows_letters_whole() {
        let shown = Arc::new(Mutex::new(Vec::new()));
        struct Shown(Arc<Mutex<Vec<u8>>>);
        impl Write for Shown {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        Outbox::writer(Shown(shown.clone())).send(&letter()).await.unwrap();
        let shown = String::from_utf8(shown.lock().unwrap().clone()).unwrap();
        assert!(shown.contains("To: ada@example.com\nSubject: Hello\n\nA line.\n"), "{shown}");
    }
}
