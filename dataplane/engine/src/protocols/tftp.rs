//! The Trivial File Transfer Protocol (RFC 1350) with options (RFC 2347 to 2349, RFC 7440): which file is read or written,
//! and how that went. The answer comes from another port (RFC 1350, 4): it is a flow of its own, which the request
//! announces.

use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::{Carrier, Expected, Exposure, Family, Found, Opening, Probe, Protocol, Subject};
use crate::record::{Direction, EventWriter};

/// TFTP.
pub static TFTP: Protocol = Protocol {
    name: "tftp",
    title: "TFTP",
    family: Family::Infrastructure,
    carriers: &[Carrier::Udp],
    ports: &[69],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(4, &[0]),
    probe: Some(probe),
    parser: Some(framed::parser::<Tftp>),
    events: &["tftp", "anomaly"],
    source: "RFC 1350, RFC 2347",
};

/// Bytes of a name or message that are written.
const TEXT_MAX: usize = 512;
/// Options of one request that are written.
const OPTIONS_MAX: usize = 16;
/// Longest block, with its header (RFC 2348: up to 65,464 bytes).
const BLOCK_MAX: usize = 65_468;
/// Bytes of a block where no size was agreed on (RFC 1350, 5).
const BLOCK: u32 = 512;

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packet<'a> {
    /// Read (false) or write, with name, mode, and options.
    Request(bool, &'a [u8], &'a [u8], &'a [u8]),
    /// Block number and data.
    Data(u16, usize),
    /// Block number.
    Acknowledgement(u16),
    /// Code and message.
    Error(u16, &'a [u8]),
    /// Options that are agreed to.
    Options(&'a [u8]),
}

/// Text up to its zero, and what follows that.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(0, bytes)?;
    let (text, rest) = bytes.split_at_checked(end)?;
    Some((text, rest.get(1..)?))
}

/// Whether these are names and values, each ended by a zero.
fn are_options(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let Some((name, rest)) = string(bytes) else { return false };
        let Some((value, rest)) = string(rest) else { return false };
        let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
        if !is_name || !value.iter().all(|byte| (0x20..0x7f).contains(byte)) {
            return false;
        }
        bytes = rest;
    }
    true
}

impl<'a> Packet<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&[zero, code], rest) = bytes.split_first_chunk::<2>()?;
        if zero != 0 {
            return None;
        }
        let number = || rest.first_chunk().map(|number| u16::from_be_bytes(*number));
        match code {
            1 | 2 => {
                let (name, rest) = string(rest)?;
                let (mode, options) = string(rest)?;
                let is_mode = [&b"octet"[..], b"netascii", b"mail"]
                    .iter()
                    .any(|known| mode.eq_ignore_ascii_case(known));
                let is_name = !name.is_empty() && name.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f);
                (is_mode && is_name).then_some(Self::Request(code == 2, name, mode, options))
            }
            3 if rest.len() <= BLOCK_MAX => Some(Self::Data(number()?, rest.len() - 2)),
            4 if rest.len() == 2 => Some(Self::Acknowledgement(number()?)),
            5 => {
                let (message, _) = string(rest.get(2..)?)?;
                let is_text = message.iter().all(|byte| *byte >= 0x20 || byte.is_ascii_whitespace());
                (number()? <= 8 && is_text).then_some(Self::Error(number()?, message))
            }
            6 if !rest.is_empty() && are_options(rest) => Some(Self::Options(rest)),
            _ => None,
        }
    }
}

fn probe(probe: &Probe<'_>) -> Found {
    let on_port = probe.has_port(69);
    match Packet::read(probe.payload) {
        Some(Packet::Request(_, _, _, options)) if are_options(options) => Found::Yes,
        // Some pad their requests.
        Some(Packet::Request(..)) if on_port => Found::Likely(95),
        Some(Packet::Options(options)) => {
            if is_known_option(options) {
                Found::Yes
            } else {
                Found::Maybe
            }
        }
        Some(Packet::Error(_, message)) if !message.is_empty() || on_port => Found::Likely(88),
        // The first block of a file, or what asks for it, says nothing alone.
        Some(Packet::Data(1, len)) => {
            answered(probe, |other| matches!(other, Packet::Acknowledgement(0)), len)
        }
        Some(Packet::Acknowledgement(0 | 1)) => {
            answered(probe, |other| matches!(other, Packet::Data(1, _) | Packet::Options(_)), 0)
        }
        Some(Packet::Error(..) | Packet::Data(..)) => Found::Maybe,
        _ => Found::No,
    }
}

/// A packet and the one of the other side before it.
fn answered(probe: &Probe<'_>, is_right: impl Fn(&Packet<'_>) -> bool, len: usize) -> Found {
    let before = probe.earlier.iter().filter(|earlier| earlier.from != probe.from);
    let fits = |len: u32| len <= BLOCK + 4;
    let found = before
        .filter(|earlier| fits(earlier.len))
        .filter_map(|earlier| Packet::read(earlier.bytes))
        .any(|packet| is_right(&packet));
    if found && len <= BLOCK as usize { Found::Likely(88) } else { Found::Maybe }
}

/// Whether the first option is one that is registered (the IANA registry "TFTP Extensions").
fn is_known_option(options: &[u8]) -> bool {
    let names = [
        &b"blksize"[..],
        b"tsize",
        b"timeout",
        b"windowsize",
        b"multicast",
        b"rollover",
        b"saddr",
        b"utimeout",
    ];
    string(options).is_some_and(|(name, _)| names.iter().any(|known| name.eq_ignore_ascii_case(known)))
}

/// What is transferred.
#[derive(Debug, Default)]
struct Transfer {
    /// Writing (true) or reading; none before a request was seen.
    is_write: Option<bool>,
    file: Vec<u8>,
}

/// TFTP on one flow.
#[derive(Debug, Default)]
struct Tftp {
    transfer: Transfer,
    blocks: u64,
    bytes: u64,
    last: Option<u16>,
    error: Option<(u16, Vec<u8>)>,
    /// What the flow is about was told.
    is_announced: bool,
}

impl Tftp {
    fn request(&mut self, packet: (bool, &[u8], &[u8], &[u8]), from: Direction, report: &mut Report<'_, '_>) {
        let (is_write, file, mode, options) = packet;
        let file = file.get(..TEXT_MAX).unwrap_or(file);
        let command = if is_write { "write" } else { "read" };
        let mut event = report.event("tftp");
        event.label("packet", command).text("file", file).text("mode", &mode.to_ascii_lowercase());
        write_options(options, &mut event);
        drop(event);
        self.transfer.is_write = Some(is_write);
        self.transfer.file = file.to_vec();
        // The server answers from a port of its own choice to the port of the request.
        let flow = *report.flow();
        let (asking, asked) = match from {
            Direction::ToServer => (flow.client, flow.client.opposite()),
            Direction::ToClient => (flow.client.opposite(), flow.client),
        };
        if let Some(address) = flow.key.ip(asking) {
            report.expect(Expected {
                carrier: Carrier::Udp,
                address,
                port: flow.key.port(asking),
                peer: flow.key.ip(asked).filter(|peer| !is_broadcast(*peer)),
                protocol: "tftp",
                subject: Subject::new(command, file),
            });
        }
    }
}

/// Requests may go to everybody (RFC 1123, 4.2.3.5): then the answer comes from somebody else.
fn is_broadcast(address: core::net::IpAddr) -> bool {
    match address {
        core::net::IpAddr::V4(v4) => v4.is_broadcast() || v4.is_multicast() || v4.octets()[3] == 255,
        core::net::IpAddr::V6(v6) => v6.is_multicast(),
    }
}

fn write_options(mut options: &[u8], event: &mut EventWriter<'_>) {
    if options.is_empty() || !are_options(options) {
        return;
    }
    event.list("options");
    for _ in 0..OPTIONS_MAX {
        let Some((name, rest)) = string(options) else { break };
        let Some((value, rest)) = string(rest) else { break };
        event.object("").text("name", &name.to_ascii_lowercase()).text("value", value).close();
        options = rest;
    }
    event.close();
}

impl Messages for Tftp {
    const NAME: &'static str = "tftp";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        match Packet::read(message.bytes).ok_or("malformed_data")? {
            Packet::Request(is_write, file, mode, options) => {
                self.request((is_write, file, mode, options), message.from, report);
            }
            Packet::Data(number, len) => {
                if self.last != Some(number) {
                    self.blocks += 1;
                    self.bytes += len as u64;
                    self.last = Some(number);
                }
            }
            Packet::Acknowledgement(_) => {}
            Packet::Error(code, text) => {
                self.error = Some((code, text.get(..TEXT_MAX).unwrap_or(text).to_vec()));
            }
            Packet::Options(options) => {
                let mut event = report.event("tftp");
                event.label("packet", "option_ack");
                write_options(options, &mut event);
            }
        }
        Ok(Next::More)
    }

    fn expected(&mut self, expected: &Expected, _: u64) {
        self.transfer.is_write = Some(expected.subject.command() == "write");
        self.transfer.file = expected.subject.name().to_vec();
        self.is_announced = true;
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        Found::No
    }

    fn clear(&mut self) {
        self.transfer.file.clear();
        (self.transfer.is_write, self.last, self.error) = (None, None, None);
        (self.blocks, self.bytes, self.is_announced) = (0, 0, false);
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        if self.blocks == 0 && self.error.is_none() {
            return;
        }
        let mut event = report.event("tftp");
        event.label("packet", if self.error.is_some() { "error" } else { "data" });
        if let Some(is_write) = self.transfer.is_write {
            event
                .label("transfer", if is_write { "write" } else { "read" })
                .text("file", &self.transfer.file);
        }
        event.number("blocks", self.blocks).number("size", self.bytes);
        if let Some((code, text)) = &self.error {
            event.number("error_code", *code).text("error_message", text);
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

    const REQUEST: &[u8] = b"\x00\x01boot/pxelinux.0\0octet\0blksize\x001432\0";

    #[test]
    fn a_request_names_its_file_and_announces_the_answer() {
        assert_eq!(probe(&udp(REQUEST, ToServer, 4000)), Found::Yes);
        let mut bench = Bench::new(&TFTP);
        bench.datagram(ToServer, REQUEST);
        assert_eq!(bench.text("tftp", "packet"), "read");
        assert_eq!(
            (bench.text("tftp", "file"), bench.text("tftp", "mode")),
            ("boot/pxelinux.0".into(), "octet".into())
        );
        assert_eq!(
            (bench.text("tftp", "name"), bench.text("tftp", "value")),
            ("blksize".into(), "1432".into())
        );
        let expected = &bench.expected[0];
        assert_eq!((expected.address, expected.port), (core::net::IpAddr::from([192, 0, 2, 1]), 40_000));
        assert_eq!((expected.protocol, expected.subject.name()), ("tftp", &b"boot/pxelinux.0"[..]));
    }

    #[test]
    fn blocks_are_counted_once() {
        let mut bench = Bench::new(&TFTP);
        let block = [&[0, 3, 0, 1][..], &[7; 512]].concat();
        for _ in 0..2 {
            bench.datagram(ToServer, &block);
            bench.datagram(ToClient, &[0, 4, 0, 1]);
        }
        bench.datagram(ToServer, &[0, 3, 0, 2, 9, 9]);
        bench.finish();
        assert_eq!(bench.value("tftp", "size"), Some(Datum::Unsigned(514)));
        assert_eq!(bench.value("tftp", "blocks"), Some(Datum::Unsigned(2)));
    }

    #[test]
    fn errors_are_told_and_near_misses_refused() {
        let error = b"\x00\x05\x00\x01File not found\0";
        assert_eq!(probe(&udp(error, ToClient, 4000)), Found::Likely(88));
        let mut bench = Bench::new(&TFTP);
        bench.datagram(ToClient, error);
        bench.finish();
        assert_eq!(bench.text("tftp", "error_message"), "File not found");
        for wrong in [
            &b"\x00\x01name\0binary\0"[..],
            b"\x00\x09name\0octet\0",
            b"\x00\x05\x00\x09text\0",
            b"\x00\x04\x00\x00x",
        ] {
            assert_eq!(probe(&udp(wrong, ToServer, 69)), Found::No, "{wrong:?}");
        }
        assert_eq!(probe(&udp(&[0, 4, 0, 1], ToServer, 69)), Found::Maybe);
    }

    #[test]
    fn random_payloads_are_not_taken() {
        assert!(taken_of_random(&TFTP) < 4);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(payload in prop::collection::vec(any::<u8>(), 0..80), code in 0_u8..8) {
            let mut message = vec![0, code];
            message.extend(payload);
            let mut bench = Bench::new(&TFTP);
            bench.datagram(ToServer, &message);
            bench.finish();
        }
    }
}
