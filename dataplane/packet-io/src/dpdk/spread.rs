//! Which worker a packet goes to where the device does not say: a hash of the outer addresses, protocol and ports, the
//! same in both directions of a flow.

/// What decides which worker gets a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spread {
    /// Addresses, protocol and ports; fragments by addresses and protocol, so those of a datagram meet, though on a
    /// worker that may not be the flow's.
    #[default]
    Flows,
    /// Addresses alone: fragments and all flows between two hosts meet on one worker.
    Hosts,
}

/// The worker, 0 to `workers - 1`, that gets this frame; what is not IP goes to worker 0.
pub(super) fn worker(frame: &[u8], spread: Spread, workers: u32) -> u32 {
    let Some(hash) = Endpoints::read(frame, spread).map(Endpoints::hash) else { return 0 };
    // The high half of the product is `hash / 2^32` of the workers: no division.
    u32::try_from((u64::from(hash) * u64::from(workers)) >> 32).unwrap_or_default()
}

/// What the hash is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Endpoints {
    a: (u128, u16),
    b: (u128, u16),
    protocol: u8,
}

impl Endpoints {
    fn read(frame: &[u8], spread: Spread) -> Option<Self> {
        let (version, packet) = network_layer(frame)?;
        match version {
            Version::V4 => Self::of_ipv4(packet, spread),
            Version::V6 => Self::of_ipv6(packet, spread),
        }
    }

    /// RFC 791 3.1.
    fn of_ipv4(packet: &[u8], spread: Spread) -> Option<Self> {
        let length = usize::from(packet.first()? & 0x0f) * 4;
        let more_and_offset = be16(packet, 6)? & 0x3fff;
        let protocol = *packet.get(9)?;
        let (source, destination) = (be32(packet, 12)?, be32(packet, 16)?);
        let is_fragment = more_and_offset != 0;
        let payload = if is_fragment || length < 20 { None } else { packet.get(length..) };
        Some(Self::new(u128::from(source), u128::from(destination), protocol, payload, spread))
    }

    /// RFC 8200 3 and 4; extension headers are walked as far as [`EXTENSIONS_MAX`].
    fn of_ipv6(packet: &[u8], spread: Spread) -> Option<Self> {
        let source = u128::from_be_bytes(*packet.get(8..)?.first_chunk()?);
        let destination = u128::from_be_bytes(*packet.get(24..)?.first_chunk()?);
        let mut protocol = *packet.get(6)?;
        let mut payload = packet.get(40..);
        for _ in 0..EXTENSIONS_MAX {
            let Some([next, length, ..]) = payload.and_then(|bytes| bytes.first_chunk::<8>()) else { break };
            let skip = match protocol {
                HOP_BY_HOP | ROUTING | DESTINATION => (usize::from(*length) + 1) * 8,
                AUTHENTICATION => (usize::from(*length) + 2) * 4,
                FRAGMENT => {
                    protocol = *next;
                    payload = None;
                    break;
                }
                _ => break,
            };
            protocol = *next;
            payload = payload.and_then(|bytes| bytes.get(skip..));
        }
        Some(Self::new(source, destination, protocol, payload, spread))
    }

    fn new(source: u128, destination: u128, protocol: u8, payload: Option<&[u8]>, spread: Spread) -> Self {
        match spread {
            Spread::Hosts => Self { a: (source, 0), b: (destination, 0), protocol: 0 },
            Spread::Flows => {
                let ports = match protocol {
                    TCP | UDP | SCTP | UDP_LITE => {
                        payload.and_then(|bytes| be32(bytes, 0)).unwrap_or_default()
                    }
                    _ => 0,
                };
                let [p0, p1, p2, p3] = ports.to_be_bytes();
                let (from, to) = (u16::from_be_bytes([p0, p1]), u16::from_be_bytes([p2, p3]));
                Self { a: (source, from), b: (destination, to), protocol }
            }
        }
    }

    /// The smaller endpoint first, so that both directions give the same.
    fn hash(self) -> u32 {
        let (low, high) = if self.a <= self.b { (self.a, self.b) } else { (self.b, self.a) };
        let mut state = u64::from(self.protocol) << 32 | u64::from(low.1) << 16 | u64::from(high.1);
        for address in [low.0, high.0] {
            state = mix(state, (address >> 64) as u64);
            #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
            let half = address as u64;
            state = mix(state, half);
        }
        u32::try_from(mix(state, 0) >> 32).unwrap_or_default()
    }
}

/// Multiplies and folds the two halves of the product: every input bit reaches every output bit (the step of wyhash).
fn mix(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word ^ 0x9e37_79b9_7f4a_7c15) * u128::from(0xd6e8_feb8_6659_fd93_u64);
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    let low = product as u64;
    low ^ (product >> 64) as u64
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V4,
    V6,
}

/// The IP packet inside an Ethernet frame, through VLAN tags (IEEE 802.1Q 9.3), MPLS labels (RFC 3032) and PPPoE
/// (RFC 2516 4).
fn network_layer(frame: &[u8]) -> Option<(Version, &[u8])> {
    let mut ethertype = be16(frame, 12)?;
    let mut rest = frame.get(14..)?;
    for _ in 0..TAGS_MAX {
        match ethertype {
            0x0800 => return Some((Version::V4, rest)),
            0x86dd => return Some((Version::V6, rest)),
            0x8100 | 0x88a8 | 0x9100 => {
                ethertype = be16(rest, 2)?;
                rest = rest.get(4..)?;
            }
            0x8847 | 0x8848 => {
                let label = be32(rest, 0)?;
                rest = rest.get(4..)?;
                if label & 0x100 != 0 {
                    // Below the last label there is no type, but the version nibble.
                    ethertype = match rest.first()? >> 4 {
                        4 => 0x0800,
                        6 => 0x86dd,
                        _ => return None,
                    };
                }
            }
            0x8864 => {
                ethertype = match be16(rest, 6)? {
                    0x0021 => 0x0800,
                    0x0057 => 0x86dd,
                    _ => return None,
                };
                rest = rest.get(8..)?;
            }
            _ => return None,
        }
    }
    None
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_be_bytes(*chunk))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_be_bytes(*chunk))
}

/// Tags, labels and the EtherType itself that are looked through.
const TAGS_MAX: usize = 8;
const EXTENSIONS_MAX: usize = 8;

// Protocol numbers of IANA.
const HOP_BY_HOP: u8 = 0;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;

#[cfg(test)]
#[path = "spread_tests.rs"]
mod tests;
