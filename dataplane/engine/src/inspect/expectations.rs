use core::net::IpAddr;

use arrayvec::ArrayVec;
use wire::{FlowKey, Scope, Side};

use crate::protocols::{Carrier, Expected};

/// Places for flows that are expected; of more, those that wait longest give way.
const BUCKETS: usize = 256;
const WAYS: usize = 4;
/// How long a flow is waited for: a called telephone rings for minutes.
const WAIT_NS: u64 = 300 * 1_000_000_000;

/// Flows that other flows announced: bounded, and looked at only for the first payload of a flow.
#[derive(Debug, Default)]
pub(crate) struct Expectations {
    /// None until something is expected for the first time.
    buckets: Vec<ArrayVec<Waiting, WAYS>>,
    /// A bit for each bucket that holds something: most look-ups end there, in one cache line.
    occupied: [u64; BUCKETS / 64],
    /// Not before this is everything over that was ever waited for.
    until_ns: u64,
}

/// A flow that is waited for.
#[derive(Debug)]
struct Waiting {
    expected: Expected,
    scope: Scope,
    /// Whose flow announced it.
    parent: u64,
    until_ns: u64,
}

/// A flow that came as it was announced.
#[derive(Clone, Debug)]
pub(crate) struct Announced {
    pub(crate) expected: Expected,
    /// Id of the flow that announced it.
    pub(crate) parent: u64,
}

impl Expectations {
    /// Whether nothing is waited for.
    #[inline]
    pub(crate) const fn is_empty(&self, now_ns: u64) -> bool {
        self.until_ns <= now_ns
    }

    /// Waits for a flow; another one to the same end is forgotten.
    pub(crate) fn add(&mut self, expected: Expected, scope: Scope, parent: u64, now_ns: u64) {
        if self.buckets.is_empty() {
            self.buckets.resize_with(BUCKETS, ArrayVec::new);
        }
        let until_ns = now_ns.saturating_add(WAIT_NS);
        self.until_ns = self.until_ns.max(until_ns);
        let place = bucket(expected.address, expected.port, expected.carrier, scope);
        let Some(bucket) = self.buckets.get_mut(place) else { return };
        if let Some(word) = self.occupied.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
        let same = |other: &Waiting| other.scope == scope && other.expected.is_same_end(&expected);
        let first_over = |bucket: &ArrayVec<Waiting, WAYS>| {
            (0..).zip(bucket).min_by_key(|(_, waiting)| waiting.until_ns).map(|(at, _)| at)
        };
        let given_up =
            bucket.iter().position(same).or_else(|| if bucket.is_full() { first_over(bucket) } else { None });
        if let Some(at) = given_up {
            bucket.remove(at);
        }
        let _ = bucket.try_push(Waiting { expected, scope, parent, until_ns });
    }

    /// Takes out what announced this flow, for either of its ends.
    pub(crate) fn take(&mut self, key: &FlowKey, carrier: Carrier, now_ns: u64) -> Option<Announced> {
        let mut found = None;
        for side in [Side::Lower, Side::Upper] {
            let (Some(address), peer) = (key.ip(side), key.ip(side.opposite())) else { continue };
            let port = key.port(side);
            let place = bucket(address, port, carrier, key.scope());
            let word = self.occupied.get_mut(place / 64)?;
            if *word & 1 << (place % 64) == 0 {
                continue;
            }
            let bucket = self.buckets.get_mut(place)?;
            bucket.retain(|waiting| waiting.until_ns > now_ns);
            let at = bucket.iter().position(|waiting| {
                let expected = &waiting.expected;
                waiting.scope == key.scope()
                    && (expected.address, expected.port, expected.carrier) == (address, port, carrier)
                    && (expected.peer.is_none() || expected.peer == peer)
            });
            if let Some(at) = at {
                let Waiting { expected, parent, .. } = bucket.remove(at);
                found = found.or(Some(Announced { expected, parent }));
            }
            if bucket.is_empty() {
                *word &= !(1 << (place % 64));
            }
        }
        found
    }
}

fn bucket(address: IpAddr, port: u16, carrier: Carrier, scope: Scope) -> usize {
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let bits = match address {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => {
            let octets = v6.to_bits().to_be_bytes();
            let (high, low) = octets.split_at(8);
            let half = |bytes: &[u8]| bytes.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
            half(high).rotate_left(29) ^ half(low)
        }
    };
    let carrier = u64::from(carrier == Carrier::Tcp);
    let mixed = (bits ^ u64::from(port) << 40 ^ carrier << 60 ^ scope.0.rotate_left(17)).wrapping_mul(MIX);
    usize::try_from(mixed >> 56).unwrap_or_default() % BUCKETS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::Subject;
    use wire::KeyKind;

    const SECOND: u64 = 1_000_000_000;

    fn expected(last: u8, port: u16, peer: Option<u8>) -> Expected {
        let ip = |last| IpAddr::from([192, 0, 2, last]);
        Expected {
            carrier: Carrier::Tcp,
            address: ip(last),
            port,
            peer: peer.map(ip),
            protocol: "ftp_data",
            subject: Subject::default(),
        }
    }

    fn key(client: (u8, u16), server: (u8, u16)) -> FlowKey {
        let end = |(last, port)| (FlowKey::from_ipv4([192, 0, 2, last]), port);
        FlowKey::new(KeyKind::Ipv4, 6, end(client), end(server), Scope::default()).0
    }

    #[test]
    fn an_announced_flow_is_found_once_and_only_of_its_peer() {
        let mut expectations = Expectations::default();
        assert!(expectations.is_empty(SECOND));
        expectations.add(expected(1, 2020, Some(9)), Scope::default(), 77, SECOND);
        assert!(!expectations.is_empty(SECOND));
        assert!(expectations.take(&key((8, 5000), (1, 2020)), Carrier::Tcp, SECOND).is_none());
        assert!(expectations.take(&key((9, 5000), (1, 2020)), Carrier::Udp, SECOND).is_none());
        assert!(expectations.take(&key((9, 5000), (1, 2021)), Carrier::Tcp, SECOND).is_none());
        let found = expectations.take(&key((9, 5000), (1, 2020)), Carrier::Tcp, SECOND).unwrap();
        assert_eq!((found.parent, found.expected.protocol), (77, "ftp_data"));
        assert!(expectations.take(&key((9, 5000), (1, 2020)), Carrier::Tcp, SECOND).is_none());
    }

    #[test]
    fn an_end_without_a_peer_is_met_by_anybody_from_either_side() {
        let mut expectations = Expectations::default();
        for client in [(7, 9), (200, 9)] {
            expectations.add(expected(100, 2020, None), Scope::default(), 1, 0);
            assert!(expectations.take(&key(client, (100, 2020)), Carrier::Tcp, 0).is_some());
        }
    }

    #[test]
    fn what_does_not_come_is_forgotten() {
        let mut expectations = Expectations::default();
        expectations.add(expected(1, 2020, None), Scope::default(), 1, 0);
        assert!(expectations.is_empty(WAIT_NS));
        assert!(expectations.take(&key((9, 5000), (1, 2020)), Carrier::Tcp, WAIT_NS).is_none());
    }

    #[test]
    fn a_flood_of_announcements_holds_no_more_than_its_places_and_the_newest_stay() {
        let mut expectations = Expectations::default();
        for round in 0..50_000_u32 {
            let [_, _, high, low] = round.to_be_bytes();
            let port = u16::from_be_bytes([high, low]);
            expectations.add(expected(1, port, None), Scope::default(), u64::from(round), u64::from(round));
        }
        let held: usize = expectations.buckets.iter().map(ArrayVec::len).sum();
        assert!(held <= BUCKETS * WAYS);
        assert!(expectations.take(&key((9, 5000), (1, 49_999)), Carrier::Tcp, 50_000).is_some());
    }

    #[test]
    fn announcing_again_replaces() {
        let mut expectations = Expectations::default();
        for name in [&b"first"[..], b"second"] {
            let subject = Subject::new("RETR", name);
            expectations.add(Expected { subject, ..expected(1, 2020, None) }, Scope::default(), 1, 0);
        }
        let found = expectations.take(&key((9, 5000), (1, 2020)), Carrier::Tcp, 0).unwrap();
        assert_eq!(found.expected.subject.name(), b"second");
        assert!(expectations.take(&key((9, 5000), (1, 2020)), Carrier::Tcp, 0).is_none());
    }
}
