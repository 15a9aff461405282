//! TCP, UDP, UDP-Lite, SCTP, ICMP and ICMPv6; everything else is payload without ports.

use super::ip::Packet;
use super::view::View;
use crate::checksum::{self, Pseudo, ZeroChecksum};
use crate::number::{protocol, tunnel_port};
use crate::{Checksums, IcmpFields, KeyKind, Malformed, TcpFields, TcpFlags};

/// What a transport header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
    pub(super) tcp: TcpFields,
    pub(super) icmp: IcmpFields,
    pub(super) payload: View<'a>,
}

impl<'a> Segment<'a> {
    /// No transport header that can be read: all is payload.
    pub(super) fn none(payload: View<'a>) -> Self {
        Self::with_ports([0; 4], payload)
    }

    fn with_ports([a, b, c, d]: [u8; 4], payload: View<'a>) -> Self {
        Self {
            source_port: u16::from_be_bytes([a, b]),
            destination_port: u16::from_be_bytes([c, d]),
            tcp: TcpFields::default(),
            icmp: IcmpFields::default(),
            payload,
        }
    }
}

/// Reads the transport header of a packet that is not a fragment.
pub(super) fn read<'a>(packet: &Packet<'a>, checksums: Checksums) -> Result<Segment<'a>, Malformed> {
    let segment = match packet.protocol {
        protocol::TCP => tcp(packet.payload)?,
        protocol::UDP => udp(packet.payload)?,
        protocol::UDP_LITE => udp_lite(packet.payload)?,
        protocol::SCTP => sctp(packet.payload)?,
        protocol::ICMP => icmp(packet.payload, 8)?,
        protocol::ICMPV6 => icmp(packet.payload, 4)?,
        _ => Segment::none(packet.payload),
    };
    if checksums == Checksums::Enforce
        && !packet.payload.is_cut()
        && let Some(pseudo) = packet.pseudo
    {
        verify(packet, &segment, pseudo)?;
    }
    Ok(segment)
}

fn tcp(view: View<'_>) -> Result<Segment<'_>, Malformed> {
    let ports = view.first::<4>().ok_or(Malformed::TcpTruncated)?;
    let after_fixed = view.skip(20).ok_or(Malformed::TcpTruncated)?;
    let Some(header) = view.first::<20>() else {
        return Ok(Segment::with_ports(*ports, after_fixed));
    };
    let [_, _, _, _, s0, s1, s2, s3, a0, a1, a2, a3, offset, flags, w0, w1, ..] = *header;
    let header_len = usize::from(offset >> 4) * 4;
    if header_len < 20 {
        return Err(Malformed::TcpBadOffset);
    }
    let payload = view.skip(header_len).ok_or(Malformed::TcpBadOffset)?;
    let tcp = TcpFields {
        seq: u32::from_be_bytes([s0, s1, s2, s3]),
        ack: u32::from_be_bytes([a0, a1, a2, a3]),
        window: u16::from_be_bytes([w0, w1]),
        flags: TcpFlags(flags),
    };
    Ok(Segment { tcp, ..Segment::with_ports(*ports, payload) })
}

fn udp(view: View<'_>) -> Result<Segment<'_>, Malformed> {
    let ports = view.first::<4>().ok_or(Malformed::UdpTruncated)?;
    let rest = view.skip(8).ok_or(Malformed::UdpTruncated)?;
    let payload = match view.first::<6>() {
        // A jumbogram (RFC 2675, 4) or segmentation offload.
        None | Some([_, _, _, _, 0, 0]) => rest,
        Some([_, _, _, _, a, b]) => {
            let len = usize::from(u16::from_be_bytes([*a, *b]));
            if len < 8 || len > view.wire_len() {
                return Err(Malformed::UdpBadLength);
            }
            rest.limit(len - 8)
        }
    };
    Ok(Segment::with_ports(*ports, payload))
}

fn udp_lite(view: View<'_>) -> Result<Segment<'_>, Malformed> {
    let ports = view.first::<4>().ok_or(Malformed::UdpTruncated)?;
    let payload = view.skip(8).ok_or(Malformed::UdpTruncated)?;
    if let Some([_, _, _, _, a, b]) = view.first::<6>() {
        // 0 covers everything (RFC 3828, 3.1).
        let coverage = usize::from(u16::from_be_bytes([*a, *b]));
        if (1..8).contains(&coverage) || coverage > view.wire_len() {
            return Err(Malformed::UdpBadLength);
        }
    }
    Ok(Segment::with_ports(*ports, payload))
}

fn sctp(view: View<'_>) -> Result<Segment<'_>, Malformed> {
    let ports = view.first::<4>().ok_or(Malformed::SctpTruncated)?;
    let payload = view.skip(12).ok_or(Malformed::SctpTruncated)?;
    Ok(Segment::with_ports(*ports, payload))
}

/// A message of at least `min_len` bytes on the wire; its payload starts behind the 8 bytes that all but the
/// shortest messages have (RFC 792; RFC 4443, 4).
fn icmp(view: View<'_>, min_len: usize) -> Result<Segment<'_>, Malformed> {
    let [kind, code] = *view.first::<2>().ok_or(Malformed::IcmpTruncated)?;
    if view.wire_len() < min_len {
        return Err(Malformed::IcmpTruncated);
    }
    let payload = view.skip(view.wire_len().min(8)).ok_or(Malformed::IcmpTruncated)?;
    Ok(Segment { icmp: IcmpFields { kind, code }, ..Segment::none(payload) })
}

fn verify(packet: &Packet<'_>, segment: &Segment<'_>, pseudo: Pseudo) -> Result<(), Malformed> {
    let bytes = packet.payload.bytes();
    let (is_intact, otherwise) = match (packet.protocol, packet.kind) {
        (protocol::TCP, _) => (checksum::tcp_is_intact(bytes, pseudo), Malformed::TcpBadChecksum),
        (protocol::UDP, kind) => {
            let end = segment.payload.offset() + segment.payload.bytes().len() - packet.payload.offset();
            let datagram = bytes.get(..end).unwrap_or(bytes);
            let zero = zero_checksum(kind, segment);
            (checksum::udp_is_intact(datagram, pseudo, zero), Malformed::UdpBadChecksum)
        }
        (protocol::UDP_LITE, _) => (checksum::udp_lite_is_intact(bytes, pseudo), Malformed::UdpBadChecksum),
        (protocol::SCTP, _) => (checksum::sctp_is_intact(bytes), Malformed::SctpBadChecksum),
        (protocol::ICMP, KeyKind::Ipv4) => (checksum::is_intact(bytes), Malformed::IcmpBadChecksum),
        (protocol::ICMPV6, KeyKind::Ipv6) => {
            (checksum::icmpv6_is_intact(bytes, pseudo), Malformed::IcmpBadChecksum)
        }
        _ => return Ok(()),
    };
    if is_intact { Ok(()) } else { Err(otherwise) }
}

/// Over IPv6, a tunnel may leave the checksum out (RFC 6935, 5).
fn zero_checksum(kind: KeyKind, segment: &Segment<'_>) -> ZeroChecksum {
    let ports = [segment.source_port, segment.destination_port];
    if kind == KeyKind::Ipv4 || ports.iter().any(|port| tunnel_port::ALL.contains(port)) {
        ZeroChecksum::Allowed
    } else {
        ZeroChecksum::Wrong
    }
}
