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
        let frames = frames(&self.burst, |meta| meta.interface);
        let mut verdicts = [Verdict::Forward; BURST];
        self.engine.process(&frames, &mut verdicts, &mut self.batch);
        self.burst.len()
    }
}

/// Lends the packets of a burst to the engine, on the interface that `interface_of` says.
#[inline]
pub(crate) fn frames<B: PacketBuf>(
    burst: &Burst<B>,
    interface_of: impl Fn(&PacketMeta) -> u16,
) -> ArrayVec<Frame<'_>, BURST> {
    burst
        .bufs()
        .iter()
        .zip(burst.metas())
        .map(|(buf, meta)| Frame {
            bytes: buf.bytes(),
            wire_len: meta.wire_len,
            timestamp_ns: meta.timestamp_ns,
            link: LinkType::from_linktype(meta.link.linktype()),
            interface: interface_of(meta),
            checksums_good: meta.link.checksums() == ChecksumOffload::Good,
        })
        .collect()
}
