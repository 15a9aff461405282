//! The straight line: Ethernet, at most two tags, IPv4 without options or IPv6 without extensions, TCP or UDP that
//! no tunnel uses, captured whole.
//!
//! It knows no errors: whatever is not as expected is left to the general path, which gives the same answer where
//! both have one (`tests/fast_path.rs`).

use super::context::narrow;
use super::ip::halves;
use super::link::is_tag;
use crate::number::{ethertype, protocol, tunnel_port};
use crate::{
    Checksums, FlowKey, Headers, IcmpFields, KeyKind, LayerSet, MAX_VLANS, ParseOptions, Scope, TcpFields,
    TcpFlags, Tunnel,
};

/// Reads a plain frame; false, and `headers` as they were, where the frame is not plain.
#[inline(always)]
pub(crate) fn ethernet(headers: &mut Headers, bytes: &[u8], options: &ParseOptions) -> bool {
    if options.checksums == Checksums::Enforce || bytes.len() > MAX_LEN {
        return false;
    }
    let Some((link, mut rest)) = bytes.split_first_chunk::<14>() else { return false };
    let [.., a, b] = *link;
    let mut below = Below { offset: 14, ethertype: u16::from_be_bytes([a, b]), vlans: [0; MAX_VLANS] };
    if is_tag(below.ethertype) {
        let Some(untagged) = below.strip_tags(rest) else { return false };
        rest = untagged;
    }
    let scope = if options.key_vlan { Scope::new(below.vlans[0], below.vlans[1], 0, 0) } else { Scope(0) };
    match below.ethertype {
        ethertype::IPV4 => ipv4(headers, rest, &below, scope),
        ethertype::IPV6 => ipv6(headers, rest, &below, scope),
        _ => false,
    }
}

/// What is below the IP header.
struct Below {
    offset: usize,
    ethertype: u16,
    vlans: [u16; MAX_VLANS],
}

impl Below {
    fn strip_tags<'a>(&mut self, mut rest: &'a [u8]) -> Option<&'a [u8]> {
        for vlan in &mut self.vlans {
            if !is_tag(self.ethertype) {
                break;
            }
            let ([a, b, c, d], untagged) = rest.split_first_chunk::<4>()?;
            *vlan = u16::from_be_bytes([*a, *b]) & 0x0fff;
            self.ethertype = u16::from_be_bytes([*c, *d]);
            self.offset += 4;
            rest = untagged;
        }
        Some(rest)
    }

    const fn layers(&self) -> LayerSet {
        if self.offset > 14 { LayerSet::VLAN } else { LayerSet(0) }
    }
}

/// What an IP header says.
struct Network {
    kind: KeyKind,
    source: [u64; 2],
    destination: [u64; 2],
    header_len: usize,
    protocol: u8,
    ttl: u8,
    tos: u8,
}

/// What a TCP or UDP header says.
struct Transport {
    ports: [u16; 2],
    header_len: usize,
    payload_len: usize,
    tcp: TcpFields,
}

#[inline(always)]
fn ipv4(headers: &mut Headers, rest: &[u8], below: &Below, scope: Scope) -> bool {
    let Some((header, after)) = rest.split_first_chunk::<20>() else { return false };
    let [0x45, tos, l0, l1, _, _, f0, f1, ttl, protocol, _, _, addresses @ ..] = *header else {
        return false;
    };
    let [s0, s1, s2, s3, d0, d1, d2, d3] = addresses;
    let total_len = usize::from(u16::from_be_bytes([l0, l1]));
    // More fragments, or an offset. The other two bits are reserved and "don't fragment".
    let is_fragment = u16::from_be_bytes([f0, f1]) & 0x3fff != 0;
    let Some(segment) = total_len.checked_sub(20).and_then(|len| after.get(..len)) else { return false };
    if is_fragment {
        return false;
    }
    let network = Network {
        kind: KeyKind::Ipv4,
        source: FlowKey::from_ipv4([s0, s1, s2, s3]),
        destination: FlowKey::from_ipv4([d0, d1, d2, d3]),
        header_len: 20,
        protocol,
        ttl,
        tos,
    };
    transport(headers, segment, &network, below, scope)
}

#[inline(always)]
fn ipv6(headers: &mut Headers, rest: &[u8], below: &Below, scope: Scope) -> bool {
    let Some((header, after)) = rest.split_first_chunk::<40>() else { return false };
    let [class_high, class_low, _, _, l0, l1, protocol, ttl, addresses @ ..] = *header;
    let payload_len = usize::from(u16::from_be_bytes([l0, l1]));
    // Length 0 is a jumbogram, or nothing to be read here.
    if class_high >> 4 != 6 || payload_len == 0 {
        return false;
    }
    let Some(segment) = after.get(..payload_len) else { return false };
    let (source, destination) = halves(addresses);
    let network = Network {
        kind: KeyKind::Ipv6,
        source: FlowKey::from_ipv6(source),
        destination: FlowKey::from_ipv6(destination),
        header_len: 40,
        protocol,
        ttl,
        tos: (class_high << 4) | (class_low >> 4),
    };
    transport(headers, segment, &network, below, scope)
}

#[inline(always)]
fn transport(headers: &mut Headers, segment: &[u8], network: &Network, below: &Below, scope: Scope) -> bool {
    let read = match network.protocol {
        protocol::TCP => tcp(segment),
        protocol::UDP => udp(segment),
        _ => None,
    };
    let Some(transport) = read else { return false };
    write(headers, network, &transport, below, scope);
    true
}

#[inline(always)]
fn tcp(segment: &[u8]) -> Option<Transport> {
    let [a, b, c, d, s0, s1, s2, s3, a0, a1, a2, a3, offset, flags, w0, w1, ..] =
        *segment.first_chunk::<20>()?;
    let header_len = usize::from(offset >> 4) * 4;
    let payload_len = segment.len().checked_sub(header_len)?;
    if header_len < 20 {
        return None;
    }
    Some(Transport {
        ports: [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])],
        header_len,
        payload_len,
        tcp: TcpFields {
            seq: u32::from_be_bytes([s0, s1, s2, s3]),
            ack: u32::from_be_bytes([a0, a1, a2, a3]),
            window: u16::from_be_bytes([w0, w1]),
            flags: TcpFlags(flags),
        },
    })
}

#[inline(always)]
fn udp(segment: &[u8]) -> Option<Transport> {
    let [a, b, c, d, l0, l1, ..] = *segment.first_chunk::<8>()?;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    let ports = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
    let payload_len = len.checked_sub(8)?;
    if len > segment.len() || is_tunnel_port(ports[0]) | is_tunnel_port(ports[1]) {
        return None;
    }
    Some(Transport { ports, header_len: 8, payload_len, tcp: TcpFields::default() })
}

#[inline(always)]
fn write(headers: &mut Headers, network: &Network, transport: &Transport, below: &Below, scope: Scope) {
    let [source_port, destination_port] = transport.ports;
    let (key, sender) = FlowKey::new(
        network.kind,
        network.protocol,
        (network.source, source_port),
        (network.destination, destination_port),
        scope,
    );
    let transport_offset = below.offset + network.header_len;
    *headers = Headers {
        key,
        sender,
        protocol: network.protocol,
        ethertype: below.ethertype,
        ttl: network.ttl,
        tos: network.tos,
        layers: below.layers(),
        vlans: below.vlans,
        network_offset: narrow(below.offset),
        transport_offset: narrow(transport_offset),
        payload_offset: narrow(transport_offset + transport.header_len),
        payload_len: narrow(transport.payload_len),
        payload_wire_len: narrow(transport.payload_len),
        tcp: transport.tcp,
        icmp: IcmpFields::default(),
        fragment: None,
        tunnel: Tunnel::default(),
    };
}

/// Whether a tunnel may be behind this UDP port: one multiplication instead of nine comparisons.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "four bits index sixteen entries")]
fn is_tunnel_port(port: u16) -> bool {
    TUNNEL_PORTS.slots[usize::from(port.wrapping_mul(TUNNEL_PORTS.factor) >> 12)] == port
}

/// A perfect hash of [`tunnel_port::ALL`]; port 0 in an empty slot only sends a packet to the general path.
struct PortSet {
    factor: u16,
    slots: [u16; 16],
}

static TUNNEL_PORTS: PortSet = perfect_hash();

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time, where a bad index is an error")]
const fn perfect_hash() -> PortSet {
    let mut factor: u16 = 1;
    loop {
        let mut slots = [0; 16];
        let mut taken = 0;
        while taken < tunnel_port::ALL.len() {
            let port = tunnel_port::ALL[taken];
            let slot = (port.wrapping_mul(factor) >> 12) as usize;
            if slots[slot] != 0 {
                break;
            }
            slots[slot] = port;
            taken += 1;
        }
        if taken == tunnel_port::ALL.len() {
            return PortSet { factor, slots };
        }
        factor += 2;
    }
}

/// No IP packet is longer, so that no offset of a plain frame needs more than 32 bits.
const MAX_LEN: usize = u32::MAX as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tunnel_ports_and_perhaps_zero_take_the_general_path() {
        for port in 1..=u16::MAX {
            assert_eq!(is_tunnel_port(port), tunnel_port::ALL.contains(&port), "port {port}");
        }
    }
}
