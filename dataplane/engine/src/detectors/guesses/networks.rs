//! Networks and whose they are: the longest prefix wins, found by one binary search.

use core::net::IpAddr;
use std::collections::BTreeMap;

use crate::ServiceId;

/// Addresses with a common prefix; IPv4 addresses are taken as IPv6 addresses that hold them (RFC 4291, 2.5.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Network {
    first: u128,
    last: u128,
}

impl Network {
    /// Reads `192.0.2.0/24` or `2001:db8::/32`; none where bits behind the prefix are set.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let prefix: u32 = prefix.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let free = width - Some(prefix).filter(|prefix| *prefix <= width)?;
        let below = u128::MAX.checked_shr(128 - free).unwrap_or(0);
        let first = number(address);
        (first & below == 0).then_some(Self { first, last: first | below })
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Compiled networks: where the owner changes, ascending.
#[derive(Debug, Default)]
pub(super) struct Networks(Vec<(u128, ServiceId)>);

impl Networks {
    pub(super) fn compile(networks: &BTreeMap<Network, ServiceId>) -> Self {
        let ends = networks.keys().flat_map(|network| [Some(network.first), network.last.checked_add(1)]);
        let borders: std::collections::BTreeSet<u128> = ends.flatten().collect();
        let owner_at = |at: u128| {
            let around = networks.iter().filter(|(network, _)| (network.first..=network.last).contains(&at));
            around
                .min_by_key(|(network, _)| network.last - network.first)
                .map_or(ServiceId(0), |(_, owner)| *owner)
        };
        Self(borders.into_iter().map(|at| (at, owner_at(at))).collect())
    }

    /// Whose an address is.
    pub(super) fn owner(&self, address: IpAddr) -> Option<ServiceId> {
        let at = number(address);
        let before = self.0.partition_point(|(start, _)| *start <= at).checked_sub(1)?;
        self.0.get(before).map(|(_, owner)| *owner).filter(|owner| *owner != ServiceId(0))
    }
}
