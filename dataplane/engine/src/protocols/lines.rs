//! Lines, commands and replies of the text protocols that descend from FTP's.

use memchr::memchr;

use super::framed::Framing;
use crate::record::Direction;

/// Bytes of a line; what is longer is read in pieces of this size.
const LINE_MAX: usize = 4096;

/// Where the line at the start of `bytes` ends, its end included.
pub(super) fn framing(bytes: &[u8]) -> Framing {
    let shown = bytes.get(..LINE_MAX).unwrap_or(bytes);
    match memchr(b'\n', shown) {
        Some(end) => Framing::whole(end + 1),
        None if shown.len() == LINE_MAX => Framing::whole(LINE_MAX),
        None => Framing::Open,
    }
}

/// Where the lines of both directions stand: what is longer than a piece goes on in the next ones.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lines {
    goes_on: [bool; 2],
}

impl Lines {
    /// The line that a piece begins, without its end; none where it goes on with a line that was shown before: what
    /// follows a password must not be taken for a command.
    pub(super) fn begin<'a>(&mut self, piece: &'a [u8], from: Direction) -> Option<&'a [u8]> {
        let goes_on = self.goes_on.get_mut(from as usize)?;
        let went_on = core::mem::replace(goes_on, !piece.ends_with(b"\n"));
        (!went_on).then(|| content(piece))
    }

    /// Bytes of one direction were lost; what follows was looked for and is the start of a line.
    pub(super) const fn lost(&mut self, from: Direction) {
        let [to_server, to_client] = &mut self.goes_on;
        match from {
            Direction::ToServer => *to_server = false,
            Direction::ToClient => *to_client = false,
        }
    }
}

/// A line without its end.
pub(super) fn content(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The first word of a line and what follows it, without blanks around.
pub(super) fn words(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.trim_ascii();
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let (first, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
    (first, rest.trim_ascii())
}

/// A line of a reply: its code, whether it is the last one, its text (RFC 959, 4.2; RFC 5321, 4.2).
pub(super) fn reply(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_first_chunk::<3>()?;
    if !(digits.iter().all(u8::is_ascii_digit) && (b'1'..=b'6').contains(&digits[0])) {
        return None;
    }
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match rest.split_first() {
        None => Some((code, true, rest)),
        Some((b' ', text)) => Some((code, true, text)),
        Some((b'-', text)) => Some((code, false, text)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_have_codes_and_continue() {
        assert_eq!(reply(b"220 ready"), Some((220, true, &b"ready"[..])));
        assert_eq!(reply(b"250-SIZE"), Some((250, false, &b"SIZE"[..])));
        assert_eq!(reply(b"250"), Some((250, true, &b""[..])));
        assert_eq!(reply(b"25x ready"), None);
        assert_eq!(reply(b"999 ready"), None);
    }

    #[test]
    fn only_the_first_piece_of_a_line_begins_it() {
        let mut lines = Lines::default();
        assert_eq!(lines.begin(b"PASS aaaa", Direction::ToServer), Some(&b"PASS aaaa"[..]));
        assert_eq!(lines.begin(b"331 ok\r\n", Direction::ToClient), Some(&b"331 ok"[..]));
        assert_eq!(lines.begin(b"USER bbbb", Direction::ToServer), None);
        assert_eq!(lines.begin(b"cc\r\n", Direction::ToServer), None);
        assert_eq!(lines.begin(b"QUIT\r\n", Direction::ToServer), Some(&b"QUIT"[..]));
    }

    #[test]
    fn lines_without_an_end_are_read_in_pieces() {
        assert_eq!(framing(b"QUIT\r\nmore"), Framing::whole(6));
        assert_eq!(framing(b"QUIT"), Framing::Open);
        assert_eq!(framing(&[b'a'; 10_000]), Framing::whole(LINE_MAX));
        assert_eq!(words(b" AUTH  PLAIN x \r"), (&b"AUTH"[..], &b"PLAIN x"[..]));
    }
}
