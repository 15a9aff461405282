//! SWIFT FIN messages, as interfaces hand them to each other over TCP: block after block, at times between the control
//! characters or dollar signs of file formats. `block` reads the blocks; of customers nothing is kept.

mod block;

use self::block::{BASIC_LEN, Basic, Summary, basic};
use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;

/// SWIFT FIN.
pub static SWIFT: Protocol = Protocol {
    name: "swift",
    title: "SWIFT FIN",
    family: Family::Finance,
    carriers: &[Carrier::Tcp],
    ports: &[],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, &[b'{', START]),
    probe: Some(probe),
    parser: Some(framed::parser::<Swift>),
    events: &["swift", "anomaly"],
    source: "SWIFT user handbook: FIN message format; SWIFT for Corporates: file formats (DOS-PCC, RJE)",
};

/// Begins and ends a message in one of the file formats.
const START: u8 = 1;
const END: u8 = 3;

fn probe(probe: &Probe<'_>) -> Found {
    look(probe.payload)
}

/// A basic header block, and one of the blocks that follow it.
fn look(bytes: &[u8]) -> Found {
    let block = bytes.strip_prefix(&[START]).unwrap_or(bytes);
    match basic(block) {
        Basic::No => return Found::No,
        Basic::Open => return Found::Maybe,
        Basic::Is => {}
    }
    match block.get(BASIC_LEN..).unwrap_or_default() {
        [] | [b'{'] | [b'{', b'2'..=b'5'] => Found::Maybe,
        [b'{', b'2'..=b'5', b':', ..] => Found::Yes,
        _ => Found::No,
    }
}

/// FIN on one connection.
#[derive(Debug, Default)]
struct Swift {
    /// The message of each direction that more blocks may belong to.
    messages: [Summary; 2],
}

impl Messages for Swift {
    const NAME: &'static str = "swift";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        match bytes.first() {
            Some(b'{') => block::framing(bytes),
            Some(&(START | END | 0) | b'$' | b' ' | b'\r' | b'\n') => Framing::whole(1),
            _ => Framing::Invalid("missing_block"),
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let Some(summary) = self.messages.get_mut(message.from as usize) else { return Ok(Next::More) };
        let is_start = message.bytes.starts_with(b"{1:");
        let is_end = message.bytes.starts_with(b"{5:") || message.bytes == [END] || message.bytes == b"$";
        if is_start {
            write(summary, report);
        }
        let is_system = message.bytes.starts_with(b"{S:");
        if message.bytes.len() > 1 && !is_system && !summary.take(message.bytes) {
            return Err("malformed_block");
        }
        if is_end {
            write(summary, report);
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        look(bytes)
    }

    fn clear(&mut self) {
        self.messages = Default::default();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        for summary in &mut self.messages {
            write(summary, report);
        }
    }
}

/// Writes a message that was begun.
fn write(summary: &mut Summary, report: &mut Report<'_, '_>) {
    if summary.is_begun() {
        summary.write(&mut report.event("swift"));
        *summary = Summary::default();
    }
}
