//! HART-IP: sessions, and the frames of the wired field bus carried in them (FieldComm Group TS20085; HCF_SPEC-81).

use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report, Request, Transactions};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Direction, EventWriter};

/// HART-IP.
pub static HART_IP: Protocol = Protocol {
    name: "hart_ip",
    title: "HART-IP",
    family: Family::Operational,
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[5094],
    exposure: Exposure::Cleartext,
    opening: Opening::range(8, 1, 2),
    probe: Some(probe),
    parser: Some(framed::parser::<HartIp>),
    events: &["hart_ip", "anomaly"],
    source: "FieldComm Group TS20085; HCF_SPEC-81",
};

const HEADER_LEN: usize = 8;
/// Longest unit: a frame of the field bus has 255 bytes of data, audit logs have more.
const UNIT_MAX: usize = 8 * 1024;

fn probe(probe: &Probe<'_>) -> Found {
    let found = look(probe.payload);
    match (found, Header::read(probe.payload)) {
        (Found::Maybe, _) if !probe.is_stream() => Found::No,
        (Found::Yes | Found::Likely(_), Some(header))
            if !probe.is_stream() && header.len != probe.payload.len() =>
        {
            Found::No
        }
        (Found::Likely(_), _) if probe.has_port(5094) => Found::Yes,
        _ => found,
    }
}

/// A frame with its checksum, or a session's opening, leaves no doubt; short units without content do.
fn look(bytes: &[u8]) -> Found {
    let Some(header) = Header::read(bytes) else {
        return if bytes.len() < HEADER_LEN && matches!(bytes.first(), None | Some(1 | 2)) {
            Found::Maybe
        } else {
            Found::No
        };
    };
    let Some(content) = bytes.get(HEADER_LEN..header.len) else { return Found::Maybe };
    match (header.id, content.len()) {
        (0, 5) if header.status == 0 && matches!(content.first(), Some(0 | 1)) => Found::Yes,
        (1 | 2, 0) if header.status == 0 => Found::Likely(75),
        (3, _) if Frame::read(content).is_some() => Found::Yes,
        _ => Found::No,
    }
}

/// The header of a unit.
#[derive(Clone, Copy, Debug)]
struct Header {
    kind: u8,
    id: u8,
    status: u8,
    sequence: u16,
    len: usize,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let [1 | 2, kind, id, status, s1, s0, l1, l0] = *bytes.first_chunk::<HEADER_LEN>()? else {
            return None;
        };
        let len = usize::from(u16::from_be_bytes([l1, l0]));
        let is_right = message_type(kind).is_some()
            && message_id(id).is_some()
            && (HEADER_LEN..=UNIT_MAX).contains(&len);
        is_right.then_some(Self { kind, id, status, sequence: u16::from_be_bytes([s1, s0]), len })
    }
}

const fn message_type(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "request",
        1 => "response",
        2 => "publish",
        15 => "nak",
        _ => return None,
    })
}

const fn message_id(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "session_initiate",
        1 => "session_close",
        2 => "keep_alive",
        3 => "token_passing_pdu",
        4 => "direct_pdu",
        5 => "read_audit_log",
        _ => return None,
    })
}

/// A frame of the field bus (HCF_SPEC-81, 5).
#[derive(Clone, Copy, Debug)]
struct Frame<'a> {
    delimiter: u8,
    address: &'a [u8],
    command: u8,
    data: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads a frame; None where its length or checksum is wrong.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let delimiter = cursor.u8()?;
        if !matches!(delimiter & 7, 1 | 2 | 6) {
            return None;
        }
        let address = cursor.take(if delimiter & 0x80 == 0 { 1 } else { 5 })?;
        cursor.take(usize::from(delimiter >> 5 & 3))?;
        let (command, count) = (cursor.u8()?, cursor.u8()?);
        let data = cursor.take(usize::from(count))?;
        cursor.u8()?;
        let is_right = cursor.is_empty() && bytes.iter().fold(0, |sum, byte| sum ^ byte) == 0;
        is_right.then_some(Self { delimiter, address, command, data })
    }

    fn write(&self, event: &mut EventWriter<'_>) {
        let kind = match self.delimiter & 7 {
            1 => "burst",
            2 => "request",
            _ => "response",
        };
        event
            .object("frame")
            .label("type", kind)
            .hex("address", self.address)
            .number("command", self.command);
        event.label("command_name", command(self.command));
        match (self.delimiter & 7, self.data) {
            (1 | 6, [code, status, data @ ..]) => {
                event.number("response_code", *code).number("device_status", *status);
                event.number("size", data.len() as u64);
                // Who the device is (command 0): type, and its id at the end.
                if let (0, [254, type1, type0, _, revision, software, _, _, _, id @ ..]) =
                    (self.command, data)
                    && let Some(id) = id.first_chunk::<3>()
                {
                    event
                        .number("device_type", u16::from_be_bytes([*type1, *type0]))
                        .number("device_revision", *revision);
                    event.number("software_revision", *software).hex("device_id", id);
                }
            }
            (_, data) => {
                event.number("size", data.len() as u64);
            }
        }
        event.close();
    }
}

/// Universal and common practice commands (HCF_SPEC-127, HCF_SPEC-151).
const fn command(code: u8) -> &'static str {
    match code {
        0 => "read_unique_identifier",
        1 => "read_primary_variable",
        2 => "read_loop_current",
        3 => "read_dynamic_variables",
        6 => "write_polling_address",
        7 => "read_loop_configuration",
        8 => "read_variable_classifications",
        9 => "read_device_variables",
        11 | 21 => "read_unique_identifier_by_tag",
        12 => "read_message",
        13 => "read_tag_descriptor_date",
        14 => "read_transducer_information",
        15 => "read_device_information",
        16 => "read_final_assembly_number",
        17 => "write_message",
        18 => "write_tag_descriptor_date",
        19 => "write_final_assembly_number",
        20 => "read_long_tag",
        22 => "write_long_tag",
        33 => "read_device_variables_common",
        34 => "write_damping",
        35 => "write_range",
        36 => "set_upper_range",
        37 => "set_lower_range",
        38 => "reset_configuration_changed",
        40 => "fixed_current_mode",
        41 => "self_test",
        42 => "device_reset",
        43 => "set_zero",
        44 => "write_units",
        45 => "trim_loop_zero",
        46 => "trim_loop_gain",
        48 => "read_additional_status",
        49 => "write_serial_number",
        51 => "write_variable_assignments",
        54 => "read_variable_information",
        59 => "write_preambles",
        71 => "lock_device",
        76 => "read_lock_state",
        77 => "send_command_to_subdevice",
        108 => "write_burst_command",
        109 => "burst_mode_control",
        _ => "other",
    }
}

/// HART-IP on one flow.
#[derive(Debug, Default)]
struct HartIp {
    transactions: Transactions<(u16, u8)>,
}

impl Messages for HartIp {
    const NAME: &'static str = "hart_ip";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        match Header::read(bytes) {
            Some(header) => Framing::whole(header.len),
            None if bytes.len() < HEADER_LEN => Framing::Open,
            None => Framing::Invalid("invalid_header"),
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let header = Header::read(message.bytes).ok_or("invalid_header")?;
        let content = message.bytes.get(HEADER_LEN..).unwrap_or_default();
        if header.id == 3 && Frame::read(content).is_none() && header.kind != 15 {
            report.anomaly("malformed_frame");
        }
        let key = (header.sequence, header.id);
        match header.kind {
            0 => {
                if let Some(oldest) = self.transactions.open(key, message.bytes) {
                    report.anomaly("flooded");
                    self.write_unanswered(oldest, report);
                }
            }
            1 | 15 => match self.transactions.close(|other| *other == key) {
                Some(request) => {
                    write(request.number, Some(&request.bytes), Some(message.bytes), report);
                    self.transactions.recycle(request);
                }
                None => {
                    write(self.transactions.number(), None, Some(message.bytes), report);
                    report.anomaly("unsolicited_response");
                }
            },
            _ => write(self.transactions.number(), None, Some(message.bytes), report),
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

impl HartIp {
    fn write_unanswered(&mut self, request: Request<(u16, u8)>, report: &mut Report<'_, '_>) {
        write(request.number, Some(&request.bytes), None, report);
        self.transactions.recycle(request);
    }
}

fn write(number: u64, request: Option<&[u8]>, response: Option<&[u8]>, report: &mut Report<'_, '_>) {
    let mut event = report.event("hart_ip");
    event.number("id", number);
    if let Some(header) = request.or(response).and_then(Header::read) {
        event
            .label("message_id", message_id(header.id).unwrap_or("unknown"))
            .number("sequence", header.sequence);
    }
    for (name, bytes) in [("request", request), ("response", response)] {
        let Some((bytes, header)) = bytes.and_then(|bytes| Some((bytes, Header::read(bytes)?))) else {
            continue;
        };
        let content = bytes.get(HEADER_LEN..).unwrap_or_default();
        event.object(name).label("type", message_type(header.kind).unwrap_or("unknown"));
        event.number("status", header.status);
        match (header.id, content) {
            (0, [master, a, b, c, d]) => {
                event.label("master", if *master == 1 { "primary" } else { "secondary" });
                event.number("inactivity_ms", u32::from_be_bytes([*a, *b, *c, *d]));
            }
            (3, _) => {
                if let Some(frame) = Frame::read(content) {
                    frame.write(&mut event);
                }
            }
            _ => {}
        }
        event.close();
    }
}
