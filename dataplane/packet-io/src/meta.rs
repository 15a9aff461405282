//! What is known of a packet besides its bytes.

/// What a backend knows of a packet besides its bytes: sixteen bytes, four packets to a cache line, since it is written
/// for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketMeta {
    /// When it was received, nanoseconds since the UNIX epoch, UTC.
    pub timestamp_ns: u64,
    /// Bytes on the wire; more than were captured where the capture was cut.
    pub wire_len: u32,
    /// Index of the port or capture interface.
    pub interface: u16,
    /// The link layer, and what the port's hardware found about checksums.
    pub link: Link,
}

/// The link layer of a packet, by the LINKTYPE registry of tcpdump.org, and what hardware found about its checksums.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Link(u16);

impl Link {
    /// LINKTYPE_ETHERNET, with checksums that nobody looked at.
    pub const ETHERNET: Self = Self(1);
    /// Numbers from here on are kept as this one; the registry is at 300, and ends at 65,535.
    const UNASSIGNED: u16 = (1 << CHECKSUMS_AT) - 1;

    /// A link layer by its number in the registry, with checksums that nobody looked at.
    #[must_use]
    pub const fn new(linktype: u16) -> Self {
        if linktype < Self::UNASSIGNED { Self(linktype) } else { Self(Self::UNASSIGNED) }
    }

    /// Its number in the registry.
    #[must_use]
    pub const fn linktype(self) -> u16 {
        self.0 & Self::UNASSIGNED
    }

    /// What the port's hardware found about the checksums of the packet.
    #[must_use]
    pub const fn checksums(self) -> ChecksumOffload {
        match self.0 >> CHECKSUMS_AT {
            0 => ChecksumOffload::Unknown,
            1 => ChecksumOffload::Good,
            2 => ChecksumOffload::BadIp,
            _ => ChecksumOffload::BadL4,
        }
    }

    /// The same link layer with what hardware found.
    #[must_use]
    pub const fn with_checksums(self, found: ChecksumOffload) -> Self {
        Self(self.linktype() | (found as u16) << CHECKSUMS_AT)
    }
}

impl core::fmt::Debug for Link {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Link").field(&self.linktype()).field(&self.checksums()).finish()
    }
}

/// What hardware found about the checksums of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChecksumOffload {
    /// Not looked at: software must.
    #[default]
    Unknown = 0,
    /// Looked at and right.
    Good = 1,
    /// The IP header checksum is wrong.
    BadIp = 2,
    /// The transport checksum is wrong.
    BadL4 = 3,
}

/// The two highest bits of a [`Link`].
const CHECKSUMS_AT: u32 = 14;

const _: () = assert!(size_of::<PacketMeta>() == 16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_keeps_its_number_and_what_was_found() {
        let all =
            [ChecksumOffload::Unknown, ChecksumOffload::Good, ChecksumOffload::BadIp, ChecksumOffload::BadL4];
        for linktype in [0, 1, 113, 276, 301, 16_382] {
            for found in all {
                let link = Link::new(linktype).with_checksums(ChecksumOffload::BadL4).with_checksums(found);
                assert_eq!((link.linktype(), link.checksums()), (linktype, found));
            }
        }
        for unassigned in [16_383, 16_384, u16::MAX] {
            assert_eq!(Link::new(unassigned), Link::new(16_383));
            assert_eq!(Link::new(unassigned).checksums(), ChecksumOffload::Unknown);
        }
    }
}
