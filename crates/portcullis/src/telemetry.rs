//! Log lines on stderr, as text or JSON. Nothing secret is in them: no body, no query, no header.

use std::io::{self, IsTerminal as _};
use std::panic;

use thiserror::Error;
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// Log lines cannot be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The filter does not parse.
    #[error("the log filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// This process logs already.
    #[error("this process writes its log elsewhere already")]
    Taken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Starts to write the log of this process to stderr; a panic becomes a line of it, without its message.
///
/// # Errors
///
/// [`TelemetryError::Filter`] if [`Config::log`] was not read by [`Config::load`], [`TelemetryError::Taken`] at a second
/// call.
pub fn start(config: &Config) -> Result<(), TelemetryError> {
    let lines =
        tracing_subscriber::fmt().with_env_filter(EnvFilter::try_new(&config.log)?).with_writer(io::stderr);
    match config.log_format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    }
    .map_err(TelemetryError::Taken)?;
    // The message of a panic may quote what was being worked on.
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a bug: something panicked");
    }));
    Ok(())
}

/// An error with its causes, as far as it does not name them itself.
pub(crate) fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::instrument::WithSubscriber as _;

    /// What `work` comes to, and what is logged meanwhile at the default level.
    pub(crate) async fn logged<T>(work: impl Future<Output = T>) -> (T, String) {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let done = work.with_subscriber(log).await;
        let text = lines.0.lock().unwrap().clone();
        (done, String::from_utf8(text).unwrap())
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().map_err(|_| std::io::ErrorKind::Other)?.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
}
