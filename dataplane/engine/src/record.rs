//! Records: what the engine says, typed, in batches that are recycled.
//!
//! A [`Record`] is a fixed-size head with the flow's identity; its named values are a range of the batch's
//! [`Item`]s, and the text of those a range of the batch's bytes, so that writing a record allocates nothing once a
//! batch has been round the ring. Exporters turn records into EVE JSON and other formats away from the packet cores.

use core::ops::Range;

use wire::{FlowKey, Side, TunnelKind};

use crate::Classification;

/// Bytes of text that one event may hold; what is longer is cut and the event marked `truncated`.
pub const MAX_EVENT_TEXT: usize = 64 * 1024;
/// Values that one event may hold.
pub const MAX_EVENT_ITEMS: usize = 1024;

const RECORDS_PER_BATCH: usize = 128;
const TEXT_PER_BATCH: usize = 128 * 1024;

/// Which way bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Direction {
    /// From the client, who opened the flow.
    ToServer = 0,
    /// From the server.
    ToClient = 1,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }
}

/// The tunnel a flow was found in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TunnelIdentity {
    /// Kind of the innermost tunnel; [`TunnelKind::None`] without one.
    pub kind: TunnelKind,
    /// How many are nested.
    pub depth: u8,
    /// Id of the innermost, as it was in the flow's first packet.
    pub id: u32,
    /// Ends of the innermost, (source, destination) of the flow's first packet.
    pub outer: Option<(core::net::IpAddr, core::net::IpAddr)>,
}

/// Whose packets a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowIdentity {
    /// Flow id, unique among the flows of a run, below 2^53 so that JSON readers keep it exact.
    pub id: u64,
    /// Addresses, ports, protocol, VLANs.
    pub key: FlowKey,
    /// The side of the key that is the client.
    pub client: Side,
    /// Port or capture interface of the first packet.
    pub interface: u16,
    /// VLAN ids of the first packet, outermost first, 0 where there is none.
    pub vlans: [u16; 2],
    /// Type and code of the first ICMP message.
    pub icmp: Option<(u8, u8)>,
    /// Tunnel around it.
    pub tunnel: TunnelIdentity,
}

/// Why a flow's record was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EndReason {
    /// Nothing came for the timeout of its state.
    Timeout,
    /// TCP closed it (FIN both ways or RST), or its addresses were taken up by a new connection.
    Closed,
    /// The table was full and the eviction policy chose it.
    Evicted,
    /// The program ended.
    Shutdown,
}

impl EndReason {
    /// Name as EVE prints it in `flow.reason`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Evicted => "evicted",
            Self::Shutdown => "shutdown",
        }
    }
}

/// How far a flow came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FlowState {
    /// Packets one way only, or a handshake that did not end.
    New,
    /// Packets both ways.
    Established,
    /// TCP closed it.
    Closed,
}

impl FlowState {
    /// Name as EVE prints it in `flow.state`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Established => "established",
            Self::Closed => "closed",
        }
    }
}

/// A finished flow in numbers. Pairs are (to server, to client).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowSummary {
    /// Packets each way.
    pub packets: [u64; 2],
    /// Bytes of frames on the wire each way.
    pub bytes: [u64; 2],
    /// First packet, nanoseconds since the UNIX epoch.
    pub start_ns: u64,
    /// Last packet.
    pub end_ns: u64,
    /// How far it came.
    pub state: FlowState,
    /// Why it ended.
    pub reason: EndReason,
    /// All TCP control bits seen each way; none for other protocols.
    pub tcp_flags: Option<[u8; 2]>,
    /// The first packet seen was not the opening of the connection.
    pub midstream: bool,
    /// Bytes of a stream were missing or beyond the reassembly limits.
    pub gaps: bool,
    /// What it carried.
    pub class: Classification,
}

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// A flow ended.
    Flow(FlowSummary),
    /// A parser or detector saw something; the name is EVE's `event_type`.
    Event(&'static str),
}

/// One record; its values are items of the batch it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When, nanoseconds since the UNIX epoch.
    pub timestamp_ns: u64,
    /// Whose packets.
    pub flow: FlowIdentity,
    /// What.
    pub body: Body,
    items: Range<u32>,
}

/// One named value of an event. Objects and lists are flattened: an opening item, their members, a closing item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Item {
    /// Field name as EVE prints it; empty for members of a list and for closing items.
    pub name: &'static str,
    /// The value.
    pub value: Datum,
}

/// A value, or a mark in the flattened tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Datum {
    /// A whole number.
    Unsigned(u64),
    /// A whole number below zero, maybe.
    Signed(i64),
    /// A measure.
    Real(f64),
    /// True or false.
    Flag(bool),
    /// Text from the wire: bytes that should be UTF-8 (others are escaped at the edge). A range of the batch's text.
    Text(u32, u32),
    /// Text that the program itself holds.
    Static(&'static str),
    /// Bytes, printed as lower-case hexadecimal. A range of the batch's text.
    Hex(u32, u32),
    /// An address.
    Ip(core::net::IpAddr),
    /// A point in time, nanoseconds since the UNIX epoch, printed as EVE prints timestamps.
    Time(u64),
    /// Start of an object.
    Object,
    /// Start of a list.
    List,
    /// End of the innermost object or list.
    Close,
}

/// Records of one worker on their way to the exporters, with the storage they share.
#[derive(Debug, Default)]
pub struct RecordBatch {
    records: Vec<Record>,
    items: Vec<Item>,
    text: Vec<u8>,
}

impl RecordBatch {
    /// An empty batch with room for a usual fill.
    #[must_use]
    pub fn with_capacity() -> Self {
        Self {
            records: Vec::with_capacity(RECORDS_PER_BATCH + RECORDS_PER_BATCH / 2),
            items: Vec::with_capacity(8 * RECORDS_PER_BATCH),
            text: Vec::with_capacity(TEXT_PER_BATCH + MAX_EVENT_TEXT),
        }
    }

    /// Whether it is time to hand this batch on.
    #[must_use]
    #[inline]
    pub fn is_full(&self) -> bool {
        self.records.len() >= RECORDS_PER_BATCH || self.text.len() >= TEXT_PER_BATCH
    }

    /// Whether there is nothing in it.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The records, in the order they were written.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The named values of one record of this batch, flattened.
    #[must_use]
    pub fn items(&self, record: &Record) -> &[Item] {
        self.items.get(record.items.start as usize..record.items.end as usize).unwrap_or_default()
    }

    /// The bytes of a [`Datum::Text`] or [`Datum::Hex`] of this batch; empty for other values.
    #[must_use]
    pub fn text(&self, value: Datum) -> &[u8] {
        match value {
            Datum::Text(start, end) | Datum::Hex(start, end) => {
                self.text.get(start as usize..end as usize).unwrap_or_default()
            }
            Datum::Static(text) => text.as_bytes(),
            _ => &[],
        }
    }

    /// Forgets the records and keeps the storage.
    pub fn clear(&mut self) {
        self.records.clear();
        self.items.clear();
        self.text.clear();
    }

    /// Appends a flow's summary.
    pub fn push_flow(&mut self, timestamp_ns: u64, flow: FlowIdentity, summary: FlowSummary) {
        let at = position(self.items.len());
        self.records.push(Record { timestamp_ns, flow, body: Body::Flow(summary), items: at..at });
    }

    /// Starts an event of EVE type `kind`; it is complete when the writer is dropped.
    pub fn event(&mut self, timestamp_ns: u64, flow: FlowIdentity, kind: &'static str) -> EventWriter<'_> {
        let at = position(self.items.len());
        self.records.push(Record { timestamp_ns, flow, body: Body::Event(kind), items: at..at });
        EventWriter {
            items_start: self.items.len(),
            text_start: self.text.len(),
            open: 0,
            cut: false,
            batch: self,
        }
    }
}

/// Adds the values of one event, in order.
#[derive(Debug)]
pub struct EventWriter<'a> {
    batch: &'a mut RecordBatch,
    items_start: usize,
    text_start: usize,
    open: u16,
    cut: bool,
}

impl EventWriter<'_> {
    /// Adds text as it was on the wire.
    pub fn text(&mut self, name: &'static str, bytes: &[u8]) -> &mut Self {
        let (start, end) = self.store(bytes);
        self.push(name, Datum::Text(start, end))
    }

    /// Adds text that the program itself holds.
    pub fn label(&mut self, name: &'static str, text: &'static str) -> &mut Self {
        self.push(name, Datum::Static(text))
    }

    /// Adds bytes, to be printed as lower-case hexadecimal.
    pub fn hex(&mut self, name: &'static str, bytes: &[u8]) -> &mut Self {
        let (start, end) = self.store(bytes);
        self.push(name, Datum::Hex(start, end))
    }

    /// Adds a whole number.
    pub fn number(&mut self, name: &'static str, value: impl Into<u64>) -> &mut Self {
        self.push(name, Datum::Unsigned(value.into()))
    }

    /// Adds a value of any other kind; not for [`Datum::Text`], [`Datum::Hex`], and the marks of the tree.
    pub fn datum(&mut self, name: &'static str, value: Datum) -> &mut Self {
        match value {
            Datum::Text(..) | Datum::Hex(..) | Datum::Object | Datum::List | Datum::Close => self,
            plain => self.push(name, plain),
        }
    }

    /// Adds true or false.
    pub fn flag(&mut self, name: &'static str, value: bool) -> &mut Self {
        self.push(name, Datum::Flag(value))
    }

    /// Says that the session can be read by anybody, as the object `crypto` of other sessions says what they negotiated.
    pub fn cleartext(&mut self) -> &mut Self {
        self.object("crypto").label("class", "cleartext").close()
    }

    /// Opens an object; what is added until [`EventWriter::close`] is in it.
    pub fn object(&mut self, name: &'static str) -> &mut Self {
        self.open(name, Datum::Object)
    }

    /// Opens a list; what is added until [`EventWriter::close`] is in it, with empty names.
    pub fn list(&mut self, name: &'static str) -> &mut Self {
        self.open(name, Datum::List)
    }

    /// Closes the innermost object or list.
    pub fn close(&mut self) -> &mut Self {
        if self.open > 0 {
            self.open -= 1;
            self.batch.items.push(Item { name: "", value: Datum::Close });
        }
        self
    }

    fn open(&mut self, name: &'static str, mark: Datum) -> &mut Self {
        // Opened even past the limit, so that the caller's `close` closes what it opened.
        self.open += 1;
        self.batch.items.push(Item { name, value: mark });
        self
    }

    fn push(&mut self, name: &'static str, value: Datum) -> &mut Self {
        if self.batch.items.len() - self.items_start < MAX_EVENT_ITEMS {
            self.batch.items.push(Item { name, value });
        } else {
            self.cut = true;
        }
        self
    }

    fn store(&mut self, bytes: &[u8]) -> (u32, u32) {
        let room = MAX_EVENT_TEXT.saturating_sub(self.batch.text.len() - self.text_start);
        let kept = bytes.get(..room).unwrap_or(bytes);
        self.cut |= kept.len() < bytes.len();
        let start = position(self.batch.text.len());
        append(&mut self.batch.text, kept);
        (start, position(self.batch.text.len()))
    }
}

/// Appends bytes. Names and most values are short: those are copied by lengths that the compiler knows, without a call.
#[inline]
pub fn append(out: &mut Vec<u8>, bytes: &[u8]) {
    match bytes.len() {
        0..2 => out.extend(bytes.first()),
        2..4 => append_ends::<2>(out, bytes),
        4..8 => append_ends::<4>(out, bytes),
        8..16 => append_ends::<8>(out, bytes),
        16..=32 => append_ends::<16>(out, bytes),
        _ => out.extend_from_slice(bytes),
    }
}

/// Appends `N` to `2 * N` bytes: the first `N`, and over the end of those the last.
#[inline]
fn append_ends<const N: usize>(out: &mut Vec<u8>, bytes: &[u8]) {
    let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) else { return };
    let end = out.len() + bytes.len();
    out.extend_from_slice(first);
    out.truncate(end.saturating_sub(N));
    out.extend_from_slice(last);
}

impl Drop for EventWriter<'_> {
    fn drop(&mut self) {
        while self.open > 0 {
            self.close();
        }
        if self.cut {
            self.batch.items.push(Item { name: "truncated", value: Datum::Flag(true) });
        }
        let end = position(self.batch.items.len());
        if let Some(record) = self.batch.records.last_mut() {
            record.items.end = end;
        }
    }
}

/// A batch is handed on long before 4 GiB of text or items.
fn position(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
