//! The Simple Service Discovery Protocol: HTTP's lines in datagrams (UPnP Device Architecture 2.0, 1).

use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol, lines};
use crate::record::{Direction, EventWriter};

/// SSDP.
pub static SSDP: Protocol = Protocol {
    name: "ssdp",
    title: "SSDP",
    family: Family::Network,
    carriers: &[Carrier::Udp],
    ports: &[PORT],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(16, b"HMN"),
    probe: Some(probe),
    parser: Some(framed::parser::<Ssdp>),
    events: &["ssdp", "anomaly"],
    source: "UPnP Device Architecture 2.0, 1",
};

const PORT: u16 = 1900;
/// Datagrams of a flow that are read: announcements repeat themselves.
const MOST_MESSAGES: u32 = 64;
/// Lines of a datagram that are read.
const MOST_LINES: usize = 32;
/// Bytes of a value that are written.
const VALUE_MAX: usize = 512;

/// How a datagram begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Search,
    Notify,
    Response(u16),
}

impl Start {
    fn read(line: &[u8]) -> Option<Self> {
        let version = |rest: &[u8]| matches!(rest, b"HTTP/1.1" | b"HTTP/1.0");
        if let Some(rest) = line.strip_prefix(b"M-SEARCH * ") {
            return version(rest).then_some(Self::Search);
        }
        if let Some(rest) = line.strip_prefix(b"NOTIFY * ") {
            return version(rest).then_some(Self::Notify);
        }
        let (first, rest) = lines::words(line);
        let (code, _, _) = lines::reply(rest).filter(|_| version(first))?;
        Some(Self::Response(code))
    }
}

/// A request names itself. A response does where it says what was searched for, or comes from the port.
fn probe(probe: &Probe<'_>) -> Found {
    let mut all = fields(probe.payload);
    let Some((start, _)) = all.next() else { return Found::No };
    match Start::read(start) {
        Some(Start::Search | Start::Notify) => Found::Yes,
        Some(Start::Response(200)) => {
            let known =
                |(name, _): &(&[u8], &[u8])| of_name(name).is_some_and(|own| matches!(own, "st" | "usn"));
            if all.any(|field| known(&field)) || probe.has_port(PORT) { Found::Likely(98) } else { Found::No }
        }
        _ => Found::No,
    }
}

/// The start line with an empty value, then the fields: names, and values without blanks around.
fn fields(datagram: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut is_first = true;
    let all = datagram.split(|byte| *byte == b'\n').take(MOST_LINES).map(lines::content);
    all.take_while(|line| !line.is_empty()).filter_map(move |line| {
        if core::mem::take(&mut is_first) {
            return Some((line, &[][..]));
        }
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = line.split_at_checked(colon)?;
        Some((name.trim_ascii(), value.get(1..)?.trim_ascii()))
    })
}

/// The name in events of a field of 1.2 to 1.4, letter case aside.
fn of_name(name: &[u8]) -> Option<&'static str> {
    const NAMES: &[(&str, &str)] = &[
        ("host", "host"),
        ("man", "man"),
        ("mx", "mx"),
        ("st", "st"),
        ("nt", "nt"),
        ("nts", "nts"),
        ("usn", "usn"),
        ("location", "location"),
        ("server", "server"),
        ("user-agent", "user_agent"),
        ("cpfn.upnp.org", "control_point"),
        ("cache-control", "cache_control"),
    ];
    let wanted = NAMES.iter().find(|(own, _)| name.eq_ignore_ascii_case(own.as_bytes()))?;
    Some(wanted.1)
}

/// Reads the datagrams of one flow.
#[derive(Debug, Default)]
struct Ssdp {
    messages: u32,
}

impl Messages for Ssdp {
    const NAME: &'static str = "ssdp";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let mut all = fields(message.bytes);
        let start = all.next().and_then(|(line, _)| Start::read(line)).ok_or("malformed_start_line")?;
        let mut event = report.event("ssdp");
        match start {
            Start::Search => event.label("method", "M-SEARCH"),
            Start::Notify => event.label("method", "NOTIFY"),
            Start::Response(code) => event.number("status", code),
        };
        write(all, &mut event);
        self.messages += 1;
        Ok(if self.messages < MOST_MESSAGES { Next::More } else { Next::Done })
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        Found::No
    }

    fn clear(&mut self) {
        self.messages = 0;
    }
}

/// Writes each known field once.
fn write<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>, event: &mut EventWriter<'_>) {
    let mut written = arrayvec::ArrayVec::<&'static str, 16>::new();
    for (name, value) in fields {
        let Some(name) = of_name(name).filter(|name| !written.contains(name)) else { continue };
        event.text(name, value.get(..VALUE_MAX).unwrap_or(value));
        if written.try_push(name).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::{Bench, taken_of_random, udp};
    use crate::record::Datum;
    use crate::record::Direction::{ToClient, ToServer};
    use proptest::prelude::*;

    const SEARCH: &[u8] =
        b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n\
        ST: urn:dial-multiscreen-org:service:dial:1\r\nUser-Agent: Example/1.0 UPnP/1.1\r\n\r\n";
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nST: upnp:rootdevice\r\n\
        USN: uuid:2d9f20d0::upnp:rootdevice\r\nLOCATION: http://192.0.2.1:80/d.xml\r\n\r\n";

    #[test]
    fn a_search_and_its_answer_are_read() {
        assert_eq!(probe(&udp(SEARCH, ToServer, 4000)), Found::Yes);
        assert_eq!(probe(&udp(ANSWER, ToClient, 4000)), Found::Likely(98));
        let mut bench = Bench::new(&SSDP);
        bench.datagram(ToServer, SEARCH);
        assert_eq!(bench.text("ssdp", "method"), "M-SEARCH");
        assert_eq!(bench.text("ssdp", "host"), "239.255.255.250:1900");
        assert_eq!(bench.text("ssdp", "user_agent"), "Example/1.0 UPnP/1.1");
        let mut bench = Bench::new(&SSDP);
        bench.datagram(ToClient, ANSWER);
        assert_eq!(bench.value("ssdp", "status"), Some(Datum::Unsigned(200)));
        assert_eq!(bench.text("ssdp", "location"), "http://192.0.2.1:80/d.xml");
    }

    #[test]
    fn other_datagrams_of_these_lines_are_not_taken() {
        let other: [&[u8]; 4] = [
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n",
            b"NOTIFY sip:a@example.org SIP/2.0\r\n\r\n",
            b"M-SEARCH * HTTP/2.0\r\nST: x\r\n\r\n",
            b"HTTP/1.1 404 Not Found\r\nST: x\r\n\r\n",
        ];
        for datagram in other {
            assert_eq!(probe(&udp(datagram, ToServer, 4000)), Found::No);
        }
    }

    #[test]
    fn a_field_is_written_once_and_cut() {
        let long = [b"NOTIFY * HTTP/1.1\r\nNT: a\r\nNT: b\r\nUSN: ", &[b'x'; 2000][..], b"\r\n\r\n"].concat();
        let mut bench = Bench::new(&SSDP);
        bench.datagram(ToServer, &long);
        assert_eq!(bench.text("ssdp", "nt"), "a");
        assert_eq!(bench.text("ssdp", "usn").len(), VALUE_MAX);
    }

    #[test]
    fn random_payloads_are_not_taken() {
        assert_eq!(taken_of_random(&SSDP), 0);
    }

    proptest! {
        #[test]
        fn any_datagram_is_survived(tail in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut bench = Bench::new(&SSDP);
            bench.datagram(ToServer, &tail);
            bench.datagram(ToServer, &[b"NOTIFY * HTTP/1.1\r\n", &tail[..]].concat());
        }
    }
}
