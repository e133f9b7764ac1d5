//! Networks, and single addresses as the smallest of them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// Addresses that begin alike (RFC 4632 section 3.1, RFC 4291 section 2.3): `10.0.0.0/8`, `2001:db8::/32`, or one alone.
///
/// An IPv4 address and the same one mapped into IPv6 are one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    // Both sorts as 128 bits: IPv4 is ::ffff:0:0/96 of IPv6.
    first: u128,
    mask: u128,
}

impl AddressRange {
    /// Whether `address` is one of them.
    #[must_use]
    pub const fn contains(&self, address: IpAddr) -> bool {
        bits(address) & self.mask == self.first
    }
}

/// A text that is neither an address nor a network; this one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not an IP address and not a network such as 10.0.0.0/8")]
pub struct NotAnAddressRange(pub String);

impl FromStr for AddressRange {
    type Err = NotAnAddressRange;

    fn from_str(text: &str) -> Result<Self, NotAnAddressRange> {
        let wrong = || NotAnAddressRange(text.to_owned());
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let (most, before) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let length = match length {
            Some(length) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
                length.parse::<u32>().ok().filter(|length| *length <= most).ok_or_else(wrong)?
            }
            Some(_) => return Err(wrong()),
            None => most,
        };
        let mask = u128::MAX.checked_shl(128 - before - length).unwrap_or(0);
        Ok(Self { first: bits(address) & mask, mask })
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, length) = (Ipv6Addr::from_bits(self.first), self.mask.leading_ones());
        match first.to_ipv4_mapped() {
            Some(first) if length >= 96 => write!(f, "{first}/{}", length - 96),
            Some(_) | None => write!(f, "{first}/{length}"),
        }
    }
}

const fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_the_addresses_that_begin_as_it_does() {
        for (network, inside, outside) in [
            ("10.0.0.7", &["10.0.0.7", "::ffff:10.0.0.7"][..], &["10.0.0.6", "::10.0.0.7"][..]),
            (
                "10.0.0.0/8",
                &["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"],
                &["11.0.0.0", "9.255.255.255"],
            ),
            ("10.1.2.3/8", &["10.0.0.0"], &["11.1.2.3"]),
            ("::ffff:10.0.0.0/104", &["10.9.9.9"], &["11.0.0.0"]),
            ("172.16.0.0/12", &["172.16.0.1", "172.31.255.255"], &["172.32.0.0", "172.15.255.255"]),
            ("0.0.0.0/0", &["203.0.113.9"], &["2001:db8::1"]),
            ("2001:db8::/32", &["2001:db8:ffff::1"], &["2001:db9::1", "10.0.0.1"]),
            ("::/0", &["2001:db8::1", "10.0.0.1"], &[]),
            ("::1", &["::1"], &["::2"]),
        ] {
            let network: AddressRange = network.parse().unwrap();
            for address in inside {
                assert!(network.contains(address.parse().unwrap()), "{network} {address}");
            }
            for address in outside {
                assert!(!network.contains(address.parse().unwrap()), "{network} {address}");
            }
        }
    }

    #[test]
    fn what_is_no_network_is_told() {
        for text in [
            "",
            "proxy",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "10.0.0/8",
            "::/129",
            "/8",
        ] {
            assert!(text.parse::<AddressRange>().is_err(), "{text}");
        }
        assert_eq!("10.1.2.3/8".parse::<AddressRange>().unwrap().to_string(), "10.0.0.0/8");
        assert_eq!("2001:db8::1/32".parse::<AddressRange>().unwrap().to_string(), "2001:db8::/32");
    }
}
