use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of IP addresses: all that share the first `prefix` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

impl Network {
    /// The block of `prefix` bits that `address` is in; none where the address family has fewer bits.
    #[must_use]
    pub fn containing(address: IpAddr, prefix: u8) -> Option<Self> {
        let base = match address {
            IpAddr::V4(v4) if prefix <= 32 => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask_v4(prefix))),
            IpAddr::V6(v6) if prefix <= 128 => {
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask_v6(prefix)))
            }
            _ => return None,
        };
        Some(Self { base, prefix })
    }

    /// The first address.
    #[must_use]
    pub const fn base(&self) -> IpAddr {
        self.base
    }

    /// Bits that all addresses share.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether `address` is in the block.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        Self::containing(address, self.prefix) == Some(*self)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

fn mask_v4(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

fn mask_v6(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
}

/// Reads `aa:bb:cc:dd:ee:ff` or the same with dashes.
pub(super) fn mac(text: &str) -> Option<[u8; 6]> {
    let separator = if text.contains('-') { '-' } else { ':' };
    let mut octets = [0; 6];
    let mut parts = text.split(separator);
    for octet in &mut octets {
        let part =
            parts.next().filter(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()))?;
        *octet = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(address: &str, prefix: u8) -> Network {
        Network::containing(address.parse().unwrap(), prefix).unwrap()
    }

    #[test]
    fn a_block_holds_its_first_and_last_address_and_not_the_next() {
        let block = block("192.0.2.77", 26);
        assert_eq!(block.to_string(), "192.0.2.64/26");
        assert!(block.contains("192.0.2.64".parse().unwrap()));
        assert!(block.contains("192.0.2.127".parse().unwrap()));
        assert!(!block.contains("192.0.2.128".parse().unwrap()));
        assert!(!block.contains("::ffff:192.0.2.64".parse().unwrap()));
    }

    #[test]
    fn prefixes_of_no_bit_and_of_all_bits_work() {
        assert!(block("1.2.3.4", 0).contains("255.255.255.255".parse().unwrap()));
        assert!(block("::", 0).contains("ff02::1".parse().unwrap()));
        assert!(!block("::", 0).contains("1.2.3.4".parse().unwrap()));
        assert!(block("2001:db8::1", 128).contains("2001:db8::1".parse().unwrap()));
        assert!(!block("2001:db8::1", 128).contains("2001:db8::2".parse().unwrap()));
        assert_eq!(Network::containing("1.2.3.4".parse().unwrap(), 33), None);
    }

    #[test]
    fn mac_addresses_have_six_pairs() {
        assert_eq!(mac("00:1B:21:aa:bb:cc"), Some([0, 0x1b, 0x21, 0xaa, 0xbb, 0xcc]));
        assert_eq!(mac("00-1b-21-aa-bb-cc"), Some([0, 0x1b, 0x21, 0xaa, 0xbb, 0xcc]));
        for wrong in ["00:1b:21:aa:bb", "00:1b:21:aa:bb:cc:dd", "00:1b:21:aa:bb:+c", "::1", ""] {
            assert_eq!(mac(wrong), None, "{wrong}");
        }
    }
}
