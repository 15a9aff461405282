//! Whether a payload is a DNS message: its header has to make sense and its sections have to fill it exactly.

use super::message::{HEADER_LEN, Header, Question, Record, WalkError, question, record, walk_name};
use super::registry::{is_class, is_opcode, type_name};
use crate::protocols::{Found, Probe};

/// Records walked by a probe; a message with more is judged by these.
const WALKED_MAX: u16 = 64;

/// DNS: port 53, or a message without a flaw on another one.
pub(super) fn dns(probe: &Probe<'_>) -> Found {
    // NetBIOS name service has the same header (RFC 1002, 4.2), as have the two multicast protocols.
    if [137, 5353, 5355].iter().any(|port| probe.has_port(*port)) {
        return Found::No;
    }
    if probe.is_stream() {
        return stream(probe, |message, cut| unicast(message, cut, probe.has_port(53)));
    }
    unicast(probe.payload, missing(probe), probe.has_port(53))
}

/// Multicast DNS: always one of the ports is 5353 (RFC 6762, 5 and 6).
pub(super) fn mdns(probe: &Probe<'_>) -> Found {
    if probe.is_stream() || !probe.has_port(5353) {
        return Found::No;
    }
    let Some(header) = Header::read(probe.payload) else { return Found::No };
    // Other opcodes and response codes are to be ignored (RFC 6762, 18.3 and 18.11).
    let is_ours = header.flags.opcode() == 0 && header.flags.rcode() == 0;
    let is_empty = header.questions == 0 && header.record_count() == 0;
    if !is_ours || is_empty || !is_filled_up_to(&header, probe.payload.len() + missing(probe)) {
        return Found::No;
    }
    match Survey::of(probe.payload, &header) {
        Survey { end: Ok(end), sound: true, .. } if end == probe.payload.len() => Found::Yes,
        Survey { end: Err(WalkError::Truncated), sound: true, .. } if missing(probe) > 0 => Found::Yes,
        _ => Found::No,
    }
}

/// LLMNR: always one of the ports is 5355 (RFC 4795, 2).
pub(super) fn llmnr(probe: &Probe<'_>) -> Found {
    if !probe.has_port(5355) {
        return Found::No;
    }
    if probe.is_stream() {
        return stream(probe, link_local);
    }
    link_local(probe.payload, missing(probe))
}

fn link_local(message: &[u8], missing: usize) -> Found {
    let Some(header) = Header::read(message) else { return Found::No };
    // One question, answered by the same one (RFC 4795, 2.1.1).
    if header.flags.opcode() != 0
        || header.questions != 1
        || !is_filled_up_to(&header, message.len() + missing)
    {
        return Found::No;
    }
    match Survey::of(message, &header) {
        Survey { end: Ok(end), sound: true, .. } if end == message.len() => Found::Yes,
        Survey { end: Err(WalkError::Truncated), sound: true, .. } if missing > 0 => Found::Yes,
        _ => Found::No,
    }
}

/// The first message of a stream, behind its length (RFC 1035, 4.2.2). It may not be whole yet.
fn stream(probe: &Probe<'_>, judge: impl Fn(&[u8], usize) -> Found) -> Found {
    let Some(([high, low], rest)) = probe.payload.split_first_chunk::<2>() else { return Found::Maybe };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length < HEADER_LEN {
        return Found::No;
    }
    if let Some(message) = rest.get(..length) {
        return judge(message, 0);
    }
    let Some(header) = Header::read(rest) else { return Found::Maybe };
    if !is_plausible(&header) || !is_filled_up_to(&header, length) {
        return Found::No;
    }
    // A beginning says less than a whole: it is waited for, unless the capture was cut.
    if missing(probe) > 0 {
        return judge(rest, length - rest.len());
    }
    let survey = Survey::of(rest, &header);
    if survey.sound && survey.end == Err(WalkError::Truncated) { Found::Maybe } else { Found::No }
}

/// Judges a message of which `missing` bytes at the end were not captured.
fn unicast(message: &[u8], missing: usize, on_port: bool) -> Found {
    let Some(header) = Header::read(message) else { return Found::No };
    if on_port && is_bare_status(message, &header) {
        return Found::Likely(70);
    }
    if !is_plausible(&header) || !is_filled_up_to(&header, message.len() + missing) {
        return Found::No;
    }
    let survey = Survey::of(message, &header);
    let whole = survey.end == Ok(message.len());
    match survey.end {
        _ if survey.is_netbios && !on_port => Found::No,
        Ok(_) if whole && on_port => Found::Yes,
        // Bytes behind the message, as some senders have them.
        Ok(_) if on_port && survey.sound => Found::Likely(85),
        Ok(_) if whole && survey.sound && is_usual(&header) => {
            if survey.records > 0 || header.flags.qr() {
                Found::Likely(95)
            } else {
                Found::Likely(88)
            }
        }
        Err(WalkError::Truncated) if missing > 0 && survey.sound && survey.questions > 0 => {
            Found::Likely(if on_port { 95 } else { 75 })
        }
        // On its port, a message with such a header is DNS with a flaw, most surely where its questions are sound.
        Err(_) if on_port => {
            let can_be_asked = header.questions > 0 && survey.questions == header.questions;
            Found::Likely(if can_be_asked { 70 } else { 60 })
        }
        _ => Found::No,
    }
}

/// A header that asks for a server's status and nothing else, as scanners send it (RFC 1035, 4.1.1 leaves open how).
fn is_bare_status(message: &[u8], header: &Header) -> bool {
    let flags = header.flags;
    message.len() == HEADER_LEN
        && flags.opcode() == 2
        && !flags.qr()
        && flags.rcode() == 0
        && header.questions == 0
        && header.record_count() == 0
}

/// What every header has in common.
fn is_plausible(header: &Header) -> bool {
    let flags = header.flags;
    let [answers, authorities, additionals] = header.records;
    if !is_opcode(flags.opcode()) || flags.z() {
        return false;
    }
    if flags.qr() {
        // An error may come without its question (RFC 1035, 4.1.1: FORMERR).
        return header.questions <= 1
            && (header.questions > 0 || answers > 0 || authorities > 0 || flags.rcode() != 0)
            && flags.rcode() <= 11;
    }
    match flags.opcode() {
        // IQUERY has the answer and asks for the question; UPDATE and DSO count otherwise.
        1 => header.questions <= 1 && answers <= 4,
        5 => header.questions == 1,
        6 => header.questions == 0 && answers == 0,
        _ => (1..=4).contains(&header.questions) && answers <= 1 && authorities <= 1 && additionals <= 4,
    }
}

/// What is asked in addition away from port 53.
fn is_usual(header: &Header) -> bool {
    let flags = header.flags;
    let is_query = !flags.qr() && !flags.aa() && !flags.ra() && !flags.tc() && flags.rcode() == 0;
    let is_response = flags.qr() && matches!(flags.rcode(), 0..=5);
    flags.opcode() == 0 && header.questions == 1 && (is_query || is_response)
}

/// Whether the counts can be met by `length` bytes: a question has 5 at least, a record 11.
fn is_filled_up_to(header: &Header, length: usize) -> bool {
    let least = HEADER_LEN as u64 + 5 * u64::from(header.questions) + 11 * u64::from(header.record_count());
    length as u64 >= least
}

fn missing(probe: &Probe<'_>) -> usize {
    usize::try_from(probe.wire_len).unwrap_or(usize::MAX).saturating_sub(probe.payload.len())
}

/// What a walk through a message met.
struct Survey {
    /// Questions read.
    questions: u16,
    /// Records read.
    records: u16,
    /// Names are printable, classes assigned, types known, addresses of the right length.
    sound: bool,
    /// The first name is in the encoding of NetBIOS (RFC 1001, 14.1).
    is_netbios: bool,
    /// Where it ended, or why it did not.
    end: Result<usize, WalkError>,
}

impl Survey {
    fn of(message: &[u8], header: &Header) -> Self {
        let mut survey =
            Self { questions: 0, records: 0, sound: true, is_netbios: false, end: Ok(HEADER_LEN) };
        survey.end = survey.walk(message, header);
        survey
    }

    fn walk(&mut self, message: &[u8], header: &Header) -> Result<usize, WalkError> {
        let mut at = HEADER_LEN;
        for _ in 0..header.questions.min(WALKED_MAX) {
            let (asked, after) = question(message, at)?;
            self.look_at_question(message, &asked);
            self.questions += 1;
            at = after;
        }
        let count = u16::try_from(header.record_count()).unwrap_or(u16::MAX);
        for _ in 0..count.min(WALKED_MAX) {
            let (read, after) = record(message, at)?;
            self.look_at_record(message, &read);
            self.records += 1;
            at = after;
        }
        // Of a longer message the rest is taken on trust.
        let is_long = count > WALKED_MAX || header.questions > WALKED_MAX;
        Ok(if is_long { message.len() } else { at })
    }

    fn look_at_question(&mut self, message: &[u8], asked: &Question) {
        self.is_netbios |= is_netbios(message, asked.name);
        self.sound &= is_printable(message, asked.name);
        self.sound &= is_class(asked.class & 0x7fff) && type_name(asked.kind).is_some();
    }

    fn look_at_record(&mut self, message: &[u8], read: &Record) {
        self.sound &= is_printable(message, read.name);
        self.sound &= match read.kind {
            // The class of OPT is a size (RFC 6891, 6.1.2), and its name the root.
            41 => message.get(read.name) == Some(&0),
            1 => is_class(read.class & 0x7fff) && matches!(read.data.len(), 0 | 4),
            28 => is_class(read.class & 0x7fff) && matches!(read.data.len(), 0 | 16),
            kind => is_class(read.class & 0x7fff) && type_name(kind).is_some(),
        };
    }
}

/// Whether all of a name is printable or UTF-8 (RFC 6762, 16).
fn is_printable(message: &[u8], at: usize) -> bool {
    let mut printable = true;
    let walked = walk_name(message, at, |label| {
        printable &= label.iter().all(|byte| (0x20..=0x7e).contains(byte))
            || core::str::from_utf8(label).is_ok_and(|text| !text.contains(char::is_control));
    });
    walked.is_ok() && printable
}

fn is_netbios(message: &[u8], at: usize) -> bool {
    let label = message.get(at..).and_then(<[u8]>::split_first).filter(|(length, _)| **length == 32);
    label
        .and_then(|(_, rest)| rest.get(..32))
        .is_some_and(|name| name.iter().all(|byte| (b'A'..=b'P').contains(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::Carrier;
    use crate::record::Direction;

    /// A query for www.example.com, type A.
    const QUERY: &[u8] =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01";

    fn over(carrier: Carrier, payload: &[u8], ports: (u16, u16)) -> Probe<'_> {
        Probe {
            payload,
            wire_len: u32::try_from(payload.len()).unwrap(),
            from: Direction::ToServer,
            carrier,
            source_port: ports.0,
            destination_port: ports.1,
            destination: None,
            earlier: &[],
            midstream: false,
        }
    }

    fn udp(payload: &[u8], port: u16) -> Probe<'_> {
        over(Carrier::Udp, payload, (40_000, port))
    }

    #[test]
    fn a_query_is_found_on_any_port_and_surely_on_its_own() {
        assert_eq!(dns(&udp(QUERY, 53)), Found::Yes);
        assert_eq!(dns(&udp(QUERY, 9_953)), Found::Likely(88));
        assert_eq!((mdns(&udp(QUERY, 53)), llmnr(&udp(QUERY, 53))), (Found::No, Found::No));
        assert_eq!((dns(&udp(QUERY, 5353)), mdns(&udp(QUERY, 5353))), (Found::No, Found::Yes));
        assert_eq!((dns(&udp(QUERY, 5355)), llmnr(&udp(QUERY, 5355))), (Found::No, Found::Yes));
    }

    #[test]
    fn a_bare_question_for_the_status_counts_on_its_port_alone() {
        let status = [0, 7, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!((dns(&udp(&status, 53)), dns(&udp(&status, 9_953))), (Found::Likely(70), Found::No));
        let (standard, answer) =
            ([0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0, 7, 0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!((dns(&udp(&standard, 53)), dns(&udp(&answer, 53))), (Found::No, Found::No));
    }

    #[test]
    fn a_byte_too_many_or_too_few_is_not_dns_away_from_its_port() {
        let longer = [QUERY, b"x"].concat();
        assert_eq!(dns(&udp(&longer, 9_953)), Found::No);
        assert_eq!(dns(&udp(&longer, 53)), Found::Likely(85));
        assert_eq!(dns(&udp(&QUERY[..QUERY.len() - 1], 9_953)), Found::No);
        assert_eq!(dns(&udp(&QUERY[..QUERY.len() - 1], 53)), Found::Likely(60));
        let snapped = |port| Probe { wire_len: 33, ..udp(&QUERY[..30], port) };
        assert_eq!((dns(&snapped(9_953)), dns(&snapped(53))), (Found::No, Found::Likely(60)));
        // A name that points at itself.
        let looped = [&QUERY[..12], &[0xc0, 12, 0, 1, 0, 1]].concat();
        assert_eq!((dns(&udp(&looped, 9_953)), dns(&udp(&looped, 53))), (Found::No, Found::Likely(60)));
        let with_additional = [&QUERY[..11], b"\x01", &QUERY[12..]].concat();
        assert_eq!(dns(&udp(&with_additional, 9_953)), Found::No);
        assert_eq!(dns(&Probe { wire_len: 80, ..udp(&with_additional, 53) }), Found::Likely(95));
    }

    #[test]
    fn counts_that_add_up_to_more_than_sixteen_bits_are_not_believed() {
        let response =
            [b"\x12\x34\x81\x80\x00\x01\xff\xff\xff\xff\x00\x00".as_slice(), &QUERY[12..]].concat();
        assert_eq!(dns(&udp(&response, 9_953)), Found::No);
        assert_ne!(dns(&udp(&response, 53)), Found::Yes);
    }

    #[test]
    fn netbios_names_are_not_dns() {
        let query = [
            b"\x12\x34\x01\x10\x00\x01\x00\x00\x00\x00\x00\x00\x20".as_slice(),
            b"EJFDEBFEEBFACACACACACACACACACAAA\x00\x00\x20\x00\x01",
        ]
        .concat();
        assert_eq!(dns(&udp(&query, 137)), Found::No);
        assert_eq!(dns(&udp(&query, 1_137)), Found::No);
        assert_eq!(dns(&udp(&query, 53)), Found::Yes);
    }

    #[test]
    fn streams_are_waited_for_until_the_first_message_is_whole() {
        let framed = [&[0, u8::try_from(QUERY.len()).unwrap()], QUERY].concat();
        for end in 0..framed.len() {
            assert_eq!(dns(&over(Carrier::Tcp, &framed[..end], (40_000, 53))), Found::Maybe, "{end}");
        }
        assert_eq!(dns(&over(Carrier::Tcp, &framed, (40_000, 53))), Found::Yes);
        assert_eq!(dns(&over(Carrier::Tcp, b"GET / HTTP/1.1\r\nHost: example.org\r\n", (1, 53))), Found::No);
    }

    #[test]
    fn random_datagrams_are_not_dns() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut found = 0;
        for round in 0..200_000_usize {
            let mut payload = [0; 96];
            for byte in &mut payload {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = state.to_be_bytes()[3];
            }
            let payload = &payload[..12 + round % 84];
            found += usize::from(dns(&udp(payload, 40_001)) != Found::No);
            found += usize::from(dns(&udp(payload, 53)) != Found::No);
            found += usize::from(mdns(&udp(payload, 5353)) != Found::No);
        }
        assert_eq!(found, 0);
    }
}
