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
