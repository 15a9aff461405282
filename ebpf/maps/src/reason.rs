//! What became of a packet, and why.

/// What the XDP program did with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Left to the host.
    Pass,
    /// Dropped.
    Drop,
    /// Counted for a settled flow, and passed, dropped or forwarded as the flow's entry says.
    Shunt,
    /// Handed to the AF_XDP socket of its queue.
    Redirect,
}

impl Verdict {
    /// Name as metrics print it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Drop => "drop",
            Self::Shunt => "shunt",
            Self::Redirect => "redirect",
        }
    }
}

/// Why, and index of the counter; the order is that of the tests in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Reason {
    /// The owner's heartbeat stopped.
    PassOwnerStalled,
    /// ARP or neighbour discovery (RFC 4861).
    PassNeighbour,
    /// A protected service of this host.
    PassService,
    /// Addressed to this host.
    PassOwn,
    /// The source is on the deny list.
    DropDeniedSource,
    /// The destination is on the deny list.
    DropDeniedDestination,
    /// The source is on no list, and those are denied.
    DropUnlistedSource,
    /// The destination is on no list, and those are denied.
    DropUnlistedDestination,
    /// The source sends faster than it may.
    DropRate,
    /// Of a settled flow, dropped.
    ShuntDrop,
    /// Of a settled flow, left to the host.
    ShuntPass,
    /// Of a settled flow, forwarded.
    ShuntForward,
    /// Its flow is not in the sample.
    DropSampledOut,
    /// Handed over, with a key that could be read.
    Redirect,
    /// Handed over: not IP.
    RedirectNotIp,
    /// Handed over: a fragment.
    RedirectFragment,
    /// Handed over: headers that only user space reads.
    RedirectUnread,
    /// Handed over: headers that contradict each other, which user space accounts for.
    RedirectMalformed,
    /// Left to the host: its queue has no socket.
    PassNoSocket,
}

impl Reason {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 19] = [
        Self::PassOwnerStalled,
        Self::PassNeighbour,
        Self::PassService,
        Self::PassOwn,
        Self::DropDeniedSource,
        Self::DropDeniedDestination,
        Self::DropUnlistedSource,
        Self::DropUnlistedDestination,
        Self::DropRate,
        Self::ShuntDrop,
        Self::ShuntPass,
        Self::ShuntForward,
        Self::DropSampledOut,
        Self::Redirect,
        Self::RedirectNotIp,
        Self::RedirectFragment,
        Self::RedirectUnread,
        Self::RedirectMalformed,
        Self::PassNoSocket,
    ];

    /// Index of its counter.
    #[must_use]
    pub const fn index(self) -> u32 {
        self as u32
    }

    /// Name as metrics print it, below that of its verdict.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PassOwnerStalled => "owner_stalled",
            Self::PassNeighbour => "neighbour",
            Self::PassService => "service",
            Self::PassOwn => "own",
            Self::DropDeniedSource => "denied_source",
            Self::DropDeniedDestination => "denied_destination",
            Self::DropUnlistedSource => "unlisted_source",
            Self::DropUnlistedDestination => "unlisted_destination",
            Self::DropRate => "rate",
            Self::ShuntDrop => "drop",
            Self::ShuntPass => "pass",
            Self::ShuntForward => "forward",
            Self::DropSampledOut => "sampled_out",
            Self::Redirect => "flow",
            Self::RedirectNotIp => "not_ip",
            Self::RedirectFragment => "fragment",
            Self::RedirectUnread => "unread",
            Self::RedirectMalformed => "malformed",
            Self::PassNoSocket => "no_socket",
        }
    }

    /// What is done with such a packet.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::PassOwnerStalled
            | Self::PassNeighbour
            | Self::PassService
            | Self::PassOwn
            | Self::PassNoSocket => Verdict::Pass,
            Self::DropDeniedSource
            | Self::DropDeniedDestination
            | Self::DropUnlistedSource
            | Self::DropUnlistedDestination
            | Self::DropRate
            | Self::DropSampledOut => Verdict::Drop,
            Self::ShuntDrop | Self::ShuntPass | Self::ShuntForward => Verdict::Shunt,
            Self::Redirect
            | Self::RedirectNotIp
            | Self::RedirectFragment
            | Self::RedirectUnread
            | Self::RedirectMalformed => Verdict::Redirect,
        }
    }
}
