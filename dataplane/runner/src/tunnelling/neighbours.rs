//! Link-layer addresses: ARP (RFC 826) and neighbour discovery (RFC 4861), as far as a gateway needs them.
//!
//! An address is learned only where it was asked for, or where its owner asks for ours; so nobody fills the table. What
//! is not heard of for a while is asked for again while it is used, and forgotten in the end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wire::checksum::{self, Pseudo, Sum};

use super::plan::{Side, TunnelPlan};

type Mac = [u8; 6];

/// What a frame says about link-layer addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Somebody asks for the link-layer address of `target`.
    Question {
        /// Whose.
        target: IpAddr,
        /// Who asks; nobody while it has no address.
        asker: Option<IpAddr>,
        /// Link-layer address of who asks.
        mac: Mac,
    },
    /// Somebody says that it has an address.
    Answer {
        /// The address.
        address: IpAddr,
        /// Its link-layer address.
        mac: Mac,
    },
    /// ARP or neighbour discovery of another kind, or malformed.
    Other,
}

/// Reads ARP and neighbour discovery; `None` for frames that are neither.
#[inline]
pub(crate) fn read(frame: &[u8]) -> Option<Heard> {
    let (ethernet, payload) = frame.split_first_chunk::<ETHERNET>()?;
    let [_, _, _, _, _, _, _, _, _, _, _, _, t0, t1] = *ethernet;
    match u16::from_be_bytes([t0, t1]) {
        ARP => Some(read_arp(payload)),
        IPV6 => read_discovery(payload),
        _ => None,
    }
}

fn read_arp(payload: &[u8]) -> Heard {
    let Some(packet) = payload.first_chunk::<28>() else { return Heard::Other };
    let [0, 1, 8, 0, 6, 4, 0, operation, rest @ ..] = *packet else { return Heard::Other };
    let [m0, m1, m2, m3, m4, m5, s0, s1, s2, s3, _, _, _, _, _, _, t0, t1, t2, t3] = rest;
    let (mac, sender) = ([m0, m1, m2, m3, m4, m5], Ipv4Addr::from([s0, s1, s2, s3]));
    if !is_station(mac) {
        return Heard::Other;
    }
    match operation {
        1 => Heard::Question {
            target: Ipv4Addr::from([t0, t1, t2, t3]).into(),
            asker: (!sender.is_unspecified()).then_some(sender.into()),
            mac,
        },
        2 if !sender.is_unspecified() => Heard::Answer { address: sender.into(), mac },
        _ => Heard::Other,
    }
}

/// Router and neighbour discovery are told by their type and hop limit (RFC 4861, 7.1).
#[inline]
fn read_discovery(packet: &[u8]) -> Option<Heard> {
    let header = packet.first_chunk::<41>()?;
    let [_, _, _, _, l0, l1, next, hop_limit, addresses @ .., kind] = *header;
    if next != ICMPV6 || hop_limit != 255 || !(133..=137).contains(&kind) {
        return None;
    }
    let (source, destination) = addresses.split_at(16);
    let source = <[u8; 16]>::try_from(source).unwrap_or_default();
    let destination = <[u8; 16]>::try_from(destination).unwrap_or_default();
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let Some(message) = packet.get(40..).and_then(|rest| rest.get(..length)) else {
        return Some(Heard::Other);
    };
    if !checksum::icmpv6_is_intact(message, Pseudo::Ipv6(source, destination)) {
        return Some(Heard::Other);
    }
    Some(read_message(message, Ipv6Addr::from(source)))
}

fn read_message(message: &[u8], source: Ipv6Addr) -> Heard {
    let Some((head, options)) = message.split_first_chunk::<24>() else { return Heard::Other };
    let [kind, 0, _, _, _, _, _, _, target @ ..] = *head else { return Heard::Other };
    let target = Ipv6Addr::from(target);
    if target.is_multicast() || target.is_unspecified() {
        return Heard::Other;
    }
    match kind {
        SOLICITATION => {
            let asker = (!source.is_unspecified()).then_some(IpAddr::V6(source));
            // Who has no address yet says no link-layer address either; the answer goes to all.
            let mac = match asker {
                Some(_) => link_option(options, SOURCE_LINK),
                None => Some(ALL_NODES_MAC),
            };
            mac.map_or(Heard::Other, |mac| Heard::Question { target: target.into(), asker, mac })
        }
        ADVERTISEMENT => link_option(options, TARGET_LINK)
            .map_or(Heard::Other, |mac| Heard::Answer { address: target.into(), mac }),
        _ => Heard::Other,
    }
}

/// The link-layer address of an option (RFC 4861, 4.6.1).
fn link_option(mut options: &[u8], wanted: u8) -> Option<Mac> {
    // An option is eight bytes at least, and a packet ends.
    loop {
        let [kind, units, ..] = *options.first_chunk::<8>()?;
        let length = usize::from(units) * 8;
        let option = options.get(..length).filter(|option| !option.is_empty())?;
        if kind == wanted {
            let [_, _, mac @ ..] = *option.first_chunk::<8>()?;
            return is_station(mac).then_some(mac);
        }
        options = options.get(length..)?;
    }
}

/// Neither a group nor nobody.
fn is_station(mac: Mac) -> bool {
    let [first, ..] = mac;
    first & 1 == 0 && mac != [0; 6]
}

/// A frame of at most [`FRAME_MAX`] bytes.
pub(crate) type Frame = arrayvec::ArrayVec<u8, FRAME_MAX>;
/// Bytes of the longest frame that is made here: Ethernet, IPv6, a message with one option.
pub(crate) const FRAME_MAX: usize = ETHERNET + 40 + 32;

/// The frame that asks for the link-layer address of `target` on a side.
pub(crate) fn question(plan: &TunnelPlan, side: Side, target: IpAddr) -> Frame {
    match target {
        IpAddr::V4(target) => {
            // Without an address of ours the question is a probe, which is answered too (RFC 5227, 2.1.1).
            let own = match plan.own(side, target.into()) {
                Some(IpAddr::V4(own)) => own,
                _ => Ipv4Addr::UNSPECIFIED,
            };
            arp(plan.mac, ([0xff; 6], 1), own, ([0; 6], target))
        }
        IpAddr::V6(target) => {
            let own = match plan.own(side, target.into()) {
                Some(IpAddr::V6(own)) => own,
                _ => plan.link_local,
            };
            let [.., a, b, c] = target.octets();
            let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c]);
            discovery(plan.mac, [0x33, 0x33, 0xff, a, b, c], (own, group), (SOLICITATION, 0, target))
        }
    }
}

/// The frame that answers a question about an address of ours.
pub(crate) fn answer(plan: &TunnelPlan, target: IpAddr, asker: Option<IpAddr>, mac: Mac) -> Option<Frame> {
    match (target, asker) {
        (IpAddr::V4(target), asker) => {
            let to = match asker {
                Some(IpAddr::V4(asker)) => asker,
                _ => Ipv4Addr::UNSPECIFIED,
            };
            Some(arp(plan.mac, (mac, 2), target, (mac, to)))
        }
        (IpAddr::V6(target), Some(IpAddr::V6(asker))) => {
            let flags = SOLICITED | OVERRIDE;
            Some(discovery(plan.mac, mac, (target, asker), (ADVERTISEMENT, flags, target)))
        }
        (IpAddr::V6(target), None) => {
            let parts = (ADVERTISEMENT, OVERRIDE, target);
            Some(discovery(plan.mac, ALL_NODES_MAC, (target, ALL_NODES), parts))
        }
        (IpAddr::V6(_), Some(IpAddr::V4(_))) => None,
    }
}

fn arp(
    own: Mac,
    (to, operation): (Mac, u8),
    sender: Ipv4Addr,
    (target_mac, target): (Mac, Ipv4Addr),
) -> Frame {
    let mut frame = Frame::new();
    put(&mut frame, &to);
    put(&mut frame, &own);
    put(&mut frame, &ARP.to_be_bytes());
    put(&mut frame, &[0, 1, 8, 0, 6, 4, 0, operation]);
    put(&mut frame, &own);
    put(&mut frame, &sender.octets());
    put(&mut frame, &target_mac);
    put(&mut frame, &target.octets());
    frame
}

fn discovery(
    own: Mac,
    to: Mac,
    (source, destination): (Ipv6Addr, Ipv6Addr),
    (kind, flags, target): (u8, u8, Ipv6Addr),
) -> Frame {
    const LENGTH: u8 = 32;
    let option = if kind == SOLICITATION { SOURCE_LINK } else { TARGET_LINK };
    let mut message = [0; LENGTH as usize];
    let parts: [(usize, &[u8]); 4] = [(0, &[kind]), (4, &[flags]), (8, &target.octets()), (24, &[option, 1])];
    for (at, bytes) in parts.into_iter().chain([(26, own.as_slice())]) {
        if let Some(place) = message.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())) {
            place.copy_from_slice(bytes);
        }
    }
    let sum = Sum::new().pseudo_ipv6(source.octets(), destination.octets(), ICMPV6, u32::from(LENGTH));
    let sum = sum.bytes(&message).checksum().to_be_bytes();
    if let Some(place) = message.get_mut(2..4) {
        place.copy_from_slice(&sum);
    }
    let mut frame = Frame::new();
    put(&mut frame, &to);
    put(&mut frame, &own);
    put(&mut frame, &IPV6.to_be_bytes());
    put(&mut frame, &[0x60, 0, 0, 0, 0, LENGTH, ICMPV6, 255]);
    put(&mut frame, &source.octets());
    put(&mut frame, &destination.octets());
    put(&mut frame, &message);
    frame
}

/// What is put in is at most [`FRAME_MAX`] in all.
fn put(frame: &mut Frame, bytes: &[u8]) {
    let fitted = frame.try_extend_from_slice(bytes);
    debug_assert!(fitted.is_ok(), "a frame of {FRAME_MAX} bytes");
}

/// The link-layer address of a group or of all (RFC 1112, 6.4; RFC 2464, 7).
pub(crate) fn group_mac(address: IpAddr) -> Option<Mac> {
    match address {
        IpAddr::V4(Ipv4Addr::BROADCAST) => Some([0xff; 6]),
        IpAddr::V4(address) if address.is_multicast() => {
            let [_, b, c, d] = address.octets();
            Some([1, 0, 0x5e, b & 0x7f, c, d])
        }
        IpAddr::V6(address) if address.is_multicast() => {
            let [.., a, b, c, d] = address.octets();
            Some([0x33, 0x33, a, b, c, d])
        }
        _ => None,
    }
}

/// Link-layer addresses of one side: of fixed size; in a set that is full the one heard of longest ago gives way.
#[derive(Debug)]
pub(crate) struct Neighbours {
    sets: Box<[[Entry; WAYS]]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// None is free.
    address: Option<IpAddr>,
    mac: Option<Mac>,
    heard_ns: u64,
    asked_ns: u64,
}

/// What is known of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Its link-layer address.
    pub(crate) mac: Option<Mac>,
    /// Whether it is time to ask for it.
    pub(crate) ask: bool,
}

impl Neighbours {
    pub(crate) fn new() -> Self {
        Self { sets: vec![[Entry::default(); WAYS]; SETS].into_boxed_slice() }
    }

    /// What is known of an address that is needed.
    #[inline]
    pub(crate) fn resolve(&mut self, address: IpAddr, now_ns: u64) -> Known {
        let entry = self.entry(address);
        let age = now_ns.saturating_sub(entry.heard_ns);
        if age > FORGET_NS {
            entry.mac = None;
        }
        if entry.mac.is_some() && age < CONFIRM_NS {
            return Known { mac: entry.mac, ask: false };
        }
        let ask = entry.asked_ns == 0 || now_ns.saturating_sub(entry.asked_ns) >= ASK_EVERY_NS;
        if ask {
            entry.asked_ns = now_ns;
        }
        Known { mac: entry.mac, ask }
    }

    /// Learns where an address is that was asked for; whether it was.
    pub(crate) fn answered(&mut self, address: IpAddr, mac: Mac, now_ns: u64) -> bool {
        let Some(set) = self.sets.get_mut(set_of(address)) else { return false };
        let Some(entry) = set.iter_mut().find(|entry| entry.address == Some(address)) else { return false };
        (entry.mac, entry.heard_ns) = (Some(mac), now_ns);
        true
    }

    /// Learns where an address is, asked for or not.
    pub(crate) fn learn(&mut self, address: IpAddr, mac: Mac, now_ns: u64) {
        let entry = self.entry(address);
        (entry.mac, entry.heard_ns) = (Some(mac), now_ns);
    }

    /// The entry of an address, which takes the place of another where there is none.
    #[inline]
    #[expect(
        clippy::indexing_slicing,
        reason = "there are as many sets as the hash has values, and ways in each"
    )]
    fn entry(&mut self, address: IpAddr) -> &mut Entry {
        let set = &mut self.sets[set_of(address)];
        let found = set.iter().position(|entry| entry.address == Some(address));
        let way = found.unwrap_or_else(|| {
            let oldest = (0..WAYS).min_by_key(|way| (set[*way].address.is_some(), set[*way].heard_ns));
            let way = oldest.unwrap_or(0);
            set[way] = Entry { address: Some(address), ..Entry::default() };
            way
        });
        &mut set[way]
    }
}

#[inline]
fn set_of(address: IpAddr) -> usize {
    let bits = match address {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => {
            let [a, b, c, d, e, f, g, h] = address.segments().map(u64::from);
            (a << 48 | b << 32 | c << 16 | d) ^ (e << 48 | f << 32 | g << 16 | h)
        }
    };
    // Fibonacci hashing; the shift leaves the bits of SETS.
    usize::try_from(bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SETS.ilog2())).unwrap_or(0)
}

const SETS: usize = 1024;
const WAYS: usize = 4;
const SECOND_NS: u64 = 1_000_000_000;
/// After so long an address is asked for again while it is used.
const CONFIRM_NS: u64 = 30 * SECOND_NS;
/// After so long without an answer it is forgotten.
const FORGET_NS: u64 = 120 * SECOND_NS;
const ASK_EVERY_NS: u64 = SECOND_NS / 4;

const ETHERNET: usize = 14;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;
const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const SOURCE_LINK: u8 = 1;
const TARGET_LINK: u8 = 2;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: Mac = [0x33, 0x33, 0, 0, 0, 1];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tunnelling::plan::Slots;

    fn plan() -> TunnelPlan {
        let text = r#"
version = 1
[[boot.ports]]
name = "lan"
device = "eth0"
mode = "inline"
peer = "wan"
[[boot.ports]]
name = "wan"
device = "eth1"
mode = "inline"
peer = "lan"
[live.tunnel]
outside = "wan"
local = ["192.0.2.1", "2001:db8::1"]
inside = ["10.1.0.1/16"]
"#;
        let config = api::Config::from_toml(text, "test").unwrap();
        TunnelPlan::new(&config, &mut Slots::default()).unwrap().unwrap()
    }

    #[test]
    fn a_question_is_read_as_it_was_asked_and_answered() {
        let plan = plan();
        for (target, own) in [("192.0.2.9", "192.0.2.1"), ("2001:db8::9", "2001:db8::1")] {
            let (target, own): (IpAddr, IpAddr) = (target.parse().unwrap(), own.parse().unwrap());
            let question = question(&plan, Side::Outside, target);
            let heard = read(&question);
            assert_eq!(heard, Some(Heard::Question { target, asker: Some(own), mac: plan.mac }));
            let answer = answer(&plan, own, Some(target), [2, 0, 0, 0, 0, 9]).unwrap();
            assert_eq!(answer[..6], [2, 0, 0, 0, 0, 9]);
            assert_eq!(read(&answer), Some(Heard::Answer { address: own, mac: plan.mac }));
        }
        let probe = question(&plan, Side::Inside, "fd01::7".parse().unwrap());
        assert!(
            matches!(read(&probe), Some(Heard::Question { asker: Some(IpAddr::V6(own)), .. }) if own == plan.link_local)
        );
        let duplicate = answer(&plan, "2001:db8::1".parse().unwrap(), None, ALL_NODES_MAC).unwrap();
        assert_eq!(duplicate[..6], ALL_NODES_MAC);
    }

    #[test]
    fn what_is_cut_or_changed_is_not_believed() {
        let plan = plan();
        for target in ["192.0.2.9", "2001:db8::9"] {
            let frame = question(&plan, Side::Outside, target.parse().unwrap());
            for cut in 0..frame.len() {
                let heard = read(&frame[..cut]);
                assert!(heard.is_none() || heard == Some(Heard::Other), "{cut}: {heard:?}");
            }
            for at in ETHERNET + 8..frame.len() {
                let mut spoiled = frame.clone();
                spoiled[at] ^= 0x55;
                let _ = read(&spoiled);
            }
        }
        let mut group = question(&plan, Side::Outside, "192.0.2.9".parse().unwrap());
        group[22] |= 1;
        assert_eq!(read(&group), Some(Heard::Other), "a group is nobody's address");
        let mut wrong = question(&plan, Side::Outside, "2001:db8::9".parse().unwrap());
        wrong[60] ^= 1;
        assert_eq!(read(&wrong), Some(Heard::Other), "a wrong checksum");
        assert_eq!(read(&[0; 60]), None);
    }

    #[test]
    fn an_address_is_asked_for_again_and_forgotten() {
        let (mut table, address) = (Neighbours::new(), IpAddr::from([192, 0, 2, 9]));
        let start = 1_000 * SECOND_NS;
        assert_eq!(table.resolve(address, start), Known { mac: None, ask: true });
        assert_eq!(table.resolve(address, start + 1), Known { mac: None, ask: false });
        assert!(table.resolve(address, start + ASK_EVERY_NS).ask);
        assert!(table.answered(address, [2; 6], start));
        assert_eq!(table.resolve(address, start + 1), Known { mac: Some([2; 6]), ask: false });
        assert_eq!(table.resolve(address, start + CONFIRM_NS), Known { mac: Some([2; 6]), ask: true });
        assert_eq!(table.resolve(address, start + FORGET_NS + 1).mac, None);
        assert!(!table.answered(IpAddr::from([192, 0, 2, 8]), [4; 6], start), "nobody asked");
    }

    #[test]
    fn a_full_table_forgets_the_oldest() {
        let mut table = Neighbours::new();
        for number in 0..100_000_u32 {
            table.learn(Ipv4Addr::from(number).into(), [2; 6], u64::from(number) + 1);
        }
        assert_eq!(table.sets.len(), SETS);
        assert_eq!(table.resolve(Ipv4Addr::from(99_999).into(), 100_000).mac, Some([2; 6]));
    }
}
