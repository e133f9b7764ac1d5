use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Refused;

/// Which addresses may be dialled: public ones, unless a danger is named.
///
/// Whoever fetches a URL that a stranger wrote can be made to send requests to what only this machine reaches: its own
/// services, the private network, the metadata of a cloud (server-side request forgery). A guard that was opened is for URLs
/// that the operator wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    loopback: bool,
    private: bool,
}

impl Guard {
    /// Public addresses, over `https`.
    #[must_use]
    pub const fn public_only() -> Self {
        Self { loopback: false, private: false }
    }

    /// Also this machine, over `https` and `http`: for development and tests.
    ///
    /// The danger: a URL can now reach every service that listens on loopback because it thinks that nobody else can.
    #[must_use]
    pub const fn dangerous_loopback(self) -> Self {
        Self { loopback: true, ..self }
    }

    /// Also private networks, over `https` and `http`: for a provider that lives in one's own network.
    ///
    /// The danger: a URL can now reach every service of that network. The addresses where clouds serve the credentials of a
    /// machine stay refused.
    #[must_use]
    pub const fn dangerous_private_networks(self) -> Self {
        Self { private: true, ..self }
    }

    /// Whether `address` may be dialled over `https`.
    ///
    /// # Errors
    ///
    /// The rule that refuses it.
    pub fn address(self, address: IpAddr) -> Result<(), Refused> {
        match Network::of(address) {
            Network::Public => Ok(()),
            Network::Loopback if self.loopback => Ok(()),
            Network::Loopback => Err(Refused::Loopback),
            Network::Private if self.private => Ok(()),
            Network::Private => Err(Refused::Private),
            Network::Special => Err(Refused::Special),
        }
    }

    /// Whether `address` may be dialled over plain `http`: only if a danger opened it. Nothing travels the internet in the
    /// clear.
    ///
    /// # Errors
    ///
    /// The rule that refuses it.
    pub fn plain_address(self, address: IpAddr) -> Result<(), Refused> {
        match Network::of(address) {
            Network::Public => Err(Refused::Scheme),
            Network::Loopback | Network::Private | Network::Special => self.address(address),
        }
    }

    /// Whether there is any address for plain `http`.
    #[cfg(feature = "client")]
    pub(crate) const fn opens_plain(self) -> bool {
        self.loopback || self.private
    }
}

/// What an address is for, by the special-purpose registries (RFC 6890 and later) as of 2026.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Services on the internet.
    Public,
    /// This machine: `127.0.0.0/8`, `::1`.
    Loopback,
    /// Private networks: RFC 1918, unique-local (RFC 4193), and shared address space (RFC 6598).
    Private,
    /// Everything else: unspecified, link-local, multicast, documentation, benchmarks, protocol assignments, transition to
    /// IPv6 by relays, reserved, unallocated, and the addresses where clouds serve the credentials of a machine.
    Special,
}

impl Network {
    /// The network of `address`.
    ///
    /// An IPv6 address that a kernel or a translator turns into an IPv4 address is judged by that: IPv4-mapped (RFC 4291
    /// section 2.5.5.2) as the address itself, and the well-known prefix of NAT64 (RFC 6052) as public only if the address
    /// is. A prefix that an operator chose for NAT64 looks like any public address: such a translator must not lead into
    /// private networks.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if CLOUD_METADATA.contains(&address.to_canonical()) {
            return Self::Special;
        }
        match address.to_canonical() {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

/// Clouds answer here with credentials, inside of ranges that are private or even public elsewhere: Alibaba, AWS and Google
/// over IPv6, and the host agent of Azure. `169.254.169.254` is link-local.
const CLOUD_METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

fn of_v4(address: Ipv4Addr) -> Network {
    match address.octets() {
        [127, ..] => Network::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Network::Private,
        // "This network", link-local (RFC 3927).
        [0, ..] | [169, 254, ..] => Network::Special,
        // Protocol assignments; AS112 (RFC 7534, 7535), AMT (RFC 7450), the relays of 6to4 (RFC 7526).
        [192, 0, 0, _] | [192, 31, 196, _] | [192, 175, 48, _] | [192, 52, 193, _] | [192, 88, 99, _] => {
            Network::Special
        }
        // Documentation (RFC 5737), benchmarks (RFC 2544).
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [198, 18..=19, ..] => Network::Special,
        // Multicast, reserved, broadcast.
        [224..=255, ..] => Network::Special,
        [..] => Network::Public,
    }
}

/// An IPv6 address that is not IPv4-mapped. Only `2000::/3` is allocated for services, so all the rest is refused unnamed.
fn of_v6(address: Ipv6Addr) -> Network {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Network::Loopback,
        [0xfc00..=0xfdff, ..] => Network::Private,
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => of_translated(high, low),
        // Protocol assignments with Teredo, benchmarks and ORCHID (RFC 2928), documentation (RFC 3849, 9637), 6to4 (RFC
        // 3056), AS112.
        [0x2001, 0x0000..=0x01ff, ..]
        | [0x2001, 0x0db8, ..]
        | [0x3fff, 0x0000..=0x0fff, ..]
        | [0x2002, ..]
        | [0x2620, 0x004f, 0x8000, ..] => Network::Special,
        [0x2000..=0x3fff, ..] => Network::Public,
        [..] => Network::Special,
    }
}

/// RFC 6052 section 3.1: the well-known prefix is for public addresses alone.
fn of_translated(high: u16, low: u16) -> Network {
    let embedded = Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match Network::of(IpAddr::V4(embedded)) {
        Network::Public => Network::Public,
        Network::Loopback | Network::Private | Network::Special => Network::Special,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Network::{Loopback, Private, Public, Special};
    use super::*;

    fn network(address: &str) -> Network {
        Network::of(address.parse().unwrap())
    }

    /// First and last address of each range, what is in it, and what stands before and after it.
    const RANGES: [(&str, &str, Network, Network, Network); 37] = [
        ("0.0.0.0", "0.255.255.255", Special, Special, Public),
        ("10.0.0.0", "10.255.255.255", Private, Public, Public),
        ("100.64.0.0", "100.100.100.199", Private, Public, Special),
        ("100.100.100.201", "100.127.255.255", Private, Special, Public),
        ("127.0.0.0", "127.255.255.255", Loopback, Public, Public),
        ("168.63.129.16", "168.63.129.16", Special, Public, Public),
        ("169.254.0.0", "169.254.255.255", Special, Public, Public),
        ("172.16.0.0", "172.31.255.255", Private, Public, Public),
        ("192.0.0.0", "192.0.0.255", Special, Public, Public),
        ("192.0.2.0", "192.0.2.255", Special, Public, Public),
        ("192.31.196.0", "192.31.196.255", Special, Public, Public),
        ("192.52.193.0", "192.52.193.255", Special, Public, Public),
        ("192.88.99.0", "192.88.99.255", Special, Public, Public),
        ("192.168.0.0", "192.168.255.255", Private, Public, Public),
        ("192.175.48.0", "192.175.48.255", Special, Public, Public),
        ("198.18.0.0", "198.19.255.255", Special, Public, Public),
        ("198.51.100.0", "198.51.100.255", Special, Public, Public),
        ("203.0.113.0", "203.0.113.255", Special, Public, Public),
        ("224.0.0.0", "255.255.255.255", Special, Public, Special),
        ("::1", "::1", Loopback, Special, Special),
        ("::2", "::ff:ffff:ffff", Special, Loopback, Special),
        ("64:ff9b::", "64:ff9b::ff:ffff", Special, Special, Public),
        ("64:ff9b::a00:0", "64:ff9b::aff:ffff", Special, Public, Public),
        ("64:ff9b::7f00:0", "64:ff9b::7fff:ffff", Special, Public, Public),
        ("64:ff9b::a9fe:0", "64:ff9b::a9fe:ffff", Special, Public, Public),
        ("64:ff9b::e000:0", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Special, Public, Public),
        ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", Special, Public, Public),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Special, Public, Public),
        ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Special, Public, Public),
        ("2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff", Special, Public, Public),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Special, Public, Public),
        ("4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Special, Public, Private),
        ("fc00::", "fd00:ec2::253", Private, Special, Special),
        ("fd00:ec2::255", "fd20:ce::253", Private, Special, Special),
        ("fd20:ce::255", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Private, Special, Special),
        ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Special, Special, Special),
        ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Special, Special, Special),
    ];

    fn neighbour(address: &str, step: i8) -> IpAddr {
        match address.parse().unwrap() {
            IpAddr::V4(address) => {
                Ipv4Addr::from(u32::from(address).saturating_add_signed(step.into())).into()
            }
            IpAddr::V6(address) => {
                Ipv6Addr::from(u128::from(address).saturating_add_signed(step.into())).into()
            }
        }
    }

    /// AS-42, CL-16.
    #[test]
    fn each_special_range_begins_and_ends_where_its_rfc_says() {
        for (first, last, inside, before, after) in RANGES {
            assert_eq!(network(first), inside, "{first}");
            assert_eq!(network(last), inside, "{last}");
            assert_eq!(Network::of(neighbour(first, -1)), before, "before {first}");
            assert_eq!(Network::of(neighbour(last, 1)), after, "after {last}");
        }
    }

    #[test]
    fn services_on_the_internet_are_public() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "93.184.216.34",
            "192.0.1.1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2606:4700:4700::1111",
            "2001:4860:4860::8888",
            "2a00:1450:4001::1",
        ] {
            assert_eq!(network(address), Public, "{address}");
        }
    }

    #[test]
    fn disguises_of_private_addresses_are_seen_through() {
        for (address, real) in [
            ("::ffff:127.0.0.1", Loopback),
            ("::ffff:10.0.0.1", Private),
            ("::ffff:169.254.169.254", Special),
            ("::ffff:100.100.100.200", Special),
            // Translated, they are never loopback or private: no danger opens them.
            ("64:ff9b::127.0.0.1", Special),
            ("64:ff9b::10.0.0.1", Special),
            ("64:ff9b::169.254.169.254", Special),
            // RFC 8215.
            ("64:ff9b:1::8.8.8.8", Special),
            // 6to4 of 127.0.0.1 and Teredo.
            ("2002:7f00:1::", Special),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Special),
            // IPv4-compatible, and IPv4-translated (RFC 2765).
            ("::127.0.0.1", Special),
            ("::8.8.8.8", Special),
            ("::ffff:0:127.0.0.1", Special),
            // Site-local (RFC 3879).
            ("fec0::1", Special),
            ("0.0.0.0", Special),
            ("::", Special),
        ] {
            assert_eq!(network(address), real, "{address}");
        }
    }

    #[test]
    fn each_danger_opens_its_own_network_and_nothing_else() {
        let guards = [
            Guard::public_only(),
            Guard::public_only().dangerous_loopback(),
            Guard::public_only().dangerous_private_networks(),
            Guard::public_only().dangerous_loopback().dangerous_private_networks(),
        ];
        let answers = |address: &str| guards.map(|guard| guard.address(address.parse().unwrap()));
        assert_eq!(answers("8.8.8.8"), [Ok(()); 4]);
        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            let refused = Err(Refused::Loopback);
            assert_eq!(answers(address), [refused, Ok(()), refused, Ok(())], "{address}");
        }
        for address in ["10.1.2.3", "192.168.1.1", "100.64.0.1", "fd12::1"] {
            let refused = Err(Refused::Private);
            assert_eq!(answers(address), [refused, refused, Ok(()), Ok(())], "{address}");
        }
        for address in [
            "169.254.169.254",
            "100.100.100.200",
            "fd00:ec2::254",
            "fd20:ce::254",
            "168.63.129.16",
            "0.0.0.0",
        ] {
            assert_eq!(answers(address), [Err(Refused::Special); 4], "{address}");
        }
    }

    #[test]
    fn plain_http_reaches_only_what_a_danger_opened() {
        let opened = Guard::public_only().dangerous_loopback();
        let plain = |guard: Guard, address: &str| guard.plain_address(address.parse().unwrap());
        assert_eq!(plain(opened, "127.0.0.1"), Ok(()));
        assert_eq!(plain(opened, "8.8.8.8"), Err(Refused::Scheme));
        assert_eq!(plain(opened, "10.0.0.1"), Err(Refused::Private));
        assert_eq!(plain(Guard::public_only(), "127.0.0.1"), Err(Refused::Loopback));
        assert_eq!(Guard::default(), Guard::public_only());
    }

    proptest! {
        #[test]
        fn a_mapped_address_is_what_it_maps_to(address: u32) {
            let address = Ipv4Addr::from(address);
            prop_assert_eq!(Network::of(address.to_ipv6_mapped().into()), Network::of(address.into()));
        }

        #[test]
        fn a_translated_address_is_public_exactly_if_it_is_before(address: u32) {
            let translated = Ipv6Addr::from((0x0064_ff9b_u128 << 96) | u128::from(address));
            let public = Network::of(Ipv4Addr::from(address).into()) == Public;
            prop_assert_eq!(Network::of(translated.into()) == Public, public);
        }

        /// The judgement of the standard library, where it has one.
        #[test]
        fn nothing_that_is_known_to_be_special_is_public(address: u32) {
            let address = Ipv4Addr::from(address);
            let special = address.is_private() || address.is_loopback() || address.is_link_local() || address.is_multicast()
                || address.is_broadcast() || address.is_documentation() || address.is_unspecified();
            prop_assert!(!special || Network::of(address.into()) != Public);
        }

        #[test]
        fn ipv6_outside_of_what_is_allocated_is_never_public(address: u128) {
            let address = Ipv6Addr::from(address);
            let allocated = address.segments()[0] >> 13 == 1;
            let carries_v4 = address.to_ipv4_mapped().is_some() || address.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
            prop_assert!(allocated || carries_v4 || Network::of(address.into()) != Public);
        }
    }
}
