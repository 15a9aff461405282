//! Batches and procedure calls (MS-TDS 2.2.6.6 and 2.2.6.7), without their data.

use super::utf16;
use crate::protocols::framed::Cursor;
use crate::protocols::sql::{self, Dialect};

/// What a request asks for.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    /// Name of the procedure.
    pub(super) procedure: Option<String>,
    /// Text of the statement without its data.
    pub(super) statement: Vec<u8>,
}

impl Request {
    /// Reads a batch's data.
    pub(super) fn batch(body: &[u8]) -> Self {
        let mut request = Self::default();
        let text = utf16(after_headers(body));
        sql::digest(text.as_bytes(), Dialect::Transact, &mut request.statement);
        request
    }

    /// Reads a call's data.
    pub(super) fn call(body: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(after_headers(body));
        let mut request = Self::default();
        let chars = cursor.u16_le()?;
        if chars == 0xffff {
            let id = cursor.u16_le()?;
            request.procedure = Some(procedure(id).to_owned());
            let _options = cursor.u16_le()?;
            let _ = request.find_statement(id, cursor);
        } else {
            let name = cursor.take(2 * usize::from(chars))?;
            request.procedure = Some(utf16(name.get(..256).unwrap_or(name)));
        }
        Some(request)
    }

    /// Statements are the first parameter that is text.
    fn find_statement(&mut self, id: u16, mut cursor: Cursor<'_>) -> Option<()> {
        if !matches!(id, 2 | 3 | 5 | 10 | 11 | 13) {
            return None;
        }
        for _ in 0..4 {
            let chars = cursor.u8()?;
            cursor.take(2 * usize::from(chars))?;
            let (_status, kind) = (cursor.u8()?, cursor.u8()?);
            match kind {
                // INTN: its greatest length, its length, and a value.
                0x26 => {
                    let (_most, len) = (cursor.u8()?, cursor.u8()?);
                    cursor.take(len.into())?;
                }
                // NVARCHAR: greatest length, collation, length; 0xffff: in parts.
                0xe7 | 0xef => {
                    let most = cursor.u16_le()?;
                    cursor.take(5)?;
                    let text = if most == 0xffff {
                        let _whole = cursor.u64_le()?;
                        let part = usize::try_from(cursor.u32_le()?).ok()?;
                        cursor.rest().get(..part).unwrap_or(cursor.rest())
                    } else {
                        let len = usize::from(cursor.u16_le()?);
                        cursor.rest().get(..len).unwrap_or(cursor.rest())
                    };
                    sql::digest(utf16(text).as_bytes(), Dialect::Transact, &mut self.statement);
                    return Some(());
                }
                // NTEXT: greatest length, collation, length.
                0x63 => {
                    cursor.take(9)?;
                    let len = usize::try_from(cursor.u32_le()?).ok()?;
                    let text = cursor.rest().get(..len).unwrap_or(cursor.rest());
                    sql::digest(utf16(text).as_bytes(), Dialect::Transact, &mut self.statement);
                    return Some(());
                }
                _ => return None,
            }
        }
        None
    }
}

/// What stands behind the headers that 7.2 and later put in front (2.2.5.3): they say their length, and the first
/// its own.
fn after_headers(body: &[u8]) -> &[u8] {
    let whole = || {
        let mut cursor = Cursor::new(body);
        let (all, first, kind) = (cursor.u32_le()?, cursor.u32_le()?, cursor.u16_le()?);
        let is_sound = (10..=1024).contains(&all) && first <= all - 4 && (1..=3).contains(&kind);
        is_sound.then(|| body.get(usize::try_from(all).ok()?..)).flatten()
    };
    whole().unwrap_or(body)
}

/// Procedures that have numbers (2.2.6.6).
const fn procedure(id: u16) -> &'static str {
    match id {
        1 => "sp_cursor",
        2 => "sp_cursoropen",
        3 => "sp_cursorprepare",
        4 => "sp_cursorexecute",
        5 => "sp_cursorprepexec",
        6 => "sp_cursorunprepare",
        7 => "sp_cursorfetch",
        8 => "sp_cursoroption",
        9 => "sp_cursorclose",
        10 => "sp_executesql",
        11 => "sp_prepare",
        12 => "sp_execute",
        13 => "sp_prepexec",
        14 => "sp_prepexecrpc",
        15 => "sp_unprepare",
        _ => "unknown",
    }
}
