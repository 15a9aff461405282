//! Reads the frames of a connection.

use super::super::probe::PREFACE;
use super::event;
use super::frame::{self, Frame};
use super::hpack::Decoder;
use super::stream::Stream;
use super::table::LARGEST;
use crate::protocols::Found;
use crate::protocols::framed::{Framing, Message, Messages, Next, Report, two_messages};
use crate::record::Direction;

/// Exchanges that may be open; of more, the oldest are told as they are.
const STREAMS_MAX: usize = 128;
/// Bytes of one field block.
const BLOCK_MAX: usize = 64 * 1024;
/// SETTINGS_HEADER_TABLE_SIZE.
const TABLE_SIZE: u16 = 1;

/// A field block that goes on in the next frame.
#[derive(Debug, Default)]
struct Block {
    bytes: Vec<u8>,
    stream: u32,
    promised: Option<u32>,
    ends_stream: bool,
    is_open: bool,
}

/// One direction.
#[derive(Debug, Default)]
struct Lane {
    decoder: Decoder,
    block: Block,
}

/// HTTP/2 on one flow.
#[derive(Debug, Default)]
pub(super) struct Http2 {
    lanes: [Lane; 2],
    has_preface: bool,
    is_lost: bool,
    streams: Vec<Stream>,
    spare: Vec<Stream>,
    is_refined: bool,
    has_goaway: bool,
}

impl Http2 {
    const fn lane(&mut self, from: Direction) -> &mut Lane {
        let [to_server, to_client] = &mut self.lanes;
        match from {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        }
    }

    /// The exchange with this number; a new one is made for it.
    fn stream(&mut self, id: u32, report: &mut Report<'_, '_>) -> &mut Stream {
        let at = match self.streams.iter().position(|stream| stream.id == id) {
            Some(at) => at,
            None => {
                if self.streams.len() >= STREAMS_MAX {
                    let oldest = self.streams.remove(0);
                    self.tell(oldest, report);
                }
                let mut stream = self.spare.pop().unwrap_or_default();
                stream.id = id;
                self.streams.push(stream);
                self.streams.len() - 1
            }
        };
        // One was pushed if there was none.
        #[expect(clippy::indexing_slicing, reason = "the place was found or made just now")]
        &mut self.streams[at]
    }

    fn tell(&mut self, mut stream: Stream, report: &mut Report<'_, '_>) {
        if stream.has_request || stream.status != 0 {
            if stream.is_grpc && !core::mem::replace(&mut self.is_refined, true) {
                report.refine("grpc", 99);
            }
            event::write(&stream, &mut report.event("http"));
        }
        stream.clear();
        if self.spare.len() < STREAMS_MAX {
            self.spare.push(stream);
        }
    }

    /// The exchange ended.
    fn end(&mut self, id: u32, report: &mut Report<'_, '_>) {
        if let Some(at) = self.streams.iter().position(|stream| stream.id == id) {
            let stream = self.streams.remove(at);
            self.tell(stream, report);
        }
    }

    fn frame(
        &mut self,
        frame: Frame<'_>,
        from: Direction,
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        let is_open = self.lane(from).block.is_open;
        if is_open && (frame.kind != frame::CONTINUATION || frame.stream != self.lane(from).block.stream) {
            // Nothing may come between the pieces of a block (RFC 9113, 6.10).
            self.lane(from).block.is_open = false;
            self.lane(from).decoder.is_lost = true;
            return Err("interrupted_field_block");
        }
        match frame.kind {
            frame::HEADERS | frame::PUSH_PROMISE => return self.begin_block(frame, from, report),
            frame::CONTINUATION if is_open => return self.go_on(frame, from, report),
            frame::DATA => self.data(frame, from, report),
            frame::SETTINGS => {
                for (id, value) in frame.settings() {
                    if id == TABLE_SIZE {
                        let limit = usize::try_from(value).unwrap_or(usize::MAX).min(LARGEST);
                        self.lane(from.reversed()).decoder.table.limit = limit;
                    }
                }
            }
            frame::RST_STREAM => {
                if let Some(code) = frame.payload.first_chunk::<4>()
                    && let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == frame.stream)
                {
                    stream.error = Some(u32::from_be_bytes(*code));
                    self.end(frame.stream, report);
                }
            }
            frame::GOAWAY => self.goaway(frame, from, report),
            _ => {}
        }
        Ok(())
    }

    fn goaway(&mut self, frame: Frame<'_>, from: Direction, report: &mut Report<'_, '_>) {
        let code =
            frame.payload.get(4..8).and_then(<[u8]>::first_chunk::<4>).map(|code| u32::from_be_bytes(*code));
        let Some(code) = code.filter(|code| *code != 0) else { return };
        if !core::mem::replace(&mut self.has_goaway, true) {
            let mut event = report.event("http2");
            event
                .label("type", "goaway")
                .label("from", if from == Direction::ToServer { "client" } else { "server" });
            event.label("error", frame::error(code));
        }
    }

    fn data(&mut self, frame: Frame<'_>, from: Direction, report: &mut Report<'_, '_>) {
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == frame.stream) {
            let length = match from {
                Direction::ToServer => &mut stream.request_length,
                Direction::ToClient => &mut stream.response_length,
            };
            *length = length.saturating_add(frame.len.into());
        }
        if frame.ends_stream() && from == Direction::ToClient {
            self.end(frame.stream, report);
        }
    }

    fn begin_block(
        &mut self,
        frame: Frame<'_>,
        from: Direction,
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        let lane = self.lane(from);
        let fragment = frame.fragment().filter(|_| frame.is_whole());
        let Some((promised, fragment)) = fragment else {
            lane.decoder.is_lost = true;
            return Err("malformed_headers");
        };
        lane.block.bytes.clear();
        lane.block.bytes.extend_from_slice(fragment);
        (lane.block.stream, lane.block.promised) = (frame.stream, promised);
        lane.block.ends_stream = frame.ends_stream();
        lane.block.is_open = !frame.ends_headers();
        if frame.ends_headers() { self.block(from, report) } else { Ok(()) }
    }

    fn go_on(
        &mut self,
        frame: Frame<'_>,
        from: Direction,
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        let lane = self.lane(from);
        if !frame.is_whole() || lane.block.bytes.len() + frame.payload.len() > BLOCK_MAX {
            lane.block.is_open = false;
            lane.decoder.is_lost = true;
            return Err("field_block_too_long");
        }
        lane.block.bytes.extend_from_slice(frame.payload);
        if frame.ends_headers() {
            lane.block.is_open = false;
            return self.block(from, report);
        }
        Ok(())
    }

    /// A field block is there as a whole.
    fn block(&mut self, from: Direction, report: &mut Report<'_, '_>) -> Result<(), &'static str> {
        let lane = self.lane(from);
        let mut decoder = core::mem::take(&mut lane.decoder);
        let bytes = core::mem::take(&mut lane.block.bytes);
        let (id, promised, ends) = (lane.block.stream, lane.block.promised, lane.block.ends_stream);
        let stream = self.stream(promised.unwrap_or(id), report);
        let is_request = from == Direction::ToServer || promised.is_some();
        let was_lost = decoder.is_lost;
        let result = if is_request {
            stream.is_promised |= promised.is_some();
            stream.has_request |= !was_lost;
            decoder.block(&bytes, |name, value| stream.request_field(name, value))
        } else {
            decoder.block(&bytes, |name, value| stream.response_field(name, value))
        };
        let lane = self.lane(from);
        lane.decoder = decoder;
        lane.block.bytes = bytes;
        lane.block.bytes.clear();
        lane.block.bytes.shrink_to(frame::SHOWN_MAX);
        if ends && from == Direction::ToClient {
            self.end(id, report);
        }
        result.map_err(|_| "malformed_field_block")
    }
}

impl Messages for Http2 {
    const NAME: &'static str = "http2";

    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        if from == Direction::ToServer && !self.has_preface && !self.is_lost {
            if bytes.starts_with(PREFACE) {
                return Framing::whole(PREFACE.len());
            }
            return if PREFACE.starts_with(bytes) { Framing::Open } else { Framing::Invalid("no_preface") };
        }
        frame::framing(bytes)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        if message.from == Direction::ToServer && !self.has_preface && message.bytes.starts_with(PREFACE) {
            self.has_preface = true;
            return Ok(Next::More);
        }
        let frame = Frame::read(message.bytes).ok_or("truncated_data")?;
        self.frame(frame, message.from, report)?;
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], from: Direction) -> Found {
        if from == Direction::ToServer && bytes.starts_with(PREFACE) {
            return Found::Yes;
        }
        two_messages(bytes, |bytes| match (frame::framing(bytes), bytes.get(3)) {
            // Frames of extensions, and long ones, say too little.
            (Framing::Message { len, .. }, Some(0..=9)) if len <= 16_384 + frame::HEAD => {
                frame::framing(bytes)
            }
            (Framing::Open, _) => Framing::Open,
            _ => Framing::Invalid("lost"),
        })
    }

    fn lost(&mut self, from: Direction) {
        self.is_lost |= from == Direction::ToServer;
        let lane = self.lane(from);
        lane.decoder.is_lost = true;
        lane.block.is_open = false;
    }

    fn clear(&mut self) {
        for lane in &mut self.lanes {
            lane.decoder.clear();
            lane.block.bytes.clear();
            lane.block.is_open = false;
        }
        while let Some(mut stream) = self.streams.pop() {
            stream.clear();
            if self.spare.len() < STREAMS_MAX {
                self.spare.push(stream);
            }
        }
        (self.has_preface, self.is_lost, self.is_refined, self.has_goaway) = (false, false, false, false);
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while !self.streams.is_empty() {
            let stream = self.streams.remove(0);
            self.tell(stream, report);
        }
    }
}
