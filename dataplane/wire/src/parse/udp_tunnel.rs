//! Tunnels in UDP. A port is only a hint: a header with a bit set that its specification has at zero is not one.

use super::dot11;
use super::ip;
use super::link::{self, Header, Layer};
use super::tunnel::{self, Entry};
use super::view::View;
use crate::TunnelKind;
use crate::number::{ethertype, protocol, tunnel_port};

/// The tunnel that the payload of a datagram to or from `port` is, if it can be one.
pub(super) fn read(port: u16, payload: View<'_>) -> Option<Entry<'_>> {
    match port {
        tunnel_port::VXLAN | tunnel_port::VXLAN_LINUX => vxlan(payload),
        tunnel_port::VXLAN_GPE => vxlan_gpe(payload),
        tunnel_port::GENEVE => geneve(payload),
        tunnel_port::GTP_U => gtp_u(payload),
        tunnel_port::L2TP => l2tp(payload),
        tunnel_port::TEREDO => teredo(payload),
        tunnel_port::CAPWAP => capwap(payload),
        tunnel_port::MPLS => mpls(payload),
        _ => None,
    }
}

/// VXLAN (RFC 7348, 5), with the group policy of draft-smith-vxlan-group-policy.
fn vxlan(view: View<'_>) -> Option<Entry<'_>> {
    let ([flags, a, b, c, v0, v1, v2, reserved], frame) = view.split::<8>()?;
    let has_group = flags & 0x80 != 0;
    if flags & !0x80 != 0x08 || *reserved != 0 || (!has_group && [*a, *b, *c] != [0; 3]) {
        return None;
    }
    let id = u32::from_be_bytes([0, *v0, *v1, *v2]);
    Some(Entry { kind: TunnelKind::Vxlan, id, carried: Layer { header: Header::Ethernet, view: frame } })
}

/// VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe, 3): version 0, VNI and next protocol present, no OAM.
fn vxlan_gpe(view: View<'_>) -> Option<Entry<'_>> {
    let ([flags, 0, 0, next, v0, v1, v2, 0], rest) = view.split::<8>()? else { return None };
    if flags & 0x04 == 0 {
        return vxlan(view);
    }
    if flags & !0x02 != 0x0c {
        return None;
    }
    let carried = match next {
        1 => Layer { header: Header::EtherType(ethertype::IPV4), view: rest },
        2 => Layer { header: Header::EtherType(ethertype::IPV6), view: rest },
        3 => Layer { header: Header::Ethernet, view: rest },
        5 => Layer { header: Header::EtherType(ethertype::MPLS), view: rest },
        _ => return None,
    };
    Some(Entry { kind: TunnelKind::Vxlan, id: u32::from_be_bytes([0, *v0, *v1, *v2]), carried })
}

/// GENEVE (RFC 8926, 3.4): version 0, no control packet.
fn geneve(view: View<'_>) -> Option<Entry<'_>> {
    let ([lengths, flags, type_high, type_low, v0, v1, v2, 0], rest) = view.split::<8>()? else {
        return None;
    };
    if lengths >> 6 != 0 || flags & !0x40 != 0 {
        return None;
    }
    let options_len = usize::from(lengths & 63) * 4;
    let packet = rest.skip(options_len)?;
    if !geneve_options_fit(rest.limit(options_len))? {
        return None;
    }
    let carried = match u16::from_be_bytes([*type_high, *type_low]) {
        ethertype::TRANSPARENT_ETHERNET => Layer { header: Header::Ethernet, view: packet },
        other => Layer { header: Header::EtherType(other), view: packet },
    };
    Some(Entry { kind: TunnelKind::Geneve, id: u32::from_be_bytes([0, *v0, *v1, *v2]), carried })
}

/// Whether the lengths of the options add up to theirs all (RFC 8926, 3.5); at most 63 steps.
fn geneve_options_fit(mut options: View<'_>) -> Option<bool> {
    while options.wire_len() > 0 {
        let ([_, _, _, len], rest) = options.split::<4>()?;
        let Some(next) = rest.skip(usize::from(len & 31) * 4) else { return Some(false) };
        options = next;
    }
    Some(true)
}

/// GTP-U (3GPP TS 29.281, 5.1): version 1, a G-PDU, and the extension headers before the user's packet.
fn gtp_u(view: View<'_>) -> Option<Entry<'_>> {
    let ([flags, 0xff, l0, l1, t0, t1, t2, t3], rest) = view.split::<8>()? else { return None };
    let len = usize::from(u16::from_be_bytes([*l0, *l1]));
    if flags & 0xf8 != 0x30 || len > rest.wire_len() {
        return None;
    }
    let mut packet = rest.limit(len);
    if flags & 0x07 != 0 {
        let ([_, _, _, first], after) = packet.split::<4>()?;
        packet = after;
        let mut next = if flags & 0x04 != 0 { *first } else { 0 };
        for _ in 0..MAX_GTP_EXTENSIONS {
            if next == 0 {
                break;
            }
            let extension_len = usize::from(*packet.bytes().first()?) * 4;
            next = *packet.bytes().get(extension_len.checked_sub(1)?)?;
            packet = packet.skip(extension_len)?;
        }
        if next != 0 {
            return None;
        }
    }
    let id = u32::from_be_bytes([*t0, *t1, *t2, *t3]);
    ip::is_plausible(packet).then_some(Entry {
        kind: TunnelKind::GtpU,
        id,
        carried: Layer { header: Header::Ip, view: packet },
    })
}

/// L2TP over UDP: version 2 (RFC 2661, 3.1) or 3 (RFC 3931, 4.1.2); control messages carry nothing.
fn l2tp(view: View<'_>) -> Option<Entry<'_>> {
    let ([high, low], rest) = view.split::<2>()?;
    let flags = u16::from_be_bytes([*high, *low]);
    if flags & L2TP_CONTROL != 0 {
        return None;
    }
    match flags & 0x000f {
        2 if flags & L2TP_RESERVED == 0 => l2tp_v2(flags, view, rest),
        3 if flags == 3 => tunnel::l2tp_v3(rest.split::<2>()?.1),
        _ => None,
    }
}

fn l2tp_v2<'a>(flags: u16, message: View<'a>, after_flags: View<'a>) -> Option<Entry<'a>> {
    let mut rest = after_flags;
    if flags & L2TP_LENGTH != 0 {
        let (len, after) = rest.split::<2>()?;
        let len = usize::from(u16::from_be_bytes(*len));
        if len > message.wire_len() {
            return None;
        }
        rest = after.limit(len.checked_sub(4)?);
    }
    let (ids, mut rest) = rest.split::<4>()?;
    if flags & L2TP_SEQUENCE != 0 {
        rest = rest.split::<4>()?.1;
    }
    if flags & L2TP_OFFSET != 0 {
        let (size, after) = rest.split::<2>()?;
        rest = after.skip(usize::from(u16::from_be_bytes(*size)))?;
    }
    Some(Entry {
        kind: TunnelKind::L2tp,
        id: u32::from_be_bytes(*ids),
        carried: Layer { header: Header::Ppp, view: rest },
    })
}

/// Teredo (RFC 4380, 5.1.1): authentication, then origin indication, each optional, then an IPv6 packet.
fn teredo(view: View<'_>) -> Option<Entry<'_>> {
    let mut packet = view;
    if let Some(([0, 1, id_len, value_len], rest)) = packet.split::<4>() {
        // Nonce (8) and confirmation (1) follow the two values.
        packet = rest.skip(usize::from(*id_len) + usize::from(*value_len) + 9)?;
    }
    if let Some(([0, 0, ..], rest)) = packet.split::<8>() {
        packet = rest;
    }
    let [first, _, _, _, _, _, next, ..] = *packet.first::<8>()?;
    // A bubble (RFC 4380, 2.8) carries nothing: it belongs to the tunnel.
    if first >> 4 != 6 || next == protocol::NO_NEXT_HEADER || !ip::is_plausible(packet) {
        return None;
    }
    Some(Entry { kind: TunnelKind::Teredo, id: 0, carried: Layer { header: Header::Ip, view: packet } })
}

/// CAPWAP data (RFC 5415, 4.3): not DTLS, not a fragment, not a keep-alive.
fn capwap(view: View<'_>) -> Option<Entry<'_>> {
    let [0, b, c, d, _, _, _, reserved] = *view.first::<8>()? else { return None };
    let header_len = usize::from(b >> 3) * 4;
    let binding = (c >> 1) & 31;
    let is_native = c & 1 != 0;
    let [is_fragment, is_keep_alive] = [d & 0x80 != 0, d & 0x08 != 0];
    if header_len < 8 || is_fragment || is_keep_alive || d & 0x07 != 0 || reserved & 0x07 != 0 {
        return None;
    }
    let frame = view.skip(header_len)?;
    let carried = match (is_native, binding) {
        (true, IEEE_802_11) => Layer { header: Header::Dot11(dot11::data_variant(frame)?), view: frame },
        (false, _) if link::is_plausible_ethernet(frame) => Layer { header: Header::Ethernet, view: frame },
        _ => return None,
    };
    Some(Entry { kind: TunnelKind::Capwap, id: 0, carried })
}

/// MPLS in UDP (RFC 7510, 3): nothing but the label stack tells it from another protocol.
fn mpls(view: View<'_>) -> Option<Entry<'_>> {
    link::is_plausible_mpls(view).then(|| tunnel::mpls(view))
}

/// More than the standard defines kinds of.
const MAX_GTP_EXTENSIONS: usize = 8;
const L2TP_CONTROL: u16 = 0x8000;
const L2TP_LENGTH: u16 = 0x4000;
const L2TP_SEQUENCE: u16 = 0x0800;
const L2TP_OFFSET: u16 = 0x0200;
const L2TP_RESERVED: u16 = 0x34f0;
/// Wireless binding of RFC 5416.
const IEEE_802_11: u8 = 1;
