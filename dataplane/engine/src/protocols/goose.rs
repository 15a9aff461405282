//! GOOSE: events that protection devices of a substation publish to each other, straight over Ethernet.
//!
//! A publisher repeats its state again and again; an event is written of the first message, of each new state, and of
//! what a receiver must not see: numbers that jump or fall, a configuration that changes, simulation.

use arrayvec::ArrayVec;

use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report};
use super::tlv::{Elements, unsigned};
use super::{Carrier, Exposure, Family, Opening, Protocol};
use crate::record::{Direction, EventWriter};

/// GOOSE.
pub static GOOSE: Protocol = Protocol {
    name: "goose",
    title: "GOOSE",
    family: Family::Operational,
    carriers: &[Carrier::Ethernet(0x88b8)],
    ports: &[],
    exposure: Exposure::Cleartext,
    opening: Opening::any(0),
    probe: None,
    parser: Some(framed::parser::<Goose>),
    events: &["goose", "anomaly"],
    source: "IEC 61850-8-1, 15 and annex C",
};

/// Application id, length, two reserved words.
const HEADER_LEN: usize = 8;
/// Publishers of one pair of addresses that are kept apart.
const PUBLISHERS_MAX: usize = 16;
/// New states of one publisher that are written.
const CHANGES_MAX: u32 = 64;
/// Bytes of a reference.
const REFERENCE_MAX: usize = 129;

/// The frame of GOOSE and sampled values (annex C.2): application id, whether it is simulated, the unit.
pub(super) fn frame(bytes: &[u8]) -> Option<(u16, bool, &[u8])> {
    let mut cursor = Cursor::new(bytes);
    let (application, length) = (cursor.u16()?, usize::from(cursor.u16()?));
    let simulated = cursor.u16()? & 0x8000 != 0;
    let unit = bytes.get(HEADER_LEN..length)?;
    Some((application, simulated, unit))
}

/// A message.
#[derive(Clone, Copy, Debug, Default)]
struct Unit<'a> {
    reference: &'a [u8],
    data_set: &'a [u8],
    id: &'a [u8],
    time_to_live: Option<u32>,
    state: u32,
    sequence: u32,
    configuration: u32,
    is_test: bool,
    needs_commissioning: bool,
    entries: Option<u32>,
}

impl<'a> Unit<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let body = Elements::new(bytes).of(0x61)?;
        let mut unit = Self::default();
        let (mut has_state, mut has_sequence) = (false, false);
        for (tag, value) in Elements::new(body) {
            let is_set = value.first().is_some_and(|byte| *byte != 0);
            match tag {
                0x80 => unit.reference = value.get(..REFERENCE_MAX).unwrap_or(value),
                0x81 => unit.time_to_live = unsigned(value),
                0x82 => unit.data_set = value.get(..REFERENCE_MAX).unwrap_or(value),
                0x83 => unit.id = value.get(..REFERENCE_MAX).unwrap_or(value),
                0x85 => (unit.state, has_state) = (unsigned(value)?, true),
                0x86 => (unit.sequence, has_sequence) = (unsigned(value)?, true),
                0x87 => unit.is_test = is_set,
                0x88 => unit.configuration = unsigned(value)?,
                0x89 => unit.needs_commissioning = is_set,
                0x8a => unit.entries = unsigned(value),
                _ => {}
            }
        }
        (has_state && has_sequence && !unit.reference.is_empty()).then_some(unit)
    }

    fn write(&self, application: u16, simulated: bool, event: &mut EventWriter<'_>) {
        event.number("app_id", application).text("control_block", self.reference);
        for (name, text) in [("data_set", self.data_set), ("go_id", self.id)] {
            if !text.is_empty() {
                event.text(name, text);
            }
        }
        if let Some(time) = self.time_to_live {
            event.number("time_allowed_to_live_ms", time);
        }
        event.number("st_num", self.state).number("sq_num", self.sequence);
        event.number("conf_rev", self.configuration);
        event.flag("simulation", simulated || self.is_test).flag("nds_com", self.needs_commissioning);
        if let Some(entries) = self.entries {
            event.number("entries", entries);
        }
    }
}

/// What is known of a control block.
#[derive(Debug)]
struct Publisher {
    application: u16,
    reference: ArrayVec<u8, REFERENCE_MAX>,
    state: u32,
    sequence: u32,
    configuration: u32,
    is_simulated: bool,
    frames: u64,
    changes: u32,
}

/// GOOSE between one pair of addresses.
#[derive(Debug, Default)]
struct Goose {
    publishers: Vec<Publisher>,
    others: u64,
}

impl Messages for Goose {
    const NAME: &'static str = "goose";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let (application, simulated, bytes) = frame(message.bytes).ok_or("malformed_frame")?;
        let unit = Unit::read(bytes).ok_or("malformed_unit")?;
        let known = self
            .publishers
            .iter_mut()
            .find(|known| known.application == application && known.reference.as_slice() == unit.reference);
        if let Some(known) = known {
            known.next(&unit, simulated, report);
        } else if self.publishers.len() < PUBLISHERS_MAX {
            let mut event = report.event("goose");
            event.label("type", "publisher");
            unit.write(application, simulated, &mut event);
            drop(event);
            self.publishers.push(Publisher {
                application,
                reference: unit.reference.iter().copied().take(REFERENCE_MAX).collect(),
                state: unit.state,
                sequence: unit.sequence,
                configuration: unit.configuration,
                is_simulated: simulated || unit.is_test,
                frames: 1,
                changes: 0,
            });
        } else {
            self.others = self.others.saturating_add(1);
        }
        Ok(Next::More)
    }

    fn starts(&self, _: &[u8], _: Direction) -> super::Found {
        super::Found::No
    }

    fn clear(&mut self) {
        self.publishers.clear();
        self.others = 0;
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        for known in &self.publishers {
            let mut event = report.event("goose");
            event.label("type", "summary").number("app_id", known.application);
            event.text("control_block", &known.reference).number("frames", known.frames);
            event.number("changes", known.changes).number("st_num", known.state);
        }
        if self.others > 0 {
            report.event("goose").label("type", "other_publishers").number("frames", self.others);
        }
    }
}

impl Publisher {
    /// The next message: the same state with the next number, or a new state whose numbers start at 0 (15.2.3).
    fn next(&mut self, unit: &Unit<'_>, simulated: bool, report: &mut Report<'_, '_>) {
        self.frames = self.frames.saturating_add(1);
        let is_simulated = simulated || unit.is_test;
        let is_new = unit.state != self.state;
        let is_changed = unit.configuration != self.configuration || is_simulated != self.is_simulated;
        if is_new || is_changed {
            self.changes = self.changes.saturating_add(1);
            if self.changes <= CHANGES_MAX {
                let mut event = report.event("goose");
                event.label("type", if is_new { "state_change" } else { "configuration_change" });
                unit.write(self.application, simulated, &mut event);
            }
        }
        // State 1 follows a restart, and the last number there is.
        let is_restart = unit.state == 1 && unit.sequence <= 1;
        if is_new && unit.state != self.state.wrapping_add(1) && !is_restart {
            report.anomaly(if unit.state < self.state { "state_number_fell" } else { "state_number_jumped" });
        } else if !is_new && unit.sequence <= self.sequence && !is_restart && self.sequence != u32::MAX {
            report.anomaly("sequence_number_repeated");
        }
        if unit.configuration != self.configuration {
            report.anomaly("configuration_changed");
        }
        (self.state, self.sequence) = (unit.state, unit.sequence);
        (self.configuration, self.is_simulated) = (unit.configuration, is_simulated);
    }
}
