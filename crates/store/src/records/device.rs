//! What is known of the device that something is used from.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The longest `agent` and the longest `label`, in characters.
const LONGEST: usize = 200;

/// From where something was used last. For the person whose it is, who knows their own devices; no rule depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// What the person calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// What it calls itself (`User-Agent`, RFC 9110 section 10.1.5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

impl Device {
    /// A device at `address` that calls itself `agent`: of that, the first 200 characters that can be seen.
    #[must_use]
    pub fn at(address: Option<IpAddr>, agent: Option<&str>) -> Self {
        Self { label: None, address, agent: agent.and_then(shown) }
    }

    /// The same under the name that its person gives it; none, if there is nothing to see in it.
    #[must_use]
    pub fn labelled(self, label: &str) -> Self {
        Self { label: shown(label), ..self }
    }

    /// The same device, seen again elsewhere: the label stays.
    #[must_use]
    pub fn seen_again(&self, now: Self) -> Self {
        Self { label: self.label.clone(), ..now }
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

fn shown(text: &str) -> Option<String> {
    let shown: String = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    let shown = shown.trim();
    (!shown.is_empty()).then(|| shown.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_calls_himself_is_short_and_in_one_line() {
        let agent = format!("curl/8\r\n{}", "x".repeat(1000));
        let device = Device::at(None, Some(&agent));
        assert_eq!(device.agent.as_deref().map(str::len), Some(200));
        assert!(device.agent.as_deref().is_some_and(|agent| agent.starts_with("curl/8xx")));
        assert!(Device::at(None, Some(" \t")).is_unknown());
    }

    #[test]
    fn a_label_stays_with_a_device_that_moves() {
        let home = Device::at("192.0.2.1".parse().ok(), Some("a")).labelled("Laptop\n");
        let away = home.seen_again(Device::at("192.0.2.2".parse().ok(), Some("b")));
        assert_eq!(away.label.as_deref(), Some("Laptop"));
        assert_eq!(away.agent.as_deref(), Some("b"));
    }
}
