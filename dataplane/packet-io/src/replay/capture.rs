use std::io::Read;

use super::error::{Fault, FileStart, ReplayError};
use super::format::{Cut, Format, MAX_PACKET, OPTION_ROOM, Setting, Step};
use super::interfaces::Interfaces;
use super::source::Source;
use super::window::Window;
use crate::PacketMeta;
use crate::storage::{Pool, Region};

/// Reads the packets of one capture: pcap or pcapng, plain or packed with gzip or zstd, whichever it is.
///
/// Memory stays bounded whatever the capture says, and nothing is allocated for a packet. An error is given once and
/// tells where it is; behind it, [`Self::next`] goes on with what is still readable, and ends with `None`.
///
/// ```
/// use packet_io::replay::{CaptureReader, CaptureWriter};
/// use packet_io::PacketMeta;
///
/// let mut file = CaptureWriter::new(Vec::new(), 1)?;
/// file.write(b"a frame", &PacketMeta { timestamp_ns: 5, ..PacketMeta::default() })?;
/// let file = file.finish()?;
///
/// let mut reader = CaptureReader::new(file.as_slice());
/// while let Some(packet) = reader.next()? {
///     assert_eq!((packet.bytes, packet.meta.timestamp_ns), (&b"a frame"[..], 5));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CaptureReader<R: Read> {
    window: Window<R>,
    format: Option<Format>,
    options: CaptureOptions,
    interfaces: Interfaces,
    /// Bytes of the decompressed stream before the window, and before the record that is being read.
    offset: u64,
    record: u64,
    /// Packets given so far.
    packets: u64,
    /// Bytes of the last packet lent, to be passed over before the next.
    lent: usize,
    /// Bytes to be passed over that may not be at hand yet.
    skip: u64,
    is_done: bool,
}

/// How a capture is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureOptions {
    /// What errors call the file.
    pub file: String,
    /// What an interface is called that the file gives no name.
    pub interface: String,
    /// Longest packet accepted, in bytes; what is longer is taken for damage.
    pub max_packet: u32,
}

impl Default for CaptureOptions {
    fn default() -> Self {
        Self { file: "capture".to_owned(), interface: "capture".to_owned(), max_packet: MAX_PACKET }
    }
}

/// A packet lent by a [`CaptureReader`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The frame, without a frame check sequence.
    pub bytes: &'a [u8],
    /// What the capture says of it.
    pub meta: PacketMeta,
}

/// Whether to read on when no whole record is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenShort {
    Read,
    Return,
}

/// What a reader found.
#[derive(Debug)]
pub(crate) enum Found {
    Packet(Cut, PacketMeta),
    /// No whole record is at hand, and reading was not asked for.
    Short,
    End,
}

impl<R: Read> CaptureReader<R> {
    /// A reader of `input`, of which nothing is read yet.
    #[must_use]
    pub fn new(input: R) -> Self {
        Self::with_options(input, CaptureOptions::default())
    }

    /// The same, read as `options` say.
    #[must_use]
    pub fn with_options(input: R, options: CaptureOptions) -> Self {
        let pool = pool(options.max_packet);
        Self::resumed(input, options, Interfaces::default(), pool)
    }

    /// The same, with the interfaces and blocks of the file before; the blocks must be those of [`pool`].
    pub(crate) fn resumed(input: R, options: CaptureOptions, interfaces: Interfaces, pool: Pool) -> Self {
        Self {
            window: Window::new(Source::new(input), pool),
            format: None,
            options,
            interfaces,
            offset: 0,
            record: 0,
            packets: 0,
            lent: 0,
            skip: 0,
            is_done: false,
        }
    }

    /// The next packet, or `None` at the end.
    ///
    /// # Errors
    /// What is wrong with the file or with one record; each is told once, and reading goes on behind it where that is
    /// possible.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend from itself")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Packet<'_>>, ReplayError> {
        match self.find(WhenShort::Read)? {
            Found::Packet(Cut { head, len, total }, meta) => {
                self.lent = total;
                let bytes = self.window.bytes().get(head..head + len).unwrap_or_default();
                Ok(Some(Packet { bytes, meta }))
            }
            Found::Short | Found::End => Ok(None),
        }
    }

    /// The next packet, in a buffer of its own.
    #[inline]
    pub(crate) fn take(&mut self, when_short: WhenShort) -> Result<Taken, ReplayError> {
        match self.find(when_short)? {
            Found::Packet(Cut { head, len, total }, meta) => {
                self.offset += total as u64;
                Ok(Taken::Packet(self.window.cut(head, len, total), meta))
            }
            Found::Short => Ok(Taken::Short),
            Found::End => Ok(Taken::End),
        }
    }

    /// Names of the interfaces met so far; [`PacketMeta::interface`] is an index into them.
    #[must_use]
    pub fn interfaces(&self) -> &[String] {
        self.interfaces.names()
    }

    /// Bytes taken from the input, before unpacking.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.window.source().bytes_read()
    }

    /// Packets given so far.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Ends reading and gives back what the next file goes on with.
    pub(crate) fn into_parts(self) -> (Interfaces, Pool) {
        (self.interfaces, self.window.into_pool())
    }

    #[inline]
    fn find(&mut self, when_short: WhenShort) -> Result<Found, ReplayError> {
        self.pass_over(self.lent);
        self.lent = 0;
        loop {
            if self.skip > 0 {
                match self.skip_on(when_short)? {
                    Ready::Yes => {}
                    Ready::Short => return Ok(Found::Short),
                }
            }
            let Some(format) = &mut self.format else {
                match self.begin(when_short)? {
                    Begun::Yes => continue,
                    Begun::Short => return Ok(Found::Short),
                    Begun::End => return Ok(Found::End),
                }
            };
            if format.is_between_records() {
                self.record = self.offset;
            }
            let mut setting = Setting {
                max_packet: self.options.max_packet,
                unnamed: &self.options.interface,
                interfaces: &mut self.interfaces,
                at_end: self.window.is_at_end(),
            };
            match format.step(self.window.bytes(), &mut setting) {
                Ok(Step::Packet(cut, meta)) => {
                    self.packets += 1;
                    return Ok(Found::Packet(cut, meta));
                }
                Ok(Step::Skip(count)) => self.skip = count,
                Ok(Step::Bad { fault, skip }) => {
                    self.skip = skip;
                    return Err(self.damaged(fault));
                }
                Ok(Step::Need(wanted)) if self.window.is_at_end() => return self.end(wanted),
                Ok(Step::Need(_)) if when_short == WhenShort::Return => return Ok(Found::Short),
                Ok(Step::Need(wanted)) => self.window.fill(wanted),
                Err(fault) => {
                    self.close();
                    return Err(self.damaged(fault));
                }
            }
        }
    }

    /// Recognises the format.
    #[cold]
    fn begin(&mut self, when_short: WhenShort) -> Result<Begun, ReplayError> {
        if self.is_done {
            return Ok(Begun::End);
        }
        while self.window.bytes().len() < FileStart::SHOWN && !self.window.is_at_end() {
            if when_short == WhenShort::Return {
                return Ok(Begun::Short);
            }
            self.window.fill(FileStart::SHOWN);
        }
        self.format = self.window.bytes().first_chunk::<4>().and_then(|&start| Format::recognise(start));
        if self.format.is_some() {
            return Ok(Begun::Yes);
        }
        self.close();
        Err(self.failure().unwrap_or_else(|| ReplayError::NotACapture {
            file: self.options.file.clone(),
            start: FileStart::new(self.window.bytes()),
        }))
    }

    /// Passes over what is of no interest.
    #[cold]
    fn skip_on(&mut self, when_short: WhenShort) -> Result<Ready, ReplayError> {
        loop {
            let at_hand = self.window.bytes().len();
            let count = usize::try_from(self.skip).map_or(at_hand, |skip| skip.min(at_hand));
            self.pass_over(count);
            self.skip -= count as u64;
            if self.skip == 0 {
                return Ok(Ready::Yes);
            }
            if self.window.is_at_end() {
                let missing = self.skip;
                self.skip = 0;
                self.close();
                return Err(self.failure().unwrap_or_else(|| self.damaged(Fault::Truncated { missing })));
            }
            if when_short == WhenShort::Return {
                return Ok(Ready::Short);
            }
            self.window.fill(1);
        }
    }

    /// The file has ended where a format asked for `wanted` bytes.
    #[cold]
    fn end(&mut self, wanted: usize) -> Result<Found, ReplayError> {
        let at_hand = self.window.bytes().len();
        let is_whole = at_hand == 0 && self.format.as_ref().is_some_and(Format::is_between_records);
        self.close();
        match self.failure() {
            Some(error) => Err(error),
            None if is_whole => Ok(Found::End),
            None => Err(self.damaged(Fault::Truncated { missing: wanted.saturating_sub(at_hand) as u64 })),
        }
    }

    fn close(&mut self) {
        self.is_done = true;
        self.format = None;
    }

    #[inline]
    fn pass_over(&mut self, count: usize) {
        self.window.advance(count);
        self.offset += count as u64;
    }

    fn failure(&mut self) -> Option<ReplayError> {
        let layer = self.window.source().layer();
        self.window.take_failure().map(|source| ReplayError::Read {
            file: self.options.file.clone(),
            offset: self.record,
            packet: self.packets + 1,
            layer,
            source,
        })
    }

    #[cold]
    fn damaged(&self, fault: Fault) -> ReplayError {
        let file = self.options.file.clone();
        ReplayError::Damaged { file, offset: self.record, packet: self.packets + 1, fault }
    }
}

/// Whether a record can be looked at.
enum Ready {
    Yes,
    Short,
}

/// Whether the format is known.
enum Begun {
    Yes,
    Short,
    End,
}

/// What [`CaptureReader::take`] took.
#[derive(Debug)]
pub(crate) enum Taken {
    Packet(Region, PacketMeta),
    /// No whole record is at hand, and reading was not asked for.
    Short,
    End,
}

/// Blocks in which a record with a packet of `max_packet` bytes fits in one piece.
pub(crate) fn pool(max_packet: u32) -> Pool {
    Pool::new(max_packet as usize + OPTION_ROOM + BLOCK_MARGIN)
}

/// Room for the fields of a block around its packet and options.
const BLOCK_MARGIN: usize = 4_096;

impl<R: Read> std::fmt::Debug for CaptureReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CaptureReader")
            .field("options", &self.options)
            .field("offset", &self.offset)
            .field("packets", &self.packets)
            .field("is_done", &self.is_done)
            .finish_non_exhaustive()
    }
}
