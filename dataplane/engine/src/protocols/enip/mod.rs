//! EtherNet/IP: the encapsulation over TCP and UDP, CIP in it, and cyclic data over UDP.
//!
//! `encapsulation` reads header and items, `cip` the messages in them, `names` has the names; requests and
//! responses are paired here, by the sender's context or the sequence number of a connection.

mod cip;
mod encapsulation;
mod names;

use self::encapsulation::{HEADER_LEN, Header, Item, Items, cyclic, item};
use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report, Transactions};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Datum, Direction, EventWriter};

/// EtherNet/IP.
pub static ENIP: Protocol = Protocol {
    name: "enip",
    title: "EtherNet/IP",
    family: Family::Operational,
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[44_818, 2222],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, &[0x00, 0x02, 0x04, 0x63, 0x64, 0x65, 0x66, 0x6f, 0x70, 0x72, 0x73]),
    probe: Some(probe),
    parser: Some(framed::parser::<Enip>),
    events: &["enip", "anomaly"],
    source: "ODVA, The CIP Networks Library, volumes 1 and 2",
};

fn probe(probe: &Probe<'_>) -> Found {
    if !probe.is_stream() {
        let is_whole = Header::read(probe.payload)
            .is_some_and(|header| HEADER_LEN + usize::from(header.length) == probe.payload.len());
        return match look(probe.payload) {
            Found::Yes if is_whole => Found::Yes,
            _ if cyclic(probe.payload).is_some() => Found::Likely(97),
            _ => Found::No,
        };
    }
    match look(probe.payload) {
        // Nothing but zeros behind the command: any port will not do.
        Found::Yes if probe.payload.first() == Some(&0) && !probe.has_port(44_818) => Found::No,
        found => found,
    }
}

/// Whether a message starts here: a header that is right, and items that fit where there must be some.
fn look(bytes: &[u8]) -> Found {
    let Some(header) = Header::read(bytes) else {
        let is_open = match bytes {
            [] | [_] => true,
            [low, high, ..] => names::command(u16::from_le_bytes([*low, *high])).is_some(),
        };
        return if is_open { Found::Maybe } else { Found::No };
    };
    if !header.is_known() {
        return Found::No;
    }
    let Some(data) = bytes.get(HEADER_LEN..HEADER_LEN + usize::from(header.length)) else {
        return Found::Maybe;
    };
    let is_right = match header.command {
        0x65 => matches!(data, [] | [_, 0, 0, 0]),
        _ if header.has_packet() && !data.is_empty() => Items::of_packet(data).is_some_and(Items::is_message),
        0x04 | 0x63 | 0x64 if !data.is_empty() => Items::of_list(data).is_some_and(Items::is_whole),
        _ => true,
    };
    if is_right { Found::Yes } else { Found::No }
}

/// What a response has in common with its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    /// Command and the sender's context.
    Context(u16, [u8; 8]),
    /// Number of the message within its connection.
    Connected(u16),
}

/// EtherNet/IP on one flow.
#[derive(Debug, Default)]
struct Enip {
    transactions: Transactions<Key>,
}

impl Messages for Enip {
    const NAME: &'static str = "enip";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        match Header::read(bytes) {
            None => Framing::Open,
            Some(header) if names::command(header.command).is_none() => Framing::Invalid("unknown_command"),
            Some(header) => Framing::at_most(HEADER_LEN + usize::from(header.length), SHOWN_MAX),
        }
    }

    fn datagram_framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        // Cyclic data starts with a number of items that is no command.
        if cyclic(bytes).is_some() { Framing::whole(bytes.len()) } else { self.framing(bytes, from) }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        if message.carrier == Carrier::Udp
            && let Some(connection) = cyclic(message.bytes)
        {
            report.event("enip").label("type", "cyclic_data").number("connection_id", connection);
            // One every few milliseconds, all of a kind.
            return Ok(Next::Done);
        }
        let header = Header::read(message.bytes).ok_or("malformed_header")?;
        let data = message.bytes.get(HEADER_LEN..).unwrap_or_default();
        let packet = if header.has_packet() { Items::of_packet(data) } else { None };
        if header.has_packet() && !data.is_empty() && !packet.is_some_and(Items::is_whole) {
            report.anomaly("malformed_items");
        }
        if !header.is_known() {
            report.anomaly("invalid_header");
        }
        let key = key(&header, packet);
        if is_response(&header, packet, message.from) {
            let request = self.transactions.close(|other| *other == key);
            let number =
                request.as_ref().map_or_else(|| self.transactions.number(), |request| request.number);
            let asked = request.as_ref().map(|request| request.bytes.as_slice());
            write(number, asked, Some(message.bytes), report);
            match request {
                Some(request) => self.transactions.recycle(request),
                None if message.carrier == Carrier::Tcp => report.anomaly("unsolicited_response"),
                None => {}
            }
        } else if matches!(header.command, 0x00 | 0x66) {
            // Nobody answers these.
            write(self.transactions.number(), Some(message.bytes), None, report);
        } else if let Some(oldest) = self.transactions.open(key, message.bytes) {
            report.anomaly("flooded");
            write(oldest.number, Some(&oldest.bytes), None, report);
            self.transactions.recycle(oldest);
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        match look(bytes) {
            Found::Yes if bytes.first() == Some(&0) => Found::No,
            found => found,
        }
    }

    fn clear(&mut self) {
        self.transactions.clear();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(request) = self.transactions.pop() {
            write(request.number, Some(&request.bytes), None, report);
            self.transactions.recycle(request);
        }
    }
}

/// Bytes of a message that are read.
const SHOWN_MAX: usize = 16 * 1024;

fn key(header: &Header, packet: Option<Items<'_>>) -> Key {
    let sequence = packet
        .filter(|_| header.is_connected())
        .and_then(|mut items| items.find(|found| found.kind == item::CONNECTED_DATA))
        .and_then(|found| Cursor::new(found.data).u16_le());
    sequence.map_or(Key::Context(header.command, header.context), Key::Connected)
}

/// The message says so itself where it carries CIP or a list; else the direction does.
fn is_response(header: &Header, packet: Option<Items<'_>>, from: Direction) -> bool {
    match packet.and_then(cip_of) {
        Some(message) => cip::is_response(message),
        None if matches!(header.command, 0x04 | 0x63 | 0x64) => header.length > 0,
        None => from == Direction::ToClient,
    }
}

/// The CIP message in a packet.
fn cip_of(mut items: Items<'_>) -> Option<&[u8]> {
    let message = items.find_map(|found| match found.kind {
        item::UNCONNECTED_DATA => Some(found.data),
        // A sequence number stands before it.
        item::CONNECTED_DATA => found.data.get(2..),
        _ => None,
    })?;
    cip::is_message(message).then_some(message)
}

/// Writes a transaction as Suricata does, of which one half may be missing.
fn write(number: u64, request: Option<&[u8]>, response: Option<&[u8]>, report: &mut Report<'_, '_>) {
    let mut event = report.event("enip");
    event.number("id", number);
    for (name, bytes) in [("request", request), ("response", response)] {
        if let Some((bytes, header)) = bytes.and_then(|bytes| Some((bytes, Header::read(bytes)?))) {
            event.object(name);
            write_half(&header, bytes.get(HEADER_LEN..).unwrap_or_default(), &mut event);
            event.close();
        }
    }
}

fn write_half(header: &Header, data: &[u8], event: &mut EventWriter<'_>) {
    event.label("command", names::command(header.command).unwrap_or("unknown"));
    event
        .label("status", names::status(header.status).unwrap_or("unknown"))
        .number("session", header.session);
    if header.options != 0 {
        event.number("options", header.options);
    }
    match (header.command, data) {
        (0x65, [v0, v1, o0, o1]) => {
            event.object("register_session").number("protocol_version", u16::from_le_bytes([*v0, *v1]));
            event.number("options", u16::from_le_bytes([*o0, *o1])).close();
        }
        (0x04, _) => {
            if let Some(found) = first(data, item::SERVICES) {
                let _ = write_services(Cursor::new(found), event);
            }
        }
        (0x63, _) => {
            if let Some(found) = first(data, item::IDENTITY) {
                event.object("identity");
                let _ = write_identity(Cursor::new(found), event);
                event.close();
            }
        }
        _ if header.has_packet() => write_packet(data, event),
        _ => {}
    }
}

fn first(data: &[u8], kind: u16) -> Option<&[u8]> {
    Items::of_list(data)?.find(|found| found.kind == kind).map(|Item { data, .. }| data)
}

fn write_packet(data: &[u8], event: &mut EventWriter<'_>) {
    let Some(items) = Items::of_packet(data) else { return };
    for found in items {
        if let (item::CONNECTED_ADDRESS, Some(connection)) = (found.kind, Cursor::new(found.data).u32_le()) {
            event.number("connection_id", connection);
            break;
        }
    }
    if let Some(message) = cip_of(items) {
        event.object("cip");
        cip::write(message, event);
        event.close();
    }
}

fn write_services(mut cursor: Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    let (version, capabilities, name) = (cursor.u16_le()?, cursor.u16_le()?, cursor.rest());
    event.object("list_services").number("protocol_version", version).number("capabilities", capabilities);
    event.text("service_name", without_padding(name)).close();
    Some(())
}

/// Who a device is (volume 2, 2-4.2; volume 1, 5-2).
fn write_identity(mut cursor: Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    event.number("protocol_version", cursor.u16_le()?);
    let [_, _, p0, p1, a, b, c, d, ..] = *cursor.array::<16>()?;
    event.datum("ip", Datum::Ip([a, b, c, d].into())).number("port", u16::from_be_bytes([p0, p1]));
    let (vendor, device, product) = (cursor.u16_le()?, cursor.u16_le()?, cursor.u16_le()?);
    let (major, minor) = (cursor.u8()?, cursor.u8()?);
    event.number("revision_major", major).number("revision_minor", minor).number("vendor_id", vendor);
    if let Some(name) = names::vendor(vendor) {
        event.label("vendor", name);
    }
    event.number("device_type_id", device);
    event
        .label("device_type", names::device_type(device).unwrap_or("unknown"))
        .number("product_code", product);
    event.number("status", cursor.u16_le()?).number("serial", cursor.u32_le()?);
    let length = cursor.u8()?;
    event.text("product_name", cursor.take(usize::from(length))?);
    event.number("state", cursor.u8()?);
    Some(())
}

fn without_padding(name: &[u8]) -> &[u8] {
    name.split(|byte| *byte == 0).next().unwrap_or_default()
}
