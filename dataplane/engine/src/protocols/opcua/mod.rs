//! OPC Unified Architecture, binary over TCP.
//!
//! `chunk` finds chunks and their headers, `body` reads the services in them where they are not encrypted, `value`
//! decodes built-in types, `names` has services, status codes and policies. How a channel is protected is an event
//! of its own, with the posture of its cryptography.

mod body;
mod chunk;
mod names;
mod value;

use self::body::Body;
use self::chunk::{Asymmetric, Channel, HEADER_LEN, Kind, framing, kind};
use self::names::{Half, policy, security_mode};
use self::value::string;
use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report, Request, Transactions};
use super::x509::Certificate;
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Direction, EventWriter};

/// OPC UA.
pub static OPCUA: Protocol = Protocol {
    name: "opcua",
    title: "OPC UA",
    family: Family::Operational,
    carriers: &[Carrier::Tcp],
    ports: &[4840],
    exposure: Exposure::Negotiated,
    opening: Opening::one_of(1, b"HAEROCM"),
    probe: Some(probe),
    parser: Some(framed::parser::<OpcUa>),
    events: &["opcua", "anomaly"],
    source: "IEC 62541-6:2020",
};

fn probe(probe: &Probe<'_>) -> Found {
    look(probe.payload)
}

fn look(bytes: &[u8]) -> Found {
    let (len, shown) = match framing(bytes) {
        Framing::Open => return Found::Maybe,
        Framing::Invalid(_) => return Found::No,
        Framing::Message { len, shown } => (len, shown),
    };
    let Some(chunk) = bytes.get(..shown) else {
        // Size and kind agree; a long chunk may take many segments.
        return if kind(bytes) == Some(Kind::Hello) { Found::Maybe } else { Found::Likely(90) };
    };
    let is_right = match kind(bytes) {
        Some(Kind::Hello) => Hello::read(chunk).is_some_and(|hello| hello.end == len),
        Some(Kind::Open) => Channel::open(chunk).is_some(),
        Some(_) => true,
        None => false,
    };
    if is_right { Found::Yes } else { Found::No }
}

/// What a client says first (7.1.2.3).
struct Hello<'a> {
    version: u32,
    url: &'a [u8],
    end: usize,
}

impl<'a> Hello<'a> {
    fn read(chunk: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(chunk.get(HEADER_LEN..)?);
        let version = cursor.u32_le()?;
        cursor.take(16)?;
        let url = string(&mut cursor)?;
        Some(Self { version, url, end: chunk.len() - cursor.len() })
    }
}

/// OPC UA on one connection.
#[derive(Debug, Default)]
struct OpcUa {
    transactions: Transactions<u32>,
    /// Request whose message goes on in another chunk, by direction.
    open: [Option<u32>; 2],
    /// Sequence number of the last chunk, by direction.
    sequences: [Option<u32>; 2],
    /// The policy of the channel is other than "None".
    is_secured: bool,
    scratch: Vec<u8>,
}

impl Messages for OpcUa {
    const NAME: &'static str = "opcua";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        framing(bytes)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let chunk = message.bytes;
        match kind(chunk).ok_or("invalid_message_type")? {
            Kind::Hello => {
                let hello = Hello::read(chunk).ok_or("malformed_message")?;
                let mut event = report.event("opcua");
                event.label("type", "hello").number("version", hello.version).text("endpoint_url", hello.url);
            }
            Kind::Acknowledge => {
                report.event("opcua").label("type", "acknowledge");
            }
            Kind::ReverseHello => {
                let mut cursor = Cursor::new(chunk.get(HEADER_LEN..).unwrap_or_default());
                let server = string(&mut cursor).ok_or("malformed_message")?;
                let url = string(&mut cursor).ok_or("malformed_message")?;
                let mut event = report.event("opcua");
                event.label("type", "reverse_hello").text("server_uri", server).text("endpoint_url", url);
            }
            Kind::Error => {
                let mut cursor = Cursor::new(chunk.get(HEADER_LEN..).unwrap_or_default());
                let code = cursor.u32_le().ok_or("malformed_message")?;
                let reason = string(&mut cursor).unwrap_or_default();
                let mut event = report.event("opcua");
                event.label("type", "error").number("status_code", code).label("status", names::status(code));
                event.text("reason", reason);
            }
            Kind::Open => self.open_channel(chunk, message.from, report)?,
            Kind::Close => {
                let channel = Channel::symmetric(chunk).ok_or("malformed_message")?;
                report.event("opcua").label("type", "close_secure_channel").number("channel_id", channel.id);
            }
            Kind::Service => return self.service(chunk, message.from, report),
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        look(bytes)
    }

    fn lost(&mut self, from: Direction) {
        for numbers in [&mut self.open, &mut self.sequences] {
            if let Some(number) = numbers.get_mut(from as usize) {
                *number = None;
            }
        }
    }

    fn clear(&mut self) {
        self.transactions.clear();
        self.scratch.clear();
        (self.open, self.sequences, self.is_secured) = ([None; 2], [None; 2], false);
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(request) = self.transactions.pop() {
            self.write_unanswered(request, report);
        }
    }
}

impl OpcUa {
    fn open_channel(
        &mut self,
        chunk: &[u8],
        from: Direction,
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        let (channel, asymmetric) = Channel::open(chunk).ok_or("malformed_message")?;
        let mut rest = channel.rest;
        let is_none = policy(asymmetric.policy).is_some_and(|policy| policy.class == "cleartext");
        self.is_secured = !is_none;
        let body = if is_none {
            let sequence = rest.u32_le().ok_or("malformed_message")?;
            rest.u32_le().ok_or("malformed_message")?;
            self.sequence(sequence, from, report);
            Body::read(rest.rest())
        } else {
            self.lost(from);
            None
        };
        let mut event = report.event("opcua");
        event.label("type", "open_secure_channel").number("channel_id", channel.id);
        if let Some(body) = body {
            body.write(&mut event);
        }
        self.write_crypto(&asymmetric, body.as_ref(), &mut event);
        Ok(())
    }

    fn write_crypto(
        &mut self,
        asymmetric: &Asymmetric<'_>,
        body: Option<&Body<'_>>,
        event: &mut EventWriter<'_>,
    ) {
        let policy = policy(asymmetric.policy);
        event.object("crypto");
        match policy {
            Some(policy) => {
                let posture = if policy.weakness.is_some() { "weak" } else { policy.class };
                event
                    .label("class", policy.class)
                    .label("posture", posture)
                    .label("security_policy", policy.name);
            }
            None => {
                event.label("class", "unknown").label("posture", "unknown");
                event.text("security_policy", asymmetric.policy);
            }
        }
        if let Some(weakness) = policy.and_then(|policy| policy.weakness) {
            event.list("weaknesses").label("", weakness).close();
        }
        if let Some(mode) = body.and_then(Body::security_mode) {
            event.label("security_mode", security_mode(mode));
        }
        if let Some(certificate) = Certificate::parse(asymmetric.certificate) {
            self.scratch.clear();
            certificate.subject.write(&mut self.scratch);
            event.object("certificate").text("subject", &self.scratch);
            self.scratch.clear();
            certificate.issuer.write(&mut self.scratch);
            event.text("issuer", &self.scratch);
            event.label("key_algorithm", certificate.key.algorithm.unwrap_or("unknown"));
            if let Some(bits) = certificate.key.bits {
                event.number("key_bits", bits);
            }
            event.label("signature", certificate.signature.name.unwrap_or("unknown")).close();
        }
        event.close();
    }

    /// A chunk of a service, encrypted or not.
    fn service(
        &mut self,
        chunk: &[u8],
        from: Direction,
        report: &mut Report<'_, '_>,
    ) -> Result<Next, &'static str> {
        let mut channel = Channel::symmetric(chunk).ok_or("malformed_message")?;
        let sequence = channel.rest.u32_le().ok_or("malformed_message")?;
        let number = channel.rest.u32_le().ok_or("malformed_message")?;
        let is_last = chunk.get(3) != Some(&b'C');
        let open = self.open.get_mut(from as usize).ok_or("malformed_message")?;
        if open.is_some_and(|open| open == number) {
            if is_last {
                *open = None;
            }
            self.sequence(sequence, from, report);
            return Ok(Next::More);
        }
        let body = Body::read(channel.rest.rest());
        let Some(body) = body else {
            if self.is_secured {
                // Nothing can be read, and nothing will be.
                write_protection("SignAndEncrypt", channel.id, report);
                return Ok(Next::Done);
            }
            report.anomaly("unknown_service");
            return Ok(Next::More);
        };
        if self.is_secured {
            // A policy is in use, and yet a service can be read: it is only signed.
            self.is_secured = false;
            write_protection("Sign", channel.id, report);
        }
        if !is_last && let Some(open) = self.open.get_mut(from as usize) {
            *open = Some(number);
        }
        self.sequence(sequence, from, report);
        self.transaction(number, &body, channel.rest.rest(), report);
        Ok(Next::More)
    }

    fn transaction(&mut self, number: u32, body: &Body<'_>, bytes: &[u8], report: &mut Report<'_, '_>) {
        if body.half == Half::Request {
            if let Some(oldest) = self.transactions.open(number, bytes) {
                self.write_unanswered(oldest, report);
            }
            return;
        }
        match self.transactions.close(|other| *other == number) {
            Some(request) => {
                let asked = Body::read(&request.bytes);
                let is_other = asked
                    .is_some_and(|asked| asked.service != body.service && body.service != "ServiceFault");
                write(request.number, number, asked.as_ref(), Some(body), report);
                if is_other {
                    report.anomaly("service_mismatch");
                }
                self.transactions.recycle(request);
            }
            None => {
                write(self.transactions.number(), number, None, Some(body), report);
                report.anomaly("unsolicited_response");
            }
        }
    }

    fn write_unanswered(&mut self, request: Request<u32>, report: &mut Report<'_, '_>) {
        write(request.number, request.key, Body::read(&request.bytes).as_ref(), None, report);
        self.transactions.recycle(request);
    }

    /// Numbers grow by one with each chunk of a channel (6.7.2.4).
    fn sequence(&mut self, sequence: u32, from: Direction, report: &mut Report<'_, '_>) {
        let Some(last) = self.sequences.get_mut(from as usize) else { return };
        // Near the end they start again from a small number.
        let follows =
            |last: u32| last.wrapping_add(1) == sequence || (last > u32::MAX - 1024 && sequence < 1024);
        if last.is_some_and(|last| !follows(last)) {
            report.anomaly("sequence_mismatch");
        }
        *last = Some(sequence);
    }
}

/// How a channel whose opening was encrypted turns out to be protected.
fn write_protection(mode: &'static str, channel: u32, report: &mut Report<'_, '_>) {
    let class = if mode == "Sign" { "cleartext" } else { "classical" };
    let mut event = report.event("opcua");
    event.label("type", "protection").number("channel_id", channel).object("crypto");
    event.label("class", class).label("posture", class).label("security_mode", mode).close();
}

/// Writes a transaction, of which one half may be missing.
fn write(
    id: u64,
    number: u32,
    request: Option<&Body<'_>>,
    response: Option<&Body<'_>>,
    report: &mut Report<'_, '_>,
) {
    let mut event = report.event("opcua");
    event.number("id", id).number("request_id", number);
    if let Some(body) = request.or(response) {
        event.label("service", body.service);
    }
    for (name, body) in [("request", request), ("response", response)] {
        if let Some(body) = body {
            event.object(name);
            if name == "response" && body.service == "ServiceFault" {
                event.flag("fault", true);
            }
            body.write(&mut event);
            event.close();
        }
    }
}
