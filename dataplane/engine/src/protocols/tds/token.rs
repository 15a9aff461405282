//! The tokens that begin a server's answer (MS-TDS 2.2.7).

use super::utf16;
use crate::protocols::framed::Cursor;

/// What an answer begins with.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The login is accepted: name of the server's program.
    pub(super) accepted: Option<String>,
    pub(super) error: Option<Error>,
    /// Columns of a table.
    pub(super) columns: Option<u16>,
    /// Rows that were changed or sent.
    pub(super) rows: Option<u64>,
}

/// An error's number, severity and text.
#[derive(Debug)]
pub(super) struct Error {
    pub(super) number: u32,
    pub(super) severity: u8,
    pub(super) text: String,
}

const COLUMNS: u8 = 0x81;
const ERROR: u8 = 0xaa;
const ACCEPTED: u8 = 0xad;
const DONE: u8 = 0xfd;
const DONE_PROCEDURE: u8 = 0xfe;
const DONE_IN_PROCEDURE: u8 = 0xff;
/// Tokens that one answer is read for.
const TOKENS_MAX: usize = 64;

impl Answer {
    /// Reads tokens up to one that has no length.
    pub(super) fn read(body: &[u8]) -> Self {
        let mut answer = Self::default();
        let mut cursor = Cursor::new(body);
        for _ in 0..TOKENS_MAX {
            if answer.token(&mut cursor).is_none() {
                break;
            }
        }
        answer
    }

    fn token(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let kind = cursor.u8()?;
        match kind {
            // INFO, ENVCHANGE, ORDER, SSPI
            0xab | 0xe3 | 0xa9 | 0xed => {
                let len = cursor.u16_le()?;
                cursor.take(len.into())?;
            }
            ERROR | ACCEPTED => {
                let len = cursor.u16_le()?;
                let body = cursor.take(len.into())?;
                if kind == ERROR {
                    self.error = self.error.take().or_else(|| Error::read(body));
                } else {
                    self.accepted = accepted(body);
                }
            }
            // RETURNSTATUS, OFFSET
            0x79 | 0x78 => {
                cursor.take(4)?;
            }
            COLUMNS => {
                self.columns = cursor.u16_le().filter(|columns| *columns != 0xffff);
                return None;
            }
            DONE | DONE_PROCEDURE | DONE_IN_PROCEDURE => {
                let (status, _command, rows) = (cursor.u16_le()?, cursor.u16_le()?, cursor.u64_le()?);
                // DONE_COUNT
                if status & 0x10 != 0 {
                    self.rows = Some(self.rows.unwrap_or_default().saturating_add(rows));
                }
            }
            _ => return None,
        }
        Some(())
    }
}

impl Error {
    fn read(body: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        let (number, _state, severity) = (cursor.u32_le()?, cursor.u8()?, cursor.u8()?);
        let chars = usize::from(cursor.u16_le()?);
        let text = cursor.take(2 * chars)?;
        let text = utf16(text.get(..512).unwrap_or(text));
        Some(Self { number, severity, text })
    }
}

fn accepted(body: &[u8]) -> Option<String> {
    let mut cursor = Cursor::new(body);
    let (_interface, _version, chars) = (cursor.u8()?, cursor.u32()?, cursor.u8()?);
    let program = utf16(cursor.take(2 * usize::from(chars))?);
    Some(program.trim_end_matches('\0').to_owned())
}
