//! ZMTP 3.0 and 3.1, which ZeroMQ speaks: kinds of sockets, who logs on how, and what keeps messages secret.

use super::credentials::Credentials;
use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report};
use super::kept::Kept;
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;

/// ZMTP.
pub static ZEROMQ: Protocol = Protocol {
    name: "zeromq",
    title: "ZeroMQ",
    family: Family::Messaging,
    carriers: &[Carrier::Tcp],
    ports: &[5555],
    exposure: Exposure::Negotiated,
    opening: Opening::one_of(1, &[0xff]),
    probe: Some(probe),
    parser: Some(framed::parser::<Zeromq>),
    events: &["zeromq", "anomaly"],
    source: "ZMTP 3.1 (rfc.zeromq.org/spec/37), CurveZMQ (spec/26)",
};

/// Bytes of a greeting.
const GREETING: usize = 64;
/// Bytes of a command that are read.
const SHOWN_MAX: usize = 1024;

/// Either side opens with the signature of a greeting.
fn probe(probe: &Probe<'_>) -> Found {
    match greeting(probe.payload) {
        Framing::Open if probe.payload.len() >= 10 => Found::Likely(90),
        Framing::Open => Found::Maybe,
        Framing::Message { .. } => Found::Yes,
        Framing::Invalid(_) => Found::No,
    }
}

/// Signature, version, mechanism, role, filler. Of version 2 the first twelve bytes are alike.
fn greeting(bytes: &[u8]) -> Framing {
    const SHOWN: [Option<u8>; 10] =
        [Some(0xff), Some(0), Some(0), Some(0), Some(0), Some(0), Some(0), Some(0), None, Some(0x7f)];
    let fits = bytes.iter().zip(SHOWN).all(|(byte, wanted)| wanted.is_none_or(|wanted| wanted == *byte));
    if !fits || bytes.get(10).is_some_and(|version| !(1..=3).contains(version)) {
        return Framing::Invalid("invalid_greeting");
    }
    match bytes.get(10) {
        Some(3) if bytes.len() >= GREETING => Framing::whole(GREETING),
        // Older ones have no commands: what follows is not read.
        Some(1 | 2) if bytes.len() >= 12 => Framing::whole(12),
        _ => Framing::Open,
    }
}

/// Where a frame ends: flags, then one or eight bytes of length (3.1, "Framing").
fn frame(bytes: &[u8]) -> Framing {
    let mut cursor = Cursor::new(bytes);
    let Some(flags) = cursor.u8() else { return Framing::Open };
    // A command has no other behind it.
    if flags & 0xf8 != 0 || flags & 5 == 5 {
        return Framing::Invalid("invalid_flags");
    }
    let (len, head) = if flags & 2 == 0 {
        (cursor.u8().map(usize::from), 2)
    } else {
        let Some(len) = cursor.array().map(|len| u64::from_be_bytes(*len)) else { return Framing::Open };
        let Some(len) = usize::try_from(len).ok().filter(|len| *len < 1 << 40) else {
            return Framing::Invalid("invalid_length");
        };
        (Some(len), 9)
    };
    match len {
        None => Framing::Open,
        Some(len) if flags & 4 != 0 => Framing::at_most(head + len, head + SHOWN_MAX),
        Some(len) => Framing::at_most(head + len, 0),
    }
}

/// One side of a connection.
#[derive(Clone, Debug, Default)]
struct Side {
    is_greeted: bool,
    minor: u8,
    socket: Kept<16>,
    identity: Kept<64>,
    messages: u64,
}

/// ZMTP on one flow.
#[derive(Debug, Default)]
struct Zeromq {
    sides: [Side; 2],
    mechanism: Kept<20>,
    credentials: Credentials,
    error: Kept<128>,
    is_told: bool,
}

impl Zeromq {
    fn side(&mut self, from: Direction) -> &mut Side {
        let [to_server, to_client] = &mut self.sides;
        match from {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        }
    }

    fn greeting(&mut self, bytes: &[u8], from: Direction, report: &mut Report<'_, '_>) -> Next {
        let (Some(version), Some(minor)) = (bytes.get(10), bytes.get(11)) else { return Next::More };
        if *version < 3 {
            report.event("zeromq").label("type", "greeting").number("version", *version);
            return Next::Done;
        }
        let side = self.side(from);
        (side.is_greeted, side.minor) = (true, *minor);
        let mechanism = bytes.get(12..32).unwrap_or_default();
        self.mechanism.set(mechanism.split(|byte| *byte == 0).next().unwrap_or_default());
        Next::More
    }

    fn command(&mut self, bytes: &[u8], from: Direction, report: &mut Report<'_, '_>) -> Option<()> {
        let mut cursor = Cursor::new(bytes);
        let head = if cursor.u8()? & 2 == 0 { 1 } else { 8 };
        cursor.take(head)?;
        let len = cursor.u8()?;
        // libzmq writes the length of "ERROR" and its first letter as one byte.
        let name = match cursor.rest().first_chunk() {
            Some(b"RROR") if len == 0x5e => cursor.take(4).map(|_| &b"ERROR"[..])?,
            _ => cursor.take(len.into())?,
        };
        match name {
            b"READY" | b"INITIATE" if self.mechanism.as_bytes() != b"CURVE" => self.metadata(cursor, from),
            // A client of PLAIN: name and password (spec 24).
            b"HELLO" if self.mechanism.as_bytes() == b"PLAIN" => {
                let len = cursor.u8()?;
                self.credentials.mechanism(b"PLAIN").user(cursor.take(len.into())?);
                if cursor.u8()? > 0 {
                    self.credentials.password_in_clear();
                }
            }
            b"ERROR" => {
                let len = cursor.u8()?;
                self.error.set(cursor.take(len.into()).unwrap_or_default());
                self.tell(report);
            }
            _ => {}
        }
        if self.sides.iter().all(|side| !side.socket.is_empty()) {
            self.tell(report);
        }
        Some(())
    }

    /// Names with their values: what kind of socket it is.
    fn metadata(&mut self, mut cursor: Cursor<'_>, from: Direction) {
        for _ in 0..16 {
            let Some(name) = cursor.u8().and_then(|len| cursor.take(len.into())) else { break };
            let len = cursor.u32().and_then(|len| usize::try_from(len).ok());
            let Some(value) = len.and_then(|len| cursor.take(len)) else { break };
            if name.eq_ignore_ascii_case(b"Socket-Type") {
                self.side(from).socket.set(value);
            } else if name.eq_ignore_ascii_case(b"Identity") {
                self.side(from).identity.set(value);
            }
        }
    }

    fn tell(&mut self, report: &mut Report<'_, '_>) {
        if self.mechanism.is_empty() || core::mem::replace(&mut self.is_told, true) {
            return;
        }
        let is_secret = self.mechanism.as_bytes() == b"CURVE";
        let minor = self.sides.iter().map(|side| side.minor).min().unwrap_or_default();
        let mut event = report.event("zeromq");
        event.label("type", "connection").label("version", if minor == 0 { "3.0" } else { "3.1" });
        self.mechanism.write("mechanism", &mut event);
        for (name, side) in ["client", "server"].into_iter().zip(&self.sides) {
            event.object(name);
            side.socket.write("socket_type", &mut event);
            side.identity.write("identity", &mut event);
            event.close();
        }
        self.credentials.write(&mut event);
        self.error.write("error", &mut event);
        // Curve25519, XSalsa20 and Poly1305 (spec 26).
        event.object("crypto").label("class", if is_secret { "classical" } else { "cleartext" });
        if is_secret {
            event.label("kex", "X25519");
        }
        event.close();
    }
}

impl Messages for Zeromq {
    const NAME: &'static str = "zeromq";

    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        if self.side(from).is_greeted { frame(bytes) } else { greeting(bytes) }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let from = message.from;
        if !self.side(from).is_greeted {
            return Ok(self.greeting(message.bytes, from, report));
        }
        if message.bytes.first().is_some_and(|flags| flags & 4 != 0) {
            self.command(message.bytes, from, report).ok_or("malformed_command")?;
        } else {
            let side = self.side(from);
            side.messages = side.messages.saturating_add(1);
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        // Lengths and flags are all there is within a connection.
        match greeting(bytes) {
            Framing::Open => Found::Maybe,
            Framing::Message { .. } => Found::Likely(90),
            Framing::Invalid(_) => Found::No,
        }
    }

    fn lost(&mut self, from: Direction) {
        self.side(from).is_greeted = false;
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        self.tell(report);
        if self.sides.iter().any(|side| side.messages > 0) {
            let mut event = report.event("zeromq");
            event.label("type", "session");
            event
                .number("frames_toserver", self.sides[0].messages)
                .number("frames_toclient", self.sides[1].messages);
        }
    }
}
