//! Datagrams: the distributed hash table (BEP 5), trackers (BEP 15), local discovery (BEP 14), µTP (BEP 29).

use super::bencode::{self, Value};
use super::handshake::{self, Handshake};
use crate::protocols::framed::Cursor;
use crate::protocols::kept::{Quota, write_text};
use crate::protocols::{Found, Input, Output, Parser, Probe, Progress};
use crate::record::Direction;

/// Messages of one flow that are written one by one.
const MESSAGES_MAX: u16 = 32;
/// The number that opens a connection to a tracker.
const TRACKER: u64 = 0x0417_2710_1980;
const SEARCH: &[u8] = b"BT-SEARCH * HTTP/1.";
/// Bytes of a header of µTP.
const UTP_HEAD: usize = 20;

/// Whether a datagram is one of these, by itself.
pub(super) fn probe(probe: &Probe<'_>) -> Found {
    let bytes = probe.payload;
    match bytes.first() {
        Some(b'd') if Krpc::read(bytes).is_some() => Found::Yes,
        Some(b'B') if bytes.starts_with(SEARCH) => Found::Yes,
        Some(0) if bytes.len() == 16 && tracker_opens(bytes) => Found::Yes,
        Some(1) if utp_payload(bytes).is_some_and(|payload| payload.starts_with(handshake::MAGIC)) => {
            Found::Yes
        }
        Some(1) => utp_goes_on(probe),
        _ => Found::No,
    }
}

/// Whether a datagram goes on with what an earlier one of its direction began: the same connection, later by less than a
/// minute of its sender's microseconds, with numbers that moved on by no more than a window.
fn utp_goes_on(probe: &Probe<'_>) -> Found {
    let Some(this) = UtpHead::read(probe.payload) else { return Found::No };
    let mut found = Found::Maybe;
    for earlier in probe.earlier.iter().filter(|earlier| earlier.from == probe.from) {
        match UtpHead::read(earlier.bytes) {
            Some(earlier) if this.follows(&earlier) => found = Found::Likely(90),
            _ => return Found::No,
        }
    }
    found
}

/// The fixed header of µTP (BEP 29, "header format").
#[derive(Clone, Copy, Debug)]
struct UtpHead {
    connection: u16,
    microseconds: u32,
    window: u32,
    sequence: u16,
    acknowledged: u16,
}

impl UtpHead {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let (first, extension, connection) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
        let (microseconds, _difference, window) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
        let (sequence, acknowledged) = (cursor.u16()?, cursor.u16()?);
        let is_sound = first & 0xf == 1 && first >> 4 <= 4 && extension <= 2 && connection != 0;
        // A window is memory of the receiver: of nothing, or of a packet up to some megabytes.
        let has_window = window == 0 || (128..=1 << 26).contains(&window);
        (is_sound && has_window).then_some(Self { connection, microseconds, window, sequence, acknowledged })
    }

    const fn follows(&self, earlier: &Self) -> bool {
        let later = self.microseconds.wrapping_sub(earlier.microseconds);
        self.connection == earlier.connection
            && later != 0
            && later < 60_000_000
            && (self.window == 0) == (earlier.window == 0)
            && self.sequence.wrapping_sub(earlier.sequence) < 256
            && self.acknowledged.wrapping_sub(earlier.acknowledged) < 256
    }
}

fn tracker_opens(bytes: &[u8]) -> bool {
    let mut cursor = Cursor::new(bytes);
    cursor.array().map(|magic| u64::from_be_bytes(*magic)) == Some(TRACKER) && cursor.u32() == Some(0)
}

/// A message of the hash table: a dictionary with the kind of message, and what belongs to that.
#[derive(Clone, Copy, Debug)]
struct Krpc<'a> {
    kind: u8,
    query: &'a [u8],
    /// Arguments, or return values.
    inside: &'a [u8],
    version: &'a [u8],
}

impl<'a> Krpc<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let top = bencode::dictionary(bytes)?;
        let mut krpc = Self { kind: 0, query: &[], inside: &[], version: &[] };
        let mut has_transaction = false;
        for (key, value) in bencode::entries(top) {
            match (key, value) {
                (b"y", Value::Text([kind @ (b'q' | b'r' | b'e')])) => krpc.kind = *kind,
                (b"q", Value::Text(query)) => krpc.query = query,
                (b"a" | b"r", Value::Dictionary(inside)) => krpc.inside = inside,
                (b"t", Value::Text(_)) => has_transaction = true,
                (b"v", Value::Text(version)) => krpc.version = version,
                _ => {}
            }
        }
        let has_id = bencode::text(krpc.inside, b"id").is_some_and(|id| id.len() == 20);
        let is_sound = match krpc.kind {
            b'q' => !krpc.query.is_empty() && has_id,
            b'r' => has_id,
            b'e' => true,
            _ => false,
        };
        (is_sound && has_transaction).then_some(krpc)
    }
}

/// What is behind the header of µTP, of version 1 and without malformed extensions.
fn utp_payload(bytes: &[u8]) -> Option<&[u8]> {
    let [first, extension, ..] = *bytes.first_chunk::<UTP_HEAD>()?;
    if first & 0xf != 1 || first >> 4 > 4 {
        return None;
    }
    let mut cursor = Cursor::new(bytes.get(UTP_HEAD..)?);
    let mut next = extension;
    for _ in 0..4 {
        if next == 0 {
            return Some(cursor.rest());
        }
        next = cursor.u8()?;
        let len = cursor.u8()?;
        cursor.take(len.into())?;
    }
    None
}

/// What a flow is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Unknown,
    Table,
    Tracker,
    Utp,
}

/// BitTorrent's datagrams on one flow.
#[derive(Debug)]
pub(super) struct Datagrams {
    kind: Kind,
    quota: Quota,
    is_utp_told: bool,
    has_handshake: [bool; 2],
}

impl Default for Datagrams {
    fn default() -> Self {
        Self {
            kind: Kind::Unknown,
            quota: Quota::new(MESSAGES_MAX),
            is_utp_told: false,
            has_handshake: [false; 2],
        }
    }
}

impl Datagrams {
    fn table(&mut self, krpc: &Krpc<'_>, from: Direction, out: &mut Output<'_>) {
        if !self.quota.take() {
            return;
        }
        let mut event = out.event("bittorrent");
        event.label("type", "dht").label("from", sender(from));
        event.label(
            "message",
            match krpc.kind {
                b'q' => "query",
                b'r' => "response",
                _ => "error",
            },
        );
        write_text("query", krpc.query, 32, &mut event);
        for (name, key) in [("node_id", &b"id"[..]), ("info_hash", b"info_hash"), ("target", b"target")] {
            if let Some(id) = bencode::text(krpc.inside, key).filter(|id| id.len() == 20) {
                event.hex(name, id);
            }
        }
        if let Some(Value::Number(port)) = bencode::find(krpc.inside, b"port") {
            event.number("port", port);
        }
        if let Some(nodes) = bencode::text(krpc.inside, b"nodes") {
            event.number("nodes", (nodes.len() / 26) as u64);
        }
        if !krpc.version.is_empty() {
            event.hex("version", krpc.version.get(..8).unwrap_or(krpc.version));
        }
    }

    fn tracker(&mut self, bytes: &[u8], from: Direction, out: &mut Output<'_>) -> Option<()> {
        let mut cursor = Cursor::new(bytes);
        let is_request = from == Direction::ToServer;
        if is_request {
            cursor.take(8)?;
        }
        let (action, _transaction) = (cursor.u32()?, cursor.u32()?);
        if !self.quota.take() {
            return Some(());
        }
        let mut event = out.event("bittorrent");
        event.label("type", "tracker").label("from", sender(from));
        event.label(
            "action",
            match action {
                0 => "connect",
                1 => "announce",
                2 => "scrape",
                3 => "error",
                _ => "unknown",
            },
        );
        match (action, is_request) {
            (1, true) => {
                event.hex("info_hash", cursor.take(20)?).hex("peer_id", cursor.take(20)?);
                cursor.take(24)?;
                event.label(
                    "event",
                    match cursor.u32()? {
                        1 => "completed",
                        2 => "started",
                        3 => "stopped",
                        _ => "none",
                    },
                );
                cursor.take(12)?;
                event.number("port", cursor.u16()?);
            }
            (1, false) => {
                let (interval, leechers, seeders) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
                event.number("interval", interval).number("leechers", leechers).number("seeders", seeders);
            }
            (2, true) => {
                event.hex("info_hash", cursor.take(20)?);
            }
            (3, false) => write_text("message", cursor.rest(), 128, &mut event),
            _ => {}
        }
        Some(())
    }

    fn search(&mut self, bytes: &[u8], out: &mut Output<'_>) {
        if !self.quota.take() {
            return;
        }
        let mut event = out.event("bittorrent");
        event.label("type", "local_discovery");
        let hashes = bytes.split(|byte| *byte == b'\n').filter_map(|line| {
            let (name, value) = line.split_at_checked(line.iter().position(|byte| *byte == b':')?)?;
            name.eq_ignore_ascii_case(b"Infohash").then(|| value.get(1..).unwrap_or_default().trim_ascii())
        });
        event.list("info_hashes");
        for hash in hashes.filter(|hash| hash.len() == 40).take(16) {
            event.text("", hash);
        }
        event.close();
    }

    fn utp(&mut self, bytes: &[u8], from: Direction, out: &mut Output<'_>) {
        let Some(payload) = utp_payload(bytes) else { return };
        if !core::mem::replace(&mut self.is_utp_told, true) {
            out.event("bittorrent").label("type", "utp");
        }
        let [to_server, to_client] = &mut self.has_handshake;
        let seen = if from == Direction::ToServer { to_server } else { to_client };
        if let Some(read) = Handshake::read(payload).filter(|_| !*seen) {
            *seen = true;
            let mut event = out.event("bittorrent");
            event.label("type", "handshake").label("from", sender(from)).hex("info_hash", &read.hash);
            read.write(&mut event);
        }
    }
}

const fn sender(from: Direction) -> &'static str {
    match from {
        Direction::ToServer => "client",
        Direction::ToClient => "server",
    }
}

impl Parser for Datagrams {
    fn reset(&mut self) {
        *self = Self::default();
    }

    fn read(&mut self, input: Input<'_>, out: &mut Output<'_>) -> Progress {
        let (bytes, from) = (input.bytes, input.from);
        if bytes.starts_with(SEARCH) {
            self.search(bytes, out);
        } else if let Some(krpc) =
            bytes.first().filter(|first| **first == b'd').and_then(|_| Krpc::read(bytes))
        {
            self.kind = Kind::Table;
            self.table(&krpc, from, out);
        } else if self.kind == Kind::Tracker || bytes.len() == 16 && tracker_opens(bytes) {
            self.kind = Kind::Tracker;
            let _ = self.tracker(bytes, from, out);
        } else if self.kind != Kind::Table {
            self.kind = Kind::Utp;
            self.utp(bytes, from, out);
        }
        Progress::all(&input)
    }
}
