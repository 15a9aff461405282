//! Messages of the name service (RFC 1002, 4.2).

use core::net::Ipv4Addr;

use super::Name;
use crate::protocols::framed::{Cursor, Framing, Message, Messages, Next, Report};
use crate::protocols::{Found, Probe};
use crate::record::{Datum, Direction, EventWriter};

/// Records and addresses of one message that are written.
const WRITTEN_MAX: usize = 64;

pub(super) fn probe(probe: &Probe<'_>) -> Found {
    match Packet::read(probe.payload) {
        Some(packet) if packet.is_sound() => Found::Yes,
        _ => Found::No,
    }
}

/// A message up to its first name.
#[derive(Clone, Copy, Debug)]
struct Packet<'a> {
    id: u16,
    flags: u16,
    /// Questions, answers, authorities, additional records.
    counts: [u16; 4],
    name: Name,
    kind: u16,
    class: u16,
    rest: &'a [u8],
}

impl<'a> Packet<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let (id, flags) = (cursor.u16()?, cursor.u16()?);
        let counts = [cursor.u16()?, cursor.u16()?, cursor.u16()?, cursor.u16()?];
        let (name, len) = Name::read(cursor.rest())?;
        cursor.take(len)?;
        let (kind, class) = (cursor.u16()?, cursor.u16()?);
        Some(Self { id, flags, counts, name, kind, class, rest: cursor.rest() })
    }

    const fn opcode(&self) -> u16 {
        self.flags >> 11 & 0xf
    }

    const fn is_response(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    fn is_sound(&self) -> bool {
        // Questions are one, records few (4.2.1.2).
        matches!(self.opcode(), 0 | 5..=9 | 15)
            && self.counts.iter().all(|count| *count <= 64)
            && self.counts.iter().any(|count| *count > 0)
            && matches!(self.kind, 0x01 | 0x02 | 0x0a | 0x20 | 0x21)
            && self.class & 0x7fff == 1
    }

    /// Data of the record that says what the message is about.
    fn data(&self) -> Option<Cursor<'a>> {
        let mut cursor = Cursor::new(self.rest);
        let [questions, answers, ..] = self.counts;
        if questions > 0 {
            if self.opcode() == 0 && answers == 0 {
                return None;
            }
            // A name again, as a pointer or written out, its type and its class.
            match cursor.rest().first()? {
                0xc0.. => cursor.take(2)?,
                _ => cursor.take(Name::read(cursor.rest())?.1)?,
            };
            cursor.take(4)?;
        }
        cursor.u32()?;
        let len = cursor.u16()?;
        cursor.take(len.into()).map(Cursor::new)
    }
}

/// The name service on one flow.
#[derive(Debug, Default)]
pub(super) struct NameService;

impl Messages for NameService {
    const NAME: &'static str = "nbns";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let packet = Packet::read(message.bytes).filter(Packet::is_sound).ok_or("malformed_data")?;
        let mut event = report.event("nbns");
        event
            .label("type", if packet.is_response() { "response" } else { "request" })
            .number("id", packet.id);
        event.label("opcode", opcode(packet.opcode()));
        event.text("rrname", packet.name.text()).number("suffix", packet.name.suffix());
        event.label("service", packet.name.service());
        event.label("rrtype", if packet.kind == 0x21 { "NBSTAT" } else { "NB" });
        event.flag("broadcast", packet.flags & 0x10 != 0);
        if packet.is_response() {
            event.label("rcode", result(packet.flags & 0xf));
        }
        if let Some(data) = packet.data() {
            write_data(&packet, data, &mut event);
        }
        Ok(Next::More)
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        Found::No
    }

    fn clear(&mut self) {}
}

fn write_data(packet: &Packet<'_>, mut data: Cursor<'_>, event: &mut EventWriter<'_>) {
    if packet.kind != 0x21 {
        event.list("addresses");
        for _ in 0..WRITTEN_MAX {
            let (Some(flags), Some(address)) = (data.u16(), data.array::<4>()) else { break };
            event.object("").datum("ip", Datum::Ip(Ipv4Addr::from(*address).into()));
            event.flag("group", flags & 0x8000 != 0).close();
        }
        event.close();
        return;
    }
    let names = usize::from(data.u8().unwrap_or_default());
    event.list("names");
    for _ in 0..names.min(WRITTEN_MAX) {
        let (Some(name), Some(suffix), Some(flags)) = (data.take(15), data.u8(), data.u16()) else { break };
        event.object("").text("name", name.trim_ascii_end()).number("suffix", suffix);
        event.flag("group", flags & 0x8000 != 0).flag("active", flags & 0x0400 != 0).close();
    }
    event.close();
    if let Some(unit) = data.take(6) {
        event.hex("unit_id", unit);
    }
}

const fn opcode(code: u16) -> &'static str {
    match code {
        0 => "query",
        5 => "registration",
        6 => "release",
        7 => "wait",
        8 | 9 => "refresh",
        15 => "multi_homed_registration",
        _ => "unknown",
    }
}

/// Name of a result (4.2.6, 4.2.11).
const fn result(code: u16) -> &'static str {
    match code {
        0 => "NOERROR",
        1 => "FMT_ERR",
        2 => "SRV_ERR",
        3 => "NAM_ERR",
        4 => "IMP_ERR",
        5 => "RFS_ERR",
        6 => "ACT_ERR",
        7 => "CFT_ERR",
        _ => "UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::{Bench, taken_of_random, udp};
    use crate::protocols::netbios::NBNS;
    use crate::record::Direction::{ToClient, ToServer};
    use proptest::prelude::*;

    fn message(flags: u16, counts: [u8; 4], kind: u8, rest: &[u8]) -> Vec<u8> {
        let mut message = vec![0x12, 0x34];
        message.extend(flags.to_be_bytes());
        counts.iter().for_each(|count| message.extend([0, *count]));
        // "FILES", a server.
        message.extend(b"\x20EGEJEMEFFDCACACACACACACACACACACA\0");
        message.extend([0, kind, 0, 1]);
        message.extend(rest);
        message
    }

    #[test]
    fn a_query_and_its_answer_are_read() {
        let query = message(0x0110, [1, 0, 0, 0], 0x20, &[]);
        assert_eq!(probe(&udp(&query, ToServer, 4000)), Found::Yes);
        let mut bench = Bench::new(&NBNS);
        bench.datagram(ToServer, &query);
        bench.datagram(
            ToClient,
            &message(0x8500, [0, 1, 0, 0], 0x20, &[0, 0, 0, 9, 0, 6, 0, 0, 192, 0, 2, 1]),
        );
        assert_eq!(bench.kinds(), ["nbns", "nbns"]);
        assert_eq!(
            (bench.text("nbns", "rrname"), bench.text("nbns", "service")),
            ("FILES".into(), "server".into())
        );
        assert_eq!(bench.value("nbns", "ip"), Some(Datum::Ip(Ipv4Addr::new(192, 0, 2, 1).into())));
    }

    #[test]
    fn a_status_response_lists_names() {
        let mut rest = vec![0, 0, 0, 0, 0, 25, 1];
        rest.extend(b"FILES          \0\x04\x00");
        rest.extend([2, 0, 0, 0, 0, 1]);
        let mut bench = Bench::new(&NBNS);
        bench.datagram(ToClient, &message(0x8400, [0, 1, 0, 0], 0x21, &rest));
        assert_eq!(bench.text("nbns", "name"), "FILES");
        assert_eq!(bench.value("nbns", "active"), Some(Datum::Flag(true)));
    }

    #[test]
    fn random_payloads_are_not_taken() {
        assert_eq!(taken_of_random(&NBNS), 0);
    }

    proptest! {
        #[test]
        fn any_rest_is_survived(flags in any::<u16>(), counts in any::<[u8; 4]>(), rest in prop::collection::vec(any::<u8>(), 0..100)) {
            Bench::new(&NBNS).datagram(ToClient, &message(flags, counts, 0x21, &rest));
        }
    }
}
