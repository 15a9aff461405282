//! What devices say of themselves to whoever is on the same wire: LLDP (IEEE 802.1AB) and CDP (Cisco).
//!
//! They say it again and again: it is told when something of it is new.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report};
use super::repeated::Repeated;
use super::{Carrier, Exposure, Family, Found, Opening, Protocol};
use crate::record::{Datum, Direction, EventWriter};

/// The members of the events of discovery protocols.
#[rustfmt::skip]
pub(in crate::protocols) const MEMBERS: &[&str] = &[
    "capabilities", "description", "enabled_capabilities", "native_vlan", "platform", "port",
    "port_description", "system", "ttl_s", "version", "vtp_domain",
];

/// Link Layer Discovery Protocol.
pub static LLDP: Protocol = Protocol {
    name: "lldp",
    title: "LLDP",
    family: Family::Network,
    carriers: &[Carrier::Ethernet(0x88cc)],
    ports: &[],
    exposure: Exposure::Cleartext,
    opening: Opening::any(4),
    probe: None,
    parser: Some(framed::parser::<Lldp>),
    events: &["lldp", "anomaly"],
    source: "IEEE 802.1AB",
};

/// Cisco Discovery Protocol.
pub static CDP: Protocol = Protocol {
    name: "cdp",
    title: "Cisco discovery",
    family: Family::Network,
    carriers: &[Carrier::Ethernet(0x2000)],
    ports: &[],
    exposure: Exposure::Cleartext,
    opening: Opening::any(4),
    probe: None,
    parser: Some(framed::parser::<Cdp>),
    events: &["cdp", "anomaly"],
    source: "Cisco: CDP, SNAP 0x2000",
};

/// Bytes of a text that are written.
const TEXT_MAX: usize = 256;

fn cut(text: &[u8]) -> &[u8] {
    text.get(..TEXT_MAX).unwrap_or(text)
}

/// LLDP on one flow.
#[derive(Debug, Default)]
struct Lldp {
    repeated: Repeated,
}

impl Messages for Lldp {
    const NAME: &'static str = "lldp";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        // The first three are chassis, port, and how long it holds (8.2).
        if Units::new(message.bytes).take(3).map(|(kind, _)| kind).ne([1, 2, 3]) {
            return Err("malformed_message");
        }
        if !self.repeated.is_new(message.from, 0, message.bytes) {
            return Ok(Next::More);
        }
        let mut event = report.event("lldp");
        let mut told = 0_u32;
        for (kind, value) in Units::new(message.bytes) {
            // Each of those that are told stands once; what an organisation adds is not told.
            if kind < 32 && told >> kind & 1 == 0 {
                told |= 1 << kind;
                unit(kind, value, &mut event);
            }
        }
        Ok(Next::More)
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        Found::No
    }

    fn clear(&mut self) {
        self.repeated = Repeated::default();
    }
}

/// Type of seven bits, length of nine, value (8.4), up to the end mark.
#[derive(Clone, Copy, Debug)]
struct Units<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Units<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(bytes) }
    }
}

impl<'a> Iterator for Units<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [high, low] = *self.cursor.array::<2>()?;
        let len = usize::from(high & 1) << 8 | usize::from(low);
        let kind = high >> 1;
        (kind != 0).then_some((kind, self.cursor.take(len)?))
    }
}

fn unit(kind: u8, value: &[u8], event: &mut EventWriter<'_>) {
    match (kind, value) {
        (1, [kind, id @ ..]) => identifier("chassis", *kind, id, *kind == 4, event),
        (2, [kind, id @ ..]) => identifier("port", *kind, id, *kind == 3, event),
        (3, [high, low, ..]) => drop(event.number("ttl_s", u16::from_be_bytes([*high, *low]))),
        (4, text) => drop(event.text("port_description", cut(text))),
        (5, text) => drop(event.text("system", cut(text))),
        (6, text) => drop(event.text("description", cut(text))),
        (7, [c1, c0, e1, e0, ..]) => {
            event.number("capabilities", u16::from_be_bytes([*c1, *c0]));
            event.number("enabled_capabilities", u16::from_be_bytes([*e1, *e0]));
        }
        (8, [len, family, rest @ ..]) => {
            let address = rest.get(..usize::from(*len).saturating_sub(1)).and_then(|bytes| match family {
                1 => bytes.first_chunk::<4>().map(|bytes| IpAddr::from(Ipv4Addr::from(*bytes))),
                2 => bytes.first_chunk::<16>().map(|bytes| Ipv6Addr::from(*bytes).into()),
                _ => None,
            });
            if let Some(address) = address {
                event.datum("management_address", Datum::Ip(address));
            }
        }
        _ => {}
    }
}

/// An identifier: a hardware or network address, or text.
fn identifier(name: &'static str, kind: u8, id: &[u8], is_hardware: bool, event: &mut EventWriter<'_>) {
    match (id, kind) {
        (_, _) if is_hardware => drop(event.hex(name, cut(id))),
        ([1, a, b, c, d], 4 | 5) => {
            event.datum(name, Datum::Ip(Ipv4Addr::new(*a, *b, *c, *d).into()));
        }
        _ => drop(event.text(name, cut(id))),
    }
}

/// CDP on one flow.
#[derive(Debug, Default)]
struct Cdp {
    repeated: Repeated,
}

impl Messages for Cdp {
    const NAME: &'static str = "cdp";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let ([version @ 1..=2, ttl, ..], content) =
            message.bytes.split_first_chunk::<4>().ok_or("malformed_message")?
        else {
            return Err("malformed_message");
        };
        if !self.repeated.is_new(message.from, 0, content) {
            return Ok(Next::More);
        }
        let mut event = report.event("cdp");
        event.number("version", *version).number("ttl_s", *ttl);
        let mut cursor = Cursor::new(content);
        let mut told = 0_u32;
        while let (Some(kind), Some(len)) = (cursor.u16(), cursor.u16()) {
            let Some(value) = usize::from(len).checked_sub(4).and_then(|len| cursor.take(len)) else { break };
            if kind < 32 && told >> kind & 1 == 0 {
                told |= 1 << kind;
                element(kind, value, &mut event);
            }
        }
        Ok(Next::More)
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        Found::No
    }

    fn clear(&mut self) {
        self.repeated = Repeated::default();
    }
}

fn element(kind: u16, value: &[u8], event: &mut EventWriter<'_>) {
    match (kind, value) {
        (1, text) => drop(event.text("system", cut(text))),
        // Count of addresses, of which the first: kind and length of the protocol, protocol, length, address.
        (2, [_, _, _, _, 1, 1, 0xcc, 0, 4, a, b, c, d, ..]) => {
            event.datum("address", Datum::Ip(Ipv4Addr::new(*a, *b, *c, *d).into()));
        }
        (3, text) => drop(event.text("port", cut(text))),
        (4, [a, b, c, d]) => drop(event.number("capabilities", u32::from_be_bytes([*a, *b, *c, *d]))),
        (5, text) => drop(event.text("description", cut(text))),
        (6, text) => drop(event.text("platform", cut(text))),
        (9, text) => drop(event.text("vtp_domain", cut(text))),
        (10, [high, low]) => drop(event.number("native_vlan", u16::from_be_bytes([*high, *low]))),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::Bench;
    use crate::record::Direction::ToServer;
    use proptest::prelude::*;

    fn lldp() -> Vec<u8> {
        let units: [(u8, &[u8]); 6] = [
            (1, &[4, 2, 0, 0, 0, 0, 1]),
            (2, b"\x05eth0"),
            (3, &[0, 120]),
            (5, b"switch.example"),
            (8, &[5, 1, 192, 0, 2, 1, 2, 0, 0, 0, 1, 0]),
            (0, &[]),
        ];
        let unit = |(kind, value): (u8, &[u8])| {
            [&[kind << 1, u8::try_from(value.len()).unwrap()][..], value].concat()
        };
        units.into_iter().flat_map(unit).collect()
    }

    fn cdp() -> Vec<u8> {
        let elements: [(u8, &[u8]); 4] = [
            (1, b"router.example"),
            (2, &[0, 0, 0, 1, 1, 1, 0xcc, 0, 4, 192, 0, 2, 1]),
            (3, b"GigabitEthernet0/1"),
            (10, &[0, 5]),
        ];
        let element = |(kind, value): (u8, &[u8])| {
            [&[0, kind, 0, u8::try_from(value.len() + 4).unwrap()][..], value].concat()
        };
        [2, 180, 0, 0].into_iter().chain(elements.into_iter().flat_map(element)).collect()
    }

    #[test]
    fn devices_say_who_they_are_once() {
        let mut bench = Bench::new(&LLDP);
        for _ in 0..3 {
            bench.datagram(ToServer, &lldp());
        }
        assert_eq!(bench.kinds(), ["lldp"]);
        assert_eq!(
            (bench.text("lldp", "system"), bench.text("lldp", "port")),
            ("switch.example".into(), "eth0".into())
        );
        assert_eq!(
            bench.value("lldp", "management_address"),
            Some(Datum::Ip(Ipv4Addr::new(192, 0, 2, 1).into()))
        );
        let mut bench = Bench::new(&CDP);
        bench.datagram(ToServer, &cdp());
        bench.datagram(ToServer, &cdp());
        assert_eq!(bench.kinds(), ["cdp"]);
        assert_eq!(bench.text("cdp", "port"), "GigabitEthernet0/1");
        assert_eq!(bench.value("cdp", "native_vlan"), Some(Datum::Unsigned(5)));
    }

    #[test]
    fn what_does_not_begin_as_it_must_is_an_anomaly() {
        for (protocol, bytes) in
            [(&LLDP, b"\x04\x01\x05\x02\x01\x03".as_slice()), (&CDP, b"\x07\x00\x00\x00\x00")]
        {
            let mut bench = Bench::new(protocol);
            bench.datagram(ToServer, bytes);
            assert_eq!(bench.text("anomaly", "event"), "malformed_message");
        }
    }

    proptest! {
        #[test]
        fn anything_is_survived(
            bytes in prop::collection::vec(any::<u8>(), 1..120),
            change in any::<(prop::sample::Index, u8)>(),
        ) {
            for (protocol, mut sample) in [(&LLDP, lldp()), (&CDP, cdp())] {
                Bench::new(protocol).datagram(ToServer, &bytes);
                let at = change.0.index(sample.len());
                sample[at] = change.1;
                Bench::new(protocol).datagram(ToServer, &sample);
            }
        }
    }
}
