//! Addresses and networks, as the network library of Kubernetes has them.

use std::net::IpAddr;

/// A network: an address and how many of its first bits count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `192.0.2.0/24` or `2001:db8::/32`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address = plain(address)?;
        let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix
            .parse()
            .ok()
            .filter(|prefix| digits && *prefix <= most)?;
        Some(Network { address, prefix })
    }

    /// Whether an address is inside; one of the other family never is.
    pub fn contains(self, address: IpAddr) -> bool {
        let (one, two, width) = match (self.address, address) {
            (IpAddr::V4(one), IpAddr::V4(two)) => {
                (u128::from(one.to_bits()), u128::from(two.to_bits()), 32)
            }
            (IpAddr::V6(one), IpAddr::V6(two)) => (one.to_bits(), two.to_bits(), 128),
            _ => return false,
        };
        let rest = u32::from(self.prefix.abs_diff(width));
        (one ^ two).checked_shr(rest).unwrap_or_default() == 0
    }
}

/// Reads an address. An IPv4 address in the form of an IPv6 address is the IPv4 address, so that no
/// rule about the one is passed by as the other.
pub fn ip(text: &str) -> Option<IpAddr> {
    plain(text).map(|address| address.to_canonical())
}

/// Without a zone, and not both notations at once.
fn plain(text: &str) -> Option<IpAddr> {
    let both = text.contains('.') && text.contains(':');
    text.parse().ok().filter(|_| !both)
}
