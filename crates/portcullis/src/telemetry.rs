//! Log lines on stderr, as text or JSON, and spans for a collector. Nothing secret is in them: no body, no query, no header.

#[cfg_attr(not(feature = "otel"), path = "telemetry/unexported.rs")]
pub(crate) mod export;

use std::io::{self, IsTerminal as _};
use std::panic;

use http::HeaderMap;
use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer};

use self::export::Export;
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
    /// What the environment says of the collector cannot be used.
    #[cfg(feature = "otel")]
    #[error("spans cannot be exported: {0}")]
    Export(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// The log of this process, and the spans that it exports.
#[must_use]
pub struct Telemetry(Export);

/// Starts to write the log of this process to stderr; a panic becomes a line of it, without its message. With the feature `otel`
/// spans go to the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names.
///
/// # Errors
///
/// [`TelemetryError::Filter`] if [`Config::log`] was not read by [`Config::load`], [`TelemetryError::Taken`] at a second
/// call.
pub fn start(config: &Config) -> Result<Telemetry, TelemetryError> {
    let export = export::subscribe(config, EnvFilter::try_new(&config.log)?)?;
    // The message of a panic may quote what was being worked on.
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a bug: something panicked");
    }));
    Ok(Telemetry(export))
}

impl Telemetry {
    /// Sends the spans that wait to be exported, for five seconds at the most. Nothing is exported afterwards.
    pub fn finish(self) {
        self.0.finish();
    }
}

fn lines<S: Subscriber + for<'span> LookupSpan<'span>>(config: &Config) -> Box<dyn Layer<S> + Send + Sync> {
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    match config.log_format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    }
}

/// The id of the trace that a request belongs to, if its `traceparent` is one (W3C Trace Context section 3.2): 32 lowercase hexadecimal
/// digits. Anybody may send one; it is for finding log lines and for nothing else.
pub(crate) fn trace_of(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all("traceparent").iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let mut parts = value.to_str().ok()?.split('-');
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_id = |text: &str, length: usize| is_hex(text, length) && text.bytes().any(|byte| byte != b'0');
    let version = parts.next().filter(|version| is_hex(version, 2) && *version != "ff")?;
    let trace = parts.next().filter(|trace| is_id(trace, 32))?;
    parts.next().filter(|parent| is_id(parent, 16))?;
    parts.next().filter(|flags| is_hex(flags, 2))?;
    // A later version may say more.
    (version != "00" || parts.next().is_none()).then_some(trace)
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

    use super::*;

    #[test]
    fn a_trace_is_known_by_a_well_formed_traceparent_alone() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("traceparent", value.parse().unwrap());
            }
            trace_of(&headers).map(ToOwned::to_owned)
        };
        let good = format!("00-{trace}-00f067aa0ba902b7-01");
        assert_eq!(of(&[&good]).as_deref(), Some(trace));
        assert_eq!(of(&[&format!("cc-{trace}-00f067aa0ba902b7-01-more")]).as_deref(), Some(trace));
        for wrong in [
            String::new(),
            trace.to_owned(),
            format!("ff-{trace}-00f067aa0ba902b7-01"),
            format!("00-{trace}-00f067aa0ba902b7-01-more"),
            format!("00-{trace}-00f067aa0ba902b7"),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
        ] {
            assert_eq!(of(&[&wrong]), None, "{wrong}");
        }
        assert_eq!(of(&[&good, &good]), None);
    }

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

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().map_err(|_| io::ErrorKind::Other)?.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
