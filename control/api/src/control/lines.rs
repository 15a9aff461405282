use std::io::{self, BufRead};

/// Reads lines that are no longer than a limit, so that nobody fills the memory with one.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    limit: usize,
    line: Vec<u8>,
}

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The line is longer than the limit; what follows on this connection cannot be read.
    #[error("a line is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The connection ended in the middle of a line.
    #[error("the connection ended in the middle of a line")]
    Unfinished,
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl<R: BufRead> Lines<R> {
    /// Lines of `reader`, at most `limit` bytes each, line feeds not counted.
    pub const fn new(reader: R, limit: usize) -> Self {
        Self { reader, limit, line: Vec::new() }
    }

    /// The next line without its line feed; none at the end. What came before a timeout is kept for the next call.
    ///
    /// # Errors
    /// The line is too long or unfinished, or the system refused.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, LineError> {
        // A line that was given away is over.
        if self.line.last() == Some(&b'\n') {
            self.line.clear();
            // One huge line must not keep its memory for ever.
            self.line.shrink_to(KEPT);
        }
        loop {
            let bytes = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if bytes.is_empty() {
                return if self.line.is_empty() { Ok(None) } else { Err(LineError::Unfinished) };
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let part = bytes.get(..end.map_or(bytes.len(), |end| end + 1)).unwrap_or(bytes);
            if self.line.len() + part.len() > self.limit + usize::from(end.is_some()) {
                return Err(LineError::TooLong { limit: self.limit });
            }
            self.line.extend_from_slice(part);
            let taken = part.len();
            self.reader.consume(taken);
            if end.is_some() {
                return Ok(self.line.strip_suffix(b"\n"));
            }
        }
    }
}

/// Bytes of a line's memory that stay for the next.
const KEPT: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use super::*;

    #[test]
    fn lines_come_whole_however_the_bytes_are_cut() {
        for size in 1..12 {
            let reader = BufReader::with_capacity(size, &b"one\n\ntwo\nthree"[..]);
            let mut lines = Lines::new(reader, 5);
            assert_eq!(lines.next_line().unwrap(), Some(&b"one"[..]));
            assert_eq!(lines.next_line().unwrap(), Some(&b""[..]));
            assert_eq!(lines.next_line().unwrap(), Some(&b"two"[..]));
            assert!(matches!(lines.next_line(), Err(LineError::Unfinished)));
        }
    }

    #[test]
    fn a_line_of_the_limit_is_read_and_a_longer_one_is_not() {
        let mut lines = Lines::new(BufReader::with_capacity(3, &b"12345\n123456\n"[..]), 5);
        assert_eq!(lines.next_line().unwrap(), Some(&b"12345"[..]));
        assert!(matches!(lines.next_line(), Err(LineError::TooLong { limit: 5 })));
    }

    #[test]
    fn a_line_without_end_takes_no_more_memory_than_the_limit() {
        let mut lines = Lines::new(BufReader::new(io::repeat(b'x').take(1 << 30)), 1 << 16);
        assert!(matches!(lines.next_line(), Err(LineError::TooLong { .. })));
        assert!(lines.line.capacity() <= 1 << 17);
    }
}
