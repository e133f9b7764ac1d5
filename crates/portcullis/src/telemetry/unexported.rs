//! Without the feature `otel` no spans are exported, and none are made.

use http::{HeaderMap, Method, StatusCode};
use tracing::Span;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::{TelemetryError, lines};
use crate::config::Config;

pub(super) struct Export;

/// Writes lines that pass `filter` from now on.
pub(super) fn subscribe(config: &Config, filter: EnvFilter) -> Result<Export, TelemetryError> {
    let subscriber = tracing_subscriber::registry().with(filter).with(lines(config));
    subscriber.try_init().map_err(|error| TelemetryError::Taken(error.into()))?;
    Ok(Export)
}

impl Export {
    pub(super) fn finish(self) {}
}

pub(crate) const fn request(_: &str, _: &Method, _: &'static str, _: &HeaderMap) -> Span {
    Span::none()
}

pub(crate) const fn trace(_: &Span) -> Option<String> {
    None
}

pub(crate) const fn answered(_: &Span, _: StatusCode) {}

pub(crate) const fn stored(_: &'static str) -> Span {
    Span::none()
}
