//! Messages of the datagram service (RFC 1002, 4.4).

use core::net::Ipv4Addr;

use super::Name;
use crate::protocols::framed::{Cursor, Framing, Message, Messages, Next, Report};
use crate::protocols::{Found, Probe};
use crate::record::{Datum, Direction};

pub(super) fn probe(probe: &Probe<'_>) -> Found {
    match Packet::read(probe.payload) {
        Some(Packet { content: Content::Error(_), .. }) if !probe.has_port(138) => Found::No,
        Some(_) => Found::Yes,
        None => Found::No,
    }
}

/// What is behind the fixed part.
#[derive(Clone, Copy, Debug)]
enum Content<'a> {
    /// A datagram: from, to, user data.
    Data(Name, Name, &'a [u8]),
    Error(u8),
    /// A query or its response: the name asked for.
    Query(Name),
}

#[derive(Clone, Copy, Debug)]
struct Packet<'a> {
    kind: u8,
    id: u16,
    source: Ipv4Addr,
    source_port: u16,
    content: Content<'a>,
}

impl<'a> Packet<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let (kind, flags) = (cursor.u8()?, cursor.u8()?);
        // The upper four bits are zero (4.4.1).
        if flags & 0xf0 != 0 {
            return None;
        }
        let id = cursor.u16()?;
        let source = Ipv4Addr::from(*cursor.array::<4>()?);
        let source_port = cursor.u16()?;
        let name = |cursor: &mut Cursor<'a>| {
            let (name, len) = Name::read(cursor.rest())?;
            cursor.take(len).map(|_| name)
        };
        let content = match kind {
            0x10..=0x12 => {
                let (_len, _offset) = (cursor.u16()?, cursor.u16()?);
                Content::Data(name(&mut cursor)?, name(&mut cursor)?, cursor.rest())
            }
            0x13 if cursor.len() == 1 => {
                Content::Error(cursor.u8().filter(|code| (0x82..=0x84).contains(code))?)
            }
            0x14..=0x16 => Content::Query(name(&mut cursor)?),
            _ => return None,
        };
        Some(Self { kind, id, source, source_port, content })
    }
}

/// The datagram service on one flow.
#[derive(Debug, Default)]
pub(super) struct DatagramService;

impl Messages for DatagramService {
    const NAME: &'static str = "nbdgm";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let packet = Packet::read(message.bytes).ok_or("malformed_data")?;
        let mut event = report.event("nbdgm");
        event.label("type", kind(packet.kind)).number("id", packet.id);
        event.datum("source_ip", Datum::Ip(packet.source.into())).number("source_port", packet.source_port);
        match packet.content {
            Content::Data(from, to, data) => {
                for (name, service, value) in
                    [("source_name", "source_service", from), ("destination_name", "destination_service", to)]
                {
                    event.text(name, value.text()).label(service, value.service());
                }
                if let Some(slot) = mailslot(data) {
                    event.text("mailslot", slot);
                }
            }
            Content::Error(code) => {
                event.number("error_code", code);
            }
            Content::Query(name) => {
                event.text("destination_name", name.text());
            }
        }
        Ok(Next::More)
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        Found::No
    }

    fn clear(&mut self) {}
}

const fn kind(kind: u8) -> &'static str {
    match kind {
        0x10 => "direct_unique",
        0x11 => "direct_group",
        0x12 => "broadcast",
        0x13 => "error",
        0x14 => "query_request",
        0x15 => "positive_query_response",
        _ => "negative_query_response",
    }
}

/// The mailslot that an SMB transaction writes to ([MS-MAIL] 2.2.1): its name stands behind 17 words and a byte count.
fn mailslot(data: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(data.strip_prefix(b"\xffSMB\x25")?);
    cursor.take(27)?;
    let words = cursor.u8()?;
    cursor.take(usize::from(words) * 2 + 2)?;
    let name = cursor.rest().split(|byte| *byte == 0).next()?;
    (name.starts_with(b"\\MAILSLOT\\") && name.len() < 128).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::{Bench, taken_of_random, udp};
    use crate::protocols::netbios::NBDGM;
    use crate::record::Direction::ToServer;
    use proptest::prelude::*;

    fn group() -> Vec<u8> {
        let mut message = vec![0x11, 2, 0x80, 1, 192, 0, 2, 1, 0, 138, 0, 200, 0, 0];
        for _ in 0..2 {
            message.extend(b"\x20EGEJEMEFFDCACACACACACACACACACACA\0");
        }
        message.extend(b"\xffSMB\x25");
        message.extend([0; 27]);
        message.push(17);
        message.extend([0; 36]);
        message.extend(b"\\MAILSLOT\\BROWSE\0rest");
        message
    }

    #[test]
    fn a_mailslot_write_is_read() {
        assert_eq!(probe(&udp(&group(), ToServer, 4000)), Found::Yes);
        let mut bench = Bench::new(&NBDGM);
        bench.datagram(ToServer, &group());
        assert_eq!(bench.text("nbdgm", "source_name"), "FILES");
        assert_eq!(bench.text("nbdgm", "mailslot"), "\\MAILSLOT\\BROWSE");
        assert_eq!(probe(&udp(&group()[..40], ToServer, 138)), Found::No);
    }

    #[test]
    fn random_payloads_are_not_taken() {
        assert_eq!(taken_of_random(&NBDGM), 0);
    }

    proptest! {
        #[test]
        fn any_end_is_survived(end in 0_usize..200, noise in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut message = group();
            message.truncate(end);
            message.extend(noise);
            Bench::new(&NBDGM).datagram(ToServer, &message);
        }
    }
}
