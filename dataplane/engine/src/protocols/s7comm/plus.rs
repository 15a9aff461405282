//! Messages of S7comm-plus: version, operation, function, session. What is behind them has no public specification and
//! is left alone.

use super::names;
use crate::protocols::clear::Clear;
use crate::protocols::framed::{Cursor, Next, Report};

/// First byte of a message.
pub(super) const PROTOCOL: u8 = 0x72;
/// Version of keep-alives and other system messages.
const SYSTEM: u8 = 0xfe;
/// Bytes of the digest, with its length, that stand before the data in version 3.
const DIGEST_LEN: usize = 33;

/// A message's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Message {
    version: u8,
    has_digest: bool,
    operation: u8,
    function: u16,
    sequence: u16,
    session: Option<u32>,
}

/// Whether a message of known version starts here, and fills its bytes where they are all there.
pub(super) fn is_start(data: &[u8], is_end: bool) -> bool {
    let Some(([PROTOCOL, version, high, low], rest)) = data.split_first_chunk::<4>() else { return false };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let fills = match *version {
        SYSTEM => length == rest.len(),
        // A trailer of four bytes ends the last part of a message.
        1..=3 => length == rest.len() || length + 4 == rest.len(),
        _ => false,
    };
    fills && (!is_end || *version == SYSTEM || Message::read(data).is_some())
}

impl Message {
    fn read(data: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(data);
        let [PROTOCOL, version, _, _] = *cursor.array::<4>()? else { return None };
        let has_digest = version == 3 && cursor.rest().first() == Some(&0x20);
        if has_digest {
            cursor.take(DIGEST_LEN)?;
        }
        let operation = cursor.u8()?;
        names::plus_operation(operation)?;
        let mut message = Self { version, has_digest, operation, function: 0, sequence: 0, session: None };
        if operation == 0x33 {
            message.session = cursor.u32();
        } else {
            let (0, function, 0) = (cursor.u16()?, cursor.u16()?, cursor.u16()?) else { return None };
            (message.function, message.sequence) = (function, cursor.u16()?);
            if operation == 0x31 {
                message.session = cursor.u32();
            }
        }
        Some(message)
    }
}

/// Function that puts the session under TLS.
const INIT_SSL: u16 = 0x05b3;

/// Writes a message.
///
/// # Errors
/// The name of an anomaly.
pub(super) fn write(
    data: &[u8],
    clear: &mut Clear,
    report: &mut Report<'_, '_>,
) -> Result<Next, &'static str> {
    if !is_start(data, false) {
        return Err("malformed_message");
    }
    if data.get(1) == Some(&SYSTEM) {
        return Ok(Next::More);
    }
    let message = Message::read(data).ok_or("malformed_message")?;
    let mut event = report.event("s7comm_plus");
    event.number("version", message.version);
    event.label("operation", names::plus_operation(message.operation).unwrap_or("unknown"));
    if message.operation != 0x33 {
        event
            .number("function_code", message.function)
            .label("function", names::plus_function(message.function));
        event.number("sequence", message.sequence);
    }
    if let Some(session) = message.session {
        event.number("session_id", session);
    }
    event.flag("integrity_protected", message.has_digest);
    if message.function != INIT_SSL {
        clear.tell(&mut event);
    }
    drop(event);
    if message.function == INIT_SSL && message.operation == 0x32 {
        return Ok(Next::Done);
    }
    Ok(Next::More)
}
