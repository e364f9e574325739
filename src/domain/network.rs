//! Client addresses, and ranges of them.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use super::text::quoted;

/// A range of addresses, such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// Parses a range in CIDR notation, or a single address.
    pub fn parse(text: &str) -> Result<Self, String> {
        let range = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        range.map(unmapped).map(Self).map_err(|_| {
            format!("must be made of ranges such as 10.0.0.0/8 or ::1, not {}", quoted(text))
        })
    }

    /// Whether the range is larger than any network of a single operator: IPv4 beyond a /8, IPv6 beyond
    /// a /32.
    pub fn is_wide(&self) -> bool {
        self.0.prefix_len() < if self.0.addr().is_ipv4() { 8 } else { 32 }
    }

    /// Whether the range contains an address. Ranges of IPv6 may contain IPv4, mapped.
    pub fn contains(&self, address: IpAddr) -> bool {
        let mapped = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        self.0.contains(&address.to_canonical()) || self.0.contains(&IpAddr::V6(mapped))
    }
}

/// Whether a host is this machine.
pub fn is_local(host: &str) -> bool {
    let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || ip.is_ok_and(|ip| ip.is_loopback())
}

/// Whether a server that listens on this host may be reached from the Internet: on all addresses, or on one that
/// belongs to no private network. The addresses of a name are not known here.
pub fn is_public(host: &str) -> bool {
    match host.parse().map(|ip: IpAddr| ip.to_canonical()) {
        Ok(IpAddr::V4(v4)) => !(v4.is_loopback() || v4.is_private() || v4.is_link_local()),
        Ok(IpAddr::V6(v6)) => {
            !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local())
        }
        Err(_) => host == "0",
    }
}

/// What counts as one client: an IPv4 address, or the /64 of an IPv6 address, since a customer usually has
/// a whole one.
pub fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 => v4,
    }
}

/// A range of IPv4 that is written as mapped IPv6 is one of IPv4.
fn unmapped(range: IpNet) -> IpNet {
    let address = range.addr().to_canonical();
    let bits = range.prefix_len().checked_sub(96).filter(|_| address.is_ipv4());
    bits.and_then(|bits| IpNet::new(address, bits).ok()).unwrap_or(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn addresses_of_private_networks_are_not_public() {
        for host in
            ["127.0.0.1", "::1", "10.0.3.7", "192.168.1.1", "fd00::1", "fe80::1", "localhost"]
        {
            assert!(!is_public(host), "{host}");
        }
        for host in ["0.0.0.0", "0", "::", "203.0.113.9", "2001:db8::1", "::ffff:203.0.113.9"] {
            assert!(is_public(host), "{host}");
        }
    }

    #[test]
    fn ranges_contain_what_they_say() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("10.1.2.3/8", "::ffff:10.9.9.9", "::10.9.9.9"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::1", "::1", "::2"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.1"),
        ] {
            let network = Network::parse(range).expect(range);
            assert!(network.contains(ip(inside)), "{range} {inside}");
            assert!(!network.contains(ip(outside)), "{range} {outside}");
        }
        for bad in ["", "x", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/", "10.0.0/8"] {
            assert!(Network::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_range_is_wide_if_no_operator_has_it() {
        for (range, wide) in [
            ("0.0.0.0/0", true),
            ("::/0", true),
            ("2000::/3", true),
            ("8.0.0.0/7", true),
            ("10.0.0.0/8", false),
            ("127.0.0.1", false),
            ("2001:db8::/32", false),
            ("::1", false),
        ] {
            assert_eq!(Network::parse(range).expect(range).is_wide(), wide, "{range}");
        }
    }

    #[test]
    fn a_client_is_an_address_or_a_64() {
        assert_eq!(block(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
        assert_eq!(block(ip("192.0.2.7")), ip("192.0.2.7"));
        assert_eq!(block(ip("::ffff:192.0.2.7")), ip("192.0.2.7"));
    }
}
