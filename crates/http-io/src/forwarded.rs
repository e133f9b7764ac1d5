//! Who a request comes from, when proxies stand before this server.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

use crate::{AddressRange, Peer};

/// The sender of a request that `peer` delivered.
///
/// `X-Forwarded-For` is read from its end, as far as the addresses are of `trusted` proxies: each has appended who it got
/// the request from. The first other address is the sender. An entry that is no address ends the reading, and nothing that
/// the sender wrote on its left changes what the proxies wrote on its right. Of an untrusted peer the header is not looked
/// at: anybody can write it.
///
/// Call it once, before a [`Serve`](crate::Serve), with the peer that the adapter saw; without proxies there is nothing to
/// call.
#[must_use]
pub fn sender(peer: Peer, headers: &HeaderMap, trusted: &[AddressRange]) -> Peer {
    let Some(mut known) = peer.0.map(|address| address.to_canonical()) else { return peer };
    // Entry by entry as bytes: one line may hold what a stranger wrote, in any bytes, and what a proxy appended.
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for entry in entries {
        if !trusted.iter().any(|network| network.contains(known)) {
            break;
        }
        match str::from_utf8(entry).ok().and_then(|entry| address(entry.trim())) {
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
        let lines: Vec<&[u8]> = forwarded.iter().map(|line| line.as_bytes()).collect();
        seen_in(peer, &lines)
    }

    fn seen_in(peer: &str, forwarded: &[&[u8]]) -> String {
        let trusted = ["10.0.0.1", "10.0.0.2", "10.1.0.0/16", "::1"].map(|address| address.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(line).unwrap());
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
            ("10.1.2.3", &["198.51.100.1, 10.1.255.255"], "198.51.100.1"),
            ("10.2.0.1", &["198.51.100.1"], "10.2.0.1"),
            ("10.0.0.1", &["198.51.100.1, nonsense"], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("::1", &["[2001:db8::7]:443"], "2001:db8::7"),
            ("::1", &["[2001:db8::7]"], "2001:db8::7"),
        ] {
            assert_eq!(seen(peer, forwarded), expected, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn no_bytes_that_the_sender_writes_hide_it() {
        for line in [
            &b"\xff, 198.51.100.1"[..],
            b"\xff\xfe,, ,198.51.100.1",
            b"caf\xc3\xa9, 198.51.100.1",
            b"\xe2, 198.51.100.1 , 10.0.0.2",
            b"unknown, 198.51.100.1",
            b", 198.51.100.1",
        ] {
            assert_eq!(seen_in("10.0.0.1", &[line]), "198.51.100.1", "{line:?}");
        }
        assert_eq!(seen_in("10.0.0.1", &[b"\xff", b"198.51.100.1"]), "198.51.100.1");
    }

    #[test]
    fn nobody_stays_nobody() {
        assert_eq!(sender(Peer(None), &HeaderMap::new(), &[]), Peer(None));
    }
}
