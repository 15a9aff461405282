//! Whether a payload is TLS.

use arrayvec::ArrayVec;

use super::hello::{self, Sslv2ClientHello};
use super::reader::Reader;
use super::records::{HEADER_LEN, Header, MAX_RECORD, content};
use super::session::message;
use super::suites::Suite;
use crate::protocols::{Found, Probe};

/// Looks at the first record, and at the next one where it is there.
pub(super) fn probe(probe: &Probe<'_>) -> Found {
    let payload = probe.payload;
    if payload.first().is_some_and(|first| first & 0x80 != 0) {
        return sslv2(payload);
    }
    let Some((header, rest)) = payload.split_first_chunk::<HEADER_LEN>() else { return Found::Maybe };
    let Some(header) = Header::of(header).filter(|header| header.len > 0) else { return Found::No };
    let next = Next::after(header, rest, probe.wire_len);
    match (header.kind, next) {
        (_, Next::Broken) => Found::No,
        (content::HANDSHAKE, _) => handshake(payload, next, probe.midstream),
        (content::CHANGE_CIPHER_SPEC, _) => change_cipher_spec(header, rest, next),
        (content::ALERT, _) => alert(header, rest, next),
        (content::APPLICATION_DATA, _) => application_data(header, next, probe.midstream),
        _ => Found::No,
    }
}

/// What stands behind the first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Another record.
    Record,
    /// The payload ends with the record.
    End,
    /// The record goes on beyond the payload.
    Beyond,
    /// Something that is no record.
    Broken,
}

impl Next {
    fn after(header: Header, rest: &[u8], wire_len: u32) -> Self {
        let len = usize::from(header.len);
        let Some(next) = rest.get(len..) else { return Self::Beyond };
        if let Some(header) = next.first_chunk() {
            return if Header::of(header).is_some() { Self::Record } else { Self::Broken };
        }
        let is_whole = usize::try_from(wire_len).is_ok_and(|wire_len| wire_len == HEADER_LEN + len);
        match next.first() {
            Some(content::CHANGE_CIPHER_SPEC..=content::APPLICATION_DATA) => Self::Record,
            Some(_) => Self::Broken,
            None if is_whole => Self::End,
            None => Self::Beyond,
        }
    }
}

/// A handshake record: by its message, put together from as many records as it takes.
fn handshake(payload: &[u8], next: Next, midstream: bool) -> Found {
    let mut start = ArrayVec::<u8, START_LEN>::new();
    let mut records = Reader::new(payload);
    while let Some(header) =
        records.array().and_then(Header::of).filter(|header| header.kind == content::HANDSHAKE)
    {
        let (fragment, _) = records.rest().split_at(records.rest().len().min(usize::from(header.len)));
        start.extend(fragment.iter().copied().take(start.remaining_capacity()));
        if start.is_full() || records.take(usize::from(header.len)).is_none() {
            break;
        }
    }
    let mut start = Reader::new(&start);
    let Some(kind) = start.u8() else { return Found::Maybe };
    let Some(len) = start.u24() else { return if kind <= 2 { Found::Maybe } else { Found::No } };
    match kind {
        message::CLIENT_HELLO if len >= 38 => match client_hello(start, len) {
            // A hello whose insides contradict each other, yet whose lengths outside agree: malformed, but TLS.
            Found::No if is_alone(payload, len) => Found::Likely(60),
            found => found,
        },
        message::SERVER_HELLO if len >= 38 => server_hello(start),
        // Messages that may stand first where the start was missed; their length is bounded by use.
        0 if len == 0 && next == Next::End => Found::Likely(40),
        4 | 11 | 12 | 13 | 14 | 16 | 22 if len < 1 << 17 && midstream => Found::Likely(80),
        _ if midstream => sealed(next),
        _ => Found::No,
    }
}

/// Whether a message of this length fills the first record.
fn is_alone(payload: &[u8], message_len: u32) -> bool {
    let header = payload.first_chunk().and_then(Header::of);
    header.is_some_and(|header| u32::from(header.len) == message_len + 4)
}

fn client_hello(mut body: Reader<'_>, len: u32) -> Found {
    let Some(version) = body.u16() else { return Found::Maybe };
    if !matches!(version, hello::SSL3..=hello::TLS13 | hello::TLCP | 0x7f00..=0x7fff) || len > MAX_HELLO {
        return Found::No;
    }
    if body.array::<32>().is_none() {
        return Found::Maybe;
    }
    match body.u8() {
        None => Found::Maybe,
        Some(session_id) if session_id > 32 => Found::No,
        Some(session_id) => {
            let suites = body.rest().get(usize::from(session_id)..).and_then(<[u8]>::first_chunk);
            match suites.map(|len| u16::from_be_bytes(*len)) {
                None => Found::Maybe,
                Some(suites) if suites < 2 || suites % 2 == 1 || u32::from(suites) > len => Found::No,
                Some(_) => Found::Yes,
            }
        }
    }
}

fn server_hello(mut body: Reader<'_>) -> Found {
    let Some(version) = body.u16() else { return Found::Maybe };
    if !matches!(version, hello::SSL3..=hello::TLS13 | hello::TLCP | 0x7f00..=0x7fff) {
        return Found::No;
    }
    if body.array::<32>().is_none() {
        return Found::Maybe;
    }
    let session_id = if (0x7f00..0x7f16).contains(&version) { Some(0) } else { body.u8() };
    let Some(session_id) = session_id else { return Found::Maybe };
    if session_id > 32 {
        return Found::No;
    }
    match body.rest().get(usize::from(session_id)..).and_then(<[u8]>::first_chunk) {
        None => Found::Maybe,
        Some(suite) if Suite::of(u16::from_be_bytes(*suite)).is_some() => Found::Likely(95),
        Some(_) => Found::Likely(70),
    }
}

/// Content cannot be judged: how much the framing is worth.
const fn sealed(next: Next) -> Found {
    match next {
        Next::Record => Found::Likely(75),
        Next::End => Found::Likely(50),
        Next::Beyond => Found::Likely(30),
        Next::Broken => Found::No,
    }
}

fn change_cipher_spec(header: Header, content: &[u8], next: Next) -> Found {
    match (header.len, content.first()) {
        (1, None) => Found::Maybe,
        (1, Some(1)) if next == Next::Record => Found::Likely(90),
        (1, Some(1)) => Found::Likely(60),
        _ => Found::No,
    }
}

fn alert(header: Header, content: &[u8], next: Next) -> Found {
    match (header.len, content) {
        (2, [1 | 2, 0..=121, ..]) => Found::Likely(70),
        (2, [1 | 2] | []) => Found::Maybe,
        // With an authentication tag at least, and padding at most.
        (18..=288, _) => sealed(next),
        _ => Found::No,
    }
}

fn application_data(header: Header, next: Next, midstream: bool) -> Found {
    match next {
        // No TLS stream starts with data; some protocols only look like it.
        _ if !midstream && next != Next::Record => Found::No,
        _ if header.len < MIN_SEALED || header.len > MAX_RECORD => Found::No,
        _ => sealed(next),
    }
}

/// Hellos in SSLv2's form: the structure of a ClientHello is narrow enough to be sure.
fn sslv2(payload: &[u8]) -> Found {
    let Some(([high, low], body)) = payload.split_first_chunk() else { return Found::Maybe };
    let len = usize::from(u16::from_be_bytes([high & 0x7f, *low]));
    let mut start = Reader::new(body);
    match start.u8() {
        Some(1) => {}
        Some(_) => return Found::No,
        None => return Found::Maybe,
    }
    match start.u16() {
        Some(hello::SSL2 | hello::SSL3..=hello::TLS12) => {}
        Some(_) => return Found::No,
        None => return Found::Maybe,
    }
    match body.get(..len) {
        None => Found::Maybe,
        Some(body) if Sslv2ClientHello::parse(body).is_some() => Found::Yes,
        Some(_) => Found::No,
    }
}

/// Bytes of a handshake message that are looked at: a hello up to the list of suites.
const START_LEN: usize = 4 + 2 + 32 + 1 + 32 + 2;
/// Longest hello that is believed.
const MAX_HELLO: u32 = 1 << 17;
/// Least length of protected data: an authentication tag of eight bytes (RFC 6655), and one byte.
const MIN_SEALED: u16 = 9;
