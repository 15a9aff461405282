//! Frames from the link layer to the transport, with right lengths and checksums.

use std::net::{IpAddr, SocketAddr};

/// ICMP (RFC 792).
pub const ICMP: u8 = 1;
/// TCP (RFC 9293).
pub const TCP: u8 = 6;
/// UDP (RFC 768).
pub const UDP: u8 = 17;
/// GRE (RFC 2784).
pub const GRE: u8 = 47;
/// ICMPv6 (RFC 4443).
pub const ICMPV6: u8 = 58;

/// FIN.
pub const FIN: u8 = 0x01;
/// SYN.
pub const SYN: u8 = 0x02;
/// RST.
pub const RST: u8 = 0x04;
/// PSH.
pub const PSH: u8 = 0x08;
/// ACK.
pub const ACK: u8 = 0x10;

/// The variable fields of a TCP header (RFC 9293, 3.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpHeader<'a> {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgment number.
    pub ack: u32,
    /// Control bits.
    pub flags: u8,
    /// Window.
    pub window: u16,
    /// Options, padded to a multiple of 4 bytes, at most 40.
    pub options: &'a [u8],
}

/// What is around a packet on its way.
#[derive(Clone, Debug, Default)]
pub struct Path {
    /// IEEE 802.1Q tags, outermost first.
    pub vlans: Vec<u16>,
    /// Tunnel around the packet.
    pub tunnel: Option<Tunnel>,
}

/// A tunnel between two addresses.
#[derive(Clone, Copy, Debug)]
pub struct Tunnel {
    /// Kind and id.
    pub kind: TunnelKind,
    /// The end on the client's side.
    pub near: IpAddr,
    /// The end on the server's side.
    pub far: IpAddr,
}

/// Kind of a tunnel.
#[derive(Clone, Copy, Debug)]
pub enum TunnelKind {
    /// VXLAN with its VNI (RFC 7348).
    Vxlan(u32),
    /// GRE with its key (RFC 2890).
    Gre(u32),
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

impl Path {
    /// The frame that carries an IP packet between `from` and `to`.
    #[must_use]
    pub fn frame(&self, from: IpAddr, to: IpAddr, packet: &[u8], way: Way) -> Vec<u8> {
        let Some(tunnel) = self.tunnel else { return ethernet(from, to, &self.vlans, packet) };
        let (source, target) = match way {
            Way::ToServer => (tunnel.near, tunnel.far),
            Way::ToClient => (tunnel.far, tunnel.near),
        };
        let outer = match tunnel.kind {
            TunnelKind::Vxlan(vni) => vxlan(source, target, vni, &ethernet(from, to, &[], packet)),
            TunnelKind::Gre(key) => gre(source, target, key, packet),
        };
        ethernet(source, target, &self.vlans, &outer)
    }
}

/// An Ethernet II frame around an IP packet, padded to 60 bytes; the MAC addresses follow from the IP addresses.
#[must_use]
pub fn ethernet(from: IpAddr, to: IpAddr, vlans: &[u16], packet: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(14 + 4 * vlans.len() + packet.len());
    frame.extend_from_slice(&mac(to));
    frame.extend_from_slice(&mac(from));
    for vlan in vlans {
        frame.extend_from_slice(&[0x81, 0x00]);
        frame.extend_from_slice(&vlan.to_be_bytes());
    }
    let ethertype: u16 = if from.is_ipv4() { 0x0800 } else { 0x86dd };
    frame.extend_from_slice(&ethertype.to_be_bytes());
    frame.extend_from_slice(packet);
    frame.resize(frame.len().max(60), 0);
    frame
}

/// A UDP datagram in its IP packet.
#[must_use]
pub fn udp(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(8 + payload.len());
    datagram.extend_from_slice(&from.port().to_be_bytes());
    datagram.extend_from_slice(&to.port().to_be_bytes());
    datagram.extend_from_slice(&length16(8 + payload.len()).to_be_bytes());
    datagram.extend_from_slice(&[0, 0]);
    datagram.extend_from_slice(payload);
    // 0 means "no checksum" (RFC 768).
    let sum = match transport_checksum(from.ip(), to.ip(), UDP, &datagram) {
        0 => 0xffff,
        sum => sum,
    };
    put16(&mut datagram, 6, sum);
    ip(from.ip(), to.ip(), UDP, &datagram)
}

/// A TCP segment in its IP packet.
#[must_use]
pub fn tcp(from: SocketAddr, to: SocketAddr, header: &TcpHeader<'_>, payload: &[u8]) -> Vec<u8> {
    let options = header.options.get(..header.options.len().min(40)).unwrap_or_default();
    let words = 5 + options.len().div_ceil(4);
    let mut segment = Vec::with_capacity(4 * words + payload.len());
    segment.extend_from_slice(&from.port().to_be_bytes());
    segment.extend_from_slice(&to.port().to_be_bytes());
    segment.extend_from_slice(&header.seq.to_be_bytes());
    segment.extend_from_slice(&header.ack.to_be_bytes());
    // At most 15 words.
    segment.push(u8::try_from(words << 4).unwrap_or(0xf0));
    segment.push(header.flags);
    segment.extend_from_slice(&header.window.to_be_bytes());
    segment.extend_from_slice(&[0; 4]);
    segment.extend_from_slice(options);
    segment.resize(4 * words, 0);
    segment.extend_from_slice(payload);
    let sum = transport_checksum(from.ip(), to.ip(), TCP, &segment);
    put16(&mut segment, 16, sum);
    ip(from.ip(), to.ip(), TCP, &segment)
}

/// An echo request or reply in its IP packet (RFC 792, RFC 4443).
#[must_use]
pub fn echo(from: IpAddr, to: IpAddr, sequence: u16, way: Way) -> Vec<u8> {
    let (protocol, kind) = match (from.is_ipv4(), way) {
        (true, Way::ToServer) => (ICMP, 8),
        (true, Way::ToClient) => (ICMP, 0),
        (false, Way::ToServer) => (ICMPV6, 128),
        (false, Way::ToClient) => (ICMPV6, 129),
    };
    let mut message = vec![kind, 0, 0, 0, 0x12, 0x34];
    message.extend_from_slice(&sequence.to_be_bytes());
    message.extend((0..48_u8).map(|n| n.wrapping_add(0x10)));
    let sum =
        if from.is_ipv4() { checksum(&[&message]) } else { transport_checksum(from, to, protocol, &message) };
    put16(&mut message, 2, sum);
    ip(from, to, protocol, &message)
}

/// A VXLAN packet in its IP packet; the source port follows from the inner frame, as RFC 7348 recommends.
#[must_use]
pub fn vxlan(from: IpAddr, to: IpAddr, vni: u32, inner: &[u8]) -> Vec<u8> {
    let entropy = checksum(&[inner.get(..inner.len().min(14)).unwrap_or_default()]);
    let mut payload = Vec::with_capacity(8 + inner.len());
    payload.extend_from_slice(&[0x08, 0, 0, 0]);
    payload.extend_from_slice(&(vni << 8).to_be_bytes());
    payload.extend_from_slice(inner);
    udp(SocketAddr::new(from, 0xc000 | (entropy & 0x3fff)), SocketAddr::new(to, 4789), &payload)
}

/// A GRE packet with a key around an IP packet of the same family as the tunnel's ends.
#[must_use]
pub fn gre(from: IpAddr, to: IpAddr, key: u32, inner: &[u8]) -> Vec<u8> {
    let inner_is_ipv4 = inner.first().is_some_and(|byte| byte >> 4 == 4);
    let ethertype: u16 = if inner_is_ipv4 { 0x0800 } else { 0x86dd };
    let mut packet = Vec::with_capacity(8 + inner.len());
    packet.extend_from_slice(&[0x20, 0]);
    packet.extend_from_slice(&ethertype.to_be_bytes());
    packet.extend_from_slice(&key.to_be_bytes());
    packet.extend_from_slice(inner);
    ip(from, to, GRE, &packet)
}

/// An IP packet; both addresses are of the family of `from`.
#[must_use]
pub fn ip(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let (source, target) = (octets(from), octets(to));
    let mut packet = Vec::with_capacity(40 + payload.len());
    if from.is_ipv4() {
        packet.extend_from_slice(&[0x45, 0]);
        packet.extend_from_slice(&length16(20 + payload.len()).to_be_bytes());
        // Identification 0 with "don't fragment" (RFC 6864), TTL 64.
        packet.extend_from_slice(&[0, 0, 0x40, 0, 64, protocol, 0, 0]);
        packet.extend_from_slice(&source);
        packet.extend_from_slice(&target);
        let sum = checksum(&[&packet]);
        put16(&mut packet, 10, sum);
    } else {
        packet.extend_from_slice(&[0x60, 0, 0, 0]);
        packet.extend_from_slice(&length16(payload.len()).to_be_bytes());
        packet.extend_from_slice(&[protocol, 64]);
        packet.extend_from_slice(&source);
        packet.extend_from_slice(&target);
    }
    packet.extend_from_slice(payload);
    packet
}

/// The Internet checksum of the parts one after the other, all but the last of even length (RFC 1071).
#[must_use]
pub fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum: u64 = 0;
    for part in parts {
        let (pairs, odd) = part.as_chunks::<2>();
        sum += pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum::<u64>();
        sum += odd.first().map_or(0, |byte| u64::from(*byte) << 8);
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !u16::try_from(sum).unwrap_or(0)
}

/// The checksum over the pseudo header and the segment (RFC 9293, 3.1; RFC 8200, 8.1).
fn transport_checksum(from: IpAddr, to: IpAddr, protocol: u8, segment: &[u8]) -> u16 {
    let length = u32::from(length16(segment.len())).to_be_bytes();
    checksum(&[&octets(from), &octets(to), &length, &[0, 0, 0, protocol], segment])
}

/// A locally administered address that follows from an IP address.
fn mac(address: IpAddr) -> [u8; 6] {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [0x02, 0x04, a, b, c, d]
        }
        IpAddr::V6(v6) => {
            let [.., a, b, c, d] = v6.octets();
            [0x02, 0x06, a, b, c, d]
        }
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// Packets here are shorter than 64 KiB.
fn length16(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

fn put16(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_example_in_rfc_1071() {
        assert_eq!(checksum(&[&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]]), !0xddf2);
        assert_eq!(checksum(&[&[0x00, 0x01], &[0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7, 0x80]]), !0x5df3);
    }

    #[test]
    fn a_whole_packet_sums_to_zero() {
        let from: SocketAddr = "192.0.2.1:1234".parse().unwrap();
        let to: SocketAddr = "198.51.100.2:53".parse().unwrap();
        let packet = udp(from, to, b"odd");
        assert_eq!(checksum(&[&packet[..20]]), 0);
        assert_eq!(transport_checksum(from.ip(), to.ip(), UDP, &packet[20..]), 0);
    }
}
