//! The first header of a frame, by the link type of its capture or port.

use super::dot11::{self, Variant};
use super::link::{Header, Macs, Walk};
use crate::number::ethertype;
use crate::{LinkType, Malformed};

/// Where the general path starts in a frame of this link type; `walk` is moved there.
#[inline]
pub(super) fn first(walk: &mut Walk<'_>, link: LinkType) -> Result<Header, Malformed> {
    match link {
        LinkType::Ethernet => Ok(Header::Ethernet),
        LinkType::RawIp => Ok(Header::Ip),
        // Captures of Cisco HDLC carry the number of PPP, too: an address byte tells.
        LinkType::Ppp | LinkType::PppHdlc => Ok(hdlc(walk)),
        LinkType::Null | LinkType::Loop => loopback(walk),
        LinkType::LinuxSll => cooked(walk),
        LinkType::LinuxSll2 => cooked_v2(walk),
        LinkType::Ieee80211 => Ok(Header::Dot11(Variant::Plain)),
        LinkType::Ieee80211Radiotap => {
            let (frame, variant) = dot11::radiotap(walk.view)?;
            walk.view = frame;
            Ok(Header::Dot11(variant))
        }
    }
}

/// BSD loopback: an address family. Its numbers are small, so that the zero bytes show the byte order.
fn loopback(walk: &mut Walk<'_>) -> Result<Header, Malformed> {
    let (family, packet) = walk.view.split::<4>().ok_or(Malformed::LinkTruncated)?;
    walk.view = packet;
    match u32::from_be_bytes(*family).min(u32::from_le_bytes(*family)) {
        2 => Ok(Header::EtherType(ethertype::IPV4)),
        // Linux; NetBSD and OpenBSD; FreeBSD; Darwin.
        10 | 24 | 28 | 30 => Ok(Header::EtherType(ethertype::IPV6)),
        _ => Err(Malformed::Unsupported),
    }
}

/// Cisco HDLC where its address byte is there, else PPP (RFC 1662 has 0xff in that place).
fn hdlc(walk: &mut Walk<'_>) -> Header {
    match walk.view.split::<4>() {
        Some(([CISCO_UNICAST | CISCO_BROADCAST, 0, a, b], rest)) => {
            walk.view = rest;
            Header::EtherType(u16::from_be_bytes([*a, *b]))
        }
        _ => Header::Ppp,
    }
}

/// Linux cooked capture, version 1 (LINKTYPE_LINUX_SLL).
fn cooked(walk: &mut Walk<'_>) -> Result<Header, Malformed> {
    let (header, rest) = walk.view.split::<16>().ok_or(Malformed::LinkTruncated)?;
    let [_, _, _, _, len_high, len_low, address @ .., _, _, a, b] = *header;
    walk.view = rest;
    walk.macs = sender(address, u16::from_be_bytes([len_high, len_low]));
    cooked_protocol(u16::from_be_bytes([a, b]))
}

/// Linux cooked capture, version 2 (LINKTYPE_LINUX_SLL2).
fn cooked_v2(walk: &mut Walk<'_>) -> Result<Header, Malformed> {
    let (header, rest) = walk.view.split::<20>().ok_or(Malformed::LinkTruncated)?;
    let [a, b, _, _, _, _, _, _, _, _, _, address_len, address @ .., _, _] = *header;
    walk.view = rest;
    walk.macs = sender(address, u16::from(address_len));
    cooked_protocol(u16::from_be_bytes([a, b]))
}

/// Cooked captures know the sender's address only.
fn sender(source: [u8; 6], len: u16) -> Option<Macs> {
    (len == 6).then_some(Macs { source, destination: [0; 6] })
}

const fn cooked_protocol(number: u16) -> Result<Header, Malformed> {
    match number {
        COOKED_LLC => Ok(Header::Llc),
        ethertype::FIRST.. => Ok(Header::EtherType(number)),
        _ => Err(Malformed::Unsupported),
    }
}

const CISCO_UNICAST: u8 = 0x0f;
const CISCO_BROADCAST: u8 = 0x8f;
/// ETH_P_802_2 of Linux.
const COOKED_LLC: u16 = 4;
