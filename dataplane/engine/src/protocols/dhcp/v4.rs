//! DHCP and BOOTP messages for IPv4.

use core::net::Ipv4Addr;

use crate::protocols::framed::{Cursor, Framing, Message, Messages, Next, Report};
use crate::protocols::{Found, Probe};
use crate::record::{Datum, Direction, EventWriter};

/// Bytes of the fixed part (RFC 951, 3).
const FIXED: usize = 236;
/// What begins the options (RFC 2131, 3).
const COOKIE: [u8; 4] = [0x63, 0x82, 0x53, 0x63];
/// Options that are read of one message.
const OPTIONS_MAX: usize = 128;
/// Addresses of one option that are written.
const ADDRESSES_MAX: usize = 16;

pub(super) fn probe(probe: &Probe<'_>) -> Found {
    let Some(fixed) = Fixed::read(probe.payload) else { return Found::No };
    let on_port = probe.has_port(67) || probe.has_port(68);
    match fixed.options {
        Some(_) => Found::Yes,
        None if on_port && fixed.is_plausible() => Found::Likely(85),
        None => Found::No,
    }
}

/// The fixed part of a message.
#[derive(Clone, Copy, Debug)]
struct Fixed<'a> {
    operation: u8,
    hardware: u8,
    id: u32,
    flags: u16,
    /// Of the client as it is, as it will be, of the next server, of the relay.
    addresses: [Ipv4Addr; 4],
    mac: &'a [u8],
    server_name: &'a [u8],
    file: &'a [u8],
    /// What is behind the cookie; none in plain BOOTP.
    options: Option<&'a [u8]>,
}

impl<'a> Fixed<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (fixed, rest) = bytes.split_at_checked(FIXED)?;
        let mut cursor = Cursor::new(fixed);
        let [operation, hardware, mac_len, _hops] = *cursor.array()?;
        if !(1..=2).contains(&operation) || mac_len > 16 {
            return None;
        }
        let id = cursor.u32()?;
        let (_seconds, flags) = (cursor.u16()?, cursor.u16()?);
        let mut address = || cursor.array::<4>().map(|bytes| Ipv4Addr::from(*bytes));
        let addresses = [address()?, address()?, address()?, address()?];
        let mac = cursor.take(16)?.get(..usize::from(mac_len))?;
        let (server_name, file) = (cursor.take(64)?, cursor.take(128)?);
        Some(Self {
            operation,
            hardware,
            id,
            flags,
            addresses,
            mac,
            server_name,
            file,
            options: rest.strip_prefix(&COOKIE),
        })
    }

    fn is_plausible(&self) -> bool {
        self.flags & 0x7fff == 0 && (1..=38).contains(&self.hardware) && !self.mac.is_empty()
    }
}

/// DHCP on one flow.
#[derive(Debug, Default)]
pub(super) struct Dhcp;

impl Messages for Dhcp {
    const NAME: &'static str = "dhcp";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let fixed = Fixed::read(message.bytes).ok_or("malformed_data")?;
        let mut event = report.event("dhcp");
        write_fixed(&fixed, &mut event);
        let walked = fixed.options.is_none_or(|options| write_options(options, &fixed, &mut event));
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

fn write_fixed(fixed: &Fixed<'_>, event: &mut EventWriter<'_>) {
    event.label("type", if fixed.operation == 1 { "request" } else { "reply" }).number("id", fixed.id);
    if fixed.hardware == 1
        && let Some(mac) = fixed.mac.first_chunk()
    {
        event.text("client_mac", mac_text(mac).as_bytes());
    } else {
        event.hex("client_mac", fixed.mac);
    }
    let [client, assigned, server, relay] = fixed.addresses;
    event.datum("assigned_ip", Datum::Ip(assigned.into()));
    event.datum("client_ip", Datum::Ip(client.into()));
    for (name, address) in [("next_server_ip", server), ("relay_ip", relay)] {
        if !address.is_unspecified() {
            event.datum(name, Datum::Ip(address.into()));
        }
    }
    // Where option 52 says so they hold options instead (RFC 2132, 9.3); those begin with a tag and are no text.
    for (name, field) in [("server_name", fixed.server_name), ("boot_file", fixed.file)] {
        let text = field.split(|byte| *byte == 0).next().unwrap_or_default();
        if !text.is_empty() && text.iter().all(|byte| (0x20..0x7f).contains(byte)) {
            event.text(name, text);
        }
    }
}

/// Writes the options (RFC 2132); false where they do not end as they should.
fn write_options(options: &[u8], fixed: &Fixed<'_>, event: &mut EventWriter<'_>) -> bool {
    let mut cursor = Cursor::new(options);
    for _ in 0..OPTIONS_MAX {
        match cursor.u8() {
            Some(0) => {
                // Padding runs to the end of the smallest packet: one step for all of it.
                let zeros = cursor.rest().iter().take_while(|byte| **byte == 0).count();
                cursor.take(zeros);
            }
            Some(255) | None => return true,
            Some(code) => {
                let Some(data) = cursor.u8().and_then(|len| cursor.take(usize::from(len))) else {
                    return false;
                };
                write_option(code, data, fixed, event);
            }
        }
    }
    false
}

fn write_option(code: u8, data: &[u8], fixed: &Fixed<'_>, event: &mut EventWriter<'_>) {
    match code {
        1 => write_address("subnet_mask", data, event),
        3 => write_addresses("routers", data, event),
        6 => write_addresses("dns_servers", data, event),
        42 => write_addresses("ntp_servers", data, event),
        50 => write_address("requested_ip", data, event),
        51 => write_number("lease_time", data, event),
        53 => {
            event.label("dhcp_type", message_type(data.first().copied().unwrap_or_default()));
        }
        54 => write_address("server_id", data, event),
        55 => {
            event.list("params");
            for parameter in data {
                event.number("", *parameter);
            }
            event.close();
        }
        58 => write_number("renewal_time", data, event),
        59 => write_number("rebinding_time", data, event),
        61 => match data.split_first() {
            Some((1, mac)) if mac == fixed.mac => {}
            _ => {
                event.hex("client_id", data);
            }
        },
        81 => {
            event.text("fqdn", data.get(3..).unwrap_or_default());
        }
        82 => {
            event.hex("relay_agent_information", data);
        }
        _ => {
            if let Some((_, name)) = TEXTS.iter().find(|(text, _)| *text == code) {
                event.text(name, data);
            }
        }
    }
}

/// Options that are text.
const TEXTS: [(u8, &str); 8] = [
    (12, "hostname"),
    (15, "domain"),
    (56, "message"),
    (60, "vendor_class_identifier"),
    (66, "tftp_server_name"),
    (67, "bootfile_name"),
    (77, "user_class"),
    (252, "proxy_autodiscovery"),
];

fn write_number(name: &'static str, data: &[u8], event: &mut EventWriter<'_>) {
    if let Some(bytes) = data.first_chunk::<4>() {
        event.number(name, u32::from_be_bytes(*bytes));
    }
}

fn write_address(name: &'static str, data: &[u8], event: &mut EventWriter<'_>) {
    if let Some(bytes) = data.first_chunk::<4>() {
        event.datum(name, Datum::Ip(Ipv4Addr::from(*bytes).into()));
    }
}

fn write_addresses(name: &'static str, data: &[u8], event: &mut EventWriter<'_>) {
    event.list(name);
    for bytes in data.as_chunks::<4>().0.iter().take(ADDRESSES_MAX) {
        event.datum("", Datum::Ip(Ipv4Addr::from(*bytes).into()));
    }
    event.close();
}

/// Name of a message type (RFC 2132, 9.6; RFC 3203; RFC 4388; RFC 6926).
const fn message_type(kind: u8) -> &'static str {
    match kind {
        1 => "discover",
        2 => "offer",
        3 => "request",
        4 => "decline",
        5 => "ack",
        6 => "nak",
        7 => "release",
        8 => "inform",
        9 => "forcerenew",
        10 => "leasequery",
        11 => "leaseunassigned",
        12 => "leaseunknown",
        13 => "leaseactive",
        14 => "bulkleasequery",
        15 => "leasequerydone",
        _ => "unknown",
    }
}

/// A MAC address, as people write it.
pub(super) fn mac_text(mac: &[u8; 6]) -> String {
    let [a, b, c, d, e, f] = mac;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::{Bench, udp};
    use crate::protocols::dhcp::DHCP;
    use crate::record::Direction::ToServer;
    use proptest::prelude::*;

    fn discover() -> Vec<u8> {
        let mut message = vec![0; FIXED];
        message[..4].copy_from_slice(&[1, 1, 6, 0]);
        message[4..8].copy_from_slice(&[0x12, 0x34, 0x56, 0x78]);
        message[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 7]);
        message.extend(COOKIE);
        message.extend([53, 1, 1, 12, 4, b'h', b'o', b's', b't', 50, 4, 192, 0, 2, 9, 55, 2, 1, 3, 255]);
        message
    }

    #[test]
    fn a_discovery_is_found_on_any_port_and_read() {
        assert_eq!(probe(&udp(&discover(), ToServer, 4000)), Found::Yes);
        let mut bench = Bench::new(&DHCP);
        bench.datagram(ToServer, &discover());
        assert_eq!(bench.text("dhcp", "dhcp_type"), "discover");
        assert_eq!(bench.text("dhcp", "hostname"), "host");
        assert_eq!(bench.text("dhcp", "client_mac"), "02:00:00:00:00:07");
        assert_eq!(bench.value("dhcp", "id"), Some(Datum::Unsigned(0x1234_5678)));
        assert_eq!(bench.value("dhcp", "requested_ip"), Some(Datum::Ip(Ipv4Addr::new(192, 0, 2, 9).into())));
    }

    #[test]
    fn options_that_end_too_early_are_an_anomaly() {
        let mut message = discover();
        message.truncate(FIXED + 4 + 5);
        let mut bench = Bench::new(&DHCP);
        bench.datagram(ToServer, &message);
        assert_eq!(bench.text("anomaly", "event"), "malformed_options");
        assert_eq!(probe(&udp(&discover()[..FIXED - 1], ToServer, 67)), Found::No);
    }

    proptest! {
        #[test]
        fn any_options_are_survived(options in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut message = discover();
            message.truncate(FIXED + 4);
            message.extend(options);
            Bench::new(&DHCP).datagram(ToServer, &message);
        }
    }
}
