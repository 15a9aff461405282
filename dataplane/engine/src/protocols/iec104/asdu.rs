//! Application service data units (IEC 60870-5-101, 7.2): checked whole, then written.

use super::types::{Element, Type, asdu_type, cause};
use crate::protocols::framed::{Cursor, unix_days};
use crate::record::{Datum, EventWriter};

/// Type, structure qualifier, cause and originator, common address.
const HEADER_LEN: usize = 6;
/// Objects of one unit that are written.
const OBJECTS_MAX: u8 = 32;

/// Why a unit contradicts the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Its objects do not fill it.
    Length,
    /// No such type.
    Type,
    /// No such cause.
    Cause,
}

impl Fault {
    /// Name of the anomaly.
    pub(super) const fn anomaly(self) -> &'static str {
        match self {
            Self::Length => "malformed_asdu",
            Self::Type => "unknown_type",
            Self::Cause => "unknown_cause",
        }
    }
}

/// A unit whose header was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asdu<'a> {
    id: u8,
    structure: u8,
    cause: u8,
    originator: u8,
    common_address: u16,
    objects: &'a [u8],
}

impl<'a> Asdu<'a> {
    /// Reads the header.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let ([id, structure, cause, originator, low, high], objects) =
            bytes.split_first_chunk::<HEADER_LEN>()?;
        let common_address = u16::from_le_bytes([*low, *high]);
        Some(Self {
            id: *id,
            structure: *structure,
            cause: *cause,
            originator: *originator,
            common_address,
            objects,
        })
    }

    const fn count(&self) -> u8 {
        self.structure & 0x7f
    }

    /// One address for all objects, which follow each other.
    const fn is_sequence(&self) -> bool {
        self.structure & 0x80 != 0
    }

    /// Whether type and cause exist and the objects fill the unit.
    ///
    /// # Errors
    /// What does not fit.
    pub(super) fn check(&self) -> Result<Type, Fault> {
        let kind = asdu_type(self.id).ok_or(Fault::Type)?;
        let count = usize::from(self.count());
        let fits = match kind.size() {
            Some(size) if self.is_sequence() => count > 0 && self.objects.len() == 3 + count * size,
            Some(size) => self.objects.len() == count * (3 + size),
            None => self.objects.len() >= 7,
        };
        if !fits {
            return Err(Fault::Length);
        }
        if cause(self.cause & 0x3f).is_none() {
            return Err(Fault::Cause);
        }
        Ok(kind)
    }

    /// Writes the unit; its objects where they can be read.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        let kind = self.check();
        event.object("asdu").number("type_id", self.id);
        event.label("type", asdu_type(self.id).map_or("unknown", |kind| kind.name));
        event.flag("sequence", self.is_sequence()).number("count", self.count());
        event
            .number("cause_id", self.cause & 0x3f)
            .label("cause", cause(self.cause & 0x3f).unwrap_or("unknown"));
        event.flag("negative", self.cause & 0x40 != 0).flag("test", self.cause & 0x80 != 0);
        event.number("originator", self.originator).number("common_address", self.common_address);
        if let Ok(kind) = kind {
            self.write_objects(&kind, event);
        }
        event.close();
    }

    fn write_objects(&self, kind: &Type, event: &mut EventWriter<'_>) {
        let mut cursor = Cursor::new(self.objects);
        let mut next = 0_u32;
        event.list("objects");
        for number in 0..self.count().min(OBJECTS_MAX) {
            if number == 0 || !self.is_sequence() {
                let Some([a, b, c]) = cursor.array::<3>() else { break };
                next = u32::from_le_bytes([*a, *b, *c, 0]);
            }
            let size = kind.size().unwrap_or(cursor.len());
            let Some(data) = cursor.take(size) else { break };
            event.object("").number("address", next);
            write_element(kind, Cursor::new(data), event);
            event.close();
            next = next.wrapping_add(1);
        }
        event.close();
    }
}

fn write_element(kind: &Type, mut cursor: Cursor<'_>, event: &mut EventWriter<'_>) {
    match kind.element {
        Element::Nothing => {}
        Element::Single | Element::Double => write_state(kind.element, &mut cursor, event),
        Element::SingleCommand | Element::DoubleCommand | Element::StepCommand => {
            write_command(kind.element, &mut cursor, event);
        }
        Element::Qualifier => {
            event.number("qualifier", cursor.u8().unwrap_or_default());
        }
        Element::Opaque(size) => {
            event.hex("data", cursor.take(usize::from(size)).unwrap_or_default());
        }
        Element::Rest => {
            event.number("size", cursor.len() as u64);
        }
        element => {
            write_measure(element, &mut cursor, event);
        }
    }
    match kind.time {
        7 => write_time(&mut cursor, event),
        3 => {
            if let Some([low, high, minute]) = cursor.array::<3>() {
                let milliseconds = u64::from(u16::from_le_bytes([*low, *high]));
                event.number("milliseconds_of_hour", milliseconds + 60_000 * u64::from(minute & 0x3f));
            }
        }
        _ => {}
    }
}

fn write_time(cursor: &mut Cursor<'_>, event: &mut EventWriter<'_>) {
    let Some(tag) = cursor.array::<7>() else { return };
    if let Some(time) = time(tag) {
        event.datum("time", Datum::Time(time));
    }
    if tag[2] & 0x80 != 0 {
        event.flag("time_invalid", true);
    }
}

/// A point in one octet with its quality.
fn write_state(element: Element, cursor: &mut Cursor<'_>, event: &mut EventWriter<'_>) {
    let octet = cursor.u8().unwrap_or_default();
    event.number("value", octet & if element == Element::Single { 1 } else { 3 });
    write_quality(octet & 0xf0, event);
}

/// A command in one octet: state, qualifier, select or execute.
fn write_command(element: Element, cursor: &mut Cursor<'_>, event: &mut EventWriter<'_>) {
    let octet = cursor.u8().unwrap_or_default();
    event.number("value", octet & if element == Element::SingleCommand { 1 } else { 3 });
    event.number("qualifier", octet >> 2 & 0x1f).flag("select", octet & 0x80 != 0);
}

/// A value of several octets and what follows it.
fn write_measure(element: Element, cursor: &mut Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    let value = match element {
        Element::Step => {
            let octet = cursor.u8()?;
            // Seven bits and a sign; the high bit says that the equipment is moving.
            Datum::Signed(i64::from(octet & 0x7f) - if octet & 0x40 == 0 { 0 } else { 128 })
        }
        Element::Normalised | Element::NormalisedOnly | Element::SetNormalised => {
            Datum::Real(f64::from(i16::from_le_bytes(*cursor.array()?)) / 32768.0)
        }
        Element::Scaled | Element::SetScaled => Datum::Signed(i16::from_le_bytes(*cursor.array()?).into()),
        Element::Float | Element::SetFloat => Datum::Real(f32::from_le_bytes(*cursor.array()?).into()),
        Element::Counter => Datum::Signed(i32::from_le_bytes(*cursor.array()?).into()),
        _ => Datum::Unsigned(u32::from_le_bytes(*cursor.array()?).into()),
    };
    event.datum("value", value);
    match element {
        Element::SetNormalised | Element::SetScaled | Element::SetFloat => {
            let qualifier = cursor.u8()?;
            event.number("qualifier", qualifier & 0x7f).flag("select", qualifier & 0x80 != 0);
        }
        Element::Counter => {
            let notation = cursor.u8()?;
            event.number("sequence", notation & 0x1f);
            write_quality(notation & 0x80, event);
        }
        Element::SetBits | Element::NormalisedOnly => {}
        _ => write_quality(cursor.u8()?, event),
    }
    Some(())
}

/// Quality, where something is to be said of it (7.2.6.3).
fn write_quality(bits: u8, event: &mut EventWriter<'_>) {
    const NAMES: [(u8, &str); 5] = [
        (0x01, "overflow"),
        (0x10, "blocked"),
        (0x20, "substituted"),
        (0x40, "not_topical"),
        (0x80, "invalid"),
    ];
    if NAMES.iter().all(|(bit, _)| bits & bit == 0) {
        return;
    }
    event.list("quality");
    for (_, name) in NAMES.iter().filter(|(bit, _)| bits & bit != 0) {
        event.label("", name);
    }
    event.close();
}

/// CP56Time2a (7.2.6.18): the station's clock, in nanoseconds since 1970 as if it were UTC.
fn time(bytes: &[u8; 7]) -> Option<u64> {
    let [low, high, minute, hour, day, month, year] = *bytes;
    let days = unix_days(2000 + u32::from(year & 0x7f), u32::from(month & 0x0f), u32::from(day & 0x1f))?;
    let minutes = days * 24 * 60 + u64::from(hour & 0x1f) * 60 + u64::from(minute & 0x3f);
    let milliseconds = minutes * 60_000 + u64::from(u16::from_le_bytes([low, high]));
    (minute & 0x3f < 60 && hour & 0x1f < 24).then_some(milliseconds * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_tag_is_a_point_in_time() {
        // 2017-03-06 13:19:59.250: day of week in the high bits of the day.
        let tag = [0x12, 0xe7, 19, 13, 6 | 1 << 5, 3, 17];
        assert_eq!(time(&tag), Some((1_488_806_340_000 + 59_154) * 1_000_000));
        assert_eq!(time(&[0, 0, 60, 0, 1, 1, 0]), None);
        assert_eq!(time(&[0, 0, 0, 0, 0, 1, 0]), None);
    }
}
