//! KNXnet/IP: discovery, tunnelling and routing of the building bus over IP (ISO 22510; KNX Standard 3/8).

use arrayvec::ArrayVec;

use super::clear::Clear;
use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report, push_decimal};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Datum, Direction, EventWriter};

/// KNXnet/IP.
pub static KNX: Protocol = Protocol {
    name: "knx",
    title: "KNXnet/IP",
    family: Family::Operational,
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[3671],
    exposure: Exposure::Negotiated,
    opening: Opening::one_of(1, &[HEADER_LEN_BYTE]),
    probe: Some(probe),
    parser: Some(framed::parser::<Knx>),
    events: &["knx", "anomaly"],
    source: "ISO 22510:2019; KNX Standard 3/8",
};

const HEADER_LEN: usize = 6;
const HEADER_LEN_BYTE: u8 = 6;
/// Longest unit that is believed.
const UNIT_MAX: usize = 1024;

fn probe(probe: &Probe<'_>) -> Found {
    match framing(probe.payload) {
        Framing::Open if probe.is_stream() => Found::Maybe,
        Framing::Message { len, .. } if probe.is_stream() || len == probe.payload.len() => Found::Yes,
        _ => Found::No,
    }
}

/// Header of six bytes, version 1.0, service, length of all.
fn framing(bytes: &[u8]) -> Framing {
    match bytes {
        [] | [6] | [6, 0x10] | [6, 0x10, _] | [6, 0x10, _, _] | [6, 0x10, _, _, _] => Framing::Open,
        [6, 0x10, s1, s0, l1, l0, ..] => {
            let len = usize::from(u16::from_be_bytes([*l1, *l0]));
            let Some((_, least)) = service(u16::from_be_bytes([*s1, *s0])) else {
                return Framing::Invalid("unknown_service");
            };
            if (HEADER_LEN + least..=UNIT_MAX).contains(&len) {
                Framing::whole(len)
            } else {
                Framing::Invalid("invalid_length")
            }
        }
        _ => Framing::Invalid("invalid_header"),
    }
}

/// Name of a service and the least bytes behind the header.
const fn service(code: u16) -> Option<(&'static str, usize)> {
    Some(match code {
        0x0201 => ("search_request", 8),
        0x0202 => ("search_response", 8),
        0x0203 => ("description_request", 8),
        0x0204 => ("description_response", 2),
        0x0205 => ("connect_request", 18),
        0x0206 => ("connect_response", 2),
        0x0207 => ("connectionstate_request", 10),
        0x0208 => ("connectionstate_response", 2),
        0x0209 => ("disconnect_request", 10),
        0x020a => ("disconnect_response", 2),
        0x020b => ("search_request_extended", 8),
        0x020c => ("search_response_extended", 8),
        0x0310 => ("device_configuration_request", 4),
        0x0311 => ("device_configuration_ack", 4),
        0x0420 => ("tunnelling_request", 4),
        0x0421 => ("tunnelling_ack", 4),
        0x0422 => ("tunnelling_feature_get", 6),
        0x0423 => ("tunnelling_feature_response", 6),
        0x0424 => ("tunnelling_feature_set", 6),
        0x0425 => ("tunnelling_feature_info", 6),
        0x0530 => ("routing_indication", 2),
        0x0531 => ("routing_lost_message", 4),
        0x0532 => ("routing_busy", 6),
        0x0533 => ("routing_system_broadcast", 2),
        0x0740 => ("remote_diagnostic_request", 0),
        0x0741 => ("remote_diagnostic_response", 0),
        0x0742 => ("remote_basic_configuration_request", 0),
        0x0743 => ("remote_reset_request", 0),
        0x0950 => ("secure_wrapper", 32),
        0x0951 => ("session_request", 40),
        0x0952 => ("session_response", 50),
        0x0953 => ("session_authenticate", 18),
        0x0954 => ("session_status", 2),
        0x0955 => ("timer_notify", 30),
        _ => return None,
    })
}

/// KNX on one flow.
#[derive(Debug, Default)]
struct Knx {
    is_secured: bool,
    clear: Clear,
}

impl Messages for Knx {
    const NAME: &'static str = "knx";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        framing(bytes)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let [_, _, s1, s0, _, _] = *message.bytes.first_chunk::<HEADER_LEN>().ok_or("invalid_header")?;
        let code = u16::from_be_bytes([s1, s0]);
        let body = message.bytes.get(HEADER_LEN..).unwrap_or_default();
        let is_secure = matches!(code, 0x0950..=0x0955);
        self.is_secured |= is_secure;
        // Receipts of what is written anyway, and what cannot be read.
        if matches!((code, body), (0x0421 | 0x0311, [_, _, _, 0]) | (0x0950, _)) {
            return Ok(Next::More);
        }
        let mut event = report.event("knx");
        event.label("service", service(code).map_or("unknown", |(name, _)| name));
        let _ = write_body(code, body, &mut event);
        if !self.is_secured {
            self.clear.tell(&mut event);
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        match framing(bytes) {
            Framing::Open => Found::Maybe,
            Framing::Message { .. } => Found::Yes,
            Framing::Invalid(_) => Found::No,
        }
    }

    fn clear(&mut self) {
        (self.is_secured, self.clear) = (false, Clear::default());
    }
}

fn write_body(code: u16, body: &[u8], event: &mut EventWriter<'_>) -> Option<()> {
    let mut cursor = Cursor::new(body);
    match code {
        0x0201 | 0x0203 | 0x020b => write_endpoint("endpoint", &mut cursor, event),
        0x0202 | 0x020c => {
            write_endpoint("control_endpoint", &mut cursor, event)?;
            write_descriptions(cursor, event)
        }
        0x0204 => write_descriptions(cursor, event),
        0x0205 => {
            write_endpoint("control_endpoint", &mut cursor, event)?;
            write_endpoint("data_endpoint", &mut cursor, event)?;
            let kind = match cursor.rest().get(1)? {
                3 => "device_management",
                4 => "tunnel",
                6 => "remote_logging",
                7 => "remote_configuration",
                8 => "object_server",
                _ => "unknown",
            };
            event.label("connection_type", kind);
            Some(())
        }
        0x0206..=0x020a => {
            event.number("channel", cursor.u8()?);
            if matches!(code, 0x0206 | 0x0208 | 0x020a) {
                let status = cursor.u8()?;
                event.number("status_code", status).label("status", status_name(status));
            }
            Some(())
        }
        0x0310 | 0x0311 | 0x0420 | 0x0421 => {
            // Length, channel, sequence, status.
            let [4, channel, sequence, status] = *cursor.array::<4>()? else { return None };
            event.number("channel", channel).number("sequence", sequence);
            if matches!(code, 0x0311 | 0x0421) {
                event.number("status_code", status).label("status", status_name(status));
                return Some(());
            }
            write_message(cursor, event)
        }
        0x0530 | 0x0533 => write_message(cursor, event),
        0x0531 => {
            let [_, _, l1, l0] = *cursor.array::<4>()?;
            event.number("lost", u16::from_be_bytes([l1, l0]));
            Some(())
        }
        _ => None,
    }
}

/// An address of the host: length 8, UDP or TCP, address, port.
fn write_endpoint(name: &'static str, cursor: &mut Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    let [8, protocol @ (1 | 2), a, b, c, d, p1, p0] = *cursor.array::<8>()? else { return None };
    event.object(name).label("protocol", if protocol == 1 { "udp" } else { "tcp" });
    event.datum("ip", Datum::Ip([a, b, c, d].into())).number("port", u16::from_be_bytes([p1, p0])).close();
    Some(())
}

/// Blocks that describe a device: the first says who it is.
fn write_descriptions(mut cursor: Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    while let (Some(length @ 2..), Some(kind)) = (cursor.u8(), cursor.u8()) {
        let mut block = Cursor::new(cursor.take(usize::from(length) - 2)?);
        if kind != 1 {
            continue;
        }
        let [medium, status, a1, a0, _, _] = *block.array::<6>()?;
        let (serial, _, mac) = (block.take(6)?, block.take(4)?, block.take(6)?);
        let name = block.take(30)?;
        let medium = match medium {
            1 => "tp0",
            2 => "tp1",
            4 => "pl110",
            16 => "rf",
            32 => "ip",
            _ => "unknown",
        };
        event.object("device").label("medium", medium).flag("programming_mode", status & 1 == 1);
        event
            .text("address", &individual(u16::from_be_bytes([a1, a0])))
            .hex("serial", serial)
            .hex("mac", mac);
        event.text("name", name.split(|byte| *byte == 0).next().unwrap_or_default()).close();
    }
    Some(())
}

/// A message of the bus in its common external form (KNX Standard 3/6/3, 4.1.5).
fn write_message(mut cursor: Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    let code = cursor.u8()?;
    let name = match code {
        0x11 => "l_data_req",
        0x29 => "l_data_ind",
        0x2e => "l_data_con",
        0x10 => "l_raw_req",
        0x2b => "l_busmon_ind",
        0x2d => "l_raw_ind",
        0x2f => "l_raw_con",
        0xfc => "m_prop_read_req",
        0xfb => "m_prop_read_con",
        0xf6 => "m_prop_write_req",
        0xf5 => "m_prop_write_con",
        0xf7 => "m_prop_info_ind",
        0xf1 => "m_reset_req",
        0xf0 => "m_reset_ind",
        _ => "unknown",
    };
    event.label("message", name);
    if !matches!(code, 0x11 | 0x29 | 0x2e) {
        return Some(());
    }
    let length = cursor.u8()?;
    cursor.take(usize::from(length))?;
    let (_, control, source, destination) = (cursor.u8()?, cursor.u8()?, cursor.u16()?, cursor.u16()?);
    event.text("source", &individual(source));
    if control & 0x80 == 0 {
        event.text("destination", &individual(destination));
    } else {
        event.text("destination", &group(destination));
    }
    let length = cursor.u8()?;
    let [high, low] = *cursor.rest().first_chunk::<2>().filter(|_| length > 0)?;
    let service = u16::from_be_bytes([high & 3, low]);
    event.label("operation", operation(service));
    if matches!(service >> 6, 1 | 2) {
        // Up to six bits stand in the code itself.
        match cursor.rest().get(2..) {
            Some(data @ [_, ..]) => event.hex("data", data),
            _ => event.number("value", low & 0x3f),
        };
    }
    Some(())
}

/// Services of the application layer (KNX Standard 3/3/7, 3.1).
const fn operation(service: u16) -> &'static str {
    match service {
        0x3d1 => "authorize_request",
        0x3d2 => "authorize_response",
        0x3d3 => "key_write",
        0x3d5 => "property_value_read",
        0x3d6 => "property_value_response",
        0x3d7 => "property_value_write",
        0x3f1 => "secure_service",
        _ => match service >> 6 {
            0 => "group_value_read",
            1 => "group_value_response",
            2 => "group_value_write",
            3 => "individual_address_write",
            4 => "individual_address_read",
            5 => "individual_address_response",
            6 => "adc_read",
            7 => "adc_response",
            8 => "memory_read",
            9 => "memory_response",
            10 => "memory_write",
            11 => "user_message",
            12 => "device_descriptor_read",
            13 => "device_descriptor_response",
            14 => "restart",
            _ => "other",
        },
    }
}

const fn status_name(code: u8) -> &'static str {
    match code {
        0x00 => "no_error",
        0x01 => "host_protocol_type",
        0x02 => "version_not_supported",
        0x04 => "sequence_number",
        0x21 => "connection_id",
        0x22 => "connection_type",
        0x23 => "connection_option",
        0x24 => "no_more_connections",
        0x26 => "data_connection",
        0x27 => "knx_connection",
        0x28 => "authorization",
        0x29 => "tunnelling_layer",
        0x2e => "no_tunnelling_address",
        _ => "unknown",
    }
}

type Address = ArrayVec<u8, 12>;

/// "1.1.5": area, line, device.
fn individual(address: u16) -> Address {
    let [high, low] = address.to_be_bytes();
    joined([high >> 4, high & 15, low], b'.')
}

/// "1/2/33": main, middle, sub group.
fn group(address: u16) -> Address {
    let [high, low] = address.to_be_bytes();
    joined([high >> 3, high & 7, low], b'/')
}

fn joined(numbers: [u8; 3], separator: u8) -> Address {
    let mut text = Address::new();
    for number in numbers {
        if !text.is_empty() {
            let _ = text.try_push(separator);
        }
        push_decimal(number.into(), &mut text);
    }
    text
}
