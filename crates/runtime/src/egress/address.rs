//! Which addresses are on the public internet.

use std::net::IpAddr;

use super::block::Block;

/// IPv4 blocks that are not the public internet (IANA special-purpose registry), and what they are for.
const NOT_PUBLIC_V4: &[(Block, &str)] = &[
    (Block::v4(0, 0, 0, 0, 8), "unspecified"),
    (Block::v4(10, 0, 0, 0, 8), "private"),
    (Block::v4(100, 64, 0, 0, 10), "carrier-grade NAT"),
    (Block::v4(127, 0, 0, 0, 8), "loopback"),
    (Block::v4(169, 254, 0, 0, 16), "link-local"),
    (Block::v4(172, 16, 0, 0, 12), "private"),
    (Block::v4(192, 0, 0, 0, 24), "protocol assignments"),
    (Block::v4(192, 0, 2, 0, 24), "documentation"),
    (Block::v4(192, 88, 99, 0, 24), "6to4 relay"),
    (Block::v4(192, 168, 0, 0, 16), "private"),
    (Block::v4(198, 18, 0, 0, 15), "benchmarking"),
    (Block::v4(198, 51, 100, 0, 24), "documentation"),
    (Block::v4(203, 0, 113, 0, 24), "documentation"),
    (Block::v4(224, 0, 0, 0, 4), "multicast"),
    (Block::v4(240, 0, 0, 0, 4), "reserved"),
    // Azure's host agent has a public address that only its own virtual machines reach.
    (Block::v4(168, 63, 129, 16, 32), "cloud metadata"),
];

/// The one block from which public IPv6 addresses are given out. Loopback, link-local, unique local (with the metadata address
/// fd00:ec2::254), multicast, NAT64 and every way of writing IPv4 in IPv6 but two lie outside it.
const PUBLIC_V6: Block = Block::v6(0x2000, 0, 0, 3);

/// Blocks inside [`PUBLIC_V6`] that are not public. 6to4 and Teredo carry an IPv4 address, which could be a private one.
const NOT_PUBLIC_V6: &[(Block, &str)] = &[
    (
        Block::v6(0x2001, 0, 0, 23),
        "protocol assignments, Teredo among them",
    ),
    (Block::v6(0x2001, 0xdb8, 0, 32), "documentation"),
    (Block::v6(0x2002, 0, 0, 16), "6to4"),
    (Block::v6(0x3fff, 0, 0, 20), "documentation"),
];

/// Why an address is not public, or nothing when it is.
pub(super) fn not_public(address: IpAddr) -> Option<&'static str> {
    let blocks = match address {
        IpAddr::V4(_) => NOT_PUBLIC_V4,
        IpAddr::V6(_) if !PUBLIC_V6.contains(address) => return Some("outside public IPv6"),
        IpAddr::V6(_) => NOT_PUBLIC_V6,
    };
    let found = blocks.iter().find(|(block, _)| block.contains(address));
    found.map(|(_, purpose)| *purpose)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_public() {
        let addresses = [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.0.0",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.0",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:8.8.8.8",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::1",
            "100::1",
            "100:0:0:1::1",
            "2001::1",
            "2001:0:53aa:64c:0:0:80ff:fffe",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a00:1::",
            "2002:808:808::1",
            "3fff::1",
            "3fff:fff:ffff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "ff0e::1",
        ];
        for address in addresses {
            assert!(not_public(address.parse().unwrap()).is_some(), "{address}");
        }
    }

    #[test]
    fn their_neighbours_are_public() {
        let addresses = [
            "1.0.0.0",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.1",
            "192.0.3.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2000::1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2003::1",
            "2606:4700::1111",
            "3ffe::1",
            "3fff:1000::1",
        ];
        for address in addresses {
            assert_eq!(not_public(address.parse().unwrap()), None, "{address}");
        }
    }
}
