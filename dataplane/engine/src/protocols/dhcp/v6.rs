//! DHCP messages for IPv6 (RFC 8415).

use core::net::Ipv6Addr;

use super::v4::mac_text;
use crate::protocols::framed::{Cursor, Framing, Message, Messages, Next, Report};
use crate::protocols::{Found, Probe};
use crate::record::{Datum, Direction, EventWriter};

/// Options that are read of one message, on all levels.
const OPTIONS_MAX: usize = 128;
/// Relays around a message that are opened (RFC 8415, 7.6: HOP_COUNT_LIMIT is 8).
const RELAYS_MAX: u8 = 8;

pub(super) fn probe(probe: &Probe<'_>) -> Found {
    let Some(header) = Header::read(probe.payload) else { return Found::No };
    let on_port = probe.has_port(546) || probe.has_port(547);
    let (mut has_id, mut known) = (false, 0_u32);
    for option in Options(header.options) {
        let Some((code, data)) = option else { return Found::No };
        if !(1..=149).contains(&code) {
            return Found::No;
        }
        has_id |= (code == 1 || code == 2) && is_duid(data) || code == 9 && header.kind.is_relay();
        known += 1;
    }
    match (on_port, has_id) {
        (true, true) => Found::Yes,
        (true, false) if known > 0 => Found::Likely(90),
        (false, true) if known > 1 => Found::Likely(92),
        _ => Found::No,
    }
}

/// What begins a DHCP unique identifier (RFC 8415, 11; RFC 6355).
fn is_duid(data: &[u8]) -> bool {
    match data.first_chunk() {
        Some([0, 1]) => (10..=130).contains(&data.len()),
        Some([0, 2 | 3]) => (5..=130).contains(&data.len()),
        Some([0, 4]) => data.len() == 18,
        _ => false,
    }
}

/// Type of a message (RFC 8415, 7.3, and the IANA registry).
#[derive(Clone, Copy, Debug)]
struct Kind(u8);

impl Kind {
    const fn is_relay(self) -> bool {
        matches!(self.0, 12 | 13)
    }

    const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            1 => "solicit",
            2 => "advertise",
            3 => "request",
            4 => "confirm",
            5 => "renew",
            6 => "rebind",
            7 => "reply",
            8 => "release",
            9 => "decline",
            10 => "reconfigure",
            11 => "information_request",
            12 => "relay_forward",
            13 => "relay_reply",
            14 => "leasequery",
            15 => "leasequery_reply",
            16 => "leasequery_done",
            17 => "leasequery_data",
            18 => "reconfigure_request",
            19 => "reconfigure_reply",
            20 => "dhcpv4_query",
            21 => "dhcpv4_response",
            36 => "addr_reg_inform",
            _ => return None,
        })
    }
}

/// What is before the options.
#[derive(Clone, Copy, Debug)]
struct Header<'a> {
    kind: Kind,
    id: u32,
    /// Link and peer of a relay.
    relay: Option<(Ipv6Addr, Ipv6Addr)>,
    options: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let kind = Kind(cursor.u8()?);
        kind.name()?;
        if kind.is_relay() {
            let hops = cursor.u8().filter(|hops| *hops <= 32)?;
            let (link, peer) =
                (Ipv6Addr::from(*cursor.array::<16>()?), Ipv6Addr::from(*cursor.array::<16>()?));
            return Some(Self { kind, id: hops.into(), relay: Some((link, peer)), options: cursor.rest() });
        }
        let id = cursor.u24()?;
        Some(Self { kind, id, relay: None, options: cursor.rest() })
    }
}

/// Walks options; None where one does not fit.
struct Options<'a>(&'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = Option<(u16, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let mut cursor = Cursor::new(self.0);
        let mut option = || {
            let (code, len) = (cursor.u16()?, cursor.u16()?);
            Some((code, cursor.take(len.into())?))
        };
        let option = option();
        self.0 = if option.is_some() { cursor.rest() } else { &[] };
        Some(option)
    }
}

/// DHCPv6 on one flow.
#[derive(Debug, Default)]
pub(super) struct Dhcpv6;

impl Messages for Dhcpv6 {
    const NAME: &'static str = "dhcpv6";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let header = Header::read(message.bytes).ok_or("malformed_data")?;
        let mut event = report.event("dhcpv6");
        let mut left = OPTIONS_MAX;
        let walked = write_message(&header, RELAYS_MAX, &mut left, &mut event);
        drop(event);
        if !walked {
            report.anomaly("malformed_options");
        }
        Ok(Next::More)
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        Found::No
    }

    fn clear(&mut self) {}
}

fn write_message(header: &Header<'_>, relays: u8, left: &mut usize, event: &mut EventWriter<'_>) -> bool {
    event.label("dhcp_type", header.kind.name().unwrap_or("unknown"));
    if let Some((link, peer)) = header.relay {
        event.number("hop_count", header.id);
        event.datum("link_ip", Datum::Ip(link.into())).datum("peer_ip", Datum::Ip(peer.into()));
    } else {
        event.number("id", header.id);
    }
    for option in Options(header.options) {
        let (Some((code, data)), Some(fewer)) = (option, left.checked_sub(1)) else { return false };
        *left = fewer;
        if code == 9 {
            let (Some(inner), Some(relays)) = (Header::read(data), relays.checked_sub(1)) else {
                return false;
            };
            event.object("relayed");
            let walked = write_message(&inner, relays, left, event);
            event.close();
            if !walked {
                return false;
            }
            continue;
        }
        write_option(code, data, event);
    }
    true
}

/// An option (RFC 8415, 21; RFC 3646; RFC 4704).
fn write_option(code: u16, data: &[u8], event: &mut EventWriter<'_>) {
    match code {
        1 => write_duid("client_id", data, event),
        2 => write_duid("server_id", data, event),
        3 | 25 => write_association(if code == 3 { "ia_na" } else { "ia_pd" }, data.get(12..), event),
        4 => write_association("ia_ta", data.get(4..), event),
        6 => {
            event.list("params");
            for parameter in data.as_chunks::<2>().0.iter().take(64) {
                event.number("", u16::from_be_bytes(*parameter));
            }
            event.close();
        }
        13 => write_status(data, event),
        16 => {
            // Enterprise number, then length and text of the first class.
            if let Some(class) = data.get(6..) {
                event.text("vendor_class", class);
            }
        }
        23 => {
            event.list("dns_servers");
            for bytes in data.as_chunks::<16>().0.iter().take(16) {
                event.datum("", Datum::Ip(Ipv6Addr::from(*bytes).into()));
            }
            event.close();
        }
        39 => {
            event.text("hostname", &labels(data.get(1..).unwrap_or_default()));
        }
        59 => {
            event.text("bootfile_url", data);
        }
        _ => {}
    }
}

fn write_status(data: &[u8], event: &mut EventWriter<'_>) {
    if let Some((code, text)) = data.split_first_chunk::<2>() {
        event.number("status", u16::from_be_bytes(*code)).text("status_text", text);
    }
}

/// A DUID; where it holds an Ethernet address, that too.
fn write_duid(name: &'static str, data: &[u8], event: &mut EventWriter<'_>) {
    event.hex(name, data);
    let mac = match data.first_chunk() {
        Some([0, 1, 0, 1]) => data.get(8..),
        Some([0, 3, 0, 1]) => data.get(4..),
        _ => None,
    };
    if let Some(mac) = mac.and_then(<[u8]>::first_chunk::<6>) {
        let name = if name == "client_id" { "client_mac" } else { "server_mac" };
        event.text(name, mac_text(mac).as_bytes());
    }
}

/// Addresses or prefixes of an identity association (RFC 8415, 21.6 and 21.22).
fn write_association(name: &'static str, options: Option<&[u8]>, event: &mut EventWriter<'_>) {
    event.list(name);
    for (code, data) in Options(options.unwrap_or_default()).take(32).flatten() {
        let (address, times, prefix) = match code {
            5 => (data.first_chunk::<16>(), data.get(16..24), None),
            26 => (data.get(9..).and_then(<[u8]>::first_chunk::<16>), data.get(..8), data.get(8)),
            _ => continue,
        };
        let (Some(address), Some(mut times)) = (address, times.map(Cursor::new)) else { continue };
        event.object("").datum("ip", Datum::Ip(Ipv6Addr::from(*address).into()));
        if let Some(prefix) = prefix {
            event.number("prefix_length", *prefix);
        }
        if let (Some(preferred), Some(valid)) = (times.u32(), times.u32()) {
            event.number("preferred_lifetime", preferred).number("lease_time", valid);
        }
        event.close();
    }
    event.close();
}

/// A domain name of labels, with dots.
fn labels(data: &[u8]) -> Vec<u8> {
    let (mut name, mut cursor) = (Vec::new(), Cursor::new(data));
    while let Some(label) =
        cursor.u8().filter(|len| (1..64).contains(len)).and_then(|len| cursor.take(len.into()))
    {
        if !name.is_empty() {
            name.push(b'.');
        }
        name.extend_from_slice(label);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::{Bench, udp};
    use crate::protocols::dhcp::DHCPV6;
    use crate::record::Direction::ToServer;
    use proptest::prelude::*;

    fn solicit() -> Vec<u8> {
        let mut message = vec![1, 0xab, 0xcd, 0xef];
        message.extend([0, 1, 0, 10, 0, 3, 0, 1, 2, 0, 0, 0, 0, 7]);
        message.extend([0, 6, 0, 4, 0, 23, 0, 24]);
        message.extend([0, 39, 0, 6, 0, 4, b'h', b'o', b's', b't']);
        message
    }

    #[test]
    fn a_solicitation_is_found_on_any_port_and_read() {
        assert_eq!(probe(&udp(&solicit(), ToServer, 547)), Found::Yes);
        assert_eq!(probe(&udp(&solicit(), ToServer, 4000)), Found::Likely(92));
        assert_eq!(probe(&udp(&solicit()[..20], ToServer, 547)), Found::No);
        let mut bench = Bench::new(&DHCPV6);
        bench.datagram(ToServer, &solicit());
        assert_eq!(bench.text("dhcpv6", "dhcp_type"), "solicit");
        assert_eq!(bench.text("dhcpv6", "hostname"), "host");
        assert_eq!(bench.text("dhcpv6", "client_mac"), "02:00:00:00:00:07");
    }

    #[test]
    fn relays_are_opened_to_a_depth() {
        let mut message = solicit();
        for _ in 0..30 {
            let mut outer = vec![12, 1];
            outer.extend([0x20; 32]);
            outer.extend([0, 9]);
            outer.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
            outer.extend(message);
            message = outer;
        }
        let mut bench = Bench::new(&DHCPV6);
        bench.datagram(ToServer, &message);
        assert_eq!(bench.text("anomaly", "event"), "malformed_options");
    }

    proptest! {
        #[test]
        fn any_options_are_survived(kind in 1_u8..22, options in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut message = vec![kind, 0, 0, 1];
            message.extend(options);
            Bench::new(&DHCPV6).datagram(ToServer, &message);
            probe(&udp(&message, ToServer, 547));
        }
    }
}
