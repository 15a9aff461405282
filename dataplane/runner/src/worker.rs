//! One worker: the path of a packet, step by step.

use arrayvec::ArrayVec;
use engine::{Engine, Frame, MAX_BURST, RecordBatch, Verdict};
use packet_io::{BURST, Burst, ChecksumOffload, PacketBuf, PacketIo, PacketMeta};
use wire::LinkType;

const _: () = assert!(BURST <= MAX_BURST, "the engine takes a whole burst");

/// A queue pair, the engine that reads it, and the records on their way out.
#[derive(Debug)]
pub(crate) struct Worker<Io: PacketIo> {
    pub(crate) io: Io,
    pub(crate) engine: Engine,
    pub(crate) batch: RecordBatch,
    burst: Burst<Io::Buf>,
}

impl<Io: PacketIo> Worker<Io> {
    pub(crate) fn new(io: Io, engine: Engine) -> Self {
        Self { io, engine, batch: RecordBatch::with_capacity(), burst: Burst::new() }
    }

    /// Takes one burst from receive to act; gives how many packets it had.
    #[inline]
    pub(crate) fn turn(&mut self) -> usize {
        self.burst.clear();
        self.io.receive(&mut self.burst);
        if self.burst.is_empty() {
            return 0;
        }
        let frames: ArrayVec<Frame<'_>, BURST> = self
            .burst
            .bufs()
            .iter()
            .zip(self.burst.metas())
            .map(|(buf, meta)| frame(buf.bytes(), meta))
            .collect();
        let mut verdicts = [Verdict::Forward; BURST];
        self.engine.process(&frames, &mut verdicts, &mut self.batch);
        self.burst.len()
    }
}

/// Lends a packet to the engine.
#[inline]
pub(crate) fn frame<'a>(bytes: &'a [u8], meta: &PacketMeta) -> Frame<'a> {
    Frame {
        bytes,
        wire_len: meta.wire_len,
        timestamp_ns: meta.timestamp_ns,
        link: LinkType::from_linktype(meta.link_type),
        interface: meta.interface,
        checksums_good: meta.checksums == ChecksumOffload::Good,
    }
}
