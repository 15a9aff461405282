//! Outer headers: IPv4 or IPv6, and UDP where ESP crosses address translators (RFC 3948).

use core::net::IpAddr;

use wire::checksum::{self, Pseudo, Sum, ZeroChecksum};

use crate::ecn::{DscpMode, EcnMode};
use crate::inner::{
    DESTINATION, ESP, HOP_BY_HOP, IPV4_DONT_FRAGMENT, IPV4_HEADER, IPV4_MORE, IPV4_OFFSET, IPV6_HEADER, UDP,
    Version,
};
use crate::selector::numbered;

/// Port of UDP-encapsulated ESP and of IKE beside it (RFC 3948).
pub const NAT_PORT: u16 = 4500;

/// Where a peer is, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its address, or the one its translator gives it.
    pub address: IpAddr,
    /// Its UDP port; 0 where ESP is carried by IP itself.
    pub port: u16,
}

/// What carries ESP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// IP protocol 50.
    Ip,
    /// UDP from this port (4500 but for tests), to the port of the peer's endpoint.
    Udp(u16),
}

/// The way packets of an SA go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// Our address.
    pub local: IpAddr,
    /// The peer, of the same IP version.
    pub remote: Endpoint,
    /// What carries ESP.
    pub carrier: Carrier,
    /// Bytes of the largest outer packet that passes.
    pub mtu: u16,
    /// Hop limit of outer packets.
    pub hop_limit: u8,
    /// DSCP of outer packets.
    pub dscp: DscpMode,
    /// ECN of outer packets.
    pub ecn: EcnMode,
}

/// ESP header and IV of AES-GCM (RFC 4303, 2; RFC 4106, 3.1).
pub(crate) const ESP_HEADER: usize = 16;
const UDP_HEADER: usize = 8;
const OUTER_MAX: usize = IPV6_HEADER + UDP_HEADER + ESP_HEADER;

/// An outer header made once, in which only lengths, class, checksum and number change.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    bytes: [u8; OUTER_MAX],
    len: usize,
    version: Version,
    carrier: Carrier,
    /// IPv4: the header's words but for class, length and checksum. IPv6 with UDP: pseudo-header and ports.
    sum: Sum,
}

/// The addresses of a path do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a path has both ends in IPv4 or both in IPv6")]
pub(crate) struct MixedVersions;

impl Template {
    pub(crate) fn new(path: &Path, spi: u32) -> Result<Self, MixedVersions> {
        let protocol = if path.carrier == Carrier::Ip { ESP } else { UDP };
        let mut bytes = [0; OUTER_MAX];
        let mut at = 0;
        let mut put = |piece: &[u8]| {
            if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..piece.len())) {
                place.copy_from_slice(piece);
                at += piece.len();
            }
        };
        let (version, mut sum) = match (path.local, path.remote.address) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => {
                // DF, so that the identification may stay 0 (RFC 6864, 4.1).
                let [f0, f1] = IPV4_DONT_FRAGMENT.to_be_bytes();
                put(&[0x45, 0, 0, 0, 0, 0, f0, f1, path.hop_limit, protocol, 0, 0]);
                put(&local.octets());
                put(&remote.octets());
                let fixed = Sum::new()
                    .word(IPV4_DONT_FRAGMENT)
                    .word(u16::from_be_bytes([path.hop_limit, protocol]))
                    .bytes(&local.octets())
                    .bytes(&remote.octets());
                (Version::V4, fixed)
            }
            (IpAddr::V6(local), IpAddr::V6(remote)) => {
                // A flow label of its own for each SA, so that links of equal cost share the load (RFC 6438).
                let [_, l0, l1, l2] = (spi.wrapping_mul(0x9e37_79b1) >> 12).to_be_bytes();
                put(&[0x60, l0, l1, l2, 0, 0, protocol, path.hop_limit]);
                put(&local.octets());
                put(&remote.octets());
                let pseudo = Sum::new().bytes(&local.octets()).bytes(&remote.octets()).word(u16::from(UDP));
                (Version::V6, pseudo)
            }
            _ => return Err(MixedVersions),
        };
        if let Carrier::Udp(port) = path.carrier {
            put(&port.to_be_bytes());
            put(&path.remote.port.to_be_bytes());
            put(&[0; 4]);
            if version == Version::V6 {
                sum = sum.word(port).word(path.remote.port);
            }
        }
        put(&spi.to_be_bytes());
        put(&[0; 12]);
        Ok(Self { bytes, len: at, version, carrier: path.carrier, sum })
    }

    /// Bytes of the headers, ESP's own and the IV included.
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Writes the headers of a packet with this number to the start of it; the IV is the number.
    #[inline]
    pub(crate) fn write(&self, packet: &mut [u8], class: u8, number: u64) {
        let Some((header, _)) = packet.split_at_mut_checked(self.len) else { return };
        if let Some(made) = self.bytes.get(..self.len) {
            header.copy_from_slice(made);
        }
        #[expect(clippy::cast_possible_truncation, reason = "the low half is sent")]
        let low = number as u32;
        if let Some((_, [numbers @ .., i0, i1, i2, i3, i4, i5, i6, i7])) = header.split_last_chunk_mut::<12>()
        {
            *numbers = low.to_be_bytes();
            [*i0, *i1, *i2, *i3, *i4, *i5, *i6, *i7] = number.to_be_bytes();
        }
        match self.version {
            Version::V4 => self.finish_v4(packet, class),
            Version::V6 => self.finish_v6(packet, class),
        }
    }

    #[inline]
    fn finish_v4(&self, packet: &mut [u8], class: u8) {
        let total = length16(packet.len());
        if let Some([first, c, l0, l1, _, _, _, _, _, _, k0, k1, ..]) =
            packet.first_chunk_mut::<IPV4_HEADER>()
        {
            *c = class;
            [*l0, *l1] = total.to_be_bytes();
            let sum = self.sum.word(u16::from_be_bytes([*first, class])).word(total).checksum();
            [*k0, *k1] = sum.to_be_bytes();
        }
        // The checksum stays 0 over IPv4 (RFC 3948, 2.1).
        if let (Carrier::Udp(_), Some(udp)) = (self.carrier, packet.get_mut(IPV4_HEADER..)) {
            set_udp_length(udp);
        }
    }

    #[inline]
    fn finish_v6(&self, packet: &mut [u8], class: u8) {
        let payload = length16(packet.len().saturating_sub(IPV6_HEADER));
        if let Some([c0, c1, _, _, l0, l1, ..]) = packet.first_chunk_mut::<IPV6_HEADER>() {
            *c0 = 0x60 | class >> 4;
            *c1 = *c1 & 15 | class << 4;
            [*l0, *l1] = payload.to_be_bytes();
        }
        if let (Carrier::Udp(_), Some(udp)) = (self.carrier, packet.get_mut(IPV6_HEADER..)) {
            set_udp_length(udp);
        }
    }

    /// The last touch, when the packet is sealed: UDP over IPv6 has a checksum (RFC 8200, 8.1).
    #[inline]
    pub(crate) fn finish(&self, packet: &mut [u8]) {
        if self.version == Version::V4 || self.carrier == Carrier::Ip {
            return;
        }
        let Some(udp) = packet.get_mut(IPV6_HEADER..) else { return };
        let length = length16(udp.len());
        // The length counts twice: in the pseudo-header and in the header. Ports are in the sum already.
        let Some((_, payload)) = udp.split_first_chunk::<UDP_HEADER>() else { return };
        let sum = match self.sum.word(length).word(length).bytes(payload).checksum() {
            0 => u16::MAX,
            sum => sum,
        };
        if let Some([_, _, _, _, _, _, k0, k1, ..]) = udp.first_chunk_mut::<UDP_HEADER>() {
            [*k0, *k1] = sum.to_be_bytes();
        }
    }
}

#[inline]
fn set_udp_length(udp: &mut [u8]) {
    let length = length16(udp.len());
    if let Some([_, _, _, _, l0, l1, ..]) = udp.first_chunk_mut::<UDP_HEADER>() {
        [*l0, *l1] = length.to_be_bytes();
    }
}

/// Lengths are below 2^16 since no path has a larger MTU.
#[inline]
fn length16(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

/// What arrived, by its outer headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// ESP.
    Esp(Outer),
    /// A byte of 0xff that keeps a translator's entry alive (RFC 3948, 2.3).
    KeepAlive,
    /// UDP with the non-ESP marker: IKE (RFC 3948, 2.2).
    NonEsp,
    /// Nothing for a tunnel.
    Other,
    /// A fragment: ESP is decrypted whole (RFC 4303, 3.4.1).
    Fragment,
    /// Lengths that do not agree.
    Malformed,
}

/// Outer headers of an ESP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outer {
    pub(crate) version: Version,
    pub(crate) class: u8,
    /// Where the ESP header starts.
    pub(crate) esp: usize,
    /// Where the packet ends by its own length.
    pub(crate) end: usize,
    /// Address of the sender, a number as in [`numbered`], and its port.
    pub(crate) source: (u128, u16),
}

/// Reads outer headers. UDP is taken for a tunnel's where it goes to `port`.
#[inline]
pub(crate) fn arrived(bytes: &[u8], port: u16) -> Arrived {
    let read = match bytes.first().map_or(0, |first| first >> 4) {
        4 => read_v4(bytes),
        6 => read_v6(bytes),
        _ => Err(Arrived::Malformed),
    };
    match read {
        Ok((outer, ESP)) => Arrived::Esp(outer),
        Ok((outer, UDP)) => read_udp(bytes, outer, port),
        Ok(_) => Arrived::Other,
        Err(arrived) => arrived,
    }
}

#[inline]
fn read_v4(bytes: &[u8]) -> Result<(Outer, u8), Arrived> {
    let header = bytes.first_chunk::<IPV4_HEADER>().ok_or(Arrived::Malformed)?;
    let [first, class, l0, l1, _, _, f0, f1, _, protocol, _, _, s0, s1, s2, s3, ..] = *header;
    let esp = usize::from(first & 15) * 4;
    let end = usize::from(u16::from_be_bytes([l0, l1]));
    if esp < IPV4_HEADER || end < esp || end > bytes.len() {
        return Err(Arrived::Malformed);
    }
    if u16::from_be_bytes([f0, f1]) & (IPV4_MORE | IPV4_OFFSET) != 0 {
        return Err(if protocol == ESP || protocol == UDP { Arrived::Fragment } else { Arrived::Other });
    }
    let source = (u128::from(u32::from_be_bytes([s0, s1, s2, s3])), 0);
    Ok((Outer { version: Version::V4, class, esp, end, source }, protocol))
}

#[inline]
fn read_v6(bytes: &[u8]) -> Result<(Outer, u8), Arrived> {
    let header = bytes.first_chunk::<IPV6_HEADER>().ok_or(Arrived::Malformed)?;
    let [c0, c1, _, _, l0, l1, mut next, _, addresses @ ..] = *header;
    let end = IPV6_HEADER + usize::from(u16::from_be_bytes([l0, l1]));
    let packet = bytes.get(..end).ok_or(Arrived::Malformed)?;
    let source = addresses.first_chunk().map_or(0, |source| u128::from_be_bytes(*source));
    let mut esp = IPV6_HEADER;
    // Two options headers are all that a packet for a gateway has a reason to carry.
    for _ in 0..2 {
        if !matches!(next, HOP_BY_HOP | DESTINATION) {
            break;
        }
        let [following, len] =
            *packet.get(esp..).and_then(|rest| rest.first_chunk()).ok_or(Arrived::Malformed)?;
        esp += 8 + usize::from(len) * 8;
        next = following;
    }
    if next == crate::inner::FRAGMENT {
        return Err(Arrived::Fragment);
    }
    Ok((Outer { version: Version::V6, class: c0 << 4 | c1 >> 4, esp, end, source: (source, 0) }, next))
}

#[inline]
fn read_udp(bytes: &[u8], outer: Outer, port: u16) -> Arrived {
    let Some(udp) = bytes.get(outer.esp..outer.end) else { return Arrived::Malformed };
    let Some((header, payload)) = udp.split_first_chunk::<UDP_HEADER>() else { return Arrived::Malformed };
    let [s0, s1, d0, d1, l0, l1, ..] = *header;
    if u16::from_be_bytes([d0, d1]) != port {
        return Arrived::Other;
    }
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    if len < UDP_HEADER || len > udp.len() {
        return Arrived::Malformed;
    }
    match payload.get(..len - UDP_HEADER) {
        Some([0xff]) => Arrived::KeepAlive,
        Some([0, 0, 0, 0, ..]) => Arrived::NonEsp,
        _ => Arrived::Esp(Outer {
            esp: outer.esp + UDP_HEADER,
            end: outer.esp + len,
            source: (outer.source.0, u16::from_be_bytes([s0, s1])),
            ..outer
        }),
    }
}

/// Whether the headers that say where a packet came from are unchanged, as far as they have a checksum: that of IPv4's
/// header, that of UDP over IPv6. To be asked before the packet is opened, since UDP's covers what opening changes.
pub(crate) fn is_source_intact(bytes: &[u8], outer: &Outer) -> bool {
    match (outer.version, outer.source) {
        (Version::V4, _) => {
            let len = bytes.first().map_or(0, |first| usize::from(first & 15) * 4);
            bytes.get(..len).is_some_and(checksum::is_intact)
        }
        // Without UDP nothing covers the addresses.
        (Version::V6, (_, 0)) => true,
        (Version::V6, (source, _)) => {
            let destination = bytes.get(24..).and_then(|rest| rest.first_chunk::<16>());
            let datagram = bytes.get(outer.esp - UDP_HEADER..outer.end);
            destination.zip(datagram).is_some_and(|(destination, datagram)| {
                let pseudo = Pseudo::Ipv6(source.to_be_bytes(), *destination);
                checksum::udp_is_intact(datagram, pseudo, ZeroChecksum::Allowed)
            })
        }
    }
}

impl Endpoint {
    pub(crate) fn is(&self, version: Version, source: (u128, u16)) -> bool {
        numbered(self.address) == (version, source.0) && self.port == source.1
    }

    pub(crate) fn seen(version: Version, source: (u128, u16)) -> Self {
        let address = match version {
            Version::V4 => {
                #[expect(clippy::cast_possible_truncation, reason = "an IPv4 address is in the low 32 bits")]
                let bits = source.0 as u32;
                IpAddr::V4(bits.into())
            }
            Version::V6 => IpAddr::V6(source.0.into()),
        };
        Self { address, port: source.1 }
    }
}
