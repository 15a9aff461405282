use wire::LinkType;

use crate::policy::RuleNumber;

/// One received packet, lent to the engine.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// What was captured of it, from the link layer on.
    pub bytes: &'a [u8],
    /// Bytes it had on the wire.
    pub wire_len: u32,
    /// When it came, nanoseconds since the UNIX epoch.
    pub timestamp_ns: u64,
    /// What its first bytes are; none where this program does not read that link layer.
    pub link: Option<LinkType>,
    /// Port or capture interface.
    pub interface: u16,
    /// The port's hardware found its checksums right.
    pub checksums_good: bool,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    #[default]
    Forward,
    /// It goes no further; the reason has been counted.
    Drop,
    /// It goes on sealed, because of this rule; a packet that came sealed goes on.
    Seal(RuleNumber),
}
