//! Oracle's Transparent Network Substrate: which service is asked for by whom, what the listener answers, and which
//! encryption the two sides agree on.
//!
//! What is inside the sessions is the vendor's own and is passed over.

use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report, two_messages};
use super::kept::{Kept, write_text};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Direction, EventWriter};

/// TNS.
pub static ORACLE: Protocol = Protocol {
    name: "oracle",
    title: "Oracle (TNS)",
    family: Family::Database,
    carriers: &[Carrier::Tcp],
    ports: &[1521, 1526],
    exposure: Exposure::Negotiated,
    opening: Opening::range(5, 0, 0x10).in_streams([0, 0, 0, 0, 0xff, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0, 0]),
    probe: Some(probe),
    parser: Some(framed::parser::<Oracle>),
    events: &["oracle", "anomaly"],
    source: "Oracle Net Services Reference and Administrator's Guide; vendor protocol without a public specification",
};

/// Bytes of a packet that are read.
const SHOWN_MAX: usize = 4096;
/// Bytes before a packet's data.
const HEAD: usize = 8;

const CONNECT: u8 = 1;
const ACCEPT: u8 = 2;
const REFUSE: u8 = 4;
const REDIRECT: u8 = 5;
const DATA: u8 = 6;
const RESEND: u8 = 11;
const LAST_TYPE: u8 = 15;
/// From this version on lengths have four bytes.
const WIDE_VERSION: u16 = 315;
/// The negotiation of encryption and checksums begins with it.
const NEGOTIATION: u32 = 0xdead_beef;

/// A client opens with CONNECT: versions, and where its connect data lies.
fn probe(probe: &Probe<'_>) -> Found {
    if probe.from == Direction::ToClient {
        return Found::No;
    }
    match (framing(probe.payload, false), probe.payload.get(4)) {
        (Framing::Invalid(_), _) => Found::No,
        (_, Some(kind)) if *kind != CONNECT => Found::No,
        (Framing::Open, _) => Found::Maybe,
        (Framing::Message { len, .. }, _) => match Connect::read(probe.payload) {
            Some(connect) if connect.is_sound(len) => Found::Yes,
            Some(_) => Found::No,
            None => Found::Maybe,
        },
    }
}

/// Where a packet ends.
fn framing(bytes: &[u8], is_wide: bool) -> Framing {
    let Some([h0, h1, c0, c1, kind, _, s0, s1]) = bytes.first_chunk::<HEAD>() else {
        return if bytes.get(4).is_none_or(|kind| (1..=LAST_TYPE).contains(kind)) {
            Framing::Open
        } else {
            Framing::Invalid("invalid_header")
        };
    };
    let len = if is_wide {
        u32::from_be_bytes([*h0, *h1, *c0, *c1])
    } else {
        u16::from_be_bytes([*h0, *h1]).into()
    };
    let is_sound = (1..=LAST_TYPE).contains(kind)
        && (is_wide || [*c0, *c1] == [0, 0])
        && [*s0, *s1] == [0, 0]
        && (8..=0x20_0000).contains(&len);
    match usize::try_from(len) {
        Ok(len) if is_sound => Framing::at_most(len, SHOWN_MAX),
        _ => Framing::Invalid("invalid_header"),
    }
}

/// What a client wants.
#[derive(Clone, Copy, Debug)]
struct Connect {
    version: u16,
    oldest: u16,
    data_len: usize,
    data_at: usize,
}

impl Connect {
    fn read(packet: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(packet.get(HEAD..)?);
        let (version, oldest) = (cursor.u16()?, cursor.u16()?);
        cursor.take(12)?;
        Some(Self { version, oldest, data_len: cursor.u16()?.into(), data_at: cursor.u16()?.into() })
    }

    /// Versions that there were, and data within the packet, or behind it where it is long.
    fn is_sound(&self, len: usize) -> bool {
        let end = self.data_at.saturating_add(self.data_len);
        (300..=340).contains(&self.version)
            && (100..=self.version).contains(&self.oldest)
            && (34..=82).contains(&self.data_at)
            && (end == len || self.data_len > 221 && self.data_at == len)
    }
}

/// The value of `name` in a connect descriptor: `(NAME=value)`, blanks around do not count.
fn value<'a>(descriptor: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut parts = descriptor.split(|byte| *byte == b'(');
    parts.find_map(|part| {
        let at = part.iter().position(|byte| *byte == b'=')?;
        let (key, rest) = part.split_at_checked(at)?;
        if !key.trim_ascii().eq_ignore_ascii_case(name) {
            return None;
        }
        let rest = rest.get(1..)?;
        let end = rest.iter().position(|byte| *byte == b')').unwrap_or(rest.len());
        let value = rest.get(..end)?.trim_ascii();
        (!value.is_empty()).then_some(value)
    })
}

/// TNS on one flow.
#[derive(Debug, Default)]
struct Oracle {
    version: u16,
    is_wide: bool,
    /// Connect data comes in a packet of its own.
    awaits_data: bool,
    /// A client's wish was not told yet.
    is_open: bool,
    service: Kept<128>,
    instance: Kept<64>,
    program: Kept<128>,
    host: Kept<128>,
    user: Kept<128>,
    command: Kept<64>,
    /// Algorithms that the two sides agreed on, by service.
    is_negotiated: bool,
}

impl Oracle {
    fn connect(&mut self, packet: &[u8], report: &mut Report<'_, '_>) -> Result<(), &'static str> {
        let connect = Connect::read(packet).ok_or("malformed_connect")?;
        self.tell("none", &[], report);
        self.version = connect.version;
        self.is_open = true;
        self.is_wide = false;
        let data = packet.get(connect.data_at..).unwrap_or_default();
        self.awaits_data = data.is_empty();
        self.descriptor(data);
        Ok(())
    }

    fn descriptor(&mut self, data: &[u8]) {
        for (name, kept) in [(&b"SID"[..], &mut self.instance), (b"COMMAND", &mut self.command)] {
            kept.set(value(data, name).unwrap_or_default());
        }
        // What the client says of itself is in CID; HOST is also part of the address.
        let client = memchr::memmem::find(data, b"CID=").and_then(|at| data.get(at..)).unwrap_or_default();
        for (name, kept) in
            [(&b"PROGRAM"[..], &mut self.program), (b"HOST", &mut self.host), (b"USER", &mut self.user)]
        {
            kept.set(value(client, name).unwrap_or_default());
        }
        self.service.set(value(data, b"SERVICE_NAME").unwrap_or_default());
    }

    /// Writes what was asked for and how it was answered.
    fn tell(&mut self, result: &'static str, answer: &[u8], report: &mut Report<'_, '_>) {
        if !core::mem::take(&mut self.is_open) {
            return;
        }
        let mut event = report.event("oracle");
        event.label("type", "connect").number("version", self.version);
        self.service.write("service_name", &mut event);
        self.instance.write("sid", &mut event);
        self.command.write("command", &mut event);
        self.program.write("program", &mut event);
        self.host.write("client_host", &mut event);
        self.user.write("client_user", &mut event);
        event.label("result", result);
        match result {
            "refused" => {
                for (name, key) in [("error", &b"ERR"[..]), ("code", b"CODE")] {
                    write_text(name, value(answer, key).unwrap_or_default(), 16, &mut event);
                }
            }
            "redirected" => {
                write_text("to_host", value(answer, b"HOST").unwrap_or_default(), 128, &mut event);
                write_text("to_port", value(answer, b"PORT").unwrap_or_default(), 8, &mut event);
            }
            _ => {}
        }
    }

    fn accept(&mut self, packet: &[u8], report: &mut Report<'_, '_>) {
        let version = Cursor::new(packet.get(HEAD..).unwrap_or_default()).u16().unwrap_or_default();
        self.version = self.version.min(version);
        self.is_wide = self.version >= WIDE_VERSION;
        self.tell("accepted", &[], report);
    }

    fn data(&mut self, packet: &[u8], from: Direction, report: &mut Report<'_, '_>) {
        let body = packet.get(HEAD + 2..).unwrap_or_default();
        if core::mem::take(&mut self.awaits_data) && from == Direction::ToServer {
            self.descriptor(body);
            return;
        }
        if from == Direction::ToClient && !self.is_negotiated && body.starts_with(&NEGOTIATION.to_be_bytes())
        {
            self.is_negotiated = true;
            let agreed = Agreed::read(body).unwrap_or_default();
            let mut event = report.event("oracle");
            event.label("type", "negotiation");
            agreed.write(&mut event);
        }
    }
}

/// What the server chose of what the client offered.
#[derive(Clone, Copy, Debug, Default)]
struct Agreed {
    encryption: u8,
    checksum: u8,
}

impl Agreed {
    /// Services with their parts: of encryption (2) and integrity (3) the second is the algorithm.
    fn read(body: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        cursor.take(10)?;
        let services = cursor.u16()?;
        let _flags = cursor.u8()?;
        let mut agreed = Self::default();
        for _ in 0..services.min(8) {
            let (service, parts, _error) = (cursor.u16()?, cursor.u16()?, cursor.u32()?);
            for part in 0..parts.min(16) {
                let (len, _kind) = (cursor.u16()?, cursor.u16()?);
                let value = cursor.take(len.into())?;
                match (service, part, value) {
                    (2, 1, [algorithm]) => agreed.encryption = *algorithm,
                    (3, 1, [algorithm]) => agreed.checksum = *algorithm,
                    _ => {}
                }
            }
        }
        Some(agreed)
    }

    fn write(self, event: &mut EventWriter<'_>) {
        let (name, class) = match self.encryption {
            0 => ("none", "cleartext"),
            1 => ("RC4_40", "weak"),
            2 => ("DES56C", "weak"),
            3 => ("DES40C", "weak"),
            6 => ("RC4_256", "weak"),
            8 => ("RC4_56", "weak"),
            10 => ("RC4_128", "weak"),
            11 => ("3DES112", "weak"),
            12 => ("3DES168", "weak"),
            // The keys are agreed on by Diffie and Hellman's exchange.
            15 => ("AES128", "classical"),
            16 => ("AES192", "classical"),
            17 => ("AES256", "classical"),
            _ => ("unknown", "unknown"),
        };
        let checksum = match self.checksum {
            0 => "none",
            1 => "MD5",
            3 => "SHA1",
            4 => "SHA512",
            5 => "SHA256",
            6 => "SHA384",
            _ => "unknown",
        };
        event.label("encryption", name).label("checksum", checksum);
        event.object("crypto").label("class", class).close();
    }
}

impl Messages for Oracle {
    const NAME: &'static str = "oracle";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        framing(bytes, self.is_wide)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let packet = message.bytes;
        let kind = *packet.get(4).ok_or("truncated_data")?;
        match (kind, message.from) {
            (CONNECT, Direction::ToServer) => self.connect(packet, report)?,
            (ACCEPT, Direction::ToClient) => self.accept(packet, report),
            (REFUSE, Direction::ToClient) => self.tell("refused", packet, report),
            (REDIRECT, Direction::ToClient) => self.tell("redirected", packet, report),
            // Asked again, the client says the same.
            (RESEND, Direction::ToClient) => self.is_open = false,
            (DATA, from) => self.data(packet, from, report),
            _ => {}
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        two_messages(bytes, |bytes| framing(bytes, self.is_wide))
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        self.tell("none", &[], report);
    }
}
