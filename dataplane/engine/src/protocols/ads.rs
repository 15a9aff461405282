//! Beckhoff's Automation Device Specification over TCP: AMS routing, and the commands to controllers.

use arrayvec::ArrayVec;

use super::framed::{
    self, Cursor, Framing, Message, Messages, Next, Report, Request, Transactions, push_decimal,
};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Direction, EventWriter};

/// ADS.
pub static ADS: Protocol = Protocol {
    name: "ads",
    title: "Beckhoff ADS",
    family: Family::Operational,
    carriers: &[Carrier::Tcp],
    ports: &[48_898],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, &[0]),
    probe: Some(probe),
    parser: Some(framed::parser::<Ads>),
    events: &["ads", "anomaly"],
    source: "Beckhoff Information System: TwinCAT ADS, AMS/ADS specification",
};

/// Reserved, length.
const TCP_LEN: usize = 6;
/// The AMS header.
const HEADER_LEN: usize = 32;
/// Bytes of a message that are read.
const SHOWN_MAX: usize = 4 * 1024;
/// Longest message that is believed.
const LEN_MAX: u32 = 64 * 1024 * 1024;

fn probe(probe: &Probe<'_>) -> Found {
    look(probe.payload)
}

fn look(bytes: &[u8]) -> Found {
    match framing(bytes) {
        Framing::Open => Found::Maybe,
        Framing::Invalid(_) => Found::No,
        Framing::Message { .. } => Found::Yes,
    }
}

/// Two lengths that agree, a command that exists and flags that fit.
fn framing(bytes: &[u8]) -> Framing {
    if bytes.iter().take(2).any(|byte| *byte != 0) {
        return Framing::Invalid("invalid_header");
    }
    let Some(header) = Header::read(bytes) else {
        let length = bytes.get(2..).and_then(<[u8]>::first_chunk).map(|length| u32::from_le_bytes(*length));
        return if length.is_none_or(|length| (32..LEN_MAX).contains(&length)) {
            Framing::Open
        } else {
            Framing::Invalid("invalid_length")
        };
    };
    let is_right = command(header.command).is_some()
        && matches!(header.flags, 4 | 5)
        && (32..LEN_MAX).contains(&header.length)
        && header.length == header.data_length.wrapping_add(32);
    match usize::try_from(header.length) {
        Ok(length) if is_right => Framing::at_most(TCP_LEN + length, SHOWN_MAX),
        _ => Framing::Invalid("invalid_header"),
    }
}

/// Both headers; numbers are little-endian.
#[derive(Clone, Copy, Debug)]
struct Header {
    length: u32,
    target: ([u8; 6], u16),
    source: ([u8; 6], u16),
    command: u16,
    flags: u16,
    data_length: u32,
    error: u32,
    invoke: u32,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        cursor.take(2)?;
        Some(Self {
            length: cursor.u32_le()?,
            target: (*cursor.array()?, cursor.u16_le()?),
            source: (*cursor.array()?, cursor.u16_le()?),
            command: cursor.u16_le()?,
            flags: cursor.u16_le()?,
            data_length: cursor.u32_le()?,
            error: cursor.u32_le()?,
            invoke: cursor.u32_le()?,
        })
    }

    const fn is_response(&self) -> bool {
        self.flags & 1 == 1
    }
}

const fn command(code: u16) -> Option<&'static str> {
    Some(match code {
        1 => "ReadDeviceInfo",
        2 => "Read",
        3 => "Write",
        4 => "ReadState",
        5 => "WriteControl",
        6 => "AddDeviceNotification",
        7 => "DeleteDeviceNotification",
        8 => "DeviceNotification",
        9 => "ReadWrite",
        _ => return None,
    })
}

/// States of a controller.
const fn state(code: u16) -> &'static str {
    match code {
        0 => "Invalid",
        1 => "Idle",
        2 => "Reset",
        3 => "Init",
        4 => "Start",
        5 => "Run",
        6 => "Stop",
        7 => "SaveConfig",
        8 => "LoadConfig",
        9 => "PowerFailure",
        10 => "PowerGood",
        11 => "Error",
        12 => "Shutdown",
        13 => "Suspend",
        14 => "Resume",
        15 => "Config",
        16 => "Reconfig",
        _ => "Unknown",
    }
}

/// Index groups with a meaning of their own.
const fn index_group(group: u32) -> Option<&'static str> {
    Some(match group {
        0x4020 => "plc_memory_bytes",
        0x4021 => "plc_memory_bits",
        0xf003 => "symbol_handle_by_name",
        0xf004 => "symbol_value_by_name",
        0xf005 => "symbol_value_by_handle",
        0xf006 => "release_symbol_handle",
        0xf007 => "symbol_info_by_name",
        0xf008 => "symbol_version",
        0xf009 => "symbol_info_by_name_extended",
        0xf00b => "symbol_upload",
        0xf00c | 0xf00f => "symbol_upload_info",
        0xf020 => "process_image_inputs",
        0xf021 => "process_image_input_bits",
        0xf030 => "process_image_outputs",
        0xf031 => "process_image_output_bits",
        0xf080 => "sum_read",
        0xf081 => "sum_write",
        0xf082 => "sum_read_write",
        _ => return None,
    })
}

/// ADS on one connection.
#[derive(Debug, Default)]
struct Ads {
    transactions: Transactions<(u32, u16)>,
    notifications: u64,
}

impl Messages for Ads {
    const NAME: &'static str = "ads";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        framing(bytes)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let header = Header::read(message.bytes).ok_or("invalid_header")?;
        if header.command == 8 {
            // Values that change, at the controller's pace.
            self.notifications += 1;
            return Ok(Next::More);
        }
        let key = (header.invoke, header.command);
        if header.is_response() {
            match self.transactions.close(|other| *other == key) {
                Some(request) => {
                    write(request.number, Some(&request.bytes), Some(message.bytes), report);
                    self.transactions.recycle(request);
                }
                None => {
                    write(self.transactions.number(), None, Some(message.bytes), report);
                    report.anomaly("unsolicited_response");
                }
            }
        } else if let Some(oldest) = self.transactions.open(key, message.bytes) {
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
        self.notifications = 0;
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(request) = self.transactions.pop() {
            self.write_unanswered(request, report);
        }
        if self.notifications > 0 {
            report.event("ads").label("command", "DeviceNotification").number("count", self.notifications);
        }
    }
}

impl Ads {
    fn write_unanswered(&mut self, request: Request<(u32, u16)>, report: &mut Report<'_, '_>) {
        write(request.number, Some(&request.bytes), None, report);
        self.transactions.recycle(request);
    }
}

fn write(number: u64, request: Option<&[u8]>, response: Option<&[u8]>, report: &mut Report<'_, '_>) {
    let mut event = report.event("ads");
    event.number("id", number);
    if let Some(header) = request.or(response).and_then(Header::read) {
        // Whom the request is for, whichever half was seen.
        let (target, source) = if header.is_response() {
            (header.source, header.target)
        } else {
            (header.target, header.source)
        };
        event.text("target", &net_id(&target.0)).number("target_port", target.1);
        event.text("source", &net_id(&source.0)).number("source_port", source.1);
        event
            .number("invoke_id", header.invoke)
            .label("command", command(header.command).unwrap_or("unknown"));
    }
    for (name, bytes) in [("request", request), ("response", response)] {
        let Some((bytes, header)) = bytes.and_then(|bytes| Some((bytes, Header::read(bytes)?))) else {
            continue;
        };
        let data = Cursor::new(bytes.get(TCP_LEN + HEADER_LEN..).unwrap_or_default());
        event.object(name);
        if header.error != 0 {
            event.number("error", header.error);
        }
        let _ = if header.is_response() {
            write_response(header.command, data, &mut event)
        } else {
            write_request(header.command, data, &mut event)
        };
        event.close();
    }
}

fn write_request(command: u16, mut data: Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    match command {
        2 | 3 | 6 | 9 => {
            let (group, offset, length) = (data.u32_le()?, data.u32_le()?, data.u32_le()?);
            event.number("index_group", group).number("index_offset", offset).number("length", length);
            if let Some(name) = index_group(group) {
                event.label("index_group_name", name);
            }
            if command == 9 {
                let written = usize::try_from(data.u32_le()?).ok()?;
                event.number("write_length", written as u64);
                // These are asked for by name.
                if matches!(group, 0xf003 | 0xf004 | 0xf007 | 0xf009) {
                    let name = data.take(written.min(256))?;
                    event.text("symbol", name.split(|byte| *byte == 0).next().unwrap_or_default());
                }
            }
        }
        5 => {
            let (ads, device, length) = (data.u16_le()?, data.u16_le()?, data.u32_le()?);
            event.label("ads_state", state(ads)).number("device_state", device).number("length", length);
        }
        7 => {
            event.number("notification", data.u32_le()?);
        }
        _ => {}
    }
    Some(())
}

fn write_response(command: u16, mut data: Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    event.number("result", data.u32_le()?);
    match command {
        1 => {
            let (major, minor, build) = (data.u8()?, data.u8()?, data.u16_le()?);
            event.number("major", major).number("minor", minor).number("build", build);
            let name = data.take(16)?;
            event.text("device", name.split(|byte| *byte == 0).next().unwrap_or_default());
        }
        2 | 9 => {
            event.number("length", data.u32_le()?);
        }
        4 => {
            event.label("ads_state", state(data.u16_le()?)).number("device_state", data.u16_le()?);
        }
        6 => {
            event.number("notification", data.u32_le()?);
        }
        _ => {}
    }
    Some(())
}

/// "5.24.37.144.1.1".
fn net_id(id: &[u8; 6]) -> ArrayVec<u8, 24> {
    let mut text = ArrayVec::new();
    for byte in id {
        if !text.is_empty() {
            let _ = text.try_push(b'.');
        }
        push_decimal((*byte).into(), &mut text);
    }
    text
}
