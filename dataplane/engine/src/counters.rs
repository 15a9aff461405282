use std::sync::atomic::{AtomicU64, Ordering};

use wire::Malformed;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What an engine counts besides malformed packets, whose reasons have counters of their own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Counter { $($(#[$doc])* $name,)* }

        impl Counter {
            /// Every counter, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Name in metrics and `stats` records; dots group.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

counters! {
    /// Frames given to the engine.
    Received = "packets.received",
    /// Their bytes on the wire.
    ReceivedBytes = "bytes.received",
    /// Frames accounted to a flow.
    Processed = "packets.processed",
    /// Frames of which a datagram is being put together (a level, not a sum).
    DefragHeld = "defrag.held",
    /// Frames that were for the appliance itself and ended there.
    Consumed = "packets.consumed",
    /// Frames that were counted as processed and dropped after all; their drops have reasons as others have.
    DroppedLater = "packets.dropped_later",
    /// Frames dropped because a rule says so, or no rule lets them pass.
    DropPolicy = "drop.policy",
    /// Frames dropped because the flow table was full and eviction was refused.
    DropFlowTableFull = "drop.flow_table_full",
    /// Fragments dropped because their datagram was not complete in time.
    DropDefragIncomplete = "drop.defrag_incomplete",
    /// Fragments dropped because of the limits on datagrams, fragments or bytes.
    DropDefragLimit = "drop.defrag_limit",
    /// Fragments dropped because they contradict their datagram.
    DropDefragInvalid = "drop.defrag_invalid",
    /// Datagrams put together.
    DefragCompleted = "defrag.completed",
    /// Flows begun.
    FlowsCreated = "flow.created",
    /// Flows tracked now (a level, not a sum).
    FlowsActive = "flow.active",
    /// Flows ended by silence.
    FlowsTimedOut = "flow.ended.timeout",
    /// Flows ended by TCP.
    FlowsClosed = "flow.ended.closed",
    /// Flows that gave way because the table was full.
    FlowsEvicted = "flow.ended.evicted",
    /// Flows ended because the program ended.
    FlowsShutdown = "flow.ended.shutdown",
    /// Flows begun without their opening.
    FlowsMidstream = "flow.midstream",
    /// Flows whose payload was not looked at because every inspection was in use.
    InspectionsExhausted = "stream.inspections_exhausted",
    /// Out-of-order segments held for a while.
    SegmentsOutOfOrder = "stream.out_of_order",
    /// Segments, or parts, that had been seen before.
    SegmentsRepeated = "stream.repeated",
    /// Segments that said something else about bytes seen before.
    SegmentsConflicting = "stream.overlap_conflict",
    /// Places of streams that were skipped because bytes never came.
    StreamGaps = "stream.gaps",
    /// Segments that could not be held because of a limit.
    StreamLimit = "stream.limit",
    /// Payload bytes shown to parsers.
    InspectedBytes = "stream.inspected_bytes",
    /// Flows whose protocol was recognised.
    FlowsClassified = "flow.classified",
    /// Settled flows whose packets are counted where they come in, and no longer here.
    ShuntsBegun = "shunt.begun",
    /// Flows that are shunted now (a level, not a sum).
    ShuntsActive = "shunt.active",
    /// Times a flow was not shunted because of the limits on how many are.
    ShuntsRefused = "shunt.refused",
    /// Flows that the port cannot shunt: the engine goes on counting them.
    ShuntsUnsupported = "shunt.unsupported",
    /// Packets of shunted flows that ended, as they were counted elsewhere.
    ShuntPackets = "shunt.packets",
    /// Their bytes on the wire.
    ShuntBytes = "shunt.bytes",
    /// Frames sealed.
    Sealed = "tunnel.sealed",
    /// Their bytes before.
    SealedBytes = "tunnel.sealed_bytes",
    /// Frames opened.
    Opened = "tunnel.opened",
    /// Their bytes after.
    OpenedBytes = "tunnel.opened_bytes",
    /// Dummy packets sent, probes among them.
    DummiesSent = "tunnel.dummies_sent",
    /// Dummy packets received.
    DummiesReceived = "tunnel.dummies_received",
    /// Keep-alives of translators received.
    KeepAlives = "tunnel.keep_alives",
    /// Frames handed to the worker that has their key.
    HandedOver = "tunnel.handed_over",
    /// Segments whose MSS was lowered.
    MssClamped = "tunnel.mss_clamped",
    /// Senders told that their packet is too big.
    TooBigAnswers = "tunnel.too_big_answers",
    /// Fragments made of packets that were too big.
    FragmentsMade = "tunnel.fragments_made",
    /// Questions for link-layer addresses sent.
    NeighboursAsked = "tunnel.neighbours_asked",
    /// Answers about our addresses sent.
    NeighboursAnswered = "tunnel.neighbours_answered",
    /// Peers that moved.
    PeersMoved = "tunnel.peers_moved",
    /// Frames let through in the clear because there is no key and their rule says so.
    PassedKeyless = "tunnel.passed_keyless",
    /// Frames of the key exchange, and ICMP, handed to the kernel.
    ExceptionIn = "tunnel.exception_in",
    /// Packets of the kernel sent outside.
    ExceptionOut = "tunnel.exception_out",
    /// Packets of the kernel that were not: not the key exchange's, or nobody answers for where they go.
    ExceptionRefused = "tunnel.exception_refused",
    /// Not sealed: no key is installed, or up.
    DropSealNoSa = "drop.seal_no_sa",
    /// Not sealed: the key has reached its hard limit of packets or time.
    DropSealLimit = "drop.seal_limit",
    /// Not sealed: no peer has their addresses behind it.
    DropSealNoPeer = "drop.seal_no_peer",
    /// Not sealed: not a sound IP packet.
    DropSealMalformed = "drop.seal_malformed",
    /// Not sealed: not between the prefixes of the peer.
    DropSealNotSelected = "drop.seal_not_selected",
    /// Not sealed: larger than the path takes.
    DropSealTooBig = "drop.seal_too_big",
    /// Not sealed: no room in the buffer, or no buffer for fragments.
    DropSealNoRoom = "drop.seal_no_room",
    /// The link-layer address of the next hop is not known (yet).
    DropNoNeighbour = "drop.no_neighbour",
    /// In the clear from outside although it has to be sealed.
    DropClear = "drop.clear_from_outside",
    /// Without IP, or neighbour discovery, which go to neither side.
    DropLinkFrame = "drop.link_frame",
    /// For the kernel, which took no more, or ICMP above its rate.
    DropExceptionFull = "drop.exception_full",
    /// The worker that has their key took no more.
    DropHandoverFull = "drop.handover_full",
    /// Fragment of a sealed packet.
    DropOpenFragment = "drop.open_fragment",
    /// Sealed, with malformed outer headers or too short.
    DropOpenMalformed = "drop.open_malformed",
    /// Sealed with a key of a name that is not known.
    DropOpenUnknownSpi = "drop.open_unknown_spi",
    /// Sealed, and seen before.
    DropOpenReplayed = "drop.open_replayed",
    /// Sealed, and older than the replay window.
    DropOpenTooOld = "drop.open_too_old",
    /// Sealed, and not authentic.
    DropOpenNotAuthentic = "drop.open_not_authentic",
    /// Opened, with wrong padding.
    DropOpenBadPadding = "drop.open_bad_padding",
    /// Opened, and of a protocol that the key is not for.
    DropOpenWrongFraming = "drop.open_wrong_framing",
    /// Opened, and malformed.
    DropOpenMalformedInner = "drop.open_malformed_inner",
    /// Opened, and not between the prefixes of the peer.
    DropOpenNotSelected = "drop.open_not_selected",
    /// Opened, and congestion marked on traffic that cannot say so.
    DropOpenCongestion = "drop.open_congestion",
}

const MALFORMED_START: usize = Counter::ALL.len();
const CELLS: usize = MALFORMED_START + Malformed::ALL.len();

/// Counters of one worker: one writer, any number of readers.
#[derive(Debug)]
pub struct Counters {
    cells: [AtomicU64; CELLS],
}

impl Default for Counters {
    fn default() -> Self {
        Self { cells: [const { AtomicU64::new(0) }; CELLS] }
    }
}

impl Counters {
    /// Adds to a counter: a plain load, add and store, because there is one writer.
    #[inline]
    pub fn add(&self, counter: Counter, count: u64) {
        self.bump(counter as usize, count);
    }

    /// Lowers a level.
    #[inline]
    pub fn lower(&self, counter: Counter, count: u64) {
        self.bump(counter as usize, count.wrapping_neg());
    }

    /// Counts a frame that could not be read.
    #[inline]
    pub fn malformed(&self, reason: Malformed) {
        self.bump(MALFORMED_START + reason as usize, 1);
    }

    /// Value of a counter.
    #[must_use]
    pub fn value(&self, counter: Counter) -> u64 {
        self.cell(counter as usize)
    }

    /// Frames dropped, all reasons together.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.drops().map(|(_, count)| count).sum()
    }

    /// Every drop reason with its count, zeros included.
    pub fn drops(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let own = Counter::ALL.iter().filter_map(|&counter| {
            counter.name().strip_prefix("drop.").map(|reason| (reason, self.value(counter)))
        });
        let malformed = Malformed::ALL
            .iter()
            .map(|&reason| (reason.name(), self.cell(MALFORMED_START + reason as usize)));
        own.chain(malformed)
    }

    /// Every counter with its name and value; drop reasons are under `drop.`.
    pub fn all(&self) -> impl Iterator<Item = (CounterName, u64)> + '_ {
        let own = Counter::ALL
            .iter()
            .map(|&counter| (CounterName { prefix: "", name: counter.name() }, self.value(counter)));
        let malformed = Malformed::ALL.iter().map(|&reason| {
            let name = CounterName { prefix: "drop.", name: reason.name() };
            (name, self.cell(MALFORMED_START + reason as usize))
        });
        own.chain(malformed)
    }

    fn cell(&self, index: usize) -> u64 {
        self.cells.get(index).map_or(0, |cell| cell.load(Ordering::Relaxed))
    }

    #[inline]
    fn bump(&self, index: usize, count: u64) {
        if let Some(cell) = self.cells.get(index) {
            cell.store(cell.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
        }
    }
}

/// Name of a counter as metrics print it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterName {
    prefix: &'static str,
    name: &'static str,
}

impl core::fmt::Display for CounterName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.prefix)?;
        f.write_str(self.name)
    }
}
