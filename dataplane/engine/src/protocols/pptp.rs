//! PPTP: tunnels and the calls in them being set up and cleared (RFC 2637). What they carry is GRE.

use super::framed::{self, Cursor, Framing, Masked, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Direction, EventWriter};

/// Control of PPTP.
pub static PPTP: Protocol = Protocol {
    name: "pptp",
    title: "PPTP",
    family: Family::Vpn,
    carriers: &[Carrier::Tcp],
    ports: &[1723],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, &[0]),
    probe: Some(probe),
    parser: Some(framed::parser::<Pptp>),
    events: &["pptp", "anomaly"],
    source: "RFC 2637",
};

const COOKIE: u32 = 0x1a2b_3c4d;
const HEADER_LEN: usize = 12;

fn probe(probe: &Probe<'_>) -> Found {
    look(probe.payload)
}

fn look(bytes: &[u8]) -> Found {
    let expected = [0, 0, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0];
    let differs = |(at, (byte, expected)): (usize, (&u8, &u8))| at != 1 && byte != expected;
    if bytes.iter().zip(&expected).enumerate().any(differs) {
        return Found::No;
    }
    match Header::read(bytes) {
        Some(_) => Found::Yes,
        None if bytes.len() < HEADER_LEN => Found::Maybe,
        None => Found::No,
    }
}

/// Length and kind of a message; each kind has one length (RFC 2637, 2).
#[derive(Clone, Copy, Debug)]
struct Header {
    len: usize,
    kind: u16,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let (len, class, cookie, kind) = (cursor.u16()?, cursor.u16()?, cursor.u32()?, cursor.u16()?);
        cursor.u16()?;
        let right = match kind {
            1 | 2 => 156,
            3..=5 => 16,
            6 => 20,
            7 => 168,
            8 => 32,
            9 => 220,
            10 => 24,
            11 => 28,
            12 => 16,
            13 => 148,
            14 => 40,
            15 => 24,
            _ => return None,
        };
        (class == 1 && cookie == COOKIE && len == right).then_some(Self { len: usize::from(len), kind })
    }
}

/// PPTP on one flow.
#[derive(Debug, Default)]
struct Pptp;

impl Messages for Pptp {
    const NAME: &'static str = "pptp";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        match (Header::read(bytes), bytes.len()) {
            (Some(header), _) => Framing::whole(header.len),
            (None, 0..HEADER_LEN) => Framing::Open,
            (None, _) => Framing::Invalid("invalid_header"),
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let header = Header::read(message.bytes).ok_or("invalid_header")?;
        // Echoes and changes of a link's options say nothing.
        if !matches!(header.kind, 5 | 6 | 14 | 15) {
            write(header.kind, message.bytes, &mut report.event("pptp"));
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        look(bytes)
    }

    fn clear(&mut self) {}
}

fn write(kind: u16, bytes: &[u8], event: &mut EventWriter<'_>) {
    event.label("message", name(kind));
    let number = |at: usize| {
        bytes.get(at..).and_then(<[u8]>::first_chunk::<2>).map_or(0, |bytes| u16::from_be_bytes(*bytes))
    };
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    let text = |at: usize| {
        let field = bytes.get(at..at + 64).unwrap_or_default();
        field.split(|byte| *byte == 0).next().unwrap_or_default()
    };
    match kind {
        1 | 2 => {
            event.number("version", byte(12)).number("revision", byte(13));
            if kind == 2 {
                event.number("result", byte(14));
            }
            event.number("firmware", number(26)).text("host", text(28)).text("vendor", text(92));
        }
        3 => drop(event.number("reason", byte(12))),
        4 => drop(event.number("result", byte(12))),
        7 => {
            event.number("call", number(12));
            Masked::of(text(40)).write("number", event);
        }
        8 | 10 => {
            event.number("call", number(12)).number("peer_call", number(14)).number("result", byte(16));
        }
        9 => {
            event.number("call", number(12));
            Masked::of(text(28)).write("number", event);
        }
        _ => drop(event.number("call", number(12))),
    }
}

const fn name(kind: u16) -> &'static str {
    match kind {
        1 => "start_connection_request",
        2 => "start_connection_reply",
        3 => "stop_connection_request",
        4 => "stop_connection_reply",
        5 => "echo_request",
        6 => "echo_reply",
        7 => "outgoing_call_request",
        8 => "outgoing_call_reply",
        9 => "incoming_call_request",
        10 => "incoming_call_reply",
        11 => "incoming_call_connected",
        12 => "call_clear_request",
        13 => "call_disconnect",
        14 => "wan_error",
        _ => "set_link_info",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::{Bench, assert_any_cut_agrees, taken_of_random, tcp};
    use crate::record::Datum;
    use crate::record::Direction::{ToClient, ToServer};
    use proptest::prelude::*;

    fn message(kind: u8, len: u8, fields: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = [&[0, len, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0, kind][..]].concat();
        bytes.resize(len.into(), 0);
        for (at, field) in fields {
            bytes[*at..at + field.len()].copy_from_slice(field);
        }
        bytes
    }

    fn script() -> Vec<(Direction, Vec<u8>)> {
        vec![
            (ToServer, message(1, 156, &[(12, &[1]), (28, b"client"), (92, b"example")])),
            (ToClient, message(2, 156, &[(12, &[1, 0, 1]), (28, b"server")])),
            (ToServer, message(7, 168, &[(12, &[0, 9]), (40, b"5551234")])),
            (ToClient, message(8, 32, &[(12, &[0, 4, 0, 9, 1])])),
            (ToServer, message(5, 16, &[])),
        ]
    }

    #[test]
    fn openings_are_found_and_no_start_of_one_is_refused() {
        let (_, start) = script().remove(0);
        assert_eq!(probe(&tcp(&start, ToServer, 4000)), Found::Yes);
        for end in 1..start.len() {
            assert_ne!(probe(&tcp(&start[..end], ToServer, 4000)), Found::No, "{end}");
        }
        let mut other = start;
        other[1] = 155;
        assert_eq!(probe(&tcp(&other, ToServer, 1723)), Found::No);
        assert_eq!(taken_of_random(&PPTP), 0);
    }

    #[test]
    fn tunnels_and_calls_are_told() {
        let mut bench = Bench::new(&PPTP);
        for (from, bytes) in script() {
            bench.stream(from, &bytes);
        }
        assert_eq!(bench.kinds(), ["pptp"; 4]);
        assert_eq!(
            (bench.text("pptp", "host"), bench.text("pptp", "number")),
            ("client".into(), "5***".into())
        );
        assert_eq!(bench.value("pptp", "peer_call"), Some(Datum::Unsigned(9)));
    }

    proptest! {
        #[test]
        fn any_cut_of_anything_agrees(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..5),
            bytes in prop::collection::vec(any::<u8>(), 1..60),
        ) {
            let mut turns = script();
            turns.push((ToServer, bytes));
            for (at, value) in &changes {
                let turn = at.index(turns.len());
                let place = at.index(turns[turn].1.len());
                turns[turn].1[place] = *value;
            }
            assert_any_cut_agrees(&PPTP, &turns);
        }
    }
}
