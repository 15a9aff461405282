//! IBM MQ channels: who connects by which channel to which queue manager, and what is opened there.
//!
//! `segment` has the header of all segments and the names. Messages are counted, not read; user names are masked and of
//! passwords only is said that they were there.

mod segment;

use self::segment::{Segment, framing, kind};
use super::framed::{self, Framing, Masked, Message, Messages, Next, Report, Request, Transactions};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Direction, EventWriter};

/// IBM MQ.
pub static IBM_MQ: Protocol = Protocol {
    name: "ibm_mq",
    title: "IBM MQ",
    family: Family::Mainframe,
    carriers: &[Carrier::Tcp],
    ports: &[1414],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, b"T\xe3"),
    probe: Some(probe),
    parser: Some(framed::parser::<IbmMq>),
    events: &["ibm_mq", "anomaly"],
    source: "IBM MQ formats and protocols; IBM MQ reference: constants, MQCNO, MQOD, MQCSP",
};

fn probe(probe: &Probe<'_>) -> Found {
    look(probe.payload)
}

fn look(bytes: &[u8]) -> Found {
    match framing(bytes) {
        Framing::Open => Found::Maybe,
        Framing::Invalid(_) => Found::No,
        Framing::Message { .. } => Found::Yes,
    }
}

type Key = (u32, u32, u8);

/// IBM MQ on one connection.
#[derive(Debug, Default)]
struct IbmMq {
    transactions: Transactions<Key>,
    puts: u64,
    gets: u64,
    /// Messages by direction, on channels between queue managers and to clients that are not asked for each.
    messages: [u64; 2],
}

impl Messages for IbmMq {
    const NAME: &'static str = "ibm_mq";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        framing(bytes)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let segment = Segment::read(message.bytes).ok_or("invalid_header")?;
        if segment.is_call() {
            self.call(&segment, message.bytes, report);
            return Ok(Next::More);
        }
        match segment.kind {
            kind::MESSAGE | kind::ASYNC_MESSAGE => {
                if let Some(count) = self.messages.get_mut(message.from as usize) {
                    *count = count.saturating_add(1);
                }
            }
            kind::INITIAL => {
                let mut event = report.event("ibm_mq");
                event.label("type", "initial_data");
                let _ = write_initial(segment, &mut event);
            }
            kind::USER | kind::AUTHENTICATION => {
                let mut event = report.event("ibm_mq");
                event.label("type", segment::name(segment.kind).unwrap_or("unknown"));
                let _ = write_credentials(segment, &mut event);
            }
            kind::STATUS => {
                let mut event = report.event("ibm_mq");
                event.label("type", "status_data");
                let mut segment = segment;
                if let (Some(_), Some(code)) = (segment.u32(), segment.u32()) {
                    event.number("code", code);
                }
            }
            _ => {}
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        look(bytes)
    }

    fn clear(&mut self) {
        self.transactions.clear();
        (self.puts, self.gets, self.messages) = (0, 0, [0; 2]);
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(request) = self.transactions.pop() {
            self.write_unanswered(request, report);
        }
        let [to_server, to_client] = self.messages;
        if self.puts + self.gets + to_server + to_client > 0 {
            let mut event = report.event("ibm_mq");
            event.label("type", "traffic").number("puts", self.puts).number("gets", self.gets);
            event.number("messages_to_server", to_server).number("messages_to_client", to_client);
        }
    }
}

impl IbmMq {
    fn call(&mut self, segment: &Segment<'_>, bytes: &[u8], report: &mut Report<'_, '_>) {
        let key = (segment.conversation, segment.request, segment.kind & !kind::REPLY);
        match segment.kind {
            // What programs do all the time.
            kind::PUT => self.puts = self.puts.saturating_add(1),
            kind::GET => self.gets = self.gets.saturating_add(1),
            kind::INQUIRE..=kind::BACK_OUT | kind::STAT => {}
            kind::SERVICE if segment.object().is_none() => {}
            _ if !segment.is_reply() => {
                if let Some(oldest) = self.transactions.open(key, bytes) {
                    report.anomaly("flooded");
                    self.write_unanswered(oldest, report);
                }
            }
            _ => match self.transactions.close(|other| *other == key) {
                Some(request) => {
                    write(request.number, Segment::read(&request.bytes), Some(*segment), report);
                    self.transactions.recycle(request);
                }
                // The answer to one of those that are only counted, if it went well.
                None if has_failed(*segment) => {
                    write(self.transactions.number(), None, Some(*segment), report);
                }
                None => {}
            },
        }
    }

    fn write_unanswered(&mut self, request: Request<Key>, report: &mut Report<'_, '_>) {
        write(request.number, Segment::read(&request.bytes), None, report);
        self.transactions.recycle(request);
    }
}

/// Whether a reply says so. That no message is there is no failure.
fn has_failed(mut reply: Segment<'_>) -> bool {
    reply.result().is_some_and(|(completion, reason)| completion == 2 && reason != 2033)
}

/// Writes a call, of which one half may be missing.
fn write(number: u64, request: Option<Segment<'_>>, reply: Option<Segment<'_>>, report: &mut Report<'_, '_>) {
    let Some(any) = request.or(reply) else { return };
    let mut event = report.event("ibm_mq");
    event
        .number("id", number)
        .label("type", "call")
        .label("call", segment::name(any.kind).unwrap_or("unknown"));
    if (any.conversation, any.request) != (0, 0) {
        event.number("conversation", any.conversation).number("request_id", any.request);
    }
    if let Some(mut request) = request {
        if let Some((name, manager)) = request.object() {
            request.write_name("object", name, &mut event);
            request.write_name("object_queue_manager", manager, &mut event);
        }
        if request.kind == kind::CONNECT && request.result().is_some() {
            for (name, len) in [("queue_manager", 48), ("application", 28)] {
                if let Some(text) = request.content.take(len) {
                    request.write_name(name, text, &mut event);
                }
            }
            if let Some(kind) = request.u32() {
                event.number("application_type", kind);
            }
        }
    }
    if let Some((completion, code)) = reply.and_then(|mut reply| reply.result()) {
        event.label(
            "completion",
            match completion {
                0 => "ok",
                1 => "warning",
                2 => "failed",
                _ => "unknown",
            },
        );
        event.number("reason_code", code);
        if let Some(name) = segment::reason(code) {
            event.label("reason", name);
        }
    }
}

/// What both sides begin with: level, channel, queue manager, sizes, product.
fn write_initial(mut segment: Segment<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    segment.content.take(4)?;
    let [level, _, _, error] = *segment.content.array::<4>()?;
    event.number("fap_level", level);
    if error != 0 {
        event.number("error_flags", error);
    }
    segment.content.take(4)?;
    let (transmission, message, _) = (segment.u32()?, segment.u32()?, segment.u32()?);
    event.number("max_transmission_size", transmission).number("max_message_size", message);
    let channel = segment.content.take(20)?;
    segment.write_name("channel", channel, event);
    segment.content.take(2)?;
    event.number("ccsid", segment.u16()?).flag("ebcdic", segment.is_ebcdic);
    let manager = segment.content.take(48)?;
    segment.write_name("queue_manager", manager, event);
    event.number("heartbeat_s", segment.u32()?);
    // Lengths, compression, key reset.
    segment.content.take(28)?;
    event.number("conversations", segment.u32()?);
    // Capabilities, process, thread, trace.
    segment.content.take(16)?;
    let product = segment.content.take(12)?;
    segment.write_name("product", product, event);
    let id = segment.content.take(48)?;
    segment.write_name("queue_manager_id", id, event);
    Some(())
}

/// A user's name, masked, and that a password was there. Passwords that are not blank may be scrambled; the key is in
/// the same exchange.
fn write_credentials(mut segment: Segment<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    segment.content.take(4)?;
    event.object("credentials");
    let (user, has_password) = if segment.kind == kind::USER {
        let (user, password) = (segment.content.take(12)?, segment.content.take(12)?);
        let password = segment.text(password);
        (user, password.iter().any(|byte| !matches!(byte, 0 | b' ')))
    } else {
        let (_, _, _, user, password) =
            (segment.u32()?, segment.u32()?, segment.u32()?, segment.u32()?, segment.u32()?);
        let user = segment.content.take(usize::try_from(user).ok()?)?;
        (user, password > 0)
    };
    Masked::of(segment.text(user).trim_ascii()).write("user", event);
    event.flag("password_in_clear", has_password).close();
    Some(())
}
