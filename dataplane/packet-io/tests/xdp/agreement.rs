//! The parser in the kernel and `wire` read the same in random packets.

use packet_io::xdp::{Address, ParseTrial, Probe, kind};
use wire::{FlowKey, Headers, KeyKind, LinkType, ParseOptions, Side};

use crate::packets::{ARP, Random, SCTP, TCP, UDP, V4, V6, ipv4_with, ipv6_between, tagged};

const PACKETS: usize = 100_000;

pub(crate) fn check() {
    let mut trial = ParseTrial::load().unwrap();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut kinds = [0_usize; 256];
    for number in 0..PACKETS {
        let packet = packet(&mut random);
        let probe = trial.read(&packet).unwrap();
        kinds[usize::from(probe.parsed.kind)] += 1;
        if let Err(difference) = compare(&packet, &probe) {
            panic!("packet {number}: {difference}\n{packet:02x?}\n{probe:x?}");
        }
    }
    let [not_ip, v4, v6, unread, malformed] =
        [kind::NOT_IP, kind::IPV4, kind::IPV6, kind::UNREAD, kind::MALFORMED]
            .map(|kind| kinds[usize::from(kind)]);
    eprintln!("{not_ip} not IP, {v4} IPv4, {v6} IPv6, {unread} left to user space, {malformed} malformed");
    assert!([not_ip, v4, v6, unread, malformed].into_iter().all(|count| count > PACKETS / 100));
}

/// A packet that is mostly right, of any kind, cut or changed in one place now and then.
fn packet(random: &mut Random) -> Vec<u8> {
    let tags: Vec<u16> = match random.below(20) {
        0..12 => Vec::new(),
        12..19 => (0..1 + random.below(3)).map(|_| random.of(&[0x8100, 0x88a8, 0x9100, 0x9200])).collect(),
        _ => vec![0x8100; random.below(12) as usize],
    };
    let ethertype = match random.below(20) {
        0..9 => V4,
        9..18 => V6,
        18 => random.of(&[ARP, 0x8847, 0x8864, 0x88cc, 0x0026, 0x8903, 0x86dd, 0x88b8]),
        _ => random.next() as u16,
    };
    let protocol = random.of(&[TCP, TCP, UDP, UDP, SCTP, 1, 58, 136, 47, 50, 59, 4, 135]);
    let payload = transport(random, protocol);
    let ends = [random.below(3) as u8, random.below(3) as u8];
    let network = if ethertype == V6 {
        let (next, chain) = chain(random, protocol, payload);
        ipv6_between(next, ends, &chain)
    } else {
        let options = vec![1; 4 * random.of(&[0, 0, 0, 1, 3, 10])];
        let place = random.of(&[0, 0, 0, 0x4000, 0x8000, 0x2000, 0x0010, 0x1fff, 0x3fff]);
        ipv4_with(protocol, ends, place, &options, &payload)
    };
    let mut frame = tagged(&tags, ethertype, &network);
    match random.below(8) {
        0 => frame.truncate(14 + random.below((frame.len() - 13) as u64) as usize),
        1 => frame.extend(vec![0; random.below(40) as usize]),
        2 => {
            let at = 12 + random.below((frame.len() - 12) as u64) as usize;
            frame[at] = random.next() as u8;
        }
        _ => {}
    }
    frame
}

fn transport(random: &mut Random, protocol: u8) -> Vec<u8> {
    let len = 8 + random.below(60) as usize;
    let mut bytes = random.bytes(len);
    let ports = [random.of(&[22_u16, 53, 443, 40_000]), random.of(&[22_u16, 53, 443, 40_000])];
    bytes[..2].copy_from_slice(&ports[0].to_be_bytes());
    bytes[2..4].copy_from_slice(&ports[1].to_be_bytes());
    match protocol {
        TCP if bytes.len() > 20 && random.below(4) > 0 => bytes[12] = random.of(&[0x50, 0x60, 0x80]),
        UDP | 136 if random.below(4) > 0 => {
            let len = random.of(&[bytes.len(), bytes.len(), 0, 8]) as u16;
            bytes[4..6].copy_from_slice(&len.to_be_bytes());
        }
        _ => {}
    }
    bytes
}

/// Extension headers around a payload, and the first of their numbers.
fn chain(random: &mut Random, protocol: u8, payload: Vec<u8>) -> (u8, Vec<u8>) {
    let count = random.of(&[0, 0, 0, 1, 1, 2, 3, 8, 9, 10, 11]);
    (0..count).fold((protocol, payload), |(next, rest), _| {
        let kind = random.of(&[0, 43, 60, 60, 44, 135, 139, 140]);
        let mut header = random.bytes(8);
        header[0] = next;
        header[1] = 0;
        if kind == 44 {
            let place: u16 = random.of(&[0, 0, 0, 0, 1, 8, 0xfff8]);
            header[2..4].copy_from_slice(&place.to_be_bytes());
        } else if random.below(4) == 0 {
            header[1] = 1;
            header.extend([0; 8]);
        }
        header.extend(rest);
        (kind, header)
    })
}

fn compare(packet: &[u8], probe: &Probe) -> Result<(), String> {
    let mut headers = Headers::default();
    let options = ParseOptions { tunnel_depth: 0, ..ParseOptions::default() };
    let len = u32::try_from(packet.len()).unwrap();
    let read = headers.parse(packet, len, LinkType::Ethernet, &options);
    match probe.parsed.kind {
        kind::UNREAD if is_for_user_space(packet) => Ok(()),
        kind::UNREAD => Err(format!("unread, where wire says {read:?} {headers:?}")),
        kind::MALFORMED if read.is_err() => Ok(()),
        kind::MALFORMED => Err(format!("malformed, where wire reads {headers:?}")),
        kind::NOT_IP if read.is_ok() && headers.key.kind() == KeyKind::Ethernet => {
            same("ethertype", probe.parsed.ethertype, headers.ethertype)
        }
        // ARP says how long it is.
        kind::NOT_IP if read.is_err() => Ok(()),
        kind::IPV4 | kind::IPV6 if read.is_ok() => agree(probe, &headers),
        _ => Err(format!("wire says {read:?} {headers:?}")),
    }
}

/// Whether only user space finds out what is behind the tags: more of them than eight, labels, LLC, PPPoE.
fn is_for_user_space(packet: &[u8]) -> bool {
    let is_tag = |number: u16| matches!(number, 0x8100 | 0x88a8 | 0x9100 | 0x9200);
    let number = |at: usize| packet.get(at..at + 2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
    let mut at = 12;
    for _ in 0..8 {
        match number(at) {
            Some(tag) if is_tag(tag) => at += 4,
            _ => break,
        }
    }
    number(at).is_some_and(|number| {
        is_tag(number) || number < 0x0600 || matches!(number, 0x8847 | 0x8848 | 0x8864 | 0x8903)
    })
}

fn agree(probe: &Probe, headers: &Headers) -> Result<(), String> {
    let parsed = &probe.parsed;
    let [source, destination] = match headers.sender {
        Side::Lower => [Side::Lower, Side::Upper],
        Side::Upper => [Side::Upper, Side::Lower],
    };
    let address = |side| Address::from(headers.key.ip(side).unwrap());
    same("kind", parsed.kind, if headers.key.kind() == KeyKind::Ipv4 { kind::IPV4 } else { kind::IPV6 })?;
    same("source", parsed.source, address(source))?;
    same("destination", parsed.destination, address(destination))?;
    same(
        "ports",
        [parsed.source_port, parsed.destination_port],
        [source, destination].map(|side| headers.key.port(side)),
    )?;
    same("protocol", parsed.protocol, headers.protocol)?;
    same("fragment", parsed.is_fragment == 1, headers.fragment.is_some())?;
    same("network offset", parsed.network_offset, headers.network_offset)?;
    same("transport offset", parsed.transport_offset, headers.transport_offset)?;
    same("payload offset", parsed.payload_offset, headers.payload_offset)?;
    same("vlans", [parsed.outer_vlan, parsed.inner_vlan], headers.vlans)?;
    same("tcp flags", parsed.tcp_flags, headers.tcp.flags.0)?;
    same("side", probe.side == 1, headers.sender == Side::Upper)?;
    same_key(probe, &headers.key)
}

fn same_key(probe: &Probe, key: &FlowKey) -> Result<(), String> {
    let [lower, upper] = [Side::Lower, Side::Upper];
    same("lower", probe.key.lower, Address::from(key.ip(lower).unwrap()))?;
    same("upper", probe.key.upper, Address::from(key.ip(upper).unwrap()))?;
    same("key ports", [probe.key.lower_port, probe.key.upper_port], [key.port(lower), key.port(upper)])?;
    same("key protocol", probe.key.protocol, key.protocol())?;
    same("key vlans", [probe.key.outer_vlan, probe.key.inner_vlan], key.scope().vlans())
}

fn same<T: Copy + PartialEq + std::fmt::Debug>(what: &str, kernel: T, wire: T) -> Result<(), String> {
    if kernel == wire { Ok(()) } else { Err(format!("{what}: {kernel:?} in the kernel, {wire:?} in wire")) }
}
