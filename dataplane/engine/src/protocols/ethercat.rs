//! EtherCAT: datagrams that pass through every device of a segment. Cyclic data is counted; that a device is told to
//! change its state, or its firmware and identity memory to be written, is an event.

use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Opening, Protocol};
use crate::record::Direction;

/// EtherCAT.
pub static ETHERCAT: Protocol = Protocol {
    name: "ethercat",
    title: "EtherCAT",
    family: Family::Operational,
    carriers: &[Carrier::Ethernet(0x88a4)],
    ports: &[],
    exposure: Exposure::Cleartext,
    opening: Opening::any(0),
    probe: None,
    parser: Some(framed::parser::<EtherCat>),
    events: &["ethercat", "anomaly"],
    source: "IEC 61158-4-12, IEC 61158-6-12; ETG.1000.4, ETG.1000.6",
};

/// Datagrams of one frame that are read.
const DATAGRAMS_MAX: usize = 128;
/// Events of one flow about registers.
const EVENTS_MAX: u32 = 256;
/// Registers (ETG.1000.4): what state is asked for; the memory with identity and configuration.
const AL_CONTROL: u16 = 0x0120;
const MEMORY_CONTROL: u16 = 0x0502;

/// Commands, by their codes.
static COMMANDS: [&str; 15] = [
    "NOP", "APRD", "APWR", "APRW", "FPRD", "FPWR", "FPRW", "BRD", "BWR", "BRW", "LRD", "LWR", "LRW", "ARMW",
    "FRMW",
];

/// EtherCAT between one pair of addresses.
#[derive(Debug, Default)]
struct EtherCat {
    frames: u64,
    counts: [u64; COMMANDS.len()],
    /// Frames of network variables and of mailboxes.
    variables: u64,
    mailboxes: u64,
    written: u32,
}

/// A datagram.
#[derive(Clone, Copy, Debug)]
struct Datagram<'a> {
    command: u8,
    device: u16,
    register: u16,
    data: &'a [u8],
    has_more: bool,
    working_counter: u16,
}

impl<'a> Datagram<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let (command, _) = (cursor.u8()?, cursor.u8()?);
        let (device, register, length) = (cursor.u16_le()?, cursor.u16_le()?, cursor.u16_le()?);
        cursor.u16_le()?;
        let data = cursor.take(usize::from(length & 0x07ff))?;
        let working_counter = cursor.u16_le()?;
        let has_more = length & 0x8000 != 0;
        Some(Self { command, device, register, data, has_more, working_counter })
    }

    /// Whether it writes to a device's registers.
    const fn is_write(&self) -> bool {
        matches!(self.command, 2 | 3 | 5 | 6 | 8 | 9)
    }
}

impl Messages for EtherCat {
    const NAME: &'static str = "ethercat";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let mut cursor = Cursor::new(message.bytes);
        let header = cursor.u16_le().ok_or("truncated_data")?;
        let length = usize::from(header & 0x07ff);
        self.frames = self.frames.saturating_add(1);
        match header >> 12 {
            1 => {}
            4 => {
                self.variables = self.variables.saturating_add(1);
                return Ok(Next::More);
            }
            5 => {
                self.mailboxes = self.mailboxes.saturating_add(1);
                return Ok(Next::More);
            }
            _ => return Err("unknown_type"),
        }
        let mut datagrams = Cursor::new(cursor.take(length).ok_or("invalid_length")?);
        for _ in 0..DATAGRAMS_MAX {
            let datagram = Datagram::read(&mut datagrams).ok_or("malformed_datagram")?;
            let count = self.counts.get_mut(usize::from(datagram.command)).ok_or("unknown_command")?;
            *count = count.saturating_add(1);
            self.register(&datagram, report);
            if !datagram.has_more {
                return Ok(Next::More);
            }
        }
        Err("too_many_datagrams")
    }

    fn starts(&self, _: &[u8], _: Direction) -> super::Found {
        super::Found::No
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        if self.frames == 0 {
            return;
        }
        let mut event = report.event("ethercat");
        event.label("type", "summary").number("frames", self.frames).object("commands");
        for (name, count) in COMMANDS.iter().zip(self.counts).filter(|(_, count)| *count > 0) {
            event.number(name, count);
        }
        event.close().number("network_variables", self.variables).number("mailboxes", self.mailboxes);
    }
}

impl EtherCat {
    /// What a datagram does to a device, where that is more than data going round. The same datagram comes back from
    /// the last device with its working counter raised; it is told of on its way out.
    fn register(&mut self, datagram: &Datagram<'_>, report: &mut Report<'_, '_>) {
        if !datagram.is_write() || datagram.working_counter != 0 {
            return;
        }
        let kind = match (datagram.register, datagram.data) {
            (AL_CONTROL, [_, _, ..]) => "state_request",
            // Write, not read or reload.
            (MEMORY_CONTROL, [_, command, ..]) if command & 0x07 == 2 => "memory_write",
            _ => return,
        };
        self.written = self.written.saturating_add(1);
        if self.written > EVENTS_MAX {
            return;
        }
        let mut event = report.event("ethercat");
        event.label("type", kind);
        event.label("command", COMMANDS.get(usize::from(datagram.command)).copied().unwrap_or("unknown"));
        match datagram.command {
            8 | 9 => event.label("device", "all"),
            // Counted down from device to device.
            2 | 3 => event.number("position", datagram.device.wrapping_neg()),
            _ => event.number("address", datagram.device),
        };
        if let (AL_CONTROL, Some(state)) = (datagram.register, datagram.data.first()) {
            event.label(
                "state",
                match state & 0x0f {
                    1 => "init",
                    2 => "pre_operational",
                    3 => "bootstrap",
                    4 => "safe_operational",
                    8 => "operational",
                    _ => "unknown",
                },
            );
            event.flag("acknowledge_error", state & 0x10 != 0);
        }
    }
}
