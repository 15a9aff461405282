//! Messages of S7comm: header, parameters and data, checked and then written.

use super::names;
use crate::protocols::framed::Cursor;
use crate::record::EventWriter;

/// First byte of a message.
pub(super) const PROTOCOL: u8 = 0x32;
/// Items of a read or write that are written.
const ITEMS_MAX: u8 = 20;

/// A message taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    /// Job, acknowledgement (with data or without) or user data.
    pub(super) kind: u8,
    /// Pairs requests and responses.
    pub(super) reference: u16,
    error: Option<[u8; 2]>,
    parameters: &'a [u8],
    data: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a message; None where its kind is unknown or its lengths do not fill `bytes`.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let [PROTOCOL, kind, 0, 0] = *cursor.array::<4>()? else { return None };
        names::kind(kind)?;
        let (reference, parameters, data) = (cursor.u16()?, cursor.u16()?, cursor.u16()?);
        let error = if matches!(kind, 2 | 3) { Some(*cursor.array::<2>()?) } else { None };
        let parameters = cursor.take(usize::from(parameters))?;
        let data = cursor.take(usize::from(data))?;
        let message = Self { kind, reference, error, parameters, data };
        (cursor.is_empty() && message.is_known()).then_some(message)
    }

    /// Whether the parameters start as those of their kind do.
    fn is_known(&self) -> bool {
        match (self.kind, self.parameters) {
            (7, [0, 1, 0x12, length, ..]) => {
                self.parameters.len() == usize::from(*length) + 4 && *length >= 4
            }
            (1 | 3, [code, ..]) => names::function(*code).is_some(),
            (2, [] | [_, ..]) => true,
            // A job refused: an error and nothing else.
            (3, []) => self.error != Some([0, 0]),
            _ => false,
        }
    }

    /// Whether this answers rather than asks. User data says so itself.
    pub(super) fn is_response(&self) -> bool {
        match self.kind {
            2 | 3 => true,
            7 => self.parameters.get(5).is_some_and(|kind| kind >> 4 == 8),
            _ => false,
        }
    }

    /// Pushed without being asked for.
    pub(super) fn is_push(&self) -> bool {
        self.kind == 7 && self.parameters.get(5).is_some_and(|kind| kind >> 4 == 0)
    }

    /// Function of a job or its acknowledgement.
    pub(super) fn function(&self) -> Option<u8> {
        if self.kind == 7 { None } else { self.parameters.first().copied() }
    }

    /// Writes the members of an object.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        event.label("rosctr", names::kind(self.kind).unwrap_or("unknown"));
        if let Some([class, code]) = self.error {
            event.number("error_class", class).number("error_code", code);
            event.label("error", names::error_class(class));
        }
        if self.kind == 7 {
            self.write_user_data(event);
        } else if let Some((&code, rest)) = self.parameters.split_first() {
            event.number("function_code", code).label("function", names::function(code).unwrap_or("unknown"));
            let _ = self.write_function(code, Cursor::new(rest), event);
        }
    }

    fn write_function(&self, code: u8, mut cursor: Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
        match (code, self.kind) {
            (0xf0, _) => {
                cursor.u8()?;
                event.number("max_calling", cursor.u16()?).number("max_called", cursor.u16()?);
                event.number("pdu_length", cursor.u16()?);
            }
            (0x04 | 0x05, 1) => {
                let count = cursor.u8()?;
                event.number("item_count", count).list("items");
                for _ in 0..count.min(ITEMS_MAX) {
                    if write_item(&mut cursor, event).is_none() {
                        break;
                    }
                }
                event.close();
            }
            (0x04 | 0x05, _) => {
                let count = cursor.u8()?;
                event.number("item_count", count).list("results");
                let mut data = Cursor::new(self.data);
                for _ in 0..count.min(ITEMS_MAX) {
                    let Some(result) = data.u8() else { break };
                    event.label("", names::result(result));
                    if code == 0x04 && skip_value(&mut data).is_none() {
                        break;
                    }
                }
                event.close();
            }
            (0x1a..=0x1d, 1) => {
                cursor.take(7)?;
                let length = cursor.u8()?;
                write_block(cursor.take(usize::from(length))?, event);
            }
            (0x28, 1) => {
                cursor.take(7)?;
                let length = cursor.u16()?;
                let argument = cursor.take(usize::from(length))?;
                let length = cursor.u8()?;
                let name = cursor.take(usize::from(length))?;
                event.object("service").text("name", name).label("meaning", names::service(name));
                event.text("argument", argument).close();
            }
            (0x29, 1) => {
                cursor.take(5)?;
                let length = cursor.u8()?;
                event.object("service").text("name", cursor.take(usize::from(length))?).close();
            }
            _ => {}
        }
        Some(())
    }

    fn write_user_data(&self, event: &mut EventWriter<'_>) {
        let Some([_, _, _, _, _, kind, code, _]) = self.parameters.first_chunk::<8>() else { return };
        let direction = match kind >> 4 {
            0 | 3 | 7 => "push",
            4 => "request",
            8 => "response",
            _ => "unknown",
        };
        event
            .label("direction", direction)
            .number("group_code", kind & 0x0f)
            .label("group", names::group(*kind));
        event.number("function_code", *code).label("function", names::subfunction(*kind, *code));
        if let Some(error) = self.parameters.get(10..).and_then(<[u8]>::first_chunk) {
            event.number("error_code", u16::from_be_bytes(*error));
        }
        let Some(([result, _, _, _], data)) = self.data.split_first_chunk::<4>() else { return };
        if direction == "response" {
            event.label("result", names::result(*result));
        }
        match (kind & 0x0f, code) {
            (4, 1) => {
                if let Some([a, b, c, d]) = data.first_chunk::<4>() {
                    event.hex("szl_id", &[*a, *b]).hex("szl_index", &[*c, *d]);
                }
            }
            (5, 1) => {
                event.flag("password_present", !data.is_empty());
            }
            (3, 3) if direction == "request" => {
                if let Some(([_, b'0', kind @ ..], rest)) =
                    Some(data).and_then(|data| data.split_first_chunk::<3>())
                    && let Some(number) = rest.first_chunk::<5>()
                {
                    event.label("block_type", names::block(&[b'0', kind[0]])).text("block_number", number);
                }
            }
            _ => {}
        }
    }
}

/// The variable that an item names.
fn write_item(cursor: &mut Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    let (0x12, length) = (cursor.u8()?, cursor.u8()?) else { return None };
    let item = cursor.take(usize::from(length))?;
    event.object("");
    match item {
        // Any pointer: size, count, block, area, address in bits.
        [0x10, size, l0, l1, d0, d1, area, a0, a1, a2] => {
            let address = u32::from_be_bytes([0, *a0, *a1, *a2]);
            event.label("area", names::area(*area));
            if matches!(area, 0x84 | 0x85) {
                event.number("db", u16::from_be_bytes([*d0, *d1]));
            }
            event.label("size", names::size(*size)).number("count", u16::from_be_bytes([*l0, *l1]));
            if matches!(area, 0x1c | 0x1d) {
                event.number("address", address);
            } else {
                event.number("address", address >> 3).number("bit", address & 7);
            }
        }
        // Several runs of a data block's bytes: count, and for each length, block, address.
        [0xb0, _, runs @ ..] => {
            event.label("area", "DB").number("runs", (runs.len() / 5) as u64);
            if let Some([length, d0, d1, a0, a1]) = runs.first_chunk::<5>() {
                event.number("db", u16::from_be_bytes([*d0, *d1])).number("count", *length);
                event.number("address", u16::from_be_bytes([*a0, *a1]));
            }
        }
        [0xb2, rest @ ..] => {
            event.label("area", "symbolic").hex("data", rest);
        }
        [syntax, rest @ ..] => {
            event.number("syntax", *syntax).hex("data", rest);
        }
        [] => {}
    }
    event.close();
    Some(())
}

/// Passes over a value: transport size, length in bits or bytes, data, and a byte that fills up to an even number.
fn skip_value(cursor: &mut Cursor<'_>) -> Option<()> {
    let size = cursor.u8()?;
    let length = usize::from(cursor.u16()?);
    let bytes = if matches!(size, 3..=5) { length.div_ceil(8) } else { length };
    cursor.take(bytes)?;
    if bytes % 2 == 1 && !cursor.is_empty() {
        cursor.u8()?;
    }
    Some(())
}

/// The name of a block: file, kind, number, file system.
fn write_block(name: &[u8], event: &mut EventWriter<'_>) {
    event.object("block").text("file", name);
    if let [_, kind @ .., _, _, _, _, _, _] = name
        && let [b'0', _] = kind
        && let Some(number) = name.get(3..8)
    {
        event.label("type", names::block(kind)).text("number", number);
        event.label(
            "file_system",
            match name.last() {
                Some(b'A') => "active",
                Some(b'P') => "passive",
                Some(b'B') => "both",
                _ => "unknown",
            },
        );
    }
    event.close();
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "lengths of tests are small")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const READ: [u8; 24] =
        [0x32, 1, 0, 0, 5, 0, 0, 14, 0, 0, 4, 1, 0x12, 10, 0x10, 2, 0, 4, 0, 1, 0x84, 0, 0, 8];

    #[test]
    fn a_message_fills_its_bytes_or_is_none() {
        assert!(
            Message::read(&READ).is_some_and(|message| message.reference == 0x500 && !message.is_response())
        );
        assert_eq!(Message::read(&READ[..23]), None);
        for (at, value) in [(0, 0x33), (1, 4), (2, 1), (7, 13), (9, 1), (10, 0x77)] {
            let mut wrong = READ;
            wrong[at] = value;
            assert_eq!(Message::read(&wrong), None, "{at}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), right in any::<bool>()) {
            let mut bytes = bytes;
            if right && bytes.len() > 12 {
                let data = bytes.len() - 12;
                bytes[..10].copy_from_slice(&[0x32, 1, 0, 0, 0, 1, 0, 2, 0, data as u8]);
            }
            let mut batch = crate::RecordBatch::default();
            let mut writer = crate::protocols::framed::test_event(&mut batch);
            if let Some(message) = Message::read(&bytes) {
                message.write(&mut writer);
            }
        }
    }
}
