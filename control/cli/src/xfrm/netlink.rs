//! Messages of NETLINK_XFRM, as `linux/xfrm.h` and `linux/netlink.h` lay them out: what is written of SAs and policies,
//! and what is read of them. Numbers are in the machine's byte order, SPIs, ports and addresses in that of the network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use api::config::Prefix;
use api::tunnel::{KEY_MATERIAL, SaKeyMaterial};
use zeroize::Zeroizing;

/// An SA that the kernel is to have.
#[derive(Debug)]
pub(super) struct NewSa<'a> {
    pub(super) name: SaName,
    /// Where its packets come from.
    pub(super) source: IpAddr,
    /// By which templates of policies choose it.
    pub(super) reqid: u32,
    pub(super) key: &'a SaKeyMaterial,
    /// Packets after which the kernel removes it; `u64::MAX` for never.
    pub(super) hard_packets: u64,
    /// Seconds after which the kernel removes it; 0 for never.
    pub(super) hard_seconds: u64,
}

/// What the kernel finds an SA by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SaName {
    /// Where its packets go.
    pub(super) target: IpAddr,
    pub(super) spi: u32,
}

/// An SA that the kernel has.
#[derive(Debug)]
pub(super) struct Sa {
    pub(super) name: SaName,
    pub(super) source: IpAddr,
    pub(super) reqid: u32,
    /// Key and salt; `None` where it is anything but ESP in tunnel mode with AES-256-GCM and a tag of 16 bytes.
    pub(super) key: Option<SaKeyMaterial>,
    pub(super) is_extended: bool,
    pub(super) is_in_udp: bool,
    pub(super) hard_packets: u64,
    /// Seconds from its addition to its end; 0 for never.
    pub(super) hard_seconds: u64,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    /// Seconds since the UNIX epoch.
    pub(super) added: u64,
    /// The number of the last packet that was sent.
    pub(super) sent_number: u64,
    pub(super) replayed: u64,
    pub(super) forged: u64,
}

/// Which traffic a policy is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) source: Prefix,
    pub(super) target: Prefix,
    /// UDP to this port alone.
    pub(super) udp_port: Option<u16>,
}

/// Which way the packets of a policy go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
    Forward,
}

/// A policy that demands ESP in tunnel mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) traffic: Traffic,
    pub(super) way: Way,
    pub(super) priority: u32,
    /// Ends of the tunnel.
    pub(super) ends: (IpAddr, IpAddr),
    /// Which SAs; 0 for any.
    pub(super) reqid: u32,
}

/// What a message of the kernel is.
#[derive(Debug)]
pub(super) enum Answer {
    Sa(Box<Sa>),
    Policy(Policy),
    /// The end of a list.
    Done,
    /// How a request ended: 0, or the number of an error.
    Ended(i32),
    /// Something else.
    Other,
}

pub(super) const NEWSA: u16 = 0x10;
pub(super) const DELSA: u16 = 0x11;
const GETSA: u16 = 0x12;
pub(super) const NEWPOLICY: u16 = 0x13;
const DELPOLICY: u16 = 0x14;
const GETPOLICY: u16 = 0x15;
const UPDPOLICY: u16 = 0x19;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;
const CREATE_NEW: u16 = 0x600;

const ATTRIBUTE_ENCAP: u16 = 4;
const ATTRIBUTE_TEMPLATE: u16 = 5;
const ATTRIBUTE_AEAD: u16 = 18;
const ATTRIBUTE_REPLAY: u16 = 23;
const ATTRIBUTE_TYPE_MASK: u16 = 0x3fff;

const INET: u16 = 2;
const INET6: u16 = 10;
const ESP: u8 = 50;
const UDP: u8 = 17;
const TUNNEL: u8 = 1;
const AF_UNSPEC: u8 = 32;
const ESN: u8 = 128;
/// Packets that an inbound SA tells replays within: the most that the kernel takes (`XFRMA_REPLAY_ESN_MAX`).
const WINDOW: u32 = 4096;
const CIPHER: &[u8] = b"rfc4106(gcm(aes))\0";
const CIPHER_NAME: usize = 64;

const HEADER: usize = 16;
const SELECTOR: usize = 56;
const SA_INFO: usize = 224;
const POLICY_INFO: usize = 168;
const TEMPLATE: usize = 64;

/// A request, wiped when dropped: it may hold a key.
pub(super) struct Request(Zeroizing<Vec<u8>>);

impl Request {
    /// Room for everything from the start: a buffer that grows leaves copies behind.
    fn new(kind: u16, flags: u16, number: u32) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(2048));
        bytes.extend([0; 4]);
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((REQUEST | flags).to_ne_bytes());
        bytes.extend(number.to_ne_bytes());
        bytes.extend([0; 4]);
        Self(bytes)
    }

    pub(super) fn add_sa(sa: &NewSa<'_>, number: u32) -> Self {
        let mut request = Self::new(NEWSA, ACK | CREATE_NEW, number);
        request.zeros(SELECTOR);
        request.address(sa.name.target);
        request.put(&sa.name.spi.to_be_bytes());
        request.put(&[ESP, 0, 0, 0]);
        request.address(sa.source);
        request.lifetime(sa.hard_packets, sa.hard_seconds);
        // What was counted, statistics, and a number of acquisition.
        request.zeros(32 + 12 + 4);
        request.u32(sa.reqid);
        request.put(&family(sa.name.target).to_ne_bytes());
        request.put(&[TUNNEL, 0, ESN | AF_UNSPEC]);
        request.zeros(7);
        request.attribute(ATTRIBUTE_AEAD, |request| {
            request.put(CIPHER);
            request.zeros(CIPHER_NAME - CIPHER.len());
            request.u32(8 * 36);
            request.u32(8 * 16);
            request.put(sa.key.expose());
        });
        request.attribute(ATTRIBUTE_REPLAY, |request| {
            request.u32(WINDOW / 32);
            request.zeros(4 * 4);
            request.u32(WINDOW);
            request.zeros(usize::try_from(WINDOW / 8).unwrap_or(0));
        });
        request.finished()
    }

    pub(super) fn delete_sa(name: SaName, number: u32) -> Self {
        let mut request = Self::new(DELSA, ACK, number);
        request.address(name.target);
        request.put(&name.spi.to_be_bytes());
        request.put(&family(name.target).to_ne_bytes());
        request.put(&[ESP, 0]);
        request.finished()
    }

    pub(super) fn list_sas(number: u32) -> Self {
        Self::new(GETSA, DUMP, number).finished()
    }

    /// The policy as it is to be from now on, whether there is one already or not.
    pub(super) fn set_policy(policy: &Policy, number: u32) -> Self {
        let mut request = Self::new(UPDPOLICY, ACK, number);
        request.selector(&policy.traffic);
        request.lifetime(u64::MAX, 0);
        request.zeros(32);
        request.u32(policy.priority);
        request.u32(0);
        // Its way; it allows what the template makes of it.
        request.put(&[way_number(policy.way), 0, 0, 0]);
        request.zeros(4);
        let (source, target) = policy.ends;
        request.attribute(ATTRIBUTE_TEMPLATE, |request| {
            request.address(target);
            request.u32(0);
            request.put(&[ESP, 0, 0, 0]);
            request.put(&family(target).to_ne_bytes());
            request.zeros(2);
            request.address(source);
            request.u32(policy.reqid);
            request.put(&[TUNNEL, 0, 0, 0]);
            // Every algorithm: the SA says which.
            request.put(&[0xff; 12]);
        });
        request.finished()
    }

    pub(super) fn delete_policy(traffic: &Traffic, way: Way, number: u32) -> Self {
        let mut request = Self::new(DELPOLICY, ACK, number);
        request.selector(traffic);
        request.u32(0);
        request.put(&[way_number(way), 0, 0, 0]);
        request.finished()
    }

    pub(super) fn list_policies(number: u32) -> Self {
        Self::new(GETPOLICY, DUMP, number).finished()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn finished(mut self) -> Self {
        let len = u32::try_from(self.0.len()).unwrap_or(u32::MAX).to_ne_bytes();
        if let Some(place) = self.0.first_chunk_mut() {
            *place = len;
        }
        self
    }

    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn zeros(&mut self, count: usize) {
        self.0.extend(std::iter::repeat_n(0, count));
    }

    fn u32(&mut self, value: u32) {
        self.put(&value.to_ne_bytes());
    }

    fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => {
                self.put(&address.octets());
                self.zeros(12);
            }
            IpAddr::V6(address) => self.put(&address.octets()),
        }
    }

    fn selector(&mut self, traffic: &Traffic) {
        self.address(traffic.target.address);
        self.address(traffic.source.address);
        let port = traffic.udp_port.unwrap_or(0);
        self.put(&port.to_be_bytes());
        self.put(&traffic.udp_port.map_or(0, |_| u16::MAX).to_be_bytes());
        self.zeros(4);
        self.put(&family(traffic.target.address).to_ne_bytes());
        self.put(&[traffic.target.bits, traffic.source.bits, traffic.udp_port.map_or(0, |_| UDP), 0, 0, 0]);
        self.zeros(8);
    }

    fn lifetime(&mut self, hard_packets: u64, hard_seconds: u64) {
        for value in [u64::MAX, u64::MAX, u64::MAX, hard_packets, 0, hard_seconds, 0, 0] {
            self.put(&value.to_ne_bytes());
        }
    }

    fn attribute(&mut self, kind: u16, write: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.zeros(2);
        self.put(&kind.to_ne_bytes());
        write(self);
        let len = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX).to_ne_bytes();
        if let Some(place) = self.0.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
            *place = len;
        }
        let padding = self.0.len().next_multiple_of(4) - self.0.len();
        self.zeros(padding);
    }
}

/// The messages of a datagram, each with the number of the request that it answers; what is cut short ends them.
pub(super) fn messages(mut datagram: &[u8]) -> impl Iterator<Item = (u32, Answer)> {
    std::iter::from_fn(move || {
        let header: &[u8; HEADER] = datagram.first_chunk()?;
        let [l0, l1, l2, l3, k0, k1, _, _, n0, n1, n2, n3, ..] = *header;
        let len = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
        let body = datagram.get(HEADER..len)?;
        datagram = datagram.get(len.checked_next_multiple_of(4)?..).unwrap_or_default();
        let answer = match u16::from_ne_bytes([k0, k1]) {
            NEWSA => read_sa(body).map(Box::new).map(Answer::Sa),
            NEWPOLICY => read_policy(body).map(Answer::Policy),
            DONE => Some(Answer::Done),
            ERROR => body.first_chunk().map(|code| Answer::Ended(i32::from_ne_bytes(*code).saturating_neg())),
            _ => None,
        };
        Some((u32::from_ne_bytes([n0, n1, n2, n3]), answer.unwrap_or(Answer::Other)))
    })
}

/// The SA of a message; `None` where it is none of ESP, or not sound.
fn read_sa(body: &[u8]) -> Option<Sa> {
    let (info, attributes) = body.split_at_checked(SA_INFO)?;
    let mut sa = Reader(info.get(SELECTOR..)?);
    let target = sa.array::<16>()?;
    let spi = u32::from_be_bytes(*sa.array()?);
    let [protocol, ..] = *sa.array::<4>()?;
    let source = sa.array::<16>()?;
    let limits = sa.u64s::<8>()?;
    let [bytes, packets, added, _] = sa.u64s::<4>()?;
    let [_, replayed, forged, _, reqid] = sa.u32s::<5>()?;
    let family = u16::from_ne_bytes(*sa.array()?);
    let [mode, _, flags] = *sa.array::<3>()?;
    if protocol != ESP {
        return None;
    }
    let [_, _, _, hard_packets, _, hard_seconds, ..] = limits;
    let (mut key, mut is_in_udp, mut sent_number) = (None, false, 0);
    for (kind, value) in attributes_of(attributes) {
        match kind {
            ATTRIBUTE_AEAD => key = read_key(value).filter(|_| mode == TUNNEL),
            ATTRIBUTE_ENCAP => is_in_udp = true,
            ATTRIBUTE_REPLAY => {
                let [_, low, _, high, ..] = Reader(value).u32s::<6>()?;
                sent_number = u64::from(high) << 32 | u64::from(low);
            }
            _ => {}
        }
    }
    Some(Sa {
        name: SaName { target: address(family, target)?, spi },
        source: address(family, source)?,
        reqid,
        key,
        is_extended: flags & ESN != 0,
        is_in_udp,
        hard_packets,
        hard_seconds,
        packets,
        bytes,
        added,
        sent_number,
        replayed: u64::from(replayed),
        forged: u64::from(forged),
    })
}

/// Key and salt of AES-256-GCM with a tag of 16 bytes; `None` for another cipher.
fn read_key(value: &[u8]) -> Option<SaKeyMaterial> {
    let (name, rest) = value.split_at_checked(CIPHER_NAME)?;
    let mut rest = Reader(rest);
    let lengths = rest.u32s::<2>()?;
    if !name.starts_with(CIPHER) || lengths != [8 * 36, 8 * 16] {
        return None;
    }
    Some(SaKeyMaterial::copied(rest.array::<KEY_MATERIAL>()?))
}

/// The policy of a message; `None` where it demands anything but one layer of ESP in tunnel mode, or is not sound.
fn read_policy(body: &[u8]) -> Option<Policy> {
    let (info, attributes) = body.split_at_checked(POLICY_INFO)?;
    let (selector, rest) = info.split_at_checked(SELECTOR)?;
    let traffic = read_selector(selector)?;
    let mut rest = Reader(rest.get(64 + 32..)?);
    let [priority, _] = rest.u32s::<2>()?;
    let [way, action, ..] = *rest.array::<4>()?;
    let way = [Way::In, Way::Out, Way::Forward].into_iter().find(|known| way_number(*known) == way)?;
    let (_, template) = attributes_of(attributes).find(|(kind, _)| *kind == ATTRIBUTE_TEMPLATE)?;
    if action != 0 || template.len() != TEMPLATE {
        return None;
    }
    let mut template = Reader(template);
    let (target, _spi) = (template.array::<16>()?, template.array::<4>()?);
    let [protocol, ..] = *template.array::<4>()?;
    let family = u16::from_ne_bytes(*template.array()?);
    let (_, source) = (template.array::<2>()?, template.array::<16>()?);
    let [reqid] = template.u32s::<1>()?;
    let [mode, ..] = *template.array::<4>()?;
    if protocol != ESP || mode != TUNNEL {
        return None;
    }
    let ends = (address(family, source)?, address(family, target)?);
    Some(Policy { traffic, way, priority, ends, reqid })
}

/// Prefixes, or UDP to a port between them; what a selector may ask beyond is not read.
fn read_selector(selector: &[u8]) -> Option<Traffic> {
    let mut selector = Reader(selector);
    let (target, source) = (selector.array::<16>()?, selector.array::<16>()?);
    let port = u16::from_be_bytes(*selector.array()?);
    let masks = selector.array::<6>()?;
    let family = u16::from_ne_bytes(*selector.array()?);
    let [target_bits, source_bits, protocol] = *selector.array::<3>()?;
    let prefix = |bytes, bits| {
        let address = address(family, bytes)?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        (bits <= all).then_some(Prefix { address, bits })
    };
    let udp_port = match (protocol, masks) {
        (0, [0, 0, 0, 0, 0, 0]) => None,
        (UDP, [0xff, 0xff, 0, 0, 0, 0]) => Some(port),
        _ => return None,
    };
    Some(Traffic { source: prefix(source, source_bits)?, target: prefix(target, target_bits)?, udp_port })
}

/// Kind and value of each attribute; what is cut short ends them.
fn attributes_of(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let [l0, l1, k0, k1] = *bytes.first_chunk()?;
        let len = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = bytes.get(4..len)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([k0, k1]) & ATTRIBUTE_TYPE_MASK, value))
    })
}

const fn family(address: IpAddr) -> u16 {
    if address.is_ipv4() { INET } else { INET6 }
}

fn address(family: u16, bytes: &[u8; 16]) -> Option<IpAddr> {
    match (family, bytes) {
        (INET, [a, b, c, d, ..]) => Some(Ipv4Addr::new(*a, *b, *c, *d).into()),
        (INET6, _) => Some(Ipv6Addr::from(*bytes).into()),
        _ => None,
    }
}

const fn way_number(way: Way) -> u8 {
    match way {
        Way::In => 0,
        Way::Out => 1,
        Way::Forward => 2,
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(chunk)
    }

    fn u32s<const N: usize>(&mut self) -> Option<[u32; N]> {
        let mut values = [0; N];
        for value in &mut values {
            *value = u32::from_ne_bytes(*self.array()?);
        }
        Some(values)
    }

    fn u64s<const N: usize>(&mut self) -> Option<[u64; N]> {
        let mut values = [0; N];
        for value in &mut values {
            *value = u64::from_ne_bytes(*self.array()?);
        }
        Some(values)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_address() -> impl Strategy<Value = (IpAddr, IpAddr)> {
        let v4 = any::<[[u8; 4]; 2]>().prop_map(|[a, b]| (IpAddr::from(a), IpAddr::from(b)));
        prop_oneof![v4, any::<[[u8; 16]; 2]>().prop_map(|[a, b]| (IpAddr::from(a), IpAddr::from(b)))]
    }

    fn only(bytes: &[u8]) -> (u32, Answer) {
        let mut all: Vec<(u32, Answer)> = messages(bytes).collect();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    proptest! {
        #[test]
        fn an_sa_is_read_as_it_was_written(
            (source, target) in any_address(), spi: u32, reqid: u32, key: [[u8; 18]; 2], hard: [u64; 2], number: u32,
        ) {
            let key: [u8; 36] = key.as_flattened().try_into().unwrap();
            let material = SaKeyMaterial::copied(&key);
            let name = SaName { target, spi };
            let [hard_packets, hard_seconds] = hard;
            let new = NewSa { name, source, reqid, key: &material, hard_packets, hard_seconds };
            let (of, answer) = only(Request::add_sa(&new, number).bytes());
            let Answer::Sa(sa) = answer else { panic!("{answer:?}") };
            prop_assert_eq!((of, sa.name, sa.source, sa.reqid), (number, name, source, reqid));
            prop_assert_eq!(sa.key.as_ref().map(|read| *read.expose()), Some(key));
            prop_assert_eq!((sa.hard_packets, sa.hard_seconds), (hard_packets, hard_seconds));
            prop_assert!(sa.is_extended && !sa.is_in_udp && sa.packets == 0 && sa.sent_number == 0);
        }

        #[test]
        fn a_policy_is_read_as_it_was_written(
            (source, target) in any_address(), ends in any_address(), bits in 0_u8..=32, udp_port: Option<u16>, reqid: u32,
            priority: u32, way in 0_usize..3, number: u32,
        ) {
            let prefix = |address| Prefix { address, bits };
            let traffic = Traffic { source: prefix(source), target: prefix(target), udp_port };
            let way = [Way::In, Way::Out, Way::Forward][way];
            let policy = Policy { traffic, way, priority, ends, reqid };
            let mut bytes = Request::set_policy(&policy, number).bytes().to_vec();
            bytes[4..6].copy_from_slice(&NEWPOLICY.to_ne_bytes());
            let (of, answer) = only(&bytes);
            prop_assert!(of == number && matches!(answer, Answer::Policy(read) if read == policy), "{answer:?}");
        }

        #[test]
        fn no_bytes_are_trusted(bytes in prop::collection::vec(any::<u8>(), 0..700), kind in 0x10_u16..0x1b) {
            let _ = messages(&bytes).count();
            let mut framed = u32::try_from(bytes.len() + HEADER).unwrap().to_ne_bytes().to_vec();
            framed.extend(kind.to_ne_bytes());
            framed.extend([0; 10]);
            framed.extend(&bytes);
            prop_assert_eq!(messages(&framed).count(), 1);
        }

        #[test]
        fn a_message_that_is_cut_short_is_none(keep in 0_usize..1000) {
            let material = SaKeyMaterial::copied(&[7; 36]);
            let target = IpAddr::from([192, 0, 2, 1]);
            let name = SaName { target, spi: 256 };
            let new = NewSa { name, source: target, reqid: 1, key: &material, hard_packets: 1, hard_seconds: 1 };
            let whole = Request::add_sa(&new, 1);
            let keep = keep.min(whole.bytes().len() - 1);
            prop_assert_eq!(messages(&whole.bytes()[..keep]).count(), 0);
        }
    }

    /// What a Debian 6.1 kernel lists for `ip xfrm state add src 192.0.2.2 dst 192.0.2.1 proto esp spi 0xb002 reqid 1 mode
    /// tunnel replay-window 32 aead 'rfc4106(gcm(aes))' 0x00…23 96`: a tag of 12 bytes, and 32-bit numbers.
    #[test]
    fn a_cipher_that_we_do_not_have_gives_no_key() {
        for (name, bits, tag) in [
            ("rfc4106(gcm(aes))", 288, 96),
            ("rfc4106(gcm(aes))", 160, 128),
            ("rfc7539esp(chacha20,poly1305)", 288, 128),
        ] {
            let mut value = vec![0; CIPHER_NAME];
            value[..name.len()].copy_from_slice(name.as_bytes());
            value.extend(u32::to_ne_bytes(bits));
            value.extend(u32::to_ne_bytes(tag));
            value.extend([9; 36]);
            assert!(read_key(&value).is_none(), "{name} {bits} {tag}");
        }
    }

    #[test]
    fn an_error_and_the_end_of_a_list_are_told_apart() {
        let message = |kind: u16, body: &[u8]| {
            let mut bytes = u32::try_from(HEADER + body.len()).unwrap().to_ne_bytes().to_vec();
            bytes.extend(kind.to_ne_bytes());
            bytes.extend([0, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
            bytes.extend(body);
            bytes
        };
        let both = [message(ERROR, &(-17_i32).to_ne_bytes()), message(DONE, &[0; 4])].concat();
        let read: Vec<Answer> = messages(&both).map(|(_, answer)| answer).collect();
        assert!(matches!(read.as_slice(), [Answer::Ended(17), Answer::Done]), "{read:?}");
    }

    #[test]
    fn the_kernels_structures_have_their_lengths() {
        let material = SaKeyMaterial::copied(&[0; 36]);
        let target = IpAddr::from([192, 0, 2, 1]);
        let name = SaName { target, spi: 256 };
        let new = NewSa { name, source: target, reqid: 1, key: &material, hard_packets: 1, hard_seconds: 1 };
        let replay = 24 + usize::try_from(WINDOW / 8).unwrap();
        assert_eq!(Request::add_sa(&new, 1).bytes().len(), HEADER + SA_INFO + 4 + 108 + 4 + replay);
        assert_eq!(Request::delete_sa(name, 1).bytes().len(), HEADER + 24);
        let all = Prefix { address: target, bits: 0 };
        let traffic = Traffic { source: all, target: all, udp_port: None };
        let policy = Policy { traffic, way: Way::Out, priority: 1, ends: (target, target), reqid: 1 };
        assert_eq!(Request::set_policy(&policy, 1).bytes().len(), HEADER + POLICY_INFO + 4 + TEMPLATE);
        assert_eq!(Request::delete_policy(&traffic, Way::In, 1).bytes().len(), HEADER + 64);
    }
}
