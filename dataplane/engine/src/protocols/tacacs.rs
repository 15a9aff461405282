//! TACACS+ (RFC 8907): sessions of authentication, authorization and accounting, and whether they are hidden at all.

use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Direction, EventWriter};

/// TACACS+.
pub static TACACS_PLUS: Protocol = Protocol {
    name: "tacacs_plus",
    title: "TACACS+",
    family: Family::Infrastructure,
    carriers: &[Carrier::Tcp],
    ports: &[49],
    exposure: Exposure::Negotiated,
    opening: Opening::one_of(4, &[0xc0, 0xc1]),
    probe: Some(probe),
    parser: Some(framed::parser::<Tacacs>),
    events: &["tacacs", "anomaly"],
    source: "RFC 8907",
};

/// Bytes of a header.
const HEADER: usize = 12;
/// Longest body (RFC 8907, 4.1).
const BODY_MAX: u32 = 1 << 16;
/// Bytes of a text that are written.
const TEXT_MAX: usize = 255;

/// The header (RFC 8907, 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    kind: u8,
    sequence: u8,
    flags: u8,
    session: u32,
    len: u32,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let &[version, kind, sequence, flags, a, b, c, d, e, f, g, h] = bytes.first_chunk::<HEADER>()?;
        let (session, len) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        let is_sound = matches!(version, 0xc0 | 0xc1)
            && matches!(kind, 1..=3)
            && sequence != 0
            && flags & !5 == 0
            && (5..=BODY_MAX).contains(&len);
        is_sound.then_some(Self { kind, sequence, flags, session, len })
    }

    /// Whether the body stands there as it is (TAC_PLUS_UNENCRYPTED_FLAG).
    const fn is_clear(&self) -> bool {
        self.flags & 1 != 0
    }

    const fn name(&self) -> &'static str {
        match self.kind {
            1 => "authentication",
            2 => "authorization",
            _ => "accounting",
        }
    }
}

fn probe(probe: &Probe<'_>) -> Found {
    look(probe.payload, probe.from, !probe.midstream)
}

/// A header; where a connection begins, of the first packet of a session.
fn look(bytes: &[u8], from: Direction, is_first: bool) -> Found {
    let at = |place: usize, allowed: &dyn Fn(u8) -> bool| bytes.get(place).is_none_or(|byte| allowed(*byte));
    let number = |sequence: u8| match (from, is_first) {
        (Direction::ToServer, true) => sequence == 1,
        (Direction::ToClient, true) => sequence == 2,
        (Direction::ToServer, false) => sequence & 1 == 1,
        (Direction::ToClient, false) => sequence & 1 == 0 && sequence != 0,
    };
    let is_possible = at(0, &|version| version & 0xfe == 0xc0)
        && at(1, &|kind| matches!(kind, 1..=3))
        && at(2, &number)
        && at(3, &|flags| flags & !5 == 0)
        && at(8, &|high| high == 0)
        && at(9, &|high| high <= 1);
    if !is_possible {
        return Found::No;
    }
    if bytes.len() < HEADER {
        return Found::Maybe;
    }
    match Header::read(bytes) {
        None => Found::No,
        // Nobody sends more before the other has answered.
        Some(header) if is_first && bytes.len() > HEADER + header.len as usize => Found::No,
        Some(header) if bytes.len() < HEADER + header.len as usize => Found::Maybe,
        Some(_) => Found::Likely(96),
    }
}

/// TACACS+ on one flow.
#[derive(Debug, Default)]
struct Tacacs {
    /// The session that was told last.
    told: Option<(u32, u8)>,
}

impl Messages for Tacacs {
    const NAME: &'static str = "tacacs";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        if bytes.len() < HEADER {
            return Framing::Open;
        }
        match Header::read(bytes) {
            Some(header) => Framing::at_most(HEADER + header.len as usize, 2048),
            None => Framing::Invalid("invalid_header"),
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let header = Header::read(message.bytes).ok_or("malformed_data")?;
        let is_new = self.told != Some((header.session, header.kind));
        if !is_new && !header.is_clear() {
            return Ok(Next::More);
        }
        self.told = Some((header.session, header.kind));
        let mut event = report.event("tacacs");
        event.label("type", header.name()).number("session_id", header.session);
        event.number("sequence", header.sequence).flag("encrypted", !header.is_clear());
        event.flag("single_connect", header.flags & 4 != 0);
        if header.is_clear() {
            let body = message.bytes.get(HEADER..).unwrap_or_default();
            // What is missing at the end of the bytes is left out.
            let _ = write_body(&header, body, message.from, &mut event);
        }
        // RFC 8907 10.1: what hides the body is MD5 over a shared secret, and nothing shows changes.
        let posture = if header.is_clear() { "cleartext" } else { "weak" };
        event.object("crypto").label("class", "symmetric").label("posture", posture);
        if !header.is_clear() {
            event.list("weaknesses").label("", "md5").label("", "no_integrity").close();
        }
        event.close();
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], from: Direction) -> Found {
        look(bytes, from, false)
    }

    fn clear(&mut self) {
        self.told = None;
    }
}

/// User, port and address of a body in clear (RFC 8907, 5.1, 6.1, 7.1), and the result (5.2); no data, which may be a
/// password.
fn write_body(header: &Header, body: &[u8], from: Direction, event: &mut EventWriter<'_>) -> Option<()> {
    let mut fields = Cursor::new(body);
    if from == Direction::ToClient {
        event.number("status", fields.u8()?);
        return Some(());
    }
    if header.sequence != 1 {
        // CONTINUE: what the user typed.
        event.object("credentials").label("kind", "ascii").flag("password_in_clear", true).close();
        return Some(());
    }
    // Accounting begins with flags; authentication with an action, authorization and accounting with a method.
    if header.kind == 3 {
        fields.u8()?;
    }
    let (_first, level, kind, _service) = (fields.u8()?, fields.u8()?, fields.u8()?, fields.u8()?);
    let (user, port, address, last) = (fields.u8()?, fields.u8()?, fields.u8()?, fields.u8()?);
    event.number("privilege", level);
    if header.kind != 1 {
        // Here the last number says how many arguments follow, each with its length.
        fields.take(usize::from(last))?;
    }
    for (name, len) in [("user", user), ("port", port), ("remote_address", address)] {
        let text = fields.take(usize::from(len))?;
        if !text.is_empty() {
            event.text(name, text.get(..TEXT_MAX).unwrap_or(text));
        }
    }
    if header.kind == 1 && last > 0 {
        let name = match kind {
            2 => "pap",
            3 => "chap",
            5 => "mschap",
            6 => "mschapv2",
            _ => "ascii",
        };
        event.object("credentials").label("kind", name).flag("password_in_clear", kind == 2).close();
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::{Bench, assert_any_cut_agrees, taken_of_random, tcp};
    use crate::record::Datum;
    use crate::record::Direction::{ToClient, ToServer};
    use proptest::prelude::*;

    fn packet(kind: u8, sequence: u8, flags: u8, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[0xc1, kind, sequence, flags, 0, 0, 0, 9][..], &len, body].concat()
    }

    fn start() -> Vec<u8> {
        packet(1, 1, 1, b"\x01\x0f\x02\x01\x05\x04\x09\x09alicetty0192.0.2.1topsecret")
    }

    fn session() -> Vec<(Direction, Vec<u8>)> {
        vec![
            (ToServer, start()),
            (ToClient, packet(1, 2, 1, &[1, 0, 0, 0, 0, 0])),
            (ToServer, packet(2, 1, 0, &[0x5c; 40])),
        ]
    }

    #[test]
    fn what_is_not_hidden_is_told_without_the_password() {
        assert_eq!(probe(&tcp(&start(), ToServer, 4000)), Found::Likely(96));
        let mut bench = Bench::new(&TACACS_PLUS);
        session().iter().for_each(|(from, bytes)| bench.stream(*from, bytes));
        assert_eq!(bench.kinds(), ["tacacs"; 3]);
        assert_eq!(
            (bench.text("tacacs", "type"), bench.text("tacacs", "user")),
            ("authentication".into(), "alice".into())
        );
        assert_eq!(
            (bench.text("tacacs", "remote_address"), bench.text("tacacs", "kind")),
            ("192.0.2.1".into(), "pap".into())
        );
        assert_eq!(bench.value("tacacs", "password_in_clear"), Some(Datum::Flag(true)));
        assert_eq!(bench.text("tacacs", "posture"), "cleartext");
        assert!(!bench.all().iter().any(|item| item.contains("116, 111, 112, 115")));
    }

    #[test]
    fn near_misses_are_refused() {
        for (at, value) in [(0, 0xc2), (1, 4), (2, 2), (3, 8), (8, 1), (11, 4), (11, 10)] {
            let mut wrong = start();
            wrong[at] = value;
            assert_eq!(probe(&tcp(&wrong, ToServer, 49)), Found::No, "{at} {value}");
        }
    }

    #[test]
    fn random_payloads_are_not_taken() {
        assert_eq!(taken_of_random(&TACACS_PLUS), 0);
    }

    #[test]
    fn any_cut_gives_the_same_events() {
        assert_any_cut_agrees(&TACACS_PLUS, &session());
    }

    proptest! {
        #[test]
        fn changed_bytes_are_survived(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
            let mut turns = session();
            for (at, value) in changes {
                let turn = at.index(turns.len());
                let place = at.index(turns[turn].1.len());
                turns[turn].1[place] = value;
            }
            assert_any_cut_agrees(&TACACS_PLUS, &turns);
        }
    }
}
