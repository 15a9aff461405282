//! ISO 8583: messages of card payments.
//!
//! The standard says which elements a message has and how long each is, and leaves open how digits, text, lengths and
//! the message's own length are written. `envelope` has the lengths and headers in use, `layout` the encodings,
//! `fields` the elements. What a flow uses is found with its first message: the one combination by which the
//! elements end where the message does. `summary` is what is kept, masked.

mod envelope;
mod fields;
mod layout;
mod summary;

use self::envelope::{Counted, Header};
use self::fields::Edition;
use self::layout::{LAYOUTS, Layout, Step, Walk};
use self::summary::Summary;
use super::framed::{self, Framing, Message, Messages, Next, Report, Transactions};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;

/// ISO 8583.
pub static ISO8583: Protocol = Protocol {
    name: "iso8583",
    title: "ISO 8583",
    family: Family::Finance,
    carriers: &[Carrier::Tcp],
    ports: &[8583],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(8, b"\x00\x01\x02\x03\x04\x05\x06\x0700123"),
    probe: Some(probe),
    parser: Some(framed::parser::<Iso8583>),
    events: &["iso8583", "anomaly"],
    source: "ISO 8583:1987, ISO 8583-1:1993, ISO 8583-1:2003",
};

fn probe(probe: &Probe<'_>) -> Found {
    match look(probe.payload) {
        Look::Open => Found::Maybe,
        Look::Is(_) => Found::Yes,
        Look::No => Found::No,
    }
}

/// How a flow writes its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    counted: Counted,
    header: Header,
    layout: &'static Layout,
    edition: Edition,
}

/// What some bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Open,
    Is(Form),
    No,
}

/// Looks for a form by which a message starts here. The shortest message by any form is judged first, so that more
/// bytes do not change the answer.
fn look(bytes: &[u8]) -> Look {
    let mut lengths = Counted::ALL.map(|counted| (counted.whole(bytes).unwrap_or(usize::MAX), counted));
    if bytes.len() < 4 {
        return Look::Open;
    }
    lengths.sort_by_key(|(len, _)| *len);
    for (len, counted) in lengths {
        if len == usize::MAX {
            break;
        }
        let size = counted.size();
        let whole = bytes.get(..len);
        let message = whole.unwrap_or(bytes).get(size..).unwrap_or_default();
        for header in Header::ALL {
            let Some(message) = header.strip(message) else { continue };
            match (look_at_message(message), whole) {
                (Walked { fits: Some((layout, edition)), .. }, Some(_)) => {
                    return Look::Is(Form { counted, header, layout, edition });
                }
                // It may be one, and its end is not here yet.
                (Walked { is_open: true, .. }, None) => return Look::Open,
                _ => {}
            }
        }
        if whole.is_none() && message.len() < 26 {
            return Look::Open;
        }
    }
    Look::No
}

/// What walks by all layouts lead to.
struct Walked {
    /// The first by which the message ends where the bytes do.
    fits: Option<(&'static Layout, Edition)>,
    /// By some, the bytes end within the message.
    is_open: bool,
}

fn look_at_message(message: &[u8]) -> Walked {
    let mut walked = Walked { fits: None, is_open: false };
    for layout in &LAYOUTS {
        let version = match layout.head(&mut { message }) {
            Step::Read(head) => head.kind[0],
            Step::Open => {
                walked.is_open = true;
                continue;
            }
            Step::Wrong => continue,
        };
        for edition in Edition::candidates(version) {
            match layout.walk(message, *edition, |_| ()) {
                Walk::Whole => walked.fits = walked.fits.or(Some((layout, *edition))),
                Walk::Open => walked.is_open = true,
                Walk::Wrong => {}
            }
        }
    }
    walked
}

/// ISO 8583 on one connection.
#[derive(Debug, Default)]
struct Iso8583 {
    form: Option<Form>,
    /// Requests without answer; their text is never kept.
    transactions: Transactions<Summary>,
}

impl Iso8583 {
    /// Reads a message by the flow's form, or by another edition or layout with the same envelope.
    fn read(&self, bytes: &[u8]) -> Option<(Form, Summary)> {
        let form = self.form?;
        let counted = bytes.get(form.counted.size()..)?;
        for header in [form.header].into_iter().chain(Header::ALL) {
            let Some(message) = header.strip(counted) else { continue };
            if let Some(summary) = Summary::read(message, form.layout, form.edition) {
                return Some((Form { header, ..form }, summary));
            }
            if let Some((layout, edition)) = look_at_message(message).fits {
                let summary = Summary::read(message, layout, edition)?;
                return Some((Form { header, layout, edition, ..form }, summary));
            }
        }
        None
    }
}

impl Messages for Iso8583 {
    const NAME: &'static str = "iso8583";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        let form = match self.form {
            Some(form) => form,
            None => match look(bytes) {
                Look::Open => return Framing::Open,
                Look::No => return Framing::Invalid("invalid_length"),
                Look::Is(form) => *self.form.insert(form),
            },
        };
        if bytes.len() < form.counted.size() {
            return Framing::Open;
        }
        // A length of nothing keeps the connection alive.
        if bytes.first_chunk::<4>().is_some_and(|length| *length == [0; 4] || length == b"0000")
            && form.counted.size() == 4
        {
            return Framing::whole(4);
        }
        if bytes.starts_with(&[0, 0]) && form.counted.size() == 2 {
            return Framing::whole(2);
        }
        form.counted.whole(bytes).map_or(Framing::Invalid("invalid_length"), Framing::whole)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        if message.bytes.len() <= 4 {
            return Ok(Next::More);
        }
        let (form, summary) = self.read(message.bytes).ok_or("malformed_message")?;
        if !summary.is_response() {
            if let Some(oldest) = self.transactions.open(summary, &[]) {
                report.anomaly("flooded");
                write(oldest.number, &form, Some(&oldest.key), None, report);
            }
            return Ok(Next::More);
        }
        let belongs = |asked: &Summary| {
            let same_terminal = asked.terminal().is_empty()
                || summary.terminal().is_empty()
                || asked.terminal() == summary.terminal();
            asked.class() == summary.class() && asked.trace() == summary.trace() && same_terminal
        };
        match self.transactions.close(belongs) {
            Some(request) => write(request.number, &form, Some(&request.key), Some(&summary), report),
            None => {
                write(self.transactions.number(), &form, None, Some(&summary), report);
                report.anomaly("unsolicited_response");
            }
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        match look(bytes) {
            Look::Open => Found::Maybe,
            Look::Is(_) => Found::Yes,
            Look::No => Found::No,
        }
    }

    fn clear(&mut self) {
        self.form = None;
        self.transactions.clear();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(request) = self.transactions.pop() {
            if let Some(form) = self.form {
                write(request.number, &form, Some(&request.key), None, report);
            }
        }
    }
}

/// Writes a transaction, of which one half may be missing.
fn write(
    number: u64,
    form: &Form,
    request: Option<&Summary>,
    response: Option<&Summary>,
    report: &mut Report<'_, '_>,
) {
    let mut event = report.event("iso8583");
    event.number("id", number).label("framing", form.counted.name()).label("encoding", form.layout.name);
    if let Some(header) = form.header.name() {
        event.label("header", header);
    }
    for (name, summary) in [("request", request), ("response", response)] {
        if let Some(summary) = summary {
            event.object(name);
            summary.write(&mut event);
            event.close();
        }
    }
}
