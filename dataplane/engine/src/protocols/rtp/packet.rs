//! Headers of RTP (RFC 3550 5.1) and RTCP (RFC 3550 6).

/// An RTP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rtp {
    pub(super) payload_type: u8,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) source: u32,
    /// Bytes behind the header.
    pub(super) payload_len: usize,
}

impl Rtp {
    /// Reads the header of a packet of `wire_len` bytes, of which `bytes` are the first. None where it is of another
    /// version, longer than the packet, or of a payload type that nobody may use.
    pub(super) fn parse(bytes: &[u8], wire_len: usize) -> Option<Self> {
        let ([first, second, s1, s2, timestamp @ .., a, b, c, d], rest) = bytes.split_first_chunk::<12>()?;
        let payload_type = second & 0x7f;
        if first >> 6 != 2 || !is_payload_type(payload_type) {
            return None;
        }
        let sources = usize::from(first & 0x0f) * 4;
        let mut header_len = 12 + sources;
        if first & 0x10 != 0 {
            // What of the extension's header was not kept is believed.
            let len = rest.get(sources + 2..sources + 4).and_then(<[u8]>::first_chunk::<2>);
            header_len += 4 + len.map_or(0, |len| usize::from(u16::from_be_bytes(*len)) * 4);
        }
        let is_padded = first & 0x20 != 0;
        let payload_len = wire_len.checked_sub(header_len)?;
        if is_padded && payload_len == 0 {
            return None;
        }
        Some(Self {
            payload_type,
            sequence: u16::from_be_bytes([*s1, *s2]),
            timestamp: u32::from_be_bytes(*timestamp),
            source: u32::from_be_bytes([*a, *b, *c, *d]),
            payload_len,
        })
    }

    /// Whether this packet can come a little after another of the same source.
    pub(super) const fn follows(&self, earlier: &Self) -> bool {
        let step = self.sequence.wrapping_sub(earlier.sequence);
        let time = self.timestamp.wrapping_sub(earlier.timestamp).cast_signed();
        self.source == earlier.source
            && self.payload_type == earlier.payload_type
            && step >= 1
            && step <= MOST_LOST
            && time.unsigned_abs() <= MOST_TIME
    }
}

/// Payload types that are assigned (RFC 3551 6, IANA "RTP Payload types") or given out for a session. 64 to 95 with
/// the marker look like RTCP and are not used (RFC 5761 4).
const fn is_payload_type(number: u8) -> bool {
    matches!(number, 0..=18 | 25..=28 | 31..=34 | 96..=127)
}

/// Encoding of a payload type that means the same in every session.
pub(super) const fn encoding(payload_type: u8) -> Option<&'static str> {
    Some(match payload_type {
        0 => "PCMU",
        3 => "GSM",
        4 => "G723",
        5 | 6 | 16 | 17 => "DVI4",
        7 => "LPC",
        8 => "PCMA",
        9 => "G722",
        10 | 11 => "L16",
        12 => "QCELP",
        13 => "CN",
        14 => "MPA",
        15 => "G728",
        18 => "G729",
        25 => "CelB",
        26 => "JPEG",
        28 => "nv",
        31 => "H261",
        32 => "MPV",
        33 => "MP2T",
        34 => "H263",
        _ => return None,
    })
}

/// A packet of RTCP, one or several in a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rtcp<'a> {
    pub(super) kind: u8,
    /// Who sends it.
    pub(super) source: u32,
    /// All of it behind the source.
    pub(super) body: &'a [u8],
}

/// A datagram of RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Compound<'a> {
    pub(super) first: Rtcp<'a>,
    /// Packets that follow one another, from the start on.
    pub(super) count: usize,
    /// They fill the datagram: it is not protected.
    pub(super) is_filled: bool,
    bytes: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Reads a datagram of `wire_len` bytes, of which `bytes` are the first.
    pub(super) fn parse(bytes: &'a [u8], wire_len: usize) -> Option<Self> {
        let (first, mut len) = packet(bytes, wire_len)?;
        let mut count = 1;
        while len < wire_len {
            let Some((_, more)) = bytes.get(len..).and_then(|rest| packet(rest, wire_len - len)) else {
                break;
            };
            len += more;
            count += 1;
        }
        Some(Self { first, count, is_filled: len == wire_len, bytes })
    }

    /// Its packets.
    pub(super) fn packets(&self) -> impl Iterator<Item = Rtcp<'a>> + use<'a> {
        let mut rest = self.bytes;
        core::iter::from_fn(move || {
            let (packet, len) = packet(rest, rest.len())?;
            rest = rest.get(len..).unwrap_or_default();
            Some(packet)
        })
    }

    /// Whether the first is a report, as it has to be unless both sides agreed on less (RFC 3550 6.1, RFC 5506).
    pub(super) const fn starts_with_report(&self) -> bool {
        matches!(self.first.kind, SENDER_REPORT | RECEIVER_REPORT)
    }

    /// CNAME of a source description (RFC 3550 6.5).
    pub(super) fn canonical_name(&self) -> Option<&'a [u8]> {
        let description = self.packets().find(|packet| packet.kind == SOURCE_DESCRIPTION)?;
        let ([1, len], rest) = description.body.split_first_chunk::<2>()? else { return None };
        rest.get(..usize::from(*len)).filter(|name| self.is_filled && !name.is_empty())
    }
}

/// The packet at the start of `bytes`, and its length; only its beginning has to be there.
fn packet(bytes: &[u8], wire_len: usize) -> Option<(Rtcp<'_>, usize)> {
    let ([first, kind, l1, l2, a, b, c, d], rest) = bytes.split_first_chunk::<8>()?;
    let words = usize::from(u16::from_be_bytes([*l1, *l2]));
    let blocks = usize::from(first & 0x1f);
    let least = match *kind {
        SENDER_REPORT => 6 + 6 * blocks,
        RECEIVER_REPORT => 1 + 6 * blocks,
        SOURCE_DESCRIPTION | BYE => blocks.max(1),
        APPLICATION | FEEDBACK_TRANSPORT | FEEDBACK_PAYLOAD => 2,
        // RFC 2032, RFC 3611, RFC 5760, RFC 6284, IEEE 1733
        192 | 193 | 195 | 207..=210 => 1,
        _ => return None,
    };
    let len = 4 + 4 * words;
    if first >> 6 != 2 || words < least || len > wire_len {
        return None;
    }
    let body = rest.get(..len - 8).unwrap_or(rest);
    Some((Rtcp { kind: *kind, source: u32::from_be_bytes([*a, *b, *c, *d]), body }, len))
}

/// Name of a packet type (IANA "RTCP Control Packet types").
pub(super) const fn rtcp_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        192 => "FIR",
        193 => "NACK",
        195 => "IJ",
        SENDER_REPORT => "SR",
        RECEIVER_REPORT => "RR",
        SOURCE_DESCRIPTION => "SDES",
        BYE => "BYE",
        APPLICATION => "APP",
        FEEDBACK_TRANSPORT => "RTPFB",
        FEEDBACK_PAYLOAD => "PSFB",
        207 => "XR",
        208 => "AVB",
        209 => "RSI",
        210 => "TOKEN",
        _ => return None,
    })
}

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const APPLICATION: u8 = 204;
const FEEDBACK_TRANSPORT: u8 = 205;
const FEEDBACK_PAYLOAD: u8 = 206;

/// Packets that may be missing between two.
const MOST_LOST: u16 = 64;
/// Ticks between two packets: five minutes at 90 kHz, back or forth (video is not sent in order of time).
const MOST_TIME: u32 = 27_000_000;
