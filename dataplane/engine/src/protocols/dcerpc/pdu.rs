//! Packets (C706 12.6.3 and 12.6.4).

use crate::protocols::framed::Cursor;

/// Bytes of the header that all packets have.
pub(super) const HEADER: usize = 16;
/// Contexts of one bind that are read.
const CONTEXTS_MAX: usize = 16;

/// Kinds of packets (12.6.4.1).
pub(super) mod kind {
    pub(in super::super) const REQUEST: u8 = 0;
    pub(in super::super) const RESPONSE: u8 = 2;
    pub(in super::super) const FAULT: u8 = 3;
    pub(in super::super) const BIND: u8 = 11;
    pub(in super::super) const BIND_ACK: u8 = 12;
    pub(in super::super) const BIND_NAK: u8 = 13;
    pub(in super::super) const ALTER: u8 = 14;
    pub(in super::super) const ALTER_RESPONSE: u8 = 15;
    pub(in super::super) const AUTH3: u8 = 16;
    pub(in super::super) const SHUTDOWN: u8 = 17;
    pub(in super::super) const CANCEL: u8 = 18;
    pub(in super::super) const ORPHANED: u8 = 19;
}

/// Whether there is such a kind over connections.
pub(super) const fn is_kind(kind: u8) -> bool {
    matches!(kind, kind::REQUEST | kind::RESPONSE | kind::FAULT | kind::BIND..=kind::ORPHANED)
}

/// Whether a connection can begin with this.
pub(super) const fn is_opening(kind: u8) -> bool {
    matches!(kind, kind::BIND..=kind::BIND_NAK)
}

/// Name of a kind, as Suricata's EVE output has it.
pub(super) const fn name(kind: u8) -> &'static str {
    match kind {
        kind::REQUEST => "REQUEST",
        kind::RESPONSE => "RESPONSE",
        kind::FAULT => "FAULT",
        kind::BIND => "BIND",
        kind::BIND_ACK => "BINDACK",
        kind::BIND_NAK => "BINDNAK",
        kind::ALTER => "ALTER_CONTEXT",
        kind::ALTER_RESPONSE => "ALTER_CONTEXT_RESP",
        kind::AUTH3 => "AUTH3",
        kind::SHUTDOWN => "SHUTDOWN",
        kind::CANCEL => "CO_CANCEL",
        _ => "ORPHANED",
    }
}

/// What all packets begin with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) is_little: bool,
    /// Bytes of the fragment.
    pub(super) len: u16,
    /// Bytes of authentication at its end.
    pub(super) auth_len: u16,
    pub(super) call: u32,
}

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let &[version, minor, kind, flags, order, _, _, _, a, b, c, d, e, f, g, h] =
            bytes.first_chunk::<HEADER>()?;
        let is_little = order & 0x10 != 0;
        let short = |bytes| if is_little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) };
        let call =
            if is_little { u32::from_le_bytes([e, f, g, h]) } else { u32::from_be_bytes([e, f, g, h]) };
        (version == 5 && minor <= 1 && order & 0xef == 0).then_some(Self {
            kind,
            flags,
            is_little,
            len: short([a, b]),
            auth_len: short([c, d]),
            call,
        })
    }

    /// Whether kind and lengths can be.
    pub(super) fn is_sound(&self) -> bool {
        let least = match self.kind {
            kind::REQUEST | kind::RESPONSE => 24,
            kind::FAULT => 28,
            kind::BIND | kind::BIND_ACK | kind::ALTER | kind::ALTER_RESPONSE => 28,
            kind::BIND_NAK => 18,
            _ => 16,
        };
        let auth = if self.auth_len == 0 { 0 } else { self.auth_len.saturating_add(8) };
        is_kind(self.kind) && self.len >= least && auth <= self.len - 16
    }

    pub(super) const fn is_first(&self) -> bool {
        self.flags & 1 != 0
    }

    pub(super) const fn is_last(&self) -> bool {
        self.flags & 2 != 0
    }

    /// The authentication at the end of a fragment: its kind, its level, its token (13.2.6.1).
    pub(super) fn auth<'a>(&self, pdu: &'a [u8]) -> Option<(u8, u8, &'a [u8])> {
        if self.auth_len == 0 {
            return None;
        }
        let at = usize::from(self.len).checked_sub(usize::from(self.auth_len) + 8)?;
        let (&[kind, level, ..], token) = pdu.get(at..)?.split_first_chunk::<8>()?;
        Some((kind, level, token.get(..usize::from(self.auth_len)).unwrap_or(token)))
    }
}

/// An interface's identity and version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Syntax {
    /// In the order of its printed form.
    pub(super) uuid: [u8; 16],
    pub(super) major: u16,
    pub(super) minor: u16,
}

/// A reader in the byte order of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    cursor: Cursor<'a>,
    /// Bytes that were there at first.
    all: usize,
    is_little: bool,
}

impl<'a> Fields<'a> {
    /// What follows the header.
    pub(super) fn new(pdu: &'a [u8], header: &Header) -> Self {
        let pdu = pdu.get(..usize::from(header.len)).unwrap_or(pdu);
        let body = pdu.get(HEADER..).unwrap_or_default();
        Self { cursor: Cursor::new(body), all: body.len(), is_little: header.is_little }
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.cursor.u8()
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        if self.is_little { self.cursor.u16_le() } else { self.cursor.u16() }
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        if self.is_little { self.cursor.u32_le() } else { self.cursor.u32() }
    }

    pub(super) fn skip(&mut self, len: usize) -> Option<()> {
        self.cursor.take(len).map(|_| ())
    }

    /// Bytes that were read.
    pub(super) const fn consumed(&self) -> usize {
        self.all - self.cursor.len()
    }

    fn syntax(&mut self) -> Option<Syntax> {
        let mut uuid = *self.cursor.array::<16>()?;
        if self.is_little {
            // The first three fields are numbers.
            let [a, b, c, d, e, f, g, h, rest @ ..] = uuid;
            let [i, j, k, l, m, n, o, p] = rest;
            uuid = [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p];
        }
        let (first, second) = (self.u16()?, self.u16()?);
        // One number of 32 bits, the major version in its lower half (12.6.3.1).
        let (major, minor) = if self.is_little { (first, second) } else { (second, first) };
        Some(Syntax { uuid, major, minor })
    }

    /// Contexts of a bind (12.6.4.3): each with its number.
    pub(super) fn contexts(&mut self) -> Option<arrayvec::ArrayVec<(u16, Syntax), CONTEXTS_MAX>> {
        self.skip(8)?;
        let count = self.u8()?;
        self.skip(3)?;
        let mut contexts = arrayvec::ArrayVec::new();
        for _ in 0..count {
            let Some((id, transfers)) = self.u16().zip(self.u8()) else { break };
            let _ = self.u8();
            let Some(syntax) = self.syntax() else { break };
            if contexts.try_push((id, syntax)).is_err() || self.skip(usize::from(transfers) * 20).is_none() {
                break;
            }
        }
        Some(contexts)
    }

    /// Results for the contexts of a bind (12.6.4.4), in its order: result and reason.
    pub(super) fn results(&mut self) -> Option<arrayvec::ArrayVec<(u16, u16), CONTEXTS_MAX>> {
        self.skip(8)?;
        let address = usize::from(self.u16()?);
        // Padding to a multiple of four, counted from the start of the packet: 26 bytes came before the address.
        self.skip(address + (address + 26).next_multiple_of(4) - (address + 26))?;
        let count = self.u8()?;
        self.skip(3)?;
        let mut results = arrayvec::ArrayVec::new();
        for _ in 0..count {
            let Some(result) = self.u16().zip(self.u16()) else { break };
            if results.try_push(result).is_err() || self.skip(20).is_none() {
                break;
            }
        }
        Some(results)
    }
}
