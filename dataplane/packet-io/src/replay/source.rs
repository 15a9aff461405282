//! Bytes of a capture file, unpacked where it is packed.

use std::io::{self, BufReader, Read};
use std::mem;

use flate2::read::MultiGzDecoder;

use super::error::Layer;

/// A stream that is unpacked by what its first bytes say it is.
///
/// Unpacking needs a bounded amount of memory, whatever the file says: 32 KiB for gzip, and for zstd the 128 MiB window
/// that its library accepts by default (`zstd --long=28` and more are refused).
pub(crate) struct Source<R: Read> {
    state: State<R>,
}

enum State<R: Read> {
    Unread(R),
    Plain(Counted<R>),
    Gzip(Box<MultiGzDecoder<Counted<R>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<Counted<R>>>>),
    /// The first read failed.
    Broken,
}

const GZIP: [u8; 3] = [0x1f, 0x8b, 0x08];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// A skippable frame, which may come before the first of data; the low half of the first byte is free.
const ZSTD_SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];

impl<R: Read> Source<R> {
    /// A source over `input`, of which nothing is read yet.
    pub(crate) fn new(input: R) -> Self {
        Self { state: State::Unread(input) }
    }

    /// Reads on; 0 is the end.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if matches!(self.state, State::Unread(_)) {
            self.begin()?;
        }
        match &mut self.state {
            State::Plain(plain) => plain.read(into),
            State::Gzip(gzip) => gzip.read(into),
            State::Zstd(zstd) => zstd.read(into),
            State::Unread(_) | State::Broken => Ok(0),
        }
    }

    /// Bytes taken from the input, before unpacking.
    pub(crate) fn bytes_read(&self) -> u64 {
        match &self.state {
            State::Unread(_) | State::Broken => 0,
            State::Plain(counted) => counted.count,
            State::Gzip(gzip) => gzip.get_ref().count,
            State::Zstd(zstd) => zstd.get_ref().get_ref().count,
        }
    }

    /// Who reads the bytes.
    pub(crate) fn layer(&self) -> Layer {
        match &self.state {
            State::Unread(_) | State::Plain(_) | State::Broken => Layer::File,
            State::Gzip(_) => Layer::Gzip,
            State::Zstd(_) => Layer::Zstd,
        }
    }

    fn begin(&mut self) -> io::Result<()> {
        let State::Unread(input) = mem::replace(&mut self.state, State::Broken) else { return Ok(()) };
        let input = Counted::new(input)?;
        let [first, after @ ..] = input.start;
        self.state = if input.start.starts_with(&GZIP) {
            State::Gzip(Box::new(MultiGzDecoder::new(input)))
        } else if input.start == ZSTD || (first & 0xf0 == 0x50 && after == ZSTD_SKIPPABLE) {
            State::Zstd(Box::new(zstd::stream::read::Decoder::new(input)?))
        } else {
            State::Plain(input)
        };
        Ok(())
    }
}

/// An input whose first bytes were looked at, and how much of it was read.
struct Counted<R> {
    input: R,
    start: [u8; 4],
    /// Bytes of `start` that are there, and how many of them were read again.
    start_len: usize,
    start_read: usize,
    count: u64,
}

impl<R: Read> Counted<R> {
    fn new(mut input: R) -> io::Result<Self> {
        let (mut start, mut start_len) = ([0; 4], 0);
        while let Some(room) = start.get_mut(start_len..).filter(|room| !room.is_empty()) {
            match read_through(&mut input, room)? {
                0 => break,
                read => start_len += read,
            }
        }
        Ok(Self { input, start, start_len, start_read: 0, count: 0 })
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut again = self.start.get(self.start_read..self.start_len).unwrap_or_default();
        let read = if again.is_empty() {
            read_through(&mut self.input, into)?
        } else {
            let read = again.read(into)?;
            self.start_read += read;
            read
        };
        self.count += read as u64;
        Ok(read)
    }
}

/// Reads once, not counting interruptions by signals, which a decompressor might not survive.
fn read_through(input: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// Gives one byte at a time, with an interruption before each.
    struct Trickle<'a>(&'a [u8], bool);

    impl Read for Trickle<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let len = into.len().min(1);
            self.0.read(&mut into[..len])
        }
    }

    fn all(packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut source = Source::new(Trickle(packed, false));
        let (mut data, mut part) = (Vec::new(), [0; 7]);
        loop {
            match source.read(&mut part)? {
                0 => break,
                read => data.extend_from_slice(&part[..read]),
            }
        }
        assert_eq!(source.bytes_read(), packed.len() as u64);
        Ok(data)
    }

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(data).unwrap();
        packed.finish().unwrap()
    }

    #[test]
    fn every_packing_is_recognised_and_undone() {
        let data: Vec<u8> = (0..10_000_u32).flat_map(u32::to_le_bytes).collect();
        let zstd = zstd::encode_all(&data[..], 1).unwrap();
        let skipped = [&[0x5a, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9][..], &zstd].concat();
        for packed in [data.clone(), gzip(&data), zstd, skipped] {
            assert_eq!(all(&packed).unwrap(), data);
        }
    }

    #[test]
    fn several_packed_parts_are_one_stream() {
        assert_eq!(all(&[gzip(b"ab"), gzip(b""), gzip(b"cd")].concat()).unwrap(), b"abcd");
        let zstd = |data: &[u8]| zstd::encode_all(data, 1).unwrap();
        assert_eq!(all(&[zstd(b"ab"), zstd(b"cd")].concat()).unwrap(), b"abcd");
    }

    #[test]
    fn a_short_file_is_read_as_it_is() {
        for data in [&b""[..], b"a", b"\x1f\x8b", b"abcd", b"abcde"] {
            assert_eq!(all(data).unwrap(), data);
        }
    }
}
