//! TCP, UDP, UDP-Lite, SCTP, ICMP and ICMPv6; everything else is payload without ports.

use super::ip::Packet;
use super::view::View;
use crate::checksum::{self, ZeroChecksum};
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
    #[inline(always)]
    pub(super) fn none(payload: View<'a>) -> Self {
        Self {
            source_port: 0,
            destination_port: 0,
            tcp: TcpFields::default(),
            icmp: IcmpFields::default(),
            payload,
        }
    }

    /// Reads the header at the start of `payload` and takes it off. In place: a value of this size is slow to hand
    /// around.
    #[inline(always)]
    pub(super) fn read(&mut self, packet: &Packet<'_>, checksums: Checksums) -> Result<(), Malformed> {
        match packet.protocol {
            protocol::TCP => self.tcp()?,
            protocol::UDP => self.udp()?,
            protocol::UDP_LITE => self.udp_lite()?,
            protocol::SCTP => self.sctp()?,
            protocol::ICMP => self.icmp(8)?,
            protocol::ICMPV6 => self.icmp(4)?,
            _ => {}
        }
        if checksums == Checksums::Enforce && !packet.payload.is_cut() && !packet.is_routed {
            verify(packet, self)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn read_ports(&mut self, otherwise: Malformed) -> Result<(), Malformed> {
        let [a, b, c, d] = *self.payload.first::<4>().ok_or(otherwise)?;
        self.source_port = u16::from_be_bytes([a, b]);
        self.destination_port = u16::from_be_bytes([c, d]);
        Ok(())
    }

    fn tcp(&mut self) -> Result<(), Malformed> {
        self.read_ports(Malformed::TcpTruncated)?;
        let segment = self.payload;
        self.payload = segment.skip(20).ok_or(Malformed::TcpTruncated)?;
        let Some(header) = segment.first::<20>() else { return Ok(()) };
        let [_, _, _, _, s0, s1, s2, s3, a0, a1, a2, a3, offset, flags, w0, w1, ..] = *header;
        let options_len = (usize::from(offset >> 4) * 4).checked_sub(20).ok_or(Malformed::TcpBadOffset)?;
        self.payload = self.payload.skip(options_len).ok_or(Malformed::TcpBadOffset)?;
        self.tcp = TcpFields {
            seq: u32::from_be_bytes([s0, s1, s2, s3]),
            ack: u32::from_be_bytes([a0, a1, a2, a3]),
            window: u16::from_be_bytes([w0, w1]),
            flags: TcpFlags(flags),
        };
        Ok(())
    }

    fn udp(&mut self) -> Result<(), Malformed> {
        self.read_ports(Malformed::UdpTruncated)?;
        let datagram = self.payload;
        self.payload = datagram.skip(8).ok_or(Malformed::UdpTruncated)?;
        if let Some([_, _, _, _, a, b]) = datagram.first::<6>() {
            // 0 is a jumbogram (RFC 2675, 4) or segmentation offload.
            let len = usize::from(u16::from_be_bytes([*a, *b]));
            if len > datagram.wire_len() || (1..8).contains(&len) {
                return Err(Malformed::UdpBadLength);
            }
            if len > 0 {
                self.payload = self.payload.limit(len - 8);
            }
        }
        Ok(())
    }

    fn udp_lite(&mut self) -> Result<(), Malformed> {
        self.read_ports(Malformed::UdpTruncated)?;
        let datagram = self.payload;
        self.payload = datagram.skip(8).ok_or(Malformed::UdpTruncated)?;
        if let Some([_, _, _, _, a, b]) = datagram.first::<6>() {
            // 0 covers everything (RFC 3828, 3.1).
            let coverage = usize::from(u16::from_be_bytes([*a, *b]));
            if (1..8).contains(&coverage) || coverage > datagram.wire_len() {
                return Err(Malformed::UdpBadLength);
            }
        }
        Ok(())
    }

    fn sctp(&mut self) -> Result<(), Malformed> {
        self.read_ports(Malformed::SctpTruncated)?;
        self.payload = self.payload.skip(12).ok_or(Malformed::SctpTruncated)?;
        Ok(())
    }

    /// A message of at least `min_len` bytes on the wire; its payload starts behind the 8 bytes that all but the
    /// shortest messages have (RFC 792; RFC 4443, 4).
    fn icmp(&mut self, min_len: usize) -> Result<(), Malformed> {
        let message = self.payload;
        let [kind, code] = *message.first::<2>().ok_or(Malformed::IcmpTruncated)?;
        if message.wire_len() < min_len {
            return Err(Malformed::IcmpTruncated);
        }
        self.icmp = IcmpFields { kind, code };
        self.payload = message.skip(message.wire_len().min(8)).ok_or(Malformed::IcmpTruncated)?;
        Ok(())
    }
}

fn verify(packet: &Packet<'_>, segment: &Segment<'_>) -> Result<(), Malformed> {
    let pseudo = packet.pseudo();
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
