//! Omron FINS over UDP and TCP (Omron W227 and W421).

use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report, Request, Transactions};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Direction, EventWriter};

/// FINS.
pub static FINS: Protocol = Protocol {
    name: "fins",
    title: "Omron FINS",
    family: Family::Operational,
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[9600],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, b"F\x80\x81\xc0\xc1"),
    probe: Some(probe),
    parser: Some(framed::parser::<Fins>),
    events: &["fins", "anomaly"],
    source: "Omron W227: FINS commands; W421: FINS/TCP",
};

const MAGIC: &[u8; 4] = b"FINS";
/// Magic, length, command, error.
const TCP_LEN: usize = 16;
/// Longest unit: 2,012 bytes and the header.
const UNIT_MAX: u32 = 4096;

fn probe(probe: &Probe<'_>) -> Found {
    if !probe.is_stream() {
        return match Unit::read(probe.payload) {
            Some(unit) if unit.is_known() && probe.has_port(9600) => Found::Yes,
            Some(unit) if unit.is_known() => Found::Likely(90),
            _ => Found::No,
        };
    }
    look(probe.payload)
}

fn look(bytes: &[u8]) -> Found {
    match framing(bytes) {
        Framing::Open => Found::Maybe,
        Framing::Invalid(_) => Found::No,
        Framing::Message { .. } => Found::Yes,
    }
}

fn framing(bytes: &[u8]) -> Framing {
    if !MAGIC.starts_with(bytes.get(..4).unwrap_or(bytes)) {
        return Framing::Invalid("invalid_header");
    }
    let Some([_, _, _, _, l3, l2, l1, l0, c3, c2, c1, c0]) = bytes.first_chunk::<12>() else {
        return Framing::Open;
    };
    let length = u32::from_be_bytes([*l3, *l2, *l1, *l0]);
    let fits = match u32::from_be_bytes([*c3, *c2, *c1, *c0]) {
        0 => length == 12,
        1 => length == 16,
        2 => (20..=UNIT_MAX).contains(&length),
        3 | 6 => length == 8,
        _ => return Framing::Invalid("unknown_command"),
    };
    match usize::try_from(length) {
        Ok(length) if fits => Framing::whole(8 + length),
        _ => Framing::Invalid("invalid_length"),
    }
}

/// A unit: routing, command, data (W227, 3-2).
#[derive(Clone, Copy, Debug)]
struct Unit<'a> {
    control: u8,
    destination: [u8; 3],
    source: [u8; 3],
    service: u8,
    command: u16,
    data: &'a [u8],
}

impl<'a> Unit<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, data) = bytes.split_first_chunk::<12>()?;
        let [control, 0, gateways, d0, d1, d2, s0, s1, s2, service, main, sub] = *head else { return None };
        // Gateway bit set, reserved bits clear; at most seven gateways.
        if control & 0x3e != 0 || control & 0x80 == 0 || gateways > 7 {
            return None;
        }
        let command = u16::from_be_bytes([main, sub]);
        let unit = Self { control, destination: [d0, d1, d2], source: [s0, s1, s2], service, command, data };
        // Networks go to 127, and every response has an end code.
        (d0 <= 127 && s0 <= 127 && (!unit.is_response() || data.len() >= 2)).then_some(unit)
    }

    const fn is_response(&self) -> bool {
        self.control & 0x40 != 0
    }

    /// Whether the command exists and its data has the length that it asks for.
    fn is_known(&self) -> bool {
        let fits = match (self.command, self.is_response()) {
            (0x0101, false) => self.data.len() == 6,
            (0x0102 | 0x0103, false) => self.data.len() >= 8,
            (0x0601 | 0x0701, false) => self.data.is_empty(),
            _ => true,
        };
        command(self.command).is_some() && fits
    }
}

const fn command(code: u16) -> Option<&'static str> {
    Some(match code {
        0x0101 => "memory_area_read",
        0x0102 => "memory_area_write",
        0x0103 => "memory_area_fill",
        0x0104 => "multiple_memory_area_read",
        0x0105 => "memory_area_transfer",
        0x0201 => "parameter_area_read",
        0x0202 => "parameter_area_write",
        0x0203 => "parameter_area_clear",
        0x0304 => "program_area_protect",
        0x0305 => "program_area_protect_clear",
        0x0306 => "program_area_read",
        0x0307 => "program_area_write",
        0x0308 => "program_area_clear",
        0x0401 => "run",
        0x0402 => "stop",
        0x0501 => "controller_data_read",
        0x0502 => "connection_data_read",
        0x0601 => "controller_status_read",
        0x0620 => "cycle_time_read",
        0x0701 => "clock_read",
        0x0702 => "clock_write",
        0x0801 => "loopback_test",
        0x0802 => "broadcast_test_results_read",
        0x0920 => "message_read",
        0x0c01 => "access_right_acquire",
        0x0c02 => "access_right_forced_acquire",
        0x0c03 => "access_right_release",
        0x2101 => "error_clear",
        0x2102 => "error_log_read",
        0x2103 => "error_log_clear",
        0x2140 => "write_access_log_read",
        0x2141 => "write_access_log_clear",
        0x2201 => "file_name_read",
        0x2202 => "single_file_read",
        0x2203 => "single_file_write",
        0x2204 => "memory_format",
        0x2205 => "file_delete",
        0x2207 => "file_copy",
        0x2208 => "file_name_change",
        0x220a => "memory_area_file_transfer",
        0x220b => "parameter_area_file_transfer",
        0x220c => "program_area_file_transfer",
        0x2215 => "directory_create_delete",
        0x2301 => "forced_set_reset",
        0x2302 => "forced_set_reset_cancel",
        _ => return None,
    })
}

/// Memory areas (W227, 5-1-2).
const fn area(code: u8) -> &'static str {
    match code {
        0x02 | 0x82 => "DM",
        0x30 | 0xb0 => "CIO",
        0x31 | 0xb1 => "W",
        0x32 | 0xb2 => "H",
        0x33 | 0xb3 => "A",
        0x09 | 0x89 => "TIM_CNT",
        0x20..=0x2c | 0xa0..=0xac | 0x90..=0x98 => "EM",
        0x06 | 0x46 => "TK",
        0xdc => "IR",
        0xbc => "DR",
        0x07 => "CLOCK",
        _ => "unknown",
    }
}

/// What the first byte of an end code says.
const fn end(code: u8) -> &'static str {
    match code & 0x7f {
        0x00 => "normal",
        0x01 => "local_node_error",
        0x02 => "destination_node_error",
        0x03 => "controller_error",
        0x04 => "service_unsupported",
        0x05 => "routing_error",
        0x10 => "command_format_error",
        0x11 => "parameter_error",
        0x20 => "read_not_possible",
        0x21 => "write_not_possible",
        0x22 => "not_executable_in_current_mode",
        0x23 => "no_such_device",
        0x24 => "cannot_start_stop",
        0x25 => "unit_error",
        0x26 => "command_error",
        0x30 => "access_right_error",
        0x40 => "abort",
        _ => "unknown",
    }
}

type Key = (u8, u16, [u8; 3]);

/// FINS on one flow.
#[derive(Debug, Default)]
struct Fins {
    transactions: Transactions<Key>,
}

impl Messages for Fins {
    const NAME: &'static str = "fins";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        framing(bytes)
    }

    fn datagram_framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let unit = if message.carrier == Carrier::Tcp {
            let (head, unit) = message.bytes.split_first_chunk::<TCP_LEN>().ok_or("truncated_data")?;
            let [.., c0, e3, e2, e1, e0] = *head;
            if c0 != 2 {
                write_connection(c0, u32::from_be_bytes([e3, e2, e1, e0]), unit, &mut report.event("fins"));
                return Ok(Next::More);
            }
            unit
        } else {
            message.bytes
        };
        let read = Unit::read(unit).ok_or("malformed_unit")?;
        if command(read.command).is_none() {
            report.anomaly("unknown_command");
        }
        if read.is_response() {
            let key = (read.service, read.command, read.destination);
            match self.transactions.close(|other| *other == key) {
                Some(request) => {
                    write(request.number, Unit::read(&request.bytes).as_ref(), Some(&read), report);
                    self.transactions.recycle(request);
                }
                None => {
                    write(self.transactions.number(), None, Some(&read), report);
                    report.anomaly("unsolicited_response");
                }
            }
        } else if read.control & 1 == 1 {
            // No response is asked for.
            write(self.transactions.number(), Some(&read), None, report);
        } else if let Some(oldest) = self.transactions.open((read.service, read.command, read.source), unit) {
            report.anomaly("flooded");
            self.write_unanswered(oldest, report);
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        look(bytes)
    }

    fn clear(&mut self) {
        self.transactions.clear();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(request) = self.transactions.pop() {
            self.write_unanswered(request, report);
        }
    }
}

impl Fins {
    fn write_unanswered(&mut self, request: Request<Key>, report: &mut Report<'_, '_>) {
        write(request.number, Unit::read(&request.bytes).as_ref(), None, report);
        self.transactions.recycle(request);
    }
}

/// The exchange of node addresses, and errors, of the TCP header.
fn write_connection(command: u8, error: u32, data: &[u8], event: &mut EventWriter<'_>) {
    let kind = match command {
        0 => "node_address_request",
        1 => "node_address_response",
        3 => "frame_error",
        _ => "connection_confirmation",
    };
    event.label("type", kind).number("error", error);
    let mut cursor = Cursor::new(data);
    for name in ["client_node", "server_node"] {
        if let Some(node) = cursor.u32() {
            event.number(name, node);
        }
    }
}

fn write(number: u64, request: Option<&Unit<'_>>, response: Option<&Unit<'_>>, report: &mut Report<'_, '_>) {
    let mut event = report.event("fins");
    event.number("id", number);
    if let Some(unit) = request.or(response) {
        let (to, from) = if unit.is_response() {
            (unit.source, unit.destination)
        } else {
            (unit.destination, unit.source)
        };
        for (name, [network, node, part]) in [("destination", to), ("source", from)] {
            event.object(name).number("network", network).number("node", node).number("unit", part).close();
        }
        event.number("service_id", unit.service).number("command_code", unit.command);
        event.label("command", command(unit.command).unwrap_or("unknown"));
    }
    if let Some(unit) = request {
        event.object("request");
        let _ = write_request(unit, &mut event);
        event.close();
    }
    if let Some(unit) = response {
        event.object("response");
        let _ = write_response(unit, &mut event);
        event.close();
    }
}

fn write_request(unit: &Unit<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    let mut data = Cursor::new(unit.data);
    match unit.command {
        0x0101..=0x0103 => {
            let [code, a1, a0, bit, c1, c0] = *data.array::<6>()?;
            event
                .label("area", area(code))
                .number("area_code", code)
                .number("address", u16::from_be_bytes([a1, a0]));
            event.number("bit", bit).number("count", u16::from_be_bytes([c1, c0]));
        }
        0x0401 => {
            data.take(2)?;
            let mode = match data.u8() {
                Some(2) => "monitor",
                Some(4) | None => "run",
                Some(_) => "unknown",
            };
            event.label("mode", mode);
        }
        0x0306 | 0x0307 => {
            data.take(2)?;
            event.number("address", data.u32()?).number("count", data.u16()?);
        }
        _ => {
            event.number("size", unit.data.len() as u64);
        }
    }
    Some(())
}

fn write_response(unit: &Unit<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    let mut data = Cursor::new(unit.data);
    let [main, sub] = *data.array::<2>()?;
    event.hex("end_code", &[main, sub]).label("end", end(main)).number("size", data.len() as u64);
    if unit.command == 0x0501 && main & 0x7f == 0 {
        event.text("model", data.take(20)?.trim_ascii_end()).text("version", data.take(20)?.trim_ascii_end());
    }
    Some(())
}
