//! Commands of the message service (DICOM PS3.7, 9.3, 10.3 and annex E): elements of group 0, implicit and little-endian.

use super::names;
use crate::protocols::framed::Cursor;
use crate::record::EventWriter;

/// What matters of a command.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Command<'a> {
    /// What is asked or answered.
    pub(super) field: u16,
    /// Number of the message, or of the one that it answers.
    pub(super) id: u16,
    pub(super) sop_class: &'a [u8],
    has_instance: bool,
    destination: &'a [u8],
    pub(super) status: Option<u16>,
    /// Whether a data set follows.
    pub(super) has_data: bool,
    /// Operations of which something is left, done, failed, or was done with a warning.
    counts: [Option<u16>; 4],
}

/// Names of [`Command::counts`].
const COUNTS: [&str; 4] = ["remaining", "completed", "failed", "warnings"];

impl<'a> Command<'a> {
    /// Reads a command; None where it is none.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let mut command = Self::default();
        let (mut field, mut id) = (None, None);
        while !cursor.is_empty() {
            let (group, element, length) = (cursor.u16_le()?, cursor.u16_le()?, cursor.u32_le()?);
            if group != 0 {
                return None;
            }
            let value = cursor.take(usize::try_from(length).ok()?)?;
            let number = || value.first_chunk().map(|bytes| u16::from_le_bytes(*bytes));
            match element {
                0x0002 | 0x0003 => command.sop_class = value,
                0x0100 => field = number(),
                0x0110 | 0x0120 => id = number(),
                0x0600 => command.destination = value,
                0x0800 => command.has_data = number()? != 0x0101,
                0x0900 => command.status = number(),
                0x1000 | 0x1001 => command.has_instance = true,
                0x1020..=0x1023 => {
                    if let Some(place) = command.counts.get_mut(usize::from(element - 0x1020)) {
                        *place = number();
                    }
                }
                _ => {}
            }
        }
        command.field = field.filter(|field| names::command(*field).is_some())?;
        command.id = id?;
        Some(command)
    }

    /// Whether it answers.
    pub(super) const fn is_response(&self) -> bool {
        self.field & 0x8000 != 0
    }

    /// Whether more answers follow (PS3.7, annex C).
    pub(super) const fn is_pending(&self) -> bool {
        matches!(self.status, Some(0xff00 | 0xff01))
    }

    /// Writes the members of an object.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        if !self.destination.is_empty() {
            event.text(
                "move_destination",
                self.destination.get(..16).unwrap_or(self.destination).trim_ascii(),
            );
        }
        if let Some(status) = self.status {
            event.number("status_code", status).label("status", names::status(status));
        }
        for (name, count) in COUNTS.into_iter().zip(self.counts) {
            if let Some(count) = count {
                event.number(name, count);
            }
        }
        event.flag("instance", self.has_instance);
    }
}
