//! Reads the handshake of one connection.

use core::ops::Range;

use super::event::{self, Seen};
use super::frames::{Frame, Framing, frames};
use super::google;
use super::header::{Kind, Long};
use super::keys::InitialKeys;
use super::stream::CryptoStream;
use super::version::{Dialect, Version};
use crate::protocols::tls::fingerprint::Transport;
use crate::protocols::tls::{Handshake, Protection};
use crate::protocols::{Input, Output, Parser, Progress};
use crate::record::Direction;

/// One connection.
#[derive(Debug)]
pub(super) struct QuicParser {
    seen: Seen,
    handshake: Handshake,
    streams: [CryptoStream; 2],
    keys: Option<InitialKeys>,
    /// Who sent the packet that the keys come from.
    client: Option<Direction>,
    /// Derivations of keys so far.
    derivations: u8,
    /// A datagram of the side whose keys are not known yet, and which way it went.
    unopened: Option<Direction>,
    held: Vec<u8>,
    space: Vec<u8>,
    text: Vec<u8>,
    datagrams: u8,
    is_written: bool,
}

impl Default for QuicParser {
    fn default() -> Self {
        Self {
            seen: Seen::default(),
            handshake: Handshake::new(Transport::Quic),
            streams: Default::default(),
            keys: None,
            client: None,
            derivations: 0,
            unopened: None,
            held: Vec::new(),
            space: Vec::new(),
            text: Vec::new(),
            datagrams: 0,
            is_written: false,
        }
    }
}

impl Parser for QuicParser {
    fn reset(&mut self) {
        self.seen.reset();
        self.handshake.reset();
        self.streams.iter_mut().for_each(CryptoStream::reset);
        self.keys = None;
        self.client = None;
        self.derivations = 0;
        self.unopened = None;
        for space in [&mut self.held, &mut self.space, &mut self.text] {
            space.clear();
            space.shrink_to(KEPT_CAPACITY);
        }
        self.datagrams = 0;
        self.is_written = false;
    }

    fn read(&mut self, input: Input<'_>, out: &mut Output<'_>) -> Progress {
        if self.is_written {
            return Progress::done();
        }
        self.datagrams = self.datagrams.saturating_add(1);
        self.datagram(input.bytes, input.from);
        if self.is_settled() {
            self.write(out);
            return Progress::done();
        }
        Progress::all(&input)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.write(out);
    }
}

impl QuicParser {
    fn is_settled(&self) -> bool {
        self.datagrams >= MOST_DATAGRAMS
            || self.seen.is_google_settled(self.datagrams)
            || (self.handshake.has_hello() && self.handshake.is_settled())
    }

    fn write(&mut self, out: &mut Output<'_>) {
        if self.is_written {
            return;
        }
        self.is_written = true;
        for (stream, from) in self.streams.iter().zip([Direction::ToServer, Direction::ToClient]) {
            if let Some(message) = stream.cut_message().filter(|message| message.kind == CLIENT_HELLO) {
                self.handshake.cut_client_hello(message.body, from);
                self.seen.client_hello(message.body);
            }
        }
        if let Some(service) = self.handshake.service() {
            out.service(service);
        }
        event::write(&self.seen, &mut self.handshake, &mut self.text, &mut out.event("quic"));
    }

    fn datagram(&mut self, bytes: &[u8], from: Direction) {
        let Some(first) = bytes.first() else { return };
        if first & 0x80 == 0 {
            return self.short_or_public(bytes, from);
        }
        let mut rest = bytes;
        for _ in 0..MOST_COALESCED {
            // What the capture cut off cannot be opened, but the header still says what it is.
            let Some(long) = Long::parse(rest, usize::from(u16::MAX)) else {
                let is_short = rest.first().is_some_and(|first| first & 0xc0 == 0x40);
                if is_short && rest.len() < bytes.len() {
                    self.handshake.record(from, Protection::Sealed);
                }
                return;
            };
            self.long(&long, rest, from);
            rest = long.rest;
            if rest.is_empty() {
                return;
            }
        }
    }

    /// A packet with a short header, or one of Google's with a public header.
    fn short_or_public(&mut self, bytes: &[u8], from: Direction) {
        if let Some(version) = google::public_version(bytes) {
            self.seen.version(version);
        }
        let is_googles =
            self.seen.version.is_none_or(|version| version.dialect() == Some(Dialect::GoogleOpen));
        if !is_googles {
            self.handshake.record(from, Protection::Sealed);
        } else if let Some(message) = google::Message::find(bytes) {
            self.seen.google_message(&message);
        }
    }

    fn long(&mut self, long: &Long<'_>, rest: &[u8], from: Direction) {
        match long.kind {
            Kind::Negotiation => return self.seen.negotiation(long),
            Kind::Google => {
                if let Some(message) = google::Message::find(long.body()) {
                    self.seen.google_message(&message);
                }
            }
            Kind::Initial => self.initial(long, rest, from),
            Kind::ZeroRtt => self.seen.has_early_data = true,
            Kind::Handshake => self.handshake.record(from, Protection::Sealed),
            Kind::Retry => self.seen.has_retry = true,
        }
        self.seen.version(long.version);
        self.seen.connection_ids(long);
    }

    fn initial(&mut self, long: &Long<'_>, rest: &[u8], from: Direction) {
        let mut space = core::mem::take(&mut self.space);
        let opened = self.open(long, from, &mut space);
        let content = opened.and_then(|range| space.get(range));
        if let Some(content) = content {
            self.content(long.version, content, from);
        }
        let is_opened = content.is_some();
        self.space = space;
        if is_opened {
            return self.open_held();
        }
        // The server's first packet overtook the client's: it is kept until its keys are known.
        if self.keys.is_none() && self.unopened.is_none() && rest.len() <= MOST_HELD {
            self.held.clear();
            self.held.extend_from_slice(rest);
            self.unopened = Some(from);
        }
    }

    /// Reads the datagram that came before its keys were known.
    fn open_held(&mut self) {
        if let Some(from) = self.unopened.take() {
            let held = core::mem::take(&mut self.held);
            self.datagram(&held, from);
            self.held = held;
        }
    }

    /// Opens a packet with the keys that are known, or with those that it stands for itself; says where in `space`
    /// its frames are.
    fn open(&mut self, long: &Long<'_>, from: Direction, space: &mut Vec<u8>) -> Option<Range<usize>> {
        if let (Some(keys), Some(client)) = (&self.keys, self.client) {
            let side = if from == client { &keys.client } else { &keys.server };
            let opened = side.open(long, space);
            if opened.is_some() || from != client || keys.is_of(long.version, long.destination) {
                return opened;
            }
        }
        // A first packet, or the one after a Retry (RFC 9001 5.2) or a Negotiation.
        let is_made_up = self.keys.is_some() && long.version.is_forcing_negotiation();
        if is_made_up || self.derivations >= MOST_DERIVATIONS {
            return None;
        }
        self.derivations += 1;
        let keys = InitialKeys::derive(long.version, long.destination)?;
        let opened = keys.client.open(long, space)?;
        if self.keys.as_ref().is_some_and(|other| !other.is_of_version(long.version)) {
            // The server refused the first version: the handshake begins anew.
            self.handshake.reset();
            self.streams.iter_mut().for_each(CryptoStream::reset);
        }
        self.keys = Some(keys);
        self.client = Some(from);
        Some(opened)
    }

    /// Reads the frames of an opened packet.
    fn content(&mut self, version: Version, content: &[u8], from: Direction) {
        self.handshake.record(from, Protection::Open);
        let framing = match version.dialect() {
            Some(Dialect::GoogleSealed | Dialect::GoogleTls) => Framing::Google,
            _ => Framing::Ietf,
        };
        let Some(stream) = self.streams.get_mut(from as usize) else { return };
        for frame in frames(content, framing) {
            match frame {
                Frame::Crypto { offset, content } => stream.insert(offset, content),
                Frame::Close { error } => self.seen.close = Some((from, error)),
            }
        }
        if version.dialect() == Some(Dialect::GoogleSealed) {
            if let Some(message) = google::Message::parse(stream.start()) {
                self.seen.google_message(&message);
            }
            return;
        }
        while let Some(message) = stream.next_message() {
            if message.kind == CLIENT_HELLO {
                self.seen.version = Some(version);
                self.seen.client_hello(message.body);
            }
            self.handshake.message(message.kind, message.body, from);
        }
    }
}

/// Handshake type of a ClientHello (RFC 8446 4).
const CLIENT_HELLO: u8 = 1;
/// Datagrams after which nothing more of the handshake is waited for.
const MOST_DATAGRAMS: u8 = 32;
/// Packets of one datagram that are looked at.
const MOST_COALESCED: usize = 8;
/// Derivations of keys for one connection: the first, after a Negotiation, after a Retry, and some that fail.
const MOST_DERIVATIONS: u8 = 8;
/// Bytes of the datagram that is held until it can be opened.
const MOST_HELD: usize = 2048;
/// Bytes that the parser keeps between connections for each purpose.
const KEPT_CAPACITY: usize = 2048;
