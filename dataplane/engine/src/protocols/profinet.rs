//! PROFINET straight over Ethernet: discovery and configuration (DCP), alarms, and cyclic data, which is counted.

use arrayvec::ArrayVec;

use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Opening, Protocol};
use crate::record::{Datum, Direction, EventWriter};

/// PROFINET RT and DCP.
pub static PROFINET: Protocol = Protocol {
    name: "profinet",
    title: "PROFINET RT and DCP",
    family: Family::Operational,
    carriers: &[Carrier::Ethernet(0x8892)],
    ports: &[],
    exposure: Exposure::Cleartext,
    opening: Opening::any(0),
    probe: None,
    parser: Some(framed::parser::<Profinet>),
    events: &["profinet", "anomaly"],
    source: "IEC 61158-6-10: FrameID, DCP, APDU status, alarm notification",
};

/// Cyclic relations of one pair of addresses that are kept apart.
const RELATIONS_MAX: usize = 32;
/// Blocks of one DCP message that are read.
const BLOCKS_MAX: usize = 32;
/// DCP messages and alarms of one flow that are written.
const EVENTS_MAX: u32 = 256;

/// What a FrameID says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Discovery and configuration.
    Dcp(&'static str),
    /// Cyclic data of a relation.
    Cyclic,
    Alarm(&'static str),
    /// Synchronisation of clocks, and what else repeats.
    Clock,
    Other,
}

const fn kind(frame: u16) -> Kind {
    match frame {
        0xfefc => Kind::Dcp("hello"),
        0xfefd => Kind::Dcp("get_set"),
        0xfefe => Kind::Dcp("identify_request"),
        0xfeff => Kind::Dcp("identify_response"),
        0xfc01 => Kind::Alarm("high"),
        0xfe01 => Kind::Alarm("low"),
        0x0020..=0x00ff | 0xff00..=0xff5f => Kind::Clock,
        0x0100..=0x0fff | 0x8000..=0xfbff => Kind::Cyclic,
        _ => Kind::Other,
    }
}

/// A relation whose data goes round.
#[derive(Clone, Copy, Debug)]
struct Relation {
    frame: u16,
    /// Data status: valid, running, without problem.
    status: u8,
    frames: u64,
}

/// PROFINET between one pair of addresses.
#[derive(Debug, Default)]
struct Profinet {
    relations: ArrayVec<Relation, RELATIONS_MAX>,
    clocks: u64,
    others: u64,
    written: u32,
}

impl Messages for Profinet {
    const NAME: &'static str = "profinet";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let mut cursor = Cursor::new(message.bytes);
        let frame = cursor.u16().ok_or("truncated_data")?;
        match kind(frame) {
            Kind::Cyclic => self.cyclic(frame, cursor.rest(), report)?,
            Kind::Clock => self.clocks = self.clocks.saturating_add(1),
            Kind::Other => self.others = self.others.saturating_add(1),
            Kind::Dcp(name) => {
                let message = Dcp::read(cursor).ok_or("malformed_dcp")?;
                if self.may_write() {
                    message.write(name, &mut report.event("profinet"));
                }
            }
            Kind::Alarm(priority) => {
                let alarm = cursor.array::<8>().ok_or("malformed_alarm")?;
                // Acknowledgements of the alarm's transport say nothing of themselves.
                if alarm.get(4).is_some_and(|byte| byte & 0x0f == 1) && self.may_write() {
                    let _ = write_alarm(priority, cursor, &mut report.event("profinet"));
                }
            }
        }
        Ok(Next::More)
    }

    fn starts(&self, _: &[u8], _: Direction) -> super::Found {
        super::Found::No
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        for relation in &self.relations {
            let mut event = report.event("profinet");
            event.label("type", "cyclic_summary").number("frame_id", relation.frame);
            event.number("frames", relation.frames);
            write_status(relation.status, &mut event);
        }
        if self.clocks > 0 || self.others > 0 {
            let mut event = report.event("profinet");
            event.label("type", "other_summary").number("clock_frames", self.clocks);
            event.number("other_frames", self.others);
        }
    }
}

impl Profinet {
    const fn may_write(&mut self) -> bool {
        self.written = self.written.saturating_add(1);
        self.written <= EVENTS_MAX
    }

    /// Cyclic data ends with its cycle, data status and transfer status, behind what fills the frame up.
    fn cyclic(&mut self, frame: u16, data: &[u8], report: &mut Report<'_, '_>) -> Result<(), &'static str> {
        let Some([_, _, status, _]) = data.last_chunk::<4>() else { return Err("truncated_data") };
        let status = status & STATUS_BITS;
        match self.relations.iter_mut().find(|known| known.frame == frame) {
            Some(known) => {
                known.frames = known.frames.saturating_add(1);
                if known.status == status {
                    return Ok(());
                }
                known.status = status;
            }
            None => {
                if self.relations.try_push(Relation { frame, status, frames: 1 }).is_err() {
                    self.others = self.others.saturating_add(1);
                    return Ok(());
                }
            }
        }
        if self.may_write() {
            let mut event = report.event("profinet");
            event.label("type", "cyclic").number("frame_id", frame).number("size", data.len() as u64);
            write_status(status, &mut event);
        }
        Ok(())
    }
}

/// Primary, valid, running, without problem.
const STATUS_BITS: u8 = 0x35;

fn write_status(status: u8, event: &mut EventWriter<'_>) {
    event.label("state", if status & 1 != 0 { "primary" } else { "backup" });
    event.flag("data_valid", status & 4 != 0).flag("running", status & 0x10 != 0);
    event.flag("problem", status & 0x20 == 0);
}

/// An alarm behind its transport: what happened, where.
fn write_alarm(priority: &'static str, mut cursor: Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    event.label("type", "alarm").label("priority", priority);
    // The rest of the transport's header, then block type, length, version.
    cursor.take(4)?;
    let (block, _, _) = (cursor.u16()?, cursor.u16()?, cursor.u16()?);
    event.label(
        "block",
        match block {
            0x0001 | 0x0002 => "notification",
            0x8001 | 0x8002 => "acknowledgement",
            _ => "unknown",
        },
    );
    let (kind, interface) = (cursor.u16()?, cursor.u32()?);
    let (slot, subslot) = (cursor.u16()?, cursor.u16()?);
    event.number("alarm_code", kind).label("alarm", alarm_name(kind));
    event.number("api", interface).number("slot", slot).number("subslot", subslot);
    Some(())
}

const fn alarm_name(code: u16) -> &'static str {
    match code {
        0x01 => "diagnosis",
        0x02 => "process",
        0x03 => "pull",
        0x04 => "plug",
        0x05 => "status",
        0x06 => "update",
        0x07 => "redundancy",
        0x08 => "controlled_by_supervisor",
        0x09 => "released",
        0x0a => "plug_wrong_submodule",
        0x0b => "return_of_submodule",
        0x0c => "diagnosis_disappears",
        0x0e => "port_data_change",
        0x0f => "sync_data_change",
        0x1e => "upload_and_retrieval",
        0x1f => "pull_module",
        _ => "other",
    }
}

/// A message of discovery and configuration.
#[derive(Clone, Copy, Debug)]
struct Dcp<'a> {
    service: u8,
    kind: u8,
    id: u32,
    blocks: Cursor<'a>,
}

impl<'a> Dcp<'a> {
    fn read(mut cursor: Cursor<'a>) -> Option<Self> {
        let (service, kind, id) = (cursor.u8()?, cursor.u8()?, cursor.u32()?);
        cursor.u16()?;
        let length = cursor.u16()?;
        let blocks = Cursor::new(cursor.take(usize::from(length))?);
        matches!(service, 3..=6).then_some(Self { service, kind, id, blocks })
    }

    const fn is_response(&self) -> bool {
        self.kind & 1 == 1
    }

    fn write(mut self, frame: &'static str, event: &mut EventWriter<'_>) {
        let service = match self.service {
            3 => "get",
            4 => "set",
            5 => "identify",
            _ => "hello",
        };
        event.label("type", "dcp").label("frame", frame).label("service", service);
        event.label("kind", if self.is_response() { "response" } else { "request" });
        if self.kind & 4 != 0 {
            event.flag("unsupported", true);
        }
        event.number("transaction", self.id).list("blocks");
        for _ in 0..BLOCKS_MAX {
            if self.block(event).is_none() {
                break;
            }
        }
        event.close();
    }

    /// Writes the next block: option, what it says.
    fn block(&mut self, event: &mut EventWriter<'_>) -> Option<()> {
        let (option, part) = (self.blocks.u8()?, self.blocks.u8()?);
        // A request to read only lists what it wants.
        if self.service == 3 && !self.is_response() {
            event.label("", option_name(option, part));
            return Some(());
        }
        let length = self.blocks.u16()?;
        let content = self.blocks.take(usize::from(length))?;
        if length % 2 == 1 {
            self.blocks.u8();
        }
        // Responses, hello and set have two bytes of information or qualifier first.
        let has_information = self.is_response() || matches!(self.service, 4 | 6);
        let data =
            if has_information && option != 5 { content.get(2..).unwrap_or_default() } else { content };
        event.object("").label("option", option_name(option, part));
        write_option(option, part, data, event);
        event.close();
        Some(())
    }
}

fn write_option(option: u8, part: u8, data: &[u8], event: &mut EventWriter<'_>) {
    match (option, part, data) {
        (1, 1, mac) => {
            event.hex("mac", mac.get(..6).unwrap_or(mac));
        }
        (1, 2 | 3, data) => {
            for (name, address) in ["ip", "netmask", "gateway"].into_iter().zip(data.as_chunks::<4>().0) {
                event.datum(name, Datum::Ip((*address).into()));
            }
        }
        (2, 1 | 2 | 6, text) => {
            event.text("value", text.get(..240).unwrap_or(text));
        }
        (2, 3, [v1, v0, d1, d0, ..]) => {
            event.number("vendor_id", u16::from_be_bytes([*v1, *v0]));
            event.number("device_id", u16::from_be_bytes([*d1, *d0]));
        }
        (2, 4, [role, ..]) => {
            for (bit, name) in [(1, "device"), (2, "controller"), (4, "multidevice"), (8, "supervisor")] {
                if role & bit != 0 {
                    event.flag(name, true);
                }
            }
        }
        (5, 4, [about, part, error, ..]) => {
            event.label("about", option_name(*about, *part)).number("error", *error);
        }
        _ => {}
    }
}

const fn option_name(option: u8, part: u8) -> &'static str {
    match (option, part) {
        (1, 1) => "mac_address",
        (1, 2) => "ip_parameter",
        (1, 3) => "full_ip_suite",
        (2, 1) => "type_of_station",
        (2, 2) => "name_of_station",
        (2, 3) => "device_id",
        (2, 4) => "device_role",
        (2, 5) => "device_options",
        (2, 6) => "alias_name",
        (2, 7) => "device_instance",
        (2, 8) => "oem_device_id",
        (3, _) => "dhcp",
        (5, 1) => "start",
        (5, 2) => "stop",
        (5, 3) => "signal",
        (5, 4) => "response",
        (5, 5) => "factory_reset",
        (5, 6) => "reset_to_factory",
        (6, 1) => "device_initiative",
        (0xff, 0xff) => "all",
        _ => "other",
    }
}
