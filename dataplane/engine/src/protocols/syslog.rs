//! Syslog over UDP and TCP: RFC 5424, what RFC 3164 found in use, and the framings of RFC 6587.

use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Direction, EventWriter};

/// Syslog.
pub static SYSLOG: Protocol = Protocol {
    name: "syslog",
    title: "Syslog",
    family: Family::Management,
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[514, 601],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(3, b"<0123456789"),
    probe: Some(probe),
    parser: Some(framed::parser::<Syslog>),
    events: &["syslog", "anomaly"],
    source: "RFC 5424, RFC 3164, RFC 6587",
};

/// Longest message whose length is believed.
const LEN_MAX: usize = 1 << 20;
/// Bytes of a message that are read.
const SHOWN_MAX: usize = 8 * 1024;
/// Bytes of a text that are written.
const TEXT_MAX: usize = 1024;
/// Bytes of a name that are written.
const NAME_MAX: usize = 255;
/// Bytes of the longest start that is looked at.
const START_MAX: usize = 32;

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// What a message begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Priority {
    value: u8,
    /// Bytes before what follows it.
    len: usize,
}

/// `<0>` to `<191>` without leading zeros (RFC 5424, 6.2.1).
fn priority(bytes: &[u8]) -> Result<Priority, Found> {
    let rest = bytes.strip_prefix(b"<").ok_or(if bytes.is_empty() { Found::Maybe } else { Found::No })?;
    let digits = rest.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    let value = rest.iter().take(digits).fold(0_u16, |value, digit| value * 10 + u16::from(digit - b'0'));
    let has_leading_zero = digits > 1 && rest.first() == Some(&b'0');
    let Ok(value) = u8::try_from(value) else { return Err(Found::No) };
    if value > 191 || has_leading_zero || digits > 3 {
        return Err(Found::No);
    }
    match rest.get(digits) {
        None => Err(Found::Maybe),
        Some(b'>') if digits > 0 => Ok(Priority { value, len: digits + 2 }),
        Some(_) => Err(Found::No),
    }
}

/// Length in front of a message, and how many bytes it takes with its blank (RFC 6587, 3.4.1); nothing where the message
/// begins at once.
fn octet_count(bytes: &[u8]) -> Result<Option<(usize, usize)>, Found> {
    let digits = bytes.iter().take(8).take_while(|byte| byte.is_ascii_digit()).count();
    let len = bytes.iter().take(digits).fold(0_usize, |len, digit| len * 10 + usize::from(digit - b'0'));
    match (digits, bytes.get(digits)) {
        (0, _) => Ok(None),
        (8, _) => Err(Found::No),
        (_, None) => Err(Found::Maybe),
        (_, Some(b' ')) if (4..=LEN_MAX).contains(&len) && bytes.first() != Some(&b'0') => {
            Ok(Some((len, digits + 1)))
        }
        _ => Err(Found::No),
    }
}

/// Whether bytes have a pattern: `d` a digit, `_` a digit or a blank, others themselves.
fn fits(bytes: &[u8], pattern: &[u8]) -> Found {
    let all = bytes.iter().zip(pattern).all(|(byte, wanted)| match wanted {
        b'd' => byte.is_ascii_digit(),
        b'_' => byte.is_ascii_digit() || *byte == b' ',
        _ => byte == wanted,
    });
    match (all, bytes.len() >= pattern.len()) {
        (false, _) => Found::No,
        (true, false) => Found::Maybe,
        (true, true) => Found::Yes,
    }
}

/// What follows the priority.
fn shape(rest: &[u8], is_datagram: bool) -> Found {
    let either = |first: Found, second: Found| match (first, second) {
        (Found::Yes, _) | (_, Found::Yes) => Found::Yes,
        (Found::Maybe, _) | (_, Found::Maybe) => Found::Maybe,
        _ => Found::No,
    };
    let month = rest.get(..3).unwrap_or(rest);
    let is_month = MONTHS.iter().any(|name| name.starts_with(month));
    let dated = if is_month { fits(rest.get(3..).unwrap_or_default(), b" _d dd:dd:dd") } else { Found::No };
    let found = [fits(rest, b"1 - "), fits(rest, b"1 dddd-dd-ddT"), fits(rest, b"dddd-dd-ddTdd:dd:")]
        .into_iter()
        .fold(dated, either);
    if found == Found::No && is_datagram {
        // Priority and whatever the sender likes: readable.
        let starts = rest.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || b"%:*[ ".contains(byte));
        let start = rest.get(..7).unwrap_or_default();
        if starts && !start.is_empty() && start.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
            return Found::Likely(85);
        }
    }
    found
}

fn look(bytes: &[u8], is_datagram: bool) -> Result<Found, Found> {
    let skipped = octet_count(bytes)?.map_or(0, |(_, len)| len);
    let bytes = bytes.get(skipped..).unwrap_or_default();
    let priority = priority(bytes)?;
    let rest = bytes.get(priority.len..).unwrap_or_default();
    Ok(shape(rest.get(..START_MAX).unwrap_or(rest), is_datagram))
}

fn probe(probe: &Probe<'_>) -> Found {
    let found = look(probe.payload, !probe.is_stream()).unwrap_or_else(|found| found);
    // Nothing follows a datagram.
    if found == Found::Maybe && !probe.is_stream() { Found::No } else { found }
}

/// Syslog on one flow.
#[derive(Debug, Default)]
struct Syslog {
    /// A line that is longer than what is read goes on.
    goes_on: [bool; 2],
}

/// The next word, and what follows it.
fn word(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b' ', bytes).unwrap_or(bytes.len());
    let (word, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
    (word, rest.strip_prefix(b" ").unwrap_or(rest))
}

fn named(name: &'static str, value: &[u8], event: &mut EventWriter<'_>) {
    if !value.is_empty() && value != b"-" {
        event.text(name, value.get(..NAME_MAX).unwrap_or(value));
    }
}

fn write(bytes: &[u8], event: &mut EventWriter<'_>) -> Result<(), &'static str> {
    let priority = priority(bytes).map_err(|_| "malformed_data")?;
    event.label("facility", FACILITIES.get(usize::from(priority.value >> 3)).unwrap_or(&"unknown"));
    event.label("severity", SEVERITIES.get(usize::from(priority.value & 7)).unwrap_or(&"unknown"));
    let rest = bytes.get(priority.len..).unwrap_or_default();
    let message = match rest.strip_prefix(b"1 ") {
        Some(header) => write_header(header, event),
        None => write_old(rest, event),
    };
    let message = message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message);
    if !message.is_empty() {
        event.text("message", message.get(..TEXT_MAX).unwrap_or(message));
    }
    Ok(())
}

/// The header of RFC 5424 (6.2); gives the message.
fn write_header<'a>(mut rest: &'a [u8], event: &mut EventWriter<'_>) -> &'a [u8] {
    event.number("version", 1_u8);
    for name in ["timestamp", "hostname", "program", "process_id", "message_id"] {
        let (value, after) = word(rest);
        named(name, value, event);
        rest = after;
    }
    if let Some(after) = rest.strip_prefix(b"-") {
        return after.strip_prefix(b" ").unwrap_or(after);
    }
    let end = structured_end(rest);
    let (data, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
    named("structured_data", data, event);
    after.strip_prefix(b" ").unwrap_or(after)
}

/// Where structured data ends (RFC 5424, 6.3): brackets with quoted values in them, one behind the other.
fn structured_end(bytes: &[u8]) -> usize {
    let (mut is_inside, mut is_quoted, mut is_escaped) = (false, false, false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' if is_inside => is_quoted = !is_quoted,
            _ if is_quoted => {}
            b'[' if !is_inside => is_inside = true,
            b']' if is_inside => is_inside = false,
            _ if !is_inside => return at,
            _ => {}
        }
    }
    bytes.len()
}

/// The header of RFC 3164 (4.1), as far as it is there; gives the message.
fn write_old<'a>(rest: &'a [u8], event: &mut EventWriter<'_>) -> &'a [u8] {
    let is_dated = matches!(rest.get(..3), Some(month) if MONTHS.iter().any(|name| name.as_slice() == month))
        && fits(rest.get(3..).unwrap_or_default(), b" _d dd:dd:dd") == Found::Yes;
    let is_iso = fits(rest, b"dddd-dd-ddTdd:dd:") == Found::Yes;
    let (timestamp, rest) = match (is_dated, is_iso) {
        (true, _) => rest.split_at_checked(15).unwrap_or((rest, &[])),
        (_, true) => word(rest),
        _ => return rest,
    };
    named("timestamp", timestamp, event);
    let rest = rest.trim_ascii_start();
    let (host, after) = word(rest);
    let mut message = rest;
    // A tag ends with a colon; without a host before it, it is the tag.
    if !host.is_empty() && !host.ends_with(b":") {
        named("hostname", host, event);
        message = after;
    }
    let (tag, after) = word(message);
    let Some(tag) = tag.strip_suffix(b":") else { return message };
    let (program, process) = match memchr::memchr(b'[', tag) {
        Some(at) => (tag.get(..at), tag.get(at + 1..).and_then(|id| id.strip_suffix(b"]"))),
        None => (Some(tag), None),
    };
    named("program", program.unwrap_or_default(), event);
    named("process_id", process.unwrap_or_default(), event);
    after
}

impl Messages for Syslog {
    const NAME: &'static str = "syslog";

    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        let goes_on = self.goes_on.get(from as usize).is_some_and(|goes_on| *goes_on);
        let count = if goes_on { Ok(None) } else { octet_count(bytes) };
        match count {
            Ok(Some((len, head))) => return Framing::at_most(head + len, SHOWN_MAX),
            Err(Found::Maybe) => return Framing::Open,
            // A line that begins with a number, or with none.
            _ => {}
        }
        let shown = bytes.get(..SHOWN_MAX).unwrap_or(bytes);
        // Some end messages with a zero (RFC 6587, 3.4.2).
        match memchr::memchr2(b'\n', 0, shown) {
            Some(end) => Framing::whole(end + 1),
            None if shown.len() == SHOWN_MAX => Framing::whole(SHOWN_MAX),
            None => Framing::Open,
        }
    }

    fn datagram_framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::at_most(bytes.len(), SHOWN_MAX)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let mut bytes = message.bytes;
        match octet_count(bytes) {
            Ok(Some((_, head))) if bytes.get(head) == Some(&b'<') => {
                bytes = bytes.get(head..).unwrap_or_default()
            }
            _ if message.carrier == Carrier::Tcp => {
                let place = self.goes_on.get_mut(message.from as usize).ok_or("malformed_data")?;
                if core::mem::replace(place, !matches!(bytes.last(), Some(b'\n' | 0))) {
                    return Ok(Next::More);
                }
            }
            _ => {}
        }
        let end =
            bytes.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n' | 0)).map_or(0, |last| last + 1);
        let bytes = bytes.get(..end).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(Next::More);
        }
        priority(bytes).map_err(|_| "malformed_data")?;
        write(bytes, &mut report.event("syslog"))?;
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        look(bytes, false).unwrap_or_else(|found| found)
    }

    fn lost(&mut self, from: Direction) {
        if let Some(goes_on) = self.goes_on.get_mut(from as usize) {
            *goes_on = false;
        }
    }

    fn clear(&mut self) {
        self.goes_on = [false; 2];
    }
}

/// Facilities by number (RFC 5424, 6.2.1).
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

/// Severities by number.
const SEVERITIES: [&str; 8] =
    ["emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::{Bench, assert_any_cut_agrees, tcp, udp};
    use crate::record::Direction::ToServer;
    use proptest::prelude::*;

    const NEW: &[u8] =
        b"<165>1 2003-10-11T22:14:15.003Z host.example.org su 123 ID47 [a@1 x=\"a\\\"]b\"][b@1] failed for lonvick";

    #[test]
    fn the_new_header_is_read_with_its_structured_data() {
        assert_eq!(probe(&udp(NEW, ToServer, 4000)), Found::Yes);
        let mut bench = Bench::new(&SYSLOG);
        bench.datagram(ToServer, NEW);
        assert_eq!(
            (bench.text("syslog", "facility"), bench.text("syslog", "severity")),
            ("local4".into(), "notice".into())
        );
        assert_eq!(
            (bench.text("syslog", "hostname"), bench.text("syslog", "program")),
            ("host.example.org".into(), "su".into())
        );
        assert_eq!(bench.text("syslog", "structured_data"), "[a@1 x=\"a\\\"]b\"][b@1]");
        assert_eq!(bench.text("syslog", "message"), "failed for lonvick");
    }

    #[test]
    fn the_old_header_is_read_as_far_as_it_is_there() {
        for (message, host, program, text) in [
            (
                &b"<34>Oct 11 22:14:15 mymachine su[42]: 'su root' failed"[..],
                "mymachine",
                "su",
                "'su root' failed",
            ),
            (b"<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!", "10.0.0.99", "", "Use the BFG!"),
            (b"<189>Oct 11 22:14:15 %SYS-5-CONFIG_I: Configured", "", "%SYS-5-CONFIG_I", "Configured"),
            (b"<14>2026-01-01T00:00:00.1+02:00 host slapd[1]: conn=1\n", "host", "slapd", "conn=1"),
        ] {
            assert_eq!(probe(&udp(message, ToServer, 4000)), Found::Yes);
            let mut bench = Bench::new(&SYSLOG);
            bench.datagram(ToServer, message);
            assert_eq!(bench.text("syslog", "hostname"), host);
            assert_eq!(
                (bench.text("syslog", "program"), bench.text("syslog", "message")),
                (program.into(), text.into())
            );
        }
    }

    fn session() -> Vec<(Direction, Vec<u8>)> {
        let mut counted = format!("{} ", NEW.len()).into_bytes();
        counted.extend(NEW);
        counted.extend(b"<34>Oct 11 22:14:15 host su: one\n<34>Oct 11 22:14:15 host su: two\n");
        vec![(ToServer, counted), (ToServer, b"<34>Oct 11 22:14:15 host su: three\n".to_vec())]
    }

    #[test]
    fn streams_are_framed_by_counts_and_by_line_ends() {
        assert_eq!(probe(&tcp(&session()[0].1, ToServer, 4000)), Found::Yes);
        let mut bench = Bench::new(&SYSLOG);
        session().iter().for_each(|(from, bytes)| bench.stream(*from, bytes));
        assert_eq!(bench.kinds(), ["syslog"; 4]);
    }

    #[test]
    fn near_misses_are_refused() {
        for wrong in [
            &b"<192>Oct 11 22:14:15 h su: x"[..],
            b"<034>Oct 11 22:14:15 h",
            b"<34",
            b"<a>Oct 11 22:14",
            b"<34>\x01\x02",
        ] {
            assert_eq!(probe(&udp(wrong, ToServer, 514)), Found::No, "{wrong:?}");
        }
        assert_eq!(probe(&tcp(b"<34>hello there everybody", ToServer, 514)), Found::No);
        assert_eq!(probe(&udp(b"<189>: %SYS-5-CONFIG_I: x", ToServer, 514)), Found::Likely(85));
    }

    #[test]
    fn any_cut_gives_the_same_events() {
        assert_any_cut_agrees(&SYSLOG, &session());
    }

    proptest! {
        #[test]
        fn changed_bytes_are_survived(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
            let mut turns = session();
            for (at, value) in changes {
                let turn = at.index(turns.len());
                let place = at.index(turns[turn].1.len());
                turns[turn].1[place] = value;
            }
            assert_any_cut_agrees(&SYSLOG, &turns);
        }
    }
}
