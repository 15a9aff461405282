//! The PROXY protocol: whose connection a proxy passes on, in front of what is said on it (HAProxy, proxy-protocol.txt).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Protocol, lines};
use crate::record::{Datum, Direction, EventWriter};

/// The PROXY protocol. Its openings are recognised by signatures.
pub static HAPROXY: Protocol = Protocol {
    name: "haproxy",
    title: "PROXY protocol",
    family: Family::Web,
    carriers: &[Carrier::Tcp],
    ports: &[],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(6, b"P\r"),
    probe: None,
    parser: Some(framed::parser::<Proxy>),
    events: &["haproxy", "anomaly"],
    source: "HAProxy, proxy-protocol.txt",
};

/// The service that flows behind a proxy are given.
pub(super) static SERVICES: &[&str] = &[SERVICE];

const SERVICE: &str = "HAProxy";
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Longest line of version 1, its end included (2.1).
const LINE_MAX: usize = 107;
const HEAD_LEN: usize = 16;
/// Bytes of version 2 that are wanted: addresses, and what is added to them.
const SHOWN_MAX: usize = 4096;

/// The PROXY protocol on one flow.
#[derive(Debug, Default)]
struct Proxy;

impl Messages for Proxy {
    const NAME: &'static str = "haproxy";

    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        if from == Direction::ToClient {
            return Framing::Invalid("unexpected_message");
        }
        let signature = bytes.get(..SIGNATURE.len()).unwrap_or(bytes);
        if SIGNATURE.starts_with(signature) {
            let Some((head, _)) = bytes.split_first_chunk::<HEAD_LEN>() else { return Framing::Open };
            let [.., l1, l0] = *head;
            return Framing::at_most(HEAD_LEN + usize::from(u16::from_be_bytes([l1, l0])), SHOWN_MAX);
        }
        match lines::framing(bytes) {
            Framing::Message { len, .. } if len > LINE_MAX => Framing::Invalid("endless_line"),
            Framing::Open if bytes.len() >= LINE_MAX => Framing::Invalid("endless_line"),
            framing => framing,
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let mut event = report.event("haproxy");
        match message.bytes.split_first_chunk::<HEAD_LEN>() {
            Some((head, rest)) if head.starts_with(SIGNATURE) => binary(head, rest, &mut event),
            _ => text(lines::content(message.bytes), &mut event),
        }
        drop(event);
        report.service(SERVICE);
        Ok(Next::Upgrade)
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        Found::No
    }

    fn clear(&mut self) {}
}

/// Version 1: a line of words.
fn text(line: &[u8], event: &mut EventWriter<'_>) {
    event.number("version", 1_u8);
    let mut words = line.split(|byte| *byte == b' ').skip(1);
    match words.next() {
        Some(b"TCP4") => event.label("transport", "tcp4"),
        Some(b"TCP6") => event.label("transport", "tcp6"),
        _ => event.label("transport", "unknown"),
    };
    let mut word = || words.next().and_then(|word| core::str::from_utf8(word).ok());
    let (source, destination) =
        (word().and_then(|ip| ip.parse().ok()), word().and_then(|ip| ip.parse().ok()));
    let ports = (word().and_then(|port| port.parse().ok()), word().and_then(|port| port.parse().ok()));
    ends((source, ports.0), (destination, ports.1), event);
}

/// Version 2: addresses in binary, then more by type and length.
fn binary(head: &[u8; HEAD_LEN], rest: &[u8], event: &mut EventWriter<'_>) {
    let [.., command, family, _, _] = *head;
    event.number("version", 2_u8).label("command", if command & 0xf == 0 { "local" } else { "proxy" });
    let mut cursor = Cursor::new(rest);
    let mut v4 = || cursor.array::<4>().map(|bytes| IpAddr::from(Ipv4Addr::from(*bytes)));
    let (source, destination) = match family >> 4 {
        1 => (v4(), v4()),
        2 => {
            let mut v6 = || cursor.array::<16>().map(|bytes| IpAddr::from(Ipv6Addr::from(*bytes)));
            (v6(), v6())
        }
        _ => return,
    };
    event.label(
        "transport",
        match family {
            0x11 => "tcp4",
            0x12 => "udp4",
            0x21 => "tcp6",
            0x22 => "udp6",
            _ => "unknown",
        },
    );
    ends((source, cursor.u16()), (destination, cursor.u16()), event);
    let mut told = [false; 2];
    while let (Some(kind), Some(len)) = (cursor.u8(), cursor.u16()) {
        let Some(value) = cursor.take(usize::from(len)) else { return };
        match kind {
            1 if !core::mem::replace(&mut told[0], true) => drop(event.text("alpn", value)),
            2 if !core::mem::replace(&mut told[1], true) => drop(event.text("authority", value)),
            _ => {}
        }
    }
}

type End = (Option<IpAddr>, Option<u16>);

fn ends(source: End, destination: End, event: &mut EventWriter<'_>) {
    for (ip, port, (address, number)) in
        [("source", "source_port", source), ("destination", "destination_port", destination)]
    {
        if let Some(address) = address {
            event.datum(ip, Datum::Ip(address));
        }
        if let Some(number) = number {
            event.number(port, number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::Then;
    use crate::protocols::bench::{Bench, assert_any_cut_agrees};
    use crate::record::Direction::ToServer;
    use proptest::prelude::*;

    fn version_2() -> Vec<u8> {
        let addresses = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 4, 1, 0xbb];
        let more = b"\x02\x00\x0bexample.org\x01\x00\x02h2";
        let len = u8::try_from(addresses.len() + more.len()).unwrap();
        [&SIGNATURE[..], &[0x21, 0x11, 0, len], &addresses, more].concat()
    }

    #[test]
    fn both_versions_say_whose_connection_it_is_and_hand_the_rest_on() {
        let line = b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n".to_vec();
        for header in [line, version_2()] {
            let mut bench = Bench::new(&HAPROXY);
            bench.stream(ToServer, &[&header[..], b"GET / HTTP/1.1\r\n"].concat());
            assert_eq!(bench.ending, Some(Then::Upgrade));
            assert_eq!(bench.text("haproxy", "transport"), "tcp4");
            assert_eq!(bench.value("haproxy", "source_port"), Some(Datum::Unsigned(56_324)));
            assert_eq!(bench.value("haproxy", "source"), Some(Datum::Ip(Ipv4Addr::new(192, 0, 2, 1).into())));
        }
        let mut bench = Bench::new(&HAPROXY);
        bench.stream(ToServer, &version_2());
        assert_eq!(
            (bench.text("haproxy", "authority"), bench.text("haproxy", "alpn")),
            ("example.org".into(), "h2".into())
        );
    }

    proptest! {
        #[test]
        fn any_cut_of_anything_agrees(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            bytes in prop::collection::vec(any::<u8>(), 1..60),
        ) {
            let mut header = version_2();
            for (at, value) in &changes {
                let place = at.index(header.len());
                header[place] = *value;
            }
            assert_any_cut_agrees(&HAPROXY, &[(ToServer, header), (ToServer, bytes)]);
        }
    }
}
