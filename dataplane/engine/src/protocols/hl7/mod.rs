//! HL7 version 2 over the minimal lower layer protocol.
//!
//! Messages and their acknowledgements are paired by control id. What they say of patients is not kept: of segments that
//! hold protected health information only the names are written. `segment` has segments and fields.

mod segment;

use arrayvec::ArrayVec;
use memchr::memmem;

use self::segment::{Header, Segments};
use super::framed::{self, Framing, Message, Messages, Next, Report, Request, Transactions};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Direction, EventWriter};

/// HL7 v2.
pub static HL7: Protocol = Protocol {
    name: "hl7",
    title: "HL7 v2 (MLLP)",
    family: Family::Health,
    carriers: &[Carrier::Tcp],
    ports: &[2575],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, &[START]),
    probe: Some(probe),
    parser: Some(framed::parser::<Hl7>),
    events: &["hl7", "anomaly"],
    source: "HL7 v2.9 chapter 2; MLLP, release 1",
};

/// Start of a block.
const START: u8 = 0x0b;
/// End of a block and what follows it.
const END: [u8; 2] = [0x1c, 0x0d];
/// Bytes of a message that are read.
const READ_MAX: usize = 32 * 1024;

fn probe(probe: &Probe<'_>) -> Found {
    look(probe.payload)
}

fn look(bytes: &[u8]) -> Found {
    let Some((&START, rest)) = bytes.split_first() else {
        return if bytes.is_empty() { Found::Maybe } else { Found::No };
    };
    if rest.len() < 9 {
        let begins = [&b"MSH"[..], b"BHS", b"FHS"];
        let name = rest.get(..3).unwrap_or(rest);
        return if begins.iter().any(|begin| begin.starts_with(name)) { Found::Maybe } else { Found::No };
    }
    if Header::read(rest).is_some() { Found::Yes } else { Found::No }
}

/// What is kept of a message until its acknowledgement comes, beside its header segment.
#[derive(Clone, Debug, Default)]
struct Key {
    control: ArrayVec<u8, 64>,
    content: Content,
}

/// What a message has in it.
#[derive(Clone, Copy, Debug, Default)]
struct Content {
    /// Segments after the header.
    segments: u32,
    /// One bit for each of [`HEALTH_SEGMENTS`].
    health: u32,
}

/// Segments that tell of a person, or ask for one.
const HEALTH_SEGMENTS: [(&[u8; 3], &str); 31] = [
    (b"PID", "PID"),
    (b"PD1", "PD1"),
    (b"PDA", "PDA"),
    (b"NK1", "NK1"),
    (b"PV1", "PV1"),
    (b"PV2", "PV2"),
    (b"ARV", "ARV"),
    (b"ACC", "ACC"),
    (b"IN1", "IN1"),
    (b"IN2", "IN2"),
    (b"IN3", "IN3"),
    (b"GT1", "GT1"),
    (b"DG1", "DG1"),
    (b"PR1", "PR1"),
    (b"AL1", "AL1"),
    (b"IAM", "IAM"),
    (b"OBR", "OBR"),
    (b"OBX", "OBX"),
    (b"NTE", "NTE"),
    (b"MRG", "MRG"),
    (b"RXA", "RXA"),
    (b"RXE", "RXE"),
    (b"FT1", "FT1"),
    (b"TXA", "TXA"),
    (b"SPM", "SPM"),
    (b"CON", "CON"),
    (b"FAM", "FAM"),
    (b"SCH", "SCH"),
    (b"QRD", "QRD"),
    (b"QRF", "QRF"),
    (b"QPD", "QPD"),
];

impl Content {
    fn read(message: &[u8]) -> Self {
        let mut content = Self::default();
        for segment in Segments::new(message).skip(1) {
            content.segments = content.segments.saturating_add(1);
            for (bit, (name, _)) in HEALTH_SEGMENTS.iter().enumerate() {
                if segment.starts_with(*name) {
                    content.health |= 1 << bit;
                }
            }
        }
        content
    }
}

/// HL7 on one connection.
#[derive(Debug, Default)]
struct Hl7 {
    transactions: Transactions<Key>,
    /// A long message's beginning was read, by direction: what comes is its rest.
    in_rest: [bool; 2],
}

impl Messages for Hl7 {
    const NAME: &'static str = "hl7";

    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        if self.in_rest.get(from as usize).copied().unwrap_or_default() {
            return match memmem::find(bytes, &END) {
                Some(at) => Framing::whole(at + END.len()),
                // The last byte may be half of the end.
                None if bytes.len() > 1 => Framing::whole(bytes.len() - 1),
                None => Framing::Open,
            };
        }
        match bytes.first() {
            // Between blocks some systems send line ends.
            Some(b'\r' | b'\n') => return Framing::whole(1),
            Some(&START) => {}
            _ => return Framing::Invalid("missing_start_block"),
        }
        let window = bytes.get(..READ_MAX).unwrap_or(bytes);
        match memmem::find(window, &END) {
            Some(at) => Framing::whole(at + END.len()),
            None if bytes.len() < READ_MAX => Framing::Open,
            // The last byte may be half of the end.
            None => Framing::whole(READ_MAX - 1),
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let has_end = message.bytes.ends_with(&END);
        let in_rest = self.in_rest.get_mut(message.from as usize).ok_or("malformed_message")?;
        if core::mem::replace(in_rest, false) {
            *in_rest = !has_end;
            return Ok(Next::More);
        }
        let Some((&START, block)) = message.bytes.split_first() else { return Ok(Next::More) };
        *in_rest = !has_end;
        let block = block.strip_suffix(&END).unwrap_or(block);
        let first = Segments::new(block).next().ok_or("empty_message")?;
        let header = Header::read(first).ok_or("missing_header_segment")?;
        let acknowledged = Segments::new(block).find(|segment| segment.starts_with(b"MSA"));
        match acknowledged {
            Some(segment) => self.acknowledgement(&header, segment, block, report),
            None => self.request(&header, first, block, report),
        }
        if block.contains(&START) {
            report.anomaly("nested_start_block");
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        look(bytes)
    }

    fn lost(&mut self, from: Direction) {
        if let Some(in_rest) = self.in_rest.get_mut(from as usize) {
            *in_rest = false;
        }
    }

    fn clear(&mut self) {
        self.transactions.clear();
        self.in_rest = [false; 2];
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(request) = self.transactions.pop() {
            self.write_unanswered(request, report);
        }
    }
}

impl Hl7 {
    fn request(&mut self, header: &Header<'_>, segment: &[u8], block: &[u8], report: &mut Report<'_, '_>) {
        let key = Key {
            control: header.field(10).iter().copied().take(64).collect(),
            content: Content::read(block),
        };
        if let Some(oldest) = self.transactions.open(key, segment) {
            report.anomaly("flooded");
            self.write_unanswered(oldest, report);
        }
    }

    fn acknowledgement(
        &mut self,
        header: &Header<'_>,
        segment: &[u8],
        block: &[u8],
        report: &mut Report<'_, '_>,
    ) {
        let control = header.field_of(segment, 2);
        let control = control.get(..64).unwrap_or(control);
        let request = self.transactions.close(|key| key.control.as_slice() == control);
        let number = request.as_ref().map_or_else(|| self.transactions.number(), |request| request.number);
        let mut event = report.event("hl7");
        event.number("id", number);
        if let Some(request) = &request
            && let Some(asked) = Header::read(&request.bytes)
        {
            event.object("request");
            write_header(&asked, request.key.content, &mut event);
            event.close();
        }
        event.object("response");
        write_header(header, Content::read(block), &mut event);
        let code = header.field_of(segment, 1);
        event.text("acknowledgment_code", short(code));
        event.flag("accepted", matches!(code, b"AA" | b"CA"));
        drop(event);
        match request {
            Some(request) => self.transactions.recycle(request),
            None => report.anomaly("unsolicited_acknowledgment"),
        }
    }

    fn write_unanswered(&mut self, request: Request<Key>, report: &mut Report<'_, '_>) {
        if let Some(header) = Header::read(&request.bytes) {
            let mut event = report.event("hl7");
            event.number("id", request.number).object("request");
            write_header(&header, request.key.content, &mut event);
        }
        self.transactions.recycle(request);
    }
}

/// Writes the members of an object.
fn write_header(header: &Header<'_>, content: Content, event: &mut EventWriter<'_>) {
    let kind = header.field(9);
    event.text("message_type", short(header.component(kind, 1)));
    for (name, value) in [
        ("trigger_event", header.component(kind, 2)),
        ("structure", header.component(kind, 3)),
        ("control_id", header.field(10)),
        ("processing_id", header.field(11)),
        ("version", header.component(header.field(12), 1)),
        ("sending_application", header.field(3)),
        ("sending_facility", header.field(4)),
        ("receiving_application", header.field(5)),
        ("receiving_facility", header.field(6)),
        ("time", header.field(7)),
        ("security", mask(header.field(8))),
        ("character_set", header.field(18)),
    ] {
        if !value.is_empty() {
            event.text(name, short(value));
        }
    }
    event.number("segments", content.segments).flag("phi", content.health != 0);
    if content.health != 0 {
        event.list("phi_segments");
        for (bit, (_, name)) in HEALTH_SEGMENTS.iter().enumerate() {
            if content.health >> bit & 1 == 1 {
                event.label("", name);
            }
        }
        event.close();
    }
}

/// That the field is there; what it says may be a password.
const fn mask(value: &[u8]) -> &'static [u8] {
    if value.is_empty() { b"" } else { b"***" }
}

/// At most as many bytes as identifiers have.
fn short(value: &[u8]) -> &[u8] {
    value.get(..180).unwrap_or(value)
}
