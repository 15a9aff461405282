//! Tunnels directly in IP: IP-in-IP, GRE and what it carries, L2TPv3, MPLS.

use super::ip::{self, Packet};
use super::link::{self, Header, Layer};
use super::transport::Segment;
use super::udp_tunnel;
use super::view::View;
use crate::number::{ethertype, protocol};
use crate::{KeyKind, TunnelKind};

/// A tunnel whose header was read, not yet what it carries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) kind: TunnelKind,
    pub(super) id: u32,
    pub(super) carried: Layer<'a>,
}

/// The tunnel that a packet carries, none where there is none or its header makes no sense.
pub(super) fn find<'a>(packet: &Packet<'a>, segment: &Segment<'a>) -> Option<Entry<'a>> {
    match packet.protocol {
        protocol::UDP => match udp_tunnel::read(segment.destination_port, segment.payload) {
            None => udp_tunnel::read(segment.source_port, segment.payload),
            found => found,
        },
        protocol::IPV4 => Some(ip_in_ip(packet, Layer { header: Header::Ipv4, view: packet.payload })),
        protocol::IPV6 => Some(ip_in_ip(packet, Layer { header: Header::Ipv6, view: packet.payload })),
        protocol::GRE => gre(packet.payload),
        protocol::L2TP => l2tp_v3(packet.payload),
        protocol::MPLS => Some(mpls(packet.payload)),
        _ => None,
    }
}

fn ip_in_ip<'a>(packet: &Packet<'a>, carried: Layer<'a>) -> Entry<'a> {
    let kind = match (packet.kind, packet.protocol) {
        (KeyKind::Ipv6, protocol::IPV4) => TunnelKind::FourInSix,
        (KeyKind::Ipv6, _) => TunnelKind::SixInSix,
        (_, protocol::IPV4) => TunnelKind::IpIp,
        _ => TunnelKind::SixInFour,
    };
    Entry { kind, id: 0, carried }
}

pub(super) const fn mpls(view: View<'_>) -> Entry<'_> {
    Entry {
        kind: TunnelKind::Mpls,
        id: 0,
        carried: Layer { header: Header::EtherType(ethertype::MPLS), view },
    }
}

/// GRE (RFC 2784, 2890, 2637): flags and version, EtherType, then the optional fields that the flags announce.
fn gre(view: View<'_>) -> Option<Entry<'_>> {
    let ([a, b, type_high, type_low], rest) = view.split::<4>()?;
    let flags = u16::from_be_bytes([*a, *b]);
    let carried = u16::from_be_bytes([*type_high, *type_low]);
    match flags & GRE_VERSION {
        // Source routes (RFC 1701) were withdrawn by RFC 2784.
        0 if flags & GRE_ROUTING == 0 => gre_v0(flags, carried, rest),
        1 if carried == ethertype::PPP => pptp(flags, rest),
        _ => None,
    }
}

fn gre_v0(flags: u16, carried: u16, view: View<'_>) -> Option<Entry<'_>> {
    let mut rest = view;
    let mut id = 0;
    if flags & GRE_CHECKSUM != 0 {
        rest = rest.split::<4>()?.1;
    }
    if flags & GRE_KEY != 0 {
        let (key, after) = rest.split::<4>()?;
        id = u32::from_be_bytes(*key);
        rest = after;
    }
    let is_numbered = flags & GRE_SEQUENCE != 0;
    if is_numbered {
        rest = rest.split::<4>()?.1;
    }
    match carried {
        ethertype::ERSPAN if is_numbered => erspan_ii(rest),
        ethertype::ERSPAN => Some(Entry {
            kind: TunnelKind::Erspan,
            id: 0,
            carried: Layer { header: Header::Ethernet, view: rest },
        }),
        ethertype::ERSPAN_III => erspan_iii(rest),
        ethertype::TRANSPARENT_ETHERNET => {
            Some(Entry { kind: TunnelKind::Gre, id, carried: Layer { header: Header::Ethernet, view: rest } })
        }
        ethertype::PPP => {
            Some(Entry { kind: TunnelKind::Gre, id, carried: Layer { header: Header::Ppp, view: rest } })
        }
        ethertype::WCCP => Some(Entry { kind: TunnelKind::Gre, id, carried: wccp(rest)? }),
        other => Some(Entry {
            kind: TunnelKind::Gre,
            id,
            carried: Layer { header: Header::EtherType(other), view: rest },
        }),
    }
}

/// Version 1 has the packet at once, version 2 four bytes before it; their first nibble is not 4.
fn wccp(view: View<'_>) -> Option<Layer<'_>> {
    let packet = if view.bytes().first()? >> 4 == 4 { view } else { view.split::<4>()?.1 };
    Some(Layer { header: Header::EtherType(ethertype::IPV4), view: packet })
}

/// Enhanced GRE (RFC 2637, 4.1): the key is payload length and call id; without a sequence number it carries nothing.
fn pptp(flags: u16, view: View<'_>) -> Option<Entry<'_>> {
    if flags & GRE_KEY == 0 || flags & GRE_SEQUENCE == 0 {
        return None;
    }
    let ([a, b, c, d, _, _, _, _], rest) = view.split::<8>()?;
    let payload = if flags & GRE_ACKNOWLEDGMENT != 0 { rest.split::<4>()?.1 } else { rest };
    let len = usize::from(u16::from_be_bytes([*a, *b]));
    if len > payload.wire_len() {
        return None;
    }
    let id = u32::from(u16::from_be_bytes([*c, *d]));
    Some(Entry {
        kind: TunnelKind::Pptp,
        id,
        carried: Layer { header: Header::Ppp, view: payload.limit(len) },
    })
}

/// ERSPAN type II (draft-foschiano-erspan, 4.2).
fn erspan_ii(view: View<'_>) -> Option<Entry<'_>> {
    let ([version, _, c, d, ..], frame) = view.split::<8>()?;
    if version >> 4 != 1 {
        return None;
    }
    Some(erspan(*c, *d, Layer { header: Header::Ethernet, view: mirrored(*c, frame) }))
}

/// ERSPAN type III (draft-foschiano-erspan, 4.3).
fn erspan_iii(view: View<'_>) -> Option<Entry<'_>> {
    let ([version, _, c, d, _, _, _, _, _, _, kind, options], rest) = view.split::<12>()?;
    if version >> 4 != 2 {
        return None;
    }
    let frame = if options & 1 != 0 { rest.split::<8>()?.1 } else { rest };
    match (kind >> 2) & 31 {
        0 => Some(erspan(*c, *d, Layer { header: Header::Ethernet, view: mirrored(*c, frame) })),
        2 => Some(erspan(*c, *d, Layer { header: Header::Ip, view: mirrored(*c, frame) })),
        _ => None,
    }
}

fn erspan(session_high: u8, session_low: u8, carried: Layer<'_>) -> Entry<'_> {
    let id = u32::from(u16::from_be_bytes([session_high & 3, session_low]));
    Entry { kind: TunnelKind::Erspan, id, carried }
}

/// The mirrored frame, which the T bit says was cut by the switch.
const fn mirrored(flags: u8, frame: View<'_>) -> View<'_> {
    if flags & 4 != 0 { frame.as_start_of_longer() } else { frame }
}

/// L2TPv3 data messages (RFC 3931, 4.1): session id, then a cookie and a sublayer whose sizes were agreed on in the
/// control connection: the sizes that make sense of what follows are taken.
pub(super) fn l2tp_v3(view: View<'_>) -> Option<Entry<'_>> {
    let (session, rest) = view.split::<4>()?;
    let id = u32::from_be_bytes(*session);
    if id == 0 {
        return None;
    }
    let carried = [0, 4, 8, 12].into_iter().find_map(|skipped| {
        let frame = rest.skip(skipped)?;
        match frame.bytes() {
            [0xff, 3, 0, 0x21 | 0x57, ..] if ip::is_plausible(frame.skip(4)?) => {
                Some(Layer { header: Header::Ppp, view: frame })
            }
            _ if link::is_plausible_ethernet(frame) => Some(Layer { header: Header::Ethernet, view: frame }),
            _ => None,
        }
    })?;
    Some(Entry { kind: TunnelKind::L2tp, id, carried })
}

const GRE_CHECKSUM: u16 = 0x8000;
const GRE_ROUTING: u16 = 0x4000;
const GRE_KEY: u16 = 0x2000;
const GRE_SEQUENCE: u16 = 0x1000;
const GRE_ACKNOWLEDGMENT: u16 = 0x0080;
const GRE_VERSION: u16 = 0x0007;
