//! Which addresses are the public internet's, and which a request may only reach by grant.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;
use url::Host;

use super::OutboundError;

/// How far a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// To public addresses.
    Public,
    /// To private, loopback and link-local ones too.
    Private,
}

/// What an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Somebody's on the public internet.
    Public,
    /// This machine's, this network's or this provider's own.
    Private,
    /// Nobody's: multicast, reserved, for documentation.
    Nobody,
}

impl Reach {
    /// Whether a connection may be made to this address.
    pub(super) fn includes(self, address: IpAddr) -> bool {
        match classify(address) {
            Class::Public => true,
            Class::Private => self == Self::Private,
            Class::Nobody => false,
        }
    }
}

/// Checks a URL whose host is an address already, and so is never resolved.
pub(super) fn check_literal(url: &Url, reach: Reach) -> Result<(), OutboundError> {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        Some(Host::Domain(_)) | None => return Ok(()),
    };
    if reach.includes(address) { Ok(()) } else { Err(refusal(address)) }
}

/// The refusal of one address.
pub(super) fn refusal(address: IpAddr) -> OutboundError {
    OutboundError::denied(match classify(address) {
        Class::Nobody => format!("{address} is not an address that a request can go to"),
        Class::Public | Class::Private => {
            format!("{address} is not a public address; the grant would need `private = true`")
        }
    })
}

/// What an address is, by the IANA special-purpose registries.
pub(super) fn classify(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(address) => classify_v4(address),
        IpAddr::V6(address) => classify_v6(address),
    }
}

fn classify_v4(address: Ipv4Addr) -> Class {
    match address.octets() {
        [10, ..]                    // private
        | [100, 64..=127, ..]       // shared, behind a carrier's NAT
        | [127, ..]                 // loopback
        | [169, 254, ..]            // link-local, cloud metadata among them
        | [172, 16..=31, ..]        // private
        | [192, 168, ..]            // private
        => Class::Private,
        [0, ..]                     // this network
        | [192, 0, 0, _]            // protocol assignments
        | [192, 0, 2, _]            // documentation
        | [192, 88, 99, _]          // 6to4 relays, retired
        | [198, 18..=19, ..]        // benchmarks
        | [198, 51, 100, _]         // documentation
        | [203, 0, 113, _]          // documentation
        | [224..=255, ..]           // multicast, reserved, broadcast
        => Class::Nobody,
        _ => Class::Public,
    }
}

fn classify_v6(address: Ipv6Addr) -> Class {
    if let Some(mapped) = address.to_ipv4_mapped() {
        // A public address in disguise is nobody's honest way to write it.
        return match classify_v4(mapped) {
            Class::Public | Class::Private => Class::Private,
            Class::Nobody => Class::Nobody,
        };
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1]                // loopback
        | [0xfc00..=0xfdff, ..]                 // unique local
        | [0xfe80..=0xfebf, ..]                 // link-local
        | [0xfec0..=0xfeff, ..]                 // site-local, retired
        => Class::Private,
        // NAT64: as public as the IPv4 address inside.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => classify_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))),
        [0x2001, 0..=0x1ff, ..]                 // protocol assignments, Teredo and benchmarks among them
        | [0x2001, 0xdb8, ..]                   // documentation
        | [0x2002, ..]                          // 6to4, which hides an IPv4 address
        | [0x3fff, 0..=0xfff, ..]               // documentation
        => Class::Nobody,
        [0x2000..=0x3fff, ..] => Class::Public,
        _ => Class::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(class: Class, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(classify(address.parse().unwrap()), class, "{address}");
        }
    }

    #[test]
    fn addresses_of_the_internet_are_public() {
        check(
            Class::Public,
            &[
                "1.1.1.1",
                "9.255.255.255",
                "100.63.255.255",
                "100.128.0.1",
                "172.15.0.1",
                "172.32.0.1",
                "192.0.1.1",
                "223.255.255.255",
            ],
        );
        check(Class::Public, &["2606:4700::1111", "2a00:1450:4001::1", "2001:200::1", "64:ff9b::1.1.1.1"]);
    }

    #[test]
    fn addresses_of_this_machine_or_network_are_private() {
        check(
            Class::Private,
            &[
                "127.0.0.1",
                "127.255.0.9",
                "10.0.0.1",
                "172.16.0.1",
                "172.31.255.255",
                "192.168.1.1",
                "169.254.169.254",
                "100.64.0.1",
            ],
        );
        check(
            Class::Private,
            &["::1", "fc00::1", "fd12:3456::1", "fe80::1", "::ffff:127.0.0.1", "::ffff:1.1.1.1", "64:ff9b::10.0.0.1"],
        );
    }

    #[test]
    fn multicast_reserved_and_documentation_addresses_are_nobodys() {
        check(
            Class::Nobody,
            &[
                "0.0.0.0",
                "192.0.2.1",
                "198.51.100.1",
                "203.0.113.9",
                "198.18.0.1",
                "224.0.0.1",
                "255.255.255.255",
                "240.0.0.1",
            ],
        );
        check(
            Class::Nobody,
            &["::", "ff02::1", "2001:db8::1", "2002:7f00:1::", "2001::1", "3fff::1", "::ffff:224.0.0.1", "::127.0.0.1"],
        );
    }
}
