//! Packets for tests, made from the inside out: each function puts one header before the bytes it is given, with
//! right lengths and checksums.

use std::{vec, vec::Vec};
use wire::checksum::{self, Pseudo};

pub(crate) const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x0c];
pub(crate) const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x05];

/// Source and destination.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ends {
    V4([u8; 4], [u8; 4]),
    V6([u8; 16], [u8; 16]),
}

/// Addresses of the innermost packet.
pub(crate) const INNER: Ends = Ends::V4([10, 0, 0, 1], [10, 0, 0, 2]);
/// Addresses of the innermost packet where it is IPv6.
pub(crate) const INNER6: Ends = Ends::V6(address6(0x11), address6(0x22));
/// Addresses of what carries it.
pub(crate) const OUTER: Ends = Ends::V4([192, 0, 2, 1], [192, 0, 2, 2]);
/// Addresses of what carries it, where that is IPv6.
pub(crate) const OUTER6: Ends = Ends::V6(address6(0x33), address6(0x44));

pub(crate) const fn address6(last: u8) -> [u8; 16] {
    [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]
}

pub(crate) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn be16(value: usize) -> [u8; 2] {
    u16::try_from(value).unwrap().to_be_bytes()
}

impl Ends {
    pub(crate) fn pseudo(self) -> Pseudo {
        match self {
            Self::V4(source, destination) => Pseudo::Ipv4(source, destination),
            Self::V6(source, destination) => Pseudo::Ipv6(source, destination),
        }
    }
}

pub(crate) fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&SERVER_MAC, &CLIENT_MAC, &ethertype.to_be_bytes(), payload])
}

/// IEEE 802.3 with a length.
pub(crate) fn ethernet_llc(payload: &[u8]) -> Vec<u8> {
    join(&[&SERVER_MAC, &CLIENT_MAC, &be16(payload.len()), payload])
}

pub(crate) fn snap(organisation: [u8; 3], number: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&[0xaa, 0xaa, 3], &organisation, &number.to_be_bytes(), payload])
}

/// What follows the EtherType of a tag: id, and the EtherType of what it carries.
pub(crate) fn tag(id: u16, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&id.to_be_bytes(), &ethertype.to_be_bytes(), payload])
}

pub(crate) fn mpls(labels: &[u32], payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, label) in labels.iter().enumerate() {
        let bottom = u32::from(index + 1 == labels.len());
        bytes.extend((label << 12 | bottom << 8 | 64).to_be_bytes());
    }
    join(&[&bytes, payload])
}

pub(crate) fn pppoe(session: u16, ppp: &[u8]) -> Vec<u8> {
    join(&[&[0x11, 0], &session.to_be_bytes(), &be16(ppp.len()), ppp])
}

pub(crate) fn ppp(number: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&number.to_be_bytes(), payload])
}

/// The EtherType of a packet between these ends.
pub(crate) fn ethertype(ends: Ends) -> u16 {
    match ends {
        Ends::V4(..) => 0x0800,
        Ends::V6(..) => 0x86dd,
    }
}

/// A frame of Ethernet II around an IP packet.
pub(crate) fn frame(ends: Ends, packet: &[u8]) -> Vec<u8> {
    ethernet(ethertype(ends), packet)
}

pub(crate) fn ip(ends: Ends, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match ends {
        Ends::V4(..) => ipv4(ends, protocol, &[], 0x4000, payload),
        Ends::V6(..) => ipv6(ends, protocol, payload),
    }
}

/// `fragment` is the field of flags and offset. `options` has a multiple of four bytes.
pub(crate) fn ipv4(ends: Ends, protocol: u8, options: &[u8], fragment: u16, payload: &[u8]) -> Vec<u8> {
    let Ends::V4(source, destination) = ends else { panic!("IPv4 addresses") };
    let ihl = u8::try_from(5 + options.len() / 4).unwrap();
    let total_len = be16(20 + options.len() + payload.len());
    let mut header = join(&[
        &[0x40 | ihl, 0x2e],
        &total_len,
        &[0x12, 0x34],
        &fragment.to_be_bytes(),
        &[61, protocol, 0, 0],
        &source,
        &destination,
        options,
    ]);
    let check = checksum::internet(&header);
    header[10..12].copy_from_slice(&check.to_be_bytes());
    join(&[&header, payload])
}

pub(crate) fn ipv6(ends: Ends, next_header: u8, payload: &[u8]) -> Vec<u8> {
    let Ends::V6(source, destination) = ends else { panic!("IPv6 addresses") };
    join(&[&[0x62, 0xe0, 0, 0], &be16(payload.len()), &[next_header, 61], &source, &destination, payload])
}

/// An extension header of `len` bytes, a multiple of eight.
pub(crate) fn extension(next_header: u8, len: usize, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0; len];
    header[0] = next_header;
    header[1] = u8::try_from(len / 8 - 1).unwrap();
    // One PadN option (RFC 8200, 4.2).
    header[2] = 1;
    header[3] = u8::try_from(len - 4).unwrap_or(0);
    join(&[&header, payload])
}

pub(crate) fn fragment6(next_header: u8, offset_and_more: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&[next_header, 0], &offset_and_more.to_be_bytes(), &[0xde, 0xad, 0xbe, 0xef], payload])
}

pub(crate) fn udp(ends: Ends, source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = join(&[
        &source.to_be_bytes(),
        &destination.to_be_bytes(),
        &be16(8 + payload.len()),
        &[0, 0],
        payload,
    ]);
    let check = transport_checksum(ends, 17, &datagram);
    // RFC 768: a computed zero is sent as all ones.
    let check = if check == 0 { 0xffff } else { check };
    datagram[6..8].copy_from_slice(&check.to_be_bytes());
    datagram
}

/// `options` has a multiple of four bytes.
pub(crate) fn tcp(ends: Ends, source: u16, destination: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let offset = u8::try_from((5 + options.len() / 4) << 4).unwrap();
    let mut segment = join(&[
        &source.to_be_bytes(),
        &destination.to_be_bytes(),
        &[1, 2, 3, 4, 5, 6, 7, 8, offset, 0x18, 0x20, 0x00, 0, 0, 0, 0],
        options,
        payload,
    ]);
    let check = transport_checksum(ends, 6, &segment);
    segment[16..18].copy_from_slice(&check.to_be_bytes());
    segment
}

pub(crate) fn sctp(source: u16, destination: u16, chunks: &[u8]) -> Vec<u8> {
    let mut packet =
        join(&[&source.to_be_bytes(), &destination.to_be_bytes(), &[9, 9, 9, 9, 0, 0, 0, 0], chunks]);
    let check = checksum::crc32c(&packet);
    packet[8..12].copy_from_slice(&check.to_le_bytes());
    packet
}

pub(crate) fn icmp(kind: u8, code: u8, rest: &[u8]) -> Vec<u8> {
    let mut message = join(&[&[kind, code, 0, 0], rest]);
    let check = checksum::internet(&message);
    message[2..4].copy_from_slice(&check.to_be_bytes());
    message
}

pub(crate) fn icmpv6(ends: Ends, kind: u8, code: u8, rest: &[u8]) -> Vec<u8> {
    let mut message = join(&[&[kind, code, 0, 0], rest]);
    let check = transport_checksum(ends, 58, &message);
    message[2..4].copy_from_slice(&check.to_be_bytes());
    message
}

/// What the checksum field of a transport header holds, from one in which it is zero.
pub(crate) fn transport_checksum(ends: Ends, protocol: u8, segment: &[u8]) -> u16 {
    let len = u32::try_from(segment.len()).unwrap();
    ends.pseudo().sum(protocol, len).bytes(segment).checksum()
}

/// A UDP packet between the inner addresses, ports 1111 and 2222.
pub(crate) fn inner_udp(ends: Ends) -> Vec<u8> {
    ip(ends, 17, &udp(ends, 1111, 2222, b"payload"))
}

/// A frame with a UDP packet between the outer addresses.
pub(crate) fn carried_by_udp(port: u16, payload: &[u8]) -> Vec<u8> {
    frame(OUTER, &ip(OUTER, 17, &udp(OUTER, 50_000, port, payload)))
}

/// A frame with a packet of this protocol between the outer addresses.
pub(crate) fn carried_by_ip(protocol: u8, payload: &[u8]) -> Vec<u8> {
    frame(OUTER, &ip(OUTER, protocol, payload))
}
