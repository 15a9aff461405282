//! Who may try: allowed prefixes, how many connections per second, how many handshakes at once. Before any cryptography.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::refusal::Refusal;

/// A prefix of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// The prefix of this length; `None` where an address of its family is shorter. One of IPv4-mapped addresses (RFC
    /// 4291, 2.5.5.2) is that of the IPv4 addresses in them; one that holds others too is IPv6's.
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        let (address, length) = match (address, address.to_canonical()) {
            (IpAddr::V6(_), IpAddr::V4(inner)) if length >= MAPPED => (inner.into(), length - MAPPED),
            _ => (address, length),
        };
        let longest = if address.is_ipv4() { 32 } else { 128 };
        (length <= longest).then_some(Self { address, length })
    }

    /// Whether `address` is within it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
            IpAddr::V6(address) => address.to_bits(),
        };
        let address = address.to_canonical();
        let differing = bits(address) ^ bits(self.address);
        address.is_ipv4() == self.address.is_ipv4() && differing.leading_zeros() >= u32::from(self.length)
    }
}

/// Bits before the IPv4 address in an IPv6 address that holds one.
const MAPPED: u8 = 96;

/// How much is taken on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections per second from all addresses; as many more may come at once.
    pub accepts: u32,
    /// Connections per second from one address; as many more may come at once.
    pub accepts_each: u32,
    /// Handshakes of others under way at once.
    pub half_open: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { accepts: 200, accepts_each: 10, half_open: 64 }
    }
}

/// Lets connections in or not.
#[derive(Debug)]
pub struct Gate {
    allowed: Vec<Prefix>,
    limits: Limits,
    all: Bucket,
    /// The addresses that came last; a flood from many more is held by the rate of all.
    each: Vec<(IpAddr, Bucket)>,
}

impl Gate {
    /// A gate for these prefixes.
    pub fn new(allowed: Vec<Prefix>, limits: Limits, now: Instant) -> Self {
        Self { allowed, limits, all: Bucket::full(limits.accepts, now), each: Vec::new() }
    }

    /// Other prefixes; rates go on.
    pub fn allow(&mut self, allowed: Vec<Prefix>) {
        self.allowed = allowed;
    }

    /// Other limits.
    pub fn limit(&mut self, limits: Limits, now: Instant) {
        if limits != self.limits {
            *self = Self::new(std::mem::take(&mut self.allowed), limits, now);
        }
    }

    /// Whether a connection from `address` is let in while `half_open` others are not done.
    ///
    /// # Errors
    ///
    /// Why not. The address's own rate is looked at before that of all, so that one sender does not use up the rest.
    pub fn admit(&mut self, address: IpAddr, half_open: usize, now: Instant) -> Result<(), Refusal> {
        let address = address.to_canonical();
        if !self.allowed.iter().any(|prefix| prefix.contains(address)) {
            return Err(Refusal::AddressNotAllowed);
        }
        if !self.bucket_of(address, now).take(now) {
            return Err(Refusal::AcceptRate);
        }
        if half_open >= self.limits.half_open {
            return Err(Refusal::HalfOpenFull);
        }
        if self.all.take(now) { Ok(()) } else { Err(Refusal::AcceptRate) }
    }

    fn bucket_of(&mut self, address: IpAddr, now: Instant) -> &mut Bucket {
        let at = match self.each.iter().position(|(one, _)| *one == address) {
            Some(at) => at,
            None if self.each.len() < SOURCES => {
                self.each.push((address, Bucket::full(self.limits.accepts_each, now)));
                self.each.len() - 1
            }
            None => {
                let oldest = (0..)
                    .zip(&self.each)
                    .min_by_key(|(_, (_, bucket))| bucket.filled)
                    .map_or(0, |(at, _)| at);
                if let Some(place) = self.each.get_mut(oldest) {
                    *place = (address, Bucket::full(self.limits.accepts_each, now));
                }
                oldest
            }
        };
        match self.each.get_mut(at) {
            Some((_, bucket)) => bucket,
            // There is always one at `at`; the bucket of all is the stricter answer.
            None => &mut self.all,
        }
    }
}

/// A token bucket: `rate` per second, at most one second's worth.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    rate: u32,
    /// In thousandths of a token.
    tokens: u64,
    filled: Instant,
}

impl Bucket {
    fn full(rate: u32, now: Instant) -> Self {
        Self { rate, tokens: u64::from(rate) * 1000, filled: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled).min(Duration::from_secs(1));
        let fresh = u64::from(self.rate) * u64::try_from(passed.as_millis()).unwrap_or(1000);
        // Without a whole thousandth, time is left to add up.
        if fresh > 0 {
            self.tokens = (self.tokens + fresh).min(u64::from(self.rate) * 1000);
            self.filled = now;
        }
        let taken = self.tokens.checked_sub(1000);
        self.tokens = taken.unwrap_or(self.tokens);
        taken.is_some()
    }
}

/// A source takes 48 bytes.
const SOURCES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(now: Instant) -> Gate {
        let allowed = ["10.0.0.0", "2001:db8::"].map(|text| Prefix::new(text.parse().unwrap(), 16).unwrap());
        Gate::new(allowed.to_vec(), Limits { accepts: 20, accepts_each: 5, half_open: 8 }, now)
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 3, last])
    }

    #[test]
    fn only_allowed_prefixes_come_in() {
        let now = Instant::now();
        let mut gate = gate(now);
        for (text, result) in [
            ("10.0.200.1", Ok(())),
            ("::ffff:10.0.200.2", Ok(())),
            ("2001:db8:0:1::1", Ok(())),
            ("10.1.0.1", Err(Refusal::AddressNotAllowed)),
            ("2002:db8::1", Err(Refusal::AddressNotAllowed)),
            ("::1", Err(Refusal::AddressNotAllowed)),
        ] {
            assert_eq!(gate.admit(text.parse().unwrap(), 0, now), result, "{text}");
        }
        assert!(Prefix::new("10.0.0.0".parse().unwrap(), 33).is_none());
        let mapped = Prefix::new("::ffff:192.0.2.0".parse().unwrap(), 120).unwrap();
        assert_eq!(Some(mapped), Prefix::new("192.0.2.0".parse().unwrap(), 24));
        assert!(
            mapped.contains("192.0.2.255".parse().unwrap()) && !mapped.contains("192.0.3.0".parse().unwrap())
        );
        assert!(Prefix::new("::ffff:192.0.2.0".parse().unwrap(), 129).is_none());
        let all = Prefix::new("0.0.0.0".parse().unwrap(), 0).unwrap();
        assert!(all.contains("203.0.113.9".parse().unwrap()) && !all.contains("::1".parse().unwrap()));
    }

    #[test]
    fn one_address_has_its_rate_and_does_not_use_up_the_others() {
        let start = Instant::now();
        let mut gate = gate(start);
        let mut admitted = 0;
        // 1,000 in one second from one address: its burst of 5 and 5 more.
        for millis in 0..1000 {
            admitted += u32::from(gate.admit(address(1), 0, start + Duration::from_millis(millis)).is_ok());
        }
        assert!((9..=10).contains(&admitted), "{admitted}");
        assert_eq!(gate.admit(address(2), 0, start + Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn all_together_have_a_rate_and_a_cap_of_half_open_ones() {
        let start = Instant::now();
        let mut gate = gate(start);
        let admitted = (0..=255).filter(|last| gate.admit(address(*last), 0, start).is_ok()).count();
        assert_eq!(admitted, 20);
        let later = start + Duration::from_secs(2);
        assert_eq!(gate.admit(address(1), 8, later), Err(Refusal::HalfOpenFull));
        assert_eq!(gate.admit(address(1), 7, later), Ok(()));
    }

    #[test]
    fn many_addresses_take_no_more_memory() {
        let start = Instant::now();
        let mut gate = gate(start);
        for number in 0..5000_u32 {
            let [_, _, high, low] = number.to_be_bytes();
            let _ =
                gate.admit(IpAddr::from([10, 0, high, low]), 0, start + Duration::from_millis(number.into()));
        }
        assert_eq!(gate.each.len(), SOURCES);
    }
}
