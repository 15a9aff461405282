//! What the gateway's own addresses outside have to do with the kernel: its key exchange, and ICMP about them. Everything
//! else that comes to them is for the tunnels, or refused as before.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use api::Config;
use api::config::{Prefix, TunnelPeer};
use crossbeam_queue::ArrayQueue;

use super::plan::{TunnelPlan, contains};

/// What may pass between the kernel and the port outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExceptionPlan {
    /// Our addresses.
    local: Vec<IpAddr>,
    /// Port at which the daemon listens, and from where it may be called there.
    listen: Option<u16>,
    callers: Vec<Prefix>,
    /// Where the daemon calls by the port outside.
    called: Vec<SocketAddr>,
}

/// What a packet is to the exception port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// The key exchange.
    Exchange,
    /// ICMP about our addresses.
    Icmp,
}

/// The ends of an IP packet that is not a fragment.
#[derive(Clone, Copy, Debug)]
struct Ends<'a> {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    payload: &'a [u8],
}

impl ExceptionPlan {
    /// Of a configuration; none without an exception port, or tunnels.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        let tunnel = &config.live.tunnel;
        config.boot.exception_port.as_ref()?;
        tunnel.outside.as_ref()?;
        // Who is called elsewhere than where its packets are is reached by another network.
        let is_outside =
            |peer: &&TunnelPeer| peer.address.is_none() || peer.address == peer.endpoint.map(|at| at.ip());
        let endpoints = tunnel.peers.iter().filter(is_outside).filter_map(|peer| peer.endpoint);
        Some(Self {
            local: tunnel.local.clone(),
            listen: tunnel.exchange.listen.map(|listen| listen.port()),
            callers: tunnel.peers.iter().flat_map(TunnelPeer::callers).collect(),
            called: endpoints.collect(),
        })
    }

    /// Hosts that the kernel reaches by the exception port.
    fn hosts(&self) -> Vec<IpAddr> {
        self.called.iter().map(SocketAddr::ip).collect()
    }

    /// What a packet from outside is; none where it is not for the kernel.
    #[inline]
    pub(crate) fn inwards(&self, packet: &[u8]) -> Option<Passage> {
        let ends = ends(packet)?;
        if !self.local.contains(&ends.destination) {
            return None;
        }
        self.passage(&ends, ends.source, |[source, destination]| (source, destination))
    }

    /// What a packet of the kernel's is, and where it goes; none where it may not.
    pub(crate) fn outwards(&self, packet: &[u8]) -> Option<(Passage, IpAddr)> {
        let ends = ends(packet)?;
        if !self.local.contains(&ends.source) {
            return None;
        }
        let passage = self.passage(&ends, ends.destination, |[source, destination]| (destination, source))?;
        Some((passage, ends.destination))
    }

    /// `sides` gives the port of the far end and ours.
    fn passage(&self, ends: &Ends<'_>, far: IpAddr, sides: fn([u16; 2]) -> (u16, u16)) -> Option<Passage> {
        match (ends.protocol, ends.payload) {
            (TCP, [s0, s1, d0, d1, ..]) => {
                let (theirs, ours) = sides([u16::from_be_bytes([*s0, *s1]), u16::from_be_bytes([*d0, *d1])]);
                let calls =
                    self.listen == Some(ours) && self.callers.iter().any(|prefix| contains(prefix, far));
                let is_called = self.called.iter().any(|at| at.ip() == far && at.port() == theirs);
                (calls || is_called).then_some(Passage::Exchange)
            }
            // Answers and questions of ping, and errors about what was sent.
            (ICMP, [0 | 3 | 8 | 11 | 12, ..]) if far.is_ipv4() => Some(Passage::Icmp),
            (ICMPV6, [1..=4 | 128 | 129, ..]) if far.is_ipv6() => Some(Passage::Icmp),
            _ => None,
        }
    }
}

/// Reads the header of a packet; fragments and extension headers are nobody's who agrees on keys.
#[inline]
fn ends(packet: &[u8]) -> Option<Ends<'_>> {
    match packet.first()? >> 4 {
        4 => {
            let [first, _, l0, l1, _, _, f0, f1, _, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] =
                *packet.first_chunk::<20>()?;
            let is_fragment = u16::from_be_bytes([f0, f1]) & 0x3fff != 0;
            let whole = packet.get(..usize::from(u16::from_be_bytes([l0, l1])))?;
            let payload = whole.get(usize::from(first & 15).max(5) * 4..)?;
            (!is_fragment).then_some(Ends {
                source: Ipv4Addr::new(s0, s1, s2, s3).into(),
                destination: Ipv4Addr::new(d0, d1, d2, d3).into(),
                protocol,
                payload,
            })
        }
        6 => {
            let [_, _, _, _, l0, l1, protocol, _, addresses @ ..] = *packet.first_chunk::<40>()?;
            let (source, destination) = addresses.split_first_chunk::<16>()?;
            let destination = destination.first_chunk::<16>()?;
            let payload = packet.get(40..)?.get(..usize::from(u16::from_be_bytes([l0, l1])))?;
            Some(Ends {
                source: Ipv6Addr::from(*source).into(),
                destination: Ipv6Addr::from(*destination).into(),
                protocol,
                payload,
            })
        }
        _ => None,
    }
}

/// An IP packet between workers and the kernel, in a buffer that goes back and forth.
#[derive(Debug)]
pub(crate) struct Packet {
    place: Box<[u8]>,
    length: usize,
}

#[cfg_attr(
    all(not(feature = "xdp"), not(test)),
    expect(dead_code, reason = "nobody makes an exception port then")
)]
impl Packet {
    /// The packet.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.place.get(..self.length).unwrap_or_default()
    }

    /// Puts in one that `fill` has, whose length it gives; whether it has one.
    pub(crate) fn put<E>(
        &mut self,
        fill: impl FnOnce(&mut [u8]) -> Result<Option<usize>, E>,
    ) -> Result<bool, E> {
        let length = fill(&mut self.place)?;
        self.length = length.unwrap_or(0);
        Ok(length.is_some())
    }
}

/// What the kernel is to have: our addresses, and hosts that it reaches by the interface.
pub(crate) type Wanted = (Vec<IpAddr>, Vec<IpAddr>);

/// The queues between workers and the thread that has the interface. Bounded; nobody waits.
#[derive(Debug)]
pub(crate) struct Exchanged {
    /// What the interface is to have from now on, where that is new.
    wanted: ArrayQueue<Wanted>,
    free: ArrayQueue<Packet>,
    to_kernel: ArrayQueue<Packet>,
    to_wire: ArrayQueue<Packet>,
}

#[cfg_attr(
    all(not(feature = "xdp"), not(test)),
    expect(dead_code, reason = "nobody makes an exception port then")
)]
impl Exchanged {
    /// Queues for packets of at most `mtu` bytes.
    pub(crate) fn new(mtu: u16) -> Arc<Self> {
        let free = ArrayQueue::new(PACKETS);
        for _ in 0..PACKETS {
            let place = vec![0; usize::from(mtu)].into_boxed_slice();
            let _there_is_room = free.push(Packet { place, length: 0 });
        }
        let queue = || ArrayQueue::new(PACKETS);
        Arc::new(Self { wanted: ArrayQueue::new(1), free, to_kernel: queue(), to_wire: queue() })
    }

    /// Has the interface have what these tunnels need.
    pub(crate) fn follow(&self, plan: Option<&TunnelPlan>) {
        let exception = plan.and_then(|plan| plan.exception.as_ref());
        let wanted = exception.map(|plan| (plan.local.clone(), plan.hosts())).unwrap_or_default();
        drop(self.wanted.force_push(wanted));
    }

    /// What the interface is to have, where that is new.
    pub(crate) fn wanted(&self) -> Option<Wanted> {
        self.wanted.pop()
    }

    /// Takes a packet from outside to the kernel; whether there was room.
    pub(crate) fn take_in(&self, packet: &[u8]) -> bool {
        let Some(mut place) = self.free.pop() else { return false };
        let is_put = match place.place.get_mut(..packet.len()) {
            Some(into) => {
                into.copy_from_slice(packet);
                place.length = packet.len();
                true
            }
            None => false,
        };
        let queue = if is_put { &self.to_kernel } else { &self.free };
        // Each is as long as all buffers together.
        let _there_is_room = queue.push(place);
        is_put
    }

    /// The next packet for the kernel.
    pub(crate) fn for_kernel(&self) -> Option<Packet> {
        self.to_kernel.pop()
    }

    /// The next packet for the port outside.
    pub(crate) fn for_wire(&self) -> Option<Packet> {
        self.to_wire.pop()
    }

    /// A buffer that nobody has a packet in.
    pub(crate) fn free(&self) -> Option<Packet> {
        self.free.pop()
    }

    /// Hands a packet of the kernel's to the workers.
    pub(crate) fn take_out(&self, packet: Packet) {
        // As long as all buffers together.
        let _there_is_room = self.to_wire.push(packet);
    }

    /// Gives a buffer back.
    pub(crate) fn give_back(&self, packet: Packet) {
        let _there_is_room = self.free.push(packet);
    }
}

/// Packets on their way, both ways together.
const PACKETS: usize = 512;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const ICMPV6: u8 = 58;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan() -> ExceptionPlan {
        let text = r#"
version = 1
[boot]
exception_port = "ww0"
[[boot.ports]]
name = "lan"
device = "net_null0"
mode = "inline"
peer = "wan"
[[boot.ports]]
name = "wan"
device = "net_null1"
mode = "inline"
peer = "lan"
[live.tunnel]
outside = "wan"
local = ["192.0.2.1", "2001:db8::1"]
[live.tunnel.exchange]
listen = "192.0.2.1:4510"
[[live.tunnel.peers]]
name = "west"
address = "192.0.2.2"
endpoint = "192.0.2.2:4511"
prefixes = ["10.2.0.0/16"]
[[live.tunnel.peers]]
name = "beside"
address = "192.0.2.3"
endpoint = "10.99.0.3:4510"
prefixes = ["10.4.0.0/16"]
[[live.tunnel.peers]]
name = "anywhere"
prefixes = ["10.3.0.0/16"]
allow = ["198.51.100.0/24", "2001:db8:7::/48"]
"#;
        ExceptionPlan::new(&Config::from_toml(text, "test").unwrap()).unwrap()
    }

    /// An IP packet without options.
    fn packet(from: &str, to: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap();
        match (from.parse().unwrap(), to.parse().unwrap()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let [l0, l1] = (length + 20).to_be_bytes();
                let head = [0x45, 0, l0, l1, 0, 0, 0x40, 0, 64, protocol, 0, 0];
                [&head[..], &from.octets(), &to.octets(), payload].concat()
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let [l0, l1] = length.to_be_bytes();
                let head = [0x60, 0, 0, 0, l0, l1, protocol, 64];
                [&head[..], &from.octets(), &to.octets(), payload].concat()
            }
            _ => panic!("two of one IP"),
        }
    }

    fn ports(source: u16, destination: u16) -> Vec<u8> {
        let [s, d] = [source, destination].map(u16::to_be_bytes);
        [&s[..], &d, &[0; 16]].concat()
    }

    #[test]
    fn the_exchange_passes_both_ways_and_nothing_like_it() {
        let plan = plan();
        let (west, stranger, near) = ("192.0.2.2", "203.0.113.9", "198.51.100.77");
        let in_ = |from: &str, source, destination| {
            plan.inwards(&packet(from, "192.0.2.1", TCP, &ports(source, destination)))
        };
        assert_eq!(in_(west, 50_000, 4510), Some(Passage::Exchange), "it calls");
        assert_eq!(in_(west, 4511, 50_000), Some(Passage::Exchange), "it was called");
        assert_eq!(in_(near, 50_000, 4510), Some(Passage::Exchange), "it is allowed to call");
        assert_eq!(in_(near, 4511, 50_000), None, "it is not called");
        assert_eq!(in_(west, 50_000, 22), None, "another service");
        assert_eq!(in_(west, 4510, 50_000), None, "it listens elsewhere");
        assert_eq!(in_(stranger, 50_000, 4510), None);
        assert_eq!(plan.inwards(&packet(west, "192.0.2.9", TCP, &ports(1, 4510))), None, "not ours");
        assert_eq!(plan.inwards(&packet(west, "192.0.2.1", 17, &ports(1, 4510))), None, "UDP");
        let v6 = packet("2001:db8:7::9", "2001:db8::1", TCP, &ports(50_000, 4510));
        assert_eq!(plan.inwards(&v6), Some(Passage::Exchange));
        let out = |to: &str, source, destination| {
            plan.outwards(&packet("192.0.2.1", to, TCP, &ports(source, destination))).map(|(_, to)| to)
        };
        assert_eq!(out(west, 50_000, 4511), Some(west.parse().unwrap()), "we call");
        assert_eq!(out(near, 4510, 50_000), Some(near.parse().unwrap()), "we were called");
        assert_eq!(out(stranger, 50_000, 443), None, "other programs of the host");
        assert_eq!(out(west, 22, 50_000), None);
        assert_eq!(plan.outwards(&packet("10.0.0.1", west, TCP, &ports(1, 4511))), None, "not from us");
    }

    #[test]
    fn who_is_called_by_another_network_is_left_to_it() {
        let plan = plan();
        assert_eq!(plan.hosts(), ["192.0.2.2".parse::<IpAddr>().unwrap()]);
        let call = packet("192.0.2.1", "10.99.0.3", TCP, &ports(50_000, 4510));
        assert_eq!(plan.outwards(&call), None);
    }

    #[test]
    fn ping_and_errors_pass_and_other_icmp_does_not() {
        let plan = plan();
        for (from, to, protocol, kinds) in [
            ("203.0.113.9", "192.0.2.1", ICMP, [0, 3, 8, 11, 12].as_slice()),
            ("2001:db8:9::9", "2001:db8::1", ICMPV6, [1, 2, 3, 4, 128, 129].as_slice()),
        ] {
            for kind in 0..=255 {
                let expected = kinds.contains(&kind).then_some(Passage::Icmp);
                assert_eq!(plan.inwards(&packet(from, to, protocol, &[kind, 0, 0, 0])), expected, "{kind}");
                let out = plan.outwards(&packet(to, from, protocol, &[kind, 0, 0, 0]));
                assert_eq!(out.map(|(passage, _)| passage), expected, "{kind}");
            }
        }
        assert_eq!(plan.inwards(&packet("203.0.113.9", "192.0.2.1", ICMPV6, &[128, 0])), None);
    }

    #[test]
    fn fragments_and_what_is_cut_off_do_not_pass() {
        let plan = plan();
        let whole = packet("192.0.2.2", "192.0.2.1", TCP, &ports(50_000, 4510));
        for (at, value) in [(6, 0x20), (7, 1), (6, 0x1f)] {
            let mut fragment = whole.clone();
            *fragment.get_mut(at).unwrap() |= value;
            assert_eq!(plan.inwards(&fragment), None);
        }
        for cut in 0..whole.len() {
            assert_eq!(plan.inwards(whole.get(..cut).unwrap()), None, "{cut} bytes");
        }
        let padded = [whole, vec![0; 6]].concat();
        assert_eq!(plan.inwards(&padded), Some(Passage::Exchange), "as Ethernet pads it");
    }

    #[test]
    fn queues_have_an_end_and_buffers_come_back() {
        let exchanged = Exchanged::new(100);
        assert!(!exchanged.take_in(&[1; 101]), "longer than the port takes");
        for number in 0..PACKETS {
            assert!(exchanged.take_in(&[u8::try_from(number % 256).unwrap(); 100]));
        }
        assert!(!exchanged.take_in(&[1]) && exchanged.free().is_none(), "full");
        for number in 0..PACKETS {
            let packet = exchanged.for_kernel().unwrap();
            assert_eq!(packet.bytes(), [u8::try_from(number % 256).unwrap(); 100]);
            exchanged.give_back(packet);
        }
        assert!(exchanged.for_kernel().is_none() && exchanged.take_in(&[1]));
    }

    #[test]
    fn only_the_newest_wish_is_kept() {
        let exchanged = Exchanged::new(100);
        exchanged.follow(None);
        exchanged.follow(None);
        assert_eq!(exchanged.wanted(), Some((Vec::new(), Vec::new())));
        assert_eq!(exchanged.wanted(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_safely(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let plan = plan();
            let _ = plan.inwards(&bytes);
            let _ = plan.outwards(&bytes);
        }
    }
}
