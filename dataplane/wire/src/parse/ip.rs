//! IPv4 (RFC 791) and IPv6 (RFC 8200) with its extension headers.

use super::view::{MAX_IP_PACKET, View};
use crate::number::protocol;
use crate::{Checksums, FlowKey, KeyKind, LayerSet, Malformed, checksum, checksum::Pseudo};

/// What an IP header says of its packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) kind: KeyKind,
    pub(super) source: [u64; 2],
    pub(super) destination: [u64; 2],
    /// A routing header has segments to go: `destination` is not the last one, which checksums need.
    pub(super) is_routed: bool,
    /// Protocol after extension headers.
    pub(super) protocol: u8,
    pub(super) ttl: u8,
    pub(super) tos: u8,
    pub(super) layers: LayerSet,
    pub(super) network_offset: usize,
    /// What follows the header and its extensions.
    pub(super) payload: View<'a>,
    pub(super) fragment: Option<Place>,
}

impl Packet<'_> {
    /// The addresses as transport checksums need them.
    pub(super) fn pseudo(&self) -> Pseudo {
        match self.kind {
            KeyKind::Ipv6 => Pseudo::Ipv6(octets(self.source), octets(self.destination)),
            _ => {
                let [.., s0, s1, s2, s3] = octets(self.source);
                let [.., d0, d1, d2, d3] = octets(self.destination);
                Pseudo::Ipv4([s0, s1, s2, s3], [d0, d1, d2, d3])
            }
        }
    }
}

/// Where a fragment belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) id: u32,
    pub(super) offset: u16,
    pub(super) more: bool,
}

/// What says where a packet ends, and whether it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Its header.
    Announced,
    /// Its bytes: it was reassembled, and what its header says of length and fragments is of one fragment.
    Whole,
}

/// Reads an IPv4 header.
#[inline(always)]
pub(super) fn read_v4<'a>(
    view: View<'a>,
    extent: Extent,
    checksums: Checksums,
) -> Result<Packet<'a>, Malformed> {
    let header = view.first::<20>().ok_or(Malformed::Ipv4Truncated)?;
    let [version_ihl, tos, a, b, id_high, id_low, c, d, ttl, protocol, _, _, addresses @ ..] = *header;
    let [s0, s1, s2, s3, d0, d1, d2, d3] = addresses;
    let (source, destination) = ([s0, s1, s2, s3], [d0, d1, d2, d3]);
    if version_ihl >> 4 != 4 || version_ihl & 15 < 5 {
        return Err(Malformed::Ipv4BadHeader);
    }
    let header_len = usize::from(version_ihl & 15) * 4;
    let total_len = match usize::from(u16::from_be_bytes([a, b])) {
        _ if extent == Extent::Whole => view.wire_len(),
        // Segmentation offload: the sender's capture saw the packet before the card wrote its length.
        0 => view.wire_len(),
        announced => announced,
    };
    if total_len < header_len || total_len > view.wire_len() {
        return Err(Malformed::Ipv4BadLength);
    }
    let packet = view.limit(total_len);
    let whole_header = packet.bytes().get(..header_len).ok_or(Malformed::Ipv4Truncated)?;
    if checksums == Checksums::Enforce && extent == Extent::Announced && !checksum::is_intact(whole_header) {
        return Err(Malformed::Ipv4BadChecksum);
    }
    let payload = packet.skip(header_len).ok_or(Malformed::Ipv4BadLength)?;
    let place = Place {
        id: u32::from(u16::from_be_bytes([id_high, id_low])),
        offset: (u16::from_be_bytes([c, d]) & 0x1fff) * 8,
        more: c & 0x20 != 0,
    };
    let fragment = place.checked(extent, header_len + payload.wire_len())?;
    let options = whole_header.get(20..).unwrap_or_default();
    Ok(Packet {
        kind: KeyKind::Ipv4,
        source: FlowKey::from_ipv4(source),
        destination: FlowKey::from_ipv4(destination),
        is_routed: false,
        protocol,
        ttl,
        tos,
        layers: layer_if(has_option(options), LayerSet::IPV4_OPTIONS).with(cut(packet)),
        network_offset: view.offset(),
        payload,
        fragment,
    })
}

/// Reads an IPv6 header and its extension headers.
#[inline(always)]
pub(super) fn read_v6<'a>(view: View<'a>, extent: Extent) -> Result<Packet<'a>, Malformed> {
    let (header, _) = view.split::<40>().ok_or(Malformed::Ipv6Truncated)?;
    let [class_high, class_low, _, _, a, b, next, ttl, addresses @ ..] = *header;
    if class_high >> 4 != 6 {
        return Err(Malformed::Ipv6BadHeader);
    }
    let (source, destination) = halves(addresses);
    let payload_len = match usize::from(u16::from_be_bytes([a, b])) {
        _ if extent == Extent::Whole => view.wire_len() - 40,
        // A jumbogram (RFC 2675) or segmentation offload; a header alone ends here.
        0 if next != protocol::NO_NEXT_HEADER => view.wire_len() - 40,
        announced => announced,
    };
    if payload_len + 40 > view.wire_len() {
        return Err(Malformed::Ipv6BadLength);
    }
    let packet = view.limit(payload_len + 40);
    let chain = Chain::walk(next, packet.skip(40).ok_or(Malformed::Ipv6BadLength)?, extent)?;
    Ok(Packet {
        kind: KeyKind::Ipv6,
        source: FlowKey::from_ipv6(source),
        destination: FlowKey::from_ipv6(destination),
        is_routed: chain.is_routed,
        protocol: chain.protocol,
        ttl,
        tos: (class_high << 4) | (class_low >> 4),
        layers: chain.layers.with(cut(packet)),
        network_offset: view.offset(),
        payload: chain.payload,
        fragment: chain.fragment,
    })
}

/// The end of a chain of extension headers.
struct Chain<'a> {
    protocol: u8,
    payload: View<'a>,
    fragment: Option<Place>,
    layers: LayerSet,
    /// A routing header still has segments to go: the destination is not the last one.
    is_routed: bool,
}

impl<'a> Chain<'a> {
    fn walk(protocol: u8, payload: View<'a>, extent: Extent) -> Result<Self, Malformed> {
        let layers = LayerSet::default();
        let mut chain = Self { protocol, payload, fragment: None, layers, is_routed: false };
        for _ in 0..MAX_EXTENSIONS {
            if !chain.step(extent)? {
                return Ok(chain);
            }
        }
        Err(Malformed::Ipv6TooManyExtensions)
    }

    /// Walks over one extension header; false where there is none.
    fn step(&mut self, extent: Extent) -> Result<bool, Malformed> {
        if !is_extension(self.protocol) {
            return Ok(false);
        }
        let (header, _) = self.payload.split::<8>().ok_or(Malformed::Ipv6BadExtension)?;
        let [next, len, c, d, id @ ..] = *header;
        let is_message = matches!(self.protocol, protocol::MOBILITY | protocol::HIP | protocol::SHIM6);
        if is_message && next == protocol::NO_NEXT_HEADER {
            return Ok(false);
        }
        self.layers = LayerSet::IPV6_EXTENSIONS;
        // The length of a fragment header is not announced (RFC 8200, 4.5).
        let header_len = if self.protocol == protocol::FRAGMENT { 8 } else { (usize::from(len) + 1) * 8 };
        self.payload = self.payload.skip(header_len).ok_or(Malformed::Ipv6BadExtension)?;
        let place = Place {
            id: u32::from_be_bytes(id),
            offset: u16::from_be_bytes([c, d]) & 0xfff8,
            more: d & 1 != 0,
        };
        match self.protocol {
            protocol::FRAGMENT => self.fragment = place.checked(extent, self.payload.wire_len())?,
            protocol::ROUTING if d != 0 => self.is_routed = true,
            _ => {}
        }
        self.protocol = next;
        Ok(self.fragment.is_none())
    }
}

impl Place {
    /// The place, none where the packet is whole (RFC 6946 of IPv6), for `len` bytes from the offset on.
    fn checked(self, extent: Extent, len: usize) -> Result<Option<Self>, Malformed> {
        if extent == Extent::Whole || (self.offset == 0 && !self.more) {
            return Ok(None);
        }
        if usize::from(self.offset) + len > MAX_IP_PACKET {
            return Err(Malformed::FragmentTooLong);
        }
        Ok(Some(self))
    }
}

/// Whether these bytes can be an IP packet that is no longer than they were on the wire.
pub(super) fn is_plausible(view: View<'_>) -> bool {
    match view.bytes() {
        [first, _, a, b, ..] if first >> 4 == 4 => {
            let total_len = usize::from(u16::from_be_bytes([*a, *b]));
            first & 15 >= 5 && total_len >= usize::from(first & 15) * 4 && total_len <= view.wire_len()
        }
        [first, _, _, _, a, b, ..] if first >> 4 == 6 => {
            usize::from(u16::from_be_bytes([*a, *b])) + 40 <= view.wire_len()
        }
        _ => false,
    }
}

/// Whether there is an option other than "no operation" before the list ends (RFC 791, 3.1).
fn has_option(options: &[u8]) -> bool {
    options.iter().find(|option| **option != NO_OPERATION).is_some_and(|option| *option != END_OF_OPTIONS)
}

const fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        protocol::HOP_BY_HOP
            | protocol::ROUTING
            | protocol::FRAGMENT
            | protocol::DESTINATION_OPTIONS
            | protocol::MOBILITY
            | protocol::HIP
            | protocol::SHIM6
    )
}

fn cut(packet: View<'_>) -> LayerSet {
    layer_if(packet.is_cut(), LayerSet::SNAPPED)
}

const fn layer_if(is_met: bool, layer: LayerSet) -> LayerSet {
    if is_met { layer } else { LayerSet(0) }
}

/// The bytes of an address in its 128-bit form.
fn octets([high, low]: [u64; 2]) -> [u8; 16] {
    ((u128::from(high) << 64) | u128::from(low)).to_be_bytes()
}

/// Source and destination of an IPv6 header.
pub(super) fn halves(addresses: [u8; 32]) -> ([u8; 16], [u8; 16]) {
    let (mut source, mut destination) = ([0; 16], [0; 16]);
    let (first, second) = addresses.split_at(16);
    source.copy_from_slice(first);
    destination.copy_from_slice(second);
    (source, destination)
}

/// Extension headers of one packet: each kind at most once but for destination options (RFC 8200, 4.1), and slack.
const MAX_EXTENSIONS: usize = 10;
const END_OF_OPTIONS: u8 = 0;
const NO_OPERATION: u8 = 1;
