//! What is counted and timed, as Prometheus reads it.
//!
//! | metric | labels |
//! |---|---|
//! | `portcullis_requests_total`, `portcullis_request_seconds` | `endpoint`, and of the first `status` as `2xx` |
//! | `portcullis_events_total` | `name` and `outcome`, as the audit trail has them |
//! | `portcullis_refusals_total` | `endpoint` and `rule` |
//! | `portcullis_limited_total` | `limit` |
//! | `portcullis_store_seconds`, `portcullis_store_errors_total` | `operation` |
//! | `portcullis_letters_total` | `outcome`: `sent` or `failed` |
//! | `portcullis_password_hashes`, `portcullis_audit_waiting`: now under way | |
//! | `portcullis_audit_lost_total` | |
//! | `portcullis_grants_live`, `portcullis_grants_counted_timestamp_seconds` | |
//! | `portcullis_info` | `version` |
//!
//! Every label is one of a few words of ours: nothing that a stranger sends becomes one.

use std::time::Duration;

use ambient::Time;
use authz_core::{Context, Event, Events};
use http::StatusCode;
use metrics::{Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::census::Living;
use crate::audit::of_outcome;

/// Of histograms, in seconds: from a read of a file to a request that is cut off.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// What every process counts for itself, and what it means.
const GRANTS: [(&str, &str); 2] = [
    (
        "portcullis_grants_live",
        "Grants of the whole store whose tokens have not expired, when they were counted last, those of blocked clients, users and \
         servers included. Every process counts all, 10000 a minute: take the maximum over processes, not the sum.",
    ),
    (
        "portcullis_grants_counted_timestamp_seconds",
        "When the count of portcullis_grants_live ended, since 1970.",
    ),
];

/// What the counters, the histograms and the other gauges mean.
const COUNTERS: [(&str, &str); 7] = [
    ("portcullis_requests_total", "Requests that were answered, by endpoint and class of status."),
    ("portcullis_events_total", "What happened, by its name in the audit trail and how it went."),
    ("portcullis_refusals_total", "Requests of the protocol that broke a rule, by endpoint and rule."),
    ("portcullis_limited_total", "Requests that were over a limit, by limit."),
    ("portcullis_store_errors_total", "What the store could not do, by operation."),
    ("portcullis_letters_total", "Letters, by whether they went out."),
    ("portcullis_audit_lost_total", "Entries of the audit trail that were not kept."),
];
const HISTOGRAMS: [(&str, &str); 2] = [
    ("portcullis_request_seconds", "How long requests took, by endpoint."),
    ("portcullis_store_seconds", "How long the store took, by operation."),
];
const GAUGES: [(&str, &str); 3] = [
    ("portcullis_password_hashes", "Passwords that are being hashed, or wait for it."),
    ("portcullis_audit_waiting", "Entries of the audit trail that wait to be written."),
    ("portcullis_info", "Always 1; its label is the version."),
];

static METADATA: Metadata<'static> = Metadata::new("portcullis", Level::INFO, None);

/// What one server counts and times. Two in one process have nothing in common.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

/// What is asked for when somebody reads, because nobody tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Letters that went out, and letters that did not.
    pub letters: (u64, u64),
    /// Passwords that are being hashed, or wait for it.
    pub hashes: usize,
    /// Entries of the audit trail that wait to be written.
    pub audit_waiting: usize,
    /// Entries of the audit trail that were not kept.
    pub audit_lost: u64,
    /// Grants that lived when they were counted last, if they have been.
    pub grants: Option<Living>,
}

impl Metrics {
    /// Nothing has been counted.
    #[must_use]
    pub fn new() -> Self {
        let builder = PrometheusBuilder::new().set_buckets(&BUCKETS).unwrap_or_default();
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let metrics = Self { recorder, handle };
        for (name, help) in GRANTS.into_iter().chain(GAUGES) {
            metrics.recorder.describe_gauge(name.into(), None, help.into());
        }
        for (name, help) in COUNTERS {
            metrics.recorder.describe_counter(name.into(), None, help.into());
        }
        for (name, help) in HISTOGRAMS {
            metrics.recorder.describe_histogram(name.into(), None, help.into());
        }
        metrics.set("portcullis_info", vec![Label::new("version", env!("CARGO_PKG_VERSION"))], 1.0);
        metrics
    }

    /// A request was answered.
    pub fn answered(&self, endpoint: &'static str, status: StatusCode, took: Duration) {
        let class = match status.as_u16() / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        let of_endpoint = Label::from_static_parts("endpoint", endpoint);
        let labels = vec![of_endpoint.clone(), Label::from_static_parts("status", class)];
        self.count("portcullis_requests_total", labels);
        self.time("portcullis_request_seconds", vec![of_endpoint], took);
    }

    /// The store did something, or could not.
    pub fn stored(&self, operation: &'static str, took: Duration, done: bool) {
        let labels = vec![Label::from_static_parts("operation", operation)];
        if !done {
            self.count("portcullis_store_errors_total", labels.clone());
        }
        self.time("portcullis_store_seconds", labels, took);
    }

    /// Works off what was timed since the last time. Needed now and then where nobody reads.
    pub fn tidy(&self) {
        self.handle.run_upkeep();
    }

    /// All of it, in the text format of Prometheus, version 0.0.4.
    #[must_use]
    pub fn text(&self, gauges: Gauges) -> String {
        let Gauges { letters: (sent, failed), hashes, audit_waiting, audit_lost, grants } = gauges;
        if let Some(Living { grants, counted }) = grants {
            let [(living, _), (at, _)] = GRANTS;
            self.set(living, Vec::new(), of_count(usize::try_from(grants).unwrap_or(usize::MAX)));
            self.set(at, Vec::new(), of_count(usize::try_from(counted.0).unwrap_or_default()));
        }
        for (outcome, letters) in [("sent", sent), ("failed", failed)] {
            let labels = vec![Label::from_static_parts("outcome", outcome)];
            self.total("portcullis_letters_total", labels, letters);
        }
        self.total("portcullis_audit_lost_total", Vec::new(), audit_lost);
        self.set("portcullis_password_hashes", Vec::new(), of_count(hashes));
        self.set("portcullis_audit_waiting", Vec::new(), of_count(audit_waiting));
        self.handle.render()
    }

    fn count(&self, name: &'static str, labels: Vec<Label>) {
        self.recorder.register_counter(&Key::from_parts(name, labels), &METADATA).increment(1);
    }

    fn total(&self, name: &'static str, labels: Vec<Label>, total: u64) {
        self.recorder.register_counter(&Key::from_parts(name, labels), &METADATA).absolute(total);
    }

    fn set(&self, name: &'static str, labels: Vec<Label>, value: f64) {
        self.recorder.register_gauge(&Key::from_parts(name, labels), &METADATA).set(value);
    }

    fn time(&self, name: &'static str, labels: Vec<Label>, took: Duration) {
        let histogram = self.recorder.register_histogram(&Key::from_parts(name, labels), &METADATA);
        histogram.record(took.as_secs_f64());
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Events for Metrics {
    fn tell(&self, event: &Event) {
        // Its name and outcome are words of ours; what else it tells becomes no label.
        let entry = event.entry(Time(0), &Context::default());
        let labels = vec![
            Label::new("name", entry.name),
            Label::from_static_parts("outcome", of_outcome(entry.outcome)),
        ];
        self.count("portcullis_events_total", labels);
        if let Event::Refused { endpoint, refusal, .. } = event {
            let rule = Label::from_static_parts("rule", refusal.as_str());
            self.count(
                "portcullis_refusals_total",
                vec![Label::from_static_parts("endpoint", endpoint), rule],
            );
        }
        if let Event::Limited { limit, .. } = event {
            self.count("portcullis_limited_total", vec![Label::from_static_parts("limit", limit)]);
        }
    }
}

fn of_count(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use authz_core::{Limit, NamedClient, Refusal};
    use oauth_types::ClientId;

    use super::*;

    #[test]
    fn what_was_counted_and_timed_is_read_with_its_labels() {
        let metrics = Metrics::new();
        metrics.answered("token", StatusCode::OK, Duration::from_millis(3));
        metrics.answered("token", StatusCode::TOO_MANY_REQUESTS, Duration::from_millis(3));
        metrics.stored("commit", Duration::from_millis(2), false);
        metrics.tell(&Event::Limited { limit: Limit::Token.as_str(), from: None });
        let text = metrics.text(Gauges {
            letters: (5, 2),
            hashes: 3,
            audit_waiting: 4,
            audit_lost: 1,
            grants: None,
        });
        assert!(!text.contains("portcullis_grants_live"), "nothing is said before the first count");
        let grants = Some(Living { grants: 7, counted: Time(1_800_000_000) });
        let later = metrics.text(Gauges { grants, ..Gauges::default() });
        for line in ["portcullis_grants_live 7", "portcullis_grants_counted_timestamp_seconds 1800000000"] {
            assert!(later.lines().any(|own| own == line), "{line} is not in\n{later}");
        }
        assert!(later.contains("# HELP portcullis_grants_live Grants of the whole store"), "{later}");
        for line in [
            r#"portcullis_requests_total{endpoint="token",status="2xx"} 1"#,
            r#"portcullis_requests_total{endpoint="token",status="4xx"} 1"#,
            r#"portcullis_request_seconds_bucket{endpoint="token",le="0.0025"} 0"#,
            r#"portcullis_request_seconds_bucket{endpoint="token",le="0.005"} 2"#,
            r#"portcullis_store_errors_total{operation="commit"} 1"#,
            r#"portcullis_store_seconds_count{operation="commit"} 1"#,
            r#"portcullis_limited_total{limit="token"} 1"#,
            r#"portcullis_events_total{name="limited",outcome="refused"} 1"#,
            r#"portcullis_letters_total{outcome="failed"} 2"#,
            "portcullis_password_hashes 3",
            "portcullis_audit_waiting 4",
            "portcullis_audit_lost_total 1",
        ] {
            assert!(text.lines().any(|own| own == line), "{line} is not in\n{text}");
        }
        for name in later.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
            assert!(later.contains(&format!("# HELP {name} ")), "{name} says nothing of itself");
        }
        assert!(
            !Metrics::new().text(Gauges::default()).contains("portcullis_limited_total{"),
            "another server counts for itself"
        );
    }

    #[test]
    fn nothing_that_a_stranger_sends_becomes_a_label() {
        let metrics = Metrics::new();
        let event = |n: u32| Event::Refused {
            endpoint: "token",
            refusal: Refusal::ClientUnknown,
            client: ClientId::parse(&format!("cid_{n}")).ok().map(NamedClient::Known),
            from: Some([192, 0, 2, 1].into()),
        };
        let lines = |text: &str| text.lines().count();
        metrics.tell(&event(0));
        let before = metrics.text(Gauges::default());
        for n in 1..100 {
            metrics.tell(&event(n));
        }
        let after = metrics.text(Gauges::default());
        assert_eq!(lines(&before), lines(&after));
        assert!(
            after.contains(r#"portcullis_refusals_total{endpoint="token",rule="client_unknown"} 100"#),
            "{after}"
        );
        assert!(!after.contains("cid_") && !after.contains("192.0.2"), "{after}");
    }
}
