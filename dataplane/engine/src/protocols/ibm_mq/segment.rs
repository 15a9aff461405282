//! Segments of IBM MQ channels: the header that every segment has, in ASCII or EBCDIC, and names.

use arrayvec::ArrayVec;

use crate::protocols::framed::{Cursor, Framing, from_ebcdic};
use crate::record::EventWriter;

/// Length of the header: plain, and for several conversations on one connection.
const PLAIN_LEN: usize = 28;
const SHARED_LEN: usize = 36;
/// Longest segment that is believed; 32 KiB is usual.
const SEGMENT_MAX: usize = 4 * 1024 * 1024;
/// Bytes of a segment that are read.
const SHOWN_MAX: usize = 1024;
/// Header of a call: length, completion and reason codes, handle.
const CALL_LEN: usize = 16;

/// Segment types.
pub(super) mod kind {
    pub(in super::super) const INITIAL: u8 = 0x01;
    pub(in super::super) const MESSAGE: u8 = 0x04;
    pub(in super::super) const STATUS: u8 = 0x05;
    pub(in super::super) const USER: u8 = 0x08;
    pub(in super::super) const AUTHENTICATION: u8 = 0x0a;
    pub(in super::super) const ASYNC_MESSAGE: u8 = 0x0d;
    pub(in super::super) const CONNECT: u8 = 0x81;
    pub(in super::super) const GET: u8 = 0x85;
    pub(in super::super) const PUT: u8 = 0x86;
    pub(in super::super) const INQUIRE: u8 = 0x89;
    pub(in super::super) const BACK_OUT: u8 = 0x8b;
    /// Calls below the interface that programs see.
    pub(in super::super) const SERVICE: u8 = 0x8c;
    pub(in super::super) const STAT: u8 = 0x8d;
    /// The answer to a call has its number and this.
    pub(in super::super) const REPLY: u8 = 0x10;
}

/// A segment's header, and what is there of its content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) kind: u8,
    /// Conversation and request, where several share the connection.
    pub(super) conversation: u32,
    pub(super) request: u32,
    is_little_endian: bool,
    pub(super) is_ebcdic: bool,
    pub(super) content: Cursor<'a>,
}

/// Where the segment at the start of `bytes` ends.
pub(super) fn framing(bytes: &[u8]) -> Framing {
    let Some(id) = bytes.first_chunk::<4>() else {
        let begins = |id: &[u8; 4]| id.starts_with(bytes);
        return if IDS.iter().any(|(id, ..)| begins(id)) { Framing::Open } else { INVALID };
    };
    let Some((_, header_len, _)) = IDS.iter().find(|(known, ..)| known == id) else { return INVALID };
    let Some(&[_, _, _, _, l3, l2, l1, l0]) = bytes.first_chunk() else { return Framing::Open };
    let order_at = header_len - 20;
    match bytes.get(order_at..).unwrap_or_default() {
        [] => return Framing::Open,
        [1 | 2] => return Framing::Open,
        [1 | 2, kind, ..] if name(*kind).is_some() => {}
        [1 | 2, ..] => return Framing::Invalid("unknown_segment_type"),
        _ => return INVALID,
    }
    match usize::try_from(u32::from_be_bytes([l3, l2, l1, l0])) {
        Ok(len) if (*header_len..=SEGMENT_MAX).contains(&len) => Framing::at_most(len, SHOWN_MAX),
        _ => Framing::Invalid("invalid_length"),
    }
}

const INVALID: Framing = Framing::Invalid("invalid_header");

/// First bytes, length of the header, whether text is EBCDIC.
static IDS: [([u8; 4], usize, bool); 6] = [
    (*b"TSH ", PLAIN_LEN, false),
    (*b"TSHC", PLAIN_LEN, false),
    (*b"TSHM", SHARED_LEN, false),
    ([0xe3, 0xe2, 0xc8, 0x40], PLAIN_LEN, true),
    ([0xe3, 0xe2, 0xc8, 0xc3], PLAIN_LEN, true),
    ([0xe3, 0xe2, 0xc8, 0xd4], SHARED_LEN, true),
];

impl<'a> Segment<'a> {
    /// Reads a segment whose beginning is there.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let id = cursor.array::<4>()?;
        let (_, header_len, is_ebcdic) = IDS.iter().find(|(known, ..)| known == id)?;
        cursor.u32()?;
        let (conversation, request) =
            if *header_len == SHARED_LEN { (cursor.u32()?, cursor.u32()?) } else { (0, 0) };
        let (order, kind) = (cursor.u8()?, cursor.u8()?);
        // Flags, unit of work, encoding, character set, reserved.
        cursor.take(18)?;
        Some(Self {
            kind,
            conversation,
            request,
            is_little_endian: order == 2,
            is_ebcdic: *is_ebcdic,
            content: cursor,
        })
    }

    /// Whether it is a call of a program, or the answer to one.
    pub(super) const fn is_call(&self) -> bool {
        matches!(self.kind & !kind::REPLY, kind::CONNECT..=0x8f)
    }

    /// Whether it answers a call.
    pub(super) const fn is_reply(&self) -> bool {
        self.kind & kind::REPLY != 0
    }

    /// The next number of two bytes.
    pub(super) fn u16(&mut self) -> Option<u16> {
        if self.is_little_endian { self.content.u16_le() } else { self.content.u16() }
    }

    /// The next number of four bytes.
    pub(super) fn u32(&mut self) -> Option<u32> {
        if self.is_little_endian { self.content.u32_le() } else { self.content.u32() }
    }

    /// Completion and reason of a reply; what follows is the call's own.
    pub(super) fn result(&mut self) -> Option<(u32, u32)> {
        self.content.take(4)?;
        let result = (self.u32()?, self.u32()?);
        self.content.take(CALL_LEN - 12)?;
        Some(result)
    }

    /// Writes a name that is filled up with blanks.
    pub(super) fn write_name(&self, name: &'static str, bytes: &[u8], event: &mut EventWriter<'_>) {
        let text = self.text(bytes);
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii();
        if !text.is_empty() {
            event.text(name, text);
        }
    }

    /// Text in ASCII.
    pub(super) fn text(&self, bytes: &[u8]) -> ArrayVec<u8, 64> {
        let convert = |byte: &u8| if self.is_ebcdic { from_ebcdic(*byte) } else { *byte };
        bytes.iter().map(convert).take(64).collect()
    }

    /// Name and queue manager of the object descriptor somewhere in the content.
    pub(super) fn object(&self) -> Option<(&'a [u8], &'a [u8])> {
        let id: &[u8; 4] = if self.is_ebcdic { &[0xd6, 0xc4, 0x40, 0x40] } else { b"OD  " };
        let rest = self.content.rest();
        let at = memchr::memmem::find(rest, id)?;
        let mut cursor = Cursor::new(rest.get(at + id.len()..)?);
        let version = if self.is_little_endian { cursor.u32_le()? } else { cursor.u32()? };
        cursor.take(4)?;
        (1..=4).contains(&version).then_some((cursor.take(48)?, cursor.take(48)?))
    }
}

/// Name of a segment type; of an answer, that of its call.
pub(super) const fn name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0x01 => "initial_data",
        0x02 => "resync_data",
        0x03 => "reset_data",
        0x04 => "message_data",
        0x05 => "status_data",
        0x06 => "security_data",
        0x07 => "ping_data",
        0x08 => "user_id_data",
        0x09 => "heartbeat",
        0x0a => "authentication",
        0x0b => "renegotiation",
        0x0c => "socket_action",
        0x0d => "async_message",
        0x0e => "request_messages",
        0x0f => "notification",
        0x81 | 0x91 => "MQCONN",
        0x82 | 0x92 => "MQDISC",
        0x83 | 0x93 => "MQOPEN",
        0x84 | 0x94 => "MQCLOSE",
        0x85 | 0x95 => "MQGET",
        0x86 | 0x96 => "MQPUT",
        0x87 | 0x97 => "MQPUT1",
        0x88 | 0x98 => "MQSET",
        0x89 | 0x99 => "MQINQ",
        0x8a | 0x9a => "MQCMIT",
        0x8b | 0x9b => "MQBACK",
        0x8c | 0x9c => "SPI",
        0x8d | 0x9d => "MQSTAT",
        0x8e | 0x9e => "MQSUB",
        0x8f | 0x9f => "MQSUBRQ",
        0xa1..=0xaa | 0xb1..=0xba => "XA",
        _ => return None,
    })
}

/// Name of a reason that a call failed for, of those that tell of access and objects (MQRC_ constants).
pub(super) const fn reason(code: u32) -> Option<&'static str> {
    Some(match code {
        0 => "NONE",
        2009 => "CONNECTION_BROKEN",
        2018 => "HCONN_ERROR",
        2033 => "NO_MSG_AVAILABLE",
        2035 => "NOT_AUTHORIZED",
        2042 => "OBJECT_IN_USE",
        2053 => "Q_FULL",
        2058 => "Q_MGR_NAME_ERROR",
        2059 => "Q_MGR_NOT_AVAILABLE",
        2063 => "SECURITY_ERROR",
        2085 => "UNKNOWN_OBJECT_NAME",
        2161 => "Q_MGR_QUIESCING",
        2162 => "Q_MGR_STOPPING",
        2537 => "CHANNEL_NOT_AVAILABLE",
        2540 => "UNKNOWN_CHANNEL_NAME",
        _ => return None,
    })
}
