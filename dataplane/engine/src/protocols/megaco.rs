//! Megaco (H.248): what a controller tells its media gateways, in text (ITU-T H.248.1, annex B; RFC 3525).

use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Protocol};
use crate::record::Direction;

/// Megaco. Its openings, of which some are in binary, are recognised by signatures.
pub static MEGACO: Protocol = Protocol {
    name: "megaco",
    title: "Megaco (H.248)",
    family: Family::Telecom,
    carriers: &[Carrier::Udp, Carrier::Sctp, Carrier::Tcp],
    ports: &[2944, 2945],
    exposure: Exposure::Negotiated,
    opening: Opening::any(8),
    probe: None,
    parser: Some(framed::parser::<Megaco>),
    events: &["megaco", "anomaly"],
    source: "ITU-T H.248.1; RFC 3525",
};

/// Commands and transactions of a message that are written.
const NAMES_MAX: usize = 32;
/// Bytes of the sender's name that are written.
const SENDER_MAX: usize = 128;

/// Megaco on one flow.
#[derive(Debug, Default)]
struct Megaco;

impl Messages for Megaco {
    const NAME: &'static str = "megaco";

    /// Over TCP, messages are packets of RFC 1006 (RFC 3525, D.2).
    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        match bytes {
            [3, 0, high, low, ..] => match usize::from(u16::from_be_bytes([*high, *low])) {
                len @ 5.. => Framing::at_most(len, 16 * 1024),
                _ => Framing::Invalid("invalid_length"),
            },
            [3] | [3, 0] | [3, 0, _] => Framing::Open,
            _ => Framing::Invalid("invalid_header"),
        }
    }

    fn datagram_framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let text = match message.carrier {
            Carrier::Tcp => message.bytes.get(4..).unwrap_or_default(),
            _ => message.bytes,
        };
        if text.first() == Some(&0x30) {
            report.event("megaco").label("encoding", "binary");
            return Ok(Next::More);
        }
        let header = Header::read(text).ok_or("malformed_header")?;
        let mut event = report.event("megaco");
        event.label("encoding", "text").number("version", header.version).text("sender", header.sender);
        let mut names = Names { rest: header.body, depth: 0 };
        event.list("transactions");
        for (_, name) in names.clone().filter(|(depth, _)| *depth == 0).take(NAMES_MAX) {
            if let Some(name) = transaction(name) {
                event.label("", name);
            }
        }
        event.close().list("commands");
        for (_, name) in names.by_ref().filter(|(depth, _)| *depth == 2).take(NAMES_MAX) {
            if let Some(name) = command(name) {
                event.label("", name);
            }
        }
        event.close();
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        match bytes {
            [3, 0, _, _, b'M' | b'm' | b'!' | 0x30, ..] => Found::Likely(90),
            _ if b"\x03\0".starts_with(bytes.get(..2).unwrap_or(bytes)) && bytes.len() < 5 => Found::Maybe,
            _ => Found::No,
        }
    }

    fn clear(&mut self) {}
}

/// "MEGACO/1 [192.0.2.1]:2944", and what follows.
#[derive(Debug)]
struct Header<'a> {
    version: u8,
    sender: &'a [u8],
    body: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        // An authentication header may stand in front.
        let start = text.iter().position(|byte| *byte == b'/')?;
        let (version, rest) = text.get(start + 1..)?.split_first()?;
        let rest = rest.trim_ascii_start();
        let end = rest.iter().position(u8::is_ascii_whitespace)?;
        let (sender, body) = rest.split_at_checked(end)?;
        let sender = sender.get(..SENDER_MAX).unwrap_or(sender);
        let version = version.checked_sub(b'0').filter(|version| *version < 10)?;
        Some(Self { version, sender, body })
    }
}

/// Names that stand before an equals sign or a brace, with how deep they are in braces.
#[derive(Clone, Debug)]
struct Names<'a> {
    rest: &'a [u8],
    depth: u32,
}

impl<'a> Iterator for Names<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (first, rest) = self.rest.split_first()?;
            match first {
                b'{' => self.depth = self.depth.saturating_add(1),
                b'}' => self.depth = self.depth.saturating_sub(1),
                b'"' => {
                    let end = memchr::memchr(b'"', rest)?;
                    self.rest = rest.get(end + 1..)?;
                    continue;
                }
                first if first.is_ascii_alphabetic() => {
                    let len =
                        self.rest.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-');
                    let (name, rest) = self.rest.split_at_checked(len?)?;
                    self.rest = rest;
                    let next = rest.iter().find(|byte| !byte.is_ascii_whitespace());
                    if matches!(next, Some(b'=' | b'{')) {
                        return Some((self.depth, name));
                    }
                    continue;
                }
                _ => {}
            }
            self.rest = rest;
        }
    }
}

/// Transactions by their long and short names.
fn transaction(name: &[u8]) -> Option<&'static str> {
    Some(match name.to_ascii_uppercase().as_slice() {
        b"TRANSACTION" | b"T" => "request",
        b"REPLY" | b"P" => "reply",
        b"PENDING" | b"PN" => "pending",
        b"TRANSACTIONRESPONSEACK" | b"K" => "acknowledgment",
        b"ERROR" | b"ER" => "error",
        _ => return None,
    })
}

/// Commands by their long and short names.
fn command(name: &[u8]) -> Option<&'static str> {
    let name = name.to_ascii_uppercase();
    // What may be left unanswered or has any number of targets says so in front.
    let plain = [&b"O-W-"[..], b"W-O-", b"O-", b"W-"].iter().find_map(|prefix| name.strip_prefix(*prefix));
    Some(match plain.unwrap_or(&name) {
        b"ADD" | b"A" => "add",
        b"MODIFY" | b"MF" => "modify",
        b"SUBTRACT" | b"S" => "subtract",
        b"MOVE" | b"MV" => "move",
        b"NOTIFY" | b"N" => "notify",
        b"AUDITVALUE" | b"AV" => "audit_value",
        b"AUDITCAPABILITY" | b"AC" => "audit_capability",
        b"SERVICECHANGE" | b"SC" => "service_change",
        b"ERROR" | b"ER" => "error",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::{Bench, assert_any_cut_agrees};
    use crate::record::Direction::{ToClient, ToServer};
    use proptest::prelude::*;

    const REQUEST: &[u8] = b"MEGACO/1 [192.0.2.1]:2944\nTransaction = 9998 {\n Context = - {\n ServiceChange = ROOT {Services {\n Method = Restart, Add = 1}}}}";

    #[test]
    fn commands_are_told_by_their_depth_in_long_and_short_forms() {
        for (text, expected) in [
            (REQUEST, "service_change"),
            (b"!/1 <mg.example.org> P=9998{C=12{A=A4444{M{L{v=0}}},N=A1}}", "notify"),
        ] {
            let mut bench = Bench::new(&MEGACO);
            bench.datagram(ToServer, text);
            let all = bench.all().join("\n");
            assert!(all.contains(&format!("Static(\"{expected}\")")), "{all}");
            assert_eq!(bench.kinds(), ["megaco"]);
        }
        let mut bench = Bench::new(&MEGACO);
        bench.datagram(ToServer, REQUEST);
        assert!(!bench.all().join("\n").contains("Static(\"add\")"));
        assert_eq!(bench.text("megaco", "sender"), "[192.0.2.1]:2944");
    }

    proptest! {
        #[test]
        fn anything_is_survived_in_any_cut(text in "(MEGACO/1 a |!/2 <x>)[ -~]{0,60}", bytes in prop::collection::vec(any::<u8>(), 1..60)) {
            Bench::new(&MEGACO).datagram(ToClient, &bytes);
            Bench::new(&MEGACO).datagram(ToClient, text.as_bytes());
            let len = u16::try_from(REQUEST.len() + 4).unwrap().to_be_bytes();
            let packet = [&[3, 0, len[0], len[1]][..], REQUEST].concat();
            assert_any_cut_agrees(&MEGACO, &[(ToServer, packet), (ToServer, bytes)]);
        }
    }
}
