//! The 3270 data stream (IBM GA23-0059): what a host writes on a terminal's screen, and which key its user presses. Text
//! is looked at for the name of the application and not kept.

use arrayvec::ArrayVec;

use super::names::{attention, command};
use crate::protocols::framed::{Cursor, from_ebcdic};
use crate::record::EventWriter;

/// Input fields that do not show what is typed, of one screen.
const HIDDEN_MAX: usize = 16;
/// Bytes of a screen's text that are looked at.
const TEXT_MAX: usize = 4096;

/// What a host wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Screen {
    command: Option<&'static str>,
    fields: u16,
    inputs: u16,
    /// First positions of input fields that do not show what is typed.
    hidden: ArrayVec<u16, HIDDEN_MAX>,
    application: Option<&'static str>,
}

/// What a user sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Input {
    key: &'static str,
    cursor: u16,
    fields: u16,
    is_hidden: bool,
}

/// Orders in the data stream (4.3).
mod order {
    pub(super) const PROGRAM_TAB: u8 = 0x05;
    pub(super) const GRAPHIC_ESCAPE: u8 = 0x08;
    pub(super) const SET_BUFFER_ADDRESS: u8 = 0x11;
    pub(super) const ERASE_UNPROTECTED: u8 = 0x12;
    pub(super) const INSERT_CURSOR: u8 = 0x13;
    pub(super) const START_FIELD: u8 = 0x1d;
    pub(super) const SET_ATTRIBUTE: u8 = 0x28;
    pub(super) const START_FIELD_EXTENDED: u8 = 0x29;
    pub(super) const MODIFY_FIELD: u8 = 0x2c;
    pub(super) const REPEAT_TO_ADDRESS: u8 = 0x3c;
}

impl Screen {
    /// Reads what a host sent; None where it is no command.
    pub(super) fn read(record: &[u8], text: &mut Vec<u8>) -> Option<Self> {
        let mut cursor = Cursor::new(record);
        let name = command(cursor.u8()?)?;
        let mut screen = Self { command: Some(name), ..Self::default() };
        text.clear();
        match name {
            "write" | "erase_write" | "erase_write_alternate" => {
                // Write control character.
                cursor.u8();
                screen.walk(cursor, text);
            }
            "write_structured_field" => screen.structured(cursor, text),
            _ => {}
        }
        screen.application = application(text);
        Some(screen)
    }

    /// Structured fields: those that write on the screen are read (5.3).
    fn structured(&mut self, mut cursor: Cursor<'_>, text: &mut Vec<u8>) {
        while let Some(length) = cursor.u16() {
            // 0 is for the rest of the record.
            let length = if length == 0 { cursor.len() } else { usize::from(length).saturating_sub(2) };
            let Some(field) = cursor.take(length.min(cursor.len())) else { return };
            // Outbound 3270DS: partition, command, write control character.
            if let [0x40, _, code, _, data @ ..] = field
                && command(*code).is_some()
            {
                self.walk(Cursor::new(data), text);
            }
            if length == 0 {
                return;
            }
        }
    }

    /// Reads orders and text.
    fn walk(&mut self, mut cursor: Cursor<'_>, text: &mut Vec<u8>) {
        let mut address = 0_u16;
        while let Some(byte) = cursor.u8() {
            match byte {
                order::SET_BUFFER_ADDRESS | order::ERASE_UNPROTECTED => {
                    let Some(bytes) = cursor.array() else { return };
                    address = buffer_address(*bytes);
                    push(text, b' ');
                }
                order::START_FIELD => {
                    let Some(attribute) = cursor.u8() else { return };
                    self.field(address, attribute);
                    address = address.wrapping_add(1);
                    push(text, b' ');
                }
                order::START_FIELD_EXTENDED => {
                    let Some(pairs) = cursor.u8() else { return };
                    let mut attribute = 0;
                    for _ in 0..pairs {
                        match cursor.array() {
                            Some([0xc0, value]) => attribute = *value,
                            Some([_, _]) => {}
                            None => return,
                        }
                    }
                    self.field(address, attribute);
                    address = address.wrapping_add(1);
                    push(text, b' ');
                }
                order::SET_ATTRIBUTE => drop(cursor.array::<2>()),
                order::MODIFY_FIELD => {
                    let Some(pairs) = cursor.u8() else { return };
                    if cursor.take(usize::from(pairs) * 2).is_none() {
                        return;
                    }
                }
                order::REPEAT_TO_ADDRESS => {
                    let (Some(bytes), Some(character)) = (cursor.array(), cursor.u8()) else { return };
                    address = buffer_address(*bytes);
                    if character == order::GRAPHIC_ESCAPE {
                        cursor.u8();
                    }
                }
                order::GRAPHIC_ESCAPE => {
                    cursor.u8();
                    address = address.wrapping_add(1);
                }
                order::INSERT_CURSOR | order::PROGRAM_TAB => {}
                character => {
                    push(text, from_ebcdic(character).to_ascii_uppercase());
                    address = address.wrapping_add(1);
                }
            }
        }
    }

    /// A field starts: its attribute takes a position, and its content the next.
    fn field(&mut self, address: u16, attribute: u8) {
        self.fields = self.fields.saturating_add(1);
        if attribute & 0x20 != 0 {
            return;
        }
        self.inputs = self.inputs.saturating_add(1);
        if attribute & 0x0c == 0x0c {
            let _ = self.hidden.try_push(address.wrapping_add(1));
        }
    }

    /// Whether it changes fields: what a user may type in is then known anew.
    pub(super) const fn has_fields(&self) -> bool {
        self.fields > 0
    }

    /// Whether it erases what was there.
    pub(super) fn is_erasing(&self) -> bool {
        matches!(self.command, Some("erase_write" | "erase_write_alternate"))
    }

    /// First positions of input fields that do not show what is typed.
    pub(super) fn hidden(&self) -> &[u16] {
        &self.hidden
    }

    /// Writes the members of an object.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        event.label("command", self.command.unwrap_or("unknown")).number("fields", self.fields);
        event.number("input_fields", self.inputs).number("hidden_fields", self.hidden.len() as u64);
        if let Some(application) = self.application {
            event.label("application", application);
        }
    }
}

impl Input {
    /// Reads what a terminal sent; None where it starts with no key.
    pub(super) fn read(record: &[u8], hidden: &[u16]) -> Option<Self> {
        let mut cursor = Cursor::new(record);
        let key = attention(cursor.u8()?)?;
        let mut input = Self { key, cursor: 0, fields: 0, is_hidden: false };
        if key == "STRUCTURED_FIELD" {
            return Some(input);
        }
        input.cursor = cursor.array().map_or(0, |bytes| buffer_address(*bytes));
        while let Some(byte) = cursor.u8() {
            if byte != order::SET_BUFFER_ADDRESS {
                continue;
            }
            let Some(bytes) = cursor.array() else { break };
            input.fields = input.fields.saturating_add(1);
            let is_filled = cursor.rest().first().is_some_and(|byte| *byte != order::SET_BUFFER_ADDRESS);
            input.is_hidden |= is_filled && hidden.contains(&buffer_address(*bytes));
        }
        Some(input)
    }

    /// Whether it is a key of the user's, not an answer of the terminal's.
    pub(super) fn is_key(&self) -> bool {
        self.key != "STRUCTURED_FIELD"
    }

    /// Writes the members of an object.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        event.label("aid", self.key).number("cursor", self.cursor).number("modified_fields", self.fields);
        // Somebody typed what the screen does not show, and the wire does.
        event.flag("hidden_input_in_clear", self.is_hidden);
    }
}

/// A position on the screen: 14 bits, or 12 in six bits of each byte (4.3.1).
const fn buffer_address([high, low]: [u8; 2]) -> u16 {
    if high & 0xc0 == 0 {
        (high as u16) << 8 | low as u16
    } else {
        ((high & 0x3f) as u16) << 6 | (low & 0x3f) as u16
    }
}

fn push(text: &mut Vec<u8>, byte: u8) {
    if text.len() < TEXT_MAX {
        text.push(byte);
    }
}

/// Applications by words on their screens.
fn application(text: &[u8]) -> Option<&'static str> {
    const WORDS: [(&[u8], &str); 14] = [
        (b"TSO/E LOGON", "tso"),
        (b"ISPF", "ispf"),
        (b"CICS", "cics"),
        (b"DFHCE", "cics"),
        (b"DFS36", "ims"),
        (b"IMS/", "ims"),
        (b"VTAM", "vtam"),
        (b"USSMSG", "vtam"),
        (b"Z/VM", "zvm"),
        (b"VM/ESA", "zvm"),
        (b"NETVIEW", "netview"),
        (b"SDSF", "sdsf"),
        (b"OMEGAMON", "omegamon"),
        (b"Z/OS", "zos"),
    ];
    WORDS.iter().find(|(word, _)| memchr::memmem::find(text, word).is_some()).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_twelve_or_fourteen_bits() {
        assert_eq!(buffer_address([0x5d, 0x7f]), 0x1d << 6 | 0x3f);
        assert_eq!(buffer_address([0xc1, 0x50]), 80);
        assert_eq!(buffer_address([0x07, 0x7f]), 1919);
    }

    #[test]
    fn hidden_fields_are_found_and_what_is_typed_there_is_noticed() {
        // Erase and write; a protected field, then at 80 an input field that does not display.
        let host =
            [0xf5, 0xc3, 0x11, 0x40, 0x40, 0x1d, 0x60, 0xc3, 0xc9, 0xc3, 0xe2, 0x11, 0xc1, 0x50, 0x1d, 0x4c];
        let screen = Screen::read(&host, &mut Vec::new()).unwrap();
        assert_eq!((screen.fields, screen.inputs, screen.hidden()), (2, 1, &[81][..]));
        assert_eq!(screen.application, Some("cics"));
        let user = [0x7d, 0xc1, 0x55, 0x11, 0xc1, 0xd1, 0xa2, 0x85, 0x83];
        let input = Input::read(&user, screen.hidden()).unwrap();
        assert_eq!(input, Input { key: "ENTER", cursor: 85, fields: 1, is_hidden: true });
        assert!(!Input::read(&user, &[7]).unwrap().is_hidden);
        assert!(Input::read(&[0x01], &[]).is_none());
    }
}
