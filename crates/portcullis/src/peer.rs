//! Who a request comes from, when proxies stand before this server.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http_io::Peer;

/// The sender of a request that `peer` delivered.
///
/// `X-Forwarded-For` is read from its end, as far as the addresses are of `trusted` proxies: each has appended who it got
/// the request from. The first other address is the sender. Of an untrusted peer the header is not looked at: anybody can
/// write it.
pub(crate) fn sender(peer: Peer, headers: &HeaderMap, trusted: &[IpAddr]) -> Peer {
    let Some(mut known) = peer.0.map(|address| address.to_canonical()) else { return peer };
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let entries = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    for entry in entries {
        if !trusted.contains(&known) {
            break;
        }
        match address(entry.trim()) {
            Some(before) => known = before,
            None => break,
        }
    }
    Peer(Some(known))
}

/// `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:443`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn seen(peer: &str, forwarded: &[&str]) -> String {
        let trusted = ["10.0.0.1", "10.0.0.2", "::1"].map(|address| address.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_str(line).unwrap());
        }
        let sender = sender(Peer(Some(peer.parse().unwrap())), &headers, &trusted);
        sender.0.unwrap().to_string()
    }

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        for (peer, forwarded, expected) in [
            ("192.0.2.9", &["198.51.100.1"][..], "192.0.2.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.66, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.66, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1", "10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["198.51.100.1, nonsense"], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("::1", &["[2001:db8::7]:443"], "2001:db8::7"),
            ("::1", &["[2001:db8::7]"], "2001:db8::7"),
        ] {
            assert_eq!(seen(peer, forwarded), expected, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn nobody_stays_nobody() {
        assert_eq!(sender(Peer(None), &HeaderMap::new(), &[]), Peer(None));
    }
}
