//! How far one direction of a connection has been read.

use super::message::Message;

/// What the next byte of a direction belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// A start line, or empty lines before it.
    #[default]
    Start,
    /// Header fields.
    Fields,
    /// The rest of a line of the head that is too long.
    LineRest,
    /// A body of which this many bytes are left.
    Length(u64),
    /// The line of a chunk's size.
    ChunkSize,
    /// A chunk of which this many bytes are left.
    Chunk(u64),
    /// The line end after a chunk.
    ChunkEnd,
    /// Fields after the last chunk.
    Trailers,
    /// A body up to the end of the connection.
    UntilClose,
    /// What follows CONNECT: it depends on the response.
    Held,
    /// Bytes in which a start line is looked for.
    Lost {
        /// How many more are looked at.
        left: u32,
        /// The next byte is in the middle of a line.
        within_line: bool,
    },
    /// Nothing more.
    Ended,
}

/// Bytes in which a start line is looked for after a gap or after what is not HTTP.
const LOST_MAX: u32 = 1024 * 1024;

impl Phase {
    /// The place was lost. What comes next may well start a message: in the middle of one, nothing looks like that.
    pub(super) const fn lost() -> Self {
        Self::Lost { left: LOST_MAX, within_line: false }
    }
}

/// What is wanted of the start of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peek {
    /// Whether it is SOAP or JSON-RPC.
    Service,
    /// Whether a form has a password.
    Form,
}

/// Bytes of a body that are looked at.
pub(super) const PEEK_MAX: usize = 1024;

/// State of one direction.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// What comes next.
    pub(super) phase: Phase,
    /// Unread bytes in which no line end was found; it need not be looked for again.
    pub(super) scanned: usize,
    /// The start of the body that comes next is of interest.
    pub(super) peek: Option<Peek>,
    /// The message whose head is being read.
    pub(super) message: Message,
}

impl Lane {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.message.clear();
        self.phase = Phase::Start;
        self.scanned = 0;
        self.peek = None;
    }

    /// Goes on with `phase`.
    pub(super) const fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.scanned = 0;
    }
}
