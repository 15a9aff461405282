//! The first header of a frame, by the link type of its capture or port.

use super::dot11::{self, Variant};
use super::link::{Layer, Macs, Start};
use super::view::View;
use crate::number::ethertype;
use crate::{LinkType, Malformed};

/// Where the general path starts in a frame of this link type.
pub(super) fn first(view: View<'_>, link: LinkType) -> Result<Start<'_>, Malformed> {
    match link {
        LinkType::Ethernet => Ok(Layer::Ethernet(view).into()),
        LinkType::RawIp => Ok(Layer::Ip(view).into()),
        // Captures of Cisco HDLC carry the number of PPP, too: an address byte tells.
        LinkType::Ppp | LinkType::PppHdlc => hdlc(view),
        LinkType::Null | LinkType::Loop => loopback(view),
        LinkType::LinuxSll => cooked(view),
        LinkType::LinuxSll2 => cooked_v2(view),
        LinkType::Ieee80211 => Ok(Layer::Dot11(view, Variant::Plain).into()),
        LinkType::Ieee80211Radiotap => {
            let (frame, variant) = dot11::radiotap(view)?;
            Ok(Layer::Dot11(frame, variant).into())
        }
    }
}

/// BSD loopback: an address family. Its numbers are small, so that the zero bytes show the byte order.
fn loopback(view: View<'_>) -> Result<Start<'_>, Malformed> {
    let (family, packet) = view.split::<4>().ok_or(Malformed::LinkTruncated)?;
    let family = u32::from_be_bytes(*family).min(u32::from_le_bytes(*family));
    match family {
        2 => Ok(Layer::EtherType(ethertype::IPV4, packet).into()),
        // Linux; NetBSD and OpenBSD; FreeBSD; Darwin.
        10 | 24 | 28 | 30 => Ok(Layer::EtherType(ethertype::IPV6, packet).into()),
        _ => Err(Malformed::Unsupported),
    }
}

/// Cisco HDLC where its address byte is there, else PPP (RFC 1662 has 0xff in that place).
fn hdlc(view: View<'_>) -> Result<Start<'_>, Malformed> {
    match view.split::<4>() {
        Some(([CISCO_UNICAST | CISCO_BROADCAST, 0, a, b], rest)) => {
            Ok(Layer::EtherType(u16::from_be_bytes([*a, *b]), rest).into())
        }
        _ => Ok(Layer::Ppp(view).into()),
    }
}

/// Linux cooked capture, version 1 (LINKTYPE_LINUX_SLL): it knows the sender's address only.
fn cooked(view: View<'_>) -> Result<Start<'_>, Malformed> {
    let (header, rest) = view.split::<16>().ok_or(Malformed::LinkTruncated)?;
    let [_, _, _, _, len_high, len_low, address @ .., _, _, a, b] = *header;
    let address_len = u16::from_be_bytes([len_high, len_low]);
    cooked_layer(u16::from_be_bytes([a, b]), address, address_len == 6, rest)
}

/// Linux cooked capture, version 2 (LINKTYPE_LINUX_SLL2).
fn cooked_v2(view: View<'_>) -> Result<Start<'_>, Malformed> {
    let (header, rest) = view.split::<20>().ok_or(Malformed::LinkTruncated)?;
    let [a, b, _, _, _, _, _, _, _, _, _, address_len, address @ .., _, _] = *header;
    cooked_layer(u16::from_be_bytes([a, b]), address, address_len == 6, rest)
}

fn cooked_layer(
    protocol: u16,
    source: [u8; 6],
    has_mac: bool,
    rest: View<'_>,
) -> Result<Start<'_>, Malformed> {
    let layer = match protocol {
        COOKED_LLC => Layer::Llc(rest),
        ethertype::FIRST.. => Layer::EtherType(protocol, rest),
        _ => return Err(Malformed::Unsupported),
    };
    Ok(Start { layer, macs: has_mac.then_some(Macs { source, destination: [0; 6] }) })
}

const CISCO_UNICAST: u8 = 0x0f;
const CISCO_BROADCAST: u8 = 0x8f;
/// ETH_P_802_2 of Linux.
const COOKED_LLC: u16 = 4;
