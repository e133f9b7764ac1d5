//! Spans for a collector of OpenTelemetry: OTLP over HTTP, in protobuf. Set by the variables that every program with OpenTelemetry
//! has: `OTEL_EXPORTER_OTLP_ENDPOINT`, without which nothing is sent, `OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER` and so on.
//!
//! One span for each request, one below it for each time that it asks the store. Nothing that a stranger sends is in them but the
//! trace that they belong to.

use std::env;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{Status, TraceContextExt as _, TracerProvider as _};
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Metadata, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::{TelemetryError, lines, trace_of};
use crate::config::Config;

/// The target of spans that are exported, and in no log line: a collector and the log have their own levels.
const EXPORTED: &str = "portcullis::exported";
/// How long the end of the process waits for the collector.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends spans, if the environment says where to.
pub(super) struct Export(Option<SdkTracerProvider>);

/// Writes lines that pass `filter` from now on, and sends spans.
pub(super) fn subscribe(config: &Config, filter: EnvFilter) -> Result<Export, TelemetryError> {
    let provider = is_wanted(|name| env::var(name).ok()).then(provider).transpose()?;
    let exported = |metadata: &Metadata<'_>| metadata.target() == EXPORTED;
    let layer = provider.as_ref().map(|provider| {
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("portcullis"));
        let plain =
            layer.with_location(false).with_threads(false).with_tracked_inactivity(false).with_target(false);
        plain.with_filter(filter_fn(exported))
    });
    let lines = lines(config).with_filter(filter.and(filter_fn(move |metadata| !exported(metadata))));
    tracing_subscriber::registry()
        .with(lines)
        .with(layer)
        .try_init()
        .map_err(|error| TelemetryError::Taken(error.into()))?;
    Ok(Export(provider))
}

impl Export {
    /// Sends what waits, for five seconds at the most.
    pub(super) fn finish(self) {
        if let Some(Err(error)) = self.0.map(|provider| provider.shutdown_with_timeout(PATIENCE)) {
            tracing::warn!(%error, "the last spans did not reach the collector");
        }
    }
}

/// The span of a request below the one that its `traceparent` names, if it names one (W3C Trace Context).
pub(crate) fn request(id: &str, method: &Method, endpoint: &'static str, headers: &HeaderMap) -> Span {
    let method = known(method);
    let name = format!("{method} {endpoint}");
    let span = tracing::info_span!(
        target: EXPORTED,
        parent: None,
        "request",
        otel.name = name,
        otel.kind = "server",
        http.request.method = method,
        http.route = endpoint,
        portcullis.request_id = id,
    );
    if trace_of(headers).is_some() {
        let parent = TraceContextPropagator::new().extract(&Parent(headers));
        // There is none to set where nothing is exported.
        let _ = span.set_parent(parent);
    }
    span
}

/// The id of the trace that a span is exported under: 32 hexadecimal digits.
pub(crate) fn trace(span: &Span) -> Option<String> {
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| context.trace_id().to_string())
}

/// Notes how a request was answered.
pub(crate) fn answered(span: &Span, status: StatusCode) {
    span.set_attribute("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.set_status(Status::error(""));
    }
}

/// The span of something that the store does for a request; of none for what nobody asked for.
pub(crate) fn stored(operation: &'static str) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    let name = format!("store {operation}");
    tracing::info_span!(target: EXPORTED, "store", otel.name = name, otel.kind = "client", db.operation.name = operation)
}

fn is_wanted(variable: impl Fn(&str) -> Option<String>) -> bool {
    let is = |name, value: &str| variable(name).is_some_and(|set| set.eq_ignore_ascii_case(value));
    let names_a_collector = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
        .into_iter()
        .any(|name| variable(name).is_some_and(|endpoint| !endpoint.is_empty()));
    names_a_collector && !is("OTEL_SDK_DISABLED", "true") && !is("OTEL_TRACES_EXPORTER", "none")
}

fn provider() -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = SpanExporter::builder().with_http().build()?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let named = Resource::builder().with_attribute(version.clone()).build();
    let is_named = named
        .get(&Key::new("service.name"))
        .is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let resource = match is_named {
        true => named,
        false => Resource::builder().with_attribute(version).with_service_name("portcullis").build(),
    };
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

/// A method as one of a few words: a stranger may send any.
fn known(method: &Method) -> &'static str {
    let known = [
        Method::GET,
        Method::POST,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
        Method::DELETE,
        Method::PUT,
    ];
    match known.iter().position(|own| own == method) {
        Some(0) => "GET",
        Some(1) => "POST",
        Some(2) => "HEAD",
        Some(3) => "OPTIONS",
        Some(4) => "PATCH",
        Some(5) => "DELETE",
        Some(6) => "PUT",
        Some(_) | None => "_OTHER",
    }
}

/// The `traceparent` alone: a `tracestate` is text of a stranger, and nobody is called on behalf of the request.
struct Parent<'h>(&'h HeaderMap);

impl Extractor for Parent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).filter(|_| key == "traceparent")?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_sent_to_a_collector_that_is_named_unless_that_is_switched_off() {
        for (set, wanted) in [
            (&[][..], false),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")], false),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318")], true),
            (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://localhost:4318/v1/traces")], true),
            (
                &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318"), ("OTEL_SDK_DISABLED", "TRUE")],
                false,
            ),
            (
                &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318"), ("OTEL_TRACES_EXPORTER", "none")],
                false,
            ),
        ] {
            let variable =
                |name: &str| set.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(is_wanted(variable), wanted, "{set:?}");
        }
    }

    #[test]
    fn a_method_that_a_stranger_makes_up_is_none_of_ours() {
        assert_eq!(known(&Method::PATCH), "PATCH");
        assert_eq!(known(&Method::from_bytes(b"secret").unwrap()), "_OTHER");
    }
}
