//! One connection, or one named pipe: what is bound, and calls with their responses; the `dcerpc` event in the names of
//! Suricata's EVE output.

use arrayvec::ArrayVec;

use super::names;
use super::pdu::{Fields, Header, Syntax, kind, name};
use crate::protocols::clear::Clear;
use crate::protocols::framed::{Report, Request, Transactions};
use crate::record::{Direction, EventWriter};

/// Interfaces of one connection that are remembered.
const BOUND_MAX: usize = 16;

/// An interface as it was asked for.
#[derive(Clone, Copy, Debug)]
struct Bound {
    context: u16,
    syntax: Syntax,
    result: Option<(u16, u16)>,
}

/// What waits for a response.
#[derive(Clone, Copy, Debug)]
struct Asked {
    call: u32,
    kind: u8,
    context: u16,
    operation: u16,
    fragments: u32,
    bytes: u64,
    level: Option<(u8, u8)>,
}

/// What came of a response so far.
#[derive(Clone, Copy, Debug, Default)]
struct Answer {
    kind: u8,
    fragments: u32,
    bytes: u64,
    status: Option<u32>,
}

/// The state of one connection.
#[derive(Debug, Default)]
pub(in crate::protocols) struct Session {
    bound: ArrayVec<Bound, BOUND_MAX>,
    asked: Transactions<Asked>,
    /// A response of which more fragments follow.
    answer: Option<(u32, Answer)>,
    /// Kind and level of authentication.
    auth: Option<(u8, u8)>,
    clear: Clear,
}

impl Session {
    /// Bytes of the fragment that these begin with, if they do.
    pub(in crate::protocols) fn pdu_len(bytes: &[u8]) -> Option<usize> {
        Header::read(bytes).filter(Header::is_sound).map(|header| usize::from(header.len))
    }

    /// Reads a fragment.
    ///
    /// # Errors
    /// The name of an anomaly.
    pub(in crate::protocols) fn pdu(
        &mut self,
        pdu: &[u8],
        _from: Direction,
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        let header = Header::read(pdu).filter(Header::is_sound).ok_or("invalid_header")?;
        let fields = Fields::new(pdu, &header);
        if let Some((kind, level, _)) = header.auth(pdu) {
            self.auth = Some((kind, level));
        }
        match header.kind {
            kind::BIND | kind::ALTER => self.bind(&header, fields, report),
            kind::BIND_ACK | kind::ALTER_RESPONSE => self.bind_answer(&header, fields, report),
            kind::BIND_NAK => {
                self.refused(&header, fields, report);
                Ok(())
            }
            kind::REQUEST => self.request(&header, fields, report),
            kind::RESPONSE | kind::FAULT => self.response(&header, fields, report),
            kind::SHUTDOWN => {
                report.event("dcerpc").label("response", name(kind::SHUTDOWN));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, asked: Asked, report: &mut Report<'_, '_>) {
        if let Some(oldest) = self.asked.open(asked, &[]) {
            self.write(Some(&oldest), None, report);
            self.asked.recycle(oldest);
        }
    }

    fn bind(
        &mut self,
        header: &Header,
        mut fields: Fields<'_>,
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        let contexts = fields.contexts().ok_or("malformed_data")?;
        for (context, syntax) in contexts {
            let bound = Bound { context, syntax, result: None };
            match self.bound.iter_mut().find(|other| other.context == context) {
                Some(other) => *other = bound,
                None => {
                    if self.bound.is_full() {
                        self.bound.remove(0);
                    }
                    self.bound.push(bound);
                }
            }
        }
        let asked = Asked {
            call: header.call,
            kind: header.kind,
            context: 0,
            operation: 0,
            fragments: 1,
            bytes: 0,
            level: self.auth,
        };
        self.open(asked, report);
        Ok(())
    }

    fn bind_answer(
        &mut self,
        header: &Header,
        mut fields: Fields<'_>,
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        let results = fields.results().ok_or("malformed_data")?;
        let open = self.bound.iter_mut().filter(|bound| bound.result.is_none());
        for (bound, result) in open.zip(results) {
            bound.result = Some(result);
        }
        self.answered(header.call, Answer { kind: header.kind, fragments: 1, ..Answer::default() }, report);
        Ok(())
    }

    fn refused(&mut self, header: &Header, mut fields: Fields<'_>, report: &mut Report<'_, '_>) {
        let status = fields.u16().map(u32::from);
        self.answered(header.call, Answer { kind: header.kind, fragments: 1, bytes: 0, status }, report);
        self.bound.clear();
    }

    fn request(
        &mut self,
        header: &Header,
        mut fields: Fields<'_>,
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        let (_hint, context, operation) =
            (fields.u32().ok_or("malformed_data")?, fields.u16(), fields.u16().ok_or("malformed_data")?);
        if header.flags & 0x80 != 0 {
            // The object that is meant.
            let _ = fields.skip(16);
        }
        let bytes = stub_len(header, &fields);
        if !header.is_first() {
            if let Some(request) = self.asked.waiting(|asked| asked.call == header.call) {
                request.fragments = request.fragments.saturating_add(1);
                request.bytes = request.bytes.saturating_add(bytes);
            }
            return Ok(());
        }
        let asked = Asked {
            call: header.call,
            kind: header.kind,
            context: context.unwrap_or_default(),
            operation,
            fragments: 1,
            bytes,
            level: self.auth,
        };
        self.open(asked, report);
        Ok(())
    }

    fn response(
        &mut self,
        header: &Header,
        mut fields: Fields<'_>,
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        fields.skip(8).ok_or("malformed_data")?;
        let status = if header.kind == kind::FAULT { fields.u32() } else { None };
        let before = self.answer.take_if(|(call, _)| *call == header.call && !header.is_first());
        let mut answer = before.map_or_else(Answer::default, |(_, answer)| answer);
        answer.kind = header.kind;
        answer.fragments = answer.fragments.saturating_add(1);
        answer.bytes = answer.bytes.saturating_add(stub_len(header, &fields));
        answer.status = status;
        if header.is_last() || header.kind == kind::FAULT {
            self.answered(header.call, answer, report);
        } else {
            self.answer = Some((header.call, answer));
        }
        Ok(())
    }

    fn answered(&mut self, call: u32, answer: Answer, report: &mut Report<'_, '_>) {
        let asked = self.asked.close(|asked| asked.call == call);
        self.write(asked.as_ref(), Some((call, &answer)), report);
        if let Some(asked) = asked {
            self.asked.recycle(asked);
        }
    }

    fn write(
        &mut self,
        asked: Option<&Request<Asked>>,
        answer: Option<(u32, &Answer)>,
        report: &mut Report<'_, '_>,
    ) {
        let mut event = report.event("dcerpc");
        let asked = asked.map(|request| &request.key);
        if let Some(asked) = asked {
            event.label("request", name(asked.kind));
            if asked.kind == kind::REQUEST {
                if self.auth.is_none_or(|(_, level)| level < names::PRIVACY) {
                    self.clear.tell(&mut event);
                }
                self.write_call(asked, &mut event);
            } else {
                self.write_interfaces(&mut event);
            }
        }
        if let Some((_, answer)) = answer {
            event.label("response", name(answer.kind));
            event
                .object("res")
                .number("frag_cnt", answer.fragments)
                .number("stub_data_size", answer.bytes)
                .close();
            match (answer.kind, answer.status) {
                (kind::FAULT, Some(status)) => {
                    event.text("fault", format!("0x{status:08x}").as_bytes());
                    if let Some(name) = names::fault(status) {
                        event.label("fault_name", name);
                    }
                }
                (kind::BIND_NAK, Some(reason)) => {
                    event.number("reject_reason", reason);
                }
                _ => {}
            }
        }
        if let Some(call) = asked.map(|asked| asked.call).or(answer.map(|(call, _)| call)) {
            event.number("call_id", call);
        }
        event.label("rpc_version", "5.0");
        if let Some((kind, level)) = asked.and_then(|asked| asked.level).or(self.auth) {
            write_auth(kind, level, &mut event);
        }
    }

    fn write_call(&self, asked: &Asked, event: &mut EventWriter<'_>) {
        event.object("req").number("opnum", asked.operation).number("frag_cnt", asked.fragments);
        event.number("stub_data_size", asked.bytes).close();
        if let Some(bound) = self.bound.iter().find(|bound| bound.context == asked.context) {
            write_syntax(&bound.syntax, event);
            if let Some(operation) = names::operation(&bound.syntax.uuid, asked.operation) {
                event.label("operation", operation);
            }
        }
    }

    fn write_interfaces(&self, event: &mut EventWriter<'_>) {
        event.list("interfaces");
        for bound in &self.bound {
            event.object("");
            write_syntax(&bound.syntax, event);
            if let Some((result, reason)) = bound.result {
                event.number("ack_result", result);
                if result != 0 {
                    event.number("ack_reason", reason);
                }
            }
            event.close();
        }
        event.close();
    }

    /// Bytes of one direction were lost.
    pub(in crate::protocols) fn lost(&mut self, _: Direction) {
        self.answer = None;
    }

    /// Forgets everything.
    pub(in crate::protocols) fn clear(&mut self) {
        self.bound.clear();
        self.asked.clear();
        (self.answer, self.auth, self.clear) = (None, None, Clear::default());
    }

    /// Writes what was not answered.
    pub(in crate::protocols) fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(request) = self.asked.pop() {
            self.write(Some(&request), None, report);
            self.asked.recycle(request);
        }
    }
}

/// Bytes of parameters in a fragment, with padding before an authentication.
fn stub_len(header: &Header, fields: &Fields<'_>) -> u64 {
    let auth = if header.auth_len == 0 { 0 } else { usize::from(header.auth_len) + 8 };
    usize::from(header.len).saturating_sub(super::HEADER + fields.consumed() + auth) as u64
}

pub(super) fn write_syntax(syntax: &Syntax, event: &mut EventWriter<'_>) {
    event.text("uuid", names::printed(&syntax.uuid).as_bytes());
    event.text("version", format!("{}.{}", syntax.major, syntax.minor).as_bytes());
    if let Some(name) = names::interface(&syntax.uuid) {
        event.label("interface", name);
    }
}

/// How packets are protected, and what falls: what is not signed can be relayed.
fn write_auth(kind: u8, level: u8, event: &mut EventWriter<'_>) {
    event.object("auth");
    match names::auth(kind) {
        Some(name) => event.label("type", name),
        None => event.number("type", kind),
    };
    match names::level(level) {
        Some(name) => event.label("level", name),
        None => event.number("level", level),
    };
    event.close();
}
