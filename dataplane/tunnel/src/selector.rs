use core::net::IpAddr;
use core::ops::RangeInclusive;

use arrayvec::ArrayVec;

use crate::inner::{Inner, Version};

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    version: Version,
    value: u128,
    mask: u128,
}

impl Prefix {
    /// The addresses that share the first `length` bits of `address`; `None` where it has not as many.
    #[must_use]
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        let (version, value) = numbered(address);
        let bits = if version == Version::V4 { 32_u32 } else { 128 };
        let free = bits.checked_sub(u32::from(length))?;
        let all = if bits == 32 { u128::from(u32::MAX) } else { u128::MAX };
        let mask = all & u128::MAX.checked_shl(free).unwrap_or(0);
        Some(Self { version, value: value & mask, mask })
    }

    #[inline]
    const fn contains(&self, address: u128) -> bool {
        address & self.mask == self.value
    }
}

/// Traffic that an SA carries (RFC 4301, 4.4.1.1), seen from the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// Where it comes from.
    pub source: Prefix,
    /// Where it goes.
    pub destination: Prefix,
    /// Transport protocol; all of them where there is none.
    pub protocol: Option<u8>,
    /// Ports it comes from. A packet that shows no ports matches only where all ports do.
    pub source_ports: RangeInclusive<u16>,
    /// Ports it goes to.
    pub destination_ports: RangeInclusive<u16>,
}

impl Selector {
    /// All traffic between two prefixes; `None` where one is IPv4 and the other IPv6.
    #[must_use]
    pub fn between(source: Prefix, destination: Prefix) -> Option<Self> {
        (source.version == destination.version).then_some(Self {
            source,
            destination,
            protocol: None,
            source_ports: 0..=u16::MAX,
            destination_ports: 0..=u16::MAX,
        })
    }

    #[inline]
    fn matches(&self, inner: &Inner) -> bool {
        let [source, destination] = inner.addresses;
        inner.version == self.source.version
            && self.source.contains(source)
            && self.destination.contains(destination)
            && self.protocol.is_none_or(|protocol| protocol == inner.protocol)
            && (self.has_all_ports()
                || inner.ports.is_some_and(|[source, destination]| {
                    self.source_ports.contains(&source) && self.destination_ports.contains(&destination)
                }))
    }

    #[inline]
    fn has_all_ports(&self) -> bool {
        self.source_ports == (0..=u16::MAX) && self.destination_ports == (0..=u16::MAX)
    }
}

/// Selectors of one SA: a packet must match one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selectors(ArrayVec<Selector, SELECTORS_MAX>);

/// Selectors that an SA can have.
pub const SELECTORS_MAX: usize = 16;

impl Selectors {
    /// The given ones.
    ///
    /// # Errors
    /// [`TooManySelectors`].
    pub fn new(selectors: impl IntoIterator<Item = Selector>) -> Result<Self, TooManySelectors> {
        let mut kept = ArrayVec::new();
        for selector in selectors {
            kept.try_push(selector).map_err(|_| TooManySelectors)?;
        }
        Ok(Self(kept))
    }

    /// All IPv4 and all IPv6.
    #[must_use]
    pub fn everything() -> Self {
        let mut kept = ArrayVec::new();
        for version in [Version::V4, Version::V6] {
            let all = Prefix { version, value: 0, mask: 0 };
            kept.extend(Selector::between(all, all));
        }
        Self(kept)
    }

    /// The same traffic seen from the other end.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self(
            self.0
                .iter()
                .map(|selector| Selector {
                    source: selector.destination,
                    destination: selector.source,
                    protocol: selector.protocol,
                    source_ports: selector.destination_ports.clone(),
                    destination_ports: selector.source_ports.clone(),
                })
                .collect(),
        )
    }

    #[inline]
    pub(crate) fn match_any(&self, inner: &Inner) -> bool {
        self.0.iter().any(|selector| selector.matches(inner))
    }
}

/// An SA was to have more selectors than [`SELECTORS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an SA has at most {SELECTORS_MAX} selectors")]
pub struct TooManySelectors;

pub(crate) fn numbered(address: IpAddr) -> (Version, u128) {
    match address {
        IpAddr::V4(address) => (Version::V4, u128::from(address.to_bits())),
        IpAddr::V6(address) => (Version::V6, address.to_bits()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn prefix(text: &str, length: u8) -> Prefix {
        Prefix::new(text.parse().unwrap(), length).unwrap()
    }

    fn matches(selector: &Selector, packet: &[u8]) -> bool {
        Selectors::new([selector.clone()]).unwrap().match_any(&Inner::parse(packet).unwrap())
    }

    #[test]
    fn a_prefix_holds_the_addresses_that_begin_like_it() {
        // The sample goes from 10.1.0.1 to 10.2.0.2.
        let packet = sample::udp_v4(8);
        for (source, length, is_in) in
            [("10.1.0.0", 16, true), ("0.0.0.0", 0, true), ("10.1.0.1", 32, true), ("10.2.0.0", 16, false)]
        {
            let selector = Selector::between(prefix(source, length), prefix("10.2.0.0", 16)).unwrap();
            assert_eq!(matches(&selector, &packet), is_in, "{source}/{length}");
        }
        assert!(Prefix::new("10.0.0.0".parse().unwrap(), 33).is_none());
        assert!(Prefix::new("::".parse().unwrap(), 129).is_none());
        assert!(Selector::between(prefix("::", 0), prefix("0.0.0.0", 0)).is_none());
    }

    #[test]
    fn ipv4_selectors_never_match_ipv6() {
        let everything = Selector::between(prefix("0.0.0.0", 0), prefix("0.0.0.0", 0)).unwrap();
        assert!(!matches(&everything, &sample::udp_v6(8)));
        assert!(Selectors::everything().match_any(&Inner::parse(&sample::udp_v6(8)).unwrap()));
    }

    #[test]
    fn a_packet_without_ports_matches_only_a_selector_of_all_ports() {
        let mut selector = Selector::between(prefix("10.0.0.0", 8), prefix("10.0.0.0", 8)).unwrap();
        selector.protocol = Some(17);
        let mut packet = sample::udp_v4(64);
        assert!(matches(&selector, &packet));
        selector.destination_ports = 5000..=5000;
        assert!(matches(&selector, &packet));
        packet[7] = 3;
        assert!(!matches(&selector, &packet));
    }

    #[test]
    fn the_other_end_sees_the_reverse() {
        let mut selector = Selector::between(prefix("10.1.0.0", 16), prefix("10.2.0.0", 16)).unwrap();
        selector.destination_ports = 443..=443;
        let selectors = Selectors::new([selector]).unwrap();
        let reversed = selectors.reversed();
        assert_ne!(reversed, selectors);
        assert_eq!(reversed.reversed(), selectors);
    }
}
