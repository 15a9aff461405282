//! The same packets in tags and tunnels.

use std::net::{IpAddr, Ipv4Addr};

use sample::packet;
use wire::{LinkType, Side};

use crate::rewrite::Read;
use crate::support::capture::Frame;

/// What is put around an IP packet that goes this way.
type Wrap = fn(&[u8], Side) -> Vec<u8>;

fn wrapped(frames: &[Read], wrap: Wrap) -> Vec<Frame> {
    frames
        .iter()
        .map(|read| {
            let old = &read.frame;
            let whole = || Frame { link: old.link, bytes: old.bytes.clone(), wire_len: old.wire_len };
            let Some(headers) = read.plain().filter(|headers| headers.vlans == [0; wire::MAX_VLANS]) else {
                return whole();
            };
            let network = headers.network_offset as usize;
            let inner = &old.bytes[network..];
            if inner.len() > 60_000 {
                return whole();
            }
            let bytes = wrap(inner, headers.sender);
            Frame { link: LinkType::Ethernet, wire_len: bytes.len() as u32, bytes }
        })
        .collect()
}

const NEAR: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
const FAR: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2));

/// Ends of the tunnel, the sender first.
const fn ends(side: Side) -> (IpAddr, IpAddr) {
    match side {
        Side::Lower => (NEAR, FAR),
        Side::Upper => (FAR, NEAR),
    }
}

fn ethertype(inner: &[u8]) -> [u8; 2] {
    if inner.first().is_some_and(|byte| byte >> 4 == 4) { [0x08, 0x00] } else { [0x86, 0xdd] }
}

/// An Ethernet header with `tags`, then the packet.
fn tagged(tags: &[u8], inner: &[u8]) -> Vec<u8> {
    let macs = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    [&macs[..], tags, &ethertype(inner), inner].concat()
}

/// An IP packet of the tunnel's ends in its frame.
fn outer(side: Side, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let (from, to) = ends(side);
    packet::ethernet(from, to, &[], &packet::ip(from, to, protocol, payload))
}

fn datagram(side: Side, ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let [source, target] = ports.map(u16::to_be_bytes);
    let len = (payload.len() + 8) as u16;
    outer(side, 17, &[&source[..], &target, &len.to_be_bytes(), &[0, 0], payload].concat())
}

/// In a VLAN.
pub(crate) fn vlan(frames: &[Read]) -> Vec<Frame> {
    wrapped(frames, |inner, _| tagged(&[0x81, 0, 0, 100], inner))
}

/// In a customer's VLAN in a provider's.
pub(crate) fn qinq(frames: &[Read]) -> Vec<Frame> {
    wrapped(frames, |inner, _| tagged(&[0x88, 0xa8, 0, 200, 0x81, 0, 0, 100], inner))
}

/// Behind two MPLS labels.
pub(crate) fn mpls(frames: &[Read]) -> Vec<Frame> {
    wrapped(frames, |inner, _| {
        let macs = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        [&macs[..], &[0x88, 0x47, 0, 0x06, 0x40, 64, 0, 0x06, 0x51, 64], inner].concat()
    })
}

/// In VXLAN.
pub(crate) fn vxlan(frames: &[Read]) -> Vec<Frame> {
    wrapped(frames, |inner, side| {
        let header = [0x08, 0, 0, 0, 0, 0, 77, 0];
        datagram(side, [50_000, 4789], &[&header[..], &tagged(&[], inner)].concat())
    })
}

/// In GENEVE.
pub(crate) fn geneve(frames: &[Read]) -> Vec<Frame> {
    wrapped(frames, |inner, side| {
        let header = [0, 0, 0x65, 0x58, 0, 0, 78, 0];
        datagram(side, [50_000, 6081], &[&header[..], &tagged(&[], inner)].concat())
    })
}

/// In GRE.
pub(crate) fn gre(frames: &[Read]) -> Vec<Frame> {
    wrapped(frames, |inner, side| outer(side, 47, &[&[0, 0], &ethertype(inner)[..], inner].concat()))
}

/// In ERSPAN type II.
pub(crate) fn erspan(frames: &[Read]) -> Vec<Frame> {
    wrapped(frames, |inner, side| {
        let header = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 100, 0, 9, 0, 0, 0, 0];
        outer(side, 47, &[&header[..], &tagged(&[], inner)].concat())
    })
}

/// In GTP-U, with a tunnel for each way.
pub(crate) fn gtp_u(frames: &[Read]) -> Vec<Frame> {
    wrapped(frames, |inner, side| {
        let [high, low] = (inner.len() as u16).to_be_bytes();
        let teid = if side == Side::Lower { 11 } else { 12 };
        let header = [0x30, 0xff, high, low, 0, 0, 0, teid];
        datagram(side, [2152, 2152], &[&header[..], inner].concat())
    })
}

/// In IPv4.
pub(crate) fn ip_in_ip(frames: &[Read]) -> Vec<Frame> {
    wrapped(frames, |inner, side| {
        let protocol = if ethertype(inner) == [0x08, 0x00] { 4 } else { 41 };
        outer(side, protocol, inner)
    })
}
