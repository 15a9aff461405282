//! Datagrams: a prefix of request number, place, count and zeros, then text (doc/protocol.txt, "UDP protocol").

use super::text::{Answer, Request};
use crate::protocols::framed::Cursor;
use crate::protocols::kept::{Quota, write_text};
use crate::protocols::{Found, Input, Output, Parser, Progress};
use crate::record::Direction;

/// Datagrams of one flow that are written one by one.
const DATAGRAMS_MAX: u16 = 32;

/// The prefix, and the text behind it.
fn split(bytes: &[u8]) -> Option<(u16, u16, &[u8])> {
    let mut cursor = Cursor::new(bytes);
    let (_request, place, count, reserved) = (cursor.u16()?, cursor.u16()?, cursor.u16()?, cursor.u16()?);
    (reserved == 0 && place < count).then_some((place, count, cursor.rest()))
}

fn first_line(text: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr(b'\n', text.get(..512).unwrap_or(text))?;
    text.get(..end)?.strip_suffix(b"\r")
}

/// Whether a datagram has the prefix and a command or an answer behind it.
pub(super) fn probe(bytes: &[u8]) -> Found {
    match split(bytes).and_then(|(place, _, text)| Some((place, first_line(text)?))) {
        Some((0, line)) if Request::read(line).is_some() || answers(line) => Found::Likely(98),
        _ => Found::No,
    }
}

/// Numbers alone say too little.
fn answers(line: &[u8]) -> bool {
    !line.first().is_none_or(u8::is_ascii_digit) && Answer::read(line).is_some()
}

/// memcached over datagrams on one flow.
#[derive(Debug)]
pub(super) struct Datagrams {
    quota: Quota,
    count: [u64; 2],
    bytes: [u64; 2],
}

impl Default for Datagrams {
    fn default() -> Self {
        Self { quota: Quota::new(DATAGRAMS_MAX), count: [0; 2], bytes: [0; 2] }
    }
}

impl Parser for Datagrams {
    fn reset(&mut self) {
        *self = Self::default();
    }

    fn read(&mut self, input: Input<'_>, out: &mut Output<'_>) -> Progress {
        let side = input.from as usize;
        for (counts, more) in [(&mut self.count, 1), (&mut self.bytes, input.bytes.len() as u64)] {
            if let Some(count) = counts.get_mut(side) {
                *count = count.saturating_add(more);
            }
        }
        let Some((0, count, text)) = split(input.bytes) else { return Progress::all(&input) };
        let Some(line) = first_line(text) else { return Progress::all(&input) };
        if input.from == Direction::ToServer {
            if let Some(request) = Request::read(line).filter(|_| self.quota.take()) {
                let mut event = out.event("memcached");
                event.label("type", "command").label("protocol", "text").label("command", request.command);
                write_text("key", request.key, 96, &mut event);
            }
        } else if answers(line) && self.quota.take() {
            let word = line.split(|byte| *byte == b' ').next().unwrap_or(line);
            let mut event = out.event("memcached");
            event
                .label("type", "answer")
                .label("protocol", "text")
                .text("result", word)
                .number("datagrams", count);
        }
        Progress::all(&input)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        // Small questions with large answers are what floods are made of.
        if self.bytes[1] > 10 * self.bytes[0].max(1) {
            let mut event = out.event("memcached");
            event.label("type", "amplification");
            event.number("bytes_toserver", self.bytes[0]).number("bytes_toclient", self.bytes[1]);
        }
    }
}
