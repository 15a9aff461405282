//! L2TP: tunnels and the calls in them being set up and cleared (RFC 2661).

use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Protocol};
use crate::record::{Direction, EventWriter};

/// L2TP. Over UDP its openings are recognised by signatures; version 3 has an IP protocol number as well.
pub static L2TP: Protocol = Protocol {
    name: "l2tp",
    title: "L2TP",
    family: Family::Vpn,
    carriers: &[Carrier::Udp, Carrier::Ip(115)],
    ports: &[1701],
    exposure: Exposure::Unknown,
    opening: Opening::any(12),
    probe: None,
    parser: Some(framed::parser::<L2tp>),
    events: &["l2tp", "anomaly"],
    source: "RFC 2661, RFC 3931",
};

/// Bytes of a text that are written.
const TEXT_MAX: usize = 128;
/// Keepalives say nothing.
const HELLO: u16 = 6;

/// L2TP on one flow.
#[derive(Debug, Default)]
struct L2tp;

impl Messages for L2tp {
    const NAME: &'static str = "l2tp";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let bytes = match message.carrier {
            // Over IP, control has session 0 in front (RFC 3931, 4.1.1).
            Carrier::Ip(_) => match message.bytes.strip_prefix(&[0; 4]) {
                Some(control) => control,
                None => return Ok(Next::More),
            },
            _ => message.bytes,
        };
        // Messages with user data have no such bit (3.1).
        if bytes.first().is_none_or(|first| first & 0x80 == 0) {
            return Ok(Next::More);
        }
        let control = Control::read(bytes).ok_or("malformed_message")?;
        if control.kind.is_some_and(|kind| kind != HELLO) {
            control.write(&mut report.event("l2tp"));
        }
        Ok(Next::More)
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        Found::No
    }

    fn clear(&mut self) {}
}

/// A control message: tunnel, session, and attributes.
#[derive(Debug, Default)]
struct Control<'a> {
    version: u8,
    tunnel: u32,
    session: u16,
    /// None in an acknowledgment without a message.
    kind: Option<u16>,
    host: Option<&'a [u8]>,
    vendor: Option<&'a [u8]>,
    result: Option<u16>,
    assigned_tunnel: Option<u16>,
    assigned_session: Option<u16>,
    has_challenge: bool,
    has_hidden: bool,
}

impl<'a> Control<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let flags = cursor.u16()?;
        let len = usize::from(cursor.u16()?);
        let mut control = Self { version: u8::try_from(flags & 0xf).ok()?, ..Self::default() };
        match control.version {
            2 => (control.tunnel, control.session) = (cursor.u16()?.into(), cursor.u16()?),
            3 => control.tunnel = cursor.u32()?,
            _ => return None,
        }
        cursor.u32()?;
        let mut attributes = Cursor::new(bytes.get(12..len)?);
        while !attributes.is_empty() {
            let head = attributes.u16()?;
            let (vendor, kind) = (attributes.u16()?, attributes.u16()?);
            let value = attributes.take(usize::from(head & 0x3ff).checked_sub(6)?)?;
            control.has_hidden |= head & 0x4000 != 0;
            if vendor == 0 && head & 0x4000 == 0 {
                control.attribute(kind, value);
            }
        }
        Some(control)
    }

    fn attribute(&mut self, kind: u16, value: &'a [u8]) {
        let number = value.first_chunk::<2>().map(|bytes| u16::from_be_bytes(*bytes));
        match kind {
            0 => self.kind = self.kind.or(number),
            1 => self.result = number,
            7 => self.host = Some(value),
            8 => self.vendor = Some(value),
            9 => self.assigned_tunnel = number,
            11 => self.has_challenge = true,
            14 => self.assigned_session = number,
            _ => {}
        }
    }

    fn write(&self, event: &mut EventWriter<'_>) {
        event.number("version", self.version).label("message", name(self.kind.unwrap_or_default()));
        event.number("tunnel", self.tunnel).number("session", self.session);
        for (name, number) in [
            ("assigned_tunnel", self.assigned_tunnel),
            ("assigned_session", self.assigned_session),
            ("result", self.result),
        ] {
            if let Some(number) = number {
                event.number(name, number);
            }
        }
        for (name, text) in [("host", self.host), ("vendor", self.vendor)] {
            if let Some(text) = text {
                event.text(name, text.get(..TEXT_MAX).unwrap_or(text));
            }
        }
        event.flag("challenge", self.has_challenge).flag("hidden_attributes", self.has_hidden);
    }
}

/// Messages (RFC 2661, 3.2; RFC 3931, 3.1).
const fn name(kind: u16) -> &'static str {
    match kind {
        1 => "start_connection_request",
        2 => "start_connection_reply",
        3 => "start_connection_connected",
        4 => "stop_connection",
        6 => "hello",
        7 => "outgoing_call_request",
        8 => "outgoing_call_reply",
        9 => "outgoing_call_connected",
        10 => "incoming_call_request",
        11 => "incoming_call_reply",
        12 => "incoming_call_connected",
        14 => "call_disconnect",
        15 => "wan_error",
        16 => "set_link_info",
        20 => "acknowledgment",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::Bench;
    use crate::record::Datum;
    use crate::record::Direction::{ToClient, ToServer};
    use proptest::prelude::*;

    fn start() -> Vec<u8> {
        let attributes: [&[u8]; 4] = [
            b"\x80\x08\0\0\0\0\0\x01",
            b"\x80\x09\0\0\0\x07lac",
            b"\x80\x08\0\0\0\x09\0\x05",
            b"\x80\x0a\0\0\0\x0babcd",
        ];
        let content = attributes.concat();
        let len = u8::try_from(content.len() + 12).unwrap();
        [&[0xc8, 2, 0, len, 0, 0, 0, 0, 0, 0, 0, 0][..], &content].concat()
    }

    #[test]
    fn tunnels_are_told_and_keepalives_and_user_data_are_not() {
        let mut bench = Bench::new(&L2TP);
        bench.datagram(ToServer, &start());
        bench.datagram(ToClient, b"\xc8\x02\0\x14\0\x05\0\0\0\0\0\x01\x80\x08\0\0\0\0\0\x06");
        bench.datagram(ToServer, b"\0\x02\0\x05\0\x01\xff\x03\xc0\x21");
        bench.datagram(ToClient, b"\xc8\x02\0\x0c\0\x05\0\0\0\0\0\x01");
        assert_eq!(bench.kinds(), ["l2tp"]);
        assert_eq!(
            (bench.text("l2tp", "message"), bench.text("l2tp", "host")),
            ("start_connection_request".into(), "lac".into())
        );
        assert_eq!(bench.value("l2tp", "assigned_tunnel"), Some(Datum::Unsigned(5)));
        assert_eq!(bench.value("l2tp", "challenge"), Some(Datum::Flag(true)));
    }

    #[test]
    fn an_attribute_that_runs_out_is_an_anomaly() {
        let mut bench = Bench::new(&L2TP);
        let mut bytes = start();
        bytes[13] = 0xff;
        bench.datagram(ToServer, &bytes);
        assert_eq!(bench.text("anomaly", "event"), "malformed_message");
    }

    proptest! {
        #[test]
        fn anything_is_survived(bytes in prop::collection::vec(any::<u8>(), 1..80), change in any::<(prop::sample::Index, u8)>()) {
            let mut sample = start();
            let at = change.0.index(sample.len());
            sample[at] = change.1;
            for bytes in [bytes, sample] {
                Bench::new(&L2TP).datagram(ToServer, &bytes);
            }
        }
    }
}
