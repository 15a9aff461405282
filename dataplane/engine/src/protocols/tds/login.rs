//! LOGIN7 (MS-TDS 2.2.6.4): who logs on. The password stands there, only nibbles swapped and XORed: it is not read.

use super::utf16;
use crate::protocols::framed::Cursor;
use crate::record::EventWriter;

/// Bytes of the fixed part.
const FIXED: usize = 94;

/// A login's body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Login<'a> {
    body: &'a [u8],
    pub(super) version: u32,
    pub(super) has_password: bool,
    /// Windows proves who it is.
    pub(super) is_integrated: bool,
}

/// Places of offset and length of what is text, in characters.
const FIELDS: [(&str, usize); 8] = [
    ("client_host", 36),
    ("user", 40),
    ("application", 48),
    ("server", 52),
    ("client_library", 60),
    ("language", 64),
    ("database", 68),
    ("attached_file", 82),
];
const USER: usize = 40;
const PASSWORD: usize = 44;

impl<'a> Login<'a> {
    /// Reads a packet's data. A login that goes on in another packet is read as far as it is here.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        let (len, version) = (usize::try_from(cursor.u32_le()?).ok()?, cursor.u32_le()?);
        // Version 7.0 to 7.4: the major nibble is the first of the highest byte.
        if !(FIXED..=128 * 1024).contains(&len)
            || !(0x70..=0x75).contains(&(version >> 24))
            || body.len() < FIXED
        {
            return None;
        }
        let mut login =
            Self { body, version, has_password: false, is_integrated: *body.get(25)? & 0x80 != 0 };
        let (at, chars) = login.place(PASSWORD)?;
        login.has_password = chars > 0;
        // Values lie behind the fixed part.
        (at >= 86 && login.place(USER)?.0 >= 86).then_some(login)
    }

    fn place(&self, at: usize) -> Option<(usize, usize)> {
        let mut cursor = Cursor::new(self.body.get(at..)?);
        Some((cursor.u16_le()?.into(), cursor.u16_le()?.into()))
    }

    fn text(&self, at: usize) -> String {
        let text = self.place(at).and_then(|(start, chars)| self.body.get(start..start + 2 * chars));
        utf16(text.unwrap_or_default())
    }

    /// Who logs on.
    pub(super) fn user(&self) -> String {
        self.text(USER)
    }

    /// Writes what the client says of itself.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        event.label("tds_version", version(self.version));
        for (name, at) in FIELDS {
            let text = self.text(at);
            if !text.is_empty() {
                event.text(name, text.get(..512).unwrap_or(&text).as_bytes());
            }
        }
    }
}

/// Name of a version (2.2.6.4).
const fn version(code: u32) -> &'static str {
    match code {
        0x7000_0000 => "7.0",
        0x7100_0000 | 0x7100_0001 => "7.1",
        0x7209_0002 => "7.2",
        0x730a_0003 | 0x730b_0003 => "7.3",
        0x7400_0004 => "7.4",
        _ => "7.x",
    }
}
