//! The Simple Network Management Protocol, versions 1 (RFC 1157), 2c (RFC 1901, RFC 3416) and 3 (RFC 3412, RFC 3414).

use super::ber::{Elements, Head, OBJECT_ID, OCTET_STRING, SEQUENCE, head, oid};
use super::clear::Clear;
use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Direction, EventWriter};

/// SNMP.
pub static SNMP: Protocol = Protocol {
    name: "snmp",
    title: "SNMP",
    family: Family::Management,
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[161, 162],
    exposure: Exposure::Negotiated,
    opening: Opening::one_of(12, &[SEQUENCE]),
    probe: Some(probe),
    parser: Some(framed::parser::<Snmp>),
    events: &["snmp", "anomaly"],
    source: "RFC 1157, RFC 3416, RFC 3412, RFC 3414, RFC 3430",
};

/// Object identifiers of one message that are written.
const OIDS_MAX: usize = 32;
/// Variables of one message that are counted.
const COUNTED_MAX: usize = 1024;
/// Longest message in a stream that is believed, and how much of one is read.
const MESSAGE_MAX: usize = 1 << 20;
const SHOWN_MAX: usize = 8192;
/// Tag of a report.
const REPORT: u8 = 0xa8;

fn probe(probe: &Probe<'_>) -> Found {
    if probe.is_stream() {
        return begins(probe.payload);
    }
    // The outer element ends with the datagram, unless the capture was cut.
    let Head::Element(SEQUENCE, before, len) = head(probe.payload) else { return Found::No };
    if u32::try_from(before + len) != Ok(probe.wire_len) {
        return Found::No;
    }
    if read(probe.payload).is_some() { Found::Yes } else { Found::No }
}

/// Whether a message starts here, in a stream (RFC 3430, 2.1: they follow each other without anything between them).
fn begins(bytes: &[u8]) -> Found {
    match head(bytes) {
        Head::Open => Found::Maybe,
        Head::Element(SEQUENCE, before, len) if len <= MESSAGE_MAX => match bytes.get(..before + len) {
            Some(message) if read(message).is_some() => Found::Yes,
            Some(_) => Found::No,
            // Version, and an octet string or a sequence behind it.
            None if is_possible(bytes.get(before..).unwrap_or_default()) => Found::Maybe,
            None => Found::No,
        },
        _ => Found::No,
    }
}

fn is_possible(content: &[u8]) -> bool {
    let is_one_of = |at: usize, values: &[u8]| content.get(at).is_none_or(|byte| values.contains(byte));
    is_one_of(0, &[2])
        && is_one_of(1, &[1])
        && is_one_of(2, &[0, 1, 3])
        && is_one_of(3, &[OCTET_STRING, SEQUENCE])
}

/// A message.
#[derive(Clone, Copy, Debug)]
enum Packet<'a> {
    /// Version on the wire (0 or 1), community, PDU.
    Community(u8, &'a [u8], Pdu<'a>),
    /// Version 3.
    User(Secured<'a>),
}

impl Packet<'_> {
    /// Whether anybody can read what is managed. Which engine answers is asked in the clear before anything can be
    /// hidden (RFC 3414, 4), and told in a report.
    fn is_clear(&self) -> bool {
        match self {
            Self::Community(..) => true,
            Self::User(secured) => {
                let has_user = secured.usm.is_none_or(|(_, _, user)| !user.is_empty());
                let is_report = secured.pdu.is_some_and(|pdu| pdu.tag == REPORT);
                secured.flags & 2 == 0 && has_user && !is_report
            }
        }
    }
}

/// A message of version 3.
#[derive(Clone, Copy, Debug)]
struct Secured<'a> {
    flags: u8,
    model: i64,
    /// Engine, engine boots, user; only of the user-based model.
    usm: Option<(&'a [u8], i64, &'a [u8])>,
    /// None where it is encrypted.
    pdu: Option<Pdu<'a>>,
}

/// A PDU.
#[derive(Clone, Copy, Debug)]
struct Pdu<'a> {
    tag: u8,
    fields: Elements<'a>,
}

impl<'a> Pdu<'a> {
    fn read(elements: &mut Elements<'a>) -> Option<Self> {
        let (tag, content) = elements.next()?;
        (0xa0..=0xa8).contains(&tag).then_some(Self { tag, fields: Elements::new(content) })
    }

    const fn name(self) -> &'static str {
        match self.tag {
            0xa0 => "get_request",
            0xa1 => "get_next_request",
            0xa2 => "response",
            0xa3 => "set_request",
            0xa4 => "trap_v1",
            0xa5 => "get_bulk_request",
            0xa6 => "inform_request",
            0xa7 => "trap_v2",
            _ => "report",
        }
    }
}

fn read(bytes: &[u8]) -> Option<Packet<'_>> {
    let mut message = Elements::new(bytes).inside(SEQUENCE)?;
    match message.integer()? {
        version @ 0..=1 => {
            let community = message.with_tag(OCTET_STRING)?;
            let pdu = Pdu::read(&mut message)?;
            Some(Packet::Community(u8::try_from(version).ok()?, community, pdu))
        }
        3 => {
            let mut header = message.inside(SEQUENCE)?;
            let (_id, size) = (header.integer()?, header.integer()?);
            let &[flags] = header.with_tag(OCTET_STRING)? else { return None };
            let model = header.integer()?;
            let parameters = message.with_tag(OCTET_STRING)?;
            if size < 484 {
                return None;
            }
            let pdu = message.inside(SEQUENCE).and_then(|mut scoped| {
                scoped.with_tag(OCTET_STRING)?;
                scoped.with_tag(OCTET_STRING)?;
                Pdu::read(&mut scoped)
            });
            Some(Packet::User(Secured { flags, model, usm: usm(parameters), pdu }))
        }
        _ => None,
    }
}

/// Parameters of the user-based security model (RFC 3414, 2.4).
fn usm(parameters: &[u8]) -> Option<(&[u8], i64, &[u8])> {
    let mut fields = Elements::new(parameters).inside(SEQUENCE)?;
    let (engine, boots, _time) = (fields.with_tag(OCTET_STRING)?, fields.integer()?, fields.integer()?);
    Some((engine, boots, fields.with_tag(OCTET_STRING)?))
}

/// SNMP on one flow.
#[derive(Debug, Default)]
struct Snmp {
    clear: Clear,
}

impl Messages for Snmp {
    const NAME: &'static str = "snmp";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        match head(bytes) {
            Head::Open => Framing::Open,
            Head::Element(SEQUENCE, before, len) if len <= MESSAGE_MAX => {
                Framing::at_most(before + len, SHOWN_MAX)
            }
            _ => Framing::Invalid("malformed_data"),
        }
    }

    fn datagram_framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let packet = read(message.bytes).ok_or("malformed_data")?;
        let mut event = report.event("snmp");
        if packet.is_clear() {
            self.clear.tell(&mut event);
        }
        match packet {
            Packet::Community(version, community, pdu) => {
                event.number("version", version + 1);
                // A community is a password: only that it is one of those everybody knows is told.
                event.flag("community_default", matches!(community, b"public" | b"private"));
                event.number("community_length", community.len() as u64);
                write(pdu, &mut event);
            }
            Packet::User(secured) => write_secured(&secured, &mut event),
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        begins(bytes)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

fn write_secured(secured: &Secured<'_>, event: &mut EventWriter<'_>) {
    event.number("version", 3_u8);
    let level = match secured.flags & 3 {
        0 => "noAuthNoPriv",
        1 => "authNoPriv",
        3 => "authPriv",
        _ => "invalid",
    };
    event.label("security_level", level);
    event.label("security_model", if secured.model == 3 { "usm" } else { "other" });
    if let Some((engine, boots, user)) = secured.usm {
        event.text("usm", user).hex("engine_id", engine);
        event.datum("engine_boots", crate::record::Datum::Signed(boots));
    }
    match secured.pdu {
        Some(pdu) if secured.flags & 2 == 0 => write(pdu, event),
        _ => {
            event.flag("encrypted", true);
        }
    }
}

/// Kind, error and variables of a PDU (RFC 3416, 3; RFC 1157, 4.1.6 for traps of version 1).
fn write(pdu: Pdu<'_>, event: &mut EventWriter<'_>) {
    event.label("pdu_type", pdu.name());
    let mut fields = pdu.fields;
    if pdu.tag == 0xa4 {
        if let Some(enterprise) = fields.with_tag(OBJECT_ID) {
            event.text("enterprise", oid(enterprise).as_bytes());
        }
        fields.next();
        if let (Some(generic), Some(specific)) = (fields.integer(), fields.integer()) {
            event.datum("trap_type", crate::record::Datum::Signed(generic));
            event.datum("specific_trap", crate::record::Datum::Signed(specific));
        }
        fields.next();
    } else if let (Some(id), Some(first), Some(second)) =
        (fields.integer(), fields.integer(), fields.integer())
    {
        event.datum("request_id", crate::record::Datum::Signed(id));
        let names = if pdu.tag == 0xa5 {
            ["non_repeaters", "max_repetitions"]
        } else {
            ["error_status", "error_index"]
        };
        for (name, value) in names.into_iter().zip([first, second]) {
            event.datum(name, crate::record::Datum::Signed(value));
        }
    }
    let Some(variables) = fields.inside(SEQUENCE) else { return };
    let mut count = 0_u32;
    event.list("vars");
    for (at, (_, variable)) in variables.take(COUNTED_MAX).enumerate() {
        count += 1;
        if let (true, Some(name)) = (at < OIDS_MAX, Elements::new(variable).with_tag(OBJECT_ID)) {
            event.text("", oid(name).as_bytes());
        }
    }
    event.close().number("vars_count", count);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::{Bench, assert_any_cut_agrees, taken_of_random, tcp, udp};
    use crate::record::Datum;
    use crate::record::Direction::ToServer;
    use proptest::prelude::*;

    fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let mut bytes = vec![tag, u8::try_from(content.len()).unwrap()];
        bytes.extend(content);
        bytes
    }

    fn get() -> Vec<u8> {
        let variable = element(0x30, &[&[6, 8, 0x2b, 6, 1, 2, 1, 1, 1, 0], &[5, 0]]);
        let variables = element(0x30, &[&variable]);
        let pdu = element(0xa0, &[&[2, 1, 7, 2, 1, 0, 2, 1, 0], &variables]);
        element(0x30, &[&[2, 1, 1], &element(4, &[b"s3cret"]), &pdu])
    }

    fn secured() -> Vec<u8> {
        let header = element(0x30, &[&[2, 1, 9], &[2, 2, 2, 0], &[4, 1, 3], &[2, 1, 3]]);
        let user = element(0x30, &[&element(4, &[b"engine"]), &[2, 1, 2, 2, 1, 3], &element(4, &[b"alice"])]);
        element(0x30, &[&[2, 1, 3], &header, &element(4, &[&user]), &element(4, &[b"ciphertext"])])
    }

    #[test]
    fn a_request_is_read_and_its_community_is_not_written() {
        assert_eq!(probe(&udp(&get(), ToServer, 4000)), Found::Yes);
        assert_eq!(probe(&udp(&get()[..20], ToServer, 161)), Found::No);
        let mut bench = Bench::new(&SNMP);
        bench.datagram(ToServer, &get());
        assert_eq!(bench.text("snmp", "pdu_type"), "get_request");
        assert_eq!(bench.value("snmp", "version"), Some(Datum::Unsigned(2)));
        assert_eq!(bench.value("snmp", "vars_count"), Some(Datum::Unsigned(1)));
        assert!(!bench.all().iter().any(|item| item.contains("115, 51, 99")));
    }

    #[test]
    fn version_3_says_its_level_and_user() {
        assert_eq!(probe(&udp(&secured(), ToServer, 4000)), Found::Yes);
        let mut bench = Bench::new(&SNMP);
        bench.datagram(ToServer, &secured());
        assert_eq!(
            (bench.text("snmp", "security_level"), bench.text("snmp", "usm")),
            ("authPriv".into(), "alice".into())
        );
        assert_eq!(bench.value("snmp", "encrypted"), Some(Datum::Flag(true)));
    }

    #[test]
    fn asking_who_answers_is_no_session_in_the_clear() {
        let header = element(0x30, &[&[2, 1, 9], &[2, 2, 2, 0], &[4, 1, 4], &[2, 1, 3]]);
        let parameters = |user: &[u8]| {
            let fields = element(0x30, &[&[4, 0, 2, 1, 0, 2, 1, 0], &element(4, &[user]), &[4, 0, 4, 0]]);
            element(4, &[&fields])
        };
        let scoped = |tag: u8| {
            let pdu = element(tag, &[&[2, 1, 7, 2, 1, 0, 2, 1, 0, 0x30, 0]]);
            element(0x30, &[&[4, 0, 4, 0], &pdu])
        };
        let packet =
            |user: &[u8], tag| element(0x30, &[&[2, 1, 3], &header, &parameters(user), &scoped(tag)]);
        let mut bench = Bench::new(&SNMP);
        bench.datagram(ToServer, &packet(b"", 0xa0));
        bench.datagram(Direction::ToClient, &packet(b"", 0xa8));
        bench.datagram(ToServer, &secured());
        assert_eq!(bench.said_of_crypto(), []);
        // With a name and nothing hidden it is one.
        bench.datagram(ToServer, &packet(b"alice", 0xa0));
        assert_eq!(bench.said_of_crypto(), [crate::CryptoClass::Cleartext]);
    }

    #[test]
    fn messages_follow_each_other_in_a_stream() {
        let both = [get(), secured()].concat();
        assert_eq!(probe(&tcp(&both, ToServer, 4000)), Found::Yes);
        for end in 1..get().len() {
            assert_eq!(probe(&tcp(&both[..end], ToServer, 4000)), Found::Maybe, "{end}");
        }
        // A bind request of LDAP begins alike.
        let bind = element(0x30, &[&[2, 1, 1], &element(0x60, &[&[2, 1, 3, 4, 0, 0x80, 0]])]);
        assert_eq!(probe(&tcp(&bind, ToServer, 161)), Found::No);
        assert_any_cut_agrees(&SNMP, &[(ToServer, both)]);
        let mut bench = Bench::new(&SNMP);
        bench.stream(ToServer, &[get(), get()].concat());
        assert_eq!(bench.kinds(), ["snmp"; 2]);
    }

    #[test]
    fn random_payloads_are_not_taken() {
        assert_eq!(taken_of_random(&SNMP), 0);
    }

    proptest! {
        #[test]
        fn changed_bytes_are_survived(at in any::<prop::sample::Index>(), value in any::<u8>(), pick in any::<bool>()) {
            let mut message = if pick { get() } else { secured() };
            let place = at.index(message.len());
            message[place] = value;
            Bench::new(&SNMP).datagram(ToServer, &message);
        }
    }
}
