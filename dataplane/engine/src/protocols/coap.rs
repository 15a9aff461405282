//! The Constrained Application Protocol over datagrams (RFC 7252) and TCP (RFC 8323).

use super::carried;
use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Parser, Probe, Protocol};
use crate::record::Direction;

/// CoAP.
pub static COAP: Protocol = Protocol {
    name: "coap",
    title: "CoAP",
    family: Family::Operational,
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[5683],
    exposure: Exposure::Cleartext,
    opening: Opening::any(2).in_datagrams([0xc0, 0, 0, 0, 0, 0, 0, 0], [0x40, 0, 0, 0, 0, 0, 0, 0]),
    probe: Some(probe),
    parser: Some(parser),
    events: &["coap", "anomaly"],
    source: "RFC 7252, RFC 7641, RFC 7959, RFC 8323",
};

/// Bytes of a message over TCP that are read.
const SHOWN_MAX: usize = 4096;
/// Capabilities and settings, the first message of a connection (RFC 8323, 5.3).
const CSM: u8 = 0xe1;

fn parser() -> Box<dyn Parser> {
    carried::parser(framed::parser::<Stream>(), framed::parser::<Datagrams>())
}

fn probe(probe: &Probe<'_>) -> Found {
    if probe.is_stream() {
        return stream(probe.payload, probe.has_port(5683));
    }
    let Some(datagram) = Datagram::read(probe.payload) else { return Found::No };
    let Some(survey) = survey(datagram.code, datagram.rest) else { return Found::No };
    match (probe.has_port(5683), survey.options) {
        // A ping, its reset, or an acknowledgement: four bytes that say little.
        (true, _) if datagram.code == 0 => Found::Likely(70),
        (true, _) => Found::Yes,
        (false, _) if datagram.code == 0 => Found::No,
        // Requests say what they are for, responses what they carry.
        (false, 1..) if survey.has_path || datagram.token.len() > 1 => Found::Likely(92),
        (false, 0) if datagram.code >> 5 != 0 && answers(&datagram, probe) => Found::Likely(90),
        (false, _) if answers(&datagram, probe) => Found::Likely(92),
        _ => Found::No,
    }
}

/// Whether an earlier request of the flow had this token and id, or this token of some length.
fn answers(datagram: &Datagram<'_>, probe: &Probe<'_>) -> bool {
    probe.earlier.iter().filter(|earlier| earlier.from != probe.from).any(|earlier| {
        Datagram::read(earlier.bytes).is_some_and(|request| {
            request.code >> 5 == 0
                && request.token == datagram.token
                && (request.id == datagram.id || datagram.token.len() > 1)
        })
    })
}

/// The first message of a connection on both sides is CSM with options that exist (RFC 8323, 5.3).
fn stream(bytes: &[u8], on_port: bool) -> Found {
    let (frame, code) = match Frame::read(bytes) {
        None => {
            return if bytes.first().is_none_or(|first| first & 0xf <= 8) { Found::Maybe } else { Found::No };
        }
        Some(frame) => (frame, frame.code),
    };
    if code != CSM || frame.len > 64 || frame.token > 8 {
        return Found::No;
    }
    let Some(options) = bytes.get(frame.head..frame.len) else { return Found::Maybe };
    let mut walk = Options::new(options);
    let (mut last, mut has_size) = (0, false);
    for (number, value) in walk.by_ref() {
        match number {
            2 if value.len() <= 4 && last < 2 => has_size = true,
            4 if value.is_empty() && last < 4 => {}
            _ => return Found::No,
        }
        last = number;
    }
    match (walk.end, has_size, on_port) {
        (End::Whole, _, true) => Found::Yes,
        (End::Whole, true, false) => Found::Likely(92),
        _ => Found::No,
    }
}

/// The fixed part of a datagram (RFC 7252, 3).
#[derive(Clone, Copy, Debug)]
struct Datagram<'a> {
    kind: u8,
    code: u8,
    id: u16,
    token: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Datagram<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let (first, code, id) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
        let (version, kind, token) = (first >> 6, first >> 4 & 3, usize::from(first & 0xf));
        if version != 1 || token > 8 {
            return None;
        }
        let token = cursor.take(token)?;
        let is_sound = match code {
            // Nothing follows an empty message, and a question is never one (4.1).
            0 => token.is_empty() && cursor.is_empty() && kind != 1,
            // Requests are neither acknowledgements nor resets (4.2).
            0x01..=0x1f => code_name(code).is_some() && kind <= 1,
            _ => code_name(code).is_some() && code >> 5 != 7 && kind != 3,
        };
        is_sound.then_some(Self { kind, code, id, token, rest: cursor.rest() })
    }
}

/// The head of a message over TCP (RFC 8323, 3.2).
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Bytes before the options.
    head: usize,
    /// Bytes altogether.
    len: usize,
    code: u8,
    token: usize,
}

impl Frame {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let first = cursor.u8()?;
        let token = usize::from(first & 0xf);
        let (digits, len) = match first >> 4 {
            13 => (1, usize::from(cursor.u8()?) + 13),
            14 => (2, usize::from(cursor.u16()?) + 269),
            15 => (4, usize::try_from(cursor.u32()?).ok()?.checked_add(65_805)?),
            short => (0, usize::from(short)),
        };
        let code = cursor.u8()?;
        let head = 2 + digits + token;
        Some(Self { head, len: head.checked_add(len)?, code, token })
    }
}

/// How a walk over options ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Whole,
    Payload(usize),
    Broken,
}

/// Walks options: number and value (RFC 7252, 3.1).
#[derive(Debug)]
struct Options<'a> {
    cursor: Cursor<'a>,
    number: u32,
    end: End,
}

impl<'a> Options<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(bytes), number: 0, end: End::Whole }
    }

    fn extended(&mut self, nibble: u8) -> Option<u32> {
        match nibble {
            13 => self.cursor.u8().map(|more| u32::from(more) + 13),
            14 => self.cursor.u16().map(|more| u32::from(more) + 269),
            15 => None,
            short => Some(short.into()),
        }
    }

    fn option(&mut self, first: u8) -> Option<(u32, &'a [u8])> {
        let delta = self.extended(first >> 4)?;
        let len = self.extended(first & 0xf)?;
        self.number = self.number.checked_add(delta).filter(|number| *number <= 0xffff)?;
        Some((self.number, self.cursor.take(usize::try_from(len).ok()?)?))
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.cursor.u8()?;
        if first == 0xff {
            // A marker without a payload is an error (3).
            self.end = if self.cursor.is_empty() { End::Broken } else { End::Payload(self.cursor.len()) };
            self.cursor = Cursor::new(&[]);
            return None;
        }
        let option = self.option(first);
        if option.is_none() {
            self.end = End::Broken;
            self.cursor = Cursor::new(&[]);
        }
        option
    }
}

/// What options a sound message has.
#[derive(Clone, Copy, Debug, Default)]
struct Survey {
    options: u32,
    /// It names a path, a query, a host, a format, or an observation.
    has_path: bool,
}

/// Walks the options of a message: all must exist and have lengths they may have (5.10).
fn survey(code: u8, bytes: &[u8]) -> Option<Survey> {
    let mut survey = Survey::default();
    let mut walk = Options::new(bytes);
    for (number, value) in walk.by_ref() {
        let (low, high, is_text) = limits(number)?;
        if !(low..=high).contains(&value.len()) || is_text && core::str::from_utf8(value).is_err() {
            return None;
        }
        survey.options += 1;
        survey.has_path |= matches!(number, 3 | 11 | 15 | 39) && code >> 5 == 0;
    }
    (walk.end != End::Broken).then_some(survey)
}

/// Least and most bytes of an option, and whether it is text, by the IANA registry.
const fn limits(number: u32) -> Option<(usize, usize, bool)> {
    Some(match number {
        1 => (0, 8, false),
        3 => (1, 255, true),
        4 => (1, 8, false),
        5 => (0, 0, false),
        6 => (0, 3, false),
        7 => (0, 2, false),
        8 | 11 | 15 | 20 => (0, 255, true),
        9 => (0, 255, false),
        12 | 17 => (0, 2, false),
        13 => (0, 2, false),
        14 | 28 | 60 => (0, 4, false),
        16 => (1, 1, false),
        19 | 23 | 27 | 31 => (0, 3, false),
        21 => (0, 4, false),
        35 => (1, 1034, true),
        39 => (1, 255, true),
        252 => (1, 40, false),
        258 => (0, 1, false),
        292 => (0, 8, false),
        2048..=65_535 => (0, 1034, false),
        _ => return None,
    })
}

/// Name of a code, by the IANA registry.
const fn code_name(code: u8) -> Option<&'static str> {
    Some(match code {
        0x00 => "EMPTY",
        0x01 => "GET",
        0x02 => "POST",
        0x03 => "PUT",
        0x04 => "DELETE",
        0x05 => "FETCH",
        0x06 => "PATCH",
        0x07 => "iPATCH",
        0x41 => "2.01 Created",
        0x42 => "2.02 Deleted",
        0x43 => "2.03 Valid",
        0x44 => "2.04 Changed",
        0x45 => "2.05 Content",
        0x5f => "2.31 Continue",
        0x80 => "4.00 Bad Request",
        0x81 => "4.01 Unauthorized",
        0x82 => "4.02 Bad Option",
        0x83 => "4.03 Forbidden",
        0x84 => "4.04 Not Found",
        0x85 => "4.05 Method Not Allowed",
        0x86 => "4.06 Not Acceptable",
        0x88 => "4.08 Request Entity Incomplete",
        0x89 => "4.09 Conflict",
        0x8c => "4.12 Precondition Failed",
        0x8d => "4.13 Request Entity Too Large",
        0x8f => "4.15 Unsupported Content-Format",
        0x96 => "4.22 Unprocessable Entity",
        0x9d => "4.29 Too Many Requests",
        0xa0 => "5.00 Internal Server Error",
        0xa1 => "5.01 Not Implemented",
        0xa2 => "5.02 Bad Gateway",
        0xa3 => "5.03 Service Unavailable",
        0xa4 => "5.04 Gateway Timeout",
        0xa5 => "5.05 Proxying Not Supported",
        0xa8 => "5.08 Hop Limit Reached",
        CSM => "7.01 CSM",
        0xe2 => "7.02 Ping",
        0xe3 => "7.03 Pong",
        0xe4 => "7.04 Release",
        0xe5 => "7.05 Abort",
        _ => return None,
    })
}

/// CoAP over TCP on one flow.
#[derive(Debug, Default)]
struct Stream;

impl Messages for Stream {
    const NAME: &'static str = "coap";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        match Frame::read(bytes) {
            None if bytes.first().is_some_and(|first| first & 0xf > 8) => {
                Framing::Invalid("invalid_token_length")
            }
            None => Framing::Open,
            Some(frame) if frame.token > 8 => Framing::Invalid("invalid_token_length"),
            Some(frame) if code_name(frame.code).is_none() => Framing::Invalid("unknown_code"),
            Some(frame) => Framing::at_most(frame.len, SHOWN_MAX),
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let frame = Frame::read(message.bytes).ok_or("malformed_data")?;
        let token =
            message.bytes.get(frame.head.saturating_sub(frame.token)..frame.head).ok_or("malformed_data")?;
        let options = message.bytes.get(frame.head..).unwrap_or_default();
        write(&Parts { kind: None, code: frame.code, id: None, token, options }, report)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        stream(bytes, true)
    }

    fn clear(&mut self) {}
}

/// CoAP over datagrams on one flow.
#[derive(Debug, Default)]
struct Datagrams;

impl Messages for Datagrams {
    const NAME: &'static str = "coap";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let datagram = Datagram::read(message.bytes).ok_or("malformed_data")?;
        survey(datagram.code, datagram.rest).ok_or("malformed_options")?;
        let kind = match datagram.kind {
            0 => "CON",
            1 => "NON",
            2 => "ACK",
            _ => "RST",
        };
        let (code, id, token, options) = (datagram.code, Some(datagram.id), datagram.token, datagram.rest);
        write(&Parts { kind: Some(kind), code, id, token, options }, report)
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        Found::No
    }

    fn clear(&mut self) {}
}

/// What a message says, of either framing.
#[derive(Debug)]
struct Parts<'a> {
    kind: Option<&'static str>,
    code: u8,
    id: Option<u16>,
    token: &'a [u8],
    options: &'a [u8],
}

fn write(parts: &Parts<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
    let name = code_name(parts.code).ok_or("unknown_code")?;
    let mut event = report.event("coap");
    if let Some(kind) = parts.kind {
        event.label("type", kind);
    }
    event.label("code", name);
    if let Some(id) = parts.id {
        event.number("message_id", id);
    }
    event.hex("token", parts.token);
    let (mut path, mut query) = (Vec::new(), Vec::new());
    let mut walk = Options::new(parts.options);
    // Options of signalling messages have numbers of their own (RFC 8323, 5.2).
    for (number, value) in walk.by_ref().take_while(|_| parts.code >> 5 != 7).take(64) {
        let digits = value.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        match number {
            11 => append(&mut path, b'/', value),
            15 => append(&mut query, b'&', value),
            _ => {}
        }
        let numbers = [(6, "observe"), (12, "content_format"), (17, "accept")];
        for (_, name) in numbers.iter().filter(|(option, _)| *option == number) {
            event.number(name, digits);
        }
        for (_, name) in [(3, "host"), (35, "proxy_uri")].iter().filter(|(option, _)| *option == number) {
            event.text(name, value);
        }
        if number == 9 {
            event.flag("oscore", true);
        }
    }
    if !path.is_empty() {
        event.text("path", &path);
    }
    if let Some(query) = query.get(1..) {
        event.text("query", query);
    }
    if let End::Payload(len) = walk.end {
        event.number("payload_size", len as u64);
    }
    Ok(Next::More)
}

fn append(text: &mut Vec<u8>, before: u8, part: &[u8]) {
    if text.len() + part.len() < 2048 {
        text.push(before);
        text.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::{Bench, assert_any_cut_agrees, taken_of_random, tcp, udp};
    use crate::record::Direction::{ToClient, ToServer};
    use proptest::prelude::*;

    /// RFC 7252, appendix A, figure 16: GET /temperature, with a token.
    const GET: &[u8] = b"\x41\x01\x7d\x35\x20\xbbtemperature";
    const CONTENT: &[u8] = b"\x61\x45\x7d\x35\x20\xff22.3 C";

    #[test]
    fn a_request_is_found_by_what_it_asks_for_and_an_answer_by_its_token() {
        assert_eq!(probe(&udp(GET, ToServer, 4000)), Found::Likely(92));
        assert_eq!(probe(&udp(GET, ToServer, 5683)), Found::Yes);
        assert_eq!(probe(&udp(CONTENT, ToClient, 4000)), Found::No);
        let earlier = [crate::protocols::Earlier { from: ToServer, bytes: GET, len: 17 }];
        assert_eq!(probe(&Probe { earlier: &earlier, ..udp(CONTENT, ToClient, 4000) }), Found::Likely(90));
        assert_eq!(probe(&udp(b"\x40\x01\x00\x01\xff", ToServer, 5683)), Found::No);
        assert_eq!(probe(&udp(b"\x49\x01\x00\x01\xff", ToServer, 5683)), Found::No);
    }

    #[test]
    fn both_sides_are_read() {
        let mut bench = Bench::new(&COAP);
        bench.datagram(ToServer, GET);
        bench.datagram(ToClient, CONTENT);
        assert_eq!(
            (bench.text("coap", "code"), bench.text("coap", "path")),
            ("GET".into(), "/temperature".into())
        );
        assert_eq!(bench.value("coap", "payload_size"), Some(crate::record::Datum::Unsigned(6)));
    }

    #[test]
    fn connections_open_with_capabilities() {
        let csm = b"\x30\xe1\x22\x04\x80";
        assert_eq!(probe(&tcp(csm, ToServer, 4000)), Found::Likely(92));
        for end in 1..csm.len() {
            assert_eq!(probe(&tcp(&csm[..end], ToServer, 4000)), Found::Maybe);
        }
        let get = b"\xc1\x01\x20\xbbtemperature";
        assert_any_cut_agrees(&COAP, &[(ToServer, [&csm[..], get].concat()), (ToClient, csm.to_vec())]);
    }

    #[test]
    fn random_payloads_are_not_taken() {
        assert!(taken_of_random(&COAP) < 20, "{}", taken_of_random(&COAP));
    }

    proptest! {
        #[test]
        fn anything_is_survived(bytes in prop::collection::vec(any::<u8>(), 1..120)) {
            Bench::new(&COAP).datagram(ToServer, &bytes);
            assert_any_cut_agrees(&COAP, &[(ToServer, [b"\x30\xe1\x22\x04\x80", &bytes[..]].concat())]);
        }
    }
}
