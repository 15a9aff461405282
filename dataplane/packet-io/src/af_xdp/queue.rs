use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::buf::{AfXdpBuf, Framed, HEADROOM, TAILROOM};
use super::frames::{Frames, Memory};
use super::socket::{self, Socket};
use crate::{BURST, Burst, IoStats, Link, PacketBuf, PacketIo, PacketMeta};

/// The queue pair of one worker: an AF_XDP socket.
#[derive(Debug)]
pub struct AfXdpQueue {
    // First: the socket is closed before its memory goes.
    socket: Socket,
    memory: Arc<Memory>,
    plain: PacketMeta,
    stats: IoStats,
    counters: Arc<Counters>,
    /// Frames in the transmit and completion rings.
    sending: u32,
    /// Entries of the fill ring that the kernel has used for sure: one for each that came in the receive ring. What it has
    /// consumed stands in a line of memory that it writes, and asking for it takes that line away from it.
    fillable: u32,
    pieces: Pieces,
    is_busy_polling: bool,
}

/// A packet that comes in several frames.
#[derive(Debug)]
struct Pieces {
    /// Longest packet that is put together; 0 where none may come.
    most: usize,
    /// What has come of it, behind the room that a packet has before it; empty between two packets.
    bytes: Vec<u8>,
    /// The rest of the packet is dropped: it is too long.
    is_dropping: bool,
    is_open: bool,
}

/// Frames that go back to the kernel at once: less often is cheaper, and the ring is long enough.
const REFILL: u32 = 32;
/// Calls in a row to have the kernel send what is left.
const MOST_KICKS: u32 = 8;
/// Longest packet that is put together from pieces, bytes.
const MOST_JOINED: usize = 65_536 + 22;

impl AfXdpQueue {
    pub(super) fn new(
        socket: Socket,
        memory: Arc<Memory>,
        interface: u16,
        in_pieces: bool,
        is_busy_polling: bool,
    ) -> Self {
        let most = if in_pieces { MOST_JOINED } else { 0 };
        let mut queue = Self {
            socket,
            memory,
            plain: PacketMeta { link: Link::ETHERNET, interface, ..PacketMeta::default() },
            stats: IoStats::default(),
            counters: Arc::default(),
            sending: 0,
            fillable: 0,
            pieces: Pieces { most, bytes: Vec::new(), is_dropping: false, is_open: false },
            is_busy_polling,
        };
        queue.fillable = queue.socket.fill.room();
        queue.refill(1);
        queue
    }

    /// What the queue counts, for another thread, while the socket is open or a copy of it.
    pub(super) fn meter(&self) -> std::io::Result<Meter> {
        Ok(Meter { counters: Arc::clone(&self.counters), fd: self.socket.fd.try_clone()? })
    }

    /// Whether the driver writes packets where the worker reads them.
    #[must_use]
    pub fn is_zero_copy(&self) -> bool {
        self.socket.is_zero_copy
    }

    /// A packet of its own to be sent, none where it is longer than a frame or no frame is free.
    #[must_use]
    pub fn packet(&self, bytes: &[u8]) -> Option<AfXdpBuf> {
        let frames = self.memory.frames();
        if bytes.len() > frames.size() as usize {
            return None;
        }
        let mut taken = [0];
        if frames.take(&mut taken) == 0 {
            return None;
        }
        let [frame] = taken;
        copy_into(frames, frame, bytes);
        frames.lend(1);
        Some(AfXdpBuf::framed(frames, frames.address(frame), u32::try_from(bytes.len()).ok()?))
    }

    /// Gives the kernel free frames, where it has room for at least `least`.
    #[inline]
    fn refill(&mut self, least: u32) {
        if self.fillable < least {
            return;
        }
        let frames = self.memory.frames();
        let mut taken = [0; BURST];
        while self.fillable > 0 {
            let wanted = BURST.min(self.fillable as usize);
            let count = frames.take(taken.get_mut(..wanted).unwrap_or_default());
            for &frame in taken.iter().take(count) {
                self.socket.fill.write(frames.address(frame));
            }
            self.fillable -= u32::try_from(count).unwrap_or(self.fillable);
            if count < wanted {
                break;
            }
        }
        self.socket.fill.publish();
    }

    /// Takes back the frames that were sent.
    #[inline]
    fn reclaim(&mut self) {
        if self.sending == 0 {
            return;
        }
        let done = self.socket.completion.available();
        let frames = self.memory.frames();
        for at in 0..done {
            if let Some(frame) = frames.frame_at(self.socket.completion.peek(at)) {
                frames.put(frame, frame);
            }
        }
        self.socket.completion.release(done);
        self.sending = self.sending.saturating_sub(done);
    }

    /// Makes packets of what is in the receive ring.
    #[inline]
    fn take_received(&mut self, burst: &mut Burst<AfXdpBuf>) {
        // All have room in the burst, since none gives more than one packet.
        let count = self.socket.rx.available().min(u32::try_from(burst.room()).unwrap_or(0));
        if count == 0 {
            return;
        }
        let memory = Arc::clone(&self.memory);
        let frames = memory.frames();
        frames.lend(count as usize);
        for at in 0..count {
            let piece = self.socket.rx.peek(at);
            if !frames.holds(piece.addr, piece.len) {
                // The kernel does not do that; a frame that is not known cannot be given back either.
                self.stats.rx_errors += 1;
                frames.give_back(1);
                continue;
            }
            let buf = AfXdpBuf::framed(frames, piece.addr, piece.len);
            if self.pieces.is_open || piece.options & libc::XDP_PKT_CONTD != 0 {
                self.join(&buf, piece.options & libc::XDP_PKT_CONTD != 0, burst);
            } else {
                self.hand_out(buf.with_room(), burst);
            }
        }
        self.socket.rx.release(count);
        self.fillable += count;
    }

    #[inline]
    fn hand_out(&mut self, buf: AfXdpBuf, burst: &mut Burst<AfXdpBuf>) {
        let mut meta = self.plain;
        meta.wire_len = u32::try_from(buf.bytes().len()).unwrap_or(u32::MAX);
        self.stats.rx_packets += 1;
        self.stats.rx_bytes += u64::from(meta.wire_len);
        // There is room: no more was taken than that.
        let _never_full = burst.push(buf, meta);
    }

    /// Adds a piece to the packet that is being put together, and hands it out with the last.
    #[cold]
    fn join(&mut self, piece: &AfXdpBuf, goes_on: bool, burst: &mut Burst<AfXdpBuf>) {
        let pieces = &mut self.pieces;
        if pieces.bytes.is_empty() {
            pieces.bytes.resize(HEADROOM, 0);
        }
        if pieces.bytes.len() + piece.bytes().len() > HEADROOM + pieces.most {
            pieces.is_dropping = true;
        }
        if !pieces.is_dropping {
            pieces.bytes.extend_from_slice(piece.bytes());
        }
        pieces.is_open = goes_on;
        if goes_on {
            return;
        }
        let bytes = std::mem::take(&mut pieces.bytes);
        if std::mem::take(&mut pieces.is_dropping) {
            self.stats.rx_errors += 1;
            return;
        }
        self.hand_out(AfXdpBuf::own(bytes), burst);
    }

    /// Sends a packet from the frame it is in, or copies it into frames of this queue; false where there is no room.
    #[inline]
    fn send(&mut self, buf: &AfXdpBuf, room: u32, sent: &mut Sent) -> bool {
        let frames = self.memory.frames();
        if let Some(Framed { address, len, .. }) = buf.frame_in(frames) {
            self.socket.tx.write(libc::xdp_desc { addr: address, len, options: 0 });
            sent.entries += 1;
            sent.frames_kept += 1;
            sent.bytes += u64::from(len);
            return true;
        }
        self.send_copy(buf.bytes(), room - sent.entries, sent)
    }

    #[cold]
    fn send_copy(&mut self, bytes: &[u8], room: u32, sent: &mut Sent) -> bool {
        let memory = Arc::clone(&self.memory);
        let frames = memory.frames();
        let size = frames.size() as usize;
        let count = bytes.len().div_ceil(size).max(1);
        if count > MOST_PIECES || (count > 1 && self.pieces.most == 0) {
            self.stats.tx_errors += 1;
            return true;
        }
        let mut taken = [0; MOST_PIECES];
        let wanted = taken.get_mut(..count).unwrap_or_default();
        if count > room as usize {
            return false;
        }
        let got = frames.take(wanted);
        if got < count {
            for &frame in wanted.iter().take(got) {
                frames.put(frame, frame);
            }
            return false;
        }
        let mut pieces = bytes.chunks(size).peekable();
        for &frame in &*wanted {
            let piece = pieces.next().unwrap_or_default();
            copy_into(frames, frame, piece);
            let options = if pieces.peek().is_some() { libc::XDP_PKT_CONTD } else { 0 };
            let len = u32::try_from(piece.len()).unwrap_or(0);
            self.socket.tx.write(libc::xdp_desc { addr: frames.address(frame), len, options });
            sent.entries += 1;
        }
        sent.bytes += bytes.len() as u64;
        true
    }

    /// Has the kernel send what is in the ring.
    fn kick(&self) {
        for _ in 0..MOST_KICKS {
            if !self.socket.tx.wants_wakeup() || self.socket.tx.waiting() == 0 || !self.socket.wake_sender() {
                return;
            }
        }
    }
}

/// What a call of `transmit` has put into the ring.
#[derive(Debug, Default)]
struct Sent {
    entries: u32,
    /// Frames of buffers that went into the ring as they were.
    frames_kept: usize,
    bytes: u64,
}

/// Pieces that the kernel takes of one packet (`CONFIG_MAX_SKB_FRAGS` and the head).
const MOST_PIECES: usize = 18;

/// Copies bytes to the start of a frame that is the caller's alone.
fn copy_into(frames: &Frames, frame: u32, bytes: &[u8]) {
    let at = usize::try_from(frames.address(frame)).unwrap_or(0);
    let to = frames.start().wrapping_add(at);
    let len = bytes.len().min(frames.size() as usize);
    // SAFETY: the frame is within the mapping, as long as said, and nobody else's; `bytes` is elsewhere.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, len) };
}

impl PacketIo for AfXdpQueue {
    type Buf = AfXdpBuf;

    fn receive(&mut self, burst: &mut Burst<AfXdpBuf>) {
        let before = burst.len();
        self.take_received(burst);
        self.reclaim();
        self.refill(if burst.len() == before { 1 } else { REFILL });
        let is_idle = burst.len() == before;
        if (is_idle && self.is_busy_polling) || self.socket.fill.wants_wakeup() {
            self.socket.wake_receiver();
        }
        if self.sending > 0 && is_idle {
            self.kick();
        }
        if !is_idle {
            self.counters.publish(&self.stats);
        }
    }

    fn transmit(&mut self, burst: &mut Burst<AfXdpBuf>) {
        self.reclaim();
        let room = self.socket.tx.room();
        let (mut sent, mut taken, errors) = (Sent::default(), 0, self.stats.tx_errors);
        for buf in burst.bufs() {
            if sent.entries >= room || !self.send(buf, room, &mut sent) {
                break;
            }
            taken += 1;
        }
        let frames = Arc::clone(&self.memory);
        for (buf, _) in burst.drain(taken) {
            if buf.frame_in(frames.frames()).is_some() {
                buf.forget_frame();
            }
        }
        if sent.frames_kept > 0 {
            frames.frames().give_back(sent.frames_kept);
        }
        self.sending += sent.entries;
        self.stats.tx_packets += (taken as u64).saturating_sub(self.stats.tx_errors - errors);
        self.stats.tx_bytes += sent.bytes;
        if sent.entries > 0 {
            self.socket.tx.publish();
        }
        if self.sending > 0 {
            self.kick();
        }
        self.counters.publish(&self.stats);
    }

    fn make(&mut self, bytes: &[u8]) -> Option<AfXdpBuf> {
        let is_of_frame = HEADROOM + bytes.len() + TAILROOM <= self.memory.frames().size() as usize;
        if !is_of_frame && bytes.len() <= self.pieces.most {
            return Some(AfXdpBuf::copied(bytes));
        }
        let mut buf = self.packet(bytes)?;
        // At the start of its frame: moved away from it where there is room.
        let (storage, at) = buf.storage_mut();
        let start = HEADROOM.min(storage.len() - at.len());
        storage.copy_within(at.clone(), start);
        buf.place(start..start + at.len()).then_some(buf)
    }

    fn set_clock(&mut self, now_ns: u64) {
        self.plain.timestamp_ns = now_ns;
    }

    fn stats(&self) -> IoStats {
        with_kernel(self.stats, &self.socket.fd)
    }
}

/// Counts of a queue, with what the kernel counted of its socket.
fn with_kernel(own: IoStats, fd: &OwnedFd) -> IoStats {
    let Ok(kernel) = socket::statistics(fd) else { return own };
    // Without a free frame a packet is dropped, and the missing frame counted besides.
    let no_buffer = kernel.rx_dropped.min(kernel.rx_fill_ring_empty_descs);
    IoStats {
        rx_missed: kernel.rx_ring_full,
        rx_no_buffer: no_buffer,
        rx_errors: own.rx_errors + kernel.rx_invalid_descs + (kernel.rx_dropped - no_buffer),
        tx_errors: own.tx_errors + kernel.tx_invalid_descs,
        ..own
    }
}

/// What a queue counts, for the thread that controls its port.
#[derive(Debug)]
pub(super) struct Meter {
    counters: Arc<Counters>,
    fd: OwnedFd,
}

impl Meter {
    pub(super) fn read(&self) -> IoStats {
        with_kernel(self.counters.read(), &self.fd)
    }
}

/// Counts of one queue, written by its worker alone.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counters {
    rx_packets: AtomicU64,
    rx_bytes: AtomicU64,
    rx_errors: AtomicU64,
    tx_packets: AtomicU64,
    tx_bytes: AtomicU64,
    tx_errors: AtomicU64,
}

impl Counters {
    fn publish(&self, stats: &IoStats) {
        self.rx_packets.store(stats.rx_packets, Ordering::Relaxed);
        self.rx_bytes.store(stats.rx_bytes, Ordering::Relaxed);
        self.rx_errors.store(stats.rx_errors, Ordering::Relaxed);
        self.tx_packets.store(stats.tx_packets, Ordering::Relaxed);
        self.tx_bytes.store(stats.tx_bytes, Ordering::Relaxed);
        self.tx_errors.store(stats.tx_errors, Ordering::Relaxed);
    }

    fn read(&self) -> IoStats {
        IoStats {
            rx_packets: self.rx_packets.load(Ordering::Relaxed),
            rx_bytes: self.rx_bytes.load(Ordering::Relaxed),
            rx_errors: self.rx_errors.load(Ordering::Relaxed),
            tx_packets: self.tx_packets.load(Ordering::Relaxed),
            tx_bytes: self.tx_bytes.load(Ordering::Relaxed),
            tx_errors: self.tx_errors.load(Ordering::Relaxed),
            ..IoStats::default()
        }
    }
}
