//! Lines of the text protocol.

use crate::protocols::Found;

/// Longest key.
const KEY_MAX: usize = 250;
/// Bytes of a line; a retrieval may name a hundred keys.
pub(super) const LINE_MAX: usize = 8 * 1024;
/// Longest data of an item that is believed.
const DATA_MAX: u64 = 1 << 30;

/// What a line of a client says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request<'a> {
    pub(super) command: &'static str,
    pub(super) key: &'a [u8],
    /// Bytes of data behind the line, without the line end.
    pub(super) data: Option<u64>,
    pub(super) wants_no_answer: bool,
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.trim_ascii().split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}

fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() || word.len() > 18 || !word.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(word.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')))
}

fn command(word: &[u8]) -> Option<&'static str> {
    const COMMANDS: [&str; 31] = [
        "set",
        "add",
        "replace",
        "append",
        "prepend",
        "cas",
        "get",
        "gets",
        "gat",
        "gats",
        "delete",
        "incr",
        "decr",
        "touch",
        "stats",
        "flush_all",
        "version",
        "verbosity",
        "quit",
        "shutdown",
        "slabs",
        "lru",
        "watch",
        "mg",
        "ms",
        "md",
        "ma",
        "mn",
        "me",
        "cache_memlimit",
        "misbehave",
    ];
    COMMANDS.into_iter().find(|name| name.as_bytes() == word)
}

impl<'a> Request<'a> {
    /// Reads a line. None where it is no command.
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        let mut parts = words(line);
        let command = command(parts.next()?)?;
        let has_key = !matches!(
            command,
            "stats"
                | "flush_all"
                | "version"
                | "verbosity"
                | "quit"
                | "shutdown"
                | "slabs"
                | "lru"
                | "watch"
                | "mn"
                | "cache_memlimit"
                | "misbehave"
        );
        let is_retrieval_of_age = matches!(command, "gat" | "gats");
        if is_retrieval_of_age {
            number(parts.next()?)?;
        }
        let key = if has_key { parts.next().filter(|key| key.len() <= KEY_MAX)? } else { &[] };
        let mut request =
            Self { command, key, data: None, wants_no_answer: line.trim_ascii_end().ends_with(b" noreply") };
        match command {
            "set" | "add" | "replace" | "append" | "prepend" | "cas" => {
                let (_flags, expiry, data) = (number(parts.next()?)?, parts.next()?, number(parts.next()?)?);
                number(expiry.strip_prefix(b"-").unwrap_or(expiry))?;
                request.data = Some(data).filter(|data| *data <= DATA_MAX);
                request.data?;
            }
            "ms" => request.data = Some(number(parts.next()?).filter(|data| *data <= DATA_MAX)?),
            _ => {}
        }
        Some(request)
    }

    /// Whether it changes the server, empties it, or shows more than an item.
    pub(super) fn is_administration(&self) -> bool {
        matches!(
            self.command,
            "flush_all"
                | "shutdown"
                | "slabs"
                | "lru"
                | "watch"
                | "verbosity"
                | "cache_memlimit"
                | "misbehave"
                | "stats"
        )
    }
}

/// What a line of a server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer<'a> {
    /// Data follows, and then more lines.
    Value(u64),
    /// Data follows, and that is all.
    OnlyValue(u64),
    /// A line of several.
    Part,
    /// The last line.
    Last(&'a [u8]),
    Error(&'a [u8]),
}

impl<'a> Answer<'a> {
    /// Reads a line. None where it is no answer.
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        let line = line.trim_ascii_end();
        let mut parts = words(line);
        let first = parts.next()?;
        Some(match first {
            b"VALUE" => {
                let (_key, _flags, data) = (parts.next()?, number(parts.next()?)?, number(parts.next()?)?);
                Self::Value(data).checked()?
            }
            b"VA" => Self::OnlyValue(number(parts.next()?)?).checked()?,
            b"STAT" | b"ITEM" => Self::Part,
            b"END" | b"STORED" | b"NOT_STORED" | b"EXISTS" | b"NOT_FOUND" | b"DELETED" | b"TOUCHED"
            | b"OK" | b"RESET" | b"VERSION" | b"HD" | b"EN" | b"NF" | b"NS" | b"EX" | b"MN" | b"ME" => {
                Self::Last(first)
            }
            b"ERROR" | b"CLIENT_ERROR" | b"SERVER_ERROR" => Self::Error(line),
            digits => {
                number(digits)?;
                Self::Last(b"number")
            }
        })
    }

    fn checked(self) -> Option<Self> {
        match self {
            Self::Value(data) | Self::OnlyValue(data) if data > DATA_MAX => None,
            _ => Some(self),
        }
    }
}

/// Whether a client's stream begins with a storage command.
pub(super) fn probe(bytes: &[u8]) -> Found {
    let shown = bytes.get(..512).unwrap_or(bytes);
    match memchr::memchr(b'\n', shown) {
        Some(end) => match Request::read(shown.get(..end).unwrap_or_default()) {
            // Four words and numbers are much to be so by chance.
            Some(request) if request.data.is_some() && request.command != "ms" => Found::Yes,
            _ => Found::No,
        },
        None if shown.len() < bytes.len() => Found::No,
        None => {
            let is_storage = [&b"set "[..], b"add ", b"replace ", b"append ", b"prepend ", b"cas "]
                .iter()
                .any(|start| shown.starts_with(start.get(..shown.len()).unwrap_or(start)));
            if is_storage && shown.iter().all(|byte| (b' '..=b'~').contains(byte) || *byte == b'\r') {
                Found::Maybe
            } else {
                Found::No
            }
        }
    }
}
