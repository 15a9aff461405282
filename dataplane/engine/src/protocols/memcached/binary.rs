//! Packets of the binary protocol (doc/protocol-binary.txt).

use crate::protocols::Found;
use crate::protocols::framed::{Cursor, Framing};

/// Bytes of a header.
pub(super) const HEAD: usize = 24;
/// Bytes of a packet that are read.
const SHOWN_MAX: usize = 512;
pub(super) const REQUEST: u8 = 0x80;
pub(super) const RESPONSE: u8 = 0x81;

/// A header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) opcode: u8,
    pub(super) key: &'a [u8],
    /// Of an answer.
    pub(super) status: u16,
    pub(super) opaque: u32,
    /// What follows the key, as far as it is shown.
    pub(super) value: &'a [u8],
}

/// Where a packet with this magic ends.
pub(super) fn framing(bytes: &[u8], magic: u8) -> Framing {
    match body_len(bytes, magic) {
        None => Framing::Open,
        Some(None) => Framing::Invalid("invalid_header"),
        Some(Some(body)) => Framing::at_most(HEAD + body, HEAD + SHOWN_MAX),
    }
}

/// Bytes behind a header, where it is there and sound.
fn body_len(bytes: &[u8], magic: u8) -> Option<Option<usize>> {
    let mut cursor = Cursor::new(bytes);
    let (first, opcode, key) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
    let (extras, kind, status, body) = (cursor.u8()?, cursor.u8()?, cursor.u16()?, cursor.u32()?);
    cursor.take(12)?;
    let is_sound = first == magic
        && operation(opcode).is_some()
        && key <= 250
        && kind == 0
        && u32::from(key) + u32::from(extras) <= body
        && body <= 1 << 30
        && (magic == RESPONSE || status <= 0x0fff);
    Some(usize::try_from(body).ok().filter(|_| is_sound))
}

impl<'a> Packet<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let (_magic, opcode, key) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
        let (extras, _kind, status, _body) = (cursor.u8()?, cursor.u8()?, cursor.u16()?, cursor.u32()?);
        let opaque = cursor.u32()?;
        cursor.take(8)?;
        cursor.take(extras.into())?;
        Some(Self { opcode, key: cursor.take(key.into())?, status, opaque, value: cursor.rest() })
    }
}

/// Whether a client's stream begins with a binary request.
pub(super) fn probe(bytes: &[u8]) -> Found {
    match framing(bytes, REQUEST) {
        Framing::Invalid(_) => Found::No,
        Framing::Open => Found::Maybe,
        // No client opens with another bucket.
        Framing::Message { .. } => match bytes.first_chunk::<12>() {
            Some([_, opcode, key @ .., extras, 0, 0, 0, b0, b1, b2, b3]) => {
                let (key, body) = (u16::from_be_bytes(*key), u32::from_be_bytes([*b0, *b1, *b2, *b3]));
                let value = body - u32::from(*extras) - u32::from(key);
                if fits(*opcode, *extras) && has_parts(*opcode, key, value) {
                    Found::Likely(95)
                } else {
                    Found::No
                }
            }
            _ => Found::No,
        },
    }
}

const fn fits(opcode: u8, extras: u8) -> bool {
    match opcode {
        0x01..=0x03 | 0x11..=0x13 => extras == 8,
        0x05 | 0x06 | 0x15 | 0x16 => extras == 20,
        0x1c..=0x1e | 0x23 | 0x24 => extras == 4,
        0x08 | 0x18 => extras == 0 || extras == 4,
        _ => extras == 0,
    }
}

/// Whether an operation has a key, and a value, where it must and nowhere else.
const fn has_parts(opcode: u8, key: u16, value: u32) -> bool {
    match opcode {
        0x07 | 0x08 | 0x0a | 0x0b | 0x17 | 0x18 | 0x1b | SASL_LIST => key == 0 && value == 0,
        0x10 => value == 0,
        0x01..=0x03 | 0x0e | 0x0f | 0x11..=0x13 | 0x19 | 0x1a => key > 0 && value <= VALUE_MAX,
        SASL_START | SASL_STEP => key > 0 && value <= 1 << 16,
        _ => key > 0 && value == 0,
    }
}

/// The largest value that a server can be told to take (`-I`).
const VALUE_MAX: u32 = 1 << 30;

/// Name of an operation.
pub(super) const fn operation(code: u8) -> Option<&'static str> {
    Some(match code {
        0x00 => "get",
        0x01 => "set",
        0x02 => "add",
        0x03 => "replace",
        0x04 => "delete",
        0x05 => "increment",
        0x06 => "decrement",
        0x07 => "quit",
        0x08 => "flush",
        0x09 => "getq",
        0x0a => "noop",
        0x0b => "version",
        0x0c => "getk",
        0x0d => "getkq",
        0x0e => "append",
        0x0f => "prepend",
        0x10 => "stat",
        0x11 => "setq",
        0x12 => "addq",
        0x13 => "replaceq",
        0x14 => "deleteq",
        0x15 => "incrementq",
        0x16 => "decrementq",
        0x17 => "quitq",
        0x18 => "flushq",
        0x19 => "appendq",
        0x1a => "prependq",
        0x1b => "verbosity",
        0x1c => "touch",
        0x1d => "gat",
        0x1e => "gatq",
        SASL_LIST => "sasl_list_mechs",
        SASL_START => "sasl_auth",
        SASL_STEP => "sasl_step",
        0x23 => "gatk",
        0x24 => "gatkq",
        _ => return None,
    })
}

pub(super) const SASL_LIST: u8 = 0x20;
pub(super) const SASL_START: u8 = 0x21;
pub(super) const SASL_STEP: u8 = 0x22;

/// Whether the server is silent unless something is to be said.
pub(super) const fn is_quiet(code: u8) -> bool {
    matches!(code, 0x09 | 0x0d | 0x11..=0x1a | 0x1e | 0x24)
}

/// Name of a status.
pub(super) const fn status(code: u16) -> &'static str {
    match code {
        0x00 => "ok",
        0x01 => "key_not_found",
        0x02 => "key_exists",
        0x03 => "value_too_large",
        0x04 => "invalid_arguments",
        0x05 => "item_not_stored",
        0x06 => "not_a_number",
        0x08 | 0x20 => "authentication_error",
        0x09 | 0x21 => "authentication_continue",
        0x81 => "unknown_command",
        0x82 => "out_of_memory",
        0x83 => "not_supported",
        0x84 => "internal_error",
        0x85 => "busy",
        0x86 => "temporary_failure",
        _ => "unknown",
    }
}
