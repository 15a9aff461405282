//! Reads the two directions of a connection, pairs requests with responses and writes `http` events.

use memchr::memchr;

use super::event;
use super::field::{FIELD_MAX, FieldLine, field_line};
use super::framing::{Body, chunk_size};
use super::lane::{Lane, PEEK_MAX, Peek, Phase};
use super::message::{Anomaly, Kept, Message, Method, Role, Upgrade};
use super::pending::Pending;
use super::start_line::{
    Beginning, beginning, is_known_method, request_line, status_line, trim_blanks, without_cr,
};
use super::{credentials, service};
use crate::protocols::{Input, Output, Parser, Progress, Then};
use crate::record::Direction;

/// Longest start line read; of a longer one the beginning counts.
const START_MAX: usize = FIELD_MAX;
/// Longest line of a chunk's size with its extensions.
const CHUNK_LINE_MAX: usize = 4 * 1024;
/// `anomaly` events of one flow.
const ANOMALIES_MAX: u8 = 8;

/// What reading a piece led to.
enum Step {
    /// So many bytes were read; there may be more to do.
    Took(usize),
    /// More bytes are needed.
    Wait,
    /// So many bytes of body come, here or later.
    Body(u64),
    /// So many bytes were read, and the parser is through with this direction or the flow.
    Leave(usize, Then),
}

/// HTTP/1 on one connection.
#[derive(Debug, Default)]
pub(super) struct HttpParser {
    lanes: [Lane; 2],
    /// Where requests come from, once a start line was seen. In midstream the flow table may have guessed wrong.
    client: Option<Direction>,
    pending: Pending,
    scratch: Vec<u8>,
    service: Option<&'static str>,
    refined: bool,
    anomalies: u8,
}

impl Parser for HttpParser {
    fn reset(&mut self) {
        for lane in &mut self.lanes {
            lane.clear();
        }
        self.client = None;
        self.pending.clear();
        self.scratch.clear();
        self.scratch.shrink_to(FIELD_MAX);
        self.service = None;
        self.refined = false;
        self.anomalies = 0;
    }

    fn read(&mut self, input: Input<'_>, out: &mut Output<'_>) -> Progress {
        if input.after_gap {
            self.lose(input.from, out);
        }
        let mut at = 0;
        loop {
            let rest = input.bytes.get(at..).unwrap_or_default();
            match self.step(input.from, rest, out) {
                Step::Took(read) => at += read,
                Step::Wait => return Progress::read(at),
                Step::Body(length) => {
                    let here = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
                    at += here;
                    let beyond = length - here as u64;
                    if beyond > 0 {
                        return Progress { consumed: at, then: Then::Skip(beyond) };
                    }
                }
                Step::Leave(read, then) => return Progress { consumed: at + read, then },
            }
        }
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        if let Some(client) = self.client {
            if self.lane(client).message.is_begun() {
                self.queue_request(client, out);
            }
            if self.lane(client.reversed()).message.is_begun() {
                self.answer(client.reversed(), out);
            }
        }
        self.flush(out);
    }
}

impl HttpParser {
    fn lane(&mut self, from: Direction) -> &mut Lane {
        let [to_server, to_client] = &mut self.lanes;
        match from {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        }
    }

    fn step(&mut self, from: Direction, bytes: &[u8], out: &mut Output<'_>) -> Step {
        match self.lane(from).phase {
            Phase::Start => self.start_line(from, bytes, out),
            Phase::Fields => self.fields(from, bytes, out),
            Phase::LineRest => self.line_rest(from, bytes),
            Phase::Length(length) => self.body(from, bytes, length, Phase::Start, out),
            Phase::Chunk(length) => self.body(from, bytes, length, Phase::ChunkEnd, out),
            Phase::ChunkSize => self.chunk_size(from, bytes, out),
            Phase::ChunkEnd => self.chunk_end(from, bytes, out),
            Phase::Trailers => self.trailers(from, bytes),
            Phase::UntilClose | Phase::Ended => {
                self.lane(from).enter(Phase::Ended);
                Step::Leave(bytes.len(), Then::DirectionDone)
            }
            Phase::Held => Step::Wait,
            Phase::Lost { left, within_line } => self.look_for_start(from, bytes, left, within_line),
        }
    }

    fn start_line(&mut self, from: Direction, bytes: &[u8], out: &mut Output<'_>) -> Step {
        let lane = self.lane(from);
        let window = bytes.get(..START_MAX).unwrap_or(bytes);
        let Some(end) = window.get(lane.scanned..).and_then(|rest| memchr(b'\n', rest)) else {
            lane.scanned = window.len();
            return self.open_start_line(from, window, out);
        };
        let end = end + lane.scanned;
        lane.scanned = 0;
        let line = without_cr(window.get(..end).unwrap_or_default());
        if line.is_empty() {
            return Step::Took(end + 1);
        }
        if let Some(status) = status_line(line)
            && self.is_role(from, Role::Response)
        {
            self.lane(from).message.begin_response(status.status, status.version);
        } else if let Some(request) = request_line(line)
            && self.is_role(from, Role::Request)
        {
            let message = &mut self.lane(from).message;
            message.begin_request(request.method, request.target, request.version);
            if !is_known_method(request.method) {
                message.anomalies.add(Anomaly::UnknownMethod);
            }
        } else {
            return self.not_http(from, out);
        }
        self.lane(from).enter(Phase::Fields);
        Step::Took(end + 1)
    }

    /// A start line whose end is not there, or too far away. `bytes` are [`START_MAX`] at most.
    fn open_start_line(&mut self, from: Direction, bytes: &[u8], out: &mut Output<'_>) -> Step {
        if bytes.is_empty() || bytes == b"\r" {
            return Step::Wait;
        }
        match beginning(bytes) {
            Beginning::Other => self.not_http(from, out),
            Beginning::Open | Beginning::Request if bytes.len() < START_MAX => Step::Wait,
            Beginning::Open => self.not_http(from, out),
            Beginning::Request if !self.is_role(from, Role::Request) => self.not_http(from, out),
            Beginning::Request => {
                let blank = memchr(b' ', bytes).unwrap_or_default();
                let (method, target) = bytes.split_at_checked(blank).unwrap_or_default();
                let lane = self.lane(from);
                // Its version is beyond what is read, and only decides what is odd.
                lane.message.begin_request(method, trim_blanks(target), Default::default());
                lane.message.anomalies.add(Anomaly::TooLong);
                lane.enter(Phase::LineRest);
                Step::Took(bytes.len())
            }
        }
    }

    /// Whether `from` may send messages of `role`; the first message says which side is which.
    fn is_role(&mut self, from: Direction, role: Role) -> bool {
        let client = match role {
            Role::Request => from,
            Role::Response => from.reversed(),
        };
        *self.client.get_or_insert(client) == client
    }

    fn not_http(&mut self, from: Direction, out: &mut Output<'_>) -> Step {
        if self.client.is_none() {
            return Step::Leave(0, Then::NotMine);
        }
        if self.client == Some(from) && self.pending.may_change_protocol() {
            // The other protocol, begun before the server agreed to it.
            self.lane(from).enter(Phase::Held);
            return Step::Wait;
        }
        self.anomaly("invalid_start_line", out);
        self.lane(from).enter(Phase::lost());
        Step::Took(0)
    }

    fn fields(&mut self, from: Direction, bytes: &[u8], out: &mut Output<'_>) -> Step {
        let mut scratch = core::mem::take(&mut self.scratch);
        let lane = self.lane(from);
        let mut at = 0;
        let step = loop {
            let rest = bytes.get(at..).unwrap_or_default();
            match field_line(rest, &mut lane.scanned) {
                FieldLine::Field(length) => {
                    add_field(&mut lane.message, rest.get(..length).unwrap_or(rest), &mut scratch);
                    at += length;
                }
                FieldLine::TooLong => {
                    lane.message.anomalies.add(Anomaly::TooLong);
                    add_field(&mut lane.message, rest.get(..FIELD_MAX).unwrap_or(rest), &mut scratch);
                    lane.enter(Phase::LineRest);
                    break Some(Step::Took(at + FIELD_MAX));
                }
                FieldLine::Open if at > 0 => break Some(Step::Took(at)),
                FieldLine::Open => break Some(Step::Wait),
                FieldLine::End(length) => {
                    at += length;
                    break None;
                }
            }
        };
        self.scratch = scratch;
        step.unwrap_or_else(|| self.head_done(from, at, out))
    }

    fn line_rest(&mut self, from: Direction, bytes: &[u8]) -> Step {
        match memchr(b'\n', bytes) {
            Some(end) => {
                self.lane(from).enter(Phase::Fields);
                Step::Took(end + 1)
            }
            None if bytes.is_empty() => Step::Wait,
            None => Step::Took(bytes.len()),
        }
    }

    fn head_done(&mut self, from: Direction, read: usize, out: &mut Output<'_>) -> Step {
        self.lane(from).message.finish_head();
        if self.client == Some(from) {
            self.request_done(from, out);
            return Step::Took(read);
        }
        match self.response_done(from, out) {
            Some(then) => Step::Leave(read, then),
            None => Step::Took(read),
        }
    }

    fn request_done(&mut self, from: Direction, out: &mut Output<'_>) {
        let lane = self.lane(from);
        let message = &lane.message;
        let content_type = message.text(Kept::ContentType);
        lane.peek = match () {
            () if credentials::is_form(content_type) => Some(Peek::Form),
            () if message.service.is_none() && service::is_told_by_body(content_type) => Some(Peek::Service),
            () => None,
        };
        let (connect, to_proxy) = (message.method == Method::Connect, message.is_to_proxy());
        let (mut service, mut body) = (message.service, message.framing.request_body());
        let has_no_length = body == Body::None && message.framing.length.is_none();
        if has_no_length && service::is_source(message.text(Kept::Method), content_type) {
            body = Body::UntilClose;
            service = service.or(Some(service::of_source()));
        }
        lane.enter(if connect { Phase::Held } else { phase_of(body) });
        if let Some(service) = service {
            self.name_service(service, out);
        }
        if to_proxy && !connect && !self.refined {
            self.refined = true;
            out.refine("http_proxy", 90);
        }
        self.queue_request(from, out);
    }

    /// Moves the request just read to those that wait for a response.
    fn queue_request(&mut self, from: Direction, out: &mut Output<'_>) {
        let [to_server, to_client] = &mut self.lanes;
        let lane = match from {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        };
        self.pending.push(&mut lane.message);
        while let Some(oldest) = self.pending.pop_excess() {
            event::write(Some(&oldest), None, &mut self.scratch, out);
            self.pending.recycle(oldest);
        }
    }

    /// A response's head is complete.
    fn response_done(&mut self, from: Direction, out: &mut Output<'_>) -> Option<Then> {
        let lane = self.lane(from);
        let (status, framing, upgrade) = (lane.message.status, lane.message.framing, lane.message.upgrade);
        if matches!(status, 100 | 102..=199) {
            // Interim: the final response comes after it (RFC 9110, 15.2).
            lane.message.clear();
            lane.enter(Phase::Start);
            return None;
        }
        let (method, asked) = self.answer(from, out);
        if status == 101 {
            self.flush(out);
            return Some(self.switched(if upgrade == Upgrade::None { asked } else { upgrade }, out));
        }
        if method == Method::Connect && (200..=299).contains(&status) {
            self.refined = true;
            out.refine("http_connect", 99);
            self.flush(out);
            return Some(Then::Upgrade);
        }
        if !self.pending.may_change_protocol() {
            self.release(from.reversed());
        }
        self.lane(from).enter(phase_of(framing.response_body(status, method == Method::Head)));
        None
    }

    /// The server agreed to another protocol.
    fn switched(&mut self, to: Upgrade, out: &mut Output<'_>) -> Then {
        self.refined = true;
        match to {
            Upgrade::WebSocket => out.refine("websocket", 99),
            Upgrade::Http2 => out.refine("http2", 99),
            Upgrade::None | Upgrade::Other => {}
        }
        Then::Upgrade
    }

    /// Goes on with a direction that waited for the server to agree to another protocol, which it did not.
    fn release(&mut self, client: Direction) {
        let lane = self.lane(client);
        if lane.phase == Phase::Held {
            lane.enter(Phase::Start);
        }
    }

    /// Writes the event of the response just read and the request it belongs to. Gives what the request asked for.
    fn answer(&mut self, from: Direction, out: &mut Output<'_>) -> (Method, Upgrade) {
        let request = self.pending.pop();
        let mut response = core::mem::take(&mut self.lane(from).message);
        if request.is_none() {
            response.anomalies.add(Anomaly::Unmatched);
        }
        if let Some(service) = response.service {
            self.name_service(service, out);
        }
        event::write(request.as_ref(), Some(&response), &mut self.scratch, out);
        response.clear();
        self.lane(from).message = response;
        let Some(request) = request else { return Default::default() };
        let asked = (request.method, request.upgrade);
        self.pending.recycle(request);
        asked
    }

    fn name_service(&mut self, service: &'static str, out: &mut Output<'_>) {
        if self.service.is_none() {
            self.service = Some(service);
            out.service(service);
        }
    }

    fn body(
        &mut self,
        from: Direction,
        bytes: &[u8],
        length: u64,
        next: Phase,
        out: &mut Output<'_>,
    ) -> Step {
        if let Some(peek) = self.lane(from).peek {
            let wanted = usize::try_from(length).unwrap_or(usize::MAX).min(PEEK_MAX);
            let Some(start) = bytes.get(..wanted) else { return Step::Wait };
            self.lane(from).peek = None;
            self.look_at_body(peek, start, out);
        }
        self.lane(from).enter(next);
        Step::Body(length)
    }

    fn look_at_body(&mut self, peek: Peek, start: &[u8], out: &mut Output<'_>) {
        match peek {
            Peek::Service => {
                if let Some(service) = service::of_body(start) {
                    self.name_service(service, out);
                }
            }
            Peek::Form => {
                if let Some(request) = self.pending.newest_mut()
                    && request.credentials.is_none()
                {
                    request.credentials = credentials::form(start);
                }
            }
        }
    }

    fn chunk_size(&mut self, from: Direction, bytes: &[u8], out: &mut Output<'_>) -> Step {
        let lane = self.lane(from);
        let window = bytes.get(..CHUNK_LINE_MAX).unwrap_or(bytes);
        let Some(end) = window.get(lane.scanned..).and_then(|rest| memchr(b'\n', rest)) else {
            lane.scanned = window.len();
            return if bytes.len() < CHUNK_LINE_MAX { Step::Wait } else { self.invalid_chunk(from, out) };
        };
        let end = end + lane.scanned;
        match chunk_size(window.get(..end).unwrap_or_default()) {
            None => return self.invalid_chunk(from, out),
            Some(0) => lane.enter(Phase::Trailers),
            Some(length) => lane.enter(Phase::Chunk(length)),
        }
        Step::Took(end + 1)
    }

    fn chunk_end(&mut self, from: Direction, bytes: &[u8], out: &mut Output<'_>) -> Step {
        let length = match bytes {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            [] | [b'\r'] => return Step::Wait,
            _ => return self.invalid_chunk(from, out),
        };
        self.lane(from).enter(Phase::ChunkSize);
        Step::Took(length)
    }

    fn invalid_chunk(&mut self, from: Direction, out: &mut Output<'_>) -> Step {
        let name = if self.client == Some(from) {
            "invalid_request_chunk_len"
        } else {
            "invalid_response_chunk_len"
        };
        self.anomaly(name, out);
        self.lane(from).enter(Phase::lost());
        Step::Took(0)
    }

    fn trailers(&mut self, from: Direction, bytes: &[u8]) -> Step {
        let lane = self.lane(from);
        match field_line(bytes, &mut lane.scanned) {
            FieldLine::End(length) => {
                lane.enter(Phase::Start);
                Step::Took(length)
            }
            FieldLine::Field(length) => Step::Took(length),
            FieldLine::TooLong => Step::Took(FIELD_MAX),
            FieldLine::Open => Step::Wait,
        }
    }

    fn look_for_start(&mut self, from: Direction, bytes: &[u8], left: u32, within_line: bool) -> Step {
        if bytes.is_empty() {
            return Step::Wait;
        }
        let lane = self.lane(from);
        let window = bytes.get(..START_MAX).unwrap_or(bytes);
        let (length, ended) = match window.get(lane.scanned..).and_then(|rest| memchr(b'\n', rest)) {
            Some(end) => (end + lane.scanned + 1, true),
            None if window.len() < START_MAX => {
                lane.scanned = window.len();
                return Step::Wait;
            }
            None => (START_MAX, false),
        };
        let line = window.get(..length - usize::from(ended)).unwrap_or_default();
        if ended && !within_line && self.is_start(from, line) {
            self.lane(from).enter(Phase::Start);
            return Step::Took(0);
        }
        let left = left.saturating_sub(u32::try_from(length).unwrap_or(u32::MAX));
        let phase = if left == 0 { Phase::Ended } else { Phase::Lost { left, within_line: !ended } };
        self.lane(from).enter(phase);
        Step::Took(length)
    }

    /// Whether a line, met after the place was lost, starts a message of the kind this side sends.
    fn is_start(&self, from: Direction, line: &[u8]) -> bool {
        let request =
            || request_line(without_cr(line)).is_some_and(|request| is_known_method(request.method));
        match self.client {
            Some(client) if client == from => request(),
            Some(_) => status_line(without_cr(line)).is_some(),
            None => status_line(without_cr(line)).is_some() || request(),
        }
    }

    /// Bytes are missing: what is half read of this direction is written as far as it is known.
    fn lose(&mut self, from: Direction, out: &mut Output<'_>) {
        if self.client == Some(from) && self.lane(from).message.is_begun() {
            self.queue_request(from, out);
        } else if self.client == Some(from.reversed()) {
            if self.lane(from).message.is_begun() {
                self.answer(from, out);
            }
            // Responses are missing: which request the next one belongs to is not known.
            self.flush(out);
            self.release(from.reversed());
        }
        let lane = self.lane(from);
        lane.message.clear();
        lane.peek = None;
        if !matches!(lane.phase, Phase::UntilClose | Phase::Ended) {
            lane.enter(Phase::lost());
        }
    }

    /// Writes the requests that got no response.
    fn flush(&mut self, out: &mut Output<'_>) {
        while let Some(request) = self.pending.pop() {
            event::write(Some(&request), None, &mut self.scratch, out);
            self.pending.recycle(request);
        }
    }

    fn anomaly(&mut self, name: &'static str, out: &mut Output<'_>) {
        if self.anomalies < ANOMALIES_MAX {
            self.anomalies += 1;
            out.event("anomaly").label("app_proto", "http").label("type", "applayer").label("event", name);
        }
    }
}

const fn phase_of(body: Body) -> Phase {
    match body {
        Body::None => Phase::Start,
        Body::Length(length) => Phase::Length(length),
        Body::Chunked => Phase::ChunkSize,
        Body::UntilClose => Phase::UntilClose,
    }
}

/// Takes a field line in, with its line end and continuation lines, which count as blanks (RFC 9112, 5.2).
fn add_field(message: &mut Message, line: &[u8], scratch: &mut Vec<u8>) {
    let line = line.trim_ascii_end();
    if matches!(line.first(), Some(b' ' | b'\t')) {
        // It goes on with nothing, or with what was too long: passed over (RFC 9112, 2.2).
        message.anomalies.add(Anomaly::Folded);
        return;
    }
    if memchr(b'\n', line).is_none() {
        message.add_field(line);
        return;
    }
    message.anomalies.add(Anomaly::Folded);
    scratch.clear();
    scratch.extend(line.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }));
    message.add_field(scratch);
}
