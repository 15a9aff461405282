//! The record layer of one direction: records over any cut of the stream, and handshake messages over any cut of the
//! records (RFC 8446 5.1, RFC 5246 6.2, RFC 5246 E.2 for the SSLv2 form of the first message).

use super::handshake::Protection;
use super::hello::{self, Sslv2ClientHello};
use super::recycled;
use super::session::{Session, message};
use crate::record::Direction;

/// Record content types (IANA "TLS ContentType").
pub(super) mod content {
    pub(in super::super) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(in super::super) const ALERT: u8 = 21;
    pub(in super::super) const HANDSHAKE: u8 = 22;
    pub(in super::super) const APPLICATION_DATA: u8 = 23;
    pub(super) const HEARTBEAT: u8 = 24;
}

/// Bytes of a record header.
pub(super) const HEADER_LEN: usize = 5;
/// Longest handshake message that is kept; longer ones are skipped and the session marked.
pub(super) const MAX_MESSAGE: usize = 64 * 1024;
/// Longest record: 2^14 bytes, and 2,048 for protection and compression (RFC 5246 6.2.3).
pub(super) const MAX_RECORD: u16 = 16 * 1024 + 2048;
/// Longest SSLv2-compatible ClientHello that is believed.
const MAX_SSLV2: usize = 1024;
/// Attempts to find a record again after lost bytes.
const MAX_ATTEMPTS: u8 = 16;

/// A record header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: u8,
    pub(super) len: u16,
}

impl Header {
    /// The header, if these bytes can be one: known type, version 3.0 to 3.4 or TLCP's, a length in bounds.
    pub(super) const fn of(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let [kind, major, minor, high, low] = *bytes;
        let version = u16::from_be_bytes([major, minor]);
        let len = u16::from_be_bytes([high, low]);
        let is_known = matches!(kind, content::CHANGE_CIPHER_SPEC..=content::HEARTBEAT);
        let is_version = matches!(version, hello::SSL3..=hello::TLS13 | hello::TLCP);
        if is_known && is_version && len <= MAX_RECORD { Some(Self { kind, len }) } else { None }
    }
}

/// What to do after a [`Lane`] has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// So many bytes were read; more are needed.
    Wait(usize),
    /// All bytes were read, and so many that follow are of no interest.
    Skip(u64),
    /// Nothing of this direction can be read any more.
    Lost,
    /// The session is settled.
    Settled,
    /// These are not records.
    Malformed,
}

/// One direction of a session.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Type of the record that is being read.
    kind: u8,
    /// Bytes of it that are still to come.
    left: usize,
    /// A record is readable until ChangeCipherSpec is meant seriously.
    is_sealed: bool,
    /// ChangeCipherSpec came.
    has_changed: bool,
    /// Start of a handshake message, with its header, that has not come whole.
    pending: Vec<u8>,
    /// Bytes of a message beyond [`MAX_MESSAGE`] that are still to come.
    oversize: usize,
    /// First byte of an alert.
    alert_level: Option<u8>,
    /// Bytes were lost, and no record has been found since.
    is_lost: bool,
    attempts: u8,
    has_started: bool,
}

impl Lane {
    /// Forgets what was half read: bytes are missing here.
    pub(super) fn gap(&mut self) {
        self.left = 0;
        self.oversize = 0;
        self.pending.clear();
        self.alert_level = None;
        self.is_lost = true;
    }

    pub(super) fn reset(&mut self) {
        *self = Self { pending: recycled(&mut self.pending), ..Self::default() };
    }

    /// The start of a ClientHello that has not come whole, without its header.
    pub(super) fn cut_client_hello(&self) -> Option<&[u8]> {
        match self.pending.split_first_chunk() {
            Some(([message::CLIENT_HELLO, _, _, _], body)) => Some(body),
            _ => None,
        }
    }

    /// Reads what there is.
    pub(super) fn read(&mut self, bytes: &[u8], from: Direction, session: &mut Session) -> Step {
        if self.is_lost && !self.is_found(bytes) {
            self.attempts = self.attempts.saturating_add(1);
            return if self.attempts > MAX_ATTEMPTS { Step::Lost } else { Step::Wait(bytes.len()) };
        }
        let mut rest = bytes;
        loop {
            if self.left == 0 {
                match self.header(rest, from, session) {
                    Opened::Record(len) => rest = rest.get(len..).unwrap_or_default(),
                    Opened::Partly => return Step::Wait(bytes.len() - rest.len()),
                    Opened::Not => return Step::Malformed,
                }
                if session.is_settled() {
                    return Step::Settled;
                }
                continue;
            }
            if rest.is_empty() {
                return Step::Wait(bytes.len());
            }
            let (fragment, after) = rest.split_at(rest.len().min(self.left));
            if !self.is_readable() && self.left > rest.len() {
                let skip = self.left - rest.len();
                self.left = 0;
                return Step::Skip(skip as u64);
            }
            let taken =
                if self.is_readable() { self.fragment(fragment, from, session) } else { fragment.len() };
            self.left -= taken;
            rest = if taken == fragment.len() { after } else { rest.get(taken..).unwrap_or_default() };
            if session.is_settled() {
                return Step::Settled;
            }
        }
    }

    fn is_found(&mut self, bytes: &[u8]) -> bool {
        let found = bytes.first_chunk().and_then(Header::of).is_some_and(|header| header.len > 0);
        self.is_lost = !found;
        found
    }

    fn header(&mut self, bytes: &[u8], from: Direction, session: &mut Session) -> Opened {
        if !self.has_started && bytes.first().is_some_and(|first| first & 0x80 != 0) {
            return self.sslv2(bytes, from, session);
        }
        let Some(header) = bytes.first_chunk() else { return Opened::Partly };
        let Some(header) = Header::of(header) else { return Opened::Not };
        self.has_started = true;
        self.kind = header.kind;
        self.left = usize::from(header.len);
        if self.pending.is_empty()
            && self.oversize == 0
            && self.has_changed
            && header.kind == content::HANDSHAKE
        {
            self.is_sealed |= !session.ignores_change_cipher();
        }
        self.alert_level = None;
        let protection = if self.is_readable() { Protection::Open } else { Protection::Sealed };
        session.record(from, protection);
        Opened::Record(HEADER_LEN)
    }

    /// Whether the content of the current record is in the clear. An alert is if it has the length of one.
    fn is_readable(&self) -> bool {
        match self.kind {
            content::CHANGE_CIPHER_SPEC => true,
            content::HANDSHAKE => !self.is_sealed,
            content::ALERT => !self.is_sealed && (self.left == 2 || self.alert_level.is_some()),
            _ => false,
        }
    }

    /// The first message in SSLv2's form: two bytes of length, the first bit set (RFC 5246 E.2).
    fn sslv2(&mut self, bytes: &[u8], from: Direction, session: &mut Session) -> Opened {
        let Some(([high, low], body)) = bytes.split_first_chunk() else { return Opened::Partly };
        let len = usize::from(u16::from_be_bytes([high & 0x7f, *low]));
        if len > MAX_SSLV2 && !session.has_client_hello() {
            return Opened::Not;
        }
        match body.first() {
            None => return Opened::Partly,
            // A ServerHello only answers a ClientHello that offered SSLv2.
            Some(4) if session.sslv2_offer.is_some() => session.sslv2_server_hello(from),
            Some(1) if body.len() < len => return Opened::Partly,
            Some(1) => match body.get(..len).and_then(Sslv2ClientHello::parse) {
                Some(hello) => session.sslv2_client_hello(hello.version, from),
                None => return Opened::Not,
            },
            Some(_) => return Opened::Not,
        }
        self.has_started = true;
        session.record(from, Protection::Open);
        Opened::Record((2 + len).min(bytes.len()))
    }

    /// Reads from the content of a readable record; says how much.
    fn fragment(&mut self, bytes: &[u8], from: Direction, session: &mut Session) -> usize {
        match self.kind {
            content::CHANGE_CIPHER_SPEC => {
                session.change_cipher_spec(from);
                self.has_changed = true;
                bytes.len()
            }
            content::ALERT => {
                for byte in bytes {
                    match self.alert_level {
                        None => self.alert_level = Some(*byte),
                        Some(level) => session.alert(from, level, *byte),
                    }
                }
                bytes.len()
            }
            _ => self.handshake(bytes, from, session),
        }
    }

    /// Reads one handshake message, or as much of it as there is.
    fn handshake(&mut self, bytes: &[u8], from: Direction, session: &mut Session) -> usize {
        if self.oversize > 0 {
            let skipped = self.oversize.min(bytes.len());
            self.oversize -= skipped;
            return skipped;
        }
        if self.pending.is_empty() {
            if !bytes.first().is_some_and(|kind| self.is_message(*kind)) {
                // The record was sealed unseen; its content is passed over.
                self.is_sealed = true;
                session.sealed(from);
                return 0;
            }
            if let Some((header, rest)) = bytes.split_first_chunk()
                && let Some(body) = rest.get(..body_len(header))
            {
                session.message(header[0], body, from);
                return header.len() + body.len();
            }
        }
        let header_rest = MESSAGE_HEADER_LEN.saturating_sub(self.pending.len());
        let (start, rest) = bytes.split_at(header_rest.min(bytes.len()));
        self.pending.extend_from_slice(start);
        let Some((header, body)) = self.pending.split_first_chunk() else { return bytes.len() };
        let len = body_len(header);
        if len > MAX_MESSAGE {
            self.oversize = len;
            self.pending.clear();
            session.has_gaps = true;
            return start.len();
        }
        let more = rest.get(..len - body.len()).unwrap_or(rest);
        self.pending.extend_from_slice(more);
        if let Some(([kind, ..], body)) = self.pending.split_first_chunk::<MESSAGE_HEADER_LEN>()
            && body.len() == len
        {
            session.message(*kind, body, from);
            self.pending.clear();
        }
        start.len() + more.len()
    }

    /// Whether a readable message can be of this type here.
    const fn is_message(&self, kind: u8) -> bool {
        if self.has_changed {
            return matches!(kind, message::CLIENT_HELLO | message::SERVER_HELLO);
        }
        matches!(kind, 0..=8 | 11..=16 | 20..=25 | 67 | 203 | 254)
    }
}

enum Opened {
    /// A record begins after so many bytes.
    Record(usize),
    /// There are too few bytes.
    Partly,
    /// No record begins here.
    Not,
}

fn body_len(header: &[u8; MESSAGE_HEADER_LEN]) -> usize {
    let [_, a, b, c] = *header;
    usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
}

/// Type and length of a handshake message.
const MESSAGE_HEADER_LEN: usize = 4;
