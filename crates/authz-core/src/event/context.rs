//! From where something happened.

use std::net::IpAddr;

use http::Request;
use http::header::USER_AGENT;
use http_io::Peer;
use store::Device;

/// What a request tells of where it came from: its address, and what the program that sent it calls itself.
///
/// Anybody can call themselves anything, so no rule depends on it; it is for people, who know their own devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context(Device);

/// Nothing is known.
pub(crate) static UNKNOWN: Context = Context(Device { label: None, address: None, agent: None });

impl Context {
    /// Of a request: the address of its sender, and of its `User-Agent` (RFC 9110 section 10.1.5) the first 200 characters that can
    /// be seen.
    #[must_use]
    pub fn of<B>(request: &Request<B>, peer: Peer) -> Self {
        let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        Self(Device::at(peer.0, agent))
    }

    /// The address.
    #[must_use]
    pub const fn from(&self) -> Option<IpAddr> {
        self.0.address
    }

    /// What the program calls itself: at most 200 characters, none of them a control character.
    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        self.0.agent.as_deref()
    }

    /// The device that this is, which has no label yet.
    #[must_use]
    pub const fn device(&self) -> &Device {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_tells_its_address_and_a_bounded_name() {
        let request = Request::builder().header(USER_AGENT, "x".repeat(5000)).body(()).unwrap();
        let address = "192.0.2.1".parse().ok();
        let context = Context::of(&request, Peer(address));
        assert_eq!((context.from(), context.agent().map(str::len)), (address, Some(200)));
        assert_eq!(Context::of(&Request::new(()), Peer(None)), UNKNOWN);
    }
}
