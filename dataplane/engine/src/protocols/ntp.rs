//! The Network Time Protocol, versions 1 to 4 (RFC 5905, RFC 1305; control messages of RFC 9327).

use core::net::Ipv4Addr;

use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Datum, Direction};

/// NTP.
pub static NTP: Protocol = Protocol {
    name: "ntp",
    title: "NTP",
    family: Family::Network,
    carriers: &[Carrier::Udp],
    ports: &[PORT],
    exposure: Exposure::Cleartext,
    opening: Opening::any(8).on_ports(),
    probe: Some(probe),
    parser: Some(framed::parser::<Ntp>),
    events: &["ntp", "anomaly"],
    source: "RFC 5905, RFC 1305, RFC 9327",
};

const PORT: u16 = 123;
/// Bytes of a packet without extensions (RFC 5905, 7.3).
const HEADER: usize = 48;

fn probe(probe: &Probe<'_>) -> Found {
    if !probe.has_port(PORT) {
        return Found::No;
    }
    match Packet::read(probe.payload) {
        Some(Packet::Time(time)) if time.is_plausible() => Found::Likely(97),
        Some(Packet::Control { .. } | Packet::Private { .. }) => Found::Likely(95),
        _ => Found::No,
    }
}

/// A packet, by its mode.
#[derive(Clone, Copy, Debug)]
enum Packet<'a> {
    Time(Time<'a>),
    Control { version: u8, is_response: bool, operation: u8 },
    Private { version: u8, is_response: bool, request: u8 },
}

/// A packet of modes 1 to 5.
#[derive(Clone, Copy, Debug)]
struct Time<'a> {
    leap: u8,
    version: u8,
    mode: u8,
    stratum: u8,
    poll: u8,
    precision: u8,
    root_delay: u32,
    root_dispersion: u32,
    reference: [u8; 4],
    /// Reference, origin, receive, transmit.
    stamps: [u64; 4],
    /// Extensions and authentication.
    rest: &'a [u8],
}

impl<'a> Packet<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let first = *bytes.first()?;
        let (leap, version, mode) = (first >> 6, first >> 3 & 7, first & 7);
        match (version, mode) {
            (1..=4, 1..=5) => Time::read(leap, version, mode, bytes).map(Self::Time),
            (2..=4, 6) => {
                let mut cursor = Cursor::new(bytes);
                cursor.u8()?;
                let flags = cursor.u8()?;
                cursor.take(8)?;
                let count = usize::from(cursor.u16()?);
                let is_whole = count <= 468 && cursor.len() >= count;
                let operation = flags & 0x1f;
                (is_whole && (operation <= 12 || operation == 31)).then_some(Self::Control {
                    version,
                    is_response: flags & 0x80 != 0,
                    operation,
                })
            }
            // What ntpdc speaks: response and more flags, implementation 0, 2 or 3.
            (2..=4, 7) => {
                let &[_, sequence, implementation, request, ..] = bytes.first_chunk::<8>()?;
                let is_response = first & 0x80 != 0;
                (sequence & 0x80 == 0 && matches!(implementation, 0 | 2 | 3) && request <= 45)
                    .then_some(Self::Private { version, is_response, request })
            }
            _ => None,
        }
    }
}

impl<'a> Time<'a> {
    fn read(leap: u8, version: u8, mode: u8, bytes: &'a [u8]) -> Option<Self> {
        let (fixed, rest) = bytes.split_at_checked(HEADER)?;
        let mut cursor = Cursor::new(fixed);
        let [_, stratum, poll, precision] = *cursor.array()?;
        let (root_delay, root_dispersion, reference) = (cursor.u32()?, cursor.u32()?, *cursor.array()?);
        let mut stamp = || cursor.array().map(|bytes| u64::from_be_bytes(*bytes));
        let stamps = [stamp()?, stamp()?, stamp()?, stamp()?];
        Some(Self {
            leap,
            version,
            mode,
            stratum,
            poll,
            precision,
            root_delay,
            root_dispersion,
            reference,
            stamps,
            rest,
        })
    }

    /// Ranges that all clocks keep to (7.3), and a length that extensions and digests may give.
    fn is_plausible(&self) -> bool {
        let [_, origin, receive, transmit] = self.stamps;
        let in_range = self.stratum <= 16
            && self.poll as i8 <= 20
            && (self.precision as i8) <= 32
            && self.rest.len().is_multiple_of(4);
        let has_time = match self.mode {
            3 => true,
            4 => self.stratum == 0 || transmit != 0 || receive != 0 || origin != 0,
            _ => transmit != 0 || self.stratum == 0 || self.stratum == 16,
        };
        in_range && has_time
    }
}

/// NTP on one flow.
#[derive(Debug, Default)]
struct Ntp;

impl Messages for Ntp {
    const NAME: &'static str = "ntp";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let packet = Packet::read(message.bytes).ok_or("malformed_data")?;
        let mut event = report.event("ntp");
        match packet {
            Packet::Control { version, is_response, operation } => {
                event.number("version", version).label("mode", "control");
                event.flag("response", is_response).number("operation", operation);
            }
            Packet::Private { version, is_response, request } => {
                event.number("version", version).label("mode", "private");
                // Request 42 is the list of peers that amplifies (CVE-2013-5211).
                event
                    .flag("response", is_response)
                    .number("request", request)
                    .flag("monlist", matches!(request, 20 | 42));
            }
            Packet::Time(time) => write(&time, message.bytes.len(), &mut event),
        }
        Ok(Next::More)
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        Found::No
    }

    fn clear(&mut self) {}
}

fn write(time: &Time<'_>, len: usize, event: &mut crate::record::EventWriter<'_>) {
    event.number("version", time.version).label("mode", mode(time.mode));
    event.number("leap", time.leap).number("stratum", time.stratum).number("poll", time.poll);
    event.datum("precision", Datum::Signed(i64::from(time.precision as i8)));
    // Fixed point, 16 bits each (6).
    event.datum("root_delay", Datum::Real(f64::from(time.root_delay) / 65_536.0));
    event.datum("root_dispersion", Datum::Real(f64::from(time.root_dispersion) / 65_536.0));
    match time.stratum {
        // An address, or the digest of one of IPv6: the packet does not say which.
        2..=15 => event.datum("reference_ip", Datum::Ip(Ipv4Addr::from(time.reference).into())),
        _ => event.text("reference_id", time.reference.split(|byte| *byte == 0).next().unwrap_or_default()),
    };
    let [.., transmit] = time.stamps;
    if let Some(at) = unix_ns(transmit) {
        event.datum("transmit_time", Datum::Time(at));
    }
    event.flag("authenticated", !time.rest.is_empty());
    event.number("size", len as u64);
}

/// Nanoseconds since 1970 of a timestamp since 1900, or since 2036 where it is that small (RFC 4330, 3).
fn unix_ns(stamp: u64) -> Option<u64> {
    let (seconds, fraction) = (stamp >> 32, stamp & 0xffff_ffff);
    let era = if seconds & 0x8000_0000 == 0 { 1 << 32 } else { 0 };
    let seconds = (seconds + era).checked_sub(2_208_988_800).filter(|_| stamp != 0)?;
    seconds.checked_mul(1_000_000_000)?.checked_add((fraction * 1_000_000_000) >> 32)
}

const fn mode(mode: u8) -> &'static str {
    match mode {
        1 => "symmetric_active",
        2 => "symmetric_passive",
        3 => "client",
        4 => "server",
        _ => "broadcast",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::{Bench, taken_of_random, udp};
    use crate::record::Direction::{ToClient, ToServer};
    use proptest::prelude::*;

    fn answer() -> Vec<u8> {
        let mut packet = vec![0x24, 2, 6, 0xe8, 0, 0, 0, 1, 0, 0, 0, 1, 192, 0, 2, 1];
        packet.extend([0xe5, 0, 0, 0, 0, 0, 0, 0].repeat(4));
        packet
    }

    #[test]
    fn a_server_is_read() {
        assert_eq!(probe(&udp(&answer(), ToClient, 123)), Found::Likely(97));
        assert_eq!(probe(&udp(&answer(), ToClient, 4000)), Found::No);
        assert_eq!(probe(&udp(&answer()[..47], ToClient, 123)), Found::No);
        let mut bench = Bench::new(&NTP);
        bench.datagram(ToClient, &answer());
        assert_eq!(bench.text("ntp", "mode"), "server");
        assert_eq!(bench.value("ntp", "stratum"), Some(Datum::Unsigned(2)));
    }

    #[test]
    fn a_list_of_peers_is_marked() {
        let mut packet = vec![0x17, 0, 3, 42];
        packet.extend([0; 4]);
        let mut bench = Bench::new(&NTP);
        bench.datagram(ToServer, &packet);
        assert_eq!(bench.value("ntp", "monlist"), Some(Datum::Flag(true)));
    }

    #[test]
    fn times_have_their_era() {
        assert_eq!(unix_ns(2_208_988_801 << 32 | 0x8000_0000), Some(1_500_000_000));
        assert_eq!(unix_ns(0), None);
        assert_eq!(unix_ns(1 << 32), Some(2_085_978_497_000_000_000));
    }

    #[test]
    fn random_payloads_are_not_taken() {
        assert_eq!(taken_of_random(&NTP), 0);
    }

    proptest! {
        #[test]
        fn any_packet_is_survived(packet in prop::collection::vec(any::<u8>(), 0..120)) {
            Bench::new(&NTP).datagram(ToServer, &packet);
        }
    }
}
